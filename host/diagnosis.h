/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What `cella-host doctor` says: which kinds of evidence an executor could give on this machine, which assurance level each
 * reaches at best, what is missing for the others, and whether tasks could run at all. Made of what the executor's own
 * detection found (executor/monitor/doctor.h) and what the machine says about itself.
 */

#include "host/flat_json.h"
#include "host/machine.h"

#define CELLA_DIAGNOSIS_KINDS 6U
#define CELLA_DIAGNOSIS_MISSING_MAX 4U /* sentences for one kind */
#define CELLA_DIAGNOSIS_TEXT_MAX 512U
#define CELLA_DIAGNOSIS_INPUT_MAX 16384U /* bytes of what the executor's detection wrote */

/* One kind of evidence. */
struct cella_diagnosis_kind {
    const char *name;         /* as in the configuration's member platform */
    const char *technology;   /* for people */
    int level;                /* that it reaches at best */
    bool usable;
    bool seals;
    char interface[32];       /* where usable: which one gives it */
    char found[CELLA_DIAGNOSIS_TEXT_MAX]; /* the executor's words */
    const char *missing[CELLA_DIAGNOSIS_MISSING_MAX]; /* what the machine adds to them; empty where usable */
    size_t missing_count;
};

struct cella_diagnosis {
    struct cella_machine machine;
    struct cella_diagnosis_kind kinds[CELLA_DIAGNOSIS_KINDS]; /* the preferred first */
    struct cella_flat_json_list layers;                       /* in force around a cell */
    struct cella_flat_json_list lacking;                      /* layers without which no task runs */
    bool groups;                                              /* this host could make control groups */
    const char *fetch_from;                                   /* places of inputs, as configured; "" none. Borrowed */
    const char *fetch_trouble;                                /* why nothing is fetched though there are places; "" it is */
    char trouble[CELLA_DIAGNOSIS_TEXT_MAX];                   /* why no executor could be started; "" when it could */
};

/*
 * Put together what was found.
 *
 * root:    as in host/machine.h
 * lines:   what cella-monitor --doctor wrote; hostile text, read strictly. Empty: it could not be started
 * trouble: why not; "" otherwise
 * CELLA_BAD_FORMAT  lines are not of that form; out then says so as its trouble
 */
CELLA_MUST_USE cella_status cella_diagnosis_make(const char *root, struct cella_view lines, const char *trouble,
                                                 struct cella_diagnosis *out);

/* The kind that an executor would give: the one that is named, or the preferred one for "auto". NULL: none is usable. */
const struct cella_diagnosis_kind *cella_diagnosis_choice(const struct cella_diagnosis *diagnosis, const char *platform);

/* Could an executor serve with this platform: is there evidence, and are all layers there? */
bool cella_diagnosis_serves(const struct cella_diagnosis *diagnosis, const char *platform);

/*
 * Append the report: a screen for people, or one JSON object and a newline.
 *
 * platform: as in the configuration
 * CELLA_NO_MEMORY; CELLA_BAD_FORMAT  a text has control characters
 */
CELLA_MUST_USE cella_status cella_diagnosis_print(const struct cella_diagnosis *diagnosis, const char *platform,
                                                  struct cella_bytes *out);
CELLA_MUST_USE cella_status cella_diagnosis_print_json(const struct cella_diagnosis *diagnosis, const char *platform,
                                                       struct cella_bytes *out);
