/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builtins/native/onnx_parse.h"

struct cella_onnx_block {
    struct cella_onnx_block *next;
    uint64_t content[];
};

const char *cella_onnx_printable(struct cella_view name, char text[64])
{
    size_t size = name.size < 48 ? name.size : 48;
    for (size_t i = 0; i < size; i++) {
        text[i] = name.data[i] >= 0x20 && name.data[i] < 0x7f ? (char) name.data[i] : '?';
    }
    memcpy(text + size, size < name.size ? "..." : "", size < name.size ? 4 : 1);
    return text;
}

cella_status cella_onnx_parse_refuse(const struct cella_onnx_parse *parse, const char *format, ...)
{
    char text[CELLA_BUILTIN_MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return cella_builtin_refuse(parse->call, "%s: %s", parse->source, text);
}

cella_status cella_onnx_parse_next(const struct cella_onnx_parse *parse, const char *kind, struct cella_view *rest,
                                   struct cella_onnx_field *field, bool *there)
{
    if (cella_onnx_wire_next(rest, field, there) != CELLA_OK) {
        return cella_onnx_parse_refuse(parse, "is not an ONNX file, or is cut short: %s is not well formed", kind);
    }
    return CELLA_OK;
}

cella_status cella_onnx_parse_count(const struct cella_onnx_parse *parse, const char *kind, struct cella_view message,
                                    size_t counts[CELLA_ONNX_FIELDS_COUNTED])
{
    memset(counts, 0, CELLA_ONNX_FIELDS_COUNTED * sizeof(counts[0]));
    struct cella_onnx_field field;
    for (bool there = true;;) {
        CELLA_TRY(cella_onnx_parse_next(parse, kind, &message, &field, &there));
        if (!there) {
            return CELLA_OK;
        }
        if (field.number < CELLA_ONNX_FIELDS_COUNTED) {
            counts[field.number]++;
        }
    }
}

cella_status cella_onnx_parse_expect(const struct cella_onnx_parse *parse, const char *kind,
                                     const struct cella_onnx_field *field, enum cella_onnx_wire wire)
{
    return field->wire == wire
        ? CELLA_OK
        : cella_onnx_parse_refuse(parse, "is not an ONNX file: field %u of %s has another kind of value", field->number,
                                  kind);
}

cella_status cella_onnx_model_take(struct cella_onnx_model *model, size_t count, size_t size, void **out)
{
    size_t bytes;
    *out = NULL;
    if (__builtin_mul_overflow(count, size, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct cella_onnx_block), &bytes)) {
        return CELLA_NO_MEMORY;
    }
    struct cella_onnx_block *block = calloc(1, bytes);
    if (block == NULL) {
        return CELLA_NO_MEMORY;
    }
    block->next = model->blocks;
    model->blocks = block;
    *out = block->content;
    return CELLA_OK;
}

#define TAKE(model, count, pointer) cella_onnx_model_take(model, count, sizeof(**(pointer)), (void **) (pointer))

static cella_status bytes_of(const struct cella_onnx_parse *parse, const char *kind,
                             const struct cella_onnx_field *field, struct cella_view *out)
{
    CELLA_TRY(cella_onnx_parse_expect(parse, kind, field, CELLA_ONNX_WIRE_BYTES));
    *out = field->bytes;
    return CELLA_OK;
}

