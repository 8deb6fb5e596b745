/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/operation.h"

#include <stdio.h>
#include <string.h>

#define SEQUENCE_MAX (((int64_t) 1 << 53) - 1)

/* Name, handler, and by which kind of question it may come. Who may is the table of right.c. */
static const struct {
    const char *name;
    cella_operation handler;
    enum cella_request_kind kind;
} operations[] = {
    { "party.enrol", cella_operation_party_enrol, CELLA_REQUEST_REQUEST },
    { "party.get", cella_operation_party_get, CELLA_REQUEST_REQUEST },
    { "party.list", cella_operation_party_list, CELLA_REQUEST_REQUEST },
    { "party.change", cella_operation_party_change, CELLA_REQUEST_REQUEST },
    { "party.rotate", cella_operation_party_rotate, CELLA_REQUEST_REQUEST },
    { "party.remove", cella_operation_party_remove, CELLA_REQUEST_REQUEST },
    { "party.add", cella_operation_party_add, CELLA_REQUEST_REQUEST },
    { "party.join", cella_operation_party_join, CELLA_REQUEST_REQUEST },
    { "invitation.revoke", cella_operation_invitation_revoke, CELLA_REQUEST_REQUEST },
    { "organisation.create", cella_operation_organisation_create, CELLA_REQUEST_REQUEST },
    { "organisation.get", cella_operation_organisation_get, CELLA_REQUEST_REQUEST },
    { "organisation.list", cella_operation_organisation_list, CELLA_REQUEST_REQUEST },
    { "organisation.add", cella_operation_organisation_add, CELLA_REQUEST_REQUEST },
    { "organisation.remove", cella_operation_organisation_remove, CELLA_REQUEST_REQUEST },
    { "organisation.delete", cella_operation_organisation_delete, CELLA_REQUEST_REQUEST },
    { "executor.info", cella_operation_executor_info, CELLA_REQUEST_REQUEST },
    { "ledger.consistency", cella_operation_ledger_consistency, CELLA_REQUEST_REQUEST },
    { "function.register", cella_operation_function_register, CELLA_REQUEST_REQUEST },
    { "function.get", cella_operation_function_get, CELLA_REQUEST_REQUEST },
    { "function.list", cella_operation_function_list, CELLA_REQUEST_REQUEST },
    { "data.register", cella_operation_data_register, CELLA_REQUEST_REQUEST },
    { "data.get", cella_operation_data_get, CELLA_REQUEST_REQUEST },
    { "data.list", cella_operation_data_list, CELLA_REQUEST_REQUEST },
    { "object.upload", cella_operation_object_upload, CELLA_REQUEST_UPLOAD },
    { "object.download", cella_operation_object_download, CELLA_REQUEST_DOWNLOAD },
    { "task.create", cella_operation_task_create, CELLA_REQUEST_REQUEST },
    { "task.assign", cella_operation_task_assign, CELLA_REQUEST_REQUEST },
    { "task.contract", cella_operation_task_contract, CELLA_REQUEST_REQUEST },
    { "task.approve", cella_operation_task_approve, CELLA_REQUEST_REQUEST },
    { "task.invoke", cella_operation_task_invoke, CELLA_REQUEST_REQUEST },
    { "task.cancel", cella_operation_task_cancel, CELLA_REQUEST_REQUEST },
    { "task.get", cella_operation_task_get, CELLA_REQUEST_REQUEST },
    { "task.watch", cella_operation_task_watch, CELLA_REQUEST_REQUEST },
    { "task.list", cella_operation_task_list, CELLA_REQUEST_REQUEST },
    { "function.usage", cella_operation_function_usage, CELLA_REQUEST_REQUEST },
    { "function.change", cella_operation_function_change, CELLA_REQUEST_REQUEST },
    { "function.disable", cella_operation_function_disable, CELLA_REQUEST_REQUEST },
    { "function.enable", cella_operation_function_enable, CELLA_REQUEST_REQUEST },
    { "function.delete", cella_operation_function_delete, CELLA_REQUEST_REQUEST },
    { "function.show", cella_operation_function_show, CELLA_REQUEST_REQUEST },
    { "function.source", cella_operation_function_source, CELLA_REQUEST_REQUEST },
    { "function.audit", cella_operation_function_audit, CELLA_REQUEST_REQUEST },
    { "data.change", cella_operation_data_change, CELLA_REQUEST_REQUEST },
    { "data.update", cella_operation_data_update, CELLA_REQUEST_REQUEST },
    { "data.delete", cella_operation_data_delete, CELLA_REQUEST_REQUEST },
    { "data.derive", cella_operation_data_derive, CELLA_REQUEST_REQUEST },
    { "task.withdraw", cella_operation_task_withdraw, CELLA_REQUEST_REQUEST },
    { "task.reject", cella_operation_task_reject, CELLA_REQUEST_REQUEST },
    { "task.retry", cella_operation_task_retry, CELLA_REQUEST_REQUEST },
    { "receipt.get", cella_operation_receipt_get, CELLA_REQUEST_REQUEST },
    { "receipt.find", cella_operation_receipt_find, CELLA_REQUEST_REQUEST },
    { "audit.list", cella_operation_audit_list, CELLA_REQUEST_REQUEST },
};

