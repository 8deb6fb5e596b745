/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/registry.h"

#include <string.h>

extern const struct cella_builtin cella_builtin_aggregate;
extern const struct cella_builtin cella_builtin_csv_profile;
extern const struct cella_builtin cella_builtin_echo;
extern const struct cella_builtin cella_builtin_gbdt_predict;
extern const struct cella_builtin cella_builtin_join;
extern const struct cella_builtin cella_builtin_logistic_regression_predict;
extern const struct cella_builtin cella_builtin_logistic_regression_train;
extern const struct cella_builtin cella_builtin_ordered_set_intersect;
extern const struct cella_builtin cella_builtin_ordered_set_join;
extern const struct cella_builtin cella_builtin_password_check;
extern const struct cella_builtin cella_builtin_private_join_and_compute;
extern const struct cella_builtin cella_builtin_psi;

static const struct cella_builtin *const own[] = {
    &cella_builtin_aggregate,
    &cella_builtin_csv_profile,
    &cella_builtin_echo,
    &cella_builtin_gbdt_predict,
    &cella_builtin_join,
    &cella_builtin_logistic_regression_predict,
    &cella_builtin_logistic_regression_train,
    &cella_builtin_ordered_set_intersect,
    &cella_builtin_ordered_set_join,
    &cella_builtin_password_check,
    &cella_builtin_private_join_and_compute,
    &cella_builtin_psi,
    NULL,
};

const struct cella_builtin *cella_builtin_at(const struct cella_builtin_registry *registry, size_t index)
{
    const struct cella_builtin *const *all = own;
    for (size_t i = 0;; i++) {
        for (size_t j = 0; all[j] != NULL; j++) {
            if (index-- == 0) {
                return all[j];
            }
        }
        if (i == registry->module_count) {
            return NULL;
        }
        all = registry->modules[i]->all;
    }
}

static bool is_alias(struct cella_view name, const char *alias)
{
    if (alias == NULL || name.size != strlen(alias)) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        if ((name.data[i] == '_' ? '-' : name.data[i]) != (alias[i] == '_' ? '-' : alias[i])) {
            return false;
        }
    }
    return true;
}

const struct cella_builtin *cella_builtin_find(const struct cella_builtin_registry *registry, struct cella_view name)
{
    const struct cella_builtin *builtin;
    for (size_t i = 0; (builtin = cella_builtin_at(registry, i)) != NULL; i++) {
        if (cella_view_is(name, builtin->name) || is_alias(name, builtin->alias)) {
            return builtin;
        }
    }
    return NULL;
}
