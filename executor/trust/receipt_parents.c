/* SPDX-License-Identifier: Apache-2.0 */

/* The runs that came before: a run's inputs that are outputs of others, as a chain of receipts. */

#include <stdlib.h>

#include "trust/receipt_appraisal.h"

/* Receipts that were supplied, each accepted. */
struct chain {
    struct cella_predecessor *list;
    size_t count;
    size_t missing; /* parents that are named, and not among them */
};

static void clear_chain(struct chain *chain)
{
    free(chain->list);
}

static bool same_content(const struct cella_statement_item *input, const struct cella_statement_item *output)
{
    return input->kind == output->kind && input->size == output->size && cella_view_equal(input->digest, output->digest);
}

static bool made_an_input(const struct cella_execution *maker, const struct cella_execution *run)
{
    for (size_t i = 0; i < maker->outputs.count; i++) {
        for (size_t j = 0; j < run->inputs.count; j++) {
            if (same_content(&run->inputs.list[j], &maker->outputs.list[i])) {
                return true;
            }
        }
    }
    return false;
}

/* Find the parents that a run names. Each has to have made one of its inputs. */
static cella_status find_parents(const struct cella_execution *run, struct chain *chain, struct cella_text *detail)
{
    for (size_t i = 0; i < run->parents.count; i++) {
        bool found = false;
        for (size_t j = 0; j < chain->count; j++) {
            struct cella_predecessor *maker = &chain->list[j];
            if (!cella_view_equal(run->parents.list[i], cella_view_of(maker->leaf.bytes, sizeof(maker->leaf.bytes)))) {
                continue;
            }
            if (!made_an_input(&maker->execution, run)) {
                cella_text_set(detail, "predecessor %zu is named, but no output of it is an input of the run that names it",
                               j + 1);
                return CELLA_BAD_RECEIPT;
            }
            maker->reached = true;
            found = true;
        }
        chain->missing += found ? 0 : 1;
    }
    return CELLA_OK;
}

/* Go back as far as the chain reaches: each one once, whatever its order. */
static cella_status join_chain(const struct cella_execution *run, struct chain *chain, struct cella_text *detail)
{
    bool more = true;
    CELLA_TRY(find_parents(run, chain, detail));
    while (more) {
        more = false;
        for (size_t i = 0; i < chain->count; i++) {
            struct cella_predecessor *one = &chain->list[i];
            if (one->reached && !one->followed) {
                one->followed = true;
                more = true;
                CELLA_TRY(find_parents(&one->execution, chain, detail));
            }
        }
    }
    for (size_t i = 0; i < chain->count; i++) {
        if (!chain->list[i].reached) {
            cella_text_set(detail, "predecessor %zu led to none of the inputs, by what the statements name", i + 1);
            return CELLA_BAD_RECEIPT;
        }
    }
    return CELLA_OK;
}

static cella_status accept_each(const struct cella_receipt_appraisal *appraisal, struct chain *chain)
{
    for (; chain->count < appraisal->question->parent_count; chain->count++) {
        struct cella_text reason = { "" };
        cella_status status = cella_receipt_appraise_predecessor(
            appraisal, &appraisal->question->parents[chain->count], &chain->list[chain->count], &reason);
        if (status != CELLA_OK) {
            cella_text_set(appraisal->detail, "predecessor %zu is refused: %.150s", chain->count + 1, reason.characters);
            return status;
        }
    }
    return CELLA_OK;
}

static cella_status without_any(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result)
{
    size_t count = appraisal->execution.parents.count;
    if (count == 0) {
        cella_text_set(appraisal->detail, "no input came from another run, says the executor");
        return CELLA_OK;
    }
    cella_text_set(appraisal->detail, "earlier runs are named: %zu; no receipts of them were supplied", count);
    *result = CELLA_STEP_WAITING;
    return CELLA_OK;
}

cella_status cella_step_parents(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result)
{
    const struct cella_receipt_question *question = appraisal->question;
    const struct cella_execution *run = &appraisal->execution;
    CELLA_CLEANUP(clear_chain) struct chain chain = { 0 };
    if (question->parent_count == 0) {
        return without_any(appraisal, result);
    }
    chain.list = calloc(question->parent_count, sizeof(chain.list[0]));
    CELLA_TRY(chain.list != NULL ? CELLA_OK : CELLA_NO_MEMORY);
    CELLA_TRY(accept_each(appraisal, &chain));
    CELLA_TRY(join_chain(run, &chain, appraisal->detail));
    cella_text_set(appraisal->detail, "%zu earlier %s accepted, and made inputs of what came after; %zu not supplied",
                   chain.count, chain.count == 1 ? "run is" : "runs are", chain.missing);
    *result = chain.missing > 0 ? CELLA_STEP_WAITING : CELLA_STEP_DECIDED;
    appraisal->chain_complete = chain.missing == 0;
    return CELLA_OK;
}
