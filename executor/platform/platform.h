/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The platform: how this machine states what runs on it (evidence), and how it keeps a secret that only the same
 * software on the same machine may read again (sealing). One back-end per interface of a machine (back_end.h); which
 * ones are there is found out, never assumed, and why one is not is told in words.
 *
 * What a device says is as untrusted as the host that may stand behind it: sizes are bounded, answers are checked
 * against what was asked. Whether evidence is any good is decided by the relying party alone (trust/evidence.h).
 */

#include "base/text.h"
#include "trust/endorsement.h"
#include "trust/evidence.h"

#define CELLA_PLATFORMS_MAX 12
#define CELLA_PLATFORM_SECRET_MAX 4096U /* bytes of a secret to seal */
#define CELLA_PLATFORM_SEALED_MAX 8192U /* bytes of a sealed one */
#define CELLA_PLATFORM_ANCHOR_SIZE CELLA_SHA256_SIZE

/* Where to look, and what back-ends need to know. Everything is borrowed and must outlive the platform. */
struct cella_platform_setup {
    const char *root;                    /* stands for "/" in every path of a device; "" for the machine's own. Trusted */
    const struct cella_secret *soft_root; /* seed of the machine's software root; NULL: no soft platform */
    const uint8_t *measurement;          /* of the executor's files, CELLA_SHA256_SIZE bytes; for soft evidence and sealing */
    uint32_t layers;                     /* soft: CELLA_LAYER_* bits that stand around cells */
    int tpm_wait_ms;                     /* longest wait for one answer of a TPM; 0: a minute */
};

/* What was found out about one back-end. */
struct cella_platform_finding {
    const char *name;            /* "tsm", "tpm", ...: the interface */
    enum cella_evidence_type type;
    int level;                   /* the highest that its evidence can reach */
    bool usable;
    bool seals;                  /* it has a key to seal with */
    struct cella_text why;       /* one sentence: what was found, or what is missing and how to get it */
};

struct cella_platform;

/* Look for every back-end, the preferred ones first. Asks no device for anything. Returns how many findings there are. */
size_t cella_platform_look(const struct cella_platform_setup *setup,
                           struct cella_platform_finding findings[CELLA_PLATFORMS_MAX]);

/*
 * Take one.
 *
 * name: a kind of evidence ("snp"): the first usable back-end that gives it; a back-end; or "auto": the first usable one
 * why:  for the operator: why it was taken, or what is missing
 * CELLA_BAD_FIELD      no back-end has this name
 * CELLA_SYSTEM_FAILED  it is not usable; CELLA_NO_MEMORY
 */
CELLA_MUST_USE cella_status cella_platform_open(const char *name, const struct cella_platform_setup *setup,
                                                struct cella_platform **out, struct cella_text *why);
void cella_platform_free(struct cella_platform *platform);

const char *cella_platform_name(const struct cella_platform *platform);
enum cella_evidence_type cella_platform_type(const struct cella_platform *platform);

/* Why the last call failed, in a sentence for the operator; "" when the back-end has nothing to say. */
const char *cella_platform_trouble(const struct cella_platform *platform);

/*
 * Evidence that is bound to report_data. May take long, where the machine's owner slows the device down: a minute per try
 * of the kernel's driver. One thread at a time.
 *
 * nonce:        the relying party's, for formats that have a place of their own for it; may be empty. It is part of
 *               report_data in any case
 * evidence:     in the TEE's own format; appended to
 * endorsements: wire form of what the machine gave with it (certificates, event log); appended to, may stay empty
 * CELLA_SYSTEM_FAILED  the device failed, or is busy for too long
 * CELLA_BAD_EVIDENCE   what it gave is not bound to report_data, or is none
 */
CELLA_MUST_USE cella_status cella_platform_evidence(struct cella_platform *platform,
                                                    const uint8_t report_data[CELLA_REPORT_DATA_SIZE],
                                                    struct cella_view nonce, struct cella_bytes *evidence,
                                                    struct cella_bytes *endorsements);

/* Whether it can seal: without that nothing outlives the executor's process. */
bool cella_platform_seals(const struct cella_platform *platform);

/*
 * Seal a secret for the same software on the same machine; unseal it there.
 *
 * purpose: what it is for, as associated data: a secret sealed for one purpose can not be passed off as another
 * sealed:  appended to. Opaque, of the back-end: may be kept by the host
 * CELLA_SYSTEM_FAILED  the device failed, or this back-end can not seal
 * CELLA_TOO_LARGE      above CELLA_PLATFORM_SECRET_MAX
 * CELLA_BAD_TAG        unseal: other software, another machine, another purpose, or changed bytes
 */
CELLA_MUST_USE cella_status cella_platform_seal(struct cella_platform *platform, const char *purpose,
                                                const struct cella_secret *secret, struct cella_bytes *sealed);
CELLA_MUST_USE cella_status cella_platform_unseal(struct cella_platform *platform, const char *purpose,
                                                  struct cella_view sealed, struct cella_secret *secret);

/*
 * Anchors: CELLA_PLATFORM_ANCHOR_SIZE bytes for each key, which the machine keeps where its owner can not put an old value back: an
 * extension replaces the value by SHA-256(value || digest), and there is no other way to change it. Zeros before the first.
 *
 * key: the caller's, never given away; which anchor it is and who may use it follow from it. Trusted
 * CELLA_NOT_FOUND      there is none for this key; of new: not
 * CELLA_BAD_TAG        somebody else has made something in its place
 * CELLA_SYSTEM_FAILED  the device failed, has no room, or this back-end has no anchors; after an extension: it is not known
 *                      whether it took place
 */
bool cella_platform_anchors(const struct cella_platform *platform);
CELLA_MUST_USE cella_status cella_platform_anchor(struct cella_platform *platform, const struct cella_secret *key,
                                                  uint8_t value[CELLA_PLATFORM_ANCHOR_SIZE]);
CELLA_MUST_USE cella_status cella_platform_anchor_new(struct cella_platform *platform, const struct cella_secret *key);
CELLA_MUST_USE cella_status cella_platform_anchor_extend(struct cella_platform *platform, const struct cella_secret *key,
                                                         const uint8_t digest[CELLA_SHA256_SIZE]);
