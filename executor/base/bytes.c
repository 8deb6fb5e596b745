/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

struct cella_view cella_view_of_string(const char *text)
{
    return cella_view_of(text, strlen(text));
}

bool cella_view_equal(struct cella_view a, struct cella_view b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool cella_view_is(struct cella_view view, const char *text)
{
    return cella_view_equal(view, cella_view_of_string(text));
}

cella_status cella_bytes_reserve(struct cella_bytes *bytes, size_t extra)
{
    if (extra > SIZE_MAX / 2 - bytes->size) {
        return CELLA_NO_MEMORY;
    }
    size_t need = bytes->size + extra;
    if (need <= bytes->capacity) {
        return CELLA_OK;
    }
    size_t capacity = bytes->capacity == 0 ? 64 : bytes->capacity;
    while (capacity < need) {
        capacity *= 2;
    }
    uint8_t *grown = realloc(bytes->data, capacity);
    if (grown == NULL) {
        return CELLA_NO_MEMORY;
    }
    bytes->data = grown;
    bytes->capacity = capacity;
    return CELLA_OK;
}

cella_status cella_bytes_append(struct cella_bytes *bytes, struct cella_view more)
{
    if (more.size == 0) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_bytes_reserve(bytes, more.size));
    memcpy(bytes->data + bytes->size, more.data, more.size);
    bytes->size += more.size;
    return CELLA_OK;
}

cella_status cella_bytes_set(struct cella_bytes *bytes, struct cella_view content)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes copy = { 0 };
    CELLA_TRY(cella_bytes_append(&copy, content));
    cella_bytes_take(bytes, &copy);
    return CELLA_OK;
}

cella_status cella_bytes_resize(struct cella_bytes *bytes, size_t size)
{
    if (size > bytes->size) {
        size_t extra = size - bytes->size;
        CELLA_TRY(cella_bytes_reserve(bytes, extra));
        memset(bytes->data + bytes->size, 0, extra);
    }
    bytes->size = size;
    return CELLA_OK;
}

void cella_bytes_consume(struct cella_bytes *bytes, size_t count)
{
    if (count >= bytes->size) {
        bytes->size = 0;
        return;
    }
    if (count > 0) {
        memmove(bytes->data, bytes->data + count, bytes->size - count);
        bytes->size -= count;
    }
}

void cella_bytes_clear(struct cella_bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct cella_bytes){ 0 };
}

void cella_bytes_take(struct cella_bytes *to, struct cella_bytes *from)
{
    if (to == from) {
        return;
    }
    cella_bytes_clear(to);
    *to = *from;
    *from = (struct cella_bytes){ 0 };
}

void cella_hex_encode(struct cella_view view, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < view.size; i++) {
        out[2 * i] = digits[view.data[i] >> 4];
        out[2 * i + 1] = digits[view.data[i] & 15];
    }
    out[2 * view.size] = '\0';
}

static int hex_value(uint8_t character)
{
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    if (character >= 'a' && character <= 'f') {
        return character - 'a' + 10;
    }
    if (character >= 'A' && character <= 'F') {
        return character - 'A' + 10;
    }
    return -1;
}

cella_status cella_hex_decode(struct cella_view text, uint8_t *out, size_t size)
{
    if (text.size / 2 != size || text.size % 2 != 0) {
        return CELLA_BAD_FORMAT;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (hex_value(text.data[i]) < 0) {
            return CELLA_BAD_FORMAT;
        }
    }
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t) (hex_value(text.data[2 * i]) * 16 + hex_value(text.data[2 * i + 1]));
    }
    return CELLA_OK;
}

static const char base64url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

cella_status cella_base64url_encode(struct cella_view view, struct cella_bytes *out)
{
    if (view.size > SIZE_MAX / 8) {
        return CELLA_BAD_SIZE;
    }
    CELLA_TRY(cella_bytes_reserve(out, (view.size * 4 + 2) / 3));
    uint32_t group = 0;
    unsigned int bits = 0;
    for (size_t i = 0; i < view.size; i++) {
        group = (group << 8 | view.data[i]) & 0xffff;
        bits += 8;
        while (bits >= 6) {
            bits -= 6;
            out->data[out->size++] = (uint8_t) base64url_digits[(group >> bits) & 63];
        }
    }
    if (bits > 0) {
        out->data[out->size++] = (uint8_t) base64url_digits[(group << (6 - bits)) & 63];
    }
    return CELLA_OK;
}

static int base64url_value(uint8_t character)
{
    if (character >= 'A' && character <= 'Z') {
        return character - 'A';
    }
    if (character >= 'a' && character <= 'z') {
        return character - 'a' + 26;
    }
    if (character >= '0' && character <= '9') {
        return character - '0' + 52;
    }
    if (character == '-') {
        return 62;
    }
    return character == '_' ? 63 : -1;
}

cella_status cella_base64url_decode(struct cella_view text, struct cella_bytes *out)
{
    if (text.size % 4 == 1) {
        return CELLA_BAD_FORMAT;
    }
    size_t start = out->size;
    CELLA_TRY(cella_bytes_reserve(out, text.size / 4 * 3 + 2));
    uint32_t group = 0;
    unsigned int bits = 0;
    for (size_t i = 0; i < text.size; i++) {
        int value = base64url_value(text.data[i]);
        if (value < 0) {
            out->size = start;
            return CELLA_BAD_FORMAT;
        }
        group = (group << 6 | (uint32_t) value) & 0xffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out->data[out->size++] = (uint8_t) (group >> bits);
        }
    }
    /* Left-over bits must be zero, or two texts would stand for the same bytes. */
    if ((group & ((1U << bits) - 1)) != 0) {
        out->size = start;
        return CELLA_BAD_FORMAT;
    }
    return CELLA_OK;
}

cella_status cella_base64url_decode_exact(struct cella_view text, uint8_t *out, size_t size)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes decoded = { 0 };
    CELLA_TRY(cella_base64url_decode(text, &decoded));
    if (decoded.size != size) {
        return CELLA_BAD_FORMAT;
    }
    memcpy(out, decoded.data, size);
    return CELLA_OK;
}
