/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include "trust/claims.h"

static void test_finding(void **state)
{
    struct cella_claims claims = { .count = 0 };
    (void) state;
    assert_int_equal(cella_claims_text(&claims, "advisory", cella_view_of_string("A")), CELLA_OK);
    assert_int_equal(cella_claims_number(&claims, "svn", 7), CELLA_OK);
    assert_int_equal(cella_claims_text(&claims, "advisory", cella_view_of_string("B")), CELLA_OK);
    assert_int_equal(cella_claims_flag(&claims, "debug", true), CELLA_OK);
    const struct cella_claim *first = cella_claims_next(&claims, "advisory", NULL);
    const struct cella_claim *second = cella_claims_next(&claims, "advisory", first);
    assert_non_null(second);
    assert_null(cella_claims_next(&claims, "advisory", second));
    assert_null(cella_claims_find(&claims, "advisory", CELLA_CLAIM_TEXT)); /* which of both? */
    assert_null(cella_claims_find(&claims, "svn", CELLA_CLAIM_FLAG));      /* another kind */
    assert_int_equal(cella_claims_find(&claims, "svn", CELLA_CLAIM_NUMBER)->number, 7);
    assert_null(cella_claims_find(&claims, "absent", CELLA_CLAIM_NUMBER));
}

static void test_bounds(void **state)
{
    uint8_t large[CELLA_CLAIM_SIZE_MAX + 1] = { 0 };
    struct cella_claims claims = { .count = 0 };
    (void) state;
    assert_int_equal(cella_claims_bytes(&claims, "large", cella_view_of(large, sizeof(large))), CELLA_TOO_LARGE);
    assert_int_equal(claims.count, 0);
    for (size_t i = 0; i < CELLA_CLAIMS_MAX; i++) {
        assert_int_equal(cella_claims_flag(&claims, "flag", false), CELLA_OK);
    }
    assert_int_equal(cella_claims_flag(&claims, "flag", false), CELLA_TOO_MANY);
}

static void test_zero(void **state)
{
    static const uint8_t bytes[] = { 0, 0, 1 };
    struct cella_claims claims = { .count = 0 };
    (void) state;
    assert_int_equal(cella_claims_bytes(&claims, "zero", cella_view_of(bytes, 2)), CELLA_OK);
    assert_int_equal(cella_claims_bytes(&claims, "other", cella_view_of(bytes, 3)), CELLA_OK);
    assert_int_equal(cella_claims_number(&claims, "number", 0), CELLA_OK);
    assert_true(cella_claim_is_zero(&claims.list[0]));
    assert_false(cella_claim_is_zero(&claims.list[1]));
    assert_false(cella_claim_is_zero(&claims.list[2]));
    assert_false(cella_claim_is_zero(NULL)); /* absent is not zero */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finding),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
