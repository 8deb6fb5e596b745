/* SPDX-License-Identifier: Apache-2.0 */

/* /dev/sev-guest. The stand-in answers its three ioctls as the kernel's driver and AMD's firmware do. */

#include "platform_sealing.h"
#include "snp_forge.h"
#include "temporary_tree.h"

#include <errno.h>
#include <linux/sev-guest.h>
#include <sys/ioctl.h>

#define DEVICE "/dev/sev-guest"

static struct fake {
    struct forge forge;
    char root[64];
    struct cella_bytes table;
    uint32_t vmpl;         /* of the guest */
    bool no_extended;      /* a host that knows no certificates */
    int extended_error;    /* errno of extended reports */
    uint64_t extended_why; /* and their exitinfo2 */
    int busy;              /* calls that the host puts off yet */
    int fails;             /* calls that fail yet, with EIO */
    uint32_t report_size;
    bool wrong_data;
    uint8_t chip_secret;   /* what the derived key comes from */
    uint8_t measurement;
    uint32_t key_status;
    int extended_calls;
    int plain_calls;
    int key_calls;
    int pauses;
} fake;

int __wrap_ioctl(int device, unsigned long code, void *argument);
int __wrap_nanosleep(const struct timespec *time, struct timespec *rest);

int __wrap_nanosleep(const struct timespec *time, struct timespec *rest)
{
    (void) time;
    (void) rest;
    fake.pauses++;
    return 0;
}

static int answer_report(const struct snp_report_req *request, uint8_t *response)
{
    uint8_t data[64];
    memset(response, 0, 4000);
    if (request->vmpl < fake.vmpl) {
        response[0] = 0x16; /* invalid parameter, says the firmware; the call itself has worked */
        return 0;
    }
    memcpy(data, request->user_data, sizeof(data));
    data[0] = (uint8_t) (data[0] ^ (fake.wrong_data ? 1 : 0));
    forge_le32(response + 4, fake.report_size);
    forge_report(&fake.forge, data, (uint8_t) request->vmpl, response + 32);
    return 0;
}

static int answer_extended(struct snp_guest_request_ioctl *call)
{
    struct snp_ext_report_req *request = (struct snp_ext_report_req *) (uintptr_t) call->req_data;
    fake.extended_calls++;
    assert_int_equal(request->certs_len % 4096, 0);
    if (fake.no_extended || fake.extended_error != 0) {
        call->exitinfo2 = fake.extended_why;
        errno = fake.no_extended ? ENOTTY : fake.extended_error;
        return -1;
    }
    if (request->certs_len < fake.table.size) {
        request->certs_len = (uint32_t) (fake.table.size + 4095) / 4096 * 4096;
        call->exitinfo2 = (uint64_t) SNP_GUEST_VMM_ERR_INVALID_LEN << 32;
        errno = EIO;
        return -1;
    }
    memcpy((void *) (uintptr_t) request->certs_address, fake.table.data, fake.table.size);
    return answer_report(&request->data, (uint8_t *) (uintptr_t) call->resp_data);
}

/* The fields that are mixed in are the ones that were asked for. */
static int answer_key(const struct snp_derived_key_req *request, uint8_t *response)
{
    fake.key_calls++;
    memset(response, 0, 64);
    forge_le32(response, request->vmpl < fake.vmpl ? 0x16 : fake.key_status);
    memset(response + 32, fake.chip_secret, 32);
    if ((request->guest_field_select & 8) != 0) {
        response[32] = fake.measurement;
    }
    response[33] = (uint8_t) request->vmpl;
    return 0;
}

