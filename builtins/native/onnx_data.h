/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A model's inputs out of a table or array, and its outputs as a table or array: rows are examples, the first dimension of
 * every input and output of the model.
 */

#include "builtins/matrix.h"
#include "builtins/native/onnx_session.h"
#include "builtins/npy.h"

/* CSV, or .npy of any number of dimensions: rows of width numbers. */
struct cella_onnx_data {
    struct cella_builtin_input input; /* all of it, in memory */
    bool is_array;
    struct cella_matrix matrix; /* of CSV */
    struct cella_npy npy;       /* of .npy, in C order */
    const uint8_t *numbers;
    size_t rows;
    size_t width;
};

/*
 * Read an input. missing: what becomes of missing fields of CSV.
 * out: zeroed; the caller releases it
 * CELLA_BUILTIN_FAILED, CELLA_NO_MEMORY, CELLA_SYSTEM_FAILED, CELLA_CANCELLED
 */
CELLA_MUST_USE cella_status cella_onnx_data_read(struct cella_builtin_call *call, struct cella_builtin_input *input,
                                                 enum cella_matrix_missing missing, struct cella_onnx_data *out);

void cella_onnx_data_release(struct cella_onnx_data *data);

/*
 * How the data's numbers become the model's inputs: input i takes widths[i] numbers of each row, from firsts[i] on. Inputs
 * of one number each are found by their names if the data have these as columns.
 */
struct cella_onnx_feed {
    struct cella_onnx_session *session;
    const struct cella_onnx_data *data;
    size_t *firsts;
    size_t *widths;
    size_t batch; /* rows that the model takes at a time: as its file says, or as many as are asked for */
};

/*
 * Plan.
 * batch: rows at a time where the model leaves that open
 * CELLA_BUILTIN_FAILED  the model's inputs do not fit to the data; the message says why
 */
CELLA_MUST_USE cella_status cella_onnx_feed_begin(struct cella_onnx_session *session,
                                                  const struct cella_onnx_data *data, size_t batch,
                                                  struct cella_onnx_feed *out);

/*
 * Inputs for rows first to first + count; a model with a fixed number of rows gets zeroes behind.
 * inputs: session->model.input_count of them, absent before; the caller releases them
 */
CELLA_MUST_USE cella_status cella_onnx_feed_rows(const struct cella_onnx_feed *feed, size_t first, size_t count,
                                                 struct cella_onnx_tensor *inputs);
