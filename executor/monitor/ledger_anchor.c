/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/ledger_anchor.h"

#include <string.h>

static cella_status derive(struct cella_monitor *monitor, struct cella_secret *out)
{
    CELLA_TRY(cella_secret_resize(out, CELLA_SHA256_SIZE));
    return cella_hkdf(CELLA_HASH_SHA256, cella_secret_view(cella_keyring_ledger_key(monitor->keyring)),
                      cella_view_of(NULL, 0), cella_view_of_string("cella ledger anchor v1"), out);
}

static cella_status extended(const uint8_t value[CELLA_PLATFORM_ANCHOR_SIZE], const uint8_t digest[CELLA_SHA256_SIZE],
                             uint8_t out[CELLA_PLATFORM_ANCHOR_SIZE])
{
    uint8_t both[CELLA_PLATFORM_ANCHOR_SIZE + CELLA_SHA256_SIZE];
    memcpy(both, value, CELLA_PLATFORM_ANCHOR_SIZE);
    memcpy(both + CELLA_PLATFORM_ANCHOR_SIZE, digest, CELLA_SHA256_SIZE);
    return cella_sha256(cella_view_of(both, sizeof(both)), out);
}

static bool same(const uint8_t a[CELLA_PLATFORM_ANCHOR_SIZE], const uint8_t b[CELLA_PLATFORM_ANCHOR_SIZE])
{
    return memcmp(a, b, CELLA_PLATFORM_ANCHOR_SIZE) == 0;
}

/* Is the ledger with this last start the one that the anchor stands for? */
static cella_status compare(const struct cella_opened *opened, const uint8_t value[CELLA_PLATFORM_ANCHOR_SIZE], bool *out)
{
    static const uint8_t unused[CELLA_PLATFORM_ANCHOR_SIZE] = { 0 };
    uint8_t after[CELLA_PLATFORM_ANCHOR_SIZE];
    if (!opened->anchored) {
        *out = same(value, unused); /* it was made, and the start that made it has not served */
        return CELLA_OK;
    }
    CELLA_TRY(extended(opened->found, opened->hash, after));
    *out = same(value, after) || same(value, opened->found);
    return CELLA_OK;
}

/* One that the platform does not know, or that is not ours, says nothing about this ledger. */
static cella_status read_anchor(struct cella_monitor *monitor, const struct cella_secret *key, bool expected,
                                uint8_t value[CELLA_PLATFORM_ANCHOR_SIZE])
{
    struct cella_platform *platform = monitor->platform;
    cella_status status = cella_platform_anchor(platform, key, value);
    if (status == CELLA_NOT_FOUND && !expected) {
        memset(value, 0, CELLA_PLATFORM_ANCHOR_SIZE);
        status = cella_platform_anchor_new(platform, key);
        if (status == CELLA_OK) {
            cella_monitor_log(monitor, "ledger: platform %s has a new anchor for it", cella_platform_name(platform));
        }
    }
    if (status == CELLA_NOT_FOUND || status == CELLA_BAD_TAG) {
        cella_monitor_log(monitor, "ledger: platform %s does not have its anchor: %s", cella_platform_name(platform),
                          cella_platform_trouble(platform));
        return CELLA_ROLLBACK;
    }
    if (status == CELLA_SYSTEM_FAILED) {
        cella_monitor_platform_failed(monitor, "does not give the ledger's anchor", status);
    }
    return status;
}

cella_status cella_ledger_anchor_judge(struct cella_monitor *monitor, const struct cella_opened *opened,
                                struct cella_ledger_anchor *out)
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    bool newest = false;
    *out = (struct cella_ledger_anchor){ 0 };
    if (!cella_platform_anchors(monitor->platform)) {
        return CELLA_OK;
    }
    CELLA_TRY(derive(monitor, &key));
    CELLA_TRY(read_anchor(monitor, &key, opened->anchored, out->found));
    CELLA_TRY(compare(opened, out->found, &newest));
    if (!newest) {
        cella_monitor_log(monitor, "ledger: platform %s has noted a later start than the last one of this ledger",
                          cella_platform_name(monitor->platform));
        return CELLA_ROLLBACK;
    }
    out->used = true;
    return CELLA_OK;
}

cella_status cella_ledger_anchor_move(struct cella_monitor *monitor, const struct cella_ledger_anchor *anchor,
                               const uint8_t start[CELLA_SHA256_SIZE])
{
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    uint8_t expected[CELLA_PLATFORM_ANCHOR_SIZE];
    uint8_t value[CELLA_PLATFORM_ANCHOR_SIZE];
    if (!anchor->used) {
        return CELLA_OK;
    }
    CELLA_TRY(derive(monitor, &key));
    CELLA_TRY(extended(anchor->found, start, expected));
    cella_status status = cella_platform_anchor_extend(monitor->platform, &key, start);
    status = status == CELLA_OK ? cella_platform_anchor(monitor->platform, &key, value) : status;
    if (status != CELLA_OK) {
        cella_monitor_platform_failed(monitor, "does not move the ledger's anchor", status);
        return CELLA_SYSTEM_FAILED;
    }
    return same(value, expected) ? CELLA_OK : CELLA_ROLLBACK;
}