/* Values of a repeated field: one, or packed many. wire: of one value. to has room for all of them. */
static cella_status numbers(const struct cella_onnx_parse *parse, const struct cella_onnx_field *field, bool reals,
                            struct cella_onnx_attribute *attribute, size_t *at, bool count_only)
{
    struct cella_view rest = field->bytes;
    bool packed = field->wire == CELLA_ONNX_WIRE_BYTES;
    if (!packed) {
        CELLA_TRY(cella_onnx_parse_expect(parse, "an attribute", field,
                                          reals ? CELLA_ONNX_WIRE_FIXED32 : CELLA_ONNX_WIRE_VARINT));
    }
    do {
        uint64_t value = field->value;
        if (packed && rest.size == 0) {
            break;
        }
        if (packed && reals) {
            if (rest.size < 4) {
                return cella_onnx_parse_refuse(parse, "an attribute's numbers are cut short");
            }
            value = cella_onnx_wire_u32(rest.data);
            rest = cella_view_of(rest.data + 4, rest.size - 4);
        } else if (packed && cella_onnx_wire_varint(&rest, &value) != CELLA_OK) {
            return cella_onnx_parse_refuse(parse, "an attribute's numbers are cut short");
        }
        uint32_t word = (uint32_t) value;
        if (!count_only && reals) {
            memcpy(&attribute->reals[*at], &word, 4);
        } else if (!count_only) {
            attribute->integers[*at] = (int64_t) value;
        }
        (*at)++;
    } while (packed);
    return CELLA_OK;
}

enum { A_NAME = 1, A_FLOAT = 2, A_INT = 3, A_STRING = 4, A_TENSOR = 5, A_FLOATS = 7, A_INTS = 8, A_STRINGS = 9,
       A_TYPE = 20, A_REFERENCE = 21 };

/* One attribute's field; list values are counted first, then stored. */
static cella_status attribute_field(const struct cella_onnx_parse *parse, const struct cella_onnx_field *field,
                                    struct cella_onnx_attribute *attribute, uint64_t *type, bool count_only,
                                    size_t at[3])
{
    uint32_t word = (uint32_t) field->value;
    switch (field->number) {
    case A_NAME:
        return bytes_of(parse, "an attribute", field, &attribute->name);
    case A_FLOAT:
        memcpy(&attribute->real, &word, 4);
        return cella_onnx_parse_expect(parse, "an attribute", field, CELLA_ONNX_WIRE_FIXED32);
    case A_INT:
        attribute->integer = (int64_t) field->value;
        return cella_onnx_parse_expect(parse, "an attribute", field, CELLA_ONNX_WIRE_VARINT);
    case A_STRING:
        return bytes_of(parse, "an attribute", field, &attribute->text);
    case A_FLOATS:
        return numbers(parse, field, true, attribute, &at[0], count_only);
    case A_INTS:
        return numbers(parse, field, false, attribute, &at[1], count_only);
    case A_STRINGS:
        CELLA_TRY(cella_onnx_parse_expect(parse, "an attribute", field, CELLA_ONNX_WIRE_BYTES));
        if (!count_only) {
            attribute->texts[at[2]] = field->bytes;
        }
        at[2]++;
        return CELLA_OK;
    case A_TYPE:
        *type = field->value;
        return cella_onnx_parse_expect(parse, "an attribute", field, CELLA_ONNX_WIRE_VARINT);
    case A_REFERENCE:
        return cella_onnx_parse_refuse(parse, "an attribute refers to a function's, which is not supported");
    default:
        return CELLA_OK;
    }
}

static cella_status attribute_pass(const struct cella_onnx_parse *parse, struct cella_view message,
                                   struct cella_onnx_attribute *attribute, uint64_t *type, bool count_only,
                                   size_t at[3], struct cella_view *tensor)
{
    struct cella_onnx_field field;
    memset(at, 0, 3 * sizeof(at[0]));
    for (bool there = true;;) {
        CELLA_TRY(cella_onnx_parse_next(parse, "an attribute", &message, &field, &there));
        if (!there) {
            return CELLA_OK;
        }
        if (field.number == A_TENSOR) {
            CELLA_TRY(bytes_of(parse, "an attribute", &field, tensor));
        }
        CELLA_TRY(attribute_field(parse, &field, attribute, type, count_only, at));
    }
}

