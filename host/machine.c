/* SPDX-License-Identifier: Apache-2.0 */
#include "host/machine.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 512
#define PROCESSOR_MAX 16384U  /* bytes: the first processor's part is enough */
#define OPTIONS_MAX (1U << 20) /* bytes of a kernel's configuration; usual are 300,000 */

static void close_file(FILE **file)
{
    if (*file != NULL) {
        (void) fclose(*file);
    }
}

static FILE *open_below(const char *root, const char *path)
{
    char whole[PATH_SIZE];
    int size = snprintf(whole, sizeof(whole), "%s%s", root, path);
    return size > 0 && size < PATH_SIZE ? fopen(whole, "re") : NULL;
}

/* A line without its end, cut to what fits, printable. */
static void take_text(const char *from, char *out, size_t size)
{
    size_t count = strcspn(from, "\n");
    count = count < size ? count : size - 1;
    for (size_t i = 0; i < count; i++) {
        out[i] = (char) (from[i] >= ' ' && from[i] <= '~' ? from[i] : '?');
    }
    out[count] = '\0';
}

static void read_version(const char *text, struct cella_machine *out)
{
    char *end;
    unsigned long major = strtoul(text, &end, 10);
    unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    bool known = text[0] >= '0' && text[0] <= '9' && *end == '.' && major < 1000 && minor < 1000;
    out->major = known ? (unsigned int) major : 0;
    out->minor = known ? (unsigned int) minor : 0;
}

static void look_at_kernel(const char *root, struct cella_machine *out)
{
    char line[128];
    __attribute__((cleanup(close_file))) FILE *file = open_below(root, "/proc/sys/kernel/osrelease");
    if (file == NULL || fgets(line, sizeof(line), file) == NULL) {
        return;
    }
    take_text(line, out->kernel, sizeof(out->kernel));
    read_version(line, out);
}

static bool has_word(const char *words, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = strstr(words, word); at != NULL; at = strstr(at + 1, word)) {
        if ((at == words || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\n' || at[size] == '\0')) {
            return true;
        }
    }
    return false;
}

static void read_flags(const char *words, struct cella_machine *out)
{
    static const struct {
        const char *word;
        unsigned int flag;
    } known[] = { { "hypervisor", CELLA_MACHINE_GUEST },
                  { "sev_snp", CELLA_MACHINE_SNP },
                  { "tdx_guest", CELLA_MACHINE_TDX_GUEST },
                  { "sgx", CELLA_MACHINE_SGX } };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        out->flags |= has_word(words, known[i].word) ? known[i].flag : 0;
    }
}

static void look_at_processor(const char *root, struct cella_machine *out)
{
    char line[8192];
    size_t left = PROCESSOR_MAX;
    __attribute__((cleanup(close_file))) FILE *file = open_below(root, "/proc/cpuinfo");
    while (file != NULL && left > 0 && fgets(line, sizeof(line), file) != NULL && line[0] != '\n') {
        const char *value = strstr(line, ": ");
        left -= strlen(line) < left ? strlen(line) : left;
        if (value == NULL) {
            continue;
        }
        value += 2;
        if (strncmp(line, "flags", 5) == 0) {
            read_flags(value, out);
        } else if (strncmp(line, "model name", 10) == 0) {
            take_text(value, out->processor, sizeof(out->processor));
        } else if (strncmp(line, "vendor_id", 9) == 0) {
            out->flags |= strncmp(value, "AuthenticAMD", 12) == 0   ? CELLA_MACHINE_AMD
                          : strncmp(value, "GenuineIntel", 12) == 0 ? CELLA_MACHINE_INTEL
                                                                    : 0U;
        }
    }
}

void cella_machine_look(const char *root, struct cella_machine *out)
{
    *out = (struct cella_machine){ .kernel = "" };
    look_at_kernel(root, out);
    look_at_processor(root, out);
}

enum cella_machine_option cella_machine_option(const char *root, const struct cella_machine *machine, const char *name)
{
    char path[PATH_SIZE];
    char wanted[64];
    char line[512];
    size_t left = OPTIONS_MAX;
    (void) snprintf(path, sizeof(path), "/boot/config-%s", machine->kernel);
    int size = snprintf(wanted, sizeof(wanted), "CONFIG_%s=", name);
    __attribute__((cleanup(close_file))) FILE *file = open_below(root, path);
    if (file == NULL || size < 0 || size >= (int) sizeof(wanted)) {
        return CELLA_MACHINE_UNKNOWN;
    }
    while (left > 0 && fgets(line, sizeof(line), file) != NULL) {
        left -= strlen(line) < left ? strlen(line) : left;
        if (strncmp(line, wanted, (size_t) size) == 0) {
            return line[size] == 'y' ? CELLA_MACHINE_ON : line[size] == 'm' ? CELLA_MACHINE_MODULE : CELLA_MACHINE_OFF;
        }
    }
    return CELLA_MACHINE_OFF; /* "# CONFIG_X is not set", or an option of a later kernel */
}

bool cella_machine_has(const char *root, const char *path)
{
    char whole[PATH_SIZE];
    struct stat facts;
    int size = snprintf(whole, sizeof(whole), "%s%s", root, path);
    return size > 0 && size < PATH_SIZE && stat(whole, &facts) == 0;
}

bool cella_machine_kernel_is(const struct cella_machine *machine, unsigned int major, unsigned int minor)
{
    return machine->major == 0 || machine->major > major || (machine->major == major && machine->minor >= minor);
}
