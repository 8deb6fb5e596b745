/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "platform/back_end.h"
#include "platform/firmware_log.h"
#include "platform/sealing.h"
#include "trust/back_end.h"

struct cella_platform {
    const struct cella_platform_back_end *back_end;
    const struct cella_platform_setup *setup;
    enum cella_evidence_type type;
    void *state;
};

/* The preferred ones first: what binds the whole machine's memory to hardware before what does not. */
static const struct cella_platform_back_end *const back_ends[] = {
    &cella_platform_tsm,
    &cella_platform_sev_guest,
    &cella_platform_gramine,
    &cella_platform_nsm,
    &cella_platform_tpm,
    &cella_platform_soft,
};

#define BACK_ENDS (sizeof(back_ends) / sizeof(back_ends[0]))
_Static_assert(BACK_ENDS <= CELLA_PLATFORMS_MAX, "findings have room for every back-end");

static bool seals(const struct cella_platform_back_end *back_end)
{
    return back_end->sealing_key != NULL || back_end->seal != NULL;
}

static void look(const struct cella_platform_back_end *back_end, const struct cella_platform_setup *setup,
                 struct cella_platform_finding *finding)
{
    *finding = (struct cella_platform_finding){
        .name = back_end->name,
        .type = back_end->type,
        .level = back_end->level,
        .seals = seals(back_end),
    };
    back_end->look(setup, finding);
}

size_t cella_platform_look(const struct cella_platform_setup *setup,
                           struct cella_platform_finding findings[CELLA_PLATFORMS_MAX])
{
    for (size_t i = 0; i < BACK_ENDS; i++) {
        look(back_ends[i], setup, &findings[i]);
    }
    return BACK_ENDS;
}

/* An interface whose kind is not fixed gives SNP or TDX. */
static bool may_be(const struct cella_platform_back_end *back_end, const char *kind)
{
    if (back_end->type != CELLA_EVIDENCE_NONE) {
        return strcmp(cella_evidence_type_name(back_end->type), kind) == 0;
    }
    return strcmp(kind, cella_evidence_type_name(CELLA_EVIDENCE_SNP)) == 0 ||
           strcmp(kind, cella_evidence_type_name(CELLA_EVIDENCE_TDX)) == 0;
}

/* Found, but it gives evidence of another kind than the one that is wanted. */
static void want_kind(const char *kind, struct cella_platform_finding *finding)
{
    if (finding->usable && strcmp(cella_evidence_type_name(finding->type), kind) != 0) {
        finding->usable = false;
        cella_text_set(&finding->why, "this machine gives %s, not %s", cella_evidence_type_name(finding->type), kind);
    }
}

/*
 * The first usable back-end of those that are meant: all, those of a kind, or one by its own name. finding says what is with
 * it, or with the first of them when none is usable. NULL: none has the name.
 */
static const struct cella_platform_back_end *choose(const char *name, const struct cella_platform_setup *setup,
                                                    struct cella_platform_finding *finding)
{
    const struct cella_platform_back_end *first = NULL;
    bool any = strcmp(name, "auto") == 0;
    for (size_t i = 0; i < BACK_ENDS; i++) {
        struct cella_platform_finding found;
        bool by_kind = may_be(back_ends[i], name);
        if (!any && !by_kind && strcmp(name, back_ends[i]->name) != 0) {
            continue;
        }
        look(back_ends[i], setup, &found);
        if (by_kind) {
            want_kind(name, &found);
        }
        if (found.usable || first == NULL) {
            *finding = found;
            first = back_ends[i];
        }
        if (found.usable) {
            return first;
        }
    }
    if (any) {
        cella_text_set(&finding->why, "no platform is usable on this machine; cella-host doctor says why");
    }
    return first;
}

cella_status cella_platform_open(const char *name, const struct cella_platform_setup *setup,
                                 struct cella_platform **out, struct cella_text *why)
{
    struct cella_platform_finding finding = { 0 };
    const struct cella_platform_back_end *back_end = choose(name, setup, &finding);
    if (back_end == NULL) {
        cella_text_set(why, "there is no platform of this name");
        return CELLA_BAD_FIELD;
    }
    *why = finding.why;
    if (!finding.usable) {
        return CELLA_SYSTEM_FAILED;
    }
    struct cella_platform *platform = calloc(1, sizeof(*platform));
    if (platform == NULL) {
        return CELLA_NO_MEMORY;
    }
    *platform = (struct cella_platform){ .back_end = back_end, .setup = setup, .type = finding.type };
    cella_status status = back_end->open == NULL ? CELLA_OK : back_end->open(setup, &platform->state);
    if (status != CELLA_OK) {
        free(platform);
        return status;
    }
    *out = platform;
    return CELLA_OK;
}

void cella_platform_free(struct cella_platform *platform)
{
    if (platform != NULL) {
        if (platform->back_end->close != NULL) {
            platform->back_end->close(platform->state);
        }
        free(platform);
    }
}

const char *cella_platform_name(const struct cella_platform *platform)
{
    return platform->back_end->name;
}

enum cella_evidence_type cella_platform_type(const struct cella_platform *platform)
{
    return platform->type;
}

const char *cella_platform_trouble(const struct cella_platform *platform)
{
    const struct cella_platform_back_end *back_end = platform->back_end;
    return back_end->trouble == NULL ? "" : back_end->trouble(platform->state)->characters;
}

