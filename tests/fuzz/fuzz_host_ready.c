/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the executor reports to the host at its start: a hostile executor may write anything into it, and what is
 * accepted becomes the text of a trust file.
 */

#include <stdlib.h>

#include "host/ready.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cella_ready ready;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    if (cella_ready_parse(cella_view_of(data, size), &ready) != CELLA_OK) {
        return 0;
    }
    if (cella_ready_trust_file(&ready, true, &text) != CELLA_OK) {
        abort();
    }
    /* Nothing that was accepted can end a string or a line of the file. */
    const char *const values[] = { ready.executor, ready.measurement, ready.root, ready.charter, ready.version };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if (strpbrk(values[i], "\"\\\n\r") != NULL) {
            abort();
        }
    }
    return 0;
}
