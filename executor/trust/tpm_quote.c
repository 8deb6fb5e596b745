/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/tpm_quote.h"

#include <string.h>

#include "base/wire.h"

#define MAGIC 0xff544347U
#define TYPE_QUOTE 0x8018U
#define ALG_RSA 0x0001U
#define ALG_SHA256 0x000bU
#define ALG_SHA384 0x000cU
#define ALG_NULL 0x0010U
#define ALG_RSASSA 0x0014U
#define ALG_ECDSA 0x0018U
#define ALG_ECC 0x0023U
#define CURVE_P256 0x0003U
#define CURVE_P384 0x0004U
#define FIELD_MAX 8192U
#define SELECT_SIZE 3U

/* fixedTPM, fixedParent, sensitiveDataOrigin, restricted, sign; and not decrypt: a key that signs only what the TPM says. */
#define ATTRIBUTES_WANTED 0x00050032U
#define ATTRIBUTES_REFUSED 0x00020000U

const char *const cella_tpm_register_names[CELLA_TPM_REGISTERS] = {
    "pcr0",  "pcr1",  "pcr2",  "pcr3",  "pcr4",  "pcr5",  "pcr6",  "pcr7",  "pcr8",  "pcr9",  "pcr10", "pcr11",
    "pcr12", "pcr13", "pcr14", "pcr15", "pcr16", "pcr17", "pcr18", "pcr19", "pcr20", "pcr21", "pcr22", "pcr23",
};

static cella_status refuse(struct cella_text *detail, const char *sentence)
{
    cella_text_set(detail, "%s", sentence);
    return CELLA_BAD_EVIDENCE;
}

static size_t digest_size(enum cella_hash hash)
{
    return hash == CELLA_HASH_SHA384 ? CELLA_SHA384_SIZE : CELLA_SHA256_SIZE;
}

static cella_status hash_of(uint16_t algorithm, enum cella_hash *out)
{
    *out = algorithm == ALG_SHA384 ? CELLA_HASH_SHA384 : CELLA_HASH_SHA256;
    return algorithm == ALG_SHA256 || algorithm == ALG_SHA384 ? CELLA_OK : CELLA_BAD_FORMAT;
}

/* A TPM2B: 16 bits of size, then that many bytes. */
static cella_status read_sized(struct cella_reader *reader, size_t max, struct cella_view *out)
{
    uint16_t size;
    CELLA_TRY(cella_read_u16(reader, &size));
    return size > max ? CELLA_BAD_FORMAT : cella_read_view(reader, size, out);
}

/* ---- TPMS_ATTEST ---- */

static cella_status read_clock(struct cella_reader *reader, struct cella_claims *claims)
{
    uint64_t clock;
    uint32_t resets;
    uint32_t restarts;
    uint8_t safe;
    uint64_t firmware;
    CELLA_TRY(cella_read_u64(reader, &clock));
    CELLA_TRY(cella_read_u32(reader, &resets));
    CELLA_TRY(cella_read_u32(reader, &restarts));
    CELLA_TRY(cella_read_u8(reader, &safe));
    CELLA_TRY(cella_read_u64(reader, &firmware));
    if (safe > 1) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_TRY(cella_claims_flag(claims, "clock_safe", safe == 1));
    CELLA_TRY(cella_claims_number(claims, "reset_count", resets));
    CELLA_TRY(cella_claims_number(claims, "restart_count", restarts));
    return cella_claims_number(claims, "tpm_firmware", firmware);
}

/* One bank, three bytes of bits: that is what every TPM of a PC quotes. */
static cella_status read_selection(struct cella_reader *reader, struct cella_tpm_quote *out, struct cella_text *detail)
{
    uint32_t count;
    uint16_t bank;
    uint8_t size;
    struct cella_view bits;
    CELLA_TRY(cella_read_u32(reader, &count));
    if (count != 1) {
        return refuse(detail, "the quote is not over exactly one bank of registers");
    }
    CELLA_TRY(cella_read_u16(reader, &bank));
    CELLA_TRY(cella_read_u8(reader, &size));
    if (hash_of(bank, &out->bank) != CELLA_OK || size != SELECT_SIZE) {
        return refuse(detail, "the quote is not over a SHA-256 or SHA-384 bank");
    }
    CELLA_TRY(cella_read_view(reader, size, &bits));
    out->selection = (uint32_t) bits.data[0] | (uint32_t) bits.data[1] << 8 | (uint32_t) bits.data[2] << 16;
    return out->selection != 0 ? CELLA_OK : refuse(detail, "the quote is over no register at all");
}

