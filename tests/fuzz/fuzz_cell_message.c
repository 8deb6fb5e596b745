/* SPDX-License-Identifier: Apache-2.0 */

/* A cell's task, as the monitor writes it: whatever can be read is written back to the same bytes. */

#include <stdlib.h>

#include "cell/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cella_task task;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    if (cella_task_read(cella_view_of(data, size), &task) != CELLA_OK) {
        return 0;
    }
    if (cella_task_write(&task, &text) != CELLA_OK ||
        !cella_view_equal(cella_bytes_view(&text), cella_view_of(data, size))) {
        abort();
    }
    return 0;
}
