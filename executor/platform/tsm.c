/* SPDX-License-Identifier: Apache-2.0 */

/*
 * SEV-SNP and TDX through configfs-tsm (Linux 6.7 or later). Source: the kernel's Documentation/ABI/testing/configfs-tsm-report
 * and drivers/virt/coco.
 *
 * One folder per request, so that nobody else's request gets into it; the generation is compared all the same. Making
 * such a folder needs root. Where this process is not root, whoever started it has made one folder for it, ENTRY, and it
 * asks there, one request after the other.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/device.h"
#include "platform/snp_report.h"
#include "trust/crypto.h"

#define CONFIGFS "/sys/kernel/config"
#define REPORTS CONFIGFS "/tsm/report"
#define ENTRY REPORTS "/cella"
#define PATH_SIZE 128U
#define ROUNDS 4            /* of a request, when somebody else's came in between */
#define OUTBLOB_MAX 32768U  /* what the kernel gives at most */
#define SMALL_MAX 64U       /* generation, provider, privlevel_floor */
#define VMPL_MAX 3U

struct entry {
    const struct cella_platform_setup *setup;
    char folder[PATH_SIZE]; /* below the setup's root */
    bool made;              /* by us, so that it is ours to remove */
};

static void leave_entry(struct entry *entry)
{
    char full[CELLA_PLATFORM_PATH_MAX];
    int error = errno;
    if (entry->made && cella_platform_path(entry->setup, entry->folder, full) == CELLA_OK) {
        (void) rmdir(full); /* its files are the kernel's, and go with it */
    }
    entry->made = false;
    errno = error;
}

static bool is_folder(const struct cella_platform_setup *setup, const char *path)
{
    char full[CELLA_PLATFORM_PATH_MAX];
    struct stat facts;
    return cella_platform_path(setup, path, full) == CELLA_OK && stat(full, &facts) == 0 && S_ISDIR(facts.st_mode);
}

/* CELLA_SYSTEM_FAILED: errno is that of mkdir. */
static cella_status enter_entry(const struct cella_platform_setup *setup, struct entry *out)
{
    uint8_t random[8];
    char digits[2 * sizeof(random) + 1];
    char full[CELLA_PLATFORM_PATH_MAX];
    *out = (struct entry){ .setup = setup };
    CELLA_TRY(cella_random(random, sizeof(random)));
    cella_hex_encode(cella_view_of(random, sizeof(random)), digits);
    (void) snprintf(out->folder, sizeof(out->folder), REPORTS "/cella-%s", digits);
    CELLA_TRY(cella_platform_path(setup, out->folder, full));
    out->made = mkdir(full, 0700) == 0;
    if (out->made) {
        return CELLA_OK;
    }
    bool refused = errno == EACCES || errno == EPERM || errno == EROFS;
    if (refused && is_folder(setup, ENTRY)) {
        (void) snprintf(out->folder, sizeof(out->folder), ENTRY);
        return CELLA_OK;
    }
    errno = refused ? EACCES : errno;
    return CELLA_SYSTEM_FAILED;
}

/* ---- attributes ---- */

static cella_status read_attribute(const struct entry *entry, const char *name, size_t max, struct cella_bytes *out)
{
    char path[PATH_SIZE + 32];
    (void) snprintf(path, sizeof(path), "%s/%s", entry->folder, name);
    for (int tries = 0;;) {
        cella_status status = cella_device_read(entry->setup, path, max, out);
        if (status != CELLA_SYSTEM_FAILED || !cella_device_again(errno, &tries)) {
            return status;
        }
    }
}

static cella_status write_attribute(const struct entry *entry, const char *name, struct cella_view content)
{
    char path[PATH_SIZE + 32];
    (void) snprintf(path, sizeof(path), "%s/%s", entry->folder, name);
    for (int tries = 0;;) {
        cella_status status = cella_device_write(entry->setup, path, content);
        if (status != CELLA_SYSTEM_FAILED || !cella_device_again(errno, &tries)) {
            return status;
        }
    }
}

/* Text without its newline. */
static cella_status read_text(const struct entry *entry, const char *name, char out[SMALL_MAX])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_TRY(read_attribute(entry, name, SMALL_MAX - 1, &text));
    while (text.size > 0 && text.data[text.size - 1] == '\n') {
        text.size--;
    }
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    return text.size > 0 && strlen(out) == text.size ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

