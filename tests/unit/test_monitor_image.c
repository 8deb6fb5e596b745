/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/wire.h"
#include "monitor/event.h"
#include "monitor/image.h"

#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define OTHER_KEY "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"

/* A history with every event, in which every field of the state comes to be something other than zero. */
static const struct {
    const char *event;
    const char *body;
} history[] = {
    { "party.enrolled", "{'party':'a','name':'Ann','sign':'" OTHER_KEY "','seal':'" OTHER_KEY
                        "','roles':['administrator'],'by':'a','time':5}" },
    { "organisation.created", "{'organisation':'o','name':'clinic','by':'a'}" },
    { "organisation.created", "{'organisation':'o2','name':'other','by':'a'}" },
    { "party.enrolled", "{'party':'b','name':'Bob','sign':'" KEY "','seal':'" KEY
                        "','roles':['data_owner'],'organisation':'o','manages':true,'invitation':'i1','by':'a','time':9}" },
    { "party.enrolled", "{'party':'c','name':'','sign':'" KEY "','seal':'" KEY "','roles':['auditor']}" },
    { "organisation.joined", "{'organisation':'o','party':'c','manages':false,'invitation':'i2','roles':['auditor'],'by':'b'}" },
    { "invitation.revoked", "{'invitation':'i3','by':'a'}" },
    { "party.changed", "{'party':'c','by':'a','roles':['auditor','administrator']}" },
    { "party.rotated", "{'party':'b','sign':'" OTHER_KEY "','seal':'" OTHER_KEY "','statement':'s1'}" },
    { "party.rotated", "{'party':'b','sign':'" KEY "','seal':'" OTHER_KEY "','statement':'s2'}" },
    { "function.registered",
      "{'function':'f','owner':'a','version':3,'sha256':'" OTHER_KEY "','sealed':true,'package':'AAEC','quota':9,"
      "'quota_of_successes':true,'allow':['party:b'],'spec':'{\\\"version\\\":1,\\\"name\\\":\\\"f\\\",\\\"executor\\\":\\\"builtin\\\","
      "\\\"public\\\":true,\\\"entry\\\":\\\"f\\\",\\\"inputs\\\":[{\\\"name\\\":\\\"x\\\"},{\\\"name\\\":\\\"y\\\",\\\"optional\\\":true}],"
      "\\\"outputs\\\":[{\\\"name\\\":\\\"z\\\"}],\\\"arguments\\\":[{\\\"name\\\":\\\"n\\\"}],"
      "\\\"privacy\\\":{\\\"epsilon\\\":\\\"n\\\"}}'}" },
    { "function.shown", "{'function':'f','auditor':'c','by':'a'}" },
    { "function.audited", "{'function':'f','auditor':'c','accepted':true,'statement':'signed','time':11}" },
    { "function.changed", "{'function':'f','by':'a','disabled':true,'disabled_by_administrator':true}" },
    { "data.registered", "{'data':'d','owner':'b','name':'n','object':'0011','sha256':'" OTHER_KEY
                         "','size':100,'segment':4096,'sealed_key':'AAEC','associated_data':'AAE','policy':{'uses':7}}" },
    { "data.stored", "{'data':'d'}" },
    { "data.changed", "{'data':'d','by':'b','policy':{'uses':8}}" },
    { "data.registered", "{'data':'e','owner':'b','name':'gone','object':'22','sha256':'" KEY
                         "','size':1,'segment':4096,'sealed_key':'AAEC','associated_data':'','url':'https://x/e'}" },
    { "data.deleted", "{'data':'e','by':'b','request':'e30.e30.e30','logged':'AAECAw','leaf':18}" },
    { "data.registered", "{'data':'g','owner':'b','name':'foreign','object':'44','sha256':'" KEY
                         "','size':1,'format':'aes-gcm-256','sealed_key':'AAEC','associated_data':''}" },
    { "data.registered", "{'data':'h','owner':'b','name':'elsewhere','object':'55','sha256':'" KEY
                         "','size':1,'segment':4096,'sealed_key':'AAEC','associated_data':'','url':'https://x/h'}" },
    { "data.moved", "{'data':'h','by':'b','url':'https://x/h/longer'}" },
    { "data.moved", "{'data':'g','by':'b','url':'https://x/g'}" },
    { "data.moved", "{'data':'g','by':'b'}" },
    { "evidence.kept", "{'evidence':'" OTHER_KEY "','type':'tpm','measurement':'AAE','file':'AAECAw'}" },
    { "task.created",
      "{'task':'t','creator':'a','function':'f','participants':['a','b'],'inputs':{'x':['b'],'y':['b']},'outputs':{'z':['a','b']},"
      "'result':['a'],'messages':['b'],'arguments':{'n':0.1,'m':['\\u00e9',null]},'limits':{'threads':2},"
      "'isolation':{'clock':'coarse','zygote':'owner','sizes':'padded'},'fusion':{'z':true},"
      "'auditors':{'parties':['c'],'threshold':1},'priority':4,'attempts':5,'expires':1234,'arguments_bytes':9}" },
    { "task.assigned", "{'task':'t','inputs':{'x':'d','y':'h'},'by':'b'}" },
    { "task.contracted", "{'task':'t','contract':'AAEC'}" },
    { "task.approved", "{'task':'t','party':'b','request':'e30.e30.e31'}" },
    { "task.approved", "{'task':'t','party':'a','request':'e30.e30.e32'}" },
    { "task.queued", "{'task':'t','by':'a','nonce':'AQIDBAUGBwgJ','time':20}" },
    { "task.withdrawn", "{'task':'t','party':'b'}" },
    { "task.approved", "{'task':'t','party':'b','request':'e30.e30.e34'}" },
    { "task.queued", "{'task':'t','by':'a'}" },
    { "task.started", "{'task':'t','time':21}" },
    { "task.failed", "{'task':'t','error':71,'detail':'which','class':'ValueError','line':7,'stored':true,'messages':{'b':'AAEC'},"
                     "'usage':{'cpu_us':1,'wall_us':2,'peak_kib':3,'bytes_in':4,'bytes_out':5}}" },
    { "task.retried", "{'task':'t','by':'a','nonce':'AQIDBAUGBwg'}" },
    { "task.started", "{'task':'t','time':22}" },
    { "evidence.kept", "{'evidence':'" KEY "','type':'soft','measurement':'','file':'AA'}" },
    { "task.finished", "{'task':'t','outputs':{'z':{'object':'33','sha256':'" OTHER_KEY
                       "','size':6,'kept_key':'AAEC','keys':{'a':'AA','b':'AAE'}}},'result':{'a':'AAEC'},'messages':{'b':'AAE'},"
                       "'usage':{'cpu_us':1,'wall_us':2,'peak_kib':3,'bytes_in':4,'bytes_out':5},'logged':'AAEC','leaf':33}" },
    { "data.derived", "{'data':'k','task':'t','output':'z','by':'a'}" },
    { "data.changed", "{'data':'k','by':'b','policy':{'uses':2}}" },
    { "data.deleted", "{'data':'k','by':'a','request':'e30.e30.e33','logged':'AAEE','leaf':35}" }, /* and the output's key */
    { "task.created", "{'task':'u','creator':'b','function':'f','participants':['b'],'inputs':{},'outputs':{},'result':[],"
                      "'messages':[],'arguments':{}}" },
    { "task.contracted", "{'task':'u','contract':'AAEC'}" },
    { "task.failed", "{'task':'u','error':45,'detail':'','class':'E','line':9}" },
    { "function.deleted", "{'function':'f','by':'a'}" },
    { "organisation.left", "{'organisation':'o','party':'c','by':'b'}" },
    { "organisation.removed", "{'organisation':'o2','by':'a'}" },
    { "party.removed", "{'party':'c','by':'a'}" },
};
#define STEPS (sizeof(history) / sizeof(history[0]))
#define UNLOGGED 5U /* the first ones stand in records of version 1 */

