/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "trust/evidence_soft.h"
#include "trust/mutual.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Root: the public key of the zero seed. */
static const char policy_text[] =
    "{\"version\":1,\"accept\":[\"soft\"],\"measurement\":[{\"name\":\"zero\",\"type\":\"soft\",\"value\":\"sha256:"
    "0000000000000000000000000000000000000000000000000000000000000000\"}],"
    "\"soft\":{\"roots\":[\"ed25519:O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik\"],\"layers\":[]}}";

struct side {
    struct cella_mutual *run;
    struct cella_secret seed;
    struct cella_policy policy;
};

static void must(cella_status status)
{
    if (status != CELLA_OK) {
        abort();
    }
}

static cella_status sign(void *context, enum cella_mutual_side side, const uint8_t *transcript,
                         uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE])
{
    const struct side *own = context;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    must(cella_mutual_proof_message(side, transcript, &message));
    return cella_ed25519_sign(&own->seed, cella_bytes_view(&message), signature);
}

/* Always the same keys and randomness, so that the messages of a corpus stay what they were. */
static void side_begin(struct side *side, enum cella_mutual_side which)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret ephemeral = { 0 };
    struct cella_mutual_setup setup = {
        .side = which, .purpose = "join", .policy = &side->policy, .sign = sign, .context = side
    };
    uint8_t nonce[CELLA_NONCE_SIZE];
    must(cella_secret_resize(&side->seed, CELLA_ED25519_KEY_SIZE));
    memset(side->seed.data, (int) which, side->seed.size);
    must(cella_secret_resize(&ephemeral, CELLA_X25519_KEY_SIZE));
    memset(ephemeral.data, 64 + (int) which, ephemeral.size);
    memset(nonce, 128 + (int) which, sizeof(nonce));
    must(cella_policy_parse(cella_view_of_string(policy_text), NULL, &side->policy));
    must(cella_ed25519_public(&side->seed, setup.keys.sign));
    memset(setup.keys.seal, 192 + (int) which, sizeof(setup.keys.seal));
    must(cella_mutual_new_with(&setup, &ephemeral, nonce, &side->run));
}

static void side_end(struct side *side)
{
    cella_mutual_free(side->run);
    cella_secret_clear(&side->seed);
    cella_policy_clear(&side->policy);
}

static cella_status step(struct side *side, struct cella_view message, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret root = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes evidence = { 0 };
    const uint8_t measurement[CELLA_SHA256_SIZE] = { 0 };
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    uint8_t nonce[CELLA_NONCE_SIZE];
    CELLA_TRY(cella_mutual_receive(side->run, message, 0, out));
    if (cella_mutual_state(side->run) != CELLA_MUTUAL_ATTEST) {
        return CELLA_OK;
    }
    must(cella_secret_resize(&root, CELLA_ED25519_KEY_SIZE));
    must(cella_mutual_wanted(side->run, report_data, nonce));
    must(cella_evidence_soft_make(&root, 0, measurement, report_data, 0, &evidence));
    must(cella_mutual_attest(side->run, CELLA_EVIDENCE_SOFT, cella_bytes_view(&evidence), (struct cella_view){ 0 },
                             out));
    return CELLA_OK;
}

/* The layouts alone, without the tags that keep a fuzzer out: what is read is written back as it was. */
static void read_layouts(struct cella_view input)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes written = { 0 };
    struct cella_mutual_hello hello;
    struct cella_mutual_proof proof;
    size_t message_size;
    if (cella_mutual_message_size(input, &message_size) == CELLA_OK) {
        assert(message_size == 0 || (message_size >= CELLA_MUTUAL_HEADER_SIZE + CELLA_GCM_TAG_SIZE &&
                                     message_size <= CELLA_MUTUAL_MESSAGE_MAX));
    }
    if (cella_mutual_hello_read(input, &hello) == CELLA_OK) {
        uint8_t bytes[CELLA_MUTUAL_HELLO_SIZE];
        cella_mutual_hello_write(&hello, bytes);
        assert(memcmp(bytes, input.data, sizeof(bytes)) == 0);
    }
    if (cella_mutual_proof_read(input, &proof) == CELLA_OK && proof.type != CELLA_EVIDENCE_NONE) {
        must(cella_mutual_attested_write(proof.type, proof.evidence, proof.endorsements, &written));
        assert(cella_view_equal(cella_bytes_view(&written), proof.attested));
        assert(proof.attested.size + proof.signature.size == input.size);
    }
}

/* The responder has sealed nothing but its end. */
static void offer_to_channel(struct side *initiator, struct side *responder, struct cella_view record)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret plain = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes end = { 0 };
    struct cella_mutual_channel *one = NULL;
    struct cella_mutual_channel *other = NULL;
    must(cella_mutual_take_channel(initiator->run, &one));
    must(cella_mutual_take_channel(responder->run, &other));
    must(cella_mutual_channel_close(other, &end));
    cella_status status = cella_mutual_channel_open(one, record, &plain);
    bool same = cella_view_equal(record, cella_bytes_view(&end));
    assert(status == CELLA_CLOSED ? same : status != CELLA_OK && !same);
    assert(cella_mutual_channel_end(one) == (same ? CELLA_OK : status));
    cella_mutual_channel_free(one);
    cella_mutual_channel_free(other);
}

/*
 * First byte: which message of an honest run the rest takes the place of (1 to 4), a record after it (5), or the
 * layouts. Only the honest message is accepted; a hello is answered, but the answer is then refused.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct side sides[2] = { { 0 }, { 0 } };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes honest = { 0 };
    if (size == 0) {
        return 0;
    }
    size_t place = data[0] % 6;
    struct cella_view input = cella_view_of(data + 1, size - 1);
    if (place == 0) {
        read_layouts(input);
        return 0;
    }
    side_begin(&sides[0], CELLA_MUTUAL_INITIATOR);
    side_begin(&sides[1], CELLA_MUTUAL_RESPONDER);
    must(cella_mutual_start(sides[0].run, &honest));
    for (size_t number = 1; number <= 4; number++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes answer = { 0 };
        struct side *receiver = &sides[number % 2];
        bool replaced = number == place;
        bool same = !replaced || cella_view_equal(input, cella_bytes_view(&honest));
        cella_status status = step(receiver, replaced ? input : cella_bytes_view(&honest), &answer);
        if (number == 1 && status == CELLA_OK && !same) {
            status = step(&sides[0], cella_bytes_view(&answer), &honest);
        }
        assert((status == CELLA_OK) == same);
        if (!same) {
            place = 0;
            break;
        }
        cella_bytes_take(&honest, &answer);
    }
    if (place == 5) {
        offer_to_channel(&sides[0], &sides[1], input);
    }
    side_end(&sides[0]);
    side_end(&sides[1]);
    return 0;
}
