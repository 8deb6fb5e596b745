/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "builtins/cholesky.h"
#include "builtins/csv.h"
#include "builtins/gram.h"
#include "builtins/matrix.h"
#include "builtins/number.h"

#define LOGISTIC_TRAIN(X)                                                                                            \
    X(CHOICE, solver, "newton|gd", "newton", "newton: the minimum, to the last digits; gd: Teaclave's gradient descent") \
    X(REAL, c, 0.0, 1e12, "1", "newton: how much the data count against the L2 penalty, as scikit-learn's C; 0: no penalty") \
    X(REAL, alg_alpha, 1e-12, 1e6, "0.3", "gd: length of a step")                                                    \
    X(INTEGER, alg_iters, 1, 10000000, "100", "most steps of gd, most Hessians of newton")                                                          \
    X(INTEGER, feature_size, 0, 16383, "0", "number of features; 0: all columns but the last one")                   \
    X(INPUT, training_data, "CSV or .npy", "numbers, the label in the last column: 0 or 1; for gd anything from 0 to 1" \
                                         CELLA_MATRIX_AUTO_TEXT_PLACES)                                              \
    X(OUTPUT, model_file, "JSON", "{\"alpha\", \"iters\", \"parameters\": [intercept, one for each feature], ...}")

#define NEWTON 0
#define HALVINGS_MAX 30
#define FEATURES_MAX 4096U
/* Newton's decrement, in parts of the loss, below which the next step changes digits that a double does not have. */
#define CLOSE_ENOUGH 1e-9
/* A step is slow if it does not make the decrement so much smaller. */
#define FAST_ENOUGH 0.1
/* A Hessian of n parameters costs as much as n / 8 steps or more; after n / 32 slow ones it is time for a new one. */
#define SLOW_STEPS_PART 32U
/* What so many last steps showed of the Hessian's change is known. */
#define HISTORY 10U
/* With an old Hessian the next step is not that much better: how much closer it must be. */
#define OLD_CLOSE_ENOUGH 1e-8
/* A first guess comes from every so manyth row: at most this one, and so that each parameter has this many rows. */
#define GUESS_STRIDE_MAX 16U
#define GUESS_ROWS 40U
#define GUESS_CLOSE_ENOUGH 1e-3
#define GUESS_STEPS_MAX 20

struct logistic {
    struct cella_builtin_call *call;
    struct cella_matrix matrix;
    struct cella_gram gram; /* the Hessian */
    size_t size;            /* intercept and features */
    size_t stride;          /* every so manyth row counts */
    double weight;          /* of the data's loss */
    double penalty;         /* of each feature's parameter */
    bool curved;            /* the Hessian is wanted too */
    double *parameters;     /* all of these are gram.padded long, with zeros at the end */
    double *before;
    double *gradient;
    double *gradient_before;
    double *step;
    double *moves;          /* HISTORY of them, number k at k % HISTORY: what steps added to parameters */
    double *turns;          /* and to the gradient */
    double products[HISTORY];
    size_t remembered;      /* moves since the Hessian */
    double *strip_gradients; /* one for each strip */
    double *strip_losses;
};

static void release(struct logistic *logistic)
{
    cella_matrix_release(&logistic->matrix);
    cella_gram_release(&logistic->gram);
    free(logistic->parameters);
    free(logistic->before);
    free(logistic->gradient);
    free(logistic->gradient_before);
    free(logistic->step);
    free(logistic->moves);
    free(logistic->turns);
    free(logistic->strip_gradients);
    free(logistic->strip_losses);
}

/* Take the rows that stride leaves. */
static cella_status begin_rows(struct logistic *logistic, size_t stride)
{
    logistic->stride = stride;
    cella_gram_release(&logistic->gram);
    return cella_gram_begin(&logistic->gram, (logistic->matrix.rows + stride - 1) / stride, logistic->size);
}

