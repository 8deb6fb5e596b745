/* SPDX-License-Identifier: Apache-2.0 */

/*
 * AWS Nitro Enclaves attestation documents: COSE_Sign1 (RFC 9052) over a CBOR map. Source: AWS Nitro Enclaves user guide,
 * "Cryptographic attestation".
 */

#include <string.h>

#include "trust/back_end.h"
#include "trust/cbor.h"

#define PCRS_MAX 32U
#define PCR_SIZE 48U
#define SIGNATURE_SIZE 96U
#define COSE_SIGN1_TAG 18U
#define FIELD_MAX 1024U

/* {1: -35}: ECDSA P-384 with SHA-384, and nothing else. */
static const uint8_t protected_header[] = { 0xa1, 0x01, 0x38, 0x22 };

static const char *const pcr_names[PCRS_MAX] = {
    "pcr0",  "pcr1",  "pcr2",  "pcr3",  "pcr4",  "pcr5",  "pcr6",  "pcr7",  "pcr8",  "pcr9",  "pcr10",
    "pcr11", "pcr12", "pcr13", "pcr14", "pcr15", "pcr16", "pcr17", "pcr18", "pcr19", "pcr20", "pcr21",
    "pcr22", "pcr23", "pcr24", "pcr25", "pcr26", "pcr27", "pcr28", "pcr29", "pcr30", "pcr31",
};

static const struct cella_chain_rules chain_rules = {
    .family = "aws-nitro",
    .length_min = 2,
    .length_max = CELLA_CHAIN_MAX,
    .leaf_curve_bits = 384,
    .strict = false,
    .revocation = false, /* AWS says that there is nothing to be checked; the leaf lives for three hours */
};

struct document {
    struct cella_view module_id;
    struct cella_view digest;
    uint64_t timestamp_ms;
    struct cella_view pcrs[PCRS_MAX];
    struct cella_view certificate;
    struct cella_view bundle[CELLA_CHAIN_MAX]; /* root first */
    size_t bundle_count;
    struct cella_view public_key;
    struct cella_view user_data;
    struct cella_view nonce;
    uint32_t seen; /* bit per member of `members` */
};

static cella_status refuse(struct cella_text *detail, const char *sentence)
{
    cella_text_set(detail, "%s", sentence);
    return CELLA_BAD_EVIDENCE;
}

/* ---- members of the payload ---- */

static cella_status read_text(struct cella_reader *reader, struct cella_view *out)
{
    struct cella_cbor_item item;
    CELLA_TRY(cella_cbor_expect(reader, CELLA_CBOR_TEXT, &item));
    *out = item.content;
    return CELLA_OK;
}

static cella_status read_module_id(struct cella_reader *reader, struct document *out)
{
    return read_text(reader, &out->module_id);
}

static cella_status read_digest(struct cella_reader *reader, struct document *out)
{
    return read_text(reader, &out->digest);
}

static cella_status read_timestamp(struct cella_reader *reader, struct document *out)
{
    struct cella_cbor_item item;
    CELLA_TRY(cella_cbor_expect(reader, CELLA_CBOR_UNSIGNED, &item));
    out->timestamp_ms = item.value;
    return CELLA_OK;
}

static cella_status read_pcrs(struct cella_reader *reader, struct document *out)
{
    struct cella_cbor_item map;
    bool more = false;
    CELLA_TRY(cella_cbor_expect(reader, CELLA_CBOR_MAP, &map));
    for (uint64_t done = 0;; done++) {
        struct cella_cbor_item key;
        struct cella_cbor_item value;
        CELLA_TRY(cella_cbor_more(reader, &map, done, &more));
        if (!more) {
            return CELLA_OK;
        }
        CELLA_TRY(cella_cbor_expect(reader, CELLA_CBOR_UNSIGNED, &key));
        CELLA_TRY(cella_cbor_expect(reader, CELLA_CBOR_BYTES, &value));
        if (key.value >= PCRS_MAX || out->pcrs[key.value].data != NULL || value.content.size != PCR_SIZE) {
            return CELLA_BAD_FORMAT;
        }
        out->pcrs[key.value] = value.content;
    }
}

