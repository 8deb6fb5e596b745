/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Test vectors: JSON files of the folder CELLA_SHARED_VECTORS, bytes in hexadecimal. A missing folder skips the
 * test, and says so.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "trust/secret.h"

/* The whole file, owned by the caller; skips the test when there is none. name begins with a slash. */
static inline json_t *vectors_load(const char *name)
{
    char path[512];
    json_error_t error;
    (void) snprintf(path, sizeof(path), "%s%s", CELLA_SHARED_VECTORS, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        (void) fprintf(stderr, "SKIPPED: no vectors at %s\n", path);
        skip();
        return NULL;
    }
    json_t *json = json_loadf(file, 0, &error);
    (void) fclose(file);
    assert_non_null(json);
    return json;
}

static inline const char *vectors_text(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    if (text == NULL) {
        fail_msg("vector has no text %s", key);
    }
    return text;
}

static inline size_t vectors_number(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    assert_true(json_is_integer(value));
    return (size_t) json_integer_value(value);
}

/* Bytes of hexadecimal text; the caller clears them. */
static inline struct cella_bytes bytes_of_hex(const char *text)
{
    struct cella_bytes bytes = { 0 };
    struct cella_view view = cella_view_of_string(text);
    assert_int_equal(cella_bytes_resize(&bytes, view.size / 2), CELLA_OK);
    assert_int_equal(cella_hex_decode(view, bytes.data, bytes.size), CELLA_OK);
    return bytes;
}

static inline struct cella_bytes vectors_bytes(const json_t *json, const char *key)
{
    return bytes_of_hex(vectors_text(json, key));
}

static inline struct cella_secret secret_of_hex(const char *text)
{
    struct cella_secret secret = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = bytes_of_hex(text);
    assert_int_equal(cella_secret_set(&secret, cella_bytes_view(&bytes)), CELLA_OK);
    return secret;
}

/* Bytes equal the hexadecimal text. */
static inline void assert_hex(const uint8_t *data, size_t size, const char *expected)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes bytes = bytes_of_hex(expected);
    assert_int_equal(size, bytes.size);
    assert_memory_equal(data, bytes.data, size);
}
