/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Numbers with a fixed number of decimals, without regard to a locale: what printf's %.10f writes in the C locale.
 */

#include <stddef.h>

#define CELLA_DECIMAL_TEXT_MAX 48U
#define CELLA_DECIMAL_PLACES_MAX 10U

/*
 * Write value, exactly rounded, half to even.
 *
 * places:  1 to CELLA_DECIMAL_PLACES_MAX
 *
 * Returns the length. Beyond 10^25 and for NaN and infinities it writes what cella_number_format writes.
 */
size_t cella_decimal_format(double value, unsigned int places, char out[CELLA_DECIMAL_TEXT_MAX]);
