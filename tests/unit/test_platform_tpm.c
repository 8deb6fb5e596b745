/* SPDX-License-Identifier: Apache-2.0 */
#include "software_tpm.h"

#include "base/wire.h"
#include "platform/back_end.h"
#include "platform/firmware_log.h"
#include "platform/tpm_evidence.h"
#include "trust/event_log.h"
#include "trust/tpm_quote.h"

#define NOW 1750000000U
#define LONG_NAME 8192

static const uint8_t measurement[32] = { 0x11 };
static const uint8_t other_measurement[32] = { 0x12 };
static const uint8_t report_data[CELLA_REPORT_DATA_SIZE] = { 0x22, 0x33 };

struct world {
    struct software_tpm tpm;
    struct cella_platform_setup setup;
    struct cella_platform *platform;
    struct cella_bytes evidence;
    struct cella_bytes endorsements;
    struct cella_report report;
    char policy[LONG_NAME];
};

/* False: skipped. */
static bool begin(struct world *world)
{
    struct cella_text why;
    *world = (struct world){ .tpm.other_end = -1 };
    if (!tpm_start(&world->tpm)) {
        return false;
    }
    world->setup = (struct cella_platform_setup){ .root = world->tpm.root, .measurement = measurement };
    assert_int_equal(cella_platform_open("tpm", &world->setup, &world->platform, &why), CELLA_OK);
    assert_non_null(strstr(why.characters, "/dev/tpmrm0"));
    return true;
}

static void end(struct world *world)
{
    cella_platform_free(world->platform);
    cella_bytes_clear(&world->evidence);
    cella_bytes_clear(&world->endorsements);
    tpm_stop(&world->tpm);
}

static void make(struct world *world)
{
    cella_bytes_clear(&world->evidence);
    cella_bytes_clear(&world->endorsements);
    cella_status status = cella_platform_evidence(world->platform, report_data, (struct cella_view){ 0 }, &world->evidence,
                                                  &world->endorsements);
    if (status != CELLA_OK) {
        fail_msg("no evidence: %s: %s", cella_status_name(status), cella_platform_trouble(world->platform));
    }
}

static void hex_claim(const struct world *world, const char *name, char out[2 * CELLA_CLAIM_SIZE_MAX + 1])
{
    CELLA_CLEANUP(cella_parsed_clear) struct cella_parsed parsed = { 0 };
    struct cella_tpm_quote quote;
    struct cella_claims claims = { .count = 0 };
    struct cella_text detail;
    struct cella_public_key *again = NULL;
    assert_int_equal(cella_tpm_quote_read(cella_bytes_view(&world->evidence), &quote, &claims, &detail), CELLA_OK);
    assert_int_equal(cella_tpm_quote_key(&quote, &claims, &again, &detail), CELLA_OK);
    assert_int_equal(cella_tpm_quote_sign(&quote, again, &claims, &parsed, &detail), CELLA_OK);
    const struct cella_claim *claim = cella_claims_find(&claims, name, CELLA_CLAIM_BYTES);
    assert_non_null(claim);
    cella_hex_encode(cella_view_of(claim->bytes, claim->size), out);
}

/* A trust file that pins what this evidence says: its key and register 4. */
static void pin(struct world *world, const char *more)
{
    char name[2 * CELLA_CLAIM_SIZE_MAX + 1];
    char value[2 * CELLA_CLAIM_SIZE_MAX + 1];
    hex_claim(world, "attestation_key", name);
    hex_claim(world, "pcr4", value);
    (void) snprintf(world->policy, sizeof(world->policy),
                    "{\"version\":1,\"min_level\":3,\"accept\":[\"tpm\"],\"measurement\":[{\"name\":\"here\",\"type\":\"tpm\","
                    "\"registers\":{\"pcr4\":\"%s\"}}],\"tpm\":{\"pcrs\":[0,1,2,3,4,5,6,7,8,9,12,14],"
                    "\"attestation_keys\":[\"%s\"]%s}}",
                    value, name, more);
}

