/* SPDX-License-Identifier: Apache-2.0 */

/*
 * AMD SEV-SNP attestation reports, versions 2 to 5. Source: AMD 56860 (SEV-SNP firmware ABI) for the report, AMD 57230
 * for the certificates; offsets as there.
 */

#include <string.h>

#include "trust/back_end.h"
#include "trust/der.h"

#define REPORT_SIZE 1184U
#define SIGNED_SIZE 672U
#define SIGNATURE_SIZE 144U
#define HOST_VMPL 0xffffffffU
#define CHIP_ID_SIZE 64U
#define TURIN_ID_SIZE 8U
#define OID "1.3.6.1.4.1.3704.1."

/* POLICY, PLATFORM_INFO and FLAGS: bits by number. */
#define POLICY_MUST_BE_ONE 17U
#define POLICY_RESERVED_FROM 26U
#define FLAGS_RESERVED_FROM 5U

static bool bit(uint64_t value, unsigned int number)
{
    return (value >> number & 1) != 0;
}

static bool all_bytes(struct cella_view view, uint8_t value)
{
    for (size_t i = 0; i < view.size; i++) {
        if (view.data[i] != value) {
            return false;
        }
    }
    return true;
}

/* ---- TCB versions ---- */

/* Where the components of a TCB_VERSION are; what is at no place is reserved and zero. */
struct tcb_layout {
    int fmc; /* -1: there is none */
    int bl;
    int tee;
    int snp;
    int ucode;
};

static const struct tcb_layout layout_before_turin = { -1, 0, 1, 6, 7 };
static const struct tcb_layout layout_turin = { 0, 1, 2, 3, 7 };

enum tcb_kind {
    TCB_REPORTED,
    TCB_COMMITTED,
    TCB_CURRENT,
    TCB_LAUNCH,
};

static const char *const tcb_names[][5] = {
    [TCB_REPORTED] = { "reported_fmc", "reported_bl", "reported_tee", "reported_snp", "reported_ucode" },
    [TCB_COMMITTED] = { "committed_fmc", "committed_bl", "committed_tee", "committed_snp", "committed_ucode" },
    [TCB_CURRENT] = { "current_fmc", "current_bl", "current_tee", "current_snp", "current_ucode" },
    [TCB_LAUNCH] = { "launch_fmc", "launch_bl", "launch_tee", "launch_snp", "launch_ucode" },
};

static cella_status name_tcb(struct cella_claims *claims, enum tcb_kind kind, const struct tcb_layout *layout,
                             struct cella_view tcb)
{
    const int places[5] = { layout->fmc, layout->bl, layout->tee, layout->snp, layout->ucode };
    uint8_t rest[8];
    memcpy(rest, tcb.data, sizeof(rest));
    for (size_t i = 0; i < 5; i++) {
        if (places[i] >= 0) {
            CELLA_TRY(cella_claims_number(claims, tcb_names[kind][i], rest[places[i]]));
            rest[places[i]] = 0;
        }
    }
    return all_bytes(cella_view_of(rest, sizeof(rest)), 0) ? CELLA_OK : CELLA_BAD_EVIDENCE;
}

static uint64_t number_of(const struct cella_claims *claims, const char *name)
{
    const struct cella_claim *claim = cella_claims_find(claims, name, CELLA_CLAIM_NUMBER);
    return claim == NULL ? 0 : claim->number;
}

/* REPORTED <= COMMITTED <= CURRENT: the firmware never reports more than it has committed to. */
static bool tcb_is_ordered(const struct cella_claims *claims)
{
    for (size_t i = 0; i < 5; i++) {
        uint64_t committed = number_of(claims, tcb_names[TCB_COMMITTED][i]);
        if (number_of(claims, tcb_names[TCB_REPORTED][i]) > committed ||
            committed > number_of(claims, tcb_names[TCB_CURRENT][i])) {
            return false;
        }
    }
    return true;
}

/* ---- products ---- */

static const struct {
    uint8_t family;
    uint8_t first_model;
    uint8_t last_model;
    const char *product; /* in the trust file: floors are per product */
    const char *anchor;  /* whose chain signs for it */
} products[] = {
    { 0x19, 0x00, 0x0f, "milan", "amd-milan" },
    { 0x19, 0x10, 0x1f, "genoa", "amd-genoa" },
    { 0x19, 0xa0, 0xaf, "siena", "amd-genoa" },
    { 0x1a, 0x00, 0x11, "turin", "amd-turin" },
};

