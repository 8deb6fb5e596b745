/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ONNX engine against ONNX's own conformance tests (Debian's libonnx-testdata): every test of an operator that the
 * engine has passes or is refused with a reason. With an argument: prints what came of each test.
 */

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "builtins/native/onnx_gemm.h"
#include "builtins/native/onnx_kernel.h"
#include "builtins/native/onnx_step.h"

#define DATA "/usr/include/onnx/backend/test/data"
#define MOST 16U

enum outcome { PASSED, REFUSED, UNSUPPORTED, WRONG };

#define OPERATORS_MOST 256U

struct tally {
    size_t counts[4];
    size_t accounts;           /* runs whose account of work was checked */
    bool seen[OPERATORS_MOST]; /* operators of models that passed */
};

static bool read_file(const char *path, struct cella_bytes *out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    uint8_t buffer[65536];
    out->size = 0;
    for (size_t got; (got = fread(buffer, 1, sizeof(buffer), file)) > 0;) {
        assert_int_equal(cella_bytes_append(out, cella_view_of(buffer, got)), CELLA_OK);
    }
    fclose(file);
    return true;
}

static double number(const struct cella_onnx_tensor *tensor, size_t i)
{
    switch (tensor->type) {
    case CELLA_ONNX_FLOAT:
        return (double) ((const float *) tensor->data)[i];
    case CELLA_ONNX_DOUBLE:
        return ((const double *) tensor->data)[i];
    case CELLA_ONNX_INT64:
        return (double) ((const int64_t *) tensor->data)[i];
    case CELLA_ONNX_INT32:
        return ((const int32_t *) tensor->data)[i];
    case CELLA_ONNX_INT8:
        return ((const int8_t *) tensor->data)[i];
    case CELLA_ONNX_UINT8:
    case CELLA_ONNX_BOOL:
        return ((const uint8_t *) tensor->data)[i];
    case CELLA_ONNX_NONE:
    case CELLA_ONNX_STRING:
        break;
    }
    return 0;
}

static bool equal(const struct cella_onnx_tensor *a, const struct cella_onnx_tensor *b)
{
    if (a->type != b->type || !cella_onnx_same_shape(a, b)) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (a->type == CELLA_ONNX_STRING) {
            if (!cella_view_equal(((struct cella_view *) a->data)[i], ((struct cella_view *) b->data)[i])) {
                return false;
            }
            continue;
        }
        double x = number(a, i);
        double y = number(b, i);
        if (!(x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= 1e-6 + 1e-3 * fabs(y))) {
            return false;
        }
    }
    return true;
}

/* input_N.pb or output_N.pb of a data set, as many as there are. The bytes are kept for strings. */
static size_t read_tensors(const char *folder, const char *kind, struct cella_builtin_call *call,
                           struct cella_onnx_memory *memory, struct cella_onnx_tensor *out, struct cella_bytes *bytes,
                           bool *readable)
{
    char path[512];
    struct cella_view name;
    for (size_t i = 0; i < MOST; i++) {
        snprintf(path, sizeof(path), "%s/%s_%zu.pb", folder, kind, i);
        if (!read_file(path, &bytes[i])) {
            return i;
        }
        if (bytes[i].size > 0 &&
            cella_onnx_tensor_parse(call, kind, cella_bytes_view(&bytes[i]), memory, &name, &out[i]) != CELLA_OK) {
            *readable = false;
        }
    }
    return MOST;
}

/*
 * What a run asked for is enough for it again, for two examples half of that; less is refused, before anything is computed
 * at all if it is nothing. count: of the runs that ask for something.
 */
static void check_account(struct cella_onnx_session *session, const struct cella_onnx_tensor *inputs, size_t *count)
{
    struct cella_onnx_tensor outputs[MOST] = { 0 };
    assert_int_equal(cella_onnx_session_run(session, inputs, outputs), CELLA_OK); /* not the first, which packs weights */
    for (size_t j = 0; j < MOST; j++) {
        cella_onnx_tensor_release(&outputs[j]);
    }
    double asked = session->work.asked;
    const struct {
        double limit;
        size_t examples;
        bool enough;
    } cases[] = { { asked, 1, true }, { asked / 2, 2, true }, { asked / 2, 1, false }, { 0, 7, false },
                  { asked * (1 - 1e-9), 1, false } };
    for (size_t i = 0; asked > 0 && i < sizeof(cases) / sizeof(cases[0]); i++) {
        session->work.limit = cases[i].limit;
        session->work.examples = cases[i].examples;
        session->call->message[0] = '\0';
        cella_status status = cella_onnx_session_run(session, inputs, outputs);
        assert_int_equal(status, cases[i].enough ? CELLA_OK : CELLA_BUILTIN_FAILED);
        assert_true(cases[i].enough || strstr(session->call->message, "it would take") != NULL);
        for (size_t j = 0; j < MOST; j++) {
            cella_onnx_tensor_release(&outputs[j]);
        }
    }
    *count += asked > 0;
    session->work.limit = CELLA_ONNX_WORK_MAX;
    session->work.examples = 1;
}

