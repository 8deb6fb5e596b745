/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/policy.h"

#include <stdio.h>
#include <string.h>

#include "trust/json.h"

#define VALUE_TEXT_MAX 103 /* "sha384:" and 96 digits */
#define ROOT_PREFIX "ed25519:"
#define ROOT_TEXT_SIZE 51 /* the prefix and 43 characters */

static const struct {
    enum cella_evidence_type type;
    const char *name;
} types[] = {
    { CELLA_EVIDENCE_SOFT, "soft" },
};

static const struct {
    const char *prefix;
    size_t size;
} digests[] = {
    { "sha256:", 32 },
    { "sha384:", 48 },
};

enum cella_evidence_type cella_evidence_type_of(struct cella_view name)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (cella_view_is(name, types[i].name)) {
            return types[i].type;
        }
    }
    return CELLA_EVIDENCE_NONE;
}

const char *cella_evidence_type_name(enum cella_evidence_type type)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i].type == type) {
            return types[i].name;
        }
    }
    return "none";
}

/* Name the field that is wrong. */
static cella_status refuse(struct cella_json_error *error, const char *path, const char *key)
{
    (void) snprintf(error->field, sizeof(error->field), "%s%s%s", path, path[0] != '\0' ? "." : "", key);
    return CELLA_BAD_POLICY;
}

static cella_status refuse_element(struct cella_json_error *error, const char *list, size_t index)
{
    (void) snprintf(error->field, sizeof(error->field), "%s[%zu]", list, index);
    return CELLA_BAD_POLICY;
}

/* Text of a list's element, which must be a string. */
static cella_status element_text(const json_t *list, const char *name, size_t index, struct cella_json_error *error,
                                 struct cella_view *out)
{
    const char *text = json_string_value(json_array_get(list, index));
    if (text == NULL) {
        return refuse_element(error, name, index);
    }
    *out = cella_view_of_string(text);
    return CELLA_OK;
}

static cella_status read_accept(struct cella_json_object *object, struct cella_policy *policy)
{
    json_t *list = NULL;
    CELLA_TRY(cella_json_member(object, "accept", JSON_ARRAY, &list));
    if (json_array_size(list) == 0) {
        return refuse(object->error, "", "accept");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct cella_view name;
        CELLA_TRY(element_text(list, "accept", i, object->error, &name));
        if (cella_evidence_type_of(name) != CELLA_EVIDENCE_SOFT || policy->accept_soft) {
            return refuse_element(object->error, "accept", i);
        }
        policy->accept_soft = true;
    }
    return CELLA_OK;
}

static cella_status read_value(const char *text, struct cella_policy_measurement *out)
{
    struct cella_view view = cella_view_of_string(text);
    for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
        size_t prefix_size = strlen(digests[i].prefix);
        if (strncmp(text, digests[i].prefix, prefix_size) == 0) {
            out->size = digests[i].size;
            return cella_hex_decode(cella_view_of(view.data + prefix_size, view.size - prefix_size), out->value,
                                    out->size);
        }
    }
    return CELLA_BAD_FORMAT;
}

static bool is_listed(const struct cella_policy *policy, const struct cella_policy_measurement *measurement)
{
    for (size_t i = 0; i < policy->measurement_count; i++) {
        const struct cella_policy_measurement *other = &policy->measurements[i];
        if (other->type == measurement->type && other->size == measurement->size &&
            memcmp(other->value, measurement->value, other->size) == 0) {
            return true;
        }
    }
    return false;
}

static cella_status read_measurement(const json_t *json, size_t index, struct cella_json_error *error,
                                     struct cella_policy *policy)
{
    char path[40];
    struct cella_json_object object;
    struct cella_policy_measurement measurement = { 0 };
    const char *name = NULL;
    const char *type = NULL;
    const char *value = NULL;
    (void) snprintf(path, sizeof(path), "measurement[%zu]", index);
    CELLA_TRY(cella_json_begin(json, path, error, &object));
    CELLA_TRY(cella_json_string(&object, "name", CELLA_NAME_MAX, &name));
    CELLA_TRY(cella_json_string(&object, "type", CELLA_NAME_MAX, &type));
    CELLA_TRY(cella_json_string(&object, "value", VALUE_TEXT_MAX, &value));
    CELLA_TRY(cella_json_end(&object));
    if (name[0] == '\0') {
        return refuse(error, path, "name");
    }
    memcpy(measurement.name, name, strlen(name) + 1);
    measurement.type = cella_evidence_type_of(cella_view_of_string(type));
    if (measurement.type == CELLA_EVIDENCE_NONE) {
        return refuse(error, path, "type");
    }
    if (read_value(value, &measurement) != CELLA_OK || is_listed(policy, &measurement)) {
        return refuse(error, path, "value");
    }
    policy->measurements[policy->measurement_count++] = measurement;
    return CELLA_OK;
}

static cella_status read_measurements(struct cella_json_object *object, struct cella_policy *policy)
{
    json_t *list = NULL;
    CELLA_TRY(cella_json_member(object, "measurement", JSON_ARRAY, &list));
    if (json_array_size(list) == 0 || json_array_size(list) > CELLA_POLICY_MEASUREMENTS_MAX) {
        return refuse(object->error, "", "measurement");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        CELLA_TRY(read_measurement(json_array_get(list, i), i, object->error, policy));
    }
    return CELLA_OK;
}

