/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/oblivious_sort.h"

#include <string.h>

/*
 * Everything below is written in vectors of 8 words, which the compiler maps to the processor's own; each kernel is made
 * for AVX-512, AVX2 and the plain processor. Vectors travel by address, so that no calling convention matters.
 */

typedef uint64_t words __attribute__((vector_size(64)));

#define LANES 8U
#define TILE CELLA_OBLIVIOUS_TILE
#define ROWS (TILE / LANES)
#define ELEMENTS_BETWEEN_PROGRESS (1U << 18)
#define INLINE static inline __attribute__((always_inline))

/* A vector of 128-bit numbers; low is not used when numbers have 64 bits. */
struct lanes {
    words high;
    words low;
};

/* What a sort is about. low is NULL when numbers have 64 bits. */
struct array {
    uint64_t *high;
    uint64_t *low;
};

/* Steps, for one kind of processor and number. */
struct kernels {
    /* The smaller of each pair (first[i], second[i]) goes to first, for i below count, a multiple of TILE. */
    void (*pass)(struct array first, struct array second, size_t count);
    /* Two passes in one: a, b, c, d follow each other at equal distances; (a, c) (b, d), then (a, b) (c, d). */
    void (*two_passes)(struct array a, struct array b, struct array c, struct array d, size_t count, bool descending);
    void (*sort_tile)(struct array at, bool descending);
    /* Sort tiles that are bitonic, as many as count elements are. */
    void (*merge_tiles)(struct array at, size_t count, bool descending);
};

INLINE void load(struct lanes *to, struct array from, size_t at, bool pair)
{
    memcpy(&to->high, from.high + at, sizeof(words));
    if (pair) {
        memcpy(&to->low, from.low + at, sizeof(words));
    }
}

INLINE void store(const struct lanes *from, struct array to, size_t at, bool pair)
{
    memcpy(to.high + at, &from->high, sizeof(words));
    if (pair) {
        memcpy(to.low + at, &from->low, sizeof(words));
    }
}

/* Masks, no branches: the smaller ones to a. */
INLINE void exchange(struct lanes *a, struct lanes *b, bool pair)
{
    words swap = (words) (b->high < a->high);
    if (pair) {
        swap |= (words) (b->high == a->high) & (words) (b->low < a->low);
        words difference = (a->low ^ b->low) & swap;
        a->low ^= difference;
        b->low ^= difference;
    }
    words difference = (a->high ^ b->high) & swap;
    a->high ^= difference;
    b->high ^= difference;
}

INLINE void pass(struct array first, struct array second, size_t count, bool pair)
{
    for (size_t i = 0; i < count; i += LANES) {
        struct lanes a;
        struct lanes b;
        load(&a, first, i, pair);
        load(&b, second, i, pair);
        exchange(&a, &b, pair);
        store(&a, first, i, pair);
        store(&b, second, i, pair);
    }
}

INLINE void two_passes(struct array a, struct array b, struct array c, struct array d, size_t count, bool descending,
                       bool pair)
{
    /* Descending is ascending from the other end. */
    struct array to[4] = { descending ? d : a, descending ? c : b, descending ? b : c, descending ? a : d };
    for (size_t i = 0; i < count; i += LANES) {
        struct lanes v[4];
        for (size_t j = 0; j < 4; j++) {
            load(&v[j], to[j], i, pair);
        }
        exchange(&v[0], &v[2], pair);
        exchange(&v[1], &v[3], pair);
        exchange(&v[0], &v[1], pair);
        exchange(&v[2], &v[3], pair);
        for (size_t j = 0; j < 4; j++) {
            store(&v[j], to[j], i, pair);
        }
    }
}

/* Exchange between rows whose distance is stride. */
INLINE void exchange_rows(struct lanes row[ROWS], size_t stride, bool pair)
{
    for (size_t i = 0; i < ROWS; i++) {
        if ((i & stride) == 0) {
            exchange(&row[i], &row[i + stride], pair);
        }
    }
}

