/* SPDX-License-Identifier: Apache-2.0 */
#include "receipt_make.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include "trust/jws.h"
#include "trust/receipt_report.h"

#define EXECUTOR_KEY "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define LOG_KEY "ed25519:PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"
#define LOG2_KEY "ed25519:_FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU"
#define POLICY_HEAD                                                                                                  \
    "{\"version\":1,\"accept\":[\"soft\"],\"measurement\":[{\"name\":\"r\",\"type\":\"soft\","                       \
    "\"value\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"}],"                       \
    "\"soft\":{\"roots\":[\"" EXECUTOR_KEY "\"]},\"receipt\":"
#define RECEIPT_TERMS                                                                                                \
    "\"executors\":[\"" EXECUTOR_KEY "\"],\"log\":[{\"name\":\"one\",\"key\":\"" LOG_KEY "\"},"                        \
    "{\"name\":\"two\",\"key\":\"" LOG2_KEY "\"}]"
#define FOREIGN_TERMS                                                                                                \
    "\"executors\":[\"" EXECUTOR_KEY "\"],\"log\":[{\"name\":\"one\",\"key\":\"" LOG_KEY "\",\"position\":false},"      \
    "{\"name\":\"two\",\"key\":\"" LOG2_KEY "\",\"position\":false}]"

static struct cella_policy policy_of(const char *section)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_policy policy = { 0 };
    char field[CELLA_FIELD_MAX];
    assert_int_equal(cella_bytes_append(&text, cella_view_of_string(POLICY_HEAD)), CELLA_OK);
    assert_int_equal(cella_bytes_append(&text, cella_view_of_string(section)), CELLA_OK);
    assert_int_equal(cella_bytes_append(&text, cella_view_of_string("}")), CELLA_OK);
    if (cella_policy_parse(cella_bytes_view(&text), field, &policy) != CELLA_OK) {
        fail_msg("policy refused: %s", field);
    }
    return policy;
}


static cella_status judge(const struct cella_bundle *bundle, const char *section, struct cella_receipt_report *report)
{
    CELLA_CLEANUP(cella_policy_clear) struct cella_policy policy = policy_of(section);
    struct cella_receipt_question question = { .policy = &policy, .now_unix_s = 1790000100 };
    return cella_receipt_appraise(bundle, &question, report);
}

static cella_status judge_receipt(struct cella_view receipt, const char *section, struct cella_receipt_report *report)
{
    struct cella_bundle bundle = { .receipt = receipt };
    return judge(&bundle, section, report);
}

static const struct cella_check *check_of(const struct cella_receipt_report *report, const char *name)
{
    for (size_t i = 0; i < report->check_count; i++) {
        if (strcmp(report->checks[i].name, name) == 0) {
            return &report->checks[i];
        }
    }
    fail_msg("no check %s", name);
    return NULL;
}

static bool not_checked(const struct cella_receipt_report *report, const char *part)
{
    for (size_t i = 0; i < report->not_checked_count; i++) {
        if (strstr(report->not_checked[i], part) != NULL) {
            return true;
        }
    }
    return false;
}

/* ---- the reference's vectors ---- */

static void test_vectors(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = vectors_load("/merkle/self-made-receipts.json");
    struct cella_receipt_report report;
    size_t index;
    const json_t *test;
    size_t accepted = 0;
    json_array_foreach (json_object_get(json, "tests"), index, test) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = vectors_bytes(test, "cbor");
        bool wanted = strcmp(vectors_text(test, "expected"), "accept") == 0;
        bool two = vectors_number(test, "needReceipts") == 2;
        cella_status status = judge_receipt(cella_bytes_view(&content),
                                            two ? "{\"logs\":2," FOREIGN_TERMS "}" : "{" FOREIGN_TERMS "}", &report);
        if ((status == CELLA_OK) != wanted) {
            fail_msg("%s: %s (%s)", vectors_text(test, "id"), cella_status_name(status), report.detail.characters);
        }
        assert_int_equal(report.status, status);
        accepted += wanted;
    }
    assert_int_equal(accepted, 9);
    assert_int_equal(index - accepted, 48);
}

