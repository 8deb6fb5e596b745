/* SPDX-License-Identifier: Apache-2.0 */
#include "receipt_make.h"

#include "trust/jws.h"
#include "trust/receipt_report.h"

#define EXECUTOR_KEY "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define OTHER_KEY "ed25519:PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"
#define POLICY(key)                                                                                                  \
    "{\"version\":1,\"accept\":[\"soft\"],\"measurement\":[{\"name\":\"r\",\"type\":\"soft\","                       \
    "\"value\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"}],"                       \
    "\"soft\":{\"roots\":[\"" EXECUTOR_KEY "\"]},\"receipt\":{\"executors\":[\"" key "\"]}}"

/*
 * task.invoke refused with DATA_POLICY, encoded by a second CBOR writer (tests/python/receipts_made.py) out of
 * docs/receipts.md, and signed by OpenSSL's command line with the first key of RFC 8032.
 */
static const char known[] =
    "d28458bca401270378226170706c69636174696f6e2f766e642e63656c6c612e7265667573616c2b63626f7204582090faca"
    "fea9b1556698540f70c0117a22ea37bd5cf3ed3c47093c1707282b4b890fa301783e75726e3a63656c6c613a657865637574"
    "6f723a6b50724b5f716d7856576159564139777742463649756f3376567a7a37547848435477584279677253346b02782574"
    "61736b2d3666316233613532336630633462386539613533326633633866336437613130061a6ab13baaa0587da6016b7461"
    "736b2e696e766f6b6502821901a86b444154415f504f4c494359035820050000000000000000000000000000000000000000"
    "0000000000000000000000045820060000000000000000000000000000000000000000000000000000000000000005821a6a"
    "b13baa00066e646174612d313a207573657320355840c011f1589eed2cd86e0e0fd567a4a857f7b769964f45e2cdf196e842"
    "3f8a1d7d653708cd1a7697ebf236a1dcd23fab5cc7b426b52300a56fc55713a6a173490a";

static struct cella_refusal made_refusal(void)
{
    return (struct cella_refusal){
        .operation = cella_view_of_string("task.invoke"),
        .number = CELLA_DATA_POLICY,
        .code = cella_view_of_string("DATA_POLICY"),
        .party = made_digest(4),
        .request = made_digest(5),
        .time_unix_s = 1790000042,
        .time_source = CELLA_TIME_HOST,
        .detail = cella_view_of_string("data-1: uses 5"),
    };
}

static struct cella_bytes signed_by(const struct cella_refusal *refusal, const char *seed_text)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = secret_of_hex(seed_text);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    struct cella_bytes out = { 0 };
    struct cella_statement_signer signer = { &seed, cella_view_of_string(MADE_SUBJECT), 1790000042, false, NULL };
    assert_int_equal(cella_refusal_write(refusal, &payload), CELLA_OK);
    assert_int_equal(cella_statement_sign(CELLA_STATEMENT_IS_REFUSAL, cella_bytes_view(&payload), &signer, &out), CELLA_OK);
    return out;
}

static cella_status judge(const struct cella_bundle *bundle, const char *policy_text, struct cella_receipt_report *report)
{
    CELLA_CLEANUP(cella_policy_clear) struct cella_policy policy = { 0 };
    char field[CELLA_FIELD_MAX];
    assert_int_equal(cella_policy_parse(cella_view_of_string(policy_text), field, &policy), CELLA_OK);
    struct cella_receipt_question question = { .policy = &policy, .now_unix_s = 1790000100 };
    return cella_receipt_appraise(bundle, &question, report);
}

static const struct cella_check *check_of(const struct cella_receipt_report *report, const char *name)
{
    for (size_t i = 0; i < report->check_count; i++) {
        if (strcmp(report->checks[i].name, name) == 0) {
            return &report->checks[i];
        }
    }
    return NULL;
}

static void test_known_answer(void **state)
{
    (void) state;
    struct cella_refusal refusal = made_refusal();
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes statement = signed_by(&refusal, EXECUTOR_SEED);
    struct cella_receipt_report report;
    struct cella_bundle bundle = { .receipt = cella_bytes_view(&statement) };
    assert_hex(statement.data, statement.size, known);
    assert_int_equal(judge(&bundle, POLICY(EXECUTOR_KEY), &report), CELLA_OK);
    assert_string_equal(check_of(&report, "payload")->detail.characters,
                        "task.invoke of task-6f1b3a523f0c4b8e9a532f3c8f3d7a10 was refused to party BQAAAAAA...: "
                        "DATA_POLICY (424)");
    assert_int_equal(check_of(&report, "request")->outcome, CELLA_CHECK_NOT_DONE);
    assert_null(check_of(&report, "inclusion")); /* it stands in no log */
    assert_null(check_of(&report, "inputs"));
}

