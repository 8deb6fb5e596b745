/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Asking the host for collateral. The host is the test: the other end of the link, good, silent or hostile. Evidence is of a
 * forged SNP machine whose root only the test trusts, so that a client's verdict at the end is a real one.
 */

#include "snp_forge.h"


#include "base/link.h"
#include "monitor/refresh.h"
#include "trust/collateral.h"

struct world {
    struct forge forge;
    struct cella_monitor monitor;
    struct cella_bytes report; /* evidence */
    struct cella_binding binding;
    struct cella_link *host;
    struct cella_stream *stream; /* the host's end of the question */
    struct cella_bytes request;
    char log[600];
};

/* ---- both ends ---- */

static void on_monitor_data(void *context, struct cella_stream *stream, struct cella_view bytes)
{
    (void) context;
    cella_refresh_data(cella_stream_user(stream), bytes);
}

static void on_monitor_closed(void *context, struct cella_stream *stream, cella_status status)
{
    (void) context;
    cella_refresh_closed(cella_stream_user(stream), status);
}

static void on_stream(void *context, struct cella_stream *stream)
{
    (void) context;
    (void) stream;
}

static const struct cella_link_events monitor_events = {
    .data = on_monitor_data,
    .ended = on_stream,
    .closed = on_monitor_closed,
    .writable = on_stream,
};

static void on_hello(void *context, enum cella_link_role role)
{
    (void) context;
    assert_int_equal(role, CELLA_LINK_MONITOR);
}

static void on_note(void *context, enum cella_note_kind kind, struct cella_view payload)
{
    struct world *world = context;
    assert_int_equal(kind, CELLA_NOTE_LOG);
    (void) snprintf(world->log, sizeof(world->log), "%.*s", (int) payload.size, (const char *) payload.data);
}

static void on_opened(void *context, struct cella_stream *stream, enum cella_stream_kind kind, struct cella_view arguments)
{
    struct world *world = context;
    struct cella_reader reader = cella_reader_of(arguments);
    struct cella_view request;
    assert_int_equal(kind, CELLA_STREAM_COLLATERAL);
    assert_int_equal(cella_read_field(&reader, CELLA_COLLATERAL_REQUEST_MAX, &request), CELLA_OK);
    assert_int_equal(cella_reader_end(&reader), CELLA_OK);
    assert_null(world->stream); /* one question at a time */
    world->stream = stream;
    assert_int_equal(cella_bytes_set(&world->request, request), CELLA_OK);
}

static void on_host_data(void *context, struct cella_stream *stream, struct cella_view bytes)
{
    (void) context;
    (void) stream;
    (void) bytes;
    fail_msg("the monitor sends nothing on this stream");
}

static void on_host_closed(void *context, struct cella_stream *stream, cella_status status)
{
    struct world *world = context;
    (void) stream;
    (void) status;
    world->stream = NULL;
}

static const struct cella_link_events host_events = {
    .hello = on_hello,
    .note = on_note,
    .opened = on_opened,
    .data = on_host_data,
    .ended = on_stream,
    .closed = on_host_closed,
    .writable = on_stream,
};

static void move(struct cella_link *from, struct cella_link *to)
{
    struct cella_view pending = cella_link_pending(from);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes copy = { 0 };
    assert_int_equal(cella_bytes_set(&copy, pending), CELLA_OK);
    cella_link_sent(from, pending.size);
    assert_int_equal(cella_link_receive(to, cella_bytes_view(&copy)), CELLA_OK);
}

static void exchange(const struct world *world)
{
    while (cella_link_pending(world->monitor.link).size + cella_link_pending(world->host).size > 0) {
        move(world->monitor.link, world->host);
        move(world->host, world->monitor.link);
    }
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    uint8_t data[CELLA_REPORT_DATA_SIZE];
    forge_begin(&world->forge);
    assert_int_equal(cella_random(data, sizeof(data)), CELLA_OK);
    assert_int_equal(cella_bytes_resize(&world->report, FORGE_REPORT_SIZE), CELLA_OK);
    forge_report(&world->forge, data, 0, world->report.data);
    world->binding = (struct cella_binding){ .kind = CELLA_BINDING_REPORT_DATA,
                                             .report_data = cella_view_of(world->report.data + 0x50, 64) };
    world->monitor.loop = cella_loop_new();
    world->monitor.link = cella_link_new(CELLA_LINK_ENCLAVE, CELLA_LINK_MONITOR, &monitor_events, world);
    world->host = cella_link_new(CELLA_LINK_HOST, CELLA_LINK_MONITOR, &host_events, world);
    world->monitor.refresh = cella_refresh_new(&world->monitor);
    exchange(world);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    cella_refresh_free(world->monitor.refresh);
    cella_link_free(world->monitor.link);
    cella_link_free(world->host);
    cella_loop_free(world->monitor.loop);
    cella_monitor_evidence_clear(&world->monitor.evidence);
    cella_bytes_clear(&world->monitor.collateral);
    cella_bytes_clear(&world->report);
    cella_bytes_clear(&world->request);
    forge_end(&world->forge);
    free(world);
    return 0;
}

