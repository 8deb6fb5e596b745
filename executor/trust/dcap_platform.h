/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a PCK certificate says about the platform (its extension 1.2.840.113741.1.13.1), and what Intel's collateral says
 * about such platforms. Source: Intel SGX PCK certificate and CRL profile specification; Intel PCS API v4.
 */

#include "trust/certificate.h"
#include "trust/claims.h"
#include "trust/json.h"

#define CELLA_DCAP_COMPONENTS 16U

/* Statuses from good to bad; the numbers are an order. */
enum cella_tcb_status {
    CELLA_TCB_UP_TO_DATE,
    CELLA_TCB_SW_HARDENING,
    CELLA_TCB_CONFIGURATION,
    CELLA_TCB_CONFIGURATION_AND_SW_HARDENING,
    CELLA_TCB_OUT_OF_DATE,
    CELLA_TCB_OUT_OF_DATE_CONFIGURATION,
    CELLA_TCB_REVOKED,
};

/* Intel's names, by status; ends with NULL. */
extern const char *const cella_tcb_status_names[];

/* From and to Intel's names ("UpToDate"). CELLA_BAD_FORMAT  unknown: there is no harmless guess */
CELLA_MUST_USE cella_status cella_tcb_status_of(const char *name, enum cella_tcb_status *out);
const char *cella_tcb_status_name(enum cella_tcb_status status);

/* A platform's status, made worse by that of the TDX module or the quoting enclave. */
enum cella_tcb_status cella_tcb_status_merge(enum cella_tcb_status platform, enum cella_tcb_status part);

struct cella_pck {
    uint8_t components[CELLA_DCAP_COMPONENTS];
    uint32_t pce_svn;
    struct cella_view pce_id;      /* 2 bytes */
    struct cella_view fmspc;       /* 6 bytes */
    struct cella_view ppid;        /* 16 bytes */
    struct cella_view instance_id; /* 16 bytes; empty where the platform has none */
    bool has_configuration;
    bool dynamic_platform;
    bool cached_keys;
    bool smt;
};

/* Read the extension. CELLA_NOT_FOUND; CELLA_BAD_FORMAT  a member is missing, doubled or of the wrong form */
CELLA_MUST_USE cella_status cella_pck_read(const struct cella_certificate *leaf, struct cella_pck *out);

/*
 * The TCB level of a platform.
 *
 * levels:  tcbLevels of a TCB info
 * tdx_svn: TEE_TCB_SVN of the TD, 16 bytes; empty for SGX
 * level:   receives the first level in Intel's order that the platform reaches
 * CELLA_NOT_FOUND  it reaches none; CELLA_BAD_FORMAT
 */
CELLA_MUST_USE cella_status cella_tcb_level(const json_t *levels, const struct cella_pck *pck,
                                            struct cella_view tdx_svn, const json_t **level);
