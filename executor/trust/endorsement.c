/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/endorsement.h"

#include "base/text.h"
#include "base/wire.h"

cella_status cella_endorsements_add(struct cella_endorsements *endorsements, unsigned int kind,
                                    struct cella_view content)
{
    if (kind < CELLA_ENDORSE_CERTIFICATES || kind > CELLA_ENDORSE_STATEMENT) {
        return CELLA_BAD_FIELD;
    }
    if (content.size > CELLA_ENDORSEMENT_MAX) {
        return CELLA_TOO_LARGE;
    }
    if (endorsements->count == CELLA_ENDORSEMENTS_MAX) {
        return CELLA_TOO_MANY;
    }
    endorsements->list[endorsements->count++] =
        (struct cella_endorsement){ (enum cella_endorsement_kind) kind, content };
    return CELLA_OK;
}

cella_status cella_endorsements_read(struct cella_view bytes, struct cella_endorsements *out)
{
    struct cella_reader reader = cella_reader_of(bytes);
    *out = (struct cella_endorsements){ 0 };
    while (reader.rest.size > 0) {
        uint8_t kind;
        struct cella_view content;
        CELLA_TRY(cella_read_u8(&reader, &kind));
        CELLA_TRY(cella_read_field(&reader, CELLA_ENDORSEMENT_MAX, &content));
        CELLA_TRY(cella_endorsements_add(out, kind, content));
    }
    return CELLA_OK;
}

const struct cella_endorsement *cella_endorsements_next(const struct cella_endorsements *endorsements,
                                                        enum cella_endorsement_kind kind,
                                                        const struct cella_endorsement *after)
{
    const struct cella_endorsement *end = endorsements->list + endorsements->count;
    for (const struct cella_endorsement *one = after == NULL ? endorsements->list : after + 1; one < end; one++) {
        if (one->kind == kind) {
            return one;
        }
    }
    return NULL;
}

cella_status cella_endorsements_only(const struct cella_endorsements *endorsements, enum cella_endorsement_kind kind,
                                     const char *what, struct cella_view *out, struct cella_text *detail)
{
    const struct cella_endorsement *one = cella_endorsements_next(endorsements, kind, NULL);
    if (one == NULL || cella_endorsements_next(endorsements, kind, one) != NULL) {
        cella_text_set(detail, one == NULL ? "%s is missing" : "there is more than one %s", what);
        return CELLA_ENDORSEMENT;
    }
    *out = one->content;
    return CELLA_OK;
}
