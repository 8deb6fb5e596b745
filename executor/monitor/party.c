/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/operation.h"

#include <string.h>

static json_t *party_json(const struct cella_party *party)
{
    return json_pack("{s:s, s:s, s:o, s:o}", "party", party->entry.id, "name", party->name, "sign",
                     cella_json_base64url(cella_view_of(party->sign, sizeof(party->sign))), "seal",
                     cella_json_base64url(cella_view_of(party->seal, sizeof(party->seal))));
}

/* A key that HPKE can seal to: the result of a task must not fail for its receiver's sake at the end. */
static cella_status check_seal_key(const uint8_t key[CELLA_X25519_KEY_SIZE])
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret ephemeral = { 0 };
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret shared = { 0 };
    CELLA_TRY(cella_secret_random(&ephemeral, CELLA_X25519_KEY_SIZE));
    return cella_x25519_derive(&ephemeral, key, &shared);
}

cella_status cella_operation_party_enrol(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    uint8_t seal[CELLA_X25519_KEY_SIZE];
    const char *name = "";
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_fixed(&object, "seal", seal, sizeof(seal)));
    CELLA_TRY(cella_json_string_optional(&object, "name", CELLA_PARTY_NAME_MAX, &name));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(check_seal_key(seal));
    const struct cella_party *known = cella_state_party(&monitor->state, call->enrol_id);
    if (known != NULL) {
        /* Enrolling again with the same keys is harmless: a client may not know whether its first try arrived. */
        if (memcmp(known->seal, seal, sizeof(seal)) != 0) {
            return CELLA_EXISTS;
        }
    } else if (monitor->state.parties.count >= CELLA_PARTIES_MAX) {
        return CELLA_TOO_MANY;
    } else {
        CELLA_CLEANUP(cella_json_cleanup)
        json_t *event = json_pack("{s:s, s:s, s:o, s:o}", "party", call->enrol_id, "name", name, "sign",
                                  cella_json_base64url(cella_view_of(call->enrol_key, sizeof(call->enrol_key))), "seal",
                                  cella_json_base64url(cella_view_of(seal, sizeof(seal))));
        CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_PARTY_ENROLLED, event));
        cella_monitor_log(monitor, "party enrolled %s", call->enrol_id);
    }
    call->reply = json_pack("{s:s}", "party", call->enrol_id);
    return CELLA_OK;
}

cella_status cella_operation_party_get(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    const char *id = call->party->entry.id;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string_optional(&object, "party", CELLA_THUMBPRINT_SIZE, &id));
    CELLA_TRY(cella_json_end(&object));
    const struct cella_party *party = cella_state_party(&monitor->state, id);
    if (party == NULL) {
        return CELLA_NOT_FOUND;
    }
    call->reply = party_json(party);
    return CELLA_OK;
}
