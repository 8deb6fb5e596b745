/* SPDX-License-Identifier: Apache-2.0 */

/* Credential activation between a relying party (trust/tpm_credential.h) and a real software TPM. */

#include "software_tpm.h"

#include "platform/tpm_enrol.h"
#include "platform/tpm_evidence.h"
#include "trust/json.h"
#include "trust/tpm_credential.h"

struct world {
    struct software_tpm tpm;
    struct cella_platform_setup setup;
    struct cella_text trouble;
    json_t *machine; /* what it says of itself */
};

/* False: skipped. */
static bool begin(struct world *world)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    *world = (struct world){ .tpm.other_end = -1 };
    if (!tpm_start(&world->tpm)) {
        return false;
    }
    world->setup = (struct cella_platform_setup){ .root = world->tpm.root };
    if (cella_tpm_identify(&world->setup, &text, &world->trouble) != CELLA_OK) {
        fail_msg("not identified: %s", world->trouble.characters);
    }
    assert_int_equal(cella_json_parse(cella_bytes_view(&text), text.size, &world->machine), CELLA_OK);
    return true;
}

static void end(struct world *world)
{
    json_decref(world->machine);
    tpm_stop(&world->tpm);
}

static void decode(const json_t *text, struct cella_bytes *out)
{
    assert_non_null(json_string_value(text));
    out->size = 0;
    assert_int_equal(cella_base64url_decode(cella_view_of_string(json_string_value(text)), out), CELLA_OK);
}

static void attestation_name(const struct world *world, uint8_t name[CELLA_TPM_NAME_SIZE])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes area = { 0 };
    decode(json_object_get(world->machine, "attestation_key"), &area);
    assert_int_equal(cella_tpm_attestation_name(cella_bytes_view(&area), name), CELLA_OK);
}

/* A challenge for endorsement key number index, and the secret in it. */
static void make_challenge(const struct world *world, size_t index, const uint8_t *name,
                           uint8_t secret[CELLA_TPM_CREDENTIAL_SECRET_SIZE], struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes spki = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes credential = { 0 };
    CELLA_CLEANUP(cella_public_key_cleanup) struct cella_public_key *key = NULL;
    const json_t *entry = json_array_get(json_object_get(world->machine, "endorsements"), index);
    decode(json_object_get(entry, "key"), &spki);
    assert_int_equal(cella_public_key_of_spki(cella_bytes_view(&spki), &key), CELLA_OK);
    assert_int_equal(cella_random(secret, CELLA_TPM_CREDENTIAL_SECRET_SIZE), CELLA_OK);
    assert_int_equal(cella_tpm_credential_make(key, name, secret, &credential), CELLA_OK);
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *json = json_pack("{s:i, s:O, s:o}", "version", 1, "endorsement", json_object_get(entry, "kind"), "credential",
                             cella_json_base64url(cella_bytes_view(&credential)));
    out->size = 0;
    assert_int_equal(cella_json_write(json, out), CELLA_OK);
}

static cella_status answer(struct world *world, const struct cella_bytes *challenge, struct cella_bytes *secret)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = NULL;
    world->trouble.characters[0] = '\0';
    CELLA_TRY(cella_tpm_activate(&world->setup, cella_bytes_view(challenge), &text, &world->trouble));
    assert_int_equal(cella_json_parse(cella_bytes_view(&text), text.size, &json), CELLA_OK);
    decode(json_object_get(json, "secret"), secret);
    return CELLA_OK;
}

static void test_both_endorsement_keys(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes challenge = { 0 };
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes found = { 0 };
        uint8_t name[CELLA_TPM_NAME_SIZE];
        uint8_t secret[CELLA_TPM_CREDENTIAL_SECRET_SIZE];
        attestation_name(world, name);
        assert_int_equal(json_array_size(json_object_get(world->machine, "endorsements")), 2);
        for (size_t i = 0; i < 8; i++) { /* again and again: nothing stays loaded */
            make_challenge(world, i % 2, name, secret, &challenge);
            if (answer(world, &challenge, &found) != CELLA_OK) {
                fail_msg("round %zu: %s", i, world->trouble.characters);
            }
            assert_int_equal(found.size, sizeof(secret));
            assert_memory_equal(found.data, secret, sizeof(secret));
        }
    }
    end(world);
}

