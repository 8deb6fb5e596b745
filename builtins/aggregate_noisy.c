/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "builtins/aggregate.h"

#define GROUPS_BETWEEN_REPORTS 4096U

/* A sum with noise. From here on no exact figure is looked at. */
static cella_status draw(const struct aggregate_plan *plan, size_t query, struct cella_noise *noise, int64_t exact,
                         double *out)
{
    cella_noise_int drawn = 0;
    CELLA_TRY(plan->mechanism == AGGREGATE_LAPLACE
                  ? cella_noise_draw_laplace(noise, &plan->queries[query].laplace, &drawn)
                  : cella_noise_draw_gaussian(noise, &plan->queries[query].gaussian, &drawn));
    *out = (double) (drawn + exact);
    return CELLA_OK;
}

/* All queries of a group, noisy, by number. */
static cella_status draw_all(const struct aggregate_plan *plan, const struct aggregate_state *state, size_t number,
                             struct cella_noise *noise, double *noisy)
{
    const struct aggregate_group *group = aggregate_group_at(state, number);
    const union aggregate_cell *cells = aggregate_cells_at(plan, state, number);
    if (plan->persons_query != SIZE_MAX) {
        CELLA_TRY(draw(plan, plan->persons_query, noise, (int64_t) group->persons, &noisy[plan->persons_query]));
    }
    if (plan->rows_query != SIZE_MAX && plan->rows_query != plan->persons_query) {
        CELLA_TRY(draw(plan, plan->rows_query, noise, (int64_t) group->rows, &noisy[plan->rows_query]));
    }
    for (size_t i = 0; i < plan->value_count; i++) {
        for (size_t sum = 0; sum < AGGREGATE_SUM_KINDS; sum++) {
            if (plan->values[i].wanted[sum]) {
                size_t query = plan->values[i].query[sum];
                CELLA_TRY(draw(plan, query, noise, cells[i].sums[sum], &noisy[query]));
            }
        }
    }
    return CELLA_OK;
}

static double within(double value, double lower, double upper)
{
    return value < lower ? lower : value > upper ? upper : value;
}

/* From noisy sums: the mean distance from the middle, in units of the value. */
static double centred_mean(const struct aggregate_plan *plan, const struct aggregate_value *value, const double *noisy)
{
    double count = fmax(noisy[value->query[AGGREGATE_SUM_COUNT]], 1);
    size_t query = value->query[AGGREGATE_SUM_CENTRED];
    double half = value->upper - (value->lower / 2 + value->upper / 2);
    return within(noisy[query] * plan->queries[query].step / count, -half, half);
}

static struct aggregate_figure noisy_variance(const struct aggregate_plan *plan, const struct aggregate_value *value,
                                              const double *noisy, bool root)
{
    double count = noisy[value->query[AGGREGATE_SUM_COUNT]];
    double half = value->upper - (value->lower / 2 + value->upper / 2);
    size_t query = value->query[AGGREGATE_SUM_SQUARES];
    if (count < 2) {
        return (struct aggregate_figure){ .is_there = false };
    }
    /* A square s of the half range was counted as 2 s - 1; a step is half of the squared half range. */
    double squares = noisy[query] * plan->queries[query].step / count + half * half / 2;
    double mean = centred_mean(plan, value, noisy);
    double variance = within((squares - mean * mean) * (count / (count - 1)), 0, 2 * half * half);
    return (struct aggregate_figure){ .is_there = true, .number = root ? sqrt(variance) : variance };
}

