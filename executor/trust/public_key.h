/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The inside of a public key, for signature.c and the certificates' file. */

#include <openssl/evp.h>

#include "trust/signature.h"

/* Takes over the reference. NULL (and the reference is given up) without memory. */
struct cella_public_key *cella_public_key_take(EVP_PKEY *key);
EVP_PKEY *cella_public_key_openssl(const struct cella_public_key *key);
