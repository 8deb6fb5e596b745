/* SPDX-License-Identifier: Apache-2.0 */

/* Comparing a statement with what it speaks of: package, contract, approvals, files. */

#include <string.h>

#include "trust/json.h"
#include "trust/jws.h"
#include "trust/receipt_appraisal.h"

#define SALT_SIZE 32U
#define CONTRACT_MAX 1048576U
#define HEX_DIGEST_SIZE (2 * CELLA_SHA256_SIZE)

cella_status cella_commitment(struct cella_view salt, struct cella_view data, uint8_t out[CELLA_SHA256_SIZE])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    if (salt.size != SALT_SIZE) {
        return CELLA_BAD_SIZE;
    }
    CELLA_TRY(cella_bytes_append(&text, salt));
    CELLA_TRY(cella_bytes_append(&text, data));
    return cella_sha256(cella_bytes_view(&text), out);
}

static cella_status wait_for(struct cella_receipt_appraisal *appraisal, const char *sentence,
                             enum cella_step_result *result)
{
    cella_text_set(appraisal->detail, "%s", sentence);
    *result = CELLA_STEP_WAITING;
    return CELLA_OK;
}

static bool has_digest(struct cella_view content, struct cella_view digest)
{
    uint8_t found[CELLA_SHA256_SIZE];
    return cella_sha256(content, found) == CELLA_OK && cella_view_equal(cella_view_of(found, sizeof(found)), digest);
}

/* ---- function ---- */

static bool is_listed(const struct cella_receipt_policy *policy, struct cella_view digest)
{
    for (size_t i = 0; i < policy->function_count; i++) {
        if (cella_view_equal(cella_view_of(policy->functions[i], CELLA_SHA256_SIZE), digest)) {
            return true;
        }
    }
    return policy->function_count == 0;
}

cella_status cella_step_function(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result)
{
    struct cella_view digest = appraisal->execution.function;
    char digits[17];
    cella_hex_encode(cella_view_of(digest.data, 8), digits);
    if (!is_listed(&appraisal->policy, digest)) {
        cella_text_set(appraisal->detail, "function %s... is not in the trust file", digits);
        return CELLA_BAD_RECEIPT;
    }
    if (appraisal->bundle->function.size > 0 && !has_digest(appraisal->bundle->function, digest)) {
        cella_text_set(appraisal->detail, "the supplied package is not the function that ran, %s...", digits);
        return CELLA_BAD_DIGEST;
    }
    if (appraisal->bundle->function.size == 0 && appraisal->policy.function_count == 0) {
        return wait_for(appraisal, "no package was supplied, and the trust file lists no functions", result);
    }
    cella_text_set(appraisal->detail, "%s..., %s", digits,
                   appraisal->bundle->function.size == 0 ? "listed in the trust file" : "the package that was supplied");
    return CELLA_OK;
}

/* ---- contract ---- */

static bool is_hex_of(const json_t *text, struct cella_view digest)
{
    uint8_t found[CELLA_SHA256_SIZE];
    const char *digits = json_string_value(text);
    return digits != NULL && strlen(digits) == HEX_DIGEST_SIZE &&
           cella_hex_decode(cella_view_of_string(digits), found, sizeof(found)) == CELLA_OK &&
           cella_view_equal(cella_view_of(found, sizeof(found)), digest);
}

static bool is_participant(const struct cella_statement_digests *participants, const char *id, size_t *place)
{
    uint8_t thumbprint[CELLA_SHA256_SIZE];
    if (id == NULL || cella_base64url_decode_exact(cella_view_of_string(id), thumbprint, sizeof(thumbprint)) != CELLA_OK) {
        return false;
    }
    for (*place = 0; *place < participants->count; (*place)++) {
        if (cella_view_equal(participants->list[*place], cella_view_of(thumbprint, sizeof(thumbprint)))) {
            return true;
        }
    }
    return false;
}

static bool same_participants(const json_t *list, const struct cella_statement_digests *participants)
{
    bool seen[CELLA_STATEMENT_PARTIES_MAX] = { false };
    if (!json_is_array(list) || json_array_size(list) != participants->count) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        size_t place;
        if (!is_participant(participants, json_string_value(json_array_get(list, i)), &place) || seen[place]) {
            return false;
        }
        seen[place] = true;
    }
    return true;
}

/* Optional inputs that nobody gave are in the contract without a digest. */
static size_t given_inputs(json_t *inputs)
{
    size_t count = 0;
    const char *name;
    json_t *input;
    json_object_foreach (inputs, name, input) {
        count += json_object_get(input, "sha256") != NULL ? 1 : 0;
    }
    return count;
}

/* Each input of the statement is in the contract, and of kind 0 with the contract's digest. */
static bool same_inputs(json_t *inputs, const struct cella_statement_items *items)
{
    if (!json_is_object(inputs) || given_inputs(inputs) != items->count) {
        return false;
    }
    for (size_t i = 0; i < items->count; i++) {
        const struct cella_statement_item *item = &items->list[i];
        char name[CELLA_STATEMENT_NAME_MAX + 1] = "";
        memcpy(name, item->name.data, item->name.size);
        const json_t *input = json_object_get(inputs, name);
        if (input == NULL || (item->kind == CELLA_DIGEST_SEALED &&
                              !is_hex_of(json_object_get(input, "sha256"), item->digest))) {
            return false;
        }
    }
    return true;
}