static const char *product_of(uint8_t family, uint8_t model)
{
    for (size_t i = 0; i < sizeof(products) / sizeof(products[0]); i++) {
        if (products[i].family == family && model >= products[i].first_model && model <= products[i].last_model) {
            return products[i].product;
        }
    }
    return NULL;
}

static const char *anchor_of(struct cella_view product)
{
    for (size_t i = 0; i < sizeof(products) / sizeof(products[0]); i++) {
        if (cella_view_is(product, products[i].product)) {
            return products[i].anchor;
        }
    }
    return NULL;
}

/* ---- the report ---- */

struct report {
    struct cella_view bytes;
    uint32_t version;
    uint64_t policy;
    uint32_t vmpl;
    uint32_t algorithm;
    uint64_t platform;
    uint32_t flags;
    uint8_t cpu_family;
    uint8_t cpu_model;
};

static struct cella_view part(const struct report *report, size_t offset, size_t size)
{
    return cella_view_of(report->bytes.data + offset, size);
}

static uint64_t integer(const struct report *report, size_t offset, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i > 0; i--) {
        value = value << 8 | report->bytes.data[offset + i - 1];
    }
    return value;
}

static cella_status refuse(struct cella_text *detail, const char *sentence)
{
    cella_text_set(detail, "%s", sentence);
    return CELLA_BAD_EVIDENCE;
}

static cella_status check_reserved(const struct report *report, struct cella_text *detail)
{
    bool has_cpu = report->version >= 3;
    bool clear = all_bytes(part(report, 0x4c, 4), 0) && all_bytes(part(report, 0x18b, 21), 0) &&
                 report->bytes.data[0x1eb] == 0 && report->bytes.data[0x1ef] == 0 &&
                 all_bytes(part(report, 0x208, 152), 0) && all_bytes(part(report, 0x330, 368), 0) &&
                 (has_cpu || all_bytes(part(report, 0x188, 3), 0)) &&
                 (report->version >= 5 || all_bytes(part(report, 0x1f8, 16), 0)) &&
                 report->policy >> POLICY_RESERVED_FROM == 0 && report->flags >> FLAGS_RESERVED_FROM == 0;
    return clear ? CELLA_OK : refuse(detail, "a reserved field of the report is not zero");
}

static cella_status read_report(struct cella_view evidence, struct report *out, struct cella_text *detail)
{
    if (evidence.size != REPORT_SIZE) {
        cella_text_set(detail, "a report has %u bytes, this has %zu", REPORT_SIZE, evidence.size);
        return CELLA_BAD_EVIDENCE;
    }
    *out = (struct report){ .bytes = evidence };
    out->version = (uint32_t) integer(out, 0x000, 4);
    out->policy = integer(out, 0x008, 8);
    out->vmpl = (uint32_t) integer(out, 0x030, 4);
    out->algorithm = (uint32_t) integer(out, 0x034, 4);
    out->platform = integer(out, 0x040, 8);
    out->flags = (uint32_t) integer(out, 0x048, 4);
    out->cpu_family = evidence.data[0x188];
    out->cpu_model = evidence.data[0x189];
    if (out->version < 2 || out->version > 5) {
        cella_text_set(detail, "report version %u is not known", out->version);
        return CELLA_BAD_EVIDENCE;
    }
    if (out->algorithm != 1) {
        return refuse(detail, "the report names another signature algorithm than ECDSA P-384 with SHA-384");
    }
    if (!bit(out->policy, POLICY_MUST_BE_ONE)) {
        return refuse(detail, "bit 17 of the guest policy must be one");
    }
    if (out->vmpl > 3 && out->vmpl != HOST_VMPL) {
        return refuse(detail, "there is no such VMPL");
    }
    return check_reserved(out, detail);
}

