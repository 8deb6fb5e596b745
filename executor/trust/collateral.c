/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/collateral.h"

#include <stdio.h>
#include <string.h>

#include "trust/back_end.h"
#include "trust/dcap_platform.h"

#define PROCESSOR_CA "Intel SGX PCK Processor CA"
#define PLATFORM_CA "Intel SGX PCK Platform CA"
#define CHIP_ID_SIZE 64U
#define TURIN_ID_SIZE 8U
#define SIGNED_BY_VCEK 0U
#define SIGNED_BY_VLEK 1U

static cella_status explain(struct cella_text *detail, const char *sentence)
{
    cella_text_set(detail, "%s", sentence);
    return CELLA_BAD_EVIDENCE;
}

static cella_status set_request(struct cella_bytes *out, const char *line, int size)
{
    bool fits = size > 0 && (size_t) size <= CELLA_COLLATERAL_REQUEST_MAX;
    return fits ? cella_bytes_set(out, cella_view_of_string(line)) : CELLA_TOO_LARGE;
}

/* ---- Intel ---- */

static cella_status request_intel(const struct cella_parsed *parsed, const char *tee, struct cella_bytes *out,
                                  struct cella_text *detail)
{
    char line[CELLA_COLLATERAL_REQUEST_MAX + 1];
    char issuer[CELLA_CERTIFICATE_NAME_MAX + 1];
    char fmspc[13];
    struct cella_pck pck;
    if (parsed->certificates.count == 0 || cella_pck_read(parsed->certificates.list[0], &pck) != CELLA_OK ||
        pck.fmspc.size != 6) {
        return explain(detail, "the quote has no PCK certificate that says which platform this is");
    }
    cella_certificate_issuer(parsed->certificates.list[0], issuer);
    bool platform = strcmp(issuer, PLATFORM_CA) == 0;
    if (!platform && strcmp(issuer, PROCESSOR_CA) != 0) {
        return explain(detail, "the PCK certificate was issued by a CA that is not known here");
    }
    cella_hex_encode(pck.fmspc, fmspc);
    int size = snprintf(line, sizeof(line), "intel %s %s %s", tee, fmspc, platform ? "platform" : "processor");
    return set_request(out, line, size);
}

/* ---- AMD ---- */

static cella_status number_of(const struct cella_claims *claims, const char *name, unsigned int *out)
{
    const struct cella_claim *claim = cella_claims_find(claims, name, CELLA_CLAIM_NUMBER);
    *out = claim == NULL ? 0 : (unsigned int) claim->number;
    return claim == NULL ? CELLA_BAD_EVIDENCE : CELLA_OK;
}

/* The name that AMD's service has for a product: Siena's chips are Genoa's there. NULL: the report does not say it. */
static const char *product_of(const struct cella_claims *claims)
{
    static const char *const names[][2] = {
        { "milan", "milan" }, { "genoa", "genoa" }, { "siena", "genoa" }, { "turin", "turin" }
    };
    const struct cella_claim *claim = cella_claims_find(claims, "product", CELLA_CLAIM_TEXT);
    for (size_t i = 0; claim != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
        if (cella_view_is(cella_view_of(claim->bytes, claim->size), names[i][0])) {
            return names[i][1];
        }
    }
    return NULL;
}

