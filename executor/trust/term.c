/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/term.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/layers.h"

#define ROOT_PREFIX "ed25519:"
#define ROOT_SIZE 32
#define ANY "any"

/* ---- values ---- */

cella_status cella_term_bytes(const char *text, uint8_t out[CELLA_CLAIM_SIZE_MAX], size_t *size)
{
    static const struct {
        const char *prefix;
        size_t size;
    } digests[] = { { "sha256:", 32 }, { "sha384:", 48 }, { "sha512:", 64 } };
    size_t wanted = 0;
    for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
        if (strncmp(text, digests[i].prefix, strlen(digests[i].prefix)) == 0) {
            text += strlen(digests[i].prefix);
            wanted = digests[i].size;
            break;
        }
    }
    size_t length = strlen(text);
    if (length > 2 * CELLA_CLAIM_SIZE_MAX) {
        return CELLA_TOO_LARGE;
    }
    if (length == 0 || length % 2 != 0 || (wanted != 0 && length != 2 * wanted)) {
        return CELLA_BAD_FORMAT;
    }
    *size = length / 2;
    return cella_hex_decode(cella_view_of_string(text), out, *size);
}

bool cella_term_same_bytes(const json_t *a, const json_t *b)
{
    uint8_t first[CELLA_CLAIM_SIZE_MAX];
    uint8_t second[CELLA_CLAIM_SIZE_MAX];
    size_t first_size = 0;
    size_t second_size = 0;
    if (a == NULL || b == NULL) {
        return a == b;
    }
    if (!json_is_string(a) || !json_is_string(b) ||
        cella_term_bytes(json_string_value(a), first, &first_size) != CELLA_OK ||
        cella_term_bytes(json_string_value(b), second, &second_size) != CELLA_OK) {
        return json_equal(a, b) != 0;
    }
    return first_size == second_size && memcmp(first, second, first_size) == 0;
}

static cella_status read_root(const json_t *value, uint8_t out[ROOT_SIZE])
{
    const char *text = json_string_value(value);
    if (text == NULL || strncmp(text, ROOT_PREFIX, strlen(ROOT_PREFIX)) != 0) {
        return CELLA_BAD_FORMAT;
    }
    return cella_base64url_decode_exact(cella_view_of_string(text + strlen(ROOT_PREFIX)), out, ROOT_SIZE);
}

static cella_status read_mask(const json_t *value, uint64_t *out)
{
    uint8_t bytes[8];
    const char *text = json_string_value(value);
    if (text == NULL || cella_hex_decode(cella_view_of_string(text), bytes, sizeof(bytes)) != CELLA_OK) {
        return CELLA_BAD_FORMAT;
    }
    *out = 0;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        *out = *out << 8 | bytes[i];
    }
    return CELLA_OK;
}

static bool is_among(const char *const *names, const char *name)
{
    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return names == NULL;
}

static bool is_good_event(const struct cella_term *term, const json_t *event)
{
    uint8_t bytes[CELLA_CLAIM_SIZE_MAX];
    size_t size = 0;
    const char *place = json_string_value(json_object_get(event, "register"));
    const char *digest = json_string_value(json_object_get(event, "digest"));
    return json_object_size(event) == 2 && place != NULL && is_among(term->selectors, place) && digest != NULL &&
           cella_term_bytes(digest, bytes, &size) == CELLA_OK && (size == 32 || size == 48);
}

