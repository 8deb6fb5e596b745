/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/teaclave_file.h"

#include <stdlib.h>
#include <string.h>

#define NODE CELLA_TEACLAVE_NODE_SIZE
#define KEY CELLA_TEACLAVE_KEY_SIZE
#define TAG CELLA_GCM_TAG_SIZE
#define ENTRY (KEY + TAG) /* what a parent knows of a child */
#define DATA_ENTRIES 96U  /* data nodes of one tree node */
#define CHILD_ENTRIES 32U /* tree nodes of one tree node */
#define FAMILY (1U + DATA_ENTRIES) /* a tree node, and its data nodes behind it */

/* The metadata node. */
#define KEY_ID_PLACE 0x10U
#define KEY_ID_SIZE 32U
#define ZEROS_PLACE 0x30U /* cpu_svn and attribute mask, which a key of the owner's own does not depend on */
#define TAG_PLACE 0x50U
#define SECRET_PLACE 0x60U
#define SECRET_SIZE 3372U
#define PADDING_PLACE (SECRET_PLACE + SECRET_SIZE)
/* Its encrypted part. */
#define SIZE_PLACE 260U /* behind the name */
#define ROOT_PLACE (SIZE_PLACE + 8U)
#define FIRST_PLACE (ROOT_PLACE + ENTRY)
#define FIRST_SIZE 3072U /* of the data */

struct cella_teaclave_file_reader {
    struct cella_secret key; /* the owner's, until the metadata are open */
    cella_sealed_sink sink;
    void *context;
    uint64_t node_count;
    uint64_t index;            /* of the node that is being collected */
    uint64_t left;             /* plaintext that is still to come */
    size_t fill;               /* bytes of the node that have come */
    struct cella_secret node;  /* opened in place */
    struct cella_secret tree;  /* entry m: key and tag of tree node m, put there by its parent */
    uint64_t tree_count;
    struct cella_secret data;  /* entries of the data nodes of the present tree node */
    struct cella_secret node_key;
    cella_status state; /* the first failure, or CELLA_BAD_STATE after the end */
};

/* Tree node m is node 1 + 97 m; the data nodes that it has keys of follow it. */
static bool is_tree_node(uint64_t index)
{
    return (index - 1) % FAMILY == 0;
}

static uint64_t nodes_of_plain(uint64_t plain_size)
{
    if (plain_size <= FIRST_SIZE) {
        return 1;
    }
    uint64_t data = (plain_size - FIRST_SIZE + NODE - 1) / NODE;
    return 1 + data + (data + DATA_ENTRIES - 1) / DATA_ENTRIES;
}

cella_status cella_teaclave_file_check_size(uint64_t file_size)
{
    if (file_size > CELLA_TEACLAVE_FILE_MAX) {
        return CELLA_BAD_SIZE;
    }
    uint64_t count = file_size / NODE;
    if (count == 0 || file_size % NODE != 0 || (count > 1 && is_tree_node(count - 1))) {
        return CELLA_TRUNCATED;
    }
    return CELLA_OK;
}

static void reader_cleanup(struct cella_teaclave_file_reader **reader)
{
    cella_teaclave_file_reader_free(*reader);
}

cella_status cella_teaclave_file_reader_new(const struct cella_secret *key, uint64_t file_size, cella_sealed_sink sink,
                                            void *context, struct cella_teaclave_file_reader **out)
{
    if (key->size != KEY) {
        return CELLA_BAD_KEY;
    }
    CELLA_TRY(cella_teaclave_file_check_size(file_size));
    CELLA_CLEANUP(reader_cleanup) struct cella_teaclave_file_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return CELLA_NO_MEMORY;
    }
    reader->node_count = file_size / NODE;
    reader->tree_count = (reader->node_count - 1 + FAMILY - 1) / FAMILY;
    CELLA_TRY(cella_secret_set(&reader->key, cella_secret_view(key)));
    CELLA_TRY(cella_secret_resize(&reader->node, NODE));
    CELLA_TRY(cella_secret_resize(&reader->data, (size_t) DATA_ENTRIES * ENTRY));
    CELLA_TRY(cella_secret_resize(&reader->tree, (size_t) reader->tree_count * ENTRY));
    reader->sink = sink;
    reader->context = context;
    *out = reader;
    reader = NULL;
    return CELLA_OK;
}

/* ---- nodes ---- */

/* Decrypt in place. Each node has a key of its own, which is why the nonce can be zero. */
static cella_status open_in_place(const struct cella_secret *key, const uint8_t *tag, uint8_t *text, size_t size)
{
    static const uint8_t nonce[CELLA_GCM_NONCE_SIZE] = { 0 };
    CELLA_CLEANUP(cella_aead_cleanup) struct cella_aead *aead = cella_aead_new(key);
    if (aead == NULL) {
        return CELLA_CRYPTO_FAILED;
    }
    CELLA_TRY(cella_aead_open_begin(aead, nonce, (struct cella_view){ 0 }));
    CELLA_TRY(cella_aead_open_update(aead, cella_view_of(text, size), text));
    return cella_aead_open_end(aead, tag);
}

static cella_status open_node(struct cella_teaclave_file_reader *reader, const uint8_t *entry)
{
    CELLA_TRY(cella_secret_resize(&reader->node_key, KEY));
    memcpy(reader->node_key.data, entry, KEY);
    return open_in_place(&reader->node_key, entry + KEY, reader->node.data, NODE);
}

/* The next plaintext: as much of the node as the file has. */
static cella_status give(struct cella_teaclave_file_reader *reader, const uint8_t *plain, size_t most)
{
    size_t size = reader->left < most ? (size_t) reader->left : most;
    reader->left -= size;
    return size == 0 ? CELLA_OK : reader->sink(reader->context, cella_view_of(plain, size));
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        sum |= bytes[i];
    }
    return sum == 0;
}

