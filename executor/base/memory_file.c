/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory_file.h"

#include <errno.h>
#include <fcntl.h>

#define TRIES 20U

cella_status cella_memory_file_seal(int file)
{
    for (unsigned int i = 0; i < TRIES; i++) {
        if (fcntl(file, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0) {
            return CELLA_OK;
        }
        if (errno != EBUSY) {
            break;
        }
    }
    return CELLA_SYSTEM_FAILED;
}
