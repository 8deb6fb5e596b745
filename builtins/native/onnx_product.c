/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_copy.h"
#include "builtins/native/onnx_gemm.h"
#include "builtins/native/onnx_operators.h"

#include <string.h>

/* One or several products of the same size. */
struct product {
    struct cella_onnx_step *step;
    size_t rows;
    size_t columns;
    size_t depth;
    bool constant_b; /* pack it once */
    bool add;        /* to what is in the output */
};

/* B as panels. index: which of several, of which only one can be kept. */
static cella_status pack_b(const struct product *product, struct cella_onnx_matrix b, struct cella_onnx_tensor *out)
{
    struct cella_onnx_step *step = product->step;
    const struct cella_onnx_kernel *kernel = step->session->kernel;
    if (step->packed.buffer != NULL) {
        cella_onnx_tensor_share(&step->packed, out);
        return CELLA_OK;
    }
    if (out->buffer == NULL) {
        CELLA_TRY(cella_onnx_scratch(step, CELLA_ONNX_FLOAT,
                                     cella_onnx_packed_b(kernel, product->depth, product->columns), out));
    }
    cella_onnx_pack_b(kernel, b, product->depth, product->columns, out->data);
    CELLA_TRY(cella_onnx_went(step, out->count));
    if (product->constant_b) {
        cella_onnx_tensor_share(out, &step->packed);
    }
    return CELLA_OK;
}

/* Panels of B are computed whole, and both factors are packed again for each product. */
static cella_status ask(const struct product *product, size_t count)
{
    size_t panels = product->columns / CELLA_ONNX_KERNEL_COLUMNS_MAX + (product->columns % CELLA_ONNX_KERNEL_COLUMNS_MAX != 0);
    double columns = (double) panels * CELLA_ONNX_KERNEL_COLUMNS_MAX;
    double rows = (double) product->rows;
    return cella_onnx_work(product->step, (double) count * (double) product->depth *
                                              (rows * columns + (rows + columns) * CELLA_ONNX_WORK_ELEMENT));
}

/* count products: a, b and c advance by their distances, in floats; 0: the same again. */
static cella_status multiply(const struct product *product, struct cella_onnx_matrix a, const size_t *a_at,
                             struct cella_onnx_matrix b, const size_t *b_at, float *c, size_t count)
{
    struct cella_onnx_session *session = product->step->session;
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor packed_a = { 0 };
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor packed_b = { 0 };
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor scratch = { 0 };
    CELLA_TRY(ask(product, count));
    CELLA_TRY(cella_onnx_scratch(product->step, CELLA_ONNX_FLOAT,
                                 cella_onnx_packed_a(session->kernel, product->rows, product->depth), &packed_a));
    CELLA_TRY(cella_onnx_scratch(product->step, CELLA_ONNX_FLOAT,
                                 cella_onnx_gemm_scratch(session->kernel) * cella_onnx_threads_count(session->threads),
                                 &scratch));
    for (size_t i = 0; i < count; i++) {
        struct cella_onnx_matrix left = { a.data + a_at[i], a.row_stride, a.column_stride };
        struct cella_onnx_matrix right = { b.data + b_at[i], b.row_stride, b.column_stride };
        cella_onnx_pack_a(session->kernel, left, product->rows, product->depth, packed_a.data);
        CELLA_TRY(cella_onnx_went(product->step, packed_a.count));
        if (i == 0 || b_at[i] != b_at[i - 1]) {
            CELLA_TRY(pack_b(product, right, &packed_b));
        }
        struct cella_onnx_gemm gemm = {
            .kernel = session->kernel, .threads = session->threads, .rows = product->rows, .columns = product->columns,
            .depth = product->depth, .a = packed_a.data, .b = packed_b.data, .scratch = scratch.data,
            .c = c + i * product->rows * product->columns, .stride = product->columns,
            .end = { .add = product->add, .clip = product->step->finish.clip, .low = product->step->finish.low,
                     .high = product->step->finish.high },
        };
        CELLA_TRY(cella_onnx_gemm(&gemm));
    }
    return CELLA_OK;
}