static cella_status begin(struct logistic *logistic)
{
    CELLA_TRY(begin_rows(logistic, 1)); /* of all numbers of rows, this one has the most strips */
    size_t padded = logistic->gram.padded;
    logistic->parameters = calloc(padded, sizeof(double));
    logistic->before = calloc(padded, sizeof(double));
    logistic->gradient = calloc(padded, sizeof(double));
    logistic->gradient_before = calloc(padded, sizeof(double));
    logistic->step = calloc(padded, sizeof(double));
    logistic->moves = calloc(padded, HISTORY * sizeof(double));
    logistic->turns = calloc(padded, HISTORY * sizeof(double));
    logistic->strip_gradients = calloc(logistic->gram.strips, padded * sizeof(double));
    logistic->strip_losses = calloc(logistic->gram.strips, sizeof(double));
    return logistic->parameters == NULL || logistic->before == NULL || logistic->gradient == NULL ||
                   logistic->gradient_before == NULL || logistic->step == NULL || logistic->moves == NULL ||
                   logistic->turns == NULL || logistic->strip_gradients == NULL || logistic->strip_losses == NULL
               ? CELLA_NO_MEMORY
               : CELLA_OK;
}

/* -label log(p) - (1 - label) log(1 - p), of p = 1 / (1 + exp(-sum)), without overflow. */
static double loss_of(double sum, double label, double *probability)
{
    double small = exp(-fabs(sum)); /* 0 to 1 */
    *probability = sum >= 0 ? 1 / (1 + small) : small / (1 + small);
    return log1p(small) + (sum >= 0 ? 1 - label : -label) * sum;
}

/* Rows of the matrix with a 1 in front; left is weighted with the second derivative of each row's loss. */
static void fill(void *context, size_t strip, size_t first, size_t count, double *left, double *right)
{
    const struct logistic *logistic = context;
    size_t padded = logistic->gram.padded;
    size_t features = logistic->size - 1;
    double *gradient = logistic->strip_gradients + strip * padded;
    for (size_t i = 0; i < count; i++) {
        const double *row = logistic->matrix.values + (first + i) * logistic->stride * logistic->matrix.columns;
        double *to = right + i * padded;
        double *weighted = left + i * padded;
        double probability;
        to[0] = 1;
        memcpy(to + 1, row, features * sizeof(double));
        double sum = cella_gram_dot(to, logistic->parameters, padded);
        logistic->strip_losses[strip] += loss_of(sum, row[features], &probability);
        double slope = probability - row[features];
        for (size_t j = 0; j < padded; j++) {
            gradient[j] += slope * to[j];
        }
        double curve = probability * (1 - probability);
        for (size_t j = 0; j < padded && logistic->curved; j++) {
            weighted[j] = curve * to[j];
        }
    }
}

/* Loss and gradient at the parameters, and the Hessian if it is wanted. */
static double evaluate(struct logistic *logistic)
{
    size_t padded = logistic->gram.padded;
    memset(logistic->strip_gradients, 0, logistic->gram.strips * padded * sizeof(double));
    memset(logistic->strip_losses, 0, logistic->gram.strips * sizeof(double));
    (logistic->curved ? cella_gram_run : cella_gram_visit)(logistic->call, &logistic->gram, fill, logistic);
    double loss = 0;
    memset(logistic->gradient, 0, padded * sizeof(double));
    for (size_t strip = 0; strip < logistic->gram.strips; strip++) {
        loss += logistic->strip_losses[strip];
        for (size_t i = 0; i < logistic->size; i++) {
            logistic->gradient[i] += logistic->strip_gradients[strip * padded + i];
        }
    }
    loss *= logistic->weight;
    for (size_t i = 0; i < logistic->size; i++) {
        double penalty = i == 0 ? 0 : logistic->penalty;
        double *row = logistic->gram.out + i * padded;
        for (size_t j = 0; j < logistic->size && logistic->curved; j++) {
            row[j] = logistic->weight * row[j] + (i == j ? penalty : 0);
        }
        logistic->gradient[i] = logistic->weight * logistic->gradient[i] + penalty * logistic->parameters[i];
        loss += penalty * logistic->parameters[i] * logistic->parameters[i] / 2;
    }
    return loss;
}

