/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/image.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

static bool is_png(struct cella_view bytes)
{
    return bytes.size >= 8 && memcmp(bytes.data, "\x89PNG\r\n\x1a\n", 8) == 0;
}

static bool is_jpeg(struct cella_view bytes)
{
    return bytes.size >= 3 && memcmp(bytes.data, "\xff\xd8\xff", 3) == 0;
}

bool cella_image_known(struct cella_view first)
{
    return is_png(first) || is_jpeg(first);
}

/* Room for the image and for channels bytes of each pixel while it is decoded. */
static cella_status make_room(struct cella_builtin_call *call, const char *name, size_t width, size_t height,
                              size_t channels, struct cella_image *out, uint8_t **raw)
{
    if (width == 0 || height == 0 || width > CELLA_IMAGE_SIDE_MAX || height > CELLA_IMAGE_SIDE_MAX ||
        width * height > CELLA_IMAGE_PIXELS_MAX) {
        return cella_builtin_refuse(call, "%s: %zu x %zu pixels; at most %u a side and %u together are decoded", name,
                                    width, height, CELLA_IMAGE_SIDE_MAX, CELLA_IMAGE_PIXELS_MAX);
    }
    out->width = width;
    out->height = height;
    out->pixels = malloc(width * height * 3);
    *raw = channels == 3 ? out->pixels : malloc(width * height * channels);
    return out->pixels != NULL && *raw != NULL ? CELLA_OK : CELLA_NO_MEMORY;
}

static void free_bytes(uint8_t **bytes)
{
    free(*bytes);
}

static cella_status decode_png(struct cella_builtin_call *call, const char *name, struct cella_view bytes,
                               struct cella_image *out)
{
    CELLA_CLEANUP(png_image_free) png_image image = { .version = PNG_IMAGE_VERSION };
    CELLA_CLEANUP(free_bytes) uint8_t *raw = NULL;
    if (png_image_begin_read_from_memory(&image, bytes.data, bytes.size) == 0) {
        return cella_builtin_refuse(call, "%s: PNG that can not be read: %s", name, image.message);
    }
    /* With alpha, so that it is not mixed with a background; 16 bits are taken as 8 bits are, not as linear light. */
    image.format = PNG_FORMAT_RGBA;
    image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
    CELLA_TRY(make_room(call, name, image.width, image.height, 4, out, &raw));
    if (png_image_finish_read(&image, NULL, raw, 0, NULL) == 0) {
        return cella_builtin_refuse(call, "%s: PNG that is damaged or cut short: %s", name, image.message);
    }
    for (size_t i = 0; i < out->width * out->height; i++) {
        memcpy(out->pixels + 3 * i, raw + 4 * i, 3);
    }
    return CELLA_OK;
}

static void end_jpeg(tjhandle *handle)
{
    if (*handle != NULL) {
        tjDestroy(*handle);
    }
}

/* Inks as Adobe's programs store them: 255 is none. */
static void mix_inks(const uint8_t *raw, size_t count, uint8_t *pixels)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t c = 0; c < 3; c++) {
            pixels[3 * i + c] = (uint8_t) ((raw[4 * i + c] * raw[4 * i + 3] + 127) / 255);
        }
    }
}

static cella_status decode_jpeg(struct cella_builtin_call *call, const char *name, struct cella_view bytes,
                                struct cella_image *out)
{
    CELLA_CLEANUP(end_jpeg) tjhandle handle = tjInitDecompress();
    CELLA_CLEANUP(free_bytes) uint8_t *inks = NULL;
    uint8_t *raw = NULL;
    int width;
    int height;
    int sampling;
    int colours;
    if (handle == NULL) {
        return CELLA_NO_MEMORY;
    }
    if (tjDecompressHeader3(handle, bytes.data, bytes.size, &width, &height, &sampling, &colours) != 0 || width < 1 ||
        height < 1) {
        return cella_builtin_refuse(call, "%s: JPEG that can not be read: %s", name, tjGetErrorStr2(handle));
    }
    bool inked = colours == TJCS_CMYK || colours == TJCS_YCCK;
    cella_status made = make_room(call, name, (size_t) width, (size_t) height, inked ? 4 : 3, out, &raw);
    inks = inked ? raw : NULL;
    CELLA_TRY(made);
    /* Many scans of an image of few bytes would be worked on for hours. */
    int flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS;
    if (tjDecompress2(handle, bytes.data, bytes.size, raw, width, 0, height, inked ? TJPF_CMYK : TJPF_RGB, flags) != 0 &&
        !(tjGetErrorCode(handle) == TJERR_WARNING && strstr(tjGetErrorStr2(handle), "extraneous bytes") != NULL)) {
        return cella_builtin_refuse(call, "%s: JPEG that is damaged or cut short: %s", name, tjGetErrorStr2(handle));
    }
    if (inked) {
        mix_inks(inks, out->width * out->height, out->pixels);
    }
    return CELLA_OK;
}