/* The verifier's word, and the check that failed first. */
static cella_status appraise(struct world *world, const uint8_t *bound, const char **failed)
{
    CELLA_CLEANUP(cella_policy_clear) struct cella_policy policy = { 0 };
    char field[CELLA_FIELD_MAX];
    const struct cella_binding binding = {
        .kind = CELLA_BINDING_REPORT_DATA, .report_data = cella_view_of(bound, CELLA_REPORT_DATA_SIZE),
    };
    struct cella_evidence evidence = { .type = CELLA_EVIDENCE_TPM, .content = cella_bytes_view(&world->evidence) };
    assert_int_equal(cella_endorsements_read(cella_bytes_view(&world->endorsements), &evidence.endorsements), CELLA_OK);
    assert_int_equal(cella_policy_parse(cella_view_of_string(world->policy), field, &policy), CELLA_OK);
    cella_status status = cella_evidence_appraise(&evidence, &binding, &policy, NOW, &world->report);
    *failed = "";
    for (size_t i = 0; i < world->report.check_count && (*failed)[0] == '\0'; i++) {
        *failed = world->report.checks[i].outcome == CELLA_CHECK_FAILED ? world->report.checks[i].name : "";
    }
    return status;
}

static void assert_accepted(struct world *world)
{
    const char *failed;
    cella_status status = appraise(world, report_data, &failed);
    if (status != CELLA_OK) {
        fail_msg("refused by %s: %s", failed, cella_status_name(status));
    }
}

static void assert_refused(struct world *world, const char *check)
{
    const char *failed;
    assert_int_not_equal(appraise(world, report_data, &failed), CELLA_OK);
    assert_string_equal(failed, check);
}

static void extend(const struct world *world, uint8_t number, const char *text)
{
    uint8_t digest[CELLA_SHA256_SIZE];
    assert_int_equal(cella_sha256(cella_view_of_string(text), digest), CELLA_OK);
    tpm_extend(&world->tpm, number, digest);
}

static void test_evidence_is_accepted(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        make(world);
        pin(world, "");
        assert_accepted(world);
        assert_int_equal(world->report.level, 3);
        assert_non_null(strstr(world->report.level_reason.characters, "host-trusted"));
        assert_int_equal(world->endorsements.size, 0); /* no firmware has written a log */
        struct cella_bytes first = world->evidence;
        world->evidence = (struct cella_bytes){ 0 };
        make(world); /* the key is the same each time */
        assert_accepted(world);
        cella_bytes_clear(&first);
    }
    end(world);
}

/* A quote for another nonce, or one from before, is bound to other report data. */
static void test_replayed_quote(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        uint8_t now_wanted[CELLA_REPORT_DATA_SIZE] = { 0x44 };
        const char *failed;
        make(world);
        pin(world, "");
        assert_int_equal(appraise(world, now_wanted, &failed), CELLA_BINDING);
        assert_string_equal(failed, "binding");
    }
    end(world);
}

static void test_other_register_value(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        make(world);
        pin(world, "");
        extend(world, 4, "another boot loader");
        assert_accepted(world); /* the quote is of before */
        make(world);
        assert_refused(world, "measurement");
    }
    end(world);
}

static void test_key_of_another_tpm(void **state)
{
    struct world *world = *state;
    static struct world other;
    if (begin(world)) {
        make(world);
        pin(world, "");
        assert_true(begin(&other));
        make(&other);
        cella_bytes_take(&world->evidence, &other.evidence);
        assert_refused(world, "chain");
        end(&other);
    }
    end(world);
}

/* A key that signs anything could sign what looks like a quote: refused even where somebody has pinned it. */
static void test_unrestricted_key(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        CELLA_CLEANUP(cella_tpm_close) struct cella_tpm tpm = { 0 };
        CELLA_CLEANUP(cella_tpm_free) TPM2B_PUBLIC *public = NULL;
        struct cella_text trouble = { "" };
        ESYS_TR key = ESYS_TR_NONE;
        const TPM2B_SENSITIVE_CREATE sensitive = { 0 };
        const TPM2B_DATA data = { 0 };
        const TPML_PCR_SELECTION registers = { 0 };
        const TPM2B_PUBLIC template = {
            .publicArea = { .type = TPM2_ALG_ECC, .nameAlg = TPM2_ALG_SHA256, .objectAttributes = 0x00040072,
                            .parameters.eccDetail = { .symmetric.algorithm = TPM2_ALG_NULL,
                                                      .scheme = { TPM2_ALG_ECDSA, { .ecdsa.hashAlg = TPM2_ALG_SHA256 } },
                                                      .curveID = TPM2_ECC_NIST_P256,
                                                      .kdf.scheme = TPM2_ALG_NULL } },
        };
        assert_int_equal(cella_tpm_open(&world->setup, &trouble, &tpm), CELLA_OK);
        assert_int_equal(Esys_CreatePrimary(tpm.esys, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                            &sensitive, &template, &data, &registers, &key, &public, NULL, NULL, NULL),
                         0);
        assert_int_equal(
            cella_tpm_quote(&tpm, key, public, true, report_data, &world->evidence), CELLA_OK);
        cella_tpm_flush(&tpm, key);
        pin(world, "");
        assert_refused(world, "restricted");
    }
    end(world);
}

