/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xgboost/c_api.h>

#include "builtins/matrix.h"
#include "builtins/number.h"

#define GBDT_TRAIN(X)                                                                                                \
    X(INTEGER, feature_size, 0, 16383, "0", "number of features; 0: all columns but the last one")                   \
    X(INTEGER, max_depth, 1, 24, "6", "levels of splits of a tree")                                                  \
    X(INTEGER, iterations, 1, 100000, "100", "number of rounds, each of which adds a tree (one for each class)")     \
    X(REAL, shrinkage, 1e-6, 1.0, "0.3", "how much of a tree's answer counts: the learning rate")                    \
    X(REAL, feature_sample_ratio, 0.001, 1.0, "1", "part of the features that each node chooses from")               \
    X(REAL, data_sample_ratio, 0.001, 1.0, "1", "part of the rows that each tree is grown on")                       \
    X(INTEGER, min_leaf_size, 0, 1000000000, "1", "least sum of second derivatives in a leaf: rows, for SquaredError " \
                                                   "and LAD")                                                        \
    X(CHOICE, loss,                                                                                                  \
      "SquaredError|LAD|LogLikelyhood|RegLinear|RegLogistic|BinaryLogistic|BinaryLogitraw|MultiSoftprob|MultiSoftmax", \
      "SquaredError", "what is minimised. LogLikelyhood takes labels -1 and 1 or 0 and 1; RegLogistic labels from 0 to " \
                      "1; BinaryLogistic and BinaryLogitraw 0 and 1; MultiSoftprob and MultiSoftmax whole numbers from 0")   \
    X(INTEGER, training_optimization_level, 0, 255, "2", "for Teaclave's callers; without effect")                   \
    X(REAL, l2_regularization, 0.0, 1e9, "1", "penalty on leaves' values: lambda")                                   \
    X(INTEGER, bins, 2, 65535, "256", "how many intervals a feature's values are sorted into")                       \
    X(INTEGER, seed, 0, 2147483647, "0", "of the samples of rows and features")                                      \
    X(INPUT, training_data, "CSV or .npy", "numbers, the label in the last column; a missing feature is allowed"     \
                                         CELLA_MATRIX_AUTO_TEXT_PLACES)                                              \
    X(OUTPUT, trained_model, "JSON", "the model in xgboost's JSON format, for gbdt_predict and for xgboost")

#define CLASSES_MAX 1000
/* Below this many values a second thread costs more than it brings. */
#define VALUES_PER_THREAD 200000U

struct training {
    struct cella_builtin_call *call;
    DMatrixHandle data;
    BoosterHandle booster;
    float *labels;
    float *aims; /* for LAD: what the next tree is grown towards, one for each row */
};

/* In the order of the argument's choices. */
struct loss {
    const char *objective;
    double least; /* label */
    double most;
    bool whole;
};

static const struct loss losses[] = {
    { "reg:squarederror", -FLT_MAX, FLT_MAX, false }, { "reg:absoluteerror", -FLT_MAX, FLT_MAX, false },
    { "binary:logistic", -1, 1, true },               { "reg:squarederror", -FLT_MAX, FLT_MAX, false },
    { "reg:logistic", 0, 1, false },                  { "binary:logistic", 0, 1, true },
    { "binary:logitraw", 0, 1, true },                { "multi:softprob", 0, CLASSES_MAX - 1, true },
    { "multi:softmax", 0, CLASSES_MAX - 1, true },
};
#define LAD 1
#define LOG_LIKELYHOOD 2
#define MULTI_SOFTPROB 7

static void release(struct training *training)
{
    if (training->booster != NULL) {
        (void) XGBoosterFree(training->booster);
    }
    if (training->data != NULL) {
        (void) XGDMatrixFree(training->data);
    }
    free(training->labels);
    free(training->aims);
}

/* Turn the C API's answer into ours. Its messages hold C++ traces: their first line says it. */
static cella_status done(struct cella_builtin_call *call, int answer)
{
    if (answer == 0) {
        return CELLA_OK;
    }
    const char *message = XGBGetLastError();
    if (strstr(message, "bad_alloc") != NULL) {
        return CELLA_NO_MEMORY;
    }
    return cella_builtin_refuse(call, "training_data: xgboost refuses it: %.*s", (int) strcspn(message, "\n"), message);
}

