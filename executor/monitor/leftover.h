/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Left-overs: outputs that a courier may have stored for a task that did not finish. Nobody has their keys; they only
 * take room. The courier that was storing them is killed with its task, so the monitor asks the host to delete them, a
 * moment later: by then the host has read what the courier had still sent.
 */

#include "monitor/monitor.h"

struct cella_leftovers;

/* NULL without memory. */
struct cella_leftovers *cella_leftovers_new(struct cella_monitor *monitor);
/* Forgets what is not deleted yet. Accepts NULL. */
void cella_leftovers_free(struct cella_leftovers *leftovers);

/*
 * Have an object deleted, if it is there. Best effort: without memory, or when the host does not listen, it stays.
 *
 * object: id of an output that is in no finished task
 */
void cella_leftovers_add(struct cella_leftovers *leftovers, const char object[33]);

/* Nothing is waiting to be deleted. */
bool cella_leftovers_none(const struct cella_leftovers *leftovers);
