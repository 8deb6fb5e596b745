/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/receipt_report.h"

#include <stdlib.h>
#include <string.h>

#include "trust/back_end.h"
#include "trust/receipt_appraisal.h"

/* ---- who signed ---- */

static cella_status step_format(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result)
{
    (void) result;
    CELLA_TRY(cella_statement_read(appraisal->bundle->receipt, &appraisal->statement, appraisal->detail));
    cella_text_set(appraisal->detail, "a statement about %s, %zu bytes%s",
                   appraisal->statement.kind == CELLA_STATEMENT_IS_EXECUTION ? "a run" : "a deletion",
                   appraisal->bundle->receipt.size, appraisal->statement.enveloped ? ", as a hash envelope" : "");
    return CELLA_OK;
}

static cella_status step_evidence(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result)
{
    struct cella_evidence_file *file = &appraisal->evidence_file;
    struct cella_receipt_report *report = appraisal->report;
    if (appraisal->bundle->evidence_file.size == 0) {
        cella_text_set(appraisal->detail, "no evidence file was supplied");
        *result = CELLA_STEP_WAITING;
        return CELLA_OK;
    }
    if (cella_evidence_file_read(appraisal->bundle->evidence_file, file) != CELLA_OK) {
        cella_text_set(appraisal->detail, "the evidence file is not of its form");
        return CELLA_BAD_EVIDENCE;
    }
    struct cella_evidence evidence = { .type = cella_evidence_type_of(file->type), .content = file->evidence };
    struct cella_binding binding = {
        .kind = CELLA_BINDING_EXECUTOR,
        .role = CELLA_ROLE_EXECUTOR,
        .keys = file->keys,
        .charter = file->charter,
        .nonce = file->nonce,
    };
    if (cella_endorsements_read(appraisal->bundle->endorsements, &evidence.endorsements) != CELLA_OK) {
        cella_text_set(appraisal->detail, "the endorsements are not of their form");
        return CELLA_ENDORSEMENT;
    }
    report->has_evidence = true;
    cella_status status = cella_evidence_appraise(&evidence, &binding, appraisal->question->policy,
                                                  appraisal->question->now_unix_s, &report->evidence);
    if (status != CELLA_OK) {
        cella_text_set(appraisal->detail, "the evidence is refused: see its own report");
        return status;
    }
    appraisal->evidence_passed = true;
    cella_text_set(appraisal->detail, "level %d, %.60s, %.100s", report->evidence.level,
                   report->evidence.measurement_name, report->evidence.anchor.characters);
    return CELLA_OK;
}

/*
 * The statement's kid chooses among keys that are trusted already; it never brings one. Evidence that was supplied has to
 * be this key's, even where the trust file lists the key: evidence of another executor says nothing about this one.
 */
static cella_status step_executor(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result)
{
    struct cella_view kid = appraisal->statement.sign1.header.kid;
    struct cella_cose_key *key = &appraisal->executor;
    char digits[17];
    (void) result;
    cella_hex_encode(cella_view_of(kid.data, 8), digits);
    if (appraisal->evidence_passed) {
        CELLA_TRY(cella_cose_key_of(appraisal->evidence_file.keys.sign, key));
        bool binds = cella_view_equal(kid, cella_view_of(key->kid, key->kid_size));
        cella_text_set(&appraisal->report->anchor, "%s", binds ? appraisal->report->evidence.anchor.characters : "");
        cella_text_set(appraisal->detail, binds ? "key %s..., bound by the evidence" : "key %s... is not the one that the "
                       "evidence binds", digits);
        return binds && cella_statement_issuer_is(&appraisal->statement, key) ? CELLA_OK : CELLA_BAD_KEY;
    }
    for (size_t i = 0; i < appraisal->policy.executor_count; i++) {
        CELLA_TRY(cella_cose_key_of(appraisal->policy.executors[i], key));
        if (cella_view_equal(kid, cella_view_of(key->kid, key->kid_size))) {
            cella_text_set(&appraisal->report->anchor, "executor key %s..., listed in the trust file", digits);
            cella_text_set(appraisal->detail, "key %s..., listed in the trust file", digits);
            return cella_statement_issuer_is(&appraisal->statement, key) ? CELLA_OK : CELLA_BAD_KEY;
        }
    }
    cella_text_set(appraisal->detail, "key %s... is neither bound by evidence that was supplied nor listed in the trust file",
                   digits);
    return CELLA_BAD_KEY;
}

