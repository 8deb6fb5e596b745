/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "builtins/aggregate.h"
#include "builtins/number.h"

#define EPSILON_STEPS 1073741824.0 /* epsilon is rounded down to a multiple of 1 / 2^30 */
#define DEVIATION_MOST 134217728.0 /* 2^27: the widest Gaussian that noise.h draws */
#define SAFE_UP 1.000000001        /* more than all roundings of a few operations */

static double middle_of(double lower, double upper)
{
    return lower / 2 + upper / 2;
}

/* What 1 stands for in a sum: range and grid. The squares' unit is a share of the squared half range. */
static double step_of(const struct aggregate_value *value, enum aggregate_sum sum, int64_t limit)
{
    double half = value->upper - middle_of(value->lower, value->upper);
    double largest = fmax(fabs(value->lower), fabs(value->upper));
    switch (sum) {
    case AGGREGATE_SUM_CENTRED:
        return half / (double) limit;
    case AGGREGATE_SUM_SQUARES:
        return half * half / 2 / (double) limit;
    case AGGREGATE_SUM_PLAIN:
        return largest / (double) limit;
    case AGGREGATE_SUM_COUNT:
    case AGGREGATE_SUM_KINDS:
        break;
    }
    return 1;
}

static size_t add_query(struct aggregate_plan *plan, struct cella_view of, const char *what, int64_t rows)
{
    plan->queries[plan->query_count] =
        (struct aggregate_query){ .of = of, .what = what, .limit = 1, .rows = rows, .step = 1 };
    return plan->query_count++;
}

/* Which sums the items are made of. A sum is plain unless the mean is there, which says it too. */
static void want(struct aggregate_plan *plan)
{
    for (size_t i = 0; i < plan->item_count; i++) {
        const struct aggregate_item *item = &plan->items[i];
        bool *wanted = plan->values[item->value].wanted;
        bool spread = item->kind == AGGREGATE_VARIANCE || item->kind == AGGREGATE_DEVIATION;
        if (spread || item->kind == AGGREGATE_MEAN) {
            wanted[AGGREGATE_SUM_CENTRED] = true;
            wanted[AGGREGATE_SUM_COUNT] = true;
            wanted[AGGREGATE_SUM_SQUARES] = wanted[AGGREGATE_SUM_SQUARES] || spread;
        }
        if (item->kind == AGGREGATE_COUNT_OF) {
            wanted[AGGREGATE_SUM_COUNT] = true;
        }
        if (item->kind == AGGREGATE_SUM) {
            wanted[AGGREGATE_SUM_PLAIN] = true;
        }
    }
    for (size_t i = 0; i < plan->value_count; i++) {
        bool *wanted = plan->values[i].wanted;
        wanted[AGGREGATE_SUM_PLAIN] = wanted[AGGREGATE_SUM_PLAIN] && !wanted[AGGREGATE_SUM_CENTRED];
    }
}

static void list_queries(struct aggregate_plan *plan, int64_t rows_each)
{
    static const char *const names[] = { "count", "centred sum", "centred squares", "sum" };
    const struct cella_view nothing = { 0 };
    bool count = false;
    bool persons = !plan->listed;
    for (size_t i = 0; i < plan->item_count; i++) {
        count = count || plan->items[i].kind == AGGREGATE_COUNT;
        persons = persons || plan->items[i].kind == AGGREGATE_PERSONS;
    }
    plan->persons_query = persons ? add_query(plan, nothing, "persons", 1) : SIZE_MAX;
    plan->rows_query = SIZE_MAX;
    if (count) {
        /* With one row each, rows are persons: one query answers both. */
        plan->rows_query = persons && rows_each == 1 ? plan->persons_query : add_query(plan, nothing, "rows", rows_each);
    }
    for (size_t i = 0; i < plan->value_count; i++) {
        for (size_t sum = 0; sum < AGGREGATE_SUM_KINDS; sum++) {
            if (plan->values[i].wanted[sum]) {
                plan->values[i].query[sum] = add_query(plan, plan->values[i].name, names[sum], rows_each);
                plan->queries[plan->values[i].query[sum]].limit = sum == AGGREGATE_SUM_COUNT ? 1 : AGGREGATE_GRID;
            }
        }
    }
}

