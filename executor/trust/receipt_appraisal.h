/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The inside of an appraisal of a receipt: what its steps share. For receipt_report.c, which runs the steps and judges who
 * signed, receipt_opening.c, which compares the statement with what it speaks of, and receipt_parents.c, which follows it back.
 */

#include "trust/receipt.h"
#include "trust/receipt_report.h"

struct cella_receipt_appraisal {
    const struct cella_bundle *bundle;
    const struct cella_receipt_question *question;
    struct cella_receipt_policy policy;
    struct cella_receipt_report *report;
    struct cella_text *detail; /* of the check that runs */
    struct cella_statement statement;
    struct cella_cose_key executor; /* once the step `executor` has passed */
    struct cella_evidence_file evidence_file;
    bool evidence_passed;
    bool has_payload;              /* and it is one of these: */
    struct cella_execution execution;
    struct cella_deletion deletion;
    bool no_log;                   /* no log that counts has signed */
    bool own_log_only;             /* only the executor's own has */
    bool chain_complete;           /* every earlier run that is named was supplied, and holds */
};

/* A receipt of an earlier run that the relying party has. */
struct cella_predecessor {
    struct cella_execution execution; /* borrows the bundle */
    struct cella_merkle_hash leaf;
    bool reached;  /* a later run names it */
    bool followed; /* its own parents were looked for */
};

/*
 * Judge a predecessor by the trust file that the appraisal is by, but for what it requires the relying party to supply
 * about one run: inputs, outputs, nonce, parents. reason: why it is refused. Status as of cella_receipt_appraise, and
 * CELLA_BAD_RECEIPT  it is no run; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_receipt_appraise_predecessor(const struct cella_receipt_appraisal *appraisal,
                                                               const struct cella_bundle *bundle,
                                                               struct cella_predecessor *out, struct cella_text *reason);

/* What a step found. Waiting: what it needs was not supplied. */
enum cella_step_result {
    CELLA_STEP_DECIDED, /* by its status */
    CELLA_STEP_WAITING,
};

/*
 * Steps. Each sets the detail; the status counts when *result is CELLA_STEP_DECIDED, as it is at entry.
 */
typedef cella_status (*cella_receipt_step)(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result);
cella_status cella_step_function(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result);
cella_status cella_step_contract(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result);
cella_status cella_step_approvals(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result);
cella_status cella_step_request(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result);
cella_status cella_step_inputs(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result);
cella_status cella_step_outputs(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result);
cella_status cella_step_parents(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result);
cella_status cella_step_nonce(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result);
