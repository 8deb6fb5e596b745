/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "host/config.h"
#include "host/ready.h"

static cella_status parse(const char *text, struct cella_host_config *config, char *blame)
{
    *config = (struct cella_host_config){ .listen = "127.0.0.1:0", .pool = 4 };
    blame[0] = '\0';
    return cella_host_config_parse(cella_view_of_string(text), config, blame);
}

static void test_good_file(void **state)
{
    (void) state;
    struct cella_host_config config;
    char blame[CELLA_HOST_BLAME_MAX];
    assert_int_equal(parse(" { \"state\" : \"/var/lib/\\u0063ella\", \"listen\":\"[::1]:8443\", \"pool\": 8,\n"
                           "\"allow_missing_layers\":true,\"profiles\":[\"python\"],\"log\":\"json\","
                           "\"store_max_bytes\":0,\"drain_s\":5,\"programs\":\"/p\"} ",
                           &config, blame),
                     CELLA_OK);
    assert_string_equal(config.state, "/var/lib/cella");
    assert_string_equal(config.listen, "[::1]:8443");
    assert_int_equal(config.pool, 8);
    assert_true(config.allow_missing_layers && config.log_json);
    assert_string_equal(config.platform, "auto");
    assert_int_equal(config.profiles.count, 1);
    static const char *const platforms[] = { "auto", "snp", "tdx", "sgx", "nitro", "tpm", "soft" };
    for (size_t i = 0; i < sizeof(platforms) / sizeof(platforms[0]); i++) {
        char text[64];
        (void) snprintf(text, sizeof(text), "{\"state\":\"/s\",\"platform\":\"%s\"}", platforms[i]);
        assert_int_equal(parse(text, &config, blame), CELLA_OK);
        assert_string_equal(config.platform, platforms[i]);
    }
    assert_int_equal(parse("{\"state\":\"/s\",\"collateral_program\":\"none\",\"collateral_intel\":\"https://pccs.example:8081\","
                           "\"collateral_intel_root_crl\":\"http://m/root\",\"collateral_amd\":\"file:///srv/collateral\","
                           "\"collateral_proxy\":\"http://proxy:3128\"}",
                           &config, blame),
                     CELLA_OK);
    assert_string_equal(config.collateral_program, "none");
    assert_string_equal(config.collateral_intel, "https://pccs.example:8081");
    assert_string_equal(config.collateral_amd, "file:///srv/collateral");
    assert_int_equal(parse("{\"state\":\"/s\",\"fetch_from\":\"https://a.example/x http://b.example:81/\",\"fetch_private\":true,"
                           "\"fetch_seconds\":5,\"fetch_max_bytes\":7,\"fetch_program\":\"/f\"}",
                           &config, blame),
                     CELLA_OK);
    assert_string_equal(config.fetch_from, "https://a.example/x http://b.example:81/");
    assert_true(config.fetch_private && config.fetch_seconds == 5 && config.fetch_max_bytes == 7);
}

