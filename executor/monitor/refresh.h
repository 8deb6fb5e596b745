/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Evidence does not stay good for ever: it is made anew every hour, and what a vendor's service says about it
 * (trust/collateral.h) is asked for over the link, as stream COLLATERAL. The host fetches; whether it does, and what it
 * brings, is checked by clients. Without an answer the old one stays, which clients refuse once it has expired.
 */

#include "monitor/monitor.h"

#define CELLA_REFRESH_MS 3600000U
#define CELLA_REFRESH_RETRY_MS (5U * 60U * 1000U) /* after a failure */
#define CELLA_REFRESH_WAIT_MS 30000U              /* for the host's answer; at start nobody is served before */

struct cella_refresh;

/* For monitor->refresh. NULL without memory. free accepts NULL and goes before the link. */
struct cella_refresh *cella_refresh_new(struct cella_monitor *monitor);
void cella_refresh_free(struct cella_refresh *refresh);

/*
 * Ask for what this evidence needs; the answer goes to monitor->collateral when it comes. When nothing is needed, or it
 * can not be asked for, the operator is told and nothing else happens.
 *
 * evidence, endorsements: of this executor, endorsements in wire form
 */
void cella_refresh_ask(struct cella_refresh *refresh, enum cella_evidence_type type, struct cella_view evidence,
                       struct cella_view endorsements);

/* At start, before the loop runs: ask for what monitor->evidence needs, wait for the answer, plan the next time. */
void cella_refresh_start(struct cella_refresh *refresh);

/* Events of a stream whose user is the refresh object; the link's callbacks pass them on. */
void cella_refresh_data(struct cella_refresh *refresh, struct cella_view bytes);
void cella_refresh_closed(struct cella_refresh *refresh, cella_status status);
