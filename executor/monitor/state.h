/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the executor knows: parties, functions, data, tasks. State is the fold of events: it changes in
 * cella_state_apply and nowhere else, so that a ledger which keeps the events keeps the state. Who may cause an event
 * is decided before (request handlers); apply only carries it out, the same way every time.
 */

#include "monitor/spec.h"
#include "monitor/table.h"
#include "trust/hpke.h"
#include "trust/jws.h"

#define CELLA_PARTIES_MAX 10000U
#define CELLA_FUNCTIONS_MAX 10000U
#define CELLA_DATA_MAX 100000U
#define CELLA_TASKS_MAX 100000U
#define CELLA_PARTICIPANTS_MAX 64U /* a set of participants is a 64-bit mask */
#define CELLA_PARTY_NAME_MAX 64U
#define CELLA_ASSOCIATED_DATA_MAX 256U
#define CELLA_SEEN_MAX 256U /* sequence numbers that are remembered per party */
#define CELLA_DETAIL_MAX 256U

struct cella_party {
    struct cella_entry entry;
    uint8_t sign[CELLA_ED25519_KEY_SIZE];
    uint8_t seal[CELLA_X25519_KEY_SIZE];
    char name[CELLA_PARTY_NAME_MAX + 1];
    int64_t seen[CELLA_SEEN_MAX]; /* ascending */
    size_t seen_count;
};

struct cella_function {
    struct cella_entry entry;
    struct cella_party *owner;
    uint8_t sha256[CELLA_SHA256_SIZE];
    bool sealed;                 /* package is the owner's sealed package */
    struct cella_bytes package;
    struct cella_spec spec;
};

struct cella_data {
    struct cella_entry entry;
    struct cella_party *owner;
    char name[CELLA_PARTY_NAME_MAX + 1];
    char object[33];
    uint8_t sha256[CELLA_SHA256_SIZE];
    uint64_t size;
    uint32_t segment_size;
    struct cella_bytes sealed_key;
    struct cella_bytes associated_data;
    bool stored;
};

enum cella_task_state {
    CELLA_TASK_CREATED,
    CELLA_TASK_ASSIGNED,
    CELLA_TASK_APPROVED,
    CELLA_TASK_QUEUED,
    CELLA_TASK_RUNNING,
    CELLA_TASK_FINISHED,
    CELLA_TASK_FAILED,
    CELLA_TASK_CANCELLED,
};

struct cella_participant {
    struct cella_party *party;
    bool approved;
    bool reads_result;
    bool reads_messages;
    struct cella_bytes result;   /* sealed to the party */
    struct cella_bytes messages; /* sealed to the party */
};

struct cella_task_input {
    const struct cella_spec_file *file;
    uint64_t owners; /* mask over participants; 0: an optional input that is left out */
    struct cella_data *data;
};

struct cella_task_output {
    const struct cella_spec_file *file;
    uint64_t receivers; /* mask; 0: an optional output that is left out */
    char object[33];
    uint8_t sha256[CELLA_SHA256_SIZE];
    uint64_t size; /* of the sealed file; 0 until stored */
    struct cella_bytes *keys; /* one per participant: sealed to him if he is a receiver; NULL until stored */
};

struct cella_usage {
    uint64_t cpu_us;
    uint64_t wall_us;
    uint64_t peak_kib;
    uint64_t bytes_in;
    uint64_t bytes_out;
};

struct cella_task_record {
    struct cella_entry entry;
    struct cella_party *creator;
    struct cella_function *function;
    enum cella_task_state state;
    int64_t version;
    json_t *arguments;
    struct cella_participant *participants;
    size_t participant_count;
    struct cella_task_input *inputs;   /* one per input of the function's spec, in its order */
    struct cella_task_output *outputs; /* one per output of the function's spec, in its order */
    struct cella_task_limits limits;
    struct cella_isolation isolation;
    struct cella_bytes contract;
    uint8_t contract_sha256[CELLA_SHA256_SIZE];
    cella_status error;
    char error_detail[CELLA_DETAIL_MAX]; /* what limit, which input: for every participant */
    char error_class[CELLA_DETAIL_MAX];
    uint32_t error_line;
    struct cella_usage usage;
    bool has_usage;
    /* Not part of the fold: what is shown while it runs, and who waits. */
    uint16_t progress;
    struct cella_bytes progress_text;
    uint32_t waiters; /* questions that wait for a change; kept by the front */
    uint64_t queued_at; /* the ledger's position that has to be durable before it is started */
    struct cella_run *run;
    struct cella_task_record *next_in_queue;
};

/*
 * What parties may make the executor keep, in bytes: packages, contracts, sealed results and messages. Beyond it nothing
 * new is taken (CELLA_TOO_MANY), so that nobody can fill the memory of all.
 */
#define CELLA_STATE_BYTES_MAX ((uint64_t) 1 << 30)
/* What a byte of JSON text may cost when it is kept parsed: "1," is two bytes and an element of an array. */
#define CELLA_JSON_COST 24U

struct cella_state {
    uint64_t bytes;
    struct cella_table parties;
    struct cella_table functions;
    struct cella_table data;
    struct cella_table tasks;
};

enum cella_event {
    CELLA_EVENT_PARTY_ENROLLED,
    CELLA_EVENT_FUNCTION_REGISTERED,
    CELLA_EVENT_DATA_REGISTERED,
    CELLA_EVENT_DATA_STORED,
    CELLA_EVENT_TASK_CREATED,
    CELLA_EVENT_TASK_ASSIGNED,
    CELLA_EVENT_TASK_CONTRACTED,
    CELLA_EVENT_TASK_APPROVED,
    CELLA_EVENT_TASK_QUEUED,
    CELLA_EVENT_TASK_STARTED,
    CELLA_EVENT_TASK_FINISHED,
    CELLA_EVENT_TASK_FAILED,
};

/*
 * Carry out one event.
 *
 * body: JSON object as described beside each apply function. Made by the monitor itself, so a body that does not fit
 *       is a defect: CELLA_INTERNAL. CELLA_NO_MEMORY; then nothing has changed.
 */
CELLA_MUST_USE cella_status cella_state_apply(struct cella_state *state, enum cella_event event, const json_t *body);
void cella_state_clear(struct cella_state *state);

/* CELLA_TOO_MANY when a table of this size or the state as a whole is full. */
CELLA_MUST_USE cella_status cella_state_has_room(const struct cella_state *state, const struct cella_table *table,
                                                 size_t most);

struct cella_party *cella_state_party(const struct cella_state *state, const char *id);
struct cella_function *cella_state_function(const struct cella_state *state, const char *id);
struct cella_data *cella_state_data(const struct cella_state *state, const char *id);
struct cella_task_record *cella_state_task(const struct cella_state *state, const char *id);

/* The task's participant that is this party, or NULL. Index of it: cella_task_participant_index (-1 when none). */
struct cella_participant *cella_task_participant(struct cella_task_record *task, const struct cella_party *party);
int cella_task_participant_index(const struct cella_task_record *task, const struct cella_party *party);

/* Every declared input that is not left out has data. */
bool cella_task_is_assigned(const struct cella_task_record *task);
/* Inputs that have data: what a courier has to fetch. */
size_t cella_task_data_count(const struct cella_task_record *task);
bool cella_task_is_over(const struct cella_task_record *task);
const char *cella_task_state_name(enum cella_task_state state);

/*
 * Note a sequence number of a party.
 * CELLA_REPLAYED  it was seen, or is below all that are remembered
 */
CELLA_MUST_USE cella_status cella_party_sequence(struct cella_party *party, int64_t sequence);
