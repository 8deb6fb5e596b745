/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Requests of parties: one table names each operation and which function answers; a name that is not in it is
 * UNKNOWN_OPERATION. Who may call it is the table of right.h.
 */

#include "monitor/monitor.h"
#include "monitor/request.h"
#include "monitor/right.h"

/* One request whose signature, audience and sequence number were found good. */
struct cella_call {
    struct cella_party *party;               /* NULL for party.enrol */
    const struct cella_right *right;         /* who may do this; NULL for party.enrol */
    uint8_t enrol_key[CELLA_ED25519_KEY_SIZE];
    char enrol_id[CELLA_THUMBPRINT_SIZE + 1];
    json_t *args;                            /* object, borrowed */
    struct cella_json_error error;           /* set by a handler that blames a field */
    char detail[CELLA_DETAIL_MAX];           /* set by a handler that can say more */
    json_t *reply;                           /* set by the handler */
    uint32_t request;                        /* id of the front's question */
    bool deferred;                           /* the handler answers later */
    /* object.upload and object.download: what the front may move. */
    char object[CELLA_OBJECT_ID_SIZE + 1];
    uint64_t object_size;
    struct cella_view object_digest;
    struct cella_data *uploading;
};

typedef cella_status (*cella_operation)(struct cella_monitor *monitor, struct cella_call *call);

/* Handlers, in the file of their noun. */
cella_status cella_operation_party_enrol(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_party_get(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_party_list(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_party_change(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_party_rotate(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_party_remove(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_party_add(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_party_join(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_invitation_revoke(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_organisation_create(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_organisation_get(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_organisation_list(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_organisation_add(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_organisation_remove(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_organisation_delete(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_ledger_consistency(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_executor_info(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_function_register(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_function_get(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_function_list(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_function_usage(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_function_change(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_function_disable(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_function_enable(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_function_delete(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_function_show(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_function_source(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_function_audit(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_data_change(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_data_update(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_data_delete(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_data_derive(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_task_withdraw(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_task_reject(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_task_retry(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_receipt_get(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_receipt_find(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_audit_list(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_data_register(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_data_get(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_data_list(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_object_upload(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_object_download(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_task_create(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_task_assign(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_task_contract(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_task_approve(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_task_invoke(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_task_cancel(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_task_get(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_task_watch(struct cella_monitor *monitor, struct cella_call *call);
cella_status cella_operation_task_list(struct cella_monitor *monitor, struct cella_call *call);

/*
 * Check and carry out one request.
 *
 * jws:   compact JWS, at most CELLA_REQUEST_BODY_MAX bytes. Untrusted.
 * kind:  CELLA_REQUEST_REQUEST, _UPLOAD or _DOWNLOAD: an upload's or download's request names that operation
 * call:  zeroed, with request set; call->reply is released by the caller
 * Returns the status for the answer; every status of the handlers and of trust/jws.h.
 */
CELLA_MUST_USE cella_status cella_operation_run(struct cella_monitor *monitor, enum cella_request_kind kind,
                                                struct cella_view jws, struct cella_call *call);

/* May the caller, who stands in these relations to the target? As cella_right_check. */
CELLA_MUST_USE cella_status cella_operation_may(const struct cella_call *call, unsigned int relations);

/* Blame a member of args, and return the status. */
cella_status cella_operation_blame(struct cella_call *call, const char *member, cella_status status);

/* Operations whose only argument is an id. */
CELLA_MUST_USE cella_status cella_operation_only(struct cella_call *call, const char *member, const char **out);

/*
 * The request that is being answered, word for word, to be kept as its party's word: as a JSON string. Only requests that
 * the verifier of a receipt reads are kept (CELLA_APPROVAL_MAX). CELLA_TOO_LARGE
 */
CELLA_MUST_USE cella_status cella_operation_keep_request(const struct cella_monitor *monitor, json_t *body);

/* A key that HPKE can seal to: the result of a task must not fail for its receiver's sake at the end. CELLA_BAD_KEY */
CELLA_MUST_USE cella_status cella_operation_check_seal(const uint8_t key[CELLA_X25519_KEY_SIZE]);

/* A party with what everybody may know of it. NULL without memory. */
json_t *cella_party_json(const struct cella_party *party);

#define CELLA_PAGE_MAX 100U /* entries of a list in one answer */

/*
 * A list of what a table has, a page at a time.
 *
 * name:    member of the reply that holds the list; "more" beside it says whether something is left
 * shows:   whether the caller may see an entry, and asked for it
 * json:    the entry as the caller sees it; NULL without memory
 * context: for shows; may be NULL
 */
struct cella_listing {
    const char *name;
    bool (*shows)(const struct cella_call *call, const struct cella_entry *entry, const void *context);
    json_t *(*json)(const struct cella_call *call, const struct cella_entry *entry);
    const void *context;
};

/*
 * Reply with a page of table. The first takes args, which have no other member than after; the second is for those that have
 * read them already.
 *
 * after: the last id that the caller has; NULL for the start
 * CELLA_NOT_FOUND  there is no such id in the table; CELLA_NO_MEMORY; and those of reading args
 */
CELLA_MUST_USE cella_status cella_operation_list(const struct cella_table *table, const struct cella_listing *listing,
                                                 struct cella_call *call);
CELLA_MUST_USE cella_status cella_operation_list_after(const struct cella_table *table, const char *after,
                                                       const struct cella_listing *listing, struct cella_call *call);

/* JSON text of an error answer. Appended to out. */
CELLA_MUST_USE cella_status cella_operation_error(cella_status status, const char *field, const char *detail,
                                                  struct cella_bytes *out);

/* The task as one participant may see it. NULL without memory. */
json_t *cella_task_view(const struct cella_task_record *task, const struct cella_participant *reader);

/* Names of layers, for messages. NULL without memory. */
json_t *cella_info_layers(uint32_t layers);

/* The contract's bytes of a task whose inputs are assigned. Appended to out. */
CELLA_MUST_USE cella_status cella_contract_write(const struct cella_monitor *monitor,
                                                 const struct cella_task_record *task, struct cella_bytes *out);
