/* SPDX-License-Identifier: Apache-2.0 */

/* TPMs that are set up in another way, full, locked up, or lie. */

#include "software_tpm.h"

#include "platform/tpm_evidence.h"
#include "platform/tpm_seal.h"
#include "trust/tpm_quote.h"

static const uint8_t measurement[32] = { 0x11 };
static const uint8_t report_data[CELLA_REPORT_DATA_SIZE] = { 0x22, 0x33 };
static const TPM2B_DATA no_data = { 0 };
static const TPML_PCR_SELECTION no_registers = { 0 };
static const TPM2B_SENSITIVE_CREATE no_password = { 0 };

struct world {
    struct software_tpm tpm;
    struct cella_platform_setup setup;
    struct cella_platform *platform;
};

/* False: skipped. */
static bool begin(struct world *world, void (*alter)(uint32_t command, uint8_t *answer, size_t *size))
{
    struct cella_text why;
    *world = (struct world){ .tpm.alter = alter };
    if (!tpm_start(&world->tpm)) {
        return false;
    }
    world->setup = (struct cella_platform_setup){ .root = world->tpm.root, .measurement = measurement, .tpm_wait_ms = 20000 };
    assert_int_equal(cella_platform_open("tpm", &world->setup, &world->platform, &why), CELLA_OK);
    return true;
}

static void end(struct world *world)
{
    cella_platform_free(world->platform);
    tpm_stop(&world->tpm);
}

static void open_tpm(const struct world *world, struct cella_text *trouble, struct cella_tpm *tpm)
{
    assert_int_equal(cella_tpm_open(&world->setup, trouble, tpm), CELLA_OK);
}

static cella_status make_evidence(const struct world *world, struct cella_bytes *evidence)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes endorsements = { 0 };
    evidence->size = 0;
    return cella_platform_evidence(world->platform, report_data, (struct cella_view){ 0 }, evidence, &endorsements);
}

static cella_status evidence_of(const struct world *world)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes evidence = { 0 };
    cella_status status = make_evidence(world, &evidence);
    assert_true(status == CELLA_OK || evidence.size == 0);
    return status;
}

static void assert_trouble(const struct world *world, const char *part)
{
    if (strstr(cella_platform_trouble(world->platform), part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", cella_platform_trouble(world->platform), part);
    }
}

/* Read as a relying party does: the signature verifies, and these are the claims. */
static void read_quote(struct cella_view evidence, struct cella_claims *claims, enum cella_signature_form *form)
{
    CELLA_CLEANUP(cella_parsed_clear) struct cella_parsed parsed = { 0 };
    struct cella_tpm_quote quote;
    struct cella_public_key *key = NULL;
    struct cella_text detail;
    *claims = (struct cella_claims){ .count = 0 };
    assert_int_equal(cella_tpm_quote_read(evidence, &quote, claims, &detail), CELLA_OK);
    assert_int_equal(cella_tpm_quote_key(&quote, claims, &key, &detail), CELLA_OK);
    assert_int_equal(cella_tpm_quote_sign(&quote, key, claims, &parsed, &detail), CELLA_OK);
    const struct cella_signed *one = &parsed.signatures[0];
    assert_int_equal(cella_signature_verify(one->key, one->form, one->hash, one->message, one->signature), CELLA_OK);
    assert_true(cella_view_equal(parsed.bound, cella_view_of(report_data, sizeof(report_data))));
    *form = one->form;
}

/* ---- set up in another way ---- */

/* What a TPM without elliptic curves signs with. */
static void test_rsa_attestation_key(void **state)
{
    struct world *world = *state;
    if (begin(world, NULL)) {
        CELLA_CLEANUP(cella_tpm_close) struct cella_tpm tpm = { 0 };
        CELLA_CLEANUP(cella_tpm_free) TPM2B_PUBLIC *public = NULL;
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes evidence = { 0 };
        static struct cella_claims claims;
        enum cella_signature_form form;
        struct cella_text trouble = { "" };
        ESYS_TR key = ESYS_TR_NONE;
        const TPM2B_PUBLIC template = {
            .publicArea = { .type = TPM2_ALG_RSA, .nameAlg = TPM2_ALG_SHA256, .objectAttributes = 0x00050072,
                            .parameters.rsaDetail = { .symmetric.algorithm = TPM2_ALG_NULL,
                                                      .scheme = { TPM2_ALG_RSASSA, { .rsassa.hashAlg = TPM2_ALG_SHA256 } },
                                                      .keyBits = 2048 } },
        };
        open_tpm(world, &trouble, &tpm);
        assert_int_equal(Esys_CreatePrimary(tpm.esys, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                            &no_password, &template, &no_data, &no_registers, &key, &public, NULL, NULL, NULL),
                         0);
        assert_int_equal(cella_tpm_quote(&tpm, key, public, true, report_data, &evidence), CELLA_OK);
        cella_tpm_flush(&tpm, key);
        read_quote(cella_bytes_view(&evidence), &claims, &form);
        assert_int_equal(form, CELLA_SIGNATURE_RSA);
        assert_int_equal(cella_claims_find(&claims, "restricted", CELLA_CLAIM_FLAG)->number, 1);
    }
    end(world);
}

static uint32_t no_curve_left; /* of the process that answers */

/* A TPM that knows no curve: what is asked for with one is refused, each second time, for each key. */
static void without_curves(uint32_t command, uint8_t *answer, size_t *size)
{
    static const uint8_t refusal[] = { 0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x02, 0xe6 }; /* TPM_RC_CURVE, parameter 2 */
    if (command == TPM2_CC_CreatePrimary && no_curve_left++ % 2 == 0) {
        memcpy(answer, refusal, sizeof(refusal));
        *size = sizeof(refusal);
    }
}

static void test_tpm_without_elliptic_curves(void **state)
{
    struct world *world = *state;
    if (begin(world, without_curves)) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes evidence = { 0 };
        static struct cella_claims claims;
        enum cella_signature_form form;
        assert_int_equal(make_evidence(world, &evidence), CELLA_OK);
        read_quote(cella_bytes_view(&evidence), &claims, &form);
        assert_int_equal(form, CELLA_SIGNATURE_RSA);
    }
    end(world);
}