static cella_status name_identity(const struct report *report, struct cella_claims *claims)
{
    static const struct {
        const char *name;
        size_t offset;
        size_t size;
    } fields[] = {
        { "measurement", 0x090, 48 },   { "report_data", 0x050, 64 },       { "host_data", 0x0c0, 32 },
        { "id_key_digest", 0x0e0, 48 }, { "author_key_digest", 0x110, 48 }, { "chip_id", 0x1a0, 64 },
        { "family_id", 0x010, 16 },     { "image_id", 0x020, 16 },          { "report_id", 0x140, 32 },
        { "report_id_ma", 0x160, 32 },
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        CELLA_TRY(cella_claims_bytes(claims, fields[i].name, part(report, fields[i].offset, fields[i].size)));
    }
    CELLA_TRY(cella_claims_number(claims, "report_version", report->version));
    CELLA_TRY(cella_claims_number(claims, "guest_svn", integer(report, 0x004, 4)));
    return cella_claims_number(claims, "vmpl", report->vmpl);
}

static cella_status name_bits(const struct report *report, struct cella_claims *claims)
{
    const struct {
        const char *name;
        uint64_t value;
        unsigned int bit;
    } flags[] = {
        { "smt_allowed", report->policy, 16 },     { "migrate_ma", report->policy, 18 },
        { "debug", report->policy, 19 },           { "single_socket", report->policy, 20 },
        { "cxl_allowed", report->policy, 21 },     { "smt", report->platform, 0 },
        { "tsme", report->platform, 1 },           { "ecc", report->platform, 2 },
        { "rapl_disabled", report->platform, 3 },  { "ciphertext_hiding", report->platform, 4 },
        { "alias_check", report->platform, 5 },    { "author_key", report->flags, 0 },
        { "mask_chip_key", report->flags, 1 },
    };
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        CELLA_TRY(cella_claims_flag(claims, flags[i].name, bit(flags[i].value, flags[i].bit)));
    }
    bool unmigratable = all_bytes(part(report, 0x160, 32), 0xff);
    CELLA_TRY(cella_claims_flag(claims, "migration_agent", !unmigratable));
    CELLA_TRY(cella_claims_number(claims, "signing_key", report->flags >> 2 & 7));
    CELLA_TRY(cella_claims_number(claims, "guest_policy", report->policy));
    return cella_claims_number(claims, "mitigations", integer(report, 0x200, 8));
}

static cella_status name_tcbs(const struct report *report, struct cella_claims *claims, struct cella_text *detail)
{
    bool turin = report->version >= 3 && report->cpu_family == 0x1a;
    const struct tcb_layout *layout = turin ? &layout_turin : &layout_before_turin;
    if (report->version >= 3) {
        const char *product = product_of(report->cpu_family, report->cpu_model);
        if (product == NULL) {
            return refuse(detail, "the processor's family and model are not known here");
        }
        CELLA_TRY(cella_claims_text(claims, "product", cella_view_of_string(product)));
    }
    if (name_tcb(claims, TCB_REPORTED, layout, part(report, 0x180, 8)) != CELLA_OK ||
        name_tcb(claims, TCB_COMMITTED, layout, part(report, 0x1e0, 8)) != CELLA_OK ||
        name_tcb(claims, TCB_CURRENT, layout, part(report, 0x038, 8)) != CELLA_OK ||
        name_tcb(claims, TCB_LAUNCH, layout, part(report, 0x1f0, 8)) != CELLA_OK) {
        return refuse(detail, "a reserved byte of a TCB version is not zero");
    }
    return tcb_is_ordered(claims) ? CELLA_OK
                                  : refuse(detail, "the TCB versions are not in order: reported, committed, current");
}

static const struct cella_chain_rules chain_rules = {
    .family = "amd",
    .length_min = 3,
    .length_max = 3,
    .leaf_curve_bits = 384,
    /* AMD's leaves have serial 0 and no key identifiers, and its lists do not cover them. */
    .strict = false,
    .revocation = false,
};

static cella_status parse(struct cella_view evidence, const struct cella_endorsements *endorsements,
                          struct cella_claims *claims, struct cella_parsed *parsed, struct cella_text *detail)
{
    struct report report;
    CELLA_TRY(read_report(evidence, &report, detail));
    CELLA_TRY(name_identity(&report, claims));
    CELLA_TRY(name_bits(&report, claims));
    CELLA_TRY(name_tcbs(&report, claims, detail));
    CELLA_TRY(cella_parsed_take_certificates(endorsements, parsed, detail));
    CELLA_TRY(cella_parsed_take_lists(endorsements, parsed, detail));
    parsed->chain_rules = &chain_rules;
    parsed->bound = part(&report, 0x050, 64);
    parsed->signatures[0] = (struct cella_signed){
        .what = "report",
        .message = part(&report, 0, SIGNED_SIZE),
        .signature = part(&report, 0x2a0, SIGNATURE_SIZE),
        .form = CELLA_SIGNATURE_ECDSA_SNP,
        .hash = CELLA_HASH_SHA384,
        .by_leaf = true,
    };
    parsed->signature_count = 1;
    return CELLA_OK;
}