static cella_status parse_attribute(const struct cella_onnx_parse *parse, struct cella_view message,
                                    struct cella_onnx_attribute *attribute)
{
    uint64_t type = 0;
    size_t counts[3];
    struct cella_view tensor = { 0 };
    CELLA_TRY(attribute_pass(parse, message, attribute, &type, true, counts, &tensor));
    attribute->kind = type <= CELLA_ONNX_ATTRIBUTE_STRINGS ? (enum cella_onnx_attribute_kind) type
                                                           : CELLA_ONNX_ATTRIBUTE_OTHER;
    switch (attribute->kind) {
    case CELLA_ONNX_ATTRIBUTE_TENSOR: {
        struct cella_view name;
        return cella_onnx_parse_tensor(parse, tensor, &name, &attribute->tensor);
    }
    case CELLA_ONNX_ATTRIBUTE_FLOATS:
    case CELLA_ONNX_ATTRIBUTE_INTS:
    case CELLA_ONNX_ATTRIBUTE_STRINGS:
        CELLA_TRY(TAKE(parse->model, counts[0], &attribute->reals));
        CELLA_TRY(TAKE(parse->model, counts[1], &attribute->integers));
        CELLA_TRY(TAKE(parse->model, counts[2], &attribute->texts));
        CELLA_TRY(attribute_pass(parse, message, attribute, &type, false, counts, &tensor));
        attribute->count = attribute->kind == CELLA_ONNX_ATTRIBUTE_FLOATS ? counts[0]
            : attribute->kind == CELLA_ONNX_ATTRIBUTE_INTS                ? counts[1]
                                                                          : counts[2];
        return CELLA_OK;
    case CELLA_ONNX_ATTRIBUTE_NONE:
        return cella_onnx_parse_refuse(parse, "an attribute has no type");
    case CELLA_ONNX_ATTRIBUTE_FLOAT:
    case CELLA_ONNX_ATTRIBUTE_INT:
    case CELLA_ONNX_ATTRIBUTE_STRING:
    case CELLA_ONNX_ATTRIBUTE_GRAPH:
    case CELLA_ONNX_ATTRIBUTE_OTHER:
        break;
    }
    return CELLA_OK;
}

enum { N_INPUT = 1, N_OUTPUT = 2, N_NAME = 3, N_OPERATION = 4, N_ATTRIBUTE = 5, N_DOMAIN = 7 };

static cella_status node_field(const struct cella_onnx_parse *parse, const struct cella_onnx_field *field,
                               struct cella_onnx_node *node)
{
    switch (field->number) {
    case N_INPUT:
        return bytes_of(parse, "a node", field, &node->inputs[node->input_count++]);
    case N_OUTPUT:
        return bytes_of(parse, "a node", field, &node->outputs[node->output_count++]);
    case N_NAME:
        return bytes_of(parse, "a node", field, &node->name);
    case N_OPERATION:
        return bytes_of(parse, "a node", field, &node->operation);
    case N_DOMAIN:
        CELLA_TRY(bytes_of(parse, "a node", field, &node->domain));
        if (cella_view_is(node->domain, "ai.onnx")) {
            node->domain.size = 0;
        }
        return CELLA_OK;
    case N_ATTRIBUTE:
        CELLA_TRY(cella_onnx_parse_expect(parse, "a node", field, CELLA_ONNX_WIRE_BYTES));
        return parse_attribute(parse, field->bytes, &node->attributes[node->attribute_count++]);
    default:
        return CELLA_OK;
    }
}

static cella_status parse_node(const struct cella_onnx_parse *parse, struct cella_view message,
                               struct cella_onnx_node *node)
{
    size_t counts[CELLA_ONNX_FIELDS_COUNTED];
    struct cella_onnx_field field;
    CELLA_TRY(cella_onnx_parse_count(parse, "a node", message, counts));
    parse->model->name_count += counts[N_INPUT] + counts[N_OUTPUT];
    if (parse->model->name_count > CELLA_ONNX_NAMES_MAX || counts[N_ATTRIBUTE] > 256) {
        return cella_onnx_parse_refuse(parse, "has more than %u inputs and outputs of nodes, or a node with more than 256 "
                                              "attributes", CELLA_ONNX_NAMES_MAX);
    }
    CELLA_TRY(TAKE(parse->model, counts[N_INPUT], &node->inputs));
    CELLA_TRY(TAKE(parse->model, counts[N_OUTPUT], &node->outputs));
    CELLA_TRY(TAKE(parse->model, counts[N_ATTRIBUTE], &node->attributes));
    for (bool there = true;;) {
        CELLA_TRY(cella_onnx_parse_next(parse, "a node", &message, &field, &there));
        if (!there) {
            return CELLA_OK;
        }
        CELLA_TRY(node_field(parse, &field, node));
    }
}