static cella_status read_certificate(struct cella_reader *reader, struct document *out)
{
    struct cella_cbor_item item;
    CELLA_TRY(cella_cbor_expect(reader, CELLA_CBOR_BYTES, &item));
    out->certificate = item.content;
    return CELLA_OK;
}

static cella_status read_bundle(struct cella_reader *reader, struct document *out)
{
    struct cella_cbor_item list;
    bool more = false;
    CELLA_TRY(cella_cbor_expect(reader, CELLA_CBOR_ARRAY, &list));
    for (;;) {
        struct cella_cbor_item item;
        CELLA_TRY(cella_cbor_more(reader, &list, out->bundle_count, &more));
        if (!more) {
            return out->bundle_count > 0 ? CELLA_OK : CELLA_BAD_FORMAT;
        }
        CELLA_TRY(cella_cbor_expect(reader, CELLA_CBOR_BYTES, &item));
        if (out->bundle_count == CELLA_CHAIN_MAX) {
            return CELLA_BAD_FORMAT;
        }
        out->bundle[out->bundle_count++] = item.content;
    }
}

/* Bytes or null. */
static cella_status read_optional(struct cella_reader *reader, struct cella_view *out)
{
    struct cella_cbor_item item;
    CELLA_TRY(cella_cbor_next(reader, &item));
    if (item.kind == CELLA_CBOR_SIMPLE && item.value == 22) {
        return CELLA_OK;
    }
    *out = item.content;
    return item.kind == CELLA_CBOR_BYTES && item.content.size <= FIELD_MAX ? CELLA_OK : CELLA_BAD_FORMAT;
}

static cella_status read_public_key(struct cella_reader *reader, struct document *out)
{
    return read_optional(reader, &out->public_key);
}

static cella_status read_user_data(struct cella_reader *reader, struct document *out)
{
    return read_optional(reader, &out->user_data);
}

static cella_status read_nonce(struct cella_reader *reader, struct document *out)
{
    return read_optional(reader, &out->nonce);
}

/* The first six must be there. */
#define REQUIRED 0x3fU
static const struct {
    const char *name;
    cella_status (*take)(struct cella_reader *reader, struct document *out);
} members[] = {
    { "module_id", read_module_id },     { "digest", read_digest },       { "timestamp", read_timestamp },
    { "pcrs", read_pcrs },               { "certificate", read_certificate }, { "cabundle", read_bundle },
    { "public_key", read_public_key },   { "user_data", read_user_data }, { "nonce", read_nonce },
};

static cella_status read_member(struct cella_reader *reader, struct document *out)
{
    struct cella_cbor_item key;
    CELLA_TRY(cella_cbor_expect(reader, CELLA_CBOR_TEXT, &key));
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (cella_view_is(key.content, members[i].name)) {
            if ((out->seen >> i & 1) != 0) {
                return CELLA_BAD_FORMAT;
            }
            out->seen |= (uint32_t) 1 << i;
            return members[i].take(reader, out);
        }
    }
    return cella_cbor_skip(reader);
}

static cella_status read_payload(struct cella_view payload, struct document *out)
{
    struct cella_reader reader = cella_reader_of(payload);
    struct cella_cbor_item map;
    bool more = false;
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_MAP, &map));
    for (uint64_t done = 0;; done++) {
        CELLA_TRY(cella_cbor_more(&reader, &map, done, &more));
        if (!more) {
            break;
        }
        CELLA_TRY(read_member(&reader, out));
    }
    return (out->seen & REQUIRED) == REQUIRED ? cella_reader_end(&reader) : CELLA_BAD_FORMAT;
}

/* ---- COSE ---- */

