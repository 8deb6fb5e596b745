/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/receipt_policy.h"

#include <stdio.h>
#include <string.h>

#include "trust/term.h"

#define ED25519_PREFIX "ed25519:"
#define P256_PREFIX "p256:" /* x || y, base64url */
#define KEY_TEXT_MAX 128U

static const char *const required_names[] = { "evidence", "function", "contract", "approvals", "inputs", "outputs",
                                              "nonce",    "parents" };

const char *cella_receipt_required(unsigned int bit)
{
    return bit < sizeof(required_names) / sizeof(required_names[0]) ? required_names[bit] : NULL;
}

static cella_status refuse(struct cella_json_error *error, const char *path, const char *key)
{
    (void) snprintf(error->field, sizeof(error->field), "%s.%s", path, key);
    return CELLA_BAD_POLICY;
}

static cella_status refuse_element(struct cella_json_error *error, const char *list, size_t index)
{
    (void) snprintf(error->field, sizeof(error->field), "receipt.%s[%zu]", list, index);
    return CELLA_BAD_POLICY;
}

/* What stands behind a prefix, as size bytes. */
static bool read_prefixed(const char *text, const char *prefix, uint8_t *out, size_t size)
{
    size_t prefix_size = strlen(prefix);
    return text != NULL && strncmp(text, prefix, prefix_size) == 0 &&
           cella_base64url_decode_exact(cella_view_of_string(text + prefix_size), out, size) == CELLA_OK;
}

static cella_status read_key(const char *text, struct cella_cose_key *out)
{
    uint8_t public_key[CELLA_ED25519_KEY_SIZE];
    if (read_prefixed(text, ED25519_PREFIX, public_key, sizeof(public_key))) {
        return cella_cose_key_of(public_key, out);
    }
    *out = (struct cella_cose_key){ .algorithm = CELLA_COSE_ES256 };
    return read_prefixed(text, P256_PREFIX, out->public_key, sizeof(out->public_key)) ? CELLA_OK : CELLA_BAD_POLICY;
}

/* The name that a log gives its key; ours need none, since it is the thumbprint. */
static bool read_kid(const char *text, struct cella_cose_key *key)
{
    size_t size = strlen(text) / 2;
    key->kid_size = size;
    return size > 0 && size <= CELLA_COSE_KID_MAX &&
           cella_hex_decode(cella_view_of_string(text), key->kid, size) == CELLA_OK;
}

static cella_status read_log(const json_t *json, const char *path, struct cella_json_error *error,
                             struct cella_receipt_log *out)
{
    struct cella_json_object object;
    const char *key = NULL;
    const char *kid = NULL;
    out->need_position = true;
    CELLA_TRY(cella_json_begin(json, path, error, &object));
    CELLA_TRY(cella_json_string(&object, "name", CELLA_NAME_MAX, &out->name));
    CELLA_TRY(cella_json_string(&object, "key", KEY_TEXT_MAX, &key));
    CELLA_TRY(cella_json_string_optional(&object, "kid", 2 * CELLA_COSE_KID_MAX, &kid));
    CELLA_TRY(cella_json_string_optional(&object, "issuer", CELLA_COSE_ISSUER_MAX, &out->issuer));
    CELLA_TRY(cella_json_boolean_optional(&object, "position", &out->need_position));
    CELLA_TRY(cella_json_end(&object));
    if (read_key(key, &out->key) != CELLA_OK) {
        return refuse(error, path, "key");
    }
    if (kid != NULL ? !read_kid(kid, &out->key) : out->key.kid_size == 0) {
        return refuse(error, path, "kid");
    }
    return CELLA_OK;
}

/* One key under two names would count as two logs. */
static bool is_listed(const struct cella_receipt_policy *policy, const struct cella_cose_key *key)
{
    for (size_t i = 0; i < policy->log_count; i++) {
        if (memcmp(policy->log[i].key.public_key, key->public_key, sizeof(key->public_key)) == 0) {
            return true;
        }
    }
    return false;
}