/* ---- revocation ---- */

/* AMD's lists name intermediates; one chip can not be revoked, but be excluded in the trust file. */
static cella_status revocation(const struct cella_context *context, struct cella_claims *claims)
{
    const struct cella_chain *chain = context->chain;
    const struct cella_parsed *parsed = context->parsed;
    if (parsed->crl_count != 1) {
        cella_text_set(context->detail, parsed->crl_count == 0
                                            ? "AMD's revocation list is missing: it comes with the evidence, or from kdsintf.amd.com"
                                            : "several revocation lists came with the evidence");
        return CELLA_ENDORSEMENT;
    }
    uint64_t number = 0;
    cella_status status =
        cella_crl_check(parsed->crls[0], chain->list[1], chain->list[2], context->now_unix_s, &number);
    cella_text_set(context->detail, status == CELLA_OK        ? "AMD has not revoked the intermediate certificate"
                                    : status == CELLA_REVOKED ? "AMD has revoked the intermediate certificate"
                                    : status == CELLA_EXPIRED ? "the revocation list is not of this time"
                                                              : "the revocation list is not of this chain");
    CELLA_TRY(status);
    CELLA_TRY(cella_claims_number(claims, "crl_number", number));
    return cella_claims_flag(claims, "revocation_checked", true);
}

/* ---- certificate against report ---- */

static cella_status number_extension(const struct cella_certificate *leaf, const char *oid, uint32_t *out)
{
    struct cella_view content;
    struct cella_view value;
    CELLA_TRY(cella_certificate_extension(leaf, oid, &content));
    struct cella_reader reader = cella_reader_of(content);
    CELLA_TRY(cella_der_expect(&reader, CELLA_DER_INTEGER, &value));
    CELLA_TRY(cella_reader_end(&reader));
    return cella_der_number(value, out);
}

static cella_status compare_tcb(const struct cella_certificate *leaf, const struct cella_claims *claims, bool turin,
                                struct cella_text *detail)
{
    static const char *const oids[5] = { OID "3.9", OID "3.1", OID "3.2", OID "3.3", OID "3.8" };
    for (size_t i = turin ? 0 : 1; i < 5; i++) {
        uint32_t certified;
        if (number_extension(leaf, oids[i], &certified) != CELLA_OK) {
            cella_text_set(detail, "the certificate does not say its %s", tcb_names[TCB_REPORTED][i]);
            return CELLA_ENDORSEMENT;
        }
        if (certified != number_of(claims, tcb_names[TCB_REPORTED][i])) {
            cella_text_set(detail, "the certificate is for %s %u, the report says %u", tcb_names[TCB_REPORTED][i],
                           certified, (unsigned int) number_of(claims, tcb_names[TCB_REPORTED][i]));
            return CELLA_ENDORSEMENT;
        }
    }
    return CELLA_OK;
}

/* The identifier stands bare in the extension; some certificates wrap it in an OCTET STRING. */
static cella_status hardware_id(const struct cella_certificate *leaf, size_t size, struct cella_view *out)
{
    CELLA_TRY(cella_certificate_extension(leaf, OID "4", out));
    if (out->size == size + 2) {
        struct cella_reader reader = cella_reader_of(*out);
        CELLA_TRY(cella_der_expect(&reader, CELLA_DER_OCTETS, out));
    }
    return out->size == size ? CELLA_OK : CELLA_BAD_FORMAT;
}

