/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sessions and the certificate. The front is the test, so that it can die at any moment; evidence comes from the soft platform,
 * or from Gramine's quote as a pipe, which answers when the test does.
 */

#include "temporary_tree.h"

#include <sys/inotify.h>

#include "monitor/attest.h"
#include "monitor/front.h"
#include "monitor/session.h"
#include "trust/attested_certificate.h"

#define FOLDER "/dev/attestation"
#define ANSWERS_MAX 128

cella_status __wrap_cella_front_answer(struct cella_front *front, uint32_t request, cella_status status, struct cella_view body);
cella_status __wrap_cella_front_certificate(struct cella_front *front, struct cella_view payload);

struct said {
    uint32_t request;
    cella_status status;
    struct cella_bytes body;
};

struct world {
    char root[64];
    char pipe[128];
    struct cella_platform_setup setup;
    struct cella_monitor monitor;
    struct cella_sessions *sessions;
    struct cella_timer timer;
    struct said answers[ANSWERS_MAX];
    size_t answer_count;
    struct cella_bytes certificate; /* the last payload */
    size_t certificate_count;
    size_t wanted; /* answers and certificates after which the loop ends */
};

/* The front's place in what is under test is the world's. */
static struct world *world_of(struct cella_front *front)
{
    return (struct world *) (void *) front;
}

static void count(struct world *world)
{
    if (world->answer_count + world->certificate_count == world->wanted) {
        cella_loop_stop(world->monitor.loop);
    }
}

cella_status __wrap_cella_front_answer(struct cella_front *front, uint32_t request, cella_status status,
                                       struct cella_view body)
{
    struct world *world = world_of(front);
    struct said *said = &world->answers[world->answer_count++];
    said->request = request;
    said->status = status;
    assert_int_equal(cella_bytes_set(&said->body, body), CELLA_OK);
    count(world);
    return CELLA_OK;
}

cella_status __wrap_cella_front_certificate(struct cella_front *front, struct cella_view payload)
{
    struct world *world = world_of(front);
    world->certificate_count++;
    assert_int_equal(cella_bytes_set(&world->certificate, payload), CELLA_OK);
    count(world);
    return CELLA_OK;
}

static void stop_loop(void *context)
{
    cella_loop_stop(((struct world *) context)->monitor.loop);
}

/* Until so many answers and certificates have come in all, or for a while. */
static void run(struct world *world, size_t wanted, uint64_t ms)
{
    world->wanted = wanted;
    world->timer.expired = stop_loop;
    world->timer.context = world;
    cella_loop_set_timer(world->monitor.loop, &world->timer, ms);
    assert_int_equal(cella_loop_run(world->monitor.loop, NULL, NULL), CELLA_OK);
    cella_loop_clear_timer(world->monitor.loop, &world->timer);
}

static int set_up(void **state)
{
    static const uint8_t measurement[CELLA_SHA256_SIZE] = { 9 };
    struct world *world = calloc(1, sizeof(*world));
    tree_make(world->root);
    tree_put(world->root, FOLDER "/attestation_type", "dcap", 4);
    tree_put(world->root, FOLDER "/user_report_data", "", 0);
    (void) snprintf(world->pipe, sizeof(world->pipe), "%s" FOLDER "/quote", world->root);
    assert_int_equal(mkfifo(world->pipe, 0600), 0);
    assert_int_equal(cella_secret_random(&world->monitor.root_seed, CELLA_ED25519_KEY_SIZE), CELLA_OK);
    assert_int_equal(cella_bytes_set(&world->monitor.charter.text, cella_view_of_string("{}")), CELLA_OK);
    assert_int_equal(cella_keyring_new(&world->monitor.keyring), CELLA_OK);
    world->setup = (struct cella_platform_setup){ .root = world->root, .soft_root = &world->monitor.root_seed,
                                                  .measurement = measurement };
    world->monitor.loop = cella_loop_new();
    *state = world;
    return 0;
}

static void begin(struct world *world, const char *platform)
{
    struct cella_text why;
    assert_int_equal(cella_platform_open(platform, &world->setup, &world->monitor.platform, &why), CELLA_OK);
    assert_int_equal(cella_attester_new(world->monitor.loop, world->monitor.platform, &world->monitor.attester), CELLA_OK);
    assert_int_equal(cella_bytes_set(&world->monitor.evidence.evidence, cella_view_of_string("evidence one")), CELLA_OK);
    world->sessions = cella_sessions_new(&world->monitor, (struct cella_front *) (void *) world);
    assert_non_null(world->sessions);
}

static int tear_down(void **state)
{
    struct world *world = *state;
    cella_sessions_free(world->sessions);
    if (!cella_attester_free(world->monitor.attester)) {
        return 1;
    }
    for (size_t i = 0; i < world->answer_count; i++) {
        cella_bytes_clear(&world->answers[i].body);
    }
    cella_bytes_clear(&world->certificate);
    cella_monitor_evidence_clear(&world->monitor.evidence);
    cella_bytes_clear(&world->monitor.charter.text);
    cella_keyring_free(world->monitor.keyring);
    cella_platform_free(world->monitor.platform);
    cella_secret_clear(&world->monitor.root_seed);
    cella_loop_free(world->monitor.loop);
    int failed = tree_remove(world->root);
    free(world);
    return failed;
}

