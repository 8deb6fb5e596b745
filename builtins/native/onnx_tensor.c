/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_tensor.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size; /* 0: the engine does not compute with it */
} types[] = {
    [CELLA_ONNX_NONE] = { "undefined", 0 }, [CELLA_ONNX_FLOAT] = { "float", 4 },
    [CELLA_ONNX_UINT8] = { "uint8", 1 },    [CELLA_ONNX_INT8] = { "int8", 1 },
    [4] = { "uint16", 0 },                  [5] = { "int16", 0 },
    [CELLA_ONNX_INT32] = { "int32", 4 },    [CELLA_ONNX_INT64] = { "int64", 8 },
    [CELLA_ONNX_STRING] = { "string", sizeof(struct cella_view) },
    [CELLA_ONNX_BOOL] = { "bool", 1 },      [10] = { "float16", 0 },
    [CELLA_ONNX_DOUBLE] = { "double", 8 },  [12] = { "uint32", 0 },
    [13] = { "uint64", 0 },                 [14] = { "complex64", 0 },
    [15] = { "complex128", 0 },             [16] = { "bfloat16", 0 },
};

#define TYPE_COUNT (sizeof(types) / sizeof(types[0]))

size_t cella_onnx_type_size(enum cella_onnx_type type)
{
    return types[type].size;
}

const char *cella_onnx_type_name(uint64_t type)
{
    return type < TYPE_COUNT ? types[type].name : "unknown";
}

bool cella_onnx_type_known(uint64_t type)
{
    return type < TYPE_COUNT && types[type].size != 0;
}

static void discard(struct cella_onnx_buffer *buffer)
{
    buffer->memory->used -= buffer->capacity;
    free(buffer->data);
    free(buffer);
}

/* A pooled buffer of about this size, the tightest. */
static struct cella_onnx_buffer *reuse(struct cella_onnx_memory *memory, size_t size)
{
    size_t best = memory->pooled;
    for (size_t i = 0; i < memory->pooled; i++) {
        size_t capacity = memory->pool[i]->capacity;
        if (capacity >= size && capacity / 2 <= size + 4096 &&
            (best == memory->pooled || capacity < memory->pool[best]->capacity)) {
            best = i;
        }
    }
    if (best == memory->pooled) {
        return NULL;
    }
    struct cella_onnx_buffer *buffer = memory->pool[best];
    memory->pool[best] = memory->pool[--memory->pooled];
    return buffer;
}

static cella_status obtain(struct cella_onnx_memory *memory, size_t size, struct cella_onnx_buffer **out)
{
    struct cella_onnx_buffer *buffer = reuse(memory, size);
    if (buffer == NULL) {
        if (size > memory->limit - memory->used) {
            cella_onnx_memory_clear(memory);
        }
        if (size > memory->limit - memory->used) {
            return CELLA_LIMIT_MEMORY;
        }
        size_t whole = (size + CELLA_ONNX_SLACK + 63) / 64 * 64;
        buffer = calloc(1, sizeof(*buffer));
        void *data = buffer == NULL ? NULL : aligned_alloc(64, whole);
        if (buffer != NULL && data == NULL && memory->pooled > 0) {
            /* The task's memory is less than the engine's bound: what nobody uses makes room. */
            cella_onnx_memory_clear(memory);
            data = aligned_alloc(64, whole);
        }
        if (data == NULL) {
            free(buffer);
            return CELLA_NO_MEMORY;
        }
        memset((uint8_t *) data + size, 0, CELLA_ONNX_SLACK);
        *buffer = (struct cella_onnx_buffer){ .memory = memory, .capacity = size, .data = data };
        memory->used += size;
    }
    buffer->references = 1;
    *out = buffer;
    return CELLA_OK;
}

cella_status cella_onnx_tensor_make(struct cella_onnx_memory *memory, enum cella_onnx_type type, size_t rank,
                                    const size_t *dims, struct cella_onnx_tensor *out)
{
    struct cella_onnx_tensor made = { .type = type, .rank = rank, .count = 1 };
    size_t element = cella_onnx_type_size(type);
    size_t bytes = element; /* with zeroes taken as ones, so that no partial product overflows either */
    for (size_t i = 0; i < rank; i++) {
        made.dims[i] = dims[i];
        made.count *= dims[i];
        if (__builtin_mul_overflow(bytes, dims[i] == 0 ? 1 : dims[i], &bytes) || bytes > memory->limit) {
            return CELLA_LIMIT_MEMORY;
        }
    }
    CELLA_TRY(obtain(memory, made.count * element, &made.buffer));
    made.data = made.buffer->data;
    *out = made;
    return CELLA_OK;
}

void cella_onnx_tensor_share(const struct cella_onnx_tensor *tensor, struct cella_onnx_tensor *out)
{
    *out = *tensor;
    if (out->buffer != NULL) {
        out->buffer->references++;
    }
}

void cella_onnx_tensor_release(struct cella_onnx_tensor *tensor)
{
    struct cella_onnx_buffer *buffer = tensor->buffer;
    *tensor = (struct cella_onnx_tensor){ 0 };
    if (buffer == NULL || --buffer->references != 0) {
        return;
    }
    if (buffer->memory->pooled < CELLA_ONNX_FREE_MAX) {
        buffer->memory->pool[buffer->memory->pooled++] = buffer;
    } else {
        discard(buffer);
    }
}

size_t cella_onnx_span(const struct cella_onnx_tensor *tensor, size_t first, size_t count)
{
    size_t product = 1;
    for (size_t i = 0; i < count; i++) {
        product *= tensor->dims[first + i];
    }
    return product;
}

bool cella_onnx_same_shape(const struct cella_onnx_tensor *a, const struct cella_onnx_tensor *b)
{
    return a->rank == b->rank && memcmp(a->dims, b->dims, a->rank * sizeof(a->dims[0])) == 0;
}

void cella_onnx_memory_clear(struct cella_onnx_memory *memory)
{
    while (memory->pooled > 0) {
        discard(memory->pool[--memory->pooled]);
    }
}