static void apply(struct cella_state *state, size_t step)
{
    char text[2048];
    enum cella_event event;
    CELLA_CLEANUP(cella_json_cleanup) json_t *body = NULL;
    size_t length = strlen(history[step].body);
    assert_true(length < sizeof(text));
    memcpy(text, history[step].body, length + 1);
    for (char *at = text; *at != '\0'; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    assert_true(cella_event_of(cella_view_of_string(history[step].event), &event));
    assert_int_equal(cella_json_parse(cella_view_of_string(text), sizeof(text), &body), CELLA_OK);
    assert_int_equal(cella_state_apply(state, event, body), CELLA_OK);
    if (step >= UNLOGGED) {
        uint8_t rest[CELLA_SHA256_SIZE];
        memset(rest, (int) step + 1, sizeof(rest));
        cella_journal_log(&state->journal, state->journal.count, step + 1, rest);
    }
    if (state->parties.first != NULL) { /* what requests use up */
        assert_int_equal(cella_party_sequence((struct cella_party *) state->parties.first, (int64_t) (step * 7 % 64)), CELLA_OK);
    }
}

static cella_status keep(void *context, struct cella_view item)
{
    return cella_write_field(context, item);
}

static void write_image(const struct cella_state *state, struct cella_bytes *out)
{
    out->size = 0;
    assert_int_equal(cella_image_write(state, keep, out), CELLA_OK);
}

static cella_status read_image(struct cella_view image, struct cella_state *state, bool *whole)
{
    struct cella_image_reader *reader = NULL;
    struct cella_reader in = cella_reader_of(image);
    cella_status status = CELLA_OK;
    assert_int_equal(cella_image_reader_new(state, &reader), CELLA_OK);
    *whole = false;
    while (status == CELLA_OK && in.rest.size > 0) {
        struct cella_view item;
        *whole = cella_image_is_whole(reader);
        assert_int_equal(cella_read_field(&in, 1U << 30, &item), CELLA_OK);
        status = *whole ? CELLA_BAD_FORMAT : cella_image_take(reader, item);
    }
    *whole = status == CELLA_OK && cella_image_is_whole(reader);
    cella_image_reader_free(reader);
    return status;
}

/* ---- two states, byte for byte: what nobody wrote into the image is noticed ---- */

static void same_bytes(struct cella_bytes *a, struct cella_bytes *b)
{
    assert_true(cella_view_equal(cella_bytes_view(a), cella_bytes_view(b)));
    *a = *b = (struct cella_bytes){ 0 };
}

/* Statements and requests: what is equal goes, so that the rest can be compared as it is. */
static void same_logged(struct cella_logged *a, struct cella_logged *b)
{
    assert_int_equal(a->leaf, b->leaf);
    same_bytes(&a->statement, &b->statement);
}

static void same_request(struct cella_signed_request *a, struct cella_signed_request *b)
{
    assert_memory_equal(a->public_key, b->public_key, sizeof(a->public_key));
    same_bytes(&a->text, &b->text);
}

static void same_json(json_t **a, json_t **b)
{
    assert_true((*a == NULL && *b == NULL) || json_equal(*a, *b));
    *a = *b = NULL;
}

static void same_record(const struct cella_entry *a, const struct cella_entry *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a != NULL) {
        assert_string_equal(a->id, b->id);
        assert_int_equal(a->number, b->number);
    }
}
#define SAME_RECORD(a, b)                                                                                              \
    do {                                                                                                               \
        same_record((const struct cella_entry *) (a), (const struct cella_entry *) (b));                               \
        (a) = (b) = NULL;                                                                                              \
    } while (0)

