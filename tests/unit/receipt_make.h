/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Receipts of our own for tests: the reference's typical run (2 inputs, 1 output, 3 parties), signed with the public test
 * keys of RFC 8032, in a log of any size. The tree is made up except for the path: all leaves but ours are alike.
 */

#include "vectors.h"

#include "trust/receipt.h"
#include "trust/statement.h"

#define EXECUTOR_SEED "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
#define LOG_SEED "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
#define MADE_SUBJECT "task-6f1b3a523f0c4b8e9a532f3c8f3d7a10"

static const uint8_t made_digests[8][CELLA_SHA256_SIZE] = { { 1 }, { 2 }, { 3 }, { 4 }, { 5 }, { 6 }, { 7 }, { 8 } };
static const uint8_t made_measurement[48] = { 9 };
static const uint8_t made_nonce[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

static inline struct cella_view made_digest(size_t number)
{
    return cella_view_of(made_digests[number], CELLA_SHA256_SIZE);
}

static inline struct cella_execution made_execution(void)
{
    return (struct cella_execution){
        .function = made_digest(0),
        .inputs = { .list = { { cella_view_of_string("a"), CELLA_DIGEST_SEALED, made_digest(1), 4096 },
                              { cella_view_of_string("b"), CELLA_DIGEST_SEALED, made_digest(2), 8192 } },
                    .count = 2 },
        .outputs = { .list = { { cella_view_of_string("result"), CELLA_DIGEST_SEALED, made_digest(3), 4096 } }, .count = 1 },
        .participants = { .list = { made_digest(4), made_digest(5), made_digest(6) }, .count = 3 },
        .contract = made_digest(7),
        .runtime = { { cella_view_of_string("snp"), cella_view_of(made_measurement, sizeof(made_measurement)) } },
        .runtime_count = 1,
        .started_unix_s = 1790000000,
        .ended_unix_s = 1790000042,
        .has_usage = { true, true, true },
        .usage = { 123456, 1048576, 0 },
        .nonce = cella_view_of(made_nonce, sizeof(made_nonce)),
        .evidence = made_digest(0),
    };
}

static inline struct cella_bytes made_statement_of(const struct cella_execution *execution, bool enveloped)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = secret_of_hex(EXECUTOR_SEED);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    struct cella_bytes out = { 0 };
    struct cella_statement_signer signer = { &seed, cella_view_of_string(MADE_SUBJECT), 1790000042, enveloped, NULL };
    assert_int_equal(cella_execution_write(execution, &payload), CELLA_OK);
    assert_int_equal(cella_statement_sign(CELLA_STATEMENT_IS_EXECUTION, cella_bytes_view(&payload), &signer, &out), CELLA_OK);
    return out;
}

/* A tree of 2^height leaves: subtrees on the path are all of one kind. */
static inline struct cella_merkle_path made_path(size_t height)
{
    struct cella_merkle_path path = { .count = height };
    assert_int_equal(cella_merkle_leaf(NULL, 0, &path.nodes[0]), CELLA_OK);
    for (size_t i = 1; i < height; i++) {
        assert_int_equal(cella_merkle_node(&path.nodes[i - 1], &path.nodes[i - 1], &path.nodes[i]), CELLA_OK);
    }
    return path;
}

/* The statement with the receipt of a log of 2^height entries, as its last but one. */
static inline struct cella_bytes made_receipt_of(const struct cella_bytes *content, size_t height, const char *log_seed)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = secret_of_hex(log_seed);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes receipt = { 0 };
    struct cella_bytes out = { 0 };
    struct cella_statement statement;
    struct cella_text detail;
    struct cella_merkle_hash leaf;
    struct cella_merkle_hash root;
    struct cella_merkle_path path = made_path(height);
    struct cella_receipt_issuer log = { &seed, cella_view_of_string("urn:cella:log") };
    uint64_t size = UINT64_C(1) << height;
    uint64_t index = size - 2;
    assert_int_equal(cella_statement_read(cella_bytes_view(content), &statement, &detail), CELLA_OK);
    assert_int_equal(cella_statement_leaf(&statement, &leaf), CELLA_OK);
    assert_int_equal(cella_merkle_root_of_inclusion(&leaf, index, size, &path, &root), CELLA_OK);
    assert_int_equal(cella_receipt_issue(&log, &leaf, index, size, &path, &root, &receipt), CELLA_OK);
    struct cella_view receipts[1] = { cella_bytes_view(&receipt) };
    assert_int_equal(cella_statement_attach(&statement, receipts, 1, &out), CELLA_OK);
    return out;
}

static inline struct cella_bytes made_receipt(size_t height)
{
    struct cella_execution execution = made_execution();
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes statement = made_statement_of(&execution, false);
    return made_receipt_of(&statement, height, LOG_SEED);
}