static cella_status compare_chip(const struct cella_certificate *leaf, const struct cella_claims *claims, bool turin,
                                 struct cella_text *detail)
{
    const struct cella_claim *chip = cella_claims_find(claims, "chip_id", CELLA_CLAIM_BYTES);
    size_t size = turin ? TURIN_ID_SIZE : CHIP_ID_SIZE;
    struct cella_view id;
    struct cella_view csp;
    if (hardware_id(leaf, size, &id) != CELLA_OK ||
        cella_certificate_extension(leaf, OID "5", &csp) != CELLA_NOT_FOUND) {
        cella_text_set(detail, "the certificate is not one for a chip");
        return CELLA_ENDORSEMENT;
    }
    bool rest_is_zero = all_bytes(cella_view_of(chip->bytes + size, CHIP_ID_SIZE - size), 0);
    if (cella_claim_is_zero(chip) || !rest_is_zero || memcmp(chip->bytes, id.data, size) != 0) {
        cella_text_set(detail, "the certificate is for another chip than the report's");
        return CELLA_ENDORSEMENT;
    }
    return CELLA_OK;
}

static cella_status name_provider(const struct cella_certificate *leaf, struct cella_claims *claims,
                                  struct cella_text *detail)
{
    struct cella_view content;
    struct cella_view csp;
    struct cella_view id;
    if (cella_certificate_extension(leaf, OID "5", &content) != CELLA_OK ||
        cella_certificate_extension(leaf, OID "4", &id) != CELLA_NOT_FOUND) {
        cella_text_set(detail, "the certificate is not one for a provider's key");
        return CELLA_ENDORSEMENT;
    }
    struct cella_reader reader = cella_reader_of(content);
    if (cella_der_expect(&reader, CELLA_DER_IA5, &csp) != CELLA_OK || cella_reader_end(&reader) != CELLA_OK) {
        cella_text_set(detail, "the certificate's provider can not be read");
        return CELLA_ENDORSEMENT;
    }
    return cella_claims_text(claims, "csp_id", csp);
}

/* The certificate's kind by its name, which a pinned anchor stands behind by now. */
static cella_status check_kind(const struct cella_context *context, bool vlek)
{
    char leaf[CELLA_CERTIFICATE_NAME_MAX + 1];
    char intermediate[CELLA_CERTIFICATE_NAME_MAX + 1];
    cella_certificate_subject(context->chain->list[0], leaf);
    cella_certificate_subject(context->chain->list[1], intermediate);
    bool named = strcmp(leaf, vlek ? "SEV-VLEK" : "SEV-VCEK") == 0 &&
                 (strncmp(intermediate, "SEV-VLEK-", 9) == 0) == vlek;
    if (!named || !cella_certificate_is_pss(context->chain->list[0]) ||
        !cella_certificate_is_pss(context->chain->list[1])) {
        cella_text_set(context->detail, "the certificate is not a %s as AMD makes them", vlek ? "VLEK" : "VCEK");
        return CELLA_ENDORSEMENT;
    }
    return CELLA_OK;
}

static cella_status check_product(const struct cella_context *context, struct cella_claims *claims)
{
    const struct cella_claim *product = cella_claims_find(claims, "product", CELLA_CLAIM_TEXT);
    const char *anchor = context->chain->anchor->family;
    if (product == NULL) {
        /* Version 2 does not say it; the chain does. */
        if (strcmp(anchor, "amd-turin") == 0) {
            cella_text_set(context->detail, "a report of version 2 can not come from a Turin");
            return CELLA_ENDORSEMENT;
        }
        return cella_claims_text(claims, "product", cella_view_of_string(anchor + strlen("amd-")));
    }
    const char *wanted = anchor_of(cella_view_of(product->bytes, product->size));
    if (wanted == NULL || strcmp(wanted, anchor) != 0) {
        cella_text_set(context->detail, "the report says %.*s, the chain ends at %s", (int) product->size,
                       (const char *) product->bytes, anchor);
        return CELLA_ENDORSEMENT;
    }
    return CELLA_OK;
}

static cella_status endorse(const struct cella_context *context, struct cella_claims *claims)
{
    uint64_t signing_key = number_of(claims, "signing_key");
    const struct cella_certificate *leaf = context->chain->list[0];
    bool turin = strcmp(context->chain->anchor->family, "amd-turin") == 0;
    if (signing_key > 1) {
        cella_text_set(context->detail, "the report says that nobody signed it");
        return CELLA_ENDORSEMENT;
    }
    bool vlek = signing_key == 1;
    CELLA_TRY(check_product(context, claims));
    CELLA_TRY(check_kind(context, vlek));
    CELLA_TRY(compare_tcb(leaf, claims, turin, context->detail));
    CELLA_TRY(cella_claims_text(claims, "key", cella_view_of_string(vlek ? "vlek" : "vcek")));
    CELLA_TRY(vlek ? name_provider(leaf, claims, context->detail)
                   : compare_chip(leaf, claims, turin, context->detail));
    cella_text_set(context->detail, "the certificate is for this %s at this TCB", vlek ? "provider" : "chip");
    return CELLA_OK;
}

