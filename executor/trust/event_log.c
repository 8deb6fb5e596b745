/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/event_log.h"

#include <string.h>

#define TYPE_NO_ACTION 3U
#define HEADER_DIGEST_SIZE 20U
#define SPEC_SIGNATURE "Spec ID Event03" /* and its NUL */
#define LOCALITY_SIGNATURE "StartupLocality"
#define ALG_SHA256 0x000bU
#define ALG_SHA384 0x000cU
#define DIGEST_MAX 64U

/* ---- reading ---- */

/* Specification, platform class, version and errata: nothing in it changes how events are read. */
static cella_status read_spec(struct cella_view data, struct cella_event_log *log)
{
    struct cella_reader reader = cella_reader_of(data);
    struct cella_view ignored;
    uint32_t count;
    uint8_t vendor_size;
    CELLA_TRY(cella_read_view(&reader, sizeof(SPEC_SIGNATURE), &ignored));
    if (memcmp(ignored.data, SPEC_SIGNATURE, sizeof(SPEC_SIGNATURE)) != 0) {
        return CELLA_BAD_FORMAT;
    }
    CELLA_TRY(cella_read_view(&reader, 8, &ignored));
    CELLA_TRY(cella_read_u32_le(&reader, &count));
    if (count == 0 || count > CELLA_EVENT_BANKS_MAX) {
        return CELLA_BAD_FORMAT;
    }
    for (size_t i = 0; i < count; i++) {
        CELLA_TRY(cella_read_u16_le(&reader, &log->banks[i].algorithm));
        CELLA_TRY(cella_read_u16_le(&reader, &log->banks[i].size));
        if (log->banks[i].size == 0 || log->banks[i].size > DIGEST_MAX) {
            return CELLA_BAD_FORMAT;
        }
        for (size_t k = 0; k < i; k++) {
            CELLA_TRY(log->banks[i].algorithm == log->banks[k].algorithm ? CELLA_BAD_FORMAT : CELLA_OK);
        }
    }
    log->bank_count = count;
    CELLA_TRY(cella_read_u8(&reader, &vendor_size));
    CELLA_TRY(cella_read_view(&reader, vendor_size, &ignored));
    return cella_reader_end(&reader);
}

cella_status cella_event_log_open(struct cella_view content, struct cella_event_log *out)
{
    uint32_t number;
    uint32_t type;
    uint32_t size;
    struct cella_view data;
    *out = (struct cella_event_log){ .reader = cella_reader_of(content) };
    CELLA_TRY(cella_read_u32_le(&out->reader, &number));
    CELLA_TRY(cella_read_u32_le(&out->reader, &type));
    CELLA_TRY(cella_read_view(&out->reader, HEADER_DIGEST_SIZE, &data));
    CELLA_TRY(cella_read_u32_le(&out->reader, &size));
    CELLA_TRY(cella_read_view(&out->reader, size, &data));
    return type == TYPE_NO_ACTION ? read_spec(data, out) : CELLA_BAD_FORMAT;
}

static bool is_filled_with(struct cella_view rest, uint8_t filling)
{
    for (size_t i = 0; i < rest.size; i++) {
        if (rest.data[i] != filling) {
            return false;
        }
    }
    return true;
}

/* Firmware's tables have the size of the memory that was set aside. */
static bool is_at_end(struct cella_view rest)
{
    return rest.size == 0 || (rest.data[0] == 0x00 && is_filled_with(rest, 0x00)) ||
           (rest.data[0] == 0xff && is_filled_with(rest, 0xff));
}

static cella_status read_digests(struct cella_event_log *log, struct cella_event *event)
{
    uint32_t count;
    CELLA_TRY(cella_read_u32_le(&log->reader, &count));
    if (count != log->bank_count) {
        return CELLA_BAD_FORMAT;
    }
    for (size_t i = 0; i < count; i++) {
        uint16_t algorithm;
        size_t bank = 0;
        CELLA_TRY(cella_read_u16_le(&log->reader, &algorithm));
        while (bank < log->bank_count && log->banks[bank].algorithm != algorithm) {
            bank++;
        }
        if (bank == log->bank_count || event->digests[bank].data != NULL) {
            return CELLA_BAD_FORMAT;
        }
        CELLA_TRY(cella_read_view(&log->reader, log->banks[bank].size, &event->digests[bank]));
    }
    return CELLA_OK;
}