/* The one submessage number of a message, the last if there are several; *there false if none. */
static cella_status submessage(const struct cella_onnx_parse *parse, const char *kind, struct cella_view message,
                               uint32_t number, struct cella_view *out, bool *found)
{
    struct cella_onnx_field field;
    *found = false;
    for (bool there = true;;) {
        CELLA_TRY(cella_onnx_parse_next(parse, kind, &message, &field, &there));
        if (!there) {
            return CELLA_OK;
        }
        if (field.number == number) {
            CELLA_TRY(bytes_of(parse, kind, &field, out));
            *found = true;
        }
    }
}

static cella_status parse_dimension(const struct cella_onnx_parse *parse, struct cella_view message,
                                    struct cella_onnx_dimension *dimension)
{
    struct cella_onnx_field field;
    *dimension = (struct cella_onnx_dimension){ .open = true };
    for (bool there = true;;) {
        CELLA_TRY(cella_onnx_parse_next(parse, "a dimension", &message, &field, &there));
        if (!there) {
            return CELLA_OK;
        }
        if (field.number == 1) {
            CELLA_TRY(cella_onnx_parse_expect(parse, "a dimension", &field, CELLA_ONNX_WIRE_VARINT));
            /* Some writers say 0 or -1 for a dimension that is open. */
            dimension->open = field.value == 0 || field.value > (uint64_t) INT64_MAX;
            dimension->size = dimension->open ? 0 : (size_t) field.value;
        } else if (field.number == 2) {
            CELLA_TRY(bytes_of(parse, "a dimension", &field, &dimension->name));
        }
    }
}

static cella_status parse_shape(const struct cella_onnx_parse *parse, struct cella_view message,
                                struct cella_onnx_value_info *info)
{
    struct cella_onnx_field field;
    info->shaped = true;
    for (bool there = true;;) {
        CELLA_TRY(cella_onnx_parse_next(parse, "a shape", &message, &field, &there));
        if (!there) {
            return CELLA_OK;
        }
        if (field.number == 1) {
            CELLA_TRY(cella_onnx_parse_expect(parse, "a shape", &field, CELLA_ONNX_WIRE_BYTES));
            if (info->rank == CELLA_ONNX_RANK_MAX) {
                return cella_onnx_parse_refuse(parse, "a shape has more than %u dimensions", CELLA_ONNX_RANK_MAX);
            }
            CELLA_TRY(parse_dimension(parse, field.bytes, &info->dims[info->rank++]));
        }
    }
}

static cella_status parse_value_info(const struct cella_onnx_parse *parse, struct cella_view message,
                                     struct cella_onnx_value_info *info)
{
    struct cella_view type = { 0 };
    struct cella_view tensor = { 0 };
    struct cella_view shape = { 0 };
    struct cella_onnx_field field;
    bool found;
    CELLA_TRY(submessage(parse, "an input or output", message, 1, &info->name, &found));
    CELLA_TRY(submessage(parse, "an input or output", message, 2, &type, &found));
    CELLA_TRY(submessage(parse, "a type", type, 1, &tensor, &info->is_tensor));
    CELLA_TRY(submessage(parse, "a type", tensor, 2, &shape, &found));
    if (found) {
        CELLA_TRY(parse_shape(parse, shape, info));
    }
    for (bool there = true;;) {
        CELLA_TRY(cella_onnx_parse_next(parse, "a type", &tensor, &field, &there));
        if (!there) {
            return CELLA_OK;
        }
        if (field.number == 1 && field.wire == CELLA_ONNX_WIRE_VARINT && field.value != 0) {
            char text[64];
            if (!cella_onnx_type_known(field.value)) {
                return cella_onnx_parse_refuse(parse, "'%s' is of type %s, which is not supported",
                                               cella_onnx_printable(info->name, text), cella_onnx_type_name(field.value));
            }
            info->type = (enum cella_onnx_type) field.value;
        }
    }
}

