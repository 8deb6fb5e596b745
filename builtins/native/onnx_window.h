/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Windows that move over images: what convolutions and pools share. One dimension is an image of height 1; three are refused.
 *
 * A plane is one channel of one image, copied with its padding, and with columns sorted by their remainder modulo the
 * stride: so the inputs of neighbouring outputs are neighbours, whatever the stride, and loops are over whole vectors.
 */

#include "builtins/native/onnx_step.h"

struct cella_onnx_window {
    size_t images;
    size_t channels;
    size_t height; /* of the input */
    size_t width;
    size_t kernel_height;
    size_t kernel_width;
    size_t stride_height;
    size_t stride_width;
    size_t dilation_height;
    size_t dilation_width;
    size_t top; /* padding */
    size_t left;
    size_t bottom;
    size_t right;
    size_t out_height;
    size_t out_width;
    size_t rank;        /* of the tensors: 3 or 4 */
    size_t plane_rows;
    size_t phases;      /* remainders that some tap needs */
    size_t phase_width;
    size_t row_stride;  /* floats */
    size_t plane_size;  /* floats */
};

/*
 * Work out a window from the attributes kernel_shape, strides, pads, dilations, auto_pad and ceil_mode.
 *
 * kernel_height, kernel_width:  of a convolution's weights; 0: kernel_shape says
 *
 * CELLA_BUILTIN_FAILED  not three or four dimensions, numbers that do not fit
 */
CELLA_MUST_USE cella_status cella_onnx_window_of(const struct cella_onnx_step *step,
                                                 const struct cella_onnx_tensor *input, size_t kernel_height,
                                                 size_t kernel_width, struct cella_onnx_window *out);

/* Output dims with this many channels; returns their number. */
size_t cella_onnx_window_dims(const struct cella_onnx_window *window, size_t channels,
                              size_t dims[CELLA_ONNX_RANK_MAX]);

/* Where in a plane the tap of row y and column x begins. */
size_t cella_onnx_window_tap(const struct cella_onnx_window *window, size_t y, size_t x);

/* Outputs of one channel of all images, times the taps of a window. */
double cella_onnx_window_steps(const struct cella_onnx_window *window);

/*
 * How the outputs of a plane are divided into pieces of about CELLA_ONNX_WORK_PART taps: whole rows, or where one row is more
 * than that, runs of a row whose lengths are whole vectors. down * across pieces are a plane.
 */
struct cella_onnx_pieces {
    size_t rows;    /* of a piece */
    size_t columns; /* of a piece */
    size_t down;
    size_t across;
    double steps; /* taps of a piece */
};

struct cella_onnx_piece {
    size_t plane;
    size_t first_row;
    size_t first_column;
    size_t rows;
    size_t columns;
};

struct cella_onnx_pieces cella_onnx_window_pieces(const struct cella_onnx_window *window);

/* Piece number index of all planes'. */
struct cella_onnx_piece cella_onnx_window_piece(const struct cella_onnx_window *window,
                                                const struct cella_onnx_pieces *pieces, size_t index);

/*
 * All planes of the input. Where the input itself is fit, out shares it.
 *
 * padding:  value outside of the image
 * out:      absent before; the caller releases it
 *
 * CELLA_BUILTIN_FAILED, CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_onnx_planes(struct cella_onnx_step *step, const struct cella_onnx_tensor *input,
                                              struct cella_onnx_window *window, float padding,
                                              struct cella_onnx_tensor *out);