static struct aggregate_figure noisy_figure(const struct aggregate_plan *plan, const struct aggregate_item *item,
                                            const double *noisy)
{
    const struct aggregate_value *value = &plan->values[item->value];
    struct aggregate_figure figure = { .is_there = true };
    double middle = value->lower / 2 + value->upper / 2;
    switch (item->kind) {
    case AGGREGATE_COUNT:
    case AGGREGATE_PERSONS:
    case AGGREGATE_COUNT_OF:
        figure.is_whole = true;
        figure.whole = (int64_t) within(noisy[item->kind == AGGREGATE_COUNT     ? plan->rows_query
                                              : item->kind == AGGREGATE_PERSONS ? plan->persons_query
                                                                                : value->query[AGGREGATE_SUM_COUNT]],
                                        -9e18, 9e18);
        break;
    case AGGREGATE_SUM:
        if (value->wanted[AGGREGATE_SUM_PLAIN]) {
            size_t query = value->query[AGGREGATE_SUM_PLAIN];
            figure.number = noisy[query] * plan->queries[query].step;
        } else {
            size_t query = value->query[AGGREGATE_SUM_CENTRED];
            figure.number =
                noisy[query] * plan->queries[query].step + middle * noisy[value->query[AGGREGATE_SUM_COUNT]];
        }
        break;
    case AGGREGATE_MEAN:
        figure.number = within(middle + centred_mean(plan, value, noisy), value->lower, value->upper);
        break;
    case AGGREGATE_VARIANCE:
    case AGGREGATE_DEVIATION:
        return noisy_variance(plan, value, noisy, item->kind == AGGREGATE_DEVIATION);
    case AGGREGATE_MINIMUM:
    case AGGREGATE_MAXIMUM:
        figure.is_there = false; /* refused when the plan was made */
        break;
    }
    return figure;
}

/* Draw and write one group, unless it is one that the threshold hides. */
static cella_status release_group(const struct aggregate_plan *plan, const struct aggregate_state *state, size_t group,
                                  struct cella_noise *noise, struct cella_builtin_output *output, size_t *released)
{
    double noisy[AGGREGATE_QUERIES_MAX] = { 0 };
    CELLA_TRY(draw_all(plan, state, group, noise, noisy));
    if (!plan->listed && noisy[plan->persons_query] < (double) plan->threshold) {
        return CELLA_OK;
    }
    CELLA_TRY(aggregate_write_key(plan, state, group, output));
    for (size_t i = 0; i < plan->item_count; i++) {
        CELLA_TRY(aggregate_write_figure(output, noisy_figure(plan, &plan->items[i], noisy), plan->key_count + i == 0));
    }
    (*released)++;
    return cella_builtin_output_write(output, cella_view_of("\n", 1));
}

static cella_status describe_guarantee(struct cella_builtin_call *call, const struct aggregate_plan *plan)
{
    const char *whose = plan->has_person ? "all rows of one person" : "one row";
    const char *keys = plan->listed ? "" : ", the choice of groups included";
    return cella_builtin_result(call,
                                ", \"guarantee\": \"(epsilon, delta)-differential privacy for adding or removing "
                                "%s%s; not for the columns' names or for whether the input is well-formed CSV\"",
                                whose, keys);
}

cella_status aggregate_release_noisy(struct cella_builtin_call *call, const struct aggregate_plan *plan,
                                     const struct aggregate_state *state, struct cella_builtin_output *output)
{
    CELLA_CLEANUP(cella_pointer_free) size_t *order = NULL;
    CELLA_CLEANUP(cella_noise_clear) struct cella_noise noise = { .left = 0 };
    size_t count = 0;
    size_t released = 0;
    CELLA_TRY(aggregate_order(plan, state, &order, &count));
    CELLA_TRY(aggregate_write_head(plan, output));
    for (size_t i = 0; i < count; i++) {
        CELLA_TRY(release_group(plan, state, order[i], &noise, output, &released));
        if (i % GROUPS_BETWEEN_REPORTS == 0) {
            CELLA_TRY(cella_builtin_progress(call, 0.9));
        }
    }
    CELLA_TRY(cella_builtin_result(call, "{\"groups\": %zu, ", released));
    CELLA_TRY(aggregate_describe(call, plan));
    CELLA_TRY(describe_guarantee(call, plan));
    return cella_builtin_result(call, "}");
}
