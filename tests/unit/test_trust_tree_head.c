/* SPDX-License-Identifier: Apache-2.0 */
#include "receipt_make.h"

#include "trust/receipt_bundle.h"
#include "trust/tree_head.h"

#define ORIGIN "log.example/cella"

static struct cella_tree_head_key key_of(const char *seed_hex, const char *name)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = secret_of_hex(seed_hex);
    struct cella_tree_head_key key = { .name = cella_view_of_string(name) };
    assert_int_equal(cella_ed25519_public(&seed, key.public_key), CELLA_OK);
    return key;
}

static struct cella_bytes signed_head(uint64_t size, const struct cella_merkle_hash *root)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = secret_of_hex(LOG_SEED);
    struct cella_bytes text = { 0 };
    assert_int_equal(cella_tree_head_sign(cella_view_of_string(ORIGIN), size, root, &seed, &text), CELLA_OK);
    return text;
}

static void test_sign_and_verify(void **state)
{
    (void) state;
    struct cella_merkle_hash root = { { 1, 2, 3 } };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = signed_head(UINT64_MAX, &root);
    struct cella_tree_head head;
    struct cella_tree_head_key log = key_of(LOG_SEED, ORIGIN);
    struct cella_tree_head_key other = key_of(EXECUTOR_SEED, ORIGIN);
    struct cella_tree_head_key renamed = key_of(LOG_SEED, "log.example/other");
    assert_int_equal(cella_tree_head_read(cella_bytes_view(&text), &head), CELLA_OK);
    assert_true(head.size == UINT64_MAX && cella_merkle_equal(&head.root, &root));
    assert_int_equal(cella_tree_head_verify(&head, &log), CELLA_OK);
    assert_int_equal(cella_tree_head_verify(&head, &other), CELLA_NOT_FOUND);
    assert_int_equal(cella_tree_head_verify(&head, &renamed), CELLA_NOT_FOUND);
}

static void test_every_bit_flipped(void **state)
{
    (void) state;
    struct cella_merkle_hash root = { { 1, 2, 3 } };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = signed_head(77, &root);
    struct cella_tree_head_key log = key_of(LOG_SEED, ORIGIN);
    for (size_t i = 0; i < 8 * text.size; i++) {
        struct cella_tree_head head;
        text.data[i / 8] ^= (uint8_t)(1U << i % 8);
        if (cella_tree_head_read(cella_bytes_view(&text), &head) == CELLA_OK &&
            cella_tree_head_verify(&head, &log) == CELLA_OK) {
            fail_msg("bit %zu of byte %zu", i % 8, i / 8);
        }
        text.data[i / 8] ^= (uint8_t)(1U << i % 8);
    }
}

static void test_witness(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = secret_of_hex(EXECUTOR_SEED);
    struct cella_merkle_hash root = { { 1 } };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = signed_head(5, &root);
    struct cella_tree_head_key log = key_of(LOG_SEED, ORIGIN);
    struct cella_tree_head_key witness = key_of(EXECUTOR_SEED, "witness.example");
    struct cella_tree_head head;
    uint64_t seen = 0;
    assert_int_equal(cella_tree_head_read(cella_bytes_view(&text), &head), CELLA_OK);
    assert_int_equal(cella_tree_head_witnessed(&head, &witness, &seen), CELLA_NOT_FOUND);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes line = { 0 };
    assert_int_equal(cella_tree_head_cosign(&head, cella_view_of_string("two words"), 1, &seed, &line), CELLA_BAD_FIELD);
    assert_int_equal(cella_tree_head_cosign(&head, witness.name, 1790000000, &seed, &line), CELLA_OK);
    assert_int_equal(cella_bytes_append(&text, cella_bytes_view(&line)), CELLA_OK);
    assert_int_equal(cella_tree_head_read(cella_bytes_view(&text), &head), CELLA_OK);
    assert_int_equal(cella_tree_head_witnessed(&head, &witness, &seen), CELLA_OK);
    assert_int_equal(seen, 1790000000);
    assert_int_equal(cella_tree_head_verify(&head, &log), CELLA_OK);
    /* A log's key may not pass for a witness, nor the other way round: the type is in the key's id. */
    assert_int_equal(cella_tree_head_verify(&head, &witness), CELLA_NOT_FOUND);
    assert_int_equal(cella_tree_head_witnessed(&head, &log, &seen), CELLA_NOT_FOUND);
    text.data[strlen(ORIGIN) + 1] = '6'; /* another size: both signatures are wrong */
    assert_int_equal(cella_tree_head_read(cella_bytes_view(&text), &head), CELLA_OK);
    assert_int_equal(cella_tree_head_verify(&head, &log), CELLA_BAD_SIGNATURE);
    assert_int_equal(cella_tree_head_witnessed(&head, &witness, &seen), CELLA_BAD_SIGNATURE);
}