static void test_bank_of_sha384_only(void **state)
{
    struct world *world = *state;
    if (begin(world, NULL)) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes evidence = { 0 };
        static struct cella_claims claims;
        enum cella_signature_form form;
        struct cella_text trouble = { "" };
        TPMI_YES_NO done = 0;
        uint32_t numbers[3];
        TPML_PCR_SELECTION banks = {
            .count = 3,
            .pcrSelections = { { TPM2_ALG_SHA1, 3, { 0 } }, { TPM2_ALG_SHA256, 3, { 0 } },
                               { TPM2_ALG_SHA384, 3, { 0xff, 0xff, 0xff } } },
        };
        {
            CELLA_CLEANUP(cella_tpm_close) struct cella_tpm tpm = { 0 };
            open_tpm(world, &trouble, &tpm);
            assert_int_equal(Esys_PCR_Allocate(tpm.esys, ESYS_TR_RH_PLATFORM, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                               &banks, &done, &numbers[0], &numbers[1], &numbers[2]),
                             0);
            assert_int_equal(done, 1);
        }
        tpm_end(&world->tpm.swtpm);
        tpm_start_swtpm(&world->tpm); /* the machine boots */
        assert_int_equal(make_evidence(world, &evidence), CELLA_OK);
        read_quote(cella_bytes_view(&evidence), &claims, &form);
        assert_int_equal(cella_claims_find(&claims, "pcr0", CELLA_CLAIM_BYTES)->size, 48);
        assert_non_null(cella_claims_find(&claims, "pcr_bank", CELLA_CLAIM_TEXT));
        assert_memory_equal(cella_claims_find(&claims, "pcr_bank", CELLA_CLAIM_TEXT)->bytes, "sha384", 6);
    }
    end(world);
}

static void test_hierarchy_with_a_password(void **state)
{
    struct world *world = *state;
    if (begin(world, NULL)) {
        struct cella_text trouble = { "" };
        const TPM2B_AUTH password = { 4, "word" };
        {
            CELLA_CLEANUP(cella_tpm_close) struct cella_tpm tpm = { 0 };
            open_tpm(world, &trouble, &tpm);
            assert_int_equal(Esys_HierarchyChangeAuth(tpm.esys, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                                      ESYS_TR_NONE, &password),
                             0);
        }
        assert_int_equal(evidence_of(world), CELLA_SYSTEM_FAILED);
        assert_trouble(world, "has a password");
    }
    end(world);
}

