/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "builtins/builtin.h"
#include "builtins/csv.h"
#include "builtins/lines.h"
#include "builtins/native/image.h"
#include "builtins/native/image_files.h"
#include "builtins/native/onnx_session.h"
#include "builtins/number.h"

#define CLASSIFY(X)                                                                                                  \
    X(INTEGER, top, 1, 1000, "1", "how many labels to give for each image, the most probable first")                 \
    X(INTEGER, size, 0, 4096, "0", "width and height in pixels that the model takes; 0: as its file says")           \
    X(CHOICE, fit, "crop|stretch", "crop", "what becomes of images of another shape: the middle of them is taken, or they " \
                                           "are stretched")                                                          \
    X(REAL, share, 0.01, 1, "0.875", "crop: how much of the shorter side is taken")                                   \
    X(CHOICE, order, "rgb|bgr", "rgb", "order of the colours that the model takes")                                  \
    X(REAL, scale, 0, 1000, "0.00392156862745098", "what pixels, 0 to 255, are multiplied by")                       \
    X(TEXT, mean, 1, 100, "0.485,0.456,0.406", "what is then taken away: one number, or one for red, green and blue") \
    X(TEXT, deviation, 1, 100, "0.229,0.224,0.225", "what is then divided by: the same")                             \
    X(CHOICE, scores, "auto|softmax|as_is", "auto", "how the model's scores become probabilities; auto: they are left as they " \
                                                    "are if they are some already")                                  \
    X(INTEGER, batch, 1, 256, "8", "images that are computed together, where the model leaves that open")            \
    X(INPUT, model, "ONNX", "the model: one file with its weights inside")                                           \
    X(INPUT, images, "PNG, JPEG or tar", "one image, or an uncompressed tar archive of images")                      \
    X(OPTIONAL_INPUT, labels, "lines", "a label for each class, in order; without it labels are numbers from 0")     \
    X(OUTPUT, classes, "CSV", "name, rank, label, probability, a header with these names first: top rows for each image")

#define CLASSES_MAX 1000000U
#define BATCH_MAX 256U

struct classifier {
    struct cella_builtin_call *call;
    struct cella_onnx_session session;
    struct cella_image_files files;
    struct cella_builtin_output *output;
    const struct cella_builtin_input *images;
    struct cella_view *labels; /* or NULL */
    size_t label_count;
    struct cella_bytes label_bytes;
    size_t top;
    size_t width;
    size_t height;
    size_t channels; /* 1 or 3 */
    bool channels_last;
    bool stretch;
    double share;
    bool bgr;
    float scale;
    float mean[3];
    float deviation[3];
    int64_t scores;
    size_t batch;
    bool fixed_batch;
    struct cella_onnx_tensor input;
    struct cella_onnx_tensor *outputs;
    char (*names)[CELLA_IMAGE_NAME_MAX]; /* batch of them */
    float *pixels;  /* one scaled image */
    float *ranking; /* one image's probabilities */
    size_t *best;
    size_t classes;
    size_t count;
};

static void release(struct classifier **place)
{
    struct classifier *c = *place;
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; c->outputs != NULL && i < c->session.model.output_count; i++) {
        cella_onnx_tensor_release(&c->outputs[i]);
    }
    cella_onnx_tensor_release(&c->input);
    cella_image_files_release(&c->files);
    cella_onnx_session_close(&c->session);
    cella_bytes_clear(&c->label_bytes);
    free(c->labels);
    free(c->outputs);
    free(c->names);
    free(c->pixels);
    free(c->ranking);
    free(c->best);
    free(c);
}

/* "0.5" or "0.4,0.5,0.6". */
static cella_status three_numbers(struct classifier *c, const char *argument, struct cella_view text, bool divisor,
                                  float out[3])
{
    size_t count = 0;
    for (size_t from = 0; from <= text.size && count < 4; count++) {
        const uint8_t *comma = memchr(text.data + from, ',', text.size - from);
        size_t to = comma == NULL ? text.size : (size_t) (comma - text.data);
        double value;
        if (cella_number_parse(cella_view_of(text.data + from, to - from), &value) != CELLA_OK || !isfinite(value) ||
            (divisor && value == 0) || count == 3) {
            return cella_builtin_refuse_argument(c->call, "argument '%s': must be one number or three with commas%s",
                                                 argument, divisor ? ", none of them 0" : "");
        }
        out[count] = (float) value;
        from = to + 1;
    }
    if (count == 1) {
        out[1] = out[2] = out[0];
    }
    return count == 1 || count == 3
        ? CELLA_OK
        : cella_builtin_refuse_argument(c->call, "argument '%s': must be one number or three with commas", argument);
}

