/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/secret.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "trust/crypto.h"

void cella_wipe(void *data, size_t size)
{
    if (size > 0) {
        explicit_bzero(data, size);
    }
}

static size_t page_size(void)
{
    long size = sysconf(_SC_PAGESIZE);
    return size > 0 ? (size_t) size : 4096;
}

static cella_status map_pages(size_t size, struct cella_secret *out)
{
    size_t page = page_size();
    if (size > SIZE_MAX / 2) {
        return CELLA_NO_MEMORY;
    }
    size_t mapped = (size + page - 1) / page * page;
    void *data = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) {
        return CELLA_NO_MEMORY;
    }
    /* Locking has a small default limit and is best effort; the other two cost nothing and are promised. */
    (void) mlock(data, mapped);
    if (madvise(data, mapped, MADV_DONTDUMP) != 0 || madvise(data, mapped, MADV_WIPEONFORK) != 0) {
        (void) munmap(data, mapped);
        return CELLA_SYSTEM_FAILED;
    }
    *out = (struct cella_secret){ data, size, mapped };
    return CELLA_OK;
}

cella_status cella_secret_resize(struct cella_secret *secret, size_t size)
{
    if (size == 0 || size > secret->mapped) {
        cella_secret_clear(secret);
        return size == 0 ? CELLA_OK : map_pages(size, secret);
    }
    cella_wipe(secret->data, secret->size);
    secret->size = size;
    return CELLA_OK;
}

cella_status cella_secret_set(struct cella_secret *secret, struct cella_view bytes)
{
    struct cella_secret copy = { 0 };
    CELLA_TRY(cella_secret_resize(&copy, bytes.size));
    if (bytes.size > 0) {
        memcpy(copy.data, bytes.data, bytes.size);
    }
    cella_secret_take(secret, &copy);
    return CELLA_OK;
}

cella_status cella_secret_random(struct cella_secret *secret, size_t size)
{
    CELLA_TRY(cella_secret_resize(secret, size));
    cella_status status = cella_random(secret->data, size);
    if (status != CELLA_OK) {
        cella_secret_clear(secret);
    }
    return status;
}

void cella_secret_clear(struct cella_secret *secret)
{
    if (secret->data != NULL) {
        cella_wipe(secret->data, secret->size);
        (void) munmap(secret->data, secret->mapped);
    }
    *secret = (struct cella_secret){ 0 };
}

void cella_secret_take(struct cella_secret *to, struct cella_secret *from)
{
    if (to == from) {
        return;
    }
    cella_secret_clear(to);
    *to = *from;
    *from = (struct cella_secret){ 0 };
}
