/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "trust/dcap_platform.h"
#include "trust/dcap_quote.h"
#include "trust/signed_json.h"

#define SIGNER "Intel SGX TCB Signing"

static const struct cella_chain_rules signer_rules = {
    .family = "intel",
    .length_min = 2,
    .length_max = 2,
    .leaf_curve_bits = 256,
    .strict = false,
    .revocation = true,
};

struct collateral {
    const struct cella_context *context;
    uint32_t tee;
    struct cella_claims *claims;
    struct cella_pck pck;
    struct cella_view tdx_svn; /* TEE_TCB_SVN, empty for SGX */
    enum cella_tcb_status status;
    uint64_t evaluation; /* the smallest tcbEvaluationDataNumber of the documents: what is old in one of them is old */
    struct cella_view signer_chain;   /* who signed the document before: nearly always the same */
    struct cella_public_key *signer;  /* his key, owned; NULL: none yet */
};

static void clear_collateral(struct collateral *collateral)
{
    cella_public_key_free(collateral->signer);
}

static cella_status refuse(const struct collateral *collateral, cella_status status, const char *what,
                           const char *sentence)
{
    cella_text_set(collateral->context->detail, "%s: %s", what, sentence);
    return status;
}

/* ---- who signed it ---- */

/*
 * The key of Intel's TCB signing certificate, whose chain and revocation are verified like everything else: once for the
 * same bytes.
 */
static cella_status find_signer(struct collateral *collateral, enum cella_endorsement_kind kind, const char *what)
{
    const struct cella_context *context = collateral->context;
    CELLA_CLEANUP(cella_certificates_clear) struct cella_certificates certificates = { 0 };
    const struct cella_certificates none = { 0 };
    struct cella_chain chain;
    struct cella_view text;
    char name[CELLA_CERTIFICATE_NAME_MAX + 1];
    CELLA_TRY(cella_endorsements_only(context->endorsements, kind, what, &text, context->detail));
    if (collateral->signer != NULL && cella_view_equal(text, collateral->signer_chain)) {
        return CELLA_OK;
    }
    clear_collateral(collateral);
    collateral->signer = NULL;
    if (cella_certificates_read(&certificates, text) != CELLA_OK) {
        return refuse(collateral, CELLA_ENDORSEMENT, what, "can not be read");
    }
    CELLA_TRY(cella_chain_verify(&certificates, &none, context->parsed->crls, context->parsed->crl_count,
                                 &context->policy->anchors, &signer_rules, context->now_unix_s, &chain,
                                 context->detail));
    cella_certificate_subject(chain.list[0], name);
    if (strcmp(name, SIGNER) != 0) {
        return refuse(collateral, CELLA_ENDORSEMENT, what, "its certificate is not that of Intel's TCB signing");
    }
    collateral->signer_chain = text;
    return cella_certificate_key(chain.list[0], &collateral->signer);
}

struct document {
    const char *what; /* for people */
    const char *name; /* of the inner object */
    enum cella_endorsement_kind kind;
    enum cella_endorsement_kind chain;
    const char *chain_what;
};

static const struct document tcb_info = { "TCB information", "tcbInfo", CELLA_ENDORSE_TCB_INFO,
                                          CELLA_ENDORSE_TCB_CHAIN, "the certificates for the TCB information" };
static const struct document qe_identity = { "QE identity", "enclaveIdentity", CELLA_ENDORSE_QE_IDENTITY,
                                             CELLA_ENDORSE_QE_CHAIN, "the certificates for the QE identity" };

static cella_status check_dates(const struct collateral *collateral, const struct document *document,
                                const json_t *inner)
{
    uint64_t issued;
    uint64_t next;
    const char *issue_date = json_string_value(json_object_get(inner, "issueDate"));
    const char *next_update = json_string_value(json_object_get(inner, "nextUpdate"));
    if (issue_date == NULL || next_update == NULL || cella_time_of_text(issue_date, &issued) != CELLA_OK ||
        cella_time_of_text(next_update, &next) != CELLA_OK) {
        return refuse(collateral, CELLA_ENDORSEMENT, document->what, "its dates can not be read");
    }
    uint64_t now = collateral->context->now_unix_s;
    return issued <= now && now <= next
               ? CELLA_OK
               : refuse(collateral, CELLA_EXPIRED, document->what, now < issued ? "not issued yet" : "out of date");
}

