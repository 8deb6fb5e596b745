/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/wire.h"

#define MAGIC "CSNP"
#define LEAVES_PIECE 8192U
#define LEAF_SIZE sizeof(struct cella_merkle_hash)
#define ITEM_MAX ((size_t) 1 << 30)
#define CHARTER_MAX ((size_t) 1 << 20)

static cella_status derive(const struct cella_secret *ledger_key, struct cella_secret *out)
{
    CELLA_TRY(cella_secret_resize(out, CELLA_SEALED_KEY_SIZE));
    return cella_hkdf(CELLA_HASH_SHA256, cella_secret_view(ledger_key), cella_view_of(NULL, 0),
                      cella_view_of_string("cella ledger snapshot v1"), out);
}

static cella_status associate(const struct cella_snapshot_binding *binding, struct cella_view prefix,
                              struct cella_bytes *out)
{
    CELLA_TRY(cella_bytes_set(out, prefix));
    CELLA_TRY(cella_write_field(out, cella_view_of_string(binding->executor)));
    return cella_write_field(out, cella_view_of(binding->measurement, CELLA_SHA256_SIZE));
}

/* ---- writing ---- */

uint64_t cella_snapshot_size(const struct cella_snapshot_source *source)
{
    return source->chain->size + source->more_leaves.size / LEAF_SIZE;
}

/* Items as fields. */
struct framing {
    cella_image_sink sink;
    void *context;
};

static cella_status frame(void *context, struct cella_view item)
{
    const struct framing *framing = context;
    const uint8_t size[4] = { (uint8_t) (item.size >> 24), (uint8_t) (item.size >> 16), (uint8_t) (item.size >> 8),
                              (uint8_t) item.size };
    if (item.size > ITEM_MAX) {
        return CELLA_TOO_LARGE;
    }
    CELLA_TRY(framing->sink(framing->context, cella_view_of(size, sizeof(size))));
    return framing->sink(framing->context, item);
}

static cella_status write_position(const struct cella_snapshot_source *source, struct framing *framing)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes item = { 0 };
    CELLA_TRY(cella_write_u64(&item, cella_snapshot_size(source)));
    CELLA_TRY(cella_bytes_append(&item, cella_view_of(source->head, CELLA_SHA256_SIZE)));
    CELLA_TRY(cella_bytes_append(&item, cella_view_of(source->tag, CELLA_GCM_TAG_SIZE)));
    CELLA_TRY(cella_write_u64(&item, source->epochs));
    CELLA_TRY(cella_write_u8(&item, source->opened->anchored ? 1 : 0));
    CELLA_TRY(cella_bytes_append(&item, cella_view_of(source->opened->found, CELLA_SHA256_SIZE)));
    CELLA_TRY(cella_bytes_append(&item, cella_view_of(source->opened->hash, CELLA_SHA256_SIZE)));
    CELLA_TRY(cella_write_field(&item, source->charter));
    return frame(framing, cella_bytes_view(&item));
}

static struct cella_view leaf_of(const struct cella_snapshot_source *source, uint64_t index)
{
    const struct cella_chain *chain = source->chain;
    const uint8_t *leaf = index < chain->size ? chain->nodes.data + cella_merkle_place(0, index) * LEAF_SIZE
                                              : source->more_leaves.data + (index - chain->size) * LEAF_SIZE;
    return cella_view_of(leaf, LEAF_SIZE);
}

static cella_status write_leaves(const struct cella_snapshot_source *source, struct framing *framing)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes item = { 0 };
    uint64_t size = cella_snapshot_size(source);
    for (uint64_t i = 0; i < size; i++) {
        CELLA_TRY(cella_bytes_append(&item, leaf_of(source, i)));
        if ((i + 1) % LEAVES_PIECE == 0 || i + 1 == size) {
            CELLA_TRY(frame(framing, cella_bytes_view(&item)));
            item.size = 0;
        }
    }
    return CELLA_OK;
}

cella_status cella_snapshot_write(const struct cella_snapshot_source *source, cella_image_sink sink, void *context)
{
    struct framing framing = { sink, context };
    CELLA_TRY(write_position(source, &framing));
    CELLA_TRY(write_leaves(source, &framing));
    return cella_image_write(source->state, frame, &framing);
}

