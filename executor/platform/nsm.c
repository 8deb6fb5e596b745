/* SPDX-License-Identifier: Apache-2.0 */

/*
 * AWS Nitro Enclaves through /dev/nsm: one CBOR request, one CBOR answer. Source: linux/nsm.h; aws-nitro-enclaves-nsm-api.
 *
 * It can not seal: Nitro gives an enclave no key of its own (AWS does that with its key service, over the network).
 */

#include <errno.h>
#include <sys/ioctl.h>

#include "platform/device.h"
#include "trust/cbor.h"

#define DEVICE "/dev/nsm"
#define RESPONSE_MAX 12288U

/* linux/nsm.h, which Debian 12 does not have. */
struct nsm_part {
    uint64_t address;
    uint64_t size;
};
struct nsm_call {
    struct nsm_part request;
    struct nsm_part response;
};
#define NSM_CALL _IOWR(0x0a, 0x0, struct nsm_call)

static void look(const struct cella_platform_setup *setup, struct cella_platform_finding *finding)
{
    CELLA_CLEANUP(cella_device_close) int device = -1;
    finding->usable = cella_device_open(setup, DEVICE, &device) == CELLA_OK;
    if (finding->usable) {
        cella_text_set(&finding->why, DEVICE " gives Nitro attestation documents; Nitro has no key to seal with");
    } else {
        cella_device_explain(finding, DEVICE, errno, "it needs an AWS Nitro Enclave and module nsm");
    }
}

/* {"Attestation": {"user_data": bytes, "nonce": bytes or null, "public_key": null}} */
static cella_status write_request(const uint8_t report_data[CELLA_REPORT_DATA_SIZE], struct cella_view nonce,
                                  struct cella_bytes *out)
{
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_MAP, 1));
    CELLA_TRY(cella_cbor_write_text(out, "Attestation"));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_MAP, 3));
    CELLA_TRY(cella_cbor_write_text(out, "user_data"));
    CELLA_TRY(cella_cbor_write_bytes(out, cella_view_of(report_data, CELLA_REPORT_DATA_SIZE)));
    CELLA_TRY(cella_cbor_write_text(out, "nonce"));
    CELLA_TRY(nonce.size == 0 ? cella_cbor_write_head(out, CELLA_CBOR_SIMPLE, 22) : cella_cbor_write_bytes(out, nonce));
    CELLA_TRY(cella_cbor_write_text(out, "public_key"));
    return cella_cbor_write_head(out, CELLA_CBOR_SIMPLE, 22);
}

/* {"Attestation": {"document": bytes}}, or {"Error": text}. CELLA_BAD_FORMAT  neither of them */
static cella_status read_response(struct cella_view response, struct cella_view *document)
{
    struct cella_reader reader = cella_reader_of(response);
    struct cella_cbor_item item;
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_MAP, &item));
    if (item.indefinite || item.value != 1) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_TEXT, &item));
    if (cella_view_is(item.content, "Error")) {
        return CELLA_SYSTEM_FAILED;
    }
    if (!cella_view_is(item.content, "Attestation")) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_MAP, &item));
    if (item.indefinite || item.value != 1) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_TEXT, &item));
    if (!cella_view_is(item.content, "document")) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_BYTES, &item));
    *document = item.content;
    return cella_reader_end(&reader);
}

static cella_status call(int device, struct cella_view request, struct cella_bytes *response)
{
    for (int tries = 0;;) {
        struct nsm_call message = { { (uint64_t) (uintptr_t) request.data, request.size },
                                    { (uint64_t) (uintptr_t) response->data, response->size } };
        if (ioctl(device, NSM_CALL, &message) == 0) {
            if (message.response.size > response->size) {
                return CELLA_BAD_EVIDENCE;
            }
            response->size = (size_t) message.response.size;
            return CELLA_OK;
        }
        if (!cella_device_again(errno, &tries)) {
            return CELLA_SYSTEM_FAILED;
        }
    }
}

static cella_status evidence(void *state, const struct cella_platform_setup *setup,
                             const uint8_t report_data[CELLA_REPORT_DATA_SIZE], struct cella_view nonce,
                             struct cella_bytes *evidence, struct cella_bytes *endorsements)
{
    (void) state;
    (void) endorsements; /* the document brings its certificates along */
    CELLA_CLEANUP(cella_device_close) int device = -1;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes request = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes response = { 0 };
    struct cella_view document = { 0 };
    CELLA_TRY(write_request(report_data, nonce, &request));
    CELLA_TRY(cella_bytes_resize(&response, RESPONSE_MAX));
    CELLA_TRY(cella_device_open(setup, DEVICE, &device));
    CELLA_TRY(call(device, cella_bytes_view(&request), &response));
    cella_status status = read_response(cella_bytes_view(&response), &document);
    CELLA_TRY(status == CELLA_BAD_FORMAT ? CELLA_BAD_EVIDENCE : status);
    return cella_bytes_append(evidence, document);
}

const struct cella_platform_back_end cella_platform_nsm = {
    .name = "nsm",
    .type = CELLA_EVIDENCE_NITRO,
    .level = 4,
    .look = look,
    .evidence = evidence,
};