/* A text that was cut leaves its tail behind. */
static void tidy(char *text, size_t size)
{
    memset(text + strlen(text), 0, size - strlen(text));
}

static void compare_party(struct cella_party a, struct cella_party b)
{
    SAME_RECORD(a.organisation, b.organisation);
    same_json(&a.rotations, &b.rotations);
    assert_memory_equal(&a, &b, sizeof(a));
}

static void compare_evidence(struct cella_kept_evidence a, struct cella_kept_evidence b)
{
    same_bytes(&a.file, &b.file);
    same_bytes(&a.measurement, &b.measurement);
    assert_memory_equal(&a, &b, sizeof(a));
}

static void compare_function(struct cella_function a, struct cella_function b)
{
    assert_true(json_equal(a.spec.json, b.spec.json)); /* everything else in a spec is read from it */
    memset(&a.spec, 0, sizeof(a.spec));
    memset(&b.spec, 0, sizeof(b.spec));
    SAME_RECORD(a.owner, b.owner);
    same_bytes(&a.package, &b.package);
    same_json(&a.allow, &b.allow);
    same_json(&a.reviewers, &b.reviewers);
    same_json(&a.audits, &b.audits);
    assert_memory_equal(&a, &b, sizeof(a));
}

static void compare_data(struct cella_data a, struct cella_data b)
{
    assert_int_equal(a.owner_count, b.owner_count);
    for (size_t i = 0; i < a.owner_count; i++) {
        same_record(&a.owners[i]->entry, &b.owners[i]->entry);
        same_json(&(json_t *){ a.policies[i] }, &(json_t *){ b.policies[i] });
    }
    assert_int_equal(a.source_count, b.source_count);
    for (size_t i = 0; i < a.source_count; i++) {
        same_record(&a.sources[i]->entry, &b.sources[i]->entry);
    }
    assert_int_equal(a.url == NULL, b.url == NULL);
    if (a.url != NULL) {
        assert_string_equal(a.url, b.url);
    }
    assert_true(a.used == 0 || a.spent.epsilon > 0); /* the function of the history declares what it spends */
    a.owners = b.owners = NULL;
    a.policies = b.policies = NULL;
    a.sources = b.sources = NULL;
    a.url = b.url = NULL;
    a.walk = b.walk = 0; /* not part of the fold */
    same_bytes(&a.sealed_key, &b.sealed_key);
    same_bytes(&a.associated_data, &b.associated_data);
    SAME_RECORD(a.made_by, b.made_by);
    same_logged(&a.deletion, &b.deletion);
    same_request(&a.deletion_request, &b.deletion_request);
    assert_memory_equal(&a, &b, sizeof(a));
}

