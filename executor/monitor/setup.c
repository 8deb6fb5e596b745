/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/setup.h"

#include <stdio.h>
#include <unistd.h>

#include "monitor/right.h"
#include "trust/evidence.h"

#define CONFIG_MAX 16384U
#define POOL_MAX 64
#define MIB ((uint64_t) 1 << 20)

static cella_status blame(struct cella_json_error *error, const char *member)
{
    (void) snprintf(error->field, sizeof(error->field), "%s", member);
    return CELLA_BAD_FIELD;
}

static cella_status read_profiles(const json_t *list, struct cella_json_error *error, struct cella_config *out)
{
    size_t most = sizeof(out->profiles) / sizeof(out->profiles[0]);
    if (json_array_size(list) == 0 || json_array_size(list) > most) {
        return blame(error, "profiles");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        size_t size = name == NULL ? 0 : strlen(name);
        if (size == 0 || size >= sizeof(out->profiles[0]) ||
            strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != size) {
            return blame(error, "profiles");
        }
        memcpy(out->profiles[i], name, size + 1);
        out->profile_count++;
    }
    return CELLA_OK;
}

cella_status cella_setup_config(struct cella_view text, struct cella_json_error *error, struct cella_config *out)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = NULL;
    struct cella_json_object object;
    int64_t pool = 4;
    int64_t pool_memory = (int64_t) 1 << 30;
    int64_t recycle = 10000;
    int64_t concurrency = sysconf(_SC_NPROCESSORS_ONLN);
    const char *programs;
    const char *platform = "soft";
    json_t *profiles;
    struct cella_config config = { 0 };
    CELLA_TRY(cella_json_parse(text, CONFIG_MAX, &json));
    CELLA_TRY(cella_json_begin(json, "", error, &object));
    CELLA_TRY(cella_json_integer_optional(&object, "pool", 1, POOL_MAX, &pool));
    CELLA_TRY(cella_json_integer_optional(&object, "pool_memory_bytes", 1, INT64_MAX, &pool_memory));
    CELLA_TRY(cella_json_integer_optional(&object, "recycle", 1, INT64_MAX, &recycle));
    CELLA_TRY(cella_json_integer_optional(&object, "concurrency", 1, POOL_MAX, &concurrency));
    CELLA_TRY(cella_json_boolean_optional(&object, "allow_missing_layers", &config.allow_missing_layers));
    CELLA_TRY(cella_json_string_optional(&object, "platform", sizeof(config.platform) - 1, &platform));
    CELLA_TRY(cella_json_member(&object, "profiles", JSON_ARRAY, &profiles));
    CELLA_TRY(cella_json_string(&object, "programs", sizeof(config.programs) - 1, &programs));
    CELLA_TRY(cella_json_end(&object));
    memcpy(config.platform, platform, strlen(platform) + 1);
    memcpy(config.programs, programs, strlen(programs) + 1);
    config.pool = (uint32_t) pool;
    config.pool_memory = (uint64_t) pool_memory;
    config.recycle = (uint64_t) recycle;
    config.concurrency = (uint32_t) concurrency;
    CELLA_TRY(read_profiles(profiles, error, &config));
    *out = config;
    return CELLA_OK;
}

/* A list of party ids, each once. */
static cella_status read_ids(const json_t *list, const char *member, struct cella_json_error *error,
                             char out[CELLA_CHARTER_PARTIES_MAX][CELLA_THUMBPRINT_SIZE + 1], size_t *count)
{
    uint8_t digest[CELLA_SHA256_SIZE];
    if (json_array_size(list) > CELLA_CHARTER_PARTIES_MAX) {
        return blame(error, member);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *id = json_string_value(json_array_get(list, i));
        if (id == NULL ||
            cella_base64url_decode_exact(cella_view_of_string(id), digest, sizeof(digest)) != CELLA_OK) {
            return blame(error, member);
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(out[k], id) == 0) {
                return blame(error, member);
            }
        }
        memcpy(out[i], id, CELLA_THUMBPRINT_SIZE + 1);
    }
    *count = json_array_size(list);
    return CELLA_OK;
}

static cella_status read_enrolment(const char *word, struct cella_json_error *error, struct cella_charter *out)
{
    static const char *const words[] = {
        [CELLA_ENROL_OPEN] = "open", [CELLA_ENROL_INVITE] = "invite", [CELLA_ENROL_ADMIN] = "admin",
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], word) == 0) {
            out->enrolment = (enum cella_enrolment) i;
            return CELLA_OK;
        }
    }
    return blame(error, "enrol");
}

