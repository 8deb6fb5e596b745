/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/parallel.h"

#include <pthread.h>

#define THREADS_MAX 64U

struct work {
    size_t next; /* the first part that nobody took; atomic */
    size_t count;
    void (*part)(void *context, size_t index);
    void *context;
};

static void *take_parts(void *argument)
{
    struct work *work = argument;
    for (;;) {
        size_t index = __atomic_fetch_add(&work->next, 1, __ATOMIC_RELAXED);
        if (index >= work->count) {
            return NULL;
        }
        work->part(work->context, index);
    }
}

void cella_parallel(const struct cella_builtin_call *call, size_t count, void (*part)(void *context, size_t index),
                    void *context)
{
    struct work work = { .count = count, .part = part, .context = context };
    pthread_t helpers[THREADS_MAX];
    size_t wanted = call->threads < count ? call->threads : count;
    size_t made = 0;
    while (made + 1 < wanted && made < THREADS_MAX && pthread_create(&helpers[made], NULL, take_parts, &work) == 0) {
        made++;
    }
    (void) take_parts(&work);
    while (made > 0) {
        (void) pthread_join(helpers[--made], NULL);
    }
}