/* ---- event log ---- */

static void write_u32(FILE *file, uint32_t value)
{
    const uint8_t bytes[4] = { (uint8_t) value, (uint8_t) (value >> 8), (uint8_t) (value >> 16), (uint8_t) (value >> 24) };
    assert_int_equal(fwrite(bytes, 1, 4, file), 4);
}

/* What firmware would have written of one event of the SHA-256 bank. */
static void write_log(const struct world *world, uint32_t number, const char *text)
{
    static const uint8_t spec[] = "Spec ID Event03\0\0\0\0\0\0\2\0\2\1\0\0\0\x0b\0\x20\0";
    static const char *const folders[] = { "/sys", "/sys/kernel", "/sys/kernel/security", "/sys/kernel/security/tpm0" };
    uint8_t digest[CELLA_SHA256_SIZE];
    char path[160];
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        join(path, sizeof(path), world->tpm.root, folders[i]);
        (void) mkdir(path, 0700);
    }
    join(path, sizeof(path), world->tpm.root, CELLA_TPM_EVENT_LOG);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    static const uint8_t opening[28] = { 0, 0, 0, 0, 3 };
    assert_int_equal(fwrite(opening, 1, sizeof(opening), file), sizeof(opening));
    write_u32(file, sizeof(spec));
    assert_int_equal(fwrite(spec, 1, sizeof(spec), file), sizeof(spec));
    write_u32(file, number);
    write_u32(file, 4);
    write_u32(file, 1);
    assert_int_equal(fwrite("\x0b", 1, 2, file), 2);
    assert_int_equal(cella_sha256(cella_view_of_string(text), digest), CELLA_OK);
    assert_int_equal(fwrite(digest, 1, sizeof(digest), file), sizeof(digest));
    write_u32(file, (uint32_t) strlen(text));
    (void) fputs(text, file);
    (void) fclose(file);
}

static void test_event_log_comes_along(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        write_log(world, 4, "kernel");
        extend(world, 4, "kernel");
        make(world);
        assert_true(world->endorsements.size > 0);
        pin(world, ",\"event_log\":\"required\"");
        assert_accepted(world);
        assert_int_equal(cella_claims_find(&world->report.claims, "log_events", CELLA_CLAIM_NUMBER)->number, 1);
    }
    end(world);
}

/* One that leads elsewhere is left out; whoever wants one refuses. */
static void test_event_log_that_leads_elsewhere(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        write_log(world, 4, "kernel");
        extend(world, 4, "another kernel");
        make(world);
        assert_int_equal(world->endorsements.size, 0);
        pin(world, "");
        assert_accepted(world);
        pin(world, ",\"event_log\":\"required\"");
        assert_refused(world, "event_log");
    }
    end(world);
}

/* ---- sealing ---- */

static struct cella_secret some_secret(void)
{
    struct cella_secret secret = { 0 };
    assert_int_equal(cella_secret_set(&secret, cella_view_of_string("a secret of some length, for this machine")), CELLA_OK);
    return secret;
}

static cella_status unseal(const struct world *world, const char *purpose, struct cella_view sealed)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret wanted = some_secret();
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret found = { 0 };
    cella_status status = cella_platform_unseal(world->platform, purpose, sealed, &found);
    if (status == CELLA_OK) {
        assert_true(cella_view_equal(cella_secret_view(&found), cella_secret_view(&wanted)));
    }
    return status;
}

static struct cella_bytes seal(const struct world *world)
{
    struct cella_bytes sealed = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = some_secret();
    cella_status status = cella_platform_seal(world->platform, "state", &secret, &sealed);
    if (status != CELLA_OK) {
        fail_msg("not sealed: %s", cella_platform_trouble(world->platform));
    }
    assert_true(sealed.size <= CELLA_PLATFORM_SEALED_MAX);
    return sealed;
}