/* C of Gemm, times beta, as the output to which products are added. */
static cella_status fill_with_c(const struct cella_onnx_step *step, const struct cella_onnx_tensor *given, float beta,
                                struct cella_onnx_tensor *output)
{
    struct cella_onnx_copy copy = { .rank = 2, .dims = { output->dims[0], output->dims[1] } };
    cella_onnx_broadcast_strides(given, 2, copy.from);
    cella_onnx_strides(2, copy.dims, copy.to);
    CELLA_TRY(cella_onnx_copy(step, &copy, sizeof(float), given->data, output->data));
    for (size_t i = 0; beta != 1.0f && i < output->count; i++) {
        ((float *) output->data)[i] *= beta;
    }
    return CELLA_OK;
}

/* C can be broadcast to rows x columns. */
static bool c_fits(const struct cella_onnx_tensor *c, size_t rows, size_t columns)
{
    if (c->type != CELLA_ONNX_FLOAT || c->rank > 2) {
        return false;
    }
    size_t last = c->rank > 0 ? c->dims[c->rank - 1] : 1;
    size_t first = c->rank > 1 ? c->dims[0] : 1;
    return (last == 1 || last == columns) && (first == 1 || first == rows);
}

cella_status cella_onnx_run_gemm(struct cella_onnx_step *step)
{
    CELLA_TRY(cella_onnx_expect(step, 0, CELLA_ONNX_FLOAT));
    CELLA_TRY(cella_onnx_expect(step, 1, CELLA_ONNX_FLOAT));
    const struct cella_onnx_tensor *a = cella_onnx_input(step, 0);
    const struct cella_onnx_tensor *b = cella_onnx_input(step, 1);
    const struct cella_onnx_tensor *c = cella_onnx_input(step, 2);
    bool a_turned = cella_onnx_integer(step, "transA", 0) != 0;
    bool b_turned = cella_onnx_integer(step, "transB", 0) != 0;
    float alpha = cella_onnx_real(step, "alpha", 1.0f);
    if (a->rank != 2 || b->rank != 2 || a->dims[a_turned ? 0 : 1] != b->dims[b_turned ? 1 : 0]) {
        return cella_onnx_refuse(step, "a matrix of %zu x %zu%s can not be multiplied by one of %zu x %zu%s",
                                 a->dims[0], a->rank == 2 ? a->dims[1] : 0, a_turned ? " (transposed)" : "", b->dims[0],
                                 b->rank == 2 ? b->dims[1] : 0, b_turned ? " (transposed)" : "");
    }
    struct product product = { .step = step, .rows = a->dims[a_turned ? 1 : 0], .columns = b->dims[b_turned ? 0 : 1],
                               .depth = a->dims[a_turned ? 0 : 1], .add = c != NULL,
                               .constant_b = step->session->values[step->inputs[1]].constant };
    if (c != NULL && !c_fits(c, product.rows, product.columns)) {
        return cella_onnx_refuse(step, "C does not fit to %zu x %zu", product.rows, product.columns);
    }
    size_t dims[2] = { product.rows, product.columns };
    struct cella_onnx_tensor *output;
    CELLA_TRY(cella_onnx_output(step, 0, CELLA_ONNX_FLOAT, 2, dims, &output));
    if (c != NULL) {
        CELLA_TRY(fill_with_c(step, c, cella_onnx_real(step, "beta", 1.0f), output));
    }
    struct cella_onnx_matrix left = { a->data, a_turned ? 1 : a->dims[1], a_turned ? a->dims[1] : 1 };
    struct cella_onnx_matrix right = { b->data, b_turned ? 1 : b->dims[1], b_turned ? b->dims[1] : 1 };
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor scaled = { 0 };
    if (alpha != 1.0f) {
        CELLA_TRY(cella_onnx_cast(step, a, CELLA_ONNX_FLOAT, &scaled));
        for (size_t i = 0; i < scaled.count; i++) {
            ((float *) scaled.data)[i] *= alpha;
        }
        left.data = scaled.data;
    }
    size_t at = 0;
    return multiply(&product, left, &at, right, &at, output->data, 1);
}

