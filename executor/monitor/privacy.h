/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Amounts of differential privacy (docs/protocol.md section 13): what a run costs by its function's declaration, and what an
 * owner's policy allows. Whole numbers of small units, so that sums are exact: costs are rounded up, budgets down. What is added up
 * stays below 2^64, since no task has more than CELLA_ATTEMPTS_MAX runs.
 *
 * A number of JSON means the shortest decimal that reads back as the same double: 0.1 is a tenth, not a little more.
 */

#include "monitor/spec.h"

#define CELLA_PRIVACY_EPSILON_DECIMALS 6U
#define CELLA_PRIVACY_DELTA_DECIMALS 12U
#define CELLA_PRIVACY_EPSILON_MAX 1000000 /* of a cost or a budget; who needs as much wants no privacy */
#define CELLA_PRIVACY_DELTA_MAX 1
#define CELLA_PRIVACY_UNITS_MAX UINT64_C(1000000000000) /* both of them */

struct cella_privacy {
    uint64_t epsilon; /* millionths */
    uint64_t delta;   /* 10^-12 */
};

/*
 * What one run costs, of each of its inputs: the values of the arguments that the function names.
 *
 * arguments:  complete, as cella_spec_arguments makes them
 * argument:   the name of the one that is to blame
 * CELLA_BAD_ARGUMENT  epsilon is not a number above 0, delta not one from 0 on, or one is above its maximum
 * CELLA_NOT_FOUND     the function declares no privacy
 */
CELLA_MUST_USE cella_status cella_privacy_cost(const struct cella_spec *spec, const json_t *arguments,
                                               const char **argument, struct cella_privacy *out);

/* The same, nothing where it can not be told: what is counted of data, whether or not anybody has set a budget. */
struct cella_privacy cella_privacy_counted(const struct cella_spec *spec, const json_t *arguments);

/* Is the input one of those whose privacy the function declares to protect? */
bool cella_privacy_protects(const struct cella_spec *spec, const char *input);

/*
 * Read a budget, {"epsilon": number, "delta"?: number (0)}. Neither is negative or above its maximum.
 * CELLA_BAD_FIELD, CELLA_MISSING_FIELD, CELLA_UNKNOWN_FIELD (error->field names it, after path)
 */
CELLA_MUST_USE cella_status cella_privacy_read_budget(const json_t *budget, const char *path,
                                                      struct cella_json_error *error, struct cella_privacy *out);

/* The budget of a policy whose form was checked. False: it has none. */
bool cella_privacy_budget_of(const json_t *policy, struct cella_privacy *out);

/* {"epsilon": number, "delta": number}. NULL without memory. */
json_t *cella_privacy_json(struct cella_privacy amount);

/* "epsilon 0.5, delta 1e-06", to 13 digits */
#define CELLA_PRIVACY_TEXT_SIZE 56U
void cella_privacy_text(struct cella_privacy amount, char text[CELLA_PRIVACY_TEXT_SIZE]);