/* What another writer makes of the same keys and numbers: tests/python/checkpoint_reader.py, out of the specifications. */
static void test_the_bytes_of_another_writer(void **state)
{
    (void) state;
    static const char expected[] =
        "log.example/cella\n20852163\nAQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n"
        "\xe2\x80\x94 log.example/cella "
        "OoYRUwH3jzM9T0R5oBsHoV7pQlwvfNyp2akb6uWaRPSmH8WVling2l+g2WYureHtiWWcHLPJp3K0c6ruiYpO7MSXeAo=\n"
        "\xe2\x80\x94 witness.example/w1 "
        "63YswgAAAABkGFDL6tUP3JmPZDBIqI4xWOqwXgpz+iD8vCyEfaxQpCbUMQbahhJMfsQq8EYQC9vyGf0Uhrf1D7E/kTgIERlS9YcvDA==\n";
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = secret_of_hex(EXECUTOR_SEED);
    struct cella_merkle_hash root = { { 1, 2, 3 } };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = signed_head(20852163, &root);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes line = { 0 };
    struct cella_tree_head head;
    assert_int_equal(cella_tree_head_read(cella_bytes_view(&text), &head), CELLA_OK);
    const struct cella_view witness = cella_view_of_string("witness.example/w1");
    assert_int_equal(cella_tree_head_cosign(&head, witness, (uint64_t) INT64_MAX + 1, &seed, &line), CELLA_BAD_FIELD);
    assert_int_equal(cella_tree_head_cosign(&head, cella_view_of_string("w\xc2\xa0w"), 1, &seed, &line), CELLA_BAD_FIELD);
    assert_int_equal(cella_tree_head_cosign(&head, witness, 1679315147, &seed, &line), CELLA_OK);
    assert_int_equal(cella_bytes_append(&text, cella_bytes_view(&line)), CELLA_OK);
    assert_true(cella_view_is(cella_bytes_view(&text), expected));
}

static void test_continues(void **state)
{
    (void) state;
    struct cella_merkle_hash leaf = { { 1 } };
    struct cella_merkle_path path = { .nodes = { { { 2 } } }, .count = 1 };
    struct cella_merkle_hash root;
    assert_int_equal(cella_merkle_node(&leaf, &path.nodes[0], &root), CELLA_OK);
    struct cella_tree_head older = { .origin = cella_view_of_string("a"), .size = 1, .root = leaf };
    struct cella_tree_head newer = { .origin = cella_view_of_string("a"), .size = 2, .root = root };
    assert_int_equal(cella_tree_head_continues(&older, &newer, &path), CELLA_OK);
    assert_int_equal(cella_tree_head_continues(&newer, &older, &path), CELLA_BAD_PROOF);
    newer.origin = cella_view_of_string("b");
    assert_int_equal(cella_tree_head_continues(&older, &newer, &path), CELLA_BAD_PROOF);
}

static void test_what_is_refused(void **state)
{
    (void) state;
    static const char *const bad[] = {
        "", "a\n", "a\n1\n", "a\n1\nAAAA\n\n\xe2\x80\x94 a AAAA\n", "\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\xe2\x80\x94 a AAAA\n",
        "a\n01\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\xe2\x80\x94 a AAAA\n",
        "a\n18446744073709551616\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\xe2\x80\x94 a AAAA\n",
        "a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n\n\xe2\x80\x94 a AAAA\n", /* bits that nobody reads */
        "a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n", "a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n- a AAAA\n",
        "a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\xe2\x80\x94 a AAAA", "a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\xe2\x80\x94 a\n",
    };
    struct cella_tree_head head;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (cella_tree_head_read(cella_view_of_string(bad[i]), &head) != CELLA_BAD_FORMAT) {
            fail_msg("taken: %s", bad[i]);
        }
    }
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes large = { 0 };
    assert_int_equal(cella_bytes_resize(&large, CELLA_TREE_HEAD_MAX + 1), CELLA_OK);
    assert_int_equal(cella_tree_head_read(cella_bytes_view(&large), &head), CELLA_TOO_LARGE);
}

