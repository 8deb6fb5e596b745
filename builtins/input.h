/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An input of a builtin: bytes in memory, or a stream that is decrypted while it is read. A function that reads in
 * order asks for pieces and works on inputs beyond its memory; one that does not takes all of it. All of it is
 * untrusted.
 */

#include "builtins/call.h"

struct cella_builtin_input {
    char name[64];           /* the table's, with its number in a group: for messages */
    struct cella_view bytes; /* all of it, unless read is set */
    size_t position;         /* how much of bytes was read */
    /* Of a stream: up to size bytes, at least one; 0 at the end. CELLA_SYSTEM_FAILED, CELLA_CANCELLED. */
    cella_status (*read)(void *context, uint8_t *to, size_t size, size_t *got);
    void *context;
    struct cella_bytes kept; /* of a stream: what cella_builtin_input_all read */
};

struct cella_builtin_inputs {
    size_t count;
    struct cella_builtin_input *items;
};

/*
 * All bytes, in memory. The view is valid until the call ends. After pieces were read it is an error (CELLA_INTERNAL).
 *
 * CELLA_NO_MEMORY      a stream that does not fit
 * CELLA_SYSTEM_FAILED  a stream was not delivered completely
 * CELLA_CANCELLED
 */
CELLA_MUST_USE cella_status cella_builtin_input_all(struct cella_builtin_input *input, struct cella_view *out);

/*
 * The next piece: at most size bytes to where to points; *got is 0 at the end only.
 * CELLA_SYSTEM_FAILED, CELLA_CANCELLED
 */
CELLA_MUST_USE cella_status cella_builtin_input_read(struct cella_builtin_input *input, uint8_t *to, size_t size,
                                                     size_t *got);

/* Free what was kept. */
void cella_builtin_input_release(struct cella_builtin_input *input);
