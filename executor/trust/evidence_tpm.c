/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A TPM 2.0 over a measured boot. The key that signs is trusted because the trust file names it (its TPM name, found out
 * by activating a credential when the machine was enrolled), or because a certificate of a maker named there vouches for it.
 */

#include <string.h>

#include "trust/tpm_quote.h"

static cella_status parse(struct cella_view evidence, const struct cella_endorsements *endorsements,
                          struct cella_claims *claims, struct cella_parsed *parsed, struct cella_text *detail)
{
    struct cella_tpm_quote quote;
    struct cella_public_key *key = NULL;
    CELLA_TRY(cella_tpm_quote_read(evidence, &quote, claims, detail));
    if (quote.rest.size > 0) {
        cella_text_set(detail, "something follows the quote");
        return CELLA_BAD_EVIDENCE;
    }
    CELLA_TRY(cella_tpm_quote_key(&quote, claims, &key, detail));
    CELLA_TRY(cella_tpm_quote_sign(&quote, key, claims, parsed, detail));
    CELLA_TRY(cella_parsed_take_certificates(endorsements, parsed, detail));
    parsed->chain_rules = parsed->certificates.count > 0 ? &cella_tpm_chain_rules : NULL;
    return CELLA_OK;
}

static bool is_pinned(const struct cella_context *context, const json_t *keys, const struct cella_claims *claims)
{
    const struct cella_term term = { .name = "attestation_keys", .claim = "attestation_key", .kind = CELLA_TERM_BYTES };
    return keys != NULL && cella_term_check(&term, keys, claims, context->detail) == CELLA_OK;
}

static cella_status anchor(const struct cella_context *context, const struct cella_claims *claims,
                           struct cella_text *name)
{
    if (!is_pinned(context, cella_policy_term(context->policy, CELLA_EVIDENCE_TPM, "attestation_keys"), claims)) {
        cella_text_set(context->detail, "the trust file does not name the key that signed, nor does a certificate "
                                        "vouch for it");
        return CELLA_ROOT;
    }
    cella_text_set(name, "the TPM's attestation key, pinned in the trust file");
    cella_text_set(context->detail, "the attestation key is pinned in the trust file");
    return CELLA_OK;
}

/* With a certificate: it is the one of the key that signed. Keys that the trust file names count in any case. */
static cella_status endorse(const struct cella_context *context, struct cella_claims *claims)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes certified = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes signing = { 0 };
    CELLA_CLEANUP(cella_public_key_cleanup) struct cella_public_key *key = NULL;
    const json_t *keys = cella_policy_term(context->policy, CELLA_EVIDENCE_TPM, "attestation_keys");
    if (context->chain->count == 0) {
        cella_text_set(context->detail, "no certificate is needed for a pinned key");
        return CELLA_OK;
    }
    CELLA_TRY(cella_certificate_key(context->chain->list[0], &key));
    CELLA_TRY(cella_public_key_spki(key, &certified));
    CELLA_TRY(cella_public_key_spki(context->parsed->signatures[0].key, &signing));
    bool same = cella_view_equal(cella_bytes_view(&certified), cella_bytes_view(&signing)) &&
                cella_certificate_has_usage(context->chain->list[0], "2.23.133.8.3");
    cella_text_set(context->detail, same ? "the certificate is for the key that signed"
                                         : "the certificate is not one for the key that signed");
    CELLA_TRY(same ? CELLA_OK : CELLA_ENDORSEMENT);
    if (keys != NULL) {
        return is_pinned(context, keys, claims) ? CELLA_OK : CELLA_ENDORSEMENT;
    }
    /* A TPM's name covers the attributes; a certificate covers the key alone, so that they are whatever was sent. */
    cella_claims_doubt(claims, "restricted");
    return CELLA_OK;
}

static int level(const struct cella_claims *claims, const struct cella_policy *policy, struct cella_text *reason)
{
    (void) claims;
    (void) policy;
    cella_text_set(reason, "TPM, host-trusted: memory is not protected from the host, and a virtual TPM says what its host wants");
    return 3;
}

static const char *const one_of_any[] = { NULL };
static const char *const *const identities[] = { one_of_any, NULL };
static const char *const not_checked[] = {
    "that the TPM is a chip: a virtual one says what its host wants",
    "that the host does not read the executor's memory",
    NULL,
};

const struct cella_back_end cella_back_end_tpm = {
    .type = CELLA_EVIDENCE_TPM,
    .title = "a TPM 2.0",
    .parse = parse,
    .endorse = endorse,
    .anchor = anchor,
    .level = level,
    .terms = cella_tpm_terms,
    .term_count = CELLA_TPM_TERM_COUNT,
    .registers = cella_tpm_registers,
    .identities = identities,
    .needs_registers = true,
    .log_registers = cella_tpm_register_names,
    .log_register_count = CELLA_TPM_REGISTERS,
    .not_checked = not_checked,
};
