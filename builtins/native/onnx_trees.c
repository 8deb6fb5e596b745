/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAF UINT8_MAX
#define NOWHERE SIZE_MAX
#define ROWS_PER_PART 256U /* at most */

struct node {
    int64_t tree;
    int64_t id;
    size_t place; /* in the attributes */
    float value;
    uint8_t mode; /* index of modes, or LEAF */
    bool missing_is_true;
    bool is_child;
    size_t feature;
    size_t yes; /* nodes, once linked */
    size_t no;
    size_t first_weight;
    size_t weight_count;
};

struct weight {
    size_t node;
    size_t target;
    float weight;
};

/* Trees, checked: every node but the roots is the child of exactly one, so that each way down ends. */
struct forest {
    struct node *nodes;
    size_t node_count;
    size_t *roots;
    size_t root_count;
    struct weight *weights; /* by node */
    size_t weight_count;
    size_t features; /* columns that it needs */
    size_t targets;
    const float *base; /* targets of them, or NULL */
    bool average;
};

static const char *const modes[] = { "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE", "BRANCH_EQ", "BRANCH_NEQ" };

static int by_id(const void *a, const void *b)
{
    const struct node *left = a;
    const struct node *right = b;
    if (left->tree != right->tree) {
        return left->tree < right->tree ? -1 : 1;
    }
    return left->id < right->id ? -1 : left->id > right->id;
}

static int by_node(const void *a, const void *b)
{
    const struct weight *left = a;
    const struct weight *right = b;
    if (left->node != right->node) {
        return left->node < right->node ? -1 : 1;
    }
    return left->target < right->target ? -1 : left->target > right->target;
}

static size_t find(const struct forest *forest, int64_t tree, int64_t id)
{
    struct node wanted = { .tree = tree, .id = id };
    const struct node *found = bsearch(&wanted, forest->nodes, forest->node_count, sizeof(wanted), by_id);
    return found == NULL ? NOWHERE : (size_t) (found - forest->nodes);
}

static cella_status read_mode(const struct cella_onnx_step *step, struct cella_view mode, struct node *node)
{
    char text[64];
    node->mode = LEAF;
    for (uint8_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (cella_view_is(mode, modes[i])) {
            node->mode = i;
            return CELLA_OK;
        }
    }
    return cella_view_is(mode, "LEAF")
        ? CELLA_OK
        : cella_onnx_refuse(step, "mode '%s' of a tree's node is not known", cella_onnx_printable(mode, text));
}

static cella_status read_nodes(struct cella_onnx_step *step, struct forest *forest)
{
    static const char *const lists[] = { "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_truenodeids",
                                         "nodes_falsenodeids" };
    const int64_t *numbers[5];
    size_t count;
    size_t other;
    const struct cella_onnx_attribute *mode = cella_onnx_attribute(step, "nodes_modes");
    const float *values = cella_onnx_reals(step, "nodes_values", &count);
    for (size_t i = 0; i < 5; i++) {
        numbers[i] = cella_onnx_integers(step, lists[i], &other);
        if (other != count) {
            return cella_onnx_refuse(step, "%s has %zu numbers, nodes_values has %zu", lists[i], other, count);
        }
    }
    const int64_t *missing = cella_onnx_integers(step, "nodes_missing_value_tracks_true", &other);
    if (count == 0 || mode == NULL || mode->count != count || (other != 0 && other != count)) {
        return cella_onnx_refuse(step, "its lists of nodes have different lengths, or are empty");
    }
    missing = other == 0 ? NULL : missing;
    CELLA_TRY(cella_onnx_model_take(&step->session->model, count, sizeof(*forest->nodes), (void **) &forest->nodes));
    CELLA_TRY(cella_onnx_model_take(&step->session->model, count, sizeof(*forest->roots), (void **) &forest->roots));
    forest->node_count = count;
    for (size_t i = 0; i < count; i++) {
        struct node *node = &forest->nodes[i];
        *node = (struct node){ .tree = numbers[0][i], .id = numbers[1][i], .place = i, .value = values[i],
                               .missing_is_true = missing != NULL && missing[i] != 0 };
        CELLA_TRY(read_mode(step, mode->texts[i], node));
        if (node->mode != LEAF && (numbers[2][i] < 0 || numbers[2][i] > INT32_MAX)) {
            return cella_onnx_refuse(step, "a tree asks for column %lld", (long long) numbers[2][i]);
        }
        node->feature = node->mode == LEAF ? 0 : (size_t) numbers[2][i];
        forest->features = node->mode != LEAF && node->feature >= forest->features ? node->feature + 1
                                                                                     : forest->features;
    }
    qsort(forest->nodes, count, sizeof(*forest->nodes), by_id);
    return CELLA_OK;
}