static enum outcome run_set(const char *folder, struct cella_onnx_session *session, struct cella_builtin_call *call,
                            struct tally *tally)
{
    struct cella_onnx_tensor inputs[MOST] = { 0 };
    struct cella_onnx_tensor wanted[MOST] = { 0 };
    struct cella_onnx_tensor outputs[MOST] = { 0 };
    struct cella_bytes bytes[2][MOST] = { 0 };
    bool readable = true;
    enum outcome outcome = REFUSED;
    read_tensors(folder, "input", call, &session->memory, inputs, bytes[0], &readable);
    read_tensors(folder, "output", call, &session->memory, wanted, bytes[1], &readable);
    if (readable && session->model.output_count <= MOST && session->model.input_count <= MOST) {
        cella_status status = cella_onnx_session_run(session, inputs, outputs);
        assert_true(status == CELLA_OK || status == CELLA_BUILTIN_FAILED);
        outcome = status == CELLA_OK ? PASSED : REFUSED;
        for (size_t i = 0; outcome == PASSED && i < session->model.output_count; i++) {
            outcome = equal(&outputs[i], &wanted[i]) ? PASSED : WRONG;
        }
        if (outcome == PASSED) {
            check_account(session, inputs, &tally->accounts);
        }
    }
    for (size_t i = 0; i < MOST; i++) {
        cella_onnx_tensor_release(&inputs[i]);
        cella_onnx_tensor_release(&wanted[i]);
        cella_onnx_tensor_release(&outputs[i]);
        cella_bytes_clear(&bytes[0][i]);
        cella_bytes_clear(&bytes[1][i]);
    }
    return outcome;
}

static void mark(const struct cella_onnx_operator *operation, struct tally *tally)
{
    size_t i = 0;
    while (cella_onnx_operator_at(i) != operation) {
        i++;
    }
    assert_true(i < OPERATORS_MOST);
    tally->seen[i] = true;
}

/* Operators without a conformance test that the engine passes: tests/python/test_builtin_onnx.py has tests of its own. */
static void check_seen(const bool *seen)
{
    static const char *const own[] = { "LpNormalization", "ReduceLogSumExp" };
    const struct cella_onnx_operator *operation;
    for (size_t i = 0; (operation = cella_onnx_operator_at(i)) != NULL; i++) {
        bool elsewhere = operation->domain[0] != '\0';
        for (size_t j = 0; j < sizeof(own) / sizeof(own[0]); j++) {
            elsewhere = elsewhere || strcmp(operation->name, own[j]) == 0;
        }
        if (seen[i] == elsewhere) {
            fail_msg("%s: %s", operation->name, seen[i] ? "has a conformance test" : "has no test");
        }
    }
}

static enum outcome judge(const char *folder, char reason[CELLA_BUILTIN_MESSAGE_MAX], struct tally *tally)
{
    char path[512];
    struct cella_bytes model = { 0 };
    struct cella_onnx_session session = { 0 };
    struct cella_builtin_call call = { .threads = 2 };
    snprintf(path, sizeof(path), "%s/model.onnx", folder);
    assert_true(read_file(path, &model));
    cella_status status = cella_onnx_session_open(&call, "model", cella_bytes_view(&model), &session);
    assert_true(status == CELLA_OK || status == CELLA_BUILTIN_FAILED);
    enum outcome outcome = status == CELLA_OK ? PASSED : REFUSED;
    for (size_t i = 0; outcome == PASSED; i++) {
        snprintf(path, sizeof(path), "%s/test_data_set_%zu", folder, i);
        if (access(path, F_OK) != 0) {
            break;
        }
        outcome = run_set(path, &session, &call, tally);
    }
    for (size_t i = 0; outcome == PASSED && i < session.step_count; i++) {
        mark(session.steps[i].operation, tally);
    }
    cella_onnx_session_close(&session);
    cella_bytes_clear(&model);
    memcpy(reason, call.message, sizeof(call.message));
    return outcome == REFUSED && strstr(reason, "this operator is not supported") != NULL ? UNSUPPORTED : outcome;
}

