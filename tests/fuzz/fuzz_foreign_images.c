/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The images of classify_images: an image, or a tar archive of them, is taken apart, decoded and scaled, or refused with a
 * message. An archive that comes as a stream of small pieces is the same as one in memory.
 */

#include <stdlib.h>
#include <string.h>

#include "builtins/native/image.h"
#include "builtins/native/image_files.h"
#include "tests/unit/builtin_input.h"

#define SIDE 8U
#define PIXELS_MAX (1U << 18) /* larger PNG files are only slower */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t number_at(const uint8_t *at)
{
    return (uint32_t) at[0] << 24 | (uint32_t) at[1] << 16 | (uint32_t) at[2] << 8 | at[3];
}

static bool is_slow(struct cella_view content)
{
    return content.size >= 24 && content.data[0] == 0x89 &&
        (uint64_t) number_at(content.data + 16) * number_at(content.data + 20) > PIXELS_MAX;
}

static void check(cella_status status, const struct cella_builtin_call *call)
{
    bool known = status == CELLA_OK || status == CELLA_NO_MEMORY ||
        (status == CELLA_BUILTIN_FAILED && call->message[0] != '\0');
    if (!known) {
        abort();
    }
}

/* Decoded, its pixels are all there, and scaled ones are colours. */
static void decode(const struct cella_image_files *files)
{
    struct cella_builtin_call call = { .threads = 1 };
    CELLA_CLEANUP(cella_image_release) struct cella_image image = { 0 };
    float scaled[3 * SIDE * SIDE];
    if (is_slow(cella_bytes_view(&files->content))) {
        return;
    }
    cella_status status = cella_image_decode(&call, files->name, cella_bytes_view(&files->content), &image);
    check(status, &call);
    if (status != CELLA_OK) {
        return;
    }
    if (image.width == 0 || image.width > CELLA_IMAGE_SIDE_MAX || image.height == 0 ||
        image.height > CELLA_IMAGE_SIDE_MAX) {
        abort();
    }
    uint8_t every = 0;
    for (size_t i = 0; i < 3 * image.width * image.height; i++) {
        every |= image.pixels[i];
    }
    struct cella_image_box box = { (double) image.width * 0.0625, (double) image.height * 0.0625,
                                   (double) image.width * 0.875, (double) image.height * 0.875 };
    status = cella_image_scale(&image, box, SIDE, SIDE, scaled);
    check(status, &call);
    for (size_t i = 0; status == CELLA_OK && i < 3 * SIDE * SIDE; i++) {
        bool colour = scaled[i] >= 0 && scaled[i] <= (every == 0 ? 0.0f : 255.01f);
        if (!colour) {
            abort();
        }
    }
}

/* All files; returns how many. names: their names and contents, one after another. */
static cella_status take_all(struct cella_builtin_input *input, bool decoding, struct cella_bytes *names, size_t *count)
{
    struct cella_builtin_call call = { .threads = 1 };
    CELLA_CLEANUP(cella_image_files_release) struct cella_image_files files = { .input = input };
    bool there = true;
    cella_status status = CELLA_OK;
    while (status == CELLA_OK) {
        status = cella_image_files_next(&call, &files, &there);
        check(status, &call);
        if (status != CELLA_OK || !there) {
            break;
        }
        if (decoding) {
            decode(&files);
        }
        if (cella_bytes_append(names, cella_view_of_string(files.name)) != CELLA_OK ||
            cella_bytes_append(names, cella_bytes_view(&files.content)) != CELLA_OK) {
            abort();
        }
    }
    *count = files.count;
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t nothing[1] = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes whole = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes pieces = { 0 };
    size_t counts[2];
    data = size == 0 ? nothing : data;
    struct piecewise stream = { cella_view_of(data, size), 100 };
    struct cella_builtin_input in_memory = { .name = "images", .bytes = cella_view_of(data, size) };
    struct cella_builtin_input streamed = { .name = "images", .read = piecewise_read, .context = &stream };
    cella_status status = take_all(&in_memory, true, &whole, &counts[0]);
    if (take_all(&streamed, false, &pieces, &counts[1]) != status || counts[0] != counts[1] ||
        !cella_view_equal(cella_bytes_view(&whole), cella_bytes_view(&pieces))) {
        abort();
    }
    return 0;
}
