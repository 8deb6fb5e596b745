/* SPDX-License-Identifier: Apache-2.0 */
#include "mutual_pair.h"

#include <errno.h>
#include <sys/mman.h>

/* Two honest executors; each test lets somebody cheat. */
struct pair {
    struct member first;  /* initiator */
    struct member second; /* responder */
    struct messages messages;
};

static int set_up(void **state)
{
    struct pair *pair = test_calloc(1, sizeof(*pair));
    member_begin(&pair->first, CELLA_MUTUAL_INITIATOR, 1);
    member_begin(&pair->second, CELLA_MUTUAL_RESPONDER, 2);
    *state = pair;
    return 0;
}

static int tear_down(void **state)
{
    struct pair *pair = *state;
    member_end(&pair->first);
    member_end(&pair->second);
    messages_clear(&pair->messages);
    test_free(pair);
    return 0;
}

/* Who receives message number. */
static struct member *receiver_of(struct pair *pair, size_t number)
{
    return number % 2 == 1 ? &pair->second : &pair->first;
}

static struct cella_view message_of(struct pair *pair, size_t number)
{
    return cella_bytes_view(&pair->messages.list[number]);
}

/* Honest up to message number, which is delivered as it stands in messages. */
static cella_status deliver(struct pair *pair, size_t number)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    return member_step(receiver_of(pair, number), message_of(pair, number), &out);
}

/* Refused with that status; and so is whatever comes afterwards. */
static void assert_failed(struct member *member, cella_status status)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    struct cella_mutual_channel *channel = NULL;
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    uint8_t nonce[CELLA_NONCE_SIZE];
    assert_int_equal(cella_mutual_state(member->run), CELLA_MUTUAL_FAILED);
    assert_int_equal(cella_mutual_status(member->run), status);
    assert_int_equal(cella_mutual_start(member->run, &out), status);
    assert_int_equal(cella_mutual_receive(member->run, cella_view_of_string("x"), NOW, &out), status);
    assert_int_equal(cella_mutual_wanted(member->run, report_data, nonce), status);
    assert_int_equal(cella_mutual_attest(member->run, CELLA_EVIDENCE_SOFT, (struct cella_view){ 0 },
                                         (struct cella_view){ 0 }, &out),
                     status);
    assert_int_equal(cella_mutual_take_channel(member->run, &channel), status);
    assert_null(cella_mutual_peer(member->run));
    assert_int_equal(out.size, 0);
}

/* Message number, as somebody has made it, is refused with that status. */
static void assert_refused(struct pair *pair, size_t number, cella_status status)
{
    assert_int_equal(deliver(pair, number), status);
    assert_failed(receiver_of(pair, number), status);
}

/* A run in which one member lies: the message that carries the lie is refused by the other. */
static void assert_lie_refused(struct pair *pair, enum cella_mutual_side liar, cella_status status)
{
    size_t number = liar == CELLA_MUTUAL_INITIATOR ? 3 : 2;
    messages_make(&pair->first, &pair->second, number, &pair->messages);
    assert_refused(pair, number, status);
}

static struct member *member_of(struct pair *pair, enum cella_mutual_side side)
{
    return side == CELLA_MUTUAL_INITIATOR ? &pair->first : &pair->second;
}

static void send_across(struct cella_mutual_channel *from, struct cella_mutual_channel *to, const char *text)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes record = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret plain = { 0 };
    assert_int_equal(cella_mutual_channel_seal(from, cella_view_of_string(text), &record), CELLA_OK);
    assert_int_equal(cella_mutual_channel_open(to, cella_bytes_view(&record), &plain), CELLA_OK);
    assert_true(cella_view_is(cella_secret_view(&plain), text));
}

static void test_both_accept(void **state)
{
    struct pair *pair = *state;
    struct cella_mutual_channel *one = NULL;
    struct cella_mutual_channel *other = NULL;
    messages_make(&pair->first, &pair->second, 4, &pair->messages);
    assert_true(member_is_open(&pair->second) && !member_is_open(&pair->first));
    assert_null(cella_mutual_peer(pair->first.run));
    assert_int_equal(deliver(pair, 4), CELLA_OK);
    assert_true(member_is_open(&pair->first));
    assert_memory_equal(cella_mutual_peer(pair->first.run), &pair->second.setup.keys, sizeof(struct cella_key_set));
    assert_memory_equal(cella_mutual_peer(pair->second.run), &pair->first.setup.keys, sizeof(struct cella_key_set));
    assert_int_equal(cella_mutual_report(pair->first.run)->level, 2);
    assert_string_equal(cella_mutual_report(pair->second.run)->measurement_name, "release");
    assert_int_equal(cella_mutual_take_channel(pair->first.run, &one), CELLA_OK);
    assert_int_equal(cella_mutual_take_channel(pair->second.run, &other), CELLA_OK);
    assert_int_equal(cella_mutual_take_channel(pair->first.run, &one), CELLA_BAD_STATE);
    send_across(one, other, "from the initiator");
    send_across(other, one, "from the responder");
    cella_mutual_channel_free(one);
    cella_mutual_channel_free(other);
}

static void test_sizes_of_messages(void **state)
{
    struct pair *pair = *state;
    static const size_t sizes[] = { 0, 200, 8 + 192 + 8 + 4 + 214 + 4 + 64 + 16, 8 + 8 + 4 + 214 + 4 + 64 + 16,
                                    24 };
    messages_make(&pair->first, &pair->second, 4, &pair->messages);
    for (size_t i = 1; i <= 4; i++) {
        size_t size;
        assert_int_equal(message_of(pair, i).size, sizes[i]);
        assert_int_equal(cella_mutual_message_size(message_of(pair, i), &size), CELLA_OK);
        assert_int_equal(size, sizes[i]);
        assert_int_equal(cella_mutual_message_size(cella_view_of(message_of(pair, i).data, 7), &size), CELLA_OK);
        assert_int_equal(size, 0);
    }
}

/* ---- an attacker who changes bytes ---- */

