/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "trust/attested_certificate.h"
#include "trust/cbor.h"
#include "trust/der.h"

static const uint8_t spki_sha256[CELLA_SHA256_SIZE] = { 1, 2, 3 };
static const struct cella_view none = { 0 };

/* The claims are exactly what the specification's example has, and report data are their hash and zeros. */
static void test_claims(void **state)
{
    (void) state;
    static const char head[] = "\xa1\x6bpubkey-hash\x58\x24\x82\x01\x58\x20";
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes claims = { 0 };
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    uint8_t expected[CELLA_REPORT_DATA_SIZE] = { 0 };
    assert_int_equal(cella_attested_claims(spki_sha256, none, &claims, report_data), CELLA_OK);
    assert_int_equal(claims.size, sizeof(head) - 1 + sizeof(spki_sha256));
    assert_memory_equal(claims.data, head, sizeof(head) - 1);
    assert_memory_equal(claims.data + sizeof(head) - 1, spki_sha256, sizeof(spki_sha256));
    assert_int_equal(cella_sha256(cella_bytes_view(&claims), expected), CELLA_OK);
    assert_memory_equal(report_data, expected, sizeof(expected));
}

/* For Intel the TCG extension has tag 60000, for others the record; the IETF's has the record in any case. */
static void test_extensions(void **state)
{
    (void) state;
    const struct {
        enum cella_evidence_type type;
        bool tagged;
    } cases[] = { { CELLA_EVIDENCE_TDX, true }, { CELLA_EVIDENCE_SGX, true }, { CELLA_EVIDENCE_SNP, false },
                  { CELLA_EVIDENCE_SOFT, false }, { CELLA_EVIDENCE_AZ_TDX, false } };
    static uint8_t evidence[CELLA_EVIDENCE_MAX];
    const size_t sizes[] = { 1, 60, 150, 214, 1184, sizeof(evidence) };
    const struct cella_view claims = cella_view_of_string("claims");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
            CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes cmw = { 0 };
            CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes tcg = { 0 };
            struct cella_view record;
            assert_int_equal(cella_attested_write(cases[i].type, cella_view_of(evidence, sizes[j]), claims, &cmw, &tcg),
                             CELLA_OK);
            struct cella_reader reader = cella_reader_of(cella_bytes_view(&cmw));
            assert_int_equal(cella_der_expect(&reader, CELLA_DER_OCTETS, &record), CELLA_OK);
            assert_int_equal(cella_reader_end(&reader), CELLA_OK);
            assert_int_equal(record.data[0], 0x83);
            assert_int_equal(tcg.data[0], cases[i].tagged ? 0xd9 : 0x83);
            assert_true(cases[i].tagged || cella_view_equal(record, cella_bytes_view(&tcg)));
        }
    }
}

static void test_too_large(void **state)
{
    (void) state;
    static uint8_t evidence[CELLA_EVIDENCE_MAX + 1];
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes cmw = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes tcg = { 0 };
    assert_int_equal(cella_attested_write(CELLA_EVIDENCE_SNP, cella_view_of(evidence, sizeof(evidence)), none, &cmw, &tcg),
                     CELLA_TOO_LARGE);
    assert_int_equal(cella_attested_write(CELLA_EVIDENCE_SNP, cella_view_of(evidence, 1),
                                          cella_view_of(evidence, CELLA_ATTESTED_CLAIMS_MAX + 1), &cmw, &tcg),
                     CELLA_TOO_LARGE);
    assert_true(cmw.size == 0 && tcg.size == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