static void test_hierarchy_that_is_off(void **state)
{
    struct world *world = *state;
    if (begin(world, NULL)) {
        struct cella_text trouble = { "" };
        {
            CELLA_CLEANUP(cella_tpm_close) struct cella_tpm tpm = { 0 };
            open_tpm(world, &trouble, &tpm);
            assert_int_equal(Esys_HierarchyControl(tpm.esys, ESYS_TR_RH_PLATFORM, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                                   TPM2_RH_ENDORSEMENT, 0),
                             0);
        }
        assert_int_equal(evidence_of(world), CELLA_SYSTEM_FAILED);
        assert_trouble(world, "is switched off");
    }
    end(world);
}

/* ---- full ---- */

/* Somebody beside the kernel's resource manager holds all of it; afterwards everything works again. */
static void test_no_room(void **state)
{
    struct world *world = *state;
    if (begin(world, NULL)) {
        CELLA_CLEANUP(cella_tpm_close) struct cella_tpm tpm = { 0 };
        struct cella_text trouble = { "" };
        ESYS_TR held[3];
        for (size_t i = 0; i < 3; i++) {
            open_tpm(world, &trouble, &tpm);
            assert_int_equal(cella_tpm_key(&tpm, CELLA_TPM_STORAGE, &held[i], NULL), CELLA_OK);
            cella_tpm_close(&tpm);
        }
        assert_int_equal(evidence_of(world), CELLA_SYSTEM_FAILED);
        assert_trouble(world, "no room for another key");
        for (uint8_t i = 0; i < 3; i++) {
            uint8_t flush[4096] = { 0x80, 0x01, 0, 0, 0, 14, 0, 0, 0x01, 0x65, 0x80, 0, 0, i };
            size_t size = 14;
            assert_int_equal(tpm_exchange(world->tpm.socket, flush, &size), 0);
        }
        assert_int_equal(evidence_of(world), CELLA_OK);
    }
    end(world);
}

/* ---- lying ---- */

static void change_quote(uint32_t command, uint8_t *answer, size_t *size)
{
    if (command == TPM2_CC_Quote && *size > 100) {
        answer[60] ^= 1;
    }
}

static void change_register(uint32_t command, uint8_t *answer, size_t *size)
{
    if (command == TPM2_CC_PCR_Read && *size > 40) {
        answer[*size - 1] ^= 1;
    }
}

static void change_selection(uint32_t command, uint8_t *answer, size_t *size)
{
    if (command == TPM2_CC_PCR_Read && *size > 40) {
        answer[10 + 4 + 4 + 2 + 1 + 2] |= 0x80; /* register 23, which nobody asked for */
    }
}

static void answer_for_ever(uint32_t command, uint8_t *answer, size_t *size)
{
    (void) command;
    answer[2] = 0x7f;
    *size = 10;
}

static void answer_too_little(uint32_t command, uint8_t *answer, size_t *size)
{
    (void) command;
    answer[5] = 4;
    *size = 10;
}

static void answer_zeros(uint32_t command, uint8_t *answer, size_t *size)
{
    (void) command;
    memset(answer, 0, *size);
    answer[1] = 1;
    answer[0] = 0x80;
    answer[4] = (uint8_t) (*size >> 8);
    answer[5] = (uint8_t) *size;
}

static void answer_nothing_but_success(uint32_t command, uint8_t *answer, size_t *size)
{
    static const uint8_t success[10] = { 0x80, 0x02, 0, 0, 0, 10 };
    (void) command;
    memcpy(answer, success, sizeof(success));
    *size = sizeof(success);
}

