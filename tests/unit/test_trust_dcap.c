/* SPDX-License-Identifier: Apache-2.0 */
#include "evidence_files.h"

#include "trust/dcap_platform.h"

#define LINE_MAX_SIZE 1024
#define COLUMNS 9

/* Columns of tests/vectors/tcb_levels.tsv. */
enum column { QUOTE, INFO, COMPONENTS, PCE_SVN, TDX_SVN, STATUS, DATE, MODULE, MERGED };

/* TCB information as served, or as text in a bundle. The caller frees it. */
static json_t *load_info(const char *name)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = vector_file(name);
    json_t *whole = json_loadb((const char *) text.data, text.size, 0, NULL);
    const char *inside = json_string_value(json_object_get(whole, "tcb_info"));
    json_t *info = inside == NULL ? json_incref(json_object_get(whole, "tcbInfo")) : json_loads(inside, 0, NULL);
    json_decref(whole);
    assert_non_null(info);
    return info;
}

static void check_status(const json_t *level, const char *module, const char *merged)
{
    enum cella_tcb_status status;
    enum cella_tcb_status part = CELLA_TCB_UP_TO_DATE;
    assert_int_equal(cella_tcb_status_of(json_string_value(json_object_get(level, "tcbStatus")), &status), CELLA_OK);
    if (strcmp(module, "-") != 0) {
        assert_int_equal(cella_tcb_status_of(module, &part), CELLA_OK);
    }
    assert_string_equal(cella_tcb_status_name(cella_tcb_status_merge(status, part)), merged);
}

static void check_row(char *columns[COLUMNS])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes components = bytes_of_hex(columns[COMPONENTS]);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes tdx_svn = { 0 };
    struct cella_pck pck = { .pce_svn = (uint32_t) strtoul(columns[PCE_SVN], NULL, 10) };
    const json_t *level = NULL;
    memcpy(pck.components, components.data, sizeof(pck.components));
    if (strcmp(columns[TDX_SVN], "-") != 0) {
        tdx_svn = bytes_of_hex(columns[TDX_SVN]);
    }
    json_t *info = load_info(columns[INFO]);
    cella_status status = cella_tcb_level(json_object_get(info, "tcbLevels"), &pck, cella_bytes_view(&tdx_svn), &level);
    if (strcmp(columns[STATUS], "none") == 0) {
        assert_int_equal(status, CELLA_NOT_FOUND);
        assert_string_equal(columns[MERGED], "none");
    } else {
        assert_int_equal(status, CELLA_OK);
        assert_string_equal(json_string_value(json_object_get(level, "tcbStatus")), columns[STATUS]);
        const char *date = json_string_value(json_object_get(level, "tcbDate"));
        assert_true(date != NULL && strncmp(date, columns[DATE], 10) == 0);
        check_status(level, columns[MODULE], columns[MERGED]);
    }
    json_decref(info);
}

/* Every real quote under every TCB information of its kind of platform. */
static void test_levels_of_real_platforms(void **state)
{
    char line[LINE_MAX_SIZE];
    size_t rows = 0;
    (void) state;
    FILE *file = fopen(CELLA_TEST_VECTORS "/tcb_levels.tsv", "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        char *columns[COLUMNS];
        char *rest = line;
        if (line[0] == '#') {
            continue;
        }
        for (size_t i = 0; i < COLUMNS; i++) {
            columns[i] = strsep(&rest, "\t\n");
            assert_non_null(columns[i]);
        }
        check_row(columns);
        rows++;
    }
    (void) fclose(file);
    assert_int_equal(rows, 55);
}

/* The order in which levels are served does not matter: the highest that is reached counts. */
static void test_levels_in_any_order(void **state)
{
    struct cella_pck pck = { .components = { 3, 3, 2, 2, 4, 1, 0, 5 }, .pce_svn = 11 };
    const json_t *first = NULL;
    const json_t *again = NULL;
    (void) state;
    json_t *info = load_info("tdx/dcap-qvl/tdx_quote_collateral.json");
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes svn = bytes_of_hex("06010300000000000000000000000000");
    const json_t *levels = json_object_get(info, "tcbLevels");
    json_t *reversed = json_array();
    for (size_t i = json_array_size(levels); i > 0; i--) {
        assert_int_equal(json_array_append(reversed, json_array_get(levels, i - 1)), 0);
    }
    assert_true(json_array_size(levels) > 1);
    assert_int_equal(cella_tcb_level(levels, &pck, cella_bytes_view(&svn), &first), CELLA_OK);
    assert_int_equal(cella_tcb_level(reversed, &pck, cella_bytes_view(&svn), &again), CELLA_OK);
    assert_ptr_equal(first, again);
    json_decref(reversed);
    json_decref(info);
}

static void test_levels_that_can_not_be_read(void **state)
{
    static const char *const rows[] = {
        "[]", "{}", "[{}]", "[{\"tcb\":{}}]", "[{\"tcb\":{\"pcesvn\":1,\"sgxtcbcomponents\":[]}}]",
        "[{\"tcb\":{\"pcesvn\":\"1\"}}]", "[1]",
    };
    const struct cella_pck pck = { .pce_svn = 100 };
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const json_t *level;
        json_t *levels = json_loads(rows[i], 0, NULL);
        assert_int_equal(cella_tcb_level(levels, &pck, (struct cella_view){ 0 }, &level), CELLA_BAD_FORMAT);
        assert_null(level);
        json_decref(levels);
    }
}

/* Merging never makes better, and Revoked always wins. */
static void test_merging(void **state)
{
    (void) state;
    for (int a = CELLA_TCB_UP_TO_DATE; a <= CELLA_TCB_REVOKED; a++) {
        for (int b = CELLA_TCB_UP_TO_DATE; b <= CELLA_TCB_REVOKED; b++) {
            enum cella_tcb_status merged =
                cella_tcb_status_merge((enum cella_tcb_status) a, (enum cella_tcb_status) b);
            assert_true((int) merged >= a);
            assert_true((merged == CELLA_TCB_REVOKED) == (a == CELLA_TCB_REVOKED || b == CELLA_TCB_REVOKED));
            assert_true(b == CELLA_TCB_UP_TO_DATE ? (int) merged == a : merged >= CELLA_TCB_OUT_OF_DATE);
        }
    }
    assert_int_equal(cella_tcb_status_merge(CELLA_TCB_CONFIGURATION, CELLA_TCB_OUT_OF_DATE),
                     CELLA_TCB_OUT_OF_DATE_CONFIGURATION);
    assert_int_equal(cella_tcb_status_merge(CELLA_TCB_SW_HARDENING, CELLA_TCB_OUT_OF_DATE), CELLA_TCB_OUT_OF_DATE);
    enum cella_tcb_status none;
    assert_int_equal(cella_tcb_status_of("uptodate", &none), CELLA_BAD_FORMAT);
    assert_int_equal(cella_tcb_status_of(NULL, &none), CELLA_BAD_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_of_real_platforms),
        cmocka_unit_test(test_levels_in_any_order),
        cmocka_unit_test(test_levels_that_can_not_be_read),
        cmocka_unit_test(test_merging),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
