/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Sources: what data that were derived from an output were made of. The inputs of the task that made the output, and the sources of
 * these, each once, the oldest way back included: so the owner of an upload governs everything that was made of it inside of the
 * executor (docs/protocol.md section 13).
 */

#include "monitor/state.h"

typedef void (*cella_source_visit)(struct cella_data *data, void *context);

/*
 * Visit the data that a run of the task takes, each once: its inputs and their sources, in the order of the inputs.
 *
 * state:  for the mark of this walk; nothing of the fold changes here
 * visit:  may be NULL, to count only
 * Returns how many there are.
 */
size_t cella_sources_visit(struct cella_state *state, const struct cella_task_record *task, cella_source_visit visit,
                           void *context);

/* Fill the sources of data that were made by a task. CELLA_TOO_MANY (CELLA_SOURCES_MAX), CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_sources_fill(struct cella_state *state, const struct cella_task_record *task,
                                               struct cella_data *data);
