/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/npy.h"

#include <endian.h>
#include <string.h>

#define HEADER_MAX 65535U

/* What is left of the header's text, a Python dictionary. */
struct text {
    const char *at;
    const char *end;
};

struct fields {
    struct cella_view type;
    bool fortran;
    size_t sizes[CELLA_NPY_DIMENSIONS_MAX];
    size_t dimensions;
    bool has_type;
    bool has_order;
    bool has_shape;
};

static cella_status read_exactly(struct cella_builtin_call *call, struct cella_builtin_input *input, uint8_t *to,
                                 size_t size)
{
    while (size > 0) {
        size_t got = 0;
        CELLA_TRY(cella_builtin_input_read(input, to, size, &got));
        if (got == 0) {
            return cella_builtin_refuse(call, "%s: the .npy header is cut off", input->name);
        }
        to += got;
        size -= got;
    }
    return CELLA_OK;
}

static void skip_blanks(struct text *text)
{
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\n' || *text->at == '\t')) {
        text->at++;
    }
}

/* The next character, when it is this one. */
static bool take(struct text *text, char character)
{
    skip_blanks(text);
    if (text->at == text->end || *text->at != character) {
        return false;
    }
    text->at++;
    return true;
}

static bool take_word(struct text *text, const char *word)
{
    size_t size = strlen(word);
    skip_blanks(text);
    if ((size_t) (text->end - text->at) < size || memcmp(text->at, word, size) != 0) {
        return false;
    }
    text->at += size;
    return true;
}

static bool take_string(struct text *text, struct cella_view *out)
{
    skip_blanks(text);
    if (text->at == text->end || (*text->at != '\'' && *text->at != '"')) {
        return false;
    }
    const char *from = text->at + 1;
    const char *to = memchr(from, *text->at, (size_t) (text->end - from));
    if (to == NULL || memchr(from, '\\', (size_t) (to - from)) != NULL) {
        return false;
    }
    *out = cella_view_of(from, (size_t) (to - from));
    text->at = to + 1;
    return true;
}

static bool take_size(struct text *text, size_t *out)
{
    size_t value = 0;
    skip_blanks(text);
    const char *from = text->at;
    while (text->at < text->end && *text->at >= '0' && *text->at <= '9') {
        if (__builtin_mul_overflow(value, 10U, &value) ||
            __builtin_add_overflow(value, (size_t) (*text->at - '0'), &value)) {
            return false;
        }
        text->at++;
    }
    *out = value;
    return text->at > from;
}

static bool take_shape(struct text *text, struct fields *fields)
{
    if (fields->has_shape || !take(text, '(')) {
        return false;
    }
    fields->has_shape = true;
    while (!take(text, ')')) {
        size_t size = 0;
        if (!take_size(text, &size)) {
            return false;
        }
        if (fields->dimensions < CELLA_NPY_DIMENSIONS_MAX) {
            fields->sizes[fields->dimensions] = size;
        }
        fields->dimensions++;
        if (!take(text, ',')) {
            return take(text, ')');
        }
    }
    return true;
}

static bool take_order(struct text *text, struct fields *fields)
{
    fields->fortran = take_word(text, "True");
    bool fits = !fields->has_order && (fields->fortran || take_word(text, "False"));
    fields->has_order = true;
    return fits;
}

static bool take_type(struct text *text, struct fields *fields)
{
    bool fits = !fields->has_type && take_string(text, &fields->type);
    fields->has_type = true;
    return fits;
}

static bool parse(struct text text, struct fields *fields)
{
    if (!take(&text, '{')) {
        return false;
    }
    while (!take(&text, '}')) {
        struct cella_view key = { 0 };
        if (!take_string(&text, &key) || !take(&text, ':')) {
            return false;
        }
        bool fits = cella_view_is(key, "descr")           ? take_type(&text, fields)
                    : cella_view_is(key, "fortran_order") ? take_order(&text, fields)
                    : cella_view_is(key, "shape")         ? take_shape(&text, fields)
                                                          : false;
        if (!fits) {
            return false;
        }
        if (!take(&text, ',')) {
            if (!take(&text, '}')) {
                return false;
            }
            break;
        }
    }
    skip_blanks(&text);
    return text.at == text.end && fields->has_type && fields->has_order && fields->has_shape;
}

/* '<f8' and the like: byte order, kind, bytes. */
static bool understand(struct cella_view type, struct cella_npy *out)
{
    if (type.size != 3 || memchr("<>|=", type.data[0], 4) == NULL || type.data[2] < '1' || type.data[2] > '8') {
        return false;
    }
    out->big_endian = type.data[0] == '>';
    out->kind = (char) type.data[1];
    out->width = (size_t) (type.data[2] - '0');
    bool whole = out->width == 1 || out->width == 2 || out->width == 4 || out->width == 8;
    return (out->kind == 'b' && out->width == 1) || ((out->kind == 'i' || out->kind == 'u') && whole) ||
           (out->kind == 'f' && (out->width == 4 || out->width == 8));
}

