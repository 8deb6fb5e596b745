/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_gemm.h"

#include <string.h>

#define WIDE_PANELS 16U /* of B in one part of a large product, at most */
#define ROOM_MAX 4194304U /* floats */
#define SMALL 50000U /* multiplications that are not worth dividing */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t up(size_t value, size_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* Rows of A with the last panel's padding. */
static size_t padded_rows(const struct cella_onnx_kernel *kernel, size_t rows)
{
    size_t full = rows / kernel->rows * kernel->rows;
    return full == rows ? full : full + cella_onnx_panel_rows(kernel, rows - full);
}

size_t cella_onnx_depth_block(size_t depth)
{
    size_t blocks = (depth + CELLA_ONNX_DEPTH_BLOCK - 1) / CELLA_ONNX_DEPTH_BLOCK;
    return blocks == 0 ? 1 : (depth + blocks - 1) / blocks;
}

size_t cella_onnx_packed_a(const struct cella_onnx_kernel *kernel, size_t rows, size_t depth)
{
    return padded_rows(kernel, rows) * depth;
}

size_t cella_onnx_packed_b(const struct cella_onnx_kernel *kernel, size_t depth, size_t columns)
{
    return up(columns, kernel->columns) * depth;
}

size_t cella_onnx_gemm_scratch(const struct cella_onnx_kernel *kernel)
{
    /* A panel of B with room for gathers that write whole vectors, and a tile. */
    return up(CELLA_ONNX_DEPTH_BLOCK * kernel->columns + 64, 16) + CELLA_ONNX_KERNEL_ROWS_MAX * kernel->columns + 64;
}

void cella_onnx_pack_a(const struct cella_onnx_kernel *kernel, struct cella_onnx_matrix from, size_t rows, size_t depth,
                       float *to)
{
    size_t block = cella_onnx_depth_block(depth);
    for (size_t first = 0; first < depth; first += block) {
        size_t end = least(first + block, depth);
        for (size_t row = 0; row < rows; row += kernel->rows) {
            size_t there = least(kernel->rows, rows - row);
            size_t panel = cella_onnx_panel_rows(kernel, there);
            for (size_t k = first; k < end; k++) {
                const float *source = from.data + row * from.row_stride + k * from.column_stride;
                for (size_t r = 0; r < panel; r++) {
                    *to++ = r < there ? source[r * from.row_stride] : 0.0f;
                }
            }
        }
    }
}

/* One panel of B. */
static void pack_panel(const struct cella_onnx_kernel *kernel, struct cella_onnx_matrix from, size_t first_row,
                       size_t depth, size_t first_column, size_t columns, float *to)
{
    size_t there = least(kernel->columns, columns - first_column);
    for (size_t k = first_row; k < first_row + depth; k++) {
        const float *source = from.data + k * from.row_stride + first_column * from.column_stride;
        if (from.column_stride == 1) {
            memcpy(to, source, there * sizeof(float));
        } else {
            for (size_t c = 0; c < there; c++) {
                to[c] = source[c * from.column_stride];
            }
        }
        memset(to + there, 0, (kernel->columns - there) * sizeof(float));
        to += kernel->columns;
    }
}

void cella_onnx_pack_b(const struct cella_onnx_kernel *kernel, struct cella_onnx_matrix from, size_t depth,
                       size_t columns, float *to)
{
    size_t block = cella_onnx_depth_block(depth);
    for (size_t first = 0; first < depth; first += block) {
        size_t here = least(block, depth - first);
        for (size_t column = 0; column < columns; column += kernel->columns) {
            pack_panel(kernel, from, first, here, column, columns, to);
            to += here * kernel->columns;
        }
    }
}

