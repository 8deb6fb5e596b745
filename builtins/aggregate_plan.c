/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "builtins/aggregate.h"
#include "builtins/number.h"

#define BOUND_MOST 1e100 /* so that squares and sums of them are numbers */

enum list {
    LIST_GROUPS,
    LIST_ITEMS,
    LIST_BOUNDS,
};

struct kind_name {
    const char *name;
    enum aggregate_kind kind;
    bool of_value;
    bool alone;
};

static const struct kind_name kind_names[] = {
    { "count", AGGREGATE_COUNT, false, true },       { "count", AGGREGATE_COUNT_OF, true, false },
    { "persons", AGGREGATE_PERSONS, false, true },   { "sum", AGGREGATE_SUM, true, false },
    { "mean", AGGREGATE_MEAN, true, false },         { "var", AGGREGATE_VARIANCE, true, false },
    { "std", AGGREGATE_DEVIATION, true, false },     { "min", AGGREGATE_MINIMUM, true, false },
    { "max", AGGREGATE_MAXIMUM, true, false },
};

/* One record of CSV as a list; the fields stay valid with the plan. */
static cella_status take_list(struct cella_builtin_call *call, struct aggregate_plan *plan, enum list which,
                              const char *argument, struct cella_view text, size_t most)
{
    struct cella_builtin_input *input = &plan->list_inputs[which];
    struct cella_csv *csv = &plan->lists[which];
    bool there = false;
    input->bytes = text;
    snprintf(input->name, sizeof(input->name), "argument '%s'", argument);
    cella_status status = cella_csv_begin(call, csv, input, CELLA_CSV_NO_HEADER);
    status = status == CELLA_OK ? cella_csv_next(call, csv, &there) : status;
    if (status != CELLA_OK) {
        return status == CELLA_BUILTIN_FAILED ? CELLA_BAD_ARGUMENT : status;
    }
    bool more = false; /* at the end the fields stay what they are */
    if (there && (cella_csv_next(call, csv, &more) != CELLA_OK || more)) {
        return cella_builtin_refuse_argument(call, "argument '%s': more than one line", argument);
    }
    if (csv->column_count > most) {
        return cella_builtin_refuse_argument(call, "argument '%s': %zu in the list, more than %zu", argument,
                                             csv->column_count, most);
    }
    for (size_t i = 0; i < csv->column_count; i++) {
        if (csv->fields[i].size == 0) {
            return cella_builtin_refuse_argument(call, "argument '%s': number %zu of the list is empty", argument, i + 1);
        }
        for (size_t j = 0; j < i; j++) {
            if (cella_view_equal(csv->fields[i], csv->fields[j])) {
                return cella_builtin_refuse_argument(call, "argument '%s': number %zu of the list is there twice",
                                                     argument, i + 1);
            }
        }
    }
    return CELLA_OK;
}

static size_t value_number(struct aggregate_plan *plan, struct cella_view name)
{
    size_t at = 0;
    while (at < plan->value_count && !cella_view_equal(plan->values[at].name, name)) {
        at++;
    }
    if (at == plan->value_count) {
        plan->values[plan->value_count++].name = name; /* at most one for each item */
    }
    return at;
}

static cella_status take_item(struct cella_builtin_call *call, struct aggregate_plan *plan, struct cella_view text)
{
    const uint8_t *colon = memchr(text.data, ':', text.size);
    size_t size = colon == NULL ? text.size : (size_t) (colon - text.data);
    struct cella_view kind = cella_view_of(text.data, size);
    struct cella_view name = colon == NULL ? cella_view_of(NULL, 0) : cella_view_of(colon + 1, text.size - size - 1);
    for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++) {
        bool fits = name.size > 0 ? kind_names[i].of_value : kind_names[i].alone;
        if (!fits || !cella_view_is(kind, kind_names[i].name)) {
            continue;
        }
        struct aggregate_item *item = &plan->items[plan->item_count++];
        *item = (struct aggregate_item){ kind_names[i].kind, 0, text };
        if (name.size > 0) {
            item->value = value_number(plan, name);
        }
        return CELLA_OK;
    }
    return cella_builtin_refuse_argument(call,
                                         "argument 'aggregates': '%.*s' is not count, persons, or one of count, sum, mean, "
                                         "var, std, min, max with a column: sum:income",
                                         (int) (text.size < 40 ? text.size : 40), (const char *) text.data);
}

static const uint8_t *last_colon(struct cella_view text)
{
    return text.size == 0 ? NULL : memrchr(text.data, ':', text.size);
}