cella_status cella_image_decode(struct cella_builtin_call *call, const char *name, struct cella_view bytes,
                                struct cella_image *out)
{
    if (is_png(bytes)) {
        return decode_png(call, name, bytes, out);
    }
    return is_jpeg(bytes) ? decode_jpeg(call, name, bytes, out)
                          : cella_builtin_refuse(call, "%s: is neither PNG nor JPEG", name);
}

void cella_image_release(struct cella_image *image)
{
    free(image->pixels);
    *image = (struct cella_image){ 0 };
}

/* Which pixels one output is made of, along one axis. */
struct blend {
    size_t first;
    size_t count;
    float *weights; /* into one array for all outputs */
};

struct axis {
    struct blend *blends;
    float *weights;
};

static void release_axis(struct axis *axis)
{
    free(axis->blends);
    free(axis->weights);
}

static cella_status plan_axis(size_t size, double start, double length, size_t outputs, struct axis *axis)
{
    double scale = length / (double) outputs;
    double reach = scale < 1 ? 1 : scale;
    size_t most = (size_t) (2 * reach) + 3;
    axis->blends = calloc(outputs, sizeof(*axis->blends));
    axis->weights = calloc(outputs * most, sizeof(*axis->weights));
    if (axis->blends == NULL || axis->weights == NULL) {
        return CELLA_NO_MEMORY;
    }
    for (size_t i = 0; i < outputs; i++) {
        double centre = start + ((double) i + 0.5) * scale;
        double from = centre - reach + 0.5;
        double to = centre + reach + 0.5;
        size_t first = from < 0 ? 0 : (size_t) from;
        size_t last = to > (double) size ? size : (size_t) to;
        first = first < size ? first : size - 1;
        last = last > first ? last : first + 1;
        struct blend *blend = &axis->blends[i];
        *blend = (struct blend){ first, last - first < most ? last - first : most, axis->weights + i * most };
        double sum = 0;
        for (size_t p = 0; p < blend->count; p++) {
            double distance = ((double) (first + p) - centre + 0.5) / reach;
            double weight = distance < 0 ? 1 + distance : 1 - distance;
            blend->weights[p] = (float) (weight > 0 ? weight : 0);
            sum += (double) blend->weights[p];
        }
        for (size_t p = 0; p < blend->count; p++) {
            blend->weights[p] = sum > 0 ? (float) ((double) blend->weights[p] / sum) : p == 0 ? 1.0f : 0.0f;
        }
    }
    return CELLA_OK;
}

cella_status cella_image_scale(const struct cella_image *image, struct cella_image_box box, size_t width, size_t height,
                               float *out)
{
    CELLA_CLEANUP(release_axis) struct axis across = { 0 };
    CELLA_CLEANUP(release_axis) struct axis down = { 0 };
    CELLA_CLEANUP(cella_pointer_free) float *narrow = calloc(image->height * width, 3 * sizeof(float));
    if (narrow == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(plan_axis(image->width, box.x, box.width, width, &across));
    CELLA_TRY(plan_axis(image->height, box.y, box.height, height, &down));
    size_t last = down.blends[height - 1].first + down.blends[height - 1].count;
    for (size_t y = down.blends[0].first; y < last; y++) {
        for (size_t x = 0; x < width; x++) {
            const struct blend *blend = &across.blends[x];
            const uint8_t *from = image->pixels + (y * image->width + blend->first) * 3;
            float *to = narrow + (y * width + x) * 3;
            for (size_t p = 0; p < 3 * blend->count; p++) {
                to[p % 3] += blend->weights[p / 3] * (float) from[p];
            }
        }
    }
    memset(out, 0, 3 * width * height * sizeof(float));
    for (size_t y = 0; y < height; y++) {
        const struct blend *blend = &down.blends[y];
        float *to = out + y * width * 3;
        for (size_t p = 0; p < blend->count; p++) {
            const float *from = narrow + (blend->first + p) * width * 3;
            for (size_t i = 0; i < 3 * width; i++) {
                to[i] += blend->weights[p] * from[i];
            }
        }
    }
    return CELLA_OK;
}
