/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/policy.h"

#include <stdio.h>
#include <string.h>

#include "trust/measurement.h"
#include "trust/receipt_policy.h"

#define ROOT_PREFIX "ed25519:"
#define STATEMENT_TEXT_MAX 16384U
#define PEM_TEXT_MAX 8192U

static const struct {
    enum cella_evidence_type type;
    const char *name;
} types[] = {
    { CELLA_EVIDENCE_SOFT, "soft" },     { CELLA_EVIDENCE_TPM, "tpm" },       { CELLA_EVIDENCE_SNP, "snp" },
    { CELLA_EVIDENCE_TDX, "tdx" },       { CELLA_EVIDENCE_SGX, "sgx" },       { CELLA_EVIDENCE_NITRO, "nitro" },
    { CELLA_EVIDENCE_AZ_SNP, "az-snp" }, { CELLA_EVIDENCE_AZ_TDX, "az-tdx" },
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

bool cella_policy_accepts(const struct cella_policy *policy, enum cella_evidence_type type)
{
    return type != CELLA_EVIDENCE_NONE && (policy->accepts >> (unsigned int) type & 1) != 0;
}

const json_t *cella_policy_term(const struct cella_policy *policy, enum cella_evidence_type type, const char *term)
{
    const json_t *section = json_object_get(policy->json, cella_evidence_type_name(type));
    const json_t *value = json_object_get(section, term);
    return value == NULL || cella_term_is_waived(value) ? NULL : value;
}

void cella_policy_clear(struct cella_policy *policy)
{
    json_decref(policy->json);
    cella_anchors_clear(&policy->anchors);
    *policy = (struct cella_policy){ 0 };
}

/* Name the field that is wrong. */
static cella_status refuse(struct cella_json_error *error, const char *path, const char *key)
{
    cella_json_name_field(error, path, key);
    return CELLA_BAD_POLICY;
}

static cella_status refuse_element(struct cella_json_error *error, const char *list, size_t index)
{
    (void) snprintf(error->field, sizeof(error->field), "%.40s[%zu]", list, index);
    return CELLA_BAD_POLICY;
}

/* ---- members for every type ---- */

static cella_status read_accept(struct cella_json_object *object, struct cella_policy *policy)
{
    json_t *list = NULL;
    CELLA_TRY(cella_json_member(object, "accept", JSON_ARRAY, &list));
    if (json_array_size(list) == 0) {
        return refuse(object->error, "", "accept");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        enum cella_evidence_type type =
            name == NULL ? CELLA_EVIDENCE_NONE : cella_evidence_type_of(cella_view_of_string(name));
        if (cella_back_end_of(type) == NULL || cella_policy_accepts(policy, type)) {
            return refuse_element(object->error, "accept", i);
        }
        policy->accepts |= (uint32_t) 1 << (unsigned int) type;
    }
    return CELLA_OK;
}

static bool same_registers(json_t *a, const json_t *b)
{
    const char *name;
    json_t *value;
    if (json_object_size(a) != json_object_size(b)) {
        return false;
    }
    json_object_foreach (a, name, value) {
        if (!cella_term_same_bytes(value, json_object_get(b, name))) {
            return false;
        }
    }
    return true;
}

/* Two entries that differ in their names only would make the report's name a matter of chance. */
static bool same_measurement(const json_t *a, const json_t *b)
{
    return json_equal(json_object_get(a, "type"), json_object_get(b, "type")) != 0 &&
           cella_term_same_bytes(json_object_get(a, "value"), json_object_get(b, "value")) &&
           same_registers(json_object_get(a, "registers"), json_object_get(b, "registers"));
}

static cella_status read_measurements(struct cella_json_object *object, const struct cella_policy *policy,
                                      bool auditors)
{
    json_t *list = NULL;
    CELLA_TRY(cella_json_member_optional(object, "measurement", JSON_ARRAY, &list));
    size_t count = json_array_size(list);
    if ((count == 0 && (list != NULL || !auditors)) || count > CELLA_POLICY_MEASUREMENTS_MAX) {
        return refuse(object->error, "", "measurement");
    }
    for (size_t i = 0; i < count; i++) {
        char path[40];
        const json_t *entry = json_array_get(list, i);
        (void) snprintf(path, sizeof(path), "measurement[%zu]", i);
        CELLA_TRY(cella_measurement_validate(entry, path, false, object->error));
        const char *type = json_string_value(json_object_get(entry, "type"));
        if (!cella_policy_accepts(policy, cella_evidence_type_of(cella_view_of_string(type)))) {
            return refuse(object->error, path, "type");
        }
        for (size_t k = 0; k < i; k++) {
            if (same_measurement(entry, json_array_get(list, k))) {
                return refuse(object->error, path, "value");
            }
        }
    }
    return CELLA_OK;
}

static cella_status check_auditor_keys(const json_t *keys, struct cella_json_error *error)
{
    for (size_t i = 0; i < json_array_size(keys); i++) {
        uint8_t key[32];
        const char *text = json_string_value(json_array_get(keys, i));
        if (text == NULL || strncmp(text, ROOT_PREFIX, strlen(ROOT_PREFIX)) != 0 ||
            cella_base64url_decode_exact(cella_view_of_string(text + strlen(ROOT_PREFIX)), key, sizeof(key)) !=
                CELLA_OK) {
            return refuse_element(error, "auditors.keys", i);
        }
        for (size_t k = 0; k < i; k++) {
            if (json_equal(json_array_get(keys, i), json_array_get(keys, k))) {
                return refuse_element(error, "auditors.keys", i);
            }
        }
    }
    return CELLA_OK;
}

static cella_status check_statements(const json_t *statements, struct cella_json_error *error)
{
    for (size_t i = 0; i < json_array_size(statements); i++) {
        const json_t *statement = json_array_get(statements, i);
        if (i >= CELLA_POLICY_STATEMENTS_MAX || !json_is_string(statement) ||
            json_string_length(statement) > STATEMENT_TEXT_MAX) {
            return refuse_element(error, "auditors.statements", i);
        }
        for (size_t k = 0; k < i; k++) {
            if (json_equal(statement, json_array_get(statements, k))) {
                return refuse_element(error, "auditors.statements", i);
            }
        }
    }
    return CELLA_OK;
}

static cella_status read_auditors(struct cella_json_object *top, bool *out)
{
    json_t *json = NULL;
    json_t *keys = NULL;
    json_t *statements = NULL;
    int64_t threshold = 0;
    struct cella_json_object object;
    CELLA_TRY(cella_json_member_optional(top, "auditors", JSON_OBJECT, &json));
    *out = json != NULL;
    if (json == NULL) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_json_begin(json, "auditors", top->error, &object));
    CELLA_TRY(cella_json_member(&object, "keys", JSON_ARRAY, &keys));
    if (json_array_size(keys) == 0 || json_array_size(keys) > CELLA_POLICY_AUDITORS_MAX) {
        return refuse(top->error, "auditors", "keys");
    }
    CELLA_TRY(cella_json_integer(&object, "threshold", 1, (int64_t) json_array_size(keys), &threshold));
    CELLA_TRY(cella_json_member_optional(&object, "statements", JSON_ARRAY, &statements));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(check_statements(statements, top->error));
    return check_auditor_keys(keys, top->error);
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

static cella_status read_freshness(struct cella_json_object *top, struct cella_policy *policy)
{
    json_t *json = NULL;
    int64_t max_age_s = 0;
    struct cella_json_object object;
    CELLA_TRY(cella_json_member_optional(top, "freshness", JSON_OBJECT, &json));
    if (json == NULL) {
        return CELLA_OK;
    }
    CELLA_TRY(cella_json_begin(json, "freshness", top->error, &object));
    CELLA_TRY(cella_json_boolean_optional(&object, "nonce", &policy->nonce_required));
    CELLA_TRY(cella_json_integer_optional(&object, "max_age_s", 1, INT32_MAX, &max_age_s));
    policy->max_age_s = (uint64_t) max_age_s;
    return cella_json_end(&object);
}

/* ---- anchors ---- */

static bool has_family(const struct cella_anchors *anchors, const char *family)
{
    for (size_t i = 0; i < anchors->count; i++) {
        if (strcmp(anchors->list[i].family, family) == 0) {
            return true;
        }
    }
    return false;
}

/* Only the families that can be needed: reading certificates is not free. */
static bool needs_family(const struct cella_policy *policy, const char *family)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        const struct cella_back_end *back_end = cella_back_end_of(types[i].type);
        if (cella_policy_accepts(policy, types[i].type) && back_end->family != NULL &&
            strncmp(family, back_end->family, strlen(back_end->family)) == 0) {
            return true;
        }
    }
    return false;
}