static cella_status step_signature(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result)
{
    const struct cella_cose_sign1 *sign1 = &appraisal->statement.sign1;
    (void) result;
    cella_status status = cella_cose_verify(sign1, &appraisal->executor, sign1->payload);
    cella_text_set(appraisal->detail, status == CELLA_OK ? "signed by that key"
                                                         : "not what that key signed, or by another algorithm");
    return status;
}

/* The map itself, or in a hash envelope the one that was supplied, if it is the one. */
static cella_status step_payload(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result)
{
    const struct cella_statement *statement = &appraisal->statement;
    struct cella_view payload = statement->enveloped ? appraisal->bundle->payload : statement->sign1.payload;
    uint8_t digest[CELLA_SHA256_SIZE];
    if (statement->enveloped && payload.size == 0) {
        cella_text_set(appraisal->detail, "the statement holds only a hash, and its content was not supplied");
        *result = CELLA_STEP_WAITING;
        return CELLA_OK;
    }
    CELLA_TRY(cella_sha256(payload, digest));
    if (statement->enveloped && !cella_view_equal(cella_view_of(digest, sizeof(digest)), statement->sign1.payload)) {
        cella_text_set(appraisal->detail, "the supplied content is not what was signed");
        return CELLA_BAD_DIGEST;
    }
    CELLA_TRY(statement->kind == CELLA_STATEMENT_IS_EXECUTION
                  ? cella_execution_read(payload, &appraisal->execution, appraisal->detail)
                  : cella_deletion_read(payload, &appraisal->deletion, appraisal->detail));
    appraisal->has_payload = true;
    cella_text_set(appraisal->detail, "complete, and nothing in it that is not known here");
    return CELLA_OK;
}

/* ---- in which logs ---- */

/* Which trusted log has this key name; log_count stands for the executor's own; NULL: none. */
static const struct cella_receipt_log *find_log(const struct cella_receipt_appraisal *appraisal, struct cella_view kid,
                                                const struct cella_receipt_log *own, size_t *number)
{
    const struct cella_receipt_policy *policy = &appraisal->policy;
    for (*number = 0; *number < policy->log_count; (*number)++) {
        const struct cella_receipt_log *log = &policy->log[*number];
        if (cella_view_equal(kid, cella_view_of(log->key.kid, log->key.kid_size))) {
            return log;
        }
    }
    return own != NULL && cella_view_equal(kid, cella_view_of(own->key.kid, own->key.kid_size)) ? own : NULL;
}

/* The executor's own log, if the trust file lets it count and evidence certifies its key. */
static bool find_own_log(const struct cella_receipt_appraisal *appraisal, struct cella_receipt_log *own)
{
    *own = (struct cella_receipt_log){ .name = "the executor's own", .need_position = true };
    return appraisal->policy.own_log && appraisal->evidence_passed &&
           cella_evidence_file_log_key(&appraisal->evidence_file, &own->key) == CELLA_OK;
}

/* found: bit per log. Receipts of logs that the trust file does not know are left alone: they are for others. */
static cella_status judge_receipt(struct cella_receipt_appraisal *appraisal, struct cella_view content,
                                  const struct cella_merkle_hash *leaf, const struct cella_receipt_log *own,
                                  uint32_t *found)
{
    struct cella_receipt receipt;
    size_t number;
    CELLA_TRY(cella_receipt_read(content, &receipt, appraisal->detail));
    const struct cella_receipt_log *log = find_log(appraisal, receipt.sign1.header.kid, own, &number);
    if (log == NULL) {
        return CELLA_OK;
    }
    if (log->issuer != NULL && !cella_view_is(receipt.sign1.header.issuer, log->issuer)) {
        cella_text_set(appraisal->detail, "the receipt of log %.64s names another issuer", log->name);
        return CELLA_BAD_RECEIPT;
    }
    cella_status status = cella_receipt_verify(&receipt, leaf, &log->key, log->need_position);
    if (status != CELLA_OK) {
        cella_text_set(appraisal->detail, "log %.64s did not sign that this statement is in it, there: %s", log->name,
                       cella_status_text(status));
        return status;
    }
    *found |= 1U << number;
    return CELLA_OK;
}

