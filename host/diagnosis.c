/* SPDX-License-Identifier: Apache-2.0 */
#include "host/diagnosis.h"

#include <stdio.h>

#include "base/layers.h"

static const struct {
    const char *name;
    const char *technology;
    int level;
} kinds[CELLA_DIAGNOSIS_KINDS] = {
    { "snp", "AMD SEV-SNP", 5 },
    { "tdx", "Intel TDX", 5 },
    { "sgx", "Intel SGX", 5 },
    { "nitro", "AWS Nitro", 4 },
    { "tpm", "TPM 2.0", 3 },
    { "soft", "software root", 2 },
};

/* ---- what the executor's detection wrote ---- */

struct line {
    char interface[32];
    char kind[16];
    int64_t level;
    bool usable;
    bool seals;
    char why[192];
};

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~') {
            return false;
        }
    }
    return true;
}

/* An interface whose kind depends on the machine gives SNP or TDX, once it is there. */
static bool concerns(const struct line *line, const char *kind)
{
    return strcmp(line->kind, kind) == 0 ||
           (strcmp(line->kind, "none") == 0 && (strcmp(kind, "snp") == 0 || strcmp(kind, "tdx") == 0));
}

static void add_finding(const struct line *line, struct cella_diagnosis_kind *kind)
{
    size_t used = strlen(kind->found);
    if (line->usable && !kind->usable) {
        kind->usable = true;
        kind->seals = line->seals;
        snprintf(kind->interface, sizeof(kind->interface), "%s", line->interface);
        snprintf(kind->found, sizeof(kind->found), "%s", line->why);
    } else if (!kind->usable) {
        snprintf(kind->found + used, sizeof(kind->found) - used, "%s%s", used == 0 ? "" : "; ", line->why);
    }
}

static cella_status read_finding(struct cella_view text, struct cella_diagnosis *out)
{
    char blame[CELLA_FLAT_JSON_ITEM_MAX];
    struct line line = { .level = 0 };
    struct cella_flat_json_member members[] = {
        { "interface", CELLA_FLAT_JSON_TEXT, line.interface, sizeof(line.interface), 0, 0, true, false },
        { "kind", CELLA_FLAT_JSON_TEXT, line.kind, sizeof(line.kind), 0, 0, true, false },
        { "level", CELLA_FLAT_JSON_INTEGER, &line.level, 0, 1, 5, true, false },
        { "usable", CELLA_FLAT_JSON_BOOLEAN, &line.usable, 0, 0, 0, true, false },
        { "seals", CELLA_FLAT_JSON_BOOLEAN, &line.seals, 0, 0, 0, true, false },
        { "why", CELLA_FLAT_JSON_TEXT, line.why, sizeof(line.why), 0, 0, true, false },
    };
    CELLA_TRY(cella_flat_json_read(text, members, sizeof(members) / sizeof(members[0]), blame));
    if (!is_printable(line.why) || !is_printable(line.interface)) {
        return CELLA_BAD_FORMAT;
    }
    for (size_t i = 0; i < CELLA_DIAGNOSIS_KINDS; i++) {
        if (concerns(&line, kinds[i].name)) {
            add_finding(&line, &out->kinds[i]);
        }
    }
    return CELLA_OK;
}

