/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/trees.h"

#include <math.h>
#include <stdlib.h>

#define BLOCK 64U /* rows that go through a tree together */

/* A way from the root that is still to be followed: part goes to node. */
struct step {
    size_t part;
    uint32_t node;
    uint32_t depth;
};

struct growing {
    struct cella_trees *trees;
    struct step *steps;
    size_t step_count;
    bool *seen;
    uint32_t depth;
};

static void clear_growing(struct growing *growing)
{
    free(growing->steps);
    free(growing->seen);
}

static uint32_t add_leaf(struct cella_trees *trees, float value)
{
    uint32_t index = (uint32_t) trees->node_count++;
    trees->nodes[index] = (struct cella_tree_node){ .next = { index, index, index }, .value = value };
    return index;
}

/* A node for a child; false if something leads there already, or nothing is there. */
static bool add_child(struct growing *growing, int64_t part, size_t count, uint32_t depth, uint32_t *out)
{
    if (part < 0 || (uint64_t) part >= count || growing->seen[part]) {
        return false;
    }
    growing->seen[part] = true;
    *out = add_leaf(growing->trees, 0);
    growing->steps[growing->step_count++] = (struct step){ (size_t) part, *out, depth };
    return true;
}

static const char *grow(struct growing *growing, const struct cella_tree_part *parts, size_t count)
{
    while (growing->step_count > 0) {
        struct step step = growing->steps[--growing->step_count];
        const struct cella_tree_part *part = &parts[step.part];
        struct cella_tree_node *node = &growing->trees->nodes[step.node];
        if (part->is_leaf) {
            node->value = part->value;
            continue;
        }
        if (step.depth == CELLA_TREES_DEPTH_MAX) {
            return "a tree is more than 512 levels deep";
        }
        if (part->feature < 0 || part->feature >= CELLA_TREES_FEATURES_MAX) {
            return "a node splits by a feature that can not be";
        }
        if (!add_child(growing, part->left, count, step.depth + 1, &node->next[0]) ||
            !add_child(growing, part->right, count, step.depth + 1, &node->next[1])) {
            return "a node's child is not in the tree, or another node's";
        }
        node->threshold = part->threshold;
        node->feature = (uint32_t) part->feature;
        node->next[2] = part->none == 0 ? add_leaf(growing->trees, part->value) : node->next[part->none > 0];
        growing->depth = growing->depth > step.depth ? growing->depth : step.depth + 1;
    }
    return NULL;
}

/* Room for so many elements, and for more than asked, so that many small trees cost no more than one large one. */
static bool reserve(void **elements, size_t *capacity, size_t size, size_t needed)
{
    if (needed <= *capacity) {
        return true;
    }
    size_t wanted = needed > 2 * *capacity ? needed : 2 * *capacity;
    void *grown = reallocarray(*elements, wanted, size);
    if (grown == NULL) {
        return false;
    }
    *elements = grown;
    *capacity = wanted;
    return true;
}

cella_status cella_trees_append(struct cella_trees *trees, const struct cella_tree_part *parts, size_t count,
                                uint32_t group, const char **what)
{
    *what = count == 0 ? "a tree has no nodes" : NULL;
    if (count > (CELLA_TREES_NODES_MAX - trees->node_count) / 2) {
        *what = "the model has too many nodes";
    }
    if (*what != NULL) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_CLEANUP(clear_growing) struct growing growing = { .trees = trees };
    growing.steps = reallocarray(NULL, count, sizeof(struct step));
    growing.seen = calloc(count, sizeof(bool));
    void *nodes = trees->nodes;
    void *list = trees->trees;
    /* Twice: an inner node may need a leaf of its own for rows without a value. */
    bool room = growing.steps != NULL && growing.seen != NULL &&
                reserve(&nodes, &trees->node_capacity, sizeof(struct cella_tree_node), trees->node_count + 2 * count) &&
                reserve(&list, &trees->tree_capacity, sizeof(struct cella_tree), trees->tree_count + 1);
    trees->nodes = nodes;
    trees->trees = list;
    if (!room) {
        return CELLA_NO_MEMORY;
    }
    uint32_t root;
    (void) add_child(&growing, 0, count, 0, &root);
    *what = grow(&growing, parts, count);
    if (*what != NULL) {
        return CELLA_BAD_FORMAT;
    }
    trees->trees[trees->tree_count++] = (struct cella_tree){ root, growing.depth, group };
    return CELLA_OK;
}

