/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/evidence_soft.h"

#include <string.h>

#include "base/wire.h"

#define MAGIC "CELLASW1"
#define SIGNED_SIZE 150
#define SIGNATURE_LABEL "cella soft evidence v1"

static cella_status signed_message(struct cella_view body, struct cella_bytes *out)
{
    CELLA_TRY(cella_write_field(out, cella_view_of_string(SIGNATURE_LABEL)));
    return cella_write_field(out, body);
}

cella_status cella_evidence_soft_make(const struct cella_secret *root_seed, uint32_t layers,
                                      const uint8_t measurement[CELLA_SHA256_SIZE],
                                      const uint8_t report_data[CELLA_REPORT_DATA_SIZE], uint64_t issued_unix_s,
                                      struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes body = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    uint8_t root[CELLA_ED25519_KEY_SIZE];
    uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE];
    CELLA_TRY(cella_ed25519_public(root_seed, root));
    CELLA_TRY(cella_bytes_append(&body, cella_view_of_string(MAGIC)));
    CELLA_TRY(cella_write_u32(&body, layers));
    CELLA_TRY(cella_write_u16(&body, 0));
    CELLA_TRY(cella_bytes_append(&body, cella_view_of(measurement, CELLA_SHA256_SIZE)));
    CELLA_TRY(cella_bytes_append(&body, cella_view_of(report_data, CELLA_REPORT_DATA_SIZE)));
    CELLA_TRY(cella_write_u64(&body, issued_unix_s));
    CELLA_TRY(cella_bytes_append(&body, cella_view_of(root, sizeof(root))));
    CELLA_TRY(signed_message(cella_bytes_view(&body), &message));
    CELLA_TRY(cella_ed25519_sign(root_seed, cella_bytes_view(&message), signature));
    CELLA_TRY(cella_bytes_append(&body, cella_view_of(signature, sizeof(signature))));
    return cella_bytes_append(out, cella_bytes_view(&body));
}

static cella_status read_claims(struct cella_view evidence, struct cella_claims *out, struct cella_view *signature)
{
    struct cella_reader reader = cella_reader_of(evidence);
    struct cella_view magic;
    uint16_t reserved;
    CELLA_TRY(cella_read_view(&reader, strlen(MAGIC), &magic));
    CELLA_TRY(cella_read_u32(&reader, &out->layers));
    CELLA_TRY(cella_read_u16(&reader, &reserved));
    CELLA_TRY(cella_read_fixed(&reader, out->measurement, CELLA_SHA256_SIZE));
    CELLA_TRY(cella_read_fixed(&reader, out->report_data, sizeof(out->report_data)));
    CELLA_TRY(cella_read_u64(&reader, &out->issued_unix_s));
    CELLA_TRY(cella_read_fixed(&reader, out->root, sizeof(out->root)));
    CELLA_TRY(cella_read_view(&reader, CELLA_ED25519_SIGNATURE_SIZE, signature));
    CELLA_TRY(cella_reader_end(&reader));
    if (!cella_view_is(magic, MAGIC) || reserved != 0) {
        return CELLA_BAD_FORMAT;
    }
    out->type = CELLA_EVIDENCE_SOFT;
    out->measurement_size = CELLA_SHA256_SIZE;
    return CELLA_OK;
}

cella_status cella_evidence_soft_open(struct cella_view evidence, struct cella_claims *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    struct cella_claims claims = { 0 };
    struct cella_view signature;
    *out = claims;
    CELLA_TRY(read_claims(evidence, &claims, &signature));
    CELLA_TRY(signed_message(cella_view_of(evidence.data, SIGNED_SIZE), &message));
    CELLA_TRY(cella_ed25519_verify(claims.root, cella_bytes_view(&message), signature));
    *out = claims;
    return CELLA_OK;
}
