/* SPDX-License-Identifier: Apache-2.0 */
#include "host/diagnosis.h"

#include <stdarg.h>
#include <stdio.h>

#define WIDTH 100U
#define INDENT 29U

/* ---- for people ---- */

static cella_status add(struct cella_bytes *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static cella_status add(struct cella_bytes *out, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void) vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return cella_bytes_append(out, cella_view_of_string(text));
}

/* Words from column INDENT on, where the line already is; the next lines are indented. Ends the line. */
static cella_status add_wrapped(struct cella_bytes *out, const char *text)
{
    size_t column = INDENT;
    while (*text != '\0') {
        size_t size = strcspn(text, " ");
        if (column > INDENT && column + 1 + size > WIDTH) {
            CELLA_TRY(add(out, "\n%*s", (int) INDENT, ""));
            column = INDENT;
        } else if (column > INDENT) {
            CELLA_TRY(add(out, " "));
            column++;
        }
        CELLA_TRY(cella_bytes_append(out, cella_view_of(text, size)));
        column += size;
        text += size + strspn(text + size, " ");
    }
    return add(out, "\n");
}

static cella_status add_names(struct cella_bytes *out, const struct cella_flat_json_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        CELLA_TRY(add(out, "%s%s", i == 0 ? "" : ", ", list->items[i]));
    }
    return CELLA_OK;
}

static cella_status print_machine(const struct cella_diagnosis *diagnosis, struct cella_bytes *out)
{
    const struct cella_machine *machine = &diagnosis->machine;
    CELLA_TRY(add(out, "kernel     %s%s\n", machine->kernel[0] == '\0' ? "unknown" : machine->kernel,
                  cella_machine_kernel_is(machine, 5, 12) ? "" : ": too old, an executor needs 5.12 or later"));
    CELLA_TRY(add(out, "processor  %s%s;", machine->processor[0] == '\0' ? "unknown" : machine->processor,
                  (machine->flags & CELLA_MACHINE_GUEST) != 0 ? ", in a virtual machine" : ""));
    return add(out, " sev_snp %s, tdx_guest %s, sgx %s\n", (machine->flags & CELLA_MACHINE_SNP) != 0 ? "yes" : "no",
               (machine->flags & CELLA_MACHINE_TDX_GUEST) != 0 ? "yes" : "no",
               (machine->flags & CELLA_MACHINE_SGX) != 0 ? "yes" : "no");
}

static cella_status print_box(const struct cella_diagnosis *diagnosis, struct cella_bytes *out)
{
    if (diagnosis->trouble[0] != '\0') {
        return add(out, "executor   can not be started: %s\n", diagnosis->trouble);
    }
    CELLA_TRY(add(out, "sandbox    "));
    CELLA_TRY(add_names(out, &diagnosis->layers));
    CELLA_TRY(add(out, "%s", diagnosis->layers.count == 0 ? "no layer: no zygote could be started" : ""));
    if (diagnosis->lacking.count > 0) {
        CELLA_TRY(add(out, "\n           MISSING: "));
        CELLA_TRY(add_names(out, &diagnosis->lacking));
        CELLA_TRY(add(out, "; no task runs without (docs/operations.md)"));
    }
    CELLA_TRY(add(out, "\nlimits     %s\n",
                  diagnosis->groups ? "control groups"
                                    : "rlimits alone: no control groups may be made here (docs/operations.md)"));
    if (diagnosis->fetch_from[0] == '\0') {
        return add(out, "URLs       inputs are fetched from nowhere (fetch_from)\n");
    }
    return add(out, "URLs       inputs are fetched from %s%s%s\n", diagnosis->fetch_from,
               diagnosis->fetch_trouble[0] == '\0' ? "" : "; they can not be: ", diagnosis->fetch_trouble);
}

static cella_status print_kind(const struct cella_diagnosis_kind *kind, struct cella_bytes *out)
{
    char label[40];
    snprintf(label, sizeof(label), "%s (%s)", kind->name, kind->technology);
    CELLA_TRY(add(out, "%d  %-21s %-3s ", kind->level, label, kind->usable ? "yes" : "no"));
    CELLA_TRY(add_wrapped(out, kind->found[0] == '\0' ? "nobody looked" : kind->found));
    for (size_t i = 0; i < kind->missing_count; i++) {
        CELLA_TRY(add(out, "%*s", (int) INDENT, ""));
        CELLA_TRY(add_wrapped(out, kind->missing[i]));
    }
    return CELLA_OK;
}

/* The lowest level above the one that is reached. */
static const struct cella_diagnosis_kind *next_kind(const struct cella_diagnosis *diagnosis, int level)
{
    const struct cella_diagnosis_kind *next = NULL;
    for (size_t i = 0; i < CELLA_DIAGNOSIS_KINDS; i++) {
        const struct cella_diagnosis_kind *kind = &diagnosis->kinds[i];
        if (kind->level > level && (next == NULL || kind->level < next->level)) {
            next = kind;
        }
    }
    return next;
}

