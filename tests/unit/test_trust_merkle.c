/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include <stdlib.h>

#include "trust/merkle.h"

/* A store as a log has it: records in the order in which they came. */
struct store {
    struct cella_merkle_hash *records;
    size_t count;
    size_t reads;
};

static cella_status keep(void *context, unsigned int level, uint64_t index, const struct cella_merkle_hash *hash)
{
    struct store *store = context;
    assert_int_equal(cella_merkle_place(level, index), store->count);
    store->records[store->count++] = *hash;
    return CELLA_OK;
}

static cella_status take(void *context, unsigned int level, uint64_t index, struct cella_merkle_hash *out)
{
    struct store *store = context;
    uint64_t place = cella_merkle_place(level, index);
    store->reads++;
    assert_true(place < store->count);
    *out = store->records[place];
    return CELLA_OK;
}

static void json_cleanup(json_t **json)
{
    json_decref(*json);
}

static struct cella_merkle_hash hash_of_hex(const char *text)
{
    struct cella_merkle_hash hash;
    assert_int_equal(cella_hex_decode(cella_view_of_string(text), hash.bytes, sizeof(hash.bytes)), CELLA_OK);
    return hash;
}

static struct cella_merkle_hash leaf_of(struct cella_view entry)
{
    struct cella_merkle_hash hash;
    assert_int_equal(cella_merkle_leaf(&entry, 1, &hash), CELLA_OK);
    return hash;
}

/* false: a node is not a hash, or there are more than any path has. */
static bool path_of(const json_t *list, struct cella_merkle_path *out)
{
    out->count = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct cella_view text = cella_view_of_string(json_string_value(json_array_get(list, i)));
        if (i == CELLA_MERKLE_PATH_MAX || cella_hex_decode(text, out->nodes[i].bytes, CELLA_SHA256_SIZE) != CELLA_OK) {
            return false;
        }
        out->count++;
    }
    return true;
}

/* inclusion.json has indices up to 2^64 - 1, which jansson reads as real numbers only. The others are exact integers. */
static uint64_t number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_number(value));
    if (json_is_integer(value)) {
        return (uint64_t) json_integer_value(value);
    }
    return json_real_value(value) >= 0x1p64 ? UINT64_MAX : (uint64_t) json_real_value(value);
}

static json_t *load_reals(const char *name)
{
    char path[512];
    (void) snprintf(path, sizeof(path), "%s%s", CELLA_SHARED_VECTORS, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        (void) fprintf(stderr, "SKIPPED: no vectors at %s\n", path);
        skip();
        return NULL;
    }
    json_t *json = json_loadf(file, JSON_DECODE_INT_AS_REAL, NULL);
    (void) fclose(file);
    assert_non_null(json);
    return json;
}

/* ---- verification ---- */

/* Some vectors have texts such as "don't care" for a hash. Our type has 32 bytes: shorter ones are filled with zeros. */
static struct cella_merkle_hash padded(const char *hex)
{
    struct cella_merkle_hash hash = { { 0 } };
    size_t size = strlen(hex) / 2;
    assert_true(size <= sizeof(hash.bytes));
    assert_int_equal(cella_hex_decode(cella_view_of_string(hex), hash.bytes, size), CELLA_OK);
    return hash;
}

static bool inclusion_holds(const json_t *test)
{
    struct cella_merkle_path path;
    struct cella_merkle_hash leaf = padded(vectors_text(test, "leafHash"));
    struct cella_merkle_hash root = padded(vectors_text(test, "root"));
    struct cella_merkle_hash found;
    if (strlen(vectors_text(test, "leafHash")) != 64) {
        return false; /* two hashes of no bytes at all are equal, but are none */
    }
    return path_of(json_object_get(test, "proof"), &path) &&
           cella_merkle_root_of_inclusion(&leaf, number_of(test, "leafIndex"), number_of(test, "treeSize"), &path,
                                          &found) == CELLA_OK &&
           cella_merkle_equal(&found, &root);
}

static bool consistency_holds(const json_t *test)
{
    struct cella_merkle_path path;
    struct cella_merkle_hash old_root = padded(vectors_text(test, "root1"));
    struct cella_merkle_hash root = padded(vectors_text(test, "root2"));
    return path_of(json_object_get(test, "proof"), &path) &&
           cella_merkle_check_consistency(number_of(test, "size1"), number_of(test, "size2"), &old_root, &root, &path) ==
               CELLA_OK;
}

