/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/dcap_platform.h"

#include <stdio.h>
#include <string.h>

#include "trust/der.h"

#define EXTENSION "1.2.840.113741.1.13.1"

/* ---- statuses ---- */

const char *const cella_tcb_status_names[] = {
    [CELLA_TCB_UP_TO_DATE] = "UpToDate",
    [CELLA_TCB_SW_HARDENING] = "SWHardeningNeeded",
    [CELLA_TCB_CONFIGURATION] = "ConfigurationNeeded",
    [CELLA_TCB_CONFIGURATION_AND_SW_HARDENING] = "ConfigurationAndSWHardeningNeeded",
    [CELLA_TCB_OUT_OF_DATE] = "OutOfDate",
    [CELLA_TCB_OUT_OF_DATE_CONFIGURATION] = "OutOfDateConfigurationNeeded",
    [CELLA_TCB_REVOKED] = "Revoked",
    NULL,
};

#define STATUS_COUNT (sizeof(cella_tcb_status_names) / sizeof(cella_tcb_status_names[0]) - 1)

cella_status cella_tcb_status_of(const char *name, enum cella_tcb_status *out)
{
    for (size_t i = 0; name != NULL && i < STATUS_COUNT; i++) {
        if (strcmp(name, cella_tcb_status_names[i]) == 0) {
            *out = (enum cella_tcb_status) i;
            return CELLA_OK;
        }
    }
    return CELLA_BAD_FORMAT;
}

const char *cella_tcb_status_name(enum cella_tcb_status status)
{
    return cella_tcb_status_names[status];
}

enum cella_tcb_status cella_tcb_status_merge(enum cella_tcb_status platform, enum cella_tcb_status part)
{
    if (platform == CELLA_TCB_REVOKED || part == CELLA_TCB_REVOKED) {
        return CELLA_TCB_REVOKED;
    }
    if (part == CELLA_TCB_UP_TO_DATE || platform >= CELLA_TCB_OUT_OF_DATE) {
        return platform;
    }
    bool configuration =
        platform == CELLA_TCB_CONFIGURATION || platform == CELLA_TCB_CONFIGURATION_AND_SW_HARDENING;
    return configuration ? CELLA_TCB_OUT_OF_DATE_CONFIGURATION : CELLA_TCB_OUT_OF_DATE;
}

/* ---- the extension ---- */

/* Object identifiers below the extension's own, as DER content: 1.2.840.113741.1.13.1.<last...> */
static const uint8_t prefix[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01 };

/* {OID, value}: the last parts of the identifier, and the value with its tag. */
static cella_status next_pair(struct cella_reader *reader, struct cella_view *suffix, uint8_t *tag,
                              struct cella_view *value)
{
    struct cella_view pair;
    struct cella_view oid;
    CELLA_TRY(cella_der_expect(reader, CELLA_DER_SEQUENCE, &pair));
    struct cella_reader inner = cella_reader_of(pair);
    CELLA_TRY(cella_der_expect(&inner, CELLA_DER_OBJECT, &oid));
    CELLA_TRY(cella_der_next(&inner, tag, value));
    CELLA_TRY(cella_reader_end(&inner));
    if (oid.size <= sizeof(prefix) || memcmp(oid.data, prefix, sizeof(prefix)) != 0) {
        return CELLA_BAD_FORMAT;
    }
    *suffix = cella_view_of(oid.data + sizeof(prefix), oid.size - sizeof(prefix));
    return CELLA_OK;
}

static cella_status read_octets(uint8_t tag, struct cella_view value, size_t size, struct cella_view *out)
{
    if (tag != CELLA_DER_OCTETS || value.size != size) {
        return CELLA_BAD_FORMAT;
    }
    *out = value;
    return CELLA_OK;
}