/* Verify first, parse then. The caller owns *inner. */
static cella_status open_document(struct collateral *collateral, const struct document *document, json_t **inner)
{
    struct cella_view text;
    struct cella_view object;
    uint8_t signature[64];
    CELLA_TRY(cella_endorsements_only(collateral->context->endorsements, document->kind, document->what, &text,
                                      collateral->context->detail));
    if (cella_signed_json_split(text, document->name, &object, signature) != CELLA_OK) {
        return refuse(collateral, CELLA_ENDORSEMENT, document->what, "is not a signed document of Intel");
    }
    CELLA_TRY(find_signer(collateral, document->chain, document->chain_what));
    if (cella_signature_verify(collateral->signer, CELLA_SIGNATURE_ECDSA, CELLA_HASH_SHA256, object,
                               cella_view_of(signature, sizeof(signature))) != CELLA_OK) {
        return refuse(collateral, CELLA_ENDORSEMENT, document->what, "Intel did not sign these bytes");
    }
    if (cella_json_parse(object, CELLA_SIGNED_JSON_MAX, inner) != CELLA_OK) {
        return refuse(collateral, CELLA_ENDORSEMENT, document->what, "is not JSON");
    }
    return check_dates(collateral, document, *inner);
}

/* ---- reading members ---- */

static bool hex_equals(const json_t *value, struct cella_view wanted)
{
    uint8_t bytes[CELLA_CLAIM_SIZE_MAX];
    const char *text = json_string_value(value);
    return text != NULL && wanted.size <= sizeof(bytes) &&
           cella_hex_decode(cella_view_of_string(text), bytes, wanted.size) == CELLA_OK &&
           memcmp(bytes, wanted.data, wanted.size) == 0;
}

static bool is_text(const json_t *value, const char *wanted)
{
    return json_is_string(value) && strcmp(json_string_value(value), wanted) == 0;
}

static cella_status add_advisories(const struct collateral *collateral, const json_t *level)
{
    const json_t *list = json_object_get(level, "advisoryIDs");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (name == NULL ||
            cella_claims_text(collateral->claims, "advisory", cella_view_of_string(name)) != CELLA_OK) {
            return refuse(collateral, CELLA_ENDORSEMENT, "TCB information", "its list of advisories is not usable");
        }
    }
    return CELLA_OK;
}

/* Take a level's status into account: the platform's first, then those of its parts. */
static cella_status merge_level(struct collateral *collateral, const json_t *level, const char *what, bool platform)
{
    enum cella_tcb_status status;
    if (cella_tcb_status_of(json_string_value(json_object_get(level, "tcbStatus")), &status) != CELLA_OK) {
        return refuse(collateral, CELLA_ENDORSEMENT, what, "its level has an unknown status");
    }
    collateral->status = platform ? status : cella_tcb_status_merge(collateral->status, status);
    return add_advisories(collateral, level);
}

/* Levels of a module or of the quoting enclave: the first whose isvsvn is reached. */
static cella_status merge_svn_level(struct collateral *collateral, const json_t *levels, uint64_t svn,
                                    const char *what)
{
    for (size_t i = 0; i < json_array_size(levels); i++) {
        const json_t *level = json_array_get(levels, i);
        const json_t *least = json_object_get(json_object_get(level, "tcb"), "isvsvn");
        if (!json_is_integer(least) || json_integer_value(least) < 0) {
            return refuse(collateral, CELLA_ENDORSEMENT, what, "a level can not be read");
        }
        if ((uint64_t) json_integer_value(least) <= svn) {
            return merge_level(collateral, level, what, false);
        }
    }
    return refuse(collateral, CELLA_ENDORSEMENT, what, "it is older than every level");
}

/* ---- the TDX module ---- */

static cella_status check_module_identity(const struct collateral *collateral, const json_t *module)
{
    const struct cella_claim *signer = cella_claims_find(collateral->claims, "mrsignerseam", CELLA_CLAIM_BYTES);
    const struct cella_claim *attributes =
        cella_claims_find(collateral->claims, "seam_attributes", CELLA_CLAIM_BYTES);
    uint8_t mask[8];
    const char *mask_text = json_string_value(json_object_get(module, "attributesMask"));
    bool all_bits = mask_text != NULL &&
                    cella_hex_decode(cella_view_of_string(mask_text), mask, sizeof(mask)) == CELLA_OK &&
                    memcmp(mask, "\xff\xff\xff\xff\xff\xff\xff\xff", sizeof(mask)) == 0;
    if (!all_bits || !cella_claim_is_zero(attributes) ||
        !hex_equals(json_object_get(module, "mrsigner"), cella_view_of(signer->bytes, signer->size)) ||
        !hex_equals(json_object_get(module, "attributes"), cella_view_of(attributes->bytes, attributes->size))) {
        return refuse(collateral, CELLA_ENDORSEMENT, "TDX module", "it is not the one that Intel describes");
    }
    return CELLA_OK;
}

