/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What both ways to an SNP report have in common: the certificates that the host gives with it, and the sealing key of
 * /dev/sev-guest. Source: GHCB specification 2.0, section 4.1.8.1 (certificate table); linux/sev-guest.h.
 */

#include "platform/back_end.h"

#define CELLA_SNP_REPORT_SIZE 1184U
#define CELLA_SNP_TABLE_MAX 65536U /* bytes */

/*
 * Endorsements from a certificate table of the host: entries of GUID, offset and length, a zero one at the end. The leaf
 * that signed the report comes first, then AMD's, each as DER.
 *
 * It is a cache and nothing more: a table that is empty, malformed or without the leaf gives no endorsements.
 *
 * table:        untrusted
 * report:       says whether VCEK or VLEK signed it
 * endorsements: appended to
 * CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_snp_endorse(struct cella_view table, struct cella_view report,
                                              struct cella_bytes *endorsements);

/*
 * A key that only this guest gets on this chip: of the same policy, image, family and measurement.
 * CELLA_SYSTEM_FAILED  there is no /dev/sev-guest, or it failed; CELLA_NO_MEMORY, CELLA_CRYPTO_FAILED
 */
CELLA_MUST_USE cella_status cella_snp_sealing_key(const struct cella_platform_setup *setup,
                                                  struct cella_secret *key);

/* Can this process open /dev/sev-guest? errno says why not. */
bool cella_snp_has_device(const struct cella_platform_setup *setup);
