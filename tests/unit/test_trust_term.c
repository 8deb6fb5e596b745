/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include "trust/term.h"

#define KEY "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"

/* What every row is judged against. */
static void make_claims(struct cella_claims *claims)
{
    static const uint8_t bytes[] = { 0xab, 0xcd };
    static const uint8_t hidden[] = { 0, 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes root =
        bytes_of_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    *claims = (struct cella_claims){ .count = 0 };
    assert_int_equal(cella_claims_flag(claims, "flag", true), CELLA_OK);
    assert_int_equal(cella_claims_bytes(claims, "bytes", cella_view_of(bytes, sizeof(bytes))), CELLA_OK);
    assert_int_equal(cella_claims_bytes(claims, "hidden", cella_view_of(hidden, sizeof(hidden))), CELLA_OK);
    assert_int_equal(cella_claims_text(claims, "text", cella_view_of_string("genoa")), CELLA_OK);
    assert_int_equal(cella_claims_text(claims, "list", cella_view_of_string("SA-1")), CELLA_OK);
    assert_int_equal(cella_claims_text(claims, "list", cella_view_of_string("SA-2")), CELLA_OK);
    assert_int_equal(cella_claims_number(claims, "number", 5), CELLA_OK);
    assert_int_equal(cella_claims_bytes(claims, "root", cella_bytes_view(&root)), CELLA_OK);
}

static const struct {
    enum cella_term_kind kind;
    const char *claim;
    const char *value;
    cella_status load;
    cella_status check;
} rows[] = {
    { CELLA_TERM_FLAG, "flag", "true", CELLA_OK, CELLA_OK },
    { CELLA_TERM_FLAG, "flag", "false", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_FLAG, "absent", "false", CELLA_OK, CELLA_TERM }, /* absent is not off */
    { CELLA_TERM_FLAG, "flag", "1", CELLA_BAD_POLICY, CELLA_OK },
    { CELLA_TERM_FLAG, "flag", "\"yes\"", CELLA_BAD_POLICY, CELLA_OK },
    { CELLA_TERM_BYTES, "bytes", "[\"abcd\"]", CELLA_OK, CELLA_OK },
    { CELLA_TERM_BYTES, "bytes", "[\"0000\",\"ABCD\"]", CELLA_OK, CELLA_OK },
    { CELLA_TERM_BYTES, "bytes", "[\"ab\"]", CELLA_OK, CELLA_TERM }, /* a prefix is not the whole */
    { CELLA_TERM_BYTES, "bytes", "[\"abcd00\"]", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_BYTES, "absent", "[\"abcd\"]", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_BYTES, "number", "[\"05\"]", CELLA_OK, CELLA_TERM }, /* a claim of another kind */
    { CELLA_TERM_BYTES, "bytes", "[]", CELLA_BAD_POLICY, CELLA_OK },
    { CELLA_TERM_BYTES, "bytes", "\"any\"", CELLA_BAD_POLICY, CELLA_OK },
    { CELLA_TERM_BYTES, "bytes", "[\"abcd\",\"abcd\"]", CELLA_BAD_POLICY, CELLA_OK },
    { CELLA_TERM_BYTES, "bytes", "[\"sha256:abcd\"]", CELLA_BAD_POLICY, CELLA_OK },
    { CELLA_TERM_BYTES, "bytes", "[\"abc\"]", CELLA_BAD_POLICY, CELLA_OK },
    { CELLA_TERM_EXCLUDED, "bytes", "[\"abcd\"]", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_EXCLUDED, "bytes", "[\"abce\"]", CELLA_OK, CELLA_OK },
    { CELLA_TERM_EXCLUDED, "absent", "[\"abce\"]", CELLA_OK, CELLA_TERM }, /* who is not named may be the excluded one */
    { CELLA_TERM_EXCLUDED, "hidden", "[\"abce\"]", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_EXCLUDED, "hidden", "[]", CELLA_OK, CELLA_OK },
    { CELLA_TERM_TEXT, "text", "[\"turin\",\"genoa\"]", CELLA_OK, CELLA_OK },
    { CELLA_TERM_TEXT, "text", "[\"geno\"]", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_TEXT, "list", "[\"SA-1\"]", CELLA_OK, CELLA_TERM }, /* of several, each must be listed */
    { CELLA_TERM_TEXT, "absent", "[\"genoa\"]", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_TEXT, "text", "[]", CELLA_BAD_POLICY, CELLA_OK },
    { CELLA_TERM_TEXT, "text", "[\"\"]", CELLA_BAD_POLICY, CELLA_OK },
    { CELLA_TERM_EVERY, "list", "[\"SA-1\",\"SA-2\",\"SA-3\"]", CELLA_OK, CELLA_OK },
    { CELLA_TERM_EVERY, "list", "[\"SA-1\"]", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_EVERY, "list", "[]", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_EVERY, "absent", "[]", CELLA_OK, CELLA_OK },
    { CELLA_TERM_NUMBER, "number", "[4,5]", CELLA_OK, CELLA_OK },
    { CELLA_TERM_NUMBER, "number", "[4]", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_NUMBER, "absent", "[0]", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_NUMBER, "number", "[-1]", CELLA_BAD_POLICY, CELLA_OK },
    { CELLA_TERM_NUMBER, "number", "5", CELLA_BAD_POLICY, CELLA_OK },
    { CELLA_TERM_MINIMUM, "number", "5", CELLA_OK, CELLA_OK },
    { CELLA_TERM_MINIMUM, "number", "6", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_MINIMUM, "absent", "0", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_MINIMUM, "number", "-1", CELLA_BAD_POLICY, CELLA_OK },
    { CELLA_TERM_WITHIN, "number", "\"0000000000000007\"", CELLA_OK, CELLA_OK },
    { CELLA_TERM_WITHIN, "number", "\"0000000000000003\"", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_WITHIN, "absent", "\"ffffffffffffffff\"", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_WITHIN, "number", "\"07\"", CELLA_BAD_POLICY, CELLA_OK },
    { CELLA_TERM_FLOORS, "text", "{\"genoa\":{\"number\":5}}", CELLA_OK, CELLA_OK },
    { CELLA_TERM_FLOORS, "text", "{\"genoa\":{\"number\":6}}", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_FLOORS, "text", "{\"turin\":{\"number\":0}}", CELLA_OK, CELLA_TERM }, /* no floor is no pass */
    { CELLA_TERM_FLOORS, "text", "{\"genoa\":{\"absent\":0}}", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_FLOORS, "absent", "{\"genoa\":{\"number\":0}}", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_FLOORS, "text", "{}", CELLA_BAD_POLICY, CELLA_OK },
    { CELLA_TERM_FLOORS, "text", "{\"genoa\":{}}", CELLA_BAD_POLICY, CELLA_OK },
    { CELLA_TERM_FLOORS, "text", "{\"genoa\":{\"number\":-1}}", CELLA_BAD_POLICY, CELLA_OK },
    { CELLA_TERM_SELECTION, "number", "[0,2]", CELLA_OK, CELLA_OK },
    { CELLA_TERM_SELECTION, "number", "[0]", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_SELECTION, "number", "[0,1,2]", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_SELECTION, "number", "[64]", CELLA_BAD_POLICY, CELLA_OK },
    { CELLA_TERM_LAYERS, "number", "[\"namespaces\",\"seccomp\"]", CELLA_OK, CELLA_OK }, /* 5 is bits 0 and 2 */
    { CELLA_TERM_LAYERS, "number", "[\"landlock\"]", CELLA_OK, CELLA_LAYERS },
    { CELLA_TERM_LAYERS, "number", "[]", CELLA_OK, CELLA_OK },
    { CELLA_TERM_LAYERS, "number", "[\"walls\"]", CELLA_BAD_POLICY, CELLA_OK },
    { CELLA_TERM_ROOTS, "root", "[\"" KEY "\"]", CELLA_OK, CELLA_OK },
    { CELLA_TERM_ROOTS, "root", "[\"ed25519:_FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU\"]", CELLA_OK, CELLA_ROOT },
    { CELLA_TERM_ROOTS, "bytes", "[\"" KEY "\"]", CELLA_OK, CELLA_TERM },
    { CELLA_TERM_ROOTS, "root", "[]", CELLA_BAD_POLICY, CELLA_OK },
    { CELLA_TERM_ROOTS, "root", "[\"rsa:AAAA\"]", CELLA_BAD_POLICY, CELLA_OK },
};

static void test_every_kind(void **state)
{
    struct cella_claims claims;
    (void) state;
    make_claims(&claims);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct cella_term term = { .name = "term", .claim = rows[i].claim, .kind = rows[i].kind };
        struct cella_text detail = { "" };
        size_t element;
        json_t *value = json_loads(rows[i].value, JSON_DECODE_ANY, NULL);
        assert_non_null(value);
        cella_status load = cella_term_validate(&term, value, &element);
        cella_status check = load == CELLA_OK ? cella_term_check(&term, value, &claims, &detail) : CELLA_OK;
        if (load != rows[i].load || check != rows[i].check || (load == CELLA_OK && detail.characters[0] == '\0')) {
            fail_msg("row %zu, %s: %d and %d, \"%s\"", i, rows[i].value, (int) load, (int) check, detail.characters);
        }
        json_decref(value);
    }
}

