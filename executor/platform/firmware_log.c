/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/firmware_log.h"

#include "platform/device.h"
#include "trust/evidence_log.h"

cella_status cella_firmware_log(const struct cella_platform_setup *setup, enum cella_evidence_type type,
                                const struct cella_claims *claims, struct cella_bytes *endorsements)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes log = { 0 };
    const struct cella_back_end *reader = cella_back_end_of(type);
    const char *path = type == CELLA_EVIDENCE_TDX ? CELLA_TD_EVENT_LOG : CELLA_TPM_EVENT_LOG;
    struct cella_log_comparison comparison;
    struct cella_text ignored;
    if (reader == NULL || reader->log_registers == NULL) {
        return CELLA_OK;
    }
    cella_status status = cella_device_read(setup, path, CELLA_ENDORSEMENT_MAX, &log);
    if (status != CELLA_OK || log.size == 0 ||
        cella_log_compare(reader, claims, cella_bytes_view(&log), &comparison, &ignored) != CELLA_OK) {
        return status == CELLA_NO_MEMORY ? status : CELLA_OK;
    }
    return cella_platform_endorse(endorsements, CELLA_ENDORSE_EVENT_LOG, cella_bytes_view(&log));
}
