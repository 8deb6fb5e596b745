/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who may do what: the one table of rights. A right is a relation between the caller and the target of an operation, as
 * they are at this moment; nothing is remembered from before. The same table stands in docs/protocol.md section 12, and
 * the tests compare the two and try every cell of it.
 *
 * The answer to who may not is DENIED where he may know of the target, NOT_FOUND where he may not. An operation that
 * needs a role is refused with ROLE_MISSING before its target is looked at.
 */

#include "monitor/state.h"

/* What the caller is to the target; a set. */
#define CELLA_IS_PARTY 1U         /* enrolled here: everybody who gets so far */
#define CELLA_IS_SELF 2U          /* the target is the caller */
#define CELLA_IS_ADMINISTRATOR 4U
#define CELLA_IS_MANAGER 8U       /* manages the target organisation, or the one of a target who is an ordinary member */
#define CELLA_IS_MEMBER 16U       /* of the target organisation, or of the target's */
#define CELLA_IS_OWNER 32U
#define CELLA_IS_ALLOWED 64U      /* may use the target function */
#define CELLA_IS_PARTICIPANT 128U
#define CELLA_IS_CREATOR 256U
#define CELLA_IS_REVIEWER 512U    /* was shown the target function's source, or audits and it is public */
#define CELLA_IS_RECEIVER 1024U   /* of the target output */

#define CELLA_IS_LISTED 2048U     /* may use the target function, and it is public or its allow list names him */

/* What the charter lets auditors read in the journal. */
#define CELLA_READ_PARTIES 1U
#define CELLA_READ_FUNCTIONS 2U
#define CELLA_READ_DATA 4U
#define CELLA_READ_TASKS 8U

/* CELLA_READ_... from an array of "parties", "functions", "data", "tasks". CELLA_BAD_FIELD */
CELLA_MUST_USE cella_status cella_right_reading(const json_t *names, unsigned int *out);

struct cella_right {
    const char *operation;
    unsigned int roles;    /* one of them is needed; 0: none */
    unsigned int may;      /* relations that may */
    unsigned int may_know; /* relations that may know of the target */
};

/* The row of an operation; NULL when it has none. */
const struct cella_right *cella_right_of(const char *operation);

/* Does the caller have a role that the operation needs? CELLA_ROLE_MISSING */
CELLA_MUST_USE cella_status cella_right_role(const struct cella_right *right, const struct cella_party *caller);

/*
 * May a caller who stands in these relations to the target do it?
 * CELLA_DENIED  no, but he may know of the target; CELLA_NOT_FOUND  he may not even know that
 */
CELLA_MUST_USE cella_status cella_right_check(const struct cella_right *right, unsigned int relations);

/* The caller's relations to a target of each kind. CELLA_IS_PARTY is always among them. */
unsigned int cella_right_to_service(const struct cella_party *caller);
unsigned int cella_right_to_party(const struct cella_party *caller, const struct cella_party *target);
unsigned int cella_right_to_organisation(const struct cella_party *caller, const struct cella_organisation *target);
unsigned int cella_right_to_function(const struct cella_party *caller, const struct cella_function *target);
unsigned int cella_right_to_data(const struct cella_party *caller, const struct cella_data *target);
unsigned int cella_right_to_task(const struct cella_party *caller, const struct cella_task_record *target);
unsigned int cella_right_to_output(const struct cella_party *caller, const struct cella_task_record *task,
                                   const struct cella_task_output *target);
