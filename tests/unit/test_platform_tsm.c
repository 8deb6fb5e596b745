/* SPDX-License-Identifier: Apache-2.0 */

/*
 * configfs-tsm. The stand-in is a real tree of files whose folders behave as the kernel's: mkdir fills one with attributes,
 * rmdir takes it with everything in it, writes count generations and are taken in one piece or not at all, and the report
 * is made when outblob is read.
 */

#include "dcap_forge.h"
#include "evidence_files.h"
#include "temporary_tree.h"

#include <errno.h>

#include "platform/platform.h"

#define REPORTS "/sys/kernel/config/tsm/report"

static struct fake {
    struct forge forge;
    char root[64];
    char provider[32];
    int mkdir_error;
    int floor; /* -1: no such attribute */
    unsigned int generation;
    uint8_t inblob[64];
    bool has_inblob;
    int vmpl;
    int busy;               /* reads of outblob that fail yet, with busy_error */
    int busy_error;
    int interlopers;        /* requests yet, into which somebody else's gets */
    bool wrong_data;        /* the report answers another question */
    size_t oversize;        /* bytes of an outblob that is too large */
    struct cella_bytes table;
    bool has_table;
    struct cella_bytes quote; /* TDX: what is given as outblob */
    size_t piece;           /* most bytes that a read gives */
    int made;
    int removed;
    int pauses;
} fake;

int __real_mkdir(const char *path, mode_t mode);
int __real_rmdir(const char *path);
ssize_t __real_read(int file, void *out, size_t size);
ssize_t __real_write(int file, const void *data, size_t size);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_rmdir(const char *path);
ssize_t __wrap_read(int file, void *out, size_t size);
ssize_t __wrap_write(int file, const void *data, size_t size);
int __wrap_nanosleep(const struct timespec *time, struct timespec *rest);

static void put(const char *folder, const char *name, const void *data, size_t size)
{
    char path[512];
    (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(__real_write(file, data, size), size);
    assert_int_equal(close(file), 0);
}

static void put_text(const char *folder, const char *name, const char *text)
{
    put(folder, name, text, strlen(text));
}

static void put_generation(const char *folder)
{
    char text[32];
    (void) snprintf(text, sizeof(text), "%u\n", fake.generation);
    put_text(folder, "generation", text);
}

static void fill(const char *folder)
{
    char text[32];
    put_generation(folder);
    put_text(folder, "provider", fake.provider);
    put_text(folder, "inblob", "");
    put_text(folder, "outblob", "");
    if (fake.has_table) {
        put(folder, "auxblob", fake.table.data, fake.table.size);
    }
    if (fake.floor >= 0) {
        (void) snprintf(text, sizeof(text), "%d\n", fake.floor);
        put_text(folder, "privlevel_floor", text);
        put_text(folder, "privlevel", "");
    }
    fake.has_inblob = false;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    if (strstr(path, REPORTS "/") == NULL) {
        return __real_mkdir(path, mode);
    }
    if (fake.mkdir_error != 0) {
        errno = fake.mkdir_error;
        return -1;
    }
    if (__real_mkdir(path, mode) != 0) {
        return -1;
    }
    fake.made++;
    fill(path);
    return 0;
}

int __wrap_rmdir(const char *path)
{
    static const char *const names[] = { "generation", "provider", "inblob", "outblob", "auxblob", "privlevel_floor",
                                         "privlevel" };
    char file[512];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void) snprintf(file, sizeof(file), "%s/%s", path, names[i]);
        (void) unlink(file);
    }
    fake.removed++;
    return __real_rmdir(path);
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *rest)
{
    (void) rest;
    fake.pauses++;
    assert_true(time->tv_sec == 0 && time->tv_nsec <= 800000000L);
    return 0;
}

/* Folder and name of an open file. */
static const char *name_of(int file, char folder[512])
{
    char link[64];
    (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, folder, 511);
    folder[size < 0 ? 0 : size] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash == NULL || strstr(folder, REPORTS "/") == NULL) {
        return "";
    }
    *slash = '\0';
    return slash + 1;
}

