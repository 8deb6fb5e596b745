/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/trees_form.h"

#include <math.h>
#include <stdlib.h>

cella_status cella_tree_parts_add(struct cella_tree_parts *parts)
{
    if (parts->count == parts->capacity) {
        size_t wanted = parts->capacity == 0 ? 64 : 2 * parts->capacity;
        struct cella_tree_part *grown = reallocarray(parts->items, wanted, sizeof(*grown));
        if (grown == NULL) {
            return CELLA_NO_MEMORY;
        }
        parts->items = grown;
        parts->capacity = wanted;
    }
    parts->items[parts->count++] = (struct cella_tree_part){ .none = 0 };
    return CELLA_OK;
}

void cella_tree_parts_clear(struct cella_tree_parts *parts)
{
    free(parts->items);
    *parts = (struct cella_tree_parts){ 0 };
}

static size_t find(const char *const *names, size_t count, struct cella_view name)
{
    size_t index = 0;
    while (index < count && !cella_view_is(name, names[index])) {
        index++;
    }
    return index;
}

cella_status cella_model_members(struct cella_parse *json, const char *const *names, size_t count, unsigned int needed,
                                 cella_status (*take)(void *context, struct cella_parse *json, size_t index),
                                 void *context)
{
    unsigned int seen = 0;
    CELLA_TRY(cella_parse_object(json));
    for (;;) {
        struct cella_view name;
        bool there;
        CELLA_TRY(cella_parse_member(json, &name, &there));
        if (!there) {
            break;
        }
        size_t index = find(names, count, name);
        if (index == count) {
            CELLA_TRY(cella_parse_skip(json));
            continue;
        }
        if ((seen >> index & 1) != 0) {
            return cella_parse_refuse(json, "\"%s\" is there twice", names[index]);
        }
        seen |= 1U << index;
        CELLA_TRY(take(context, json, index));
    }
    for (size_t i = 0; i < count; i++) {
        if ((needed >> i & 1) != 0 && (seen >> i & 1) == 0) {
            return cella_parse_refuse(json, "the object that ends here has no \"%s\"", names[i]);
        }
    }
    return CELLA_OK;
}

cella_status cella_model_append(struct cella_parse *json, struct cella_trees *trees,
                                const struct cella_tree_parts *parts, uint32_t group)
{
    const char *what;
    cella_status status = cella_trees_append(trees, parts->items, parts->count, group, &what);
    return status == CELLA_BAD_FORMAT ? cella_parse_refuse(json, "%s", what) : status;
}

cella_status cella_model_check_features(struct cella_parse *json, const struct cella_trees *trees)
{
    for (size_t i = 0; i < trees->node_count; i++) {
        if (trees->nodes[i].feature >= trees->features) {
            return cella_parse_refuse(json, "a node splits by feature %u; the model has %zu features, numbered from 0",
                                     trees->nodes[i].feature, trees->features);
        }
    }
    return CELLA_OK;
}

/* Which form it is, its outermost names say. */
static bool is_xgboost(struct cella_parse json)
{
    struct cella_view name;
    bool there = true;
    if (cella_parse_object(&json) != CELLA_OK) {
        return false;
    }
    while (cella_parse_member(&json, &name, &there) == CELLA_OK && there) {
        if (cella_view_is(name, "learner")) {
            return true;
        }
        if (cella_parse_skip(&json) != CELLA_OK) {
            return false;
        }
    }
    return false;
}

cella_status cella_trees_read(struct cella_builtin_call *call, struct cella_builtin_input *input,
                              struct cella_trees *out)
{
    struct cella_parse json;
    CELLA_TRY(cella_parse_begin(&json, call, input));
    out->unknown = NAN;
    if (is_xgboost(json)) {
        CELLA_TRY(cella_model_read_xgboost(&json, out));
    } else {
        CELLA_TRY(cella_model_read_gbdt_rs(&json, out));
    }
    CELLA_TRY(cella_parse_end(&json));
    return cella_model_check_features(&json, out);
}
