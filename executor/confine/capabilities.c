/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/capabilities.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel refuses numbers above its own last capability with EINVAL, which ends the loop. */
#define CAPABILITY_MAX 64

static cella_status drop_bounding_set(void)
{
    for (unsigned long capability = 0; capability < CAPABILITY_MAX; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) {
            continue;
        }
        return errno == EINVAL || errno == EPERM ? CELLA_OK : CELLA_SYSTEM_FAILED;
    }
    return CELLA_OK;
}

cella_status cella_capabilities_keep(uint64_t kept)
{
    CELLA_TRY(drop_bounding_set());
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 };
    for (unsigned int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        sets[i].permitted = sets[i].effective = (uint32_t) (kept >> (32 * i));
    }
    return syscall(SYS_capset, &header, sets) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}