static cella_status judge_module(struct collateral *collateral, const json_t *info)
{
    uint8_t version = collateral->tdx_svn.data[1];
    uint8_t svn = collateral->tdx_svn.data[0];
    if (version == 0) {
        return check_module_identity(collateral, json_object_get(info, "tdxModule"));
    }
    char id[16];
    (void) snprintf(id, sizeof(id), "TDX_%02X", version);
    const json_t *identities = json_object_get(info, "tdxModuleIdentities");
    for (size_t i = 0; i < json_array_size(identities); i++) {
        const json_t *module = json_array_get(identities, i);
        if (is_text(json_object_get(module, "id"), id)) {
            CELLA_TRY(check_module_identity(collateral, module));
            return merge_svn_level(collateral, json_object_get(module, "tcbLevels"), svn, "TDX module");
        }
    }
    return refuse(collateral, CELLA_ENDORSEMENT, "TDX module", "Intel's TCB information does not know this version");
}

/* ---- edition ---- */

static cella_status take_evaluation(struct collateral *collateral, const struct document *document, const json_t *inner)
{
    const json_t *number = json_object_get(inner, "tcbEvaluationDataNumber");
    if (!json_is_integer(number) || json_integer_value(number) < 0) {
        return refuse(collateral, CELLA_ENDORSEMENT, document->what, "it has no evaluation number");
    }
    uint64_t value = (uint64_t) json_integer_value(number);
    collateral->evaluation = value < collateral->evaluation ? value : collateral->evaluation;
    return CELLA_OK;
}

/* ---- TCB information ---- */

static cella_status check_info(const struct collateral *collateral, const json_t *info)
{
    json_int_t version = json_integer_value(json_object_get(info, "version"));
    const json_t *id = json_object_get(info, "id");
    bool tdx = collateral->tee == CELLA_DCAP_TDX;
    /* Version 2 is SGX's, and does not say so. */
    bool right = (version == 3 && is_text(id, tdx ? "TDX" : "SGX")) || (version == 2 && !tdx && id == NULL);
    if (!right) {
        return refuse(collateral, CELLA_ENDORSEMENT, "TCB information", "it is for another TEE");
    }
    if (!hex_equals(json_object_get(info, "fmspc"), collateral->pck.fmspc) ||
        !hex_equals(json_object_get(info, "pceId"), collateral->pck.pce_id)) {
        return refuse(collateral, CELLA_ENDORSEMENT, "TCB information", "it is for another kind of platform");
    }
    const json_t *type = json_object_get(info, "tcbType");
    if (!json_is_integer(type) || json_integer_value(type) != 0) {
        return refuse(collateral, CELLA_ENDORSEMENT, "TCB information", "its tcbType is not known");
    }
    return CELLA_OK;
}

static cella_status judge_platform(struct collateral *collateral)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *info = NULL;
    const json_t *level = NULL;
    CELLA_TRY(open_document(collateral, &tcb_info, &info));
    CELLA_TRY(check_info(collateral, info));
    CELLA_TRY(take_evaluation(collateral, &tcb_info, info));
    cella_status status =
        cella_tcb_level(json_object_get(info, "tcbLevels"), &collateral->pck, collateral->tdx_svn, &level);
    if (status != CELLA_OK) {
        return refuse(collateral, CELLA_ENDORSEMENT, "TCB information",
                      status == CELLA_NOT_FOUND ? "the platform is older than every level"
                                                : "its levels can not be read");
    }
    CELLA_TRY(merge_level(collateral, level, "TCB information", true));
    return collateral->tee == CELLA_DCAP_TDX ? judge_module(collateral, info) : CELLA_OK;
}

/* ---- the quoting enclave ---- */

static bool masked_equals(const json_t *identity, const char *value_name, const char *mask_name,
                          const struct cella_claim *claim)
{
    uint8_t value[16];
    uint8_t mask[16];
    const char *value_text = json_string_value(json_object_get(identity, value_name));
    const char *mask_text = json_string_value(json_object_get(identity, mask_name));
    if (claim == NULL || claim->size > sizeof(value) || value_text == NULL || mask_text == NULL ||
        cella_hex_decode(cella_view_of_string(value_text), value, claim->size) != CELLA_OK ||
        cella_hex_decode(cella_view_of_string(mask_text), mask, claim->size) != CELLA_OK) {
        return false;
    }
    for (size_t i = 0; i < claim->size; i++) {
        if ((claim->bytes[i] & mask[i]) != value[i]) {
            return false;
        }
    }
    return true;
}