int __wrap_ioctl(int device, unsigned long code, void *argument)
{
    struct snp_guest_request_ioctl *call = argument;
    (void) device;
    assert_int_equal(call->msg_version, 1);
    call->exitinfo2 = 0;
    if (fake.busy > 0 || fake.fails > 0) {
        bool busy = fake.busy > 0;
        fake.busy -= busy ? 1 : 0;
        fake.fails -= busy ? 0 : 1;
        call->exitinfo2 = busy ? (uint64_t) SNP_GUEST_VMM_ERR_BUSY << 32 : 0x20;
        errno = EIO;
        return -1;
    }
    switch (code) {
    case SNP_GET_EXT_REPORT:
        return answer_extended(call);
    case SNP_GET_REPORT:
        fake.plain_calls++;
        return answer_report((const struct snp_report_req *) (uintptr_t) call->req_data,
                             (uint8_t *) (uintptr_t) call->resp_data);
    case SNP_GET_DERIVED_KEY:
        return answer_key((const struct snp_derived_key_req *) (uintptr_t) call->req_data,
                          (uint8_t *) (uintptr_t) call->resp_data);
    default:
        errno = ENOTTY;
        return -1;
    }
}

struct world {
    struct cella_platform_setup setup;
    struct cella_platform *platform;
    struct cella_text why;
    struct cella_binding binding;
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    struct cella_bytes evidence;
    struct cella_bytes endorsements;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    memset((char *) &fake + sizeof(fake.forge), 0, sizeof(fake) - sizeof(fake.forge));
    tree_make(fake.root);
    tree_put(fake.root, DEVICE, "", 0);
    fake.table = forge_table(&fake.forge);
    fake.report_size = FORGE_REPORT_SIZE;
    fake.chip_secret = 7;
    fake.measurement = 1;
    world->setup.root = fake.root;
    world->binding = (struct cella_binding){ .kind = CELLA_BINDING_EXECUTOR, .role = CELLA_ROLE_EXECUTOR,
                                             .charter = cella_view_of_string("{}") };
    assert_int_equal(cella_evidence_report_data(CELLA_ROLE_EXECUTOR, &world->binding.keys, world->binding.charter,
                                                world->binding.nonce, world->report_data),
                     CELLA_OK);
    assert_int_equal(cella_platform_open("sev-guest", &world->setup, &world->platform, &world->why), CELLA_OK);
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
    free(world);
    return tree_remove(fake.root);
}

static cella_status ask(struct world *world)
{
    world->evidence.size = 0;
    world->endorsements.size = 0;
    return cella_platform_evidence(world->platform, world->report_data, world->binding.nonce, &world->evidence,
                                   &world->endorsements);
}

static cella_status appraise(const struct world *world)
{
    struct cella_report report;
    return forge_appraise(&fake.forge, &world->binding, &world->evidence, &world->endorsements, &report);
}

static void test_accepted_end_to_end(void **state)
{
    assert_int_equal(ask(*state), CELLA_OK);
    assert_int_equal(appraise(*state), CELLA_OK);
    fake.forge.pinned_roots = true;
    assert_int_equal(appraise(*state), CELLA_ROOT); /* AMD did not sign this one */
    fake.forge.pinned_roots = false;
    assert_int_equal(fake.extended_calls, 1);
    assert_int_equal(fake.plain_calls, 0);
}

static void test_host_wants_more_room(void **state)
{
    assert_int_equal(cella_bytes_resize(&fake.table, 40000), CELLA_OK);
    assert_int_equal(ask(*state), CELLA_OK);
    assert_int_equal(appraise(*state), CELLA_OK);
    assert_int_equal(fake.extended_calls, 2);
    /* More than there may be: the report alone. */
    assert_int_equal(cella_bytes_resize(&fake.table, 70000), CELLA_OK);
    assert_int_equal(ask(*state), CELLA_OK);
    assert_int_equal(((struct world *) *state)->endorsements.size, 0);
    assert_int_equal(fake.extended_calls, 3);
    assert_int_equal(fake.plain_calls, 1);
}

/* A host that asks for more room again and again, or for less than it got. */
static void test_host_that_is_never_content(void **state)
{
    fake.extended_error = EIO;
    fake.extended_why = (uint64_t) SNP_GUEST_VMM_ERR_INVALID_LEN << 32;
    assert_int_equal(ask(*state), CELLA_OK);
    assert_int_equal(fake.extended_calls, 1);
    assert_int_equal(((struct world *) *state)->endorsements.size, 0);
}

