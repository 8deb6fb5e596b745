/* SPDX-License-Identifier: Apache-2.0 */

/* Which collateral real evidence needs, in the words that tests/python/test_collateral.py gives to the program. */

#include "evidence_files.h"

#include "base/wire.h"
#include "trust/collateral.h"

static cella_status request(enum cella_evidence_type type, const char *evidence, const char *certificates, char out[600],
                            struct cella_text *detail)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = vector_file(evidence);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes endorsements = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes line = { 0 };
    if (certificates != NULL) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes file = vector_file(certificates);
        assert_int_equal(cella_write_u8(&endorsements, CELLA_ENDORSE_CERTIFICATES), CELLA_OK);
        assert_int_equal(cella_write_field(&endorsements, cella_bytes_view(&file)), CELLA_OK);
    }
    *detail = (struct cella_text){ 0 };
    cella_status status = cella_collateral_request(type, cella_bytes_view(&content), cella_bytes_view(&endorsements), &line,
                                                   detail);
    (void) snprintf(out, 600, "%.*s", (int) line.size, line.data == NULL ? "" : (const char *) line.data);
    return status;
}

static void assert_request(enum cella_evidence_type type, const char *evidence, const char *certificates, const char *expected)
{
    struct cella_text detail;
    char line[600];
    assert_int_equal(request(type, evidence, certificates, line, &detail), CELLA_OK);
    assert_string_equal(line, expected);
}

static void test_intel(void **state)
{
    (void) state;
    assert_request(CELLA_EVIDENCE_TDX, "tdx/dcap-qvl/tdx_quote", NULL, "intel tdx b0c06f000000 platform");
    assert_request(CELLA_EVIDENCE_SGX, "sgx/dcap-qvl/sgx_quote", NULL, "intel sgx 00a067110000 processor");
}

static void test_amd(void **state)
{
    (void) state;
    char line[600];
    struct cella_text detail;
    assert_int_equal(request(CELLA_EVIDENCE_SNP, "snp/microsoft/milan_attestation_report.bin", NULL, line, &detail), CELLA_OK);
    assert_memory_equal(line, "amd vcek milan 4ffb5cb4fd594f3fee65", 35);
    assert_int_equal(strlen(line), 15 + 128 + strlen(" 4 0 24 219"));
    assert_string_equal(line + 15 + 128, " 4 0 24 219");
    assert_int_equal(request(CELLA_EVIDENCE_SNP, "snp/microsoft/genoa_attestation_report.bin", NULL, line, &detail), CELLA_OK);
    assert_string_equal(line + 15 + 128, " 10 0 23 84");
    assert_request(CELLA_EVIDENCE_SNP, "snp/microsoft/turin_attestation_report.bin", NULL,
                   "amd vcek turin 59790fb1c39f35c1 1 1 4 81 1");
}

/* Where the machine gave the certificate, only the list is missing. */
static void test_amd_with_certificates(void **state)
{
    (void) state;
    assert_request(CELLA_EVIDENCE_SNP, "snp/microsoft/genoa_attestation_report.bin", "snp/microsoft/genoa_vcek.pem",
                   "amd list vcek genoa");
    assert_request(CELLA_EVIDENCE_SNP, "snp/microsoft/turin_attestation_report.bin", "snp/microsoft/turin_vcek.pem",
                   "amd list vcek turin");
}

static void test_nothing_or_not_to_be_told(void **state)
{
    (void) state;
    static const struct {
        enum cella_evidence_type type;
        const char *evidence;
        cella_status status;
        const char *says;
    } cases[] = {
        { CELLA_EVIDENCE_SOFT, "snp/microsoft/milan_vcek.pem", CELLA_NOT_FOUND, "needs nothing" },
        { CELLA_EVIDENCE_NITRO, "snp/microsoft/milan_vcek.pem", CELLA_NOT_FOUND, "needs nothing" },
        { CELLA_EVIDENCE_TPM, "snp/microsoft/milan_vcek.pem", CELLA_NOT_FOUND, "needs nothing" },
        { CELLA_EVIDENCE_SNP, "snp/forged/chipid_zero.bin", CELLA_BAD_EVIDENCE, "hides which chip" },
        { CELLA_EVIDENCE_TDX, "tdx/forged/pck_no_sgx_ext.dat", CELLA_BAD_EVIDENCE, "" },
        { CELLA_EVIDENCE_SNP, "snp/bad/short_1183.bin", CELLA_BAD_EVIDENCE, "" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cella_text detail;
        char line[600];
        assert_int_equal(request(cases[i].type, cases[i].evidence, NULL, line, &detail), cases[i].status);
        assert_string_equal(line, "");
        assert_non_null(strstr(detail.characters, cases[i].says));
        assert_true(detail.characters[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intel),
        cmocka_unit_test(test_amd),
        cmocka_unit_test(test_amd_with_certificates),
        cmocka_unit_test(test_nothing_or_not_to_be_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