/*
 * Let the device answer once: nonsense, which the platform refuses. Comes back when that has been read to its end, so that
 * the next answer is not added to this one.
 */
static void answer_pipe(const struct world *world)
{
    struct inotify_event event;
    int notes = inotify_init1(IN_CLOEXEC);
    assert_true(inotify_add_watch(notes, world->pipe, IN_CLOSE_NOWRITE) >= 0);
    int file = open(world->pipe, O_WRONLY | O_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(write(file, "no quote", 8), 8);
    assert_int_equal(close(file), 0);
    assert_int_equal(read(notes, &event, sizeof(event)), sizeof(event));
    assert_int_equal(close(notes), 0);
}

static cella_status ask(struct world *world, uint32_t request, uint8_t nonce, bool fresh)
{
    const uint8_t exporter[CELLA_EXPORTER_SIZE] = { 1 };
    const uint8_t spki[CELLA_SHA256_SIZE] = { 2 };
    const uint8_t nonces[CELLA_NONCE_SIZE] = { nonce };
    return cella_sessions_answer(world->sessions, request, exporter, spki, cella_view_of(nonces, sizeof(nonces)), fresh);
}

static json_t *answer_of(const struct world *world, size_t index)
{
    const struct said *said = &world->answers[index];
    json_t *json;
    assert_int_equal(said->status, CELLA_OK);
    assert_int_equal(cella_json_parse(cella_bytes_view(&said->body), 1 << 20, &json), CELLA_OK);
    return json;
}

static const char *member(const json_t *json, const char *name)
{
    return json_string_value(json_object_get(json, name));
}

/* What the monitor has goes out at once; between connections only the signature differs, until the evidence changes. */
static void test_answer_at_once(void **state)
{
    struct world *world = *state;
    begin(world, "soft");
    for (uint8_t i = 0; i < 3; i++) {
        if (i == 2) {
            assert_int_equal(cella_bytes_set(&world->monitor.evidence.evidence, cella_view_of_string("evidence two")), CELLA_OK);
            assert_int_equal(cella_bytes_set(&world->monitor.collateral, cella_view_of_string("\2\0\0\0\1x")), CELLA_OK);
            cella_sessions_evidence_changed(world->sessions);
        }
        assert_int_equal(ask(world, 7U + i, i, false), CELLA_OK);
        assert_int_equal(world->answer_count, i + 1U);
        assert_int_equal(world->answers[i].request, 7 + i);
    }
    json_t *answers[3] = { answer_of(world, 0), answer_of(world, 1), answer_of(world, 2) };
    assert_string_equal(member(answers[0], "evidence"), "ZXZpZGVuY2Ugb25l");
    assert_string_equal(member(answers[2], "evidence"), "ZXZpZGVuY2UgdHdv");
    assert_string_equal(member(answers[1], "endorsements"), "");
    assert_true(strlen(member(answers[2], "endorsements")) > 0);
    assert_string_equal(member(answers[0], "evidence_nonce"), "");
    assert_string_not_equal(member(answers[0], "signature"), member(answers[1], "signature"));
    assert_int_equal(json_object_del(answers[0], "signature"), 0);
    assert_int_equal(json_object_del(answers[1], "signature"), 0);
    assert_true(json_equal(answers[0], answers[1]));
    for (size_t i = 0; i < 3; i++) {
        json_decref(answers[i]);
    }
    cella_bytes_clear(&world->monitor.collateral);
}

static void test_fresh_answers_come_later_each_to_its_own(void **state)
{
    struct world *world = *state;
    begin(world, "soft");
    for (uint8_t i = 0; i < 5; i++) {
        assert_int_equal(ask(world, 100U + i, (uint8_t) (i + 1), true), CELLA_OK);
    }
    assert_int_equal(world->answer_count, 0);
    cella_sessions_gone(world->sessions, 102);
    cella_sessions_gone(world->sessions, 999); /* nobody */
    run(world, 4, 10000);
    run(world, 5, 100); /* nothing more comes */
    assert_int_equal(world->answer_count, 4);
    const uint32_t expected[] = { 100, 101, 103, 104 };
    for (size_t i = 0; i < 4; i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes nonce = { 0 };
        json_t *json = answer_of(world, i);
        assert_int_equal(world->answers[i].request, expected[i]);
        assert_int_equal(cella_base64url_decode(cella_view_of_string(member(json, "evidence_nonce")), &nonce), CELLA_OK);
        assert_int_equal(nonce.data[0], expected[i] - 99);
        json_decref(json);
    }
}

/* The claims in the certificate that was made name this key. */
static void assert_certificate_for(const struct world *world, const uint8_t spki[CELLA_SHA256_SIZE])
{
    struct cella_reader reader = cella_reader_of(cella_bytes_view(&world->certificate));
    struct cella_view cmw;
    struct cella_view tcg;
    assert_int_equal(cella_read_field(&reader, 65536, &cmw), CELLA_OK);
    assert_int_equal(cella_read_field(&reader, 65536, &tcg), CELLA_OK);
    assert_int_equal(cella_reader_end(&reader), CELLA_OK);
    if (spki == NULL) {
        assert_int_equal(cmw.size + tcg.size, 0);
        return;
    }
    assert_non_null(memmem(cmw.data, cmw.size, spki, CELLA_SHA256_SIZE));
    assert_non_null(memmem(tcg.data, tcg.size, spki, CELLA_SHA256_SIZE));
}

/* A front that dies while evidence for its key and its clients is being made: the next front gets its own, once. */
static void test_front_dies_meanwhile(void **state)
{
    struct world *world = *state;
    begin(world, "soft");
    for (uint8_t i = 0; i < 20; i++) {
        uint8_t spki[CELLA_SHA256_SIZE];
        memset(spki, 0x80 + i, sizeof(spki));
        assert_int_equal(cella_sessions_certify(world->sessions, spki), CELLA_OK);
        assert_int_equal(ask(world, i, i, true), CELLA_OK);
        run(world, SIZE_MAX, i % 4); /* the answer may be anywhere by now */
        cella_sessions_drop(world->sessions);
        size_t before = world->certificate_count;
        size_t answers = world->answer_count;
        memset(spki, 0xc0 + i, sizeof(spki));
        assert_int_equal(cella_sessions_certify(world->sessions, spki), CELLA_OK);
        run(world, answers + before + 1, 10000);
        assert_int_equal(world->certificate_count, before + 1);
        assert_int_equal(world->answer_count, answers);
        assert_certificate_for(world, spki);
        cella_sessions_drop(world->sessions);
    }
}

/* Evidence changes while the certificate is being made: one certificate, not two. */
static void test_certificate_is_asked_for_again(void **state)
{
    struct world *world = *state;
    const uint8_t spki[CELLA_SHA256_SIZE] = { 4, 5, 6 };
    begin(world, "soft");
    assert_int_equal(cella_sessions_certify(world->sessions, spki), CELLA_OK);
    assert_int_equal(cella_sessions_certify(world->sessions, spki), CELLA_OK);
    run(world, 1, 10000);
    run(world, 2, 200);
    assert_int_equal(world->certificate_count, 1);
    assert_certificate_for(world, spki);
}

/* A new front without evidence has to know that it gets none; one with a certificate keeps it. */
static void test_device_that_fails(void **state)
{
    struct world *world = *state;
    const uint8_t spki[CELLA_SHA256_SIZE] = { 4 };
    begin(world, "gramine");
    assert_int_equal(cella_sessions_certify(world->sessions, spki), CELLA_OK);
    answer_pipe(world);
    run(world, 1, 10000);
    assert_int_equal(world->certificate_count, 1);
    assert_certificate_for(world, NULL);
    assert_int_equal(cella_sessions_certify(world->sessions, spki), CELLA_OK);
    assert_int_equal(ask(world, 3, 3, true), CELLA_OK);
    answer_pipe(world);
    answer_pipe(world);
    run(world, 2, 10000);
    assert_int_equal(world->certificate_count, 1);
    assert_int_equal(world->answers[0].request, 3);
    assert_int_equal(world->answers[0].status, CELLA_BAD_EVIDENCE);
    cella_sessions_drop(world->sessions); /* another front */
    assert_int_equal(cella_sessions_certify(world->sessions, spki), CELLA_OK);
    answer_pipe(world);
    run(world, 3, 10000);
    assert_int_equal(world->certificate_count, 2);
}

/* A slow device: connections that need nothing of it are answered, and too many that do are refused. */
static void test_slow_device(void **state)
{
    struct world *world = *state;
    begin(world, "gramine");
    for (uint32_t i = 0; world->answer_count == 0; i++) {
        assert_true(i <= CELLA_ATTESTER_WAITING_MAX + 1);
        assert_int_equal(ask(world, i, 1, true), CELLA_OK);
    }
    assert_int_equal(world->answers[0].status, CELLA_BUSY);
    assert_int_equal(ask(world, 500, 1, false), CELLA_OK);
    assert_int_equal(world->answers[1].request, 500);
    assert_int_equal(world->answers[1].status, CELLA_OK);
    cella_sessions_drop(world->sessions);
    answer_pipe(world); /* for the one that was with the device */
    run(world, 3, 200);
    assert_int_equal(world->answer_count, 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_answer_at_once),
        CASE(test_fresh_answers_come_later_each_to_its_own),
        CASE(test_front_dies_meanwhile),
        CASE(test_certificate_is_asked_for_again),
        CASE(test_device_that_fails),
        CASE(test_slow_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
