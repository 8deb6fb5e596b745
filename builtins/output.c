/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/output.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_MAX 1001U

cella_status cella_builtin_output_flush(struct cella_builtin_output *output)
{
    if (output->pending.size == 0) {
        return CELLA_OK;
    }
    CELLA_TRY(output->write(output->context, cella_bytes_view(&output->pending)));
    output->pending.size = 0;
    return CELLA_OK;
}

cella_status cella_builtin_output_write(struct cella_builtin_output *output, struct cella_view bytes)
{
    if (output->pending.size + bytes.size > CELLA_BUILTIN_OUTPUT_BLOCK) {
        CELLA_TRY(cella_builtin_output_flush(output));
    }
    if (bytes.size >= CELLA_BUILTIN_OUTPUT_BLOCK) {
        return output->write(output->context, bytes);
    }
    if (output->pending.capacity == 0) {
        CELLA_TRY(cella_bytes_reserve(&output->pending, CELLA_BUILTIN_OUTPUT_BLOCK));
    }
    return cella_bytes_append(&output->pending, bytes);
}

cella_status cella_builtin_output_print(struct cella_builtin_output *output, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t) size >= sizeof(text)) {
        return CELLA_INTERNAL;
    }
    return cella_builtin_output_write(output, cella_view_of(text, (size_t) size));
}