static void test_answers_that_are_wrong(void **state)
{
    struct world *world = *state;
    static const struct {
        void (*alter)(uint32_t command, uint8_t *answer, size_t *size);
        cella_status status;
    } cases[] = {
        { change_quote, CELLA_BAD_EVIDENCE },        { change_register, CELLA_BAD_EVIDENCE },
        { change_selection, CELLA_SYSTEM_FAILED },   { answer_for_ever, CELLA_SYSTEM_FAILED },
        { answer_too_little, CELLA_SYSTEM_FAILED },  { answer_zeros, CELLA_SYSTEM_FAILED },
        { answer_nothing_but_success, CELLA_SYSTEM_FAILED },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (begin(world, cases[i].alter)) {
            world->setup.tpm_wait_ms = 2000; /* an answer that stops in the middle is waited for */
            cella_status status = evidence_of(world);
            if (status != cases[i].status) {
                fail_msg("case %zu: %s, %s", i, cella_status_name(status), cella_platform_trouble(world->platform));
            }
            assert_string_not_equal(cella_platform_trouble(world->platform), "");
        }
        end(world);
    }
}

/* The TPM's half of the sealing key is changed on its way: the session notices. */
static void change_unsealed(uint32_t command, uint8_t *answer, size_t *size)
{
    if (command == TPM2_CC_Unseal && *size > 30) {
        answer[20] ^= 1;
    }
}

static void test_unsealing_on_a_bus_that_changes_bytes(void **state)
{
    struct world *world = *state;
    if (begin(world, change_unsealed)) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
        CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
        CELLA_CLEANUP(cella_secret_clear) struct cella_secret found = { 0 };
        assert_int_equal(cella_secret_random(&secret, 32), CELLA_OK);
        assert_int_equal(cella_platform_seal(world->platform, "state", &secret, &sealed), CELLA_OK);
        assert_int_equal(cella_platform_unseal(world->platform, "state", cella_bytes_view(&sealed), &found),
                         CELLA_SYSTEM_FAILED);
        assert_int_equal(found.size, 0);
    }
    end(world);
}

/* ---- what responses mean ---- */

static void test_sentences(void **state)
{
    static const struct {
        TSS2_RC response;
        const char *sentence;
        bool refused;
    } cases[] = {
        { TPM2_RC_LOCKOUT, "locked", false },
        { TPM2_RC_FAILURE, "failure mode", false },
        { TPM2_RC_INITIALIZE, "not started", false },
        { TPM2_RC_RETRY, "busy", false },
        { TPM2_RC_OBJECT_MEMORY, "no room for another key", false },
        { TPM2_RC_SESSION_MEMORY, "no room for another session", false },
        { TPM2_RC_BAD_AUTH + TPM2_RC_S + TPM2_RC_1, "has a password", false },
        { TPM2_RC_AUTH_FAIL + TPM2_RC_S + TPM2_RC_1, "has a password", false },
        { TPM2_RC_HIERARCHY + TPM2_RC_H + TPM2_RC_1, "switched off", false },
        { TPM2_RC_POLICY_FAIL + TPM2_RC_S + TPM2_RC_1, "not as they were", true },
        { TPM2_RC_INTEGRITY + TPM2_RC_P + TPM2_RC_1, "not from this TPM", true },
        { TPM2_RC_COMMAND_CODE, "does not know this command", false },
        { TPM2_RC_VALUE + TPM2_RC_P + TPM2_RC_2, "refused", true },
        { TSS2_TCTI_RC_IO_ERROR, "does not answer", false },
        { TSS2_ESYS_RC_MEMORY, "refused", false },
    };
    struct cella_text trouble;
    struct cella_tpm tpm = { .trouble = &trouble };
    (void) state;
    assert_int_equal(cella_tpm_result(&tpm, TSS2_RC_SUCCESS, "trying"), CELLA_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char number[16];
        (void) snprintf(number, sizeof(number), "0x%08x", (unsigned int) cases[i].response);
        assert_int_equal(cella_tpm_result(&tpm, cases[i].response, "trying"), CELLA_SYSTEM_FAILED);
        assert_non_null(strstr(trouble.characters, cases[i].sentence));
        assert_non_null(strstr(trouble.characters, number));
        assert_non_null(strstr(trouble.characters, "trying"));
        assert_int_equal(cella_tpm_refused(cases[i].response), cases[i].refused);
    }
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
        TEST(test_rsa_attestation_key),
        TEST(test_tpm_without_elliptic_curves),
        TEST(test_bank_of_sha384_only),
        TEST(test_hierarchy_with_a_password),
        TEST(test_hierarchy_that_is_off),
        TEST(test_no_room),
        TEST(test_answers_that_are_wrong),
        TEST(test_unsealing_on_a_bus_that_changes_bytes),
        TEST(test_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