static cella_status adopt(const struct cella_onnx_step *step, struct forest *forest, int64_t tree, int64_t id,
                          size_t *out)
{
    *out = find(forest, tree, id);
    if (*out == NOWHERE || forest->nodes[*out].is_child) {
        return cella_onnx_refuse(step, "node %lld of tree %lld %s", (long long) id, (long long) tree,
                                 *out == NOWHERE ? "is not there" : "has two parents");
    }
    forest->nodes[*out].is_child = true;
    return CELLA_OK;
}

/* Nodes that no root leads to can only be loops. */
static cella_status refuse_loops(struct cella_onnx_step *step, const struct forest *forest)
{
    size_t *waiting;
    size_t count = forest->root_count;
    size_t reached = 0;
    CELLA_TRY(cella_onnx_model_take(&step->session->model, forest->node_count, sizeof(*waiting), (void **) &waiting));
    memcpy(waiting, forest->roots, count * sizeof(*waiting));
    for (; count > 0; reached++) {
        const struct node *node = &forest->nodes[waiting[--count]];
        if (node->mode != LEAF) {
            waiting[count++] = node->yes;
            waiting[count++] = node->no;
        }
    }
    return reached == forest->node_count ? CELLA_OK : cella_onnx_refuse(step, "its trees have a loop");
}

static cella_status link_nodes(struct cella_onnx_step *step, struct forest *forest)
{
    size_t count;
    const int64_t *yes = cella_onnx_integers(step, "nodes_truenodeids", &count);
    const int64_t *no = cella_onnx_integers(step, "nodes_falsenodeids", &count);
    for (size_t i = 0; i < forest->node_count; i++) {
        struct node *node = &forest->nodes[i];
        if (i > 0 && by_id(node - 1, node) == 0) {
            return cella_onnx_refuse(step, "node %lld of tree %lld is there twice", (long long) node->id,
                                     (long long) node->tree);
        }
    }
    for (size_t i = 0; i < forest->node_count; i++) {
        struct node *node = &forest->nodes[i];
        if (node->mode != LEAF) {
            CELLA_TRY(adopt(step, forest, node->tree, yes[node->place], &node->yes));
            CELLA_TRY(adopt(step, forest, node->tree, no[node->place], &node->no));
        }
    }
    for (size_t i = 0; i < forest->node_count; i++) {
        const struct node *node = &forest->nodes[i];
        if (!node->is_child) {
            size_t last = forest->root_count;
            if (last > 0 && forest->nodes[forest->roots[last - 1]].tree == node->tree) {
                return cella_onnx_refuse(step, "tree %lld has two roots", (long long) node->tree);
            }
            forest->roots[forest->root_count++] = i;
        }
    }
    return refuse_loops(step, forest);
}

/* Weights of leaves: lists that begin with class_ or target_. */
static cella_status read_weights(struct cella_onnx_step *step, struct forest *forest, bool classes)
{
    size_t counts[4];
    const int64_t *targets = cella_onnx_integers(step, classes ? "class_ids" : "target_ids", &counts[0]);
    const int64_t *ids = cella_onnx_integers(step, classes ? "class_nodeids" : "target_nodeids", &counts[1]);
    const int64_t *trees = cella_onnx_integers(step, classes ? "class_treeids" : "target_treeids", &counts[2]);
    const float *weights = cella_onnx_reals(step, classes ? "class_weights" : "target_weights", &counts[3]);
    if (counts[0] != counts[1] || counts[0] != counts[2] || counts[0] != counts[3] || counts[0] == 0) {
        return cella_onnx_refuse(step, "its lists of weights have different lengths, or are empty");
    }
    CELLA_TRY(cella_onnx_model_take(&step->session->model, counts[0], sizeof(*forest->weights),
                                    (void **) &forest->weights));
    forest->weight_count = counts[0];
    for (size_t i = 0; i < counts[0]; i++) {
        size_t node = find(forest, trees[i], ids[i]);
        if (node == NOWHERE || forest->nodes[node].mode != LEAF || targets[i] < 0 ||
            (uint64_t) targets[i] >= forest->targets) {
            return cella_onnx_refuse(step, "weight %zu is for node %lld of tree %lld and result %lld, which is not there", i,
                                     (long long) ids[i], (long long) trees[i], (long long) targets[i]);
        }
        forest->weights[i] = (struct weight){ node, (size_t) targets[i], weights[i] };
    }
    qsort(forest->weights, counts[0], sizeof(*forest->weights), by_node);
    for (size_t i = counts[0]; i > 0; i--) {
        struct node *node = &forest->nodes[forest->weights[i - 1].node];
        node->first_weight = i - 1;
        node->weight_count++;
    }
    return CELLA_OK;
}

