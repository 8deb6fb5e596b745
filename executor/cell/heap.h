/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The memory that cells inherit, arranged so that forking copies little: the interpreter's arenas side by side, in
 * huge pages where the kernel has them, and free pieces of malloc's heap joined and sorted once.
 *
 * A fork copies one entry per page and the cell gives it back at its end, so 2 MiB as one page cost what 4 KiB cost. A
 * page that a cell writes to is copied as 4 KiB all the same.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct cella_heap {
    char *next;   /* where the next arena goes; NULL: anywhere */
    void *spare;  /* arenas that were given back while loading, each with the address of the next one */
    bool loading; /* holes would split huge pages: keep what is given back */
};

/* Find room for arenas. Before the interpreter is started; heap stays as long as the process. */
void cella_heap_begin(struct cella_heap *heap);

/* Map and unmap memory, for PyObjectArenaAllocator; heap is a struct cella_heap. NULL when memory is short. */
void *cella_heap_map(void *heap, size_t size);
void cella_heap_unmap(void *heap, void *arena, size_t size);

/*
 * After everything is loaded, while /proc is there: huge pages for all writable private memory. What the kernel can not or
 * will not do is left out. Nothing large is to be given back to the kernel afterwards: that splits them.
 *
 * CELLA_SYSTEM_FAILED  /proc/self/maps is not readable
 */
CELLA_MUST_USE cella_status cella_heap_collapse(struct cella_heap *heap);

/* The last thing before the first fork: free pieces joined and sorted once more. */
void cella_heap_tidy(void);
