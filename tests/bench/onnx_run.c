/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times the ONNX engine: onnx_run MODEL INPUT.f32 THREADS SECONDS DIMENSION... prints milliseconds of each run and the
 * last output, for tests/bench/builtin_onnx.py.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "builtins/native/onnx_session.h"

static double now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double) time.tv_sec + (double) time.tv_nsec * 1e-9;
}

static int read_file(const char *path, struct cella_bytes *out)
{
    uint8_t buffer[65536];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return 1;
    }
    for (size_t got; (got = fread(buffer, 1, sizeof(buffer), file)) > 0;) {
        if (cella_bytes_append(out, cella_view_of(buffer, got)) != CELLA_OK) {
            break;
        }
    }
    fclose(file);
    return 0;
}

static int run_timed(struct cella_onnx_session *session, const struct cella_onnx_tensor *input, double seconds)
{
    double end = now(CLOCK_MONOTONIC) + seconds;
    for (size_t i = 0; i < 3 || now(CLOCK_MONOTONIC) < end; i++) {
        struct cella_onnx_tensor output = { 0 };
        double start = now(CLOCK_MONOTONIC);
        double worked = now(CLOCK_PROCESS_CPUTIME_ID);
        if (cella_onnx_session_run(session, input, &output) != CELLA_OK) {
            fprintf(stderr, "%s\n", session->call->message);
            return 1;
        }
        printf("time %.6f %.6f\n", (now(CLOCK_MONOTONIC) - start) * 1e3, (now(CLOCK_PROCESS_CPUTIME_ID) - worked) * 1e3);
        for (size_t j = 0; i == 0 && j < output.count; j++) {
            printf("value %.9g\n", (double) ((const float *) output.data)[j]);
        }
        cella_onnx_tensor_release(&output);
    }
    return 0;
}

int main(int count, char **words)
{
    struct cella_bytes model = { 0 };
    struct cella_bytes numbers = { 0 };
    struct cella_onnx_tensor input = { 0 };
    size_t dims[CELLA_ONNX_RANK_MAX];
    if (count < 6 || count > 5 + (int) CELLA_ONNX_RANK_MAX || read_file(words[1], &model) || read_file(words[2], &numbers)) {
        return 2;
    }
    for (int i = 5; i < count; i++) {
        dims[i - 5] = strtoul(words[i], NULL, 10);
    }
    struct cella_builtin_call call = { .threads = (unsigned int) strtoul(words[3], NULL, 10) };
    struct cella_onnx_session session = { 0 };
    if (cella_onnx_session_open(&call, words[1], cella_bytes_view(&model), &session) != CELLA_OK ||
        cella_onnx_tensor_make(&session.memory, CELLA_ONNX_FLOAT, (size_t) count - 5, dims, &input) != CELLA_OK ||
        input.count * sizeof(float) != numbers.size) {
        fprintf(stderr, "%s\n", call.message);
        return 1;
    }
    memcpy(input.data, numbers.data, numbers.size);
    int result = run_timed(&session, &input, strtod(words[4], NULL));
    cella_onnx_tensor_release(&input);
    cella_onnx_session_close(&session);
    cella_bytes_clear(&model);
    cella_bytes_clear(&numbers);
    return result;
}