static cella_status read_envelope(struct cella_view evidence, struct cella_view *payload,
                                  struct cella_view *signature, struct cella_text *detail)
{
    struct cella_reader reader = cella_reader_of(evidence);
    struct cella_cbor_item item;
    CELLA_TRY(cella_cbor_next(&reader, &item));
    if (item.kind == CELLA_CBOR_TAG && item.value == COSE_SIGN1_TAG) {
        CELLA_TRY(cella_cbor_next(&reader, &item));
    }
    if (item.kind != CELLA_CBOR_ARRAY || item.indefinite || item.value != 4) {
        return refuse(detail, "the document is not a COSE_Sign1");
    }
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_BYTES, &item));
    if (!cella_view_equal(item.content, cella_view_of(protected_header, sizeof(protected_header)))) {
        return refuse(detail, "the document is not signed with ES384");
    }
    if (reader.rest.size == 0 || reader.rest.data[0] >> 5 != CELLA_CBOR_MAP) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_TRY(cella_cbor_skip(&reader));
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_BYTES, &item));
    *payload = item.content;
    CELLA_TRY(cella_cbor_expect(&reader, CELLA_CBOR_BYTES, &item));
    *signature = item.content;
    return signature->size == SIGNATURE_SIZE ? cella_reader_end(&reader) : CELLA_BAD_FORMAT;
}

/* RFC 9052, section 4.4: what is signed is not in the document in one piece. */
static cella_status write_signed(struct cella_view payload, struct cella_bytes *out)
{
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 4));
    CELLA_TRY(cella_cbor_write_text(out, "Signature1"));
    CELLA_TRY(cella_cbor_write_bytes(out, cella_view_of(protected_header, sizeof(protected_header))));
    CELLA_TRY(cella_cbor_write_bytes(out, (struct cella_view){ 0 }));
    return cella_cbor_write_bytes(out, payload);
}

/* ---- claims ---- */

static bool is_zero(struct cella_view view)
{
    for (size_t i = 0; i < view.size; i++) {
        if (view.data[i] != 0) {
            return false;
        }
    }
    return true;
}

static cella_status name_claims(const struct document *document, struct cella_claims *claims)
{
    for (size_t i = 0; i < PCRS_MAX; i++) {
        /* Zero registers were never extended; those of the image are named all the same, because zero means debug. */
        if (document->pcrs[i].data != NULL && (i < 3 || !is_zero(document->pcrs[i]))) {
            CELLA_TRY(cella_claims_bytes(claims, pcr_names[i], document->pcrs[i]));
        }
    }
    bool debug = is_zero(document->pcrs[0]) && is_zero(document->pcrs[1]) && is_zero(document->pcrs[2]);
    CELLA_TRY(cella_claims_flag(claims, "debug", debug));
    CELLA_TRY(cella_claims_number(claims, "issued_unix_s", document->timestamp_ms / 1000));
    struct cella_view id = document->module_id;
    id.size = id.size > CELLA_CLAIM_SIZE_MAX ? CELLA_CLAIM_SIZE_MAX : id.size;
    return cella_claims_text(claims, "module_id", id);
}

/* The root in the document is left out: what counts is the one that is pinned. */
static cella_status take_chain(const struct document *document, struct cella_parsed *parsed,
                               struct cella_text *detail)
{
    if (cella_certificates_read(&parsed->certificates, document->certificate) != CELLA_OK) {
        return refuse(detail, "the certificate in the document can not be read");
    }
    for (size_t i = document->bundle_count - 1; i > 0; i--) {
        if (cella_certificates_read(&parsed->certificates, document->bundle[i]) != CELLA_OK) {
            return refuse(detail, "a certificate of the document's bundle can not be read");
        }
    }
    parsed->chain_rules = &chain_rules;
    return CELLA_OK;
}