/* No message survives a change, whichever byte: its receiver, or for the hello the initiator, refuses. */
static void test_every_byte_flipped(void **state)
{
    struct pair *pair = *state;
    for (size_t number = 1; number <= 4; number++) {
        size_t size = 1;
        for (size_t i = 0; i < size; i++) {
            messages_make(&pair->first, &pair->second, number, &pair->messages);
            size = message_of(pair, number).size;
            pair->messages.list[number].data[i] ^= (uint8_t) (1 << i % 8);
            cella_status status = deliver(pair, number);
            if (number == 1 && status == CELLA_OK) {
                assert_int_equal(cella_mutual_state(pair->second.run), CELLA_MUTUAL_RECEIVE);
                continue; /* what the initiator makes of the answer: the next test */
            }
            assert_int_not_equal(status, CELLA_OK);
            assert_failed(receiver_of(pair, number), status);
            assert_false(member_is_open(&pair->first));
            assert_true(number == 4 || !member_is_open(&pair->second));
        }
        assert_true(size >= 24);
    }
}

/* A changed hello that the responder can not know to be changed: its answer is for somebody else. */
static void test_every_byte_of_the_hello_flipped(void **state)
{
    struct pair *pair = *state;
    size_t answered = 0;
    for (size_t i = 0; i < 200; i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes answer = { 0 };
        messages_make(&pair->first, &pair->second, 1, &pair->messages);
        pair->messages.list[1].data[i] ^= (uint8_t) (1 << i % 8);
        if (member_step(&pair->second, message_of(pair, 1), &answer) != CELLA_OK) {
            continue;
        }
        answered++;
        /* The unused top bit of an X25519 key: the secret is the same, the transcript is not. */
        assert_int_equal(member_step(&pair->first, cella_bytes_view(&answer), &answer), CELLA_BAD_TAG);
        assert_failed(&pair->first, CELLA_BAD_TAG);
    }
    assert_int_equal(answered, 64 + 32 + 32); /* keys, nonce, ephemeral */
}

static void test_every_size(void **state)
{
    struct pair *pair = *state;
    for (size_t number = 1; number <= 4; number++) {
        size_t size = 1;
        for (size_t i = 0; i < size; i++) {
            messages_make(&pair->first, &pair->second, number, &pair->messages);
            size = message_of(pair, number).size;
            pair->messages.list[number].size = i;
            assert_refused(pair, number, CELLA_BAD_FORMAT);
        }
    }
}

/* Cut or grown together with the size in the header: what is authentic is not that long. */
static void test_shorter_and_longer_by_the_header(void **state)
{
    struct pair *pair = *state;
    static const int changes[] = { -1, 1 };
    for (size_t number = 1; number <= 4; number++) {
        for (size_t i = 0; i < 2; i++) {
            messages_make(&pair->first, &pair->second, number, &pair->messages);
            struct cella_bytes *message = &pair->messages.list[number];
            assert_int_equal(cella_bytes_resize(message, message->size + (size_t) changes[i]), CELLA_OK);
            cella_mutual_header((enum cella_mutual_kind) number, message->size - 8, message->data);
            bool fixed = number == 1 || number == 4;
            assert_refused(pair, number,
                           !fixed           ? CELLA_BAD_TAG
                           : changes[i] < 0 ? CELLA_BAD_FORMAT
                                            : CELLA_TOO_LARGE);
        }
    }
}

static void test_extra_bytes_after_a_message(void **state)
{
    struct pair *pair = *state;
    for (size_t number = 1; number <= 4; number++) {
        messages_make(&pair->first, &pair->second, number, &pair->messages);
        assert_int_equal(cella_bytes_append(&pair->messages.list[number], cella_view_of("", 1)), CELLA_OK);
        assert_refused(pair, number, CELLA_BAD_FORMAT);
    }
}

static void test_sizes_above_their_limits(void **state)
{
    struct pair *pair = *state;
    static const size_t most[] = { 0, 192, 4210988, 4210796, 16 };
    for (size_t number = 1; number <= 4; number++) {
        size_t size;
        messages_make(&pair->first, &pair->second, number, &pair->messages);
        cella_mutual_header((enum cella_mutual_kind) number, most[number], pair->messages.list[number].data);
        assert_int_equal(cella_mutual_message_size(message_of(pair, number), &size), CELLA_OK);
        assert_true(size == 8 + most[number] && size <= CELLA_MUTUAL_MESSAGE_MAX);
        cella_mutual_header((enum cella_mutual_kind) number, most[number] + 1, pair->messages.list[number].data);
        assert_int_equal(cella_mutual_message_size(message_of(pair, number), &size), CELLA_TOO_LARGE);
        assert_refused(pair, number, CELLA_TOO_LARGE);
    }
}

static void test_version_downgrade(void **state)
{
    struct pair *pair = *state;
    static const uint8_t versions[] = { 0, 2, 255 };
    for (size_t number = 1; number <= 4; number++) {
        for (size_t i = 0; i < sizeof(versions); i++) {
            messages_make(&pair->first, &pair->second, number, &pair->messages);
            pair->messages.list[number].data[0] = versions[i];
            assert_refused(pair, number, CELLA_BAD_VERSION);
        }
    }
}

/* ---- an attacker who drops, repeats, reorders and replays ---- */

/* Every message at every point where another one is due; kinds of the channel, too. */
static void test_messages_out_of_order(void **state)
{
    struct pair *pair = *state;
    struct messages old = { 0 };
    messages_make(&pair->first, &pair->second, 4, &old);
    for (size_t due = 1; due <= 4; due++) {
        for (size_t number = 1; number <= 4; number++) {
            if (number != due) {
                messages_make(&pair->first, &pair->second, due, &pair->messages);
                assert_int_equal(cella_bytes_set(&pair->messages.list[due], cella_bytes_view(&old.list[number])),
                                 CELLA_OK);
                assert_refused(pair, due, CELLA_BAD_STATE);
            }
        }
        for (unsigned int kind = CELLA_MUTUAL_KIND_RECORD; kind <= CELLA_MUTUAL_KIND_CLOSE; kind++) {
            messages_make(&pair->first, &pair->second, due, &pair->messages);
            assert_int_equal(cella_bytes_resize(&pair->messages.list[due], 24), CELLA_OK);
            cella_mutual_header((enum cella_mutual_kind) kind, 16, pair->messages.list[due].data);
            assert_refused(pair, due, CELLA_BAD_STATE);
        }
    }
    messages_clear(&old);
}

