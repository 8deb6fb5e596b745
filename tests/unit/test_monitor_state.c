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

/* The same bytes at another place; what names their digest does not notice. */
static void data_move(void **unused)
{
    struct cella_state state = { 0 };
    (void) unused;
    furnish(&state);
    struct cella_data *data = cella_state_data(&state, "d");
    assert_false(cella_data_is_there(data));
    uint64_t before = state.bytes;
    apply(&state, CELLA_EVENT_DATA_MOVED, json_pack("{s:s, s:s, s:s}", "data", "d", "by", "b", "url", "https://a/1"));
    assert_string_equal(data->url, "https://a/1");
    uint64_t first = state.bytes - before; /* the URL, and what the journal takes for every event */
    assert_true(cella_data_is_there(data));
    apply(&state, CELLA_EVENT_DATA_MOVED, json_pack("{s:s, s:s, s:s}", "data", "d", "by", "b", "url", "https://b/22"));
    assert_string_equal(data->url, "https://b/22");
    uint64_t second = state.bytes - before - first;
    assert_int_equal(first - second, strlen("https://a/1") - (strlen("https://b/22") - strlen("https://a/1")));
    apply(&state, CELLA_EVENT_DATA_MOVED, json_pack("{s:s, s:s}", "data", "d", "by", "b"));
    assert_null(data->url);
    assert_false(cella_data_is_there(data));
    apply(&state, CELLA_EVENT_DATA_STORED, json_pack("{s:s}", "data", "d"));
    apply(&state, CELLA_EVENT_DATA_MOVED, json_pack("{s:s, s:s, s:s}", "data", "d", "by", "b", "url", "https://c/3"));
    assert_true(data->stored);
    apply(&state, CELLA_EVENT_DATA_DELETED, json_pack("{s:s, s:s}", "data", "d", "by", "b"));
    assert_null(data->url);
    assert_false(cella_data_is_there(data));
    CELLA_CLEANUP(cella_json_cleanup) json_t *nothing = json_pack("{s:s, s:s}", "data", "e", "by", "b");
    assert_int_equal(cella_state_apply(&state, CELLA_EVENT_DATA_MOVED, nothing), CELLA_INTERNAL);
    cella_state_clear(&state);
}

