/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/function.h"

#include <string.h>

#define STATEMENT_MAX 4096U

/* {function, auditor}: its owner lets a party read the source. The executor shows it, so it is the one that runs. */
cella_status cella_operation_function_show(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    struct cella_function *function;
    const char *id;
    const char *auditor;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "function", CELLA_ID_SIZE - 1, &id));
    CELLA_TRY(cella_json_string(&object, "auditor", CELLA_THUMBPRINT_SIZE, &auditor));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(cella_function_find(monitor, call, id, &function));
    const struct cella_party *party = cella_state_party(&monitor->state, auditor);
    if (party == NULL || party->removed) {
        return cella_operation_blame(call, "auditor", CELLA_NOT_FOUND);
    }
    if (json_array_size(function->reviewers) >= CELLA_REVIEWERS_MAX) {
        return CELLA_TOO_MANY;
    }
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *event =
        json_pack("{s:s, s:s, s:s}", "function", id, "auditor", auditor, "by", call->party->entry.id);
    CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_FUNCTION_SHOWN, event));
    call->reply = json_pack("{s:s, s:s}", "function", id, "auditor", auditor);
    return CELLA_OK;
}

/* {function}: the package, sealed to the caller */
cella_status cella_operation_function_source(struct cella_monitor *monitor, struct cella_call *call)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret opened = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    struct cella_function *function;
    const char *id;
    CELLA_TRY(cella_operation_only(call, "function", &id));
    CELLA_TRY(cella_function_find(monitor, call, id, &function));
    if (function->deleted) {
        return CELLA_DELETED;
    }
    struct cella_view package = cella_bytes_view(&function->package);
    if (function->sealed) {
        CELLA_TRY(cella_keyring_open(monitor->keyring, "package", cella_view_of_string(function->owner->entry.id),
                                     package, &opened));
        package = cella_secret_view(&opened);
    }
    CELLA_TRY(cella_keyring_seal(call->party->seal, "shown package", cella_view_of_string(function->entry.id), package,
                                 &sealed));
    call->reply = json_pack("{s:s, s:o, s:o}", "function", function->entry.id, "sha256",
                            cella_json_hex(cella_view_of(function->sha256, sizeof(function->sha256))),
                            "sealed_package", cella_json_base64url(cella_bytes_view(&sealed)));
    return CELLA_OK;
}

/* The auditor's own words: {version, type, sha256, auditor, accepted, note?}, verifiable without this executor. */
static cella_status read_statement(struct cella_call *call, const struct cella_function *function, const char *compact,
                                   bool *accepted)
{
    struct cella_jws jws;
    struct cella_json_object object;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = NULL;
    char sha256[2 * CELLA_SHA256_SIZE + 1];
    int64_t version;
    const char *type;
    const char *hash;
    const char *auditor;
    const char *note = NULL;
    CELLA_TRY(cella_jws_split(cella_view_of_string(compact), &jws));
    if (jws.form != CELLA_JWS_PLAIN) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_TRY(cella_jws_verify(&jws, call->party->sign, &text));
    CELLA_TRY(cella_json_parse(cella_bytes_view(&text), STATEMENT_MAX, &json));
    CELLA_TRY(cella_json_begin(json, "statement", &call->error, &object));
    CELLA_TRY(cella_json_integer(&object, "version", 1, 1, &version));
    CELLA_TRY(cella_json_string(&object, "type", 32, &type));
    CELLA_TRY(cella_json_string(&object, "sha256", 2 * CELLA_SHA256_SIZE, &hash));
    CELLA_TRY(cella_json_string(&object, "auditor", CELLA_THUMBPRINT_SIZE, &auditor));
    CELLA_TRY(cella_json_boolean_optional(&object, "accepted", accepted));
    CELLA_TRY(cella_json_string_optional(&object, "note", 1024, &note));
    CELLA_TRY(cella_json_end(&object));
    cella_hex_encode(cella_view_of(function->sha256, CELLA_SHA256_SIZE), sha256);
    bool fits = strcmp(type, "cella function audit") == 0 && strcmp(hash, sha256) == 0 &&
                strcmp(auditor, call->party->entry.id) == 0;
    return fits ? CELLA_OK : CELLA_BAD_FIELD;
}

cella_status cella_operation_function_audit(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    struct cella_function *function;
    const char *id;
    const char *statement;
    bool accepted = false;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "function", CELLA_ID_SIZE - 1, &id));
    CELLA_TRY(cella_json_string(&object, "statement", STATEMENT_MAX, &statement));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(cella_function_find(monitor, call, id, &function));
    cella_status status = read_statement(call, function, statement, &accepted);
    if (status != CELLA_OK) {
        return call->error.field[0] != '\0' ? status : cella_operation_blame(call, "statement", status);
    }
    if (json_object_size(function->audits) >= CELLA_REVIEWERS_MAX) {
        return CELLA_TOO_MANY;
    }
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *event = json_pack("{s:s, s:s, s:b, s:s}", "function", id, "auditor", call->party->entry.id, "accepted",
                              (int) accepted, "statement", statement);
    CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_FUNCTION_AUDITED, event));
    cella_monitor_log(monitor, "function audited %s", function->entry.id);
    call->reply = json_pack("{s:s, s:b}", "function", function->entry.id, "accepted", (int) accepted);
    return CELLA_OK;
}
