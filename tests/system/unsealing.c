/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cella-monitor on a platform that makes evidence but can not seal, as TDX and Nitro are: the program itself, linked with
 * --wrap=cella_platform_seals. For tests/system/test_unsealing.py.
 */

#include "platform/platform.h"

bool __wrap_cella_platform_seals(const struct cella_platform *platform);

bool __wrap_cella_platform_seals(const struct cella_platform *platform)
{
    (void) platform;
    return false;
}
