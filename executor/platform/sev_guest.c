/* SPDX-License-Identifier: Apache-2.0 */

/*
 * SEV-SNP through /dev/sev-guest, for kernels without configfs-tsm (Linux 5.19 to 6.6); and the guest's derived key, which
 * configfs-tsm does not give. Source: linux/sev-guest.h; AMD 56860, MSG_REPORT_REQ and MSG_KEY_REQ.
 */

#include <errno.h>
#include <linux/sev-guest.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/wire.h"
#include "platform/device.h"
#include "platform/snp_report.h"
#include "trust/crypto.h"

#define DEVICE "/dev/sev-guest"
#define RESPONSE_HEAD 32U /* u32 status, u32 size of a report, reserved */
#define TABLE_FIRST 16384U
#define VMPL_MAX 3U
#define DERIVED_KEY_SIZE 32U

/* Bits of guest_field_select: what the key depends on besides the chip. Not the TCB: its updates keep what was sealed. */
#define KEY_FIELDS 0xfU /* policy, image id, family id, measurement */

static cella_status call_once(int device, unsigned long code, void *request, void *response, uint64_t *error)
{
    struct snp_guest_request_ioctl call = { .msg_version = 1,
                                            .req_data = (uint64_t) (uintptr_t) request,
                                            .resp_data = (uint64_t) (uintptr_t) response };
    int result = ioctl(device, code, &call);
    *error = call.exitinfo2;
    return result == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

/* error: exitinfo2 of the last try; errno is that of it too. */
static cella_status call(int device, unsigned long code, void *request, void *response, uint64_t *error)
{
    for (int tries = 0;;) {
        cella_status status = call_once(device, code, request, response, error);
        bool busy = status != CELLA_OK && *error >> 32 == SNP_GUEST_VMM_ERR_BUSY;
        if (status == CELLA_OK || !cella_device_again(busy ? EBUSY : errno, &tries)) {
            return status;
        }
    }
}

/* CELLA_DENIED: by the firmware, as it does for a VMPL below the guest's. */
static cella_status read_response(const uint8_t *data, size_t size, size_t content_size, struct cella_view *content)
{
    struct cella_reader reader = cella_reader_of(cella_view_of(data, size));
    struct cella_view rest;
    uint32_t status;
    CELLA_TRY(cella_read_u32_le(&reader, &status));
    CELLA_TRY(cella_read_view(&reader, RESPONSE_HEAD - 4, &rest));
    return status != 0 ? CELLA_DENIED : cella_read_view(&reader, content_size, content);
}

static cella_status take_report(const struct snp_report_resp *response, struct cella_bytes *evidence)
{
    struct cella_reader reader = cella_reader_of(cella_view_of(response->data + 4, 4));
    struct cella_view report;
    uint32_t size;
    CELLA_TRY(cella_read_u32_le(&reader, &size));
    CELLA_TRY(read_response(response->data, sizeof(response->data), CELLA_SNP_REPORT_SIZE, &report));
    return size == CELLA_SNP_REPORT_SIZE ? cella_bytes_append(evidence, report) : CELLA_BAD_EVIDENCE;
}

static bool table_is_too_small(const struct snp_ext_report_req *request, cella_status status, uint64_t error,
                               size_t given)
{
    return status != CELLA_OK && errno == EIO && error >> 32 == SNP_GUEST_VMM_ERR_INVALID_LEN &&
           request->certs_len > given && request->certs_len <= CELLA_SNP_TABLE_MAX;
}

/* A report with the host's certificates. The host may want more room for them, once. */
static cella_status ask_extended(int device, const struct snp_report_req *plain, struct snp_report_resp *response,
                                 struct cella_bytes *table)
{
    struct snp_ext_report_req request = { .data = *plain };
    uint64_t error = 0;
    cella_status status = CELLA_SYSTEM_FAILED;
    size_t size = TABLE_FIRST;
    for (int round = 0; round < 2; round++) {
        table->size = 0;
        CELLA_TRY(cella_bytes_resize(table, size));
        request.certs_address = (uint64_t) (uintptr_t) table->data;
        request.certs_len = (uint32_t) size;
        status = call(device, SNP_GET_EXT_REPORT, &request, response, &error);
        if (!table_is_too_small(&request, status, error, size)) {
            break;
        }
        size = request.certs_len;
    }
    return status;
}

static cella_status report_at(int device, uint32_t vmpl, const uint8_t report_data[CELLA_REPORT_DATA_SIZE],
                              struct cella_bytes *evidence, struct cella_bytes *table)
{
    struct snp_report_req request = { .vmpl = vmpl };
    struct snp_report_resp response = { 0 };
    uint64_t error = 0;
    memcpy(request.user_data, report_data, CELLA_REPORT_DATA_SIZE);
    if (ask_extended(device, &request, &response, table) != CELLA_OK) {
        table->size = 0;
        memset(&response, 0, sizeof(response));
        CELLA_TRY(call(device, SNP_GET_REPORT, &request, &response, &error));
    }
    return take_report(&response, evidence);
}

static cella_status evidence(void *state, const struct cella_platform_setup *setup,
                             const uint8_t report_data[CELLA_REPORT_DATA_SIZE], struct cella_view nonce,
                             struct cella_bytes *evidence, struct cella_bytes *endorsements)
{
    (void) state;
    (void) nonce;
    CELLA_CLEANUP(cella_device_close) int device = -1;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes table = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes report = { 0 };
    CELLA_TRY(cella_device_open(setup, DEVICE, &device));
    cella_status status = CELLA_DENIED;
    /* The lowest that this guest may name; in a plain guest that is 0. */
    for (uint32_t vmpl = 0; status == CELLA_DENIED && vmpl <= VMPL_MAX; vmpl++) {
        status = report_at(device, vmpl, report_data, &report, &table);
    }
    CELLA_TRY(status == CELLA_DENIED ? CELLA_SYSTEM_FAILED : status);
    CELLA_TRY(cella_bytes_append(evidence, cella_bytes_view(&report)));
    return cella_snp_endorse(cella_bytes_view(&table), cella_bytes_view(&report), endorsements);
}

/* ---- sealing ---- */

static cella_status derive_at(int device, uint32_t vmpl, struct cella_secret *out)
{
    struct snp_derived_key_req request = { .guest_field_select = KEY_FIELDS, .vmpl = vmpl };
    struct cella_view key = { 0 };
    uint64_t error = 0;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret response = { 0 };
    CELLA_TRY(cella_secret_resize(&response, sizeof(struct snp_derived_key_resp)));
    CELLA_TRY(call(device, SNP_GET_DERIVED_KEY, &request, response.data, &error));
    CELLA_TRY(read_response(response.data, response.size, DERIVED_KEY_SIZE, &key));
    CELLA_TRY(cella_secret_resize(out, CELLA_SEALING_KEY_SIZE));
    return cella_hkdf(CELLA_HASH_SHA256, key, (struct cella_view){ 0 }, cella_view_of_string("cella snp sealing v1"), out);
}

cella_status cella_snp_sealing_key(const struct cella_platform_setup *setup, struct cella_secret *key)
{
    CELLA_CLEANUP(cella_device_close) int device = -1;
    CELLA_TRY(cella_device_open(setup, DEVICE, &device));
    cella_status status = CELLA_DENIED;
    for (uint32_t vmpl = 0; status == CELLA_DENIED && vmpl <= VMPL_MAX; vmpl++) {
        status = derive_at(device, vmpl, key);
    }
    return status == CELLA_DENIED ? CELLA_SYSTEM_FAILED : status;
}

bool cella_snp_has_device(const struct cella_platform_setup *setup)
{
    CELLA_CLEANUP(cella_device_close) int device = -1;
    return cella_device_open(setup, DEVICE, &device) == CELLA_OK;
}

static cella_status sealing_key(void *state, const struct cella_platform_setup *setup, struct cella_secret *key)
{
    (void) state;
    return cella_snp_sealing_key(setup, key);
}

static void look(const struct cella_platform_setup *setup, struct cella_platform_finding *finding)
{
    finding->usable = cella_snp_has_device(setup);
    if (finding->usable) {
        cella_text_set(&finding->why, DEVICE " gives SEV-SNP reports and a key to seal with");
    } else {
        cella_device_explain(finding, DEVICE, errno, "it needs a SEV-SNP guest, Linux 5.19 or later, module sev-guest");
    }
}

const struct cella_platform_back_end cella_platform_sev_guest = {
    .name = "sev-guest",
    .type = CELLA_EVIDENCE_SNP,
    .level = 5,
    .look = look,
    .evidence = evidence,
    .sealing_key = sealing_key,
};