static cella_status judge_receipts(struct cella_receipt_appraisal *appraisal, uint32_t *found)
{
    struct cella_view list[CELLA_RECEIPTS_MAX];
    struct cella_merkle_hash leaf;
    struct cella_receipt_log own;
    size_t count = 0;
    bool has_own = find_own_log(appraisal, &own);
    if (appraisal->statement.receipts.size > 0) {
        CELLA_TRY(cella_receipt_list(appraisal->statement.receipts, list, &count, appraisal->detail));
    }
    CELLA_TRY(cella_statement_leaf(&appraisal->statement, &leaf));
    for (size_t i = 0; i < count; i++) {
        CELLA_TRY(judge_receipt(appraisal, list[i], &leaf, has_own ? &own : NULL, found));
    }
    return CELLA_OK;
}

static cella_status step_inclusion(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result)
{
    uint32_t found = 0;
    size_t counted = 0;
    CELLA_TRY(judge_receipts(appraisal, &found));
    for (uint32_t bits = found; bits != 0; bits >>= 1) {
        counted += bits & 1;
    }
    uint32_t own = 1U << appraisal->policy.log_count;
    appraisal->no_log = found == 0;
    appraisal->own_log_only = found == own;
    cella_text_set(appraisal->detail, "%zu of %zu required logs have it%s", counted, appraisal->policy.logs,
                   appraisal->own_log_only ? ": the executor's own only" : "");
    if (counted < appraisal->policy.logs) {
        return CELLA_BAD_RECEIPT;
    }
    *result = counted == 0 ? CELLA_STEP_WAITING : CELLA_STEP_DECIDED;
    return CELLA_OK;
}

/* ---- on what ---- */

/* Is there a layer of this name with this measurement? Kinds that are measured by registers only have no such claim. */
static bool runs_measured(const struct cella_receipt_appraisal *appraisal, const struct cella_claim *measurement)
{
    const struct cella_execution *execution = &appraisal->execution;
    for (size_t i = 0; i < execution->runtime_count; i++) {
        if (cella_view_equal(execution->runtime[i].name, appraisal->evidence_file.type) &&
            cella_view_equal(execution->runtime[i].measurement, cella_view_of(measurement->bytes, measurement->size))) {
            return true;
        }
    }
    return false;
}

static cella_status step_runtime(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result)
{
    uint8_t digest[CELLA_SHA256_SIZE];
    if (!appraisal->evidence_passed) {
        cella_text_set(appraisal->detail, "what ran it is the executor's word: no evidence was judged");
        *result = CELLA_STEP_WAITING;
        return CELLA_OK;
    }
    CELLA_TRY(cella_sha256(appraisal->bundle->evidence_file, digest));
    if (!cella_view_equal(appraisal->execution.evidence, cella_view_of(digest, sizeof(digest)))) {
        cella_text_set(appraisal->detail, "the statement names another evidence file");
        return CELLA_BAD_DIGEST;
    }
    const struct cella_back_end *back_end = cella_back_end_of(appraisal->report->evidence.type);
    if (back_end == NULL || back_end->measurement == NULL) {
        cella_text_set(appraisal->detail, "the evidence is the one that is named; its registers are not in the statement");
        return CELLA_OK;
    }
    const struct cella_claim *measurement =
        cella_claims_find(&appraisal->report->evidence.claims, back_end->measurement, CELLA_CLAIM_BYTES);
    if (measurement == NULL || !runs_measured(appraisal, measurement)) {
        cella_text_set(appraisal->detail, "the statement names another measurement than the evidence");
        return CELLA_MEASUREMENT;
    }
    cella_text_set(appraisal->detail, "the evidence and the measurement that are named: %.64s",
                   appraisal->report->evidence.measurement_name);
    return CELLA_OK;
}

/* ---- the flow ---- */

enum applies_to { EVERY = 3, RUN = 1, DELETION = 2 }; /* bits by kind; not before the format is known */