cella_status cella_event_log_next(struct cella_event_log *log, struct cella_event *out)
{
    uint32_t size;
    if (log->reader.failed) {
        return CELLA_BAD_FORMAT;
    }
    if (is_at_end(log->reader.rest)) {
        return CELLA_NOT_FOUND;
    }
    if (log->event_count == CELLA_EVENTS_MAX) {
        return CELLA_TOO_MANY;
    }
    *out = (struct cella_event){ 0 };
    CELLA_TRY(cella_read_u32_le(&log->reader, &out->number));
    CELLA_TRY(cella_read_u32_le(&log->reader, &out->type));
    CELLA_TRY(read_digests(log, out));
    CELLA_TRY(cella_read_u32_le(&log->reader, &size));
    CELLA_TRY(cella_read_view(&log->reader, size, &out->data));
    out->extends = out->type != TYPE_NO_ACTION;
    log->event_count++;
    return out->extends && out->number >= CELLA_EVENT_REGISTERS ? CELLA_BAD_FORMAT : CELLA_OK;
}

/* ---- replay ---- */

static size_t size_of(enum cella_hash hash)
{
    return hash == CELLA_HASH_SHA384 ? CELLA_SHA384_SIZE : CELLA_SHA256_SIZE;
}

static cella_status find_bank(const struct cella_event_log *log, enum cella_hash hash, size_t *out)
{
    uint16_t wanted = hash == CELLA_HASH_SHA384 ? ALG_SHA384 : ALG_SHA256;
    for (*out = 0; *out < log->bank_count; (*out)++) {
        if (log->banks[*out].algorithm == wanted) {
            return log->banks[*out].size == size_of(hash) ? CELLA_OK : CELLA_BAD_FORMAT;
        }
    }
    return CELLA_NOT_FOUND;
}

cella_status cella_event_extend(enum cella_hash hash, uint8_t value[CELLA_SHA384_SIZE], const uint8_t *digest)
{
    uint8_t both[2 * CELLA_SHA384_SIZE];
    size_t size = size_of(hash);
    memcpy(both, value, size);
    memcpy(both + size, digest, size);
    struct cella_view view = cella_view_of(both, 2 * size);
    return hash == CELLA_HASH_SHA384 ? cella_sha384(view, value) : cella_sha256(view, value);
}

/* The TPM counts register 0 from the locality of its start command, which the log notes before the first event there. */
static cella_status note_locality(const struct cella_event *event, struct cella_replay *replay)
{
    size_t size = sizeof(LOCALITY_SIGNATURE);
    if (event->number != 0 || event->data.size != size + 1 || memcmp(event->data.data, LOCALITY_SIGNATURE, size) != 0) {
        return CELLA_OK;
    }
    if ((replay->extended & 1) != 0 || replay->values[0][replay->digest_size - 1] != 0) {
        return CELLA_BAD_FORMAT;
    }
    replay->values[0][replay->digest_size - 1] = event->data.data[size];
    return CELLA_OK;
}

cella_status cella_event_log_replay(struct cella_view content, enum cella_hash hash, struct cella_replay *out)
{
    struct cella_event_log log;
    struct cella_event event;
    size_t bank;
    cella_status status;
    *out = (struct cella_replay){ .digest_size = size_of(hash) };
    CELLA_TRY(cella_event_log_open(content, &log));
    CELLA_TRY(find_bank(&log, hash, &bank));
    while ((status = cella_event_log_next(&log, &event)) == CELLA_OK) {
        if (!event.extends) {
            CELLA_TRY(note_locality(&event, out));
            continue;
        }
        CELLA_TRY(cella_event_extend(hash, out->values[event.number], event.digests[bank].data));
        out->extended |= (uint32_t) 1 << event.number;
        out->extend_count++;
    }
    return status == CELLA_NOT_FOUND ? CELLA_OK : status;
}

bool cella_event_log_has(struct cella_view content, enum cella_hash hash, uint32_t number, struct cella_view digest)
{
    struct cella_event_log log;
    struct cella_event event;
    size_t bank;
    if (cella_event_log_open(content, &log) != CELLA_OK || find_bank(&log, hash, &bank) != CELLA_OK) {
        return false;
    }
    while (cella_event_log_next(&log, &event) == CELLA_OK) {
        if (event.extends && event.number == number && cella_view_equal(event.digests[bank], digest)) {
            return true;
        }
    }
    return false;
}
