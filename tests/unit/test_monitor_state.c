/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "monitor/setup.h"
#include "monitor/state.h"

static void apply(struct cella_state *state, enum cella_event event, json_t *body)
{
    assert_non_null(body);
    assert_int_equal(cella_state_apply(state, event, body), CELLA_OK);
    json_decref(body);
}

static const char key[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

static void enrol(struct cella_state *state, const char *id)
{
    apply(state, CELLA_EVENT_PARTY_ENROLLED,
          json_pack("{s:s, s:s, s:s, s:s}", "party", id, "name", "", "sign", key, "seal", key));
}

/* Parties a and b, a function with one input and one output, data of b. */
static void furnish(struct cella_state *state)
{
    enrol(state, "a");
    enrol(state, "b");
    apply(state, CELLA_EVENT_FUNCTION_REGISTERED,
          json_pack("{s:s, s:s, s:s, s:b, s:s, s:s}", "function", "f", "owner", "a", "sha256", key, "sealed", 0,
                    "package", "", "spec",
                    "{\"version\":1,\"name\":\"f\",\"executor\":\"builtin\",\"public\":true,\"entry\":\"f\","
                    "\"inputs\":[{\"name\":\"x\"},{\"name\":\"y\",\"optional\":true}],"
                    "\"outputs\":[{\"name\":\"z\"}]}"));
    apply(state, CELLA_EVENT_DATA_REGISTERED,
          json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:s, s:s}", "data", "d", "owner", "b", "name", "n",
                    "object", "00", "sha256", key, "size", 100, "segment", 4096, "sealed_key", "", "associated_data",
                    ""));
}

static void create(struct cella_state *state, const char *participants, const char *result)
{
    json_t *body = json_pack("{s:s, s:s, s:s, s:o, s:{s:[s]}, s:{s:[s]}, s:o, s:[], s:{}}", "task", "t", "creator",
                             "a", "function", "f", "participants", json_loads(participants, 0, NULL), "inputs", "x",
                             "b", "outputs", "z", "a", "result", json_loads(result, 0, NULL), "messages",
                             "arguments");
    apply(state, CELLA_EVENT_TASK_CREATED, body);
}

static void a_task_of_two(void **unused)
{
    struct cella_state state = { 0 };
    (void) unused;
    furnish(&state);
    create(&state, "[\"a\",\"b\"]", "[\"a\"]");
    struct cella_task_record *task = cella_state_task(&state, "t");
    assert_non_null(task);
    assert_int_equal(task->state, CELLA_TASK_CREATED);
    assert_int_equal(task->inputs[0].owners, 2);
    assert_int_equal(task->inputs[1].owners, 0);
    assert_int_equal(task->outputs[0].receivers, 1);
    assert_true(task->participants[0].reads_result);
    assert_false(task->participants[1].reads_result);
    assert_false(cella_task_is_assigned(task));
    apply(&state, CELLA_EVENT_TASK_ASSIGNED, json_pack("{s:s, s:{s:s}}", "task", "t", "inputs", "x", "d"));
    assert_true(cella_task_is_assigned(task));
    apply(&state, CELLA_EVENT_TASK_CONTRACTED, json_pack("{s:s, s:s}", "task", "t", "contract", "e30"));
    assert_int_equal(task->state, CELLA_TASK_ASSIGNED);
    apply(&state, CELLA_EVENT_TASK_APPROVED, json_pack("{s:s, s:s}", "task", "t", "party", "b"));
    assert_int_equal(task->state, CELLA_TASK_ASSIGNED);
    apply(&state, CELLA_EVENT_TASK_APPROVED, json_pack("{s:s, s:s}", "task", "t", "party", "a"));
    assert_int_equal(task->state, CELLA_TASK_APPROVED);
    int64_t version = task->version;
    apply(&state, CELLA_EVENT_TASK_FAILED,
          json_pack("{s:s, s:i, s:s, s:s, s:i}", "task", "t", "error", CELLA_SCRIPT_FAILED, "detail", "", "class",
                    "ValueError", "line", 7));
    assert_int_equal(task->state, CELLA_TASK_FAILED);
    assert_int_equal(task->error_line, 7);
    assert_true(task->version > version);
    assert_true(cella_task_is_over(task));
    cella_state_clear(&state);
}

