/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where data lie: in the host's store, or at a URL that the host fetches them from for each run. What they are says their
 * digest, which contracts name; so a location may change, and nothing that was approved changes with it.
 */

#include "monitor/operation.h"

/*
 * Check the form of a URL: http or https, a host, no user and password, no fragment; 9 to CELLA_URL_MAX printable ASCII characters.
 * Whether the host fetches from there is its operator's to say.
 *
 * url: of a party, untrusted
 * CELLA_BAD_FIELD  it is none; CELLA_TOO_LARGE
 */
CELLA_MUST_USE cella_status cella_location_check(const char *url);