/* ---- policy ---- */

#define DEFAULT_FLOORS \
    "{\"milan\":{\"reported_bl\":4,\"reported_snp\":24,\"reported_ucode\":219}," \
    "\"genoa\":{\"reported_bl\":10,\"reported_snp\":23,\"reported_ucode\":84}," \
    "\"siena\":{\"reported_bl\":10,\"reported_snp\":27,\"reported_ucode\":27}," \
    "\"turin\":{\"reported_fmc\":1,\"reported_bl\":1,\"reported_tee\":1,\"reported_snp\":4," \
    "\"reported_ucode\":81}}"

/* Versions below the default floors have known holes, whatever floors the trust file has. */
static bool reaches_default_floors(const struct cella_claims *claims)
{
    static const struct cella_term floors = { .claim = "product", .kind = CELLA_TERM_FLOORS };
    struct cella_text detail = { "" };
    CELLA_CLEANUP(cella_json_cleanup) json_t *value = json_loads(DEFAULT_FLOORS, 0, NULL);
    return value != NULL && cella_term_check(&floors, value, claims, &detail) == CELLA_OK;
}

static int level(const struct cella_claims *claims, const struct cella_policy *policy, struct cella_text *reason)
{
    const struct cella_claim *product = cella_claims_find(claims, "product", CELLA_CLAIM_TEXT);
    const struct cella_claim *debug = cella_claims_find(claims, "debug", CELLA_CLAIM_FLAG);
    const struct cella_claim *agent = cella_claims_find(claims, "migration_agent", CELLA_CLAIM_FLAG);
    (void) policy;
    if (debug == NULL || debug->number != 0) {
        cella_text_set(reason, "debug: the host can read and write its memory");
        return 1;
    }
    if (number_of(claims, "vmpl") > 3) {
        cella_text_set(reason, "the host asked for the report, not the guest: it shows nothing about who holds the keys");
        return 1;
    }
    if (agent == NULL || agent->number != 0) {
        cella_text_set(reason, "a migration agent is attached: it can take the guest, with its memory, elsewhere");
        return 1;
    }
    if (product == NULL || cella_view_is(cella_view_of(product->bytes, product->size), "milan")) {
        cella_text_set(reason, "Milan: software with control over the host can extract the chip's key (arXiv 2605.12990)");
        return 4;
    }
    if (!reaches_default_floors(claims)) {
        cella_text_set(reason, "the firmware is older than that of well-kept machines: known attacks may work");
        return 4;
    }
    return 5;
}

static const char *const key_names[] = { "vcek", "vlek", NULL };
static const char *const product_names[] = { "milan", "genoa", "siena", "turin", NULL };
static const char *const floor_names[] = {
    "reported_fmc", "reported_bl", "reported_tee", "reported_snp", "reported_ucode",
    "committed_fmc", "committed_bl", "committed_tee", "committed_snp", "committed_ucode",
    "current_fmc", "current_bl", "current_tee", "current_snp", "current_ucode",
    "launch_fmc", "launch_bl", "launch_tee", "launch_snp", "launch_ucode", NULL,
};