static void compare_files(const struct cella_task_record *a, const struct cella_task_record *b)
{
    for (size_t i = 0; i < a->function->spec.input_count; i++) {
        struct cella_task_input one = a->inputs[i];
        struct cella_task_input two = b->inputs[i];
        assert_string_equal(one.file->name, two.file->name);
        one.file = two.file = NULL;
        SAME_RECORD(one.data, two.data);
        assert_memory_equal(&one, &two, sizeof(one));
    }
    for (size_t i = 0; i < a->function->spec.output_count; i++) {
        struct cella_task_output one = a->outputs[i];
        struct cella_task_output two = b->outputs[i];
        assert_int_equal(one.keys == NULL, two.keys == NULL);
        for (size_t k = 0; one.keys != NULL && k < a->participant_count; k++) {
            assert_true(cella_view_equal(cella_bytes_view(&one.keys[k]), cella_bytes_view(&two.keys[k])));
        }
        one.file = two.file = NULL;
        one.keys = two.keys = NULL;
        same_bytes(&one.kept_key, &two.kept_key);
        assert_memory_equal(&one, &two, sizeof(one));
    }
}

static void compare_task(struct cella_task_record a, struct cella_task_record b)
{
    assert_int_equal(a.participant_count, b.participant_count);
    for (size_t i = 0; i < a.participant_count; i++) {
        struct cella_participant one = a.participants[i];
        struct cella_participant two = b.participants[i];
        SAME_RECORD(one.party, two.party);
        same_request(&one.approval, &two.approval);
        same_bytes(&one.result, &two.result);
        same_bytes(&one.messages, &two.messages);
        assert_memory_equal(&one, &two, sizeof(one));
    }
    compare_files(&a, &b);
    a.participants = b.participants = NULL;
    a.inputs = b.inputs = NULL;
    a.outputs = b.outputs = NULL;
    SAME_RECORD(a.creator, b.creator);
    SAME_RECORD(a.function, b.function);
    same_json(&a.arguments, &b.arguments);
    same_json(&a.auditors, &b.auditors);
    same_bytes(&a.contract, &b.contract);
    same_logged(&a.run_logged, &b.run_logged);
    tidy(a.error_detail, sizeof(a.error_detail));
    tidy(a.error_class, sizeof(a.error_class));
    tidy(b.error_detail, sizeof(b.error_detail));
    tidy(b.error_class, sizeof(b.error_class));
    memset(a.nonce + a.nonce_size, 0, sizeof(a.nonce) - a.nonce_size); /* a longer one was there before */
    memset(b.nonce + b.nonce_size, 0, sizeof(b.nonce) - b.nonce_size);
    assert_memory_equal(&a, &b, sizeof(a));
}

/* The links of an entry are compared by walking, so they go. */
#define COMPARE(table, type, compare)                                                                                  \
    do {                                                                                                               \
        const struct cella_entry *one_ = a->table.first;                                                               \
        const struct cella_entry *two_ = b->table.first;                                                               \
        assert_int_equal(a->table.count, b->table.count);                                                              \
        for (; one_ != NULL && two_ != NULL; one_ = one_->next, two_ = two_->next) {                                   \
            type x_ = *(const type *) one_;                                                                            \
            type y_ = *(const type *) two_;                                                                            \
            struct cella_entry *links_[] = { (struct cella_entry *) &x_, (struct cella_entry *) &y_ };                 \
            links_[0]->next = links_[1]->next = NULL;                                                                  \
            links_[0]->next_in_bucket = links_[1]->next_in_bucket = NULL;                                              \
            compare(x_, y_);                                                                                           \
        }                                                                                                              \
        assert_true(one_ == NULL && two_ == NULL);                                                                     \
    } while (0)
