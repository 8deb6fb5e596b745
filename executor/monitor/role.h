/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a party may be. Roles are a set; what each lets a party do is the table of right.h. To manage an organisation is
 * not a role but a relation to that organisation.
 */

#include "trust/json.h"

#define CELLA_PARTY_ADMINISTRATOR 1U  /* governs parties, organisations and what is offered; reads and releases nothing */
#define CELLA_PARTY_FUNCTION_OWNER 2U /* registers functions */
#define CELLA_PARTY_DATA_OWNER 4U     /* registers data and creates tasks */
#define CELLA_PARTY_AUDITOR 8U        /* signs for functions, reads what the charter grants to auditors */
#define CELLA_ROLES_ALL 15U
/* Of who enrols where the charter does not say otherwise; also the most that a manager may give. */
#define CELLA_ROLES_ORDINARY (CELLA_PARTY_FUNCTION_OWNER | CELLA_PARTY_DATA_OWNER)

/* Roles from an array of their names; NULL is an empty one. CELLA_BAD_FIELD  no array, an unknown name, or one twice */
CELLA_MUST_USE cella_status cella_roles_read(const json_t *names, unsigned int *out);

/* Array of the names of a set of roles, in the order above. NULL without memory. */
json_t *cella_roles_json(unsigned int roles);