/* Whose key the signature must verify under. Nobody who is not enrolled gets past here but to enrol. */
static cella_status find_signer(struct cella_monitor *monitor, const struct cella_jws *jws, struct cella_call *call,
                                const uint8_t **key)
{
    switch (jws->form) {
    case CELLA_JWS_KID:
        call->party = cella_state_party(&monitor->state, jws->kid);
        if (call->party == NULL) {
            return CELLA_UNKNOWN_PARTY;
        }
        *key = call->party->sign;
        return call->party->removed ? CELLA_PARTY_REMOVED : CELLA_OK;
    case CELLA_JWS_JWK:
        memcpy(call->enrol_key, jws->jwk, sizeof(call->enrol_key));
        memcpy(call->enrol_id, jws->kid, sizeof(call->enrol_id));
        *key = call->enrol_key;
        return CELLA_OK;
    case CELLA_JWS_PLAIN:
        break;
    }
    return CELLA_BAD_FORMAT;
}

static cella_status run_handler(struct cella_monitor *monitor, enum cella_request_kind kind, const char *name,
                                struct cella_call *call)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (strcmp(operations[i].name, name) != 0) {
            continue;
        }
        bool enrols = operations[i].handler == cella_operation_party_enrol;
        if (operations[i].kind != kind || enrols != (call->party == NULL)) {
            return CELLA_BAD_STATE;
        }
        call->right = cella_right_of(name);
        if (!enrols) {
            CELLA_TRY(call->right == NULL ? CELLA_INTERNAL : cella_right_role(call->right, call->party));
        }
        return operations[i].handler(monitor, call);
    }
    return CELLA_UNKNOWN_OPERATION;
}

static cella_status run_payload(struct cella_monitor *monitor, enum cella_request_kind kind, json_t *payload,
                                struct cella_call *call)
{
    struct cella_json_object object;
    const char *name;
    const char *audience;
    int64_t sequence;
    int64_t time;
    CELLA_TRY(cella_json_begin(payload, "", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "aud", CELLA_THUMBPRINT_SIZE, &audience));
    if (strcmp(audience, cella_keyring_executor(monitor->keyring)) != 0) {
        return CELLA_WRONG_AUDIENCE;
    }
    CELLA_TRY(cella_json_integer(&object, "seq", 1, SEQUENCE_MAX, &sequence));
    if (call->party != NULL) {
        CELLA_TRY(cella_party_sequence(call->party, sequence));
        memcpy(monitor->cause.party, call->party->entry.id, sizeof(monitor->cause.party));
        monitor->cause.sequence = (uint64_t) sequence;
    }
    CELLA_TRY(cella_json_string(&object, "op", 64, &name));
    CELLA_TRY(cella_json_integer(&object, "time", 0, SEQUENCE_MAX, &time));
    CELLA_TRY(cella_json_member(&object, "args", JSON_OBJECT, &call->args));
    CELLA_TRY(cella_json_end(&object));
    return run_handler(monitor, kind, name, call);
}