cella_status cella_npy_read_array_header(struct cella_builtin_call *call, struct cella_builtin_input *input,
                                         struct cella_npy *out)
{
    uint8_t start[CELLA_NPY_MAGIC_SIZE + 2];
    uint8_t size_bytes[4] = { 0 };
    uint8_t header[HEADER_MAX];
    CELLA_TRY(read_exactly(call, input, start, sizeof(start)));
    uint8_t version = start[CELLA_NPY_MAGIC_SIZE];
    if (memcmp(start, CELLA_NPY_MAGIC, CELLA_NPY_MAGIC_SIZE) != 0 || version < 1 || version > 3) {
        return cella_builtin_refuse(call, "%s: is not .npy of version 1, 2 or 3", input->name);
    }
    CELLA_TRY(read_exactly(call, input, size_bytes, version == 1 ? 2 : 4));
    uint32_t size = (uint32_t) size_bytes[0] | (uint32_t) size_bytes[1] << 8 | (uint32_t) size_bytes[2] << 16 |
                    (uint32_t) size_bytes[3] << 24;
    if (size > HEADER_MAX) {
        return cella_builtin_refuse(call, "%s: the .npy header has %u bytes, more than %u", input->name, size,
                                    HEADER_MAX);
    }
    CELLA_TRY(read_exactly(call, input, header, size));
    struct fields fields = { 0 };
    if (!parse((struct text){ (const char *) header, (const char *) header + size }, &fields)) {
        return cella_builtin_refuse(call, "%s: the .npy header is not a dictionary with descr (of one simple type), "
                                    "fortran_order and shape", input->name);
    }
    if (!understand(fields.type, out)) {
        int shown = fields.type.size < 20 ? (int) fields.type.size : 20;
        return cella_builtin_refuse(call, "%s: .npy of type '%.*s'; bool, integers, f4 and f8 can be read",
                                    input->name, shown, (const char *) fields.type.data);
    }
    if (fields.dimensions > CELLA_NPY_DIMENSIONS_MAX) {
        return cella_builtin_refuse(call, "%s: the array has %zu dimensions, more than %u", input->name,
                                    fields.dimensions, CELLA_NPY_DIMENSIONS_MAX);
    }
    memcpy(out->sizes, fields.sizes, sizeof(out->sizes));
    out->dimensions = fields.dimensions;
    out->fortran = fields.fortran;
    return CELLA_OK;
}

cella_status cella_npy_read_header(struct cella_builtin_call *call, struct cella_builtin_input *input,
                                   struct cella_npy *out)
{
    CELLA_TRY(cella_npy_read_array_header(call, input, out));
    if (out->dimensions < 1 || out->dimensions > 2) {
        return cella_builtin_refuse(call, "%s: the array has %zu dimensions, not one or two", input->name,
                                    out->dimensions);
    }
    out->rows = out->sizes[0];
    out->columns = out->dimensions == 2 ? out->sizes[1] : 1;
    out->fortran = out->fortran && out->dimensions == 2;
    return CELLA_OK;
}

static double of_eight(const struct cella_npy *npy, const uint8_t *bytes)
{
    uint64_t bits;
    double real;
    memcpy(&bits, bytes, sizeof(bits));
    bits = npy->big_endian ? be64toh(bits) : le64toh(bits);
    if (npy->kind == 'f') {
        memcpy(&real, &bits, sizeof(real));
        return real;
    }
    return npy->kind == 'i' ? (double) (int64_t) bits : (double) bits;
}

static double of_four(const struct cella_npy *npy, const uint8_t *bytes)
{
    uint32_t bits;
    float real;
    memcpy(&bits, bytes, sizeof(bits));
    bits = npy->big_endian ? be32toh(bits) : le32toh(bits);
    if (npy->kind == 'f') {
        memcpy(&real, &bits, sizeof(real));
        return (double) real;
    }
    return npy->kind == 'i' ? (double) (int32_t) bits : (double) bits;
}

static double of_two(const struct cella_npy *npy, const uint8_t *bytes)
{
    uint16_t bits;
    memcpy(&bits, bytes, sizeof(bits));
    bits = npy->big_endian ? be16toh(bits) : le16toh(bits);
    return npy->kind == 'i' ? (double) (int16_t) bits : (double) bits;
}

static double of_one(const struct cella_npy *npy, const uint8_t *bytes)
{
    return npy->kind == 'b' ? (double) (bytes[0] != 0) : npy->kind == 'i' ? (double) (int8_t) bytes[0] : bytes[0];
}

void cella_npy_convert(const struct cella_npy *npy, const uint8_t *bytes, size_t count, double *out)
{
    double (*convert)(const struct cella_npy *, const uint8_t *) = npy->width == 8   ? of_eight
                                                                   : npy->width == 4 ? of_four
                                                                   : npy->width == 2 ? of_two
                                                                                     : of_one;
    for (size_t i = 0; i < count; i++) {
        out[i] = convert(npy, bytes + i * npy->width);
    }
}
