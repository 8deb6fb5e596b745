/* SPDX-License-Identifier: Apache-2.0 */

/*
 * /dev/nsm. The stand-in reads the CBOR request and gives a document for what it says, of the form of AWS's, signed below a
 * root that only this test trusts.
 */

#include "snp_forge.h"
#include "temporary_tree.h"

#include <errno.h>
#include <sys/ioctl.h>

#include "platform/platform.h"
#include "trust/cbor.h"

static struct fake {
    struct forge forge;      /* its first root, and a key */
    struct cella_bytes leaf; /* DER: an enclave's certificate below that root */
    char root[64];
    struct cella_bytes response; /* given as it is, unless empty */
    size_t cut;                  /* bytes of the answer that are not given */
    uint64_t claimed;            /* size of the answer that is claimed, unless 0 */
    int busy;
    int error;
    bool wrong_data;
    bool wrong_nonce;
    int calls;
} fake;

struct call {
    uint64_t request;
    uint64_t request_size;
    uint64_t response;
    uint64_t response_size;
};

int __wrap_ioctl(int device, unsigned long code, void *argument);
int __wrap_nanosleep(const struct timespec *time, struct timespec *rest);

int __wrap_nanosleep(const struct timespec *time, struct timespec *rest)
{
    (void) time;
    (void) rest;
    return 0;
}

#define DO(call) assert_int_equal(call, CELLA_OK)

static void expect_text(struct cella_reader *reader, const char *text)
{
    struct cella_cbor_item item;
    DO(cella_cbor_expect(reader, CELLA_CBOR_TEXT, &item));
    assert_true(cella_view_is(item.content, text));
}

/* Null stays empty. */
static struct cella_view take_optional(struct cella_reader *reader, const char *name)
{
    struct cella_cbor_item item;
    expect_text(reader, name);
    DO(cella_cbor_next(reader, &item));
    if (item.kind == CELLA_CBOR_SIMPLE) {
        assert_int_equal(item.value, 22);
        return (struct cella_view){ 0 };
    }
    assert_int_equal(item.kind, CELLA_CBOR_BYTES);
    return item.content;
}

static void write_optional(struct cella_bytes *out, const char *name, struct cella_view content)
{
    DO(cella_cbor_write_text(out, name));
    DO(content.size == 0 ? cella_cbor_write_head(out, CELLA_CBOR_SIMPLE, 22) : cella_cbor_write_bytes(out, content));
}

static void write_payload(struct cella_view user_data, struct cella_view nonce, struct cella_bytes *out)
{
    const uint8_t pcr[48] = { 3 };
    DO(cella_cbor_write_head(out, CELLA_CBOR_MAP, 9));
    DO(cella_cbor_write_text(out, "module_id"));
    DO(cella_cbor_write_text(out, "i-0-enc0"));
    DO(cella_cbor_write_text(out, "digest"));
    DO(cella_cbor_write_text(out, "SHA384"));
    DO(cella_cbor_write_text(out, "timestamp"));
    DO(cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, (uint64_t) time(NULL) * 1000));
    DO(cella_cbor_write_text(out, "pcrs"));
    DO(cella_cbor_write_head(out, CELLA_CBOR_MAP, 3));
    for (uint64_t i = 0; i < 3; i++) {
        DO(cella_cbor_write_head(out, CELLA_CBOR_UNSIGNED, i));
        DO(cella_cbor_write_bytes(out, cella_view_of(pcr, sizeof(pcr))));
    }
    DO(cella_cbor_write_text(out, "certificate"));
    DO(cella_cbor_write_bytes(out, cella_bytes_view(&fake.leaf)));
    DO(cella_cbor_write_text(out, "cabundle"));
    DO(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 1));
    DO(cella_cbor_write_bytes(out, cella_bytes_view(&fake.forge.ark)));
    write_optional(out, "public_key", (struct cella_view){ 0 });
    write_optional(out, "user_data", user_data);
    write_optional(out, "nonce", nonce);
}