static const struct {
    const char *name;
    cella_receipt_step run;
    enum applies_to applies;
    bool needs_payload;
} steps[] = {
    { "format", step_format, EVERY, false },
    { "evidence", step_evidence, EVERY, false },
    { "executor", step_executor, EVERY, false },
    { "signature", step_signature, EVERY, false },
    { "payload", step_payload, EVERY, false },
    { "inclusion", step_inclusion, EVERY, false },
    { "runtime", step_runtime, RUN, true },
    { "function", cella_step_function, RUN, true },
    { "contract", cella_step_contract, RUN, true },
    { "approvals", cella_step_approvals, RUN, true },
    { "request", cella_step_request, DELETION, true },
    { "inputs", cella_step_inputs, EVERY, true },
    { "outputs", cella_step_outputs, RUN, true },
    { "nonce", cella_step_nonce, RUN, true },
    { "parents", cella_step_parents, RUN, true },
};

static bool is_required(const struct cella_receipt_appraisal *appraisal, const char *name)
{
    for (unsigned int bit = 0; cella_receipt_required(bit) != NULL; bit++) {
        if (strcmp(cella_receipt_required(bit), name) == 0) {
            return (appraisal->policy.required >> bit & 1) != 0;
        }
    }
    return strcmp(name, "payload") == 0; /* nothing can be said about a run of which only a hash is known */
}

static cella_status run_step(struct cella_receipt_appraisal *appraisal, size_t step, struct cella_check *check)
{
    enum cella_step_result result = CELLA_STEP_DECIDED;
    appraisal->detail = &check->detail;
    if (steps[step].needs_payload && !appraisal->has_payload) {
        cella_text_set(&check->detail, "the statement's content was not supplied");
        result = CELLA_STEP_WAITING;
    } else {
        check->status = steps[step].run(appraisal, &result);
    }
    if (result == CELLA_STEP_DECIDED || check->status != CELLA_OK) {
        check->outcome = check->status == CELLA_OK ? CELLA_CHECK_PASSED : CELLA_CHECK_FAILED;
        if (check->detail.characters[0] == '\0') {
            cella_text_set(&check->detail, "%s", cella_status_text(check->status));
        }
        return check->status;
    }
    return is_required(appraisal, check->name) ? CELLA_NOT_PROVED : CELLA_OK;
}

static void add_not_checked(struct cella_receipt_report *report, bool applies, const char *sentence)
{
    if (applies && report->not_checked_count < CELLA_RECEIPT_UNCHECKED_MAX) {
        report->not_checked[report->not_checked_count++] = sentence;
    }
}

static void list_not_checked(const struct cella_receipt_appraisal *appraisal)
{
    struct cella_receipt_report *report = appraisal->report;
    const struct cella_execution *run = &appraisal->execution;
    bool is_run = appraisal->statement.kind == CELLA_STATEMENT_IS_EXECUTION;
    bool known = appraisal->has_payload;
    enum cella_time_source source = is_run ? run->time_source : appraisal->deletion.time_source;
    add_not_checked(report, !appraisal->evidence_passed,
                    "that the executor's key lives in a TEE: no evidence was judged");
    add_not_checked(report, appraisal->evidence_passed,
                    "the platform's state after its evidence was made, and collateral that is newer than yours");
    add_not_checked(report, appraisal->no_log, "that the statement stands in any log");
    add_not_checked(report, appraisal->own_log_only, "a second opinion: no log but the executor's own has signed");
    add_not_checked(report, true, "that each log shows everybody the same tree: compare signed heads, or ask witnesses");
    add_not_checked(report, known && source == CELLA_TIME_HOST, "the time: it is the clock of the host");
    add_not_checked(report, known && source == CELLA_TIME_TEE, "the time: it is the clock of the TEE, by its own word");
    add_not_checked(report, known && source == CELLA_TIME_WITNESSED, "the time: who witnessed it is not part of a receipt");
    add_not_checked(report, is_run && appraisal->policy.function_count == 0 && appraisal->bundle->function.size == 0,
                    "which program it was, beyond its hash: you supplied none and the trust file lists none");
    add_not_checked(report, is_run && known && run->previous.data != NULL, "this executor's previous statement");
    add_not_checked(report, is_run && known && run->parents.count > 0 && !appraisal->chain_complete, "the runs whose outputs were inputs here");
    add_not_checked(report, is_run, "that no approval was withdrawn before the run: the executor sees to that");
    add_not_checked(report, is_run, "other uses of the same inputs, and what became of them afterwards");
    add_not_checked(report, is_run, "that the program computes what its name says: a statement proves execution, not truth");
    add_not_checked(report, !is_run, "copies that others kept, and the ciphertext itself: what was given up is the key");
    add_not_checked(report, true, "attacks by whoever can open the machine");
}

