/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/role.h"

#include <string.h>

static const struct {
    const char *name;
    unsigned int role;
} roles_by_name[] = {
    { "administrator", CELLA_PARTY_ADMINISTRATOR },
    { "function_owner", CELLA_PARTY_FUNCTION_OWNER },
    { "data_owner", CELLA_PARTY_DATA_OWNER },
    { "auditor", CELLA_PARTY_AUDITOR },
};
#define ROLE_COUNT (sizeof(roles_by_name) / sizeof(roles_by_name[0]))

static unsigned int role_of(const char *name)
{
    for (size_t i = 0; name != NULL && i < ROLE_COUNT; i++) {
        if (strcmp(roles_by_name[i].name, name) == 0) {
            return roles_by_name[i].role;
        }
    }
    return 0;
}

cella_status cella_roles_read(const json_t *names, unsigned int *out)
{
    unsigned int roles = 0;
    if (names != NULL && !json_is_array(names)) {
        return CELLA_BAD_FIELD;
    }
    for (size_t i = 0; i < json_array_size(names); i++) {
        unsigned int role = role_of(json_string_value(json_array_get(names, i)));
        if (role == 0 || (roles & role) != 0) {
            return CELLA_BAD_FIELD;
        }
        roles |= role;
    }
    *out = roles;
    return CELLA_OK;
}

json_t *cella_roles_json(unsigned int roles)
{
    json_t *names = json_array();
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        if ((roles & roles_by_name[i].role) != 0) {
            (void) json_array_append_new(names, json_string(roles_by_name[i].name));
        }
    }
    return names;
}
