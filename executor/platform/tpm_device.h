/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A connection to the TPM: ESAPI over the kernel's resource manager. One is opened for each piece of work and closed
 * after it, so that nothing stays loaded in the TPM, and one that went away is an error of that piece of work only.
 *
 * The transport is our own: the library's loader opens whatever module a text names, which a measured program must not.
 */

#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>

#include "platform/platform.h"

#define CELLA_TPM_DEVICE "/dev/tpmrm0" /* below the setup's root */
#define CELLA_TPM_WAIT_MS 60000        /* for one answer, unless the setup says otherwise: making an RSA key is slow */

struct cella_tpm {
    ESYS_CONTEXT *esys;
    void *transport;           /* its own; NULL: closed */
    struct cella_text *trouble; /* receives a sentence for the operator when a call fails */
};

/*
 * Open the device.
 *
 * trouble: as above; must outlive the connection
 * CELLA_SYSTEM_FAILED  it can not be opened; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_tpm_open(const struct cella_platform_setup *setup, struct cella_text *trouble,
                                           struct cella_tpm *out);
void cella_tpm_close(struct cella_tpm *tpm); /* for CELLA_CLEANUP; accepts one that is not open */

/*
 * What a response of the TPM or the library means: CELLA_OK for success, else CELLA_SYSTEM_FAILED and a sentence.
 *
 * what: what was tried, for the sentence: "quoting"
 */
CELLA_MUST_USE cella_status cella_tpm_result(struct cella_tpm *tpm, TSS2_RC response, const char *what);

/* Did the TPM itself refuse what it was given (and not: is it broken, busy, locked or gone)? */
bool cella_tpm_refused(TSS2_RC response);

/* Forget what is loaded under a handle; ESYS_TR_NONE is none. */
void cella_tpm_flush(struct cella_tpm *tpm, ESYS_TR handle);

/* Free what the library gave, of any type: for CELLA_CLEANUP on a pointer. */
void cella_tpm_free(void *pointer_to_pointer);
