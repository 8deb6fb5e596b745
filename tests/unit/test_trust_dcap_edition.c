/* SPDX-License-Identifier: Apache-2.0 */
#include "dcap_forge.h"

/* Which edition Intel's collateral is of: the older of the two documents counts. The TCB information is always of 17. */
static void test_older_document_counts(void **state)
{
    static const struct {
        int identity;
        int wanted;
        cella_status status;
    } rows[] = {
        { 17, 0, CELLA_OK },   { 17, 17, CELLA_OK },   { 17, 18, CELLA_TERM },       { 18, 17, CELLA_OK },
        { 18, 18, CELLA_TERM }, { 1, 17, CELLA_TERM }, { 1, 1, CELLA_OK },           { 1, 0, CELLA_OK },
        { 16, 17, CELLA_TERM }, { 0, 17, CELLA_ENDORSEMENT }, { 0, 0, CELLA_ENDORSEMENT },
    };
    static const uint32_t kinds[] = { DCAP_TDX, DCAP_SGX };
    static const uint8_t data[64] = { 7 };
    struct dcap_forge forge;
    (void) state;
    dcap_begin(&forge);
    for (size_t k = 0; k < 2; k++) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes quote = dcap_quote(&forge, kinds[k], data);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            forge.identity_edition = rows[i].identity;
            forge.wanted_edition = rows[i].wanted;
            assert_int_equal(dcap_appraise(&forge, kinds[k], &quote, data, true), rows[i].status);
        }
    }
    dcap_end(&forge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_older_document_counts),
    };
    return cmocka_run_group_tests_name("trust_dcap_edition", tests, NULL, NULL);
}