ssize_t __wrap_write(int file, const void *data, size_t size)
{
    char folder[512];
    const char *name = name_of(file, folder);
    if (name[0] == '\0') {
        return __real_write(file, data, size);
    }
    if (strcmp(name, "inblob") == 0) {
        if (size != 64) {
            errno = EINVAL;
            return -1;
        }
        memcpy(fake.inblob, data, 64);
        fake.has_inblob = true;
    } else if (strcmp(name, "privlevel") == 0) {
        int level = *(const char *) data - '0';
        if (size != 1 || level < fake.floor || level > 3) {
            errno = EINVAL;
            return -1;
        }
        fake.vmpl = level;
    }
    fake.generation++;
    put_generation(folder);
    return (ssize_t) size;
}

static void put_report(const char *folder)
{
    uint8_t report[FORGE_REPORT_SIZE];
    uint8_t data[64];
    memcpy(data, fake.inblob, sizeof(data));
    data[63] = (uint8_t) (data[63] ^ (fake.wrong_data ? 1 : 0));
    if (fake.interlopers > 0) {
        fake.interlopers--;
        fake.generation++;
        put_generation(folder);
        memset(data, 0xee, sizeof(data));
    }
    forge_report(&fake.forge, data, (uint8_t) fake.vmpl, report);
    put(folder, "outblob", report, sizeof(report));
    if (fake.quote.size > 0) {
        put(folder, "outblob", fake.quote.data, fake.quote.size);
    }
    if (fake.oversize > 0) {
        uint8_t *large = calloc(1, fake.oversize);
        put(folder, "outblob", large, fake.oversize);
        free(large);
    }
}

ssize_t __wrap_read(int file, void *out, size_t size)
{
    char folder[512];
    if (strcmp(name_of(file, folder), "outblob") == 0 && lseek(file, 0, SEEK_CUR) == 0) {
        if (!fake.has_inblob || fake.busy > 0) {
            fake.busy -= fake.has_inblob ? 1 : 0;
            errno = fake.has_inblob ? fake.busy_error : EINVAL;
            return -1;
        }
        put_report(folder);
    }
    return __real_read(file, out, fake.piece > 0 && fake.piece < size ? fake.piece : size);
}

/* ---- the tests' frame ---- */

struct world {
    struct cella_platform_setup setup;
    struct cella_platform *platform;
    struct cella_text why;
    struct cella_binding binding;
    uint8_t nonce[CELLA_NONCE_SIZE];
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    struct cella_bytes evidence;
    struct cella_bytes endorsements;
};

static int set_up(void **state)
{
    char reports[256];
    struct world *world = calloc(1, sizeof(*world));
    memset((char *) &fake + sizeof(fake.forge), 0, sizeof(fake) - sizeof(fake.forge));
    tree_make(fake.root);
    tree_put(fake.root, "/sys/kernel/config/tsm/here", "", 0);
    (void) snprintf(reports, sizeof(reports), "%s" REPORTS, fake.root);
    assert_int_equal(__real_mkdir(reports, 0700), 0);
    (void) snprintf(fake.provider, sizeof(fake.provider), "sev_guest\n");
    fake.floor = -1;
    fake.generation = 41;
    fake.table = forge_table(&fake.forge);
    fake.has_table = true;
    world->setup.root = fake.root;
    world->binding = (struct cella_binding){ .kind = CELLA_BINDING_EXECUTOR, .role = CELLA_ROLE_EXECUTOR,
                                             .charter = cella_view_of_string("{}") };
    memset(world->nonce, 0x22, sizeof(world->nonce));
    world->binding.nonce = cella_view_of(world->nonce, sizeof(world->nonce));
    assert_int_equal(cella_evidence_report_data(CELLA_ROLE_EXECUTOR, &world->binding.keys, world->binding.charter,
                                                world->binding.nonce, world->report_data),
                     CELLA_OK);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    cella_platform_free(world->platform);
    cella_bytes_clear(&world->evidence);
    cella_bytes_clear(&world->endorsements);
    cella_bytes_clear(&fake.table);
    cella_bytes_clear(&fake.quote);
    free(world);
    return tree_remove(fake.root);
}

