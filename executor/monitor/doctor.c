/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/doctor.h"

#include <stdio.h>

#include "base/layers.h"
#include "monitor/cgroups.h"
#include "monitor/operation.h"
#include "monitor/pool.h"

static cella_status print(json_t *json)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_TRY(json == NULL ? CELLA_NO_MEMORY : cella_json_write(json, &text));
    return printf("%.*s\n", (int) text.size, (const char *) text.data) > 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

static cella_status report_platforms(void)
{
    const struct cella_secret any_root = { 0 }; /* the host makes one for every executor */
    const struct cella_platform_setup setup = { .root = "", .soft_root = &any_root };
    struct cella_platform_finding findings[CELLA_PLATFORMS_MAX];
    size_t count = cella_platform_look(&setup, findings);
    for (size_t i = 0; i < count; i++) {
        CELLA_CLEANUP(cella_json_cleanup)
        json_t *line = json_pack("{s:s, s:s, s:i, s:b, s:b, s:s}", "interface", findings[i].name, "kind",
                                 cella_evidence_type_name(findings[i].type), "level", findings[i].level, "usable",
                                 findings[i].usable, "seals", findings[i].seals, "why", findings[i].why.characters);
        CELLA_TRY(print(line));
    }
    return CELLA_OK;
}

static void ignore_exit(void *context, uint64_t cell, const struct cella_cell_exit *exit)
{
    (void) context;
    (void) cell;
    (void) exit;
}

/* Start the zygote of the plainest profile, and see what it could put up. */
static cella_status find_layers(struct cella_monitor *monitor, uint32_t *layers)
{
    *layers = 0;
    monitor->loop = cella_loop_new();
    CELLA_TRY(monitor->loop == NULL ? CELLA_NO_MEMORY : CELLA_OK);
    CELLA_TRY(cella_cgroups_open(1, &monitor->cgroups));
    CELLA_TRY(cella_pool_new(monitor, ignore_exit, NULL, &monitor->pool));
    if (cella_pool_wait(monitor->pool) == CELLA_OK) {
        *layers = cella_pool_layers(monitor->pool);
    }
    return CELLA_OK;
}

static cella_status report_layers(struct cella_monitor *monitor)
{
    uint32_t layers = 0;
    CELLA_TRY(find_layers(monitor, &layers));
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *line = json_pack("{s:o}", "layers", cella_info_layers(layers));
    return print(line);
}

cella_status cella_doctor_report(const char *programs)
{
    struct cella_monitor monitor = { 0 };
    monitor.config = (struct cella_config){
        .pool = 1,
        .pool_memory = 1,
        .recycle = 1,
        .concurrency = 1,
        .profiles = { "python" },
        .profile_count = 1,
    };
    (void) snprintf(monitor.config.programs, sizeof(monitor.config.programs), "%s", programs);
    CELLA_TRY(report_platforms());
    cella_status status = report_layers(&monitor);
    cella_pool_free(monitor.pool);
    cella_cgroups_free(monitor.cgroups);
    cella_loop_free(monitor.loop);
    return status;
}
