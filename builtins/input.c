/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/input.h"

#include <string.h>

#define PIECE 262144U

cella_status cella_builtin_input_read(struct cella_builtin_input *input, uint8_t *to, size_t size, size_t *got)
{
    if (input->read != NULL) {
        return input->read(input->context, to, size, got);
    }
    size_t left = input->bytes.size - input->position;
    *got = size < left ? size : left;
    if (*got > 0) {
        memcpy(to, input->bytes.data + input->position, *got);
    }
    input->position += *got;
    return CELLA_OK;
}

cella_status cella_builtin_input_all(struct cella_builtin_input *input, struct cella_view *out)
{
    if (input->position > 0) {
        return CELLA_INTERNAL;
    }
    while (input->read != NULL) {
        size_t size = input->kept.size;
        size_t got = 0;
        CELLA_TRY(cella_bytes_reserve(&input->kept, PIECE));
        CELLA_TRY(input->read(input->context, input->kept.data + size, input->kept.capacity - size, &got));
        input->kept.size += got;
        if (got == 0) {
            input->read = NULL;
            input->bytes = cella_bytes_view(&input->kept);
        }
    }
    *out = input->bytes;
    return CELLA_OK;
}

void cella_builtin_input_release(struct cella_builtin_input *input)
{
    cella_bytes_clear(&input->kept);
}