/* One step of transposing: blocks of size that lie across change places. */
#define SWAP_BLOCKS(v, size, ...)                                                                                    \
    for (size_t i = 0; i < ROWS; i++) {                                                                              \
        if ((i & (size)) == 0) {                                                                                     \
            words upper = (v)[i];                                                                                    \
            words lower = (v)[i + (size)];                                                                           \
            (v)[i] = __builtin_shufflevector(upper, lower, FIRST_##size);                                            \
            (v)[i + (size)] = __builtin_shufflevector(upper, lower, SECOND_##size);                                  \
        }                                                                                                            \
    }
#define FIRST_1 0, 8, 2, 10, 4, 12, 6, 14
#define SECOND_1 1, 9, 3, 11, 5, 13, 7, 15
#define FIRST_2 0, 1, 8, 9, 4, 5, 12, 13
#define SECOND_2 2, 3, 10, 11, 6, 7, 14, 15
#define FIRST_4 0, 1, 2, 3, 8, 9, 10, 11
#define SECOND_4 4, 5, 6, 7, 12, 13, 14, 15

INLINE void transpose_words(words v[ROWS])
{
    SWAP_BLOCKS(v, 1)
    SWAP_BLOCKS(v, 2)
    SWAP_BLOCKS(v, 4)
}

INLINE void transpose(struct lanes row[ROWS], bool pair)
{
    words v[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        v[i] = row[i].high;
    }
    transpose_words(v);
    for (size_t i = 0; i < ROWS; i++) {
        row[i].high = v[i];
        v[i] = row[i].low;
    }
    if (pair) {
        transpose_words(v);
        for (size_t i = 0; i < ROWS; i++) {
            row[i].low = v[i];
        }
    }
}

/* Complement the lanes whose number has the bit: their order turns round. */
INLINE void complement_lanes(struct lanes row[ROWS], uint64_t bit)
{
    const words number = { 0, 1, 2, 3, 4, 5, 6, 7 };
    words mask = (words) ((number & bit) != 0);
    for (size_t i = 0; i < ROWS; i++) {
        row[i].high ^= mask;
        row[i].low ^= mask;
    }
}

/* The same for rows; a bit of 0 means all of them if everything is set. */
INLINE void complement_rows(struct lanes row[ROWS], size_t bit, bool everything)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (everything || (i & bit) != 0) {
            row[i].high = ~row[i].high;
            row[i].low = ~row[i].low;
        }
    }
}

/*
 * Bitonic sort of 64 elements. Where a run is to descend, its elements are complemented meanwhile. Element number e is at
 * first in lane e / 8 of row e % 8; for strides of 8 and more the tile is transposed, and so it is at the end.
 */
INLINE void sort_tile(struct array at, bool descending, bool pair)
{
    struct lanes row[ROWS] = { 0 };
    for (size_t i = 0; i < ROWS; i++) {
        load(&row[i], at, i * LANES, pair);
    }
    complement_rows(row, 2, false);
    exchange_rows(row, 1, pair);
    complement_rows(row, 2, false);
    complement_rows(row, 4, false);
    exchange_rows(row, 2, pair);
    exchange_rows(row, 1, pair);
    complement_rows(row, 4, false);
    for (size_t run = 1; run <= 8; run *= 2) { /* in units of 8 elements: sorted runs of so many */
        bool last = run == 8;
        if (last && descending) {
            complement_rows(row, 0, true);
        }
        complement_lanes(row, last ? 0 : run);
        if (run > 1) {
            transpose(row, pair);
            for (size_t stride = run / 2; stride > 0; stride /= 2) {
                exchange_rows(row, stride, pair);
            }
            transpose(row, pair);
        }
        exchange_rows(row, 4, pair);
        exchange_rows(row, 2, pair);
        exchange_rows(row, 1, pair);
        complement_lanes(row, last ? 0 : run);
        if (last && descending) {
            complement_rows(row, 0, true);
        }
    }
    transpose(row, pair);
    for (size_t i = 0; i < ROWS; i++) {
        store(&row[i], at, i * LANES, pair);
    }
}