static bool is_good_element(const struct cella_term *term, const json_t *value)
{
    uint8_t bytes[CELLA_CLAIM_SIZE_MAX];
    size_t size = 0;
    switch (term->kind) {
    case CELLA_TERM_BYTES:
    case CELLA_TERM_EXCLUDED:
        return json_is_string(value) && cella_term_bytes(json_string_value(value), bytes, &size) == CELLA_OK &&
               (term->size == 0 || size == term->size);
    case CELLA_TERM_TEXT:
    case CELLA_TERM_EVERY:
        return json_is_string(value) && json_string_length(value) > 0 &&
               json_string_length(value) <= CELLA_CLAIM_SIZE_MAX &&
               (term->kind != CELLA_TERM_TEXT || is_among(term->selectors, json_string_value(value)));
    case CELLA_TERM_NUMBER:
        return json_is_integer(value) && json_integer_value(value) >= 0;
    case CELLA_TERM_SELECTION:
        return json_is_integer(value) && json_integer_value(value) >= 0 && json_integer_value(value) < 64;
    case CELLA_TERM_LAYERS:
        return json_is_string(value) && cella_layer_bit(cella_view_of_string(json_string_value(value))) != 0;
    case CELLA_TERM_ROOTS:
        return read_root(value, bytes) == CELLA_OK;
    case CELLA_TERM_FLAG:
    case CELLA_TERM_MINIMUM:
    case CELLA_TERM_WITHIN:
    case CELLA_TERM_FLOORS:
    case CELLA_TERM_CHOICE:
        return false;
    case CELLA_TERM_EVENTS:
        return is_good_event(term, value);
    }
    return false;
}

static bool is_same_element(const struct cella_term *term, const json_t *a, const json_t *b)
{
    bool bytes = term->kind == CELLA_TERM_BYTES || term->kind == CELLA_TERM_EXCLUDED;
    return bytes ? cella_term_same_bytes(a, b) : json_equal(a, b) != 0;
}

/* A list never means "anything": it is empty only where that is a demand of its own. A value named twice is a slip. */
static cella_status validate_list(const struct cella_term *term, const json_t *list, size_t *element)
{
    bool may_be_empty = term->kind == CELLA_TERM_EXCLUDED || term->kind == CELLA_TERM_EVERY ||
                        term->kind == CELLA_TERM_LAYERS;
    size_t count = json_array_size(list);
    if (!json_is_array(list) || (count == 0 && !may_be_empty) || count > CELLA_TERM_VALUES_MAX) {
        return CELLA_BAD_POLICY;
    }
    for (size_t i = 0; i < count; i++) {
        *element = i;
        if (!is_good_element(term, json_array_get(list, i))) {
            return CELLA_BAD_POLICY;
        }
        for (size_t k = 0; k < i; k++) {
            if (is_same_element(term, json_array_get(list, i), json_array_get(list, k))) {
                return CELLA_BAD_POLICY;
            }
        }
    }
    return CELLA_OK;
}

static cella_status validate_floors(const struct cella_term *term, json_t *floors)
{
    const char *selector;
    const char *name;
    json_t *entry;
    json_t *value;
    if (!json_is_object(floors) || json_object_size(floors) == 0) {
        return CELLA_BAD_POLICY;
    }
    json_object_foreach (floors, selector, entry) {
        if (!json_is_object(entry) || json_object_size(entry) == 0 || !is_among(term->selectors, selector)) {
            return CELLA_BAD_POLICY;
        }
        json_object_foreach (entry, name, value) {
            if (!json_is_integer(value) || json_integer_value(value) < 0 || !is_among(term->numbers, name)) {
                return CELLA_BAD_POLICY;
            }
        }
    }
    return CELLA_OK;
}

bool cella_term_is_waived(const json_t *value)
{
    return json_is_string(value) && strcmp(json_string_value(value), ANY) == 0;
}

cella_status cella_term_validate(const struct cella_term *term, const json_t *value, size_t *element)
{
    uint64_t mask;
    *element = CELLA_TERM_WHOLE;
    switch (term->kind) {
    case CELLA_TERM_FLAG:
        return (json_is_boolean(value) && !(term->demand && json_is_false(value))) || cella_term_is_waived(value)
                   ? CELLA_OK
                   : CELLA_BAD_POLICY;
    case CELLA_TERM_MINIMUM:
        return json_is_integer(value) && json_integer_value(value) >= 0 ? CELLA_OK : CELLA_BAD_POLICY;
    case CELLA_TERM_WITHIN:
        return read_mask(value, &mask) == CELLA_OK ? CELLA_OK : CELLA_BAD_POLICY;
    case CELLA_TERM_FLOORS:
        return cella_term_is_waived(value) ? CELLA_OK : validate_floors(term, (json_t *) (uintptr_t) value);
    case CELLA_TERM_EVERY:
        return cella_term_is_waived(value) ? CELLA_OK : validate_list(term, value, element);
    case CELLA_TERM_BYTES:
    case CELLA_TERM_EXCLUDED:
    case CELLA_TERM_TEXT:
    case CELLA_TERM_NUMBER:
    case CELLA_TERM_SELECTION:
    case CELLA_TERM_LAYERS:
    case CELLA_TERM_ROOTS:
    case CELLA_TERM_EVENTS:
        return validate_list(term, value, element);
    case CELLA_TERM_CHOICE:
        return json_is_string(value) && is_among(term->selectors, json_string_value(value)) ? CELLA_OK : CELLA_BAD_POLICY;
    }
    return CELLA_BAD_POLICY;
}