void cella_trees_release(struct cella_trees *trees)
{
    free(trees->trees);
    free(trees->nodes);
    *trees = (struct cella_trees){ 0 };
}

/* All rows of the block go down one level at a time: their ways do not wait for each other, and nothing branches. */
static void add_tree(const struct cella_trees *trees, const struct cella_tree *tree, const float *rows, size_t count,
                     float *sums)
{
    uint32_t at[BLOCK];
    for (size_t i = 0; i < count; i++) {
        at[i] = tree->root;
    }
    for (uint32_t level = 0; level < tree->depth; level++) {
        for (size_t i = 0; i < count; i++) {
            const struct cella_tree_node *node = &trees->nodes[at[i]];
            float value = rows[i * trees->features + node->feature];
            at[i] = node->next[!(value < node->threshold) + (value != value)];
        }
    }
    for (size_t i = 0; i < count; i++) {
        sums[i * trees->groups + tree->group] += trees->nodes[at[i]].value;
    }
}

/* xgboost's: no overflow, and never 1 / 0. */
static float logistic(float x)
{
    float limited = -x < 88.7F ? -x : 88.7F;
    return 1.0F / (expf(limited) + 1.0F + 1e-16F);
}

static float largest(const float *sums, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++) {
        best = sums[i] > sums[best] ? i : best;
    }
    return (float) best;
}

static void soften(const float *sums, size_t count, float *out)
{
    float most = sums[0];
    double total = 0;
    for (size_t i = 1; i < count; i++) {
        most = sums[i] > most ? sums[i] : most;
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = expf(sums[i] - most);
        total += (double) out[i];
    }
    for (size_t i = 0; i < count; i++) {
        out[i] /= (float) total;
    }
}

static void finish(const struct cella_trees *trees, const float *sums, float *out)
{
    switch (trees->link) {
    case CELLA_TREES_IDENTITY:
        *out = *sums;
        break;
    case CELLA_TREES_LOGISTIC:
        *out = logistic(*sums);
        break;
    case CELLA_TREES_LOGISTIC_TWICE:
        *out = 1.0F / (1.0F + expf(-2.0F * *sums));
        break;
    case CELLA_TREES_LOGISTIC_PLAIN:
        *out = 1.0F / (1.0F + expf(-*sums));
        break;
    case CELLA_TREES_EXP:
        *out = expf(*sums);
        break;
    case CELLA_TREES_HINGE:
        *out = *sums > 0 ? 1 : 0;
        break;
    case CELLA_TREES_SOFTMAX:
        *out = largest(sums, trees->groups);
        break;
    case CELLA_TREES_SOFTPROB:
        soften(sums, trees->groups, out);
        break;
    }
}

void cella_trees_predict(const struct cella_trees *trees, const float *rows, size_t count, float *sums, float *out)
{
    for (size_t i = 0; i < count * trees->groups; i++) {
        sums[i] = trees->start;
    }
    for (size_t first = 0; first < count; first += BLOCK) {
        size_t block = count - first < BLOCK ? count - first : BLOCK;
        for (size_t i = 0; i < trees->tree_count; i++) {
            add_tree(trees, &trees->trees[i], rows + first * trees->features, block, sums + first * trees->groups);
        }
    }
    for (size_t i = 0; i < count; i++) {
        finish(trees, sums + i * trees->groups, out + i * trees->columns);
    }
}
