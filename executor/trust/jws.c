/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/jws.h"

#include <string.h>

#define THUMBPRINT_HEAD "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\""
#define THUMBPRINT_TAIL "\"}"
#define PLAIN_HEADER "{\"alg\":\"EdDSA\"}"
#define KID_HEAD "{\"alg\":\"EdDSA\",\"kid\":\""
#define KID_TAIL "\"}"
#define JWK_HEAD "{\"alg\":\"EdDSA\",\"jwk\":{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\""
#define JWK_TAIL "\"}}"

/* Characters of the longest header (JWK, 100 bytes) in base64url, with some room: longer ones are not looked at. */
#define HEADER_TEXT_MAX 160

static cella_status append_text(struct cella_bytes *out, const char *text)
{
    return cella_bytes_append(out, cella_view_of_string(text));
}

cella_status cella_thumbprint(const uint8_t public_key[CELLA_ED25519_KEY_SIZE], char out[CELLA_THUMBPRINT_SIZE + 1])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    uint8_t digest[CELLA_SHA256_SIZE];
    CELLA_TRY(append_text(&text, THUMBPRINT_HEAD));
    CELLA_TRY(cella_base64url_encode(cella_view_of(public_key, CELLA_ED25519_KEY_SIZE), &text));
    CELLA_TRY(append_text(&text, THUMBPRINT_TAIL));
    CELLA_TRY(cella_sha256(cella_bytes_view(&text), digest));
    text.size = 0;
    CELLA_TRY(cella_base64url_encode(cella_view_of(digest, sizeof(digest)), &text));
    memcpy(out, text.data, CELLA_THUMBPRINT_SIZE);
    out[CELLA_THUMBPRINT_SIZE] = '\0';
    return CELLA_OK;
}

/* The 32 bytes whose 43 characters stand between head and tail; nothing else may be in text. */
static cella_status match(struct cella_view text, const char *head, const char *tail, struct cella_view *middle,
                          uint8_t value[32])
{
    size_t head_size = strlen(head);
    size_t tail_size = strlen(tail);
    if (text.size != head_size + CELLA_THUMBPRINT_SIZE + tail_size) {
        return CELLA_BAD_FORMAT;
    }
    *middle = cella_view_of(text.data + head_size, CELLA_THUMBPRINT_SIZE);
    if (!cella_view_is(cella_view_of(text.data, head_size), head) ||
        !cella_view_is(cella_view_of(text.data + head_size + CELLA_THUMBPRINT_SIZE, tail_size), tail)) {
        return CELLA_BAD_FORMAT;
    }
    return cella_base64url_decode_exact(*middle, value, 32);
}

static cella_status read_header(struct cella_view header, struct cella_jws *out)
{
    struct cella_view middle = { 0 };
    uint8_t value[32];
    if (cella_view_is(header, PLAIN_HEADER)) {
        out->form = CELLA_JWS_PLAIN;
        return CELLA_OK;
    }
    cella_status status = match(header, KID_HEAD, KID_TAIL, &middle, value);
    if (status == CELLA_OK) {
        out->form = CELLA_JWS_KID;
        memcpy(out->kid, middle.data, middle.size);
        return CELLA_OK;
    }
    if (status != CELLA_BAD_FORMAT) {
        return status;
    }
    CELLA_TRY(match(header, JWK_HEAD, JWK_TAIL, &middle, value));
    out->form = CELLA_JWS_JWK;
    memcpy(out->jwk, value, sizeof(value));
    return cella_thumbprint(out->jwk, out->kid);
}

/* The part up to the next dot; *rest goes on behind it. */
static cella_status next_part(struct cella_view *rest, struct cella_view *part)
{
    const uint8_t *dot = rest->size == 0 ? NULL : memchr(rest->data, '.', rest->size);
    if (dot == NULL) {
        return CELLA_BAD_FORMAT;
    }
    *part = cella_view_of(rest->data, (size_t) (dot - rest->data));
    *rest = cella_view_of(dot + 1, rest->size - part->size - 1);
    return CELLA_OK;
}

cella_status cella_jws_split(struct cella_view compact, struct cella_jws *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes header = { 0 };
    struct cella_jws jws = { 0 };
    struct cella_view rest = compact;
    struct cella_view header_text;
    *out = jws;
    CELLA_TRY(next_part(&rest, &header_text));
    CELLA_TRY(next_part(&rest, &jws.payload_text));
    if (header_text.size > HEADER_TEXT_MAX) {
        return CELLA_BAD_FORMAT;
    }
    /* A further dot is no base64url character, so a fourth part fails here. */
    CELLA_TRY(cella_base64url_decode_exact(rest, jws.signature, sizeof(jws.signature)));
    CELLA_TRY(cella_base64url_decode(header_text, &header));
    CELLA_TRY(read_header(cella_bytes_view(&header), &jws));
    jws.signing_input = cella_view_of(compact.data, header_text.size + 1 + jws.payload_text.size);
    *out = jws;
    return CELLA_OK;
}

cella_status cella_jws_verify(const struct cella_jws *jws, const uint8_t public_key[CELLA_ED25519_KEY_SIZE],
                              struct cella_bytes *payload)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes decoded = { 0 };
    cella_bytes_clear(payload);
    CELLA_TRY(cella_ed25519_verify(public_key, jws->signing_input,
                                   cella_view_of(jws->signature, sizeof(jws->signature))));
    CELLA_TRY(cella_base64url_decode(jws->payload_text, &decoded));
    cella_bytes_take(payload, &decoded);
    return CELLA_OK;
}

static cella_status write_header(const uint8_t public_key[CELLA_ED25519_KEY_SIZE], enum cella_jws_form form,
                                 struct cella_bytes *out)
{
    char kid[CELLA_THUMBPRINT_SIZE + 1];
    switch (form) {
    case CELLA_JWS_PLAIN:
        return append_text(out, PLAIN_HEADER);
    case CELLA_JWS_KID:
        CELLA_TRY(cella_thumbprint(public_key, kid));
        CELLA_TRY(append_text(out, KID_HEAD));
        CELLA_TRY(append_text(out, kid));
        return append_text(out, KID_TAIL);
    case CELLA_JWS_JWK:
        CELLA_TRY(append_text(out, JWK_HEAD));
        CELLA_TRY(cella_base64url_encode(cella_view_of(public_key, CELLA_ED25519_KEY_SIZE), out));
        return append_text(out, JWK_TAIL);
    }
    return CELLA_INTERNAL;
}

cella_status cella_jws_sign(const struct cella_secret *seed, enum cella_jws_form form, struct cella_view payload,
                            struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes header = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    uint8_t public_key[CELLA_ED25519_KEY_SIZE];
    uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE];
    CELLA_TRY(cella_ed25519_public(seed, public_key));
    CELLA_TRY(write_header(public_key, form, &header));
    CELLA_TRY(cella_base64url_encode(cella_bytes_view(&header), &text));
    CELLA_TRY(append_text(&text, "."));
    CELLA_TRY(cella_base64url_encode(payload, &text));
    CELLA_TRY(cella_ed25519_sign(seed, cella_bytes_view(&text), signature));
    CELLA_TRY(append_text(&text, "."));
    CELLA_TRY(cella_base64url_encode(cella_view_of(signature, sizeof(signature)), &text));
    return cella_bytes_append(out, cella_bytes_view(&text));
}
