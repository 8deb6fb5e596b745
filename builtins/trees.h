/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Boosted decision trees as gbdt_predict needs them: all nodes in one array, checked once, then followed without checks.
 * The sums are made in the order and with the 32-bit numbers of the libraries that the models come from, so that
 * predictions are theirs to the last bit.
 */

#include "builtins/input.h"

#define CELLA_TREES_DEPTH_MAX 512U
#define CELLA_TREES_NODES_MAX 67108864U
#define CELLA_TREES_GROUPS_MAX 1024U
#define CELLA_TREES_FEATURES_MAX 16777216U

/* What is made of a row's sums. */
enum cella_trees_link {
    CELLA_TREES_IDENTITY,
    CELLA_TREES_LOGISTIC,      /* 1 / (1 + exp(-x)) as xgboost computes it */
    CELLA_TREES_LOGISTIC_TWICE, /* 1 / (1 + exp(-2 x)) as Teaclave computes it for LogLikelyhood */
    CELLA_TREES_LOGISTIC_PLAIN, /* 1 / (1 + exp(-x)) as Teaclave computes it */
    CELLA_TREES_EXP,
    CELLA_TREES_HINGE,         /* 1 above 0, else 0 */
    CELLA_TREES_SOFTMAX,       /* number of the largest sum */
    CELLA_TREES_SOFTPROB,      /* one number for each group */
};

/* A leaf is its own children, so that rows which have arrived stay where they are. */
struct cella_tree_node {
    float threshold;
    uint32_t feature;
    uint32_t next[3]; /* where a value below threshold goes, any other one, none (NaN) */
    float value;
};

struct cella_tree {
    uint32_t root;
    uint32_t depth;
    uint32_t group; /* which sum it adds to */
};

struct cella_trees {
    size_t features; /* columns of the data */
    size_t groups;   /* sums of each row */
    size_t columns;  /* numbers that each row's prediction has */
    float start;     /* where each sum begins */
    float unknown;   /* a value that stands for none; NaN: no such value */
    enum cella_trees_link link;
    struct cella_tree *trees;
    size_t tree_count;
    size_t tree_capacity;
    struct cella_tree_node *nodes;
    size_t node_count;
    size_t node_capacity;
};

/* A node as models have them. left and right are indices into the same tree. */
struct cella_tree_part {
    int64_t left;
    int64_t right;
    int64_t feature;
    float threshold;
    float value;
    bool is_leaf;
    int8_t none; /* where rows without the feature's value go: -1 left, 1 right, 0 nowhere: value is their answer */
};

/*
 * Append a tree whose root is parts[0]. Parts that the root does not lead to are left out.
 *
 * what:  NULL, or what is wrong with it: an index out of range, two ways to one part, too deep, too many nodes
 *
 * CELLA_BAD_FORMAT with what; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_trees_append(struct cella_trees *trees, const struct cella_tree_part *parts,
                                               size_t count, uint32_t group, const char **what);

/*
 * Read a model: xgboost's JSON (1.0 and later, booster gbtree) or gbdt-rs's, which is Teaclave's. Untrusted: after this
 * every index is in range and every way ends in a leaf.
 *
 * out:  zeroed; the caller frees it with cella_trees_release
 *
 * CELLA_BUILTIN_FAILED  not such a model; the message says where and why
 * CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED, CELLA_CANCELLED
 */
CELLA_MUST_USE cella_status cella_trees_read(struct cella_builtin_call *call, struct cella_builtin_input *input,
                                             struct cella_trees *out);

/*
 * Predict.
 *
 * rows:  count * features numbers; NaN where there is none
 * out:   count * columns numbers
 * sums:  room for count * groups numbers
 */
void cella_trees_predict(const struct cella_trees *trees, const float *rows, size_t count, float *sums, float *out);

void cella_trees_release(struct cella_trees *trees);
