/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/mutual_message.h"

#include <string.h>

#define SEALED_PROOF_MAX (CELLA_MUTUAL_PROOF_MAX + CELLA_GCM_TAG_SIZE)
#define SEALED_PROOF_LEAST (12 + CELLA_ED25519_SIGNATURE_SIZE + CELLA_GCM_TAG_SIZE)

/* Sizes of the body, by kind. */
static const struct {
    size_t least;
    size_t most;
} bodies[] = {
    [CELLA_MUTUAL_KIND_HELLO] = { CELLA_MUTUAL_HELLO_SIZE, CELLA_MUTUAL_HELLO_SIZE },
    [CELLA_MUTUAL_KIND_ANSWER] = { CELLA_MUTUAL_HELLO_SIZE + SEALED_PROOF_LEAST,
                                   CELLA_MUTUAL_HELLO_SIZE + SEALED_PROOF_MAX },
    [CELLA_MUTUAL_KIND_PROOF] = { SEALED_PROOF_LEAST, SEALED_PROOF_MAX },
    [CELLA_MUTUAL_KIND_DONE] = { CELLA_GCM_TAG_SIZE, CELLA_GCM_TAG_SIZE },
    [CELLA_MUTUAL_KIND_RECORD] = { CELLA_GCM_TAG_SIZE, CELLA_MUTUAL_RECORD_MAX + CELLA_GCM_TAG_SIZE },
    [CELLA_MUTUAL_KIND_CLOSE] = { CELLA_GCM_TAG_SIZE, CELLA_GCM_TAG_SIZE },
};

static cella_status read_header(struct cella_view have, enum cella_mutual_kind *kind, size_t *size)
{
    struct cella_reader reader = cella_reader_of(have);
    uint8_t version;
    uint8_t number;
    uint16_t reserved;
    uint32_t body_size;
    CELLA_TRY(cella_read_u8(&reader, &version));
    CELLA_TRY(cella_read_u8(&reader, &number));
    CELLA_TRY(cella_read_u16(&reader, &reserved));
    CELLA_TRY(cella_read_u32(&reader, &body_size));
    if (version != CELLA_MUTUAL_VERSION) {
        return CELLA_BAD_VERSION;
    }
    if (number < CELLA_MUTUAL_KIND_HELLO || number > CELLA_MUTUAL_KIND_CLOSE || reserved != 0 ||
        body_size < bodies[number].least) {
        return CELLA_BAD_FORMAT;
    }
    if (body_size > bodies[number].most) {
        return CELLA_TOO_LARGE;
    }
    *kind = (enum cella_mutual_kind) number;
    *size = CELLA_MUTUAL_HEADER_SIZE + (size_t) body_size;
    return CELLA_OK;
}

cella_status cella_mutual_message_size(struct cella_view have, size_t *out)
{
    enum cella_mutual_kind kind;
    *out = 0;
    return have.size < CELLA_MUTUAL_HEADER_SIZE ? CELLA_OK : read_header(have, &kind, out);
}

cella_status cella_mutual_message_split(struct cella_view message, enum cella_mutual_kind *kind,
                                        struct cella_view *body)
{
    size_t size;
    CELLA_TRY(read_header(message, kind, &size));
    if (message.size != size) {
        return CELLA_BAD_FORMAT;
    }
    *body = cella_view_of(message.data + CELLA_MUTUAL_HEADER_SIZE, size - CELLA_MUTUAL_HEADER_SIZE);
    return CELLA_OK;
}

void cella_mutual_header(enum cella_mutual_kind kind, size_t body_size, uint8_t out[CELLA_MUTUAL_HEADER_SIZE])
{
    const uint8_t header[CELLA_MUTUAL_HEADER_SIZE] = {
        CELLA_MUTUAL_VERSION,
        (uint8_t) kind,
        0,
        0,
        (uint8_t) (body_size >> 24),
        (uint8_t) (body_size >> 16),
        (uint8_t) (body_size >> 8),
        (uint8_t) body_size,
    };
    memcpy(out, header, sizeof(header));
}

static const uint8_t nonce_zero[CELLA_GCM_NONCE_SIZE] = { 0 };

cella_status cella_mutual_message_seal(enum cella_mutual_kind kind, const struct cella_secret *key,
                                       struct cella_view clear, struct cella_view plain, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_aead_cleanup) struct cella_aead *aead = cella_aead_new(key);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    uint8_t header[CELLA_MUTUAL_HEADER_SIZE];
    if (aead == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(cella_bytes_resize(&sealed, plain.size + CELLA_GCM_TAG_SIZE));
    cella_mutual_header(kind, clear.size + sealed.size, header);
    CELLA_TRY(cella_aead_seal(aead, nonce_zero, cella_view_of(header, sizeof(header)), plain, sealed.data));
    CELLA_TRY(cella_bytes_reserve(out, sizeof(header) + clear.size + sealed.size));
    CELLA_TRY(cella_bytes_append(out, cella_view_of(header, sizeof(header))));
    CELLA_TRY(cella_bytes_append(out, clear));
    return cella_bytes_append(out, cella_bytes_view(&sealed));
}

