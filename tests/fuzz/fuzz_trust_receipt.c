/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "trust/receipt.h"
#include "trust/receipt_bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Receipts, lists of them, evidence files and bundles: the readers of what comes from strangers. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cella_view content = cella_view_of(data, size);
    struct cella_view list[CELLA_RECEIPTS_MAX];
    size_t count;
    struct cella_receipt receipt;
    struct cella_evidence_file file;
    struct cella_bundle bundle;
    struct cella_text detail = { "" };
    struct cella_cose_key key = { .algorithm = CELLA_COSE_EDDSA };
    static const struct cella_merkle_hash leaf = { { 0 } };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes again = { 0 };
    if (cella_receipt_read(content, &receipt, &detail) == CELLA_OK &&
        cella_receipt_verify(&receipt, &leaf, &key, false) == CELLA_OK) {
        abort(); /* nobody has the key that is all zeros */
    }
    if (cella_receipt_list(content, list, &count, &detail) == CELLA_OK && (count == 0 || count > CELLA_RECEIPTS_MAX)) {
        abort();
    }
    if (cella_evidence_file_read(content, &file) == CELLA_OK && !file.has_log_key) {
        if (cella_evidence_file_write(&file, NULL, NULL, &again) != CELLA_OK ||
            !cella_view_equal(cella_bytes_view(&again), content)) {
            abort();
        }
    }
    if (cella_bundle_read(content, &bundle) == CELLA_OK && bundle.receipt.size == 0) {
        abort();
    }
    return 0;
}