static cella_status refuse_label(struct cella_builtin_call *call, const char *input, size_t row, double label,
                                 const char *what)
{
    char text[CELLA_NUMBER_TEXT_MAX];
    size_t size = cella_number_format(label, text);
    return cella_builtin_refuse(call, "%s, row %zu, label %.*s: %s", input, row + 1, (int) size, text, what);
}

/* Labels, and how many classes they say there are. */
static cella_status take_labels(struct training *training, const char *input, const struct cella_matrix *matrix,
                                int64_t kind, size_t *classes)
{
    training->labels = reallocarray(NULL, matrix->rows, sizeof(float));
    if (training->labels == NULL) {
        return CELLA_NO_MEMORY;
    }
    double most = 0;
    bool seen[2] = { false, false };
    for (size_t i = 0; i < matrix->rows; i++) {
        double label = matrix->values[i * matrix->columns + matrix->columns - 1];
        if (isnan(label)) {
            return cella_builtin_refuse(training->call, "%s, row %zu, column %zu: the label is missing", input, i + 1,
                                        matrix->columns);
        }
        if (!(label >= losses[kind].least && label <= losses[kind].most)) {
            return refuse_label(training->call, input, i, label, "is not one that this loss can have");
        }
        if (losses[kind].whole && label != floor(label)) {
            return refuse_label(training->call, input, i, label, "is no whole number");
        }
        if (kind == LOG_LIKELYHOOD) {
            seen[0] = seen[0] || label < 0;
            seen[1] = seen[1] || label == 0;
            label = label > 0 ? 1 : 0;
        }
        if (seen[0] && seen[1]) {
            return refuse_label(training->call, input, i, label, "labels are -1 and 1, or 0 and 1, not all three");
        }
        most = label > most ? label : most;
        training->labels[i] = (float) label;
    }
    *classes = kind >= MULTI_SOFTPROB ? (size_t) most + 1 : 0;
    return CELLA_OK;
}

/*
 * The features as floats, which xgboost copies: in the place of the matrix, unless that is the input itself.
 */
static cella_status give_features(struct training *training, const char *input, const struct cella_matrix *matrix,
                                  int threads)
{
    size_t features = matrix->columns - 1;
    CELLA_CLEANUP(cella_pointer_free) float *made = NULL;
    if (matrix->owned == NULL && (made = reallocarray(NULL, matrix->rows, features * sizeof(float))) == NULL) {
        return CELLA_NO_MEMORY;
    }
    float *values = made != NULL ? made : (float *) (void *) matrix->owned;
    CELLA_TRY(cella_matrix_floats(training->call, input, matrix, 0, matrix->rows, features, values));
    CELLA_TRY(done(training->call, XGDMatrixCreateFromMat_omp(values, matrix->rows, features, NAN, &training->data,
                                                              threads)));
    return done(training->call, XGDMatrixSetFloatInfo(training->data, "label", training->labels, matrix->rows));
}

/* Whole numbers are written without a point: where xgboost wants one, "4.0" is an error. */
static cella_status set(struct training *training, const char *name, double value)
{
    char text[CELLA_NUMBER_TEXT_MAX + 1];
    if (value == floor(value) && fabs(value) < 1e15) {
        (void) snprintf(text, sizeof(text), "%lld", (long long) value);
    } else {
        text[cella_number_format(value, text)] = '\0';
    }
    return done(training->call, XGBoosterSetParam(training->booster, name, text));
}

static double mean(const struct training *training, size_t rows)
{
    double sum = 0;
    for (size_t i = 0; i < rows; i++) {
        sum += (double) training->labels[i];
    }
    return sum / (double) rows;
}

static int compare(const void *a, const void *b)
{
    float one = *(const float *) a;
    float two = *(const float *) b;
    return (one > two) - (one < two);
}

