/* SPDX-License-Identifier: Apache-2.0 */
#include "software_tpm.h"

#include "platform/tpm_anchor.h"

#define ATTRIBUTES 0x02040044U /* AUTHWRITE, EXTEND, AUTHREAD, NO_DA */
#define ORDINARY 0x02040004U

static const uint8_t measurement[32] = { 0x11 };
static const uint8_t zeros[CELLA_PLATFORM_ANCHOR_SIZE] = { 0 };
static const uint8_t digest[CELLA_SHA256_SIZE] = { 0x33 };

struct world {
    struct software_tpm tpm;
    struct cella_platform_setup setup;
    struct cella_platform *platform;
    struct cella_secret key;
    uint8_t value[CELLA_PLATFORM_ANCHOR_SIZE];
};

/* False: skipped. */
static bool begin(struct world *world)
{
    struct cella_text why;
    *world = (struct world){ .tpm.other_end = -1 };
    if (!tpm_start(&world->tpm)) {
        return false;
    }
    world->setup = (struct cella_platform_setup){ .root = world->tpm.root, .measurement = measurement };
    assert_int_equal(cella_platform_open("tpm", &world->setup, &world->platform, &why), CELLA_OK);
    assert_int_equal(cella_secret_random(&world->key, CELLA_SHA256_SIZE), CELLA_OK);
    assert_true(cella_platform_anchors(world->platform));
    return true;
}

static void end(struct world *world)
{
    cella_platform_free(world->platform);
    cella_secret_clear(&world->key);
    tpm_stop(&world->tpm);
}

static cella_status look(struct world *world)
{
    return cella_platform_anchor(world->platform, &world->key, world->value);
}

static void make(struct world *world)
{
    cella_status status = cella_platform_anchor_new(world->platform, &world->key);
    if (status != CELLA_OK) {
        fail_msg("no anchor: %s: %s", cella_status_name(status), cella_platform_trouble(world->platform));
    }
}

static uint32_t number_of(const struct world *world)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret number = { 0 };
    assert_int_equal(cella_secret_resize(&number, 32), CELLA_OK);
    assert_int_equal(cella_hkdf(CELLA_HASH_SHA256, cella_secret_view(&world->key), cella_view_of(NULL, 0),
                                cella_view_of_string("cella tpm anchor number v1"), &number),
                     CELLA_OK);
    return 0x01a00000U | (((uint32_t) number.data[0] << 16 | (uint32_t) number.data[1] << 8 | number.data[2]) & 0xfffffU);
}

/* ---- what the machine's owner can do: commands without a password, written by hand ---- */

struct command {
    uint8_t bytes[4096];
    size_t size;
};

static void put(struct command *command, uint32_t value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        command->bytes[command->size++] = (uint8_t) (value >> 8 * (size - 1 - i));
    }
}

static struct command begin_command(uint32_t code, uint32_t handle)
{
    struct command command = { .size = 0 };
    put(&command, 0x8002, 2);
    put(&command, 0, 4); /* its size */
    put(&command, code, 4);
    put(&command, handle, 4);
    return command;
}

static void put_password(struct command *command)
{
    put(command, 9, 4);
    put(command, 0x40000009, 4);
    put(command, 0, 4);
    put(command, 0, 1);
}

static uint32_t send_command(const struct world *world, struct command *command)
{
    for (size_t i = 0; i < 4; i++) {
        command->bytes[2 + i] = (uint8_t) (command->size >> 8 * (3 - i));
    }
    return tpm_exchange(world->tpm.socket, command->bytes, &command->size);
}

static void undefine(const struct world *world)
{
    struct command command = begin_command(0x122, 0x40000001);
    put(&command, number_of(world), 4);
    put_password(&command);
    assert_int_equal(send_command(world, &command), 0);
}

/* An index in the anchor's place, with an empty password. */
static void define(const struct world *world, uint32_t attributes)
{
    struct command command = begin_command(0x12a, 0x40000001);
    put_password(&command);
    put(&command, 0, 2);
    put(&command, 14, 2);
    put(&command, number_of(world), 4);
    put(&command, 0x000b, 2);
    put(&command, attributes, 4);
    put(&command, 0, 2);
    put(&command, 32, 2);
    assert_int_equal(send_command(world, &command), 0);
}

/* ---- tests ---- */

static void test_it_only_goes_forward(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        uint8_t both[64];
        uint8_t expected[32] = { 0 };
        assert_int_equal(look(world), CELLA_NOT_FOUND);
        assert_int_equal(cella_platform_anchor_extend(world->platform, &world->key, digest), CELLA_NOT_FOUND);
        make(world);
        assert_int_equal(look(world), CELLA_OK);
        assert_memory_equal(world->value, zeros, sizeof(zeros));
        for (int i = 0; i < 5; i++) { /* nothing stays loaded: again and again */
            memcpy(both, expected, 32);
            memcpy(both + 32, digest, 32);
            assert_int_equal(cella_sha256(cella_view_of(both, sizeof(both)), expected), CELLA_OK);
            assert_int_equal(cella_platform_anchor_extend(world->platform, &world->key, digest), CELLA_OK);
            assert_int_equal(look(world), CELLA_OK);
            assert_memory_equal(world->value, expected, sizeof(expected));
        }
        /* There is one already; it stays as it is. */
        assert_int_equal(cella_platform_anchor_new(world->platform, &world->key), CELLA_SYSTEM_FAILED);
        assert_int_equal(look(world), CELLA_OK);
        assert_memory_equal(world->value, expected, sizeof(expected));
    }
    end(world);
}

