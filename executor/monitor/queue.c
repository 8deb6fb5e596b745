/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/queue.h"

/* Index of a party's lane; lane_count when it has none. There are few lanes, and most often one. */
static size_t find_lane(const struct cella_queue *queue, const struct cella_party *party)
{
    size_t index = 0;
    while (index < queue->lane_count && queue->lanes[index].party != party) {
        index++;
    }
    return index;
}

cella_status cella_queue_has_room(const struct cella_queue *queue, const struct cella_party *party)
{
    size_t index = find_lane(queue, party);
    if (queue->count >= CELLA_QUEUE_MAX) {
        return CELLA_BUSY;
    }
    bool full = index < queue->lane_count && queue->lanes[index].count >= CELLA_QUEUE_PARTY_MAX;
    return full ? CELLA_PARTY_BUSY : CELLA_OK;
}

/* Behind all that are as urgent, before all that are less. */
static void insert(struct cella_queue_lane *lane, struct cella_task_record *task)
{
    struct cella_task_record *before = NULL;
    struct cella_task_record *after = lane->first;
    while (after != NULL && after->priority >= task->priority) {
        before = after;
        after = after->next_in_queue;
    }
    task->next_in_queue = after;
    if (before == NULL) {
        lane->first = task;
    } else {
        before->next_in_queue = task;
    }
    lane->last = after == NULL ? task : lane->last;
}

void cella_queue_add(struct cella_queue *queue, struct cella_task_record *task)
{
    size_t index = find_lane(queue, task->creator);
    struct cella_queue_lane *lane = &queue->lanes[index];
    task->next_in_queue = NULL;
    if (index == queue->lane_count) {
        *lane = (struct cella_queue_lane){ task->creator, task, task, 0 };
        queue->lane_count++;
    } else {
        insert(lane, task);
    }
    lane->count++;
    queue->count++;
}

/* One task has left this lane. An empty lane goes, and those after it move up: the turn stays with who had it. */
static void count_one_out(struct cella_queue *queue, size_t index)
{
    queue->count--;
    if (--queue->lanes[index].count > 0) {
        return;
    }
    queue->lane_count--;
    memmove(&queue->lanes[index], &queue->lanes[index + 1], (queue->lane_count - index) * sizeof(queue->lanes[0]));
    if (queue->turn > index) {
        queue->turn--;
    }
    if (queue->turn >= queue->lane_count) {
        queue->turn = 0;
    }
}

struct cella_task_record *cella_queue_take(struct cella_queue *queue)
{
    if (queue->count == 0) {
        return NULL;
    }
    size_t index = queue->turn;
    struct cella_queue_lane *lane = &queue->lanes[index];
    struct cella_task_record *task = lane->first;
    lane->first = task->next_in_queue;
    task->next_in_queue = NULL;
    queue->turn = (index + 1) % queue->lane_count;
    count_one_out(queue, index);
    return task;
}

struct cella_task_record *cella_queue_peek(const struct cella_queue *queue)
{
    return queue->count == 0 ? NULL : queue->lanes[queue->turn].first;
}

bool cella_queue_remove(struct cella_queue *queue, struct cella_task_record *task)
{
    size_t index = find_lane(queue, task->creator);
    struct cella_task_record *before = NULL;
    if (index == queue->lane_count) {
        return false;
    }
    struct cella_queue_lane *lane = &queue->lanes[index];
    struct cella_task_record **place = &lane->first;
    while (*place != NULL && *place != task) {
        before = *place;
        place = &before->next_in_queue;
    }
    if (*place == NULL) {
        return false;
    }
    *place = task->next_in_queue;
    if (lane->last == task) {
        lane->last = before;
    }
    task->next_in_queue = NULL;
    count_one_out(queue, index);
    return true;
}