static cella_status request_chip(const struct cella_claims *claims, const char *product, struct cella_bytes *out,
                                 struct cella_text *detail)
{
    char line[CELLA_COLLATERAL_REQUEST_MAX + 1];
    char id[2 * CHIP_ID_SIZE + 1];
    unsigned int bl;
    unsigned int tee;
    unsigned int snp;
    unsigned int ucode;
    unsigned int fmc = 0;
    bool turin = strcmp(product, "turin") == 0;
    const struct cella_claim *chip = cella_claims_find(claims, "chip_id", CELLA_CLAIM_BYTES);
    if (chip == NULL || chip->size != CHIP_ID_SIZE || cella_claim_is_zero(chip)) {
        return explain(detail, "the report hides which chip made it, and the host gave no certificate");
    }
    CELLA_TRY(number_of(claims, "reported_bl", &bl));
    CELLA_TRY(number_of(claims, "reported_tee", &tee));
    CELLA_TRY(number_of(claims, "reported_snp", &snp));
    CELLA_TRY(number_of(claims, "reported_ucode", &ucode));
    if (turin) {
        CELLA_TRY(number_of(claims, "reported_fmc", &fmc));
    }
    cella_hex_encode(cella_view_of(chip->bytes, turin ? TURIN_ID_SIZE : chip->size), id);
    int size = turin ? snprintf(line, sizeof(line), "amd vcek turin %s %u %u %u %u %u", id, bl, tee, snp, ucode, fmc)
                     : snprintf(line, sizeof(line), "amd vcek %s %s %u %u %u %u", product, id, bl, tee, snp, ucode);
    return set_request(out, line, size);
}

static cella_status request_amd(const struct cella_claims *claims, const struct cella_parsed *parsed,
                                struct cella_bytes *out, struct cella_text *detail)
{
    char line[CELLA_COLLATERAL_REQUEST_MAX + 1];
    unsigned int key;
    const char *product = product_of(claims);
    CELLA_TRY(number_of(claims, "signing_key", &key));
    if (product == NULL) {
        return explain(detail, "a report of version 2 does not say which processor made it: update the firmware");
    }
    if (parsed->certificates.count > 0) {
        int size = snprintf(line, sizeof(line), "amd list %s %s", key == SIGNED_BY_VLEK ? "vlek" : "vcek", product);
        return set_request(out, line, size);
    }
    return key == SIGNED_BY_VCEK ? request_chip(claims, product, out, detail)
                                 : explain(detail, "only the host has the certificate of a VLEK, and it gave none");
}

/* ---- both ---- */

cella_status cella_collateral_request(enum cella_evidence_type type, struct cella_view evidence,
                                      struct cella_view endorsements, struct cella_bytes *out,
                                      struct cella_text *detail)
{
    bool intel = type == CELLA_EVIDENCE_TDX || type == CELLA_EVIDENCE_SGX || type == CELLA_EVIDENCE_AZ_TDX;
    bool amd = type == CELLA_EVIDENCE_SNP || type == CELLA_EVIDENCE_AZ_SNP;
    const struct cella_back_end *back_end = cella_back_end_of(type);
    struct cella_endorsements list = { 0 };
    struct cella_claims claims = { 0 };
    CELLA_CLEANUP(cella_parsed_clear) struct cella_parsed parsed = { 0 };
    if (back_end == NULL || (!intel && !amd)) {
        cella_text_set(detail, "evidence of this kind needs nothing from a vendor's service");
        return CELLA_NOT_FOUND;
    }
    CELLA_TRY(cella_endorsements_read(endorsements, &list));
    CELLA_TRY(back_end->parse(evidence, &list, &claims, &parsed, detail));
    return intel ? request_intel(&parsed, type == CELLA_EVIDENCE_SGX ? "sgx" : "tdx", out, detail)
                 : request_amd(&claims, &parsed, out, detail);
}

cella_status cella_collateral_check(struct cella_view answer, size_t beside)
{
    struct cella_endorsements list = { 0 };
    if (answer.size > CELLA_COLLATERAL_MAX) {
        return CELLA_TOO_LARGE;
    }
    CELLA_TRY(cella_endorsements_read(answer, &list));
    for (size_t i = 0; i < list.count; i++) {
        if (list.list[i].kind == CELLA_ENDORSE_EVENT_LOG || list.list[i].kind == CELLA_ENDORSE_STATEMENT) {
            return CELLA_BAD_FIELD;
        }
    }
    return list.count + beside > CELLA_ENDORSEMENTS_MAX ? CELLA_TOO_MANY : CELLA_OK;
}
