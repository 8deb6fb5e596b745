/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/trees_form.h"

#include <math.h>
#include <stdlib.h>

#include "builtins/number.h"

/*
 * Models of xgboost, versions 1.0 and later, in its JSON format with the booster gbtree. Of a tree's arrays those are
 * read that say where a row goes; parents, for example, are not, since nothing depends on them.
 *
 *   {"learner": {"gradient_booster": {"name": "gbtree", "model": {"tree_info": [0, ...], "trees": [{"left_children": [1, -1, -1],
 *      "right_children": [2, -1, -1], "split_indices": [0, 0, 0], "split_conditions": [0.5, -0.54, 0.52],
 *      "default_left": [1, 0, 0], "split_type": [0, 0, 0], ...}, ...], ...}},
 *    "learner_model_param": {"base_score": "5E-1", "num_class": "0", "num_feature": "3", ...},
 *    "objective": {"name": "binary:logistic", ...}, ...}, "version": [1, 7, 4]}
 */

/* What becomes of base_score before it is where sums begin. */
enum start {
    START_AS_IT_IS,
    START_LOGIT,
    START_LOGARITHM,
};

struct objective {
    const char *name;
    enum cella_trees_link link;
    enum start start;
};

static const struct objective objectives[] = {
    { "reg:squarederror", CELLA_TREES_IDENTITY, START_AS_IT_IS },
    { "reg:linear", CELLA_TREES_IDENTITY, START_AS_IT_IS },
    { "reg:squaredlogerror", CELLA_TREES_IDENTITY, START_AS_IT_IS },
    { "reg:pseudohubererror", CELLA_TREES_IDENTITY, START_AS_IT_IS },
    { "reg:absoluteerror", CELLA_TREES_IDENTITY, START_AS_IT_IS },
    { "reg:logistic", CELLA_TREES_LOGISTIC, START_LOGIT },
    { "binary:logistic", CELLA_TREES_LOGISTIC, START_LOGIT },
    { "binary:logitraw", CELLA_TREES_IDENTITY, START_AS_IT_IS },
    { "binary:hinge", CELLA_TREES_HINGE, START_AS_IT_IS },
    { "count:poisson", CELLA_TREES_EXP, START_LOGARITHM },
    { "reg:gamma", CELLA_TREES_EXP, START_LOGARITHM },
    { "reg:tweedie", CELLA_TREES_EXP, START_LOGARITHM },
    { "rank:pairwise", CELLA_TREES_IDENTITY, START_AS_IT_IS },
    { "rank:ndcg", CELLA_TREES_IDENTITY, START_AS_IT_IS },
    { "rank:map", CELLA_TREES_IDENTITY, START_AS_IT_IS },
    { "multi:softmax", CELLA_TREES_SOFTMAX, START_AS_IT_IS },
    { "multi:softprob", CELLA_TREES_SOFTPROB, START_AS_IT_IS },
};

struct model {
    struct cella_trees *trees;
    struct cella_tree_parts parts;
    bool counted;  /* an array of this tree was read: the others are as long */
    int64_t *info; /* group of each tree */
    size_t info_count;
    size_t info_capacity;
    const struct objective *objective;
    double base_score;
    int64_t classes;
};

static void clear_model(struct model *model)
{
    cella_tree_parts_clear(&model->parts);
    free(model->info);
}

/* Numbers in xgboost's parameters are strings. */
static cella_status read_count(struct cella_parse *json, int64_t most, int64_t *out)
{
    struct cella_view text;
    CELLA_TRY(cella_parse_text(json, &text));
    if (cella_number_parse_integer(text, out) != CELLA_OK || *out < 0 || *out > most) {
        return cella_parse_refuse(json, "a whole number from 0 to %lld in quotes expected", (long long) most);
    }
    return CELLA_OK;
}

static cella_status read_limit(struct cella_parse *json, int64_t most, const char *what)
{
    int64_t value;
    CELLA_TRY(read_count(json, INT32_MAX, &value));
    return value <= most ? CELLA_OK : cella_parse_refuse(json, "%s are not read here", what);
}