/* The name that is proven is the one that evidence has. */
static void test_name_is_that_of_the_evidence(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        CELLA_CLEANUP(cella_tpm_close) struct cella_tpm tpm = { 0 };
        CELLA_CLEANUP(cella_tpm_free) TPM2B_PUBLIC *public = NULL;
        CELLA_CLEANUP(cella_tpm_free) TPM2B_NAME *real = NULL;
        uint8_t name[CELLA_TPM_NAME_SIZE];
        ESYS_TR key = ESYS_TR_NONE;
        attestation_name(world, name);
        assert_int_equal(cella_tpm_open(&world->setup, &world->trouble, &tpm), CELLA_OK);
        assert_int_equal(cella_tpm_key(&tpm, CELLA_TPM_ATTESTATION, &key, &public), CELLA_OK);
        assert_int_equal(Esys_TR_GetName(tpm.esys, key, &real), 0); /* the TPM's own word */
        cella_tpm_flush(&tpm, key);
        assert_int_equal(real->size, sizeof(name));
        assert_memory_equal(real->name, name, sizeof(name));
    }
    end(world);
}

/* ---- certificates in the TPM's memory ---- */

/* Something of the form of a certificate: only its size is looked at. */
static void put_der(struct cella_bytes *out, uint16_t size, uint8_t filling)
{
    const uint8_t head[4] = { 0x30, 0x82, (uint8_t) (size >> 8), (uint8_t) size };
    assert_int_equal(cella_bytes_append(out, cella_view_of(head, sizeof(head))), CELLA_OK);
    size_t start = out->size;
    assert_int_equal(cella_bytes_resize(out, start + size), CELLA_OK);
    memset(out->data + start, filling, size);
}

/* Define an index of that size, and fill its beginning. */
static void put_index(struct cella_tpm *tpm, TPM2_HANDLE number, uint16_t size, struct cella_view content)
{
    const TPM2B_AUTH no_password = { 0 };
    const TPM2B_NV_PUBLIC public = {
        .nvPublic = { .nvIndex = number, .nameAlg = TPM2_ALG_SHA256, .dataSize = size,
                      .attributes = TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD | TPMA_NV_AUTHREAD },
    };
    ESYS_TR index = ESYS_TR_NONE;
    assert_int_equal(Esys_NV_DefineSpace(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_password,
                                         &public, &index),
                     0);
    for (size_t offset = 0; offset < content.size;) {
        size_t left = content.size - offset;
        TPM2B_MAX_NV_BUFFER piece = { .size = (uint16_t) (left < 512 ? left : 512) };
        memcpy(piece.buffer, content.data + offset, piece.size);
        assert_int_equal(Esys_NV_Write(tpm->esys, ESYS_TR_RH_OWNER, index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &piece,
                                       (uint16_t) offset),
                         0);
        offset += piece.size;
    }
    assert_int_equal(Esys_TR_Close(tpm->esys, &index), 0);
}

static void identify_again(struct world *world)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    json_decref(world->machine);
    world->machine = NULL;
    if (cella_tpm_identify(&world->setup, &text, &world->trouble) != CELLA_OK) {
        fail_msg("not identified: %s", world->trouble.characters);
    }
    assert_int_equal(cella_json_parse(cella_bytes_view(&text), text.size, &world->machine), CELLA_OK);
}

static void assert_decodes_to(const json_t *text, const uint8_t *data, size_t size)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes found = { 0 };
    decode(text, &found);
    assert_int_equal(found.size, size);
    assert_memory_equal(found.data, data, size);
}

