/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/image_field.h"

#include <stdlib.h>
#include <string.h>

#define BYTES_MAX 0xffffffffU
#define JSON_MAX ((size_t) 1 << 28)

bool cella_image_is_reading(const struct cella_image *image)
{
    return image->out == NULL;
}

void cella_image_note(struct cella_image *image, cella_status status)
{
    image->status = image->status == CELLA_OK ? status : image->status;
}

uint64_t cella_image_number(struct cella_image *image, uint64_t value)
{
    uint64_t read = value;
    cella_image_note(image, cella_image_is_reading(image) ? cella_read_u64(&image->in, &read)
                                                          : cella_write_u64(image->out, value));
    return read;
}

void cella_image_field(struct cella_image *image, struct cella_view *view, size_t max)
{
    cella_image_note(image, cella_image_is_reading(image) ? cella_read_field(&image->in, max, view)
                                                          : cella_write_field(image->out, *view));
    if (cella_image_is_reading(image) && image->status != CELLA_OK) {
        *view = cella_view_of(NULL, 0);
    }
}

void cella_image_text(struct cella_image *image, char *characters, size_t size)
{
    struct cella_view view = cella_view_of(characters, cella_image_is_reading(image) ? 0 : strlen(characters));
    cella_image_field(image, &view, size - 1);
    if (cella_image_is_reading(image) && view.size > 0) {
        memcpy(characters, view.data, view.size);
    }
}

void cella_image_fixed(struct cella_image *image, uint8_t *bytes, size_t size)
{
    cella_image_note(image, cella_image_is_reading(image) ? cella_read_fixed(&image->in, bytes, size)
                                                          : cella_bytes_append(image->out, cella_view_of(bytes, size)));
}

void cella_image_bytes(struct cella_image *image, struct cella_bytes *content)
{
    struct cella_view view = cella_bytes_view(content);
    cella_image_field(image, &view, BYTES_MAX);
    if (cella_image_is_reading(image)) {
        cella_image_note(image, cella_bytes_set(content, view));
    }
}

void cella_image_string(struct cella_image *image, char **text)
{
    struct cella_view view = *text == NULL ? cella_view_of(NULL, 0) : cella_view_of_string(*text);
    cella_image_field(image, &view, BYTES_MAX);
    if (cella_image_is_reading(image) && view.size > 0) {
        *text = strndup((const char *) view.data, view.size);
        cella_image_note(image, *text == NULL ? CELLA_NO_MEMORY : CELLA_OK);
    }
}

/* Texts have an object at the top, so the value is its one member. */
void cella_image_json(struct cella_image *image, json_t **value)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes written = { 0 };
    CELLA_CLEANUP(cella_json_cleanup) json_t *object = NULL;
    if (!cella_image_is_reading(image) && *value != NULL) {
        object = json_pack("{s:O}", "", *value);
        cella_image_note(image, object == NULL ? CELLA_NO_MEMORY : cella_json_write(object, &written));
    }
    struct cella_view view = cella_bytes_view(&written);
    cella_image_field(image, &view, BYTES_MAX);
    if (cella_image_is_reading(image) && view.size > 0) {
        cella_image_note(image, cella_json_parse(view, JSON_MAX, &object));
        *value = json_incref(json_object_get(object, ""));
    }
}

struct cella_entry *cella_image_reference(struct cella_image *image, enum cella_image_noun_kind noun,
                                          const struct cella_entry *entry)
{
    uint32_t place = entry == NULL ? 0 : entry->number + 1;
    struct cella_entry *found = NULL;
    if (!cella_image_is_reading(image)) {
        cella_image_note(image, cella_write_u32(image->out, place));
        return NULL;
    }
    cella_image_note(image, cella_read_u32(&image->in, &place));
    if (place == 0) {
        return NULL;
    }
    if (noun == CELLA_IMAGE_NOUN_COUNT || place > image->places[noun].size / sizeof(found)) {
        cella_image_note(image, CELLA_BAD_FORMAT);
        return NULL;
    }
    memcpy(&found, image->places[noun].data + (place - 1) * sizeof(found), sizeof(found));
    return found;
}

void cella_image_logged(struct cella_image *image, struct cella_logged *logged)
{
    cella_image_bytes(image, &logged->statement);
    CELLA_IMAGE_NUMBER(image, logged->leaf);
}

void cella_image_request(struct cella_image *image, struct cella_signed_request *request)
{
    cella_image_bytes(image, &request->text);
    CELLA_IMAGE_FIXED(image, request->public_key);
}

void *cella_image_room(struct cella_image *image, size_t count, size_t size)
{
    void *room = image->status == CELLA_OK ? calloc(count + 1, size) : NULL;
    cella_image_note(image, room == NULL ? CELLA_NO_MEMORY : CELLA_OK);
    return room;
}