/* The same, for a log whose size and index must be signed: these receipts do not carry them. */
static void test_vectors_have_no_position(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = vectors_load("/merkle/self-made-receipts.json");
    struct cella_receipt_report report;
    size_t index;
    const json_t *test;
    json_array_foreach (json_object_get(json, "tests"), index, test) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = vectors_bytes(test, "cbor");
        assert_int_not_equal(judge_receipt(cella_bytes_view(&content), "{" RECEIPT_TERMS "}", &report), CELLA_OK);
    }
}

static void test_published_examples(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = vectors_load("/merkle/ietf-cose-receipts.json");
    const json_t *inclusion = json_array_get(json_object_get(json, "tests"), 0);
    const json_t *consistency = json_array_get(json_object_get(json, "tests"), 1);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = vectors_bytes(inclusion, "cbor");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes other = vectors_bytes(consistency, "cbor");
    struct cella_receipt receipt;
    struct cella_text detail;
    struct cella_cose_sign1 sign1;
    assert_int_equal(cella_receipt_read(cella_bytes_view(&content), &receipt, &detail), CELLA_OK);
    assert_int_equal(receipt.size, vectors_number(inclusion, "treeSize"));
    assert_int_equal(receipt.index, vectors_number(inclusion, "leafIndex"));
    assert_int_equal(receipt.path.count, 3);
    assert_int_equal(receipt.sign1.header.algorithm, CELLA_COSE_ES256);
    assert_int_equal(cella_receipt_read(cella_bytes_view(&other), &receipt, &detail), CELLA_BAD_FORMAT);
    /* 395 before 15: not ours. */
    assert_int_equal(cella_cose_read(cella_bytes_view(&content), CELLA_CBOR_STRICT, CELLA_COSE_VDP, &sign1, &detail),
                     CELLA_BAD_FORMAT);
}

static void test_cose_thumbprints(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = vectors_load("/jose/cose-key-thumbprint.json");
    const json_t *ec2 = json_object_get(json, "ec2");
    const json_t *okp = json_object_get(json, "okp_ed25519_self_made");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes x = vectors_bytes(json_object_get(ec2, "fields"), "-2 x");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes y = vectors_bytes(json_object_get(ec2, "fields"), "-3 y");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes ed = vectors_bytes(json_object_get(okp, "fields"), "-2 x");
    struct cella_cose_key key = { .algorithm = CELLA_COSE_ES256 };
    uint8_t digest[CELLA_SHA256_SIZE];
    memcpy(key.public_key, x.data, 32);
    memcpy(key.public_key + 32, y.data, 32);
    assert_int_equal(cella_cose_thumbprint(&key, digest), CELLA_OK);
    assert_hex(digest, sizeof(digest), vectors_text(ec2, "sha256"));
    assert_int_equal(cella_cose_key_of(ed.data, &key), CELLA_OK);
    assert_int_equal(cella_cose_thumbprint(&key, digest), CELLA_OK);
    assert_hex(digest, sizeof(digest), vectors_text(okp, "sha256"));
}

/* The openings that came with the vectors: salted inputs and the package. */
static void test_openings_of_the_vectors(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = vectors_load("/merkle/self-made-receipts.json");
    const json_t *given = json_object_get(json, "openings");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = vectors_bytes(json_array_get(json_object_get(json, "tests"), 0), "cbor");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes package = vectors_bytes(given, "functionPackageHex");
    CELLA_CLEANUP(cella_policy_clear) struct cella_policy policy = policy_of("{\"require\":[\"function\",\"inputs\"]," FOREIGN_TERMS "}");
    struct cella_receipt_opening openings[2];
    for (size_t i = 0; i < 2; i++) {
        const json_t *input = json_array_get(json_object_get(given, "inputs"), i);
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes salt = vectors_bytes(input, "salt");
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes data = vectors_bytes(input, "dataHex");
        openings[i] = (struct cella_receipt_opening){ .name = cella_view_of_string(vectors_text(input, "name")),
                                                      .kind = CELLA_DIGEST_SALTED, .size = data.size };
        assert_int_equal(cella_commitment(cella_view_of(salt.data, 31), cella_bytes_view(&data), openings[i].digest),
                         CELLA_BAD_SIZE);
        assert_int_equal(cella_commitment(cella_bytes_view(&salt), cella_bytes_view(&data), openings[i].digest), CELLA_OK);
    }
    struct cella_receipt_report report;
    struct cella_bundle bundle = { .receipt = cella_bytes_view(&content), .function = cella_bytes_view(&package) };
    struct cella_receipt_question question = { .policy = &policy, .openings = openings, .opening_count = 2 };
    assert_int_equal(cella_receipt_appraise(&bundle, &question, &report), CELLA_OK);
    question.opening_count = 1;
    assert_int_equal(cella_receipt_appraise(&bundle, &question, &report), CELLA_NOT_PROVED);
    openings[0].size++;
    assert_int_equal(cella_receipt_appraise(&bundle, &question, &report), CELLA_BAD_DIGEST);
    openings[0].size--;
    openings[0].kind = CELLA_DIGEST_PLAIN;
    assert_int_equal(cella_receipt_appraise(&bundle, &question, &report), CELLA_BAD_DIGEST);
}

