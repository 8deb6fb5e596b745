/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/run.h"

#include <stdio.h>

/* ---- messages: the script's own texts, for those whom the contract names ---- */

/* Bytes of the well-formed UTF-8 character at the start of text, or 0. */
static size_t utf8_size(struct cella_view text)
{
    uint8_t first = text.data[0];
    size_t size = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3
                  : first >= 0xf0 && first < 0xf5 ? 4 : 0;
    if (size == 0 || size > text.size) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((text.data[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (first == 0xe0 && text.data[1] < 0xa0) || (first == 0xf0 && text.data[1] < 0x90);
    bool outside = (first == 0xed && text.data[1] >= 0xa0) || (first == 0xf4 && text.data[1] >= 0x90);
    return overlong || outside ? 0 : size;
}

/* A JSON string. The texts come from a script, so whatever is not UTF-8 becomes a question mark. */
static cella_status write_string(struct cella_view text, struct cella_bytes *out)
{
    CELLA_TRY(cella_write_u8(out, '"'));
    while (text.size > 0) {
        size_t size = utf8_size(text);
        uint8_t c = size == 0 ? '?' : text.data[0];
        if (size <= 1 && (c < 0x20 || c == '"' || c == '\\' || c == 0x7f)) {
            char escaped[8];
            (void) snprintf(escaped, sizeof(escaped), "\\u%04x", c);
            CELLA_TRY(cella_bytes_append(out, cella_view_of(escaped, 6)));
        } else if (size <= 1) {
            CELLA_TRY(cella_write_u8(out, c));
        } else {
            CELLA_TRY(cella_bytes_append(out, cella_view_of(text.data, size)));
        }
        size = size == 0 ? 1 : size;
        text = cella_view_of(text.data + size, text.size - size);
    }
    return cella_write_u8(out, '"');
}

static cella_status write_member(const char *name, struct cella_view text, struct cella_bytes *out)
{
    CELLA_TRY(cella_bytes_append(out, cella_view_of_string(name)));
    return write_string(text, out);
}

static cella_status write_messages(const struct cella_run *run, struct cella_bytes *out)
{
    struct cella_view log = cella_view_of(run->log.data, run->log_size);
    /* Room for the worst case at once, so that growing leaves no copies behind. */
    CELLA_TRY(cella_bytes_reserve(out, 6 * (log.size + run->error_message.size + run->traceback.size) + 128));
    CELLA_TRY(write_member("{\"error_message\":", cella_secret_view(&run->error_message), out));
    CELLA_TRY(write_member(",\"traceback\":", cella_secret_view(&run->traceback), out));
    CELLA_TRY(write_member(",\"log\":", log, out));
    return cella_write_u8(out, '}');
}

/* ---- sealing ---- */

static cella_status seal_to(const struct cella_party *party, const char *purpose, struct cella_view context,
                            struct cella_view plain, json_t *out)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    CELLA_TRY(cella_keyring_seal(party->seal, purpose, context, plain, &sealed));
    json_t *text = cella_json_base64url(cella_bytes_view(&sealed));
    return json_object_set_new(out, party->entry.id, text) == 0 ? CELLA_OK : CELLA_NO_MEMORY;
}

static cella_status seal_messages(const struct cella_run *run, json_t *out)
{
    const struct cella_task_record *task = run->task;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    if (run->log_size == 0 && run->error_message.size == 0 && run->traceback.size == 0) {
        return CELLA_OK;
    }
    cella_status status = write_messages(run, &text);
    for (size_t i = 0; i < task->participant_count && status == CELLA_OK; i++) {
        if (task->participants[i].reads_messages) {
            status = seal_to(task->participants[i].party, "messages", cella_view_of_string(task->entry.id),
                             cella_bytes_view(&text), out);
        }
    }
    if (text.data != NULL) {
        cella_wipe(text.data, text.capacity);
    }
    return status;
}

static cella_status seal_result(const struct cella_run *run, json_t *out)
{
    const struct cella_task_record *task = run->task;
    for (size_t i = 0; i < task->participant_count; i++) {
        if (task->participants[i].reads_result) {
            CELLA_TRY(seal_to(task->participants[i].party, "result", cella_view_of_string(task->entry.id),
                              cella_view_of(run->result.data, run->result_size), out));
        }
    }
    return CELLA_OK;
}

static cella_status seal_output(const struct cella_run *run, const struct cella_task_output *output,
                                const struct cella_secret *key, const uint8_t sha256[CELLA_SHA256_SIZE],
                                uint64_t size, json_t *outputs)
{
    const struct cella_task_record *task = run->task;
    char digest[2 * CELLA_SHA256_SIZE + 1];
    char context[256];
    cella_hex_encode(cella_view_of(sha256, CELLA_SHA256_SIZE), digest);
    (void) snprintf(context, sizeof(context), "%s/%s/%s", task->entry.id, output->file->name, digest);
    json_t *keys = json_object();
    json_t *one = json_pack("{s:s, s:o, s:I, s:o}", "object", output->object, "sha256",
                            cella_json_base64url(cella_view_of(sha256, CELLA_SHA256_SIZE)), "size",
                            (json_int_t) size, "keys", keys);
    if (json_object_set_new(outputs, output->file->name, one) != 0) {
        return CELLA_NO_MEMORY;
    }
    for (size_t i = 0; i < task->participant_count; i++) {
        if ((output->receivers >> i & 1) != 0) {
            CELLA_TRY(seal_to(task->participants[i].party, "output key", cella_view_of_string(context),
                              cella_secret_view(key), keys));
        }
    }
    return CELLA_OK;
}

/* Digest and size per output, as the courier stored them. */
static cella_status seal_outputs(const struct cella_run *run, struct cella_reader *stored, json_t *outputs,
                                 uint64_t *bytes_out)
{
    const struct cella_task_record *task = run->task;
    size_t place = 0;
    *bytes_out = 0;
    for (size_t i = 0; i < task->function->spec.output_count; i++) {
        uint8_t sha256[CELLA_SHA256_SIZE];
        uint64_t size;
        uint64_t plain_size;
        if (task->outputs[i].receivers == 0) {
            continue;
        }
        if (stored == NULL) {
            return CELLA_INTERNAL;
        }
        CELLA_TRY(cella_read_fixed(stored, sha256, sizeof(sha256)));
        CELLA_TRY(cella_read_u64(stored, &size));
        CELLA_TRY(cella_read_u64(stored, &plain_size));
        CELLA_TRY(seal_output(run, &task->outputs[i], &run->output_keys[place++], sha256, size, outputs));
        *bytes_out += size;
    }
    return stored == NULL ? CELLA_OK : cella_reader_end(stored);
}

/* ---- commit ---- */

static json_t *usage_json(const struct cella_run *run, uint64_t bytes_out)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "cpu_us", (json_int_t) (run->exit.user_us + run->exit.system_us),
                     "wall_us", (json_int_t) ((cella_loop_now_ms() - run->started_ms) * 1000), "peak_kib",
                     (json_int_t) run->exit.peak_kib, "bytes_in", (json_int_t) cella_run_bytes_in(run), "bytes_out",
                     (json_int_t) bytes_out);
}

