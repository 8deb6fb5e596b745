/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/trees_form.h"

#include <float.h>
#include <math.h>

/*
 * Models of gbdt-rs, the library of Teaclave's builtin-gbdt-train, as serde writes them:
 *
 *   {"conf": {"feature_size": 4, "iterations": 100, "shrinkage": 0.1, "loss": "LAD", "initial_guess_enabled": false, ...},
 *    "trees": [{"tree": {"tree": [{"value": {"feature_index": 2, "feature_value": 2.45, "pred": 0.0, "missing": 0,
 *      "is_leaf": false}, "index": 0, "left": 1, "right": 2}, ...]}, ...}, ...],
 *    "bias": 2.0}
 */

/* What is known of the model while it is read. */
struct model {
    struct cella_trees *trees;
    struct cella_tree_parts parts;
    int64_t iterations;
    float shrinkage;
    float bias;
    bool guessed; /* sums begin at each row's initial guess, which rows for prediction do not have */
};

static void clear_model(struct model *model)
{
    cella_tree_parts_clear(&model->parts);
}

static cella_status read_float(struct cella_parse *json, float *out)
{
    double value;
    CELLA_TRY(cella_parse_number(json, &value));
    *out = (float) value;
    return isfinite(*out) ? CELLA_OK : cella_parse_refuse(json, "a number beyond the range of 32 bits");
}

static cella_status take_split(void *context, struct cella_parse *json, size_t index)
{
    struct model *model = context;
    struct cella_tree_part *part = &model->parts.items[model->parts.count - 1];
    int64_t none;
    switch (index) {
    case 0:
        return cella_parse_integer(json, 0, INT32_MAX, &part->feature);
    case 1:
        return read_float(json, &part->threshold);
    case 2:
        return read_float(json, &part->value);
    case 3:
        CELLA_TRY(cella_parse_integer(json, -1, 1, &none));
        part->none = (int8_t) none;
        return CELLA_OK;
    default:
        return cella_parse_flag(json, &part->is_leaf);
    }
}

static cella_status take_node(void *context, struct cella_parse *json, size_t index)
{
    static const char *const names[] = { "feature_index", "feature_value", "pred", "missing", "is_leaf" };
    struct model *model = context;
    struct cella_tree_part *part = &model->parts.items[model->parts.count - 1];
    if (index == 0) {
        return cella_model_members(json, names, 5, 0x1f, take_split, model);
    }
    return cella_parse_integer(json, 0, INT32_MAX, index == 1 ? &part->left : &part->right);
}

static cella_status take_nodes(void *context, struct cella_parse *json, size_t index)
{
    static const char *const names[] = { "value", "left", "right" };
    struct model *model = context;
    (void) index;
    CELLA_TRY(cella_parse_array(json));
    model->parts.count = 0;
    for (;;) {
        bool there;
        CELLA_TRY(cella_parse_element(json, &there));
        if (!there) {
            return CELLA_OK;
        }
        CELLA_TRY(cella_tree_parts_add(&model->parts));
        CELLA_TRY(cella_model_members(json, names, 3, 0x7, take_node, model));
    }
}

static cella_status take_tree(void *context, struct cella_parse *json, size_t index)
{
    static const char *const names[] = { "tree" };
    (void) index;
    return cella_model_members(json, names, 1, 0x1, take_nodes, context);
}

static cella_status take_trees(struct model *model, struct cella_parse *json)
{
    static const char *const names[] = { "tree" };
    CELLA_TRY(cella_parse_array(json));
    for (;;) {
        bool there;
        CELLA_TRY(cella_parse_element(json, &there));
        if (!there) {
            return CELLA_OK;
        }
        CELLA_TRY(cella_model_members(json, names, 1, 0x1, take_tree, model));
        CELLA_TRY(cella_model_append(json, model->trees, &model->parts, 0));
    }
}

static cella_status take_loss(struct cella_trees *trees, struct cella_parse *json)
{
    static const struct {
        const char *name;
        enum cella_trees_link link;
    } losses[] = {
        { "SquaredError", CELLA_TREES_IDENTITY },        { "LAD", CELLA_TREES_IDENTITY },
        { "LogLikelyhood", CELLA_TREES_LOGISTIC_TWICE }, { "RegLinear", CELLA_TREES_IDENTITY },
        { "RegLogistic", CELLA_TREES_LOGISTIC_PLAIN },   { "BinaryLogistic", CELLA_TREES_LOGISTIC_PLAIN },
        { "BinaryLogitraw", CELLA_TREES_IDENTITY },      { "RankPairwise", CELLA_TREES_IDENTITY },
    };
    struct cella_view name;
    CELLA_TRY(cella_parse_text(json, &name));
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
        if (cella_view_is(name, losses[i].name)) {
            trees->link = losses[i].link;
            return CELLA_OK;
        }
    }
    return cella_parse_refuse(json, "loss \"%.*s\" gives no prediction here", (int) (name.size < 40 ? name.size : 40),
                             (const char *) name.data);
}

static cella_status take_configuration(void *context, struct cella_parse *json, size_t index)
{
    struct model *model = context;
    int64_t features;
    switch (index) {
    case 0:
        CELLA_TRY(cella_parse_integer(json, 1, CELLA_TREES_FEATURES_MAX, &features));
        model->trees->features = (size_t) features;
        return CELLA_OK;
    case 1:
        return cella_parse_integer(json, 0, INT32_MAX, &model->iterations);
    case 2:
        return read_float(json, &model->shrinkage);
    case 3:
        return take_loss(model->trees, json);
    default:
        return cella_parse_flag(json, &model->guessed);
    }
}

static cella_status take_model(void *context, struct cella_parse *json, size_t index)
{
    static const char *const names[] = { "feature_size", "iterations", "shrinkage", "loss", "initial_guess_enabled" };
    struct model *model = context;
    switch (index) {
    case 0:
        return cella_model_members(json, names, 5, 0x1f, take_configuration, model);
    case 1:
        return take_trees(model, json);
    default:
        return read_float(json, &model->bias);
    }
}

cella_status cella_model_read_gbdt_rs(struct cella_parse *json, struct cella_trees *trees)
{
    static const char *const names[] = { "conf", "trees", "bias" };
    CELLA_CLEANUP(clear_model) struct model model = { .trees = trees };
    CELLA_TRY(cella_model_members(json, names, 3, 0x7, take_model, &model));
    if ((uint64_t) model.iterations != trees->tree_count) {
        return cella_parse_refuse(json, "%zu trees, but %lld iterations", trees->tree_count,
                                 (long long) model.iterations);
    }
    for (size_t i = 0; i < trees->node_count; i++) {
        trees->nodes[i].value *= model.shrinkage;
    }
    trees->groups = 1;
    trees->columns = 1;
    trees->start = model.guessed ? 0 : model.bias;
    trees->unknown = -FLT_MAX;
    return CELLA_OK;
}
