/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Requests of an enrolled party with any payload: the harness signs whatever the fuzzer makes, so that everything behind
 * the signature is reached. The state lives on between inputs, as it does in a monitor.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "confine/cgroup.h"
#include "monitor/cgroups.h"
#include "monitor/operation.h"
#include "monitor/runner.h"
#include "trust/evidence_soft.h"

static void check(cella_status status)
{
    if (status != CELLA_OK) {
        abort();
    }
}

struct harness {
    struct cella_monitor monitor;
    struct cella_secret seed;
    struct cella_party *party;
};

static cella_status sign(const struct harness *harness, enum cella_jws_form form, struct cella_view payload,
                         enum cella_request_kind kind, struct cella_monitor *monitor)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes jws = { 0 };
    struct cella_call call = { .request = 1 };
    check(cella_jws_sign(&harness->seed, form, payload, &jws));
    cella_status status = cella_operation_run(monitor, kind, cella_bytes_view(&jws), &call);
    json_decref(call.reply);
    cella_bytes_clear(&call.refusal);
    return status;
}

/* Ids that the corpus can name, whatever keys and random numbers this process has. */
static void add_records(struct harness *harness)
{
    const char *owner = harness->party->entry.id;
    const char *zero = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    json_t *function = json_pack(
        "{s:s, s:s, s:s, s:b, s:s, s:s}", "function", "function-1", "owner", owner, "sha256", zero, "sealed", 0,
        "package", "", "spec",
        "{\"version\":1,\"name\":\"f\",\"executor\":\"builtin\",\"public\":true,\"entry\":\"f\",\"inputs\":"
        "[{\"name\":\"x\",\"optional\":true}],\"outputs\":[{\"name\":\"y\",\"optional\":true}],\"arguments\":"
        "[{\"name\":\"a\",\"type\":\"number\",\"default\":1}]}");
    json_t *data = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:s, s:s}", "data", "data-1", "owner", owner, "name",
                             "n", "object", "00", "sha256", zero, "size", 100, "segment", 4096, "sealed_key", "",
                             "associated_data", "");
    json_t *stored = json_pack("{s:s}", "data", "data-1");
    json_t *task = json_pack("{s:s, s:s, s:s, s:[s], s:{s:[s]}, s:{s:[s]}, s:[s], s:[], s:{}}", "task", "task-1",
                             "creator", owner, "function", "function-1", "participants", owner, "inputs", "x", owner,
                             "outputs", "y", owner, "result", owner, "messages", "arguments");
    check(cella_state_apply(&harness->monitor.state, CELLA_EVENT_FUNCTION_REGISTERED, function));
    check(cella_state_apply(&harness->monitor.state, CELLA_EVENT_DATA_REGISTERED, data));
    check(cella_state_apply(&harness->monitor.state, CELLA_EVENT_DATA_STORED, stored));
    check(json_object_set_new(data, "data", json_string("data-3")) == 0 ? CELLA_OK : CELLA_NO_MEMORY); /* to be deleted */
    check(cella_state_apply(&harness->monitor.state, CELLA_EVENT_DATA_REGISTERED, data));
    check(cella_state_apply(&harness->monitor.state, CELLA_EVENT_TASK_CREATED, task));
    json_t *organisation = json_pack("{s:s, s:s}", "organisation", "organisation-1", "name", "o");
    check(cella_state_apply(&harness->monitor.state, CELLA_EVENT_ORGANISATION_CREATED, organisation));
    json_decref(organisation);
    json_decref(function);
    json_decref(data);
    json_decref(stored);
    json_decref(task);
}

/* What statements name. */
static void add_evidence(struct cella_monitor *monitor)
{
    static struct cella_secret root;
    static const uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    struct cella_text why;
    check(cella_secret_random(&root, CELLA_ED25519_KEY_SIZE));
    monitor->platform_setup = (struct cella_platform_setup){ .root = "/nowhere", .soft_root = &root,
                                                             .measurement = monitor->measurement };
    check(cella_platform_open("soft", &monitor->platform_setup, &monitor->platform, &why));
    check(cella_evidence_soft_make(&root, 0, monitor->measurement, report_data, 1, &monitor->evidence.evidence));
    check(cella_bytes_set(&monitor->charter.text, cella_view_of_string("{}")));
}

static void furnish(struct harness *harness)
{
    struct cella_monitor *monitor = &harness->monitor;
    uint8_t public_key[CELLA_ED25519_KEY_SIZE];
    char id[CELLA_THUMBPRINT_SIZE + 1];
    char enrol[512];
    monitor->charter.enrolment = CELLA_ENROL_OPEN;
    monitor->charter.roles = CELLA_ROLES_ORDINARY;
    monitor->charter.approval_s = CELLA_APPROVAL_DEFAULT_S;
    monitor->charter.limits = cella_limits_default;
    monitor->loop = cella_loop_new();
    check(cella_keyring_new(&monitor->keyring));
    add_evidence(monitor);
    struct cella_cgroup_home none = { NULL, -1, -1 };
    check(cella_cgroups_new(&none, 0, &monitor->cgroups));
    check(cella_runner_new(monitor, &monitor->runner));
    check(cella_secret_random(&harness->seed, CELLA_ED25519_KEY_SIZE));
    check(cella_ed25519_public(&harness->seed, public_key));
    check(cella_thumbprint(public_key, id));
    /* An administrator, so that what only those may do is reached as well. He is the last one, so he stays. */
    memcpy(monitor->charter.administrators[0], id, sizeof(id));
    monitor->charter.administrator_count = 1;
    (void) snprintf(enrol, sizeof(enrol),
                    "{\"op\":\"party.enrol\",\"aud\":\"%s\",\"seq\":1,\"time\":1,\"args\":{\"seal\":\"%s\"}}",
                    cella_keyring_executor(monitor->keyring), "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    check(sign(harness, CELLA_JWS_JWK, cella_view_of_string(enrol), CELLA_REQUEST_REQUEST, monitor));
    harness->party = cella_state_party(&monitor->state, id);
    add_records(harness);
}

/* The first byte chooses the kind of question; "@" in the rest stands for the executor's id, "#" for the party's. */
static cella_status expand(const struct harness *harness, struct cella_view text, struct cella_bytes *out)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '@') {
            const char *executor = cella_keyring_executor(harness->monitor.keyring);
            CELLA_TRY(cella_bytes_append(out, cella_view_of_string(executor)));
        } else if (text.data[i] == '#') {
            CELLA_TRY(cella_bytes_append(out, cella_view_of_string(harness->party->entry.id)));
        } else {
            CELLA_TRY(cella_bytes_append(out, cella_view_of(&text.data[i], 1)));
        }
    }
    return CELLA_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct harness harness;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes payload = { 0 };
    if (harness.party == NULL) {
        furnish(&harness);
    }
    if (size == 0 || size > 65536) {
        return 0;
    }
    enum cella_request_kind kind = data[0] == 'u'   ? CELLA_REQUEST_UPLOAD
                                   : data[0] == 'd' ? CELLA_REQUEST_DOWNLOAD
                                                    : CELLA_REQUEST_REQUEST;
    check(expand(&harness, cella_view_of(data + 1, size - 1), &payload));
    harness.party->seen_count = 0;
    (void) sign(&harness, data[0] == 'e' ? CELLA_JWS_JWK : CELLA_JWS_KID, cella_bytes_view(&payload), kind,
                &harness.monitor);
    return 0;
}