static void test_each_key_has_its_own(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        CELLA_CLEANUP(cella_secret_clear) struct cella_secret other = { 0 };
        uint8_t value[32];
        make(world);
        assert_int_equal(cella_secret_random(&other, CELLA_SHA256_SIZE), CELLA_OK);
        assert_int_equal(cella_platform_anchor(world->platform, &other, value), CELLA_NOT_FOUND);
        assert_int_equal(cella_platform_anchor_new(world->platform, &other), CELLA_OK);
        assert_int_equal(cella_platform_anchor_extend(world->platform, &other, digest), CELLA_OK);
        assert_int_equal(look(world), CELLA_OK);
        assert_memory_equal(world->value, zeros, sizeof(zeros));
    }
    end(world);
}

static void test_it_was_removed(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        make(world);
        assert_int_equal(cella_platform_anchor_extend(world->platform, &world->key, digest), CELLA_OK);
        undefine(world);
        assert_int_equal(look(world), CELLA_NOT_FOUND);
        assert_non_null(strstr(cella_platform_trouble(world->platform), "was removed"));
    }
    end(world);
}

/* Neither with the same attributes, whose password is another, nor with others, whose value could be written. */
static void test_it_was_replaced(void **state)
{
    static const struct {
        uint32_t attributes;
        const char *trouble;
    } table[] = { { ATTRIBUTES, "another password" }, { ORDINARY, "is no anchor" } };
    struct world *world = *state;
    if (begin(world)) {
        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
            define(world, table[i].attributes);
            assert_int_equal(look(world), CELLA_BAD_TAG);
            assert_non_null(strstr(cella_platform_trouble(world->platform), table[i].trouble));
            assert_int_equal(cella_platform_anchor_extend(world->platform, &world->key, digest), CELLA_BAD_TAG);
            assert_int_equal(cella_platform_anchor_new(world->platform, &world->key), CELLA_SYSTEM_FAILED);
            undefine(world);
        }
        make(world);
        assert_int_equal(look(world), CELLA_OK);
    }
    end(world);
}

/* TPM2_NV_Write: an old value can not be put back, whoever tries. */
static void test_it_can_not_be_written(void **state)
{
    struct world *world = *state;
    if (begin(world)) {
        make(world);
        assert_int_equal(cella_platform_anchor_extend(world->platform, &world->key, digest), CELLA_OK);
        assert_int_equal(look(world), CELLA_OK);
        uint8_t before[32];
        memcpy(before, world->value, sizeof(before));
        static const uint32_t authorities[] = { 0x40000001, 0 };
        for (size_t i = 0; i < 2; i++) {
            uint32_t number = number_of(world);
            struct command command = begin_command(0x137, authorities[i] == 0 ? number : authorities[i]);
            put(&command, number, 4);
            put_password(&command);
            put(&command, 32, 2);
            for (int k = 0; k < 8; k++) {
                put(&command, 0, 4);
            }
            put(&command, 0, 2);
            assert_int_not_equal(send_command(world, &command), 0);
        }
        assert_int_equal(look(world), CELLA_OK);
        assert_memory_equal(world->value, before, sizeof(before));
    }
    end(world);
}

/* Somebody on the bus changes the value that was read: the answer is authenticated. */
static void alter_read(uint32_t command, uint8_t answer[4096], size_t *size)
{
    if (command == 0x14e && *size > 30) {
        answer[20] ^= 1;
    }
}

static void test_somebody_in_between(void **state)
{
    struct world *world = *state;
    *world = (struct world){ .tpm = { .other_end = -1, .alter = alter_read } };
    if (tpm_start(&world->tpm)) {
        struct cella_text why;
        world->setup = (struct cella_platform_setup){ .root = world->tpm.root, .measurement = measurement };
        assert_int_equal(cella_platform_open("tpm", &world->setup, &world->platform, &why), CELLA_OK);
        assert_int_equal(cella_secret_random(&world->key, CELLA_SHA256_SIZE), CELLA_OK);
        make(world);
        assert_int_equal(cella_platform_anchor_extend(world->platform, &world->key, digest), CELLA_OK);
        assert_int_not_equal(look(world), CELLA_OK);
    }
    end(world);
}

static void test_platforms_without(void **state)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret root = { 0 };
    const struct cella_platform_setup setup = { .root = "/nonexistent", .measurement = measurement, .soft_root = &root };
    struct cella_platform *platform = NULL;
    struct cella_text why;
    uint8_t value[32];
    (void) state;
    assert_int_equal(cella_secret_random(&root, 32), CELLA_OK);
    assert_int_equal(cella_platform_open("soft", &setup, &platform, &why), CELLA_OK);
    assert_false(cella_platform_anchors(platform));
    assert_int_equal(cella_platform_anchor(platform, &root, value), CELLA_SYSTEM_FAILED);
    assert_int_equal(cella_platform_anchor_new(platform, &root), CELLA_SYSTEM_FAILED);
    assert_int_equal(cella_platform_anchor_extend(platform, &root, digest), CELLA_SYSTEM_FAILED);
    cella_platform_free(platform);
}

static struct world the_world;

int main(void)
{
#define TEST(function) cmocka_unit_test_prestate(function, &the_world)
    const struct CMUnitTest tests[] = {
        TEST(test_it_only_goes_forward), TEST(test_each_key_has_its_own),  TEST(test_it_was_removed),
        TEST(test_it_was_replaced),      TEST(test_it_can_not_be_written), TEST(test_somebody_in_between),
        TEST(test_platforms_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
