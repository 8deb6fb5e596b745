/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void cella_text_set(struct cella_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void) vsnprintf(text->characters, sizeof(text->characters), format, arguments);
    va_end(arguments);
}

void cella_text_add(struct cella_text *text, const char *format, ...)
{
    size_t used = strlen(text->characters);
    va_list arguments;
    va_start(arguments, format);
    (void) vsnprintf(text->characters + used, sizeof(text->characters) - used, format, arguments);
    va_end(arguments);
}
