/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/image_files.h"

#include <stdio.h>
#include <string.h>

#include "builtins/native/image.h"

#define BLOCK 512U
#define EXTENSION_MAX 65536U /* bytes of a long name or of POSIX's further properties */

/* Up to size bytes; fewer at the end only. */
static cella_status read_some(struct cella_image_files *files, uint8_t *to, size_t size, size_t *out)
{
    *out = 0;
    while (*out < size) {
        size_t got = 0;
        CELLA_TRY(cella_builtin_input_read(files->input, to + *out, size - *out, &got));
        if (got == 0) {
            return CELLA_OK;
        }
        *out += got;
    }
    return CELLA_OK;
}

static cella_status refuse(struct cella_builtin_call *call, const struct cella_image_files *files, const char *what)
{
    return cella_builtin_refuse(call, "%s: file %zu of the tar archive %s", files->input->name, files->count + 1, what);
}

/* An octal number, or GNU's binary one. */
static bool read_size(const uint8_t *field, size_t width, uint64_t *out)
{
    uint64_t value = 0;
    size_t i = 0;
    if (field[0] == 0x80) {
        for (i = 1; i < width; i++) {
            if (value >> 55 != 0) {
                return false;
            }
            value = value << 8 | field[i];
        }
        *out = value;
        return true;
    }
    while (i < width && field[i] == ' ') {
        i++;
    }
    for (; i < width && field[i] >= '0' && field[i] <= '7'; i++) {
        value = value << 3 | (uint64_t) (field[i] - '0');
    }
    *out = value;
    return i == width || field[i] == ' ' || field[i] == '\0';
}

static bool checksum_is_right(const uint8_t *header)
{
    uint64_t wanted;
    uint64_t sum = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        sum += i >= 148 && i < 156 ? ' ' : header[i];
    }
    return read_size(header + 148, 8, &wanted) && wanted == sum;
}

/* The file's content, with what fills its last block. keep: into content; otherwise it is passed over. */
static cella_status read_content(struct cella_builtin_call *call, struct cella_image_files *files, uint64_t size,
                                 size_t most, bool keep)
{
    uint8_t block[16 * BLOCK];
    files->content.size = 0;
    if (keep && size > most) {
        return refuse(call, files, "is too large");
    }
    for (uint64_t left = size; left > 0;) {
        size_t wanted = left < sizeof(block) ? (size_t) left : sizeof(block);
        size_t padded = (wanted + BLOCK - 1) / BLOCK * BLOCK;
        size_t got;
        CELLA_TRY(read_some(files, block, padded, &got));
        if (got < wanted) {
            return refuse(call, files, "is cut short");
        }
        if (keep) {
            CELLA_TRY(cella_bytes_append(&files->content, cella_view_of(block, wanted)));
        }
        left -= wanted;
    }
    return CELLA_OK;
}

static void set_name(struct cella_image_files *files, struct cella_view name)
{
    size_t size = 0;
    for (; size < name.size && size < sizeof(files->name) - 1 && name.data[size] != '\0'; size++) {
        uint8_t byte = name.data[size];
        files->name[size] = byte >= 0x20 && byte < 0x7f ? (char) byte : '?';
    }
    files->name[size] = '\0';
}

/* POSIX: lines "SIZE path=NAME\n". */
static void take_path(struct cella_image_files *files)
{
    struct cella_view rest = cella_bytes_view(&files->content);
    while (rest.size > 0) {
        size_t size = 0;
        size_t i = 0;
        for (; i < rest.size && i < 8 && rest.data[i] >= '0' && rest.data[i] <= '9'; i++) {
            size = size * 10 + (size_t) (rest.data[i] - '0');
        }
        if (i == rest.size || rest.data[i] != ' ' || size > rest.size || size < i + 2) {
            return;
        }
        if (size > i + 7 && memcmp(rest.data + i + 1, "path=", 5) == 0) {
            set_name(files, cella_view_of(rest.data + i + 6, size - i - 7));
        }
        rest = cella_view_of(rest.data + size, rest.size - size);
    }
}

