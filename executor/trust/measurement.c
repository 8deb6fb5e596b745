/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/measurement.h"

#include <stdio.h>
#include <string.h>

#include "trust/jws.h"

#define STATEMENT "cella measurement v1"
#define MINIMUM "min_"
#define STATEMENT_MAX 16384U

/* ---- at load ---- */

static cella_status refuse(struct cella_json_error *error, const char *path, const char *key)
{
    cella_json_name_field(error, path, key);
    return CELLA_BAD_POLICY;
}

static bool is_register(const struct cella_back_end *back_end, const char *name)
{
    for (size_t i = 0; back_end->registers[i] != NULL; i++) {
        if (strcmp(back_end->registers[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* A register that can never be met is a slip: of the wrong kind, or of a size that it does not have. */
static bool is_value_of(const struct cella_back_end *back_end, const char *name, const json_t *value)
{
    uint8_t bytes[CELLA_CLAIM_SIZE_MAX];
    size_t size = 0;
    size_t wanted = back_end->register_size;
    for (const struct cella_register_form *form = back_end->register_forms; form != NULL && form->name != NULL; form++) {
        if (strcmp(form->name, name) == 0) {
            if (form->size == 0) {
                return json_is_integer(value) && json_integer_value(value) >= 0;
            }
            wanted = form->size;
        }
    }
    if (!json_is_string(value) || cella_term_bytes(json_string_value(value), bytes, &size) != CELLA_OK) {
        return false;
    }
    return wanted != 0 ? size == wanted : size == CELLA_SHA256_SIZE || size == CELLA_SHA384_SIZE;
}

static cella_status validate_registers(const struct cella_back_end *back_end, json_t *registers, const char *path,
                                       struct cella_json_error *error)
{
    const char *name;
    json_t *value;
    json_object_foreach (registers, name, value) {
        if (!is_register(back_end, name) || !is_value_of(back_end, name, value)) {
            return refuse(error, path, name);
        }
    }
    return CELLA_OK;
}

/* It must name at least all of one list of registers that identifies what runs. */
static bool identifies(const struct cella_back_end *back_end, const char *value, const json_t *registers)
{
    if (back_end->needs_registers && json_object_size(registers) == 0) {
        return false;
    }
    for (size_t i = 0; back_end->identities[i] != NULL; i++) {
        bool all = true;
        for (size_t k = 0; back_end->identities[i][k] != NULL; k++) {
            const char *name = back_end->identities[i][k];
            bool is_main = back_end->measurement != NULL && strcmp(name, back_end->measurement) == 0;
            all = all && ((is_main && value != NULL) || json_object_get(registers, name) != NULL);
        }
        if (all) {
            return true;
        }
    }
    return false;
}

static cella_status validate_content(const struct cella_back_end *back_end, const char *value, json_t *registers,
                                     const char *path, struct cella_json_error *error)
{
    uint8_t bytes[CELLA_CLAIM_SIZE_MAX];
    size_t size = 0;
    /* "sha256:" or "sha384:" says what the digits are. */
    if (value != NULL &&
        (back_end->measurement == NULL || strchr(value, ':') == NULL ||
         cella_term_bytes(value, bytes, &size) != CELLA_OK || size != back_end->measurement_size)) {
        return refuse(error, path, "value");
    }
    CELLA_TRY(validate_registers(back_end, registers, path, error));
    return identifies(back_end, value, registers) ? CELLA_OK : refuse(error, path, "value");
}

cella_status cella_measurement_validate(const json_t *entry, const char *path, bool statement,
                                        struct cella_json_error *error)
{
    struct cella_json_object object;
    const char *name = NULL;
    const char *type = NULL;
    const char *value = NULL;
    const char *kind = NULL;
    json_t *registers = NULL;
    int64_t not_before = 0;
    int64_t not_after = INT64_MAX;
    CELLA_TRY(cella_json_begin(entry, path, error, &object));
    if (statement) {
        CELLA_TRY(cella_json_string(&object, "statement", CELLA_NAME_MAX, &kind));
    }
    CELLA_TRY(cella_json_string(&object, "name", CELLA_NAME_MAX, &name));
    CELLA_TRY(cella_json_string(&object, "type", CELLA_NAME_MAX, &type));
    CELLA_TRY(cella_json_string_optional(&object, "value", 2 * CELLA_CLAIM_SIZE_MAX + 7, &value));
    CELLA_TRY(cella_json_member_optional(&object, "registers", JSON_OBJECT, &registers));
    CELLA_TRY(cella_json_integer_optional(&object, "not_before", 0, INT64_MAX, &not_before));
    CELLA_TRY(cella_json_integer_optional(&object, "not_after", 0, INT64_MAX, &not_after));
    CELLA_TRY(cella_json_end(&object));
    const struct cella_back_end *back_end = cella_back_end_of(cella_evidence_type_of(cella_view_of_string(type)));
    if (name[0] == '\0' || (kind != NULL && strcmp(kind, STATEMENT) != 0)) {
        return refuse(error, path, name[0] == '\0' ? "name" : "statement");
    }
    if (back_end == NULL) {
        return refuse(error, path, "type");
    }
    if (not_after < not_before) {
        return refuse(error, path, "not_after");
    }
    return validate_content(back_end, value, registers, path, error);
}

/* ---- judging ---- */

static bool equals_bytes(const struct cella_claims *claims, const char *name, const char *text)
{
    uint8_t bytes[CELLA_CLAIM_SIZE_MAX];
    size_t size = 0;
    const struct cella_claim *claim = cella_claims_find(claims, name, CELLA_CLAIM_BYTES);
    return claim != NULL && cella_term_bytes(text, bytes, &size) == CELLA_OK && size == claim->size &&
           memcmp(bytes, claim->bytes, size) == 0;
}

static bool meets_register(const struct cella_claims *claims, const char *name, const json_t *value)
{
    if (json_is_string(value)) {
        return equals_bytes(claims, name, json_string_value(value));
    }
    uint64_t wanted = (uint64_t) json_integer_value(value);
    bool minimum = strncmp(name, MINIMUM, strlen(MINIMUM)) == 0;
    const struct cella_claim *claim =
        cella_claims_find(claims, minimum ? name + strlen(MINIMUM) : name, CELLA_CLAIM_NUMBER);
    return claim != NULL && (minimum ? claim->number >= wanted : claim->number == wanted);
}

static bool is_current(const json_t *entry, uint64_t now_unix_s)
{
    const json_t *not_before = json_object_get(entry, "not_before");
    const json_t *not_after = json_object_get(entry, "not_after");
    return (not_before == NULL || (uint64_t) json_integer_value(not_before) <= now_unix_s) &&
           (not_after == NULL || now_unix_s <= (uint64_t) json_integer_value(not_after));
}

static bool meets(const struct cella_back_end *back_end, const struct cella_claims *claims, const json_t *entry)
{
    const char *name;
    json_t *value;
    json_t *registers = json_object_get(entry, "registers");
    const char *main_value = json_string_value(json_object_get(entry, "value"));
    const char *type = json_string_value(json_object_get(entry, "type"));
    if (strcmp(type, cella_evidence_type_name(back_end->type)) != 0 ||
        (main_value != NULL && !equals_bytes(claims, back_end->measurement, main_value))) {
        return false;
    }
    json_object_foreach (registers, name, value) {
        if (!meets_register(claims, name, value)) {
            return false;
        }
    }
    return true;
}

static void take_name(const json_t *entry, char name[CELLA_NAME_MAX + 1])
{
    (void) snprintf(name, CELLA_NAME_MAX + 1, "%s", json_string_value(json_object_get(entry, "name")));
}

static bool find_listed(const struct cella_back_end *back_end, const struct cella_claims *claims,
                        const struct cella_context *context, char name[CELLA_NAME_MAX + 1])
{
    const json_t *list = json_object_get(context->policy->json, "measurement");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        if (!meets(back_end, claims, entry)) {
            continue;
        }
        if (is_current(entry, context->now_unix_s)) {
            take_name(entry, name);
            cella_text_set(context->detail, "the trust file lists it as \"%s\"", name);
            return true;
        }
        cella_text_set(context->detail, "the trust file lists it, but not for this time");
    }
    return false;
}

/* ---- auditors' statements ---- */

/* At most: those that a trust file may list, and those that may come along. */
#define STATEMENTS_MAX (CELLA_POLICY_STATEMENTS_MAX + CELLA_ENDORSEMENTS_MAX)

/* One whose signature verified. */
struct stated {
    struct cella_bytes payload;
    size_t signer;
};

struct stated_list {
    struct stated list[STATEMENTS_MAX];
    size_t count;
};

static void clear_stated(struct stated_list *stated)
{
    for (size_t i = 0; i < stated->count; i++) {
        cella_bytes_clear(&stated->list[i].payload);
    }
}

/* Which auditor signed; the payload is decoded on the way. */
static bool find_signer(const json_t *keys, struct cella_view compact, struct cella_bytes *payload, size_t *signer)
{
    struct cella_jws jws;
    if (compact.size > STATEMENT_MAX || cella_jws_split(compact, &jws) != CELLA_OK ||
        jws.form != CELLA_JWS_PLAIN) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(keys) && i < CELLA_POLICY_AUDITORS_MAX; i++) {
        uint8_t key[CELLA_ED25519_KEY_SIZE];
        const char *text = json_string_value(json_array_get(keys, i));
        if (cella_base64url_decode_exact(cella_view_of_string(text + strlen("ed25519:")), key, sizeof(key)) ==
                CELLA_OK &&
            cella_jws_verify(&jws, key, payload) == CELLA_OK) {
            *signer = i;
            return true;
        }
    }
    return false;
}

/* The statement number index: those of the trust file first, then those that came along. */
static bool statement_at(const struct cella_context *context, size_t index, struct cella_view *out)
{
    const json_t *listed = json_object_get(json_object_get(context->policy->json, "auditors"), "statements");
    if (index < json_array_size(listed)) {
        *out = cella_view_of_string(json_string_value(json_array_get(listed, index)));
        return true;
    }
    index -= json_array_size(listed);
    const struct cella_endorsement *one = NULL;
    do {
        one = cella_endorsements_next(context->endorsements, CELLA_ENDORSE_STATEMENT, one);
    } while (one != NULL && index-- > 0);
    *out = one == NULL ? (struct cella_view){ 0 } : one->content;
    return one != NULL;
}

/* The same text before it: nothing new is said, and verifying it again is what a flood would cost. */
static bool is_repeated(const struct cella_context *context, size_t index, struct cella_view compact)
{
    struct cella_view before;
    for (size_t i = 0; i < index && statement_at(context, i, &before); i++) {
        if (cella_view_equal(before, compact)) {
            return true;
        }
    }
    return false;
}

/* Each signature is verified once. */
static void verify_statements(const struct cella_context *context, const json_t *keys, struct stated_list *out)
{
    struct cella_view compact;
    for (size_t i = 0; out->count < STATEMENTS_MAX && statement_at(context, i, &compact); i++) {
        struct stated *one = &out->list[out->count];
        if (is_repeated(context, i, compact)) {
            continue;
        }
        if (find_signer(keys, compact, &one->payload, &one->signer)) {
            out->count++;
        } else {
            cella_bytes_clear(&one->payload);
        }
    }
}

/* Everybody who signed these bytes. An auditor counts once, however often he signs. */
static unsigned int count_signers(const struct stated_list *stated, struct cella_view payload)
{
    uint32_t signers = 0;
    for (size_t i = 0; i < stated->count; i++) {
        if (cella_view_equal(cella_bytes_view(&stated->list[i].payload), payload)) {
            signers |= (uint32_t) 1 << stated->list[i].signer;
        }
    }
    return (unsigned int) __builtin_popcount(signers);
}

static bool statement_holds(const struct cella_back_end *back_end, const struct cella_claims *claims,
                            const struct cella_context *context, const json_t *entry)
{
    struct cella_json_error error;
    return cella_measurement_validate(entry, "", true, &error) == CELLA_OK && is_current(entry, context->now_unix_s) &&
           meets(back_end, claims, entry);
}

static bool find_stated(const struct cella_back_end *back_end, const struct cella_claims *claims,
                        const struct cella_context *context, char name[CELLA_NAME_MAX + 1])
{
    CELLA_CLEANUP(clear_stated) struct stated_list stated = { .count = 0 };
    const json_t *auditors = json_object_get(context->policy->json, "auditors");
    unsigned int threshold = (unsigned int) json_integer_value(json_object_get(auditors, "threshold"));
    if (auditors == NULL) {
        return false;
    }
    verify_statements(context, json_object_get(auditors, "keys"), &stated);
    for (size_t i = 0; i < stated.count; i++) {
        CELLA_CLEANUP(cella_json_cleanup) json_t *entry = NULL;
        struct cella_view payload = cella_bytes_view(&stated.list[i].payload);
        if (cella_json_parse(payload, STATEMENT_MAX, &entry) != CELLA_OK ||
            !statement_holds(back_end, claims, context, entry)) {
            continue;
        }
        unsigned int count = count_signers(&stated, payload);
        if (count >= threshold) {
            take_name(entry, name);
            cella_text_set(context->detail, "%u auditors of your trust file state it as \"%s\"", count, name);
            return true;
        }
        cella_text_set(context->detail, "%u of your auditors state it, at least %u must", count, threshold);
    }
    return false;
}

cella_status cella_measurement_check(const struct cella_back_end *back_end, const struct cella_claims *claims,
                                     const struct cella_context *context, char name[CELLA_NAME_MAX + 1])
{
    if (find_listed(back_end, claims, context, name) || find_stated(back_end, claims, context, name)) {
        return CELLA_OK;
    }
    const struct cella_claim *main_claim =
        back_end->measurement == NULL ? NULL : cella_claims_find(claims, back_end->measurement, CELLA_CLAIM_BYTES);
    if (context->detail->characters[0] == '\0' && main_claim != NULL) {
        char digits[2 * CELLA_CLAIM_SIZE_MAX + 1];
        cella_hex_encode(cella_view_of(main_claim->bytes, main_claim->size), digits);
        cella_text_set(context->detail, "measurement %s is not in the trust file", digits);
    }
    return CELLA_MEASUREMENT;
}