static cella_status parse(struct cella_view evidence, const struct cella_endorsements *endorsements,
                          struct cella_claims *claims, struct cella_parsed *parsed, struct cella_text *detail)
{
    struct document document = { 0 };
    struct cella_view payload = { 0 };
    struct cella_view signature = { 0 };
    (void) endorsements;
    CELLA_TRY(read_envelope(evidence, &payload, &signature, detail));
    CELLA_TRY(read_payload(payload, &document));
    if (!cella_view_is(document.digest, "SHA384")) {
        return refuse(detail, "the document's digest is not SHA384");
    }
    CELLA_TRY(name_claims(&document, claims));
    CELLA_TRY(take_chain(&document, parsed, detail));
    CELLA_TRY(write_signed(payload, &parsed->scratch));
    parsed->bound = document.user_data;
    parsed->nonce = document.nonce;
    parsed->signatures[0] = (struct cella_signed){
        .what = "document",
        .message = cella_bytes_view(&parsed->scratch),
        .signature = signature,
        .form = CELLA_SIGNATURE_ECDSA,
        .hash = CELLA_HASH_SHA384,
        .by_leaf = true,
    };
    parsed->signature_count = 1;
    return CELLA_OK;
}

/* The leaf signs documents, not certificates; and the chain is the one that the document shows, in its order. */
static cella_status endorse(const struct cella_context *context, struct cella_claims *claims)
{
    const struct cella_certificates *shown = &context->parsed->certificates;
    const struct cella_chain *chain = context->chain;
    (void) claims;
    bool same = chain->count == shown->count + 1 && !cella_certificate_is_ca(chain->list[0]);
    for (size_t i = 0; same && i < shown->count; i++) {
        same = chain->list[i] == shown->list[i];
    }
    cella_text_set(context->detail, same ? "signed by an enclave's certificate"
                                         : "the certificates are not an enclave's, or not in order");
    return same ? CELLA_OK : CELLA_ENDORSEMENT;
}

static int level(const struct cella_claims *claims, const struct cella_policy *policy, struct cella_text *reason)
{
    const struct cella_claim *debug = cella_claims_find(claims, "debug", CELLA_CLAIM_FLAG);
    (void) policy;
    if (debug == NULL || debug->number != 0) {
        cella_text_set(reason, "debug: the parent instance reads its console, and nothing is measured");
        return 1;
    }
    cella_text_set(reason, "Nitro: AWS's hypervisor isolates the enclave, and AWS signs for it");
    return 4;
}

static const struct cella_term terms[] = {
    { .name = "debug", .claim = "debug", .kind = CELLA_TERM_FLAG, .fallback = "false" },
    { .name = "pcr3", .claim = "pcr3", .kind = CELLA_TERM_BYTES, .size = PCR_SIZE,
      .unchecked = "which IAM role the parent instance has (pcr3)" },
    { .name = "pcr4", .claim = "pcr4", .kind = CELLA_TERM_BYTES, .size = PCR_SIZE,
      .unchecked = "which instance it runs on (pcr4)" },
    { .name = "pcr8", .claim = "pcr8", .kind = CELLA_TERM_BYTES, .size = PCR_SIZE },
};

static const char *const registers[] = { "pcr0",  "pcr1",  "pcr2",  "pcr3",  "pcr4",  "pcr8",  "pcr16",
                                         "pcr17", "pcr18", "pcr19", "pcr20", "pcr21", "pcr22", "pcr23",
                                         "pcr24", "pcr25", "pcr26", "pcr27", "pcr28", "pcr29", "pcr30",
                                         "pcr31", NULL };
static const char *const by_image[] = { "pcr0", "pcr1", "pcr2", NULL };
static const char *const *const identities[] = { by_image, NULL };
static const char *const not_checked[] = {
    "that AWS does not look into the enclave: its hypervisor is trusted",
    "the metadata section of the enclave image: it is not measured",
    "whether AWS has revoked a certificate: it publishes no lists",
    NULL,
};

const struct cella_back_end cella_back_end_nitro = {
    .type = CELLA_EVIDENCE_NITRO,
    .title = "AWS Nitro Enclaves",
    .family = "aws-nitro",
    .parse = parse,
    .endorse = endorse,
    .level = level,
    .terms = terms,
    .term_count = sizeof(terms) / sizeof(terms[0]),
    .measurement = "pcr0",
    .measurement_size = PCR_SIZE,
    .registers = registers,
    .register_size = PCR_SIZE,
    .identities = identities,
    .not_checked = not_checked,
};
