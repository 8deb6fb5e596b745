/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/event.h"

bool cella_event_of(struct cella_view name, enum cella_event *out)
{
    const char *known;
    /* Numbers without gaps from 0, as the compiler gives them. */
    for (unsigned int i = 0; (known = cella_event_name((enum cella_event) i)) != NULL; i++) {
        if (cella_view_is(name, known)) {
            *out = (enum cella_event) i;
            return true;
        }
    }
    return false;
}

cella_status cella_event_add_statement(json_t *body, struct cella_view statement, uint64_t sequence)
{
    bool added = json_object_set_new(body, "logged", cella_json_base64url(statement)) == 0 &&
                 json_object_set_new(body, "leaf", json_integer((json_int_t) sequence)) == 0;
    return added ? CELLA_OK : CELLA_NO_MEMORY;
}
