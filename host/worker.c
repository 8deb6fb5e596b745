/* SPDX-License-Identifier: Apache-2.0 */
#include "host/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct cella_worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t given;
    struct cella_job *waiting; /* first */
    struct cella_job *ended;   /* first */
    bool stopping;
    int event;
};

static void append(struct cella_job **first, struct cella_job *job)
{
    job->next = NULL;
    while (*first != NULL) {
        first = &(*first)->next;
    }
    *first = job;
}

static void *work(void *context)
{
    struct cella_worker *worker = context;
    const uint64_t one = 1;
    pthread_mutex_lock(&worker->lock);
    while (worker->waiting != NULL || !worker->stopping) {
        struct cella_job *job = worker->waiting;
        if (job == NULL) {
            pthread_cond_wait(&worker->given, &worker->lock);
            continue;
        }
        worker->waiting = job->next;
        pthread_mutex_unlock(&worker->lock);
        job->run(job->context);
        pthread_mutex_lock(&worker->lock);
        append(&worker->ended, job);
        (void) !write(worker->event, &one, sizeof(one));
    }
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

static int start(struct cella_worker *worker)
{
    sigset_t all;
    sigset_t before;
    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&worker->thread, NULL, work, worker);
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

cella_status cella_worker_new(struct cella_worker **out)
{
    struct cella_worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL) {
        return CELLA_NO_MEMORY;
    }
    worker->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->event < 0) {
        free(worker);
        return CELLA_SYSTEM_FAILED;
    }
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->given, NULL);
    if (start(worker) != 0) {
        close(worker->event);
        free(worker);
        return CELLA_SYSTEM_FAILED;
    }
    *out = worker;
    return CELLA_OK;
}

void cella_worker_give(struct cella_worker *worker, struct cella_job *job)
{
    pthread_mutex_lock(&worker->lock);
    append(&worker->waiting, job);
    pthread_cond_signal(&worker->given);
    pthread_mutex_unlock(&worker->lock);
}

int cella_worker_descriptor(const struct cella_worker *worker)
{
    return worker->event;
}

void cella_worker_collect(struct cella_worker *worker)
{
    uint64_t count;
    (void) !read(worker->event, &count, sizeof(count));
    pthread_mutex_lock(&worker->lock);
    struct cella_job *job = worker->ended;
    worker->ended = NULL;
    pthread_mutex_unlock(&worker->lock);
    while (job != NULL) {
        struct cella_job *next = job->next;
        job->done(job->context);
        job = next;
    }
}

void cella_worker_free(struct cella_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    pthread_mutex_lock(&worker->lock);
    worker->stopping = true;
    pthread_cond_signal(&worker->given);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
    cella_worker_collect(worker);
    pthread_cond_destroy(&worker->given);
    pthread_mutex_destroy(&worker->lock);
    close(worker->event);
    free(worker);
}