static void judge(const char *name, bool (*holds)(const json_t *test))
{
    CELLA_CLEANUP(json_cleanup) json_t *json = load_reals(name);
    size_t index;
    const json_t *test;
    size_t accepted = 0;
    json_array_foreach (json_object_get(json, "tests"), index, test) {
        bool wanted = strcmp(vectors_text(test, "expected"), "accept") == 0;
        if (holds(test) != wanted) {
            fail_msg("%s %s should be %s", name, vectors_text(test, "id"), wanted ? "accepted" : "refused");
        }
        accepted += wanted;
    }
    assert_true(accepted >= 6);
    assert_int_equal(index, 98);
}

static void test_inclusion_vectors(void **state)
{
    (void) state;
    judge("/merkle/inclusion.json", inclusion_holds);
}

static void test_consistency_vectors(void **state)
{
    (void) state;
    judge("/merkle/consistency.json", consistency_holds);
}

static void test_reference_tree(void **state)
{
    (void) state;
    CELLA_CLEANUP(json_cleanup) json_t *json = vectors_load("/merkle/tree.json");
    const json_t *roots = json_object_get(json, "rootBySize");
    struct cella_merkle_tree tree = { 0 };
    for (size_t i = 0; i <= 8; i++) {
        struct cella_merkle_hash root;
        assert_int_equal(cella_merkle_root(&tree, &root), CELLA_OK);
        assert_hex(root.bytes, sizeof(root.bytes), json_string_value(json_array_get(roots, i)));
        if (i < 8) {
            CELLA_CLEANUP(cella_bytes_clear)
            struct cella_bytes entry = bytes_of_hex(json_string_value(json_array_get(json_object_get(json, "leafInputs"), i)));
            struct cella_merkle_hash leaf = leaf_of(cella_bytes_view(&entry));
            assert_hex(leaf.bytes, sizeof(leaf.bytes),
                       json_string_value(json_array_get(json_object_get(json, "leafHashes"), i)));
            assert_int_equal(cella_merkle_append(&tree, &leaf, NULL, NULL), CELLA_OK);
        }
    }
}

/* Trees of 2^32 to 2^62 entries with made-up siblings. */
static void test_large_trees(void **state)
{
    (void) state;
    CELLA_CLEANUP(json_cleanup) json_t *json = vectors_load("/merkle/self-made-proofs.json");
    size_t index;
    const json_t *test;
    json_array_foreach (json_object_get(json, "largeTrees"), index, test) {
        struct cella_merkle_path path = { .count = vectors_number(test, "proofLength") };
        struct cella_merkle_hash leaf = hash_of_hex(vectors_text(test, "leafHash"));
        struct cella_merkle_hash root;
        for (size_t i = 0; i < path.count; i++) {
            char text[32];
            (void) snprintf(text, sizeof(text), "sib%zu", i);
            assert_int_equal(cella_sha256(cella_view_of_string(text), path.nodes[i].bytes), CELLA_OK);
        }
        uint64_t leaf_index = number_of(test, "leafIndex");
        uint64_t size = number_of(test, "treeSize");
        assert_int_equal(cella_merkle_root_of_inclusion(&leaf, leaf_index, size, &path, &root), CELLA_OK);
        assert_hex(root.bytes, sizeof(root.bytes), vectors_text(test, "root"));
        path.count--;
        assert_int_equal(cella_merkle_root_of_inclusion(&leaf, leaf_index, size, &path, &root), CELLA_BAD_PROOF);
    }
    assert_true(index > 0);
}

static void test_path_above_the_most(void **state)
{
    (void) state;
    struct cella_merkle_path path = { .count = CELLA_MERKLE_PATH_MAX + 1 };
    struct cella_merkle_hash hash = { { 0 } };
    assert_int_equal(cella_merkle_root_of_inclusion(&hash, 0, UINT64_MAX, &path, &hash), CELLA_BAD_PROOF);
    assert_int_equal(cella_merkle_check_consistency(1, UINT64_MAX, &hash, &hash, &path), CELLA_BAD_PROOF);
}

/* ---- growing and proving ---- */

#define LEAVES 33U

static void grow(struct cella_merkle_tree *tree, struct store *store, uint64_t leaves)
{
    for (uint64_t i = tree->size; i < leaves; i++) {
        uint8_t byte = (uint8_t) i;
        struct cella_merkle_hash leaf = leaf_of(cella_view_of(&byte, 1));
        assert_int_equal(cella_merkle_append(tree, &leaf, keep, store), CELLA_OK);
        assert_int_equal(store->count, cella_merkle_stored(i + 1));
    }
}