static void judge_all(const char *group, struct tally *tally, bool print)
{
    static const char *const words[] = { "pass", "refused", "unsupported", "WRONG" };
    char folder[512];
    char reason[CELLA_BUILTIN_MESSAGE_MAX];
    struct dirent **entries;
    snprintf(folder, sizeof(folder), DATA "/%s", group);
    int count = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        snprintf(folder, sizeof(folder), DATA "/%s/%s/model.onnx", group, entries[i]->d_name);
        if (access(folder, F_OK) == 0) {
            folder[strlen(folder) - strlen("/model.onnx")] = '\0';
            enum outcome outcome = judge(folder, reason, tally);
            tally->counts[outcome]++;
            if (print || outcome == WRONG) {
                print_message("%-12s %-60s %s\n", words[outcome], entries[i]->d_name, outcome == PASSED ? "" : reason);
            }
        }
        free(entries[i]);
    }
    if (count >= 0) {
        free(entries);
    }
}

static void test_conformance(void **state)
{
    static const char *const groups[] = { "node", "simple", "pytorch-converted", "pytorch-operator" };
    struct tally all = { 0 };
    if (access(DATA, F_OK) != 0) {
        print_message("NOT INSTALLED: libonnx-testdata, so ONNX's conformance tests were not run\n");
        skip();
    }
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        struct tally tally = { 0 };
        judge_all(groups[i], &tally, getenv("CELLA_ONNX_TABLE") != NULL);
        print_message("%-20s passed %zu, refused %zu, with an operator that is not supported %zu, wrong %zu\n", groups[i],
                      tally.counts[PASSED], tally.counts[REFUSED], tally.counts[UNSUPPORTED], tally.counts[WRONG]);
        for (size_t j = 0; j < 4; j++) {
            all.counts[j] += tally.counts[j];
        }
        all.accounts += tally.accounts;
        for (size_t j = 0; j < OPERATORS_MOST; j++) {
            all.seen[j] = all.seen[j] || tally.seen[j];
        }
    }
    assert_int_equal(all.counts[WRONG], 0);
    assert_true(all.counts[PASSED] >= 500);
    assert_true(all.accounts >= 500);
    check_seen(all.seen);
    (void) state;
}

/* Every instruction set computes the same product, with panels of every height and with edges. */
static void test_kernels_agree(void **state)
{
    static const size_t sizes[][3] = { { 1, 1, 1 },  { 1, 33, 7 },   { 3, 31, 640 }, { 13, 65, 321 },
                                       { 5, 5, 5 },  { 24, 64, 100 }, { 7, 1, 1000 }, { 11, 97, 2 } };
    struct cella_onnx_threads *threads;
    assert_int_equal(cella_onnx_threads_start(2, NULL, &threads), CELLA_OK);
    const struct cella_onnx_kernel *kernel;
    for (size_t k = 0; (kernel = cella_onnx_kernel_at(k)) != NULL; k++) {
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
            size_t m = sizes[s][0];
            size_t n = sizes[s][1];
            size_t d = sizes[s][2];
            float *a = calloc(m * d, sizeof(float));
            float *b = calloc(d * n, sizeof(float));
            float *c = calloc(m * n, sizeof(float));
            float *pa = calloc(cella_onnx_packed_a(kernel, m, d) + 64, sizeof(float));
            float *pb = calloc(cella_onnx_packed_b(kernel, d, n) + 64, sizeof(float));
            float *scratch = calloc(2 * cella_onnx_gemm_scratch(kernel), sizeof(float));
            for (size_t i = 0; i < m * d; i++) {
                a[i] = (float) (i * 7919 % 13) - 6;
            }
            for (size_t i = 0; i < d * n; i++) {
                b[i] = (float) (i * 104729 % 11) - 5;
            }
            cella_onnx_pack_a(kernel, (struct cella_onnx_matrix){ a, d, 1 }, m, d, pa);
            cella_onnx_pack_b(kernel, (struct cella_onnx_matrix){ b, n, 1 }, d, n, pb);
            struct cella_onnx_gemm product = { .kernel = kernel, .threads = threads, .rows = m, .columns = n, .depth = d,
                                               .a = pa, .b = pb, .scratch = scratch, .c = c, .stride = n };
            assert_int_equal(cella_onnx_gemm(&product), CELLA_OK);
            for (size_t i = 0; i < m * n; i++) {
                double sum = 0;
                for (size_t x = 0; x < d; x++) {
                    sum += (double) a[i / n * d + x] * (double) b[x * n + i % n];
                }
                assert_true((double) c[i] == sum); /* whole numbers below 2^24: no rounding */
            }
            free(a);
            free(b);
            free(c);
            free(pa);
            free(pb);
            free(scratch);
        }
    }
    cella_onnx_threads_stop(threads);
    (void) state;
}

