/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What trust/anchor.c turns into certificates. */

#include <stddef.h>

struct cella_anchor_data {
    const char *family;
    const char *subject; /* common name */
    const char *base64; /* of the certificate's DER */
};

extern const struct cella_anchor_data cella_anchor_roots[];
extern const size_t cella_anchor_root_count;

/* Certificates between a root and what signs: no anchors, only helpers on the way. */
extern const struct cella_anchor_data cella_anchor_intermediates[];
extern const size_t cella_anchor_intermediate_count;
