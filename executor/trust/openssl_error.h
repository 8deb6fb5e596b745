/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * OpenSSL keeps its errors in a queue per thread. What this folder leaves there would be taken by a later TLS call,
 * in this program or in Python's ssl module, for its own failure: so every failing path empties the queue.
 */

#include <openssl/err.h>

#include "base/status.h"

static inline cella_status cella_openssl_failed(cella_status status)
{
    ERR_clear_error();
    return status;
}
