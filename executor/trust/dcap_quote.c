/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/dcap_quote.h"

#include <string.h>

#include "base/wire.h"

#define HEADER_SIZE 48U
#define QE_REPORT_SIZE 384U
#define KEY_TYPE_P256 2U
#define CERTIFICATION_PCK_CHAIN 5U
#define CERTIFICATION_QE_REPORT 6U
#define CHAIN_TEXT_MAX 16384U

static const uint8_t intel_vendor[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                          0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };

static const size_t body_sizes[] = { [1] = 384, [2] = 584, [3] = 648 };

static const struct cella_chain_rules chain_rules = {
    .family = "intel",
    .length_min = 3,
    .length_max = 3,
    .leaf_curve_bits = 256,
    /* Intel's own certificates would pass; nothing here depends on key identifiers. */
    .strict = false,
    .revocation = true,
    .complete = true,
};

static cella_status refuse(struct cella_text *detail, const char *sentence)
{
    cella_text_set(detail, "%s", sentence);
    return CELLA_BAD_EVIDENCE;
}

static bool is_zero(struct cella_view view)
{
    for (size_t i = 0; i < view.size; i++) {
        if (view.data[i] != 0) {
            return false;
        }
    }
    return true;
}

/* ---- header and body ---- */

static cella_status read_header(struct cella_reader *reader, uint32_t tee, struct cella_dcap_quote *quote,
                                struct cella_text *detail)
{
    uint16_t key_type;
    uint32_t type;
    struct cella_view svns;
    struct cella_view vendor;
    struct cella_view user;
    CELLA_TRY(cella_read_u16_le(reader, &quote->version));
    CELLA_TRY(cella_read_u16_le(reader, &key_type));
    CELLA_TRY(cella_read_u32_le(reader, &type));
    CELLA_TRY(cella_read_view(reader, 4, &svns));
    CELLA_TRY(cella_read_view(reader, sizeof(intel_vendor), &vendor));
    CELLA_TRY(cella_read_view(reader, 20, &user));
    bool known = tee == CELLA_DCAP_SGX ? quote->version == 3 : quote->version == 4 || quote->version == 5;
    if (!known) {
        cella_text_set(detail, "quote version %u is not known for this TEE", quote->version);
        return CELLA_BAD_EVIDENCE;
    }
    if (key_type != KEY_TYPE_P256) {
        return refuse(detail, "the attestation key is not ECDSA P-256");
    }
    if (type != tee) {
        return refuse(detail, "the quote is of another TEE");
    }
    bool intel = memcmp(vendor.data, intel_vendor, sizeof(intel_vendor)) == 0;
    return intel ? CELLA_OK : refuse(detail, "the quoting enclave is not Intel's");
}

static cella_status read_body(struct cella_reader *reader, struct cella_dcap_quote *quote, struct cella_text *detail)
{
    quote->body_type = quote->version == 3 ? 1 : 2;
    if (quote->version == 5) {
        uint32_t size;
        CELLA_TRY(cella_read_u16_le(reader, &quote->body_type));
        CELLA_TRY(cella_read_u32_le(reader, &size));
        bool known = quote->body_type == 2 || quote->body_type == 3;
        if (!known || size != body_sizes[quote->body_type]) {
            return refuse(detail, "the quote's body has an unknown type, or not the size of its type");
        }
    }
    return cella_read_view(reader, body_sizes[quote->body_type], &quote->body);
}

/* ---- signature data ---- */

struct signature_data {
    struct cella_view signature;
    struct cella_view key; /* x || y */
    struct cella_view qe_report;
    struct cella_view qe_signature;
    struct cella_view qe_auth;
    struct cella_view chain;
};

static cella_status read_qe(struct cella_reader *reader, struct signature_data *out, struct cella_text *detail)
{
    uint16_t auth_size;
    uint16_t type;
    uint32_t size;
    CELLA_TRY(cella_read_view(reader, QE_REPORT_SIZE, &out->qe_report));
    CELLA_TRY(cella_read_view(reader, 64, &out->qe_signature));
    CELLA_TRY(cella_read_u16_le(reader, &auth_size));
    CELLA_TRY(cella_read_view(reader, auth_size, &out->qe_auth));
    CELLA_TRY(cella_read_u16_le(reader, &type));
    CELLA_TRY(cella_read_u32_le(reader, &size));
    if (type != CERTIFICATION_PCK_CHAIN || size > CHAIN_TEXT_MAX) {
        return refuse(detail, "the quote does not bring the platform's certificate chain (certification type 5)");
    }
    CELLA_TRY(cella_read_view(reader, size, &out->chain));
    return cella_reader_end(reader);
}

/* Every length fills the one around it exactly. */
static cella_status read_signature_data(struct cella_view data, uint16_t version, struct signature_data *out,
                                        struct cella_text *detail)
{
    struct cella_reader reader = cella_reader_of(data);
    CELLA_TRY(cella_read_view(&reader, 64, &out->signature));
    CELLA_TRY(cella_read_view(&reader, 64, &out->key));
    if (version == 3) {
        return read_qe(&reader, out, detail);
    }
    uint16_t type;
    uint32_t size;
    struct cella_view inner;
    CELLA_TRY(cella_read_u16_le(&reader, &type));
    CELLA_TRY(cella_read_u32_le(&reader, &size));
    if (type != CERTIFICATION_QE_REPORT) {
        return refuse(detail, "the quote does not bring the quoting enclave's report (certification type 6)");
    }
    CELLA_TRY(cella_read_view(&reader, size, &inner));
    CELLA_TRY(cella_reader_end(&reader));
    struct cella_reader qe = cella_reader_of(inner);
    return read_qe(&qe, out, detail);
}