/* ---- a log of others: ES256, a kid of its own, keys in another order ---- */

static void key_cleanup(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

/* r || s over ["Signature1", protected, h'', root]. */
static void sign_es256(EVP_PKEY *key, struct cella_view header, const struct cella_merkle_hash *root, uint8_t out[64])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    uint8_t der[80];
    size_t size = sizeof(der);
    assert_int_equal(cella_cbor_write_head(&message, CELLA_CBOR_ARRAY, 4), CELLA_OK);
    assert_int_equal(cella_cbor_write_text(&message, "Signature1"), CELLA_OK);
    assert_int_equal(cella_cbor_write_bytes(&message, header), CELLA_OK);
    assert_int_equal(cella_cbor_write_bytes(&message, (struct cella_view){ 0 }), CELLA_OK);
    assert_int_equal(cella_cbor_write_bytes(&message, cella_view_of(root->bytes, 32)), CELLA_OK);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(context, der, &size, message.data, message.size), 1);
    EVP_MD_CTX_free(context);
    const unsigned char *at = der;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long) size);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, 32), 32);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + 32, 32), 32);
    ECDSA_SIG_free(signature);
}

static void test_log_of_others(void **state)
{
    (void) state;
    /* {395: 1, 1: -7, 4: "abc"}: unsorted, and no claims */
    static const uint8_t header[] = { 0xa3, 0x19, 0x01, 0x8b, 0x01, 0x01, 0x26, 0x04, 0x43, 'a', 'b', 'c' };
    static const uint8_t front[] = { 0xd2, 0x84, 0x4c };
    static const uint8_t proof_front[] = { 0xa1, 0x19, 0x01, 0x8c, 0xa1, 0x20, 0x81, 0x58, 0x26, 0x83, 0x02, 0x01, 0x81, 0x58, 0x20 };
    CELLA_CLEANUP(key_cleanup) EVP_PKEY *signer = EVP_EC_gen("P-256");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_cose_key key = { .algorithm = CELLA_COSE_ES256, .kid = { 'a', 'b', 'c' }, .kid_size = 3 };
    struct cella_merkle_path path = made_path(1);
    struct cella_merkle_hash root;
    struct cella_receipt receipt;
    struct cella_text detail;
    uint8_t point[65];
    uint8_t signature[64];
    size_t size;
    assert_int_equal(EVP_PKEY_get_octet_string_param(signer, "pub", point, sizeof(point), &size), 1);
    assert_int_equal(size, sizeof(point));
    memcpy(key.public_key, point + 1, sizeof(key.public_key));
    assert_int_equal(cella_merkle_root_of_inclusion(&path.nodes[0], 1, 2, &path, &root), CELLA_OK);
    sign_es256(signer, cella_view_of(header, sizeof(header)), &root, signature);
    assert_int_equal(cella_bytes_append(&text, cella_view_of(front, sizeof(front))), CELLA_OK);
    assert_int_equal(cella_bytes_append(&text, cella_view_of(header, sizeof(header))), CELLA_OK);
    assert_int_equal(cella_bytes_append(&text, cella_view_of(proof_front, sizeof(proof_front))), CELLA_OK);
    assert_int_equal(cella_bytes_append(&text, cella_view_of(path.nodes[0].bytes, 32)), CELLA_OK);
    assert_int_equal(cella_cbor_write_null(&text), CELLA_OK);
    assert_int_equal(cella_cbor_write_bytes(&text, cella_view_of(signature, sizeof(signature))), CELLA_OK);
    assert_int_equal(cella_receipt_read(cella_bytes_view(&text), &receipt, &detail), CELLA_OK);
    assert_int_equal(cella_receipt_verify(&receipt, &path.nodes[0], &key, false), CELLA_OK);
    assert_int_equal(cella_receipt_verify(&receipt, &path.nodes[0], &key, true), CELLA_BAD_PROOF);
    assert_int_equal(cella_receipt_verify(&receipt, &root, &key, false), CELLA_BAD_SIGNATURE);
    key.algorithm = CELLA_COSE_EDDSA;
    assert_int_equal(cella_receipt_verify(&receipt, &path.nodes[0], &key, false), CELLA_BAD_KEY);
    key.algorithm = CELLA_COSE_ES256;
    key.public_key[0] ^= 1; /* no point of the curve */
    assert_int_equal(cella_receipt_verify(&receipt, &path.nodes[0], &key, false), CELLA_BAD_KEY);
}

