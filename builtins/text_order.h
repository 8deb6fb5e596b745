/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Texts in the order of their bytes; one that begins another one stands before it.
 */

#include "base/bytes.h"

/* Borrows its bytes. */
struct cella_text_entry {
    const uint8_t *data;
    size_t size;
    uint64_t value;  /* the caller's */
    uint64_t prefix; /* of cella_text_sort */
};

/* Sort; equal ones in any order. Needs as much memory again. CELLA_NO_MEMORY. */
CELLA_MUST_USE cella_status cella_text_sort(struct cella_text_entry *entries, size_t count);