static bool lists(const struct cella_flat_json_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static cella_status read_layers(struct cella_view text, struct cella_diagnosis *out)
{
    char blame[CELLA_FLAT_JSON_ITEM_MAX];
    struct cella_flat_json_member members[] = {
        { "layers", CELLA_FLAT_JSON_LIST, &out->layers, 0, 0, 0, true, false },
    };
    CELLA_TRY(cella_flat_json_read(text, members, sizeof(members) / sizeof(members[0]), blame));
    for (size_t i = 0; i < out->layers.count; i++) {
        if (cella_layer_bit(cella_view_of_string(out->layers.items[i])) == 0) {
            return CELLA_BAD_FORMAT;
        }
    }
    return CELLA_OK;
}

static cella_status read_lines(struct cella_view lines, struct cella_diagnosis *out)
{
    if (lines.size == 0) {
        return CELLA_BAD_FORMAT;
    }
    while (lines.size > 0) {
        const uint8_t *end = memchr(lines.data, '\n', lines.size);
        if (end == NULL) {
            return CELLA_BAD_FORMAT; /* cut */
        }
        size_t size = (size_t) (end - lines.data);
        struct cella_view line = cella_view_of(lines.data, size);
        lines = cella_view_of(end + 1, lines.size - size - 1);
        CELLA_TRY(lines.size == 0 ? read_layers(line, out) : read_finding(line, out));
    }
    return CELLA_OK;
}

/* ---- what the machine adds ---- */

static void miss(struct cella_diagnosis_kind *kind, bool missing, const char *sentence)
{
    if (missing && kind->missing_count < CELLA_DIAGNOSIS_MISSING_MAX) {
        kind->missing[kind->missing_count++] = sentence;
    }
}

/* Of the other maker: this alone is the reason, whatever else is missing. */
static bool is_foreign(const struct cella_machine *machine, struct cella_diagnosis_kind *kind)
{
    bool amd = strcmp(kind->name, "snp") == 0;
    if ((machine->flags & (amd ? CELLA_MACHINE_AMD : CELLA_MACHINE_INTEL)) != 0) {
        return false;
    }
    snprintf(kind->found, sizeof(kind->found), "the processor is not %s", amd ? "AMD's" : "Intel's");
    return true;
}

static bool is_off(const char *root, const struct cella_machine *machine, const char *option)
{
    return cella_machine_option(root, machine, option) == CELLA_MACHINE_OFF;
}

static void explain_guest(const char *root, const struct cella_machine *machine, struct cella_diagnosis_kind *kind)
{
    bool amd = strcmp(kind->name, "snp") == 0;
    unsigned int flag = amd ? CELLA_MACHINE_SNP : CELLA_MACHINE_TDX_GUEST;
    bool configfs = cella_machine_has(root, "/sys/kernel/config/tsm/report");
    miss(kind, (machine->flags & CELLA_MACHINE_GUEST) == 0,
         "this is not a virtual machine: what is protected is a guest, so start cella-host in one");
    miss(kind, (machine->flags & flag) == 0,
         amd ? "the processor's flag sev_snp is not there: the provider has to start this machine as an SNP guest"
             : "the processor's flag tdx_guest is not there: the provider has to start this machine as a TDX guest");
    miss(kind, is_off(root, machine, amd ? "SEV_GUEST" : "TDX_GUEST_DRIVER"),
         amd ? "the kernel was built without CONFIG_SEV_GUEST" : "the kernel was built without CONFIG_TDX_GUEST_DRIVER");
    miss(kind, (machine->flags & flag) != 0 && !configfs && cella_machine_kernel_is(machine, 6, 7),
         amd ? "/sys/kernel/config/tsm/report is not there: mount configfs, load module sev-guest"
             : "/sys/kernel/config/tsm/report is not there: mount configfs, load module tdx-guest");
    miss(kind, !amd && !cella_machine_kernel_is(machine, 6, 7), "the kernel is older than 6.7");
}

static void explain_missing(const char *root, const struct cella_machine *machine, struct cella_diagnosis_kind *kind)
{
    bool guest = strcmp(kind->name, "snp") == 0 || strcmp(kind->name, "tdx") == 0;
    bool enclave = strcmp(kind->name, "sgx") == 0;
    if ((guest || enclave) && is_foreign(machine, kind)) {
        return;
    }
    if (guest) {
        explain_guest(root, machine, kind);
    } else if (enclave) {
        miss(kind, (machine->flags & CELLA_MACHINE_SGX) == 0,
             "the processor's flag sgx is not there: switch it on in the firmware's settings");
        miss(kind, true, "cella-host does not start executors in enclaves");
    } else if (strcmp(kind->name, "tpm") == 0) {
        miss(kind, is_off(root, machine, "TCG_TPM"), "the kernel was built without CONFIG_TCG_TPM");
        miss(kind, (machine->flags & CELLA_MACHINE_GUEST) != 0 && !cella_machine_has(root, "/dev/tpmrm0"),
             "this is a virtual machine: its provider can give it a virtual TPM");
        miss(kind, cella_machine_has(root, "/dev/tpm0") && !cella_machine_has(root, "/dev/tpmrm0"),
             "/dev/tpm0 is there without /dev/tpmrm0: it is a TPM 1.2");
    }
}

cella_status cella_diagnosis_make(const char *root, struct cella_view lines, const char *trouble,
                                  struct cella_diagnosis *out)
{
    cella_status status = CELLA_OK;
    *out = (struct cella_diagnosis){ .groups = false, .fetch_from = "", .fetch_trouble = "" };
    snprintf(out->trouble, sizeof(out->trouble), "%s", trouble);
    cella_machine_look(root, &out->machine);
    for (size_t i = 0; i < CELLA_DIAGNOSIS_KINDS; i++) {
        out->kinds[i].name = kinds[i].name;
        out->kinds[i].technology = kinds[i].technology;
        out->kinds[i].level = kinds[i].level;
    }
    if (out->trouble[0] == '\0' && (status = read_lines(lines, out)) != CELLA_OK) {
        snprintf(out->trouble, sizeof(out->trouble), "what the executor's detection wrote is malformed");
        status = CELLA_BAD_FORMAT;
    }
    for (size_t i = 0; i < CELLA_DIAGNOSIS_KINDS; i++) {
        if (!out->kinds[i].usable) {
            explain_missing(root, &out->machine, &out->kinds[i]);
        }
    }
    for (unsigned int bit = 0; cella_layer_name(bit) != NULL; bit++) {
        const char *name = cella_layer_name(bit);
        if ((CELLA_LAYERS_REQUIRED >> bit & 1) != 0 && !lists(&out->layers, name)) {
            snprintf(out->lacking.items[out->lacking.count++], CELLA_FLAT_JSON_ITEM_MAX, "%s", name);
        }
    }
    return status;
}

const struct cella_diagnosis_kind *cella_diagnosis_choice(const struct cella_diagnosis *diagnosis, const char *platform)
{
    for (size_t i = 0; i < CELLA_DIAGNOSIS_KINDS; i++) {
        bool meant = strcmp(platform, "auto") == 0 || strcmp(platform, diagnosis->kinds[i].name) == 0;
        if (meant && diagnosis->kinds[i].usable) {
            return &diagnosis->kinds[i];
        }
    }
    return NULL;
}

bool cella_diagnosis_serves(const struct cella_diagnosis *diagnosis, const char *platform)
{
    return diagnosis->trouble[0] == '\0' && diagnosis->lacking.count == 0 &&
           cella_diagnosis_choice(diagnosis, platform) != NULL;
}
