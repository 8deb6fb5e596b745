/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"
#include "builtins/psi.h"

#include <string.h>
#include <sys/mman.h>

/*
 * Records of (hash, number of id) are dealt out to partitions by their hash, so that the table of a partition fits the
 * processor's cache. The ids of the smallest party go into the table; each other party moves the count of ids that all
 * so far have. Nobody knows the key of the hash, so partitions have alike many different ids.
 */

#define PARTITION_RECORDS 2048U /* of the smallest party, about */
#define PARTITION_BITS_MAX 10U
#define STREAM_SIZE (8U << 20) /* of which nobody knows the size: few partitions, so that small ones stay small */
#define CHUNK_RECORDS 255U
#define SLAB_SIZE (2U << 20)
#define SLAB_SIZE_LEAST (64U << 10)

struct record {
    uint64_t high;
    uint32_t low;
    uint32_t number; /* of a record: of the id; of a slot: how many parties had it so far, 0 in an empty one */
};

struct chunk {
    struct chunk *next;
    uint64_t count;
    struct record records[CHUNK_RECORDS];
};

/* Where the next record of a partition goes. */
struct stream {
    struct record *next;
    struct record *end;
    struct chunk *first;
    struct chunk *last;
};

struct slab {
    struct slab *next;
};

struct fast {
    struct cella_psi *psi;
    unsigned int bits;       /* of the number of partitions */
    struct stream *streams;  /* party_count rows of 2^bits */
    struct stream *dealing;  /* the row of the party that is read */
    struct slab *slabs;
    size_t slab_size;
    struct chunk *free_chunks; /* in the newest slab */
    size_t free_count;
    struct record *slots;
    size_t slot_count; /* a power of two */
    size_t used;
    size_t order[CELLA_BUILTIN_GROUP_MAX]; /* parties, the smallest first */
};

static void release(struct fast *fast)
{
    while (fast->slabs != NULL) {
        struct slab *next = fast->slabs->next;
        free(fast->slabs);
        fast->slabs = next;
    }
    free(fast->streams);
    free(fast->slots);
}

static cella_status add_slab(struct fast *fast)
{
    struct slab *slab = aligned_alloc(fast->slab_size, fast->slab_size);
    if (slab == NULL) {
        return CELLA_NO_MEMORY;
    }
    if (fast->slab_size == SLAB_SIZE) {
        (void) madvise(slab, fast->slab_size, MADV_HUGEPAGE); /* faster if it works, right if it does not */
    }
    slab->next = fast->slabs;
    fast->slabs = slab;
    fast->free_chunks = (struct chunk *) (slab + 1);
    fast->free_count = (fast->slab_size - sizeof(*slab)) / sizeof(struct chunk);
    fast->slab_size = SLAB_SIZE;
    return CELLA_OK;
}

static cella_status add_chunk(struct fast *fast, struct stream *stream)
{
    if (fast->free_count == 0) {
        CELLA_TRY(add_slab(fast));
    }
    struct chunk *chunk = fast->free_chunks++;
    fast->free_count--;
    chunk->next = NULL;
    chunk->count = CHUNK_RECORDS;
    if (stream->last == NULL) {
        stream->first = chunk;
    } else {
        stream->last->next = chunk;
    }
    stream->last = chunk;
    stream->next = chunk->records;
    stream->end = chunk->records + CHUNK_RECORDS;
    return CELLA_OK;
}

static cella_status deal(void *context, const struct cella_ids *ids, const struct cella_hash *hashes)
{
    struct fast *fast = context;
    unsigned int shift = 63 - fast->bits;
    for (size_t i = 0; i < ids->count; i++) {
        if (ids->ids[i].size == 0) {
            continue;
        }
        struct stream *stream = &fast->dealing[hashes[i].high >> 1 >> shift];
        if (stream->next == stream->end) {
            CELLA_TRY(add_chunk(fast, stream));
        }
        *stream->next++ = (struct record){ hashes[i].high, (uint32_t) hashes[i].low, (uint32_t) (ids->before + i) };
    }
    return CELLA_OK;
}

/* Where a record is in the table, or would be. */
static inline struct record *find(const struct fast *fast, const struct record *record)
{
    size_t mask = fast->slot_count - 1;
    size_t at = record->high & mask;
    while (fast->slots[at].number != 0 &&
           ((fast->slots[at].high ^ record->high) | (fast->slots[at].low ^ record->low)) != 0) {
        at = (at + 1) & mask;
    }
    return &fast->slots[at];
}

static cella_status grow(struct fast *fast)
{
    struct record *old = fast->slots;
    size_t old_count = fast->slot_count;
    size_t count = old_count == 0 ? 64 : 2 * old_count;
    struct record *slots = calloc(count, sizeof(*slots));
    if (slots == NULL) {
        return CELLA_NO_MEMORY;
    }
    fast->slots = slots;
    fast->slot_count = count;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].number != 0) {
            *find(fast, &old[i]) = old[i];
        }
    }
    free(old);
    return CELLA_OK;
}