/* From before, part of the step. */
static void go(struct logistic *logistic, double part)
{
    for (size_t i = 0; i < logistic->size; i++) {
        logistic->parameters[i] = logistic->before[i] - part * logistic->step[i];
    }
}

static cella_status refuse_flat(struct logistic *logistic, const char *input)
{
    return cella_builtin_refuse(logistic->call, "%s: no single minimum: %s", input,
                                logistic->penalty > 0 ? "numbers are too large or too small; scale the columns"
                                                      : "columns depend on each other, or separate the classes; use c > 0");
}

static void add(double *to, double factor, const double *what, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] += factor * what[i];
    }
}

/* What the last step showed of how the gradient changes; a bend that is not upwards is rounding. */
static void remember(struct logistic *logistic)
{
    size_t padded = logistic->gram.padded;
    size_t place = logistic->remembered % HISTORY;
    double *move = logistic->moves + place * padded;
    double *turn = logistic->turns + place * padded;
    for (size_t i = 0; i < logistic->size; i++) {
        move[i] = logistic->parameters[i] - logistic->before[i];
        turn[i] = logistic->gradient[i] - logistic->gradient_before[i];
    }
    logistic->products[place] = cella_gram_dot(move, turn, padded);
    logistic->remembered += logistic->products[place] > 0 ? 1 : 0;
}

/*
 * The next step: by the Hessian, and by what was remembered since it was made (L-BFGS's two loops; Nocedal and Wright,
 * Numerical Optimization, algorithm 7.4). Returns Newton's decrement.
 */
static double find_step(struct logistic *logistic)
{
    size_t padded = logistic->gram.padded;
    size_t oldest = logistic->remembered < HISTORY ? 0 : logistic->remembered - HISTORY;
    double factors[HISTORY];
    memcpy(logistic->step, logistic->gradient, padded * sizeof(double));
    for (size_t i = logistic->remembered; i > oldest; i--) {
        size_t place = (i - 1) % HISTORY;
        factors[place] = cella_gram_dot(logistic->moves + place * padded, logistic->step, padded) / logistic->products[place];
        add(logistic->step, -factors[place], logistic->turns + place * padded, padded);
    }
    cella_cholesky_solve(logistic->gram.out, logistic->size, padded, logistic->step);
    for (size_t i = oldest; i < logistic->remembered; i++) {
        size_t place = i % HISTORY;
        double turned = cella_gram_dot(logistic->turns + place * padded, logistic->step, padded) / logistic->products[place];
        add(logistic->step, factors[place] - turned, logistic->moves + place * padded, padded);
    }
    return cella_gram_dot(logistic->step, logistic->gradient, padded);
}

/* Take the step, or half of it if that does not make the loss smaller, and so on. Returns the loss. */
static double take_step(struct logistic *logistic, double loss, double decrement)
{
    double part = 1;
    /* Very close to the minimum the loss says nothing any more. */
    bool telling = decrement > CLOSE_ENOUGH * loss;
    double next = evaluate(logistic);
    for (int i = 0; telling && i < HALVINGS_MAX && !(next <= loss - 1e-4 * part * decrement); i++) {
        part /= 2;
        go(logistic, part);
        next = evaluate(logistic);
    }
    return next;
}

/* Loss, gradient and the Hessian at the parameters, ready for steps. */
static cella_status renew(struct logistic *logistic, const char *input, double *loss)
{
    logistic->curved = true;
    *loss = evaluate(logistic);
    logistic->curved = false;
    logistic->remembered = 0;
    return cella_cholesky_factor(logistic->gram.out, logistic->size, logistic->gram.padded)
               ? CELLA_OK
               : refuse_flat(logistic, input);
}