/* epsilon / queries for each: sensitivities add over groups, epsilons over queries. */
static cella_status share_laplace(struct cella_builtin_call *call, struct aggregate_plan *plan, int64_t groups)
{
    uint64_t steps = (uint64_t) floor(plan->epsilon * EPSILON_STEPS);
    if (steps == 0) {
        return cella_builtin_refuse_argument(call, "argument 'epsilon' must be above 0 with noise (at least 1e-9)");
    }
    for (size_t i = 0; i < plan->query_count; i++) {
        struct aggregate_query *query = &plan->queries[i];
        query->laplace.numerator = (cella_noise_uint) groups * (cella_noise_uint) query->rows *
                                   (cella_noise_uint) query->limit * plan->query_count * (1U << 30);
        query->laplace.denominator = steps;
        query->deviation = sqrt(2) * (double) query->laplace.numerator / (double) steps;
    }
    return CELLA_OK;
}

/*
 * Zero-concentrated differential privacy: a Gaussian of variance s on a query with the L2 sensitivity d costs rho = d^2 / 2s,
 * costs add up, and rho in all is (rho + 2 sqrt(rho ln(1/delta)), delta)-differential privacy. Solved for rho here.
 * Source: Bun, Steinke: Concentrated differential privacy (2016), propositions 1.3 and 1.6; Canonne, Kamath, Steinke (2020),
 * theorem 4 for the discrete Gaussian.
 */
static cella_status share_gaussian(struct cella_builtin_call *call, struct aggregate_plan *plan, int64_t groups,
                                   double delta)
{
    double logarithm = log(1 / delta) * SAFE_UP;
    double root = plan->epsilon / (sqrt(logarithm + plan->epsilon) + sqrt(logarithm)); /* without cancellation */
    double rho = root * root / SAFE_UP;
    for (size_t i = 0; i < plan->query_count; i++) {
        struct aggregate_query *query = &plan->queries[i];
        /* The deviation for a limit of 1; the grid is made coarser where the noise would not fit. */
        double each = (double) query->rows * sqrt((double) groups * (double) plan->query_count / (2 * rho));
        double room = floor(DEVIATION_MOST / (each * SAFE_UP * SAFE_UP));
        if (!(room >= 1)) {
            return cella_builtin_refuse_argument(call, "noise would drown everything: raise 'epsilon', or lower "
                                                       "'groups_per_person', 'rows_per_person' or the number of aggregates");
        }
        query->limit = room < (double) query->limit ? (int64_t) room : query->limit;
        double variance = each * each * (double) query->limit * (double) query->limit * SAFE_UP;
        query->gaussian.shift = variance < 536870912 ? 20 : 0;
        query->gaussian.numerator = (uint64_t) ceil(ldexp(variance, (int) query->gaussian.shift));
        query->deviation = sqrt(variance);
    }
    return CELLA_OK;
}

/*
 * A group that exists through one person only is shown with a chance of at most delta, over all groups that the person may
 * be alone in: the noise must reach threshold - 1. P[X >= m] <= exp(-m/t) for the Laplace, <= exp(-m^2/2s) for the Gaussian.
 */
static void set_threshold(struct aggregate_plan *plan, int64_t groups, double delta)
{
    const struct aggregate_query *query = &plan->queries[plan->persons_query];
    double logarithm = log((double) groups / delta) * SAFE_UP;
    double reach = plan->mechanism == AGGREGATE_LAPLACE ? query->deviation / sqrt(2) * logarithm
                                                        : query->deviation * sqrt(2 * logarithm);
    int64_t threshold = 2 + (int64_t) ceil(reach * SAFE_UP);
    plan->threshold = threshold > plan->minimum_group ? threshold : plan->minimum_group;
}