/* One message lost: the one after it is not due at its receiver, who still waits for the lost one. */
static void test_every_message_dropped(void **state)
{
    struct pair *pair = *state;
    for (size_t lost = 1; lost <= 2; lost++) {
        struct messages old = { 0 };
        messages_make(&pair->first, &pair->second, 4, &old);
        messages_make(&pair->first, &pair->second, lost, &pair->messages);
        struct member *receiver = receiver_of(pair, lost);
        assert_int_equal(member_step(receiver, cella_bytes_view(&old.list[lost + 2]), &pair->messages.list[0]),
                         CELLA_BAD_STATE);
        assert_failed(receiver, CELLA_BAD_STATE);
        messages_clear(&old);
    }
    messages_make(&pair->first, &pair->second, 3, &pair->messages); /* 3 and 4 lost: both wait, nobody is open */
    assert_int_equal(cella_mutual_state(pair->second.run), CELLA_MUTUAL_RECEIVE);
    assert_int_equal(cella_mutual_state(pair->first.run), CELLA_MUTUAL_RECEIVE);
}

static void test_every_message_twice(void **state)
{
    struct pair *pair = *state;
    for (size_t number = 1; number <= 4; number++) {
        messages_make(&pair->first, &pair->second, number, &pair->messages);
        assert_int_equal(deliver(pair, number), CELLA_OK);
        assert_refused(pair, number, CELLA_BAD_STATE);
    }
}

static void test_every_message_of_another_run(void **state)
{
    struct pair *pair = *state;
    struct messages old = { 0 };
    messages_make(&pair->first, &pair->second, 4, &old);
    for (size_t number = 2; number <= 4; number++) {
        messages_make(&pair->first, &pair->second, number, &pair->messages);
        assert_int_equal(cella_bytes_set(&pair->messages.list[number], cella_bytes_view(&old.list[number])),
                         CELLA_OK);
        assert_refused(pair, number, CELLA_BAD_TAG);
    }
    messages_clear(&old);
}

/* The whole of an old run, to a responder who knows nothing of it. */
static void test_replay_of_an_old_run(void **state)
{
    struct pair *pair = *state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes answer = { 0 };
    messages_make(&pair->first, &pair->second, 4, &pair->messages);
    member_new(&pair->second);
    assert_int_equal(member_step(&pair->second, message_of(pair, 1), &answer), CELLA_OK);
    assert_refused(pair, 3, CELLA_BAD_TAG);
}

/* Somebody who has the keys of its signatures replays evidence that was good a moment ago. */
static void test_replay_of_old_evidence(void **state)
{
    struct pair *pair = *state;
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    uint8_t nonce[CELLA_NONCE_SIZE];
    for (int side = CELLA_MUTUAL_INITIATOR; side <= CELLA_MUTUAL_RESPONDER; side++) {
        struct member *liar = member_of(pair, (enum cella_mutual_side) side);
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
        messages_make(&pair->first, &pair->second, 2, &pair->messages);
        member_new(&pair->second);
        struct cella_view before = message_of(pair, side == CELLA_MUTUAL_INITIATOR ? 2 : 1);
        assert_int_equal(cella_mutual_receive(liar->run, before, NOW, &out), CELLA_OK);
        assert_int_equal(cella_mutual_wanted(liar->run, report_data, nonce), CELLA_OK);
        liar->nonce = cella_view_of(nonce, sizeof(nonce));
        assert_lie_refused(pair, (enum cella_mutual_side) side, CELLA_BINDING);
        liar->nonce = (struct cella_view){ 0 };
    }
}

/* ---- reflection and roles ---- */

/* An initiator gets back what it sent: as it is, and dressed up as the answer. */
static void test_reflection_of_messages(void **state)
{
    struct pair *pair = *state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    messages_make(&pair->first, &pair->second, 1, &pair->messages);
    assert_int_equal(member_step(&pair->first, message_of(pair, 1), &out), CELLA_BAD_STATE);
    assert_failed(&pair->first, CELLA_BAD_STATE);

    messages_make(&pair->first, &pair->second, 2, &pair->messages);
    memcpy(pair->messages.list[2].data + 8, pair->messages.list[1].data + 8, CELLA_MUTUAL_HELLO_SIZE);
    assert_refused(pair, 2, CELLA_REFLECTED);

    messages_make(&pair->first, &pair->second, 3, &pair->messages);
    assert_int_equal(member_step(&pair->first, message_of(pair, 3), &out), CELLA_BAD_STATE);
    assert_failed(&pair->first, CELLA_BAD_STATE);
}

/* An executor that is made to talk to itself: its initiator and its responder have the same keys. */
static void test_reflection_of_the_executor(void **state)
{
    struct pair *pair = *state;
    struct member *second = &pair->second;
    const struct cella_key_set own = second->setup.keys;
    second->setup.keys = pair->first.setup.keys;
    messages_make(&pair->first, second, 1, &pair->messages);
    assert_refused(pair, 1, CELLA_REFLECTED);
    second->setup.keys = own;
    memcpy(second->setup.keys.sign, pair->first.setup.keys.sign, 32);
    messages_make(&pair->first, second, 1, &pair->messages);
    assert_refused(pair, 1, CELLA_REFLECTED);
    second->setup.keys = own;
    memcpy(second->setup.keys.seal, pair->first.setup.keys.seal, 32);
    messages_make(&pair->first, second, 1, &pair->messages);
    assert_refused(pair, 1, CELLA_REFLECTED);
}

/* Nonce or ephemeral of the other side, sent back as one's own. */
static void test_reflection_of_parts(void **state)
{
    struct pair *pair = *state;
    static const size_t offsets[] = { 8 + 32 + 32, 8 + 32 + 32 + 32, 8 + 128, 8 + 160 };
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        messages_make(&pair->first, &pair->second, 2, &pair->messages);
        memcpy(pair->messages.list[2].data + offsets[i], pair->messages.list[1].data + offsets[i], 32);
        assert_refused(pair, 2, CELLA_REFLECTED);
    }
}

