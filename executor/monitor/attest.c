/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/attest.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct question {
    uint64_t ticket;
    struct cella_attester_events events;
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    uint8_t nonce[CELLA_NONCE_SIZE];
    size_t nonce_size;
    cella_status status;
    struct cella_monitor_evidence evidence;
    struct question *next;
};

struct cella_attester {
    struct cella_loop *loop;
    struct cella_platform *platform;
    struct cella_watcher watcher;
    int done; /* eventfd: there are answers */
    uint64_t last_ticket;
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake;
    struct question *waiting; /* the oldest first */
    size_t waiting_count;
    struct question *answered; /* the oldest first */
    bool stopping;
};

static void free_questions(struct question **list)
{
    while (*list != NULL) {
        struct question *question = *list;
        *list = question->next;
        cella_monitor_evidence_clear(&question->evidence);
        free(question);
    }
}

static void append(struct question **list, struct question *question)
{
    while (*list != NULL) {
        list = &(*list)->next;
    }
    question->next = NULL;
    *list = question;
}

/* ---- the thread ---- */

/* The next question, or NULL at the end. */
static struct question *take(struct cella_attester *attester)
{
    (void) pthread_mutex_lock(&attester->lock);
    while (attester->waiting == NULL && !attester->stopping) {
        (void) pthread_cond_wait(&attester->wake, &attester->lock);
    }
    struct question *question = attester->stopping ? NULL : attester->waiting;
    if (question != NULL) {
        attester->waiting = question->next;
        attester->waiting_count--;
    }
    (void) pthread_mutex_unlock(&attester->lock);
    return question;
}

static void *answer_questions(void *context)
{
    struct cella_attester *attester = context;
    const uint64_t one = 1;
    for (struct question *question; (question = take(attester)) != NULL;) {
        question->status = cella_platform_evidence(attester->platform, question->report_data,
                                                   cella_view_of(question->nonce, question->nonce_size),
                                                   &question->evidence.evidence, &question->evidence.endorsements);
        (void) pthread_mutex_lock(&attester->lock);
        append(&attester->answered, question);
        (void) pthread_mutex_unlock(&attester->lock);
        (void) !write(attester->done, &one, sizeof(one));
    }
    return NULL;
}

/* ---- the loop ---- */

static void answers_came(void *context, uint32_t events)
{
    struct cella_attester *attester = context;
    uint64_t ignored;
    (void) events;
    (void) !read(attester->done, &ignored, sizeof(ignored));
    (void) pthread_mutex_lock(&attester->lock);
    struct question *answered = attester->answered;
    attester->answered = NULL;
    (void) pthread_mutex_unlock(&attester->lock);
    for (struct question *question = answered; question != NULL; question = question->next) {
        question->events.made(question->events.context, question->ticket, question->status, &question->evidence);
    }
    free_questions(&answered);
}

bool cella_attester_wait(struct cella_attester *attester, int ms)
{
    struct pollfd done = { .fd = attester->done, .events = POLLIN };
    if (poll(&done, 1, ms) != 1) {
        return false;
    }
    answers_came(attester, EPOLLIN);
    return true;
}

cella_status cella_attester_ask(struct cella_attester *attester, const uint8_t report_data[CELLA_REPORT_DATA_SIZE],
                                struct cella_view nonce, struct cella_attester_events events, uint64_t *ticket)
{
    if (nonce.size > CELLA_NONCE_SIZE) {
        return CELLA_BAD_SIZE;
    }
    (void) pthread_mutex_lock(&attester->lock);
    bool full = attester->waiting_count >= CELLA_ATTESTER_WAITING_MAX; /* only this thread adds to it */
    (void) pthread_mutex_unlock(&attester->lock);
    if (full) {
        return CELLA_BUSY;
    }
    struct question *question = calloc(1, sizeof(*question));
    if (question == NULL) {
        return CELLA_NO_MEMORY;
    }
    question->ticket = ++attester->last_ticket;
    question->events = events;
    memcpy(question->report_data, report_data, CELLA_REPORT_DATA_SIZE);
    if (nonce.size > 0) {
        memcpy(question->nonce, nonce.data, nonce.size);
    }
    question->nonce_size = nonce.size;
    *ticket = question->ticket;
    (void) pthread_mutex_lock(&attester->lock);
    append(&attester->waiting, question);
    attester->waiting_count++;
    (void) pthread_cond_signal(&attester->wake);
    (void) pthread_mutex_unlock(&attester->lock);
    return CELLA_OK;
}

void cella_attester_forget(struct cella_attester *attester, uint64_t ticket)
{
    struct question *forgotten = NULL;
    (void) pthread_mutex_lock(&attester->lock);
    struct question **place = &attester->waiting;
    while (*place != NULL && (*place)->ticket != ticket) {
        place = &(*place)->next;
    }
    if (*place != NULL) {
        forgotten = *place;
        *place = forgotten->next;
        forgotten->next = NULL;
        attester->waiting_count--;
    }
    (void) pthread_mutex_unlock(&attester->lock);
    free_questions(&forgotten);
}

/* ---- life ---- */

cella_status cella_attester_new(struct cella_loop *loop, struct cella_platform *platform,
                                struct cella_attester **out)
{
    struct cella_attester *attester = calloc(1, sizeof(*attester));
    if (attester == NULL) {
        return CELLA_NO_MEMORY;
    }
    attester->loop = loop;
    attester->platform = platform;
    attester->watcher.ready = answers_came;
    attester->watcher.context = attester;
    attester->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (attester->done < 0 || cella_loop_watch(loop, &attester->watcher, attester->done, EPOLLIN) != CELLA_OK ||
        pthread_mutex_init(&attester->lock, NULL) != 0 || pthread_cond_init(&attester->wake, NULL) != 0 ||
        pthread_create(&attester->thread, NULL, answer_questions, attester) != 0) {
        cella_loop_unwatch(loop, &attester->watcher);
        if (attester->done >= 0) {
            (void) close(attester->done);
        }
        free(attester);
        return CELLA_SYSTEM_FAILED;
    }
    *out = attester;
    return CELLA_OK;
}

bool cella_attester_free(struct cella_attester *attester)
{
    struct timespec patience;
    if (attester == NULL) {
        return true;
    }
    cella_loop_unwatch(attester->loop, &attester->watcher);
    (void) pthread_mutex_lock(&attester->lock);
    attester->stopping = true;
    (void) pthread_cond_signal(&attester->wake);
    (void) pthread_mutex_unlock(&attester->lock);
    (void) clock_gettime(CLOCK_REALTIME, &patience);
    patience.tv_sec++;
    if (pthread_timedjoin_np(attester->thread, NULL, &patience) != 0) {
        return false;
    }
    (void) close(attester->done);
    (void) pthread_cond_destroy(&attester->wake);
    (void) pthread_mutex_destroy(&attester->lock);
    free_questions(&attester->waiting);
    free_questions(&attester->answered);
    free(attester);
    return true;
}
