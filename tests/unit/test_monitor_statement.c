/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/wire.h"
#include "monitor/chain.h"
#include "monitor/event.h"
#include "monitor/statement.h"
#include "trust/evidence_soft.h"
#include "trust/receipt.h"
#include "trust/tree_head.h"

#define PARTY_A "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE" /* 31 zeros, 1 */
#define PARTY_B "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" /* zeros: sorted before it */
#define ONES "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"
#define TWOS "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"

struct world {
    struct cella_monitor monitor;
    struct cella_secret root;
};

static void apply(struct world *world, enum cella_event event, json_t *body)
{
    assert_non_null(body);
    assert_int_equal(cella_monitor_commit(&world->monitor, event, body), CELLA_OK);
    json_decref(body);
}

static void enrol(struct world *world, const char *id)
{
    apply(world, CELLA_EVENT_PARTY_ENROLLED,
          json_pack("{s:s, s:s, s:s, s:s}", "party", id, "name", "", "sign", ONES, "seal", ONES));
}

/* A task of two parties that runs: inputs y and x (in this order), output z. */
static struct cella_task_record *furnish(struct world *world)
{
    enrol(world, PARTY_A);
    enrol(world, PARTY_B);
    apply(world, CELLA_EVENT_FUNCTION_REGISTERED,
          json_pack("{s:s, s:s, s:s, s:b, s:s, s:s}", "function", "f", "owner", PARTY_A, "sha256", TWOS, "sealed", 0,
                    "package", "", "spec",
                    "{\"version\":1,\"name\":\"f\",\"executor\":\"builtin\",\"public\":true,\"entry\":\"f\","
                    "\"inputs\":[{\"name\":\"y\"},{\"name\":\"x\"}],\"outputs\":[{\"name\":\"z\"}]}"));
    apply(world, CELLA_EVENT_DATA_REGISTERED,
          json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:s, s:s}", "data", "d", "owner", PARTY_B, "name", "n",
                    "object", "00", "sha256", ONES, "size", 100, "segment", 4096, "sealed_key", "", "associated_data",
                    ""));
    apply(world, CELLA_EVENT_TASK_CREATED,
          json_pack("{s:s, s:s, s:s, s:[ss], s:{s:[s], s:[s]}, s:{s:[s]}, s:[], s:[], s:{}}", "task", "t", "creator",
                    PARTY_A, "function", "f", "participants", PARTY_A, PARTY_B, "inputs", "x", PARTY_B, "y", PARTY_B,
                    "outputs", "z", PARTY_A, "result", "messages", "arguments"));
    apply(world, CELLA_EVENT_TASK_ASSIGNED,
          json_pack("{s:s, s:{s:s, s:s}}", "task", "t", "inputs", "x", "d", "y", "d"));
    apply(world, CELLA_EVENT_TASK_CONTRACTED, json_pack("{s:s, s:s}", "task", "t", "contract", "e30"));
    apply(world, CELLA_EVENT_TASK_QUEUED, json_pack("{s:s, s:s}", "task", "t", "nonce", "AQIDBAUGBwg"));
    apply(world, CELLA_EVENT_TASK_STARTED, json_pack("{s:s}", "task", "t"));
    return cella_state_task(&world->monitor.state, "t");
}

static int set_up(void **state)
{
    static const uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    struct cella_text why;
    struct world *world = calloc(1, sizeof(*world));
    struct cella_monitor *monitor = &world->monitor;
    memset(monitor->measurement, 7, sizeof(monitor->measurement));
    assert_int_equal(cella_secret_random(&world->root, CELLA_ED25519_KEY_SIZE), CELLA_OK);
    monitor->platform_setup = (struct cella_platform_setup){ .root = "/nowhere", .soft_root = &world->root,
                                                             .measurement = monitor->measurement };
    assert_int_equal(cella_platform_open("soft", &monitor->platform_setup, &monitor->platform, &why), CELLA_OK);
    assert_int_equal(cella_evidence_soft_make(&world->root, 0, monitor->measurement, report_data, 1,
                                              &monitor->evidence.evidence), CELLA_OK);
    assert_int_equal(cella_bytes_set(&monitor->charter.text, cella_view_of_string("{}")), CELLA_OK);
    assert_int_equal(cella_keyring_new(&monitor->keyring), CELLA_OK);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    cella_state_clear(&world->monitor.state);
    cella_monitor_evidence_clear(&world->monitor.evidence);
    cella_bytes_clear(&world->monitor.charter.text);
    cella_keyring_free(world->monitor.keyring);
    cella_platform_free(world->monitor.platform);
    cella_secret_clear(&world->root);
    free(world);
    return 0;
}

