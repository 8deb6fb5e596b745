/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/audit_rule.h"

#include <stdio.h>
#include <string.h>

static bool is_repeated(const json_t *parties, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (json_equal(json_array_get(parties, i), json_array_get(parties, index))) {
            return true;
        }
    }
    return false;
}

cella_status cella_audit_rule_check(const json_t *rule, const char *path, struct cella_json_error *error)
{
    struct cella_json_object object;
    json_t *parties;
    int64_t threshold;
    CELLA_TRY(cella_json_begin(rule, path, error, &object));
    CELLA_TRY(cella_json_member(&object, "parties", JSON_ARRAY, &parties));
    size_t count = json_array_size(parties);
    for (size_t i = 0; i < count; i++) {
        const json_t *party = json_array_get(parties, i);
        if (json_string_length(party) != CELLA_THUMBPRINT_SIZE || is_repeated(parties, i)) {
            count = 0;
        }
    }
    if (count == 0 || count > CELLA_REVIEWERS_MAX) {
        (void) snprintf(error->field, sizeof(error->field), "%.40s.parties", path);
        return CELLA_BAD_FIELD;
    }
    CELLA_TRY(cella_json_integer(&object, "threshold", 1, (int64_t) count, &threshold));
    return cella_json_end(&object);
}

static bool has_signed(const struct cella_state *state, const struct cella_function *function, const char *party)
{
    const struct cella_party *auditor = cella_state_party(state, party);
    const json_t *audit = json_object_get(function->audits, party);
    return auditor != NULL && !auditor->removed && json_is_true(json_object_get(audit, "accepted"));
}

bool cella_audit_rule_is_met(const struct cella_state *state, const json_t *rule,
                             const struct cella_function *function)
{
    const json_t *parties = json_object_get(rule, "parties");
    json_int_t signatures = 0;
    for (size_t i = 0; i < json_array_size(parties); i++) {
        signatures += has_signed(state, function, json_string_value(json_array_get(parties, i))) ? 1 : 0;
    }
    return rule == NULL || signatures >= json_integer_value(json_object_get(rule, "threshold"));
}