static void test_bad_files(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        cella_status status;
        const char *blame; /* what the message has to name */
    } wrong[] = {
        { "", CELLA_BAD_JSON, "" },
        { "[]", CELLA_BAD_JSON, "" },
        { "{", CELLA_BAD_JSON, "" },
        { "{\"state\":\"/s\"", CELLA_BAD_JSON, "" },
        { "{\"state\":\"/s\",}", CELLA_BAD_JSON, "" },
        { "{\"state\":\"/s\"} x", CELLA_BAD_JSON, "" },
        { "{\"state\":\"/s\n\"}", CELLA_BAD_JSON, "state" },
        { "{\"state\":\"/s\\x\"}", CELLA_BAD_JSON, "state" },
        { "{\"state\":\"/s\\u0000\"}", CELLA_BAD_JSON, "state" },
        { "{\"state\":\"/s\\ud83d\"}", CELLA_BAD_JSON, "state" },
        { "{state:\"/s\"}", CELLA_BAD_JSON, "" },
        { "{\"state\" \"/s\"}", CELLA_BAD_JSON, "state" },
        { "{}", CELLA_MISSING_FIELD, "state" },
        { "{\"pool\":1}", CELLA_MISSING_FIELD, "state" },
        { "{\"state\":\"/s\",\"stat\":1}", CELLA_UNKNOWN_FIELD, "stat" },
        { "{\"state\":\"/s\",\"state\":\"/s\"}", CELLA_BAD_FIELD, "state" },
        { "{\"state\":\"s\"}", CELLA_BAD_FIELD, "state" },
        { "{\"state\":7}", CELLA_BAD_FIELD, "state" },
        { "{\"state\":null}", CELLA_BAD_FIELD, "state" },
        { "{\"state\":\"/s\",\"pool\":0}", CELLA_BAD_FIELD, "pool" },
        { "{\"state\":\"/s\",\"pool\":65}", CELLA_BAD_FIELD, "pool" },
        { "{\"state\":\"/s\",\"pool\":-1}", CELLA_BAD_FIELD, "pool" },
        { "{\"state\":\"/s\",\"pool\":04}", CELLA_BAD_FIELD, "pool" },
        { "{\"state\":\"/s\",\"pool\":4.0}", CELLA_BAD_FIELD, "pool" },
        { "{\"state\":\"/s\",\"pool\":4e0}", CELLA_BAD_FIELD, "pool" },
        { "{\"state\":\"/s\",\"pool\":\"4\"}", CELLA_BAD_FIELD, "pool" },
        { "{\"state\":\"/s\",\"pool\":99999999999999999999999}", CELLA_BAD_FIELD, "pool" },
        { "{\"state\":\"/s\",\"allow_missing_layers\":1}", CELLA_BAD_FIELD, "allow_missing_layers" },
        { "{\"state\":\"/s\",\"profiles\":\"python\"}", CELLA_BAD_FIELD, "profiles" },
        { "{\"state\":\"/s\",\"profiles\":[1]}", CELLA_BAD_FIELD, "profiles" },
        { "{\"state\":\"/s\",\"profiles\":[\"a b\"]}", CELLA_BAD_FIELD, "profiles" },
        { "{\"state\":\"/s\",\"profiles\":[\"a\",]}", CELLA_BAD_FIELD, "profiles" },
        { "{\"state\":\"/s\",\"platform\":\"\"}", CELLA_BAD_FIELD, "platform" },
        { "{\"state\":\"/s\",\"platform\":\"SNP\"}", CELLA_BAD_FIELD, "platform" },
        { "{\"state\":\"/s\",\"platform\":\"tsm\"}", CELLA_BAD_FIELD, "platform" },
        { "{\"state\":\"/s\",\"platform\":\"soft soft soft soft\"}", CELLA_BAD_FIELD, "platform" },
        { "{\"state\":\"/s\",\"platform\":2}", CELLA_BAD_FIELD, "platform" },
        { "{\"state\":\"/s\",\"log\":\"xml\"}", CELLA_BAD_FIELD, "log" },
        { "{\"state\":\"/s\",\"fetch_program\":\"x\"}", CELLA_BAD_FIELD, "fetch_program" },
        { "{\"state\":\"/s\",\"fetch_from\":[\"https://a\"]}", CELLA_BAD_FIELD, "fetch_from" },
        { "{\"state\":\"/s\",\"fetch_from\":\"data.example\"}", CELLA_BAD_FIELD, "fetch_from" },
        { "{\"state\":\"/s\",\"fetch_from\":\"file:///srv\"}", CELLA_BAD_FIELD, "fetch_from" },
        { "{\"state\":\"/s\",\"fetch_from\":\"https://a https://\"}", CELLA_BAD_FIELD, "fetch_from" },
        { "{\"state\":\"/s\",\"fetch_from\":\"https:///a\"}", CELLA_BAD_FIELD, "fetch_from" },
        { "{\"state\":\"/s\",\"fetch_from\":\"https://u@a\"}", CELLA_BAD_FIELD, "fetch_from" },
        { "{\"state\":\"/s\",\"fetch_from\":\"https://a?b\"}", CELLA_BAD_FIELD, "fetch_from" },
        { "{\"state\":\"/s\",\"fetch_private\":\"yes\"}", CELLA_BAD_FIELD, "fetch_private" },
        { "{\"state\":\"/s\",\"fetch_seconds\":0}", CELLA_BAD_FIELD, "fetch_seconds" },
        { "{\"state\":\"/s\",\"fetch_max_bytes\":0}", CELLA_BAD_FIELD, "fetch_max_bytes" },
        { "{\"state\":\"/s\",\"ledger_program\":\"x\"}", CELLA_BAD_FIELD, "ledger_program" },
        { "{\"state\":\"/s\",\"collateral_program\":\"x\"}", CELLA_BAD_FIELD, "collateral_program" },
        { "{\"state\":\"/s\",\"collateral_program\":false}", CELLA_BAD_FIELD, "collateral_program" },
        { "{\"state\":\"/s\",\"collateral_intel\":\"pccs.example\"}", CELLA_BAD_FIELD, "collateral_intel" },
        { "{\"state\":\"/s\",\"collateral_intel\":\"--cache=/\"}", CELLA_BAD_FIELD, "collateral_intel" },
        { "{\"state\":\"/s\",\"collateral_amd\":\"file://srv\"}", CELLA_BAD_FIELD, "collateral_amd" },
        { "{\"state\":\"/s\",\"collateral_proxy\":\"file:///srv\"}", CELLA_BAD_FIELD, "collateral_proxy" },
        { "{\"state\":\"/s\",\"collateral_intel_root_crl\":\"file:///srv\"}", CELLA_BAD_FIELD, "collateral_intel_root_crl" },
        { "{\"state\":\"/s\",\"listen\":\"here\"}", CELLA_BAD_FIELD, "listen" },
        { "{\"state\":\"/s\",\"listen\":\"127.0.0.1:65536\"}", CELLA_BAD_FIELD, "listen" },
        { "{\"state\":\"/s\",\"listen\":{\"a\":1}}", CELLA_BAD_FIELD, "listen" },
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct cella_host_config config;
        char blame[CELLA_HOST_BLAME_MAX];
        cella_status status = parse(wrong[i].text, &config, blame);
        if (status != wrong[i].status || strncmp(blame, wrong[i].blame, strlen(wrong[i].blame)) != 0) {
            print_error("%s: %s: %s\n", wrong[i].text, cella_status_name(status), blame);
        }
        assert_int_equal(status, wrong[i].status);
        assert_int_equal(strncmp(blame, wrong[i].blame, strlen(wrong[i].blame)), 0);
        assert_true(strlen(blame) > 0);
    }
}