/* ---- our own ---- */

static void test_own_receipt(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = made_receipt(20);
    struct cella_receipt_report report;
    assert_int_equal(judge_receipt(cella_bytes_view(&content), "{" RECEIPT_TERMS "}", &report), CELLA_OK);
    assert_non_null(strstr(report.anchor.characters, "listed in the trust file"));
    assert_int_equal(check_of(&report, "inclusion")->outcome, CELLA_CHECK_PASSED);
    assert_int_equal(check_of(&report, "contract")->outcome, CELLA_CHECK_NOT_DONE);
    assert_true(not_checked(&report, "lives in a TEE"));
    assert_true(not_checked(&report, "clock of the host"));
    assert_true(not_checked(&report, "not truth"));
    assert_false(not_checked(&report, "second opinion"));
}

/* The goal of docs/receipts.md: 1.6 KB in a log of a million entries, with the reference's typical content. */
static void test_size(void **state)
{
    (void) state;
    struct cella_execution execution = made_execution();
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = made_receipt(20);
    assert_true(content.size <= 1600);
    execution.previous = made_digest(2);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes chained = made_statement_of(&execution, false);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes larger = made_receipt_of(&chained, 20, LOG_SEED);
    print_message("receipt in a log of 2^20: %zu bytes, with a previous statement %zu\n", content.size, larger.size);
    assert_true(larger.size <= 1638); /* 1.6 KiB */
}

static void test_every_bit_flipped(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = made_receipt(5);
    CELLA_CLEANUP(cella_policy_clear) struct cella_policy policy = policy_of("{" RECEIPT_TERMS "}");
    struct cella_receipt_question question = { .policy = &policy, .now_unix_s = 1790000100 };
    struct cella_receipt_report report;
    struct cella_bundle bundle = { .receipt = cella_bytes_view(&content) };
    for (size_t i = 0; i < 8 * content.size; i++) {
        content.data[i / 8] ^= (uint8_t)(1U << i % 8);
        if (cella_receipt_appraise(&bundle, &question, &report) == CELLA_OK) {
            fail_msg("bit %zu of byte %zu", i % 8, i / 8);
        }
        content.data[i / 8] ^= (uint8_t)(1U << i % 8);
    }
    assert_int_equal(cella_receipt_appraise(&bundle, &question, &report), CELLA_OK);
}

static void test_every_length(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = made_receipt(3);
    struct cella_statement statement;
    struct cella_text detail;
    for (size_t size = 0; size < content.size; size++) {
        assert_int_equal(cella_statement_read(cella_view_of(content.data, size), &statement, &detail), CELLA_BAD_FORMAT);
    }
    assert_int_equal(cella_bytes_append(&content, cella_view_of_string("x")), CELLA_OK);
    assert_int_equal(cella_statement_read(cella_bytes_view(&content), &statement, &detail), CELLA_BAD_FORMAT);
    assert_int_equal(cella_bytes_resize(&content, CELLA_COSE_SIZE_MAX + 1), CELLA_OK);
    assert_int_equal(cella_statement_read(cella_bytes_view(&content), &statement, &detail), CELLA_TOO_LARGE);
}