/* Two initiators, two responders; evidence and signature of the other role. */
static void test_role_swap(void **state)
{
    struct pair *pair = *state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    messages_make(&pair->first, &pair->second, 2, &pair->messages);
    pair->second.setup.side = CELLA_MUTUAL_INITIATOR;
    member_new(&pair->second);
    assert_int_equal(cella_mutual_start(pair->second.run, &out), CELLA_OK);
    assert_int_equal(member_step(&pair->second, message_of(pair, 1), &out), CELLA_BAD_STATE);
    pair->second.setup.side = CELLA_MUTUAL_RESPONDER;
    member_new(&pair->second);
    assert_int_equal(member_step(&pair->second, message_of(pair, 2), &out), CELLA_BAD_STATE);

    pair->first.role = CELLA_ROLE_MUTUAL_RESPONDER;
    assert_lie_refused(pair, CELLA_MUTUAL_INITIATOR, CELLA_BINDING);
    pair->first.role = CELLA_ROLE_EXECUTOR; /* what a client is given */
    assert_lie_refused(pair, CELLA_MUTUAL_INITIATOR, CELLA_BINDING);
    pair->first.role = 0;
    pair->second.role = CELLA_ROLE_MUTUAL_INITIATOR;
    assert_lie_refused(pair, CELLA_MUTUAL_RESPONDER, CELLA_BINDING);
    pair->second.role = CELLA_ROLE_EXECUTOR;
    assert_lie_refused(pair, CELLA_MUTUAL_RESPONDER, CELLA_BINDING);
    pair->second.role = 0;
    pair->first.sign_as = CELLA_MUTUAL_RESPONDER;
    assert_lie_refused(pair, CELLA_MUTUAL_INITIATOR, CELLA_BAD_SIGNATURE);
    pair->first.sign_as = 0;
    pair->second.sign_as = CELLA_MUTUAL_INITIATOR;
    assert_lie_refused(pair, CELLA_MUTUAL_RESPONDER, CELLA_BAD_SIGNATURE);
}

/* ---- charters, purposes ---- */

static void test_different_charters(void **state)
{
    struct pair *pair = *state;
    pair->second.setup.charter = cella_view_of_string("{\"version\":1,\"enrol\":\"open\"}");
    messages_make(&pair->first, &pair->second, 1, &pair->messages);
    assert_refused(pair, 1, CELLA_CHARTER);

    /* Somebody in between makes the hellos agree: the answer shows the other charter, or is not for this hello. */
    messages_make(&pair->first, &pair->second, 1, &pair->messages);
    uint8_t digest[CELLA_SHA256_SIZE];
    memcpy(digest, pair->messages.list[1].data + 8 + 32, sizeof(digest));
    assert_int_equal(cella_sha256(pair->second.setup.charter, pair->messages.list[1].data + 8 + 32), CELLA_OK);
    assert_int_equal(member_step(&pair->second, message_of(pair, 1), &pair->messages.list[2]), CELLA_OK);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes copy = { 0 };
    assert_int_equal(cella_bytes_set(&copy, message_of(pair, 2)), CELLA_OK);
    assert_refused(pair, 2, CELLA_CHARTER);
    member_new(&pair->first);
    assert_int_equal(cella_mutual_start(pair->first.run, &pair->messages.list[0]), CELLA_OK);
    memcpy(copy.data + 8 + 32, digest, sizeof(digest));
    assert_int_equal(member_step(&pair->first, cella_bytes_view(&copy), &pair->messages.list[0]), CELLA_BAD_TAG);
}

/* An executor that claims a charter which its platform did not vouch for. */
static void test_evidence_for_another_charter(void **state)
{
    struct pair *pair = *state;
    for (int side = CELLA_MUTUAL_INITIATOR; side <= CELLA_MUTUAL_RESPONDER; side++) {
        struct member *liar = member_of(pair, (enum cella_mutual_side) side);
        liar->charter = cella_view_of_string("{\"version\":1,\"enrol\":\"open\"}");
        assert_lie_refused(pair, (enum cella_mutual_side) side, CELLA_BINDING);
        liar->charter = (struct cella_view){ 0 };
    }
}

static void test_purpose(void **state)
{
    struct pair *pair = *state;
    pair->second.setup.purpose = "hand over keys";
    messages_make(&pair->first, &pair->second, 1, &pair->messages);
    assert_refused(pair, 1, CELLA_DIVERTED);
}

/* ---- diversion, somebody in between ---- */

static void key_digest(const struct member *member, uint8_t out[CELLA_SHA256_SIZE])
{
    assert_int_equal(cella_sha256(cella_view_of(&member->setup.keys, 64), out), CELLA_OK);
}

/* The initiator wants one executor and is led to another, whose evidence is just as good; and the other way round.
 */
static void test_diversion_to_another_executor(void **state)
{
    struct pair *pair = *state;
    struct member third;
    uint8_t wanted[CELLA_SHA256_SIZE];
    member_begin(&third, CELLA_MUTUAL_RESPONDER, 3);
    key_digest(&pair->second, wanted);
    pair->first.setup.peer = wanted;
    messages_make(&pair->first, &pair->second, 4, &pair->messages);
    assert_int_equal(deliver(pair, 4), CELLA_OK);
    messages_make(&pair->first, &third, 2, &pair->messages);
    assert_refused(pair, 2, CELLA_DIVERTED);

    pair->first.setup.peer = NULL;
    key_digest(&third, wanted);
    pair->second.setup.peer = wanted;
    messages_make(&pair->first, &pair->second, 1, &pair->messages);
    assert_refused(pair, 1, CELLA_DIVERTED);
    member_end(&third);
}

/* One run is led on to a third executor after its first half. */
static void test_diversion_in_the_middle_of_a_run(void **state)
{
    struct pair *pair = *state;
    struct member third;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    member_begin(&third, CELLA_MUTUAL_RESPONDER, 3);
    member_new(&third);
    messages_make(&pair->first, &pair->second, 3, &pair->messages);
    assert_int_equal(member_step(&third, message_of(pair, 1), &out), CELLA_OK);
    assert_int_equal(member_step(&third, message_of(pair, 3), &out), CELLA_BAD_TAG);
    assert_failed(&third, CELLA_BAD_TAG);
    member_end(&third);
}

/*
 * Two honest pairs, and each gets the messages of the other one: A talks to B and C to D; the attacker crosses
 * them. All four would accept each other, but not so.
 */
