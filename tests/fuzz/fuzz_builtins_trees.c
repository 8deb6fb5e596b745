/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "builtins/trees.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever was accepted as a model predicts, within its arrays and in bounded time, for rows of all kinds. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CELLA_CLEANUP(cella_trees_release) struct cella_trees trees = { 0 };
    struct cella_builtin_call call = { .threads = 1 };
    struct cella_builtin_input input = { .name = "model", .bytes = cella_view_of(data, size) };
    static const float values[] = { 0, -1, 1e30F, NAN };
    enum { ROWS = 4, MOST = 4096 };
    cella_status status = cella_trees_read(&call, &input, &trees);
    if (status != CELLA_OK) {
        assert(status == CELLA_NO_MEMORY || strncmp(call.message, "model, byte ", 12) == 0);
        return 0;
    }
    if (trees.features > MOST) {
        return 0;
    }
    float *rows = calloc(ROWS * trees.features, sizeof(float));
    float *sums = calloc(ROWS * trees.groups, sizeof(float));
    float *out = calloc(ROWS * trees.columns, sizeof(float));
    assert(rows != NULL && sums != NULL && out != NULL);
    for (size_t i = 0; i < ROWS * trees.features; i++) {
        rows[i] = values[i / trees.features];
    }
    cella_trees_predict(&trees, rows, ROWS, sums, out);
    free(rows);
    free(sums);
    free(out);
    return 0;
}
