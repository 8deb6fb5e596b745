/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/call.h"

#include <stdarg.h>
#include <stdio.h>

cella_status cella_builtin_refuse(struct cella_builtin_call *call, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void) vsnprintf(call->message, sizeof(call->message), format, arguments);
    va_end(arguments);
    return CELLA_BUILTIN_FAILED;
}

cella_status cella_builtin_refuse_argument(struct cella_builtin_call *call, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void) vsnprintf(call->message, sizeof(call->message), format, arguments);
    va_end(arguments);
    return CELLA_BAD_ARGUMENT;
}

cella_status cella_builtin_refuse_output(struct cella_builtin_call *call, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void) vsnprintf(call->message, sizeof(call->message), format, arguments);
    va_end(arguments);
    return CELLA_LIMIT_OUTPUT;
}

cella_status cella_builtin_progress(struct cella_builtin_call *call, double fraction)
{
    return call->progress == NULL ? CELLA_OK : call->progress(call->context, fraction);
}

cella_status cella_builtin_result(struct cella_builtin_call *call, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0) {
        return CELLA_INTERNAL;
    }
    CELLA_TRY(cella_bytes_reserve(&call->result, (size_t) size + 1));
    va_start(arguments, format);
    (void) vsnprintf((char *) call->result.data + call->result.size, (size_t) size + 1, format, arguments);
    va_end(arguments);
    call->result.size += (size_t) size;
    return CELLA_OK;
}