static cella_status commit_finished(struct cella_monitor *monitor, const struct cella_run *run,
                                    struct cella_reader *stored)
{
    uint64_t bytes_out;
    json_t *outputs = json_object();
    json_t *result = json_object();
    json_t *messages = json_object();
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *body = json_pack("{s:s, s:o, s:o, s:o}", "task", run->task->entry.id, "outputs", outputs, "result",
                             result, "messages", messages);
    if (body == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(seal_outputs(run, stored, outputs, &bytes_out));
    CELLA_TRY(seal_result(run, result));
    CELLA_TRY(seal_messages(run, messages));
    if (json_object_set_new(body, "usage", usage_json(run, bytes_out)) != 0) {
        return CELLA_NO_MEMORY;
    }
    return cella_monitor_commit(monitor, CELLA_EVENT_TASK_FINISHED, body);
}

static cella_status commit_failed(struct cella_monitor *monitor, const struct cella_run *run, cella_status status)
{
    json_t *messages = json_object();
    struct cella_view class_name = cella_bytes_view(&run->error_class);
    CELLA_CLEANUP(cella_json_cleanup)
    json_t *body = json_pack("{s:s, s:I, s:s, s:o, s:I, s:o, s:o}", "task", run->task->entry.id, "error",
                             (json_int_t) status, "detail", run->detail, "class",
                             json_stringn(class_name.size == 0 ? "" : (const char *) class_name.data,
                                          class_name.size),
                             "line", (json_int_t) run->error_line, "messages", messages, "usage",
                             usage_json(run, 0));
    if (body == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(seal_messages(run, messages));
    return cella_monitor_commit(monitor, CELLA_EVENT_TASK_FAILED, body);
}

cella_status cella_run_commit_end(struct cella_monitor *monitor, struct cella_run *run, cella_status status,
                                  struct cella_reader *stored)
{
    struct cella_task_record *task = run->task;
    if (status == CELLA_OK) {
        status = commit_finished(monitor, run, stored);
    }
    cella_status committed = CELLA_OK;
    if (!cella_task_is_over(task)) {
        committed = commit_failed(monitor, run, status == CELLA_OK ? CELLA_INTERNAL : status);
    }
    cella_bytes_clear(&task->progress_text);
    cella_monitor_log(monitor, "task %s %s %s", cella_task_state_name(task->state), task->entry.id,
                      task->error == CELLA_OK ? "" : cella_status_name(task->error));
    cella_monitor_task_changed(monitor, task);
    return committed;
}
