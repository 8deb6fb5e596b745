/* SPDX-License-Identifier: Apache-2.0 */
/* cella-ledger: keeps the executor's sealed records in SQLite. Started by cella-host; ledger_program.h says how. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/packet.h"
#include "base/wire.h"
#include "host/ledger_program.h"
#include "host/ledger_serve.h"

/* The host ends it by closing the control socket, so that it is never cut off within a commit by a signal to all. */
static void set_signals(void)
{
    static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ };
    sigset_t none;
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
        (void) signal(ignored[i], SIG_IGN);
    }
    (void) sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

static cella_status open_store(const char *path, const char *room, struct cella_ledger_store **out, uint64_t *records,
                               char blame[CELLA_LEDGER_BLAME_MAX])
{
    char *end;
    errno = 0;
    unsigned long long max_bytes = strtoull(room, &end, 10);
    if (errno != 0 || *end != '\0' || end == room) {
        (void) snprintf(blame, CELLA_LEDGER_BLAME_MAX, "cella-ledger: %.64s is no number of bytes", room);
        return CELLA_BAD_ARGUMENT;
    }
    CELLA_TRY(cella_ledger_sqlite_open(path, max_bytes, out, blame));
    cella_status status = (*out)->class->size(*out, records);
    if (status != CELLA_OK) {
        (void) snprintf(blame, CELLA_LEDGER_BLAME_MAX, "ledger %.120s: %s", path, cella_status_text(status));
    }
    return status;
}

static cella_status report(cella_status status, uint64_t records, const char blame[CELLA_LEDGER_BLAME_MAX])
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_TRY(cella_write_u32(&text, (uint32_t) status));
    CELLA_TRY(cella_write_u64(&text, records));
    CELLA_TRY(cella_bytes_append(&text, cella_view_of(blame, CELLA_LEDGER_BLAME_MAX)));
    return cella_packet_send(CELLA_LEDGER_CONTROL_FD, cella_bytes_view(&text), NULL, 0);
}

int main(int argc, char **argv)
{
    char blame[CELLA_LEDGER_BLAME_MAX] = "";
    struct cella_ledger_store *store = NULL;
    struct cella_log log = { .descriptor = STDERR_FILENO };
    uint64_t records = 0;
    struct stat facts;
    set_signals();
    (void) umask(077);
    if (argc != 4 || fstat(CELLA_LEDGER_CONTROL_FD, &facts) != 0 || !S_ISSOCK(facts.st_mode)) {
        (void) fputs("cella-ledger keeps the ledger of an executor; cella-host starts it\n", stderr);
        return 2;
    }
    log.json = strcmp(argv[3], "json") == 0;
    cella_status status = open_store(argv[1], argv[2], &store, &records, blame);
    if (report(status, records, blame) == CELLA_OK && status == CELLA_OK) {
        cella_ledger_serve(store, CELLA_LEDGER_CONTROL_FD, &log);
    }
    if (store != NULL) {
        cella_status closed = store->class->close(store);
        status = status == CELLA_OK ? closed : status;
    }
    return status == CELLA_OK ? 0 : 1;
}