INLINE void merge_tiles(struct array at, size_t count, bool descending, bool pair)
{
    for (size_t tile = 0; tile < count; tile += TILE) {
        struct lanes row[ROWS] = { 0 };
        for (size_t i = 0; i < ROWS; i++) {
            load(&row[i], at, tile + i * LANES, pair);
        }
        complement_rows(row, 0, descending);
        exchange_rows(row, 4, pair);
        exchange_rows(row, 2, pair);
        exchange_rows(row, 1, pair);
        transpose(row, pair);
        exchange_rows(row, 4, pair);
        exchange_rows(row, 2, pair);
        exchange_rows(row, 1, pair);
        transpose(row, pair);
        complement_rows(row, 0, descending);
        for (size_t i = 0; i < ROWS; i++) {
            store(&row[i], at, tile + i * LANES, pair);
        }
    }
}

/* The four steps for one kind of processor and number. */
#define KERNELS(suffix, attribute, pair)                                                                             \
    attribute static void pass_##suffix(struct array first, struct array second, size_t count)                       \
    {                                                                                                                \
        pass(first, second, count, pair);                                                                            \
    }                                                                                                                \
    attribute static void two_passes_##suffix(struct array a, struct array b, struct array c, struct array d,        \
                                              size_t count, bool descending)                                         \
    {                                                                                                                \
        two_passes(a, b, c, d, count, descending, pair);                                                             \
    }                                                                                                                \
    attribute static void sort_tile_##suffix(struct array at, bool descending)                                       \
    {                                                                                                                \
        sort_tile(at, descending, pair);                                                                             \
    }                                                                                                                \
    attribute static void merge_tiles_##suffix(struct array at, size_t count, bool descending)                       \
    {                                                                                                                \
        merge_tiles(at, count, descending, pair);                                                                    \
    }                                                                                                                \
    static const struct kernels kernels_##suffix = { pass_##suffix, two_passes_##suffix, sort_tile_##suffix,         \
                                                     merge_tiles_##suffix };

KERNELS(plain_pairs, , true)
KERNELS(plain, , false)
#ifdef __x86_64__
KERNELS(avx2_pairs, __attribute__((target("avx2"))), true)
KERNELS(avx2, __attribute__((target("avx2"))), false)
KERNELS(avx512_pairs, __attribute__((target("avx512f,avx512dq,avx512vl"))), true)
KERNELS(avx512, __attribute__((target("avx512f,avx512dq,avx512vl"))), false)
#endif

static const struct kernels *choose(bool pair)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        return pair ? &kernels_avx512_pairs : &kernels_avx512;
    }
    if (__builtin_cpu_supports("avx2")) {
        return pair ? &kernels_avx2_pairs : &kernels_avx2;
    }
#endif
    return pair ? &kernels_plain_pairs : &kernels_plain;
}

struct sort {
    struct cella_builtin_call *call;
    const struct kernels *kernels;
    struct array array;
    double done; /* comparators, about */
    double all;
    double from;
    double to;
};

static inline struct array offset(struct array array, size_t by)
{
    return (struct array){ array.high + by, array.low == NULL ? NULL : array.low + by };
}

/* Sort a bitonic sequence of count elements: a multiple of TILE, not only powers of two. */
static void merge(const struct sort *sort, struct array at, size_t count, bool descending)
{
    if (count >= 4 * TILE && (count & (count - 1)) == 0) {
        size_t quarter = count / 4;
        struct array parts[4];
        for (size_t i = 0; i < 4; i++) {
            parts[i] = offset(at, i * quarter);
        }
        sort->kernels->two_passes(parts[0], parts[1], parts[2], parts[3], quarter, descending);
        if (quarter <= TILE) {
            sort->kernels->merge_tiles(at, count, descending);
            return;
        }
        for (size_t i = 0; i < 4; i++) {
            merge(sort, parts[i], quarter, descending);
        }
        return;
    }
    if (count <= TILE) {
        sort->kernels->merge_tiles(at, count, descending);
        return;
    }
    size_t half = TILE; /* the greatest power of two below count */
    while (2 * half < count) {
        half *= 2;
    }
    struct array second = offset(at, half);
    sort->kernels->pass(descending ? second : at, descending ? at : second, count - half);
    merge(sort, at, half, descending);
    merge(sort, second, count - half, descending);
}

