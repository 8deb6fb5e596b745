/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the executor knows: parties, organisations, functions, data, tasks. State is the fold of events: it changes in
 * cella_state_apply and nowhere else, so that a ledger which keeps the events keeps the state. Who may cause an event
 * is decided before (request handlers); apply only carries it out, the same way every time. There is no clock and no
 * chance in it: ids and times stand in the event.
 *
 * Records are never freed while the executor runs: what was removed or deleted stays as its id and what others refer to.
 */

#include "monitor/journal.h"
#include "monitor/privacy.h"
#include "monitor/role.h"
#include "monitor/spec.h"
#include "monitor/table.h"
#include "trust/data_format.h"
#include "trust/hpke.h"
#include "trust/jws.h"
#include "trust/key_history.h"

#define CELLA_PARTIES_MAX 10000U
#define CELLA_FUNCTIONS_MAX 10000U
#define CELLA_DATA_MAX 100000U
#define CELLA_TASKS_MAX 100000U
#define CELLA_PARTICIPANTS_MAX 64U /* a set of participants is a 64-bit mask */
#define CELLA_PARTY_NAME_MAX 64U
#define CELLA_ASSOCIATED_DATA_MAX 256U
#define CELLA_SEEN_MAX 256U /* sequence numbers that are remembered per party */
#define CELLA_DETAIL_MAX 256U
#define CELLA_ORGANISATIONS_MAX 1000U
#define CELLA_INVITATIONS_MAX 20000U /* used or revoked ones, which are remembered */
#define CELLA_ALLOWED_MAX 256U /* entries of an allow list */
#define CELLA_REVIEWERS_MAX 64U
#define CELLA_SOURCES_MAX 256U /* of data that were derived */
#define CELLA_PRIORITY_MAX 9U
#define CELLA_PRIORITY_DEFAULT 5U
#define CELLA_ATTEMPTS_MAX 10U
#define CELLA_NONCE_MIN 8U  /* bytes that a party may choose for a run, so that it knows the run's receipt for its own */
#define CELLA_NONCE_MAX 64U

struct cella_organisation {
    struct cella_entry entry;
    char name[CELLA_PARTY_NAME_MAX + 1];
    size_t member_count;
    bool removed;
};

struct cella_party {
    struct cella_entry entry;
    uint8_t first[CELLA_ED25519_KEY_SIZE]; /* its first signing key, of which the id is the thumbprint */
    uint8_t sign[CELLA_ED25519_KEY_SIZE];  /* the present one */
    uint8_t seal[CELLA_X25519_KEY_SIZE];
    char name[CELLA_PARTY_NAME_MAX + 1];
    unsigned int roles; /* CELLA_PARTY_... of role.h */
    struct cella_organisation *organisation; /* NULL: of none */
    bool manages;       /* its organisation */
    bool removed;       /* nothing that it signs counts any more */
    json_t *rotations;  /* array of statements with which it replaced its keys, the oldest first; NULL: none */
    int64_t seen[CELLA_SEEN_MAX]; /* ascending */
    size_t seen_count;
};

/* How tasks of a function have ended, and what they have used. */
struct cella_function_usage {
    uint64_t finished;
    uint64_t failed;
    uint64_t cancelled;
    uint64_t cpu_us;
};

struct cella_function {
    struct cella_entry entry;
    struct cella_party *owner;
    uint32_t version;            /* counts the owner's functions of this name, from 1 */
    uint8_t sha256[CELLA_SHA256_SIZE];
    bool sealed;                 /* package is the owner's sealed package */
    struct cella_bytes package;  /* empty when it was deleted */
    struct cella_spec spec;
    json_t *allow;               /* array of "party:<id>" and "organisation:<id>"; NULL: anybody */
    int64_t quota;               /* runs of all tasks together; negative: no end */
    bool quota_of_successes;     /* a run that does not finish gives back what it took of the quota */
    uint64_t used;               /* of the quota */
    struct cella_function_usage usage;
    bool disabled;
    bool disabled_by_administrator; /* then its owner can not enable it */
    bool deleted;
    json_t *reviewers;           /* array of ids of the parties who may read its source; NULL: nobody */
    json_t *audits;              /* party id -> {statement, accepted, time}; NULL: none */
};