/* The ids of the smallest party. */
static cella_status fill_table(struct fast *fast, const struct stream *stream)
{
    fast->used = 0;
    if (fast->slots == NULL) {
        CELLA_TRY(grow(fast)); /* so that one can look for an id even if there is none */
    }
    memset(fast->slots, 0, fast->slot_count * sizeof(*fast->slots));
    for (const struct chunk *chunk = stream->first; chunk != NULL; chunk = chunk->next) {
        for (size_t i = 0; i < chunk->count; i++) {
            if (2 * fast->used >= fast->slot_count) {
                CELLA_TRY(grow(fast));
            }
            struct record *slot = find(fast, &chunk->records[i]);
            fast->used += slot->number == 0;
            *slot = chunk->records[i];
            slot->number = 1;
        }
    }
    return CELLA_OK;
}

/* Is the id of a slot common? Of a party whose equal ids are flagged once, only the first one that asks hears so. */
static inline uint8_t flag_of(struct record *slot, uint32_t all, bool once)
{
    bool common = slot->number == all;
    slot->number += common && once;
    return common ? '1' : '0';
}

/* Party number place in the order: which ids do it and all before it have? flagged: the last party, if it wants flags. */
static void match(struct fast *fast, const struct stream *stream, size_t place, const struct cella_psi_party *flagged)
{
    uint32_t all = (uint32_t) fast->psi->party_count;
    uint64_t common = 0;
    for (const struct chunk *chunk = stream->first; chunk != NULL; chunk = chunk->next) {
        for (size_t i = 0; i < chunk->count; i++) {
            struct record *slot = find(fast, &chunk->records[i]);
            /* Without a branch, which would be guessed wrong half of the time. */
            bool moves = slot->number == place;
            slot->number += moves;
            common += (uint64_t) (moves & (slot->number == all));
            if (flagged != NULL) {
                flagged->flags[chunk->records[i].number] = flag_of(slot, all, flagged->once);
            }
        }
    }
    fast->psi->common += common;
}

static void answer(const struct fast *fast, const struct stream *stream, const struct cella_psi_party *flagged)
{
    uint32_t all = (uint32_t) fast->psi->party_count;
    for (const struct chunk *chunk = stream->first; chunk != NULL; chunk = chunk->next) {
        for (size_t i = 0; i < chunk->count; i++) {
            struct record *slot = find(fast, &chunk->records[i]);
            flagged->flags[chunk->records[i].number] = flag_of(slot, all, flagged->once);
        }
    }
}

static cella_status do_partition(struct fast *fast, size_t partition)
{
    struct cella_psi *psi = fast->psi;
    size_t last = psi->party_count - 1;
    struct stream *streams = fast->streams + partition;
    CELLA_TRY(fill_table(fast, &streams[fast->order[0] << fast->bits]));
    for (size_t place = 1; place <= last; place++) {
        size_t party = fast->order[place];
        bool flagged = place == last && psi->parties[party].wanted;
        match(fast, &streams[party << fast->bits], place, flagged ? &psi->parties[party] : NULL);
    }
    for (size_t place = 0; place < last; place++) {
        size_t party = fast->order[place];
        if (psi->parties[party].wanted) {
            answer(fast, &streams[party << fast->bits], &psi->parties[party]);
        }
    }
    return CELLA_OK;
}

/* By how much there is to read. */
static unsigned int choose_bits(const struct cella_psi *psi)
{
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < psi->party_count; i++) {
        const struct cella_builtin_input *input = psi->parties[i].input;
        size_t size = input->read != NULL ? STREAM_SIZE : input->bytes.size;
        least = size < least ? size : least;
    }
    unsigned int bits = 0;
    while (bits < PARTITION_BITS_MAX && least / 16 >> bits > PARTITION_RECORDS) {
        bits++;
    }
    return bits;
}

static void sort_parties(struct fast *fast)
{
    const struct cella_psi_party *parties = fast->psi->parties;
    for (size_t i = 0; i < fast->psi->party_count; i++) {
        size_t at = i;
        for (; at > 0 && parties[fast->order[at - 1]].count > parties[i].count; at--) {
            fast->order[at] = fast->order[at - 1];
        }
        fast->order[at] = i;
    }
}

static cella_status read_parties(struct fast *fast)
{
    struct cella_psi *psi = fast->psi;
    for (size_t i = 0; i < psi->party_count; i++) {
        struct cella_psi_party *party = &psi->parties[i];
        fast->dealing = fast->streams + (i << fast->bits);
        CELLA_TRY(cella_psi_read(psi, party, deal, fast));
        for (size_t j = 0; j < (size_t) 1 << fast->bits; j++) {
            struct stream *stream = &fast->dealing[j];
            if (stream->last != NULL) {
                stream->last->count = (uint64_t) (stream->next - stream->last->records);
            }
        }
        if (party->wanted) {
            party->flags = malloc(party->count + 1);
            if (party->flags == NULL) {
                return CELLA_NO_MEMORY;
            }
            memset(party->flags, '0', party->count);
        }
    }
    return CELLA_OK;
}

cella_status cella_psi_fast(struct cella_psi *psi)
{
    CELLA_CLEANUP(release) struct fast fast = { .psi = psi, .bits = choose_bits(psi), .slab_size = SLAB_SIZE_LEAST };
    fast.streams = calloc(psi->party_count << fast.bits, sizeof(*fast.streams));
    if (fast.streams == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(read_parties(&fast));
    sort_parties(&fast);
    size_t count = (size_t) 1 << fast.bits;
    for (size_t i = 0; i < count; i++) {
        CELLA_TRY(do_partition(&fast, i));
        CELLA_TRY(cella_builtin_progress(psi->call, 0.5 + 0.5 * (double) i / (double) count));
    }
    return CELLA_OK;
}
