/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/fstat.h"

#include <sys/syscall.h>
#include <unistd.h>

int fstat(int descriptor, struct stat *facts)
{
    return (int) syscall(SYS_fstat, descriptor, facts);
}

int fstat64(int descriptor, struct stat64 *facts)
{
    return (int) syscall(SYS_fstat, descriptor, facts);
}
