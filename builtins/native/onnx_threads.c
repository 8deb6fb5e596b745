/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#define STACK_BYTES (512U << 10)
#define SPINS 4000U /* about 20 microseconds: the next layer usually begins before */

struct worker {
    struct cella_onnx_threads *threads;
    size_t number;
    pthread_t thread;
};

struct cella_onnx_threads {
    size_t count; /* the caller's included */
    pthread_mutex_t lock;
    pthread_cond_t begin;
    atomic_uint round;    /* rises with each loop */
    bool open;            /* a loop may still be joined; with lock */
    bool ending;          /* with lock */
    atomic_size_t active; /* others that joined the loop and have not left */
    atomic_size_t next;   /* index that nobody has taken */
    size_t parts;
    double steps; /* of a part */
    struct cella_onnx_work *work;
    cella_onnx_part *part;
    void *context;
    struct worker workers[CELLA_ONNX_THREADS_MAX];
};

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static cella_status take_parts(struct cella_onnx_threads *threads, size_t number)
{
    for (;;) {
        size_t index = atomic_fetch_add(&threads->next, 1);
        if (index >= threads->parts) {
            return CELLA_OK;
        }
        threads->part(threads->context, index, number);
        /* Only the thread that was called may ask; after a cancelling nobody finds another part. */
        cella_status status = number == 0 ? cella_onnx_work_done(threads->work, threads->steps) : CELLA_OK;
        if (status != CELLA_OK) {
            atomic_store(&threads->next, threads->parts);
            return status;
        }
    }
}

/* Wait for the next loop. joined: it is still open, and the caller now counts as active. False when all ends. */
static bool await(struct cella_onnx_threads *threads, unsigned int *seen, bool *joined)
{
    for (unsigned int i = 0; i < SPINS && atomic_load(&threads->round) == *seen; i++) {
        pause_briefly();
    }
    pthread_mutex_lock(&threads->lock);
    while (atomic_load(&threads->round) == *seen) {
        pthread_cond_wait(&threads->begin, &threads->lock);
    }
    *seen = atomic_load(&threads->round);
    *joined = threads->open;
    if (threads->open) {
        atomic_fetch_add(&threads->active, 1);
    }
    bool ending = threads->ending;
    pthread_mutex_unlock(&threads->lock);
    return !ending;
}

static void *serve(void *argument)
{
    struct worker *worker = argument;
    struct cella_onnx_threads *threads = worker->threads;
    unsigned int seen = 0;
    bool joined;
    while (await(threads, &seen, &joined)) {
        if (joined) {
            (void) take_parts(threads, worker->number); /* only number 0 can be told to end */
            atomic_fetch_sub(&threads->active, 1);
        }
    }
    return NULL;
}

cella_status cella_onnx_threads_start(unsigned int count, struct cella_onnx_work *work,
                                      struct cella_onnx_threads **out)
{
    struct cella_onnx_threads *threads = calloc(1, sizeof(*threads));
    if (threads == NULL) {
        return CELLA_NO_MEMORY;
    }
    pthread_attr_t attributes;
    if (pthread_mutex_init(&threads->lock, NULL) != 0 || pthread_cond_init(&threads->begin, NULL) != 0 ||
        pthread_attr_init(&attributes) != 0) {
        free(threads);
        return CELLA_NO_MEMORY;
    }
    threads->work = work;
    bool sized = pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0;
    for (threads->count = 1; sized && threads->count < count && threads->count < CELLA_ONNX_THREADS_MAX;
         threads->count++) {
        struct worker *worker = &threads->workers[threads->count];
        *worker = (struct worker){ .threads = threads, .number = threads->count };
        if (pthread_create(&worker->thread, &attributes, serve, worker) != 0) {
            break;
        }
    }
    pthread_attr_destroy(&attributes);
    *out = threads;
    return CELLA_OK;
}

size_t cella_onnx_threads_count(const struct cella_onnx_threads *threads)
{
    return threads->count;
}

cella_status cella_onnx_parallel(struct cella_onnx_threads *threads, size_t count, double steps, cella_onnx_part *part,
                                 void *context)
{
    if (threads->count == 1 || count <= 1) {
        for (size_t i = 0; i < count; i++) {
            part(context, i, 0);
            CELLA_TRY(cella_onnx_work_done(threads->work, steps));
        }
        return CELLA_OK;
    }
    pthread_mutex_lock(&threads->lock);
    threads->parts = count;
    threads->steps = steps;
    threads->part = part;
    threads->context = context;
    threads->open = true;
    atomic_store(&threads->next, 0);
    atomic_fetch_add(&threads->round, 1);
    pthread_cond_broadcast(&threads->begin);
    pthread_mutex_unlock(&threads->lock);
    cella_status status = take_parts(threads, 0);
    /* Who has not woken up by now is not waited for; who joined is in its last part. */
    pthread_mutex_lock(&threads->lock);
    threads->open = false;
    pthread_mutex_unlock(&threads->lock);
    for (unsigned int i = 0; atomic_load(&threads->active) != 0; i++) {
        pause_briefly();
        if (i > SPINS) {
            sched_yield();
        }
    }
    return status;
}

void cella_onnx_threads_stop(struct cella_onnx_threads *threads)
{
    if (threads == NULL) {
        return;
    }
    pthread_mutex_lock(&threads->lock);
    threads->ending = true;
    atomic_fetch_add(&threads->round, 1);
    pthread_cond_broadcast(&threads->begin);
    pthread_mutex_unlock(&threads->lock);
    for (size_t i = 1; i < threads->count; i++) {
        pthread_join(threads->workers[i].thread, NULL);
    }
    pthread_cond_destroy(&threads->begin);
    pthread_mutex_destroy(&threads->lock);
    free(threads);
}