enum { G_NODE = 1, G_NAME = 2, G_INITIALIZER = 5, G_INPUT = 11, G_OUTPUT = 12, G_SPARSE = 15 };

static cella_status graph_field(const struct cella_onnx_parse *parse, const struct cella_onnx_field *field)
{
    struct cella_onnx_model *model = parse->model;
    struct cella_onnx_initializer *initializer;
    switch (field->number) {
    case G_NODE:
        CELLA_TRY(cella_onnx_parse_expect(parse, "a graph", field, CELLA_ONNX_WIRE_BYTES));
        return parse_node(parse, field->bytes, &model->nodes[model->node_count++]);
    case G_NAME:
        return bytes_of(parse, "a graph", field, &model->graph_name);
    case G_INITIALIZER:
        CELLA_TRY(cella_onnx_parse_expect(parse, "a graph", field, CELLA_ONNX_WIRE_BYTES));
        initializer = &model->initializers[model->initializer_count++];
        return cella_onnx_parse_tensor(parse, field->bytes, &initializer->name, &initializer->tensor);
    case G_INPUT:
        CELLA_TRY(cella_onnx_parse_expect(parse, "a graph", field, CELLA_ONNX_WIRE_BYTES));
        return parse_value_info(parse, field->bytes, &model->inputs[model->input_count++]);
    case G_OUTPUT:
        CELLA_TRY(cella_onnx_parse_expect(parse, "a graph", field, CELLA_ONNX_WIRE_BYTES));
        return parse_value_info(parse, field->bytes, &model->outputs[model->output_count++]);
    case G_SPARSE:
        return cella_onnx_parse_refuse(parse, "has sparse initializers, which are not supported");
    default:
        return CELLA_OK;
    }
}

static cella_status parse_graph(const struct cella_onnx_parse *parse, struct cella_view message)
{
    size_t counts[CELLA_ONNX_FIELDS_COUNTED];
    struct cella_onnx_model *model = parse->model;
    struct cella_onnx_field field;
    CELLA_TRY(cella_onnx_parse_count(parse, "a graph", message, counts));
    if (counts[G_NODE] > CELLA_ONNX_NODES_MAX ||
        counts[G_INITIALIZER] + counts[G_INPUT] + counts[G_OUTPUT] > CELLA_ONNX_NAMES_MAX) {
        return cella_onnx_parse_refuse(parse, "has more than %u nodes or %u initializers, inputs and outputs",
                                       CELLA_ONNX_NODES_MAX, CELLA_ONNX_NAMES_MAX);
    }
    CELLA_TRY(TAKE(model, counts[G_NODE], &model->nodes));
    CELLA_TRY(TAKE(model, counts[G_INITIALIZER], &model->initializers));
    CELLA_TRY(TAKE(model, counts[G_INPUT], &model->inputs));
    CELLA_TRY(TAKE(model, counts[G_OUTPUT], &model->outputs));
    for (bool there = true;;) {
        CELLA_TRY(cella_onnx_parse_next(parse, "a graph", &message, &field, &there));
        if (!there) {
            return CELLA_OK;
        }
        CELLA_TRY(graph_field(parse, &field));
    }
}