static cella_status read_logs(struct cella_json_object *section, struct cella_receipt_policy *out)
{
    json_t *list = NULL;
    CELLA_TRY(cella_json_member_optional(section, "log", JSON_ARRAY, &list));
    if (json_array_size(list) > CELLA_RECEIPT_LOGS_MAX || (list != NULL && json_array_size(list) == 0)) {
        return refuse(section->error, "receipt", "log");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        char path[40];
        struct cella_receipt_log log = { 0 };
        (void) snprintf(path, sizeof(path), "receipt.log[%zu]", i);
        CELLA_TRY(read_log(json_array_get(list, i), path, section->error, &log));
        if (is_listed(out, &log.key)) {
            return refuse(section->error, path, "key");
        }
        out->log[out->log_count++] = log;
    }
    return CELLA_OK;
}

static cella_status read_executors(struct cella_json_object *section, struct cella_receipt_policy *out)
{
    json_t *list = NULL;
    CELLA_TRY(cella_json_member_optional(section, "executors", JSON_ARRAY, &list));
    if (json_array_size(list) > CELLA_RECEIPT_EXECUTORS_MAX || (list != NULL && json_array_size(list) == 0)) {
        return refuse(section->error, "receipt", "executors");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!read_prefixed(json_string_value(json_array_get(list, i)), ED25519_PREFIX, out->executors[i],
                           CELLA_ED25519_KEY_SIZE)) {
            return refuse_element(section->error, "executors", i);
        }
        out->executor_count++;
    }
    return CELLA_OK;
}

static cella_status read_functions(struct cella_json_object *section, struct cella_receipt_policy *out)
{
    json_t *list = NULL;
    CELLA_TRY(cella_json_member_optional(section, "functions", JSON_ARRAY, &list));
    if (json_array_size(list) > CELLA_RECEIPT_FUNCTIONS_MAX || (list != NULL && json_array_size(list) == 0)) {
        return refuse(section->error, "receipt", "functions");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        uint8_t digest[CELLA_CLAIM_SIZE_MAX];
        size_t size = 0;
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL || cella_term_bytes(text, digest, &size) != CELLA_OK || size != CELLA_SHA256_SIZE) {
            return refuse_element(section->error, "functions", i);
        }
        memcpy(out->functions[i], digest, CELLA_SHA256_SIZE);
        out->function_count++;
    }
    return CELLA_OK;
}

static cella_status read_required(struct cella_json_object *section, struct cella_receipt_policy *out)
{
    json_t *list = NULL;
    CELLA_TRY(cella_json_member_optional(section, "require", JSON_ARRAY, &list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        unsigned int bit = 0;
        while (name != NULL && cella_receipt_required(bit) != NULL && strcmp(cella_receipt_required(bit), name) != 0) {
            bit++;
        }
        if (name == NULL || cella_receipt_required(bit) == NULL || (out->required >> bit & 1) != 0) {
            return refuse_element(section->error, "require", i);
        }
        out->required |= 1U << bit;
    }
    return CELLA_OK;
}

static cella_status read_section(const json_t *json, struct cella_json_error *error, struct cella_receipt_policy *out)
{
    struct cella_json_object section;
    int64_t logs = 1;
    CELLA_TRY(cella_json_begin(json, "receipt", error, &section));
    CELLA_TRY(cella_json_integer_optional(&section, "logs", 0, (int64_t) CELLA_RECEIPT_LOGS_MAX, &logs));
    CELLA_TRY(cella_json_boolean_optional(&section, "own_log", &out->own_log));
    CELLA_TRY(read_logs(&section, out));
    CELLA_TRY(read_executors(&section, out));
    CELLA_TRY(read_functions(&section, out));
    CELLA_TRY(read_required(&section, out));
    CELLA_TRY(cella_json_end(&section));
    out->logs = (size_t) logs;
    /* More than there are could never be met. */
    return out->logs > out->log_count + (out->own_log ? 1 : 0) ? refuse(error, "receipt", "logs") : CELLA_OK;
}

cella_status cella_receipt_policy_validate(struct cella_json_object *top)
{
    struct cella_receipt_policy policy = { .own_log = true };
    json_t *section = NULL;
    CELLA_TRY(cella_json_member_optional(top, "receipt", JSON_OBJECT, &section));
    return section == NULL ? CELLA_OK : read_section(section, top->error, &policy);
}

cella_status cella_receipt_policy_read(const struct cella_policy *policy, struct cella_receipt_policy *out)
{
    struct cella_json_error error = { "" };
    const json_t *section = json_object_get(policy->json, "receipt");
    *out = (struct cella_receipt_policy){ .logs = 1, .own_log = true };
    return section == NULL ? CELLA_OK : read_section(section, &error, out);
}