/* ---- against the fallback ---- */

static bool has_number(const json_t *list, json_int_t number)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_integer_value(json_array_get(list, i)) == number) {
            return true;
        }
    }
    return false;
}

static bool lists_more(const json_t *list, const json_t *fallback)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!has_number(fallback, json_integer_value(json_array_get(list, i)))) {
            return true;
        }
    }
    return false;
}

/* A product that the fallback does not know, and a floor that it has and this entry has not, are wider too. */
static bool has_lower_floor(json_t *floors, const json_t *fallback)
{
    const char *selector;
    const char *name;
    json_t *entry;
    json_t *least;
    json_object_foreach (floors, selector, entry) {
        json_t *wanted = json_object_get(fallback, selector);
        if (wanted == NULL) {
            return true;
        }
        json_object_foreach (wanted, name, least) {
            const json_t *stated = json_object_get(entry, name);
            if (stated == NULL || json_integer_value(stated) < json_integer_value(least)) {
                return true;
            }
        }
    }
    return false;
}

bool cella_term_is_wider(const struct cella_term *term, const json_t *value)
{
    if (term->fallback == NULL) {
        return false;
    }
    CELLA_CLEANUP(cella_json_cleanup) json_t *fallback = json_loads(term->fallback, JSON_DECODE_ANY, NULL);
    if (fallback == NULL || cella_term_is_waived(value)) {
        return true;
    }
    if (term->kind == CELLA_TERM_FLAG) {
        return json_is_true(value) != json_is_true(fallback);
    }
    if (term->kind == CELLA_TERM_NUMBER) {
        return lists_more(value, fallback);
    }
    return term->kind == CELLA_TERM_FLOORS && has_lower_floor((json_t *) (uintptr_t) value, fallback);
}

/* ---- judging ---- */

static void show_bytes(const struct cella_claim *claim, char out[2 * CELLA_CLAIM_SIZE_MAX + 1])
{
    cella_hex_encode(cella_view_of(claim->bytes, claim->size), out);
}

static bool lists_bytes(const json_t *list, const struct cella_claim *claim)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        uint8_t bytes[CELLA_CLAIM_SIZE_MAX];
        size_t size = 0;
        if (cella_term_bytes(json_string_value(json_array_get(list, i)), bytes, &size) == CELLA_OK &&
            size == claim->size && memcmp(bytes, claim->bytes, size) == 0) {
            return true;
        }
    }
    return false;
}

static bool lists_text(const json_t *list, const struct cella_claim *claim)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (cella_view_is(cella_view_of(claim->bytes, claim->size), json_string_value(json_array_get(list, i)))) {
            return true;
        }
    }
    return false;
}

static cella_status absent(const struct cella_term *term, struct cella_text *detail)
{
    cella_text_set(detail, "the evidence does not say %s", term->claim);
    return CELLA_TERM;
}

static cella_status check_bytes(const struct cella_term *term, const json_t *value, const struct cella_claims *claims,
                                struct cella_text *detail)
{
    char digits[2 * CELLA_CLAIM_SIZE_MAX + 1];
    const struct cella_claim *claim = cella_claims_find(claims, term->claim, CELLA_CLAIM_BYTES);
    if (claim == NULL) {
        return absent(term, detail);
    }
    show_bytes(claim, digits);
    bool listed = lists_bytes(value, claim);
    if (term->kind == CELLA_TERM_EXCLUDED && json_array_size(value) > 0 && cella_claim_is_zero(claim)) {
        cella_text_set(detail, "%s is hidden, so that it may be one that the trust file excludes", term->claim);
        return CELLA_TERM;
    }
    bool good = term->kind == CELLA_TERM_BYTES ? listed : !listed;
    cella_text_set(detail, "%s is %.96s, %s", term->claim, digits, listed ? "which the trust file lists" : "not listed");
    return good ? CELLA_OK : CELLA_TERM;
}

