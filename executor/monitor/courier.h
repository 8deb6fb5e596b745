/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The monitor's side of the couriers: each moves the data of one task and is then thrown away, so that what a hostile
 * file does to one courier touches one task. One is kept started ahead.
 */

#include "courier/message.h"
#include "monitor/monitor.h"

struct cella_courier;

struct cella_courier_events {
    /*
     * Inputs are here: count descriptors of sealed memfds and of pipes that streams come from, which the receiver owns.
     * Or an error with the index of the input to blame.
     */
    void (*fetched)(void *context, cella_status status, size_t index, const int *descriptors, size_t count);
    /* Every stream was delivered whole and had its registered digest. Or an error with the index of the input. */
    void (*streamed)(void *context, cella_status status, size_t index);
    /* Outputs are stored: digest, sealed and plain size follow in the reader for each. Or an error with the index. */
    void (*stored)(void *context, cella_status status, size_t index, struct cella_reader *outputs);
    /* The courier is gone before it answered. */
    void (*died)(void *context);
};

CELLA_MUST_USE cella_status cella_couriers_new(struct cella_monitor *monitor, struct cella_couriers **out);
void cella_couriers_free(struct cella_couriers *couriers);

/* A courier for one task. */
CELLA_MUST_USE cella_status cella_couriers_take(struct cella_couriers *couriers,
                                                const struct cella_courier_events *events, void *context,
                                                struct cella_courier **out);
/* Start the next one if none waits. Called when nothing urgent is to be done. */
void cella_couriers_refill(struct cella_couriers *couriers);

/* message: as in courier/message.h, kind included; it holds keys. */
CELLA_MUST_USE cella_status cella_courier_send(struct cella_courier *courier, const struct cella_secret *message,
                                               const int *descriptors, size_t count);
/* Deliver what it has said and nobody has read yet. It may be released afterwards. */
void cella_courier_poll(struct cella_courier *courier);
/*
 * Let it go, and forget it; no event follows. It was told to store, and nobody wants that any more: it deletes what it has
 * stored and leaves. It is killed when it has not within CELLA_COURIER_TIDY_MS. Accepts NULL.
 */
void cella_courier_dismiss(struct cella_courier *courier);
/* Whether one that was dismissed has not left yet. */
bool cella_couriers_tidy_up(const struct cella_couriers *couriers);
/* Kill it and forget it; no event follows. Accepts NULL. */
void cella_courier_release(struct cella_courier *courier);

/* A child of the monitor has died: was it a courier? */
bool cella_couriers_reaped(struct cella_couriers *couriers, pid_t pid, int wait_status);