/* The quoting enclave vouches for the attestation key: all 64 bytes of its report data count. */
static cella_status check_key(const struct signature_data *data, struct cella_text *detail)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    uint8_t expected[64] = { 0 };
    CELLA_TRY(cella_bytes_append(&text, data->key));
    CELLA_TRY(cella_bytes_append(&text, data->qe_auth));
    CELLA_TRY(cella_sha256(cella_bytes_view(&text), expected));
    bool vouched = cella_equal_constant_time(data->qe_report.data + 320, expected, sizeof(expected));
    return vouched ? CELLA_OK : refuse(detail, "the quoting enclave does not vouch for the key that signed the quote");
}

static cella_status name_qe(struct cella_view report, struct cella_claims *claims)
{
    struct cella_reader reader = cella_reader_of(cella_view_of(report.data + 256, 4));
    uint16_t product;
    uint16_t svn;
    CELLA_TRY(cella_read_u16_le(&reader, &product));
    CELLA_TRY(cella_read_u16_le(&reader, &svn));
    CELLA_TRY(cella_claims_bytes(claims, "qe_misc_select", cella_view_of(report.data + 16, 4)));
    CELLA_TRY(cella_claims_bytes(claims, "qe_attributes", cella_view_of(report.data + 48, 16)));
    CELLA_TRY(cella_claims_bytes(claims, "qe_mrsigner", cella_view_of(report.data + 128, 32)));
    CELLA_TRY(cella_claims_number(claims, "qe_isv_prod_id", product));
    return cella_claims_number(claims, "qe_isv_svn", svn);
}

static cella_status take_signatures(const struct signature_data *data, struct cella_view signed_part,
                                    struct cella_parsed *parsed, struct cella_text *detail)
{
    parsed->signatures[0] = (struct cella_signed){
        .what = "quoting enclave's report",
        .message = data->qe_report,
        .signature = data->qe_signature,
        .form = CELLA_SIGNATURE_ECDSA,
        .hash = CELLA_HASH_SHA256,
        .by_leaf = true,
    };
    parsed->signatures[1] = (struct cella_signed){
        .what = "quote",
        .message = signed_part,
        .signature = data->signature,
        .form = CELLA_SIGNATURE_ECDSA,
        .hash = CELLA_HASH_SHA256,
    };
    parsed->signature_count = 2;
    if (cella_public_key_of_point(CELLA_CURVE_P256, data->key, &parsed->signatures[1].key) != CELLA_OK) {
        return refuse(detail, "the attestation key is not a point of P-256");
    }
    return CELLA_OK;
}

static cella_status take_chain(const struct signature_data *data, struct cella_parsed *parsed,
                               struct cella_text *detail)
{
    /* DER here is Intel's own sample only; what platforms make is PEM: leaf, intermediate, and mostly the root. */
    bool der = data->chain.size > 0 && data->chain.data[0] == 0x30;
    if (der || cella_certificates_read(&parsed->certificates, data->chain) != CELLA_OK ||
        parsed->certificates.count > 3) {
        return refuse(detail, "the platform's certificate chain can not be read");
    }
    parsed->chain_rules = &chain_rules;
    return CELLA_OK;
}

/* Drivers fill buffers up with zeros; anything else behind a quote is refused. */
static cella_status read_all(struct cella_view evidence, uint32_t tee, struct cella_dcap_quote *quote,
                             struct signature_data *data, struct cella_view *signed_part, struct cella_text *detail)
{
    struct cella_reader reader = cella_reader_of(evidence);
    uint32_t size;
    struct cella_view inner;
    CELLA_TRY(read_header(&reader, tee, quote, detail));
    CELLA_TRY(read_body(&reader, quote, detail));
    *signed_part = cella_view_of(evidence.data, evidence.size - reader.rest.size);
    CELLA_TRY(cella_read_u32_le(&reader, &size));
    CELLA_TRY(cella_read_view(&reader, size, &inner));
    if (!is_zero(reader.rest)) {
        return refuse(detail, "something other than zeros follows the quote");
    }
    return read_signature_data(inner, quote->version, data, detail);
}

cella_status cella_dcap_parse(struct cella_view evidence, uint32_t tee, const struct cella_endorsements *endorsements,
                              struct cella_dcap_quote *quote, struct cella_claims *claims,
                              struct cella_parsed *parsed, struct cella_text *detail)
{
    struct signature_data data = { 0 };
    struct cella_view signed_part = { 0 };
    *quote = (struct cella_dcap_quote){ 0 };
    CELLA_TRY(read_all(evidence, tee, quote, &data, &signed_part, detail));
    CELLA_TRY(check_key(&data, detail));
    CELLA_TRY(take_chain(&data, parsed, detail));
    CELLA_TRY(take_signatures(&data, signed_part, parsed, detail));
    CELLA_TRY(cella_claims_number(claims, "quote_version", quote->version));
    CELLA_TRY(name_qe(data.qe_report, claims));
    return cella_parsed_take_lists(endorsements, parsed, detail);
}
