/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include "trust/json.h"

static cella_status parse(const char *text, json_t **out)
{
    return cella_json_parse(cella_view_of_string(text), 4096, out);
}

static json_t *parsed(const char *text)
{
    json_t *json = NULL;
    assert_int_equal(parse(text, &json), CELLA_OK);
    return json;
}

static void test_strict(void **state)
{
    (void) state;
    static const char *const bad[] = {
        "",
        " ",
        "null",
        "1",
        "\"text\"",
        "[]",
        "{",
        "{}}",
        "{} {}",
        "{}x",
        "{\"a\":1,\"a\":1}",
        "{\"a\":{\"b\":1,\"b\":2}}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":1e999}",
        "{\"a\":9223372036854775808}",
        "{\"a\":01}",
        "{\"a\":1,}",
        "{'a':1}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\\u0000b\":1}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc0\x80\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":1} // end",
        "\xef\xbb\xbf{}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *json = NULL;
        if (parse(bad[i], &json) != CELLA_BAD_JSON || json != NULL) {
            fail_msg("accepted: %s", bad[i]);
        }
    }
    json_t *json = NULL;
    assert_int_equal(cella_json_parse(cella_view_of("{}\0", 3), 3, &json), CELLA_BAD_JSON);
    assert_null(json);
}

static void test_size(void **state)
{
    (void) state;
    json_t *json = NULL;
    assert_int_equal(cella_json_parse(cella_view_of_string("{}  "), 3, &json), CELLA_TOO_LARGE);
    assert_null(json);
    assert_int_equal(cella_json_parse(cella_view_of_string("{}  "), 4, &json), CELLA_OK);
    cella_json_cleanup(&json);
    assert_null(json);
    cella_json_cleanup(&json);
}

/* {"a":[[...]]} of a given depth, the object included. */
static void make_nested(size_t depth, char *out)
{
    size_t used = 0;
    memcpy(out, "{\"a\":", 5);
    used += 5;
    memset(out + used, '[', depth - 1);
    used += depth - 1;
    memset(out + used, ']', depth - 1);
    used += depth - 1;
    memcpy(out + used, "}", 2);
}

static void test_depth(void **state)
{
    (void) state;
    char text[4096];
    json_t *json = NULL;
    make_nested(CELLA_JSON_DEPTH_MAX, text);
    assert_int_equal(parse(text, &json), CELLA_OK);
    cella_json_cleanup(&json);
    make_nested(CELLA_JSON_DEPTH_MAX + 1, text);
    assert_int_equal(parse(text, &json), CELLA_BAD_JSON);
    make_nested(2000, text);
    assert_int_equal(parse(text, &json), CELLA_BAD_JSON);
    /* Brackets inside strings do not nest, also behind escaped quotes. */
    json = parsed(
        "{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\\\"}");
    cella_json_cleanup(&json);
}