/* An output of t as data e of both, and what binds it: policies of each owner, uses of what it was made of. */
static void what_data_were_made_of(void **unused)
{
    struct cella_state state = { 0 };
    (void) unused;
    furnish(&state);
    json_t *body = json_pack("{s:s, s:s, s:s, s:[s, s], s:{s:[s]}, s:{s:[s, s]}, s:[], s:[], s:{}, s:{s:b}}", "task", "t",
                             "creator", "a", "function", "f", "participants", "a", "b", "inputs", "x", "b", "outputs", "z",
                             "a", "b", "result", "messages", "arguments", "fusion", "z", 1);
    apply(&state, CELLA_EVENT_TASK_CREATED, body);
    apply(&state, CELLA_EVENT_TASK_ASSIGNED, json_pack("{s:s, s:{s:s}}", "task", "t", "inputs", "x", "d"));
    apply(&state, CELLA_EVENT_TASK_CONTRACTED, json_pack("{s:s, s:s}", "task", "t", "contract", "e30"));
    apply(&state, CELLA_EVENT_TASK_QUEUED, json_pack("{s:s}", "task", "t"));
    apply(&state, CELLA_EVENT_TASK_FINISHED,
          json_pack("{s:s, s:{s:{s:s, s:s, s:i, s:s, s:{}}}}", "task", "t", "outputs", "z", "object", "01", "sha256", key,
                    "size", 100, "kept_key", "AAAA", "keys"));
    apply(&state, CELLA_EVENT_DATA_DERIVED, json_pack("{s:s, s:s, s:s}", "data", "e", "task", "t", "output", "z"));
    struct cella_data *made = cella_state_data(&state, "e");
    struct cella_data *source = cella_state_data(&state, "d");
    assert_int_equal(made->owner_count, 2);
    assert_int_equal(made->source_count, 1);
    assert_ptr_equal(made->sources[0], source);
    assert_int_equal(source->used, 1);

    apply(&state, CELLA_EVENT_DATA_CHANGED, json_pack("{s:s, s:s, s:{s:i}}", "data", "e", "by", "b", "policy", "uses", 1));
    assert_null(made->policies[0]);
    assert_non_null(made->policies[1]);
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *strange = json_pack("{s:s, s:s, s:n}", "data", "d", "by", "a", "policy");
    assert_int_equal(cella_state_apply(&state, CELLA_EVENT_DATA_CHANGED, strange), CELLA_INTERNAL); /* a does not own d */

    /* A run of e, and of d itself beside it, takes one use of each; leaving the queue gives them back. */
    body = json_pack("{s:s, s:s, s:s, s:[s, s], s:{s:[s, s], s:[s]}, s:{s:[s]}, s:[], s:[], s:{}}", "task", "u", "creator",
                     "a", "function", "f", "participants", "a", "b", "inputs", "x", "a", "b", "y", "b", "outputs", "z", "a",
                     "result", "messages", "arguments");
    apply(&state, CELLA_EVENT_TASK_CREATED, body);
    apply(&state, CELLA_EVENT_TASK_ASSIGNED, json_pack("{s:s, s:{s:s, s:s}}", "task", "u", "inputs", "x", "e", "y", "d"));
    apply(&state, CELLA_EVENT_TASK_CONTRACTED, json_pack("{s:s, s:s}", "task", "u", "contract", "e30"));
    apply(&state, CELLA_EVENT_TASK_QUEUED, json_pack("{s:s}", "task", "u"));
    assert_int_equal(source->used, 2);
    assert_int_equal(made->used, 1);
    apply(&state, CELLA_EVENT_TASK_WITHDRAWN, json_pack("{s:s, s:s}", "task", "u", "party", "b"));
    assert_int_equal(source->used, 1);
    assert_int_equal(made->used, 0);
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

/* Roles, organisations and invitations; the number of administrators is kept whatever happens to them. */
static void parties_and_organisations(void **unused)
{
    struct cella_state state = { 0 };
    (void) unused;
    apply(&state, CELLA_EVENT_PARTY_ENROLLED,
          json_pack("{s:s, s:s, s:s, s:s, s:[s], s:s, s:I}", "party", "a", "name", "", "sign", key, "seal", key, "roles",
                    "administrator", "by", "a", "time", (json_int_t) 1000));
    assert_int_equal(state.administrators, 1);
    apply(&state, CELLA_EVENT_ORGANISATION_CREATED,
          json_pack("{s:s, s:s, s:s}", "organisation", "o", "name", "clinic", "by", "a"));
    apply(&state, CELLA_EVENT_PARTY_ENROLLED,
          json_pack("{s:s, s:s, s:s, s:s, s:[s], s:s, s:b, s:s, s:s}", "party", "b", "name", "", "sign", key, "seal",
                    key, "roles", "data_owner", "organisation", "o", "manages", 1, "invitation", "i", "by", "a"));
    const struct cella_party *b = cella_state_party(&state, "b");
    const struct cella_organisation *o = cella_state_organisation(&state, "o");
    assert_true(b->manages && b->organisation == o && o->member_count == 1);
    assert_non_null(cella_table_find(&state.invitations, "i"));
    apply(&state, CELLA_EVENT_PARTY_CHANGED,
          json_pack("{s:s, s:s, s:[s,s]}", "party", "b", "by", "a", "roles", "data_owner", "administrator"));
    assert_int_equal(state.administrators, 2);
    apply(&state, CELLA_EVENT_PARTY_REMOVED, json_pack("{s:s, s:s}", "party", "a", "by", "b"));
    assert_int_equal(state.administrators, 1);
    assert_false(cella_party_is(cella_state_party(&state, "a"), CELLA_ROLES_ALL));
    apply(&state, CELLA_EVENT_ORGANISATION_REMOVED, json_pack("{s:s, s:s}", "organisation", "o", "by", "b"));
    assert_true(b->organisation == NULL && !b->manages && o->removed && o->member_count == 0);
    /* The journal has them all, in order, and no time before that of another. */
    assert_int_equal(state.journal.count, 6);
    assert_int_equal(state.journal.entries[5].time_s, 1000);
    assert_ptr_equal(state.journal.entries[4].by, &b->entry);
    assert_string_equal(cella_event_name((enum cella_event) state.journal.entries[4].event), "party.removed");
    cella_state_clear(&state);
}

static void queue(struct cella_state *state, enum cella_event event)
{
    apply(state, event, json_pack("{s:s, s:s}", "task", "t", "by", "a"));
}

static void end_with(struct cella_state *state, cella_status status)
{
    apply(state, CELLA_EVENT_TASK_FAILED, json_pack("{s:s, s:i}", "task", "t", "error", (int) status));
}

/* A run is counted when the task is queued, and given back only when it leaves the queue without having started. */
static void what_a_run_costs(void **unused)
{
    struct cella_state state = { 0 };
    (void) unused;
    furnish(&state);
    create(&state, "[\"a\",\"b\"]", "[\"a\"]");
    const struct cella_function *function = cella_state_function(&state, "f");
    const struct cella_data *data = cella_state_data(&state, "d");
    const struct cella_task_record *task = cella_state_task(&state, "t");
    apply(&state, CELLA_EVENT_TASK_ASSIGNED, json_pack("{s:s, s:{s:s,s:s}}", "task", "t", "inputs", "x", "d", "y", "d"));
    apply(&state, CELLA_EVENT_TASK_CONTRACTED, json_pack("{s:s, s:s}", "task", "t", "contract", "e30"));
    queue(&state, CELLA_EVENT_TASK_QUEUED);
    assert_int_equal(function->used, 1);
    assert_int_equal(data->used, 1); /* once, though it is two inputs */
    assert_int_equal(task->attempt, 1);
    apply(&state, CELLA_EVENT_TASK_WITHDRAWN, json_pack("{s:s, s:s}", "task", "t", "party", "b"));
    assert_int_equal(task->state, CELLA_TASK_ASSIGNED);
    assert_int_equal(function->used + data->used + task->attempt, 0);
    queue(&state, CELLA_EVENT_TASK_QUEUED);
    apply(&state, CELLA_EVENT_TASK_STARTED, json_pack("{s:s}", "task", "t"));
    end_with(&state, CELLA_SCRIPT_FAILED);
    assert_int_equal(function->used, 1);
    assert_int_equal(data->used, 1);
    assert_int_equal(function->usage.failed, 1);
    queue(&state, CELLA_EVENT_TASK_RETRIED);
    assert_int_equal(task->error, CELLA_OK);
    assert_int_equal(function->used, 2);
    assert_int_equal(task->attempt, 2);
    end_with(&state, CELLA_CANCELLED); /* still in the queue */
    assert_int_equal(function->used, 1);
    assert_int_equal(function->usage.cancelled, 1);
    assert_int_equal(task->state, CELLA_TASK_CANCELLED);
    /* Where successes count, a run that fails gives back. */
    apply(&state, CELLA_EVENT_FUNCTION_CHANGED,
          json_pack("{s:s, s:s, s:b, s:i}", "function", "f", "by", "a", "quota_of_successes", 1, "quota", 5));
    queue(&state, CELLA_EVENT_TASK_RETRIED);
    apply(&state, CELLA_EVENT_TASK_STARTED, json_pack("{s:s}", "task", "t"));
    end_with(&state, CELLA_SCRIPT_FAILED);
    assert_int_equal(function->used, 1);
    assert_int_equal(function->quota, 5);
    cella_state_clear(&state);
}

/* What a run spends is on the data and all that they were made of, once, and comes back with the use. */
static void what_a_run_spends(void **unused)
{
    struct cella_state state = { 0 };
    (void) unused;
    furnish(&state);
    apply(&state, CELLA_EVENT_FUNCTION_REGISTERED,
          json_pack("{s:s, s:s, s:s, s:b, s:s, s:s}", "function", "g", "owner", "a", "sha256", key, "sealed", 0, "package",
                    "", "spec",
                    "{\"version\":1,\"name\":\"g\",\"executor\":\"builtin\",\"public\":true,\"entry\":\"g\","
                    "\"inputs\":[{\"name\":\"x\"},{\"name\":\"y\"}],\"arguments\":[{\"name\":\"e\"},{\"name\":\"d\"}],"
                    "\"privacy\":{\"epsilon\":\"e\",\"delta\":\"d\"}}"));
    json_t *body = json_pack("{s:s, s:s, s:s, s:[s, s], s:{s:[s], s:[s]}, s:{}, s:[], s:[], s:{s:f, s:f}}", "task", "t", "creator",
                             "a", "function", "g", "participants", "a", "b", "inputs", "x", "b", "y", "b", "outputs", "result",
                             "messages", "arguments", "e", 0.1, "d", 1e-9);
    apply(&state, CELLA_EVENT_TASK_CREATED, body);
    const struct cella_data *data = cella_state_data(&state, "d");
    apply(&state, CELLA_EVENT_TASK_ASSIGNED, json_pack("{s:s, s:{s:s,s:s}}", "task", "t", "inputs", "x", "d", "y", "d"));
    apply(&state, CELLA_EVENT_TASK_CONTRACTED, json_pack("{s:s, s:s}", "task", "t", "contract", "e30"));
    assert_int_equal(data->spent.epsilon + data->spent.delta, 0);
    queue(&state, CELLA_EVENT_TASK_QUEUED);
    assert_int_equal(data->spent.epsilon, 100000);
    assert_int_equal(data->spent.delta, 1000);
    apply(&state, CELLA_EVENT_TASK_WITHDRAWN, json_pack("{s:s, s:s}", "task", "t", "party", "b"));
    assert_int_equal(data->spent.epsilon + data->spent.delta, 0);
    queue(&state, CELLA_EVENT_TASK_QUEUED);
    apply(&state, CELLA_EVENT_TASK_STARTED, json_pack("{s:s}", "task", "t"));
    end_with(&state, CELLA_SCRIPT_FAILED);
    queue(&state, CELLA_EVENT_TASK_RETRIED);
    assert_int_equal(data->spent.epsilon, 200000);
    end_with(&state, CELLA_CANCELLED); /* still in the queue */
    assert_int_equal(data->spent.epsilon, 100000);
    assert_int_equal(data->spent.delta, 1000);
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
        { "{\"version\":1,\"enrol\":\"invite\"}", CELLA_BAD_FIELD, "administrators" },
        { "{\"version\":1,\"enrol\":\"admin\",\"administrators\":[]}", CELLA_BAD_FIELD, "administrators" },
        { "{\"version\":1,\"enrol\":\"admin\",\"administrators\":[\"x\"]}", CELLA_BAD_FIELD, "administrators" },
        { "{\"version\":1,\"enrol\":\"open\",\"administrators\":[\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
          "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]}", CELLA_BAD_FIELD, "administrators" },
        { "{\"version\":1,\"enrol\":\"open\",\"roles\":[\"administrator\"]}", CELLA_BAD_FIELD, "roles" },
        { "{\"version\":1,\"enrol\":\"open\",\"roles\":[\"data_owner\",\"data_owner\"]}", CELLA_BAD_FIELD, "roles" },
        { "{\"version\":1,\"enrol\":\"open\",\"auditors_read\":[\"secrets\"]}", CELLA_BAD_FIELD, "auditors_read" },
        { "{\"version\":1,\"enrol\":\"open\",\"approval_s\":0}", CELLA_BAD_FIELD, "approval_s" },
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
    const char *good = "{\"version\":1,\"enrol\":\"admin\",\"administrators\":"
                       "[\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"],\"limits\":{\"cpu_s\":9,\"memory_bytes\":4294967296}}";
    assert_int_equal(cella_setup_charter(cella_view_of_string(good), &error, &charter), CELLA_OK);
    assert_int_equal(charter.enrolment, CELLA_ENROL_ADMIN);
    assert_int_equal(charter.administrator_count, 1);
    assert_int_equal(charter.roles, CELLA_ROLES_ORDINARY);
    assert_int_equal(charter.approval_s, CELLA_APPROVAL_DEFAULT_S);
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
        cmocka_unit_test(parties_and_organisations),
        cmocka_unit_test(what_a_run_costs),
        cmocka_unit_test(what_a_run_spends),
        cmocka_unit_test(many_records_are_found),
        cmocka_unit_test(sequence_numbers),
        cmocka_unit_test(the_hosts_configuration),
        cmocka_unit_test(the_charter),
        cmocka_unit_test(terms_of_a_task),
        cmocka_unit_test(what_data_were_made_of),
        cmocka_unit_test(data_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