/* Depth is log2 of the count. */
static cella_status sort_part(struct sort *sort, struct array at, size_t count, bool descending)
{
    if (count <= TILE) {
        sort->kernels->sort_tile(at, descending);
        return CELLA_OK;
    }
    size_t half = count / TILE / 2 * TILE;
    CELLA_TRY(sort_part(sort, at, half, !descending));
    CELLA_TRY(sort_part(sort, offset(at, half), count - half, descending));
    merge(sort, at, count, descending);
    if (count < ELEMENTS_BETWEEN_PROGRESS) {
        return CELLA_OK;
    }
    sort->done += (double) count;
    double share = sort->done < sort->all ? sort->done / sort->all : 1;
    return cella_builtin_progress(sort->call, sort->from + (sort->to - sort->from) * share);
}

static cella_status run(struct cella_builtin_call *call, struct array array, size_t count, double from, double to)
{
    size_t room = cella_oblivious_room(count);
    if (room == 0) {
        return CELLA_OK;
    }
    memset(array.high + count, 0xff, (room - count) * sizeof(uint64_t));
    if (array.low != NULL) {
        memset(array.low + count, 0xff, (room - count) * sizeof(uint64_t));
    }
    struct sort sort = { .call = call, .kernels = choose(array.low != NULL), .array = array, .from = from, .to = to };
    for (size_t part = room; part >= ELEMENTS_BETWEEN_PROGRESS; part /= 2) {
        sort.all += (double) room;
    }
    return sort_part(&sort, array, room, false);
}

cella_status cella_oblivious_sort_pairs(struct cella_builtin_call *call, uint64_t *high, uint64_t *low, size_t count,
                                        double from, double to)
{
    return run(call, (struct array){ high, low }, count, from, to);
}

cella_status cella_oblivious_sort(struct cella_builtin_call *call, uint64_t *numbers, size_t count, double from,
                                  double to)
{
    return run(call, (struct array){ numbers, NULL }, count, from, to);
}

/* All ones if row b is less than row a. Word by word, from the last one: an earlier word that differs decides. */
static uint64_t less_mask(const uint64_t *b, const uint64_t *a, size_t width)
{
    uint64_t less = 0;
    for (size_t i = width; i-- > 0;) {
        uint64_t below = (uint64_t) 0 - (uint64_t) (b[i] < a[i]);
        uint64_t above = (uint64_t) 0 - (uint64_t) (a[i] < b[i]);
        less = (less & ~above) | below;
    }
    return less;
}

static void exchange_wide(uint64_t *a, uint64_t *b, size_t width)
{
    uint64_t swap = less_mask(b, a, width);
    for (size_t i = 0; i < width; i++) {
        uint64_t difference = (a[i] ^ b[i]) & swap;
        a[i] ^= difference;
        b[i] ^= difference;
    }
}

/* Batcher's odd-even merge sort, as Knuth's algorithm 5.2.2M has it: for any count. */
cella_status cella_oblivious_sort_rows(struct cella_builtin_call *call, uint64_t *rows, size_t width, size_t count)
{
    for (size_t p = 1; p < count; p *= 2) {
        for (size_t k = p; k >= 1; k /= 2) {
            for (size_t j = k % p; j + k < count; j += 2 * k) {
                for (size_t i = j; i < j + k && i + k < count; i++) {
                    if (i / (2 * p) == (i + k) / (2 * p)) {
                        exchange_wide(rows + i * width, rows + (i + k) * width, width);
                    }
                }
            }
            CELLA_TRY(cella_builtin_progress(call, 0.95));
        }
    }
    return CELLA_OK;
}
