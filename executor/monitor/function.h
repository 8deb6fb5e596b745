/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the operations on functions share: finding one, and the terms under which an owner offers it.
 */

#include "monitor/operation.h"

/* The function with an id, if the caller may do to it what he asks. CELLA_NOT_FOUND, CELLA_DENIED */
CELLA_MUST_USE cella_status cella_function_find(struct cella_monitor *monitor, struct cella_call *call, const char *id,
                                                struct cella_function **out);

/* Terms as members of an event: allow (array or null), quota, quota_of_successes. Only those that were given. */
struct cella_function_terms {
    json_t *json;
};
void cella_function_terms_clear(struct cella_function_terms *terms);

/*
 * Take the members of args that are terms: allow (["anybody"] or party and organisation entries), quota (-1: no end),
 * quota_of ("runs" or "successes").
 * CELLA_BAD_FIELD, CELLA_NOT_FOUND (a party or organisation that is not here); error names the member
 */
CELLA_MUST_USE cella_status cella_function_terms_read(const struct cella_monitor *monitor, struct cella_call *call,
                                                      struct cella_json_object *object,
                                                      struct cella_function_terms *out);
