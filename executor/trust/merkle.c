/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/merkle.h"

#include <string.h>

#define LEAF_PREFIX 0x00
#define NODE_PREFIX 0x01
#define TOP_LEVEL 63U

static void stream_cleanup(struct cella_sha256_stream **stream)
{
    cella_sha256_stream_free(*stream);
}

cella_status cella_merkle_leaf(const struct cella_view *parts, size_t part_count, struct cella_merkle_hash *out)
{
    static const uint8_t prefix = LEAF_PREFIX;
    CELLA_CLEANUP(stream_cleanup) struct cella_sha256_stream *stream = cella_sha256_stream_new();
    if (stream == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(cella_sha256_stream_update(stream, cella_view_of(&prefix, 1)));
    for (size_t i = 0; i < part_count; i++) {
        CELLA_TRY(cella_sha256_stream_update(stream, parts[i]));
    }
    return cella_sha256_stream_finish(stream, out->bytes);
}

cella_status cella_merkle_node(const struct cella_merkle_hash *left, const struct cella_merkle_hash *right,
                               struct cella_merkle_hash *out)
{
    uint8_t text[1 + 2 * CELLA_SHA256_SIZE] = { NODE_PREFIX };
    memcpy(text + 1, left->bytes, CELLA_SHA256_SIZE);
    memcpy(text + 1 + CELLA_SHA256_SIZE, right->bytes, CELLA_SHA256_SIZE);
    return cella_sha256(cella_view_of(text, sizeof(text)), out->bytes);
}

void cella_merkle_empty(struct cella_merkle_hash *out)
{
    static const struct cella_merkle_hash empty = { { 0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
                                                      0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
                                                      0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55 } };
    *out = empty;
}

bool cella_merkle_equal(const struct cella_merkle_hash *a, const struct cella_merkle_hash *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* ---- a growing tree ---- */

static bool has_bit(uint64_t value, unsigned int bit)
{
    return (value >> bit & 1) != 0;
}

cella_status cella_merkle_append(struct cella_merkle_tree *tree, const struct cella_merkle_hash *leaf,
                                 cella_merkle_keep keep, void *context)
{
    if (tree->size == UINT64_MAX) {
        return CELLA_TOO_MANY;
    }
    struct cella_merkle_hash hash = *leaf;
    unsigned int level = 0;
    if (keep != NULL) {
        CELLA_TRY(keep(context, 0, tree->size, &hash));
    }
    /* As adding 1 to a binary number: each carry joins two peaks of one level into one of the next. */
    for (; has_bit(tree->size, level); level++) {
        CELLA_TRY(cella_merkle_node(&tree->peaks[level], &hash, &hash));
        if (keep != NULL) {
            CELLA_TRY(keep(context, level + 1, tree->size >> (level + 1), &hash));
        }
    }
    tree->peaks[level] = hash;
    tree->size++;
    return CELLA_OK;
}

cella_status cella_merkle_root(const struct cella_merkle_tree *tree, struct cella_merkle_hash *out)
{
    struct cella_merkle_hash hash;
    bool begun = false;
    cella_merkle_empty(&hash);
    for (unsigned int level = 0; level <= TOP_LEVEL; level++) {
        if (!has_bit(tree->size, level)) {
            continue;
        }
        if (begun) {
            CELLA_TRY(cella_merkle_node(&tree->peaks[level], &hash, &hash));
        } else {
            hash = tree->peaks[level];
        }
        begun = true;
    }
    *out = hash;
    return CELLA_OK;
}

/* ---- a stored tree ---- */

uint64_t cella_merkle_stored(uint64_t size)
{
    uint64_t count = 0;
    for (; size > 0; size >>= 1) {
        count += size;
    }
    return count;
}

uint64_t cella_merkle_place(unsigned int level, uint64_t index)
{
    /* The subtree is complete with its last leaf; that leaf's record, and one for each level on the way up to it. */
    uint64_t last = ((index + 1) << level) - 1;
    return cella_merkle_stored(last) + level;
}

cella_status cella_merkle_restore(uint64_t size, cella_merkle_read read, void *context, struct cella_merkle_tree *out)
{
    struct cella_merkle_tree tree = { .size = size };
    *out = (struct cella_merkle_tree){ 0 };
    for (unsigned int level = 0; level <= TOP_LEVEL; level++) {
        if (has_bit(size, level)) {
            CELLA_TRY(read(context, level, (size >> level) - 1, &tree.peaks[level]));
        }
    }
    *out = tree;
    return CELLA_OK;
}

/* Leaves [begin, end). In every range that proofs are made of, begin is a multiple of the largest subtree inside. */
struct range {
    uint64_t begin;
    uint64_t end;
};

static cella_status hash_of_range(struct range range, cella_merkle_read read, void *context,
                                  struct cella_merkle_hash *out)
{
    uint64_t size = range.end - range.begin;
    bool begun = false;
    for (unsigned int level = 0; level <= TOP_LEVEL; level++) {
        if (!has_bit(size, level)) {
            continue;
        }
        /* Peaks from the right: this one ends where those already joined begin. */
        uint64_t end = range.end - (size & ((UINT64_C(1) << level) - 1));
        struct cella_merkle_hash peak;
        CELLA_TRY(read(context, level, (end >> level) - 1, &peak));
        if (begun) {
            CELLA_TRY(cella_merkle_node(&peak, out, out));
        } else {
            *out = peak;
        }
        begun = true;
    }
    return CELLA_OK;
}

/* The largest power of two below size, which is above 1. */
static uint64_t split_of(uint64_t size)
{
    uint64_t split = UINT64_C(1) << TOP_LEVEL;
    while (split >= size) {
        split >>= 1;
    }
    return split;
}

/*
 * Go down from the whole tree towards `wanted` leaves of which `target` is the last, and note the sibling of each step.
 * Inclusion goes on to the leaf itself; consistency until what is left is all of the old tree there.
 */
static cella_status add_siblings(struct range *range, uint64_t target, bool to_leaf, cella_merkle_read read,
                                 void *context, struct cella_merkle_path *path)
{
    while (range->end - range->begin > 1 && (to_leaf || range->end != target + 1)) {
        uint64_t middle = range->begin + split_of(range->end - range->begin);
        struct range left = { range->begin, middle };
        struct range right = { middle, range->end };
        bool goes_left = target < middle;
        if (path->count == CELLA_MERKLE_PATH_MAX) {
            return CELLA_INTERNAL;
        }
        CELLA_TRY(hash_of_range(goes_left ? right : left, read, context, &path->nodes[path->count]));
        path->count++;
        *range = goes_left ? left : right;
    }
    return CELLA_OK;
}

static void reverse(struct cella_merkle_path *path)
{
    for (size_t i = 0; i < path->count / 2; i++) {
        struct cella_merkle_hash node = path->nodes[i];
        path->nodes[i] = path->nodes[path->count - 1 - i];
        path->nodes[path->count - 1 - i] = node;
    }
}

cella_status cella_merkle_prove_inclusion(uint64_t index, uint64_t size, cella_merkle_read read, void *context,
                                          struct cella_merkle_path *out)
{
    struct range range = { 0, size };
    out->count = 0;
    if (index >= size) {
        return CELLA_BAD_FIELD;
    }
    cella_status status = add_siblings(&range, index, true, read, context, out);
    if (status != CELLA_OK) {
        out->count = 0;
        return status;
    }
    reverse(out);
    return CELLA_OK;
}

static cella_status consistency_path(uint64_t old_size, uint64_t size, cella_merkle_read read, void *context,
                                     struct cella_merkle_path *path)
{
    struct range range = { 0, size };
    CELLA_TRY(add_siblings(&range, old_size - 1, false, read, context, path));
    /* The verifier has the old tree's root, so that a subtree that is all of the old tree needs no saying. */
    if (range.begin > 0) {
        if (path->count == CELLA_MERKLE_PATH_MAX) {
            return CELLA_INTERNAL;
        }
        CELLA_TRY(hash_of_range(range, read, context, &path->nodes[path->count]));
        path->count++;
    }
    reverse(path);
    return CELLA_OK;
}

cella_status cella_merkle_prove_consistency(uint64_t old_size, uint64_t size, cella_merkle_read read, void *context,
                                            struct cella_merkle_path *out)
{
    out->count = 0;
    if (old_size == 0 || old_size > size) {
        return CELLA_BAD_FIELD;
    }
    cella_status status = consistency_path(old_size, size, read, context, out);
    if (status != CELLA_OK) {
        out->count = 0;
    }
    return status;
}

/* ---- verification ---- */

/* Where a proof stands: numbers of the node and of the last node, at the present level. */
struct climb {
    uint64_t node;
    uint64_t last;
};

static bool is_right(const struct climb *climb)
{
    return has_bit(climb->node, 0) || climb->node == climb->last;
}

static void go_up(struct climb *climb)
{
    if (is_right(climb)) {
        while (!has_bit(climb->node, 0) && climb->node != 0) {
            climb->node >>= 1;
            climb->last >>= 1;
        }
    }
    climb->node >>= 1;
    climb->last >>= 1;
}

cella_status cella_merkle_root_of_inclusion(const struct cella_merkle_hash *leaf, uint64_t index, uint64_t size,
                                            const struct cella_merkle_path *path, struct cella_merkle_hash *out)
{
    if (index >= size || path->count > CELLA_MERKLE_PATH_MAX) {
        return CELLA_BAD_PROOF;
    }
    struct climb climb = { index, size - 1 };
    struct cella_merkle_hash hash = *leaf;
    for (size_t i = 0; i < path->count; i++) {
        if (climb.last == 0) {
            return CELLA_BAD_PROOF;
        }
        const struct cella_merkle_hash *node = &path->nodes[i];
        CELLA_TRY(is_right(&climb) ? cella_merkle_node(node, &hash, &hash) : cella_merkle_node(&hash, node, &hash));
        go_up(&climb);
    }
    if (climb.last != 0) {
        return CELLA_BAD_PROOF;
    }
    *out = hash;
    return CELLA_OK;
}

/* nodes: the path, with the old root in front where the path leaves it out. */
static cella_status check_climb(uint64_t old_size, uint64_t size, const struct cella_merkle_hash *first,
                                const struct cella_merkle_hash *nodes, size_t count, struct cella_merkle_hash *old_found,
                                struct cella_merkle_hash *found)
{
    struct climb climb = { old_size - 1, size - 1 };
    while (has_bit(climb.node, 0)) {
        climb.node >>= 1;
        climb.last >>= 1;
    }
    *old_found = *first;
    *found = *first;
    for (size_t i = 0; i < count; i++) {
        if (climb.last == 0) {
            return CELLA_BAD_PROOF;
        }
        if (is_right(&climb)) {
            CELLA_TRY(cella_merkle_node(&nodes[i], old_found, old_found));
            CELLA_TRY(cella_merkle_node(&nodes[i], found, found));
        } else {
            CELLA_TRY(cella_merkle_node(found, &nodes[i], found));
        }
        go_up(&climb);
    }
    return climb.last == 0 ? CELLA_OK : CELLA_BAD_PROOF;
}

cella_status cella_merkle_check_consistency(uint64_t old_size, uint64_t size, const struct cella_merkle_hash *old_root,
                                            const struct cella_merkle_hash *root, const struct cella_merkle_path *path)
{
    if (old_size == 0 || old_size > size || path->count > CELLA_MERKLE_PATH_MAX) {
        return CELLA_BAD_PROOF;
    }
    if (old_size == size) {
        return path->count == 0 && cella_merkle_equal(old_root, root) ? CELLA_OK : CELLA_BAD_PROOF;
    }
    bool left_out = (old_size & (old_size - 1)) == 0; /* a power of two: the old root is a node of the tree */
    if (path->count == 0) {
        return CELLA_BAD_PROOF;
    }
    struct cella_merkle_hash old_found;
    struct cella_merkle_hash found;
    CELLA_TRY(check_climb(old_size, size, left_out ? old_root : &path->nodes[0], path->nodes + (left_out ? 0 : 1),
                          path->count - (left_out ? 0 : 1), &old_found, &found));
    return cella_merkle_equal(&old_found, old_root) && cella_merkle_equal(&found, root) ? CELLA_OK : CELLA_BAD_PROOF;
}
