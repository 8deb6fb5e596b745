/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/run.h"

#include <stdio.h>

#include "base/padding.h"
#include "monitor/statement.h"

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

/* The log, and in it that something is missing. */
static cella_status write_log(const struct cella_run *run, struct cella_bytes *out)
{
    char note[96];
    CELLA_TRY(write_member(",\"log\":", cella_view_of(run->log.data, run->log_size), out));
    if (!run->log_cut) {
        return CELLA_OK;
    }
    (void) snprintf(note, sizeof(note), "\\n[limit log_bytes %u: what follows was dropped]\\n\"",
                    run->task->limits.log_bytes);
    out->size--; /* the quotation mark at its end */
    return cella_bytes_append(out, cella_view_of_string(note));
}

/* Spaces after a JSON text, up to the size class. */
static cella_status pad(struct cella_bytes *text)
{
    size_t size = text->size;
    size_t padded = (size_t) cella_padded_size(size);
    CELLA_TRY(cella_bytes_resize(text, padded));
    memset(text->data + size, ' ', padded - size);
    return CELLA_OK;
}

static cella_status write_messages(const struct cella_run *run, struct cella_bytes *out)
{
    /* Room for the worst case at once, so that growing leaves no copies behind. */
    size_t most = 6 * (run->log_size + run->error_message.size + run->traceback.size) + 256;
    CELLA_TRY(cella_bytes_reserve(out, (size_t) cella_padded_size(most)));
    CELLA_TRY(write_member("{\"error_message\":", cella_secret_view(&run->error_message), out));
    CELLA_TRY(write_member(",\"traceback\":", cella_secret_view(&run->traceback), out));
    CELLA_TRY(write_log(run, out));
    CELLA_TRY(cella_write_u8(out, '}'));
    return run->task->isolation.padded ? pad(out) : CELLA_OK;
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

static void wipe_bytes(struct cella_bytes *bytes)
{
    if (bytes->data != NULL) {
        cella_wipe(bytes->data, bytes->capacity);
    }
    cella_bytes_clear(bytes);
}

static cella_status seal_messages(const struct cella_run *run, json_t *out)
{
    const struct cella_task_record *task = run->task;
    CELLA_CLEANUP(wipe_bytes) struct cella_bytes text = { 0 };
    /* Where sizes are hidden, so is whether there was anything to say. */
    bool silent = run->log_size == 0 && run->error_message.size == 0 && run->traceback.size == 0 && !run->log_cut;
    if (silent && !task->isolation.padded) {
        return CELLA_OK;
    }
    cella_status status = write_messages(run, &text);
    for (size_t i = 0; i < task->participant_count && status == CELLA_OK; i++) {
        if (task->participants[i].reads_messages) {
            status = seal_to(task->participants[i].party, "messages", cella_view_of_string(task->entry.id),
                             cella_bytes_view(&text), out);
        }
    }
    return status;
}

static cella_status seal_result(const struct cella_run *run, json_t *out)
{
    const struct cella_task_record *task = run->task;
    CELLA_CLEANUP(wipe_bytes) struct cella_bytes text = { 0 };
    struct cella_view plain = cella_view_of(run->result.data, run->result_size);
    if (task->isolation.padded) {
        CELLA_TRY(cella_bytes_reserve(&text, (size_t) cella_padded_size(plain.size)));
        CELLA_TRY(cella_bytes_append(&text, plain));
        CELLA_TRY(pad(&text));
        plain = cella_bytes_view(&text);
    }
    for (size_t i = 0; i < task->participant_count; i++) {
        if (task->participants[i].reads_result) {
            CELLA_TRY(seal_to(task->participants[i].party, "result", cella_view_of_string(task->entry.id),
                              plain, out));
        }
    }
    return CELLA_OK;
}

/* One output as the courier stored it. */
struct stored_output {
    uint8_t sha256[CELLA_SHA256_SIZE];
    uint64_t size;       /* of the sealed file */
    uint64_t plain_size; /* without padding */
};

/* What a receiver gets sealed: the key, and behind it the true size when the file was padded. */
static cella_status write_key(const struct cella_run *run, const struct cella_secret *key, uint64_t plain_size,
                              struct cella_secret *out)
{
    if (!run->task->isolation.padded) {
        return cella_secret_set(out, cella_secret_view(key));
    }
    CELLA_TRY(cella_secret_resize(out, key->size + sizeof(plain_size)));
    memcpy(out->data, key->data, key->size);
    for (size_t i = 0; i < sizeof(plain_size); i++) {
        out->data[key->size + i] = (uint8_t) (plain_size >> (56 - 8 * i));
    }
    return CELLA_OK;
}

static cella_status seal_output(const struct cella_run *run, const struct cella_task_output *output,
                                const struct cella_secret *key, const struct stored_output *stored, json_t *outputs)
{
    const struct cella_task_record *task = run->task;
    const struct cella_view sha256 = cella_view_of(stored->sha256, CELLA_SHA256_SIZE);
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret plain = { 0 };
    char digest[2 * CELLA_SHA256_SIZE + 1];
    char context[256];
    cella_hex_encode(sha256, digest);
    (void) snprintf(context, sizeof(context), "%s/%s/%s", task->entry.id, output->file->name, digest);
    json_t *keys = json_object();
    json_t *one = json_pack("{s:s, s:o, s:I, s:o}", "object", output->object, "sha256", cella_json_base64url(sha256),
                            "size", (json_int_t) stored->size, "keys", keys);
    if (json_object_set_new(outputs, output->file->name, one) != 0) {
        return CELLA_NO_MEMORY;
    }
    if (!task->isolation.padded) {
        CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes kept = { 0 };
        CELLA_TRY(cella_keyring_keep_data_key(cella_runner_monitor(run->runner)->keyring, stored->sha256,
                                              cella_secret_view(key), &kept));
        if (json_object_set_new(one, "kept_key", cella_json_base64url(cella_bytes_view(&kept))) != 0) {
            return CELLA_NO_MEMORY;
        }
    }
    if (output->fusion) {
        return CELLA_OK; /* nobody outside gets the key */
    }
    CELLA_TRY(write_key(run, key, stored->plain_size, &plain));
    for (size_t i = 0; i < task->participant_count; i++) {
        if ((output->receivers >> i & 1) != 0) {
            CELLA_TRY(seal_to(task->participants[i].party, "output key", cella_view_of_string(context),
                              cella_secret_view(&plain), keys));
        }
    }
    return CELLA_OK;
}

static cella_status read_stored(struct cella_reader *reader, struct stored_output *out)
{
    CELLA_TRY(cella_read_fixed(reader, out->sha256, sizeof(out->sha256)));
    CELLA_TRY(cella_read_u64(reader, &out->size));
    return cella_read_u64(reader, &out->plain_size);
}

static cella_status seal_outputs(const struct cella_run *run, struct cella_reader *reader, json_t *outputs,
                                 uint64_t *bytes_out)
{
    const struct cella_task_record *task = run->task;
    size_t place = 0;
    *bytes_out = 0;
    for (size_t i = 0; i < task->function->spec.output_count; i++) {
        struct stored_output stored;
        if (task->outputs[i].receivers == 0) {
            continue;
        }
        if (reader == NULL) {
            return CELLA_INTERNAL;
        }
        CELLA_TRY(read_stored(reader, &stored));
        CELLA_TRY(seal_output(run, &task->outputs[i], &run->output_keys[place++], &stored, outputs));
        *bytes_out += stored.size;
    }
    return reader == NULL ? CELLA_OK : cella_reader_end(reader);
}

/* ---- commit ---- */

uint64_t cella_run_wall_ms(const struct cella_run *run)
{
    return run->spent_ms + (run->going_since_ms == 0 ? 0 : cella_loop_now_ms() - run->going_since_ms);
}

static json_t *usage_json(const struct cella_run *run, uint64_t bytes_out)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "cpu_us", (json_int_t) run->cpu_us, "wall_us",
                     (json_int_t) (cella_run_wall_ms(run) * 1000), "peak_kib", (json_int_t) run->peak_kib, "bytes_in",
                     (json_int_t) cella_run_bytes_in(run), "bytes_out", (json_int_t) bytes_out);
}

