/* SPDX-License-Identifier: Apache-2.0 */

/*
 * SGX through Gramine's /dev/attestation, files that only this enclave's own process sees. Source: Gramine's documentation,
 * "Attestation and secret provisioning".
 */

#include <errno.h>
#include <string.h>

#include "platform/device.h"
#include "trust/crypto.h"

#define FOLDER "/dev/attestation"
#define TYPE_MAX 32U
#define GRAMINE_KEY_SIZE 16U

static void look(const struct cella_platform_setup *setup, struct cella_platform_finding *finding)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes type = { 0 };
    if (cella_device_read(setup, FOLDER "/attestation_type", TYPE_MAX, &type) != CELLA_OK) {
        cella_device_explain(finding, FOLDER, errno, "it needs Gramine on SGX, with sgx.remote_attestation = \"dcap\"");
        return;
    }
    while (type.size > 0 && (type.data[type.size - 1] == '\n' || type.data[type.size - 1] == '\0')) {
        type.size--;
    }
    finding->usable = cella_view_is(cella_bytes_view(&type), "dcap");
    cella_text_set(&finding->why, finding->usable
                                      ? "Gramine gives SGX quotes (DCAP) and a key to seal with"
                                      : "Gramine is there, but its manifest does not say sgx.remote_attestation = \"dcap\"");
}

static cella_status evidence(void *state, const struct cella_platform_setup *setup,
                             const uint8_t report_data[CELLA_REPORT_DATA_SIZE], struct cella_view nonce,
                             struct cella_bytes *evidence, struct cella_bytes *endorsements)
{
    (void) state;
    (void) nonce;
    (void) endorsements; /* the quote brings its certificates along */
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes quote = { 0 };
    CELLA_TRY(cella_device_write(setup, FOLDER "/user_report_data", cella_view_of(report_data, CELLA_REPORT_DATA_SIZE)));
    for (int tries = 0;;) {
        cella_status status = cella_device_read(setup, FOLDER "/quote", CELLA_EVIDENCE_MAX, &quote);
        if (status == CELLA_OK) {
            return cella_bytes_append(evidence, cella_bytes_view(&quote));
        }
        if (status != CELLA_SYSTEM_FAILED) {
            return status == CELLA_TOO_LARGE ? CELLA_BAD_EVIDENCE : status;
        }
        if (!cella_device_again(errno, &tries)) {
            return status;
        }
    }
}

/* Of this enclave's measurement on this processor. */
static cella_status sealing_key(void *state, const struct cella_platform_setup *setup, struct cella_secret *key)
{
    (void) state;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes given = { 0 };
    cella_status status = cella_device_read(setup, FOLDER "/keys/_sgx_mrenclave", GRAMINE_KEY_SIZE, &given);
    if (status == CELLA_OK && given.size == GRAMINE_KEY_SIZE) {
        status = cella_secret_resize(key, CELLA_SEALING_KEY_SIZE);
        if (status == CELLA_OK) {
            status = cella_hkdf(CELLA_HASH_SHA256, cella_bytes_view(&given), (struct cella_view){ 0 },
                                cella_view_of_string("cella sgx sealing v1"), key);
        }
    } else if (status == CELLA_OK || status == CELLA_TOO_LARGE) {
        status = CELLA_SYSTEM_FAILED;
    }
    if (given.capacity > 0) {
        cella_wipe(given.data, given.capacity);
    }
    return status;
}

const struct cella_platform_back_end cella_platform_gramine = {
    .name = "gramine",
    .type = CELLA_EVIDENCE_SGX,
    .level = 5,
    .look = look,
    .evidence = evidence,
    .sealing_key = sealing_key,
};