static void test_getters(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *json =
        parsed("{\"s\":\"text\",\"i\":-5,\"b\":true,\"o\":{},\"l\":[1],\"n\":null,\"f\":\"AAEC\",\"x\":\"AAE\"}");
    struct cella_json_error error = { "" };
    struct cella_json_object object;
    const char *text = NULL;
    int64_t number = 0;
    bool flag = false;
    json_t *value = NULL;
    uint8_t fixed[3] = { 9, 9, 9 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = { 0 };
    assert_int_equal(cella_json_begin(json, "", &error, &object), CELLA_OK);
    assert_int_equal(cella_json_string(&object, "s", 4, &text), CELLA_OK);
    assert_string_equal(text, "text");
    assert_int_equal(cella_json_integer(&object, "i", -5, 5, &number), CELLA_OK);
    assert_int_equal(number, -5);
    assert_int_equal(cella_json_boolean_optional(&object, "b", &flag), CELLA_OK);
    assert_true(flag);
    assert_int_equal(cella_json_member(&object, "o", JSON_OBJECT, &value), CELLA_OK);
    assert_true(json_is_object(value));
    assert_int_equal(cella_json_member_optional(&object, "l", JSON_ARRAY, &value), CELLA_OK);
    assert_true(json_is_array(value));
    assert_int_equal(cella_json_value_optional(&object, "n", &value), CELLA_OK);
    assert_true(json_is_null(value));
    assert_int_equal(cella_json_fixed(&object, "f", fixed, 3), CELLA_OK);
    assert_memory_equal(fixed, "\0\1\2", 3);
    assert_int_equal(cella_json_end(&object), CELLA_UNKNOWN_FIELD);
    assert_string_equal(error.field, "x");
    assert_int_equal(cella_json_bytes(&object, "x", 2, &bytes), CELLA_OK);
    assert_int_equal(bytes.size, 2);
    assert_int_equal(cella_json_end(&object), CELLA_OK);
}

static void test_missing_and_optional(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = parsed("{}");
    struct cella_json_error error = { "" };
    struct cella_json_object object;
    const char *text = "old";
    int64_t number = 7;
    bool flag = true;
    json_t *value = json;
    uint8_t fixed[1] = { 9 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = { 0 };
    assert_int_equal(cella_json_begin(json, "inputs[2]", &error, &object), CELLA_OK);
    assert_int_equal(cella_json_string_optional(&object, "s", 4, &text), CELLA_OK);
    assert_int_equal(cella_json_integer_optional(&object, "i", 0, 9, &number), CELLA_OK);
    assert_int_equal(cella_json_boolean_optional(&object, "b", &flag), CELLA_OK);
    assert_int_equal(cella_json_member_optional(&object, "m", JSON_ARRAY, &value), CELLA_OK);
    assert_int_equal(cella_json_value_optional(&object, "v", &value), CELLA_OK);
    assert_string_equal(text, "old");
    assert_int_equal(number, 7);
    assert_true(flag && value == json);
    assert_string_equal(error.field, "");
    assert_int_equal(cella_json_string(&object, "name", 4, &text), CELLA_MISSING_FIELD);
    assert_string_equal(error.field, "inputs[2].name");
    assert_int_equal(cella_json_integer(&object, "size", 0, 4, &number), CELLA_MISSING_FIELD);
    assert_string_equal(error.field, "inputs[2].size");
    assert_int_equal(cella_json_member(&object, "list", JSON_ARRAY, &value), CELLA_MISSING_FIELD);
    assert_int_equal(cella_json_fixed(&object, "key", fixed, 1), CELLA_MISSING_FIELD);
    assert_int_equal(cella_json_bytes(&object, "text", 1, &bytes), CELLA_MISSING_FIELD);
    assert_string_equal(error.field, "inputs[2].text");
    assert_int_equal(cella_json_end(&object), CELLA_OK);
}

static void test_bad_field(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *json = parsed("{\"s\":\"text\",\"i\":10,\"r\":1.0,\"n\":null,\"f\":\"AAE=\",\"g\":\"AAEC\",\"l\":[]}");
    struct cella_json_error error = { "" };
    struct cella_json_object object;
    const char *text = "old";
    int64_t number = 7;
    bool flag = true;
    json_t *value = json;
    uint8_t fixed[2] = { 9, 9 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = { 0 };
    assert_int_equal(cella_json_begin(json, "", &error, &object), CELLA_OK);
    assert_int_equal(cella_json_string(&object, "s", 3, &text), CELLA_BAD_FIELD);
    assert_string_equal(error.field, "s");
    assert_int_equal(cella_json_string(&object, "i", 99, &text), CELLA_BAD_FIELD);
    assert_int_equal(cella_json_string_optional(&object, "n", 99, &text), CELLA_BAD_FIELD);
    assert_int_equal(cella_json_integer(&object, "i", 0, 9, &number), CELLA_BAD_FIELD);
    assert_int_equal(cella_json_integer(&object, "i", 11, 12, &number), CELLA_BAD_FIELD);
    assert_int_equal(cella_json_integer(&object, "r", 0, 9, &number), CELLA_BAD_FIELD);
    assert_int_equal(cella_json_integer_optional(&object, "n", 0, 9, &number), CELLA_BAD_FIELD);
    assert_int_equal(cella_json_boolean_optional(&object, "i", &flag), CELLA_BAD_FIELD);
    assert_int_equal(cella_json_boolean_optional(&object, "n", &flag), CELLA_BAD_FIELD);
    assert_int_equal(cella_json_member(&object, "l", JSON_OBJECT, &value), CELLA_BAD_FIELD);
    assert_int_equal(cella_json_member_optional(&object, "n", JSON_OBJECT, &value), CELLA_BAD_FIELD);
    assert_int_equal(cella_json_fixed(&object, "f", fixed, 2), CELLA_BAD_FIELD);
    assert_int_equal(cella_json_fixed(&object, "g", fixed, 2), CELLA_BAD_FIELD);
    assert_int_equal(cella_json_bytes(&object, "f", 9, &bytes), CELLA_BAD_FIELD);
    assert_int_equal(cella_json_bytes(&object, "g", 2, &bytes), CELLA_BAD_FIELD);
    assert_string_equal(error.field, "g");
    assert_string_equal(text, "old");
    assert_int_equal(number, 7);
    assert_true(flag && value == json && bytes.size == 0);
    assert_memory_equal(fixed, "\x09\x09", 2);
    assert_int_equal(cella_json_begin(json_object_get(json, "l"), "list", &error, &object), CELLA_BAD_FIELD);
    assert_string_equal(error.field, "list");
    assert_int_equal(cella_json_begin(NULL, "none", &error, &object), CELLA_BAD_FIELD);
}

/* The same field taken twice does not make room for an unknown one. */
static void test_end(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = parsed("{\"a\":1,\"b\\n\xc3\xa4\":2}");
    struct cella_json_error error = { "" };
    struct cella_json_object object;
    int64_t number;
    assert_int_equal(cella_json_begin(json, "top", &error, &object), CELLA_OK);
    assert_int_equal(cella_json_integer(&object, "a", 0, 9, &number), CELLA_OK);
    assert_int_equal(cella_json_integer(&object, "a", 0, 9, &number), CELLA_OK);
    assert_int_equal(cella_json_end(&object), CELLA_UNKNOWN_FIELD);
    assert_string_equal(error.field, "top.b???");
}

static void test_many_members(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = json_object();
    struct cella_json_error error = { "" };
    struct cella_json_object object;
    char key[200];
    int64_t number;
    for (int i = 0; i < 100; i++) {
        (void) snprintf(key, sizeof(key), "member%d", i);
        assert_int_equal(json_object_set_new(json, key, json_integer(i)), 0);
    }
    assert_int_equal(cella_json_begin(json, "", &error, &object), CELLA_OK);
    for (int i = 0; i < 100; i++) {
        (void) snprintf(key, sizeof(key), "member%d", i);
        assert_int_equal(cella_json_integer(&object, key, i, i, &number), CELLA_OK);
    }
    assert_int_equal(cella_json_end(&object), CELLA_UNKNOWN_FIELD);
    /* A long name is cut, never written past its end. */
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    assert_int_equal(cella_json_integer(&object, key, 0, 1, &number), CELLA_MISSING_FIELD);
    assert_int_equal(strlen(error.field), sizeof(error.field) - 1);
}

static void test_write(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = parsed("{ \"b\": [1, 2.5, null], \"a\": \"\xc3\xa4\\n\" }");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    assert_int_equal(cella_bytes_set(&out, cella_view_of_string("head")), CELLA_OK);
    assert_int_equal(cella_json_write(json, &out), CELLA_OK);
    assert_true(cella_view_is(cella_bytes_view(&out), "head{\"a\":\"\xc3\xa4\\n\",\"b\":[1,2.5,null]}"));
}

static void test_values(void **state)
{
    (void) state;
    CELLA_CLEANUP(cella_json_cleanup) json_t *base64url = cella_json_base64url(cella_view_of("\xfb\xff\xfe\0", 4));
    CELLA_CLEANUP(cella_json_cleanup) json_t *hex = cella_json_hex(cella_view_of("\xfb\0", 2));
    CELLA_CLEANUP(cella_json_cleanup) json_t *empty = cella_json_base64url((struct cella_view){ 0 });
    CELLA_CLEANUP(cella_json_cleanup) json_t *empty_hex = cella_json_hex((struct cella_view){ 0 });
    assert_string_equal(json_string_value(base64url), "-__-AA");
    assert_string_equal(json_string_value(hex), "fb00");
    assert_string_equal(json_string_value(empty), "");
    assert_string_equal(json_string_value(empty_hex), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_getters),
        cmocka_unit_test(test_missing_and_optional),
        cmocka_unit_test(test_bad_field),
        cmocka_unit_test(test_end),
        cmocka_unit_test(test_many_members),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
