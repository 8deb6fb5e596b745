/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Decoding of PNG (libpng) and JPEG (libjpeg-turbo), and making images the size that a model wants. Images are untrusted.
 * The libraries' interfaces that are used here return errors; their jumps out of decoders stay within them.
 */

#include "builtins/call.h"

#define CELLA_IMAGE_SIDE_MAX 16384U
#define CELLA_IMAGE_PIXELS_MAX (1U << 26) /* a photo of 67 megapixels: 256 MiB while it is decoded */

/* 8 bits for red, green and blue of each pixel, row by row. */
struct cella_image {
    size_t width;
    size_t height;
    uint8_t *pixels; /* 3 * width * height; owned */
};

/* Whether the first bytes are those of PNG or JPEG. */
bool cella_image_known(struct cella_view first);

/*
 * Decode. Grey, palettes, 16 bits, CMYK become 8 bits of red, green and blue; transparency is left out; a rotation that
 * metadata ask for is not made.
 *
 * name:  what messages call it
 * out:   zeroed; the caller releases it
 *
 * CELLA_BUILTIN_FAILED  neither of the two, too large, damaged, cut short; the message names it
 * CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_image_decode(struct cella_builtin_call *call, const char *name,
                                               struct cella_view bytes, struct cella_image *out);

void cella_image_release(struct cella_image *image);

/* A part of an image, in pixels. */
struct cella_image_box {
    double x;
    double y;
    double width;
    double height;
};

/*
 * Scale a part to width x height: the mean of pixels weighted by a triangle as wide as the scale (bilinear with
 * antialiasing, as Pillow's).
 *
 * out:  3 * width * height numbers from 0 to 255, row by row
 *
 * CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_image_scale(const struct cella_image *image, struct cella_image_box box, size_t width,
                                              size_t height, float *out);
