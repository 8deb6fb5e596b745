/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the readers of the two forms of models share. Private to trees_read.c, trees_xgboost.c and trees_gbdt_rs.c.
 */

#include "builtins/parse.h"
#include "builtins/trees.h"

/* Nodes of the tree that is being read. */
struct cella_tree_parts {
    struct cella_tree_part *items;
    size_t count;
    size_t capacity;
};

/* One more, zeroed. CELLA_NO_MEMORY. */
CELLA_MUST_USE cella_status cella_tree_parts_add(struct cella_tree_parts *parts);

void cella_tree_parts_clear(struct cella_tree_parts *parts);

/*
 * Go through the members of an object: for each, take(context, json, i) reads the value of names[i]. Names that are not in
 * the list are skipped; one of the list that is there twice is refused, and so is one that is missing if its bit in needed
 * is set.
 */
CELLA_MUST_USE cella_status cella_model_members(struct cella_parse *json, const char *const *names, size_t count,
                                                unsigned int needed,
                                                cella_status (*take)(void *context, struct cella_parse *json, size_t index),
                                                void *context);

/* Append the tree that was read; a fault becomes a message. */
CELLA_MUST_USE cella_status cella_model_append(struct cella_parse *json, struct cella_trees *trees,
                                               const struct cella_tree_parts *parts, uint32_t group);

/* After all trees: refuse splits by features that the model does not have. */
CELLA_MUST_USE cella_status cella_model_check_features(struct cella_parse *json, const struct cella_trees *trees);

/* The forms' members of the outermost object. */
CELLA_MUST_USE cella_status cella_model_read_xgboost(struct cella_parse *json, struct cella_trees *trees);
CELLA_MUST_USE cella_status cella_model_read_gbdt_rs(struct cella_parse *json, struct cella_trees *trees);