#define COMPARE_PLAIN(x, y) assert_memory_equal(&(x), &(y), sizeof(x))

static void compare(const struct cella_state *a, const struct cella_state *b)
{
    struct cella_state one = *a;
    struct cella_state two = *b;
    COMPARE(evidence, struct cella_kept_evidence, compare_evidence);
    COMPARE(parties, struct cella_party, compare_party);
    COMPARE(organisations, struct cella_organisation, COMPARE_PLAIN);
    COMPARE(invitations, struct cella_entry, COMPARE_PLAIN);
    COMPARE(functions, struct cella_function, compare_function);
    COMPARE(data, struct cella_data, compare_data);
    COMPARE(tasks, struct cella_task_record, compare_task);
    assert_int_equal(a->journal.count, b->journal.count);
    for (size_t i = 0; i < a->journal.count; i++) {
        struct cella_journal_entry x = a->journal.entries[i];
        struct cella_journal_entry y = b->journal.entries[i];
        SAME_RECORD(x.by, y.by);
        SAME_RECORD(x.subject, y.subject);
        SAME_RECORD(x.other, y.other);
        assert_memory_equal(&x, &y, sizeof(x));
    }
    memset(&one.journal, 0, sizeof(one.journal));
    memset(&two.journal, 0, sizeof(two.journal));
    one.walk = two.walk = 0;
    struct cella_table *tables[] = { &one.parties, &two.parties, &one.organisations, &two.organisations,
                                     &one.invitations, &two.invitations, &one.functions, &two.functions,
                                     &one.data, &two.data, &one.tasks, &two.tasks, &one.evidence, &two.evidence };
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        *tables[i] = (struct cella_table){ 0 };
    }
    assert_memory_equal(&one, &two, sizeof(one));
}

/* ---- tests ---- */

static void the_history_has_every_event(void **unused)
{
    bool seen[CELLA_EVENT_COUNT] = { false };
    (void) unused;
    for (size_t i = 0; i < STEPS; i++) {
        enum cella_event event;
        assert_true(cella_event_of(cella_view_of_string(history[i].event), &event));
        seen[event] = true;
    }
    for (size_t i = 0; i < CELLA_EVENT_COUNT; i++) {
        if (!seen[i]) {
            fail_msg("the history has no %s", cella_event_name((enum cella_event) i));
        }
    }
}

/* Wherever it is cut: all events from the first one on, and an image with the rest after it, are the same. */
static void an_image_and_the_rest(void **unused)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes image = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes again = { 0 };
    (void) unused;
    for (size_t cut = 0; cut <= STEPS; cut++) {
        struct cella_state whole = { 0 };
        struct cella_state resumed = { 0 };
        bool complete;
        for (size_t i = 0; i < cut; i++) {
            apply(&whole, i);
        }
        write_image(&whole, &image);
        assert_int_equal(read_image(cella_bytes_view(&image), &resumed, &complete), CELLA_OK);
        assert_true(complete);
        write_image(&resumed, &again);
        assert_true(cella_view_equal(cella_bytes_view(&image), cella_bytes_view(&again)));
        compare(&whole, &resumed);
        for (size_t i = cut; i < STEPS; i++) {
            apply(&whole, i);
            apply(&resumed, i);
        }
        write_image(&whole, &image);
        write_image(&resumed, &again);
        assert_true(cella_view_equal(cella_bytes_view(&image), cella_bytes_view(&again)));
        compare(&whole, &resumed);
        cella_state_clear(&whole);
        cella_state_clear(&resumed);
    }
}