static void test_every_cut_is_refused(void **state)
{
    (void) state;
    static const char text[] = "{\"state\":\"/s\",\"profiles\":[\"a\",\"b\"],\"pool\":12,\"allow_missing_layers\":false}";
    struct cella_host_config config;
    char blame[CELLA_HOST_BLAME_MAX];
    assert_int_equal(parse(text, &config, blame), CELLA_OK);
    for (size_t size = 0; size < sizeof(text) - 1; size++) {
        assert_int_not_equal(cella_host_config_parse(cella_view_of(text, size), &config, blame), CELLA_OK);
    }
}

static cella_status read_line(struct cella_host_config *config, int argc, const char **argv)
{
    char blame[CELLA_HOST_BLAME_MAX];
    return cella_host_config_read(argc, (char **) argv, config, blame);
}

static void test_command_line(void **state)
{
    (void) state;
    struct cella_host_config config;
    const char *good[] = { "cella-host", "run", "--dev", "/d", "--listen", "127.0.0.1:1", "--programs", "/p" };
    assert_int_equal(read_line(&config, 8, good), CELLA_OK);
    assert_true(config.development && config.command == CELLA_HOST_RUN);
    assert_string_equal(config.state, "/d");
    assert_string_equal(config.programs, "/p");
    assert_string_equal(config.platform, "soft"); /* of --dev, whose trust file it writes */
    assert_non_null(strstr(config.collateral_program, "/cella-collateral")); /* not in the executor's folder */
    assert_true(strncmp(config.collateral_program, "/p", 2) != 0);
    assert_non_null(strstr(config.ledger_program, "/cella-ledger"));
    assert_true(strncmp(config.ledger_program, "/p", 2) != 0);
    assert_int_equal(read_line(&config, 7, good), CELLA_BAD_ARGUMENT); /* value missing */
    assert_int_equal(read_line(&config, 2, good), CELLA_BAD_ARGUMENT); /* no folder */
    assert_int_equal(read_line(&config, 1, good), CELLA_BAD_ARGUMENT);
    const char *chosen[] = { "cella-host", "run", "--platform", "tpm", "--dev", "/d" };
    assert_int_equal(read_line(&config, 6, chosen), CELLA_OK);
    assert_string_equal(config.platform, "tpm");
    chosen[3] = "TPM";
    assert_int_equal(read_line(&config, 6, chosen), CELLA_BAD_ARGUMENT);
    const char *doctor[] = { "cella-host", "doctor", "--json", "--platform", "snp" };
    assert_int_equal(read_line(&config, 2, doctor), CELLA_OK);
    assert_int_equal(config.command, CELLA_HOST_DOCTOR);
    assert_true(!config.json && strcmp(config.platform, "auto") == 0);
    assert_int_equal(read_line(&config, 5, doctor), CELLA_OK);
    assert_true(config.json && strcmp(config.platform, "snp") == 0);
    const char *run_json[] = { "cella-host", "run", "--json", "--dev", "/d" };
    assert_int_equal(read_line(&config, 5, run_json), CELLA_BAD_ARGUMENT);
    const char *unknown[] = { "cella-host", "run", "--devel", "/d" };
    assert_int_equal(read_line(&config, 4, unknown), CELLA_BAD_ARGUMENT);
    const char *both[] = { "cella-host", "run", "--dev", "/d", "--config", "/f" };
    assert_int_equal(read_line(&config, 6, both), CELLA_BAD_ARGUMENT);
    const char *help[] = { "cella-host", "--help" };
    assert_int_equal(read_line(&config, 2, help), CELLA_OK);
    assert_int_equal(config.command, CELLA_HOST_HELP);
}