/* A statement that stands in the ledger's tree. */
struct cella_logged {
    struct cella_bytes statement; /* without receipts: the tree's entry; empty: none was made */
    uint64_t leaf;                /* number of its record, and of its leaf */
};

/* A request as its party signed it. */
struct cella_signed_request {
    struct cella_bytes text;                    /* compact JWS; empty: there is none */
    uint8_t public_key[CELLA_ED25519_KEY_SIZE]; /* the party's at that time */
};

/* Evidence that statements name, with all that it is bound to. Its id is the SHA-256 of the file, base64url. */
struct cella_kept_evidence {
    struct cella_entry entry;
    struct cella_bytes file;        /* trust/receipt_bundle.h */
    char type[33];                  /* of the evidence */
    struct cella_bytes measurement; /* in it; empty: evidence of this type has registers only */
};

struct cella_data {
    struct cella_entry entry;
    struct cella_party **owners; /* all of them have to take part where it is used */
    size_t owner_count;
    bool kept;                   /* an output of a task; its key is sealed to the executor itself */
    char name[CELLA_PARTY_NAME_MAX + 1];
    char object[33];
    uint8_t sha256[CELLA_SHA256_SIZE];
    uint64_t size;
    enum cella_data_format format;
    uint32_t segment_size;       /* of a sealed file, else 0 */
    struct cella_bytes sealed_key;
    struct cella_bytes associated_data;
    bool stored;                 /* the object is in the host's store */
    char *url;                   /* where the host fetches them for each run; NULL: from its store */
    bool deleted;
    json_t **policies;           /* one of each owner, in their order; docs/protocol.md section 13; NULL: none */
    struct cella_data **sources; /* what they were made of, all the way back, each once (source.h): their policies bind, too */
    size_t source_count;
    uint64_t used;               /* runs that have taken them, or what was made of them */
    struct cella_privacy spent;  /* by these runs, where their functions declare what they spend */
    const struct cella_task_record *made_by; /* the task whose output it is; NULL: it was uploaded */
    struct cella_logged deletion;
    struct cella_signed_request deletion_request;
    /* Not part of the fold: the last walk over sources that came here. */
    uint64_t walk;
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
    struct cella_signed_request approval; /* empty where nobody had to ask the only participant */
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
    bool fusion;        /* owned jointly: no receiver gets its key */
    struct cella_bytes kept_key; /* its key, sealed to the executor itself */
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
    json_t *auditors;       /* {parties [], threshold}: signatures that the function needs; NULL: none */
    uint32_t priority;      /* 0 to CELLA_PRIORITY_MAX; among tasks of one creator the higher goes first */
    uint32_t attempts;      /* runs that the contract allows */
    uint32_t attempt;       /* runs so far */
    uint32_t discarded;     /* bit n: outputs of attempt n may lie in the host's store, and nobody will ever want them */
    int64_t expires_s;      /* Unix time at which it ends if it was not invoked; 0: never */
    cella_status error;
    char error_detail[CELLA_DETAIL_MAX]; /* what limit, which input: for every participant */
    char error_class[CELLA_DETAIL_MAX];
    uint32_t error_line;
    struct cella_usage usage;
    bool has_usage;
    int64_t started_s;      /* of the last run */
    uint8_t nonce[CELLA_NONCE_MAX]; /* of the party that asked for the run */
    size_t nonce_size;
    struct cella_logged run_logged;
    /* Not part of the fold: what is shown while it runs, and who waits. */
    uint16_t progress;
    struct cella_bytes progress_text;
    uint32_t waiters; /* questions that wait for a change; kept by the front */
    bool resumed;       /* it was queued before this start: of an end that the ledger does not know, outputs may be left */
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
    int64_t time_s; /* of the last event that had one */
    struct cella_journal journal;
    size_t administrators; /* parties with that role that were not removed */
    struct cella_table parties;
    struct cella_table organisations;
    struct cella_table invitations; /* bare entries: used or revoked */
    struct cella_table functions;
    struct cella_table data;
    struct cella_table tasks;
    struct cella_table evidence;               /* struct cella_kept_evidence, the oldest first */
    uint8_t last_statement[CELLA_SHA256_SIZE]; /* of the entry of the last statement */
    bool has_statement;
    /* Not part of the fold: number of the last walk over sources. */
    uint64_t walk;
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
    CELLA_EVENT_PARTY_CHANGED,
    CELLA_EVENT_PARTY_ROTATED,
    CELLA_EVENT_PARTY_REMOVED,
    CELLA_EVENT_ORGANISATION_CREATED,
    CELLA_EVENT_ORGANISATION_JOINED,
    CELLA_EVENT_ORGANISATION_LEFT,
    CELLA_EVENT_ORGANISATION_REMOVED,
    CELLA_EVENT_INVITATION_REVOKED,
    CELLA_EVENT_FUNCTION_CHANGED,
    CELLA_EVENT_FUNCTION_DELETED,
    CELLA_EVENT_FUNCTION_SHOWN,
    CELLA_EVENT_FUNCTION_AUDITED,
    CELLA_EVENT_DATA_CHANGED,
    CELLA_EVENT_DATA_DELETED,
    CELLA_EVENT_DATA_DERIVED,
    CELLA_EVENT_TASK_WITHDRAWN,
    CELLA_EVENT_TASK_RETRIED,
    CELLA_EVENT_EVIDENCE_KEPT,
    CELLA_EVENT_DATA_MOVED,
    CELLA_EVENT_COUNT,
};