/* What no tag covers has one value only. */
static cella_status check_header(const uint8_t *node)
{
    static const uint8_t start[KEY_ID_PLACE] = {
        0x45, 0x4C, 0x49, 0x46, 0x5F, 0x58, 0x47, 0x53, /* magic */
        1, 0,                                           /* version */
        1,                                              /* the key is the owner's own */
        0,                                              /* nothing was being written */
        0, 0, 0, 0,                                     /* key policy, isv_svn: of the enclave's keys */
    };
    bool fits = memcmp(node, start, sizeof(start)) == 0 && all_zero(node + ZEROS_PLACE, TAG_PLACE - ZEROS_PLACE) &&
                all_zero(node + PADDING_PLACE, NODE - PADDING_PLACE);
    return fits ? CELLA_OK : CELLA_BAD_FORMAT;
}

static cella_status metadata_key(const struct cella_secret *key, const uint8_t *key_id, struct cella_secret *out)
{
    /* u32 1, label in 64 bytes, four zeros, u64 node 0, key id, u32 bits of the key, four zeros; little-endian */
    static const char label[] = "SGX-PROTECTED-FS-METADATA-KEY";
    uint8_t message[120] = { 1 };
    memcpy(message + 4, label, sizeof(label) - 1);
    memcpy(message + 80, key_id, KEY_ID_SIZE);
    message[112] = 0x80;
    return cella_cmac_aes128(key, cella_view_of(message, sizeof(message)), out);
}

static cella_status open_metadata(struct cella_teaclave_file_reader *reader)
{
    uint8_t *node = reader->node.data;
    uint8_t *plain = node + SECRET_PLACE;
    uint64_t size = 0;
    CELLA_TRY(check_header(node));
    CELLA_TRY(metadata_key(&reader->key, node + KEY_ID_PLACE, &reader->node_key));
    CELLA_TRY(open_in_place(&reader->node_key, node + TAG_PLACE, plain, SECRET_SIZE));
    cella_secret_clear(&reader->key);
    for (size_t i = 8; i-- > 0;) {
        size = size << 8 | plain[SIZE_PLACE + i];
    }
    /* The size is the owner's word by now; whether the host has all of it is not. */
    if (size > CELLA_TEACLAVE_FILE_MAX || nodes_of_plain(size) > reader->node_count) {
        return CELLA_TRUNCATED;
    }
    if (nodes_of_plain(size) < reader->node_count) {
        return CELLA_BAD_FORMAT;
    }
    reader->left = size;
    if (reader->tree_count > 0) {
        memcpy(reader->tree.data, plain + ROOT_PLACE, ENTRY);
    }
    return give(reader, plain + FIRST_PLACE, FIRST_SIZE);
}

static cella_status open_tree_node(struct cella_teaclave_file_reader *reader, uint64_t number)
{
    CELLA_TRY(open_node(reader, reader->tree.data + number * ENTRY));
    const uint8_t *children = reader->node.data + (size_t) DATA_ENTRIES * ENTRY;
    memcpy(reader->data.data, reader->node.data, (size_t) DATA_ENTRIES * ENTRY);
    for (uint64_t i = 0; i < CHILD_ENTRIES; i++) {
        uint64_t child = CHILD_ENTRIES * number + 1 + i;
        if (child < reader->tree_count) {
            memcpy(reader->tree.data + child * ENTRY, children + i * ENTRY, ENTRY);
        }
    }
    return CELLA_OK;
}

static cella_status take_node(struct cella_teaclave_file_reader *reader)
{
    uint64_t index = reader->index++;
    reader->fill = 0;
    if (index == 0) {
        return open_metadata(reader);
    }
    if (is_tree_node(index)) {
        return open_tree_node(reader, (index - 1) / FAMILY);
    }
    CELLA_TRY(open_node(reader, reader->data.data + ((index - 2) % FAMILY) * ENTRY));
    return give(reader, reader->node.data, NODE);
}

/* ---- the stream ---- */

/* The last node waits for finish: with it the file is complete. */
static cella_status take(struct cella_teaclave_file_reader *reader, struct cella_view bytes)
{
    while (bytes.size > 0) {
        if (reader->fill == NODE) {
            if (reader->index + 1 == reader->node_count) {
                return CELLA_BAD_SIZE;
            }
            CELLA_TRY(take_node(reader));
        }
        size_t part = bytes.size < NODE - reader->fill ? bytes.size : NODE - reader->fill;
        memcpy(reader->node.data + reader->fill, bytes.data, part);
        reader->fill += part;
        bytes = cella_view_of(bytes.data + part, bytes.size - part);
    }
    return CELLA_OK;
}

cella_status cella_teaclave_file_reader_update(struct cella_teaclave_file_reader *reader, struct cella_view bytes)
{
    if (reader->state == CELLA_OK) {
        reader->state = take(reader, bytes);
    }
    return reader->state;
}

cella_status cella_teaclave_file_reader_finish(struct cella_teaclave_file_reader *reader)
{
    if (reader->state != CELLA_OK) {
        return reader->state;
    }
    cella_status status = CELLA_TRUNCATED;
    if (reader->fill == NODE && reader->index + 1 == reader->node_count) {
        status = take_node(reader);
    }
    reader->state = status == CELLA_OK ? CELLA_BAD_STATE : status;
    return status;
}

void cella_teaclave_file_reader_free(struct cella_teaclave_file_reader *reader)
{
    if (reader != NULL) {
        cella_secret_clear(&reader->key);
        cella_secret_clear(&reader->node);
        cella_secret_clear(&reader->tree);
        cella_secret_clear(&reader->data);
        cella_secret_clear(&reader->node_key);
        free(reader);
    }
}