static size_t known(const struct cella_onnx_dimension *dimension)
{
    return dimension->open ? 0 : dimension->size;
}

/* What the model takes: [N, C, H, W] or [N, H, W, C]. */
static cella_status read_shape(struct classifier *c, int64_t size)
{
    const struct cella_onnx_model *model = &c->session.model;
    const struct cella_onnx_value_info *info = model->inputs;
    if (model->input_count != 1 || info->type != CELLA_ONNX_FLOAT || !info->shaped || info->rank != 4) {
        return cella_builtin_refuse(c->call, "model: it must have one input, of float, with the four dimensions of images");
    }
    c->channels_last = known(&info->dims[1]) != 1 && known(&info->dims[1]) != 3 &&
        (known(&info->dims[3]) == 1 || known(&info->dims[3]) == 3);
    c->channels = known(&info->dims[c->channels_last ? 3 : 1]);
    c->channels = c->channels == 0 ? 3 : c->channels;
    c->height = known(&info->dims[c->channels_last ? 1 : 2]);
    c->width = known(&info->dims[c->channels_last ? 2 : 3]);
    if (c->channels != 1 && c->channels != 3) {
        return cella_builtin_refuse(c->call, "model: its input has %zu channels; images have 1 or 3", c->channels);
    }
    if (size != 0 && ((c->width != 0 && c->width != (size_t) size) || (c->height != 0 && c->height != (size_t) size))) {
        return cella_builtin_refuse_argument(c->call, "argument 'size': the model takes %zu x %zu pixels", c->width,
                                             c->height);
    }
    c->width = c->width == 0 ? (size_t) size : c->width;
    c->height = c->height == 0 ? (size_t) size : c->height;
    if (c->width == 0 || c->height == 0 || c->width > 4096 || c->height > 4096) {
        return cella_builtin_refuse_argument(c->call, "argument 'size': the model does not say how many pixels it takes, or "
                                                      "says more than 4096");
    }
    c->fixed_batch = !info->dims[0].open;
    c->batch = c->fixed_batch ? info->dims[0].size : c->batch;
    return c->batch <= BATCH_MAX ? CELLA_OK
                                 : cella_builtin_refuse(c->call, "model: it takes %zu images at a time; at most %u are "
                                                                 "supported", c->batch, BATCH_MAX);
}

static cella_status read_labels(struct classifier *c, struct cella_builtin_input *input)
{
    CELLA_CLEANUP(cella_lines_release) struct cella_lines lines = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes ends = { 0 };
    cella_lines_begin(&lines, input);
    for (;;) {
        bool there;
        CELLA_TRY(cella_lines_next(c->call, &lines, &there));
        if (!there) {
            break;
        }
        if (lines.number > CLASSES_MAX) {
            return cella_builtin_refuse(c->call, "labels: more than %u lines", CLASSES_MAX);
        }
        CELLA_TRY(cella_bytes_append(&c->label_bytes, cella_lines_trim(lines.line)));
        CELLA_TRY(cella_bytes_append(&ends, cella_view_of(&c->label_bytes.size, sizeof(size_t))));
    }
    c->label_count = ends.size / sizeof(size_t);
    c->labels = calloc(c->label_count + 1, sizeof(*c->labels));
    if (c->labels == NULL) {
        return CELLA_NO_MEMORY;
    }
    for (size_t i = 0, from = 0; i < c->label_count; i++) {
        size_t to;
        memcpy(&to, ends.data + i * sizeof(size_t), sizeof(to));
        c->labels[i] = cella_view_of(c->label_bytes.data + from, to - from);
        from = to;
    }
    return CELLA_OK;
}