static bool same_bytes(struct cella_view a, struct cella_view b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* Read it as a relying party will: a device that answers another question, or nonsense, is noticed here. */
static cella_status check_bound(enum cella_evidence_type type, struct cella_view evidence, struct cella_view came_along,
                                struct cella_view report_data, struct cella_view nonce, struct cella_claims *claims)
{
    CELLA_CLEANUP(cella_parsed_clear) struct cella_parsed parsed = { 0 };
    struct cella_endorsements endorsements;
    struct cella_text detail = { 0 };
    const struct cella_back_end *reader = cella_back_end_of(type);
    if (reader == NULL || evidence.size == 0 || evidence.size > CELLA_EVIDENCE_MAX ||
        cella_endorsements_read(came_along, &endorsements) != CELLA_OK ||
        reader->parse(evidence, &endorsements, claims, &parsed, &detail) != CELLA_OK ||
        !same_bytes(parsed.bound, report_data)) {
        return CELLA_BAD_EVIDENCE;
    }
    return parsed.nonce.size == 0 || same_bytes(parsed.nonce, nonce) ? CELLA_OK : CELLA_BAD_EVIDENCE;
}

cella_status cella_platform_evidence(struct cella_platform *platform,
                                     const uint8_t report_data[CELLA_REPORT_DATA_SIZE], struct cella_view nonce,
                                     struct cella_bytes *evidence, struct cella_bytes *endorsements)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes made = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes came_along = { 0 };
    struct cella_claims claims = { .count = 0 };
    CELLA_TRY(platform->back_end->evidence(platform->state, platform->setup, report_data, nonce, &made, &came_along));
    CELLA_TRY(check_bound(platform->type, cella_bytes_view(&made), cella_bytes_view(&came_along),
                          cella_view_of(report_data, CELLA_REPORT_DATA_SIZE), nonce, &claims));
    CELLA_TRY(cella_firmware_log(platform->setup, platform->type, &claims, &came_along));
    CELLA_TRY(cella_bytes_append(evidence, cella_bytes_view(&made)));
    return cella_bytes_append(endorsements, cella_bytes_view(&came_along));
}

bool cella_platform_seals(const struct cella_platform *platform)
{
    return seals(platform->back_end);
}

cella_status cella_platform_seal(struct cella_platform *platform, const char *purpose,
                                 const struct cella_secret *secret, struct cella_bytes *sealed)
{
    const struct cella_platform_back_end *back_end = platform->back_end;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    if (secret->size > CELLA_PLATFORM_SECRET_MAX) {
        return CELLA_TOO_LARGE;
    }
    if (back_end->seal != NULL) {
        return back_end->seal(platform->state, purpose, secret, sealed);
    }
    if (back_end->sealing_key == NULL) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_TRY(back_end->sealing_key(platform->state, platform->setup, &key));
    return cella_sealing_seal(&key, purpose, secret, sealed);
}

cella_status cella_platform_unseal(struct cella_platform *platform, const char *purpose, struct cella_view sealed,
                                   struct cella_secret *secret)
{
    const struct cella_platform_back_end *back_end = platform->back_end;
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    if (sealed.size > CELLA_PLATFORM_SEALED_MAX) {
        return CELLA_BAD_TAG;
    }
    if (back_end->unseal != NULL) {
        return back_end->unseal(platform->state, purpose, sealed, secret);
    }
    if (back_end->sealing_key == NULL) {
        return CELLA_SYSTEM_FAILED;
    }
    CELLA_TRY(back_end->sealing_key(platform->state, platform->setup, &key));
    return cella_sealing_unseal(&key, purpose, sealed, secret);
}

bool cella_platform_anchors(const struct cella_platform *platform)
{
    return platform->back_end->anchor != NULL;
}

cella_status cella_platform_anchor(struct cella_platform *platform, const struct cella_secret *key,
                                   uint8_t value[CELLA_PLATFORM_ANCHOR_SIZE])
{
    const struct cella_platform_back_end *back_end = platform->back_end;
    return back_end->anchor == NULL ? CELLA_SYSTEM_FAILED : back_end->anchor(platform->state, key, value);
}

cella_status cella_platform_anchor_new(struct cella_platform *platform, const struct cella_secret *key)
{
    const struct cella_platform_back_end *back_end = platform->back_end;
    return back_end->anchor_new == NULL ? CELLA_SYSTEM_FAILED : back_end->anchor_new(platform->state, key);
}

cella_status cella_platform_anchor_extend(struct cella_platform *platform, const struct cella_secret *key,
                                          const uint8_t digest[CELLA_SHA256_SIZE])
{
    const struct cella_platform_back_end *back_end = platform->back_end;
    return back_end->anchor_extend == NULL ? CELLA_SYSTEM_FAILED : back_end->anchor_extend(platform->state, key, digest);
}

cella_status cella_platform_path(const struct cella_platform_setup *setup, const char *path,
                                 char out[CELLA_PLATFORM_PATH_MAX])
{
    int size = snprintf(out, CELLA_PLATFORM_PATH_MAX, "%s%s", setup->root, path);
    return size < 0 || size >= CELLA_PLATFORM_PATH_MAX ? CELLA_TOO_LARGE : CELLA_OK;
}

cella_status cella_platform_endorse(struct cella_bytes *endorsements, enum cella_endorsement_kind kind,
                                    struct cella_view content)
{
    uint8_t byte = (uint8_t) kind;
    CELLA_TRY(cella_bytes_append(endorsements, cella_view_of(&byte, 1)));
    return cella_write_field(endorsements, content);
}
