/* SPDX-License-Identifier: Apache-2.0 */
#include "base/layers.h"
#include "monitor/cgroups.h"
#include "monitor/operation.h"
#include "monitor/pool.h"

static json_t *profiles_json(const struct cella_monitor *monitor)
{
    json_t *list = json_array();
    const char *name;
    const char *version;
    for (size_t i = 0; cella_pool_profile(monitor->pool, i, &name, &version); i++) {
        (void) json_array_append_new(list, json_pack("{s:s, s:s}", "name", name, "version", version));
    }
    return list;
}

json_t *cella_info_layers(uint32_t layers)
{
    json_t *list = json_array();
    for (unsigned int bit = 0; cella_layer_name(bit) != NULL; bit++) {
        if ((layers >> bit & 1) != 0) {
            (void) json_array_append_new(list, json_string(cella_layer_name(bit)));
        }
    }
    return list;
}

cella_status cella_operation_executor_info(struct cella_monitor *monitor, struct cella_call *call)
{
    struct cella_json_object object;
    char measurement[7 + 2 * CELLA_SHA256_SIZE + 1] = "sha256:";
    CELLA_TRY(cella_json_begin(call->args, "args", &call->error, &object));
    CELLA_TRY(cella_json_end(&object));
    cella_hex_encode(cella_view_of(monitor->measurement, sizeof(monitor->measurement)), measurement + 7);
    call->reply = json_pack("{s:s, s:s, s:o, s:o, s:o, s:s, s:s}", "version", CELLA_VERSION, "executor",
                            cella_keyring_executor(monitor->keyring), "profiles", profiles_json(monitor), "layers",
                            cella_info_layers(cella_pool_layers(monitor->pool)), "limits",
                            cella_spec_limits_json(&monitor->charter.limits), "limits_tier",
                            cella_cgroups_tier(monitor->cgroups), "measurement", measurement);
    return CELLA_OK;
}