static cella_status read_number(const struct entry *entry, const char *name, unsigned long long *out)
{
    char text[SMALL_MAX];
    char *end;
    CELLA_TRY(read_text(entry, name, text));
    errno = 0;
    *out = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

/* ---- provider ---- */

static enum cella_evidence_type type_of(const char *provider)
{
    return strcmp(provider, "sev_guest") == 0   ? CELLA_EVIDENCE_SNP
           : strcmp(provider, "tdx_guest") == 0 ? CELLA_EVIDENCE_TDX
                                                : CELLA_EVIDENCE_NONE;
}

static cella_status read_provider(const struct entry *entry, enum cella_evidence_type *out)
{
    char provider[SMALL_MAX];
    CELLA_TRY(read_text(entry, "provider", provider));
    *out = type_of(provider);
    return CELLA_OK;
}

static void explain_missing(const struct cella_platform_setup *setup, int error, struct cella_platform_finding *finding)
{
    if (!is_folder(setup, CONFIGFS)) {
        cella_text_set(&finding->why, "no " CONFIGFS ": it needs an SNP or TDX guest, Linux 6.7 or later, configfs mounted "
                                      "there, and a cella-host that root started");
    } else if (error == ENOENT) {
        cella_text_set(&finding->why, "no " REPORTS ": it needs an SNP or TDX guest, Linux 6.7 or later, module sev-guest or "
                                      "tdx-guest");
    } else if (error == ENXIO) {
        cella_text_set(&finding->why, REPORTS " has no provider: load module sev-guest or tdx-guest in a confidential guest");
    } else if (error == EACCES) {
        cella_text_set(&finding->why, REPORTS " is there, but only root may ask: start cella-host as root with platform \"tsm\"");
    } else {
        cella_text_set(&finding->why, REPORTS " can not be used: %s", strerror(error));
    }
}

static void look(const struct cella_platform_setup *setup, struct cella_platform_finding *finding)
{
    CELLA_CLEANUP(leave_entry) struct entry entry = { 0 };
    finding->seals = false;
    if (enter_entry(setup, &entry) != CELLA_OK) {
        explain_missing(setup, errno, finding);
        return;
    }
    if (read_provider(&entry, &finding->type) != CELLA_OK || finding->type == CELLA_EVIDENCE_NONE) {
        cella_text_set(&finding->why, REPORTS " has a provider that is not known here");
        return;
    }
    finding->usable = true;
    finding->seals = finding->type == CELLA_EVIDENCE_SNP && cella_snp_has_device(setup);
    cella_text_set(&finding->why, "configfs-tsm gives %s; %s",
                   finding->type == CELLA_EVIDENCE_SNP ? "SEV-SNP reports" : "TDX quotes",
                   finding->seals                            ? "sealing with /dev/sev-guest"
                   : finding->type == CELLA_EVIDENCE_SNP ? "it can not seal without /dev/sev-guest"
                                                         : "TDX has no key to seal with");
}

/* ---- a request ---- */

struct answer {
    struct cella_bytes report;
    struct cella_bytes table;
    enum cella_evidence_type type;
};

static void clear_answer(struct answer *answer)
{
    cella_bytes_clear(&answer->report);
    cella_bytes_clear(&answer->table);
}

/* Under a service module the guest may only name its own level or a higher one. */
static cella_status raise_level(const struct entry *entry, unsigned long long *writes)
{
    unsigned long long floor = 0;
    if (read_number(entry, "privlevel_floor", &floor) != CELLA_OK) {
        return errno == ENOENT ? CELLA_OK : CELLA_SYSTEM_FAILED;
    }
    if (floor == 0) {
        return CELLA_OK;
    }
    char digit[2] = { (char) ('0' + floor % 10), '\0' };
    ++*writes;
    return floor > VMPL_MAX ? CELLA_SYSTEM_FAILED : write_attribute(entry, "privlevel", cella_view_of_string(digit));
}

/* The certificates are a cache: without them, or with too many of them, the report is as good. */
static cella_status read_table(const struct entry *entry, struct cella_bytes *out)
{
    cella_status status = read_attribute(entry, "auxblob", CELLA_SNP_TABLE_MAX, out);
    if (status != CELLA_OK) {
        out->size = 0;
    }
    return status == CELLA_NO_MEMORY ? status : CELLA_OK;
}

/* settled: nobody else has written meanwhile, so that the answer is to our question. */
static cella_status ask(const struct entry *entry, const uint8_t report_data[CELLA_REPORT_DATA_SIZE],
                        struct answer *answer, bool *settled)
{
    unsigned long long before;
    unsigned long long after;
    unsigned long long writes = 1;
    CELLA_TRY(read_number(entry, "generation", &before));
    CELLA_TRY(raise_level(entry, &writes));
    CELLA_TRY(write_attribute(entry, "inblob", cella_view_of(report_data, CELLA_REPORT_DATA_SIZE)));
    cella_status status = read_attribute(entry, "outblob", OUTBLOB_MAX, &answer->report);
    CELLA_TRY(status == CELLA_TOO_LARGE ? CELLA_BAD_EVIDENCE : status);
    CELLA_TRY(read_table(entry, &answer->table));
    CELLA_TRY(read_provider(entry, &answer->type));
    CELLA_TRY(read_number(entry, "generation", &after));
    *settled = after == before + writes;
    return CELLA_OK;
}

static cella_status evidence(void *state, const struct cella_platform_setup *setup,
                             const uint8_t report_data[CELLA_REPORT_DATA_SIZE], struct cella_view nonce,
                             struct cella_bytes *evidence, struct cella_bytes *endorsements)
{
    (void) state;
    (void) nonce;
    CELLA_CLEANUP(clear_answer) struct answer answer = { 0 };
    bool settled = false;
    for (int round = 0; !settled && round < ROUNDS; round++) {
        CELLA_CLEANUP(leave_entry) struct entry entry = { 0 };
        CELLA_TRY(enter_entry(setup, &entry));
        CELLA_TRY(ask(&entry, report_data, &answer, &settled));
    }
    if (!settled) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_TRY(cella_bytes_append(evidence, cella_bytes_view(&answer.report)));
    if (answer.type != CELLA_EVIDENCE_SNP) {
        return CELLA_OK;
    }
    return cella_snp_endorse(cella_bytes_view(&answer.table), cella_bytes_view(&answer.report), endorsements);
}

/* configfs-tsm has none; SNP's other device does. */
static cella_status sealing_key(void *state, const struct cella_platform_setup *setup, struct cella_secret *key)
{
    (void) state;
    return cella_snp_sealing_key(setup, key);
}

const struct cella_platform_back_end cella_platform_tsm = {
    .name = "tsm",
    .type = CELLA_EVIDENCE_NONE,
    .level = 5,
    .look = look,
    .evidence = evidence,
    .sealing_key = sealing_key,
};
