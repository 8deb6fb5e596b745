/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Symmetric positive definite systems of equations, by Cholesky's factors.
 */

#include <stdbool.h>
#include <stddef.h>

/*
 * Replace the lower triangle of a matrix by its factor L, with L L' = matrix.
 *
 * matrix:  size * size numbers in rows that are stride apart; what is above the diagonal is not read
 *
 * False when the matrix is not positive definite, or so nearly not that its columns depend on each other.
 */
bool cella_cholesky_factor(double *matrix, size_t size, size_t stride);

/* Solve L L' x = x in place. */
void cella_cholesky_solve(const double *factor, size_t size, size_t stride, double *x);
