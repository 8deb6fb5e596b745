/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/key_history.h"

#include <string.h>

#define ROTATION_TYPE "cella rotation"

cella_status cella_rotation_read(struct cella_view text, const char *party, const char *executor, int64_t number,
                                 struct cella_json_error *error, struct cella_rotation *out)
{
    CELLA_CLEANUP(cella_json_cleanup) json_t *json = NULL;
    struct cella_json_object object;
    struct cella_rotation found;
    int64_t value;
    const char *type;
    const char *by;
    const char *at;
    CELLA_TRY(cella_json_parse(text, CELLA_ROTATION_TEXT_MAX, &json));
    CELLA_TRY(cella_json_begin(json, "statement", error, &object));
    CELLA_TRY(cella_json_integer(&object, "version", 1, 1, &value));
    CELLA_TRY(cella_json_string(&object, "type", 32, &type));
    CELLA_TRY(cella_json_string(&object, "party", CELLA_THUMBPRINT_SIZE, &by));
    CELLA_TRY(cella_json_string(&object, "executor", CELLA_THUMBPRINT_SIZE, &at));
    CELLA_TRY(cella_json_integer(&object, "number", number, number, &value));
    CELLA_TRY(cella_json_fixed(&object, "sign", found.sign, sizeof(found.sign)));
    CELLA_TRY(cella_json_fixed(&object, "seal", found.seal, sizeof(found.seal)));
    CELLA_TRY(cella_json_end(&object));
    if (strcmp(type, ROTATION_TYPE) != 0 || strcmp(by, party) != 0 || strcmp(at, executor) != 0) {
        return CELLA_BAD_FIELD;
    }
    *out = found;
    return CELLA_OK;
}

cella_status cella_key_history_write(const uint8_t first_key[CELLA_ED25519_KEY_SIZE], const struct cella_view *statements,
                                     size_t count, struct cella_bytes *out)
{
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, 2));
    CELLA_TRY(cella_cbor_write_bytes(out, cella_view_of(first_key, CELLA_ED25519_KEY_SIZE)));
    CELLA_TRY(cella_cbor_write_head(out, CELLA_CBOR_ARRAY, count));
    for (size_t i = 0; i < count; i++) {
        CELLA_TRY(cella_cbor_write_text_view(out, statements[i]));
    }
    return CELLA_OK;
}

/* Up to the first statement. */
static cella_status begin(struct cella_reader *reader, struct cella_view *first_key, uint64_t *count)
{
    uint64_t parts;
    CELLA_TRY(cella_cbor_array(reader, &parts));
    CELLA_TRY(parts == 2 ? cella_cbor_bytes(reader, first_key) : CELLA_BAD_FORMAT);
    CELLA_TRY(first_key->size == CELLA_ED25519_KEY_SIZE ? cella_cbor_array(reader, count) : CELLA_BAD_FORMAT);
    return *count >= 1 && *count <= CELLA_ROTATIONS_MAX ? CELLA_OK : CELLA_BAD_FORMAT;
}

cella_status cella_key_history_take(struct cella_reader *reader, struct cella_view *out)
{
    struct cella_view whole;
    struct cella_view first_key;
    uint64_t count;
    CELLA_TRY(cella_cbor_whole(reader, &whole));
    struct cella_reader inside = cella_reader_of(whole);
    CELLA_TRY(begin(&inside, &first_key, &count));
    for (uint64_t i = 0; i < count; i++) {
        struct cella_view statement;
        CELLA_TRY(cella_cbor_text(&inside, &statement));
        CELLA_TRY(statement.size <= CELLA_ROTATION_MAX ? CELLA_OK : CELLA_BAD_FORMAT);
    }
    CELLA_TRY(cella_reader_end(&inside));
    *out = whole;
    return CELLA_OK;
}

/* The key that follows `key`, by the word of the latter. */
static cella_status follow(struct cella_view statement, const char *party, const char *executor, uint64_t number,
                           uint8_t key[CELLA_ED25519_KEY_SIZE])
{
    struct cella_jws jws;
    struct cella_json_error error = { "" };
    struct cella_rotation rotation;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_TRY(cella_jws_split(statement, &jws));
    CELLA_TRY(jws.form == CELLA_JWS_PLAIN ? cella_jws_verify(&jws, key, &text) : CELLA_BAD_FORMAT);
    CELLA_TRY(cella_rotation_read(cella_bytes_view(&text), party, executor, (int64_t) number, &error, &rotation));
    memcpy(key, rotation.sign, CELLA_ED25519_KEY_SIZE);
    return CELLA_OK;
}

cella_status cella_key_history_owner(struct cella_view history, const char *executor,
                                     const uint8_t public_key[CELLA_ED25519_KEY_SIZE], char id[CELLA_THUMBPRINT_SIZE + 1])
{
    struct cella_reader reader = cella_reader_of(history);
    struct cella_view first_key;
    uint8_t key[CELLA_ED25519_KEY_SIZE];
    char party[CELLA_THUMBPRINT_SIZE + 1];
    uint64_t count;
    id[0] = '\0';
    CELLA_TRY(begin(&reader, &first_key, &count));
    memcpy(key, first_key.data, sizeof(key));
    CELLA_TRY(cella_thumbprint(key, party));
    for (uint64_t i = 0; i < count && memcmp(key, public_key, sizeof(key)) != 0; i++) {
        struct cella_view statement;
        CELLA_TRY(cella_cbor_text(&reader, &statement));
        CELLA_TRY(follow(statement, party, executor, i + 1, key));
    }
    if (memcmp(key, public_key, sizeof(key)) != 0) {
        return CELLA_NOT_FOUND;
    }
    memcpy(id, party, sizeof(party));
    return CELLA_OK;
}
