/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Intel SGX: DCAP quotes of version 3. Source: Intel SDM volume 3D (REPORT), Intel SGX DCAP quote library for the layout.
 */

#include <string.h>

#include "trust/dcap_platform.h"
#include "trust/dcap_quote.h"

static uint64_t little_endian(const uint8_t *data, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i > 0; i--) {
        value = value << 8 | data[i - 1];
    }
    return value;
}

static cella_status name_identity(const uint8_t *body, struct cella_claims *claims)
{
    static const struct {
        const char *name;
        size_t offset;
        size_t size;
    } fields[] = {
        { "mrenclave", 64, 32 },     { "mrsigner", 128, 32 },       { "config_id", 192, 64 },
        { "isv_ext_prod_id", 32, 16 }, { "isv_family_id", 304, 16 }, { "report_data", 320, 64 },
        { "cpu_svn", 0, 16 },
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        CELLA_TRY(cella_claims_bytes(claims, fields[i].name, cella_view_of(body + fields[i].offset, fields[i].size)));
    }
    CELLA_TRY(cella_claims_number(claims, "isv_prod_id", little_endian(body + 256, 2)));
    CELLA_TRY(cella_claims_number(claims, "isv_svn", little_endian(body + 258, 2)));
    return cella_claims_number(claims, "config_svn", little_endian(body + 260, 2));
}

static cella_status name_attributes(const uint8_t *body, struct cella_claims *claims, struct cella_text *detail)
{
    uint64_t flags = little_endian(body + 48, 8);
    static const struct {
        const char *name;
        unsigned int bit;
    } names[] = { { "init", 0 },          { "debug", 1 },          { "mode64", 2 }, { "provision_key", 4 },
                  { "einittoken_key", 5 }, { "kss", 7 }, { "aex_notify", 10 } };
    static const uint8_t zero[42] = { 0 };
    if (memcmp(body + 20, zero, 12) != 0 || memcmp(body + 96, zero, 32) != 0 || memcmp(body + 160, zero, 32) != 0 ||
        memcmp(body + 262, zero, 42) != 0) {
        cella_text_set(detail, "a reserved field of the report is not zero");
        return CELLA_BAD_EVIDENCE;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        CELLA_TRY(cella_claims_flag(claims, names[i].name, (flags >> names[i].bit & 1) != 0));
    }
    CELLA_TRY(cella_claims_number(claims, "misc_select", little_endian(body + 16, 4)));
    return cella_claims_number(claims, "xfrm", little_endian(body + 56, 8));
}

static cella_status parse(struct cella_view evidence, const struct cella_endorsements *endorsements,
                          struct cella_claims *claims, struct cella_parsed *parsed, struct cella_text *detail)
{
    struct cella_dcap_quote quote;
    CELLA_TRY(cella_dcap_parse(evidence, CELLA_DCAP_SGX, endorsements, &quote, claims, parsed, detail));
    CELLA_TRY(name_identity(quote.body.data, claims));
    parsed->bound = cella_view_of(quote.body.data + 320, 64);
    return name_attributes(quote.body.data, claims, detail);
}

static cella_status endorse(const struct cella_context *context, struct cella_claims *claims)
{
    return cella_dcap_endorse(context, CELLA_DCAP_SGX, claims);
}

#define ZERO16 "[\"00000000000000000000000000000000\"]"
#define ZERO64 \
    "[\"0000000000000000000000000000000000000000000000000000000000000000" \
    "0000000000000000000000000000000000000000000000000000000000000000\"]"

static const struct cella_term terms[] = {
    { .name = "tcb_status", .claim = "tcb_status", .kind = CELLA_TERM_TEXT, .selectors = cella_tcb_status_names,
      .fallback = "[\"UpToDate\"]" },
    { .name = "advisories", .claim = "advisory", .kind = CELLA_TERM_EVERY, .fallback = "[]",
      .unchecked = "Intel's advisories about this platform: the trust file waives them" },
    { .name = "tcb_evaluation", .claim = "tcb_evaluation", .kind = CELLA_TERM_MINIMUM,
      .unchecked = "that the collateral is the newest: an older edition that is still valid passes (tcb_evaluation)" },
    { .name = "debug", .claim = "debug", .kind = CELLA_TERM_FLAG, .fallback = "false" },
    { .name = "init", .claim = "init", .kind = CELLA_TERM_FLAG, .fallback = "true" },
    { .name = "mode64", .claim = "mode64", .kind = CELLA_TERM_FLAG, .fallback = "true" },
    { .name = "provision_key", .claim = "provision_key", .kind = CELLA_TERM_FLAG, .fallback = "false" },
    { .name = "einittoken_key", .claim = "einittoken_key", .kind = CELLA_TERM_FLAG, .fallback = "false" },
    { .name = "misc_select", .claim = "misc_select", .kind = CELLA_TERM_NUMBER, .fallback = "[0]" },
    { .name = "xfrm", .claim = "xfrm", .kind = CELLA_TERM_WITHIN, .fallback = "\"0000000000061ae7\"" },
    { .name = "config_id", .claim = "config_id", .kind = CELLA_TERM_BYTES, .size = 64, .fallback = ZERO64 },
    { .name = "config_svn", .claim = "config_svn", .kind = CELLA_TERM_NUMBER, .fallback = "[0]" },
    { .name = "isv_ext_prod_id", .claim = "isv_ext_prod_id", .kind = CELLA_TERM_BYTES, .size = 16, .fallback = ZERO16 },
    { .name = "isv_family_id", .claim = "isv_family_id", .kind = CELLA_TERM_BYTES, .size = 16, .fallback = ZERO16 },
    { .name = "fmspcs", .claim = "fmspc", .kind = CELLA_TERM_BYTES, .size = 6 },
    { .name = "platforms", .claim = "platform_instance_id", .kind = CELLA_TERM_BYTES, .size = 16,
      .unchecked = "which machine it is: no platforms are named" },
    { .name = "denied_platforms", .claim = "ppid", .kind = CELLA_TERM_EXCLUDED, .size = 16 },
    { .name = "smt", .claim = "smt", .kind = CELLA_TERM_FLAG,
      .unchecked = "whether sibling threads share the enclave's cores (smt)" },
};

static const char *const registers[] = { "mrsigner", "isv_prod_id", "min_isv_svn", "config_id", NULL };
static const struct cella_register_form forms[] = {
    { "isv_prod_id", 0 }, { "min_isv_svn", 0 }, { "config_id", 64 }, { NULL, 0 }
};
static const char *const by_mrenclave[] = { "mrenclave", NULL };
/* A signer alone would accept every old, vulnerable build of his. */
static const char *const by_signer[] = { "mrsigner", "isv_prod_id", "min_isv_svn", NULL };
static const char *const *const identities[] = { by_mrenclave, by_signer, NULL };
static const char *const not_checked[] = {
    "that nobody has opened the machine: interposers on the memory bus are not seen",
    NULL,
};

const struct cella_back_end cella_back_end_sgx = {
    .type = CELLA_EVIDENCE_SGX,
    .title = "Intel SGX",
    .family = "intel",
    .parse = parse,
    .endorse = endorse,
    .level = cella_dcap_level,
    .terms = terms,
    .term_count = sizeof(terms) / sizeof(terms[0]),
    .measurement = "mrenclave",
    .measurement_size = 32,
    .registers = registers,
    .register_size = 32,
    .register_forms = forms,
    .identities = identities,
    .not_checked = not_checked,
};