static cella_status read_charter(struct cella_json_object *top, struct cella_policy *policy)
{
    json_t *json = NULL;
    const char *text = NULL;
    struct cella_json_object object;
    CELLA_TRY(cella_json_member_optional(top, "charter", JSON_OBJECT, &json));
    if (json == NULL) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_json_begin(json, "charter", top->error, &object));
    CELLA_TRY(cella_json_string(&object, "sha256", 2 * sizeof(policy->charter_sha256), &text));
    CELLA_TRY(cella_json_end(&object));
    if (cella_hex_decode(cella_view_of_string(text), policy->charter_sha256, sizeof(policy->charter_sha256)) !=
        CELLA_OK) {
        return refuse(top->error, "charter", "sha256");
    }
    policy->charter_pinned = true;
    return CELLA_OK;
}

static cella_status read_root(struct cella_view text, struct cella_policy *policy)
{
    size_t prefix_size = strlen(ROOT_PREFIX);
    uint8_t *root = policy->soft_roots[policy->soft_root_count];
    if (text.size != ROOT_TEXT_SIZE || !cella_view_is(cella_view_of(text.data, prefix_size), ROOT_PREFIX)) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_TRY(cella_base64url_decode_exact(cella_view_of(text.data + prefix_size, text.size - prefix_size), root,
                                           sizeof(policy->soft_roots[0])));
    for (size_t i = 0; i < policy->soft_root_count; i++) {
        if (memcmp(policy->soft_roots[i], root, sizeof(policy->soft_roots[0])) == 0) {
            return CELLA_BAD_FORMAT;
        }
    }
    policy->soft_root_count++;
    return CELLA_OK;
}

static cella_status read_roots(struct cella_json_object *soft, struct cella_policy *policy)
{
    json_t *list = NULL;
    CELLA_TRY(cella_json_member(soft, "roots", JSON_ARRAY, &list));
    if (json_array_size(list) == 0 || json_array_size(list) > CELLA_POLICY_ROOTS_MAX) {
        return refuse(soft->error, "soft", "roots");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct cella_view text;
        CELLA_TRY(element_text(list, "soft.roots", i, soft->error, &text));
        if (read_root(text, policy) != CELLA_OK) {
            return refuse_element(soft->error, "soft.roots", i);
        }
    }
    return CELLA_OK;
}

static cella_status read_layers(struct cella_json_object *soft, struct cella_policy *policy)
{
    json_t *list = NULL;
    CELLA_TRY(cella_json_member_optional(soft, "layers", JSON_ARRAY, &list));
    policy->soft_layers = list == NULL ? CELLA_LAYERS_REQUIRED : 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct cella_view name;
        CELLA_TRY(element_text(list, "soft.layers", i, soft->error, &name));
        uint32_t bit = cella_layer_bit(name);
        if (bit == 0 || (policy->soft_layers & bit) != 0) {
            return refuse_element(soft->error, "soft.layers", i);
        }
        policy->soft_layers |= bit;
    }
    return CELLA_OK;
}

static cella_status read_soft(struct cella_json_object *top, struct cella_policy *policy)
{
    json_t *json = NULL;
    struct cella_json_object object;
    CELLA_TRY(cella_json_member_optional(top, "soft", JSON_OBJECT, &json));
    if ((json != NULL) != policy->accept_soft) {
        return refuse(top->error, "", "soft");
    }
    if (json == NULL) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_json_begin(json, "soft", top->error, &object));
    CELLA_TRY(read_roots(&object, policy));
    CELLA_TRY(read_layers(&object, policy));
    return cella_json_end(&object);
}

static cella_status read_policy(struct cella_view text, struct cella_json_error *error, struct cella_policy *policy)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = NULL;
    struct cella_json_object object;
    int64_t version = 0;
    int64_t min_level = 2;
    CELLA_TRY(cella_json_parse(text, CELLA_POLICY_MAX, &json));
    CELLA_TRY(cella_json_begin(json, "", error, &object));
    CELLA_TRY(cella_json_integer(&object, "version", 1, 1, &version));
    CELLA_TRY(cella_json_integer_optional(&object, "min_level", 1, 5, &min_level));
    policy->min_level = (int) min_level;
    CELLA_TRY(read_accept(&object, policy));
    CELLA_TRY(read_measurements(&object, policy));
    CELLA_TRY(read_charter(&object, policy));
    CELLA_TRY(read_soft(&object, policy));
    return cella_json_end(&object);
}

cella_status cella_policy_parse(struct cella_view json, char field[64], struct cella_policy *out)
{
    struct cella_json_error error = { "" };
    struct cella_policy policy = { 0 };
    *out = policy;
    cella_status status = read_policy(json, &error, &policy);
    if (field != NULL) {
        memcpy(field, error.field, sizeof(error.field));
    }
    if (status == CELLA_NO_MEMORY) {
        return status;
    }
    if (status != CELLA_OK) {
        return CELLA_BAD_POLICY;
    }
    *out = policy;
    return CELLA_OK;
}