/* Newton's method. The Hessian, which is most of the work, is kept while steps with it do well. */
static cella_status newton(struct logistic *logistic, const char *input, double close_enough, int64_t most,
                           int64_t *steps)
{
    size_t slow_most = logistic->size / SLOW_STEPS_PART;
    double loss = 0;
    for (*steps = 0; *steps < most; ++*steps) {
        double before = 0;
        size_t slow = 0;
        CELLA_TRY(renew(logistic, input, &loss));
        for (bool is_new = true; slow <= slow_most; is_new = false) {
            CELLA_TRY(cella_builtin_progress(logistic->call, 1 - 1 / (double) (*steps + 2)));
            double decrement = find_step(logistic);
            memcpy(logistic->before, logistic->parameters, logistic->size * sizeof(double));
            memcpy(logistic->gradient_before, logistic->gradient, logistic->size * sizeof(double));
            go(logistic, 1);
            if (decrement <= (is_new ? 1 : OLD_CLOSE_ENOUGH) * close_enough * loss) {
                return CELLA_OK;
            }
            loss = take_step(logistic, loss, decrement);
            remember(logistic);
            slow += decrement <= FAST_ENOUGH * before ? 0 : 1;
            before = decrement;
        }
    }
    return cella_builtin_refuse(logistic->call, "%s: no minimum after %lld steps%s", input, (long long) most,
                                logistic->penalty > 0 ? "" : "; the columns may separate the classes: use c > 0");
}

/* Newton's method on all rows, from where it ends on some of them: most of its steps are cheap then. */
static cella_status minimise(struct logistic *logistic, const char *input, int64_t most, int64_t *steps)
{
    size_t stride = logistic->matrix.rows / (GUESS_ROWS * logistic->size);
    stride = stride < GUESS_STRIDE_MAX ? stride : GUESS_STRIDE_MAX;
    if (stride > 1) {
        double weight = logistic->weight;
        CELLA_TRY(begin_rows(logistic, stride));
        logistic->weight *= (double) stride;
        cella_status status = newton(logistic, input, GUESS_CLOSE_ENOUGH, GUESS_STEPS_MAX, steps);
        logistic->weight = weight;
        if (status == CELLA_BUILTIN_FAILED) { /* some rows have no minimum; all of them may */
            memset(logistic->parameters, 0, logistic->gram.padded * sizeof(double));
        } else if (status != CELLA_OK) {
            return status;
        }
        CELLA_TRY(begin_rows(logistic, 1));
    }
    return newton(logistic, input, CLOSE_ENOUGH, most, steps);
}

/* rusty-machine's: parameters begin at 0.5, a step is alpha times the mean gradient. */
static cella_status descend(struct logistic *logistic, double alpha, int64_t most, int64_t *steps)
{
    double rows = (double) logistic->matrix.rows;
    double before = 0;
    for (size_t i = 0; i < logistic->size; i++) {
        logistic->parameters[i] = 0.5;
    }
    for (*steps = 0; *steps < most; ++*steps) {
        CELLA_TRY(cella_builtin_progress(logistic->call, (double) *steps / (double) most));
        double loss = evaluate(logistic) / rows;
        if (fabs(before - loss) < 1e-20) {
            break;
        }
        for (size_t i = 0; i < logistic->size; i++) {
            logistic->parameters[i] -= alpha * (logistic->gradient[i] / rows);
        }
        before = loss;
    }
    return CELLA_OK;
}

