/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

cella_status cella_process_no_new_privileges(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

cella_status cella_process_undumpable(void)
{
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? CELLA_OK : CELLA_SYSTEM_FAILED;
}

cella_status cella_process_die_with_parent(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    return getppid() == parent ? CELLA_OK : CELLA_CLOSED;
}
