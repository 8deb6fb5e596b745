/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/registry.h"

extern const struct cella_builtin cella_builtin_echo;
extern const struct cella_builtin cella_builtin_ordered_set_intersect;

static const struct cella_builtin *const all[] = {
    &cella_builtin_echo,
    &cella_builtin_ordered_set_intersect,
};

const struct cella_builtin *cella_builtin_at(size_t index)
{
    return index < sizeof(all) / sizeof(all[0]) ? all[index] : NULL;
}

const struct cella_builtin *cella_builtin_find(struct cella_view name)
{
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (cella_view_is(name, all[i]->name) || cella_view_is(name, all[i]->alias)) {
            return all[i];
        }
    }
    return NULL;
}