static cella_status ask(struct world *world)
{
    if (world->platform == NULL) {
        assert_int_equal(cella_platform_open("tsm", &world->setup, &world->platform, &world->why), CELLA_OK);
    }
    world->evidence.size = 0;
    world->endorsements.size = 0;
    cella_status status = cella_platform_evidence(world->platform, world->report_data, world->binding.nonce,
                                                  &world->evidence, &world->endorsements);
    assert_int_equal(fake.made, fake.removed); /* whatever happens, nothing is left */
    if (status != CELLA_OK) {
        assert_int_equal(world->evidence.size, 0);
        assert_int_equal(world->endorsements.size, 0);
    }
    return status;
}

static cella_status appraise(const struct world *world)
{
    struct cella_report report;
    return forge_appraise(&fake.forge, &world->binding, &world->evidence, &world->endorsements, &report);
}

/* ---- tests ---- */

static void test_accepted_end_to_end(void **state)
{
    struct world *world = *state;
    assert_int_equal(ask(world), CELLA_OK);
    assert_int_equal(cella_platform_type(world->platform), CELLA_EVIDENCE_SNP);
    assert_int_equal(appraise(world), CELLA_OK);
    fake.forge.pinned_roots = true;
    assert_int_equal(appraise(world), CELLA_ROOT); /* AMD did not sign this one */
    fake.forge.pinned_roots = false;
    assert_int_equal(fake.pauses, 0);
    world->binding.nonce = (struct cella_view){ 0 };
    assert_int_equal(appraise(world), CELLA_BINDING);
}

static void test_short_reads(void **state)
{
    fake.piece = 7;
    assert_int_equal(ask(*state), CELLA_OK);
    assert_int_equal(appraise(*state), CELLA_OK);
}

static void test_somebody_else_in_between(void **state)
{
    struct world *world = *state;
    fake.interlopers = 3;
    assert_int_equal(ask(world), CELLA_OK);
    assert_int_equal(appraise(world), CELLA_OK);
    fake.interlopers = 4; /* as often as it is tried */
    assert_int_equal(ask(world), CELLA_SYSTEM_FAILED);
    assert_int_equal(fake.interlopers, 0);
}

static void test_throttled(void **state)
{
    static const int errors[] = { EBUSY, EINTR, ETIMEDOUT };
    for (size_t i = 0; i < 3; i++) {
        fake.busy_error = errors[i];
        fake.busy = 4;
        fake.pauses = 0;
        assert_int_equal(ask(*state), CELLA_OK);
        assert_int_equal(fake.pauses, 4);
        fake.busy = 5;
        assert_int_equal(ask(*state), CELLA_SYSTEM_FAILED);
        assert_int_equal(fake.busy, 0);
    }
    fake.busy_error = EIO; /* is not busy */
    fake.busy = 1;
    assert_int_equal(ask(*state), CELLA_SYSTEM_FAILED);
    assert_int_equal(ask(*state), CELLA_OK);
}

static void test_wrong_report_data(void **state)
{
    fake.wrong_data = true;
    assert_int_equal(ask(*state), CELLA_BAD_EVIDENCE);
}

static void test_oversized_report(void **state)
{
    static const size_t sizes[] = { FORGE_REPORT_SIZE + 1, 32768, 32769, 100000 };
    for (size_t i = 0; i < 4; i++) {
        fake.oversize = sizes[i];
        assert_int_equal(ask(*state), CELLA_BAD_EVIDENCE);
    }
}

static void test_privilege_level(void **state)
{
    fake.floor = 0;
    assert_int_equal(ask(*state), CELLA_OK);
    assert_int_equal(fake.vmpl, 0);
    fake.floor = 2; /* under a service module */
    assert_int_equal(ask(*state), CELLA_OK);
    assert_int_equal(((struct world *) *state)->evidence.data[0x30], 2);
    assert_int_equal(appraise(*state), CELLA_TERM); /* the trust file wants VMPL 0 */
    fake.floor = 7;
    assert_int_equal(ask(*state), CELLA_SYSTEM_FAILED);
}

/* Certificates are a cache: without them there is evidence all the same, and nothing that spoils it. */
static void assert_no_endorsements(struct world *world)
{
    assert_int_equal(ask(world), CELLA_OK);
    assert_int_equal(world->endorsements.size, 0);
    assert_int_equal(world->evidence.size, FORGE_REPORT_SIZE);
}

