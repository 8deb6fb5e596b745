/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"
#include "builtins/oblivious_sort.h"
#include "builtins/psi.h"

#include <string.h>

/*
 * All parties' records (96 bits of hash, 32 bits of number; parties one after the other) are sorted together: equal ids
 * then follow each other, in the order of parties. Two sweeps find which of these runs have all parties, and a second
 * sort brings the answers back into the order of the ids.
 */

struct oblivious {
    struct cella_psi *psi;
    uint64_t *high; /* hash; later number * 2 + flag */
    uint64_t *low;  /* 32 bits of hash, then the number of the record */
    uint8_t *seen;  /* how many parties the run of equal ids has so far */
    size_t count;
    size_t room;
    uint64_t first[CELLA_BUILTIN_GROUP_MAX + 1]; /* number of each party's first record */
};

static void release(struct oblivious *all)
{
    free(all->high);
    free(all->low);
    free(all->seen);
}

static cella_status enlarge(uint64_t **array, size_t count, size_t room)
{
    uint64_t *larger = aligned_alloc(64, room * sizeof(uint64_t));
    if (larger == NULL) {
        return CELLA_NO_MEMORY;
    }
    if (count > 0) {
        memcpy(larger, *array, count * sizeof(uint64_t));
    }
    free(*array);
    *array = larger;
    return CELLA_OK;
}

static cella_status gather(void *context, const struct cella_ids *ids, const struct cella_hash *hashes)
{
    struct oblivious *all = context;
    if (all->count + ids->count > CELLA_PSI_IDS_MAX) {
        return cella_builtin_refuse(all->psi->call, "%s, line %llu: more than %u ids of all parties in oblivious mode",
                                    ids->input->name, (unsigned long long) ids->before + 1, CELLA_PSI_IDS_MAX);
    }
    if (all->count + CELLA_IDS_BATCH > all->room) {
        size_t room = cella_oblivious_room(2 * all->room + CELLA_IDS_BATCH);
        CELLA_TRY(enlarge(&all->high, all->count, room));
        CELLA_TRY(enlarge(&all->low, all->count, room));
        all->room = room;
    }
    for (size_t i = 0; i < ids->count; i++) {
        /* An empty id is equal to none, as its number is nobody else's. */
        bool empty = ids->ids[i].size == 0;
        all->high[all->count] = empty ? all->count : hashes[i].high;
        all->low[all->count] = (empty ? 0 : hashes[i].low << 32) | all->count;
        all->count++;
    }
    return CELLA_OK;
}

/* Which party a record is of: counted, so that nothing depends on the answer. */
static inline uint32_t party_of(const struct oblivious *all, uint64_t number)
{
    uint32_t party = 0;
    for (size_t i = 1; i < all->psi->party_count; i++) {
        party += number >= all->first[i];
    }
    return party;
}

/* All ones if both are the same, without a branch. */
static inline uint64_t equal_mask(uint64_t a, uint64_t b)
{
    uint64_t difference = a ^ b;
    return ((difference | (0 - difference)) >> 63) - 1;
}

static inline uint64_t same_id(const struct oblivious *all, size_t i, size_t j)
{
    return equal_mask(all->high[i], all->high[j]) & equal_mask(all->low[i] >> 32, all->low[j] >> 32);
}

/* Forward: how many parties the run has up to here. */
static void count_parties(struct oblivious *all)
{
    uint64_t seen = 1;
    uint32_t before = party_of(all, all->low[0] & 0xffffffffU);
    all->seen[0] = 1;
    for (size_t i = 1; i < all->count; i++) {
        uint32_t party = party_of(all, all->low[i] & 0xffffffffU);
        uint64_t more = 1 & ~equal_mask(party, before);
        seen = 1 + (same_id(all, i, i - 1) & (seen - 1 + more));
        all->seen[i] = (uint8_t) seen;
        before = party;
    }
}

/*
 * Backward: the last one of a run knows how many parties it has, and tells those before it. Leaves number * 2 + flag in
 * high. once: the party of which only the first one of equal ids is flagged is the first one, so it is the run's first.
 */
static uint64_t tell(struct oblivious *all, bool once)
{
    uint64_t common = 0;
    uint64_t complete = 0; /* a mask: the run of the record behind is */
    uint64_t same = 0;     /* a mask: the record behind has the same id */
    for (size_t i = all->count; i-- > 0;) {
        uint64_t here = equal_mask(all->seen[i], all->psi->party_count);
        complete = (same & complete) | (~same & here);
        uint64_t ahead = i > 0 ? same_id(all, i, i - 1) : 0;
        uint64_t first = complete & ~ahead & 1;
        common += first;
        uint64_t flag = once ? first : complete & 1;
        all->high[i] = (all->low[i] & 0xffffffffU) << 1 | flag;
        same = ahead;
    }
    return common;
}

static cella_status answer(struct oblivious *all)
{
    struct cella_psi *psi = all->psi;
    for (size_t i = 0; i < psi->party_count; i++) {
        struct cella_psi_party *party = &psi->parties[i];
        if (!party->wanted) {
            continue;
        }
        party->flags = malloc(party->count + 1);
        if (party->flags == NULL) {
            return CELLA_NO_MEMORY;
        }
        for (uint64_t j = 0; j < party->count; j++) {
            party->flags[j] = (uint8_t) ('0' + (all->high[all->first[i] + j] & 1));
        }
    }
    return CELLA_OK;
}

cella_status cella_psi_oblivious(struct cella_psi *psi)
{
    CELLA_CLEANUP(release) struct oblivious all = { .psi = psi };
    for (size_t i = 0; i < psi->party_count; i++) {
        all.first[i] = all.count;
        CELLA_TRY(cella_psi_read(psi, &psi->parties[i], gather, &all));
    }
    if (all.count > 0) {
        all.seen = malloc(all.count);
        if (all.seen == NULL) {
            return CELLA_NO_MEMORY;
        }
        CELLA_TRY(cella_oblivious_sort_pairs(psi->call, all.high, all.low, all.count, 0.5, 0.8));
        count_parties(&all);
        psi->common = tell(&all, psi->parties[0].once);
        CELLA_TRY(cella_oblivious_sort(psi->call, all.high, all.count, 0.8, 0.95));
    }
    return answer(&all);
}