/*
 * Carry out one event, and note it in the journal.
 *
 * body: JSON object as described beside each apply function; its "time" (Unix seconds) is the event's. Made by the
 *       monitor itself, so a body that does not fit is a defect: CELLA_INTERNAL. CELLA_NO_MEMORY; then nothing has
 *       changed.
 */
CELLA_MUST_USE cella_status cella_state_apply(struct cella_state *state, enum cella_event event, const json_t *body);
void cella_state_clear(struct cella_state *state);

/* The output that data were derived from; NULL for data that were uploaded. */
const struct cella_task_output *cella_data_origin(const struct cella_data *data);

/* Name of an event, for example "task.finished"; it never changes. NULL past the last one. */
const char *cella_event_name(enum cella_event event);

/* The tables that hold what journal entries of an event name as subject and as other; of others NULL: they name none. */
const struct cella_table *cella_state_subjects(const struct cella_state *state, enum cella_event event);
const struct cella_table *cella_state_others(const struct cella_state *state, enum cella_event event);

/* CELLA_TOO_MANY when a table of this size or the state as a whole is full. */
CELLA_MUST_USE cella_status cella_state_has_room(const struct cella_state *state, const struct cella_table *table,
                                                 size_t most);

struct cella_party *cella_state_party(const struct cella_state *state, const char *id);
struct cella_organisation *cella_state_organisation(const struct cella_state *state, const char *id);
struct cella_function *cella_state_function(const struct cella_state *state, const char *id);
struct cella_data *cella_state_data(const struct cella_state *state, const char *id);
struct cella_task_record *cella_state_task(const struct cella_state *state, const char *id);

/* The task's participant that is this party, or NULL. Index of it: cella_task_participant_index (-1 when none). */
struct cella_participant *cella_task_participant(struct cella_task_record *task, const struct cella_party *party);
int cella_task_participant_index(const struct cella_task_record *task, const struct cella_party *party);

bool cella_data_is_owner(const struct cella_data *data, const struct cella_party *party);
/* Whether a task can have them: they are in the store, or have a URL. */
bool cella_data_is_there(const struct cella_data *data);
/* Index among the owners, or -1. */
int cella_data_owner_index(const struct cella_data *data, const struct cella_party *party);
/* The id that the data's key is bound to: its owner's, or NULL where the executor keeps the key itself. */
const char *cella_data_key_owner(const struct cella_data *data);

/* A party that was removed is not one any more. */
bool cella_party_is(const struct cella_party *party, unsigned int role);

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