static void test_which_element_is_wrong(void **state)
{
    const struct cella_term term = { .name = "term", .claim = "bytes", .kind = CELLA_TERM_BYTES, .size = 2 };
    size_t element = 0;
    (void) state;
    json_t *value = json_loads("[\"abcd\",\"ab\"]", 0, NULL);
    assert_int_equal(cella_term_validate(&term, value, &element), CELLA_BAD_POLICY);
    assert_int_equal(element, 1);
    json_decref(value);
    value = json_loads("{}", 0, NULL);
    assert_int_equal(cella_term_validate(&term, value, &element), CELLA_BAD_POLICY);
    assert_true(element == CELLA_TERM_WHOLE);
    json_decref(value);
}

static void test_too_many_values(void **state)
{
    const struct cella_term term = { .name = "term", .claim = "number", .kind = CELLA_TERM_NUMBER };
    size_t element = 0;
    json_t *list = json_array();
    (void) state;
    for (size_t i = 0; i < CELLA_TERM_VALUES_MAX; i++) {
        assert_int_equal(json_array_append_new(list, json_integer((json_int_t) i)), 0);
    }
    assert_int_equal(cella_term_validate(&term, list, &element), CELLA_OK);
    assert_int_equal(json_array_append_new(list, json_integer(9999)), 0);
    assert_int_equal(cella_term_validate(&term, list, &element), CELLA_BAD_POLICY);
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_which_element_is_wrong),
        cmocka_unit_test(test_too_many_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
