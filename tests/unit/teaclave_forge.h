/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Makes files in Teaclave's formats, as docs/teaclave.md describes them and independently of their readers: node keys are
 * derived from the node's number, so that the whole file is determined and can be compared with check values.
 */

#include "sealed_open.h"

#define FORGE_NODE ((size_t) 4096)

static inline void forge_gcm(const uint8_t *key, size_t key_size, const uint8_t *nonce, struct cella_view associated_data,
                             struct cella_view plain, struct cella_bytes *out)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
    assert_int_equal(cella_secret_set(&secret, cella_view_of(key, key_size)), CELLA_OK);
    CELLA_CLEANUP(cella_aead_cleanup) struct cella_aead *aead = cella_aead_new(&secret);
    assert_non_null(aead);
    assert_int_equal(cella_bytes_resize(out, plain.size + CELLA_GCM_TAG_SIZE), CELLA_OK);
    assert_int_equal(cella_aead_seal(aead, nonce, associated_data, plain, out->data), CELLA_OK);
}

/* First 16 bytes of SHA-256 of "node-key-<number>". */
static inline void forge_node_key(size_t number, uint8_t out[16])
{
    char text[40];
    uint8_t digest[CELLA_SHA256_SIZE];
    (void) snprintf(text, sizeof(text), "node-key-%zu", number);
    assert_int_equal(cella_sha256(cella_view_of_string(text), digest), CELLA_OK);
    memcpy(out, digest, 16);
}

/* Encrypt a node into the file; entry gets its key and its tag. */
static inline void forge_node(struct cella_bytes *file, size_t number, const uint8_t *plain, uint8_t entry[32])
{
    static const uint8_t nonce[12] = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    forge_node_key(number, entry);
    forge_gcm(entry, 16, nonce, (struct cella_view){ 0 }, cella_view_of(plain, FORGE_NODE), &sealed);
    memcpy(file->data + number * FORGE_NODE, sealed.data, FORGE_NODE);
    memcpy(entry + 16, sealed.data + FORGE_NODE, 16);
}

static inline void forge_metadata(struct cella_bytes *file, const struct cella_secret *key, struct cella_view plain,
                                  const uint8_t root[32])
{
    static const uint8_t nonce[12] = { 0 };
    static const uint8_t start[12] = { 0x45, 0x4C, 0x49, 0x46, 0x5F, 0x58, 0x47, 0x53, 1, 0, 1, 0 };
    uint8_t message[120] = { 1 };
    uint8_t secret[3372] = "example.bin";
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret derived = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    uint8_t *node = file->data;
    memset(node, 0, FORGE_NODE);
    memcpy(node, start, sizeof(start));
    for (size_t i = 0; i < 32; i++) {
        node[0x10 + i] = (uint8_t) (0x40 + i);
    }
    memcpy(message + 4, "SGX-PROTECTED-FS-METADATA-KEY", 29);
    memcpy(message + 80, node + 0x10, 32);
    message[112] = 0x80;
    assert_int_equal(cella_cmac_aes128(key, cella_view_of(message, sizeof(message)), &derived), CELLA_OK);
    for (size_t i = 0; i < 8; i++) {
        secret[260 + i] = (uint8_t) (plain.size >> (8 * i));
    }
    memcpy(secret + 268, root, 32);
    if (plain.size > 0) {
        memcpy(secret + 300, plain.data, plain.size < 3072 ? plain.size : 3072);
    }
    forge_gcm(derived.data, 16, nonce, (struct cella_view){ 0 }, cella_view_of(secret, sizeof(secret)), &sealed);
    memcpy(node + 0x60, sealed.data, sizeof(secret));
    memcpy(node + 0x50, sealed.data + sizeof(secret), 16);
}

/* The teaclave-file-128 of plain; children before their parents, because parents hold their tags. */
static inline struct cella_bytes forge_teaclave_file(const struct cella_secret *key, struct cella_view plain)
{
    struct cella_bytes file = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes trees = { 0 };
    size_t data = plain.size > 3072 ? (plain.size - 3072 + FORGE_NODE - 1) / FORGE_NODE : 0;
    size_t tree_count = (data + 95) / 96;
    uint8_t root[32] = { 0 };
    assert_int_equal(cella_bytes_resize(&file, (1 + data + tree_count) * FORGE_NODE), CELLA_OK);
    assert_int_equal(cella_bytes_resize(&trees, tree_count * FORGE_NODE), CELLA_OK);
    if (tree_count > 0) {
        memset(trees.data, 0, trees.size);
    }
    for (size_t d = 0; d < data; d++) {
        uint8_t node[4096] = { 0 };
        struct cella_view part = piece_of(plain, 3072 + d * FORGE_NODE, FORGE_NODE);
        memcpy(node, part.data, part.size);
        forge_node(&file, d + 2 + d / 96, node, trees.data + d / 96 * FORGE_NODE + d % 96 * 32);
    }
    for (size_t m = tree_count; m-- > 0;) {
        size_t place = (m - 1) / 32 * FORGE_NODE + 3072 + (m - 1) % 32 * 32;
        forge_node(&file, 1 + 97 * m, trees.data + m * FORGE_NODE, m == 0 ? root : trees.data + place);
    }
    forge_metadata(&file, key, plain, root);
    return file;
}