static void test_crossed_pairs(void **state)
{
    struct pair *pair = *state;
    struct messages others = { 0 };
    struct member third;
    struct member fourth;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    member_begin(&third, CELLA_MUTUAL_INITIATOR, 3);
    member_begin(&fourth, CELLA_MUTUAL_RESPONDER, 4);
    for (size_t number = 2; number <= 4; number++) {
        messages_make(&pair->first, &pair->second, number, &pair->messages);
        messages_make(&third, &fourth, number, &others);
        assert_int_equal(member_step(receiver_of(pair, number), cella_bytes_view(&others.list[number]), &out),
                         CELLA_BAD_TAG);
        assert_failed(receiver_of(pair, number), CELLA_BAD_TAG);
    }
    messages_clear(&others);
    member_end(&third);
    member_end(&fourth);
}

/* Unknown key share: the responder is told that the hello is from somebody else, whose keys the attacker puts
 * there. */
static void test_unknown_key_share(void **state)
{
    struct pair *pair = *state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes answer = { 0 };
    messages_make(&pair->first, &pair->second, 1, &pair->messages);
    memset(pair->messages.list[1].data + 8 + 64, 0x77, 64);
    assert_int_equal(member_step(&pair->second, message_of(pair, 1), &answer), CELLA_OK);
    assert_int_equal(member_step(&pair->first, cella_bytes_view(&answer), &answer), CELLA_BAD_TAG);
    assert_failed(&pair->first, CELLA_BAD_TAG);

    /* The same in the answer, where the initiator is told that it talks to somebody else. */
    messages_make(&pair->first, &pair->second, 2, &pair->messages);
    memset(pair->messages.list[2].data + 8 + 64, 0x77, 64);
    assert_refused(pair, 2, CELLA_BAD_TAG);
}

/* Between the two: an ephemeral of one's own towards each. What can be read is read, opened and sealed again. */
struct middle {
    struct cella_secret ephemeral;
    uint8_t public_key[CELLA_X25519_KEY_SIZE];
};

static void middle_begin(struct middle *middle)
{
    *middle = (struct middle){ 0 };
    assert_int_equal(cella_secret_random(&middle->ephemeral, 32), CELLA_OK);
    assert_int_equal(cella_x25519_public(&middle->ephemeral, middle->public_key), CELLA_OK);
}

/* h2 and the secret of a side whose hello the attacker answers with his own ephemeral. */
static struct cella_secret middle_agree(const struct middle *middle, const uint8_t *hello_i, const uint8_t *hello_r,
                                        const uint8_t *theirs, uint8_t hash[CELLA_SHA256_SIZE])
{
    struct cella_secret shared = { 0 };
    attacker_begin(hash);
    attacker_mix(hash, 1, cella_view_of(hello_i, CELLA_MUTUAL_HELLO_SIZE));
    attacker_mix(hash, 2, cella_view_of(hello_r, CELLA_MUTUAL_HELLO_SIZE));
    assert_int_equal(cella_x25519_derive(&middle->ephemeral, theirs, &shared), CELLA_OK);
    return shared;
}

/*
 * The attacker runs with the responder under the initiator's name, opens the answer, and seals it anew for the
 * initiator. resign: he has stolen the responder's signing key, too.
 */
static void middle_relay(struct pair *pair, const struct middle *middle, const struct cella_secret *stolen,
                         struct cella_bytes *forged)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes proof = { 0 };
    uint8_t towards_first[CELLA_SHA256_SIZE];
    uint8_t towards_second[CELLA_SHA256_SIZE];
    uint8_t hello_i[CELLA_MUTUAL_HELLO_SIZE];
    messages_make(&pair->first, &pair->second, 1, &pair->messages);
    memcpy(hello_i, pair->messages.list[1].data + 8, sizeof(hello_i));
    memcpy(pair->messages.list[1].data + 8 + 160, middle->public_key, 32);
    assert_int_equal(member_step(&pair->second, message_of(pair, 1), &pair->messages.list[2]), CELLA_OK);
    uint8_t *answer = pair->messages.list[2].data + 8;

    struct cella_secret shared =
        middle_agree(middle, pair->messages.list[1].data + 8, answer, answer + 160, towards_second);
    struct cella_secret key = attacker_key(&shared, towards_second, "responder proof");
    assert_int_equal(cella_mutual_message_open(message_of(pair, 2), CELLA_MUTUAL_HELLO_SIZE, &key, &proof),
                     CELLA_OK);
    cella_secret_clear(&shared);
    cella_secret_clear(&key);

    memcpy(answer + 160, middle->public_key, 32);
    shared = middle_agree(middle, hello_i, answer, hello_i + 160, towards_first);
    key = attacker_key(&shared, towards_first, "responder proof");
    if (stolen != NULL) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
        uint8_t transcript[CELLA_SHA256_SIZE];
        memcpy(transcript, towards_first, sizeof(transcript));
        attacker_mix(transcript, 2, cella_view_of(proof.data, proof.size - 64));
        assert_int_equal(cella_mutual_proof_message(CELLA_MUTUAL_RESPONDER, transcript, &message), CELLA_OK);
        assert_int_equal(cella_ed25519_sign(stolen, cella_bytes_view(&message), proof.data + proof.size - 64),
                         CELLA_OK);
    }
    assert_int_equal(cella_mutual_message_seal(CELLA_MUTUAL_KIND_ANSWER, &key,
                                               cella_view_of(answer, CELLA_MUTUAL_HELLO_SIZE),
                                               cella_bytes_view(&proof), forged),
                     CELLA_OK);
    cella_secret_clear(&shared);
    cella_secret_clear(&key);
}

static void test_somebody_in_between(void **state)
{
    struct pair *pair = *state;
    struct middle middle;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes forged = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    middle_begin(&middle);
    middle_relay(pair, &middle, NULL, &forged);
    assert_int_equal(member_step(&pair->first, cella_bytes_view(&forged), &out), CELLA_BAD_SIGNATURE);
    assert_failed(&pair->first, CELLA_BAD_SIGNATURE);
    cella_secret_clear(&middle.ephemeral);
}

