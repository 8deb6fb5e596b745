/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/mutual_channel.h"

#include <stdlib.h>
#include <string.h>

#define NEXT_KEY_INFO "cella mutual key v1 next"

struct direction {
    struct cella_secret key;
    struct cella_aead *aead;
    uint64_t count; /* records under this key */
    bool closed;
};

struct cella_mutual_channel {
    struct direction send;
    struct direction receive;
    cella_status failure; /* CELLA_OK while the channel lives */
};

static void direction_clear(struct direction *direction)
{
    cella_secret_clear(&direction->key);
    cella_aead_cleanup(&direction->aead);
}

static cella_status direction_begin(struct direction *direction, struct cella_secret *key)
{
    if (key->size != CELLA_AES_KEY_SIZE) {
        return CELLA_BAD_KEY;
    }
    direction->aead = cella_aead_new(key);
    if (direction->aead == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_secret_take(&direction->key, key);
    return CELLA_OK;
}

cella_status cella_mutual_channel_new(struct cella_secret *send, struct cella_secret *receive,
                                      struct cella_mutual_channel **out)
{
    struct cella_mutual_channel *channel = calloc(1, sizeof(*channel));
    if (channel == NULL) {
        return CELLA_NO_MEMORY;
    }
    cella_status status = direction_begin(&channel->send, send);
    if (status == CELLA_OK) {
        status = direction_begin(&channel->receive, receive);
    }
    if (status != CELLA_OK) {
        cella_mutual_channel_free(channel);
        return status;
    }
    *out = channel;
    return CELLA_OK;
}

void cella_mutual_channel_free(struct cella_mutual_channel *channel)
{
    if (channel != NULL) {
        direction_clear(&channel->send);
        direction_clear(&channel->receive);
        free(channel);
    }
}

static cella_status fail(struct cella_mutual_channel *channel, cella_status status)
{
    if (status != CELLA_OK && channel->failure == CELLA_OK) {
        channel->failure = status;
        direction_clear(&channel->send);
        direction_clear(&channel->receive);
    }
    return status;
}

static cella_status next_key(struct direction *direction)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_TRY(cella_secret_resize(&key, CELLA_AES_KEY_SIZE));
    CELLA_TRY(cella_hkdf(CELLA_HASH_SHA256, cella_secret_view(&direction->key), (struct cella_view){ 0 },
                         cella_view_of_string(NEXT_KEY_INFO), &key));
    direction_clear(direction);
    direction->count = 0;
    return direction_begin(direction, &key);
}

/* The nonce of the next record, under a new key where it is time. */
static cella_status next_nonce(struct direction *direction, uint8_t nonce[CELLA_GCM_NONCE_SIZE])
{
    if (direction->count == CELLA_MUTUAL_REKEY_RECORDS) {
        CELLA_TRY(next_key(direction));
    }
    memset(nonce, 0, CELLA_GCM_NONCE_SIZE);
    for (size_t i = 0; i < 8; i++) {
        nonce[CELLA_GCM_NONCE_SIZE - 1 - i] = (uint8_t) (direction->count >> 8 * i);
    }
    direction->count++;
    return CELLA_OK;
}

static cella_status seal_record(struct direction *direction, enum cella_mutual_kind kind, struct cella_view plain,
                                struct cella_bytes *out)
{
    uint8_t nonce[CELLA_GCM_NONCE_SIZE];
    size_t before = out->size;
    size_t body_size = plain.size + CELLA_GCM_TAG_SIZE;
    CELLA_TRY(cella_bytes_reserve(out, CELLA_MUTUAL_HEADER_SIZE + body_size));
    CELLA_TRY(next_nonce(direction, nonce));
    uint8_t *header = out->data + before;
    cella_mutual_header(kind, body_size, header);
    CELLA_TRY(cella_aead_seal(direction->aead, nonce, cella_view_of(header, CELLA_MUTUAL_HEADER_SIZE), plain,
                              header + CELLA_MUTUAL_HEADER_SIZE));
    out->size = before + CELLA_MUTUAL_HEADER_SIZE + body_size;
    return CELLA_OK;
}

static cella_status may_send(const struct cella_mutual_channel *channel)
{
    if (channel->failure != CELLA_OK) {
        return channel->failure;
    }
    return channel->send.closed ? CELLA_BAD_STATE : CELLA_OK;
}

cella_status cella_mutual_channel_seal(struct cella_mutual_channel *channel, struct cella_view plain,
                                       struct cella_bytes *out)
{
    CELLA_TRY(may_send(channel));
    if (plain.size > CELLA_MUTUAL_RECORD_MAX) {
        return CELLA_TOO_LARGE;
    }
    return fail(channel, seal_record(&channel->send, CELLA_MUTUAL_KIND_RECORD, plain, out));
}

cella_status cella_mutual_channel_close(struct cella_mutual_channel *channel, struct cella_bytes *out)
{
    CELLA_TRY(may_send(channel));
    CELLA_TRY(fail(channel, seal_record(&channel->send, CELLA_MUTUAL_KIND_CLOSE, (struct cella_view){ 0 }, out)));
    channel->send.closed = true;
    direction_clear(&channel->send);
    return CELLA_OK;
}

static cella_status open_record(struct direction *direction, struct cella_view record, enum cella_mutual_kind *kind,
                                struct cella_secret *out)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret plain = { 0 };
    struct cella_view body;
    uint8_t nonce[CELLA_GCM_NONCE_SIZE];
    CELLA_TRY(cella_mutual_message_split(record, kind, &body));
    if (direction->closed || (*kind != CELLA_MUTUAL_KIND_RECORD && *kind != CELLA_MUTUAL_KIND_CLOSE)) {
        return CELLA_BAD_STATE;
    }
    size_t size = body.size - CELLA_GCM_TAG_SIZE;
    CELLA_TRY(cella_secret_resize(&plain, size == 0 ? 1 : size)); /* OpenSSL wants an address */
    CELLA_TRY(next_nonce(direction, nonce));
    CELLA_TRY(cella_aead_open(direction->aead, nonce, cella_view_of(record.data, CELLA_MUTUAL_HEADER_SIZE), body,
                              plain.data));
    plain.size = size;
    cella_secret_take(out, &plain);
    return CELLA_OK;
}

cella_status cella_mutual_channel_open(struct cella_mutual_channel *channel, struct cella_view record,
                                       struct cella_secret *out)
{
    enum cella_mutual_kind kind;
    cella_secret_clear(out);
    if (channel->failure != CELLA_OK) {
        return channel->failure;
    }
    CELLA_TRY(fail(channel, open_record(&channel->receive, record, &kind, out)));
    if (kind == CELLA_MUTUAL_KIND_CLOSE) {
        channel->receive.closed = true;
        direction_clear(&channel->receive);
        cella_secret_clear(out);
        return CELLA_CLOSED;
    }
    return CELLA_OK;
}

cella_status cella_mutual_channel_end(const struct cella_mutual_channel *channel)
{
    if (channel->failure != CELLA_OK) {
        return channel->failure;
    }
    return channel->receive.closed ? CELLA_OK : CELLA_TRUNCATED;
}