/* The forest, made at the first run. */
static cella_status plant(struct cella_onnx_step *step, bool classes, size_t targets, struct forest **out)
{
    *out = step->prepared;
    if (*out != NULL) {
        return CELLA_OK;
    }
    size_t base_count;
    struct forest *forest;
    CELLA_TRY(cella_onnx_model_take(&step->session->model, 1, sizeof(*forest), (void **) &forest));
    forest->targets = targets;
    forest->base = cella_onnx_reals(step, "base_values", &base_count);
    if (base_count != 0 && base_count != targets) {
        return cella_onnx_refuse(step, "%zu base values for %zu results", base_count, targets);
    }
    forest->base = base_count == 0 ? NULL : forest->base;
    CELLA_TRY(read_nodes(step, forest));
    CELLA_TRY(link_nodes(step, forest));
    CELLA_TRY(read_weights(step, forest, classes));
    step->prepared = forest;
    *out = forest;
    return CELLA_OK;
}

static bool branch(const struct node *node, float x)
{
    if (isnan(x)) {
        return node->missing_is_true;
    }
    switch (node->mode) {
    case 0:
        return x <= node->value;
    case 1:
        return x < node->value;
    case 2:
        return x > node->value;
    case 3:
        return x >= node->value;
    case 4:
        return x == node->value;
    default:
        return x != node->value;
    }
}

struct job {
    const struct forest *forest;
    const struct cella_onnx_tensor *rows;
    float *scores;
    size_t part; /* rows */
};

static void score_rows(void *context, size_t index, size_t thread)
{
    const struct job *job = context;
    const struct forest *forest = job->forest;
    size_t first = index * job->part;
    size_t last = first + job->part < job->rows->dims[0] ? first + job->part : job->rows->dims[0];
    (void) thread;
    for (size_t r = first; r < last; r++) {
        float *scores = job->scores + r * forest->targets;
        for (size_t i = 0; i < forest->targets; i++) {
            scores[i] = 0;
        }
    }
    /* Tree by tree: its nodes stay in the cache for all rows of the part. */
    for (size_t t = 0; t < forest->root_count; t++) {
        for (size_t r = first; r < last; r++) {
            const float *row = (const float *) job->rows->data + r * job->rows->dims[1];
            float *scores = job->scores + r * forest->targets;
            const struct node *node = &forest->nodes[forest->roots[t]];
            while (node->mode != LEAF) {
                node = &forest->nodes[branch(node, row[node->feature]) ? node->yes : node->no];
            }
            for (size_t i = 0; i < node->weight_count; i++) {
                const struct weight *weight = &forest->weights[node->first_weight + i];
                scores[weight->target] += weight->weight;
            }
        }
    }
    for (size_t r = first; r < last; r++) {
        float *scores = job->scores + r * forest->targets;
        for (size_t i = 0; i < forest->targets; i++) {
            scores[i] = (forest->average ? scores[i] / (float) forest->root_count : scores[i]) +
                (forest->base == NULL ? 0 : forest->base[i]);
        }
    }
}

static cella_status score(struct cella_onnx_step *step, const struct forest *forest,
                          const struct cella_onnx_tensor *rows, float *scores)
{
    if (rows->dims[1] < forest->features) {
        return cella_onnx_refuse(step, "its trees need %zu columns, its input has %zu", forest->features, rows->dims[1]);
    }
    /* A hostile tree is a chain: then a row goes through all nodes. */
    double each = (double) forest->node_count * CELLA_ONNX_WORK_ELEMENT;
    CELLA_TRY(cella_onnx_work(step, (double) rows->dims[0] * each));
    size_t part = (size_t) (CELLA_ONNX_WORK_PART / each);
    struct job job = { forest, rows, scores, part < 1 ? 1 : part < ROWS_PER_PART ? part : ROWS_PER_PART };
    return cella_onnx_parallel(step->session->threads, (rows->dims[0] + job.part - 1) / job.part,
                               (double) job.part * each, score_rows, &job);
}

