/* SPDX-License-Identifier: Apache-2.0 */

/* The soft platform: an ordinary machine, whose software root signs and whose owner is trusted (trust/evidence_soft.h). */

#include <time.h>

#include "platform/back_end.h"
#include "trust/evidence_soft.h"

static void look(const struct cella_platform_setup *setup, struct cella_platform_finding *finding)
{
    finding->usable = setup->soft_root != NULL;
    cella_text_set(&finding->why, finding->usable ? "this machine's software root signs: it proves something to those who "
                                                    "trust the machine's owner"
                                                  : "there is no software root on this machine");
}

static cella_status evidence(void *state, const struct cella_platform_setup *setup,
                             const uint8_t report_data[CELLA_REPORT_DATA_SIZE], struct cella_view nonce,
                             struct cella_bytes *evidence, struct cella_bytes *endorsements)
{
    (void) state;
    (void) nonce;
    (void) endorsements;
    struct timespec now;
    (void) clock_gettime(CLOCK_REALTIME, &now);
    return cella_evidence_soft_make(setup->soft_root, setup->layers, setup->measurement, report_data,
                                    (uint64_t) now.tv_sec, evidence);
}

/* Other files have another measurement and so another key. */
static cella_status sealing_key(void *state, const struct cella_platform_setup *setup, struct cella_secret *key)
{
    (void) state;
    CELLA_TRY(cella_secret_resize(key, CELLA_SEALING_KEY_SIZE));
    return cella_hkdf(CELLA_HASH_SHA256, cella_secret_view(setup->soft_root),
                      cella_view_of(setup->measurement, CELLA_SHA256_SIZE),
                      cella_view_of_string("cella soft sealing v1"), key);
}

const struct cella_platform_back_end cella_platform_soft = {
    .name = "soft",
    .type = CELLA_EVIDENCE_SOFT,
    .level = 2,
    .look = look,
    .evidence = evidence,
    .sealing_key = sealing_key,
};