/* The signing key is stolen; the executor is not: its evidence is for other ephemerals. */
static void test_stolen_signing_key(void **state)
{
    struct pair *pair = *state;
    struct middle middle;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes forged = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    middle_begin(&middle);
    middle_relay(pair, &middle, &pair->second.seed, &forged);
    assert_int_equal(member_step(&pair->first, cella_bytes_view(&forged), &out), CELLA_BINDING);
    assert_failed(&pair->first, CELLA_BINDING);
    assert_int_equal(cella_mutual_report(pair->first.run)->status, CELLA_BINDING);
    cella_secret_clear(&middle.ephemeral);
}

static void test_signed_by_another_key(void **state)
{
    struct pair *pair = *state;
    for (int side = CELLA_MUTUAL_INITIATOR; side <= CELLA_MUTUAL_RESPONDER; side++) {
        struct member *liar = member_of(pair, (enum cella_mutual_side) side);
        assert_int_equal(cella_secret_random(&liar->signer, 32), CELLA_OK);
        assert_lie_refused(pair, (enum cella_mutual_side) side, CELLA_BAD_SIGNATURE);
        assert_null(cella_mutual_report(member_of(pair, (enum cella_mutual_side)(3 - side))->run));
        cella_secret_clear(&liar->signer);
    }
}

static void test_ephemeral_of_small_order(void **state)
{
    struct pair *pair = *state;
    messages_make(&pair->first, &pair->second, 1, &pair->messages);
    memset(pair->messages.list[1].data + 8 + 160, 0, 32);
    assert_refused(pair, 1, CELLA_BAD_KEY);
    messages_make(&pair->first, &pair->second, 2, &pair->messages);
    memset(pair->messages.list[2].data + 8 + 160, 0, 32);
    assert_refused(pair, 2, CELLA_BAD_KEY);
}

/* ---- evidence that does not pass ---- */

static void test_evidence_of_another_executor(void **state)
{
    struct pair *pair = *state;
    struct member third;
    member_begin(&third, CELLA_MUTUAL_RESPONDER, 3);
    for (int side = CELLA_MUTUAL_INITIATOR; side <= CELLA_MUTUAL_RESPONDER; side++) {
        struct member *liar = member_of(pair, (enum cella_mutual_side) side);
        liar->keys = &third.setup.keys;
        assert_lie_refused(pair, (enum cella_mutual_side) side, CELLA_BINDING);
        liar->keys = NULL;
    }
    member_end(&third);
}

/* Another build, another root, missing layers: whichever side it is. */
static void test_evidence_against_the_policy(void **state)
{
    struct pair *pair = *state;
    for (int number = CELLA_MUTUAL_INITIATOR; number <= CELLA_MUTUAL_RESPONDER; number++) {
        enum cella_mutual_side side = (enum cella_mutual_side) number;
        struct member *liar = member_of(pair, side);
        liar->measurement[31] ^= 1;
        assert_lie_refused(pair, side, CELLA_MEASUREMENT);
        liar->measurement[31] ^= 1;
        liar->root.data[0] ^= 1;
        assert_lie_refused(pair, side, CELLA_ROOT);
        liar->root.data[0] ^= 1;
        liar->layers = 0;
        assert_lie_refused(pair, side, CELLA_LAYERS);
        liar->layers = CELLA_LAYERS_REQUIRED;
        liar->evidence = cella_view_of_string("CELLASW1 and nothing else");
        assert_lie_refused(pair, side, CELLA_BAD_EVIDENCE);
        liar->evidence = (struct cella_view){ 0 };
        liar->type = CELLA_EVIDENCE_SNP;
        assert_lie_refused(pair, side, CELLA_EVIDENCE_TYPE);
        liar->type = CELLA_EVIDENCE_NONE;
        assert_lie_refused(pair, side, CELLA_EVIDENCE_TYPE);
        liar->type = CELLA_EVIDENCE_SOFT;
        assert_int_equal(cella_mutual_report(member_of(pair, (enum cella_mutual_side)(3 - side))->run)->status,
                         CELLA_EVIDENCE_TYPE);
    }
}

/* What a policy may ask for: each side has its own, and asks for all of it. */
static void test_terms_of_the_policy(void **state)
{
    struct pair *pair = *state;
    for (int number = CELLA_MUTUAL_INITIATOR; number <= CELLA_MUTUAL_RESPONDER; number++) {
        enum cella_mutual_side side = (enum cella_mutual_side) number;
        struct member *judge = member_of(pair, (enum cella_mutual_side)(3 - number));
        struct member *judged = member_of(pair, side);
        member_policy(judge, "3", MEASUREMENT, ROOT, "");
        assert_lie_refused(pair, side, CELLA_LEVEL);
        member_policy(judge, "2", MEASUREMENT, ROOT, ",\"charter\":{\"sha256\":\"" MEASUREMENT "\"}");
        assert_lie_refused(pair, side, CELLA_CHARTER);
        member_policy(judge, "2", MEASUREMENT, ROOT, ",\"freshness\":{\"nonce\":true,\"max_age_s\":60}");
        judged->issued = NOW - 61;
        assert_lie_refused(pair, side, CELLA_EXPIRED);
        judged->issued = NOW;
        messages_make(&pair->first, &pair->second, 4, &pair->messages);
        assert_int_equal(deliver(pair, 4), CELLA_OK);
        member_policy(judge, "2", MEASUREMENT, ROOT, "");
    }
}

static void test_endorsements(void **state)
{
    struct pair *pair = *state;
    pair->second.endorsements = cella_view_of("\x09\0\0\0\x01x", 6);
    assert_lie_refused(pair, CELLA_MUTUAL_RESPONDER, CELLA_BAD_FIELD);
    pair->second.endorsements = cella_view_of("\x01\0\0\0\x02x", 6);
    assert_lie_refused(pair, CELLA_MUTUAL_RESPONDER, CELLA_BAD_FORMAT);
    pair->second.endorsements = cella_view_of("\x08\0\0\0\x01x", 6);
    messages_make(&pair->first, &pair->second, 4, &pair->messages);
    assert_int_equal(deliver(pair, 4), CELLA_OK);
}

/* ---- the own program ---- */

