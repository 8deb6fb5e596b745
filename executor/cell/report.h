/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a cell sends to the monitor. Every function sends whole packets of cell/message.h on a connected socket and
 * blocks while the monitor is behind. Uses sendto only, the one call that a running cell may make on its socket.
 */

#include "cell/message.h"

struct cella_report_error {
    cella_status status;
    uint32_t line;               /* of the script; 0 unknown */
    struct cella_view exception; /* class name; may be empty */
    struct cella_view message;
    struct cella_view traceback;
};

/* Text of any size, in as many packets as it takes. CELLA_CLOSED  the monitor is gone */
CELLA_MUST_USE cella_status cella_report_log(int control, struct cella_view text);

/* The result's JSON text, in as many packets as it takes. CELLA_CLOSED */
CELLA_MUST_USE cella_status cella_report_result(int control, struct cella_view text);

/* Progress in 1/10000; the text is cut to its limit. CELLA_CLOSED */
CELLA_MUST_USE cella_status cella_report_progress(int control, uint16_t fraction, struct cella_view text);

/* Last message of a failed task; texts are cut so that it fits one packet. CELLA_CLOSED, CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_report_failure(int control, const struct cella_report_error *error);

/* Last message of a task that succeeded. CELLA_CLOSED */
CELLA_MUST_USE cella_status cella_report_done(int control);