/* The unsigned size of RFC 9942, changed to another pair with the same root: our logs sign it. */
static void test_position_is_signed(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = secret_of_hex(LOG_SEED);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_merkle_path path = made_path(1);
    struct cella_merkle_hash leaf = path.nodes[0];
    struct cella_merkle_hash root;
    struct cella_receipt receipt;
    struct cella_text detail;
    struct cella_cose_key key;
    uint8_t public_key[CELLA_ED25519_KEY_SIZE];
    struct cella_receipt_issuer log = { &seed, cella_view_of_string("urn:cella:log") };
    assert_int_equal(cella_ed25519_public(&seed, public_key), CELLA_OK);
    assert_int_equal(cella_cose_key_of(public_key, &key), CELLA_OK);
    assert_int_equal(cella_merkle_root_of_inclusion(&leaf, 2, 3, &path, &root), CELLA_OK);
    assert_int_equal(cella_receipt_issue(&log, &leaf, 2, 3, &path, &root, &text), CELLA_OK);
    assert_int_equal(cella_receipt_read(cella_bytes_view(&text), &receipt, &detail), CELLA_OK);
    assert_int_equal(cella_receipt_verify(&receipt, &leaf, &key, true), CELLA_OK);
    receipt.size = 2;
    receipt.index = 1;
    assert_int_equal(cella_receipt_verify(&receipt, &leaf, &key, false), CELLA_BAD_PROOF);
    receipt.sign1.header.has_index = false;
    assert_int_equal(cella_receipt_verify(&receipt, &leaf, &key, false), CELLA_BAD_PROOF);
    receipt.sign1.header.has_size = false;
    assert_int_equal(cella_receipt_verify(&receipt, &leaf, &key, false), CELLA_OK);
    assert_int_equal(cella_receipt_verify(&receipt, &leaf, &key, true), CELLA_BAD_PROOF);
    key.kid[0] ^= 1;
    assert_int_equal(cella_receipt_verify(&receipt, &leaf, &key, false), CELLA_BAD_KEY);
}

static void test_what_is_not_issued(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = secret_of_hex(LOG_SEED);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_merkle_path path = { .count = 0 };
    struct cella_merkle_hash leaf = { { 1 } };
    struct cella_receipt_issuer log = { &seed, cella_view_of_string("urn:cella:log") };
    assert_int_equal(cella_receipt_issue(&log, &leaf, 0, 1, &path, &leaf, &text), CELLA_BAD_FIELD);
    path = made_path(1);
    assert_int_equal(cella_receipt_issue(&log, &leaf, 0, 2, &path, &leaf, &text), CELLA_BAD_PROOF);
    log.issuer.size = 0;
    assert_int_equal(cella_receipt_issue(&log, &leaf, 0, 2, &path, &leaf, &text), CELLA_BAD_FIELD);
    assert_int_equal(text.size, 0);
}

/* ---- the hash envelope ---- */

static void test_envelope(void **state)
{
    (void) state;
    struct cella_execution execution = made_execution();
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes statement = made_statement_of(&execution, true);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = made_receipt_of(&statement, 4, LOG_SEED);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    struct cella_receipt_report report;
    struct cella_bundle bundle = { .receipt = cella_bytes_view(&content) };
    assert_int_equal(judge(&bundle, "{" RECEIPT_TERMS "}", &report), CELLA_NOT_PROVED);
    assert_int_equal(check_of(&report, "inclusion")->outcome, CELLA_CHECK_PASSED);
    assert_int_equal(cella_execution_write(&execution, &payload), CELLA_OK);
    bundle.payload = cella_bytes_view(&payload);
    assert_int_equal(judge(&bundle, "{" RECEIPT_TERMS "}", &report), CELLA_OK);
    payload.data[payload.size - 1] ^= 1;
    assert_int_equal(judge(&bundle, "{" RECEIPT_TERMS "}", &report), CELLA_BAD_DIGEST);
}

/* ---- what may be written ---- */

static void test_what_is_not_written(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    struct cella_execution run = made_execution();
    run.inputs.list[1].name = cella_view_of_string("a");
    assert_int_equal(cella_execution_write(&run, &out), CELLA_BAD_FIELD);
    run = made_execution();
    run.function.size = 31;
    assert_int_equal(cella_execution_write(&run, &out), CELLA_BAD_FIELD);
    run = made_execution();
    run.nonce.size = 7;
    assert_int_equal(cella_execution_write(&run, &out), CELLA_BAD_FIELD);
    run = made_execution();
    run.participants.count = 0;
    assert_int_equal(cella_execution_write(&run, &out), CELLA_BAD_FIELD);
    run = made_execution();
    run.ended_unix_s = run.started_unix_s - 1;
    assert_int_equal(cella_execution_write(&run, &out), CELLA_BAD_FIELD);
    run = made_execution();
    run.arguments = run.inputs; /* kind 0: only salted ones are arguments that are not public */
    assert_int_equal(cella_execution_write(&run, &out), CELLA_BAD_FIELD);
    assert_int_equal(out.size, 0);
}