static void state_of(struct world *world, const struct cella_task_record *task, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *outputs = json_pack("{s:{s:s, s:i}}", "z", "sha256", TWOS, "size", 77);
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *usage = json_pack("{s:i, s:i, s:i, s:i}", "cpu_us", 11, "peak_kib", 2, "bytes_in", 200, "bytes_out", 77);
    assert_int_equal(cella_statement_of_run(&world->monitor, task, outputs, usage, out), CELLA_OK);
}

static void assert_item(const struct cella_statement_item *item, const char *name, const char *digest, uint64_t size)
{
    uint8_t expected[CELLA_SHA256_SIZE];
    assert_int_equal(cella_base64url_decode_exact(cella_view_of_string(digest), expected, sizeof(expected)), CELLA_OK);
    assert_true(cella_view_is(item->name, name));
    assert_int_equal(item->kind, CELLA_DIGEST_SEALED);
    assert_memory_equal(item->digest.data, expected, sizeof(expected));
    assert_int_equal(item->size, size);
}

static void read(const struct cella_bytes *text, struct cella_statement *statement, struct cella_execution *run)
{
    struct cella_text detail;
    assert_int_equal(cella_statement_read(cella_bytes_view(text), statement, &detail), CELLA_OK);
    assert_int_equal(cella_execution_read(statement->sign1.payload, run, &detail), CELLA_OK);
}

static void known_values(void **state)
{
    struct world *world = *state;
    const struct cella_task_record *task = furnish(world);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_statement statement;
    struct cella_execution run;
    state_of(world, task, &text);
    read(&text, &statement, &run);
    assert_true(cella_view_is(statement.sign1.header.subject, "t"));
    assert_item(&run.inputs.list[0], "x", ONES, 100);
    assert_item(&run.inputs.list[1], "y", ONES, 100);
    assert_item(&run.outputs.list[0], "z", TWOS, 77);
    assert_int_equal(run.inputs.count + run.outputs.count, 3);
    assert_int_equal(run.participants.count, 2);
    assert_int_equal(run.participants.list[0].data[31], 0);
    assert_int_equal(run.participants.list[1].data[31], 1);
    assert_int_equal(run.function.data[0], 2);
    assert_memory_equal(run.contract.data, task->contract_sha256, CELLA_SHA256_SIZE);
    assert_int_equal(run.runtime_count, 1);
    assert_true(cella_view_is(run.runtime[0].name, "soft"));
    assert_memory_equal(run.runtime[0].measurement.data, world->monitor.measurement, CELLA_SHA256_SIZE);
    assert_int_equal(run.started_unix_s, task->started_s);
    assert_true(run.started_unix_s > 0 && run.ended_unix_s >= run.started_unix_s);
    assert_int_equal(run.time_source, CELLA_TIME_HOST);
    assert_true(run.has_usage[0] && run.has_usage[1] && !run.has_usage[2] && run.has_usage[3] && run.has_usage[4]);
    assert_int_equal(run.usage[0], 11);
    assert_int_equal(run.usage[1], 2048);
    assert_true(cella_view_is(run.nonce, "\1\2\3\4\5\6\7\10"));
    assert_null(run.previous.data);
    assert_int_equal(run.parents.count, 0);
    const struct cella_kept_evidence *kept = (const struct cella_kept_evidence *) world->monitor.state.evidence.first;
    uint8_t digest[CELLA_SHA256_SIZE];
    assert_int_equal(cella_sha256(cella_bytes_view(&kept->file), digest), CELLA_OK);
    assert_memory_equal(run.evidence.data, digest, sizeof(digest));
}