/* The event says everything: what a task was promised does not change with the executor's charter. */
static void terms_of_a_task(void **unused)
{
    struct cella_state state = { 0 };
    (void) unused;
    furnish(&state);
    json_t *body = json_pack("{s:s, s:s, s:s, s:[s], s:{}, s:{}, s:[s], s:[], s:{}, s:{s:i, s:i}, s:{s:s, s:s}}",
                             "task", "t", "creator", "a", "function", "f", "participants", "a", "inputs", "outputs",
                             "result", "a", "messages", "arguments", "limits", "wall_s", 100000, "threads", 0,
                             "isolation", "clock", "coarse", "zygote", "owner");
    apply(&state, CELLA_EVENT_TASK_CREATED, body);
    const struct cella_task_record *task = cella_state_task(&state, "t");
    assert_int_equal(task->limits.wall_s, 100000);
    assert_int_equal(task->limits.threads, 0);
    assert_true(task->isolation.coarse_clock && task->isolation.own_zygote);
    assert_false(task->isolation.padded);
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *wrong = json_pack("{s:s, s:s, s:s, s:[s], s:{}, s:{}, s:[], s:[], s:{}, s:{s:s}}", "task", "t2",
                              "creator", "a", "function", "f", "participants", "a", "inputs", "outputs", "result",
                              "messages", "arguments", "isolation", "clock", "none");
    assert_int_not_equal(cella_state_apply(&state, CELLA_EVENT_TASK_CREATED, wrong), CELLA_OK);
    assert_null(cella_state_task(&state, "t2"));
    cella_state_clear(&state);
}

static void one_participant_approves_by_assigning(void **unused)
{
    struct cella_state state = { 0 };
    (void) unused;
    furnish(&state);
    json_t *body = json_pack("{s:s, s:s, s:s, s:[s], s:{}, s:{}, s:[s], s:[s], s:{}}", "task", "t", "creator", "a",
                             "function", "f", "participants", "a", "inputs", "outputs", "result", "a", "messages",
                             "a", "arguments");
    apply(&state, CELLA_EVENT_TASK_CREATED, body);
    apply(&state, CELLA_EVENT_TASK_CONTRACTED, json_pack("{s:s, s:s}", "task", "t", "contract", "e30"));
    assert_int_equal(cella_state_task(&state, "t")->state, CELLA_TASK_APPROVED);
    apply(&state, CELLA_EVENT_TASK_FAILED, json_pack("{s:s, s:i}", "task", "t", "error", CELLA_CANCELLED));
    assert_int_equal(cella_state_task(&state, "t")->state, CELLA_TASK_CANCELLED);
    cella_state_clear(&state);
}

/* An event that does not fit is a defect and changes nothing. */
static void events_that_do_not_fit(void **unused)
{
    struct cella_state state = { 0 };
    (void) unused;
    furnish(&state);
    CELLA_CLEANUP(cella_json_cleanup) json_t *nobody = json_pack("{s:s}", "task", "none");
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *stranger = json_pack("{s:s, s:s, s:s, s:[s], s:[s]}", "task", "t2", "creator", "a", "function", "f",
                                 "participants", "c", "result", "a");
    assert_int_equal(cella_state_apply(&state, CELLA_EVENT_TASK_QUEUED, nobody), CELLA_INTERNAL);
    assert_int_equal(cella_state_apply(&state, CELLA_EVENT_DATA_STORED, nobody), CELLA_INTERNAL);
    assert_int_equal(cella_state_apply(&state, CELLA_EVENT_TASK_CREATED, stranger), CELLA_INTERNAL);
    assert_null(cella_state_task(&state, "t2"));
    cella_state_clear(&state);
}

static void many_records_are_found(void **unused)
{
    struct cella_state state = { 0 };
    char id[16];
    (void) unused;
    for (int i = 0; i < 2000; i++) {
        (void) snprintf(id, sizeof(id), "party-%d", i);
        enrol(&state, id);
    }
    assert_int_equal(state.parties.count, 2000);
    for (int i = 0; i < 2000; i++) {
        (void) snprintf(id, sizeof(id), "party-%d", i);
        assert_string_equal(cella_state_party(&state, id)->entry.id, id);
    }
    assert_null(cella_state_party(&state, "party-2000"));
    cella_state_clear(&state);
}

static void sequence_numbers(void **unused)
{
    struct cella_party party = { .seen_count = 0 };
    (void) unused;
    assert_int_equal(cella_party_sequence(&party, 1000), CELLA_OK);
    assert_int_equal(cella_party_sequence(&party, 1000), CELLA_REPLAYED);
    /* Overtaken requests are fine, each once. */
    assert_int_equal(cella_party_sequence(&party, 999), CELLA_OK);
    assert_int_equal(cella_party_sequence(&party, 999), CELLA_REPLAYED);
    for (int64_t i = 0; i < CELLA_SEEN_MAX; i++) {
        assert_int_equal(cella_party_sequence(&party, 2000 + 2 * i), CELLA_OK);
    }
    /* Below all that are remembered: cannot be told from a replay. */
    assert_int_equal(cella_party_sequence(&party, 1000), CELLA_REPLAYED);
    assert_int_equal(cella_party_sequence(&party, 1500), CELLA_REPLAYED);
    assert_int_equal(cella_party_sequence(&party, 2001), CELLA_OK);
    assert_int_equal(cella_party_sequence(&party, 2001), CELLA_REPLAYED);
    assert_int_equal(party.seen_count, CELLA_SEEN_MAX);
    for (size_t i = 1; i < party.seen_count; i++) {
        assert_true(party.seen[i - 1] < party.seen[i]);
    }
}

