/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/tree_head.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

#define DASH "\xe2\x80\x94 " /* U+2014 and a blank: before each signature */
#define ED25519_TYPE 0x01
#define COSIGNATURE_TYPE 0x04
#define KEY_ID_SIZE 4U
#define TIME_SIZE 8U
#define SIGNATURE_MAX (KEY_ID_SIZE + TIME_SIZE + CELLA_ED25519_SIGNATURE_SIZE)

/* ---- base64 with padding, over the base64url of base ---- */

static cella_status encode(struct cella_view bytes, struct cella_bytes *out)
{
    size_t begin = out->size;
    CELLA_TRY(cella_base64url_encode(bytes, out));
    for (size_t i = begin; i < out->size; i++) {
        out->data[i] = out->data[i] == '-' ? '+' : out->data[i] == '_' ? '/' : out->data[i];
    }
    while ((out->size - begin) % 4 != 0) {
        CELLA_TRY(cella_write_u8(out, '='));
    }
    return CELLA_OK;
}

/* Canonical only: padding complete, unused bits zero. At most SIGNATURE_MAX bytes. */
static cella_status decode(struct cella_view text, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes url = { 0 };
    if (text.size == 0 || text.size % 4 != 0 || text.size > 4 * (SIGNATURE_MAX / 3 + 1)) {
        return CELLA_BAD_FORMAT;
    }
    size_t padding = text.data[text.size - 1] != '=' ? 0 : text.data[text.size - 2] != '=' ? 1 : 2;
    CELLA_TRY(cella_bytes_set(&url, cella_view_of(text.data, text.size - padding)));
    for (size_t i = 0; i < url.size; i++) {
        if (url.data[i] == '-' || url.data[i] == '_') {
            return CELLA_BAD_FORMAT;
        }
        url.data[i] = url.data[i] == '+' ? '-' : url.data[i] == '/' ? '_' : url.data[i];
    }
    return cella_base64url_decode(cella_bytes_view(&url), out);
}

/* ---- reading ---- */

/* The line up to the next newline, which is taken too. */
static cella_status next_line(struct cella_view *rest, struct cella_view *line)
{
    const uint8_t *end = rest->size == 0 ? NULL : memchr(rest->data, '\n', rest->size);
    if (end == NULL) {
        return CELLA_BAD_FORMAT;
    }
    *line = cella_view_of(rest->data, (size_t)(end - rest->data));
    *rest = cella_view_of(end + 1, rest->size - line->size - 1);
    return CELLA_OK;
}

/* UTF-8 without control characters but the end of a line. */
static bool is_text(struct cella_view text)
{
    uint32_t character;
    while (text.size > 0) {
        if (!cella_utf8_next(&text, &character) || (character < 0x20 && character != '\n')) {
            return false;
        }
    }
    return true;
}

/* White_Space of Unicode. */
static bool is_space(uint32_t character)
{
    return character == ' ' || (character >= 0x09 && character <= 0x0d) || character == 0x85 || character == 0xa0 ||
           character == 0x1680 || (character >= 0x2000 && character <= 0x200a) || character == 0x2028 ||
           character == 0x2029 || character == 0x202f || character == 0x205f || character == 0x3000;
}

/* A name in a line: no spaces, no '+'. */
static bool is_name(struct cella_view text)
{
    uint32_t character;
    bool good = text.size > 0 && text.size <= CELLA_TREE_HEAD_NAME_MAX;
    while (good && text.size > 0) {
        good = cella_utf8_next(&text, &character) && character >= 0x20 && character != 0x7f && character != '+' &&
               !is_space(character);
    }
    return good;
}

/* Base64 of a key's id and something behind it, of whatever length. */
static bool is_signature(struct cella_view encoded)
{
    size_t size = encoded.size;
    if (size % 4 != 0 || size < 4 * ((KEY_ID_SIZE + 3) / 3)) {
        return false;
    }
    size -= encoded.data[size - 1] != '=' ? 0 : encoded.data[size - 2] != '=' ? 1 : 2;
    for (size_t i = 0; i < size; i++) {
        uint8_t digit = encoded.data[i];
        bool letter = (digit >= 'A' && digit <= 'Z') || (digit >= 'a' && digit <= 'z');
        if (!letter && !(digit >= '0' && digit <= '9') && digit != '+' && digit != '/') {
            return false;
        }
    }
    return size * 3 / 4 > KEY_ID_SIZE;
}

