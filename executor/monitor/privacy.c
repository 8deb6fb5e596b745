/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/privacy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/state.h"

/* A queued run adds at most so much, and a task is queued again only after it gave back or was begun. */
_Static_assert((uint64_t) CELLA_TASKS_MAX * (CELLA_ATTEMPTS_MAX + 1U) < UINT64_MAX / CELLA_PRIVACY_UNITS_MAX,
               "what is spent of data can overflow");

#define DIGITS_FEW 15 /* so many are kept by every double */
#define DIGITS_ALL 17 /* so many make every double */

/* digits * 10^power, rounded. It is at most CELLA_PRIVACY_UNITS_MAX: the caller has seen to that. */
static uint64_t scale(uint64_t digits, int power, bool up)
{
    for (; power > 0 && digits != 0; power--) {
        digits *= 10;
    }
    bool rest = false;
    for (; power < 0 && digits != 0; power++) {
        rest = rest || digits % 10 != 0;
        digits /= 10;
    }
    return digits + (rest && up ? 1 : 0);
}

/* A double as the shortest decimal that reads back as the same: "1.5000e-03", without the point, and its last digit's power. */
static void decimal_of(double value, uint64_t *digits, int *power)
{
    char text[40];
    int count = DIGITS_FEW;
    (void) snprintf(text, sizeof(text), "%.*e", count - 1, value);
    if (strtod(text, NULL) != value) {
        count = DIGITS_ALL;
        (void) snprintf(text, sizeof(text), "%.*e", count - 1, value);
    }
    *digits = 0;
    const char *at = text;
    for (; *at != 'e'; at++) {
        if (*at >= '0' && *at <= '9') {
            *digits = *digits * 10 + (uint64_t) (*at - '0');
        }
    }
    *power = (int) strtol(at + 1, NULL, 10) - (count - 1);
}

/* False: not a number, negative, or above most. */
static bool units_of(const json_t *number, int64_t most, unsigned int decimals, bool up, uint64_t *out)
{
    uint64_t digits;
    int power = 0;
    if (json_is_integer(number)) {
        if (json_integer_value(number) < 0 || json_integer_value(number) > most) {
            return false;
        }
        digits = (uint64_t) json_integer_value(number);
    } else if (json_is_real(number)) {
        double value = json_real_value(number);
        if (!(value >= 0) || value > (double) most) {
            return false;
        }
        decimal_of(fabs(value), &digits, &power);
    } else {
        return false;
    }
    *out = scale(digits, power + (int) decimals, up);
    return true;
}

cella_status cella_privacy_cost(const struct cella_spec *spec, const json_t *arguments, const char **argument,
                                struct cella_privacy *out)
{
    struct cella_privacy cost = { 0 };
    *argument = spec->privacy.epsilon;
    if (spec->privacy.epsilon == NULL) {
        return CELLA_NOT_FOUND;
    }
    if (!units_of(json_object_get(arguments, spec->privacy.epsilon), CELLA_PRIVACY_EPSILON_MAX,
                  CELLA_PRIVACY_EPSILON_DECIMALS, true, &cost.epsilon) ||
        cost.epsilon == 0) {
        return CELLA_BAD_ARGUMENT;
    }
    if (spec->privacy.delta != NULL && !units_of(json_object_get(arguments, spec->privacy.delta), CELLA_PRIVACY_DELTA_MAX,
                                                 CELLA_PRIVACY_DELTA_DECIMALS, true, &cost.delta)) {
        *argument = spec->privacy.delta;
        return CELLA_BAD_ARGUMENT;
    }
    *out = cost;
    return CELLA_OK;
}

struct cella_privacy cella_privacy_counted(const struct cella_spec *spec, const json_t *arguments)
{
    const char *ignored;
    struct cella_privacy cost = { 0 };
    return cella_privacy_cost(spec, arguments, &ignored, &cost) == CELLA_OK ? cost : (struct cella_privacy){ 0 };
}

bool cella_privacy_protects(const struct cella_spec *spec, const char *input)
{
    if (spec->privacy.epsilon == NULL || spec->privacy.inputs == NULL) {
        return spec->privacy.epsilon != NULL;
    }
    for (size_t i = 0; i < json_array_size(spec->privacy.inputs); i++) {
        if (strcmp(json_string_value(json_array_get(spec->privacy.inputs, i)), input) == 0) {
            return true;
        }
    }
    return false;
}

cella_status cella_privacy_read_budget(const json_t *budget, const char *path, struct cella_json_error *error,
                                       struct cella_privacy *out)
{
    struct cella_json_object object;
    struct cella_privacy read = { 0 };
    json_t *epsilon = NULL;
    json_t *delta = NULL;
    CELLA_TRY(cella_json_begin(budget, path, error, &object));
    CELLA_TRY(cella_json_value_optional(&object, "epsilon", &epsilon));
    CELLA_TRY(cella_json_value_optional(&object, "delta", &delta));
    CELLA_TRY(cella_json_end(&object));
    if (epsilon == NULL ||
        !units_of(epsilon, CELLA_PRIVACY_EPSILON_MAX, CELLA_PRIVACY_EPSILON_DECIMALS, false, &read.epsilon)) {
        (void) snprintf(error->field, sizeof(error->field), "%.40s.epsilon", path);
        return epsilon == NULL ? CELLA_MISSING_FIELD : CELLA_BAD_FIELD;
    }
    if (delta != NULL && !units_of(delta, CELLA_PRIVACY_DELTA_MAX, CELLA_PRIVACY_DELTA_DECIMALS, false, &read.delta)) {
        (void) snprintf(error->field, sizeof(error->field), "%.40s.delta", path);
        return CELLA_BAD_FIELD;
    }
    *out = read;
    return CELLA_OK;
}

bool cella_privacy_budget_of(const json_t *policy, struct cella_privacy *out)
{
    struct cella_json_error ignored = { 0 };
    const json_t *budget = json_object_get(policy, "budget");
    return budget != NULL && cella_privacy_read_budget(budget, "", &ignored, out) == CELLA_OK;
}

/* The doubles nearest to the amounts: their shortest decimals are the amounts. */
static double epsilon_of(struct cella_privacy amount)
{
    return (double) amount.epsilon / 1e6;
}

static double delta_of(struct cella_privacy amount)
{
    return (double) amount.delta / 1e12;
}

json_t *cella_privacy_json(struct cella_privacy amount)
{
    return json_pack("{s:f, s:f}", "epsilon", epsilon_of(amount), "delta", delta_of(amount));
}

void cella_privacy_text(struct cella_privacy amount, char text[CELLA_PRIVACY_TEXT_SIZE])
{
    (void) snprintf(text, CELLA_PRIVACY_TEXT_SIZE, "epsilon %.13g, delta %.13g", epsilon_of(amount), delta_of(amount));
}