/* Evidence is kept once; the next statement names this one; data that a run made name it as a parent, once. */
static void chained(void **state)
{
    struct world *world = *state;
    struct cella_task_record *task = furnish(world);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes first = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes second = { 0 };
    struct cella_statement statement;
    struct cella_execution run;
    uint8_t digest[CELLA_SHA256_SIZE];
    struct cella_merkle_hash leaf;
    state_of(world, task, &first);
    CELLA_CLEANUP(cella_json_cleanup) json_t *body = json_pack("{s:s, s:{}, s:{}}", "task", "t", "outputs", "result");
    assert_int_equal(cella_monitor_commit_statement(&world->monitor, CELLA_EVENT_TASK_FINISHED, body,
                                                    cella_bytes_view(&first)), CELLA_OK);
    assert_true(cella_view_equal(cella_bytes_view(&task->run_logged.statement), cella_bytes_view(&first)));
    cella_state_data(&world->monitor.state, "d")->made_by = task;
    state_of(world, task, &second);
    read(&second, &statement, &run);
    struct cella_view entry = cella_bytes_view(&first);
    assert_int_equal(cella_sha256(entry, digest), CELLA_OK);
    assert_memory_equal(run.previous.data, digest, sizeof(digest));
    assert_int_equal(cella_merkle_leaf(&entry, 1, &leaf), CELLA_OK);
    assert_int_equal(run.parents.count, 1);
    assert_memory_equal(run.parents.list[0].data, leaf.bytes, sizeof(leaf.bytes));
    assert_int_equal(world->monitor.state.evidence.count, 1);
}

/* What the keyring certifies and signs, checked with the public parts alone; the same bytes however the tree has grown. */
static void inclusion(void **state)
{
    struct world *world = *state;
    const struct cella_task_record *task = furnish(world);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_bytes receipts[2] = { { 0 }, { 0 } };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes head = { 0 };
    struct cella_chain chain = { 0 };
    struct cella_merkle_path path;
    struct cella_merkle_hash leaf;
    struct cella_text detail;
    state_of(world, task, &text);
    struct cella_view entry = cella_bytes_view(&text);
    for (uint8_t i = 0; i < 20; i++) {
        struct cella_record_mark mark = { .leaf.bytes = { i } };
        assert_int_equal(i == 5 ? cella_merkle_leaf(&entry, 1, &mark.leaf) : CELLA_OK, CELLA_OK);
        assert_int_equal(cella_chain_add(&chain, &mark), CELLA_OK);
        if (i == 5 || i == 19) {
            assert_int_equal(cella_chain_prove_inclusion(&chain, 5, 6, &leaf, &path), CELLA_OK);
            assert_int_equal(cella_keyring_sign_inclusion(world->monitor.keyring, &leaf, 5, 6, &path, &receipts[i / 19],
                                                          &head), CELLA_OK);
        }
    }
    assert_int_equal(cella_chain_prove_inclusion(&chain, 5, 21, &leaf, &path), CELLA_BAD_FIELD);
    assert_int_equal(cella_chain_prove_inclusion(&chain, 6, 6, &leaf, &path), CELLA_BAD_FIELD);
    assert_true(cella_view_equal(cella_bytes_view(&receipts[0]), cella_bytes_view(&receipts[1])));
    const struct cella_kept_evidence *kept = (const struct cella_kept_evidence *) world->monitor.state.evidence.first;
    struct cella_evidence_file file;
    struct cella_cose_key log;
    struct cella_receipt receipt;
    assert_int_equal(cella_evidence_file_read(cella_bytes_view(&kept->file), &file), CELLA_OK);
    assert_int_equal(cella_evidence_file_log_key(&file, &log), CELLA_OK);
    assert_int_equal(cella_receipt_read(cella_bytes_view(&receipts[0]), &receipt, &detail), CELLA_OK);
    assert_int_equal(cella_receipt_verify(&receipt, &leaf, &log, true), CELLA_OK);
    leaf.bytes[0] ^= 1;
    assert_int_equal(cella_receipt_verify(&receipt, &leaf, &log, true), CELLA_BAD_SIGNATURE);
    struct cella_tree_head read_head;
    assert_int_equal(cella_tree_head_read(cella_bytes_view(&head), &read_head), CELLA_OK);
    struct cella_tree_head_key key = { .name = read_head.origin };
    memcpy(key.public_key, file.log_key, sizeof(key.public_key));
    assert_int_equal(cella_tree_head_verify(&read_head, &key), CELLA_OK);
    assert_memory_not_equal(file.log_key, file.keys.sign, sizeof(file.log_key)); /* a key of its own */
    cella_chain_clear(&chain);
    cella_bytes_clear(&receipts[0]);
    cella_bytes_clear(&receipts[1]);
}