/* Anchors that the trust file names replace those of this library, family by family. */
static cella_status read_anchors(struct cella_json_object *top, struct cella_policy *policy)
{
    json_t *list = NULL;
    CELLA_TRY(cella_json_member_optional(top, "anchor", JSON_ARRAY, &list));
    if (list != NULL && json_array_size(list) == 0) {
        return refuse(top->error, "", "anchor");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct cella_json_object object;
        const char *family = NULL;
        const char *certificate = NULL;
        CELLA_TRY(cella_json_begin(json_array_get(list, i), "anchor", top->error, &object));
        CELLA_TRY(cella_json_string(&object, "family", CELLA_NAME_MAX, &family));
        CELLA_TRY(cella_json_string(&object, "certificate", PEM_TEXT_MAX, &certificate));
        CELLA_TRY(cella_json_end(&object));
        const char *known = cella_anchor_family(cella_view_of_string(family));
        if (known == NULL ||
            cella_anchors_add(&policy->anchors, known, cella_view_of_string(certificate)) != CELLA_OK) {
            return refuse_element(top->error, "anchor", i);
        }
    }
    static const char *const pinned[] = { "amd-milan", "amd-genoa", "amd-turin", "intel", "aws-nitro" };
    for (size_t i = 0; i < sizeof(pinned) / sizeof(pinned[0]); i++) {
        if (needs_family(policy, pinned[i]) && !has_family(&policy->anchors, pinned[i])) {
            CELLA_TRY(cella_anchors_add_pinned(&policy->anchors, pinned[i]));
        }
    }
    return CELLA_OK;
}

