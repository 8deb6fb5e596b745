/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "trust/statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read as a statement has one entry and one encoding; its payload, written again, is itself. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes entry = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    struct cella_statement statement;
    struct cella_statement again;
    struct cella_merkle_hash leaf;
    struct cella_merkle_hash leaf_again;
    struct cella_text detail = { "" };
    struct cella_execution run;
    struct cella_deletion deletion;
    struct cella_refusal refusal;
    if (cella_statement_read(cella_view_of(data, size), &statement, &detail) != CELLA_OK) {
        return 0;
    }
    if (cella_statement_entry(&statement, &entry) != CELLA_OK || cella_statement_leaf(&statement, &leaf) != CELLA_OK ||
        cella_statement_read(cella_bytes_view(&entry), &again, &detail) != CELLA_OK ||
        cella_statement_leaf(&again, &leaf_again) != CELLA_OK || !cella_merkle_equal(&leaf, &leaf_again)) {
        abort();
    }
    struct cella_view content = statement.sign1.payload;
    if (statement.kind == CELLA_STATEMENT_IS_EXECUTION && cella_execution_read(content, &run, &detail) == CELLA_OK) {
        if (cella_execution_write(&run, &payload) != CELLA_OK) {
            abort();
        }
    }
    if (statement.kind == CELLA_STATEMENT_IS_DELETION && cella_deletion_read(content, &deletion, &detail) == CELLA_OK) {
        if (cella_deletion_write(&deletion, &payload) != CELLA_OK ||
            !cella_view_equal(cella_bytes_view(&payload), content)) {
            abort();
        }
    }
    if (statement.kind == CELLA_STATEMENT_IS_REFUSAL && cella_refusal_read(content, &refusal, &detail) == CELLA_OK) {
        if (cella_refusal_write(&refusal, &payload) != CELLA_OK ||
            !cella_view_equal(cella_bytes_view(&payload), content)) {
            abort();
        }
    }
    return 0;
}
