/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The state as bytes, and back: what a snapshot of the ledger holds in place of the events (snapshot.h).
 *
 * The image is a sequence of items, each of which fits into memory: counts, then every record, then the journal in
 * pieces. One list of fields for each noun serves both directions, so that what is written is what is read. Other records
 * are named by their place in their table. Not part of the fold, and so not in the image: what is shown while a task runs,
 * who waits for it, and marks of walks over sources.
 *
 * There is no version in it: only the software that wrote an image reads it (snapshot.h sees to that).
 */

#include "monitor/state.h"

/* Gets an item; borrowed. A status other than CELLA_OK ends the writing with it. */
typedef cella_status (*cella_image_sink)(void *context, struct cella_view item);

/*
 * Hand out the image of a state. Changes nothing, not even bytes that keep their value: a forked process shares its pages
 * with the one that goes on. CELLA_NO_MEMORY, and those of sink
 */
CELLA_MUST_USE cella_status cella_image_write(const struct cella_state *state, cella_image_sink sink, void *context);

/* Makes a state of an image. free accepts NULL. */
struct cella_image_reader;

/* state: empty, the caller's; outlives the reader. CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_image_reader_new(struct cella_state *state, struct cella_image_reader **out);
void cella_image_reader_free(struct cella_image_reader *reader);

/*
 * The next item. After an error the state is good for cella_state_clear only.
 * CELLA_BAD_FORMAT  it is not what cella_image_write made, or one too many; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_image_take(struct cella_image_reader *reader, struct cella_view item);

/* Every item has come. */
bool cella_image_is_whole(const struct cella_image_reader *reader);