/* ---- the section of a type ---- */

static const struct cella_term *find_term(const struct cella_back_end *back_end, const char *name)
{
    for (size_t i = 0; i < back_end->term_count; i++) {
        if (strcmp(back_end->terms[i].name, name) == 0) {
            return &back_end->terms[i];
        }
    }
    return NULL;
}

static cella_status add_fallbacks(const struct cella_back_end *back_end, json_t *section)
{
    for (size_t i = 0; i < back_end->term_count; i++) {
        const struct cella_term *term = &back_end->terms[i];
        if (term->fallback == NULL || json_object_get(section, term->name) != NULL) {
            continue;
        }
        size_t element;
        json_t *value = json_loads(term->fallback, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
        if (value == NULL || cella_term_validate(term, value, &element) != CELLA_OK) {
            json_decref(value);
            return CELLA_INTERNAL;
        }
        if (json_object_set_new(section, term->name, value) != 0) {
            return CELLA_NO_MEMORY;
        }
    }
    return CELLA_OK;
}

static cella_status check_section(struct cella_json_object *top, const struct cella_back_end *back_end,
                                  json_t *section)
{
    const char *type = cella_evidence_type_name(back_end->type);
    const char *name;
    json_t *value;
    json_object_foreach (section, name, value) {
        char path[CELLA_FIELD_MAX];
        size_t element = CELLA_TERM_WHOLE;
        const struct cella_term *term = find_term(back_end, name);
        if (term != NULL && cella_term_validate(term, value, &element) == CELLA_OK) {
            continue;
        }
        (void) snprintf(path, sizeof(path), "%s.%.40s", type, name);
        return element == CELLA_TERM_WHOLE ? refuse(top->error, type, name)
                                           : refuse_element(top->error, path, element);
    }
    for (size_t i = 0; i < back_end->term_count; i++) {
        if (back_end->terms[i].required && json_object_get(section, back_end->terms[i].name) == NULL) {
            return refuse(top->error, type, back_end->terms[i].name);
        }
    }
    return CELLA_OK;
}

/* A section counts for its own type, and for types that contain it. */
static bool section_counts(const struct cella_policy *policy, enum cella_evidence_type type)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        const struct cella_back_end *outer = cella_back_end_of(types[i].type);
        if (outer != NULL && cella_policy_accepts(policy, types[i].type) &&
            (types[i].type == type || (outer->hardware != NULL && outer->hardware->type == type))) {
            return true;
        }
    }
    return false;
}