static void test_roots_while_growing(void **state)
{
    (void) state;
    CELLA_CLEANUP(json_cleanup) json_t *json = vectors_load("/merkle/self-made-proofs.json");
    struct cella_merkle_hash records[2 * LEAVES];
    struct store store = { records, 0, 0 };
    struct cella_merkle_tree tree = { 0 };
    for (uint64_t size = 0; size <= LEAVES; size++) {
        char key[24];
        struct cella_merkle_hash root;
        struct cella_merkle_tree restored;
        grow(&tree, &store, size);
        (void) snprintf(key, sizeof(key), "%u", (unsigned int) size);
        assert_int_equal(cella_merkle_root(&tree, &root), CELLA_OK);
        assert_hex(root.bytes, sizeof(root.bytes), vectors_text(json_object_get(json, "rootBySize"), key));
        assert_int_equal(cella_merkle_restore(size, take, &store, &restored), CELLA_OK);
        assert_int_equal(cella_merkle_root(&restored, &root), CELLA_OK);
        assert_hex(root.bytes, sizeof(root.bytes), vectors_text(json_object_get(json, "rootBySize"), key));
    }
}

static void assert_path(const struct cella_merkle_path *path, const json_t *test)
{
    struct cella_merkle_path wanted;
    assert_true(path_of(json_object_get(test, "proof"), &wanted));
    assert_int_equal(path->count, wanted.count);
    for (size_t i = 0; i < wanted.count; i++) {
        assert_true(cella_merkle_equal(&path->nodes[i], &wanted.nodes[i]));
    }
}

/* Proofs out of a store of 33 are those that an independent program made. */
static void test_proofs_are_those_of_the_vectors(void **state)
{
    (void) state;
    CELLA_CLEANUP(json_cleanup) json_t *json = vectors_load("/merkle/self-made-proofs.json");
    struct cella_merkle_hash records[2 * LEAVES];
    struct store store = { records, 0, 0 };
    struct cella_merkle_tree tree = { 0 };
    struct cella_merkle_path path;
    size_t index;
    const json_t *test;
    grow(&tree, &store, LEAVES);
    json_array_foreach (json_object_get(json, "inclusion"), index, test) {
        assert_int_equal(cella_merkle_prove_inclusion(number_of(test, "leafIndex"), number_of(test, "treeSize"), take,
                                                      &store, &path), CELLA_OK);
        assert_path(&path, test);
    }
    assert_true(index > 0);
    json_array_foreach (json_object_get(json, "consistency"), index, test) {
        assert_int_equal(cella_merkle_prove_consistency(number_of(test, "size1"), number_of(test, "size2"), take, &store,
                                                        &path), CELLA_OK);
        assert_path(&path, test);
    }
    assert_true(index > 0);
}

/* All pairs up to 70 leaves: what is proved is verified, and not for any neighbour. No vectors needed. */
static void test_every_proof_verifies(void **state)
{
    (void) state;
    enum { MOST = 70 };
    struct cella_merkle_hash records[2 * MOST];
    struct store store = { records, 0, 0 };
    struct cella_merkle_tree tree = { 0 };
    struct cella_merkle_hash roots[MOST + 1];
    struct cella_merkle_path path;
    struct cella_merkle_hash found;
    for (uint64_t size = 1; size <= MOST; size++) {
        grow(&tree, &store, size);
        assert_int_equal(cella_merkle_root(&tree, &roots[size]), CELLA_OK);
        for (uint64_t index = 0; index < size; index++) {
            const struct cella_merkle_hash *leaf = &records[cella_merkle_place(0, index)];
            assert_int_equal(cella_merkle_prove_inclusion(index, size, take, &store, &path), CELLA_OK);
            assert_int_equal(cella_merkle_root_of_inclusion(leaf, index, size, &path, &found), CELLA_OK);
            assert_true(cella_merkle_equal(&found, &roots[size]));
            assert_int_equal(cella_merkle_prove_consistency(index + 1, size, take, &store, &path), CELLA_OK);
            assert_int_equal(cella_merkle_check_consistency(index + 1, size, &roots[index + 1], &roots[size], &path),
                             CELLA_OK);
            assert_int_equal(cella_merkle_check_consistency(index + 1, size, &roots[index + 1], &roots[size - 1 > 0 ? size - 1 : 1], &path),
                             size == 1 ? CELLA_OK : CELLA_BAD_PROOF);
        }
    }
}

static void test_what_can_not_be_proved(void **state)
{
    (void) state;
    struct store store = { NULL, 0, 0 };
    struct cella_merkle_path path = { .count = 9 };
    assert_int_equal(cella_merkle_prove_inclusion(0, 0, take, &store, &path), CELLA_BAD_FIELD);
    assert_int_equal(path.count, 0);
    assert_int_equal(cella_merkle_prove_inclusion(5, 5, take, &store, &path), CELLA_BAD_FIELD);
    assert_int_equal(cella_merkle_prove_consistency(0, 5, take, &store, &path), CELLA_BAD_FIELD);
    assert_int_equal(cella_merkle_prove_consistency(6, 5, take, &store, &path), CELLA_BAD_FIELD);
}

