/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The monitor: the program that holds the executor's keys and decides. It has no network and moves no bulk data. Its
 * parts meet in this object, which lives as long as the process.
 */

#include "base/link.h"
#include "monitor/clock.h"
#include "monitor/keyring.h"
#include "monitor/loop.h"
#include "monitor/state.h"
#include "platform/platform.h"

struct cella_attester;
struct cella_cgroups;
struct cella_front;
struct cella_refresh;
struct cella_pool;
struct cella_couriers;
struct cella_runner;
struct cella_disposal;

#define CELLA_PROFILES_MAX 16U /* as many as the host takes */

/* From the host (docs/protocol.md section 9). Nothing in it weakens a check that a relying party can not see. */
struct cella_config {
    char programs[256];        /* folder of the executor's programs */
    uint32_t pool;             /* most warm cells per profile */
    uint64_t pool_memory;      /* bytes that idle cells may take together */
    uint64_t recycle;          /* tasks after which a zygote is replaced */
    uint32_t concurrency;      /* tasks that run at a time */
    bool allow_missing_layers; /* run tasks in a weaker box; the evidence says which layers are there */
    char platform[33];         /* which evidence: a back-end of executor/platform, or "auto" */
    char profiles[CELLA_PROFILES_MAX][33];
    size_t profile_count;
};

/* How parties become known. An administrator of the charter always may. */
enum cella_enrolment {
    CELLA_ENROL_OPEN,   /* whoever asks */
    CELLA_ENROL_INVITE, /* with an invitation */
    CELLA_ENROL_ADMIN,  /* an administrator enrols them */
};

#define CELLA_CHARTER_PARTIES_MAX 32U
#define CELLA_APPROVAL_DEFAULT_S (7 * 86400)

/* The rules fixed at first start. Its bytes are hashed into the evidence. */
struct cella_charter {
    struct cella_bytes text;
    enum cella_enrolment enrolment;
    char administrators[CELLA_CHARTER_PARTIES_MAX][CELLA_THUMBPRINT_SIZE + 1];
    size_t administrator_count;
    char auditors[CELLA_CHARTER_PARTIES_MAX][CELLA_THUMBPRINT_SIZE + 1];
    size_t auditor_count;
    unsigned int auditors_read; /* CELLA_READ_... of right.h */
    unsigned int roles;         /* of who enrols without an invitation */
    int64_t approval_s;         /* seconds after which a task that was not invoked ends, and the most that may be asked for */
    struct cella_task_limits limits; /* of a task unless lowered, and the most that may be asked for */
};

/* Evidence, and what the machine gave with it. */
struct cella_monitor_evidence {
    struct cella_bytes evidence;
    struct cella_bytes endorsements; /* wire form */
};
void cella_monitor_evidence_clear(struct cella_monitor_evidence *evidence);

/* The request that is being answered, for the record of what it changes. All borrowed; zeroed: none. */
struct cella_cause {
    struct cella_view request;  /* as it was received */
    char party[CELLA_ID_SIZE];  /* who signed it; empty: not known yet */
    uint64_t sequence;          /* its own */
};

struct cella_monitor {
    struct cella_loop *loop;
    struct cella_config config;
    struct cella_charter charter;
    struct cella_keyring *keyring;
    struct cella_state state;
    struct cella_clock clock;
    struct cella_ledger *ledger; /* NULL: nobody keeps the state (tests) */
    struct cella_cause cause;
    struct cella_link *link;
    struct cella_watcher link_watcher;
    int door;
    struct cella_front *front;
    struct cella_cgroups *cgroups;
    struct cella_pool *pool;
    struct cella_couriers *couriers;
    struct cella_runner *runner;
    struct cella_disposal *disposal; /* NULL: nobody is told what was deleted (tests) */
    struct cella_secret root_seed; /* soft platform */
    uint8_t root[CELLA_ED25519_KEY_SIZE];
    uint8_t measurement[CELLA_SHA256_SIZE];
    struct cella_platform_setup platform_setup;
    struct cella_platform *platform;
    struct cella_monitor_evidence evidence; /* its nonce is empty; made at start, and anew from time to time */
    struct cella_bytes collateral;          /* endorsements that the host fetched, wire form; may be empty */
    struct cella_attester *attester;        /* makes all evidence after the first */
    struct cella_refresh *refresh;
    char evidence_file[CELLA_ID_SIZE];      /* of this start, in the state (statement.h); empty: not needed yet */
    bool draining;
    struct cella_timer expiry; /* when the next task ends that nobody invokes */
    struct cella_timer linger; /* while draining: when to look again whether clients are still fetching */
};

/*
 * One line for the operator: printable ASCII, codes and ids only, never data or texts of a script. Drops what can not
 * be sent.
 */
void cella_monitor_log(struct cella_monitor *monitor, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Same, where nothing is served until administrators act: what is wrong, and what they can do. */
void cella_monitor_log_failure(struct cella_monitor *monitor, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Same, for the death of a program. */
void cella_monitor_log_death(struct cella_monitor *monitor, const char *program, int wait_status,
                             const char *consequence);

/* Why the platform's device is of no use at the start, to standard error, because nobody empties the link yet. */
void cella_monitor_platform_failed(const struct cella_monitor *monitor, const char *what, cella_status status);

/*
 * Change the state: the one place through which every change passes. What is not committed has not happened, so the
 * caller answers nobody before this has returned CELLA_OK; the answer then waits until it is durable (ledger.h). The body
 * gets the event's time (clock.h).
 */
CELLA_MUST_USE cella_status cella_monitor_commit(struct cella_monitor *monitor, enum cella_event event,
                                                 json_t *body);

/* The same, with a statement that anybody may check to be logged: the leaf of the event's record (record.h). */
CELLA_MUST_USE cella_status cella_monitor_commit_statement(struct cella_monitor *monitor, enum cella_event event,
                                                           json_t *body, struct cella_view statement);

/* Answer everybody who watches the task. Called after a commit or progress. */
void cella_monitor_task_changed(struct cella_monitor *monitor, struct cella_task_record *task);

/* A new id: prefix and 32 random hexadecimal digits. */
CELLA_MUST_USE cella_status cella_monitor_new_id(const char *prefix, char out[CELLA_ID_SIZE]);

#define CELLA_FIRST_EVIDENCE_MAX_S 300U  /* a driver's own patience is a minute, and it is asked up to five times */
#define CELLA_FIRST_EVIDENCE_REMIND_S 15U /* in between the operator is told what is waited for */

/*
 * Start monitor->attester, and have it make the evidence with the empty nonce, for monitor->evidence, while the caller waits:
 * at the start. Why it fails goes to standard error, too.
 * As cella_platform_evidence and cella_attester_new; CELLA_TIMEOUT  not within CELLA_FIRST_EVIDENCE_MAX_S
 */
CELLA_MUST_USE cella_status cella_monitor_attest(struct cella_monitor *monitor);