static void count_part(void *context, size_t index, size_t thread)
{
    assert_true(thread < 4);
    __atomic_fetch_add(&((size_t *) context)[index], 1, __ATOMIC_SEQ_CST);
}

static void test_every_part_is_done_once(void **state)
{
    struct cella_onnx_threads *threads;
    assert_int_equal(cella_onnx_threads_start(4, NULL, &threads), CELLA_OK);
    for (size_t round = 0; round < 2000; round++) {
        size_t counts[37] = { 0 };
        size_t parts = round % 38;
        assert_int_equal(cella_onnx_parallel(threads, parts, 1, count_part, counts), CELLA_OK);
        for (size_t i = 0; i < 37; i++) {
            assert_int_equal(counts[i], i < parts);
        }
    }
    cella_onnx_threads_stop(threads);
    (void) state;
}

/* Each byte of a model changed in two ways: an error or an answer, and every buffer comes back. */
static void test_every_byte_flipped(void **state)
{
    static const char *const models[] = { "node/test_maxpool_2d_pads", "simple/test_single_relu_model",
                                          "pytorch-converted/test_Conv2d_padding", "pytorch-operator/test_operator_mm" };
    size_t ran = 0;
    for (size_t m = 0; m < sizeof(models) / sizeof(models[0]); m++) {
        char path[512];
        struct cella_bytes model = { 0 };
        snprintf(path, sizeof(path), DATA "/%s/model.onnx", models[m]);
        if (!read_file(path, &model)) {
            skip();
        }
        for (size_t i = 0; i < 2 * model.size; i++) {
            uint8_t mask = i % 2 == 0 ? 0x01 : 0x80;
            struct cella_builtin_call call = { .threads = 1 };
            struct cella_onnx_session session = { 0 };
            model.data[i / 2] ^= mask;
            cella_status status = cella_onnx_session_open(&call, "model", cella_bytes_view(&model), &session);
            struct cella_onnx_tensor inputs[MOST] = { 0 };
            struct cella_onnx_tensor outputs[MOST] = { 0 };
            size_t dims[4] = { 1, 1, 1, 1 };
            bool small = status == CELLA_OK && session.model.input_count == 1 && session.model.inputs[0].rank <= 4 &&
                session.model.output_count <= MOST && session.model.inputs[0].type == CELLA_ONNX_FLOAT;
            for (size_t d = 0; small && d < session.model.inputs[0].rank; d++) {
                dims[d] = session.model.inputs[0].dims[d].size;
                small = dims[d] > 0 && dims[d] < 1000;
            }
            if (small && cella_onnx_tensor_make(&session.memory, CELLA_ONNX_FLOAT, session.model.inputs[0].rank, dims,
                                                &inputs[0]) == CELLA_OK) {
                memset(inputs[0].data, 0, inputs[0].count * sizeof(float));
                status = cella_onnx_session_run(&session, inputs, outputs);
                ran += status == CELLA_OK;
                cella_onnx_tensor_release(&inputs[0]);
            }
            for (size_t j = 0; j < MOST; j++) {
                cella_onnx_tensor_release(&outputs[j]);
            }
            assert_true(status == CELLA_OK || status == CELLA_NO_MEMORY ||
                        (status == CELLA_BUILTIN_FAILED && call.message[0] != '\0'));
            cella_onnx_session_close(&session);
            model.data[i / 2] ^= mask;
        }
        cella_bytes_clear(&model);
    }
    assert_true(ran > 100);
    (void) state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conformance),
        cmocka_unit_test(test_kernels_agree),
        cmocka_unit_test(test_every_part_is_done_once),
        cmocka_unit_test(test_every_byte_flipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