/* ---- containers ---- */

static void test_evidence_file(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = secret_of_hex(EXECUTOR_SEED);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_tree_head_key log = key_of(LOG_SEED, ORIGIN);
    struct cella_evidence_file file = { .type = cella_view_of_string("soft"), .evidence = cella_view_of_string("quote"),
                                        .charter = cella_view_of_string("{}") };
    struct cella_evidence_file back;
    struct cella_cose_key key;
    assert_int_equal(cella_ed25519_public(&seed, file.keys.sign), CELLA_OK);
    assert_int_equal(cella_evidence_file_write(&file, NULL, NULL, &text), CELLA_OK);
    assert_int_equal(cella_evidence_file_read(cella_bytes_view(&text), &back), CELLA_OK);
    assert_int_equal(cella_evidence_file_log_key(&back, &key), CELLA_NOT_FOUND);
    assert_int_equal(cella_evidence_file_write(&file, log.public_key, &seed, &text), CELLA_OK);
    assert_int_equal(cella_evidence_file_read(cella_bytes_view(&text), &back), CELLA_OK);
    assert_true(cella_view_is(back.charter, "{}"));
    assert_int_equal(cella_evidence_file_log_key(&back, &key), CELLA_OK);
    assert_memory_equal(key.public_key, log.public_key, CELLA_ED25519_KEY_SIZE);
    back.log_key[0] ^= 1;
    assert_int_equal(cella_evidence_file_log_key(&back, &key), CELLA_BAD_SIGNATURE);
    file.nonce = cella_view_of_string("short");
    assert_int_equal(cella_evidence_file_write(&file, NULL, NULL, &text), CELLA_BAD_FIELD);
}

static void test_bundle(void **state)
{
    (void) state;
    static const uint8_t key[CELLA_ED25519_KEY_SIZE] = { 1 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_bundle bundle = { .contract = cella_view_of_string("c") };
    struct cella_bundle back;
    assert_int_equal(cella_bundle_write(&bundle, &text), CELLA_BAD_FIELD);
    bundle.receipt = cella_view_of_string("r");
    bundle.tree_head = cella_view_of_string("head");
    bundle.approvals[0] = (struct cella_approval){ cella_view_of(key, 31), cella_view_of_string("a.b.c") };
    bundle.approval_count = 1;
    assert_int_equal(cella_bundle_write(&bundle, &text), CELLA_BAD_FIELD);
    bundle.approvals[0].public_key.size = 32;
    assert_int_equal(cella_bundle_write(&bundle, &text), CELLA_OK);
    assert_true(cella_bundle_looks(cella_bytes_view(&text)));
    assert_int_equal(cella_bundle_read(cella_bytes_view(&text), &back), CELLA_OK);
    assert_true(cella_view_is(back.contract, "c") && cella_view_is(back.tree_head, "head"));
    assert_true(back.approval_count == 1 && cella_view_is(back.approvals[0].request, "a.b.c"));
    for (size_t size = 0; size < text.size; size++) {
        assert_int_not_equal(cella_bundle_read(cella_view_of(text.data, size), &back), CELLA_OK);
    }
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes large = { 0 };
    assert_int_equal(cella_bytes_resize(&large, CELLA_BUNDLE_MAX), CELLA_OK);
    bundle.function = cella_bytes_view(&large);
    assert_int_equal(cella_bundle_write(&bundle, &text), CELLA_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sign_and_verify), cmocka_unit_test(test_every_bit_flipped),
        cmocka_unit_test(test_witness), cmocka_unit_test(test_the_bytes_of_another_writer),
        cmocka_unit_test(test_continues), cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_evidence_file), cmocka_unit_test(test_bundle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