static cella_status judge_qe(struct collateral *collateral)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *identity = NULL;
    const struct cella_claims *claims = collateral->claims;
    CELLA_TRY(open_document(collateral, &qe_identity, &identity));
    bool tdx = collateral->tee == CELLA_DCAP_TDX;
    if (!is_text(json_object_get(identity, "id"), tdx ? "TD_QE" : "QE") ||
        json_integer_value(json_object_get(identity, "version")) != 2) {
        return refuse(collateral, CELLA_ENDORSEMENT, "QE identity", "it is for another TEE");
    }
    CELLA_TRY(take_evaluation(collateral, &qe_identity, identity));
    const struct cella_claim *signer = cella_claims_find(claims, "qe_mrsigner", CELLA_CLAIM_BYTES);
    const struct cella_claim *product = cella_claims_find(claims, "qe_isv_prod_id", CELLA_CLAIM_NUMBER);
    const struct cella_claim *svn = cella_claims_find(claims, "qe_isv_svn", CELLA_CLAIM_NUMBER);
    const json_t *wanted = json_object_get(identity, "isvprodid");
    bool same = hex_equals(json_object_get(identity, "mrsigner"), cella_view_of(signer->bytes, signer->size)) &&
                json_is_integer(wanted) && json_integer_value(wanted) == (json_int_t) product->number &&
                masked_equals(identity, "miscselect", "miscselectMask",
                              cella_claims_find(claims, "qe_misc_select", CELLA_CLAIM_BYTES)) &&
                masked_equals(identity, "attributes", "attributesMask",
                              cella_claims_find(claims, "qe_attributes", CELLA_CLAIM_BYTES));
    if (!same) {
        return refuse(collateral, CELLA_ENDORSEMENT, "QE identity", "the quoting enclave is not the one it describes");
    }
    return merge_svn_level(collateral, json_object_get(identity, "tcbLevels"), svn->number, "quoting enclave");
}

/* ---- together ---- */

static cella_status name_platform(const struct cella_pck *pck, struct cella_claims *claims)
{
    CELLA_TRY(cella_claims_bytes(claims, "fmspc", pck->fmspc));
    CELLA_TRY(cella_claims_bytes(claims, "ppid", pck->ppid));
    if (pck->instance_id.size > 0) {
        CELLA_TRY(cella_claims_bytes(claims, "platform_instance_id", pck->instance_id));
    }
    if (pck->has_configuration) {
        CELLA_TRY(cella_claims_flag(claims, "dynamic_platform", pck->dynamic_platform));
        CELLA_TRY(cella_claims_flag(claims, "cached_keys", pck->cached_keys));
        CELLA_TRY(cella_claims_flag(claims, "smt", pck->smt));
    }
    return CELLA_OK;
}

cella_status cella_dcap_endorse(const struct cella_context *context, uint32_t tee, struct cella_claims *claims)
{
    CELLA_CLEANUP(clear_collateral)
    struct collateral collateral = { .context = context, .tee = tee, .claims = claims, .evaluation = UINT64_MAX };
    if (cella_pck_read(context->chain->list[0], &collateral.pck) != CELLA_OK) {
        return refuse(&collateral, CELLA_ENDORSEMENT, "PCK certificate", "it does not describe a platform");
    }
    CELLA_TRY(name_platform(&collateral.pck, claims));
    if (tee == CELLA_DCAP_TDX) {
        const struct cella_claim *svn = cella_claims_find(claims, "tee_tcb_svn", CELLA_CLAIM_BYTES);
        collateral.tdx_svn = cella_view_of(svn->bytes, svn->size);
    }
    CELLA_TRY(judge_platform(&collateral));
    CELLA_TRY(judge_qe(&collateral));
    CELLA_TRY(cella_claims_number(claims, "tcb_evaluation", collateral.evaluation));
    const char *name = cella_tcb_status_name(collateral.status);
    CELLA_TRY(cella_claims_text(claims, "tcb_status", cella_view_of_string(name)));
    cella_text_set(context->detail, "Intel's collateral of this time says: %s", name);
    return collateral.status == CELLA_TCB_REVOKED ? CELLA_REVOKED : CELLA_OK;
}

int cella_dcap_level(const struct cella_claims *claims, const struct cella_policy *policy, struct cella_text *reason)
{
    const struct cella_claim *debug = cella_claims_find(claims, "debug", CELLA_CLAIM_FLAG);
    const struct cella_claim *status = cella_claims_find(claims, "tcb_status", CELLA_CLAIM_TEXT);
    const struct cella_claim *migratable = cella_claims_next(claims, "migratable", NULL); /* enclaves have none */
    const struct cella_claim *steady = cella_claims_next(claims, "sept_ve_disable", NULL);
    (void) policy;
    if (debug == NULL || debug->number != 0) {
        cella_text_set(reason, "debug: the host can read and write its memory");
        return 1;
    }
    if (migratable != NULL && migratable->number != 0) {
        cella_text_set(reason, "migratable: a migration TD can take it, with its memory, elsewhere");
        return 1;
    }
    if (status == NULL || !cella_view_is(cella_view_of(status->bytes, status->size), "UpToDate")) {
        cella_text_set(reason, "the platform is not up to date by Intel's word: known attacks may work");
        return 4;
    }
    if (steady != NULL && steady->number == 0) {
        cella_text_set(reason, "sept_ve_disable is off: the host can inject exceptions by taking pages away");
        return 4;
    }
    return 5;
}
