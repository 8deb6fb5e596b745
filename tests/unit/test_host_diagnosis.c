/* SPDX-License-Identifier: Apache-2.0 */

/* What `cella-host doctor` makes of an executor's detection and of a machine; the machine is a folder of the test's own. */

#include "temporary_tree.h"

#include "host/diagnosis.h"

#define KERNEL "6.8.0-test"
#define LAYERS "{\"layers\":[\"namespaces\",\"landlock\",\"seccomp\",\"capabilities\",\"rlimits\",\"undumpable\"]}\n"
#define LINE(interface, kind, level, usable, why)                                                                    \
    "{\"interface\":\"" interface "\",\"kind\":\"" kind "\",\"level\":" level ",\"usable\":" usable                  \
    ",\"seals\":true,\"why\":\"" why "\"}\n"
#define SOFT LINE("soft", "soft", "2", "true", "it signs")

struct world {
    char root[64];
    struct cella_diagnosis diagnosis;
    struct cella_bytes text;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    tree_make(world->root);
    tree_put(world->root, "/proc/sys/kernel/osrelease", KERNEL "\n", sizeof(KERNEL));
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    int failed = tree_remove(world->root);
    cella_bytes_clear(&world->text);
    free(world);
    return failed;
}

static void put_processor(const struct world *world, const char *vendor, const char *flags)
{
    char text[512];
    int size = snprintf(text, sizeof(text),
                        "processor\t: 0\nvendor_id\t: %s\nmodel name\t: A\x1b[1m processor\nflags\t\t: fpu %s sse\n\n"
                        "processor\t: 1\nflags\t\t: sgx\n",
                        vendor, flags);
    tree_put(world->root, "/proc/cpuinfo", text, (size_t) size);
}

static void put_option(const struct world *world, const char *text)
{
    tree_put(world->root, "/boot/config-" KERNEL, text, strlen(text));
}

static cella_status make(struct world *world, const char *lines)
{
    return cella_diagnosis_make(world->root, cella_view_of_string(lines), "", &world->diagnosis);
}

static const struct cella_diagnosis_kind *kind(const struct world *world, const char *name)
{
    for (size_t i = 0; i < CELLA_DIAGNOSIS_KINDS; i++) {
        if (strcmp(world->diagnosis.kinds[i].name, name) == 0) {
            return &world->diagnosis.kinds[i];
        }
    }
    fail_msg("no kind %s", name);
    return NULL;
}

static bool misses(const struct world *world, const char *name, const char *words)
{
    const struct cella_diagnosis_kind *one = kind(world, name);
    for (size_t i = 0; i < one->missing_count; i++) {
        if (strstr(one->missing[i], words) != NULL) {
            return true;
        }
    }
    return false;
}

static const char *print(struct world *world, const char *platform, bool json)
{
    world->text.size = 0;
    assert_int_equal(json ? cella_diagnosis_print_json(&world->diagnosis, platform, &world->text)
                          : cella_diagnosis_print(&world->diagnosis, platform, &world->text),
                     CELLA_OK);
    assert_int_equal(cella_bytes_append(&world->text, cella_view_of("", 1)), CELLA_OK);
    return (const char *) world->text.data;
}

static void test_machine(void **state)
{
    struct world *world = *state;
    struct cella_machine machine;
    put_processor(world, "AuthenticAMD", "hypervisor sev_snp_not sev_snp");
    put_option(world, "CONFIG_SEV_GUEST=m\n# CONFIG_TDX_GUEST_DRIVER is not set\nCONFIG_TCG_TPM=y\n");
    cella_machine_look(world->root, &machine);
    assert_string_equal(machine.kernel, KERNEL);
    assert_string_equal(machine.processor, "A?[1m processor");
    assert_int_equal(machine.flags, CELLA_MACHINE_AMD | CELLA_MACHINE_GUEST | CELLA_MACHINE_SNP); /* not the second's */
    assert_true(cella_machine_kernel_is(&machine, 6, 7) && cella_machine_kernel_is(&machine, 6, 8));
    assert_false(cella_machine_kernel_is(&machine, 6, 9) || cella_machine_kernel_is(&machine, 7, 0));
    assert_int_equal(cella_machine_option(world->root, &machine, "SEV_GUEST"), CELLA_MACHINE_MODULE);
    assert_int_equal(cella_machine_option(world->root, &machine, "TDX_GUEST_DRIVER"), CELLA_MACHINE_OFF);
    assert_int_equal(cella_machine_option(world->root, &machine, "TCG_TPM"), CELLA_MACHINE_ON);
    assert_int_equal(cella_machine_option(world->root, &machine, "TCG"), CELLA_MACHINE_OFF);
    cella_machine_look("/tmp/cella-no-such-folder", &machine);
    assert_int_equal(machine.flags, 0);
    assert_int_equal(cella_machine_option("/tmp/cella-no-such-folder", &machine, "TCG_TPM"), CELLA_MACHINE_UNKNOWN);
    assert_true(cella_machine_kernel_is(&machine, 99, 0)); /* unknown: nothing is said against it */
}

