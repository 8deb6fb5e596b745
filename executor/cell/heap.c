/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/heap.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_SIZE ((size_t) 2 << 20)
#define RESERVED_SIZE ((uintptr_t) 1 << 36) /* what is larger is addresses only, such as a sanitizer's: millions of pieces */

/* What the interpreter's allocator maps for objects. Source: CPython 3.11, Objects/obmalloc.c */
#define ARENA_SIZE ((size_t) 1 << 20)

/* Address space that is looked for, not taken: far more than any profile loads. */
#define ROOM ((size_t) 8 << 30)

/* An allocation that no free piece fits, and that is still below malloc's threshold for mapping. */
#define SORTING_SIZE 120000U

/* MADV_COLLAPSE of Linux 6.1. Debian 12's header has it not. */
#define COLLAPSE 25

void cella_heap_begin(struct cella_heap *heap)
{
    char *room = mmap(NULL, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    *heap = (struct cella_heap){ .loading = true };
    if (room != MAP_FAILED) {
        munmap(room, ROOM);
        heap->next = room + (HUGE_SIZE - (uintptr_t) room % HUGE_SIZE);
    }
}

void *cella_heap_map(void *context, size_t size)
{
    struct cella_heap *heap = context;
    void *arena = MAP_FAILED;
    if (heap->spare != NULL && size == ARENA_SIZE) {
        arena = heap->spare;
        heap->spare = *(void **) arena;
        return arena;
    }
    if (heap->next != NULL && size == ARENA_SIZE) {
        arena = mmap(heap->next, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        heap->next = arena == heap->next ? heap->next + size : NULL;
    }
    if (arena == MAP_FAILED) {
        arena = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    return arena == MAP_FAILED ? NULL : arena;
}

void cella_heap_unmap(void *context, void *arena, size_t size)
{
    struct cella_heap *heap = context;
    if (heap->loading && size == ARENA_SIZE) {
        *(void **) arena = heap->spare;
        heap->spare = arena;
        return;
    }
    munmap(arena, size);
}

static void release_file(FILE **file)
{
    if (*file != NULL) {
        (void) fclose(*file);
    }
}

void cella_heap_tidy(void)
{
    /* What the first allocations of each cell would join and sort, each cell would copy before. */
    void *volatile piece = malloc(SORTING_SIZE); /* volatile: or the compiler takes the pair away */
    free(piece);
}

cella_status cella_heap_collapse(struct cella_heap *heap)
{
    char line[512];
    heap->loading = false;
    CELLA_CLEANUP(release_file) FILE *maps = fopen("/proc/self/maps", "re");
    if (maps == NULL) {
        return CELLA_SYSTEM_FAILED;
    }
    while (fgets(line, sizeof(line), maps) != NULL) {
        char *rest;
        uintptr_t begin = strtoul(line, &rest, 16);
        if (*rest != '-') {
            continue; /* the tail of a long line */
        }
        uintptr_t end = strtoul(rest + 1, &rest, 16);
        if (strncmp(rest, " rw-p", 5) != 0 || end - begin > RESERVED_SIZE) {
            continue;
        }
        begin = (begin + HUGE_SIZE - 1) / HUGE_SIZE * HUGE_SIZE;
        for (; begin + HUGE_SIZE <= end; begin += HUGE_SIZE) {
            (void) madvise((void *) begin, HUGE_SIZE, COLLAPSE);
        }
    }
    return CELLA_OK;
}
