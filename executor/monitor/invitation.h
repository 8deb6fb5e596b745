/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Invitations (docs/protocol.md section 14): what an administrator, or the manager of an organisation, has signed for
 * somebody who is to become a party. Made by clients; whoever has the charter can verify an administrator's. Each counts
 * once, and until it expires.
 */

#include "monitor/operation.h"

#define CELLA_INVITATION_MAX 4096U /* characters */

struct cella_invitation {
    char id[CELLA_ID_SIZE];
    struct cella_party *by;
    unsigned int roles;
    struct cella_organisation *organisation; /* NULL: none */
    bool manages;
};

/*
 * Read an invitation, and judge whether it counts for this party now.
 *
 * compact: JWS. Untrusted.
 * party:   id of who wants to use it
 * CELLA_BAD_INVITATION, CELLA_INVITATION_EXPIRED, CELLA_INVITATION_USED
 */
CELLA_MUST_USE cella_status cella_invitation_read(const struct cella_monitor *monitor, const char *compact,
                                                  const char *party, struct cella_invitation *out);