static void test_sealing(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = seal(world);
        struct cella_view view = cella_bytes_view(&sealed);
        assert_int_equal(unseal(world, "state", view), CELLA_OK);
        assert_int_equal(unseal(world, "state", view), CELLA_OK); /* nothing stays loaded: again and again */
        for (int i = 0; i < 8; i++) {
            assert_int_equal(unseal(world, "another", view), CELLA_BAD_TAG);
        }
        world->setup.measurement = other_measurement;
        assert_int_equal(unseal(world, "state", view), CELLA_BAD_TAG);
        world->setup.measurement = measurement;
        extend(world, 13, "not among the registers");
        extend(world, 16, "anybody can reset this one");
        extend(world, 23, "and this one");
        assert_int_equal(unseal(world, "state", view), CELLA_OK);
        extend(world, 4, "another boot loader");
        assert_int_equal(unseal(world, "state", view), CELLA_BAD_TAG);
        assert_non_null(strstr(cella_platform_trouble(world->platform), "registers are not as they were"));
    }
    end(world);
}

static void test_sealed_by_another_tpm(void **state)
{
    struct world *world = *state;
    static struct world other;
    if (begin(world)) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = seal(world);
        assert_true(begin(&other));
        assert_int_equal(unseal(&other, "state", cella_bytes_view(&sealed)), CELLA_BAD_TAG);
        end(&other);
    }
    end(world);
}

static void test_every_sealed_byte(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = seal(world);
        for (size_t i = 0; i < sealed.size; i++) {
            sealed.data[i] ^= 0x01;
            cella_status status = unseal(world, "state", cella_bytes_view(&sealed));
            if (status != CELLA_BAD_TAG) {
                fail_msg("byte %zu of %zu: %s, %s", i, sealed.size, cella_status_name(status),
                         cella_platform_trouble(world->platform));
            }
            sealed.data[i] ^= 0x01;
        }
        for (size_t size = 0; size < sealed.size; size += 7) {
            assert_int_equal(unseal(world, "state", cella_view_of(sealed.data, size)), CELLA_BAD_TAG);
        }
        assert_int_equal(unseal(world, "state", cella_bytes_view(&sealed)), CELLA_OK);
    }
    end(world);
}

static void test_too_large_a_secret(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
        CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
        assert_int_equal(cella_secret_random(&secret, CELLA_PLATFORM_SECRET_MAX + 1), CELLA_OK);
        assert_int_equal(cella_platform_seal(world->platform, "state", &secret, &sealed), CELLA_TOO_LARGE);
    }
    end(world);
}

/* ---- trouble ---- */

static void test_tpm_that_went_away(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = seal(world);
        tpm_end(&world->tpm.swtpm);
        assert_int_equal(cella_platform_evidence(world->platform, report_data, (struct cella_view){ 0 }, &world->evidence,
                                                 &world->endorsements),
                         CELLA_SYSTEM_FAILED);
        assert_non_null(strstr(cella_platform_trouble(world->platform), "does not answer"));
        assert_int_equal(world->evidence.size, 0);
        assert_int_equal(unseal(world, "state", cella_bytes_view(&sealed)), CELLA_SYSTEM_FAILED);
    }
    end(world);
}

static void test_tpm_that_hangs(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        world->setup.tpm_wait_ms = 200;
        assert_int_equal(kill(world->tpm.bridge, SIGSTOP), 0);
        assert_int_equal(cella_platform_evidence(world->platform, report_data, (struct cella_view){ 0 }, &world->evidence,
                                                 &world->endorsements),
                         CELLA_SYSTEM_FAILED);
        assert_non_null(strstr(cella_platform_trouble(world->platform), "does not answer"));
    }
    end(world);
}

static void test_no_tpm(void **state)
{
    struct cella_platform *platform = NULL;
    struct cella_text why;
    const struct cella_platform_setup setup = { .root = "/nowhere", .measurement = measurement };
    (void) state;
    assert_int_equal(cella_platform_open("tpm", &setup, &platform, &why), CELLA_SYSTEM_FAILED);
    assert_non_null(strstr(why.characters, "there is no /nowhere/dev/tpmrm0"));
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
        TEST(test_evidence_is_accepted),  TEST(test_replayed_quote),
        TEST(test_other_register_value),  TEST(test_key_of_another_tpm),
        TEST(test_unrestricted_key),      TEST(test_event_log_comes_along),
        TEST(test_event_log_that_leads_elsewhere), TEST(test_sealing),
        TEST(test_sealed_by_another_tpm), TEST(test_every_sealed_byte),
        TEST(test_too_large_a_secret),    TEST(test_tpm_that_went_away),
        TEST(test_tpm_that_hangs),        TEST(test_no_tpm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