static cella_status read_size(struct cella_view line, uint64_t *out)
{
    uint64_t value = 0;
    if (line.size == 0 || (line.data[0] == '0' && line.size > 1)) {
        return CELLA_BAD_FORMAT;
    }
    for (size_t i = 0; i < line.size; i++) {
        uint64_t digit = (uint64_t) line.data[i] - '0';
        if (line.data[i] < '0' || line.data[i] > '9' || value > (UINT64_MAX - digit) / 10) {
            return CELLA_BAD_FORMAT;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return CELLA_OK;
}

/* "— name base64": the parts of one signature line. */
static cella_status read_signature(struct cella_view line, struct cella_view *name, struct cella_view *encoded)
{
    static const size_t dash_size = sizeof(DASH) - 1;
    if (line.size < dash_size || memcmp(line.data, DASH, dash_size) != 0) {
        return CELLA_BAD_FORMAT;
    }
    struct cella_view rest = cella_view_of(line.data + dash_size, line.size - dash_size);
    const uint8_t *blank = rest.size == 0 ? NULL : memchr(rest.data, ' ', rest.size);
    if (blank == NULL) {
        return CELLA_BAD_FORMAT;
    }
    *name = cella_view_of(rest.data, (size_t)(blank - rest.data));
    *encoded = cella_view_of(blank + 1, rest.size - name->size - 1);
    return is_name(*name) && is_signature(*encoded) ? CELLA_OK : CELLA_BAD_FORMAT;
}

static cella_status check_signatures(struct cella_view lines)
{
    size_t count = 0;
    while (lines.size > 0) {
        struct cella_view line;
        struct cella_view name;
        struct cella_view encoded;
        CELLA_TRY(next_line(&lines, &line));
        CELLA_TRY(read_signature(line, &name, &encoded));
        count++;
    }
    return count > 0 && count <= CELLA_TREE_HEAD_SIGNATURES_MAX ? CELLA_OK : CELLA_BAD_FORMAT;
}

static cella_status read_root(struct cella_view line, struct cella_merkle_hash *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes root = { 0 };
    CELLA_TRY(decode(line, &root));
    if (root.size != sizeof(out->bytes)) {
        return CELLA_BAD_FORMAT;
    }
    memcpy(out->bytes, root.data, root.size);
    return CELLA_OK;
}

cella_status cella_tree_head_read(struct cella_view content, struct cella_tree_head *out)
{
    struct cella_tree_head head = { 0 };
    struct cella_view rest = content;
    struct cella_view line;
    *out = head;
    if (content.size > CELLA_TREE_HEAD_MAX) {
        return CELLA_TOO_LARGE;
    }
    CELLA_TRY(is_text(content) ? next_line(&rest, &head.origin) : CELLA_BAD_FORMAT);
    bool named = head.origin.size > 0 && head.origin.size <= CELLA_TREE_HEAD_NAME_MAX;
    CELLA_TRY(named ? next_line(&rest, &line) : CELLA_BAD_FORMAT);
    CELLA_TRY(read_size(line, &head.size));
    CELLA_TRY(next_line(&rest, &line));
    CELLA_TRY(read_root(line, &head.root));
    do { /* lines of extensions, which are signed and otherwise left alone */
        head.text = cella_view_of(content.data, content.size - rest.size);
        CELLA_TRY(next_line(&rest, &line));
    } while (line.size > 0);
    head.signatures = rest;
    CELLA_TRY(check_signatures(rest));
    *out = head;
    return CELLA_OK;
}

/* ---- signatures ---- */

/* First bytes of SHA-256(name || 0x0A || type || public key). */
static cella_status key_id(struct cella_view name, uint8_t type, const uint8_t public_key[CELLA_ED25519_KEY_SIZE],
                           uint8_t out[KEY_ID_SIZE])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    uint8_t digest[CELLA_SHA256_SIZE];
    CELLA_TRY(cella_bytes_append(&text, name));
    CELLA_TRY(cella_write_u8(&text, '\n'));
    CELLA_TRY(cella_write_u8(&text, type));
    CELLA_TRY(cella_bytes_append(&text, cella_view_of(public_key, CELLA_ED25519_KEY_SIZE)));
    CELLA_TRY(cella_sha256(cella_bytes_view(&text), digest));
    memcpy(out, digest, KEY_ID_SIZE);
    return CELLA_OK;
}

/* What stands behind the key id in the line of this key. */
static cella_status find(const struct cella_tree_head *head, const struct cella_tree_head_key *key, uint8_t type,
                         struct cella_bytes *out)
{
    uint8_t id[KEY_ID_SIZE];
    struct cella_view lines = head->signatures;
    CELLA_TRY(key_id(key->name, type, key->public_key, id));
    while (lines.size > 0) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes found = { 0 };
        struct cella_view line;
        struct cella_view name;
        struct cella_view encoded;
        CELLA_TRY(next_line(&lines, &line));
        CELLA_TRY(read_signature(line, &name, &encoded));
        if (cella_view_equal(name, key->name) && decode(encoded, &found) == CELLA_OK && found.size > KEY_ID_SIZE &&
            memcmp(found.data, id, KEY_ID_SIZE) == 0) {
            cella_bytes_consume(&found, KEY_ID_SIZE);
            cella_bytes_take(out, &found);
            return CELLA_OK;
        }
    }
    return CELLA_NOT_FOUND;
}

