/* SPDX-License-Identifier: Apache-2.0 */
#include "host/ready.h"

#include "base/layers.h"

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hexadecimal[] = "0123456789abcdef";
static const char kind_characters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
static const char version_characters[] = "0123456789abcdefghijklmnopqrstuvwxyz.+~-";

/* prefix, then exactly count characters of the alphabet. */
static bool has_form(const char *text, const char *prefix, const char *alphabet, size_t count)
{
    size_t size = strlen(prefix);
    return strncmp(text, prefix, size) == 0 && strlen(text + size) == count &&
           strspn(text + size, alphabet) == count;
}

cella_status cella_ready_parse(struct cella_view note, struct cella_ready *out)
{
    char blame[CELLA_FLAT_JSON_ITEM_MAX];
    *out = (struct cella_ready){ .version = "" };
    struct cella_flat_json_member members[] = {
        { "executor", CELLA_FLAT_JSON_TEXT, out->executor, sizeof(out->executor), 0, 0, true, false },
        { "platform", CELLA_FLAT_JSON_TEXT, out->platform, sizeof(out->platform), 0, 0, true, false },
        { "measurement", CELLA_FLAT_JSON_TEXT, out->measurement, sizeof(out->measurement), 0, 0, true, false },
        { "root", CELLA_FLAT_JSON_TEXT, out->root, sizeof(out->root), 0, 0, true, false },
        { "charter", CELLA_FLAT_JSON_TEXT, out->charter, sizeof(out->charter), 0, 0, true, false },
        { "version", CELLA_FLAT_JSON_TEXT, out->version, sizeof(out->version), 0, 0, true, false },
        { "layers", CELLA_FLAT_JSON_LIST, &out->layers, 0, 0, 0, true, false },
    };
    if (cella_flat_json_read(note, members, sizeof(members) / sizeof(members[0]), blame) != CELLA_OK ||
        !has_form(out->executor, "", base64url, 43) || !has_form(out->platform, "", kind_characters, strlen(out->platform)) || !has_form(out->measurement, "sha256:", hexadecimal, 64) ||
        !has_form(out->root, "ed25519:", base64url, 43) || !has_form(out->charter, "", hexadecimal, 64) ||
        !has_form(out->version, "", version_characters, strlen(out->version))) {
        return CELLA_BAD_FORMAT;
    }
    for (size_t i = 0; i < out->layers.count; i++) {
        if (cella_layer_bit(cella_view_of_string(out->layers.items[i])) == 0) {
            return CELLA_BAD_FORMAT;
        }
    }
    return CELLA_OK;
}

static cella_status add(struct cella_bytes *out, const char *text)
{
    return cella_bytes_append(out, cella_view_of_string(text));
}

static cella_status add_value(struct cella_bytes *out, const char *before, const char *value, const char *after)
{
    CELLA_TRY(add(out, before));
    CELLA_TRY(add(out, value));
    return add(out, after);
}

static bool has_layer(const struct cella_ready *ready, const char *name)
{
    for (size_t i = 0; i < ready->layers.count; i++) {
        if (strcmp(ready->layers.items[i], name) == 0) {
            return true;
        }
    }
    return false;
}

cella_status cella_ready_trust_file(const struct cella_ready *ready, bool allow_missing_layers,
                                    struct cella_bytes *out)
{
    CELLA_TRY(add(out,
                  "# What a client accepts. Written by cella-host for the executor that it started.\n"
                  "# It comes from the machine that it judges: good for development and tests. For anything\n"
                  "# else, get measurement and root from somebody you trust, by another way.\n\n"
                  "# Version of this format.\n"
                  "version = 1\n\n"
                  "# Least assurance level, 1 to 5. Level 2 (soft): files hashed and signed by software on the\n"
                  "# same machine; its operator could forge that.\n"
                  "min_level = 2\n\n"
                  "# Kinds of evidence that are accepted.\n"
                  "accept = [\"soft\"]\n\n"
                  "# The code that may run: the hash of the executor's files.\n"
                  "[[measurement]]\n"
                  "name = \"development executor\"\n"
                  "type = \"soft\"\n"));
    CELLA_TRY(add_value(out, "value = \"", ready->measurement, "\"\n\n"));
    CELLA_TRY(add_value(out,
                        "# The rules fixed at its first start: SHA-256 of the charter's bytes.\n"
                        "[charter]\n"
                        "sha256 = \"",
                        ready->charter, "\"\n\n"));
    CELLA_TRY(add_value(out,
                        "# The software root that may sign soft evidence, and the layers that must stand around a\n"
                        "# script. \"cgroup\" can be added: the kernel then holds each task to its memory.\n"
                        "[soft]\n"
                        "roots = [\"",
                        ready->root, "\"]\nlayers = ["));
    const char *before = "\"";
    for (unsigned int bit = 0; cella_layer_name(bit) != NULL; bit++) {
        bool required = (CELLA_LAYERS_REQUIRED >> bit & 1) != 0;
        if (required && (has_layer(ready, cella_layer_name(bit)) || !allow_missing_layers)) {
            CELLA_TRY(add_value(out, before, cella_layer_name(bit), "\""));
            before = ", \"";
        }
    }
    return add(out, "]\n");
}