/* Members .2.1 to .2.18: sixteen components, the PCE's number, and a sum of both that nobody needs. */
static cella_status read_tcb(struct cella_view tcb, struct cella_pck *out)
{
    struct cella_reader reader = cella_reader_of(tcb);
    uint32_t seen = 0;
    while (reader.rest.size > 0) {
        struct cella_view suffix;
        struct cella_view value;
        uint8_t tag;
        uint32_t number = 0;
        CELLA_TRY(next_pair(&reader, &suffix, &tag, &value));
        if (suffix.size != 2 || suffix.data[0] != 2 || suffix.data[1] < 1 || suffix.data[1] > 18 ||
            (seen >> suffix.data[1] & 1) != 0) {
            return CELLA_BAD_FORMAT;
        }
        seen |= (uint32_t) 1 << suffix.data[1];
        if (suffix.data[1] == 18) {
            continue;
        }
        CELLA_TRY(tag == CELLA_DER_INTEGER ? cella_der_number(value, &number) : CELLA_BAD_FORMAT);
        if (suffix.data[1] == 17) {
            out->pce_svn = number;
        } else if (number > UINT8_MAX) {
            return CELLA_BAD_FORMAT;
        } else {
            out->components[suffix.data[1] - 1] = (uint8_t) number;
        }
    }
    return seen == 0x7fffeU ? CELLA_OK : CELLA_BAD_FORMAT;
}

static cella_status read_configuration(struct cella_view configuration, struct cella_pck *out)
{
    struct cella_reader reader = cella_reader_of(configuration);
    bool *const flags[] = { &out->dynamic_platform, &out->cached_keys, &out->smt };
    while (reader.rest.size > 0) {
        struct cella_view suffix;
        struct cella_view value;
        uint8_t tag;
        CELLA_TRY(next_pair(&reader, &suffix, &tag, &value));
        if (suffix.size != 2 || suffix.data[0] != 7 || suffix.data[1] < 1 || suffix.data[1] > 3 ||
            tag != CELLA_DER_BOOLEAN || value.size != 1) {
            return CELLA_BAD_FORMAT;
        }
        *flags[suffix.data[1] - 1] = value.data[0] != 0;
    }
    out->has_configuration = true;
    return CELLA_OK;
}

static cella_status read_member(uint8_t number, uint8_t tag, struct cella_view value, struct cella_pck *out)
{
    switch (number) {
    case 1:
        return read_octets(tag, value, 16, &out->ppid);
    case 2:
        return tag == CELLA_DER_SEQUENCE ? read_tcb(value, out) : CELLA_BAD_FORMAT;
    case 3:
        return read_octets(tag, value, 2, &out->pce_id);
    case 4:
        return read_octets(tag, value, 6, &out->fmspc);
    case 5:
        return tag == CELLA_DER_ENUMERATED ? CELLA_OK : CELLA_BAD_FORMAT;
    case 6:
        return read_octets(tag, value, 16, &out->instance_id);
    case 7:
        return tag == CELLA_DER_SEQUENCE ? read_configuration(value, out) : CELLA_BAD_FORMAT;
    default:
        return CELLA_BAD_FORMAT;
    }
}

cella_status cella_pck_read(const struct cella_certificate *leaf, struct cella_pck *out)
{
    struct cella_view content;
    struct cella_view members;
    uint32_t seen = 0;
    *out = (struct cella_pck){ 0 };
    CELLA_TRY(cella_certificate_extension(leaf, EXTENSION, &content));
    struct cella_reader outer = cella_reader_of(content);
    CELLA_TRY(cella_der_expect(&outer, CELLA_DER_SEQUENCE, &members));
    CELLA_TRY(cella_reader_end(&outer));
    struct cella_reader reader = cella_reader_of(members);
    while (reader.rest.size > 0) {
        struct cella_view suffix;
        struct cella_view value;
        uint8_t tag;
        CELLA_TRY(next_pair(&reader, &suffix, &tag, &value));
        if (suffix.size != 1 || suffix.data[0] > 7 || (seen >> suffix.data[0] & 1) != 0) {
            return CELLA_BAD_FORMAT;
        }
        seen |= (uint32_t) 1 << suffix.data[0];
        CELLA_TRY(read_member(suffix.data[0], tag, value, out));
    }
    return (seen & 0x3e) == 0x3e ? CELLA_OK : CELLA_BAD_FORMAT;
}