#define D64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define B43 "0123456789abcdefABCDEF-_3456789abcdef012345"
#define READY(executor, measurement, root, charter, layers, version)                                                 \
    "{\"executor\":\"" executor "\",\"platform\":\"soft\",\"measurement\":\"" measurement "\",\"root\":\"" root "\",\"charter\":\"" charter \
    "\",\"layers\":[" layers "],\"version\":\"" version "\"}"

static void test_ready(void **state)
{
    (void) state;
    struct cella_ready ready;
    static const char good[] =
        READY(B43, "sha256:" D64, "ed25519:" B43, D64, "\"seccomp\",\"cgroup\",\"landlock\"", "0.1.0");
    assert_int_equal(cella_ready_parse(cella_view_of_string(good), &ready), CELLA_OK);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    assert_int_equal(cella_ready_trust_file(&ready, true, &text), CELLA_OK);
    assert_int_equal(cella_bytes_append(&text, cella_view_of("", 1)), CELLA_OK);
    assert_non_null(strstr((char *) text.data, "\nvalue = \"sha256:" D64 "\"\n"));
    assert_non_null(strstr((char *) text.data, "\nroots = [\"ed25519:" B43 "\"]\n"));
    /* Whoever wants control groups demands them: no file does by itself. */
    assert_non_null(strstr((char *) text.data, "\nlayers = [\"landlock\", \"seccomp\"]\n"));
    /* Without the operator's leave the file demands what tasks need, and so refuses this executor. */
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes strict = { 0 };
    assert_int_equal(cella_ready_trust_file(&ready, false, &strict), CELLA_OK);
    assert_int_equal(cella_bytes_append(&strict, cella_view_of("", 1)), CELLA_OK);
    assert_non_null(strstr((char *) strict.data,
                           "\nlayers = [\"namespaces\", \"landlock\", \"seccomp\", \"capabilities\", "
                           "\"rlimits\", \"undumpable\"]\n"));
    assert_string_equal(ready.platform, "soft");
    static const char *const wrong[] = {
        "{}",
        "{\"executor\":\"" B43 "\",\"platform\":\"SNP\",\"measurement\":\"sha256:" D64 "\",\"root\":\"ed25519:" B43
        "\",\"charter\":\"" D64 "\",\"layers\":[],\"version\":\"0.1.0\"}",
        READY("short", "sha256:" D64, "ed25519:" B43, D64, "", "0.1.0"),
        READY(B43, D64, "ed25519:" B43, D64, "", "0.1.0"),
        READY(B43, "sha256:" D64 "0", "ed25519:" B43, D64, "", "0.1.0"),
        READY(B43, "sha256:" D64, B43, D64, "", "0.1.0"),
        READY(B43, "sha256:" D64, "ed25519:" B43, "x", "", "0.1.0"),
        READY(B43, "sha256:" D64, "ed25519:" B43, D64, "\"]\\nx = 1\"", "0.1.0"),
        READY(B43, "sha256:" D64, "ed25519:" B43, D64, "\"nolayer\"", "0.1.0"),
        READY(B43, "sha256:" D64, "ed25519:" B43, D64, "", "0.1.0 \\u001b"),
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(cella_ready_parse(cella_view_of_string(wrong[i]), &ready), CELLA_BAD_FORMAT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_file),    cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_command_line), cmocka_unit_test(test_every_cut_is_refused),
        cmocka_unit_test(test_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