static cella_status run_steps(struct cella_receipt_appraisal *appraisal)
{
    struct cella_receipt_report *report = appraisal->report;
    cella_status failed = CELLA_OK;
    cella_status waiting = CELLA_OK;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        unsigned int kind = i == 0 ? EVERY : 1U << (unsigned int) appraisal->statement.kind;
        if (((unsigned int) steps[i].applies & kind) == 0) {
            continue;
        }
        struct cella_check *check = &report->checks[report->check_count++];
        check->name = steps[i].name;
        if (failed != CELLA_OK) {
            continue;
        }
        cella_status status = run_step(appraisal, i, check);
        bool waits = status == CELLA_NOT_PROVED && check->outcome == CELLA_CHECK_NOT_DONE;
        failed = waits ? CELLA_OK : status;
        waiting = waits ? status : waiting;
        if (status != CELLA_OK && (report->detail.characters[0] == '\0' || !waits)) {
            cella_text_set(&report->detail, "%s: %.150s", check->name, check->detail.characters);
        }
    }
    return failed != CELLA_OK ? failed : waiting;
}

cella_status cella_receipt_appraise(const struct cella_bundle *bundle, const struct cella_receipt_question *question,
                                    struct cella_receipt_report *out)
{
    struct cella_receipt_appraisal appraisal = { .bundle = bundle, .question = question, .report = out };
    if (question->parent_count > CELLA_RECEIPT_PREDECESSORS_MAX) {
        *out = (struct cella_receipt_report){ .status = CELLA_TOO_MANY };
        return CELLA_TOO_MANY;
    }
    *out = (struct cella_receipt_report){ .status = CELLA_BAD_RECEIPT };
    cella_status status = cella_receipt_policy_read(question->policy, &appraisal.policy);
    if (status == CELLA_OK) {
        status = run_steps(&appraisal);
        list_not_checked(&appraisal);
    }
    out->status = status;
    return status;
}

/* ---- earlier runs ---- */

/* What an appraisal of its own needs; too much for a stack that has one of these already. */
struct inner {
    struct cella_receipt_report report;
    struct cella_receipt_appraisal appraisal;
    struct cella_receipt_question question;
};

static void free_inner(struct inner **inner)
{
    free(*inner);
}

/* What only the relying party could supply, and about one run only. */
static void waive(struct cella_receipt_policy *policy)
{
    static const char *const names[] = { "inputs", "outputs", "nonce", "parents" };
    for (unsigned int bit = 0; cella_receipt_required(bit) != NULL; bit++) {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (strcmp(cella_receipt_required(bit), names[i]) == 0) {
                policy->required &= ~(1U << bit);
            }
        }
    }
}

cella_status cella_receipt_appraise_predecessor(const struct cella_receipt_appraisal *appraisal,
                                                const struct cella_bundle *bundle, struct cella_predecessor *out,
                                                struct cella_text *reason)
{
    CELLA_CLEANUP(free_inner) struct inner *inner = calloc(1, sizeof(*inner));
    if (inner == NULL) {
        return CELLA_NO_MEMORY;
    }
    inner->question.policy = appraisal->question->policy;
    inner->question.now_unix_s = appraisal->question->now_unix_s;
    inner->appraisal.bundle = bundle;
    inner->appraisal.question = &inner->question;
    inner->appraisal.policy = appraisal->policy;
    inner->appraisal.report = &inner->report;
    waive(&inner->appraisal.policy);
    cella_status status = run_steps(&inner->appraisal);
    cella_text_set(reason, "%.150s", inner->report.detail.characters);
    CELLA_TRY(status);
    if (inner->appraisal.statement.kind != CELLA_STATEMENT_IS_EXECUTION) {
        cella_text_set(reason, "it is about a deletion, not a run");
        return CELLA_BAD_RECEIPT;
    }
    out->execution = inner->appraisal.execution;
    return cella_statement_leaf(&inner->appraisal.statement, &out->leaf);
}