/* Makes the place for aims, and uses it to sort labels. */
static cella_status find_median(struct training *training, size_t rows, double *out)
{
    training->aims = reallocarray(NULL, rows, sizeof(float));
    if (training->aims == NULL) {
        return CELLA_NO_MEMORY;
    }
    memcpy(training->aims, training->labels, rows * sizeof(float));
    qsort(training->aims, rows, sizeof(float), compare);
    *out = ((double) training->aims[(rows - 1) / 2] + (double) training->aims[rows / 2]) / 2;
    return CELLA_OK;
}

/*
 * For LAD xgboost 1.7 gives each leaf the median of what is missing to its labels, and forgets the learning rate. So the
 * labels move instead: to where that part of the way ends.
 */
static cella_status aim(struct training *training, size_t rows, double shrinkage)
{
    static const char how[] = "{\"type\": 1, \"training\": false, \"iteration_begin\": 0, \"iteration_end\": 0, "
                              "\"strict_shape\": false}";
    const bst_ulong *shape;
    const float *present; /* the booster's */
    bst_ulong dimensions;
    CELLA_TRY(done(training->call, XGBoosterPredictFromDMatrix(training->booster, training->data, how, &shape,
                                                               &dimensions, &present)));
    for (size_t i = 0; i < rows; i++) {
        training->aims[i] = present[i] + (float) shrinkage * (training->labels[i] - present[i]);
    }
    return done(training->call, XGDMatrixSetFloatInfo(training->data, "label", training->aims, rows));
}

static cella_status train(struct training *training, size_t rows, int64_t iterations, double shrinkage)
{
    for (int64_t i = 0; i < iterations; i++) {
        if (training->aims != NULL) {
            CELLA_TRY(aim(training, rows, shrinkage));
        }
        CELLA_TRY(done(training->call, XGBoosterUpdateOneIter(training->booster, (int) i, training->data)));
        CELLA_TRY(cella_builtin_progress(training->call, (double) (i + 1) / (double) iterations));
    }
    return CELLA_OK;
}

/* Where sums begin; the other losses begin at even odds. */
static cella_status set_start(struct training *training, int64_t loss, size_t rows)
{
    double start = 0.5;
    if (loss == LAD) {
        CELLA_TRY(find_median(training, rows, &start));
    } else if (strcmp(losses[loss].objective, "reg:squarederror") == 0) {
        start = mean(training, rows);
    }
    return set(training, "base_score", start);
}

static cella_status save(struct training *training, struct cella_builtin_output *output)
{
    bst_ulong size = 0;
    const char *text = NULL; /* the booster's */
    CELLA_TRY(done(training->call,
                   XGBoosterSaveModelToBuffer(training->booster, "{\"format\": \"json\"}", &size, &text)));
    return cella_builtin_output_write(output, cella_view_of(text, size));
}

static int choose_threads(const struct cella_builtin_call *call, const struct cella_matrix *matrix)
{
    size_t useful = matrix->rows * matrix->columns / VALUES_PER_THREAD;
    useful = useful < 1 ? 1 : useful;
    return (int) (useful < call->threads ? useful : call->threads);
}

static void *wait_for_lock(void *context)
{
    pthread_mutex_t *lock = context;
    (void) pthread_mutex_lock(lock);
    (void) pthread_mutex_unlock(lock);
    return NULL;
}

/*
 * OpenMP's library ends the process when it can not start a thread. So as many are started here first: without room for
 * their stacks that is CELLA_NO_MEMORY, and with it the C library keeps the stacks for OpenMP's threads.
 */
static cella_status make_room_for_threads(int threads)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    size_t wanted = (size_t) threads - 1;
    size_t started = 0;
    pthread_t *others = calloc(wanted + 1, sizeof(others[0]));
    if (others == NULL) {
        return CELLA_NO_MEMORY;
    }
    (void) pthread_mutex_lock(&lock); /* all of them are there at a time */
    while (started < wanted && pthread_create(&others[started], NULL, wait_for_lock, &lock) == 0) {
        started++;
    }
    (void) pthread_mutex_unlock(&lock);
    for (size_t i = 0; i < started; i++) {
        (void) pthread_join(others[i], NULL);
    }
    free(others);
    return started == wanted ? CELLA_OK : CELLA_NO_MEMORY;
}