static cella_status read_attest(struct cella_tpm_quote *out, struct cella_claims *claims, struct cella_text *detail,
                                struct cella_view *digest)
{
    struct cella_reader reader = cella_reader_of(out->attest);
    uint32_t magic;
    uint16_t type;
    struct cella_view signer;
    CELLA_TRY(cella_read_u32(&reader, &magic));
    CELLA_TRY(cella_read_u16(&reader, &type));
    if (magic != MAGIC || type != TYPE_QUOTE) {
        return refuse(detail, "this is not a quote that a TPM made");
    }
    CELLA_TRY(read_sized(&reader, 66, &signer));
    CELLA_TRY(read_sized(&reader, CELLA_CLAIM_SIZE_MAX, &out->extra_data));
    CELLA_TRY(read_clock(&reader, claims));
    CELLA_TRY(read_selection(&reader, out, detail));
    CELLA_TRY(read_sized(&reader, CELLA_CLAIM_SIZE_MAX, digest));
    CELLA_TRY(cella_reader_end(&reader));
    CELLA_TRY(cella_claims_text(
        claims, "pcr_bank", cella_view_of_string(out->bank == CELLA_HASH_SHA384 ? "sha384" : "sha256")));
    return cella_claims_number(claims, "pcr_selection", out->selection);
}

static cella_status quoted_digest(const struct cella_tpm_quote *quote, struct cella_view *out)
{
    struct cella_claims ignored = { .count = 0 };
    struct cella_text text = { "" };
    struct cella_tpm_quote copy = *quote;
    return read_attest(&copy, &ignored, &text, out);
}

cella_status cella_tpm_quote_read(struct cella_view evidence, struct cella_tpm_quote *out,
                                  struct cella_claims *claims, struct cella_text *detail)
{
    struct cella_reader reader = cella_reader_of(evidence);
    struct cella_view digest;
    uint8_t version;
    *out = (struct cella_tpm_quote){ 0 };
    CELLA_TRY(cella_read_u8(&reader, &version));
    if (version != 1) {
        return refuse(detail, "the container of the quote has an unknown version");
    }
    CELLA_TRY(cella_read_field(&reader, FIELD_MAX, &out->attest));
    CELLA_TRY(cella_read_field(&reader, FIELD_MAX, &out->signature));
    CELLA_TRY(cella_read_field(&reader, FIELD_MAX, &out->values));
    CELLA_TRY(cella_read_field(&reader, FIELD_MAX, &out->key));
    out->rest = reader.rest;
    return read_attest(out, claims, detail, &digest);
}

/* ---- signature ---- */

static cella_status pad_half(struct cella_reader *reader, size_t size, struct cella_bytes *out)
{
    struct cella_view half;
    CELLA_TRY(read_sized(reader, size, &half));
    size_t start = out->size;
    CELLA_TRY(cella_bytes_resize(out, start + size));
    if (half.size > 0) {
        memcpy(out->data + start + (size - half.size), half.data, half.size);
    }
    return CELLA_OK;
}

/* TPMT_SIGNATURE: algorithm, hash, then RSA bytes or r and s, whose leading zeros may be missing. */
static cella_status read_tpmt(struct cella_view signature, size_t half, struct cella_signed *out,
                              struct cella_bytes *scratch)
{
    struct cella_reader reader = cella_reader_of(signature);
    uint16_t algorithm;
    uint16_t hash;
    CELLA_TRY(cella_read_u16(&reader, &algorithm));
    CELLA_TRY(cella_read_u16(&reader, &hash));
    CELLA_TRY(hash_of(hash, &out->hash));
    if (algorithm == ALG_RSASSA) {
        out->form = CELLA_SIGNATURE_RSA;
        CELLA_TRY(read_sized(&reader, 512, &out->signature));
        return cella_reader_end(&reader);
    }
    if (algorithm != ALG_ECDSA || half == 0) {
        return CELLA_BAD_FORMAT;
    }
    out->form = CELLA_SIGNATURE_ECDSA;
    CELLA_TRY(pad_half(&reader, half, scratch));
    CELLA_TRY(pad_half(&reader, half, scratch));
    out->signature = cella_bytes_view(scratch);
    return cella_reader_end(&reader);
}

static cella_status read_signature(const struct cella_tpm_quote *quote, struct cella_signed *out,
                                   struct cella_bytes *scratch)
{
    unsigned int curve = cella_public_key_curve_bits(out->key);
    bool tpmt = quote->signature.size > 4 && quote->signature.data[0] == 0;
    if (tpmt) {
        return read_tpmt(quote->signature, curve / 8, out, scratch);
    }
    out->hash = CELLA_HASH_SHA256;
    out->signature = quote->signature;
    out->form = curve != 0 ? CELLA_SIGNATURE_ECDSA_DER : CELLA_SIGNATURE_RSA;
    return CELLA_OK;
}

