/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/run.h"

#include <stdlib.h>
#include <unistd.h>

#include "monitor/cgroups.h"
#include "monitor/child.h"

struct cella_run *cella_run_new(struct cella_runner *runner, struct cella_task_record *task)
{
    struct cella_run *run = calloc(1, sizeof(*run));
    if (run == NULL) {
        return NULL;
    }
    run->runner = runner;
    run->task = task;
    run->cell.socket = -1;
    run->cell.pidfd = -1;
    run->cell.slot = CELLA_CGROUPS_NO_SLOT;
    for (size_t i = 0; i < CELLA_TASK_FILES_MAX; i++) {
        run->inputs[i] = -1;
        run->outputs[i] = -1;
    }
    task->run = run;
    return run;
}

void cella_run_free(struct cella_run *run)
{
    if (run == NULL) {
        return;
    }
    run->task->run = NULL;
    cella_courier_release(run->courier);
    cella_run_kill_cell(run, CELLA_CANCELLED, "");
    cella_child_close(&run->cell.socket);
    cella_child_close(&run->cell.pidfd);
    for (size_t i = 0; i < CELLA_TASK_FILES_MAX; i++) {
        cella_child_close(&run->inputs[i]);
        cella_child_close(&run->outputs[i]);
        cella_secret_clear(&run->output_keys[i]);
    }
    cella_secret_clear(&run->result);
    cella_secret_clear(&run->log);
    cella_secret_clear(&run->error_message);
    cella_secret_clear(&run->traceback);
    cella_bytes_clear(&run->error_class);
    free(run);
}