cella_status cella_snapshot_sealer_new(const struct cella_snapshot_binding *binding, uint64_t size,
                                       cella_sealed_sink sink, void *context, struct cella_sealed_writer **out)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes prefix = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes associated = { 0 };
    CELLA_TRY(cella_bytes_set(&prefix, cella_view_of_string(MAGIC)));
    CELLA_TRY(cella_write_u16(&prefix, CELLA_SNAPSHOT_VERSION));
    CELLA_TRY(cella_write_u64(&prefix, size));
    CELLA_TRY(derive(binding->ledger_key, &key));
    CELLA_TRY(associate(binding, cella_bytes_view(&prefix), &associated));
    CELLA_TRY(sink(context, cella_bytes_view(&prefix)));
    return cella_sealed_writer_new(&cella_sealed_1mb, &key, cella_bytes_view(&associated), sink, context, out);
}

/* ---- reading ---- */

uint64_t cella_snapshot_claim(struct cella_view prefix)
{
    struct cella_reader reader = cella_reader_of(prefix);
    struct cella_view magic = { 0 };
    uint16_t version = 0;
    uint64_t size = 0;
    bool whole = cella_read_view(&reader, sizeof(MAGIC) - 1, &magic) == CELLA_OK &&
                 cella_read_u16(&reader, &version) == CELLA_OK && cella_read_u64(&reader, &size) == CELLA_OK;
    return whole && cella_view_is(magic, MAGIC) && version == CELLA_SNAPSHOT_VERSION ? size : 0;
}

struct cella_snapshot_reader {
    struct cella_snapshot_binding binding;
    struct cella_replay *replay;
    struct cella_bytes prefix;          /* until it is complete */
    struct cella_sealed_reader *sealed; /* from then on */
    struct cella_bytes plain;           /* items that are not complete */
    bool placed;                        /* the first item has come */
    uint64_t size;
    uint8_t head[CELLA_SHA256_SIZE];
    struct cella_image_reader *image;
};

cella_status cella_snapshot_reader_new(const struct cella_snapshot_binding *binding, struct cella_replay *replay,
                                       struct cella_snapshot_reader **out)
{
    struct cella_snapshot_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return CELLA_NO_MEMORY;
    }
    reader->binding = *binding;
    reader->replay = replay;
    cella_status status = cella_image_reader_new(replay->state, &reader->image);
    if (status != CELLA_OK) {
        cella_snapshot_reader_free(reader);
        return status;
    }
    *out = reader;
    return CELLA_OK;
}

void cella_snapshot_reader_free(struct cella_snapshot_reader *reader)
{
    if (reader != NULL) {
        cella_bytes_clear(&reader->prefix);
        cella_bytes_clear(&reader->plain);
        cella_sealed_reader_free(reader->sealed);
        cella_image_reader_free(reader->image);
        free(reader);
    }
}

static cella_status take_position(struct cella_snapshot_reader *reader, struct cella_view item)
{
    struct cella_replay *replay = reader->replay;
    struct cella_reader in = cella_reader_of(item);
    struct cella_view charter;
    uint8_t anchored;
    CELLA_TRY(cella_read_u64(&in, &reader->size));
    CELLA_TRY(cella_read_fixed(&in, reader->head, sizeof(reader->head)));
    CELLA_TRY(cella_read_fixed(&in, replay->tag, sizeof(replay->tag)));
    CELLA_TRY(cella_read_u64(&in, &replay->epochs));
    CELLA_TRY(cella_read_u8(&in, &anchored));
    CELLA_TRY(cella_read_fixed(&in, replay->opened.found, sizeof(replay->opened.found)));
    CELLA_TRY(cella_read_fixed(&in, replay->opened.hash, sizeof(replay->opened.hash)));
    replay->opened.anchored = anchored != 0;
    CELLA_TRY(cella_read_field(&in, CHARTER_MAX, &charter));
    CELLA_TRY(cella_bytes_set(&replay->genesis.charter, charter));
    memcpy(replay->genesis.executor, reader->binding.executor, sizeof(replay->genesis.executor));
    reader->placed = true;
    bool as_claimed = reader->size > 0 && reader->size == cella_snapshot_claim(cella_bytes_view(&reader->prefix));
    return as_claimed ? cella_reader_end(&in) : CELLA_BAD_FORMAT;
}

