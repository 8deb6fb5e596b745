/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/libraries.h"

#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE ((uintptr_t) 4096)

/* Part of a library: whole pages. */
struct range {
    uintptr_t begin;
    uintptr_t end;
};

static struct range pages_of(const struct dl_phdr_info *library, const ElfW(Phdr) *part)
{
    uintptr_t begin = library->dlpi_addr + part->p_vaddr;
    return (struct range){ begin & ~(PAGE - 1), (begin + part->p_memsz + PAGE - 1) & ~(PAGE - 1) };
}

/* The kernel makes neighbours with the same rights, of the same file, one. */
static void join_constant(struct range range)
{
    if (range.begin < range.end) {
        (void) mprotect((void *) range.begin, range.end - range.begin, PROT_READ | PROT_EXEC);
    }
}

/*
 * Take the place of a library's writable memory, at once and with the same content: what runs here may use it. Pages of
 * zeros need no memory.
 */
static void join_written(struct range range)
{
    static const char zeros[PAGE];
    size_t size = range.end - range.begin;
    char *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy == MAP_FAILED) {
        return;
    }
    for (size_t at = 0; at < size; at += PAGE) {
        const char *page = (const char *) range.begin + at;
        if (memcmp(page, zeros, PAGE) != 0) {
            memcpy(copy + at, page, PAGE);
        }
    }
    if (mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, (void *) range.begin) == MAP_FAILED) {
        (void) munmap(copy, size);
    }
}

static int join(struct dl_phdr_info *library, size_t size, void *context)
{
    struct range constant = { 0, 0 };
    (void) size;
    (void) context;
    if (strchr(library->dlpi_name, '/') == NULL) {
        return 0; /* the program, whose pieces are few, or the kernel's page */
    }
    for (size_t i = 0; i < library->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &library->dlpi_phdr[i];
        if (part->p_type != PT_LOAD) {
            continue;
        }
        struct range range = pages_of(library, part);
        if ((part->p_flags & PF_W) != 0) {
            join_written(range);
        } else if (range.begin == constant.end) {
            constant.end = range.end;
        } else {
            join_constant(constant);
            constant = range;
        }
    }
    join_constant(constant);
    return 0;
}

void cella_libraries_join(void)
{
    (void) dl_iterate_phdr(join, NULL);
}