/* ---- what hosts do ---- */

static void ask(struct world *world)
{
    cella_refresh_ask(world->monitor.refresh, CELLA_EVIDENCE_SNP, cella_bytes_view(&world->report), (struct cella_view){ 0 });
    exchange(world);
}

static void add(struct cella_bytes *out, uint8_t kind, struct cella_view content)
{
    assert_int_equal(cella_write_u8(out, kind), CELLA_OK);
    assert_int_equal(cella_write_field(out, content), CELLA_OK);
}

/* Chip and issuers of a forge: this machine's, or another one's that looks the same. */
static struct cella_bytes certificates_of(const struct forge *forge)
{
    struct cella_bytes answer = { 0 };
    add(&answer, CELLA_ENDORSE_CERTIFICATES, cella_bytes_view(&forge->vcek));
    add(&answer, CELLA_ENDORSE_CERTIFICATES, cella_bytes_view(&forge->ask));
    add(&answer, CELLA_ENDORSE_CERTIFICATES, cella_bytes_view(&forge->ark));
    return answer;
}

/* Status, size as it is said, bytes, END. */
static void tell(struct world *world, cella_status status, uint64_t size, struct cella_view content)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes answer = { 0 };
    size_t sent = 0;
    assert_non_null(world->stream);
    assert_int_equal(cella_write_u32(&answer, (uint32_t) status), CELLA_OK);
    if (status == CELLA_OK) {
        assert_int_equal(cella_write_u64(&answer, size), CELLA_OK);
        assert_int_equal(cella_bytes_append(&answer, content), CELLA_OK);
    }
    while (sent < answer.size && world->stream != NULL) {
        size_t accepted;
        assert_int_equal(cella_link_send(world->host, world->stream,
                                         cella_view_of(answer.data + sent, answer.size - sent), &accepted),
                         CELLA_OK);
        sent += accepted;
        exchange(world);
    }
    if (world->stream != NULL) {
        assert_int_equal(cella_link_end(world->host, world->stream), CELLA_OK);
        exchange(world);
    }
}

static cella_status verdict(const struct world *world)
{
    struct cella_report report;
    return forge_appraise(&world->forge, &world->binding, &world->report, &world->monitor.collateral, &report);
}

/* ---- tests ---- */

/* With what the host brought a client that has no network says yes, and without it no. */
static void test_a_client_needs_no_other_network(void **state)
{
    struct world *world = *state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes answer = certificates_of(&world->forge);
    char expected[CELLA_COLLATERAL_REQUEST_MAX + 1];
    char chip[129];
    cella_hex_encode(cella_view_of(world->forge.chip, sizeof(world->forge.chip)), chip);
    (void) snprintf(expected, sizeof(expected), "amd vcek genoa %s 10 0 23 84", chip);
    assert_int_not_equal(verdict(world), CELLA_OK);
    ask(world);
    assert_true(cella_view_is(cella_bytes_view(&world->request), expected));
    tell(world, CELLA_OK, answer.size, cella_bytes_view(&answer));
    assert_null(world->stream);
    assert_true(cella_view_equal(cella_bytes_view(&world->monitor.collateral), cella_bytes_view(&answer)));
    assert_int_equal(verdict(world), CELLA_OK);
    assert_string_equal(world->log, "");
}

/* Of the right form, from the wrong chip: handed on, because the monitor does not judge, and refused by the verifier. */
static void test_hostile_answer_is_judged_by_the_verifier(void **state)
{
    struct world *world = *state;
    struct forge other;
    forge_begin(&other);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes answer = certificates_of(&other);
    ask(world);
    tell(world, CELLA_OK, answer.size, cella_bytes_view(&answer));
    assert_true(cella_view_equal(cella_bytes_view(&world->monitor.collateral), cella_bytes_view(&answer)));
    assert_int_not_equal(verdict(world), CELLA_OK);
    forge_end(&other);
}

