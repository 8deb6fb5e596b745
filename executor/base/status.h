/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The one result type of Cella's C code.
 *
 * Every function that can fail returns a cella_status, and every caller must look at it. One table makes the
 * enum, the sentence shown to people, the code that travels on the wire and the Python exception, so that the
 * four can not drift apart. Numbers are a wire contract: they are never reused.
 *
 * Categories tell a caller what to do: INPUT: correct the input; TRUST: do not go on; STATE: the request does
 * not fit what the executor knows; LIMIT: a named limit was reached; IO: the outside failed, trying again may
 * help; MEMORY: no memory; INTERNAL: a defect of Cella; TASK: the script or function itself failed.
 */

#include <stdlib.h>

enum cella_category {
    CELLA_CATEGORY_NONE,
    CELLA_CATEGORY_INPUT,
    CELLA_CATEGORY_TRUST,
    CELLA_CATEGORY_STATE,
    CELLA_CATEGORY_LIMIT,
    CELLA_CATEGORY_IO,
    CELLA_CATEGORY_MEMORY,
    CELLA_CATEGORY_INTERNAL,
    CELLA_CATEGORY_TASK,
};

/* ROW(name, number, category, Python exception, sentence: what is wrong and what to do) */
#define CELLA_STATUS_TABLE(ROW)                                                                                      \
    ROW(OK,                   0, NONE,     CellaError,      "success")                                               \
    /* 1xx: defects and resources */                                                                                 \
    ROW(INTERNAL,           101, INTERNAL, InternalError,   "internal error; please report it with this code")       \
    ROW(NO_MEMORY,          102, MEMORY,   ResourceError,   "out of memory")                                         \
    ROW(BUFFER_TOO_SMALL,   103, INTERNAL, InternalError,   "a buffer is smaller than what belongs in it")           \
    ROW(RANDOM_FAILED,      104, INTERNAL, InternalError,   "the operating system gave no random bytes")             \
    ROW(CRYPTO_FAILED,      105, INTERNAL, InternalError,   "the cryptographic library failed")                      \
    ROW(SYSTEM_FAILED,      106, IO,       TransportError,  "an operating system call failed")                       \
    /* 2xx: input is not what it should be */                                                                        \
    ROW(BAD_FORMAT,         201, INPUT,    FormatError,     "input is not well formed")                              \
    ROW(BAD_SIZE,           202, INPUT,    FormatError,     "a size is outside its range")                           \
    ROW(BAD_VERSION,        203, INPUT,    FormatError,     "version is not supported; update the older side")       \
    ROW(BAD_JSON,           204, INPUT,    FormatError,     "text is not strict JSON")                               \
    ROW(UNKNOWN_FIELD,      205, INPUT,    RequestError,    "a field is not known here; remove it")                  \
    ROW(MISSING_FIELD,      206, INPUT,    RequestError,    "a required field is missing; add it")                   \
    ROW(BAD_FIELD,          207, INPUT,    RequestError,    "a field has the wrong type or value; correct it")       \
    ROW(UNKNOWN_OPERATION,  208, INPUT,    RequestError,    "operation is not known to this executor")               \
    ROW(TOO_LARGE,          209, INPUT,    RequestError,    "input is larger than allowed; send less")               \
    ROW(BAD_HTTP,           210, INPUT,    RequestError,    "HTTP request is refused")                               \
    ROW(BAD_ARGUMENT,       211, INPUT,    ArgumentError,   "an argument does not fit the function's declaration")   \
    ROW(BAD_SCRIPT,         212, INPUT,    ScriptError,     "script can not be compiled or has no entry point")      \
    /* 3xx: trust */                                                                                                 \
    ROW(BAD_TAG,            301, TRUST,    IntegrityError,  "authentication tag does not match: wrong key, wrong "   \
                                                            "purpose, or the bytes were changed")                    \
    ROW(BAD_SIGNATURE,      302, TRUST,    IntegrityError,  "signature does not verify")                             \
    ROW(BAD_DIGEST,         303, TRUST,    IntegrityError,  "bytes do not have the registered SHA-256 digest")       \
    ROW(TRUNCATED,          304, TRUST,    IntegrityError,  "data end before their authenticated end")               \
    ROW(BAD_KEY,            305, TRUST,    IntegrityError,  "key is not acceptable")                                 \
    ROW(BAD_PROOF,          306, TRUST,    IntegrityError,  "a proof does not lead to the tree head that was signed") \
    ROW(BAD_RECEIPT,        307, TRUST,    IntegrityError,  "receipt does not verify; it proves nothing")            \
    ROW(BAD_EVIDENCE,       310, TRUST,    AttestationError, "evidence does not verify; send nothing to this "       \
                                                            "executor")                                              \
    ROW(EVIDENCE_TYPE,      311, TRUST,    AttestationError, "evidence is of a type that the trust file does not "   \
                                                            "accept")                                                \
    ROW(MEASUREMENT,        312, TRUST,    AttestationError, "the executor's measurement is not in the trust file: " \
                                                            "it runs other code than you accepted")                  \
    ROW(ROOT,               313, TRUST,    AttestationError, "evidence is signed by a root that is not in the trust "\
                                                            "file")                                                  \
    ROW(LEVEL,              314, TRUST,    AttestationError, "assurance level is below the trust file's min_level")  \
    ROW(CHARTER,            315, TRUST,    AttestationError, "the executor's charter is not the one in the trust "   \
                                                            "file")                                                  \
    ROW(BINDING,            316, TRUST,    AttestationError, "this connection is not bound to the attested keys: "   \
                                                            "someone may sit in between")                            \
    ROW(LAYERS,             317, TRUST,    AttestationError, "sandbox layers that the trust file requires are "      \
                                                            "missing")                                               \
    ROW(REVOKED,            318, TRUST,    AttestationError, "a certificate or TCB level behind the evidence is "    \
                                                            "revoked; send nothing to this executor")                \
    ROW(EXPIRED,            319, TRUST,    AttestationError, "evidence, or what endorses it, is not valid at this "  \
                                                            "time; get it anew")                                     \
    ROW(BAD_POLICY,         320, INPUT,    PolicyError,     "trust file is not acceptable; correct it")              \
    ROW(ENDORSEMENT,        321, TRUST,    AttestationError, "an endorsement that judging the evidence needs is "    \
                                                            "missing or belongs to other evidence")                  \
    ROW(TERM,               322, TRUST,    AttestationError, "a claim does not meet the trust file's terms")         \
    ROW(REFLECTED,          323, TRUST,    AttestationError, "the peer shows this executor's own keys: somebody "    \
                                                            "sends its messages back")                               \
    ROW(DIVERTED,           324, TRUST,    AttestationError, "the peer is not the one asked for, or is here for "    \
                                                            "another purpose: somebody diverts messages")            \
    ROW(NOT_PROVED,         330, TRUST,    AttestationError, "something that the trust file requires was not proved; "\
                                                            "supply what proves it")                                 \
    ROW(BAD_LEDGER,          340, TRUST,   IntegrityError,  "the ledger is not whole: a record is missing, changed or out " \
                                                            "of its place")                                          \
    ROW(ROLLBACK,            341, TRUST,   AttestationError,"the executor shows an older or another ledger than this " \
                                                            "client has seen; send nothing to it")                   \
    /* 4xx: who may do what, and when */                                                                             \
    ROW(UNKNOWN_PARTY,      401, STATE,    PermissionDenied, "party is not enrolled here; enrol first")              \
    ROW(DENIED,             402, STATE,    PermissionDenied, "party has no right to do this")                        \
    ROW(WRONG_AUDIENCE,     403, STATE,    RequestError,    "request was made for another executor; connect anew")   \
    ROW(REPLAYED,           404, STATE,    RequestError,    "request was already received, or is too old; sign a "   \
                                                            "new one")                                               \
    ROW(NOT_FOUND,          405, STATE,    NotFound,        "no such object, or none that this party may see")       \
    ROW(EXISTS,             406, STATE,    StateError,      "it exists already")                                     \
    ROW(BAD_STATE,          407, STATE,    StateError,      "not possible in the present state")                     \
    ROW(NOT_ASSIGNED,       408, STATE,    StateError,      "data are missing; assign every input first")            \
    ROW(NOT_APPROVED,       409, STATE,    StateError,      "not every participant has approved the contract")       \
    ROW(WRONG_CONTRACT,     410, STATE,    StateError,      "approval names another contract; read it again and "    \
                                                            "approve what you read")                                 \
    ROW(DRAINING,           411, STATE,    StateError,      "the executor is shutting down and takes no new tasks")  \
    ROW(NO_PROFILE,         412, STATE,    StateError,      "this executor does not offer the profile")              \
    ROW(UNSAFE,             413, STATE,    StateError,      "sandbox layers are missing on this machine, so no task "\
                                                            "is run; see the operator's page")                       \
    ROW(ENROL_CLOSED,       414, STATE,    PermissionDenied, "the charter does not let parties enrol themselves; "   \
                                                            "ask an administrator")                                  \
    ROW(PARTY_REMOVED,      415, STATE,    PermissionDenied, "a party was removed: nothing that it signs counts any "\
                                                            "more, and tasks that it took part in do not run")       \
    ROW(LAST_ADMINISTRATOR, 416, STATE,    StateError,      "this is the last administrator; make another one first")\
    ROW(ROLE_MISSING,       417, STATE,    PermissionDenied, "party does not have a role that may do this; ask an "  \
                                                            "administrator for it")                                  \
    ROW(BAD_INVITATION,     418, STATE,    PermissionDenied, "invitation does not count: it was not signed by "      \
                                                            "somebody who may give what it promises here, or was "   \
                                                            "changed; ask for a new one")                            \
    ROW(INVITATION_EXPIRED, 419, STATE,    PermissionDenied, "invitation has expired; ask for a new one")            \
    ROW(INVITATION_USED,    420, STATE,    PermissionDenied, "invitation was used or revoked; ask for a new one")    \
    ROW(FUNCTION_DISABLED,  421, STATE,    StateError,      "function is disabled or deleted; nothing new runs "     \
                                                            "with it")                                               \
    ROW(NOT_ALLOWED,        422, STATE,    PermissionDenied, "function's owner does not let this party use it")      \
    ROW(NOT_AUDITED,        423, STATE,    StateError,      "not enough of the required auditors have signed for "   \
                                                            "the function")                                          \
    ROW(DATA_POLICY,        424, STATE,    PermissionDenied, "the policy of the data does not allow this use")       \
    ROW(ATTEMPTS_USED_UP,   425, STATE,    StateError,      "contract allows no further attempt; create a new task") \
    ROW(DELETED,            426, STATE,    StateError,      "it was deleted")                                        \
    ROW(NOT_STREAMABLE,     427, STATE,    StateError,      "only sealed files can be read as a stream; seal the data "\
                                                            "anew, or declare the input without stream")             \
    ROW(RECOVERY,            430, STATE,   StateError,      "the executor can not use its ledger and takes no requests; " \
                                                            "its administrators find what to do in its log")         \
    /* 5xx: limits */                                                                                                \
    ROW(BUSY,               501, LIMIT,    LimitError,      "queue is full; try again later")                        \
    ROW(TOO_MANY,           502, LIMIT,    LimitError,      "too many objects of this kind")                         \
    ROW(PARTY_BUSY,         503, LIMIT,    LimitError,      "this party has as many tasks waiting as one party may; "\
                                                            "wait for some of them to end, or cancel some")          \
    ROW(QUOTA_USED_UP,      504, LIMIT,    LimitError,      "the function's quota of runs is used up; ask its owner")\
    ROW(USES_USED_UP,       505, LIMIT,    LimitError,      "the uses that the data's policy allows are used up; "   \
                                                            "ask their owner")                                       \
    ROW(LEDGER_BUSY,         506, LIMIT,   LimitError,      "too many changes wait for the host's disk; try again later") \
    ROW(BUDGET_SPENT,        507, LIMIT,   LimitError,      "what is left of the privacy budget that the data's policy sets " \
                                                            "does not cover this run; ask their owner")              \
    ROW(LIMIT_WALL,         510, LIMIT,    LimitError,      "task ran longer than its wall-clock limit")             \
    ROW(LIMIT_CPU,          511, LIMIT,    LimitError,      "task used more CPU time than its limit")                \
    ROW(LIMIT_MEMORY,       512, LIMIT,    LimitError,      "task used more memory than its limit")                  \
    ROW(LIMIT_OUTPUT,       513, LIMIT,    LimitError,      "an output grew beyond its limit")                       \
    ROW(LIMIT_RESULT,       514, LIMIT,    LimitError,      "result is larger than its limit; write an output "      \
                                                            "instead")                                               \
    ROW(LIMIT_INPUT,        515, LIMIT,    LimitError,      "input is larger than this executor takes")              \
    /* 6xx: the outside */                                                                                           \
    ROW(CLOSED,             601, IO,       TransportError,  "peer closed the connection")                            \
    ROW(BAD_FRAME,          602, IO,       TransportError,  "link frame is malformed or out of order")               \
    ROW(TIMEOUT,            603, IO,       TransportError,  "peer was silent for too long")                          \
    ROW(OBJECT_MISSING,     604, IO,       StorageError,    "the host does not deliver a stored object")             \
    ROW(STORE_FAILED,       605, IO,       StorageError,    "the host could not store an object")                    \
    ROW(STORE_FULL,         606, IO,       StorageError,    "the host's disk is full")                               \
    ROW(FRONT_DIED,         607, IO,       TransportError,  "the front was restarted in mid-request; try again")     \
    ROW(COURIER_DIED,       608, IO,       TransportError,  "the courier died in mid-transfer; invoke a new task")   \
    ROW(ZYGOTE_DIED,        609, IO,       TransportError,  "the cell's zygote died; invoke a new task")             \
    ROW(TLS_FAILED,         610, IO,       TransportError,  "TLS handshake or record failed")                        \
    ROW(LEDGER_FAILED,       620, IO,      StorageError,    "the host does not make changes durable; one that was under " \
                                                            "way may take effect yet: look before trying again")     \
    ROW(LEDGER_FULL,         621, IO,      StorageError,    "the host's disk has no room for the ledger; one change that " \
                                                            "was under way may take effect yet")                     \
    ROW(LEDGER_TAKEN,        622, IO,      StorageError,    "another executor writes to this ledger")                \
    ROW(EXECUTOR_DIED,       623, IO,      TransportError,  "the executor ended while the task ran and released nothing; " \
                                                            "invoke a new task")                                     \
    ROW(PLACE_NOT_ALLOWED,   630, IO,      StorageError,    "the operator does not allow data from this place; ask him, or " \
                                                            "give the data another location")                        \
    ROW(PLACE_NOT_FOUND,     631, IO,      StorageError,    "the data are not at their location; put them there, or give " \
                                                            "them another one")                                      \
    ROW(PLACE_TOO_LARGE,     632, IO,      StorageError,    "what lies at the data's location is larger than what was " \
                                                            "registered, or than the operator lets in")              \
    ROW(PLACE_TIMEOUT,       633, IO,      TransportError,  "the data's location did not deliver them in time; try again") \
    ROW(PLACE_FAILED,        634, IO,      TransportError,  "the data's location could not be reached, or broke off; try " \
                                                            "again")                                                 \
    /* 7xx: the task itself */                                                                                       \
    ROW(SCRIPT_FAILED,      701, TASK,     ScriptError,     "script raised an exception")                            \
    ROW(BAD_RESULT,         702, TASK,     ScriptError,     "script returned something that is not JSON")            \
    ROW(OUTPUT_MISSING,     703, TASK,     ScriptError,     "script ended without writing a declared output")        \
    ROW(SANDBOX_VIOLATION,  704, TASK,     ScriptError,     "script tried a forbidden system call and was stopped")  \
    ROW(CELL_DIED,          705, TASK,     ScriptError,     "script's process died without a result")                \
    ROW(CANCELLED,          706, TASK,     TaskCancelled,   "task was cancelled")                                    \
    ROW(BUILTIN_FAILED,     707, TASK,     ScriptError,     "builtin function refused its input")                    \
    ROW(REJECTED,           708, TASK,     TaskCancelled,   "a participant has rejected the task")                   \
    ROW(TASK_EXPIRED,       709, TASK,     TaskCancelled,   "task was not invoked in time")