/* The arrays of a tree, in the order of take_tree's names. */
static cella_status read_part(struct cella_parse *json, size_t column, struct cella_tree_part *part)
{
    double number;
    int64_t whole;
    bool left;
    switch (column) {
    case 0:
        CELLA_TRY(cella_parse_integer(json, -1, INT32_MAX, &part->left));
        part->is_leaf = part->left < 0;
        return CELLA_OK;
    case 1:
        return cella_parse_integer(json, -1, INT32_MAX, &part->right);
    case 2:
        return cella_parse_integer(json, 0, INT32_MAX, &part->feature);
    case 3:
        CELLA_TRY(cella_parse_number(json, &number));
        part->threshold = (float) number;
        part->value = part->threshold; /* of a leaf, its answer stands there */
        return isfinite(part->value) ? CELLA_OK : cella_parse_refuse(json, "a number beyond the range of 32 bits");
    case 4:
        if (cella_parse_peek(json) == '0') {
            CELLA_TRY(cella_parse_integer(json, 0, 1, &whole));
            left = whole != 0;
        } else {
            CELLA_TRY(cella_parse_flag(json, &left));
        }
        part->none = left ? -1 : 1;
        return CELLA_OK;
    default:
        CELLA_TRY(cella_parse_integer(json, 0, 1, &whole));
        return whole == 0 ? CELLA_OK : cella_parse_refuse(json, "splits by categories are not read here");
    }
}

static cella_status take_tree(void *context, struct cella_parse *json, size_t column)
{
    struct model *model = context;
    CELLA_TRY(cella_parse_array(json));
    for (size_t i = 0;; i++) {
        bool there;
        CELLA_TRY(cella_parse_element(json, &there));
        if (model->counted && there != (i < model->parts.count)) {
            return cella_parse_refuse(json, "the arrays of a tree differ in length");
        }
        if (!there) {
            model->counted = true;
            return CELLA_OK;
        }
        if (!model->counted) {
            CELLA_TRY(cella_tree_parts_add(&model->parts));
        }
        CELLA_TRY(read_part(json, column, &model->parts.items[i]));
    }
}

static cella_status take_trees(struct model *model, struct cella_parse *json)
{
    static const char *const names[] = { "left_children",    "right_children", "split_indices",
                                         "split_conditions", "default_left",   "split_type" };
    CELLA_TRY(cella_parse_array(json));
    for (;;) {
        bool there;
        CELLA_TRY(cella_parse_element(json, &there));
        if (!there) {
            return CELLA_OK;
        }
        model->parts.count = 0;
        model->counted = false;
        CELLA_TRY(cella_model_members(json, names, 6, 0x1f, take_tree, model));
        CELLA_TRY(cella_model_append(json, model->trees, &model->parts, 0));
    }
}

static cella_status take_info(struct model *model, struct cella_parse *json)
{
    CELLA_TRY(cella_parse_array(json));
    for (;;) {
        bool there;
        CELLA_TRY(cella_parse_element(json, &there));
        if (!there) {
            return CELLA_OK;
        }
        if (model->info_count == model->info_capacity) {
            size_t wanted = model->info_capacity == 0 ? 256 : 2 * model->info_capacity;
            int64_t *grown = reallocarray(model->info, wanted, sizeof(*grown));
            if (grown == NULL) {
                return CELLA_NO_MEMORY;
            }
            model->info = grown;
            model->info_capacity = wanted;
        }
        CELLA_TRY(cella_parse_integer(json, 0, CELLA_TREES_GROUPS_MAX - 1, &model->info[model->info_count]));
        model->info_count++;
    }
}

static cella_status take_leaf_size(void *context, struct cella_parse *json, size_t index)
{
    (void) context;
    (void) index;
    return read_limit(json, 1, "leaves with several numbers");
}

static cella_status take_trees_model(void *context, struct cella_parse *json, size_t index)
{
    static const char *const names[] = { "size_leaf_vector" };
    switch (index) {
    case 0:
        return take_info(context, json);
    case 1:
        return take_trees(context, json);
    default:
        return cella_model_members(json, names, 1, 0, take_leaf_size, context);
    }
}

static cella_status take_booster(void *context, struct cella_parse *json, size_t index)
{
    static const char *const names[] = { "tree_info", "trees", "gbtree_model_param" };
    if (index == 0) {
        return cella_model_members(json, names, 3, 0x3, take_trees_model, context);
    }
    struct cella_view name;
    CELLA_TRY(cella_parse_text(json, &name));
    return cella_view_is(name, "gbtree") ? CELLA_OK : cella_parse_refuse(json, "of boosters, only gbtree is read here");
}