static cella_status make_room(struct classifier *c)
{
    c->outputs = calloc(c->session.model.output_count, sizeof(*c->outputs));
    c->names = calloc(c->batch, sizeof(*c->names));
    c->pixels = calloc(c->width * c->height, 3 * sizeof(float));
    c->best = calloc(c->top, sizeof(*c->best));
    return c->outputs != NULL && c->names != NULL && c->pixels != NULL && c->best != NULL ? CELLA_OK : CELLA_NO_MEMORY;
}

/* Put one scaled image into place index of the model's input. */
static void place_image(const struct classifier *c, size_t index)
{
    static const float grey[3] = { 0.299f, 0.587f, 0.114f };
    size_t count = c->width * c->height;
    float *to = (float *) c->input.data + index * count * c->channels;
    for (size_t p = 0; p < count; p++) {
        const float *pixel = c->pixels + 3 * p;
        if (c->channels == 1) {
            float light = pixel[0] * grey[0] + pixel[1] * grey[1] + pixel[2] * grey[2];
            to[p] = (light * c->scale - c->mean[0]) / c->deviation[0];
            continue;
        }
        for (size_t k = 0; k < 3; k++) {
            float value = (pixel[k] * c->scale - c->mean[k]) / c->deviation[k];
            size_t plane = c->bgr ? 2 - k : k;
            to[c->channels_last ? 3 * p + plane : plane * count + p] = value;
        }
    }
}

/* The part of an image that the model sees. */
static struct cella_image_box choose_box(const struct classifier *c, const struct cella_image *image)
{
    double width = (double) image->width;
    double height = (double) image->height;
    if (!c->stretch) {
        double shape = (double) c->width / (double) c->height;
        width = width > height * shape ? height * shape * c->share : width * c->share;
        height = width / shape;
    }
    return (struct cella_image_box){ ((double) image->width - width) / 2, ((double) image->height - height) / 2, width,
                                     height };
}

static cella_status load_image(struct classifier *c, size_t index)
{
    CELLA_CLEANUP(cella_image_release) struct cella_image image = { 0 };
    CELLA_TRY(cella_image_decode(c->call, c->files.name, cella_bytes_view(&c->files.content), &image));
    CELLA_TRY(cella_image_scale(&image, choose_box(c, &image), c->width, c->height, c->pixels));
    memcpy(c->names[index], c->files.name, sizeof(c->files.name));
    place_image(c, index);
    return CELLA_OK;
}

/* Scores of one image as probabilities. */
static void make_probabilities(const struct classifier *c, const float *scores)
{
    float most = -INFINITY;
    double sum = 0;
    bool are_probabilities = true;
    for (size_t i = 0; i < c->classes; i++) {
        c->ranking[i] = scores[i];
        most = scores[i] > most ? scores[i] : most;
        sum += (double) scores[i];
        are_probabilities = are_probabilities && scores[i] >= 0 && scores[i] <= 1;
    }
    are_probabilities = are_probabilities && fabs(sum - 1) < 1e-3;
    if (c->scores == 2 || (c->scores == 0 && are_probabilities)) {
        return;
    }
    sum = 0;
    for (size_t i = 0; i < c->classes; i++) {
        c->ranking[i] = expf(scores[i] - most);
        sum += (double) c->ranking[i];
    }
    for (size_t i = 0; i < c->classes; i++) {
        c->ranking[i] = (float) ((double) c->ranking[i] / sum);
    }
}

/* The top classes; returns how many. NaN never is one. */
static size_t rank(const struct classifier *c)
{
    size_t count = 0;
    for (size_t i = 0; i < c->classes; i++) {
        if (!(c->ranking[i] == c->ranking[i]) || (count == c->top && !(c->ranking[i] > c->ranking[c->best[count - 1]]))) {
            continue;
        }
        size_t at = count < c->top ? count++ : count - 1;
        for (; at > 0 && c->ranking[i] > c->ranking[c->best[at - 1]]; at--) {
            c->best[at] = c->best[at - 1];
        }
        c->best[at] = i;
    }
    return count;
}

