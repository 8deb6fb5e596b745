/* SPDX-License-Identifier: Apache-2.0 */

/*
 * TPM 2.0: a chip, or what a host gives as one, that has the hashes of what was booted and signs for them. It does not
 * protect memory from the host.
 */

#include <errno.h>
#include <unistd.h>

#include "platform/back_end.h"
#include "platform/tpm_anchor.h"
#include "platform/tpm_seal.h"

/* Open from call to call is only this. */
struct state {
    const struct cella_platform_setup *setup;
    struct cella_text trouble;
};

static void look(const struct cella_platform_setup *setup, struct cella_platform_finding *finding)
{
    char path[CELLA_PLATFORM_PATH_MAX];
    if (cella_platform_path(setup, CELLA_TPM_DEVICE, path) != CELLA_OK) {
        cella_text_set(&finding->why, "the root folder's name is too long");
        return;
    }
    finding->usable = access(path, R_OK | W_OK) == 0;
    if (finding->usable) {
        cella_text_set(&finding->why, "%s is there: the TPM's quote says what was booted, to those who enrolled it", path);
    } else if (errno == EACCES) {
        cella_text_set(&finding->why, "%s may not be used: add this user to its group (tss)", path);
    } else {
        cella_text_set(&finding->why, "there is no %s: no TPM 2.0, or it is switched off in the firmware's settings", path);
    }
}

static cella_status open_state(const struct cella_platform_setup *setup, void **out)
{
    struct state *state = calloc(1, sizeof(*state));
    if (state == NULL) {
        return CELLA_NO_MEMORY;
    }
    state->setup = setup;
    *out = state;
    return CELLA_OK;
}

static cella_status quote(struct cella_tpm *tpm, const uint8_t report_data[CELLA_REPORT_DATA_SIZE],
                          struct cella_bytes *evidence)
{
    CELLA_CLEANUP(cella_tpm_free) TPM2B_PUBLIC *public = NULL;
    ESYS_TR key = ESYS_TR_NONE;
    CELLA_TRY(cella_tpm_key(tpm, CELLA_TPM_ATTESTATION, &key, &public));
    cella_status status = cella_tpm_quote(tpm, key, public, true, report_data, evidence);
    cella_tpm_flush(tpm, key);
    return status;
}

static cella_status make_evidence(void *opaque, const struct cella_platform_setup *setup,
                                  const uint8_t report_data[CELLA_REPORT_DATA_SIZE], struct cella_view nonce,
                                  struct cella_bytes *evidence, struct cella_bytes *endorsements)
{
    struct state *state = opaque;
    CELLA_CLEANUP(cella_tpm_close) struct cella_tpm tpm = { 0 };
    (void) nonce;
    (void) endorsements;
    CELLA_TRY(cella_tpm_open(setup, &state->trouble, &tpm));
    return quote(&tpm, report_data, evidence);
}

static cella_status seal(void *opaque, const char *purpose, const struct cella_secret *secret, struct cella_bytes *sealed)
{
    struct state *state = opaque;
    CELLA_CLEANUP(cella_tpm_close) struct cella_tpm tpm = { 0 };
    CELLA_TRY(cella_tpm_open(state->setup, &state->trouble, &tpm));
    return cella_tpm_seal(&tpm, state->setup, purpose, secret, sealed);
}

static cella_status unseal(void *opaque, const char *purpose, struct cella_view sealed, struct cella_secret *secret)
{
    struct state *state = opaque;
    CELLA_CLEANUP(cella_tpm_close) struct cella_tpm tpm = { 0 };
    CELLA_TRY(cella_tpm_open(state->setup, &state->trouble, &tpm));
    return cella_tpm_unseal(&tpm, state->setup, purpose, sealed, secret);
}

static cella_status anchor(void *opaque, const struct cella_secret *key, uint8_t value[CELLA_PLATFORM_ANCHOR_SIZE])
{
    struct state *state = opaque;
    CELLA_CLEANUP(cella_tpm_close) struct cella_tpm tpm = { 0 };
    CELLA_TRY(cella_tpm_open(state->setup, &state->trouble, &tpm));
    return cella_tpm_anchor(&tpm, key, value);
}

static cella_status anchor_new(void *opaque, const struct cella_secret *key)
{
    struct state *state = opaque;
    CELLA_CLEANUP(cella_tpm_close) struct cella_tpm tpm = { 0 };
    CELLA_TRY(cella_tpm_open(state->setup, &state->trouble, &tpm));
    return cella_tpm_anchor_new(&tpm, key);
}

static cella_status anchor_extend(void *opaque, const struct cella_secret *key, const uint8_t digest[CELLA_SHA256_SIZE])
{
    struct state *state = opaque;
    CELLA_CLEANUP(cella_tpm_close) struct cella_tpm tpm = { 0 };
    CELLA_TRY(cella_tpm_open(state->setup, &state->trouble, &tpm));
    return cella_tpm_anchor_extend(&tpm, key, digest);
}

static const struct cella_text *trouble(const void *opaque)
{
    const struct state *state = opaque;
    return &state->trouble;
}

const struct cella_platform_back_end cella_platform_tpm = {
    .name = "tpm",
    .type = CELLA_EVIDENCE_TPM,
    .level = 3,
    .look = look,
    .open = open_state,
    .close = free,
    .evidence = make_evidence,
    .seal = seal,
    .unseal = unseal,
    .anchor = anchor,
    .anchor_new = anchor_new,
    .anchor_extend = anchor_extend,
    .trouble = trouble,
};
