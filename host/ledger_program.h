/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What cella-host and the program that keeps its ledger say to each other: all that another store has to implement.
 *
 * cella-host starts   PROGRAM FILE MAX_BYTES text|json   with
 *   FILE       absolute path of the store, in the state folder; made where absent. When the program has ended in order,
 *              everything is in this one file, because a backup copies it
 *   MAX_BYTES  that the store may take on the disk, decimal
 *   text|json  form of the log lines that the program writes to descriptor 2
 *   descriptor 0 /dev/null; 1 and 2 the host's log; 3 the control socket, SOCK_SEQPACKET; no other
 *   all signals blocked: the program ignores those that are sent to whole groups, and unblocks them then
 *
 * Over the control socket the program sends one packet, the report: CELLA_LEDGER_REPORT_SIZE bytes, u32 status, u64 number
 * of records, a sentence about what is wrong, NUL-padded. A status other than CELLA_OK is its last word, and the host does
 * not start. From then on the host sends packets "L" with a descriptor: the host's end of a new link to the executor, on
 * which the program serves APPEND, READ, PUT and GET (base/link.h; docs/protocol.md section 9). The newest link is the only
 * one that is served. A commit is acknowledged when it is on the disk, never before, and is there as a whole or not at all.
 * When the control socket is closed, the program closes the store and ends, with status 0.
 *
 * Two programs on one FILE: the second one reports CELLA_EXISTS.
 */

#define CELLA_LEDGER_FILE "ledger.db" /* in the state folder; SQLite keeps two more files beside it */
#define CELLA_LEDGER_CONTROL_FD 3
#define CELLA_LEDGER_BLAME_MAX 256U /* bytes of the sentence, its end included */
#define CELLA_LEDGER_REPORT_SIZE (12U + CELLA_LEDGER_BLAME_MAX)