static cella_status print_conclusion(const struct cella_diagnosis *diagnosis, const char *platform,
                                     struct cella_bytes *out)
{
    const struct cella_diagnosis_kind *choice = cella_diagnosis_choice(diagnosis, platform);
    const struct cella_diagnosis_kind *best = cella_diagnosis_choice(diagnosis, "auto");
    const struct cella_diagnosis_kind *next = next_kind(diagnosis, best == NULL ? 0 : best->level);
    if (diagnosis->trouble[0] != '\0') {
        return add(out, "\nNo executor can run here before this is put right.\n");
    }
    if (choice == NULL) {
        CELLA_TRY(add(out, "\nNo executor can serve here with \"platform\": \"%s\".\n", platform));
        if (best != NULL) {
            CELLA_TRY(add(out, "With \"%s\" one could, at level %d.\n", best->name, best->level));
        }
    } else if (diagnosis->lacking.count > 0) {
        CELLA_TRY(add(out, "\nEvidence could be given, but no task can run: layers of the sandbox are missing.\n"));
    } else {
        CELLA_TRY(add(out, "\nWith \"platform\": \"%s\" an executor here gives evidence %s: level %d at best; clients decide.\n",
                      platform, choice->name, choice->level));
        CELLA_TRY(add(out, "It %s secrets to this machine.\n", choice->seals ? "can seal" : "can not seal"));
    }
    return next == NULL ? CELLA_OK : add(out, "The next level is %d, with %s.\n", next->level, next->technology);
}

cella_status cella_diagnosis_print(const struct cella_diagnosis *diagnosis, const char *platform,
                                   struct cella_bytes *out)
{
    CELLA_TRY(print_machine(diagnosis, out));
    CELLA_TRY(print_box(diagnosis, out));
    if (diagnosis->trouble[0] == '\0') {
        CELLA_TRY(add(out, "\nlevel and evidence       here\n"));
        for (size_t i = 0; i < CELLA_DIAGNOSIS_KINDS; i++) {
            CELLA_TRY(print_kind(&diagnosis->kinds[i], out));
        }
    }
    return print_conclusion(diagnosis, platform, out);
}

/* ---- for machines ---- */

static cella_status add_text(struct cella_bytes *out, const char *before, const char *text)
{
    CELLA_TRY(add(out, "%s", before));
    return cella_flat_json_write_text(out, text);
}

static cella_status add_list(struct cella_bytes *out, const char *before, const struct cella_flat_json_list *list)
{
    CELLA_TRY(add(out, "%s[", before));
    for (size_t i = 0; i < list->count; i++) {
        CELLA_TRY(add_text(out, i == 0 ? "" : ",", list->items[i]));
    }
    return add(out, "]");
}

static cella_status print_kind_json(const struct cella_diagnosis_kind *kind, struct cella_bytes *out)
{
    CELLA_TRY(add_text(out, "{\"platform\":", kind->name));
    CELLA_TRY(add(out, ",\"level\":%d,\"usable\":%s,\"seals\":%s", kind->level, kind->usable ? "true" : "false",
                  kind->seals ? "true" : "false"));
    CELLA_TRY(add_text(out, ",\"interface\":", kind->interface));
    CELLA_TRY(add_text(out, ",\"found\":", kind->found));
    CELLA_TRY(add(out, ",\"missing\":["));
    for (size_t i = 0; i < kind->missing_count; i++) {
        CELLA_TRY(add_text(out, i == 0 ? "" : ",", kind->missing[i]));
    }
    return add(out, "]}");
}

static cella_status print_flags_json(const struct cella_machine *machine, struct cella_bytes *out)
{
    struct cella_flat_json_list list = { .count = 0 };
    static const struct {
        unsigned int flag;
        const char *name;
    } names[] = { { CELLA_MACHINE_GUEST, "hypervisor" },
                  { CELLA_MACHINE_SNP, "sev_snp" },
                  { CELLA_MACHINE_TDX_GUEST, "tdx_guest" },
                  { CELLA_MACHINE_SGX, "sgx" } };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((machine->flags & names[i].flag) != 0) {
            snprintf(list.items[list.count++], CELLA_FLAT_JSON_ITEM_MAX, "%s", names[i].name);
        }
    }
    return add_list(out, ",\"flags\":", &list);
}

cella_status cella_diagnosis_print_json(const struct cella_diagnosis *diagnosis, const char *platform,
                                        struct cella_bytes *out)
{
    const struct cella_diagnosis_kind *choice = cella_diagnosis_choice(diagnosis, platform);
    bool serves = cella_diagnosis_serves(diagnosis, platform);
    CELLA_TRY(add(out, "{\"version\":1,\"serves\":%s,\"level\":%d", serves ? "true" : "false",
                  serves ? choice->level : 0));
    CELLA_TRY(add_text(out, ",\"platform\":", choice == NULL ? "" : choice->name));
    CELLA_TRY(add_text(out, ",\"trouble\":", diagnosis->trouble));
    CELLA_TRY(add_text(out, ",\"kernel\":", diagnosis->machine.kernel));
    CELLA_TRY(add_text(out, ",\"processor\":", diagnosis->machine.processor));
    CELLA_TRY(print_flags_json(&diagnosis->machine, out));
    CELLA_TRY(add_list(out, ",\"layers\":", &diagnosis->layers));
    CELLA_TRY(add_list(out, ",\"missing_layers\":", &diagnosis->lacking));
    CELLA_TRY(add_text(out, ",\"fetch_from\":", diagnosis->fetch_from));
    CELLA_TRY(add_text(out, ",\"fetch_trouble\":", diagnosis->fetch_trouble));
    CELLA_TRY(add(out, ",\"control_groups\":%s,\"platforms\":[", diagnosis->groups ? "true" : "false"));
    for (size_t i = 0; i < CELLA_DIAGNOSIS_KINDS; i++) {
        CELLA_TRY(add(out, "%s", i == 0 ? "" : ","));
        CELLA_TRY(print_kind_json(&diagnosis->kinds[i], out));
    }
    return add(out, "]}\n");
}