/* "income:0:100000" */
static cella_status take_bounds(struct cella_builtin_call *call, struct aggregate_plan *plan, struct cella_view text)
{
    int shown = (int) (text.size < 40 ? text.size : 40);
    const uint8_t *second = last_colon(text);
    struct cella_view head = cella_view_of(text.data, second == NULL ? 0 : (size_t) (second - text.data));
    const uint8_t *first = last_colon(head);
    double lower = 0;
    double upper = 0;
    if (first == NULL ||
        cella_number_parse(cella_view_of(first + 1, (size_t) (second - first) - 1), &lower) != CELLA_OK ||
        cella_number_parse(cella_view_of(second + 1, text.size - head.size - 1), &upper) != CELLA_OK) {
        return cella_builtin_refuse_argument(call, "argument 'bounds': '%.*s' is not COLUMN:LOWEST:HIGHEST", shown,
                                             (const char *) text.data);
    }
    if (!(lower < upper) || !(lower >= -BOUND_MOST) || !(upper <= BOUND_MOST) ||
        !isnormal(AGGREGATE_GRID / (upper - (lower / 2 + upper / 2)))) {
        return cella_builtin_refuse_argument(call, "argument 'bounds': '%.*s' is not a range of numbers", shown,
                                             (const char *) text.data);
    }
    struct cella_view name = cella_view_of(text.data, (size_t) (first - text.data));
    for (size_t i = 0; i < plan->value_count; i++) {
        struct aggregate_value *value = &plan->values[i];
        if (cella_view_equal(value->name, name) && !value->bounded) {
            value->bounded = true;
            value->lower = lower;
            value->upper = upper;
            return CELLA_OK;
        }
    }
    return cella_builtin_refuse_argument(call, "argument 'bounds': no aggregate is of '%.*s', or it is there twice",
                                         (int) (name.size < 40 ? name.size : 40), (const char *) name.data);
}

static cella_status check_noise(struct cella_builtin_call *call, const struct aggregate_plan *plan)
{
    for (size_t i = 0; i < plan->item_count; i++) {
        enum aggregate_kind kind = plan->items[i].kind;
        if (kind == AGGREGATE_MINIMUM || kind == AGGREGATE_MAXIMUM) {
            return cella_builtin_refuse_argument(call, "argument 'aggregates': min and max are one person's value, which no "
                                                       "noise of this function hides; ask for them with mechanism none only");
        }
    }
    for (size_t i = 0; i < plan->value_count; i++) {
        if (!plan->values[i].bounded) {
            return cella_builtin_refuse_argument(call, "argument 'bounds': '%.*s' has none, and noise needs them",
                                                 (int) (plan->values[i].name.size < 40 ? plan->values[i].name.size : 40),
                                                 (const char *) plan->values[i].name.data);
        }
    }
    if (plan->has_person && (plan->groups_per_person == 0 || plan->rows_per_person == 0)) {
        return cella_builtin_refuse_argument(call, "arguments 'groups_per_person' and 'rows_per_person' must be at least 1 "
                                                   "with noise: how much one person counts must have a limit");
    }
    return CELLA_OK;
}

static cella_status check(struct cella_builtin_call *call, const struct aggregate_plan *plan)
{
    if (!plan->has_person && (plan->groups_per_person != 0 || plan->rows_per_person != 0)) {
        return cella_builtin_refuse_argument(call, "arguments 'groups_per_person' and 'rows_per_person' need 'person', the "
                                                   "column that says whose row it is");
    }
    if (plan->mechanism == AGGREGATE_EXACT) {
        if (plan->epsilon != 0 || plan->delta != 0) {
            return cella_builtin_refuse_argument(call, "arguments 'epsilon' and 'delta' go with noise: choose a 'mechanism'");
        }
        return CELLA_OK;
    }
    return check_noise(call, plan);
}

cella_status aggregate_plan_make(struct cella_builtin_call *call, struct aggregate_plan *plan,
                                 const struct cella_view lists[3])
{
    CELLA_TRY(take_list(call, plan, LIST_GROUPS, "group_by", lists[0], AGGREGATE_KEYS_MAX));
    CELLA_TRY(take_list(call, plan, LIST_ITEMS, "aggregates", lists[1], AGGREGATE_ITEMS_MAX));
    CELLA_TRY(take_list(call, plan, LIST_BOUNDS, "bounds", lists[2], AGGREGATE_VALUES_MAX));
    plan->key_count = plan->lists[LIST_GROUPS].column_count;
    for (size_t i = 0; i < plan->key_count; i++) {
        plan->key_names[i] = plan->lists[LIST_GROUPS].fields[i];
    }
    for (size_t i = 0; i < plan->lists[LIST_ITEMS].column_count; i++) {
        CELLA_TRY(take_item(call, plan, plan->lists[LIST_ITEMS].fields[i]));
    }
    for (size_t i = 0; i < plan->lists[LIST_BOUNDS].column_count; i++) {
        CELLA_TRY(take_bounds(call, plan, plan->lists[LIST_BOUNDS].fields[i]));
    }
    if (plan->item_count == 0) {
        return cella_builtin_refuse_argument(call, "argument 'aggregates' is empty");
    }
    return check(call, plan);
}

cella_status aggregate_plan_columns(struct cella_builtin_call *call, struct aggregate_plan *plan,
                                    const struct cella_csv *csv)
{
    for (size_t i = 0; i < plan->key_count; i++) {
        CELLA_TRY(cella_csv_column(call, csv, "group_by", plan->key_names[i], &plan->keys[i]));
    }
    for (size_t i = 0; i < plan->value_count; i++) {
        CELLA_TRY(cella_csv_column(call, csv, "aggregates", plan->values[i].name, &plan->values[i].column));
    }
    return plan->has_person ? cella_csv_column(call, csv, "person", plan->person_name, &plan->person) : CELLA_OK;
}

void aggregate_plan_clear(struct aggregate_plan *plan)
{
    for (size_t i = 0; i < 3; i++) {
        cella_csv_release(&plan->lists[i]);
    }
}
