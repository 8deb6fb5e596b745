/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Clients' TCP connections, each carried as one stream of the front's link. The relay sees TLS records and nothing
 * else. Bytes wait in a bounded place (one window per connection and direction) or not at all.
 *
 * Without a front, and above the limit, a connection is closed at once, so that its client knows.
 */

#include "host/links.h"
#include "host/log.h"

#define CELLA_RELAY_CONNECTIONS_MAX 512U
#define CELLA_RELAY_FLUSH_S 30 /* a client that reads nothing for so long after the end is cut off */

struct cella_relay;

/*
 * Listen. address: IP address and port; port 0 takes a free one. shown: receives "ADDR:PORT", 96 characters.
 * CELLA_BAD_ARGUMENT  not an IP address; CELLA_SYSTEM_FAILED  errno says why; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_relay_new(struct event_base *base, struct cella_log *log, const char *host,
                                            uint16_t port, struct cella_relay **out, char shown[96]);
void cella_relay_free(struct cella_relay *relay);

/* The front that new connections go to; NULL while there is none. */
void cella_relay_set_front(struct cella_relay *relay, struct cella_peer *front);

/* No new connections from now on; those that exist go on. */
void cella_relay_stop(struct cella_relay *relay);