/* Whatever the host does, what was there stays, the operator is told, and the next question is asked. */
static void test_bad_answers_change_nothing(void **state)
{
    struct world *world = *state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes good = certificates_of(&world->forge);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes many = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes big = { 0 };
    for (size_t i = 0; i <= CELLA_ENDORSEMENTS_MAX; i++) {
        add(&many, CELLA_ENDORSE_CRL, cella_view_of_string("x"));
    }
    assert_int_equal(cella_bytes_resize(&big, CELLA_COLLATERAL_MAX + 100000), CELLA_OK);
    const struct {
        cella_status status;
        uint64_t size;
        struct cella_view content;
        const char *says;
    } answers[] = {
        { CELLA_NOT_FOUND, 0, { 0 }, "NOT_FOUND" },
        { (cella_status) 99999, 0, { 0 }, "INTERNAL" },
        { CELLA_OK, good.size + 1, cella_bytes_view(&good), "BAD_SIZE" },
        { CELLA_OK, good.size - 1, cella_bytes_view(&good), "BAD_SIZE" },
        { CELLA_OK, UINT64_MAX, { 0 }, "BAD_SIZE" },
        { CELLA_OK, good.size - 1, cella_view_of(good.data, good.size - 1), "BAD_FORMAT" },
        { CELLA_OK, 9, cella_view_of("\7\0\0\0\4abcd", 9), "BAD_FIELD" },
        { CELLA_OK, 9, cella_view_of("\10\0\0\0\4abcd", 9), "BAD_FIELD" },
        { CELLA_OK, 9, cella_view_of("\11\0\0\0\4abcd", 9), "BAD_FIELD" },
        { CELLA_OK, many.size, cella_bytes_view(&many), "TOO_MANY" },
        { CELLA_OK, big.size, cella_bytes_view(&big), "TOO_LARGE" },
    };
    ask(world);
    tell(world, CELLA_OK, good.size, cella_bytes_view(&good));
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        char expected[160];
        world->log[0] = '\0';
        ask(world);
        tell(world, answers[i].status, answers[i].size, answers[i].content);
        (void) snprintf(expected, sizeof(expected), "the host brought no collateral (%s): the one before is used", answers[i].says);
        assert_string_equal(world->log, expected);
        assert_null(world->stream);
        assert_int_equal(verdict(world), CELLA_OK);
    }
}

static void test_reset_and_cut(void **state)
{
    struct world *world = *state;
    ask(world);
    assert_int_equal(cella_link_reset(world->host, world->stream, CELLA_BUSY), CELLA_OK);
    world->stream = NULL;
    exchange(world);
    assert_string_equal(world->log, "the host brought no collateral (BUSY): clients that need it will refuse");
    ask(world);
    assert_int_equal(cella_link_end(world->host, world->stream), CELLA_OK); /* not even a status */
    exchange(world);
    assert_string_equal(world->log, "the host brought no collateral (BAD_FORMAT): clients that need it will refuse");
    ask(world); /* and an answer that is under way when the executor ends */
    assert_int_equal(world->monitor.collateral.size, 0);
}

/* Evidence of which nothing can be asked is told to the operator; evidence that needs nothing asks nothing. */
static void test_nothing_to_ask(void **state)
{
    struct world *world = *state;
    memset(world->report.data + 0x1a0, 0, 64); /* the chip is hidden */
    ask(world);
    assert_null(world->stream);
    assert_non_null(strstr(world->log, "the report hides which chip made it"));
    world->log[0] = '\0';
    cella_refresh_ask(world->monitor.refresh, CELLA_EVIDENCE_SOFT, cella_bytes_view(&world->report), (struct cella_view){ 0 });
    exchange(world);
    assert_null(world->stream);
    assert_string_equal(world->log, "");
}

/* What the machine gave shares its list's room with what the host brings. */
static void test_room_beside_what_the_machine_gave(void **state)
{
    struct world *world = *state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes beside = certificates_of(&world->forge);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes answer = { 0 };
    for (size_t i = 0; i < CELLA_ENDORSEMENTS_MAX - 2; i++) {
        add(&answer, CELLA_ENDORSE_CRL, cella_view_of_string("x"));
    }
    cella_refresh_ask(world->monitor.refresh, CELLA_EVIDENCE_SNP, cella_bytes_view(&world->report), cella_bytes_view(&beside));
    exchange(world);
    assert_true(cella_view_is(cella_bytes_view(&world->request), "amd list vcek genoa"));
    tell(world, CELLA_OK, answer.size, cella_bytes_view(&answer));
    assert_non_null(strstr(world->log, "TOO_MANY"));
    assert_int_equal(world->monitor.collateral.size, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_client_needs_no_other_network),
        CASE(test_hostile_answer_is_judged_by_the_verifier),
        CASE(test_bad_answers_change_nothing),
        CASE(test_reset_and_cut),
        CASE(test_nothing_to_ask),
        CASE(test_room_beside_what_the_machine_gave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