/* Copy between a tile and c, where the tile is at the edge or its pixels belong to several images. */
static void move_tile(const struct cella_onnx_gemm *product, size_t row, size_t rows, size_t column, size_t columns,
                      float *tile, bool out)
{
    size_t done = 0;
    while (done < columns) {
        size_t image = product->pixels == 0 ? 0 : (column + done) / product->pixels;
        size_t pixel = column + done - image * product->pixels;
        size_t count = product->pixels == 0 ? columns : least(columns - done, product->pixels - pixel);
        float *c = product->c + image * product->image + pixel;
        for (size_t r = 0; r < rows; r++) {
            float *outside = c + (row + r) * product->stride;
            float *inside = tile + r * product->kernel->columns + done;
            memcpy(out ? outside : inside, out ? inside : outside, count * sizeof(float));
        }
        done += count;
    }
}

static void compute_tile(const struct cella_onnx_gemm *product, size_t row, size_t column, size_t depth, const float *a,
                         const float *b, float *scratch_tile, const struct cella_onnx_tile *end)
{
    const struct cella_onnx_kernel *kernel = product->kernel;
    size_t rows = least(kernel->rows, product->rows - row);
    size_t panel = cella_onnx_panel_rows(kernel, rows);
    size_t columns = least(kernel->columns, product->columns - column);
    size_t image = product->pixels == 0 ? 0 : column / product->pixels;
    size_t pixel = column - image * product->pixels;
    bool inside = rows == panel && columns == kernel->columns &&
        (product->pixels == 0 || pixel + columns <= product->pixels);
    float biases[CELLA_ONNX_KERNEL_ROWS_MAX] = { 0 };
    struct cella_onnx_tile here = *end;
    if (end->bias != NULL) {
        memcpy(biases, end->bias + row, rows * sizeof(float));
        here.bias = biases;
    }
    if (inside) {
        float *c = product->c + image * product->image + row * product->stride + pixel;
        kernel->tile(panel, depth, a, b, c, product->stride, &here);
        return;
    }
    if (here.add) {
        move_tile(product, row, rows, column, columns, scratch_tile, false);
    }
    kernel->tile(panel, depth, a, b, scratch_tile, kernel->columns, &here);
    move_tile(product, row, rows, column, columns, scratch_tile, true);
}

/* How the product is divided: parts of column panels times parts of rows. */
struct division {
    const struct cella_onnx_gemm *product;
    size_t panels;    /* of B in one part */
    size_t rows;      /* in one part, whole panels */
    size_t row_parts;
    size_t parts;
};

static void part(void *context, size_t index, size_t thread)
{
    const struct division *division = context;
    const struct cella_onnx_gemm *product = division->product;
    const struct cella_onnx_kernel *kernel = product->kernel;
    size_t first_column = index / division->row_parts * division->panels * kernel->columns;
    size_t last_column = least(first_column + division->panels * kernel->columns, product->columns);
    size_t first_row = index % division->row_parts * division->rows;
    size_t last_row = least(first_row + division->rows, product->rows);
    float *panel = product->scratch + thread * cella_onnx_gemm_scratch(kernel);
    float *tile = panel + up(CELLA_ONNX_DEPTH_BLOCK * kernel->columns + 64, 16);
    size_t block = cella_onnx_depth_block(product->depth);
    size_t a_rows = padded_rows(kernel, product->rows);
    for (size_t k = 0; k < product->depth || k == 0; k += block) {
        size_t depth = least(block, product->depth - k);
        bool last = k + depth >= product->depth;
        struct cella_onnx_tile end = product->end;
        end.add = k > 0 || product->end.add;
        end.bias = last ? product->end.bias : NULL;
        end.clip = last && product->end.clip;
        for (size_t column = first_column; column < last_column; column += kernel->columns) {
            const float *b = panel;
            if (product->b != NULL) {
                b = product->b + k * up(product->columns, kernel->columns) + column * depth;
            } else {
                product->gather(product->context, k, depth, column, panel);
            }
            for (size_t row = first_row; row < last_row; row += kernel->rows) {
                compute_tile(product, row, column, depth, product->a + k * a_rows + row * depth, b, tile, &end);
            }
        }
    }
}