static void test_choice(void **state)
{
    struct world *world = *state;
    put_processor(world, "AuthenticAMD", "hypervisor sev_snp");
    assert_int_equal(make(world, LINE("tsm", "snp", "5", "true", "configfs gives reports")
                                     LINE("sev-guest", "snp", "5", "false", "no device")
                                         LINE("tpm", "tpm", "3", "true", "a quote") SOFT LAYERS),
                     CELLA_OK);
    assert_string_equal(cella_diagnosis_choice(&world->diagnosis, "auto")->name, "snp");
    assert_string_equal(cella_diagnosis_choice(&world->diagnosis, "tpm")->name, "tpm");
    assert_null(cella_diagnosis_choice(&world->diagnosis, "tdx"));
    assert_true(cella_diagnosis_serves(&world->diagnosis, "soft"));
    assert_string_equal(kind(world, "snp")->interface, "tsm");
    assert_string_equal(kind(world, "snp")->found, "configfs gives reports");
    assert_string_equal(kind(world, "tdx")->found, "the processor is not Intel's");
    assert_int_equal(kind(world, "snp")->missing_count, 0);
    const char *text = print(world, "auto", false);
    assert_non_null(strstr(text, "gives evidence snp: level 5 at best"));
    assert_null(strstr(text, "The next level")); /* there is none above */
    assert_non_null(strstr(print(world, "tpm", true), "\"serves\":true,\"level\":3,\"platform\":\"tpm\""));
    assert_non_null(strstr(print(world, "tdx", true), "\"serves\":false,\"level\":0,\"platform\":\"\""));
}

static void test_missing_snp(void **state)
{
    struct world *world = *state;
    static const char lines[] =
        LINE("tsm", "none", "5", "false", "no configfs") LINE("sev-guest", "snp", "5", "false", "no device") SOFT LAYERS;
    put_processor(world, "AuthenticAMD", "svm");
    assert_int_equal(make(world, lines), CELLA_OK);
    assert_string_equal(kind(world, "snp")->found, "no configfs; no device");
    assert_true(misses(world, "snp", "not a virtual machine") && misses(world, "snp", "flag sev_snp is not there"));
    put_processor(world, "AuthenticAMD", "hypervisor sev_snp");
    put_option(world, "# CONFIG_SEV_GUEST is not set\n");
    assert_int_equal(make(world, lines), CELLA_OK);
    assert_false(misses(world, "snp", "flag") || misses(world, "snp", "virtual machine"));
    assert_true(misses(world, "snp", "CONFIG_SEV_GUEST") && misses(world, "snp", "load module sev-guest"));
    put_option(world, "CONFIG_SEV_GUEST=m\n");
    tree_put(world->root, "/sys/kernel/config/tsm/report/x", "", 0);
    assert_int_equal(make(world, lines), CELLA_OK);
    assert_int_equal(kind(world, "snp")->missing_count, 0); /* what is left, the executor's words say */
    assert_non_null(strstr(print(world, "auto", false), "The next level is 3, with TPM 2.0."));
}

static void test_missing_on_intel(void **state)
{
    struct world *world = *state;
    put_processor(world, "GenuineIntel", "hypervisor");
    put_option(world, "CONFIG_X=y\n");
    tree_put(world->root, "/dev/tpm0", "", 0);
    tree_put(world->root, "/proc/sys/kernel/osrelease", "6.1.0\n", 6);
    assert_int_equal(make(world, LINE("tsm", "none", "5", "false", "no configfs") LINE("gramine", "sgx", "5", "false", "none")
                                     LINE("tpm", "tpm", "3", "false", "none") SOFT LAYERS),
                     CELLA_OK);
    assert_string_equal(kind(world, "snp")->found, "the processor is not AMD's");
    assert_true(misses(world, "tdx", "flag tdx_guest is not there") && misses(world, "tdx", "older than 6.7"));
    assert_true(misses(world, "sgx", "flag sgx") && misses(world, "sgx", "does not start executors in enclaves"));
    assert_true(misses(world, "tpm", "TPM 1.2") && misses(world, "tpm", "virtual TPM"));
}

static void test_layers(void **state)
{
    struct world *world = *state;
    assert_int_equal(make(world, SOFT "{\"layers\":[\"namespaces\",\"seccomp\"]}\n"), CELLA_OK);
    assert_int_equal(world->diagnosis.lacking.count, 4);
    assert_false(cella_diagnosis_serves(&world->diagnosis, "soft"));
    const char *text = print(world, "soft", false);
    assert_non_null(strstr(text, "MISSING: landlock, capabilities, rlimits, undumpable"));
    assert_non_null(strstr(text, "no task can run"));
    assert_int_equal(make(world, SOFT "{\"layers\":[]}\n"), CELLA_OK);
    assert_non_null(strstr(print(world, "soft", false), "no zygote could be started"));
}

static void test_malformed(void **state)
{
    struct world *world = *state;
    static const char *const wrong[] = {
        "",
        "\n",
        (SOFT),
        (LAYERS SOFT),
        "{}\n",
        (SOFT "{\"layers\":[\"none such\"]}\n"),
        (SOFT "{\"layers\":7}\n"),
        (LINE("soft", "soft", "6", "true", "x") LAYERS),
        (LINE("soft", "soft", "2", "true", "\\u001b[1m") LAYERS),
        (SOFT "{\"layers\":[]}"),
        (SOFT LAYERS LAYERS),
        ("not JSON\n" LAYERS),
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (make(world, wrong[i]) != CELLA_BAD_FORMAT) {
            fail_msg("accepted: %s", wrong[i]);
        }
        assert_false(cella_diagnosis_serves(&world->diagnosis, "auto"));
        assert_non_null(strstr(print(world, "auto", false), "malformed"));
    }
    assert_int_equal(cella_diagnosis_make(world->root, (struct cella_view){ 0 }, "no namespaces", &world->diagnosis), CELLA_OK);
    assert_non_null(strstr(print(world, "auto", false), "can not be started: no namespaces"));
    assert_non_null(strstr(print(world, "auto", true), "\"trouble\":\"no namespaces\""));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_machine), CASE(test_choice),  CASE(test_missing_snp), CASE(test_missing_on_intel),
        CASE(test_layers),  CASE(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