cella_status cella_operation_run(struct cella_monitor *monitor, enum cella_request_kind kind,
                                 struct cella_view compact, struct cella_call *call)
{
    struct cella_jws jws;
    const uint8_t *key = NULL;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_CLEANUP(cella_json_cleanup) json_t *payload = NULL;
    CELLA_TRY(cella_jws_split(compact, &jws));
    CELLA_TRY(find_signer(monitor, &jws, call, &key));
    CELLA_TRY(cella_jws_verify(&jws, key, &text));
    CELLA_TRY(cella_json_parse(cella_bytes_view(&text), CELLA_REQUEST_BODY_MAX, &payload));
    cella_status status = run_payload(monitor, kind, payload, call);
    call->args = NULL;
    return status;
}

cella_status cella_operation_may(const struct cella_call *call, unsigned int relations)
{
    return cella_right_check(call->right, relations);
}

cella_status cella_operation_blame(struct cella_call *call, const char *member, cella_status status)
{
    (void) snprintf(call->error.field, sizeof(call->error.field), "args.%.58s", member);
    return status;
}

cella_status cella_operation_only(struct cella_call *call, const char *member, const char **out)
{
    struct cella_json_object object;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, member, CELLA_ID_SIZE - 1, out));
    return cella_json_end(&object);
}

cella_status cella_operation_keep_request(const struct cella_monitor *monitor, json_t *body)
{
    struct cella_view request = monitor->cause.request;
    if (request.size > CELLA_APPROVAL_MAX) {
        return CELLA_TOO_LARGE;
    }
    json_t *text = json_stringn(request.size == 0 ? "" : (const char *) request.data, request.size);
    return json_object_set_new(body, "request", text) == 0 ? CELLA_OK : CELLA_NO_MEMORY;
}

cella_status cella_operation_list_after(const struct cella_table *table, const char *after,
                                        const struct cella_listing *listing, struct cella_call *call)
{
    const struct cella_entry *last = after == NULL ? NULL : cella_table_find(table, after);
    if (after != NULL && last == NULL) {
        return CELLA_NOT_FOUND;
    }
    json_t *list = json_array();
    const struct cella_entry *entry = last == NULL ? table->first : last->next;
    for (; entry != NULL && json_array_size(list) < CELLA_PAGE_MAX; entry = entry->next) {
        if (listing->shows(call, entry, listing->context) &&
            json_array_append_new(list, listing->json(call, entry)) != 0) {
            json_decref(list);
            return CELLA_NO_MEMORY;
        }
    }
    call->reply = json_pack("{s:o, s:b}", listing->name, list, "more", entry != NULL ? 1 : 0);
    return call->reply == NULL ? CELLA_NO_MEMORY : CELLA_OK;
}

cella_status cella_operation_list(const struct cella_table *table, const struct cella_listing *listing,
                                  struct cella_call *call)
{
    struct cella_json_object object;
    const char *after = NULL;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string_optional(&object, "after", CELLA_ID_SIZE - 1, &after));
    CELLA_TRY(cella_json_end(&object));
    return cella_operation_list_after(table, after, listing, call);
}

cella_status cella_operation_error(cella_status status, const char *field, const char *detail,
                                   struct cella_bytes *out)
{
    static const char *const categories[] = {
        [CELLA_CATEGORY_NONE] = "NONE",   [CELLA_CATEGORY_INPUT] = "INPUT",       [CELLA_CATEGORY_TRUST] = "TRUST",
        [CELLA_CATEGORY_STATE] = "STATE", [CELLA_CATEGORY_LIMIT] = "LIMIT",       [CELLA_CATEGORY_IO] = "IO",
        [CELLA_CATEGORY_MEMORY] = "MEMORY", [CELLA_CATEGORY_INTERNAL] = "INTERNAL", [CELLA_CATEGORY_TASK] = "TASK",
    };
    const struct cella_status_row *row = cella_status_row(status);
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *json = json_pack("{s:{s:s, s:I, s:s, s:s}}", "error", "code", row->name, "number",
                             (json_int_t) row->status, "category", categories[row->category], "message", row->text);
    if (json == NULL) {
        return CELLA_NO_MEMORY;
    }
    json_t *error = json_object_get(json, "error");
    if ((field[0] != '\0' && json_object_set_new(error, "field", json_string(field)) != 0) ||
        (detail[0] != '\0' && json_object_set_new(error, "detail", json_string(detail)) != 0)) {
        return CELLA_NO_MEMORY;
    }
    return cella_json_write(json, out);
}