/* Parts of more than CELLA_ONNX_WORK_PART are divided again, so that a call can be cancelled inside one product. */
static void divide_again(struct division *division, size_t row_panels)
{
    const struct cella_onnx_gemm *product = division->product;
    const struct cella_onnx_kernel *kernel = product->kernel;
    double of_panel = (double) kernel->columns * (double) product->depth; /* steps of one row and one panel of B */
    if (of_panel * (double) division->panels * (double) division->rows <= CELLA_ONNX_WORK_PART) {
        return;
    }
    division->panels = least(division->panels, WIDE_PANELS);
    double rows = CELLA_ONNX_WORK_PART / (of_panel * (double) division->panels);
    size_t panels = rows >= (double) (row_panels * kernel->rows) ? row_panels : (size_t) rows / kernel->rows;
    division->rows = least(division->rows, (panels == 0 ? 1 : panels) * kernel->rows);
}

static struct division divide(const struct cella_onnx_gemm *product)
{
    const struct cella_onnx_kernel *kernel = product->kernel;
    size_t threads = cella_onnx_threads_count(product->threads);
    size_t column_panels = (product->columns + kernel->columns - 1) / kernel->columns;
    size_t row_panels = (product->rows + kernel->rows - 1) / kernel->rows;
    struct division division = { product, column_panels, row_panels * kernel->rows, 1, 0 };
    if (column_panels == 0 || row_panels == 0) {
        return division;
    }
    if (threads > 1 && product->rows * product->columns / 16 * product->depth > SMALL / 16) {
        division.panels = column_panels >= 8 * threads ? column_panels / (4 * threads) : 1;
        size_t column_parts = (column_panels + division.panels - 1) / division.panels;
        size_t wanted = column_parts >= 4 * threads ? 1 : least(4 * threads / column_parts + 1, row_panels);
        division.rows = (row_panels + wanted - 1) / wanted * kernel->rows;
    }
    divide_again(&division, row_panels);
    division.row_parts = (product->rows + division.rows - 1) / division.rows;
    division.parts = (column_panels + division.panels - 1) / division.panels * division.row_parts;
    return division;
}

size_t cella_onnx_gemm_room(const struct cella_onnx_gemm *product)
{
    size_t floats = up(product->columns, product->kernel->columns) * product->depth;
    return product->b == NULL && floats <= ROOM_MAX && divide(product).row_parts > 1 ? floats : 0;
}

/* All of one panel of B, to where it would be packed. Gathering writes past the panel's end, so it has a place of its own. */
static void gather_panel(void *context, size_t index, size_t thread)
{
    const struct cella_onnx_gemm *product = context;
    const struct cella_onnx_kernel *kernel = product->kernel;
    size_t column = index * kernel->columns;
    size_t block = cella_onnx_depth_block(product->depth);
    float *panel = product->scratch + thread * cella_onnx_gemm_scratch(kernel);
    for (size_t k = 0; k < product->depth; k += block) {
        size_t depth = least(block, product->depth - k);
        product->gather(product->context, k, depth, column, panel);
        memcpy(product->room + k * up(product->columns, kernel->columns) + column * depth, panel,
               depth * kernel->columns * sizeof(float));
    }
}

cella_status cella_onnx_gemm(const struct cella_onnx_gemm *product)
{
    size_t columns = product->kernel->columns;
    struct cella_onnx_gemm with_room = *product;
    struct division division = divide(product);
    if (product->room != NULL) {
        with_room.b = product->room;
        division.product = &with_room;
        CELLA_TRY(cella_onnx_parallel(product->threads, up(product->columns, columns) / columns,
                                      (double) columns * (double) product->depth, gather_panel, &with_room));
    }
    double steps = (double) least(division.rows, product->rows) * (double) (division.panels * columns) *
        (double) product->depth;
    return cella_onnx_parallel(product->threads, division.parts, steps, part, &division);
}