static cella_status write_image(const struct classifier *c, const char *name, const float *scores)
{
    make_probabilities(c, scores);
    size_t count = rank(c);
    for (size_t i = 0; i < count; i++) {
        char text[CELLA_NUMBER_TEXT_MAX];
        CELLA_TRY(cella_csv_write(c->output, cella_view_of_string(name), true));
        CELLA_TRY(cella_builtin_output_print(c->output, ",%zu", i + 1));
        if (c->labels != NULL) {
            CELLA_TRY(cella_csv_write(c->output, c->labels[c->best[i]], false));
        } else {
            CELLA_TRY(cella_builtin_output_print(c->output, ",%zu", c->best[i]));
        }
        size_t size = cella_number_format_float(c->ranking[c->best[i]], text);
        CELLA_TRY(cella_csv_write(c->output, cella_view_of(text, size), false));
        CELLA_TRY(cella_builtin_output_write(c->output, cella_view_of("\n", 1)));
    }
    return count > 0 ? CELLA_OK
                     : cella_builtin_refuse(c->call, "%s: the model's scores are not numbers", name);
}

/* The first output: scores of each image. */
static cella_status check_output(struct classifier *c)
{
    const struct cella_onnx_tensor *output = &c->outputs[0];
    size_t images = c->input.dims[0];
    if (output->type != CELLA_ONNX_FLOAT || output->rank < 1 || output->dims[0] != images || output->count == 0 ||
        output->count / images > CLASSES_MAX) {
        return cella_builtin_refuse(c->call, "model: its first output is not a row of float scores for each image");
    }
    size_t classes = output->count / images;
    if (c->labels != NULL && c->label_count != classes) {
        return cella_builtin_refuse(c->call, "labels: %zu lines, but the model has %zu classes", c->label_count, classes);
    }
    if (c->ranking == NULL) {
        c->classes = classes;
        c->ranking = calloc(classes, sizeof(*c->ranking));
    }
    if (c->ranking != NULL && classes != c->classes) {
        return cella_builtin_refuse(c->call, "model: its number of classes changes from batch to batch");
    }
    return c->ranking == NULL ? CELLA_NO_MEMORY : CELLA_OK;
}

static cella_status classify_batch(struct classifier *c, size_t count)
{
    /* The model gets as many images as there are, unless it takes a fixed number: then empty ones behind. */
    struct cella_onnx_tensor given = c->input;
    size_t all = c->input.dims[0];
    given.dims[0] = c->fixed_batch ? all : count;
    given.count = given.count / all * given.dims[0];
    size_t kept = c->input.dims[0];
    c->input.dims[0] = given.dims[0];
    cella_status status = cella_onnx_session_run(&c->session, &given, c->outputs);
    status = status == CELLA_OK ? check_output(c) : status;
    for (size_t i = 0; status == CELLA_OK && i < count; i++) {
        status = write_image(c, c->names[i], (const float *) c->outputs[0].data + i * c->classes);
    }
    c->input.dims[0] = kept;
    for (size_t i = 0; i < c->session.model.output_count; i++) {
        cella_onnx_tensor_release(&c->outputs[i]);
    }
    c->count += count;
    return status;
}

static cella_status make_input(struct classifier *c)
{
    const size_t last[4] = { c->batch, c->height, c->width, c->channels };
    const size_t first[4] = { c->batch, c->channels, c->height, c->width };
    cella_status made = cella_onnx_tensor_make(&c->session.memory, CELLA_ONNX_FLOAT, 4, c->channels_last ? last : first,
                                               &c->input);
    if (made == CELLA_LIMIT_MEMORY || made == CELLA_NO_MEMORY) {
        cella_status refused = cella_builtin_refuse(
            c->call, "model: %zu images of %zu x %zu pixels at a time do not fit into the task's memory or the engine's 4 GiB%s",
            c->batch, c->width, c->height, c->fixed_batch ? "" : "; argument 'batch' can be less");
        return refused == CELLA_BUILTIN_FAILED ? CELLA_LIMIT_MEMORY : refused;
    }
    CELLA_TRY(made);
    memset(c->input.data, 0, c->input.count * sizeof(float));
    return CELLA_OK;
}

