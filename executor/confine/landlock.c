/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/landlock.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/descriptors.h"

#define RULESET_VERSION 1U /* LANDLOCK_CREATE_RULESET_VERSION */
#define SCOPE_SIGNAL 2U    /* LANDLOCK_SCOPE_SIGNAL */

/* struct landlock_ruleset_attr of ABI 6. Debian 12's header ends after the first field. */
struct ruleset {
    uint64_t handled_file_system;
    uint64_t handled_network;
    uint64_t scoped;
};

/* Rights that each ABI knows: a ruleset that names a right unknown to the kernel is refused as a whole. */
static const struct {
    struct ruleset rights;
    size_t size;
} by_abi[] = {
    { { 0x1fff, 0, 0 }, offsetof(struct ruleset, handled_network) }, /* 1: 13 file system rights */
    { { 0x3fff, 0, 0 }, offsetof(struct ruleset, handled_network) }, /* 2: + REFER */
    { { 0x7fff, 0, 0 }, offsetof(struct ruleset, handled_network) }, /* 3: + TRUNCATE */
    { { 0x7fff, 3, 0 }, offsetof(struct ruleset, scoped) },          /* 4: + TCP bind and connect */
    { { 0xffff, 3, 0 }, offsetof(struct ruleset, scoped) },          /* 5: + IOCTL_DEV */
    { { 0xffff, 3, 3 }, sizeof(struct ruleset) },                    /* 6: + abstract sockets and signals */
};

int cella_landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t) 0, RULESET_VERSION);
    return abi > 0 ? (int) abi : 0;
}

cella_status cella_landlock_deny_all(bool keep_signals)
{
    size_t abi = (size_t) cella_landlock_abi();
    if (abi == 0) {
        return CELLA_SYSTEM_FAILED;
    }
    size_t last = sizeof(by_abi) / sizeof(by_abi[0]);
    size_t row = (abi < last ? abi : last) - 1;
    struct ruleset rights = by_abi[row].rights;
    rights.scoped &= keep_signals ? ~(uint64_t) SCOPE_SIGNAL : UINT64_MAX;
    CELLA_CLEANUP(cella_descriptors_release)
    int ruleset = (int) syscall(SYS_landlock_create_ruleset, &rights, by_abi[row].size, 0U);
    if (ruleset < 0 || syscall(SYS_landlock_restrict_self, ruleset, 0U) != 0) {
        return CELLA_SYSTEM_FAILED;
    }
    return CELLA_OK;
}
