/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Azure's confidential VMs: a paravisor inside of the guest runs a virtual TPM, whose attestation key it binds into the
 * hardware's report ("HCL report"). Measured boot is in the TPM's quote, isolation in the hardware's evidence; both are
 * verified, and so is the bond between them. Source: Azure confidential VM guest attestation, "HCL report".
 *
 * The container of trust/tpm_quote.h without a key, then field HCL report, and for TDX field quote.
 */

#include <string.h>

#include "base/wire.h"
#include "trust/tpm_quote.h"

#define HCL_MAX 8192U
#define QUOTE_MAX 16384U
#define REPORT_OFFSET 0x20U
#define SNP_REPORT_SIZE 1184U
#define HEADER_OFFSET 0x4c0U
#define CLAIMS_OFFSET 0x4d4U
#define TYPE_SNP 2U
#define TYPE_TDX 4U
#define HASH_SHA256 1U
#define AK "HCLAkPub"

static cella_status refuse(struct cella_text *detail, const char *sentence)
{
    cella_text_set(detail, "%s", sentence);
    return CELLA_BAD_EVIDENCE;
}

/* Runtime claims: JSON of the size that the header names, behind the hardware report. */
static cella_status read_hcl(struct cella_view hcl, uint32_t wanted, struct cella_view *claims)
{
    uint32_t values[5];
    if (hcl.size < CLAIMS_OFFSET || memcmp(hcl.data, "HCLA", 4) != 0) {
        return CELLA_BAD_EVIDENCE;
    }
    struct cella_reader reader = cella_reader_of(cella_view_of(hcl.data + HEADER_OFFSET, sizeof(values)));
    for (size_t i = 0; i < 5; i++) {
        CELLA_TRY(cella_read_u32_le(&reader, &values[i]));
    }
    uint32_t size = values[4];
    if (values[1] != 1 || values[2] != wanted || values[3] != HASH_SHA256 || values[0] != size + sizeof(values) ||
        size > hcl.size - CLAIMS_OFFSET) {
        return CELLA_BAD_EVIDENCE;
    }
    *claims = cella_view_of(hcl.data + CLAIMS_OFFSET, size);
    return CELLA_OK;
}

static cella_status decode(const json_t *jwk, const char *name, struct cella_bytes *out)
{
    const char *text = json_string_value(json_object_get(jwk, name));
    return text == NULL ? CELLA_BAD_EVIDENCE : cella_base64url_decode(cella_view_of_string(text), out);
}

/* The attestation key among the claims' JSON web keys. Exactly one has that name. */
static cella_status read_key(struct cella_view text, struct cella_public_key **out)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = NULL;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes modulus = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes exponent = { 0 };
    const json_t *found = NULL;
    CELLA_TRY(cella_json_parse(text, HCL_MAX, &json));
    const json_t *keys = json_object_get(json, "keys");
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const json_t *key = json_array_get(keys, i);
        const char *kid = json_string_value(json_object_get(key, "kid"));
        if (kid != NULL && strcmp(kid, AK) == 0) {
            CELLA_TRY(found == NULL ? CELLA_OK : CELLA_BAD_EVIDENCE);
            found = key;
        }
    }
    const char *type = json_string_value(json_object_get(found, "kty"));
    CELLA_TRY(type != NULL && strcmp(type, "RSA") == 0 ? CELLA_OK : CELLA_BAD_EVIDENCE);
    CELLA_TRY(decode(found, "n", &modulus));
    CELLA_TRY(decode(found, "e", &exponent));
    return cella_public_key_of_rsa(cella_bytes_view(&modulus), cella_bytes_view(&exponent), out);
}

/* The hardware's report names the claims by their hash; the other half of its report data is zero. */
static cella_status check_bond(struct cella_view claims, struct cella_view report_data, struct cella_text *detail)
{
    uint8_t expected[64] = { 0 };
    CELLA_TRY(cella_sha256(claims, expected));
    bool bonded = report_data.size == sizeof(expected) &&
                  cella_equal_constant_time(report_data.data, expected, sizeof(expected));
    return bonded ? CELLA_OK : refuse(detail, "the hardware's report does not name this TPM's key");
}

static cella_status parse_hardware(const struct cella_back_end *hardware, struct cella_view evidence,
                                   struct cella_view hcl_claims, const struct cella_endorsements *endorsements,
                                   struct cella_claims *claims, struct cella_parsed *parsed,
                                   struct cella_text *detail)
{
    CELLA_TRY(hardware->parse(evidence, endorsements, claims, parsed, detail));
    return check_bond(hcl_claims, parsed->bound, detail);
}

static cella_status parse_tpm(const struct cella_tpm_quote *quote, struct cella_view hcl_claims,
                              struct cella_claims *claims, struct cella_parsed *parsed, struct cella_text *detail)
{
    struct cella_public_key *key = NULL;
    if (read_key(hcl_claims, &key) != CELLA_OK) {
        return refuse(detail, "the TPM's key can not be read");
    }
    return cella_tpm_quote_sign(quote, key, claims, parsed, detail);
}

static cella_status parse_snp(struct cella_view evidence, const struct cella_endorsements *endorsements,
                              struct cella_claims *claims, struct cella_parsed *parsed, struct cella_text *detail)
{
    struct cella_tpm_quote quote;
    struct cella_view hcl;
    struct cella_view hcl_claims;
    CELLA_TRY(cella_tpm_quote_read(evidence, &quote, claims, detail));
    struct cella_reader reader = cella_reader_of(quote.rest);
    CELLA_TRY(cella_read_field(&reader, HCL_MAX, &hcl));
    CELLA_TRY(cella_reader_end(&reader));
    CELLA_TRY(read_hcl(hcl, TYPE_SNP, &hcl_claims));
    struct cella_view report = cella_view_of(hcl.data + REPORT_OFFSET, SNP_REPORT_SIZE);
    CELLA_TRY(
        parse_hardware(&cella_back_end_snp, report, hcl_claims, endorsements, claims, parsed, detail));
    return parse_tpm(&quote, hcl_claims, claims, parsed, detail);
}

