/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Numbers as text, without regard to a locale: fast, and to the last bit what strtod would give.
 */

#include "base/bytes.h"

#define CELLA_NUMBER_TEXT_MAX 32U

/*
 * A decimal number: optional sign, digits with at most one point, optional exponent; blanks around it are skipped.
 * "nan", "inf", "infinity" in any case are numbers here: whoever does not want them refuses them.
 *
 * CELLA_BAD_FORMAT  anything else, the empty text included
 */
CELLA_MUST_USE cella_status cella_number_parse(struct cella_view text, double *out);

/* A whole number from -2^63 to 2^63-1. CELLA_BAD_FORMAT; CELLA_TOO_LARGE beyond these. */
CELLA_MUST_USE cella_status cella_number_parse_integer(struct cella_view text, int64_t *out);

/* The shortest text that reads back as the same double, as Python's repr writes it. Returns its length. */
size_t cella_number_format(double value, char out[CELLA_NUMBER_TEXT_MAX]);

/* The same for a float. */
size_t cella_number_format_float(float value, char out[CELLA_NUMBER_TEXT_MAX]);