static cella_status read_sections(struct cella_json_object *top, const struct cella_policy *policy)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        json_t *section = NULL;
        CELLA_TRY(cella_json_member_optional(top, types[i].name, JSON_OBJECT, &section));
        bool counts = section_counts(policy, types[i].type);
        if (section != NULL && !counts) {
            return refuse(top->error, "", types[i].name);
        }
        if (counts) {
            CELLA_TRY(check_section(top, cella_back_end_of(types[i].type), section));
        }
    }
    return CELLA_OK;
}

/* What the file leaves unsaid is said by the terms' fallbacks: from here on there is one place to look. */
static cella_status fill_sections(struct cella_policy *policy)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (!section_counts(policy, types[i].type)) {
            continue;
        }
        json_t *section = json_object_get(policy->json, types[i].name);
        if (section == NULL) {
            section = json_object();
            if (json_object_set_new(policy->json, types[i].name, section) != 0) {
                return CELLA_NO_MEMORY;
            }
        }
        CELLA_TRY(add_fallbacks(cella_back_end_of(types[i].type), section));
    }
    return CELLA_OK;
}

static cella_status read_policy(const json_t *json, struct cella_json_error *error, struct cella_policy *policy)
{
    struct cella_json_object object;
    int64_t version = 0;
    int64_t min_level = 2;
    bool auditors = false;
    CELLA_TRY(cella_json_begin(json, "", error, &object));
    CELLA_TRY(cella_json_integer(&object, "version", 1, 1, &version));
    CELLA_TRY(cella_json_integer_optional(&object, "min_level", 1, 5, &min_level));
    policy->min_level = (int) min_level;
    CELLA_TRY(read_accept(&object, policy));
    CELLA_TRY(read_auditors(&object, &auditors));
    CELLA_TRY(read_measurements(&object, policy, auditors));
    CELLA_TRY(read_charter(&object, policy));
    CELLA_TRY(read_freshness(&object, policy));
    CELLA_TRY(read_anchors(&object, policy));
    CELLA_TRY(read_sections(&object, policy));
    CELLA_TRY(cella_receipt_policy_validate(&object));
    CELLA_TRY(cella_json_end(&object));
    return fill_sections(policy);
}

cella_status cella_policy_parse(struct cella_view text, char field[CELLA_FIELD_MAX], struct cella_policy *out)
{
    struct cella_json_error error = { "" };
    struct cella_policy policy = { 0 };
    cella_status status = cella_json_parse(text, CELLA_POLICY_MAX, &policy.json);
    if (status == CELLA_OK) {
        status = read_policy(policy.json, &error, &policy);
    }
    if (field != NULL) {
        memcpy(field, error.field, sizeof(error.field));
    }
    if (status != CELLA_OK) {
        cella_policy_clear(&policy);
        return status == CELLA_NO_MEMORY || status == CELLA_INTERNAL ? status : CELLA_BAD_POLICY;
    }
    *out = policy;
    return CELLA_OK;
}