typedef enum cella_status {
#define CELLA_STATUS_ENUM(name, number, category, exception, text) CELLA_##name = (number),
    CELLA_STATUS_TABLE(CELLA_STATUS_ENUM)
#undef CELLA_STATUS_ENUM
} cella_status;

#define CELLA_MUST_USE __attribute__((warn_unused_result))

/* Evaluate call once; return its status from the surrounding function unless it is CELLA_OK. */
#define CELLA_TRY(call)                                                                                              \
    do {                                                                                                             \
        cella_status cella_try_status = (call);                                                                      \
        if (cella_try_status != CELLA_OK) {                                                                          \
            return cella_try_status;                                                                                 \
        }                                                                                                            \
    } while (0)

/* Run a clear function on a local variable when it goes out of scope: CELLA_CLEANUP(cella_bytes_clear). */
#define CELLA_CLEANUP(function) __attribute__((cleanup(function)))

/* For CELLA_CLEANUP: free what a local pointer, whose address this gets, points to. */
static inline void cella_pointer_free(void *pointer)
{
    free(*(void **) pointer);
}

/* One row of the table. Strings are static. */
struct cella_status_row {
    cella_status status;
    enum cella_category category;
    const char *name;      /* the code on the wire, e.g. "BAD_TAG" */
    const char *exception; /* the Python class, e.g. "IntegrityError" */
    const char *text;      /* a sentence for people */
};

/* Row of a status; an unknown number gives the row of CELLA_INTERNAL. Never NULL. */
const struct cella_status_row *cella_status_row(cella_status status);

/* Row number index of the table, or NULL past its end: for making the Python exceptions and the docs. */
const struct cella_status_row *cella_status_row_at(unsigned int index);

/* Wire code and sentence of a status. Never NULL. */
const char *cella_status_name(cella_status status);
const char *cella_status_text(cella_status status);

/* Status from a number received from another program; CELLA_INTERNAL for a number not in the table. */
cella_status cella_status_from_number(unsigned int number);