/* RFC 9052, section 4.4: {"Signature1", header, nothing, payload}; ES384 as the two numbers. */
static void sign_document(struct cella_view header, struct cella_view payload, uint8_t out[96])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    DO(cella_cbor_write_head(&text, CELLA_CBOR_ARRAY, 4));
    DO(cella_cbor_write_text(&text, "Signature1"));
    DO(cella_cbor_write_bytes(&text, header));
    DO(cella_cbor_write_bytes(&text, (struct cella_view){ 0 }));
    DO(cella_cbor_write_bytes(&text, payload));
    forge_raw_signature(fake.forge.vcek_key, EVP_sha384(), cella_bytes_view(&text), 48, out);
}

static void write_document(struct cella_view user_data, struct cella_view nonce, struct cella_bytes *out)
{
    static const uint8_t header[] = { 0xa1, 0x01, 0x38, 0x22 };
    uint8_t signature[96];
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    write_payload(user_data, nonce, &payload);
    sign_document(cella_view_of(header, sizeof(header)), cella_bytes_view(&payload), signature);
    DO(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 4));
    DO(cella_cbor_write_bytes(out, cella_view_of(header, sizeof(header))));
    DO(cella_cbor_write_head(out, CELLA_CBOR_MAP, 0));
    DO(cella_cbor_write_bytes(out, cella_bytes_view(&payload)));
    DO(cella_cbor_write_bytes(out, cella_view_of(signature, sizeof(signature))));
}

static void write_response(struct cella_view request, struct cella_bytes *out)
{
    uint8_t data[64];
    const uint8_t other[32] = { 9 };
    struct cella_reader reader = cella_reader_of(request);
    struct cella_cbor_item item;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes document = { 0 };
    DO(cella_cbor_expect(&reader, CELLA_CBOR_MAP, &item));
    assert_int_equal(item.value, 1);
    expect_text(&reader, "Attestation");
    DO(cella_cbor_expect(&reader, CELLA_CBOR_MAP, &item));
    assert_int_equal(item.value, 3);
    struct cella_view user_data = take_optional(&reader, "user_data");
    struct cella_view nonce = take_optional(&reader, "nonce");
    assert_int_equal(take_optional(&reader, "public_key").size, 0);
    DO(cella_reader_end(&reader));
    assert_int_equal(user_data.size, 64);
    memcpy(data, user_data.data, 64);
    data[40] = (uint8_t) (data[40] ^ (fake.wrong_data ? 1 : 0));
    write_document(cella_view_of(data, 64), fake.wrong_nonce ? cella_view_of(other, 32) : nonce, &document);
    DO(cella_cbor_write_head(out, CELLA_CBOR_MAP, 1));
    DO(cella_cbor_write_text(out, "Attestation"));
    DO(cella_cbor_write_head(out, CELLA_CBOR_MAP, 1));
    DO(cella_cbor_write_text(out, "document"));
    DO(cella_cbor_write_bytes(out, cella_bytes_view(&document)));
}

int __wrap_ioctl(int device, unsigned long code, void *argument)
{
    struct call *call = argument;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes response = { 0 };
    (void) device;
    assert_int_equal(code, 0xc0200a00); /* both directions, 32 bytes, 0x0a, 0: what AWS's library computes */
    fake.calls++;
    if (fake.busy > 0 || fake.error != 0) {
        fake.busy -= fake.busy > 0 ? 1 : 0;
        errno = fake.error != 0 ? fake.error : EBUSY;
        return -1;
    }
    if (fake.response.size > 0) {
        DO(cella_bytes_append(&response, cella_bytes_view(&fake.response)));
    } else {
        write_response(cella_view_of((const void *) (uintptr_t) call->request, call->request_size), &response);
    }
    assert_true(call->response_size >= response.size);
    memcpy((void *) (uintptr_t) call->response, response.data, response.size - fake.cut);
    call->response_size = fake.claimed != 0 ? fake.claimed : response.size - fake.cut;
    return 0;
}

