/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The firmware's event log, for relying parties that want to see what was measured (trust/event_log.h): the TCG's of a
 * TPM, the CCEL of a TD.
 */

#include "platform/platform.h"

#define CELLA_TPM_EVENT_LOG "/sys/kernel/security/tpm0/binary_bios_measurements"
#define CELLA_TD_EVENT_LOG "/sys/firmware/acpi/tables/data/CCEL"

/*
 * Add the log to what comes with evidence, where this machine has one and it leads to the registers in that evidence. One
 * that does not would have every relying party refuse, also those that do not ask for one; left out, only those refuse
 * that do.
 *
 * type:         of the evidence; kinds without registers have no log
 * claims:       of the evidence, as its reader named them
 * endorsements: wire form; appended to
 * CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_firmware_log(const struct cella_platform_setup *setup, enum cella_evidence_type type,
                                               const struct cella_claims *claims, struct cella_bytes *endorsements);
