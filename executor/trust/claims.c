/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/claims.h"

#include <string.h>

static cella_status add(struct cella_claims *claims, const char *name, enum cella_claim_kind kind,
                        struct cella_view value, uint64_t number)
{
    if (claims->count == CELLA_CLAIMS_MAX) {
        return CELLA_TOO_MANY;
    }
    if (value.size > CELLA_CLAIM_SIZE_MAX) {
        return CELLA_TOO_LARGE;
    }
    struct cella_claim *claim = &claims->list[claims->count++];
    *claim = (struct cella_claim){ .name = name, .kind = kind, .size = value.size, .number = number };
    if (value.size > 0) {
        memcpy(claim->bytes, value.data, value.size);
    }
    return CELLA_OK;
}

cella_status cella_claims_bytes(struct cella_claims *claims, const char *name, struct cella_view value)
{
    return add(claims, name, CELLA_CLAIM_BYTES, value, 0);
}

cella_status cella_claims_text(struct cella_claims *claims, const char *name, struct cella_view value)
{
    return add(claims, name, CELLA_CLAIM_TEXT, value, 0);
}

cella_status cella_claims_number(struct cella_claims *claims, const char *name, uint64_t value)
{
    return add(claims, name, CELLA_CLAIM_NUMBER, (struct cella_view){ 0 }, value);
}

cella_status cella_claims_flag(struct cella_claims *claims, const char *name, bool value)
{
    return add(claims, name, CELLA_CLAIM_FLAG, (struct cella_view){ 0 }, value ? 1 : 0);
}

void cella_claims_doubt(struct cella_claims *claims, const char *name)
{
    for (size_t i = 0; i < claims->count; i++) {
        if (strcmp(claims->list[i].name, name) == 0) {
            claims->list[i].unproven = true;
        }
    }
}

const struct cella_claim *cella_claims_next(const struct cella_claims *claims, const char *name,
                                            const struct cella_claim *after)
{
    const struct cella_claim *end = claims->list + claims->count;
    for (const struct cella_claim *claim = after == NULL ? claims->list : after + 1; claim < end; claim++) {
        if (strcmp(claim->name, name) == 0) {
            return claim;
        }
    }
    return NULL;
}

const struct cella_claim *cella_claims_find(const struct cella_claims *claims, const char *name,
                                            enum cella_claim_kind kind)
{
    const struct cella_claim *claim = cella_claims_next(claims, name, NULL);
    bool only = claim != NULL && claim->kind == kind && cella_claims_next(claims, name, claim) == NULL;
    return only ? claim : NULL;
}

bool cella_claim_is_zero(const struct cella_claim *claim)
{
    if (claim == NULL || claim->kind != CELLA_CLAIM_BYTES) {
        return false;
    }
    uint8_t any = 0;
    for (size_t i = 0; i < claim->size; i++) {
        any |= claim->bytes[i];
    }
    return any == 0;
}