/* Registers outside of the signed selection are nobody's word, so there is no room for them. */
static cella_status name_registers(const struct cella_tpm_quote *quote, struct cella_claims *claims)
{
    struct cella_reader reader = cella_reader_of(quote->values);
    for (size_t i = 0; i < CELLA_TPM_REGISTERS; i++) {
        struct cella_view value;
        if ((quote->selection >> i & 1) != 0) {
            CELLA_TRY(cella_read_view(&reader, digest_size(quote->bank), &value));
            CELLA_TRY(cella_claims_bytes(claims, cella_tpm_register_names[i], value));
        }
    }
    return cella_reader_end(&reader);
}

static cella_status check_digest(const struct cella_tpm_quote *quote, enum cella_hash hash)
{
    uint8_t computed[CELLA_SHA384_SIZE];
    struct cella_view quoted;
    CELLA_TRY(quoted_digest(quote, &quoted));
    CELLA_TRY(hash == CELLA_HASH_SHA384 ? cella_sha384(quote->values, computed) : cella_sha256(quote->values, computed));
    bool same = quoted.size == digest_size(hash) && cella_equal_constant_time(computed, quoted.data, quoted.size);
    return same ? CELLA_OK : CELLA_BAD_EVIDENCE;
}

cella_status cella_tpm_quote_sign(const struct cella_tpm_quote *quote, struct cella_public_key *key,
                                  struct cella_claims *claims, struct cella_parsed *parsed, struct cella_text *detail)
{
    struct cella_signed *one = &parsed->signatures[parsed->signature_count++];
    *one = (struct cella_signed){ .what = "TPM quote", .message = quote->attest, .key = key };
    if (read_signature(quote, one, &parsed->scratch) != CELLA_OK) {
        return refuse(detail, "the signature of the quote can not be read");
    }
    if (name_registers(quote, claims) != CELLA_OK || check_digest(quote, one->hash) != CELLA_OK) {
        return refuse(detail, "the register values are not those that were quoted");
    }
    parsed->bound = quote->extra_data;
    return CELLA_OK;
}

/* ---- attestation key ---- */

static cella_status read_point(struct cella_reader *reader, struct cella_public_key **out)
{
    uint16_t symmetric;
    uint16_t scheme;
    uint16_t hash;
    uint16_t curve;
    uint16_t kdf;
    uint8_t point[96];
    struct cella_view x;
    struct cella_view y;
    CELLA_TRY(cella_read_u16(reader, &symmetric));
    CELLA_TRY(cella_read_u16(reader, &scheme));
    CELLA_TRY(cella_read_u16(reader, &hash));
    CELLA_TRY(cella_read_u16(reader, &curve));
    CELLA_TRY(cella_read_u16(reader, &kdf));
    size_t half = curve == CURVE_P256 ? 32 : curve == CURVE_P384 ? 48 : 0;
    CELLA_TRY(read_sized(reader, half, &x));
    CELLA_TRY(read_sized(reader, half, &y));
    if (symmetric != ALG_NULL || scheme != ALG_ECDSA || half == 0 || x.size != half || y.size != half) {
        return CELLA_BAD_FORMAT;
    }
    memcpy(point, x.data, half);
    memcpy(point + half, y.data, half);
    return cella_public_key_of_point(curve == CURVE_P256 ? CELLA_CURVE_P256 : CELLA_CURVE_P384,
                                     cella_view_of(point, 2 * half), out);
}

static cella_status read_rsa(struct cella_reader *reader, struct cella_public_key **out)
{
    static const uint8_t usual[] = { 0x01, 0x00, 0x01 };
    uint16_t symmetric;
    uint16_t scheme;
    uint16_t hash;
    uint16_t bits;
    uint32_t exponent;
    struct cella_view modulus;
    CELLA_TRY(cella_read_u16(reader, &symmetric));
    CELLA_TRY(cella_read_u16(reader, &scheme));
    CELLA_TRY(cella_read_u16(reader, &hash));
    CELLA_TRY(cella_read_u16(reader, &bits));
    CELLA_TRY(cella_read_u32(reader, &exponent));
    CELLA_TRY(read_sized(reader, 512, &modulus));
    if (symmetric != ALG_NULL || scheme != ALG_RSASSA || exponent != 0 || modulus.size != bits / 8U) {
        return CELLA_BAD_FORMAT;
    }
    return cella_public_key_of_rsa(modulus, cella_view_of(usual, sizeof(usual)), out);
}