static void log_key_of(const struct cella_keyring *keyring, uint8_t out[CELLA_ED25519_KEY_SIZE])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    struct cella_evidence_file file;
    assert_int_equal(cella_keyring_write_evidence(keyring, cella_view_of_string("soft"), cella_view_of_string("e"),
                                                  cella_view_of_string("{}"), &text), CELLA_OK);
    assert_int_equal(cella_evidence_file_read(cella_bytes_view(&text), &file), CELLA_OK);
    memcpy(out, file.log_key, CELLA_ED25519_KEY_SIZE);
}

/* A keyring of before: the same identity, and a log key that is new until it was saved. */
static void a_keyring_without_a_log_key(void **state)
{
    struct world *world = *state;
    struct cella_platform *platform = world->monitor.platform;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes old = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes saved = { 0 };
    struct cella_keyring *rings[3] = { NULL, NULL, NULL };
    uint8_t keys[3][CELLA_ED25519_KEY_SIZE];
    assert_int_equal(cella_secret_random(&secret, 96), CELLA_OK);
    assert_int_equal(cella_platform_seal(platform, "cella keyring v1", &secret, &content), CELLA_OK);
    assert_int_equal(cella_bytes_append(&old, cella_view_of_string("CKEY")), CELLA_OK);
    assert_int_equal(cella_write_u16(&old, 1), CELLA_OK);
    assert_int_equal(cella_write_field(&old, cella_view_of_string("soft")), CELLA_OK);
    assert_int_equal(cella_write_field(&old, cella_bytes_view(&content)), CELLA_OK);
    assert_int_equal(cella_keyring_load(platform, cella_bytes_view(&old), &rings[0]), CELLA_OK);
    assert_true(cella_keyring_is_older(rings[0]));
    assert_int_equal(cella_keyring_save(rings[0], platform, &saved), CELLA_OK);
    assert_int_equal(cella_keyring_load(platform, cella_bytes_view(&saved), &rings[1]), CELLA_OK);
    assert_false(cella_keyring_is_older(rings[1]));
    assert_int_equal(cella_keyring_load(platform, cella_bytes_view(&old), &rings[2]), CELLA_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(cella_keyring_executor(rings[i]), cella_keyring_executor(rings[0]));
        log_key_of(rings[i], keys[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        cella_keyring_free(rings[i]);
    }
    assert_memory_equal(keys[0], keys[1], sizeof(keys[0]));
    assert_memory_not_equal(keys[0], keys[2], sizeof(keys[0]));
}

/* Approvals are kept word for word, and go when they are withdrawn. */
static void approvals_are_kept(void **state)
{
    struct world *world = *state;
    const struct cella_task_record *task = furnish(world);
    uint64_t bytes = world->monitor.state.bytes;
    apply(world, CELLA_EVENT_TASK_APPROVED,
          json_pack("{s:s, s:s, s:s}", "task", "t", "party", PARTY_B, "request", "a.b.c"));
    assert_true(cella_view_is(cella_bytes_view(&task->participants[1].approval.text), "a.b.c"));
    assert_int_equal(task->participants[1].approval.public_key[0], 1);
    apply(world, CELLA_EVENT_TASK_WITHDRAWN, json_pack("{s:s, s:s}", "task", "t", "party", PARTY_B));
    assert_int_equal(task->participants[1].approval.text.size, 0);
    assert_int_equal(world->monitor.state.bytes, bytes + 2 * sizeof(struct cella_journal_entry)); /* nothing else stays */
}

/* Which codes are refusals: what was decided, not what was malformed, failed or broken. */
static void refusals_by_code(void **state)
{
    (void) state;
    static const cella_status signed_ones[] = { CELLA_DENIED, CELLA_NOT_FOUND, CELLA_BAD_STATE, CELLA_DATA_POLICY,
                                                CELLA_USES_USED_UP, CELLA_QUOTA_USED_UP, CELLA_ROLE_MISSING, CELLA_BUSY };
    static const cella_status others[] = { CELLA_OK, CELLA_BAD_FIELD, CELLA_BAD_SIGNATURE, CELLA_NO_MEMORY,
                                           CELLA_LEDGER_FAILED, CELLA_INTERNAL, CELLA_SCRIPT_FAILED };
    for (size_t i = 0; i < sizeof(signed_ones) / sizeof(signed_ones[0]); i++) {
        assert_true(cella_statement_is_refusal(signed_ones[i]));
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(cella_statement_is_refusal(others[i]));
    }
}

/* What it says; and that it leaves nothing behind: no event, no evidence kept, no statement in the chain. */
static void a_refusal(void **state)
{
    struct world *world = *state;
    struct cella_monitor *monitor = &world->monitor;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_CLEANUP(cella_json_cleanup) json_t *args = json_pack("{s:i, s:s}", "task", 5, "data", "data-1");
    CELLA_CLEANUP(cella_json_cleanup) json_t *none = json_object();
    struct cella_statement statement;
    struct cella_refusal refusal;
    struct cella_text detail;
    uint8_t digest[CELLA_SHA256_SIZE];
    enrol(world, PARTY_A);
    uint64_t bytes = monitor->state.bytes;
    monitor->cause.request = cella_view_of_string("a.b.c");
    memcpy(monitor->cause.party, PARTY_A, sizeof(PARTY_A));
    assert_int_equal(cella_statement_of_refusal(monitor, CELLA_DENIED, "data.delete", args, "why", &text), CELLA_OK);
    assert_int_equal(cella_statement_read(cella_bytes_view(&text), &statement, &detail), CELLA_OK);
    assert_int_equal(statement.kind, CELLA_STATEMENT_IS_REFUSAL);
    assert_true(cella_view_is(statement.sign1.header.subject, "data-1")); /* task is no id */
    assert_int_equal(cella_refusal_read(statement.sign1.payload, &refusal, &detail), CELLA_OK);
    assert_true(cella_view_is(refusal.operation, "data.delete") && cella_view_is(refusal.code, "DENIED"));
    assert_true(cella_view_is(refusal.detail, "why"));
    assert_int_equal(refusal.number, CELLA_DENIED);
    assert_int_equal(refusal.party.data[31], 1);
    assert_int_equal(cella_sha256(monitor->cause.request, digest), CELLA_OK);
    assert_memory_equal(refusal.request.data, digest, sizeof(digest));
    assert_int_equal(monitor->state.bytes, bytes);
    assert_int_equal(monitor->state.evidence.count, 0);
    assert_false(monitor->state.has_statement);
    assert_int_equal(cella_statement_of_refusal(monitor, CELLA_BUSY, "function.register", none, "", &text), CELLA_OK);
    assert_int_equal(cella_statement_read(cella_bytes_view(&text), &statement, &detail), CELLA_OK);
    assert_true(cella_view_is(statement.sign1.header.subject, PARTY_A)); /* no target: who asked */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(known_values), CASE(chained), CASE(inclusion), CASE(a_keyring_without_a_log_key), CASE(approvals_are_kept),
        CASE(refusals_by_code), CASE(a_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