static void test_all_members_come_back(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    struct cella_execution run = made_execution();
    struct cella_execution back;
    struct cella_text detail;
    run.previous = made_digest(1);
    run.has_budget = true;
    run.budget[0] = 100;
    run.budget[1] = 90;
    run.parents = run.participants;
    run.arguments.count = 1;
    run.arguments.list[0] = run.inputs.list[0];
    run.arguments.list[0].kind = CELLA_DIGEST_SALTED;
    for (size_t i = 0; i < CELLA_STATEMENT_USAGE_COUNT; i++) {
        run.has_usage[i] = true;
        run.usage[i] = UINT64_MAX - i;
    }
    assert_int_equal(cella_execution_write(&run, &out), CELLA_OK);
    assert_int_equal(cella_execution_read(cella_bytes_view(&out), &back, &detail), CELLA_OK);
    assert_true(cella_view_equal(back.previous, run.previous));
    assert_int_equal(back.budget[1], 90);
    assert_int_equal(back.parents.count, 3);
    assert_int_equal(back.arguments.list[0].kind, CELLA_DIGEST_SALTED);
    assert_int_equal(back.usage[5], UINT64_MAX - 5);
    assert_int_equal(back.outputs.list[0].size, 4096);
}

/* ---- deletions ---- */

static void test_deletion(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = secret_of_hex(EXECUTOR_SEED);
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret owner = secret_of_hex(LOG_SEED);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes statement = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes request = { 0 };
    uint8_t public_key[CELLA_ED25519_KEY_SIZE];
    uint8_t digest[CELLA_SHA256_SIZE];
    struct cella_cose_key party;
    struct cella_receipt_report report;
    assert_int_equal(cella_ed25519_public(&owner, public_key), CELLA_OK);
    assert_int_equal(cella_cose_key_of(public_key, &party), CELLA_OK);
    assert_int_equal(cella_jws_sign(&owner, CELLA_JWS_KID, cella_view_of_string("{\"op\":\"data.delete\"}"), &request),
                     CELLA_OK);
    assert_int_equal(cella_sha256(cella_bytes_view(&request), digest), CELLA_OK);
    struct cella_deletion deletion = {
        .data = { cella_view_of_string("data-1"), CELLA_DIGEST_SEALED, made_digest(1), 4096 },
        .owners = { .list = { cella_view_of(party.kid, 32) }, .count = 1 },
        .time_unix_s = 1790000000,
        .reason = cella_view_of_string("consent withdrawn"),
        .request = cella_view_of(digest, sizeof(digest)),
    };
    struct cella_statement_signer signer = { &seed, cella_view_of_string("data-1"), 1790000001, false, NULL };
    assert_int_equal(cella_deletion_write(&deletion, &payload), CELLA_OK);
    assert_int_equal(cella_statement_sign(CELLA_STATEMENT_IS_DELETION, cella_bytes_view(&payload), &signer, &statement),
                     CELLA_OK);
    assert_int_equal(cella_statement_sign(CELLA_STATEMENT_IS_EXECUTION, cella_bytes_view(&payload), &signer, &statement),
                     CELLA_BAD_FORMAT);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = made_receipt_of(&statement, 4, LOG_SEED);
    struct cella_bundle bundle = { .receipt = cella_bytes_view(&content) };
    assert_int_equal(judge(&bundle, "{" RECEIPT_TERMS "}", &report), CELLA_OK);
    assert_int_equal(check_of(&report, "request")->outcome, CELLA_CHECK_NOT_DONE);
    assert_true(not_checked(&report, "copies that others kept"));
    bundle.approvals[0] = (struct cella_approval){ cella_view_of(public_key, 32), cella_bytes_view(&request) };
    bundle.approval_count = 1;
    assert_int_equal(judge(&bundle, "{" RECEIPT_TERMS "}", &report), CELLA_OK);
    assert_int_equal(check_of(&report, "request")->outcome, CELLA_CHECK_PASSED);
}