/* The next images, as many as a batch has or there are. */
static cella_status load_batch(struct classifier *c, size_t *count)
{
    double size = (double) c->images->bytes.size;
    for (*count = 0; *count < c->batch; ++*count) {
        bool there = false;
        CELLA_TRY(cella_image_files_next(c->call, &c->files, &there));
        if (!there) {
            break;
        }
        CELLA_TRY(load_image(c, *count));
        double done = size > 0 ? (double) c->images->position / size : 0;
        c->session.work.fraction = done < 1 ? done : 1;
        CELLA_TRY(cella_builtin_progress(c->call, c->session.work.fraction));
    }
    return CELLA_OK;
}

static cella_status classify_all(struct classifier *c)
{
    struct cella_onnx_work *work = &c->session.work;
    size_t count = 0;
    CELLA_TRY(make_input(c));
    CELLA_TRY(cella_builtin_output_print(c->output, "name,rank,label,probability\n"));
    do {
        CELLA_TRY(load_batch(c, &count));
        work->examples = count > work->examples ? count : work->examples; /* as many as a full batch has in the last too */
        CELLA_TRY(count > 0 ? classify_batch(c, count) : CELLA_OK);
    } while (count == c->batch);
    return c->count > 0 ? CELLA_OK : cella_builtin_refuse(c->call, "images: there is no image in the tar archive");
}

CELLA_BUILTIN(classify_images, "classify_images", CLASSIFY, .version = "1", .result = CELLA_BUILTIN_RESULT_JSON,
              .documentation = "Say what is in images, with a model that gives a score for each class. The model is an ONNX file "
                               "as for onnx_predict, whose input is [images, channels, height, width] or [images, height, "
                               "width, channels]; 1 channel means grey. Images are scaled as Pillow's bilinear filter does. The "
                               "defaults are those of models trained on ImageNet with PyTorch; labels and what was done to the "
                               "pixels in training must be known.",
              .returns = "how many images, classes, and the size the model takes",
              .determinism = "float32 sums are made in another order by processors with other vector instructions: results "
                             "differ in the last digits",
              .limits = "16,384 pixels a side, 67 million together and 256 MiB for a file; transparency and a rotation that "
                        "metadata ask for are not applied; inks (CMYK) are read as Adobe's programs write them; one file and a "
                        "batch of scaled images are in memory",
              .example = ">>> model = bytes.fromhex(\n"
                         "...     '08083a5a0a190a017812016d2211476c6f62616c41766572616765506f6f6c0a0f0a016d1201'\n"
                         "...     '792207466c617474656e5a190a017812140a120801120e0a000a0208030a0208080a02080862'\n"
                         "...     '110a0179120c0a0a080112060a000a0208034202100d')\n"
                         ">>> image = bytes.fromhex(\n"
                         "...     '89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49'\n"
                         "...     '444154789c63f8efa0000003a101602ff480640000000049454e44ae426082')\n"
                         ">>> done = cella.builtins.classify_images(model, image, b\"red\\ngreen\\nblue\\n\", mean=\"0\", deviation=\"1\")\n"
                         ">>> done.classes\n"
                         "b'name,rank,label,probability\\nimages,1,red,0.52912956\\n'\n")
{
    CELLA_CLEANUP(release) struct classifier *c = calloc(1, sizeof(*c));
    struct cella_view bytes;
    if (c == NULL) {
        return CELLA_NO_MEMORY;
    }
    c->call = call;
    c->output = classes;
    c->images = images;
    c->files.input = images;
    c->top = (size_t) top;
    c->stretch = fit == 1;
    c->share = share;
    c->bgr = order == 1;
    c->scale = (float) scale;
    c->scores = scores;
    c->batch = (size_t) batch;
    CELLA_TRY(three_numbers(c, "mean", *mean, false, c->mean));
    CELLA_TRY(three_numbers(c, "deviation", *deviation, true, c->deviation));
    CELLA_TRY(cella_builtin_input_all(model, &bytes));
    CELLA_TRY(cella_onnx_session_open(call, model->name, bytes, &c->session));
    CELLA_TRY(read_shape(c, size));
    CELLA_TRY(labels == NULL ? CELLA_OK : read_labels(c, labels));
    CELLA_TRY(make_room(c));
    CELLA_TRY(classify_all(c));
    return cella_builtin_result(call, "{\"images\": %zu, \"classes\": %zu, \"width\": %zu, \"height\": %zu, \"channels\": "
                                      "%zu}", c->count, c->classes, c->width, c->height, c->channels);
}