static cella_status take_parameters(void *context, struct cella_parse *json, size_t index)
{
    struct model *model = context;
    struct cella_view text;
    int64_t features;
    switch (index) {
    case 0:
        CELLA_TRY(cella_parse_text(json, &text));
        if (text.size > 2 && text.data[0] == '[' && text.data[text.size - 1] == ']') {
            text = cella_view_of(text.data + 1, text.size - 2); /* since version 3.1 */
        }
        return cella_number_parse(text, &model->base_score) == CELLA_OK && isfinite(model->base_score)
                   ? CELLA_OK
                   : cella_parse_refuse(json, "a number in quotes expected");
    case 1:
        return read_count(json, CELLA_TREES_GROUPS_MAX, &model->classes);
    case 2:
        CELLA_TRY(read_count(json, CELLA_TREES_FEATURES_MAX, &features));
        model->trees->features = (size_t) features;
        return CELLA_OK;
    default:
        return read_limit(json, 1, "models with several targets");
    }
}

static cella_status take_objective(void *context, struct cella_parse *json, size_t index)
{
    struct model *model = context;
    struct cella_view name;
    (void) index;
    CELLA_TRY(cella_parse_text(json, &name));
    for (size_t i = 0; i < sizeof(objectives) / sizeof(objectives[0]); i++) {
        if (cella_view_is(name, objectives[i].name)) {
            model->objective = &objectives[i];
            return CELLA_OK;
        }
    }
    return cella_parse_refuse(json, "objective \"%.*s\" is not known here", (int) (name.size < 40 ? name.size : 40),
                             (const char *) name.data);
}

static cella_status take_learner(void *context, struct cella_parse *json, size_t index)
{
    static const char *const booster[] = { "model", "name" };
    static const char *const parameters[] = { "base_score", "num_class", "num_feature", "num_target" };
    static const char *const objective[] = { "name" };
    switch (index) {
    case 0:
        return cella_model_members(json, booster, 2, 0x3, take_booster, context);
    case 1:
        return cella_model_members(json, parameters, 4, 0x7, take_parameters, context);
    default:
        return cella_model_members(json, objective, 1, 0x1, take_objective, context);
    }
}

static cella_status take_model(void *context, struct cella_parse *json, size_t index)
{
    static const char *const names[] = { "gradient_booster", "learner_model_param", "objective" };
    (void) index;
    return cella_model_members(json, names, 3, 0x7, take_learner, context);
}

/* Where sums begin. */
static bool find_start(const struct model *model, float *out)
{
    float score = (float) model->base_score;
    switch (model->objective->start) {
    case START_LOGIT:
        *out = -logf(1.0F / score - 1.0F);
        return score > 0 && score < 1;
    case START_LOGARITHM:
        *out = logf(score);
        return score > 0;
    case START_AS_IT_IS:
        break;
    }
    *out = score;
    return isfinite(score);
}

/* What can be said only when all parts were read. */
static cella_status finish(struct model *model, struct cella_parse *json)
{
    struct cella_trees *trees = model->trees;
    trees->link = model->objective->link;
    bool multiple = trees->link == CELLA_TREES_SOFTMAX || trees->link == CELLA_TREES_SOFTPROB;
    if (multiple != (model->classes > 1)) {
        return cella_parse_refuse(json, "objective %s does not go with num_class %lld", model->objective->name,
                                 (long long) model->classes);
    }
    trees->groups = multiple ? (size_t) model->classes : 1;
    trees->columns = trees->link == CELLA_TREES_SOFTPROB ? trees->groups : 1;
    if (trees->features == 0) {
        return cella_parse_refuse(json, "num_feature is 0");
    }
    if (!find_start(model, &trees->start)) {
        return cella_parse_refuse(json, "base_score is not one that %s can have", model->objective->name);
    }
    if (model->info_count != trees->tree_count) {
        return cella_parse_refuse(json, "%zu trees, but tree_info has %zu numbers", trees->tree_count, model->info_count);
    }
    for (size_t i = 0; i < trees->tree_count; i++) {
        if ((uint64_t) model->info[i] >= trees->groups) {
            return cella_parse_refuse(json, "tree_info says class %lld, there are %zu", (long long) model->info[i],
                                     trees->groups);
        }
        trees->trees[i].group = (uint32_t) model->info[i];
    }
    return CELLA_OK;
}

cella_status cella_model_read_xgboost(struct cella_parse *json, struct cella_trees *trees)
{
    static const char *const names[] = { "learner" };
    CELLA_CLEANUP(clear_model) struct model model = { .trees = trees };
    CELLA_TRY(cella_model_members(json, names, 1, 0x1, take_model, &model));
    return finish(&model, json);
}
