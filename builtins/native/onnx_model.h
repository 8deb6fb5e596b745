/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An ONNX file as structures: parsed strictly, bounded, with names still pointing into the file's bytes. What the file means
 * is onnx_session.h's business; here only its form counts. Everything is untrusted.
 *
 * Source: onnx.proto of ONNX 1.12 (IR version 8).
 */

#include "builtins/native/onnx_tensor.h"

#define CELLA_ONNX_NODES_MAX 65536U
#define CELLA_ONNX_NAMES_MAX 262144U /* of initializers, inputs and outputs, all together */
#define CELLA_ONNX_IR_MAX 10U

/* Kinds of attribute, with the numbers that files use. */
enum cella_onnx_attribute_kind {
    CELLA_ONNX_ATTRIBUTE_NONE = 0,
    CELLA_ONNX_ATTRIBUTE_FLOAT = 1,
    CELLA_ONNX_ATTRIBUTE_INT = 2,
    CELLA_ONNX_ATTRIBUTE_STRING = 3,
    CELLA_ONNX_ATTRIBUTE_TENSOR = 4,
    CELLA_ONNX_ATTRIBUTE_GRAPH = 5,
    CELLA_ONNX_ATTRIBUTE_FLOATS = 6,
    CELLA_ONNX_ATTRIBUTE_INTS = 7,
    CELLA_ONNX_ATTRIBUTE_STRINGS = 8,
    CELLA_ONNX_ATTRIBUTE_OTHER = 9, /* graphs, tensors, sparse tensors, types: no operator of the engine has them */
};

struct cella_onnx_attribute {
    struct cella_view name;
    enum cella_onnx_attribute_kind kind;
    float real;
    int64_t integer;
    struct cella_view text;
    struct cella_onnx_tensor tensor;
    float *reals;
    int64_t *integers;
    struct cella_view *texts;
    size_t count; /* of reals, integers or texts */
};

struct cella_onnx_node {
    struct cella_view name;
    struct cella_view operation;
    struct cella_view domain; /* empty for ai.onnx */
    struct cella_view *inputs; /* an empty name: absent */
    size_t input_count;
    struct cella_view *outputs;
    size_t output_count;
    struct cella_onnx_attribute *attributes;
    size_t attribute_count;
};

/* A dimension that is a number, or one that is open and may have a name. */
struct cella_onnx_dimension {
    bool open;
    size_t size;
    struct cella_view name;
};

/* A graph's input or output: its name and what the file says about it. */
struct cella_onnx_value_info {
    struct cella_view name;
    enum cella_onnx_type type; /* CELLA_ONNX_NONE: the file does not say, or it is not a tensor */
    bool is_tensor;
    bool shaped; /* dims are given */
    size_t rank;
    struct cella_onnx_dimension dims[CELLA_ONNX_RANK_MAX];
};

struct cella_onnx_initializer {
    struct cella_view name;
    struct cella_onnx_tensor tensor;
};

struct cella_onnx_opset {
    struct cella_view domain;
    int64_t version;
};

struct cella_onnx_block; /* one allocation of a model */

struct cella_onnx_model {
    struct cella_onnx_memory *memory; /* of tensors; borrowed */
    struct cella_onnx_block *blocks;  /* everything else; owned */
    struct cella_view graph_name;
    struct cella_onnx_opset *opsets;
    size_t opset_count;
    struct cella_onnx_node *nodes;
    size_t node_count;
    struct cella_onnx_initializer *initializers;
    size_t initializer_count;
    struct cella_onnx_value_info *inputs; /* without those that are initializers */
    size_t input_count;
    struct cella_onnx_value_info *outputs;
    size_t output_count;
    size_t name_count;
};

/*
 * Parse a file.
 *
 * source:  what messages call it
 * bytes:   the file; must live as long as the model
 * memory:  where tensors are made; must live as long as the model
 * out:     zeroed; the caller frees it with cella_onnx_model_release, also after errors
 *
 * CELLA_BUILTIN_FAILED  refused, with a message: not of the form, external data, a type or size beyond the engine's
 * CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_onnx_model_parse(struct cella_builtin_call *call, const char *source,
                                                   struct cella_view bytes, struct cella_onnx_memory *memory,
                                                   struct cella_onnx_model *out);

/*
 * Parse a TensorProto of its own, as the conformance tests keep inputs and outputs in.
 * Errors as above. The caller releases the tensor.
 */
CELLA_MUST_USE cella_status cella_onnx_tensor_parse(struct cella_builtin_call *call, const char *source,
                                                    struct cella_view bytes, struct cella_onnx_memory *memory,
                                                    struct cella_view *name, struct cella_onnx_tensor *out);

void cella_onnx_model_release(struct cella_onnx_model *model);

/*
 * Zeroed memory that lives as long as the model.
 * CELLA_NO_MEMORY  also when count times size overflows
 */
CELLA_MUST_USE cella_status cella_onnx_model_take(struct cella_onnx_model *model, size_t count, size_t size, void **out);

/* A name of the model for a message: printable ASCII, cut to 48 characters. Returns text. */
const char *cella_onnx_printable(struct cella_view name, char text[64]);