static void test_missing_certificates(void **state)
{
    fake.has_table = false;
    assert_no_endorsements(*state);
    fake.has_table = true;
    fake.table.size = 0;
    assert_no_endorsements(*state);
    assert_int_equal(cella_bytes_resize(&fake.table, 24), CELLA_OK);
    memset(fake.table.data, 0, 24);
    assert_no_endorsements(*state);
    assert_int_equal(cella_bytes_resize(&fake.table, 65537), CELLA_OK);
    assert_no_endorsements(*state);
}

static void test_malformed_certificate_table(void **state)
{
    const uint8_t other[16] = { 1 };
    const size_t leaf = 2;
    const struct forge *forge = &fake.forge;
    size_t end = fake.table.size;
    size_t begin = end - forge->vcek.size;
    forge_entry(&fake.table, leaf, forge_guid_vcek, end - 1, 2); /* beyond its end */
    assert_no_endorsements(*state);
    forge_entry(&fake.table, leaf, forge_guid_vcek, 0xffffffff, 0xffffffff);
    assert_no_endorsements(*state);
    forge_entry(&fake.table, leaf, forge_guid_vcek, begin, forge->vcek.size - 1); /* cut certificate */
    assert_no_endorsements(*state);
    forge_entry(&fake.table, leaf, forge_guid_vcek, begin, 0);
    assert_no_endorsements(*state);
    forge_entry(&fake.table, leaf, other, begin, forge->vcek.size); /* no leaf */
    assert_no_endorsements(*state);
    forge_entry(&fake.table, leaf, forge_guid_vcek, begin, forge->vcek.size);
    forge_entry(&fake.table, 0, forge_guid_vcek, begin, forge->vcek.size); /* twice */
    assert_no_endorsements(*state);
    forge_entry(&fake.table, 0, other, begin, forge->vcek.size); /* of a kind that we do not know: passed over */
    assert_int_equal(ask(*state), CELLA_OK);
    assert_int_equal(appraise(*state), CELLA_OK);
    fake.table.size = 24 * 3; /* no end */
    assert_no_endorsements(*state);
    fake.table.size = 23;
    assert_no_endorsements(*state);
}

static void test_one_folder_for_those_who_may_not_make_any(void **state)
{
    char folder[256];
    struct world *world = *state;
    (void) snprintf(folder, sizeof(folder), "%s" REPORTS "/cella", fake.root);
    assert_int_equal(__real_mkdir(folder, 0700), 0);
    fill(folder);
    static const int errors[] = { EACCES, EPERM, EROFS };
    for (size_t i = 0; i < 3; i++) {
        fake.mkdir_error = errors[i];
        assert_int_equal(ask(world), CELLA_OK);
        assert_int_equal(appraise(world), CELLA_OK);
    }
    fake.interlopers = 2;
    assert_int_equal(ask(world), CELLA_OK);
    assert_int_equal(fake.made + fake.removed, 0);
}