static cella_status parse_tdx(struct cella_view evidence, const struct cella_endorsements *endorsements,
                              struct cella_claims *claims, struct cella_parsed *parsed, struct cella_text *detail)
{
    struct cella_tpm_quote quote;
    struct cella_view hcl;
    struct cella_view td_quote;
    struct cella_view hcl_claims;
    CELLA_TRY(cella_tpm_quote_read(evidence, &quote, claims, detail));
    struct cella_reader reader = cella_reader_of(quote.rest);
    CELLA_TRY(cella_read_field(&reader, HCL_MAX, &hcl));
    CELLA_TRY(cella_read_field(&reader, QUOTE_MAX, &td_quote));
    CELLA_TRY(cella_reader_end(&reader));
    CELLA_TRY(read_hcl(hcl, TYPE_TDX, &hcl_claims));
    CELLA_TRY(
        parse_hardware(&cella_back_end_tdx, td_quote, hcl_claims, endorsements, claims, parsed, detail));
    return parse_tpm(&quote, hcl_claims, claims, parsed, detail);
}

static cella_status revocation_snp(const struct cella_context *context, struct cella_claims *claims)
{
    return cella_back_end_snp.revocation(context, claims);
}

static cella_status endorse_snp(const struct cella_context *context, struct cella_claims *claims)
{
    return cella_back_end_snp.endorse(context, claims);
}

static cella_status endorse_tdx(const struct cella_context *context, struct cella_claims *claims)
{
    return cella_back_end_tdx.endorse(context, claims);
}

/* The paravisor takes one off the best hardware; what makes hardware worse than that makes this worse too. */
static int level_on(const struct cella_back_end *hardware, const struct cella_claims *claims,
                    const struct cella_policy *policy, struct cella_text *reason)
{
    int below = hardware->level(claims, policy, reason);
    if (below < 4) {
        return below;
    }
    cella_text_set(reason, "Azure's paravisor runs inside of the guest and is trusted");
    return 4;
}

static int level_snp(const struct cella_claims *claims, const struct cella_policy *policy, struct cella_text *reason)
{
    return level_on(&cella_back_end_snp, claims, policy, reason);
}

static int level_tdx(const struct cella_claims *claims, const struct cella_policy *policy, struct cella_text *reason)
{
    return level_on(&cella_back_end_tdx, claims, policy, reason);
}

/* The TPM's key comes from the hardware's report, so only the rest of a TPM's terms is left. */
static const struct cella_term terms[] = {
    { .name = "pcrs", .claim = "pcr_selection", .kind = CELLA_TERM_SELECTION, .required = true },
    { .name = "pcr_banks", .claim = "pcr_bank", .kind = CELLA_TERM_TEXT, .selectors = cella_tpm_banks,
      .fallback = "[\"sha256\",\"sha384\"]" },
    { .name = "clock_safe", .claim = "clock_safe", .kind = CELLA_TERM_FLAG, .fallback = "true", .demand = true,
      .unchecked = "that the TPM's clock never went back: the trust file waives it" },
    { .name = "event_log", .claim = "log_events", .kind = CELLA_TERM_CHOICE, .fallback = "\"optional\"",
      .selectors = cella_log_choices, .elsewhere = true },
    { .name = "event", .claim = "log_events", .kind = CELLA_TERM_EVENTS, .selectors = cella_tpm_registers, .elsewhere = true },
};

static const char *const by_measurement[] = { "measurement", NULL };
static const char *const *const identities_snp[] = { by_measurement, NULL };
static const char *const by_mrtd[] = { "mrtd", NULL };
static const char *const *const identities_tdx[] = { by_mrtd, NULL };
static const char *const not_checked[] = {
    "what Azure's paravisor does: it is in the guest, and has the TPM's key",
    "that nobody has opened the machine: interposers on the memory bus are not seen",
    NULL,
};

const struct cella_back_end cella_back_end_az_snp = {
    .type = CELLA_EVIDENCE_AZ_SNP,
    .title = "AMD SEV-SNP under Azure's paravisor",
    .family = "amd",
    .hardware = &cella_back_end_snp,
    .parse = parse_snp,
    .revocation = revocation_snp,
    .endorse = endorse_snp,
    .level = level_snp,
    .terms = terms,
    .term_count = sizeof(terms) / sizeof(terms[0]),
    .measurement = "measurement",
    .measurement_size = 48,
    .registers = cella_tpm_registers,
    .identities = identities_snp,
    .needs_registers = true,
    .log_registers = cella_tpm_register_names,
    .log_register_count = CELLA_TPM_REGISTERS,
    .not_checked = not_checked,
};

const struct cella_back_end cella_back_end_az_tdx = {
    .type = CELLA_EVIDENCE_AZ_TDX,
    .title = "Intel TDX under Azure's paravisor",
    .family = "intel",
    .hardware = &cella_back_end_tdx,
    .parse = parse_tdx,
    .endorse = endorse_tdx,
    .level = level_tdx,
    .terms = terms,
    .term_count = sizeof(terms) / sizeof(terms[0]),
    .measurement = "mrtd",
    .measurement_size = 48,
    .registers = cella_tpm_registers,
    .identities = identities_tdx,
    .needs_registers = true,
    .log_registers = cella_tpm_register_names,
    .log_register_count = CELLA_TPM_REGISTERS,
    .not_checked = not_checked,
};