cella_status cella_step_contract(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result)
{
    const struct cella_execution *run = &appraisal->execution;
    struct cella_view text = appraisal->bundle->contract;
    CELLA_CLEANUP(cella_json_cleanup) json_t *contract = NULL;
    if (text.size == 0) {
        return wait_for(appraisal, "the contract was not supplied", result);
    }
    if (!has_digest(text, run->contract)) {
        cella_text_set(appraisal->detail, "the supplied contract is not the one of this run");
        return CELLA_BAD_DIGEST;
    }
    CELLA_TRY(cella_json_parse(text, CONTRACT_MAX, &contract));
    const json_t *function = json_object_get(contract, "function");
    if (!is_hex_of(json_object_get(function, "sha256"), run->function) ||
        !same_participants(json_object_get(contract, "participants"), &run->participants) ||
        !same_inputs(json_object_get(contract, "inputs"), &run->inputs)) {
        cella_text_set(appraisal->detail, "function, participants or inputs are not those of the contract");
        return CELLA_BAD_RECEIPT;
    }
    cella_text_set(appraisal->detail, "the one that was supplied; it names this function, these participants and inputs");
    return CELLA_OK;
}

/* ---- signed requests ---- */

static cella_status name_executor(const struct cella_receipt_appraisal *appraisal, char out[CELLA_THUMBPRINT_SIZE + 1])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes id = { 0 };
    CELLA_TRY(cella_base64url_encode(cella_view_of(appraisal->executor.kid, appraisal->executor.kid_size), &id));
    CELLA_TRY(id.size == CELLA_THUMBPRINT_SIZE ? CELLA_OK : CELLA_BAD_KEY);
    memcpy(out, id.data, id.size);
    out[CELLA_THUMBPRINT_SIZE] = '\0';
    return CELLA_OK;
}

/* Is this key the party's? It is when the id is its thumbprint, or when the party's history leads to it. */
static cella_status check_owner(const struct cella_receipt_appraisal *appraisal, const uint8_t *public_key,
                                const char *party)
{
    struct cella_reader reader = cella_reader_of(appraisal->bundle->histories);
    char executor[CELLA_THUMBPRINT_SIZE + 1];
    char owner[CELLA_THUMBPRINT_SIZE + 1];
    CELLA_TRY(cella_thumbprint(public_key, owner));
    CELLA_TRY(name_executor(appraisal, executor));
    for (size_t i = 0; strcmp(owner, party) != 0 && i < appraisal->bundle->history_count; i++) {
        struct cella_view history;
        CELLA_TRY(cella_key_history_take(&reader, &history));
        cella_status status = cella_key_history_owner(history, executor, public_key, owner);
        CELLA_TRY(status == CELLA_NOT_FOUND ? CELLA_OK : status);
    }
    return strcmp(owner, party) == 0 ? CELLA_OK : CELLA_BAD_KEY;
}

/* The payload of a request that this key signed, and the party that it names, whose key it is. */
static cella_status open_request(const struct cella_receipt_appraisal *appraisal, const struct cella_approval *approval,
                                 json_t **out, char party[CELLA_THUMBPRINT_SIZE + 1])
{
    struct cella_jws jws;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    CELLA_TRY(cella_jws_split(approval->request, &jws));
    CELLA_TRY(jws.form == CELLA_JWS_KID ? check_owner(appraisal, approval->public_key.data, jws.kid) : CELLA_BAD_KEY);
    CELLA_TRY(cella_jws_verify(&jws, approval->public_key.data, &payload));
    memcpy(party, jws.kid, sizeof(jws.kid));
    return cella_json_parse(cella_bytes_view(&payload), CELLA_APPROVAL_MAX, out);
}

static bool is_text(const json_t *value, struct cella_view text)
{
    const char *found = json_string_value(value);
    return found != NULL && cella_view_is(text, found);
}

/* An approval of this contract, sent to this executor. */
static bool approves(const struct cella_receipt_appraisal *appraisal, const json_t *payload)
{
    char executor[CELLA_THUMBPRINT_SIZE + 1];
    const json_t *arguments = json_object_get(payload, "args");
    return name_executor(appraisal, executor) == CELLA_OK &&
           is_text(json_object_get(payload, "op"), cella_view_of_string("task.approve")) &&
           is_text(json_object_get(payload, "aud"), cella_view_of_string(executor)) &&
           is_text(json_object_get(arguments, "task"), appraisal->statement.sign1.header.subject) &&
           is_hex_of(json_object_get(arguments, "contract"), appraisal->execution.contract);
}