/* It is authentic when it comes here; still no bytes whatever do any harm. */
static void what_is_no_image(void **unused)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes image = { 0 };
    struct cella_state whole = { 0 };
    bool complete;
    (void) unused;
    for (size_t i = 0; i < STEPS; i++) {
        apply(&whole, i);
    }
    write_image(&whole, &image);
    struct cella_reader in = cella_reader_of(cella_bytes_view(&image));
    while (in.rest.size > 0) { /* cut after each item */
        struct cella_state part = { 0 };
        struct cella_view item;
        assert_int_equal(cella_read_field(&in, 1U << 30, &item), CELLA_OK);
        size_t size = image.size - in.rest.size;
        assert_int_equal(read_image(cella_view_of(image.data, size), &part, &complete), CELLA_OK);
        assert_int_equal(complete, in.rest.size == 0);
        cella_state_clear(&part);
        for (size_t i = 0; i < item.size; i++) { /* and each byte of it changed */
            uint8_t *at = image.data + size - item.size + i;
            *at ^= 0x81;
            cella_status status = read_image(cella_bytes_view(&image), &part, &complete);
            assert_true(status == CELLA_OK || !complete);
            *at ^= 0x81;
            cella_state_clear(&part);
            part = (struct cella_state){ 0 };
        }
    }
    assert_int_equal(cella_write_field(&image, cella_view_of_string("more")), CELLA_OK);
    struct cella_state more = { 0 };
    assert_int_not_equal(read_image(cella_bytes_view(&image), &more, &complete), CELLA_OK);
    cella_state_clear(&more);
    cella_state_clear(&whole);
}

/* ---- a long life ---- */

#define TASKS 10000U

static double cpu_ms(void)
{
    struct timespec now;
    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}

static void apply_to(struct cella_state *state, enum cella_event event, json_t *body)
{
    assert_non_null(body);
    assert_int_equal(cella_state_apply(state, event, body), CELLA_OK);
    json_decref(body);
}

/* Ten events. */
static void live_through(struct cella_state *state, unsigned int number)
{
    static const enum cella_event run[] = { CELLA_EVENT_TASK_QUEUED, CELLA_EVENT_TASK_STARTED, CELLA_EVENT_TASK_FAILED,
                                            CELLA_EVENT_TASK_RETRIED, CELLA_EVENT_TASK_STARTED, CELLA_EVENT_TASK_FAILED,
                                            CELLA_EVENT_TASK_RETRIED, CELLA_EVENT_TASK_STARTED };
    char id[16];
    (void) snprintf(id, sizeof(id), "t%u", number);
    apply_to(state, CELLA_EVENT_TASK_CREATED,
             json_pack("{s:s, s:s, s:s, s:[s], s:{s:[s]}, s:i}", "task", id, "creator", "a", "function", "f", "participants",
                       "a", "outputs", "z", "a", "time", 100));
    apply_to(state, CELLA_EVENT_TASK_CONTRACTED, json_pack("{s:s, s:s}", "task", id, "contract", "AAEC"));
    for (size_t i = 0; i < sizeof(run) / sizeof(run[0]) && i < 8 - number % 3; i++) {
        apply_to(state, run[i], json_pack("{s:s, s:i, s:i}", "task", id, "time", (int) (101 + i), "error", 45));
    }
    for (size_t i = 0; i < number % 3; i++) { /* so that tasks are left in several states */
        apply_to(state, CELLA_EVENT_FUNCTION_SHOWN, json_pack("{s:s, s:s, s:s}", "function", "f", "auditor", "c", "by", "a"));
    }
}

static void ten_thousand_tasks(void **unused)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes image = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes again = { 0 };
    struct cella_state whole = { 0 };
    struct cella_state resumed = { 0 };
    bool complete;
    (void) unused;
    for (size_t i = 0; strcmp(history[i].event, "task.created") != 0; i++) {
        apply(&whole, i);
    }
    double began = cpu_ms();
    for (unsigned int i = 0; i < TASKS; i++) {
        live_through(&whole, i);
    }
    double folded = cpu_ms();
    write_image(&whole, &image);
    double written = cpu_ms();
    assert_int_equal(read_image(cella_bytes_view(&image), &resumed, &complete), CELLA_OK);
    double restored = cpu_ms();
    assert_true(complete && whole.tasks.count == TASKS && whole.journal.count >= 10 * TASKS);
    compare(&whole, &resumed);
    write_image(&resumed, &again);
    assert_true(cella_view_equal(cella_bytes_view(&image), cella_bytes_view(&again)));
    print_message("%u tasks, %zu events: folded in %.0f ms of CPU time, written in %.0f ms, restored in %.0f ms, %zu KiB\n",
                  TASKS, whole.journal.count, folded - began, written - folded, restored - written, image.size >> 10);
    cella_state_clear(&whole);
    cella_state_clear(&resumed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_history_has_every_event),
        cmocka_unit_test(an_image_and_the_rest),
        cmocka_unit_test(what_is_no_image),
        cmocka_unit_test(ten_thousand_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