static void the_hosts_configuration(void **unused)
{
    struct cella_config config = { .pool = 77 };
    struct cella_json_error error = { 0 };
    (void) unused;
    const char *good = "{\"pool\":2,\"profiles\":[\"python\"],\"programs\":\"/p\"}";
    const char *bad[] = {
        "{\"pool\":0,\"profiles\":[\"python\"],\"programs\":\"/p\"}",
        "{\"pool\":2,\"profiles\":[],\"programs\":\"/p\"}",
        "{\"pool\":2,\"profiles\":[\"../x\"],\"programs\":\"/p\"}",
        "{\"pool\":2,\"profiles\":[\"python\"]}",
        "{\"pool\":2,\"profiles\":[\"python\"],\"programs\":\"/p\",\"skip_checks\":true}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_not_equal(cella_setup_config(cella_view_of_string(bad[i]), &error, &config), CELLA_OK);
        assert_string_not_equal(error.field, "");
        assert_int_equal(config.pool, 77);
    }
    assert_int_equal(cella_setup_config(cella_view_of_string(good), &error, &config), CELLA_OK);
    assert_int_equal(config.pool, 2);
    assert_false(config.allow_missing_layers);
}

static void the_charter(void **unused)
{
    static const struct {
        const char *text;
        cella_status status;
        const char *field;
    } bad[] = {
        { "{\"version\":1,\"enrol\":\"all\"}", CELLA_BAD_FIELD, "enrol" },
        { "{\"version\":2,\"enrol\":\"open\"}", CELLA_BAD_FIELD, "version" },
        { "{\"version\":1}", CELLA_MISSING_FIELD, "enrol" },
        { "{\"version\":1,\"enrol\":\"open\",\"limits\":7}", CELLA_BAD_FIELD, "limits" },
        { "{\"version\":1,\"enrol\":\"open\",\"limits\":{\"cpu_s\":0}}", CELLA_BAD_FIELD, "limits.cpu_s" },
        { "{\"version\":1,\"enrol\":\"open\",\"limits\":{\"gpu_s\":1}}", CELLA_UNKNOWN_FIELD, "limits.gpu_s" },
        { "{\"version\":1,\"enrol\":\"open\",\"admins\":[]}", CELLA_UNKNOWN_FIELD, "admins" },
    };
    struct cella_charter charter = { .limits = { .cpu_s = 5 } };
    struct cella_json_error error = { 0 };
    (void) unused;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(cella_setup_charter(cella_view_of_string(bad[i].text), &error, &charter), bad[i].status);
        assert_string_equal(error.field, bad[i].field);
        assert_int_equal(charter.limits.cpu_s, 5);
        assert_int_equal(charter.text.size, 0);
    }
    const char *good = "{\"version\":1,\"enrol\":\"closed\",\"limits\":{\"cpu_s\":9,\"memory_bytes\":4294967296}}";
    assert_int_equal(cella_setup_charter(cella_view_of_string(good), &error, &charter), CELLA_OK);
    assert_false(charter.open_enrolment);
    assert_true(cella_view_is(cella_bytes_view(&charter.text), good));
    assert_int_equal(charter.limits.cpu_s, 9);
    assert_int_equal(charter.limits.wall_s, cella_limits_default.wall_s);
    /* No more memory than there is. */
    assert_false(cella_setup_fit_memory(&charter, (uint64_t) 4 << 30));
    assert_true(cella_setup_fit_memory(&charter, ((uint64_t) 3 << 30) + 5000));
    assert_true(charter.limits.memory_bytes == (uint64_t) 3 << 30);
    assert_true(cella_setup_machine_memory() > (uint64_t) 64 << 20);
    cella_bytes_clear(&charter.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_of_two),
        cmocka_unit_test(one_participant_approves_by_assigning),
        cmocka_unit_test(events_that_do_not_fit),
        cmocka_unit_test(many_records_are_found),
        cmocka_unit_test(sequence_numbers),
        cmocka_unit_test(the_hosts_configuration),
        cmocka_unit_test(the_charter),
        cmocka_unit_test(terms_of_a_task),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