cella_status cella_step_approvals(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result)
{
    const struct cella_bundle *bundle = appraisal->bundle;
    const struct cella_statement_digests *participants = &appraisal->execution.participants;
    bool seen[CELLA_STATEMENT_PARTIES_MAX] = { false };
    size_t counted = 0;
    if (bundle->approval_count == 0) {
        return wait_for(appraisal, "no approvals were supplied: that they were given is the executor's word", result);
    }
    for (size_t i = 0; i < bundle->approval_count; i++) {
        CELLA_CLEANUP(cella_json_cleanup) json_t *payload = NULL;
        char party[CELLA_THUMBPRINT_SIZE + 1] = "";
        size_t place = 0;
        cella_status status = open_request(appraisal, &bundle->approvals[i], &payload, party);
        if (status != CELLA_OK || !approves(appraisal, payload) || !is_participant(participants, party, &place)) {
            cella_text_set(appraisal->detail, "approval %zu is not one of this contract by a participant", i + 1);
            return status != CELLA_OK ? status : CELLA_BAD_RECEIPT;
        }
        counted += seen[place] ? 0 : 1;
        seen[place] = true;
    }
    cella_text_set(appraisal->detail, "%zu of %zu participants signed for this contract", counted, participants->count);
    *result = counted < participants->count ? CELLA_STEP_WAITING : CELLA_STEP_DECIDED;
    return CELLA_OK;
}

cella_status cella_step_request(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result)
{
    const struct cella_deletion *deletion = &appraisal->deletion;
    if (deletion->request.data == NULL) {
        return wait_for(appraisal, "nobody asked for it by a signed request: the executor did it by itself", result);
    }
    for (size_t i = 0; i < appraisal->bundle->approval_count; i++) {
        const struct cella_approval *request = &appraisal->bundle->approvals[i];
        CELLA_CLEANUP(cella_json_cleanup) json_t *payload = NULL;
        char party[CELLA_THUMBPRINT_SIZE + 1] = "";
        size_t place;
        if (!has_digest(request->request, deletion->request)) {
            continue;
        }
        CELLA_TRY(open_request(appraisal, request, &payload, party));
        if (!is_participant(&deletion->owners, party, &place)) {
            cella_text_set(appraisal->detail, "it was asked for by somebody who is not an owner");
            return CELLA_BAD_RECEIPT;
        }
        cella_text_set(appraisal->detail, "owner %.8s... asked for it", party);
        return CELLA_OK;
    }
    return wait_for(appraisal, "the request was not supplied", result);
}

/* ---- files and nonce ---- */

static const struct cella_statement_item *find_item(const struct cella_statement_items *items,
                                                    const struct cella_receipt_opening *opening)
{
    for (size_t i = 0; i < items->count; i++) {
        const struct cella_statement_item *item = &items->list[i];
        if (item->kind == opening->kind && cella_view_equal(item->name, opening->name)) {
            return item;
        }
    }
    return NULL;
}

static cella_status open_items(struct cella_receipt_appraisal *appraisal, const struct cella_statement_items *items,
                               bool outputs, enum cella_step_result *result)
{
    bool seen[CELLA_STATEMENT_ITEMS_MAX] = { false };
    size_t matched = 0;
    for (size_t i = 0; i < appraisal->question->opening_count; i++) {
        const struct cella_receipt_opening *opening = &appraisal->question->openings[i];
        if (opening->is_output != outputs) {
            continue;
        }
        const struct cella_statement_item *item = find_item(items, opening);
        if (item == NULL || item->size != opening->size ||
            !cella_view_equal(item->digest, cella_view_of(opening->digest, CELLA_SHA256_SIZE))) {
            cella_text_set(appraisal->detail, "%.*s is not what you supplied under that name",
                           (int) (opening->name.size < 64 ? opening->name.size : 64), (const char *) opening->name.data);
            return CELLA_BAD_DIGEST;
        }
        matched += seen[item - items->list] ? 0 : 1;
        seen[item - items->list] = true;
    }
    cella_text_set(appraisal->detail, "%zu of %zu are files that you supplied", matched, items->count);
    *result = matched < items->count ? CELLA_STEP_WAITING : CELLA_STEP_DECIDED;
    return CELLA_OK;
}

/* Of a deletion: the file that was deleted. */
cella_status cella_step_inputs(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result)
{
    if (appraisal->statement.kind == CELLA_STATEMENT_IS_EXECUTION) {
        return open_items(appraisal, &appraisal->execution.inputs, false, result);
    }
    struct cella_statement_items deleted = { .list = { appraisal->deletion.data }, .count = 1 };
    return open_items(appraisal, &deleted, false, result);
}

cella_status cella_step_outputs(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result)
{
    return open_items(appraisal, &appraisal->execution.outputs, true, result);
}

cella_status cella_step_nonce(struct cella_receipt_appraisal *appraisal, enum cella_step_result *result)
{
    struct cella_view nonce = appraisal->question->nonce;
    if (nonce.size == 0) {
        return wait_for(appraisal, "you named no nonce: this may be an older run than you think", result);
    }
    bool same = cella_view_equal(nonce, appraisal->execution.nonce);
    cella_text_set(appraisal->detail, same ? "yours" : "another one than yours: the receipt of another run");
    return same ? CELLA_OK : CELLA_BAD_RECEIPT;
}
