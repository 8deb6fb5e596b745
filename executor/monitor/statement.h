/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the executor states about runs and deletions (docs/receipts.md): made here from the state, signed by the keyring,
 * and a leaf of the ledger's tree together with the event that they are about.
 *
 * Each names evidence. The first one of a start has the evidence of this start kept in the ledger, with the log key
 * certified by the executor's, so that a receipt can be given for any statement at any time.
 */

#include "monitor/monitor.h"

/*
 * The statement about a task that ends now.
 *
 * outputs: as in the event task.finished: name -> {sha256 (base64url), size}
 * usage:   likewise {cpu_us, peak_kib, bytes_in, bytes_out}
 * out:     replaced by the statement without receipts
 * CELLA_BAD_EVIDENCE  the executor's own evidence can not be read; CELLA_BAD_FIELD  what could not be read again; and those
 * of cella_monitor_commit
 */
CELLA_MUST_USE cella_status cella_statement_of_run(struct cella_monitor *monitor, const struct cella_task_record *task,
                                                   const json_t *outputs, const json_t *usage, struct cella_bytes *out);

/* The statement that data are deleted now, on the request that is being answered. As above. */
CELLA_MUST_USE cella_status cella_statement_of_deletion(struct cella_monitor *monitor, const struct cella_data *data,
                                                        struct cella_bytes *out);