static cella_status check_text(const struct cella_term *term, const json_t *value, const struct cella_claims *claims,
                               struct cella_text *detail)
{
    const struct cella_claim *claim = cella_claims_next(claims, term->claim, NULL);
    bool every = term->kind == CELLA_TERM_EVERY;
    if (claim == NULL && !every) {
        return absent(term, detail);
    }
    cella_text_set(detail, "%s: %s", term->claim, claim == NULL ? "none" : "");
    for (; claim != NULL; claim = cella_claims_next(claims, term->claim, claim)) {
        cella_text_add(detail, "%.*s ", (int) claim->size, (const char *) claim->bytes);
        if (!lists_text(value, claim)) {
            cella_text_add(detail, "is not accepted");
            return CELLA_TERM;
        }
    }
    return CELLA_OK;
}

static cella_status check_number(const struct cella_term *term, const json_t *value,
                                 const struct cella_claims *claims, struct cella_text *detail)
{
    const struct cella_claim *claim = cella_claims_find(claims, term->claim, CELLA_CLAIM_NUMBER);
    bool good = false;
    if (claim == NULL) {
        return absent(term, detail);
    }
    cella_text_set(detail, "%s is %" PRIu64, term->claim, claim->number);
    if (term->kind == CELLA_TERM_MINIMUM) {
        uint64_t least = (uint64_t) json_integer_value(value);
        cella_text_add(detail, ", at least %" PRIu64 " is required", least);
        good = claim->number >= least;
    } else if (term->kind == CELLA_TERM_WITHIN) {
        uint64_t mask = 0;
        good = read_mask(value, &mask) == CELLA_OK && (claim->number & ~mask) == 0;
        cella_text_set(detail, "%s is %016" PRIx64 ", allowed are %016" PRIx64, term->claim, claim->number, mask);
    } else {
        for (size_t i = 0; i < json_array_size(value); i++) {
            good = good || (uint64_t) json_integer_value(json_array_get(value, i)) == claim->number;
        }
        cella_text_add(detail, good ? "" : ", which is not accepted");
    }
    return good ? CELLA_OK : CELLA_TERM;
}

static cella_status check_flag(const struct cella_term *term, const json_t *value, const struct cella_claims *claims,
                               struct cella_text *detail)
{
    const struct cella_claim *claim = cella_claims_find(claims, term->claim, CELLA_CLAIM_FLAG);
    if (claim == NULL) {
        return absent(term, detail);
    }
    bool good = (claim->number != 0) == json_is_true(value);
    cella_text_set(detail, "%s is %s%s", term->claim, claim->number != 0 ? "on" : "off",
                   good ? "" : ", which is not accepted");
    return good ? CELLA_OK : CELLA_TERM;
}

static cella_status check_floors(const struct cella_term *term, json_t *value, const struct cella_claims *claims,
                                 struct cella_text *detail)
{
    char selected[CELLA_CLAIM_SIZE_MAX + 1] = "";
    const char *name;
    json_t *least;
    const struct cella_claim *selector = cella_claims_find(claims, term->claim, CELLA_CLAIM_TEXT);
    if (selector == NULL) {
        return absent(term, detail);
    }
    memcpy(selected, selector->bytes, selector->size);
    json_t *floors = json_object_get(value, selected);
    if (floors == NULL) {
        cella_text_set(detail, "the trust file names no least versions for %s", selected);
        return CELLA_TERM;
    }
    cella_text_set(detail, "%s:", selected);
    json_object_foreach (floors, name, least) {
        const struct cella_claim *claim = cella_claims_find(claims, name, CELLA_CLAIM_NUMBER);
        if (claim == NULL || claim->number < (uint64_t) json_integer_value(least)) {
            cella_text_add(detail, " %s is %" PRIu64 ", at least %" PRIu64 " is required", name,
                           claim == NULL ? 0 : claim->number, (uint64_t) json_integer_value(least));
            return CELLA_TERM;
        }
        cella_text_add(detail, " %s %" PRIu64, name, claim->number);
    }
    return CELLA_OK;
}