cella_status aggregate_share(struct cella_builtin_call *call, struct aggregate_plan *plan)
{
    int64_t groups = plan->has_person ? plan->groups_per_person : 1;
    double delta = plan->delta;
    want(plan);
    list_queries(plan, plan->has_person ? plan->rows_per_person : 1);
    if (plan->mechanism == AGGREGATE_LAPLACE) {
        if (plan->listed != (delta == 0)) {
            return cella_builtin_refuse_argument(
                call, plan->listed ? "argument 'delta' must be 0: Laplace noise on listed groups spends epsilon only"
                                   : "argument 'delta' must be above 0: which groups are in the data is told by a "
                                     "threshold; or give the input 'groups'");
        }
        CELLA_TRY(share_laplace(call, plan, groups));
    } else {
        if (!(delta > 0) || !(plan->epsilon * EPSILON_STEPS >= 1)) {
            return cella_builtin_refuse_argument(call, "arguments 'epsilon' and 'delta' must be above 0 with Gaussian noise");
        }
        delta = plan->listed ? delta : delta / 2; /* one half for the noise, one for the threshold */
        CELLA_TRY(share_gaussian(call, plan, groups, delta));
    }
    if (!plan->listed) {
        set_threshold(plan, groups, delta);
    }
    for (size_t i = 0; i < plan->value_count; i++) {
        for (size_t sum = 0; sum < AGGREGATE_SUM_KINDS; sum++) {
            if (plan->values[i].wanted[sum]) {
                struct aggregate_query *query = &plan->queries[plan->values[i].query[sum]];
                query->step = step_of(&plan->values[i], (enum aggregate_sum) sum, query->limit);
            }
        }
    }
    return CELLA_OK;
}

cella_status aggregate_put_text(struct cella_builtin_call *call, struct cella_view text)
{
    CELLA_TRY(cella_builtin_result(call, "\""));
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte < 0x20 || byte == '"' || byte == '\\') {
            CELLA_TRY(cella_builtin_result(call, "\\u%04x", byte));
        } else {
            CELLA_TRY(cella_bytes_append(&call->result, cella_view_of(&byte, 1)));
        }
    }
    return cella_builtin_result(call, "\"");
}

static cella_status put_number(struct cella_builtin_call *call, const char *name, double value)
{
    char text[CELLA_NUMBER_TEXT_MAX];
    cella_number_format(value, text);
    return cella_builtin_result(call, ", \"%s\": %s", name, text);
}

cella_status aggregate_describe(struct cella_builtin_call *call, const struct aggregate_plan *plan)
{
    static const char *const mechanisms[] = { "none", "laplace", "gaussian" };
    CELLA_TRY(cella_builtin_result(call, "\"mechanism\": \"%s\", \"unit\": \"%s\", \"minimum_group\": %lld",
                                   mechanisms[plan->mechanism], plan->has_person ? "person" : "row",
                                   (long long) plan->minimum_group));
    if (plan->has_person) {
        CELLA_TRY(cella_builtin_result(call, ", \"groups_per_person\": %lld, \"rows_per_person\": %lld",
                                       (long long) plan->groups_per_person, (long long) plan->rows_per_person));
    }
    if (plan->mechanism == AGGREGATE_EXACT) {
        return CELLA_OK;
    }
    CELLA_TRY(put_number(call, "epsilon", plan->epsilon));
    CELLA_TRY(put_number(call, "delta", plan->delta));
    if (!plan->listed) {
        CELLA_TRY(cella_builtin_result(call, ", \"threshold\": %lld", (long long) plan->threshold));
    }
    CELLA_TRY(cella_builtin_result(call, ", \"queries\": ["));
    for (size_t i = 0; i < plan->query_count; i++) {
        const struct aggregate_query *query = &plan->queries[i];
        CELLA_TRY(cella_builtin_result(call, "%s{\"sum\": \"%s\", \"of\": ", i == 0 ? "" : ", ", query->what));
        CELLA_TRY(aggregate_put_text(call, query->of));
        if (plan->mechanism == AGGREGATE_LAPLACE) {
            CELLA_TRY(put_number(call, "epsilon", plan->epsilon / (double) plan->query_count));
        } else {
            CELLA_TRY(put_number(call, "share", 1 / (double) plan->query_count));
        }
        CELLA_TRY(put_number(call, "one_row", (double) query->limit * query->step));
        CELLA_TRY(put_number(call, "standard_deviation", query->deviation * query->step));
        CELLA_TRY(cella_builtin_result(call, "}"));
    }
    return cella_builtin_result(call, "]");
}