/* A call that is not due, or with too much, changes nothing. */
static void test_calls_that_are_not_due(void **state)
{
    struct pair *pair = *state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes large = { 0 };
    struct cella_mutual_channel *channel = NULL;
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    uint8_t nonce[CELLA_NONCE_SIZE];
    const struct cella_view nothing = { 0 };
    messages_make(&pair->first, &pair->second, 1, &pair->messages);
    assert_int_equal(cella_mutual_start(pair->first.run, &out), CELLA_BAD_STATE);
    assert_int_equal(cella_mutual_start(pair->second.run, &out), CELLA_BAD_STATE);
    assert_int_equal(cella_mutual_wanted(pair->first.run, report_data, nonce), CELLA_BAD_STATE);
    assert_int_equal(cella_mutual_attest(pair->first.run, CELLA_EVIDENCE_SOFT, nothing, nothing, &out),
                     CELLA_BAD_STATE);
    assert_int_equal(cella_mutual_take_channel(pair->first.run, &channel), CELLA_BAD_STATE);
    assert_int_equal(cella_mutual_receive(pair->second.run, message_of(pair, 1), NOW, &out), CELLA_OK);
    assert_int_equal(cella_bytes_resize(&large, CELLA_ENDORSEMENTS_SIZE_MAX + 1), CELLA_OK);
    assert_int_equal(
        cella_mutual_attest(pair->second.run, CELLA_EVIDENCE_SOFT, nothing, cella_bytes_view(&large), &out),
        CELLA_TOO_LARGE);
    assert_int_equal(cella_mutual_attest(pair->second.run, CELLA_EVIDENCE_SOFT,
                                         cella_view_of(large.data, CELLA_EVIDENCE_MAX + 1), nothing, &out),
                     CELLA_TOO_LARGE);
    assert_int_equal(out.size, 0);
    assert_int_equal(member_attest(&pair->second, &pair->messages.list[2]), CELLA_OK);
    assert_int_equal(member_step(&pair->first, message_of(pair, 2), &pair->messages.list[3]), CELLA_OK);
    assert_int_equal(member_step(&pair->second, message_of(pair, 3), &pair->messages.list[4]), CELLA_OK);
    assert_int_equal(deliver(pair, 4), CELLA_OK);
}

/* An answer before there was a question. */
static void test_message_before_the_start(void **state)
{
    struct pair *pair = *state;
    for (size_t number = 1; number <= 4; number++) {
        messages_make(&pair->first, &pair->second, 4, &pair->messages);
        member_new(&pair->first);
        assert_int_equal(member_step(&pair->first, message_of(pair, number), &pair->messages.list[0]),
                         CELLA_BAD_STATE);
        assert_failed(&pair->first, CELLA_BAD_STATE);
    }
}

static void test_setup(void **state)
{
    struct pair *pair = *state;
    struct cella_mutual *run = NULL;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes large = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret ephemeral = { 0 };
    const uint8_t nonce[CELLA_NONCE_SIZE] = { 0 };
    static const char *const purposes[] = { "", "a purpose of thirty-two letters.", "tab\t", "\xc3\xa4" };
    for (size_t i = 0; i < sizeof(purposes) / sizeof(purposes[0]); i++) {
        pair->first.setup.purpose = purposes[i];
        assert_int_equal(cella_mutual_new(&pair->first.setup, &run), CELLA_BAD_FIELD);
    }
    pair->first.setup.purpose = "purpose of thirty-one letters..";
    member_new(&pair->first);
    pair->first.setup.side = (enum cella_mutual_side) 3;
    assert_int_equal(cella_mutual_new(&pair->first.setup, &run), CELLA_BAD_FIELD);
    pair->first.setup.side = CELLA_MUTUAL_INITIATOR;
    assert_int_equal(cella_mutual_new_with(&pair->first.setup, &ephemeral, nonce, &run), CELLA_BAD_KEY);
    assert_int_equal(cella_bytes_resize(&large, CELLA_CHARTER_MAX + 1), CELLA_OK);
    pair->first.setup.charter = cella_bytes_view(&large);
    assert_int_equal(cella_mutual_new(&pair->first.setup, &run), CELLA_BAD_SIZE);
    assert_null(run);
    cella_mutual_free(NULL);
}

static cella_status sign_nothing(void *context, enum cella_mutual_side side, const uint8_t *transcript,
                                 uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE])
{
    (void) context;
    (void) side;
    (void) transcript;
    (void) signature;
    return CELLA_CRYPTO_FAILED;
}

static void test_signing_fails(void **state)
{
    struct pair *pair = *state;
    pair->second.setup.sign = sign_nothing;
    messages_make(&pair->first, &pair->second, 1, &pair->messages);
    assert_refused(pair, 1, CELLA_CRYPTO_FAILED);
}

static bool is_mapped(const void *page)
{
    errno = 0;
    return msync((void *) (uintptr_t) page, 1, MS_ASYNC) == 0 || errno != ENOMEM;
}

/* The ephemeral's pages are given back, wiped by cella_secret_clear, when it was used and when a run fails. */
static void test_secrets_are_wiped(void **state)
{
    struct pair *pair = *state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    const uint8_t nonce[CELLA_NONCE_SIZE] = { 7 };
    for (int failing = 0; failing < 2; failing++) {
        CELLA_CLEANUP(cella_secret_clear) struct cella_secret ephemeral = { 0 };
        messages_make(&pair->first, &pair->second, 1, &pair->messages);
        assert_int_equal(cella_secret_resize(&ephemeral, 1 << 20),
                         CELLA_OK); /* a mapping that nothing else fills */
        assert_int_equal(cella_secret_random(&ephemeral, 32), CELLA_OK);
        const void *page = ephemeral.data + (1 << 19);
        cella_mutual_free(pair->second.run);
        pair->second.run = NULL;
        assert_int_equal(cella_mutual_new_with(&pair->second.setup, &ephemeral, nonce, &pair->second.run),
                         CELLA_OK);
        assert_null(ephemeral.data);
        assert_true(is_mapped(page));
        if (failing == 1) {
            pair->messages.list[1].data[0] = 9;
        }
        assert_int_equal(cella_mutual_receive(pair->second.run, message_of(pair, 1), NOW, &out),
                         failing == 1 ? CELLA_BAD_VERSION : CELLA_OK);
        assert_false(is_mapped(page));
    }
}

