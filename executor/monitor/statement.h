/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the executor states (docs/receipts.md): made here from the state, signed by the keyring.
 *
 * Statements about runs and deletions are leaves of the ledger's tree, together with the event that they are about, and
 * name evidence. The first one of a start has the evidence of this start kept in the ledger, with the log key
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

/*
 * Is this the code of a refusal that is signed: something that the executor decided, by state, rights, policies, quotas or
 * limits? Not of input that is malformed, and not of something that failed.
 */
bool cella_statement_is_refusal(cella_status status);

/*
 * The statement that the request which is being answered is refused. It changes nothing and is not logged: who asks often
 * does not make the ledger grow. Only for a request whose signature and sequence number were found good, and once: so there
 * is never more than one signature for one that was verified.
 *
 * status:    as for cella_statement_is_refusal
 * operation: that was asked for: of the table
 * args:      its arguments: the first of task, data, function, organisation, party that is an id is what the statement is
 *            about; else the party that asks. Untrusted
 * detail:    what the party is told; UTF-8
 * out:       replaced by the statement
 * CELLA_BAD_FIELD  detail is none; CELLA_NO_MEMORY, CELLA_CRYPTO_FAILED
 */
CELLA_MUST_USE cella_status cella_statement_of_refusal(struct cella_monitor *monitor, cella_status status,
                                                       const char *operation, const json_t *args, const char *detail,
                                                       struct cella_bytes *out);