/* Padded indices, an index without a certificate, and issuers that go on from one index to the next. */
static void test_certificates_of_the_maker(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes own = { 0 };
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes issuers = { 0 };
        {
            CELLA_CLEANUP(cella_tpm_close) struct cella_tpm tpm = { 0 };
            put_der(&own, 700, 0xaa);
            put_der(&issuers, 600, 0xbb);
            put_der(&issuers, 500, 0xcc);
            assert_int_equal(cella_tpm_open(&world->setup, &world->trouble, &tpm), CELLA_OK);
            put_index(&tpm, 0x01c0000a, 1000, cella_bytes_view(&own)); /* the rest of it is 0xFF */
            put_index(&tpm, 0x01c00002, 8, cella_view_of_string("nothing."));
            put_index(&tpm, 0x01c00100, 1000, cella_view_of(issuers.data, 1000));
            put_index(&tpm, 0x01c00101, 300, cella_view_of(issuers.data + 1000, issuers.size - 1000));
        }
        identify_again(world);
        const json_t *endorsements = json_object_get(world->machine, "endorsements");
        const json_t *certificates = json_object_get(world->machine, "certificates");
        assert_null(json_object_get(json_array_get(endorsements, 0), "certificate"));
        assert_decodes_to(json_object_get(json_array_get(endorsements, 1), "certificate"), own.data, own.size);
        assert_int_equal(json_array_size(certificates), 2);
        assert_decodes_to(json_array_get(certificates, 0), issuers.data, 604);
        assert_decodes_to(json_array_get(certificates, 1), issuers.data + 604, 504);
    }
    end(world);
}

/* ---- refused ---- */

/* Each is answered with the same sentence, and with no secret. */
static void assert_not_for_us(struct world *world, const struct cella_bytes *challenge)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes found = { 0 };
    cella_status status = answer(world, challenge, &found);
    if (status != CELLA_BAD_TAG) {
        fail_msg("%s: %s", cella_status_name(status), world->trouble.characters);
    }
    assert_non_null(strstr(world->trouble.characters, "another TPM, or for another attestation key"));
    assert_int_equal(found.size, 0);
}

static void test_another_attestation_key(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes challenge = { 0 };
        uint8_t name[CELLA_TPM_NAME_SIZE];
        uint8_t secret[CELLA_TPM_CREDENTIAL_SECRET_SIZE];
        attestation_name(world, name);
        name[20] ^= 1;
        for (size_t i = 0; i < 2; i++) {
            make_challenge(world, i, name, secret, &challenge);
            assert_not_for_us(world, &challenge);
        }
    }
    end(world);
}

static void test_another_tpm(void **state)
{
    struct world *world = *state;
    static struct world other;
    if (begin(world)) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes challenge = { 0 };
        uint8_t name[CELLA_TPM_NAME_SIZE];
        uint8_t secret[CELLA_TPM_CREDENTIAL_SECRET_SIZE];
        assert_true(begin(&other));
        attestation_name(&other, name); /* the machine says that another one's key were its own */
        for (size_t i = 0; i < 2; i++) {
            make_challenge(world, i, name, secret, &challenge);
            assert_not_for_us(world, &challenge);
            assert_not_for_us(&other, &challenge);
        }
        end(&other);
    }
    end(world);
}

static void test_every_byte_of_a_credential(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes challenge = { 0 };
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes found = { 0 };
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes credential = { 0 };
        CELLA_CLEANUP(cella_json_cleanup) json_t *json = NULL;
        uint8_t name[CELLA_TPM_NAME_SIZE];
        uint8_t secret[CELLA_TPM_CREDENTIAL_SECRET_SIZE];
        attestation_name(world, name);
        make_challenge(world, 1, name, secret, &challenge);
        assert_int_equal(cella_json_parse(cella_bytes_view(&challenge), challenge.size, &json), CELLA_OK);
        decode(json_object_get(json, "credential"), &credential);
        for (size_t i = 0; i < credential.size; i++) {
            credential.data[i] ^= 1;
            assert_int_equal(
                json_object_set_new(json, "credential", cella_json_base64url(cella_bytes_view(&credential))), 0);
            challenge.size = 0;
            assert_int_equal(cella_json_write(json, &challenge), CELLA_OK);
            cella_status status = answer(world, &challenge, &found);
            if (status != CELLA_BAD_TAG && status != CELLA_BAD_FORMAT) {
                fail_msg("byte %zu: %s, %s", i, cella_status_name(status), world->trouble.characters);
            }
            credential.data[i] ^= 1;
        }
    }
    end(world);
}

