/* SPDX-License-Identifier: Apache-2.0 */
#include "host/devices.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOBODY 65534U
#define REPORTS "/sys/kernel/config/tsm/report"
#define REPORT_FOLDER REPORTS "/cella"

static const struct {
    struct cella_device device;
    const char *platforms; /* between blanks */
} table[] = {
    { { REPORT_FOLDER, CELLA_DEVICE_FOLDER }, " snp tdx auto " },
    { { "/dev/sev-guest", CELLA_DEVICE_NODE }, " snp auto " },
    { { "/dev/attestation", CELLA_DEVICE_FOLDER }, " sgx auto " },
    { { "/dev/nsm", CELLA_DEVICE_NODE }, " nitro auto " },
    { { "/dev/tpmrm0", CELLA_DEVICE_NODE }, " tpm auto " },
    { { "/sys/kernel/security/tpm0/binary_bios_measurements", CELLA_DEVICE_COPY }, " tpm auto " },
    { { "/sys/firmware/acpi/tables/data/CCEL", CELLA_DEVICE_COPY }, " tdx auto " },
};
#define COUNT (sizeof(table) / sizeof(table[0]))

static bool belongs(size_t index, const char *platform)
{
    char word[32];
    (void) snprintf(word, sizeof(word), " %s ", platform);
    return strstr(table[index].platforms, word) != NULL;
}

/* The request's files are made with the folder, for root. */
static bool give_away(const char *path)
{
    DIR *folder = opendir(path);
    bool done = folder != NULL && fchown(dirfd(folder), NOBODY, NOBODY) == 0;
    for (struct dirent *entry; done && (entry = readdir(folder)) != NULL;) {
        done = entry->d_name[0] == '.' ||
               fchownat(dirfd(folder), entry->d_name, NOBODY, NOBODY, AT_SYMLINK_NOFOLLOW) == 0;
    }
    if (folder != NULL) {
        (void) closedir(folder);
    }
    return done;
}

void cella_devices_open(const char *platform, uint64_t owner, struct cella_devices *out)
{
    *out = (struct cella_devices){ .platform = platform };
    if (geteuid() != 0 || !belongs(0, platform)) {
        return;
    }
    (void) snprintf(out->report, sizeof(out->report), REPORTS "/cella-host-%016llx",
                    (unsigned long long) owner);
    if ((mkdir(out->report, 0700) != 0 && errno != EEXIST) || !give_away(out->report)) {
        cella_devices_close(out);
    }
}

void cella_devices_close(struct cella_devices *devices)
{
    if (devices->report[0] != '\0') {
        (void) rmdir(devices->report); /* its files are the kernel's, and go with it */
    }
    devices->report[0] = '\0';
}

const struct cella_device *cella_devices_next(const struct cella_devices *devices, size_t index, const char **out_source)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (!belongs(i, devices->platform) || (i == 0 && devices->report[0] == '\0')) {
            continue;
        }
        if (index-- == 0) {
            *out_source = i == 0 ? devices->report : table[i].device.path;
            return &table[i].device;
        }
    }
    return NULL;
}