static void take_header_name(struct cella_image_files *files, const uint8_t *header)
{
    char name[BLOCK];
    bool ustar = memcmp(header + 257, "ustar", 5) == 0;
    int prefix = ustar && header[345] != '\0' && memcmp(header + 257, "ustar  ", 7) != 0
        ? (int) strnlen((const char *) header + 345, 155)
        : 0;
    int size = snprintf(name, sizeof(name), "%.*s%s%.*s", prefix, (const char *) header + 345, prefix > 0 ? "/" : "",
                        (int) strnlen((const char *) header, 100), (const char *) header);
    set_name(files, cella_view_of(name, (size_t) size));
}

static bool is_hidden(const char *name)
{
    const char *slash = strrchr(name, '/');
    return (slash == NULL ? name : slash + 1)[0] == '.';
}

/* What follows one header. *found: content is a file. named: a long name came before. */
static cella_status take_member(struct cella_builtin_call *call, struct cella_image_files *files, const uint8_t *header,
                                bool *named, bool *found)
{
    uint64_t size;
    char type = (char) header[156];
    *found = false;
    if (!checksum_is_right(header) || !read_size(header + 124, 12, &size) || size > INT64_MAX - BLOCK) {
        return files->count == 0 && !*named
            ? cella_builtin_refuse(call, "%s: is neither PNG, JPEG nor an uncompressed tar archive of them",
                                   files->input->name)
            : refuse(call, files, "has a damaged header");
    }
    if (type == 'L' || type == 'x') {
        CELLA_TRY(read_content(call, files, size, EXTENSION_MAX, true));
        if (type == 'L') {
            set_name(files, cella_bytes_view(&files->content));
        } else {
            files->name[0] = '\0';
            take_path(files);
        }
        *named = files->name[0] != '\0';
        return CELLA_OK;
    }
    if (!*named) {
        take_header_name(files, header);
    }
    *named = false;
    *found = (type == '0' || type == '\0') && !is_hidden(files->name);
    return read_content(call, files, type == '1' || type == '2' ? 0 : size, CELLA_IMAGE_FILE_MAX, *found);
}

/* The input is one image, of which the first block was read. */
static cella_status take_single(struct cella_builtin_call *call, struct cella_image_files *files, struct cella_view first)
{
    uint8_t piece[65536];
    set_name(files, cella_view_of_string(files->input->name));
    CELLA_TRY(cella_bytes_append(&files->content, first));
    for (size_t got = first.size; got > 0;) {
        CELLA_TRY(read_some(files, piece, sizeof(piece), &got));
        CELLA_TRY(cella_bytes_append(&files->content, cella_view_of(piece, got)));
        if (files->content.size > CELLA_IMAGE_FILE_MAX) {
            return cella_builtin_refuse(call, "%s: is larger than %u bytes", files->input->name, CELLA_IMAGE_FILE_MAX);
        }
    }
    files->ended = true;
    files->count = 1;
    return CELLA_OK;
}

static bool is_zero(const uint8_t *block)
{
    for (size_t i = 0; i < BLOCK; i++) {
        if (block[i] != 0) {
            return false;
        }
    }
    return true;
}

cella_status cella_image_files_next(struct cella_builtin_call *call, struct cella_image_files *files, bool *there)
{
    uint8_t block[BLOCK];
    bool named = false;
    bool found = false;
    *there = false;
    while (!files->ended && !found) {
        size_t got;
        CELLA_TRY(read_some(files, block, sizeof(block), &got));
        if (!files->begun && cella_image_known(cella_view_of(block, got))) {
            CELLA_TRY(take_single(call, files, cella_view_of(block, got)));
            *there = true;
            return CELLA_OK;
        }
        if (got == 0 && !files->begun) {
            return cella_builtin_refuse(call, "%s: is empty", files->input->name);
        }
        if (got == sizeof(block) && is_zero(block)) {
            files->ended = true;
            return CELLA_OK;
        }
        if (got < sizeof(block)) {
            /* Archives end with blocks of zeroes: without them files may be missing. */
            return files->begun ? refuse(call, files, "is cut short")
                                : cella_builtin_refuse(call, "%s: is neither PNG, JPEG nor an uncompressed tar archive of "
                                                             "them", files->input->name);
        }
        files->begun = true;
        CELLA_TRY(take_member(call, files, block, &named, &found));
    }
    files->count += found;
    *there = found;
    return CELLA_OK;
}

void cella_image_files_release(struct cella_image_files *files)
{
    cella_bytes_clear(&files->content);
}