static cella_status check(struct logistic *logistic, struct cella_builtin_input *input, bool fractions)
{
    const struct cella_matrix *matrix = &logistic->matrix;
    if (matrix->columns < 2 || matrix->rows == 0) {
        return cella_builtin_refuse(logistic->call, "%s: %zu rows and %zu columns; a row, a feature and a label are the least",
                                    input->name, matrix->rows, matrix->columns);
    }
    if (matrix->columns > FEATURES_MAX + 1) {
        return cella_builtin_refuse(logistic->call, "%s: %zu features, more than %u", input->name, matrix->columns - 1,
                                    FEATURES_MAX);
    }
    double sum = 0;
    for (size_t i = 0; i < matrix->rows; i++) {
        double label = matrix->values[i * matrix->columns + matrix->columns - 1];
        if (fractions ? !(label >= 0 && label <= 1) : label != 0 && label != 1) {
            char text[CELLA_NUMBER_TEXT_MAX];
            size_t size = cella_number_format(label, text);
            return cella_builtin_refuse(logistic->call, "%s, row %zu, column %zu: label %.*s is not %s", input->name,
                                        i + 1, matrix->columns, (int) size, text,
                                        fractions ? "from 0 to 1" : "0 or 1");
        }
        sum += label;
    }
    if (!fractions && (sum == 0 || sum == (double) matrix->rows)) {
        return cella_builtin_refuse(logistic->call, "%s: all labels are %d; both classes are needed", input->name,
                                    sum == 0 ? 0 : 1);
    }
    return CELLA_OK;
}

static cella_status write_model(const struct logistic *logistic, double alpha, int64_t steps, const char *solver,
                                struct cella_builtin_output *output)
{
    char text[CELLA_NUMBER_TEXT_MAX];
    CELLA_TRY(cella_builtin_output_print(output, "{\"alpha\":%.*s", (int) cella_number_format(alpha, text), text));
    CELLA_TRY(cella_builtin_output_print(output, ",\"iters\":%lld,\"parameters\":[", (long long) steps));
    for (size_t i = 0; i < logistic->size; i++) {
        CELLA_TRY(cella_csv_write_number(output, logistic->parameters[i], i == 0));
    }
    double c = logistic->penalty > 0 ? logistic->weight : 0;
    return cella_builtin_output_print(output, "],\"solver\":\"%s\",\"c\":%.*s}", solver,
                                      (int) cella_number_format(c, text), text);
}

CELLA_BUILTIN(logistic_regression_train, "logistic_regression_train", LOGISTIC_TRAIN,
              .alias = "builtin-logistic-regression-train", .version = "1",
              .documentation = "Train a logistic regression of two classes. Newton's method finds the minimum that "
                               "scikit-learn's LogisticRegression(C=c) looks for; the intercept is not penalised.",
              .returns = "\"Trained N lines of data.\"",
              .determinism = "The same on every machine and with every number of threads but for exp() and log() of the C "
                             "library, whose last bit may depend on the processor.",
              .limits = "4,096 features. Memory: 8 bytes for each value (none for .npy of f8), and for f features about 9 * f * f numbers.",
              .example = ">>> rows = '1,0\\n2,0\\n3,1\\n4,0\\n5,1\\n6,1\\n'\n"
                         ">>> model = cella.builtins.logistic_regression_train(rows).model_file\n"
                         ">>> cella.builtins.logistic_regression_predict(model, '1\\n6\\n').result_file\n"
                         "b'0.1281\\n0.8719\\n'\n")
{
    CELLA_CLEANUP(release) struct logistic logistic = { .call = call, .weight = 1 };
    size_t wanted = feature_size > 0 ? (size_t) feature_size + 1 : 0;
    int64_t steps = 0;
    CELLA_TRY(cella_matrix_read(call, training_data, CELLA_MATRIX_AUTO, CELLA_MATRIX_REFUSE, wanted, &logistic.matrix));
    CELLA_TRY(check(&logistic, training_data, solver != NEWTON));
    logistic.size = logistic.matrix.columns;
    if (solver == NEWTON && c > 0) {
        logistic.weight = c;
        logistic.penalty = 1;
    }
    CELLA_TRY(begin(&logistic));
    CELLA_TRY(solver == NEWTON ? minimise(&logistic, training_data->name, alg_iters, &steps)
                               : descend(&logistic, alg_alpha, alg_iters, &steps));
    CELLA_TRY(write_model(&logistic, alg_alpha, solver == NEWTON ? steps + 1 : alg_iters,
                          solver == NEWTON ? "newton" : "gd", model_file));
    return cella_builtin_result(call, "Trained %zu lines of data.", logistic.matrix.rows);
}