struct world {
    struct cella_platform_setup setup;
    struct cella_platform *platform;
    struct cella_text why;
    uint8_t nonce[CELLA_NONCE_SIZE];
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    struct cella_bytes evidence;
    struct cella_bytes endorsements;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    memset(fake.root, 0, sizeof(fake) - offsetof(struct fake, root));
    tree_make(fake.root);
    tree_put(fake.root, "/dev/nsm", "", 0);
    world->setup.root = fake.root;
    memset(world->nonce, 4, sizeof(world->nonce));
    memset(world->report_data, 5, sizeof(world->report_data));
    assert_int_equal(cella_platform_open("nsm", &world->setup, &world->platform, &world->why), CELLA_OK);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    cella_platform_free(world->platform);
    cella_bytes_clear(&world->evidence);
    cella_bytes_clear(&world->endorsements);
    cella_bytes_clear(&fake.response);
    free(world);
    return tree_remove(fake.root);
}

static cella_status ask(struct world *world, size_t nonce_size)
{
    world->evidence.size = 0;
    cella_status status = cella_platform_evidence(world->platform, world->report_data,
                                                  cella_view_of(world->nonce, nonce_size), &world->evidence,
                                                  &world->endorsements);
    assert_true(status == CELLA_OK || world->evidence.size == 0);
    return status;
}

static void test_document(void **state)
{
    struct world *world = *state;
    assert_int_equal(cella_platform_type(world->platform), CELLA_EVIDENCE_NITRO);
    assert_int_equal(ask(world, CELLA_NONCE_SIZE), CELLA_OK);
    assert_int_equal(ask(world, 0), CELLA_OK);
}

/* As a client would, with a trust file that names the root of this run, or AWS's own. */
static cella_status appraise(const struct world *world, bool own_root, struct cella_report *report)
{
    char value_text[7 + 97] = "sha384:";
    char *pcr = value_text + 7;
    const uint8_t value[48] = { 3 };
    const struct cella_binding binding = { .kind = CELLA_BINDING_REPORT_DATA,
                                           .nonce = cella_view_of(world->nonce, CELLA_NONCE_SIZE),
                                           .report_data = cella_view_of(world->report_data, 64) };
    const struct cella_evidence evidence = { .type = CELLA_EVIDENCE_NITRO, .content = cella_bytes_view(&world->evidence) };
    cella_hex_encode(cella_view_of(value, sizeof(value)), pcr);
    json_t *json = json_pack("{s:i, s:i, s:[s], s:[{s:s, s:s, s:s, s:{s:s, s:s}}]}", "version", 1, "min_level", 4, "accept",
                             "nitro", "measurement", "name", "release 1", "type", "nitro", "value", value_text, "registers", "pcr1", pcr, "pcr2",
                             pcr);
    assert_non_null(json);
    if (own_root) {
        assert_int_equal(json_object_set_new(json, "anchor",
                                             json_pack("[{s:s, s:s%}]", "family", "aws-nitro", "certificate",
                                                       (const char *) fake.forge.ark_pem.data, fake.forge.ark_pem.size)),
                         0);
    }
    return forge_judge(json, &evidence, &binding, report);
}

static void test_accepted_end_to_end(void **state)
{
    struct world *world = *state;
    struct cella_report report;
    assert_int_equal(ask(world, CELLA_NONCE_SIZE), CELLA_OK);
    assert_int_equal(appraise(world, true, &report), CELLA_OK);
    assert_int_equal(report.level, 4);
    assert_int_equal(appraise(world, false, &report), CELLA_ROOT); /* AWS did not sign this one */
    world->report_data[0] ^= 1;
    assert_int_equal(appraise(world, true, &report), CELLA_BINDING);
    world->report_data[0] ^= 1;
    world->nonce[0] ^= 1;
    assert_int_equal(appraise(world, true, &report), CELLA_BINDING);
    world->nonce[0] ^= 1;
    world->evidence.data[world->evidence.size - 1] ^= 1;
    assert_int_equal(appraise(world, true, &report), CELLA_BAD_EVIDENCE);
}