cella_status cella_mutual_message_open(struct cella_view message, size_t clear_size, const struct cella_secret *key,
                                       struct cella_bytes *out)
{
    size_t before = CELLA_MUTUAL_HEADER_SIZE + clear_size;
    cella_bytes_clear(out);
    if (message.size < before + CELLA_GCM_TAG_SIZE) {
        return CELLA_BAD_TAG;
    }
    CELLA_CLEANUP(cella_aead_cleanup) struct cella_aead *aead = cella_aead_new(key);
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes plain = { 0 };
    if (aead == NULL) {
        return CELLA_NO_MEMORY;
    }
    /* Room for a byte even where there is no content: OpenSSL wants an address. */
    CELLA_TRY(cella_bytes_reserve(&plain, message.size - before));
    CELLA_TRY(cella_aead_open(aead, nonce_zero, cella_view_of(message.data, CELLA_MUTUAL_HEADER_SIZE),
                              cella_view_of(message.data + before, message.size - before), plain.data));
    plain.size = message.size - before - CELLA_GCM_TAG_SIZE;
    cella_bytes_take(out, &plain);
    return CELLA_OK;
}

void cella_mutual_hello_write(const struct cella_mutual_hello *hello, uint8_t out[CELLA_MUTUAL_HELLO_SIZE])
{
    const uint8_t *const parts[] = { hello->purpose,   hello->charter_sha256, hello->keys.sign,
                                     hello->keys.seal, hello->nonce,          hello->ephemeral };
    _Static_assert(sizeof(parts) / sizeof(parts[0]) * 32 == CELLA_MUTUAL_HELLO_SIZE, "six parts of 32 bytes");
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        memcpy(out + 32 * i, parts[i], 32);
    }
}

cella_status cella_mutual_hello_read(struct cella_view bytes, struct cella_mutual_hello *out)
{
    struct cella_reader reader = cella_reader_of(bytes);
    CELLA_TRY(cella_read_fixed(&reader, out->purpose, sizeof(out->purpose)));
    CELLA_TRY(cella_read_fixed(&reader, out->charter_sha256, sizeof(out->charter_sha256)));
    CELLA_TRY(cella_read_fixed(&reader, out->keys.sign, sizeof(out->keys.sign)));
    CELLA_TRY(cella_read_fixed(&reader, out->keys.seal, sizeof(out->keys.seal)));
    CELLA_TRY(cella_read_fixed(&reader, out->nonce, sizeof(out->nonce)));
    return cella_read_fixed(&reader, out->ephemeral, sizeof(out->ephemeral));
}

cella_status cella_mutual_attested_write(enum cella_evidence_type type, struct cella_view evidence,
                                         struct cella_view endorsements, struct cella_bytes *out)
{
    if (evidence.size > CELLA_EVIDENCE_MAX || endorsements.size > CELLA_ENDORSEMENTS_SIZE_MAX) {
        return CELLA_TOO_LARGE;
    }
    CELLA_TRY(cella_write_field(out, cella_view_of_string(cella_evidence_type_name(type))));
    CELLA_TRY(cella_write_field(out, evidence));
    return cella_write_field(out, endorsements);
}

cella_status cella_mutual_proof_read(struct cella_view bytes, struct cella_mutual_proof *out)
{
    struct cella_reader reader = cella_reader_of(bytes);
    struct cella_mutual_proof proof = { 0 };
    struct cella_view name;
    CELLA_TRY(cella_read_field(&reader, CELLA_MUTUAL_TYPE_MAX, &name));
    CELLA_TRY(cella_read_field(&reader, CELLA_EVIDENCE_MAX, &proof.evidence));
    CELLA_TRY(cella_read_field(&reader, CELLA_ENDORSEMENTS_SIZE_MAX, &proof.endorsements));
    proof.attested = cella_view_of(bytes.data, bytes.size - reader.rest.size);
    CELLA_TRY(cella_read_view(&reader, CELLA_ED25519_SIGNATURE_SIZE, &proof.signature));
    CELLA_TRY(cella_reader_end(&reader));
    proof.type = cella_evidence_type_of(name);
    *out = proof;
    return CELLA_OK;
}