static void expect_unusable(struct world *world, const char *words)
{
    assert_int_equal(cella_platform_open("tsm", &world->setup, &world->platform, &world->why), CELLA_SYSTEM_FAILED);
    if (strstr(world->why.characters, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", world->why.characters, words);
    }
    assert_int_equal(fake.made, fake.removed);
}

static void test_what_is_missing(void **state)
{
    struct world *world = *state;
    fake.mkdir_error = ENXIO;
    expect_unusable(world, "load module sev-guest or tdx-guest");
    fake.mkdir_error = EACCES;
    expect_unusable(world, "start cella-host as root");
    fake.mkdir_error = ENOENT;
    expect_unusable(world, "Linux 6.7 or later");
    fake.mkdir_error = 0;
    (void) snprintf(fake.provider, sizeof(fake.provider), "arm_cca_guest\n");
    expect_unusable(world, "not known here");
    fake.provider[0] = '\0';
    expect_unusable(world, "not known here");
    world->setup.root = "/tmp/cella-no-such-folder";
    fake.mkdir_error = ENOENT;
    expect_unusable(world, "configfs mounted there");
}

static void test_snp_without_the_device_can_not_seal(void **state)
{
    struct world *world = *state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    assert_int_equal(ask(world), CELLA_OK);
    assert_non_null(strstr(world->why.characters, "can not seal without /dev/sev-guest"));
    assert_int_equal(cella_secret_random(&secret, 32), CELLA_OK);
    assert_int_equal(cella_platform_seal(world->platform, "x", &secret, &sealed), CELLA_SYSTEM_FAILED);
}

/* A real quote, whose report data are what is asked for. */
static void test_tdx(void **state)
{
    struct world *world = *state;
    fake.quote = vector_file("tdx/dcap-qvl/tdx_quote");
    (void) snprintf(fake.provider, sizeof(fake.provider), "tdx_guest\n");
    memcpy(world->report_data, fake.quote.data + 568, 64);
    assert_int_equal(ask(world), CELLA_OK);
    assert_int_equal(cella_platform_type(world->platform), CELLA_EVIDENCE_TDX);
    assert_non_null(strstr(world->why.characters, "no key to seal with"));
    assert_true(cella_view_equal(cella_bytes_view(&world->evidence), cella_bytes_view(&fake.quote)));
    assert_int_equal(world->endorsements.size, 0);
    world->report_data[0] ^= 1;
    assert_int_equal(ask(world), CELLA_BAD_EVIDENCE);
    world->report_data[0] ^= 1;
    fake.quote.size = 4000;
    assert_int_equal(ask(world), CELLA_BAD_EVIDENCE);
}

/* A quote below a root of this test's own, and what a client says to it. */
static void test_tdx_accepted_end_to_end(void **state)
{
    struct world *world = *state;
    struct dcap_forge forge;
    dcap_begin(&forge);
    fake.quote = dcap_quote(&forge, DCAP_TDX, world->report_data);
    (void) snprintf(fake.provider, sizeof(fake.provider), "tdx_guest\n");
    assert_int_equal(ask(world), CELLA_OK);
    assert_int_equal(dcap_appraise(&forge, DCAP_TDX, &world->evidence, world->report_data, true), CELLA_OK);
    assert_int_equal(dcap_appraise(&forge, DCAP_TDX, &world->evidence, world->report_data, false), CELLA_ROOT);
    world->report_data[0] ^= 1;
    assert_int_equal(dcap_appraise(&forge, DCAP_TDX, &world->evidence, world->report_data, true), CELLA_BINDING);
    dcap_end(&forge);
}

/* A kind is wanted: the interface that gives it is taken, and one that gives another kind is not. */
static void test_named_by_kind(void **state)
{
    struct world *world = *state;
    struct cella_platform *none = NULL;
    assert_int_equal(cella_platform_open("snp", &world->setup, &world->platform, &world->why), CELLA_OK);
    assert_string_equal(cella_platform_name(world->platform), "tsm");
    assert_int_equal(cella_platform_type(world->platform), CELLA_EVIDENCE_SNP);
    assert_int_equal(cella_platform_open("tdx", &world->setup, &none, &world->why), CELLA_SYSTEM_FAILED);
    assert_non_null(strstr(world->why.characters, "this machine gives snp, not tdx"));
    assert_null(none);
}

/* Opened as one TEE, it does not become another. */
static void test_provider_changes(void **state)
{
    struct world *world = *state;
    assert_int_equal(ask(world), CELLA_OK);
    (void) snprintf(fake.provider, sizeof(fake.provider), "tdx_guest\n");
    fake.quote = vector_file("tdx/dcap-qvl/tdx_quote");
    memcpy(world->report_data, fake.quote.data + 568, 64);
    assert_int_equal(ask(world), CELLA_BAD_EVIDENCE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_accepted_end_to_end),
        CASE(test_short_reads),
        CASE(test_somebody_else_in_between),
        CASE(test_throttled),
        CASE(test_wrong_report_data),
        CASE(test_oversized_report),
        CASE(test_privilege_level),
        CASE(test_missing_certificates),
        CASE(test_malformed_certificate_table),
        CASE(test_one_folder_for_those_who_may_not_make_any),
        CASE(test_what_is_missing),
        CASE(test_snp_without_the_device_can_not_seal),
        CASE(test_tdx),
        CASE(test_tdx_accepted_end_to_end),
        CASE(test_named_by_kind),
        CASE(test_provider_changes),
    };
    forge_begin(&fake.forge);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    forge_end(&fake.forge);
    return failed;
}
