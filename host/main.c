/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <unistd.h>

#include "host/backup.h"
#include "host/host.h"
#include "host/root.h"

int main(int argc, char **argv)
{
    struct cella_host_config config;
    struct cella_log log = { .descriptor = STDERR_FILENO };
    char blame[CELLA_HOST_BLAME_MAX];
    signal(SIGPIPE, SIG_IGN);
    if (cella_host_config_read(argc, argv, &config, blame) != CELLA_OK) {
        fprintf(stderr, "cella-host: %s\n", blame);
        return 2;
    }
    log.json = config.log_json;
    bool launches = config.command == CELLA_HOST_RUN || config.command == CELLA_HOST_MEASURE ||
                    config.command == CELLA_HOST_DOCTOR;
    if (launches && cella_root_renew() != CELLA_OK) {
        cella_log_write(&log, CELLA_LOG_ERROR, "this is a chroot in which no user namespace can be made");
        return 1;
    }
    switch (config.command) {
    case CELLA_HOST_HELP:
        return fputs(cella_host_help(), stdout) < 0 ? 1 : 0;
    case CELLA_HOST_VERSION:
        return puts("cella-host " CELLA_VERSION) < 0 ? 1 : 0;
    case CELLA_HOST_MEASURE:
        return cella_host_measure(&config, &log);
    case CELLA_HOST_DOCTOR:
        return cella_host_doctor(&config, &log);
    case CELLA_HOST_BACKUP:
        return cella_host_backup(&config, &log);
    case CELLA_HOST_RESTORE:
        return cella_host_restore(&config, &log);
    case CELLA_HOST_RUN:
        return cella_host_run(&config, &log);
    }
    return 2;
}