static void test_no_challenge(void **state)
{
    static const struct {
        const char *text;
        cella_status status;
    } cases[] = {
        { "", CELLA_BAD_JSON },
        { "[]", CELLA_BAD_JSON },
        { "{}", CELLA_MISSING_FIELD },
        { "{\"version\":2,\"endorsement\":\"rsa\",\"credential\":\"AAAA\"}", CELLA_BAD_FIELD },
        { "{\"version\":1,\"endorsement\":\"rsa\"}", CELLA_MISSING_FIELD },
        { "{\"version\":1,\"endorsement\":\"dsa\",\"credential\":\"AAAA\"}", CELLA_BAD_FORMAT },
        { "{\"version\":1,\"endorsement\":\"rsa\",\"credential\":\"\"}", CELLA_BAD_FORMAT },
        { "{\"version\":1,\"endorsement\":\"rsa\",\"credential\":\"AAAAAAA\"}", CELLA_BAD_FORMAT },
        { "{\"version\":1,\"endorsement\":\"rsa\",\"credential\":\"AAAA\",\"more\":1}", CELLA_UNKNOWN_FIELD },
    };
    const struct cella_platform_setup setup = { .root = "/nowhere" };
    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
        struct cella_text trouble = { "" };
        cella_status status = cella_tpm_activate(&setup, cella_view_of_string(cases[i].text), &out, &trouble);
        if (status != cases[i].status) {
            fail_msg("%s: %s", cases[i].text, cella_status_name(status));
        }
        assert_string_equal(trouble.characters, "this is no challenge");
    }
}

static void test_no_tpm(void **state)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    const struct cella_platform_setup setup = { .root = "/nowhere" };
    struct cella_text trouble = { "" };
    (void) state;
    assert_int_equal(cella_tpm_identify(&setup, &out, &trouble), CELLA_SYSTEM_FAILED);
    assert_non_null(strstr(trouble.characters, "/nowhere/dev/tpmrm0 can not be opened"));
}

/* ---- without a TPM: what the relying party refuses ---- */

static void test_keys_that_sign_anything(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes area = { 0 };
        uint8_t name[CELLA_TPM_NAME_SIZE];
        decode(json_object_get(world->machine, "attestation_key"), &area);
        /* Attributes are bytes 4 to 7: restricted, decrypt, fixedTPM, fixedParent, sensitiveDataOrigin, sign. */
        static const struct {
            size_t byte;
            uint8_t bit;
        } flipped[] = { { 5, 0x01 }, { 5, 0x02 }, { 7, 0x02 }, { 7, 0x10 }, { 7, 0x20 }, { 5, 0x04 } };
        for (size_t i = 0; i < sizeof(flipped) / sizeof(flipped[0]); i++) {
            area.data[flipped[i].byte] ^= flipped[i].bit;
            assert_int_equal(cella_tpm_attestation_name(cella_bytes_view(&area), name), CELLA_BAD_KEY);
            area.data[flipped[i].byte] ^= flipped[i].bit;
        }
        assert_int_equal(cella_tpm_attestation_name(cella_bytes_view(&area), name), CELLA_OK);
        for (size_t size = 0; size < area.size; size++) {
            assert_int_equal(cella_tpm_attestation_name(cella_view_of(area.data, size), name), CELLA_BAD_KEY);
        }
        /* A plain public key says nothing of what it may sign. */
        decode(json_object_get(json_array_get(json_object_get(world->machine, "endorsements"), 1), "key"), &area);
        assert_int_equal(cella_tpm_attestation_name(cella_bytes_view(&area), name), CELLA_BAD_KEY);
    }
    end(world);
}

static int set_up(void **state)
{
    *state = test_calloc(1, sizeof(struct world));
    return 0;
}

static int tear_down(void **state)
{
    test_free(*state);
    return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_both_endorsement_keys),    TEST(test_name_is_that_of_the_evidence),
        TEST(test_another_attestation_key),  TEST(test_another_tpm),
        TEST(test_certificates_of_the_maker),
        TEST(test_every_byte_of_a_credential), TEST(test_no_challenge),
        TEST(test_no_tpm),                   TEST(test_keys_that_sign_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