static cella_status read_data(struct cella_builtin_call *call, struct cella_builtin_input *input, int64_t features,
                              struct cella_matrix *matrix)
{
    size_t wanted = features > 0 ? (size_t) features + 1 : 0;
    CELLA_TRY(cella_matrix_read(call, input, CELLA_MATRIX_AUTO, CELLA_MATRIX_KEEP_NAN, wanted, matrix));
    if (matrix->rows == 0 || matrix->columns < 2) {
        return cella_builtin_refuse(call, "%s: %zu rows and %zu columns; a row, a feature and a label are the least",
                                    input->name, matrix->rows, matrix->columns);
    }
    return CELLA_OK;
}

CELLA_BUILTIN(gbdt_train, "gbdt_train", GBDT_TRAIN, .alias = "builtin-gbdt-train", .version = "1",
              .documentation = "Train gradient boosted decision trees, with xgboost's histograms. With SquaredError and "
                               "RegLinear the model begins at the labels' mean, with LAD at their median.",
              .returns = "\"Trained N lines of data.\"",
              .determinism = "The same data, arguments and number of threads give the same model on one machine; other "
                             "processors and numbers of threads can change last bits of sums, and so splits.",
              .limits = "Memory: 8 bytes for each value of the input at first (4 for .npy of f8), then about 14; 16,384 columns.",
              .example = ">>> rows = ''.join(f'{x},{x * x}\\n' for x in range(100))\n"
                         ">>> trained = cella.builtins.gbdt_train(rows, iterations=50)\n"
                         ">>> trained.returned\n"
                         "'Trained 100 lines of data.'\n"
                         ">>> cella.builtins.gbdt_predict(trained.trained_model, '3\\n7\\n').returned\n"
                         "'Predict result has 2 lines of data.'\n")
{
    (void) training_optimization_level;
    CELLA_CLEANUP(release) struct training training = { .call = call };
    CELLA_CLEANUP(cella_matrix_release) struct cella_matrix matrix = { 0 };
    size_t classes = 0;
    CELLA_TRY(read_data(call, training_data, feature_size, &matrix));
    CELLA_TRY(take_labels(&training, training_data->name, &matrix, loss, &classes));
    int threads = choose_threads(call, &matrix);
    size_t rows = matrix.rows;
    CELLA_TRY(make_room_for_threads(threads));
    CELLA_TRY(give_features(&training, training_data->name, &matrix, threads));
    cella_matrix_release(&matrix);
    CELLA_TRY(done(call, XGBoosterCreate(&training.data, 1, &training.booster)));
    CELLA_TRY(done(call, XGBoosterSetParam(training.booster, "verbosity", "0")));
    CELLA_TRY(done(call, XGBoosterSetParam(training.booster, "tree_method", "hist")));
    CELLA_TRY(done(call, XGBoosterSetParam(training.booster, "objective", losses[loss].objective)));
    CELLA_TRY(set(&training, "nthread", threads));
    CELLA_TRY(set(&training, "max_depth", (double) max_depth));
    CELLA_TRY(set(&training, "eta", loss == LAD ? 1 : shrinkage));
    CELLA_TRY(set(&training, "colsample_bynode", feature_sample_ratio));
    CELLA_TRY(set(&training, "subsample", data_sample_ratio));
    CELLA_TRY(set(&training, "min_child_weight", (double) min_leaf_size));
    CELLA_TRY(set(&training, "lambda", l2_regularization));
    CELLA_TRY(set(&training, "max_bin", (double) bins));
    CELLA_TRY(set(&training, "seed", (double) seed));
    CELLA_TRY(classes > 0 ? set(&training, "num_class", (double) classes) : CELLA_OK);
    CELLA_TRY(set_start(&training, loss, rows));
    CELLA_TRY(train(&training, rows, iterations, shrinkage));
    CELLA_TRY(save(&training, trained_model));
    return cella_builtin_result(call, "Trained %zu lines of data.", rows);
}