static cella_status parse_opset(const struct cella_onnx_parse *parse, struct cella_view message)
{
    struct cella_onnx_opset *opset = &parse->model->opsets[parse->model->opset_count++];
    struct cella_onnx_field field;
    for (bool there = true;;) {
        CELLA_TRY(cella_onnx_parse_next(parse, "an operator set", &message, &field, &there));
        if (!there) {
            break;
        }
        if (field.number == 1) {
            CELLA_TRY(bytes_of(parse, "an operator set", &field, &opset->domain));
        } else if (field.number == 2) {
            CELLA_TRY(cella_onnx_parse_expect(parse, "an operator set", &field, CELLA_ONNX_WIRE_VARINT));
            opset->version = (int64_t) field.value;
        }
    }
    if (cella_view_is(opset->domain, "ai.onnx")) {
        opset->domain.size = 0;
    }
    return CELLA_OK;
}

enum { M_VERSION = 1, M_GRAPH = 7, M_OPSET = 8, M_FUNCTION = 25 };

static cella_status parse_model(const struct cella_onnx_parse *parse, struct cella_view message)
{
    size_t counts[CELLA_ONNX_FIELDS_COUNTED];
    struct cella_onnx_field field;
    uint64_t version = 0;
    CELLA_TRY(cella_onnx_parse_count(parse, "the file", message, counts));
    if (counts[M_GRAPH] != 1 || counts[M_OPSET] == 0 || counts[M_OPSET] > 64) {
        return cella_onnx_parse_refuse(parse, "is not an ONNX file: it has %zu graphs and %zu operator sets",
                                       counts[M_GRAPH], counts[M_OPSET]);
    }
    if (counts[M_FUNCTION] != 0) {
        return cella_onnx_parse_refuse(parse, "defines operators of its own (functions), which is not supported");
    }
    CELLA_TRY(TAKE(parse->model, counts[M_OPSET], &parse->model->opsets));
    for (bool there = true;;) {
        CELLA_TRY(cella_onnx_parse_next(parse, "the file", &message, &field, &there));
        if (!there) {
            break;
        }
        if (field.number == M_VERSION) {
            CELLA_TRY(cella_onnx_parse_expect(parse, "the file", &field, CELLA_ONNX_WIRE_VARINT));
            version = field.value;
        } else if (field.number == M_GRAPH || field.number == M_OPSET) {
            CELLA_TRY(cella_onnx_parse_expect(parse, "the file", &field, CELLA_ONNX_WIRE_BYTES));
            CELLA_TRY(field.number == M_GRAPH ? parse_graph(parse, field.bytes) : parse_opset(parse, field.bytes));
        }
    }
    if (version == 0 || version > CELLA_ONNX_IR_MAX) {
        return cella_onnx_parse_refuse(parse, "is of ONNX IR version %llu; versions 1 to %u are supported",
                                       (unsigned long long) version, CELLA_ONNX_IR_MAX);
    }
    return CELLA_OK;
}

cella_status cella_onnx_model_parse(struct cella_builtin_call *call, const char *source, struct cella_view bytes,
                                    struct cella_onnx_memory *memory, struct cella_onnx_model *out)
{
    out->memory = memory;
    struct cella_onnx_parse parse = { call, source, out };
    return parse_model(&parse, bytes);
}

cella_status cella_onnx_tensor_parse(struct cella_builtin_call *call, const char *source, struct cella_view bytes,
                                     struct cella_onnx_memory *memory, struct cella_view *name,
                                     struct cella_onnx_tensor *out)
{
    struct cella_onnx_model model = { .memory = memory };
    struct cella_onnx_parse parse = { call, source, &model };
    return cella_onnx_parse_tensor(&parse, bytes, name, out);
}

void cella_onnx_model_release(struct cella_onnx_model *model)
{
    for (size_t i = 0; i < model->initializer_count; i++) {
        cella_onnx_tensor_release(&model->initializers[i].tensor);
    }
    for (size_t i = 0; i < model->node_count; i++) {
        for (size_t j = 0; j < model->nodes[i].attribute_count; j++) {
            cella_onnx_tensor_release(&model->nodes[i].attributes[j].tensor);
        }
    }
    while (model->blocks != NULL) {
        struct cella_onnx_block *block = model->blocks;
        model->blocks = block->next;
        free(block);
    }
    *model = (struct cella_onnx_model){ 0 };
}
