/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The check "event_log" of the flow: the firmware's log that came with evidence (trust/event_log.h), against the
 * registers in the verified evidence and what the trust file says of it.
 */

#include "trust/back_end.h"
#include "trust/event_log.h"

/* The words of the term "event_log". */
extern const char *const cella_log_choices[]; /* "optional", "required" */

/* Is there anything to check: a log, or a demand for one? */
bool cella_log_applies(const struct cella_back_end *back_end, const struct cella_endorsements *endorsements,
                       const struct cella_policy *policy);

/* What a log gives for the registers of some evidence. */
struct cella_log_comparison {
    enum cella_hash hash; /* of the bank that was compared */
    struct cella_replay replay;
    uint32_t compared; /* bit per register, as the log numbers them, whose value in the evidence the replay gave */
};

/*
 * Replay a log and compare every register that both it and the evidence have.
 *
 * claims: of the evidence
 * log:    untrusted
 * CELLA_ENDORSEMENT  it can not be read, or its replay gives another value than was quoted
 * CELLA_TERM         it says nothing about any register of the evidence
 */
CELLA_MUST_USE cella_status cella_log_compare(const struct cella_back_end *back_end, const struct cella_claims *claims,
                                              struct cella_view log, struct cella_log_comparison *out,
                                              struct cella_text *detail);

/*
 * Replay the log and compare every register that both it and the evidence have; then look for the events that the trust
 * file names. Adds the claim "log_events", how many events were extended. With event_log = "required", each register of the
 * evidence that is not at its initial value must have been compared.
 *
 * CELLA_ENDORSEMENT  there is more than one log, it can not be read, or its replay gives another value than was quoted
 * CELLA_TERM         the trust file wants a log and there is none; or it says nothing about any register of the evidence, or,
 *                    where it is required, about one of them; or an event that the trust file names is not in it
 */
CELLA_MUST_USE cella_status cella_log_check(const struct cella_back_end *back_end, const struct cella_context *context,
                                            struct cella_claims *claims);
