/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/cholesky.h"

#include <math.h>

#include "builtins/gram.h"

/* What is left of a diagonal number after those before it were taken away, at least, to be more than rounding. */
#define LEAST_PART 1e-13

/* The sum of products of count numbers. */
static double dot(const double *a, const double *b, size_t count)
{
    size_t even = count / 4 * 4;
    double sum = cella_gram_dot(a, b, even);
    for (size_t i = even; i < count; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

bool cella_cholesky_factor(double *matrix, size_t size, size_t stride)
{
    for (size_t i = 0; i < size; i++) {
        double *row = matrix + i * stride;
        for (size_t j = 0; j < i; j++) {
            const double *other = matrix + j * stride;
            row[j] = (row[j] - dot(row, other, j)) / other[j];
        }
        double left = row[i] - dot(row, row, i);
        if (!(left > LEAST_PART * row[i]) || !isfinite(left)) {
            return false;
        }
        row[i] = sqrt(left);
    }
    return true;
}

void cella_cholesky_solve(const double *factor, size_t size, size_t stride, double *x)
{
    for (size_t i = 0; i < size; i++) {
        x[i] = (x[i] - dot(factor + i * stride, x, i)) / factor[i * stride + i];
    }
    for (size_t i = size; i-- > 0;) {
        x[i] /= factor[i * stride + i];
        for (size_t j = 0; j < i; j++) {
            x[j] -= factor[i * stride + j] * x[i];
        }
    }
}
