/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/location.h"

#include <string.h>

#include "courier/message.h"
#include "monitor/data.h"

cella_status cella_location_check(const char *url)
{
    size_t scheme = strncmp(url, "https://", 8) == 0 ? 8 : strncmp(url, "http://", 7) == 0 ? 7 : 0;
    const char *host = url + scheme;
    size_t host_size = strcspn(host, "/?");
    if (strlen(url) > CELLA_URL_MAX) {
        return CELLA_TOO_LARGE;
    }
    for (const char *c = url; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7f || strchr("\"#<>\\^`{|}", *c) != NULL) {
            return CELLA_BAD_FIELD;
        }
    }
    bool has_user = memchr(host, '@', host_size) != NULL;
    return scheme == 0 || host_size == 0 || host[0] == ':' || has_user ? CELLA_BAD_FIELD : CELLA_OK;
}

/* {data, url?}: fetched there from the next run on; absent: in the host's store, where they were uploaded or are to be. */
cella_status cella_operation_data_update(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    struct cella_data *data;
    const char *id;
    const char *url = NULL;
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_string(&object, "data", CELLA_ID_SIZE - 1, &id));
    CELLA_TRY(cella_json_string_optional(&object, "url", CELLA_URL_MAX, &url));
    CELLA_TRY(cella_json_end(&object));
    cella_status status = url == NULL ? CELLA_OK : cella_location_check(url);
    if (status != CELLA_OK) {
        return cella_operation_blame(call, "url", status);
    }
    CELLA_TRY(cella_data_find(monitor, call, id, &data));
    if (data->deleted) {
        return CELLA_DELETED;
    }
    if (data->kept) {
        return CELLA_BAD_STATE; /* an output: only the host's store has it */
    }
    CELLA_CLEANUP(cella_json_cleanup) json_t *event = json_pack("{s:s, s:s}", "data", id, "by", call->party->entry.id);
    if (event == NULL || (url != NULL && json_object_set_new(event, "url", json_string(url)) != 0)) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(cella_monitor_commit(monitor, CELLA_EVENT_DATA_MOVED, event));
    cella_monitor_log(monitor, "data moved %s", id);
    return cella_data_answer(call, data);
}