static cella_status refuse_keep(void *context, unsigned int level, uint64_t index, const struct cella_merkle_hash *hash)
{
    (void) context, (void) index, (void) hash;
    return level == 1 ? CELLA_SYSTEM_FAILED : CELLA_OK;
}

static cella_status refuse_read(void *context, unsigned int level, uint64_t index, struct cella_merkle_hash *out)
{
    (void) context, (void) level, (void) index, (void) out;
    return CELLA_SYSTEM_FAILED;
}

/* A store that fails changes nothing, and its status comes through. */
static void test_failing_store(void **state)
{
    (void) state;
    struct cella_merkle_tree tree = { 0 };
    struct cella_merkle_tree restored = { .size = 7 };
    struct cella_merkle_hash leaf = leaf_of(cella_view_of_string("x"));
    struct cella_merkle_path path;
    assert_int_equal(cella_merkle_append(&tree, &leaf, refuse_keep, NULL), CELLA_OK);
    struct cella_merkle_tree before = tree;
    assert_int_equal(cella_merkle_append(&tree, &leaf, refuse_keep, NULL), CELLA_SYSTEM_FAILED);
    assert_memory_equal(&tree, &before, sizeof(tree));
    assert_int_equal(cella_merkle_prove_inclusion(1, 3, refuse_read, NULL, &path), CELLA_SYSTEM_FAILED);
    assert_int_equal(path.count, 0);
    assert_int_equal(cella_merkle_prove_consistency(2, 3, refuse_read, NULL, &path), CELLA_SYSTEM_FAILED);
    assert_int_equal(cella_merkle_restore(3, refuse_read, NULL, &restored), CELLA_SYSTEM_FAILED);
    assert_int_equal(restored.size, 0);
    tree.size = UINT64_MAX;
    assert_int_equal(cella_merkle_append(&tree, &leaf, NULL, NULL), CELLA_TOO_MANY);
}

/* A million leaves: the store is two records each, a proof twice the height at most. */
static void test_cost(void **state)
{
    (void) state;
    const uint64_t size = 1000003;
    struct cella_merkle_hash *records = calloc(cella_merkle_stored(size), sizeof(*records));
    assert_non_null(records);
    struct store store = { records, 0, 0 };
    struct cella_merkle_tree tree = { 0 };
    struct cella_merkle_path path;
    struct cella_merkle_hash root;
    struct cella_merkle_hash found;
    grow(&tree, &store, size);
    assert_true(store.count < 2 * size);
    assert_int_equal(cella_merkle_root(&tree, &root), CELLA_OK);
    for (uint64_t index = 0; index < size; index += 4999) {
        store.reads = 0;
        assert_int_equal(cella_merkle_prove_inclusion(index, size, take, &store, &path), CELLA_OK);
        assert_true(path.count <= 20 && store.reads <= 40);
        assert_int_equal(cella_merkle_root_of_inclusion(&records[cella_merkle_place(0, index)], index, size, &path, &found),
                         CELLA_OK);
        assert_true(cella_merkle_equal(&found, &root));
        store.reads = 0;
        assert_int_equal(cella_merkle_prove_consistency(index + 1, size, take, &store, &path), CELLA_OK);
        assert_true(store.reads <= 40);
    }
    free(records);
}

/* The entry in pieces is the entry. */
static void test_leaf_of_parts(void **state)
{
    (void) state;
    struct cella_view parts[3] = { cella_view_of_string("ab"), { NULL, 0 }, cella_view_of_string("c") };
    struct cella_merkle_hash whole = leaf_of(cella_view_of_string("abc"));
    struct cella_merkle_hash pieces;
    assert_int_equal(cella_merkle_leaf(parts, 3, &pieces), CELLA_OK);
    assert_true(cella_merkle_equal(&pieces, &whole));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inclusion_vectors),
        cmocka_unit_test(test_consistency_vectors),
        cmocka_unit_test(test_reference_tree),
        cmocka_unit_test(test_large_trees),
        cmocka_unit_test(test_path_above_the_most),
        cmocka_unit_test(test_roots_while_growing),
        cmocka_unit_test(test_proofs_are_those_of_the_vectors),
        cmocka_unit_test(test_every_proof_verifies),
        cmocka_unit_test(test_what_can_not_be_proved),
        cmocka_unit_test(test_failing_store),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_leaf_of_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