static void test_document_for_something_else(void **state)
{
    fake.wrong_data = true;
    assert_int_equal(ask(*state, CELLA_NONCE_SIZE), CELLA_BAD_EVIDENCE);
    fake.wrong_data = false;
    fake.wrong_nonce = true;
    assert_int_equal(ask(*state, CELLA_NONCE_SIZE), CELLA_BAD_EVIDENCE);
    assert_int_equal(ask(*state, 0), CELLA_BAD_EVIDENCE);
}

static void set_response(const char *hexadecimal)
{
    cella_bytes_clear(&fake.response);
    fake.response = bytes_of_hex(hexadecimal);
}

static void test_error_answers(void **state)
{
    set_response("a1654572726f726f496e7465726e616c4572726f72"); /* {"Error": "InternalError"} */
    assert_int_equal(ask(*state, 0), CELLA_SYSTEM_FAILED);
    static const char *const odd[] = {
        "a0",                                     /* {} */
        "a16b4174746573746174696f6ea0",           /* {"Attestation": {}} */
        "a16b4174746573746174696f6e40",           /* {"Attestation": bytes} */
        "a16b4174746573746174696f6ea168646f63756d656e7440",   /* an empty document */
        "a16b4174746573746174696f6ea168646f63756d656e744101", /* of one byte */
        "a16b4465736372696265", /* another answer, cut */
        "8000", "ff", "00",
    };
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        set_response(odd[i]);
        assert_int_equal(ask(*state, 0), CELLA_BAD_EVIDENCE);
    }
}

/* Wherever the answer ends too early. */
static void test_truncated(void **state)
{
    struct world *world = *state;
    assert_int_equal(ask(world, 0), CELLA_OK);
    size_t size = world->evidence.size;
    for (fake.cut = 1; fake.cut < size; fake.cut++) {
        assert_int_equal(ask(world, 0), CELLA_BAD_EVIDENCE);
    }
    fake.cut = 0;
    fake.claimed = 1U << 20; /* more than there was room for */
    assert_int_equal(ask(world, 0), CELLA_BAD_EVIDENCE);
    fake.claimed = 12288; /* with what was in memory behind it */
    assert_int_equal(ask(world, 0), CELLA_BAD_EVIDENCE);
}

static void test_failing_device(void **state)
{
    fake.busy = 4;
    assert_int_equal(ask(*state, 0), CELLA_OK);
    fake.busy = 5;
    assert_int_equal(ask(*state, 0), CELLA_SYSTEM_FAILED);
    fake.calls = 0;
    fake.error = EIO;
    assert_int_equal(ask(*state, 0), CELLA_SYSTEM_FAILED);
    assert_int_equal(fake.calls, 1);
}

static void test_can_not_seal(void **state)
{
    struct world *world = *state;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    assert_non_null(strstr(world->why.characters, "no key to seal with"));
    assert_int_equal(cella_secret_random(&secret, 32), CELLA_OK);
    assert_int_equal(cella_platform_seal(world->platform, "x", &secret, &sealed), CELLA_SYSTEM_FAILED);
    assert_int_equal(cella_platform_unseal(world->platform, "x", (struct cella_view){ 0 }, &secret), CELLA_SYSTEM_FAILED);
}

static void test_missing_device(void **state)
{
    struct world *world = *state;
    struct cella_platform *none = NULL;
    world->setup.root = "/tmp/cella-no-such-folder";
    assert_int_equal(cella_platform_open("nsm", &world->setup, &none, &world->why), CELLA_SYSTEM_FAILED);
    assert_non_null(strstr(world->why.characters, "AWS Nitro Enclave and module nsm"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_document),  CASE(test_document_for_something_else), CASE(test_error_answers),
        CASE(test_truncated), CASE(test_failing_device),              CASE(test_can_not_seal),
        CASE(test_missing_device), CASE(test_accepted_end_to_end),
    };
    forge_begin(&fake.forge);
    X509 *leaf = forge_certificate("i-0-enc0", "ARK-Genoa", fake.forge.vcek_key, 7);
    forge_finish(leaf, fake.forge.ark_key, &fake.leaf);
    X509_free(leaf);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    forge_end(&fake.forge);
    cella_bytes_clear(&fake.leaf);
    return failed;
}