static cella_status check_selection(const struct cella_term *term, const json_t *value,
                                    const struct cella_claims *claims, struct cella_text *detail)
{
    const struct cella_claim *claim = cella_claims_find(claims, term->claim, CELLA_CLAIM_NUMBER);
    uint64_t wanted = 0;
    if (claim == NULL) {
        return absent(term, detail);
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        wanted |= (uint64_t) 1 << json_integer_value(json_array_get(value, i));
    }
    cella_text_set(detail, "%s is %06" PRIx64 ", %s", term->claim, claim->number,
                   claim->number == wanted ? "as the trust file wants it" : "which is another selection than wanted");
    return claim->number == wanted ? CELLA_OK : CELLA_TERM;
}

static cella_status check_layers(const struct cella_term *term, const json_t *value,
                                 const struct cella_claims *claims, struct cella_text *detail)
{
    const struct cella_claim *claim = cella_claims_find(claims, term->claim, CELLA_CLAIM_NUMBER);
    cella_status status = CELLA_OK;
    if (claim == NULL) {
        return absent(term, detail);
    }
    cella_text_set(detail, "missing:");
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *name = json_string_value(json_array_get(value, i));
        if ((claim->number & cella_layer_bit(cella_view_of_string(name))) == 0) {
            cella_text_add(detail, " %s", name);
            status = CELLA_LAYERS;
        }
    }
    if (status == CELLA_OK) {
        cella_text_set(detail, json_array_size(value) == 0 ? "the trust file requires none"
                                                           : "every required sandbox layer is in force");
    }
    return status;
}

static cella_status check_roots(const struct cella_term *term, const json_t *value, const struct cella_claims *claims,
                                struct cella_text *detail)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes name = { 0 };
    const struct cella_claim *claim = cella_claims_find(claims, term->claim, CELLA_CLAIM_BYTES);
    if (claim == NULL || claim->size != ROOT_SIZE) {
        return absent(term, detail);
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        uint8_t root[ROOT_SIZE];
        if (read_root(json_array_get(value, i), root) == CELLA_OK && memcmp(root, claim->bytes, ROOT_SIZE) == 0) {
            cella_text_set(detail, "the root is pinned in the trust file");
            return CELLA_OK;
        }
    }
    CELLA_TRY(cella_base64url_encode(cella_view_of(claim->bytes, claim->size), &name));
    cella_text_set(detail, "root ed25519:%.*s is not in the trust file", (int) name.size, (const char *) name.data);
    return CELLA_ROOT;
}

cella_status cella_term_check(const struct cella_term *term, const json_t *value, const struct cella_claims *claims,
                              struct cella_text *detail)
{
    switch (term->kind) {
    case CELLA_TERM_FLAG:
        return check_flag(term, value, claims, detail);
    case CELLA_TERM_BYTES:
    case CELLA_TERM_EXCLUDED:
        return check_bytes(term, value, claims, detail);
    case CELLA_TERM_TEXT:
    case CELLA_TERM_EVERY:
        return check_text(term, value, claims, detail);
    case CELLA_TERM_NUMBER:
    case CELLA_TERM_MINIMUM:
    case CELLA_TERM_WITHIN:
        return check_number(term, value, claims, detail);
    case CELLA_TERM_FLOORS:
        return check_floors(term, (json_t *) (uintptr_t) value, claims, detail);
    case CELLA_TERM_SELECTION:
        return check_selection(term, value, claims, detail);
    case CELLA_TERM_LAYERS:
        return check_layers(term, value, claims, detail);
    case CELLA_TERM_ROOTS:
        return check_roots(term, value, claims, detail);
    case CELLA_TERM_CHOICE:
    case CELLA_TERM_EVENTS:
        return CELLA_TERM; /* judged elsewhere */
    }
    return CELLA_TERM;
}
