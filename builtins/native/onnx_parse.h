/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the parser's files share: where in the file it is, for messages, and the loops over a message's fields.
 */

#include "builtins/native/onnx_model.h"
#include "builtins/native/onnx_wire.h"

#define CELLA_ONNX_FIELDS_COUNTED 32U

struct cella_onnx_parse {
    struct cella_builtin_call *call;
    const char *source; /* what messages call the file */
    struct cella_onnx_model *model;
};

/* CELLA_BUILTIN_FAILED with "SOURCE: what". */
CELLA_MUST_USE cella_status cella_onnx_parse_refuse(const struct cella_onnx_parse *parse, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * The next field of a message.
 * CELLA_BUILTIN_FAILED  the bytes are not of the wire format; the message says in which kind of message
 */
CELLA_MUST_USE cella_status cella_onnx_parse_next(const struct cella_onnx_parse *parse, const char *kind,
                                                  struct cella_view *rest, struct cella_onnx_field *field, bool *there);

/* How often each field number below CELLA_ONNX_FIELDS_COUNTED is there. Errors as above. */
CELLA_MUST_USE cella_status cella_onnx_parse_count(const struct cella_onnx_parse *parse, const char *kind,
                                                   struct cella_view message,
                                                   size_t counts[CELLA_ONNX_FIELDS_COUNTED]);

/* CELLA_BUILTIN_FAILED unless the field is of the wire type. */
CELLA_MUST_USE cella_status cella_onnx_parse_expect(const struct cella_onnx_parse *parse, const char *kind,
                                                    const struct cella_onnx_field *field, enum cella_onnx_wire wire);

/*
 * A TensorProto. out is absent before; the caller releases it.
 * CELLA_BUILTIN_FAILED, CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_onnx_parse_tensor(const struct cella_onnx_parse *parse, struct cella_view message,
                                                    struct cella_view *name, struct cella_onnx_tensor *out);