static void test_every_bit_and_length(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = bytes_of_hex(known);
    struct cella_receipt_report report;
    for (size_t bit = 0; bit < 8 * content.size; bit++) {
        struct cella_bundle bundle = { .receipt = cella_bytes_view(&content) };
        content.data[bit / 8] ^= (uint8_t) (1U << bit % 8);
        if (judge(&bundle, POLICY(EXECUTOR_KEY), &report) == CELLA_OK) {
            fail_msg("taken with bit %zu flipped", bit);
        }
        content.data[bit / 8] ^= (uint8_t) (1U << bit % 8);
    }
    for (size_t size = 0; size < content.size; size++) {
        struct cella_bundle bundle = { .receipt = cella_view_of(content.data, size) };
        assert_int_not_equal(judge(&bundle, POLICY(EXECUTOR_KEY), &report), CELLA_OK);
    }
}

static void test_another_executor(void **state)
{
    (void) state;
    struct cella_refusal refusal = made_refusal();
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes statement = signed_by(&refusal, LOG_SEED);
    struct cella_receipt_report report;
    struct cella_bundle bundle = { .receipt = cella_bytes_view(&statement) };
    assert_int_equal(judge(&bundle, POLICY(EXECUTOR_KEY), &report), CELLA_BAD_KEY);
    assert_int_equal(judge(&bundle, POLICY(OTHER_KEY), &report), CELLA_OK);
}

/* ---- the request ---- */

#define REQUEST(op, aud) "{\"args\":{},\"aud\":\"" aud "\",\"op\":\"" op "\"}"
#define EXECUTOR_ID "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"

struct asked {
    struct cella_bytes request;
    uint8_t public_key[CELLA_ED25519_KEY_SIZE];
    struct cella_bytes statement;
};

/* A request of the party whose key is LOG_SEED's, refused with this statement. party: NULL for that party */
static void ask(const char *text, const struct cella_view *party, struct asked *out)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = secret_of_hex(LOG_SEED);
    struct cella_refusal refusal = made_refusal();
    struct cella_cose_key key;
    uint8_t digest[CELLA_SHA256_SIZE];
    *out = (struct asked){ 0 };
    assert_int_equal(cella_ed25519_public(&seed, out->public_key), CELLA_OK);
    assert_int_equal(cella_cose_key_of(out->public_key, &key), CELLA_OK);
    assert_int_equal(cella_jws_sign(&seed, CELLA_JWS_KID, cella_view_of_string(text), &out->request), CELLA_OK);
    assert_int_equal(cella_sha256(cella_bytes_view(&out->request), digest), CELLA_OK);
    refusal.party = party != NULL ? *party : cella_view_of(key.kid, key.kid_size);
    refusal.request = cella_view_of(digest, sizeof(digest));
    out->statement = signed_by(&refusal, EXECUTOR_SEED);
}

static cella_status judge_asked(const struct asked *statement_of, const struct asked *request_of,
                                struct cella_receipt_report *report)
{
    struct cella_bundle bundle = { .receipt = cella_bytes_view(&statement_of->statement), .approval_count = 1 };
    bundle.approvals[0] = (struct cella_approval){ cella_view_of(request_of->public_key, CELLA_ED25519_KEY_SIZE),
                                                   cella_bytes_view(&request_of->request) };
    return judge(&bundle, POLICY(EXECUTOR_KEY), report);
}

static void clear_asked(struct asked *asked)
{
    cella_bytes_clear(&asked->request);
    cella_bytes_clear(&asked->statement);
}

