/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/session.h"

#include "trust/attested_certificate.h"

#define SIGNATURE_MEMBER ",\"signature\":\""

/* ---- the answer ---- */

static cella_status join_endorsements(const struct cella_monitor *monitor,
                                      const struct cella_monitor_evidence *evidence, struct cella_bytes *out)
{
    CELLA_TRY(cella_bytes_append(out, cella_bytes_view(&evidence->endorsements)));
    return cella_bytes_append(out, cella_bytes_view(&monitor->collateral));
}

cella_status cella_session_begin(const struct cella_monitor *monitor, const struct cella_monitor_evidence *evidence,
                                 struct cella_view nonce, struct cella_bytes *out)
{
    const struct cella_key_set *keys = cella_keyring_public(monitor->keyring);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes key_set = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes endorsements = { 0 };
    CELLA_TRY(cella_bytes_append(&key_set, cella_view_of(keys->sign, sizeof(keys->sign))));
    CELLA_TRY(cella_bytes_append(&key_set, cella_view_of(keys->seal, sizeof(keys->seal))));
    CELLA_TRY(join_endorsements(monitor, evidence, &endorsements));
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *json = json_pack("{s:i, s:s, s:o, s:o, s:o, s:o, s:o}", "version", 1, "type",
                             cella_evidence_type_name(cella_platform_type(monitor->platform)), "evidence",
                             cella_json_base64url(cella_bytes_view(&evidence->evidence)), "endorsements",
                             cella_json_base64url(cella_bytes_view(&endorsements)), "evidence_nonce",
                             cella_json_base64url(nonce), "keys", cella_json_base64url(cella_bytes_view(&key_set)),
                             "charter", cella_json_base64url(cella_bytes_view(&monitor->charter.text)));
    CELLA_TRY(json == NULL ? CELLA_NO_MEMORY : cella_json_write(json, out));
    out->size--; /* the brace that closes: the signature is the last member */
    return cella_bytes_append(out, cella_view_of_string(SIGNATURE_MEMBER));
}

cella_status cella_session_end(const uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE], struct cella_bytes *out)
{
    CELLA_TRY(cella_base64url_encode(cella_view_of(signature, CELLA_ED25519_SIGNATURE_SIZE), out));
    return cella_bytes_append(out, cella_view_of_string("\"}"));
}

/* ---- the certificate ---- */

static cella_status make_extensions(struct cella_monitor *monitor, const uint8_t spki_sha256[CELLA_SHA256_SIZE],
                                    struct cella_bytes *cmw, struct cella_bytes *tcg)
{
    const struct cella_view no_nonce = { 0 };
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes claims = { 0 };
    CELLA_CLEANUP(cella_monitor_evidence_clear) struct cella_monitor_evidence evidence = { 0 };
    CELLA_TRY(cella_attested_claims(spki_sha256, no_nonce, &claims, report_data));
    CELLA_TRY(cella_platform_evidence(monitor->platform, report_data, no_nonce, &evidence.evidence,
                                      &evidence.endorsements));
    return cella_attested_write(cella_platform_type(monitor->platform), cella_bytes_view(&evidence.evidence),
                                cella_bytes_view(&claims), cmw, tcg);
}

cella_status cella_session_certificate(struct cella_monitor *monitor, const uint8_t spki_sha256[CELLA_SHA256_SIZE],
                                       struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes cmw = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes tcg = { 0 };
    cella_status status = make_extensions(monitor, spki_sha256, &cmw, &tcg);
    if (status != CELLA_OK) {
        cmw.size = 0;
        tcg.size = 0;
        cella_monitor_log(monitor, "the TLS certificate carries no evidence: %s", cella_status_text(status));
    }
    CELLA_TRY(cella_write_field(out, cella_bytes_view(&cmw)));
    return cella_write_field(out, cella_bytes_view(&tcg));
}