/* Who governs. Where parties do not enrol by themselves, somebody has to be there to let them in. */
static cella_status read_government(struct cella_json_object *object, struct cella_json_error *error,
                                    struct cella_charter *out)
{
    json_t *administrators = NULL;
    json_t *auditors = NULL;
    json_t *auditors_read = NULL;
    json_t *roles = NULL;
    CELLA_TRY(cella_json_member_optional(object, "administrators", JSON_ARRAY, &administrators));
    CELLA_TRY(cella_json_member_optional(object, "auditors", JSON_ARRAY, &auditors));
    CELLA_TRY(cella_json_member_optional(object, "auditors_read", JSON_ARRAY, &auditors_read));
    CELLA_TRY(cella_json_member_optional(object, "roles", JSON_ARRAY, &roles));
    CELLA_TRY(cella_json_integer_optional(object, "approval_s", 1, 10 * 366 * 86400, &out->approval_s));
    CELLA_TRY(read_ids(administrators, "administrators", error, out->administrators, &out->administrator_count));
    CELLA_TRY(read_ids(auditors, "auditors", error, out->auditors, &out->auditor_count));
    if (out->enrolment != CELLA_ENROL_OPEN && out->administrator_count == 0) {
        return blame(error, "administrators");
    }
    if (auditors_read != NULL && cella_right_reading(auditors_read, &out->auditors_read) != CELLA_OK) {
        return blame(error, "auditors_read");
    }
    if (roles != NULL && (cella_roles_read(roles, &out->roles) != CELLA_OK ||
                          (out->roles & ~CELLA_ROLES_ORDINARY) != 0)) {
        return blame(error, "roles");
    }
    return CELLA_OK;
}

cella_status cella_setup_charter(struct cella_view text, struct cella_json_error *error, struct cella_charter *out)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = NULL;
    struct cella_json_object object;
    struct cella_charter charter = { .roles = CELLA_ROLES_ORDINARY, .approval_s = CELLA_APPROVAL_DEFAULT_S };
    int64_t version;
    const char *enrol;
    json_t *chosen = NULL;
    CELLA_TRY(cella_json_parse(text, CELLA_CHARTER_MAX, &json));
    CELLA_TRY(cella_json_begin(json, "", error, &object));
    CELLA_TRY(cella_json_integer(&object, "version", 1, 1, &version));
    CELLA_TRY(cella_json_string(&object, "enrol", 16, &enrol));
    CELLA_TRY(read_enrolment(enrol, error, &charter));
    CELLA_TRY(read_government(&object, error, &charter));
    CELLA_TRY(cella_json_member_optional(&object, "limits", JSON_OBJECT, &chosen));
    CELLA_TRY(cella_json_end(&object));
    CELLA_TRY(cella_spec_choose_limits(chosen, error, &charter.limits));
    CELLA_TRY(cella_bytes_set(&charter.text, text));
    *out = charter;
    return CELLA_OK;
}

bool cella_setup_fit_memory(struct cella_charter *charter, uint64_t machine_bytes)
{
    if (charter->limits.memory_bytes <= machine_bytes) {
        return false;
    }
    charter->limits.memory_bytes = machine_bytes - machine_bytes % MIB;
    return true;
}

uint64_t cella_setup_machine_memory(void)
{
    return (uint64_t) sysconf(_SC_PHYS_PAGES) * (uint64_t) sysconf(_SC_PAGESIZE);
}

/* At most max bytes of a descriptor, from its start. */
static cella_status read_all(int descriptor, size_t max, struct cella_bytes *out)
{
    for (;;) {
        CELLA_TRY(cella_bytes_reserve(out, 4096));
        ssize_t count = pread(descriptor, out->data + out->size, 4096, (off_t) out->size);
        if (count < 0) {
            return CELLA_SYSTEM_FAILED;
        }
        if (count == 0) {
            (void) close(descriptor);
            return CELLA_OK;
        }
        out->size += (size_t) count;
        if (out->size > max) {
            return CELLA_TOO_LARGE;
        }
    }
}

cella_status cella_setup_read(struct cella_monitor *monitor, const char **what, struct cella_json_error *error)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes config = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes charter = { 0 };
    *what = "the host's configuration";
    CELLA_TRY(read_all(CELLA_MONITOR_CONFIG_FD, CONFIG_MAX, &config));
    CELLA_TRY(cella_setup_config(cella_bytes_view(&config), error, &monitor->config));
    *what = "charter.json";
    CELLA_TRY(read_all(CELLA_MONITOR_CHARTER_FD, CELLA_CHARTER_MAX, &charter));
    return cella_setup_charter(cella_bytes_view(&charter), error, &monitor->charter);
}
