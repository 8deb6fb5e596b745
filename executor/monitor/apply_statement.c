/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/apply.h"

#include <stdlib.h>

void cella_apply_free_evidence(struct cella_entry *entry)
{
    struct cella_kept_evidence *evidence = (struct cella_kept_evidence *) entry;
    cella_bytes_clear(&evidence->file);
    cella_bytes_clear(&evidence->measurement);
    free(evidence);
}

static cella_status fill_evidence(const json_t *body, struct cella_kept_evidence *evidence)
{
    CELLA_TRY(cella_apply_copy_text(body, "evidence", evidence->entry.id, sizeof(evidence->entry.id)));
    CELLA_TRY(cella_apply_copy_text(body, "type", evidence->type, sizeof(evidence->type)));
    CELLA_TRY(cella_apply_copy_bytes(body, "measurement", &evidence->measurement));
    return cella_apply_copy_bytes(body, "file", &evidence->file);
}

/* {evidence (SHA-256 of the file), type, measurement, file}: the first statement of a start names it */
cella_status cella_apply_evidence_kept(struct cella_state *state, const json_t *body)
{
    struct cella_kept_evidence *evidence = calloc(1, sizeof(*evidence));
    if (evidence == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_status status = fill_evidence(body, evidence);
    status = status == CELLA_OK ? cella_table_add(&state->evidence, &evidence->entry) : status;
    if (status != CELLA_OK) {
        cella_apply_free_evidence(&evidence->entry);
        return status;
    }
    state->bytes += sizeof(*evidence) + evidence->file.size;
    return CELLA_OK;
}

cella_status cella_apply_logged(struct cella_state *state, const json_t *body, struct cella_logged *out)
{
    CELLA_TRY(cella_apply_copy_bytes(body, "logged", &out->statement));
    if (out->statement.size == 0) {
        return CELLA_OK;
    }
    out->leaf = cella_apply_number(body, "leaf");
    CELLA_TRY(cella_sha256(cella_bytes_view(&out->statement), state->last_statement));
    state->has_statement = true;
    state->bytes += out->statement.size;
    return CELLA_OK;
}

cella_status cella_apply_request(struct cella_state *state, const json_t *body, const struct cella_party *party,
                                 struct cella_signed_request *out)
{
    const char *text = cella_apply_text(body, "request");
    state->bytes -= out->text.size;
    CELLA_TRY(cella_bytes_set(&out->text, cella_view_of_string(text)));
    memcpy(out->public_key, party->sign, sizeof(out->public_key));
    state->bytes += out->text.size;
    return CELLA_OK;
}
