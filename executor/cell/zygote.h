/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The zygote's service: forks warm cells on request, hands each to the monitor, reaps them and reports their use.
 */

#include "cell/cell.h"

/*
 * Try out one cell, announce what is in force, serve until the monitor closes the socket.
 *
 * cell:     the state that every cell starts with
 * monitor:  the socket to the monitor
 * profile:  name for the announcement
 *
 * CELLA_CLOSED         the monitor is done with this zygote
 * CELLA_BAD_FORMAT     the monitor's message is not one of cell/message.h
 * CELLA_SYSTEM_FAILED  a cell could not be made, or came up with less layers than were announced
 * CELLA_NO_MEMORY
 *
 * Does not return in a cell.
 */
CELLA_MUST_USE cella_status cella_zygote_serve(struct cella_cell *cell, int monitor, struct cella_view profile);
