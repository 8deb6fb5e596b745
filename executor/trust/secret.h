/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Secrets: keys, private source, anything that must not be swapped, dumped, inherited or left behind.
 *
 * A secret owns whole pages of its own: locked where RLIMIT_MEMLOCK allows it, left out of core dumps, zero in a
 * forked child, wiped before they are given back. There is no conversion to struct cella_bytes; whoever needs the
 * bytes says cella_secret_view, which is easy to find in a review. A zeroed object is an empty secret.
 */

#include "base/bytes.h"

struct cella_secret {
    uint8_t *data;
    size_t size;   /* bytes in use */
    size_t mapped; /* bytes mapped, a multiple of the page size */
};

/*
 * Make room for size zero bytes; old content is wiped. Each failure leaves the object empty.
 * CELLA_NO_MEMORY; CELLA_SYSTEM_FAILED  the kernel can not keep the pages out of core dumps or forked children
 */
CELLA_MUST_USE cella_status cella_secret_resize(struct cella_secret *secret, size_t size);

/* Copy bytes in; the caller wipes its own copy. */
CELLA_MUST_USE cella_status cella_secret_set(struct cella_secret *secret, struct cella_view bytes);

/* size bytes from the operating system's generator. CELLA_RANDOM_FAILED, CELLA_NO_MEMORY */
CELLA_MUST_USE cella_status cella_secret_random(struct cella_secret *secret, size_t size);

/* Borrow the bytes. Every use is a place to review. */
static inline struct cella_view cella_secret_view(const struct cella_secret *secret)
{
    return (struct cella_view){ secret->data, secret->size };
}

/* Wipe, unmap and zero the object. Accepts an empty one. */
void cella_secret_clear(struct cella_secret *secret);

/* Move: to's old content is wiped, from is empty afterwards. */
void cella_secret_take(struct cella_secret *to, struct cella_secret *from);

/* Wipe memory in a way that the compiler keeps. */
void cella_wipe(void *data, size_t size);
