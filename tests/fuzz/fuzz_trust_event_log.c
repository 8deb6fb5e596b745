/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "trust/event_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Events lie inside of the log, one behind the other; a replay counts those that extend. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cella_view content = cella_view_of(data, size);
    struct cella_event_log log;
    struct cella_event event;
    struct cella_replay replay;
    size_t extended = 0;
    cella_status status = cella_event_log_open(content, &log);
    while (status == CELLA_OK && (status = cella_event_log_next(&log, &event)) == CELLA_OK) {
        assert(event.data.size == 0 || (event.data.data >= data && event.data.data + event.data.size <= data + size));
        assert(!event.extends || event.number < CELLA_EVENT_REGISTERS);
        for (size_t i = 0; i < log.bank_count; i++) {
            assert(event.digests[i].size == log.banks[i].size);
        }
        extended += event.extends ? 1 : 0;
    }
    if (cella_event_log_replay(content, CELLA_HASH_SHA256, &replay) == CELLA_OK) {
        assert(status == CELLA_NOT_FOUND && replay.extend_count == extended);
    }
    (void) !cella_event_log_replay(content, CELLA_HASH_SHA384, &replay);
    return 0;
}