/* ---- levels ---- */

/* A level's components. Version 3 has a list of objects, version 2 members with numbered names. */
static cella_status read_components(const json_t *tcb, const char *list_name, uint8_t out[CELLA_DCAP_COMPONENTS])
{
    const json_t *list = json_object_get(tcb, list_name);
    if (list != NULL && json_array_size(list) != CELLA_DCAP_COMPONENTS) {
        return CELLA_BAD_FORMAT;
    }
    for (size_t i = 0; i < CELLA_DCAP_COMPONENTS; i++) {
        char name[32];
        (void) snprintf(name, sizeof(name), "sgxtcbcomp%02zusvn", i + 1);
        const json_t *value =
            list != NULL ? json_object_get(json_array_get(list, i), "svn") : json_object_get(tcb, name);
        if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > UINT8_MAX) {
            return CELLA_BAD_FORMAT;
        }
        out[i] = (uint8_t) json_integer_value(value);
    }
    return CELLA_OK;
}

struct level {
    uint8_t sgx[CELLA_DCAP_COMPONENTS];
    json_int_t pce_svn;
    uint8_t tdx[CELLA_DCAP_COMPONENTS];
};

static cella_status read_level(const json_t *json, bool tdx, struct level *out)
{
    const json_t *tcb = json_object_get(json, "tcb");
    const json_t *pce_svn = json_object_get(tcb, "pcesvn");
    *out = (struct level){ 0 };
    if (!json_is_integer(pce_svn) || (tdx && !json_is_array(json_object_get(tcb, "tdxtcbcomponents")))) {
        return CELLA_BAD_FORMAT;
    }
    out->pce_svn = json_integer_value(pce_svn);
    CELLA_TRY(read_components(tcb, "sgxtcbcomponents", out->sgx));
    return tdx ? read_components(tcb, "tdxtcbcomponents", out->tdx) : CELLA_OK;
}

static bool reaches(const struct level *level, const struct cella_pck *pck, struct cella_view tdx_svn)
{
    for (size_t i = 0; i < CELLA_DCAP_COMPONENTS; i++) {
        if (pck->components[i] < level->sgx[i]) {
            return false;
        }
    }
    if ((json_int_t) pck->pce_svn < level->pce_svn) {
        return false;
    }
    /* From module version 1 on, the first two are the module's own, which its identity judges. */
    size_t first = tdx_svn.size > 1 && tdx_svn.data[1] > 0 ? 2 : 0;
    for (size_t i = first; i < tdx_svn.size; i++) {
        if (tdx_svn.data[i] < level->tdx[i]) {
            return false;
        }
    }
    return true;
}

static bool is_higher(const struct level *a, const struct level *b)
{
    int sgx = memcmp(a->sgx, b->sgx, sizeof(a->sgx));
    if (sgx != 0) {
        return sgx > 0;
    }
    if (a->pce_svn != b->pce_svn) {
        return a->pce_svn > b->pce_svn;
    }
    return memcmp(a->tdx, b->tdx, sizeof(a->tdx)) > 0;
}

cella_status cella_tcb_level(const json_t *levels, const struct cella_pck *pck, struct cella_view tdx_svn,
                             const json_t **level)
{
    struct level best = { 0 };
    *level = NULL;
    if (!json_is_array(levels) || json_array_size(levels) == 0) {
        return CELLA_BAD_FORMAT;
    }
    /* The highest that is reached, whatever order they are served in. */
    for (size_t i = 0; i < json_array_size(levels); i++) {
        struct level one;
        const json_t *json = json_array_get(levels, i);
        CELLA_TRY(read_level(json, tdx_svn.size > 0, &one));
        if (reaches(&one, pck, tdx_svn) && (*level == NULL || is_higher(&one, &best))) {
            best = one;
            *level = json;
        }
    }
    return *level == NULL ? CELLA_NOT_FOUND : CELLA_OK;
}
