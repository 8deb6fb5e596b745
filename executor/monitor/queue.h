/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The queue of tasks that wait to be run: one lane for each party that has created some of them, served in turn. So a
 * party that queues many delays another's task by one of its own, not by all of them. A value; a zeroed one is empty.
 * Tasks are linked through their next_in_queue and belong to the state.
 */

#include "monitor/state.h"

#define CELLA_QUEUE_MAX 256U                        /* tasks that wait, of all parties */
#define CELLA_QUEUE_PARTY_MAX (CELLA_QUEUE_MAX / 4) /* of one party */

/* Tasks of one party: the more urgent first, and those of one priority in the order in which they came. */
struct cella_queue_lane {
    const struct cella_party *party;
    struct cella_task_record *first;
    struct cella_task_record *last;
    size_t count;
};

struct cella_queue {
    struct cella_queue_lane lanes[CELLA_QUEUE_MAX]; /* those in use come first; none of them is empty */
    size_t lane_count;
    size_t turn; /* lane that is served next */
    size_t count;
};

/* Does one more task of this party fit? CELLA_BUSY  the queue is full; CELLA_PARTY_BUSY  the party's share of it is */
CELLA_MUST_USE cella_status cella_queue_has_room(const struct cella_queue *queue, const struct cella_party *party);

/* Put a task into its creator's lane, behind those of its priority. cella_queue_has_room must have said CELLA_OK. */
void cella_queue_add(struct cella_queue *queue, struct cella_task_record *task);

/* The first task of the lane whose turn it is. NULL when nothing waits. */
struct cella_task_record *cella_queue_take(struct cella_queue *queue);

/* The task that cella_queue_take would give. */
struct cella_task_record *cella_queue_peek(const struct cella_queue *queue);

/* Take a task out, wherever it is. False when it is not in the queue. */
bool cella_queue_remove(struct cella_queue *queue, struct cella_task_record *task);