static void test_without_certificates(void **state)
{
    struct world *world = *state;
    fake.no_extended = true;
    assert_int_equal(ask(world), CELLA_OK);
    assert_int_equal(world->evidence.size, FORGE_REPORT_SIZE);
    assert_int_equal(world->endorsements.size, 0);
    assert_int_equal(fake.plain_calls, 1);
}

static void test_throttled(void **state)
{
    fake.busy = 4;
    assert_int_equal(ask(*state), CELLA_OK);
    assert_int_equal(fake.pauses, 4);
    assert_int_equal(appraise(*state), CELLA_OK);
    fake.busy = 1000;
    assert_int_equal(ask(*state), CELLA_SYSTEM_FAILED);
    assert_int_equal(fake.busy, 1000 - 10); /* five of each kind */
}

static void test_failing(void **state)
{
    fake.fails = 2;
    assert_int_equal(ask(*state), CELLA_SYSTEM_FAILED);
    assert_int_equal(fake.pauses, 0);
    assert_int_equal(ask(*state), CELLA_OK);
}

static void test_wrong_answers(void **state)
{
    fake.wrong_data = true;
    assert_int_equal(ask(*state), CELLA_BAD_EVIDENCE);
    fake.wrong_data = false;
    fake.report_size = 0;
    assert_int_equal(ask(*state), CELLA_BAD_EVIDENCE);
    fake.report_size = FORGE_REPORT_SIZE - 1;
    assert_int_equal(ask(*state), CELLA_BAD_EVIDENCE);
    fake.report_size = 0xffffffff;
    assert_int_equal(ask(*state), CELLA_BAD_EVIDENCE);
    assert_int_equal(((struct world *) *state)->evidence.size, 0);
}

static void test_privilege_level(void **state)
{
    fake.vmpl = 2;
    assert_int_equal(ask(*state), CELLA_OK);
    assert_int_equal(((struct world *) *state)->evidence.data[0x30], 2);
    fake.vmpl = 9; /* there is no level that it takes */
    assert_int_equal(ask(*state), CELLA_SYSTEM_FAILED);
}

static void test_sealing(void **state)
{
    struct world *world = *state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = assert_seals(world->platform);
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
    fake.measurement = 2;
    assert_not_unsealed(world->platform, "ledger", cella_bytes_view(&sealed));
    fake.measurement = 1;
    fake.chip_secret = 8;
    assert_not_unsealed(world->platform, "ledger", cella_bytes_view(&sealed));
    fake.chip_secret = 7;
    assert_int_equal(cella_platform_unseal(world->platform, "ledger", cella_bytes_view(&sealed), &secret), CELLA_OK);
    fake.key_status = 0x16;
    assert_int_equal(cella_platform_unseal(world->platform, "ledger", cella_bytes_view(&sealed), &secret),
                     CELLA_SYSTEM_FAILED);
    fake.key_status = 0;
    fake.busy = 5;
    assert_int_equal(cella_platform_unseal(world->platform, "ledger", cella_bytes_view(&sealed), &secret),
                     CELLA_SYSTEM_FAILED);
}

static void test_missing_device(void **state)
{
    struct world *world = *state;
    struct cella_platform *none = NULL;
    struct cella_text why;
    world->setup.root = "/tmp/cella-no-such-folder";
    assert_int_equal(cella_platform_open("sev-guest", &world->setup, &none, &why), CELLA_SYSTEM_FAILED);
    assert_non_null(strstr(why.characters, "Linux 5.19 or later, module sev-guest"));
    assert_int_equal(ask(world), CELLA_SYSTEM_FAILED);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_accepted_end_to_end),  CASE(test_host_wants_more_room), CASE(test_host_that_is_never_content),
        CASE(test_without_certificates), CASE(test_throttled),            CASE(test_failing),
        CASE(test_wrong_answers),        CASE(test_privilege_level),      CASE(test_sealing),
        CASE(test_missing_device),
    };
    forge_begin(&fake.forge);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    forge_end(&fake.forge);
    return failed;
}
