/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/leftover.h"

#include <stdlib.h>

#define DELAY_MS 1000U

struct leftover {
    struct leftover *next;
    uint64_t at_ms;
    char object[33];
};

struct cella_leftovers {
    struct cella_monitor *monitor;
    struct leftover *first; /* in the order in which they are due */
    struct leftover *last;
    struct cella_timer timer;
};

static cella_status ask_to_delete(struct cella_link *link, const char *object)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes arguments = { 0 };
    struct cella_stream *stream;
    CELLA_TRY(cella_write_field(&arguments, cella_view_of_string(object)));
    CELLA_TRY(cella_link_open(link, CELLA_STREAM_DELETE, cella_bytes_view(&arguments), NULL, &stream));
    return cella_link_end(link, stream); /* what the host answers changes nothing */
}

static void remove_first(struct cella_leftovers *leftovers)
{
    struct leftover *leftover = leftovers->first;
    leftovers->first = leftover->next;
    if (leftovers->first == NULL) {
        leftovers->last = NULL;
    }
    free(leftover);
}

static void due(void *context)
{
    struct cella_leftovers *leftovers = context;
    uint64_t now = cella_loop_now_ms();
    while (leftovers->first != NULL && leftovers->first->at_ms <= now) {
        (void) !ask_to_delete(leftovers->monitor->link, leftovers->first->object);
        remove_first(leftovers);
    }
    if (leftovers->first != NULL) {
        cella_loop_set_timer(leftovers->monitor->loop, &leftovers->timer, leftovers->first->at_ms - now);
    }
}

struct cella_leftovers *cella_leftovers_new(struct cella_monitor *monitor)
{
    struct cella_leftovers *leftovers = calloc(1, sizeof(*leftovers));
    if (leftovers != NULL) {
        leftovers->monitor = monitor;
        leftovers->timer.expired = due;
        leftovers->timer.context = leftovers;
    }
    return leftovers;
}

void cella_leftovers_free(struct cella_leftovers *leftovers)
{
    if (leftovers == NULL) {
        return;
    }
    cella_loop_clear_timer(leftovers->monitor->loop, &leftovers->timer);
    while (leftovers->first != NULL) {
        remove_first(leftovers);
    }
    free(leftovers);
}

void cella_leftovers_add(struct cella_leftovers *leftovers, const char object[33])
{
    struct leftover *leftover = calloc(1, sizeof(*leftover));
    if (leftover == NULL) {
        return;
    }
    memcpy(leftover->object, object, sizeof(leftover->object));
    leftover->at_ms = cella_loop_now_ms() + DELAY_MS;
    if (leftovers->last == NULL) {
        leftovers->first = leftover;
        cella_loop_set_timer(leftovers->monitor->loop, &leftovers->timer, DELAY_MS);
    } else {
        leftovers->last->next = leftover;
    }
    leftovers->last = leftover;
}

bool cella_leftovers_none(const struct cella_leftovers *leftovers)
{
    return leftovers->first == NULL;
}
