/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_kernel.h"

#include <string.h>

/* Built three times, with CELLA_ONNX_LEVEL and the compiler's options for the instruction set; see CMakeLists.txt. */
#if !defined(CELLA_ONNX_LEVEL)
#define CELLA_ONNX_LEVEL 0
#endif

#if CELLA_ONNX_LEVEL == 2
#define WIDTH 16
#define ROWS 12
#define SYMBOL cella_onnx_kernel_avx512
#define NAME "avx512"
#elif CELLA_ONNX_LEVEL == 1
#define WIDTH 8
#define ROWS 6
#define SYMBOL cella_onnx_kernel_avx2
#define NAME "avx2"
#else
#define WIDTH 4
#define ROWS 6
#define SYMBOL cella_onnx_kernel_portable
#define NAME "portable"
#endif

#define COLUMNS (2 * WIDTH)
#define INLINE static inline __attribute__((always_inline))

/* Whole vectors anywhere in memory. */
typedef float vector __attribute__((vector_size(WIDTH * 4), aligned(4), may_alias));
typedef int32_t mask __attribute__((vector_size(WIDTH * 4)));

extern const struct cella_onnx_kernel SYMBOL;

INLINE vector load(const float *from)
{
    return *(const vector *) from;
}

INLINE void store(float *to, vector value)
{
    *(vector *) to = value;
}

INLINE vector choose(mask which, vector yes, vector no)
{
    return (vector) (((mask) yes & which) | ((mask) no & ~which));
}

INLINE vector clipped(vector value, float low, float high)
{
    vector least = low - (vector){ 0 };
    vector most = high - (vector){ 0 };
    value = choose((mask) (value < least), least, value);
    return choose((mask) (value > most), most, value);
}

INLINE void tile_of(const size_t rows, size_t depth, const float *a, const float *b, float *c, size_t stride,
                    const struct cella_onnx_tile *end)
{
    vector sums[ROWS][2] = { 0 };
    for (size_t k = 0; k < depth; k++) {
        vector left = load(b);
        vector right = load(b + WIDTH);
#pragma GCC unroll 12
        for (size_t r = 0; r < rows; r++) {
            sums[r][0] += a[r] * left;
            sums[r][1] += a[r] * right;
        }
        a += rows;
        b += COLUMNS;
    }
#pragma GCC unroll 12
    for (size_t r = 0; r < rows; r++) {
        float *row = c + r * stride;
        if (end->bias != NULL) {
            sums[r][0] += end->bias[r];
            sums[r][1] += end->bias[r];
        }
        if (end->add) {
            sums[r][0] += load(row);
            sums[r][1] += load(row + WIDTH);
        }
        if (end->clip) {
            sums[r][0] = clipped(sums[r][0], end->low, end->high);
            sums[r][1] = clipped(sums[r][1], end->low, end->high);
        }
        store(row, sums[r][0]);
        store(row + WIDTH, sums[r][1]);
    }
}

static void tile(size_t rows, size_t depth, const float *a, const float *b, float *c, size_t stride,
                 const struct cella_onnx_tile *end)
{
    switch (rows) {
    case 1:
        tile_of(1, depth, a, b, c, stride, end);
        break;
    case 2:
        tile_of(2, depth, a, b, c, stride, end);
        break;
    case 4:
        tile_of(4, depth, a, b, c, stride, end);
        break;
#if ROWS > 8
    case 8:
        tile_of(8, depth, a, b, c, stride, end);
        break;
#endif
    default:
        tile_of(ROWS, depth, a, b, c, stride, end);
        break;
    }
}

/* Vectors of a row at once, so that sums do not wait for each other. */
INLINE void taps_of(const size_t vectors, const struct cella_onnx_taps *taps, const float *from, float *to)
{
    vector sums[4];
    for (size_t v = 0; v < vectors; v++) {
        sums[v] = taps->bias - (vector){ 0 };
    }
    for (size_t t = 0; t < taps->count; t++) {
        const float *tap = from + taps->offsets[t];
        float weight = taps->weights[t];
        for (size_t v = 0; v < vectors; v++) {
            sums[v] += weight * load(tap + v * WIDTH);
        }
    }
    for (size_t v = 0; v < vectors; v++) {
        if (taps->clip) {
            sums[v] = clipped(sums[v], taps->low, taps->high);
        }
        store(to + v * WIDTH, sums[v]);
    }
}

static void taps(const struct cella_onnx_taps *taps_given, const float *from, float *to, size_t width)
{
    size_t x = 0;
    for (; x + 4 * WIDTH <= width; x += 4 * WIDTH) {
        taps_of(4, taps_given, from + x, to + x);
    }
    for (; x + WIDTH <= width; x += WIDTH) {
        taps_of(1, taps_given, from + x, to + x);
    }
    if (x < width) {
        float rest[WIDTH];
        taps_of(1, taps_given, from + x, rest);
        memcpy(to + x, rest, (width - x) * sizeof(float));
    }
}

static void maximum(float *to, const float *from, size_t width)
{
    size_t x = 0;
    for (; x + WIDTH <= width; x += WIDTH) {
        vector old = load(to + x);
        vector new = load(from + x);
        store(to + x, choose((mask) (new > old), new, old));
    }
    for (; x < width; x++) {
        to[x] = from[x] > to[x] ? from[x] : to[x];
    }
}

static void gather(const float *from, const size_t *offsets, size_t depth, const struct cella_onnx_run *runs, size_t count,
                   float *to)
{
    for (size_t k = 0; k < depth; k++, to += COLUMNS) {
        const float *row = from + offsets[k];
        for (size_t r = 0; r < count; r++) {
            for (size_t x = 0; x < runs[r].count; x += WIDTH) {
                store(to + runs[r].to + x, load(row + runs[r].from + x));
            }
        }
    }
}

static void pick(const float *from, size_t stride, float *to, size_t count)
{
    size_t i = 0;
    if (stride == 1) {
        for (; i + WIDTH <= count; i += WIDTH) {
            store(to + i, load(from + i));
        }
        for (; i < count; i++) {
            to[i] = from[i];
        }
    } else if (stride == 2) {
        for (; i < count; i++) {
            to[i] = from[2 * i];
        }
    } else {
        for (; i < count; i++) {
            to[i] = from[i * stride];
        }
    }
}

static void add(float *to, const float *a, const float *b, size_t count, const struct cella_onnx_tile *end)
{
    size_t x = 0;
    float low = end->clip ? end->low : -__builtin_inff();
    float high = end->clip ? end->high : __builtin_inff();
    for (; x + WIDTH <= count; x += WIDTH) {
        store(to + x, clipped(load(a + x) + load(b + x), low, high));
    }
    for (; x < count; x++) {
        float sum = a[x] + b[x];
        to[x] = sum < low ? low : sum > high ? high : sum;
    }
}

const struct cella_onnx_kernel SYMBOL = {
    .name = NAME, .rows = ROWS, .columns = COLUMNS, .tile = tile, .taps = taps, .maximum = maximum, .gather = gather,
    .pick = pick, .add = add,
};