/* Once open, a message of the handshake ends the run, and the channel that nobody took with it. */
static void test_message_after_the_end(void **state)
{
    struct pair *pair = *state;
    for (size_t number = 1; number <= 4; number++) {
        messages_make(&pair->first, &pair->second, 4, &pair->messages);
        assert_int_equal(deliver(pair, 4), CELLA_OK);
        assert_int_equal(member_step(&pair->first, message_of(pair, number), &pair->messages.list[0]),
                         CELLA_BAD_STATE);
        assert_failed(&pair->first, CELLA_BAD_STATE);
    }
}

/* The layout of a proof alone, as a dishonest peer may seal it. */
static void test_layout_of_a_proof(void **state)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = { 0 };
    const uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE] = { 9 };
    const size_t size = 7 + 7 + 5 + sizeof(signature);
    struct cella_mutual_proof proof;
    (void) state;
    assert_int_equal(cella_mutual_attested_write(CELLA_EVIDENCE_SNP, cella_view_of_string("abc"),
                                                 cella_view_of_string("x"), &bytes),
                     CELLA_OK);
    assert_int_equal(bytes.size, 7 + 7 + 5);
    assert_int_equal(cella_bytes_append(&bytes, cella_view_of(signature, sizeof(signature))), CELLA_OK);
    assert_int_equal(cella_mutual_proof_read(cella_bytes_view(&bytes), &proof), CELLA_OK);
    assert_int_equal(proof.type, CELLA_EVIDENCE_SNP);
    assert_true(cella_view_is(proof.evidence, "abc") && cella_view_is(proof.endorsements, "x"));
    assert_int_equal(proof.attested.size, 7 + 7 + 5);
    assert_memory_equal(proof.signature.data, signature, sizeof(signature));
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(cella_mutual_proof_read(cella_view_of(bytes.data, i), &proof), CELLA_BAD_FORMAT);
    }
    assert_int_equal(cella_bytes_append(&bytes, cella_view_of("", 1)), CELLA_OK);
    assert_int_equal(cella_mutual_proof_read(cella_bytes_view(&bytes), &proof), CELLA_BAD_FORMAT);
    bytes.size--;
    bytes.data[4] = 'S';
    assert_int_equal(cella_mutual_proof_read(cella_bytes_view(&bytes), &proof), CELLA_OK);
    assert_int_equal(proof.type, CELLA_EVIDENCE_NONE);
    bytes.data[7 + 1] = 1; /* evidence of 64 KiB */
    assert_int_equal(cella_mutual_proof_read(cella_bytes_view(&bytes), &proof), CELLA_TOO_LARGE);
}

/* ---- known answers ---- */

static void member_new_with(struct member *member, uint8_t ephemeral, uint8_t nonce)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    uint8_t bytes[CELLA_NONCE_SIZE];
    assert_int_equal(cella_secret_resize(&key, CELLA_X25519_KEY_SIZE), CELLA_OK);
    memset(key.data, ephemeral, key.size);
    memset(bytes, nonce, sizeof(bytes));
    cella_mutual_free(member->run);
    member->run = NULL;
    assert_int_equal(cella_mutual_new_with(&member->setup, &key, bytes, &member->run), CELLA_OK);
}

/*
 * Digests of the four messages and two records whole, from an implementation of docs/attestation.md section 11 in
 * Python with the package cryptography: ephemerals of bytes 0x41 and 0x42, nonces of 0x51 and 0x52.
 */
static void test_known_answers(void **state)
{
    struct pair *pair = *state;
    static const char *const digests[] = { "", "f15a332e9eba260c1f151d1be841d5bb0134db42649ac23ec500dc09fc02b4db",
                                           "f6054243b79cbef3775700f067bb28cd4d02ba3cdcdf642de8ac4a890929ce3b",
                                           "3b5c531eae61b98ad84340430df8533c44c8cf861032d843550fffed77f583d6",
                                           "3d5fce7b720ec7e6cb37443a580caae3801ee0f6a79f0c1eaac5be439ed7ff88" };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes record = { 0 };
    struct cella_mutual_channel *one = NULL;
    struct cella_mutual_channel *other = NULL;
    member_new_with(&pair->first, 0x41, 0x51);
    member_new_with(&pair->second, 0x42, 0x52);
    assert_int_equal(cella_mutual_start(pair->first.run, &pair->messages.list[1]), CELLA_OK);
    for (size_t number = 1; number <= 4; number++) {
        uint8_t digest[CELLA_SHA256_SIZE];
        struct cella_bytes *next = &pair->messages.list[(number + 1) % 5];
        assert_int_equal(cella_sha256(message_of(pair, number), digest), CELLA_OK);
        assert_hex(digest, sizeof(digest), digests[number]);
        assert_int_equal(member_step(receiver_of(pair, number), message_of(pair, number), next), CELLA_OK);
    }
    assert_int_equal(cella_mutual_take_channel(pair->first.run, &one), CELLA_OK);
    assert_int_equal(cella_mutual_take_channel(pair->second.run, &other), CELLA_OK);
    assert_int_equal(cella_mutual_channel_seal(one, cella_view_of_string("hello"), &record), CELLA_OK);
    assert_hex(record.data, record.size, "01050000000000154a626fa5116e33ad9cb5d2b1b61f99b6835dc964db");
    cella_bytes_clear(&record);
    assert_int_equal(cella_mutual_channel_close(other, &record), CELLA_OK);
    assert_hex(record.data, record.size, "01060000000000109c7a001cd1cdfb53f4764c3eddb61399");
    cella_mutual_channel_free(one);
    cella_mutual_channel_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_accept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sizes_of_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_byte_flipped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_byte_of_the_hello_flipped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_size, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shorter_and_longer_by_the_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_extra_bytes_after_a_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sizes_above_their_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_version_downgrade, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_messages_out_of_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_message_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_message_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_message_of_another_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_replay_of_an_old_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_replay_of_old_evidence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reflection_of_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reflection_of_the_executor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reflection_of_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_role_swap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_different_charters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_evidence_for_another_charter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_purpose, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_diversion_to_another_executor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_diversion_in_the_middle_of_a_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_crossed_pairs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_key_share, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_somebody_in_between, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stolen_signing_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_signed_by_another_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ephemeral_of_small_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_evidence_of_another_executor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_evidence_against_the_policy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_terms_of_the_policy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_endorsements, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_calls_that_are_not_due, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_message_before_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_setup, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_signing_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_secrets_are_wiped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_message_after_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_layout_of_a_proof, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_known_answers, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