static void test_request(void **state)
{
    (void) state;
    CELLA_CLEANUP(clear_asked) struct asked right = { 0 };
    CELLA_CLEANUP(clear_asked) struct asked other = { 0 };
    CELLA_CLEANUP(clear_asked) struct asked operation = { 0 };
    CELLA_CLEANUP(clear_asked) struct asked audience = { 0 };
    CELLA_CLEANUP(clear_asked) struct asked party = { 0 };
    struct cella_view somebody = made_digest(4);
    struct cella_receipt_report report;
    ask(REQUEST("task.invoke", EXECUTOR_ID), NULL, &right);
    ask(REQUEST("task.invoke", EXECUTOR_ID) " ", NULL, &other);
    ask(REQUEST("task.cancel", EXECUTOR_ID), NULL, &operation);
    ask(REQUEST("task.invoke", "BQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), NULL, &audience);
    ask(REQUEST("task.invoke", EXECUTOR_ID), &somebody, &party);
    assert_int_equal(judge_asked(&right, &right, &report), CELLA_OK);
    assert_int_equal(check_of(&report, "request")->outcome, CELLA_CHECK_PASSED);
    assert_int_equal(judge_asked(&right, &other, &report), CELLA_BAD_DIGEST);
    assert_int_equal(judge_asked(&operation, &operation, &report), CELLA_BAD_RECEIPT);
    assert_int_equal(judge_asked(&audience, &audience, &report), CELLA_BAD_RECEIPT);
    assert_int_equal(judge_asked(&party, &party, &report), CELLA_BAD_RECEIPT);
    right.public_key[3] ^= 1;
    assert_int_not_equal(judge_asked(&right, &right, &report), CELLA_OK);
}

/* ---- what is not written, and not read ---- */

static void test_what_is_not_written(void **state)
{
    (void) state;
    char long_text[CELLA_STATEMENT_NAME_MAX + 2];
    memset(long_text, 'x', sizeof(long_text));
    for (int i = 0; i < 9; i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
        struct cella_refusal refusal = made_refusal();
        refusal.operation = i == 0 ? cella_view_of_string("") : refusal.operation;
        refusal.operation = i == 1 ? cella_view_of(long_text, CELLA_STATEMENT_WORD_MAX + 1) : refusal.operation;
        refusal.number = i == 2 ? CELLA_OK : refusal.number;
        refusal.number = i == 3 ? CELLA_DENIED : refusal.number; /* the name is of another number */
        refusal.code = i == 4 ? cella_view_of_string("") : refusal.code;
        refusal.party = i == 5 ? cella_view_of(long_text, 31) : refusal.party;
        refusal.request = i == 6 ? (struct cella_view){ 0 } : refusal.request;
        refusal.time_source = i == 7 ? (enum cella_time_source) 3 : refusal.time_source;
        refusal.detail = i == 8 ? cella_view_of(long_text, CELLA_STATEMENT_NAME_MAX + 1) : refusal.detail;
        assert_int_equal(cella_refusal_write(&refusal, &out), CELLA_BAD_FIELD);
        assert_int_equal(out.size, 0);
    }
}

/* A code of an executor that is newer than this verifier. */
static void test_a_code_that_is_not_known(void **state)
{
    (void) state;
    struct cella_refusal refusal = made_refusal();
    struct cella_refusal back;
    struct cella_text detail;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    refusal.number = 499;
    refusal.code = cella_view_of_string("NOT_ON_SUNDAYS");
    assert_int_equal(cella_refusal_write(&refusal, &out), CELLA_OK);
    assert_int_equal(cella_refusal_read(cella_bytes_view(&out), &back, &detail), CELLA_OK);
    assert_int_equal(back.number, 499);
    assert_true(cella_view_is(back.code, "NOT_ON_SUNDAYS"));
}

static void test_receipts_and_kinds(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret seed = secret_of_hex(EXECUTOR_SEED);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = bytes_of_hex(known);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes attached = made_receipt_of(&plain, 4, LOG_SEED);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    struct cella_statement_signer signer = { &seed, cella_view_of_string(MADE_SUBJECT), 1, false, NULL };
    struct cella_refusal refusal = made_refusal();
    struct cella_statement statement;
    struct cella_text detail;
    assert_int_equal(cella_statement_read(cella_bytes_view(&attached), &statement, &detail), CELLA_BAD_FORMAT);
    assert_int_equal(cella_refusal_write(&refusal, &payload), CELLA_OK);
    assert_int_equal(cella_statement_sign(CELLA_STATEMENT_IS_DELETION, cella_bytes_view(&payload), &signer, &out),
                     CELLA_BAD_FORMAT);
    assert_int_equal(cella_statement_sign(CELLA_STATEMENT_IS_EXECUTION, cella_bytes_view(&payload), &signer, &out),
                     CELLA_BAD_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answer),        cmocka_unit_test(test_every_bit_and_length),
        cmocka_unit_test(test_another_executor),    cmocka_unit_test(test_request),
        cmocka_unit_test(test_what_is_not_written), cmocka_unit_test(test_a_code_that_is_not_known),
        cmocka_unit_test(test_receipts_and_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
