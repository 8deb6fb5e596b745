/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host_state.h"

#include <errno.h>
#include <unistd.h>

#include "host/ready.h"

static void announce(struct cella_host *host)
{
    cella_log_write(host->log, CELLA_LOG_INFO, "ready: clients connect to %s", host->address);
    char line[128];
    int size = snprintf(line, sizeof(line), "%s\n", host->address);
    cella_status status =
        cella_state_folder_write(&host->folder, "address", cella_view_of(line, (size_t) size - 1));
    if (status != CELLA_OK) {
        cella_log_write(host->log, CELLA_LOG_WARNING, "address file not written: %s", strerror(errno));
    }
    if (!host->ever_ready && host->config->ready_fd >= 0) {
        (void) !write(host->config->ready_fd, line, (size_t) size);
        close(host->config->ready_fd);
    }
    host->ever_ready = true;
}

void cella_host_consider_ready(struct cella_host *host)
{
    if (host->reported && host->front != NULL) {
        announce(host);
    }
}

/* For other evidence than soft there is nothing of value in what this machine says about itself: none is left lying. */
static void write_trust_file(struct cella_host *host, const struct cella_ready *ready)
{
    if (strcmp(ready->platform, "soft") != 0) {
        cella_state_folder_remove(&host->folder, "trust.toml");
        return;
    }
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    cella_status status = cella_ready_trust_file(ready, host->config->allow_missing_layers, &text);
    if (status == CELLA_OK) {
        status = cella_state_folder_write(&host->folder, "trust.toml", cella_bytes_view(&text));
    }
    if (status != CELLA_OK) {
        cella_log_write(host->log, CELLA_LOG_ERROR, "trust file not written: %s", strerror(errno));
    }
}

static void describe_evidence(struct cella_host *host, const char *platform)
{
    const char *folder = host->folder.path;
    if (strcmp(platform, "soft") == 0) {
        cella_log_write(host->log, CELLA_LOG_INFO, "state folder %s, trust file %s/trust.toml", folder, folder);
        cella_log_write(host->log, CELLA_LOG_INFO,
                        "assurance level 2, soft: files are hashed and signed by software on this machine. For "
                        "development and tests; the operator of this machine could forge it");
    } else {
        cella_log_write(host->log, CELLA_LOG_INFO, "state folder %s", folder);
        cella_log_write(host->log, CELLA_LOG_INFO,
                        "evidence %s: which level it reaches, each client decides with a trust file of its own; "
                        "\"cella trust init --for %s\" makes one to fill in",
                        platform, platform);
    }
}

void cella_host_report(struct cella_host *host, struct cella_view note)
{
    struct cella_ready ready;
    if (cella_ready_parse(note, &ready) != CELLA_OK) {
        cella_log_write(host->log, CELLA_LOG_WARNING, "the executor's report is malformed and was ignored");
        return;
    }
    write_trust_file(host, &ready);
    cella_log_write(host->log, CELLA_LOG_INFO, "executor %s, version %s", ready.executor, ready.version);
    cella_log_write(host->log, CELLA_LOG_INFO, "measurement %s", ready.measurement);
    describe_evidence(host, ready.platform);
    host->reported = true;
    cella_host_consider_ready(host);
}