static const struct cella_term terms[] = {
    { .name = "products", .claim = "product", .kind = CELLA_TERM_TEXT, .selectors = product_names,
      .fallback = "[\"genoa\",\"siena\",\"turin\"]" },
    { .name = "keys", .claim = "key", .kind = CELLA_TERM_TEXT, .selectors = key_names, .fallback = "[\"vcek\"]" },
    { .name = "csp_ids", .claim = "csp_id", .kind = CELLA_TERM_EVERY, .fallback = "[]" },
    { .name = "revocation", .claim = "revocation_checked", .kind = CELLA_TERM_FLAG, .fallback = "true", .demand = true, .elsewhere = true,
      .unchecked = "whether AMD has revoked the chain: the trust file waives it" },
    { .name = "debug", .claim = "debug", .kind = CELLA_TERM_FLAG, .fallback = "false" },
    { .name = "migrate_ma", .claim = "migrate_ma", .kind = CELLA_TERM_FLAG, .fallback = "false",
      .unchecked = "that the guest's policy keeps migration agents away: the trust file waives it (migrate_ma)" },
    { .name = "migration_agent", .claim = "migration_agent", .kind = CELLA_TERM_FLAG, .fallback = "false",
      .unchecked = "that no migration agent has the guest's keys: the trust file waives it (migration_agent)" },
    { .name = "mask_chip_key", .claim = "mask_chip_key", .kind = CELLA_TERM_FLAG, .fallback = "false" },
    { .name = "vmpl", .claim = "vmpl", .kind = CELLA_TERM_NUMBER, .fallback = "[0]",
      .unchecked = "that the guest's most privileged software asked for the report: the trust file accepts others (vmpl)" },
    { .name = "tcb", .claim = "product", .kind = CELLA_TERM_FLOORS, .selectors = product_names, .numbers = floor_names,
      .unchecked = "that the firmware has the versions of well-kept machines: the trust file asks for less (tcb)",
      .fallback = DEFAULT_FLOORS },
    { .name = "alias_check", .claim = "alias_check", .kind = CELLA_TERM_FLAG, .fallback = "true", .demand = true,
      .unchecked = "that memory aliases were looked for (BadRAM): the trust file waives it" },
    { .name = "smt", .claim = "smt", .kind = CELLA_TERM_FLAG, .unchecked = "whether sibling threads share the guest's cores (smt)" },
    { .name = "smt_allowed", .claim = "smt_allowed", .kind = CELLA_TERM_FLAG },
    { .name = "single_socket", .claim = "single_socket", .kind = CELLA_TERM_FLAG },
    { .name = "cxl_allowed", .claim = "cxl_allowed", .kind = CELLA_TERM_FLAG, .fallback = "false" },
    { .name = "ecc", .claim = "ecc", .kind = CELLA_TERM_FLAG },
    { .name = "ciphertext_hiding", .claim = "ciphertext_hiding", .kind = CELLA_TERM_FLAG, .demand = true,
      .unchecked = "that the host can not see changes of ciphertext (ciphertext_hiding)" },
    { .name = "host_data", .claim = "host_data", .kind = CELLA_TERM_BYTES, .size = 32,
      .unchecked = "what the host bound the guest to (host_data)" },
    { .name = "id_keys", .claim = "id_key_digest", .kind = CELLA_TERM_BYTES, .size = 48 },
    { .name = "author_keys", .claim = "author_key_digest", .kind = CELLA_TERM_BYTES, .size = 48 },
    { .name = "guest_svn", .claim = "guest_svn", .kind = CELLA_TERM_MINIMUM },
    { .name = "chips", .claim = "chip_id", .kind = CELLA_TERM_BYTES, .size = 64,
      .unchecked = "which machine it is: no chips are named" },
    { .name = "denied_chips", .claim = "chip_id", .kind = CELLA_TERM_EXCLUDED, .size = 64 },
    { .name = "crl_number", .claim = "crl_number", .kind = CELLA_TERM_MINIMUM },
};

static const char *const registers[] = { "host_data", "id_key_digest", "author_key_digest", "min_guest_svn", NULL };
static const struct cella_register_form forms[] = { { "host_data", 32 }, { "min_guest_svn", 0 }, { NULL, 0 } };
static const char *const by_measurement[] = { "measurement", NULL };
static const char *const *const identities[] = { by_measurement, NULL };
static const char *const not_checked[] = {
    "that nobody has opened the machine: interposers on the memory bus are not seen",
    NULL,
};

const struct cella_back_end cella_back_end_snp = {
    .type = CELLA_EVIDENCE_SNP,
    .title = "AMD SEV-SNP",
    .family = "amd",
    .parse = parse,
    .revocation = revocation,
    .endorse = endorse,
    .level = level,
    .terms = terms,
    .term_count = sizeof(terms) / sizeof(terms[0]),
    .measurement = "measurement",
    .measurement_size = 48,
    .registers = registers,
    .register_size = 48,
    .register_forms = forms,
    .identities = identities,
    .not_checked = not_checked,
};