/* TPMT_PUBLIC: the TPM's name of the key is the hash of these bytes, so the attributes are part of the name. */
static cella_status read_public(struct cella_view area, struct cella_claims *claims, struct cella_public_key **out)
{
    struct cella_reader reader = cella_reader_of(area);
    uint8_t name[2 + CELLA_SHA256_SIZE] = { 0x00, 0x0b };
    uint16_t type;
    uint16_t name_algorithm;
    uint32_t attributes;
    struct cella_view policy;
    CELLA_TRY(cella_read_u16(&reader, &type));
    CELLA_TRY(cella_read_u16(&reader, &name_algorithm));
    CELLA_TRY(cella_read_u32(&reader, &attributes));
    CELLA_TRY(read_sized(&reader, 64, &policy));
    if (name_algorithm != ALG_SHA256 || (type != ALG_ECC && type != ALG_RSA)) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_TRY(type == ALG_ECC ? read_point(&reader, out) : read_rsa(&reader, out));
    CELLA_TRY(cella_reader_end(&reader));
    CELLA_TRY(cella_sha256(area, name + 2));
    bool restricted = (attributes & ATTRIBUTES_WANTED) == ATTRIBUTES_WANTED && (attributes & ATTRIBUTES_REFUSED) == 0;
    CELLA_TRY(cella_claims_flag(claims, "restricted", restricted));
    return cella_claims_bytes(claims, "attestation_key", cella_view_of(name, sizeof(name)));
}

cella_status cella_tpm_quote_key(const struct cella_tpm_quote *quote, struct cella_claims *claims,
                                 struct cella_public_key **out, struct cella_text *detail)
{
    *out = NULL;
    cella_status status = CELLA_BAD_FORMAT;
    if (quote->key.size > 0 && quote->key.data[0] == 0x30) {
        uint8_t digest[CELLA_SHA256_SIZE];
        status = cella_public_key_of_spki(quote->key, out);
        status = status == CELLA_OK ? cella_sha256(quote->key, digest) : status;
        status = status == CELLA_OK
                     ? cella_claims_bytes(claims, "attestation_key", cella_view_of(digest, sizeof(digest)))
                     : status;
    } else {
        status = read_public(quote->key, claims, out);
    }
    if (status != CELLA_OK) {
        cella_public_key_free(*out);
        *out = NULL;
        return refuse(detail, "the attestation key can not be read");
    }
    return CELLA_OK;
}

/* ---- terms ---- */

const char *const cella_tpm_banks[] = { "sha256", "sha384", NULL };

const struct cella_chain_rules cella_tpm_chain_rules = {
    .family = "tpm",
    .length_min = 2,
    .length_max = CELLA_CHAIN_MAX,
    .leaf_curve_bits = CELLA_CHAIN_ANY_KEY,
    .strict = false,
    .revocation = false,
};

const struct cella_term cella_tpm_terms[CELLA_TPM_TERM_COUNT] = {
    { .name = "pcrs", .claim = "pcr_selection", .kind = CELLA_TERM_SELECTION, .required = true },
    { .name = "pcr_banks", .claim = "pcr_bank", .kind = CELLA_TERM_TEXT, .selectors = cella_tpm_banks,
      .fallback = "[\"sha256\",\"sha384\"]" },
    { .name = "attestation_keys", .claim = "attestation_key", .kind = CELLA_TERM_BYTES, .elsewhere = true },
    { .name = "restricted", .claim = "restricted", .kind = CELLA_TERM_FLAG, .fallback = "true", .demand = true,
      .unchecked = "that the attestation key signs only what the TPM says: the trust file waives it",
      .unproven = "that the attestation key signs only what the TPM says: its attributes are the word of who certified it" },
    { .name = "clock_safe", .claim = "clock_safe", .kind = CELLA_TERM_FLAG, .fallback = "true", .demand = true,
      .unchecked = "that the TPM's clock never went back: the trust file waives it" },
    { .name = "reset_count", .claim = "reset_count", .kind = CELLA_TERM_NUMBER },
    { .name = "tpm_firmware", .claim = "tpm_firmware", .kind = CELLA_TERM_NUMBER },
    { .name = "event_log", .claim = "log_events", .kind = CELLA_TERM_CHOICE, .fallback = "\"optional\"",
      .selectors = cella_log_choices, .elsewhere = true },
    { .name = "event", .claim = "log_events", .kind = CELLA_TERM_EVENTS, .selectors = cella_tpm_registers, .elsewhere = true },
};

/* 16 and 23 can be reset by anybody, 17 to 22 by the platform: they identify nothing. */
const char *const cella_tpm_registers[] = { "pcr0", "pcr1", "pcr2",  "pcr3",  "pcr4",  "pcr5",  "pcr6",  "pcr7", "pcr8",
                                            "pcr9", "pcr10", "pcr11", "pcr12", "pcr13", "pcr14", "pcr15", NULL };
