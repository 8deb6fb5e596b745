/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "trust/data_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static cella_status collect(void *context, struct cella_view bytes)
{
    return cella_bytes_append(context, bytes);
}

static cella_status open_in_pieces(const struct cella_data_file *file, struct cella_view content, size_t piece,
                                   struct cella_bytes *out)
{
    uint8_t bytes[CELLA_DATA_KEY_MAX];
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret key = { 0 };
    struct cella_data_reader *reader = NULL;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t) i;
    }
    CELLA_TRY(cella_secret_set(&key, cella_view_of(bytes, cella_data_format_key_size(file->format))));
    cella_status status = cella_data_reader_new(file, &key, (struct cella_view){ 0 }, collect, out, &reader);
    while (status == CELLA_OK && content.size > 0) {
        size_t part = piece < content.size ? piece : content.size;
        status = cella_data_reader_update(reader, cella_view_of(content.data, part));
        content = cella_view_of(content.data + part, content.size - part);
    }
    status = status == CELLA_OK ? cella_data_reader_finish(reader) : status;
    cella_data_reader_free(reader);
    return status;
}

/*
 * First byte: the format; second: size of the pieces; third: how far the registered size is off. The key is 0, 1, 2, ... as in the
 * corpus. Pieces do not matter, what is refused by its size never opens, and what opens is not longer than the file.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes whole = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes pieces = { 0 };
    struct cella_data_file file = { CELLA_DATA_SEALED_FILE, 0, CELLA_SEALED_SEGMENT_4KB };
    if (size < 3 || cella_data_format_of_number(data[0] % 4U, &file.format) != CELLA_OK) {
        return 0;
    }
    struct cella_view content = cella_view_of(data + 3, size - 3);
    file.size = content.size + data[2];
    cella_status one = open_in_pieces(&file, content, SIZE_MAX, &whole);
    cella_status other = open_in_pieces(&file, content, (size_t) data[1] + 1, &pieces);
    assert(one == other);
    assert(one != CELLA_OK || cella_view_equal(cella_bytes_view(&whole), cella_bytes_view(&pieces)));
    assert(whole.size <= content.size);
    /* A sealed file's reader is not told the size. */
    assert(one != CELLA_OK || file.format == CELLA_DATA_SEALED_FILE ||
           (data[2] == 0 && cella_data_file_check(&file) == CELLA_OK));
    return 0;
}
