/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/limits.h"

#include <sys/resource.h>

cella_status cella_limits_set(const struct cella_limit *limits, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct rlimit present;
        __rlimit_resource_t resource = (__rlimit_resource_t) limits[i].resource;
        if (getrlimit(resource, &present) != 0) {
            return CELLA_SYSTEM_FAILED;
        }
        rlim_t value = limits[i].value < present.rlim_max ? limits[i].value : present.rlim_max;
        if (setrlimit(resource, &(struct rlimit){ value, value }) != 0) {
            return CELLA_SYSTEM_FAILED;
        }
    }
    return CELLA_OK;
}