/* Every one of them is added with the hash of the last record: the chain ends there. */
static cella_status take_leaves(struct cella_snapshot_reader *reader, struct cella_view item)
{
    struct cella_chain *chain = &reader->replay->chain;
    struct cella_reader in = cella_reader_of(item);
    struct cella_record_mark mark = { 0 };
    memcpy(mark.hash, reader->head, sizeof(mark.hash));
    while (in.rest.size > 0) {
        CELLA_TRY(cella_read_fixed(&in, mark.leaf.bytes, sizeof(mark.leaf.bytes)));
        if (chain->size == reader->size) {
            return CELLA_BAD_FORMAT;
        }
        CELLA_TRY(cella_chain_add(chain, &mark));
    }
    return CELLA_OK;
}

static cella_status take_item(struct cella_snapshot_reader *reader, struct cella_view item)
{
    if (!reader->placed) {
        return take_position(reader, item);
    }
    return reader->replay->chain.size < reader->size ? take_leaves(reader, item) : cella_image_take(reader->image, item);
}

static cella_status take_plain(void *context, struct cella_view bytes)
{
    struct cella_snapshot_reader *reader = context;
    size_t used = 0;
    CELLA_TRY(cella_bytes_append(&reader->plain, bytes));
    while (reader->plain.size - used >= 4) {
        struct cella_reader in = cella_reader_of(cella_view_of(reader->plain.data + used, reader->plain.size - used));
        uint32_t size;
        CELLA_TRY(cella_read_u32(&in, &size));
        if (size > ITEM_MAX) {
            return CELLA_BAD_FORMAT;
        }
        if (in.rest.size < size) {
            break;
        }
        CELLA_TRY(take_item(reader, cella_view_of(in.rest.data, size)));
        used += 4 + (size_t) size;
    }
    cella_bytes_consume(&reader->plain, used);
    return CELLA_OK;
}

static cella_status open_sealed(struct cella_snapshot_reader *reader)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes associated = { 0 };
    if (cella_snapshot_claim(cella_bytes_view(&reader->prefix)) == 0) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_TRY(derive(reader->binding.ledger_key, &key));
    CELLA_TRY(associate(&reader->binding, cella_bytes_view(&reader->prefix), &associated));
    return cella_sealed_reader_new(&cella_sealed_1mb, &key, cella_bytes_view(&associated), take_plain, reader,
                                   &reader->sealed);
}

/* Whatever is wrong with it: it is no snapshot for us. */
static cella_status judge(cella_status status)
{
    bool passed_on = status == CELLA_OK || status == CELLA_NO_MEMORY || status == CELLA_CRYPTO_FAILED;
    return passed_on ? status : CELLA_BAD_LEDGER;
}

static cella_status update(struct cella_snapshot_reader *reader, struct cella_view bytes)
{
    if (reader->sealed == NULL) {
        size_t missing = CELLA_SNAPSHOT_PREFIX_SIZE - reader->prefix.size;
        size_t count = bytes.size < missing ? bytes.size : missing;
        CELLA_TRY(cella_bytes_append(&reader->prefix, cella_view_of(bytes.data, count)));
        bytes = cella_view_of(bytes.data + count, bytes.size - count);
        if (reader->prefix.size < CELLA_SNAPSHOT_PREFIX_SIZE) {
            return CELLA_OK;
        }
        CELLA_TRY(open_sealed(reader));
    }
    return bytes.size == 0 ? CELLA_OK : cella_sealed_reader_update(reader->sealed, bytes);
}

cella_status cella_snapshot_reader_update(struct cella_snapshot_reader *reader, struct cella_view bytes)
{
    return judge(update(reader, bytes));
}

cella_status cella_snapshot_reader_finish(struct cella_snapshot_reader *reader)
{
    if (reader->sealed == NULL) {
        return CELLA_BAD_LEDGER;
    }
    CELLA_TRY(judge(cella_sealed_reader_finish(reader->sealed)));
    bool whole = reader->placed && reader->plain.size == 0 && reader->replay->chain.size == reader->size &&
                 cella_image_is_whole(reader->image);
    return whole ? CELLA_OK : CELLA_BAD_LEDGER;
}