cella_status cella_tree_head_verify(const struct cella_tree_head *head, const struct cella_tree_head_key *log)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes signature = { 0 };
    CELLA_TRY(find(head, log, ED25519_TYPE, &signature));
    return cella_ed25519_verify(log->public_key, head->text, cella_bytes_view(&signature));
}

static cella_status cosigned_text(const struct cella_tree_head *head, uint64_t time_unix_s, struct cella_bytes *out)
{
    char line[64];
    int size = snprintf(line, sizeof(line), "cosignature/v1\ntime %llu\n", (unsigned long long) time_unix_s);
    CELLA_TRY(cella_bytes_append(out, cella_view_of(line, (size_t) size)));
    return cella_bytes_append(out, head->text);
}

cella_status cella_tree_head_witnessed(const struct cella_tree_head *head, const struct cella_tree_head_key *witness,
                                       uint64_t *time_unix_s)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes found = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    uint64_t seen;
    CELLA_TRY(find(head, witness, COSIGNATURE_TYPE, &found));
    struct cella_reader reader = cella_reader_of(cella_bytes_view(&found));
    if (cella_read_u64(&reader, &seen) != CELLA_OK || seen > INT64_MAX) {
        return CELLA_BAD_SIGNATURE;
    }
    CELLA_TRY(cosigned_text(head, seen, &text));
    CELLA_TRY(cella_ed25519_verify(witness->public_key, cella_bytes_view(&text), reader.rest));
    *time_unix_s = seen;
    return CELLA_OK;
}

/* payload: time and signature, or the signature alone. */
static cella_status write_line(struct cella_view name, uint8_t type, const struct cella_secret *seed,
                               struct cella_view payload, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    uint8_t public_key[CELLA_ED25519_KEY_SIZE];
    uint8_t id[KEY_ID_SIZE];
    CELLA_TRY(cella_ed25519_public(seed, public_key));
    CELLA_TRY(key_id(name, type, public_key, id));
    CELLA_TRY(cella_bytes_append(&text, cella_view_of(id, sizeof(id))));
    CELLA_TRY(cella_bytes_append(&text, payload));
    CELLA_TRY(cella_bytes_append(out, cella_view_of_string(DASH)));
    CELLA_TRY(cella_bytes_append(out, name));
    CELLA_TRY(cella_write_u8(out, ' '));
    CELLA_TRY(encode(cella_bytes_view(&text), out));
    return cella_write_u8(out, '\n');
}

cella_status cella_tree_head_sign(struct cella_view origin, uint64_t size, const struct cella_merkle_hash *root,
                                  const struct cella_secret *seed, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE];
    char line[32];
    if (!is_name(origin)) {
        return CELLA_BAD_FIELD;
    }
    int line_size = snprintf(line, sizeof(line), "\n%llu\n", (unsigned long long) size);
    CELLA_TRY(cella_bytes_append(&text, origin));
    CELLA_TRY(cella_bytes_append(&text, cella_view_of(line, (size_t) line_size)));
    CELLA_TRY(encode(cella_view_of(root->bytes, sizeof(root->bytes)), &text));
    CELLA_TRY(cella_write_u8(&text, '\n'));
    CELLA_TRY(cella_ed25519_sign(seed, cella_bytes_view(&text), signature));
    CELLA_TRY(cella_write_u8(&text, '\n'));
    CELLA_TRY(write_line(origin, ED25519_TYPE, seed, cella_view_of(signature, sizeof(signature)), &text));
    cella_bytes_take(out, &text);
    return CELLA_OK;
}

cella_status cella_tree_head_cosign(const struct cella_tree_head *head, struct cella_view name, uint64_t time_unix_s,
                                    const struct cella_secret *seed, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE];
    if (!is_name(name) || time_unix_s > INT64_MAX) {
        return CELLA_BAD_FIELD;
    }
    CELLA_TRY(cosigned_text(head, time_unix_s, &text));
    CELLA_TRY(cella_ed25519_sign(seed, cella_bytes_view(&text), signature));
    CELLA_TRY(cella_write_u64(&payload, time_unix_s));
    CELLA_TRY(cella_bytes_append(&payload, cella_view_of(signature, sizeof(signature))));
    return write_line(name, COSIGNATURE_TYPE, seed, cella_bytes_view(&payload), out);
}

cella_status cella_tree_head_continues(const struct cella_tree_head *older, const struct cella_tree_head *newer,
                                       const struct cella_merkle_path *path)
{
    if (!cella_view_equal(older->origin, newer->origin)) {
        return CELLA_BAD_PROOF;
    }
    return cella_merkle_check_consistency(older->size, newer->size, &older->root, &newer->root, path);
}