static cella_status commit_finished(struct cella_monitor *monitor, const struct cella_run *run,
                                    struct cella_reader *stored)
{
    uint64_t bytes_out;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes statement = { 0 };
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
    /* One record: who can see the result can have the receipt. */
    CELLA_TRY(cella_statement_of_run(monitor, run->task, outputs, json_object_get(body, "usage"), &statement));
    return cella_monitor_commit_statement(monitor, CELLA_EVENT_TASK_FINISHED, body, cella_bytes_view(&statement));
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
    bool stored = run->asked_to_store || run->task->resumed;
    if (body == NULL || (stored && json_object_set_new(body, "stored", json_true()) != 0) ||
        (run->reason_by != NULL &&
                         json_object_set_new(body, "by", json_string(run->reason_by->entry.id)) != 0)) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(seal_messages(run, messages));
    return cella_monitor_commit(monitor, CELLA_EVENT_TASK_FAILED, body);
}

/* The operator learns what a machine's owner needs, and no more than the order of magnitude of it. */
static void log_end(struct cella_monitor *monitor, const struct cella_run *run)
{
    const struct cella_task_record *task = run->task;
    uint64_t cpu_s = 1;
    uint64_t memory_mib = 64;
    while (cpu_s < run->cpu_us / 1000000 + 1) {
        cpu_s *= 10;
    }
    while (memory_mib < run->peak_kib / 1024 + 1) {
        memory_mib *= 4;
    }
    cella_monitor_log(monitor, "task %s %s%s%s; CPU within %llu s, memory within %llu MiB",
                      cella_task_state_name(task->state), task->entry.id, task->error == CELLA_OK ? "" : " ",
                      task->error == CELLA_OK ? "" : cella_status_name(task->error), (unsigned long long) cpu_s,
                      (unsigned long long) memory_mib);
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
    log_end(monitor, run);
    cella_monitor_task_changed(monitor, task);
    return committed;
}