/* Where each of the output's matrices finds its factor: dimensions before the last two are broadcast. */
static void batch_offsets(const struct cella_onnx_tensor *tensor, size_t rank, const size_t *dims, size_t *out,
                          size_t count)
{
    ptrdiff_t strides[CELLA_ONNX_RANK_MAX];
    struct cella_onnx_tensor batch = { .rank = tensor->rank > 2 ? tensor->rank - 2 : 0 };
    memcpy(batch.dims, tensor->dims, sizeof(batch.dims));
    cella_onnx_broadcast_strides(&batch, rank, strides);
    size_t matrix = tensor->dims[tensor->rank - 1] * tensor->dims[tensor->rank - 2];
    for (size_t i = 0; i < count; i++) {
        size_t left = i;
        out[i] = 0;
        for (size_t j = rank; j > 0; j--) {
            out[i] += left % dims[j - 1] * (size_t) strides[j - 1] * matrix;
            left /= dims[j - 1];
        }
    }
}

/* A vector becomes a matrix of one row, or column. */
static struct cella_onnx_tensor as_matrix(const struct cella_onnx_tensor *tensor, bool column)
{
    struct cella_onnx_tensor matrix = *tensor;
    if (matrix.rank == 1) {
        matrix.rank = 2;
        matrix.dims[column ? 0 : 1] = tensor->dims[0];
        matrix.dims[column ? 1 : 0] = 1;
    }
    return matrix;
}

/* The rows of a batch that share one B are rows of one matrix. */
static void merge_rows(struct cella_onnx_tensor *a, const struct cella_onnx_tensor *b)
{
    if (b->rank == 2 && a->rank > 2) {
        a->dims[0] = cella_onnx_span(a, 0, a->rank - 1);
        a->dims[1] = a->dims[a->rank - 1];
        a->rank = 2;
    }
}

cella_status cella_onnx_run_matmul(struct cella_onnx_step *step)
{
    CELLA_TRY(cella_onnx_expect(step, 0, CELLA_ONNX_FLOAT));
    CELLA_TRY(cella_onnx_expect(step, 1, CELLA_ONNX_FLOAT));
    const struct cella_onnx_tensor *given_a = cella_onnx_input(step, 0);
    const struct cella_onnx_tensor *given_b = cella_onnx_input(step, 1);
    struct cella_onnx_tensor a = as_matrix(given_a, false);
    struct cella_onnx_tensor b = as_matrix(given_b, true);
    if (given_a->rank == 0 || given_b->rank == 0 || a.dims[a.rank - 1] != b.dims[b.rank - 2]) {
        return cella_onnx_refuse(step, "its inputs' last dimensions do not fit");
    }
    size_t rank;
    size_t dims[CELLA_ONNX_RANK_MAX];
    CELLA_TRY(cella_onnx_broadcast(step, a.rank - 2, a.dims, b.rank - 2, b.dims, &rank, dims));
    size_t batch = rank;
    if (given_a->rank > 1) {
        dims[rank++] = a.dims[a.rank - 2];
    }
    if (given_b->rank > 1) {
        dims[rank++] = b.dims[b.rank - 1];
    }
    struct cella_onnx_tensor *output;
    CELLA_TRY(cella_onnx_output(step, 0, CELLA_ONNX_FLOAT, rank, dims, &output));
    merge_rows(&a, &b);
    struct product product = { .step = step, .rows = a.dims[a.rank - 2], .columns = b.dims[b.rank - 1],
                               .depth = a.dims[a.rank - 1],
                               .constant_b = b.rank == 2 && step->session->values[step->inputs[1]].constant };
    batch = a.rank == 2 && b.rank == 2 ? 0 : batch;
    size_t count = 1;
    for (size_t i = 0; i < batch; i++) {
        count *= dims[i];
    }
    CELLA_CLEANUP(cella_onnx_tensor_release) struct cella_onnx_tensor offsets = { 0 };
    CELLA_TRY(cella_onnx_scratch(step, CELLA_ONNX_INT64, 2 * count, &offsets));
    size_t *a_at = offsets.data;
    batch_offsets(&a, batch, dims, a_at, count);
    batch_offsets(&b, batch, dims, a_at + count, count);
    struct cella_onnx_matrix left = { a.data, a.dims[a.rank - 1], 1 };
    struct cella_onnx_matrix right = { b.data, b.dims[b.rank - 1], 1 };
    return output->count == 0 ? CELLA_OK : multiply(&product, left, a_at, right, a_at + count, output->data, count);
}