cella_status cella_onnx_run_tree_regressor(struct cella_onnx_step *step)
{
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor rows = { 0 };
    struct cella_onnx_tensor *output;
    struct forest *forest;
    enum cella_onnx_transform transform;
    int64_t targets = cella_onnx_integer(step, "n_targets", 1);
    bool average = cella_onnx_text_is(step, "aggregate_function", "AVERAGE", false);
    if (targets < 1 || targets > 65536 || (!average && !cella_onnx_text_is(step, "aggregate_function", "SUM", true))) {
        return cella_onnx_refuse(step, "%lld targets, or an aggregate_function that is not SUM or AVERAGE",
                                 (long long) targets);
    }
    CELLA_TRY(cella_onnx_transform_of(step, &transform));
    CELLA_TRY(cella_onnx_rows(step, 0, &rows));
    CELLA_TRY(plant(step, false, (size_t) targets, &forest));
    forest->average = average;
    size_t dims[2] = { rows.dims[0], (size_t) targets };
    CELLA_TRY(cella_onnx_output(step, 0, CELLA_ONNX_FLOAT, 2, dims, &output));
    CELLA_TRY(score(step, forest, &rows, output->data));
    for (size_t r = 0; r < dims[0]; r++) {
        cella_onnx_transform(transform, (float *) output->data + r * dims[1], dims[1]);
    }
    return CELLA_OK;
}

/* Weights that are never negative: their sum is a probability itself. */
static bool all_positive(const struct forest *forest)
{
    for (size_t i = 0; i < forest->weight_count; i++) {
        if (!(forest->weights[i].weight >= 0)) {
            return false;
        }
    }
    return true;
}

/* Whether there are two classes and weights for one of them only, and in which the meaning is the same for all engines. */
static cella_status check_by_one(const struct cella_onnx_step *step, const struct forest *forest, size_t classes,
                                 enum cella_onnx_transform transform, bool *by_one)
{
    *by_one = classes == 2;
    for (size_t i = 1; i < forest->weight_count; i++) {
        *by_one = *by_one && forest->weights[i].target == forest->weights[0].target;
    }
    bool clear = forest->weights[0].target == 0 && transform != CELLA_ONNX_TRANSFORM_SOFTMAX &&
        (transform == CELLA_ONNX_TRANSFORM_NONE || !all_positive(forest));
    return !*by_one || clear
        ? CELLA_OK
        : cella_onnx_refuse(step, "two classes, weights for one of them only, in a form that does not say what they mean: "
                                  "class_ids of 0, post_transform NONE, or LOGISTIC with weights below 0, are supported");
}

/*
 * Such weights, as ONNX Runtime reads them: they are for the second class; a probability if none is negative, beside 0
 * otherwise.
 */
static size_t decide_by_one(bool probability, enum cella_onnx_transform transform, float *scores)
{
    float score_of_one = scores[0];
    scores[1] = score_of_one;
    scores[0] = probability ? 1.0f - score_of_one : -score_of_one;
    cella_onnx_transform(transform, scores, 2);
    return score_of_one > (probability ? 0.5f : 0.0f) ? 1 : 0;
}

cella_status cella_onnx_run_tree_classifier(struct cella_onnx_step *step)
{
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor rows = { 0 };
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor scores = { 0 };
    struct cella_onnx_tensor *label;
    struct cella_onnx_tensor *output;
    struct cella_onnx_labels labels;
    struct forest *forest;
    enum cella_onnx_transform transform;
    CELLA_TRY(cella_onnx_labels_of(step, "classlabels_int64s", &labels));
    CELLA_TRY(cella_onnx_transform_of(step, &transform));
    CELLA_TRY(cella_onnx_rows(step, 0, &rows));
    CELLA_TRY(plant(step, true, labels.count, &forest));
    size_t dims[2] = { rows.dims[0], labels.count };
    CELLA_TRY(cella_onnx_labels_output(step, &labels, dims[0], &label));
    CELLA_TRY(cella_onnx_scratch(step, CELLA_ONNX_FLOAT, dims[0] * dims[1], &scores));
    CELLA_TRY(score(step, forest, &rows, scores.data));
    bool by_one;
    CELLA_TRY(check_by_one(step, forest, labels.count, transform, &by_one));
    bool probability = by_one && all_positive(forest);
    for (size_t r = 0; r < dims[0]; r++) {
        float *row = (float *) scores.data + r * dims[1];
        size_t best = 0;
        for (size_t i = 1; i < dims[1]; i++) {
            best = row[i] > row[best] ? i : best;
        }
        if (by_one) {
            best = decide_by_one(probability, transform, row);
        } else {
            cella_onnx_transform(transform, row, dims[1]);
        }
        cella_onnx_label(&labels, label, r, best);
    }
    if (step->node->output_count > 1 && step->outputs[1] != CELLA_ONNX_ABSENT) {
        CELLA_TRY(cella_onnx_output(step, 1, CELLA_ONNX_FLOAT, 2, dims, &output));
        memcpy(output->data, scores.data, scores.count * sizeof(float));
    }
    return CELLA_OK;
}
