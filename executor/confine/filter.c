/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/filter.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/descriptors.h"

static bool counts(const struct cella_filter_rule *rule, const uint64_t arguments[6])
{
    uint64_t argument = arguments[rule->argument];
    switch (rule->match) {
    case CELLA_FILTER_ALWAYS:
        return true;
    case CELLA_FILTER_EQUAL:
        return (argument & rule->mask) == rule->value;
    case CELLA_FILTER_DIFFERENT:
        return argument != rule->value;
    case CELLA_FILTER_BELOW:
        return argument < rule->value;
    case CELLA_FILTER_ABOVE:
        return argument > rule->value;
    }
    return false;
}

enum cella_filter_action cella_filter_answer(const struct cella_filter_table *table, int number,
                                             const uint64_t arguments[6], int *error)
{
    *error = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct cella_filter_rule *rule = &table->rules[i];
        if (rule->number == number && counts(rule, arguments)) {
            *error = rule->error;
            return rule->action;
        }
    }
    return table->otherwise;
}

static void release_context(scmp_filter_ctx *context)
{
    seccomp_release(*context);
}

static uint32_t action_of(enum cella_filter_action action, int error)
{
    switch (action) {
    case CELLA_FILTER_ALLOW:
        return SCMP_ACT_ALLOW;
    case CELLA_FILTER_ERRNO:
        return SCMP_ACT_ERRNO((uint32_t) error);
    case CELLA_FILTER_KILL:
        return SCMP_ACT_KILL_PROCESS;
    }
    return SCMP_ACT_KILL_PROCESS;
}

static bool add_rule(scmp_filter_ctx context, const struct cella_filter_rule *rule)
{
    uint32_t action = action_of(rule->action, rule->error);
    struct scmp_arg_cmp condition = { rule->argument, SCMP_CMP_MASKED_EQ, rule->mask, rule->value };
    if (rule->match == CELLA_FILTER_ALWAYS) {
        return seccomp_rule_add_exact_array(context, action, rule->number, 0, NULL) == 0;
    }
    if (rule->match != CELLA_FILTER_EQUAL) {
        enum scmp_compare compare = rule->match == CELLA_FILTER_DIFFERENT ? SCMP_CMP_NE
                                    : rule->match == CELLA_FILTER_BELOW   ? SCMP_CMP_LT
                                                                          : SCMP_CMP_GT;
        condition = (struct scmp_arg_cmp){ rule->argument, compare, rule->value, 0 };
    }
    return seccomp_rule_add_exact_array(context, action, rule->number, 1, &condition) == 0;
}

/* libseccomp 2.5.4 writes a program to a descriptor only. */
static cella_status export(scmp_filter_ctx context, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_descriptors_release) int file = memfd_create("filter", MFD_CLOEXEC);
    struct stat facts;
    if (file < 0 || seccomp_export_bpf(context, file) != 0 || fstat(file, &facts) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes program = { 0 };
    CELLA_TRY(cella_bytes_resize(&program, (size_t) facts.st_size));
    if (pread(file, program.data, program.size, 0) != (ssize_t) program.size) {
        return CELLA_SYSTEM_FAILED;
    }
    cella_bytes_take(out, &program);
    return CELLA_OK;
}

cella_status cella_filter_build(const struct cella_filter_table *table, struct cella_bytes *out)
{
    CELLA_CLEANUP(release_context) scmp_filter_ctx context = seccomp_init(action_of(table->otherwise, 0));
    /* Optimisation 2 is a binary tree over the call numbers: as fast for the last rule as for the first. */
    if (context == NULL || seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0 ||
        seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    for (size_t i = 0; i < table->count; i++) {
        /* libseccomp refuses a rule that says what happens anyway. */
        if (table->rules[i].action != table->otherwise && !add_rule(context, &table->rules[i])) {
            return CELLA_INTERNAL;
        }
    }
    return export(context, out);
}

cella_status cella_filter_install(struct cella_view program)
{
    struct sock_fprog code = {
        .len = (unsigned short) (program.size / sizeof(struct sock_filter)),
        .filter = (struct sock_filter *) (uintptr_t) program.data,
    };
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0U, &code) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}