/* ---- the trust file's section ---- */

static void test_sections_that_are_refused(void **state)
{
    (void) state;
    static const char *const bad[] = {
        "[]", "{\"logs\":2}", "{\"logs\":-1}", "{\"logs\":1,\"own_log\":false}", "{\"log\":[]}", "{\"executors\":[]}",
        "{\"functions\":[]}", "{\"unknown\":1}", "{\"require\":[\"truth\"]}", "{\"require\":[\"nonce\",\"nonce\"]}",
        "{\"executors\":[\"ed25519:AAAA\"]}", "{\"functions\":[\"sha256:00\"]}", "{\"log\":[{\"name\":\"a\"}]}",
        "{\"log\":[{\"name\":\"a\",\"key\":\"p256:AAAA\"}]}",
        "{\"log\":[{\"name\":\"a\",\"key\":\"" LOG_KEY "\"},{\"name\":\"b\",\"key\":\"" LOG_KEY "\"}]}",
        "{\"log\":[{\"name\":\"a\",\"key\":\"" LOG_KEY "\",\"kid\":\"xx\"}]}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[1024];
        char field[CELLA_FIELD_MAX];
        struct cella_policy policy = { 0 };
        (void) snprintf(text, sizeof(text), "%s%s}", POLICY_HEAD, bad[i]);
        if (cella_policy_parse(cella_view_of_string(text), field, &policy) != CELLA_BAD_POLICY) {
            fail_msg("taken: %s", bad[i]);
        }
        assert_true(strncmp(field, "receipt", 7) == 0);
    }
}

static void test_what_the_trust_file_requires(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = made_receipt(4);
    struct cella_view receipt = cella_bytes_view(&content);
    struct cella_receipt_report report;
    assert_int_equal(judge_receipt(receipt, "{\"require\":[\"contract\"]," RECEIPT_TERMS "}", &report), CELLA_NOT_PROVED);
    assert_non_null(strstr(report.detail.characters, "contract"));
    assert_int_equal(judge_receipt(receipt, "{\"require\":[\"evidence\"]," RECEIPT_TERMS "}", &report), CELLA_NOT_PROVED);
    assert_int_equal(judge_receipt(receipt, "{\"logs\":2," RECEIPT_TERMS "}", &report), CELLA_BAD_RECEIPT);
    assert_int_equal(judge_receipt(receipt,
                                   "{\"functions\":[\"sha256:0100000000000000000000000000000000000000000000000000000000000000\"],"
                                   RECEIPT_TERMS "}", &report), CELLA_OK);
    assert_int_equal(check_of(&report, "function")->outcome, CELLA_CHECK_PASSED);
    assert_int_equal(judge_receipt(receipt,
                                   "{\"functions\":[\"sha256:0200000000000000000000000000000000000000000000000000000000000000\"],"
                                   RECEIPT_TERMS "}", &report), CELLA_BAD_RECEIPT);
    assert_int_equal(judge_receipt(receipt, "{}", &report), CELLA_BAD_KEY);
    struct cella_execution run = made_execution();
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bare = made_statement_of(&run, false);
    assert_int_equal(judge_receipt(cella_bytes_view(&bare), "{\"logs\":0," RECEIPT_TERMS "}", &report), CELLA_OK);
    assert_int_equal(check_of(&report, "inclusion")->outcome, CELLA_CHECK_NOT_DONE);
    assert_true(not_checked(&report, "stands in any log"));
    assert_int_equal(judge_receipt(cella_bytes_view(&bare), "{" RECEIPT_TERMS "}", &report), CELLA_BAD_RECEIPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_vectors_have_no_position),
        cmocka_unit_test(test_published_examples),
        cmocka_unit_test(test_cose_thumbprints),
        cmocka_unit_test(test_openings_of_the_vectors),
        cmocka_unit_test(test_log_of_others),
        cmocka_unit_test(test_own_receipt),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_every_bit_flipped),
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_position_is_signed),
        cmocka_unit_test(test_what_is_not_issued),
        cmocka_unit_test(test_envelope),
        cmocka_unit_test(test_what_is_not_written),
        cmocka_unit_test(test_all_members_come_back),
        cmocka_unit_test(test_deletion),
        cmocka_unit_test(test_sections_that_are_refused),
        cmocka_unit_test(test_what_the_trust_file_requires),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
