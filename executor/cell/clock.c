/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/clock.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <unistd.h>

typedef int (*clock_call)(clockid_t clock, struct timespec *out);

/* Process-wide, because libc's names carry no state. Written once each: at the first call, and by coarsen. */
static struct {
    bool searched;
    bool coarse;
    clock_call kernel; /* in the page of code that the kernel maps into each process; NULL: there is none */
} state;

/* What the dynamic section of that page refers to. */
struct image {
    uintptr_t base; /* what is added to its addresses */
    const Elf64_Sym *symbols;
    const char *names;
    const uint32_t *hash; /* [1] is the number of symbols */
};

static bool read_dynamic(const Elf64_Dyn *entry, struct image *image)
{
    for (; entry->d_tag != DT_NULL; entry++) {
        const void *place = (const void *) (image->base + entry->d_un.d_ptr);
        if (entry->d_tag == DT_SYMTAB) {
            image->symbols = place;
        } else if (entry->d_tag == DT_STRTAB) {
            image->names = place;
        } else if (entry->d_tag == DT_HASH) {
            image->hash = place;
        }
    }
    return image->symbols != NULL && image->names != NULL && image->hash != NULL;
}

/* Source: vdso(7); ELF-64 object file format. The kernel made the page, so it is believed. */
static clock_call find_kernel_clock(void)
{
    uintptr_t start = getauxval(AT_SYSINFO_EHDR);
    struct image image = { 0 };
    const Elf64_Dyn *dynamic = NULL;
    if (start == 0) {
        return NULL;
    }
    const Elf64_Ehdr *header = (const Elf64_Ehdr *) start;
    const Elf64_Phdr *segments = (const Elf64_Phdr *) (start + header->e_phoff);
    for (size_t i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type == PT_LOAD) {
            image.base = start + segments[i].p_offset - segments[i].p_vaddr;
        } else if (segments[i].p_type == PT_DYNAMIC) {
            dynamic = (const Elf64_Dyn *) (start + segments[i].p_offset);
        }
    }
    if (dynamic == NULL || !read_dynamic(dynamic, &image)) {
        return NULL;
    }
    for (uint32_t i = 0; i < image.hash[1]; i++) {
        if (strcmp(image.names + image.symbols[i].st_name, "__vdso_clock_gettime") == 0) {
            return (clock_call) (image.base + image.symbols[i].st_value);
        }
    }
    return NULL;
}

cella_status cella_clock_coarsen(void)
{
    state.coarse = true;
    return prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

static int used_time(struct timespec *out)
{
    struct tms used;
    if (times(&used) == (clock_t) -1) {
        return -1;
    }
    long second = sysconf(_SC_CLK_TCK);
    clock_t ticks = used.tms_utime + used.tms_stime;
    *out = (struct timespec){ ticks / second, ticks % second * (1000000000L / second) };
    return 0;
}

static int coarse_time(clockid_t clock, struct timespec *out)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_TAI:
        return (int) syscall(SYS_clock_gettime, CLOCK_REALTIME_COARSE, out);
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        return (int) syscall(SYS_clock_gettime, CLOCK_MONOTONIC_COARSE, out);
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID:
        return used_time(out);
    default:
        errno = EINVAL;
        return -1;
    }
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    if (state.coarse) {
        return coarse_time(clock, out);
    }
    if (!state.searched) {
        state.kernel = find_kernel_clock();
        state.searched = true;
    }
    if (state.kernel == NULL) {
        return (int) syscall(SYS_clock_gettime, clock, out);
    }
    int result = state.kernel(clock, out);
    if (result < 0) {
        errno = -result;
        return -1;
    }
    return 0;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;
    if (zone != NULL) {
        memset(zone, 0, sizeof(struct timezone));
    }
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) {
        return -1;
    }
    *out = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now = { 0 };
    (void) clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (out != NULL) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}
