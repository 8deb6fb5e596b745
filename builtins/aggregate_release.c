/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "builtins/aggregate.h"
#include "builtins/number.h"

struct rest {
    uint64_t rows;
    uint64_t persons;
    struct aggregate_exact values[AGGREGATE_VALUES_MAX];
};

/* Take the next column's text from an encoded key. */
static struct cella_view next_text(const uint8_t **key)
{
    uint32_t size;
    memcpy(&size, *key, sizeof(size));
    struct cella_view text = cella_view_of(*key + sizeof(size), size);
    *key = text.data + size;
    return text;
}

struct sorting {
    const struct aggregate_plan *plan;
    const struct aggregate_state *state;
};

static int compare_keys(const void *one, const void *two, void *context)
{
    const struct sorting *sorting = context;
    const uint8_t *a = sorting->state->keys.data + aggregate_group_at(sorting->state, *(const size_t *) one)->key;
    const uint8_t *b = sorting->state->keys.data + aggregate_group_at(sorting->state, *(const size_t *) two)->key;
    for (size_t i = 0; i < sorting->plan->key_count; i++) {
        struct cella_view x = next_text(&a);
        struct cella_view y = next_text(&b);
        int order = memcmp(x.data, y.data, x.size < y.size ? x.size : y.size);
        if (order != 0 || x.size != y.size) {
            return order != 0 ? order : x.size < y.size ? -1 : 1;
        }
    }
    return 0;
}

cella_status aggregate_order(const struct aggregate_plan *plan, const struct aggregate_state *state, size_t **out,
                             size_t *count)
{
    size_t groups = state->group_index.count;
    size_t *order = malloc((groups + 1) * sizeof(*order));
    if (order == NULL) {
        return CELLA_NO_MEMORY;
    }
    *count = 0;
    for (size_t i = 0; i < groups; i++) {
        if (plan->listed || aggregate_group_at(state, i)->rows > 0) {
            order[(*count)++] = i;
        }
    }
    if (!plan->listed) {
        struct sorting sorting = { plan, state };
        qsort_r(order, *count, sizeof(*order), compare_keys, &sorting);
    }
    *out = order;
    return CELLA_OK;
}

cella_status aggregate_write_head(const struct aggregate_plan *plan, struct cella_builtin_output *output)
{
    for (size_t i = 0; i < plan->key_count; i++) {
        CELLA_TRY(cella_csv_write(output, plan->key_names[i], i == 0));
    }
    for (size_t i = 0; i < plan->item_count; i++) {
        CELLA_TRY(cella_csv_write(output, plan->items[i].text, plan->key_count + i == 0));
    }
    return cella_builtin_output_write(output, cella_view_of("\n", 1));
}

cella_status aggregate_write_key(const struct aggregate_plan *plan, const struct aggregate_state *state, size_t group,
                                 struct cella_builtin_output *output)
{
    const uint8_t *key = state->keys.data + aggregate_group_at(state, group)->key;
    for (size_t i = 0; i < plan->key_count; i++) {
        CELLA_TRY(cella_csv_write(output, next_text(&key), i == 0));
    }
    return CELLA_OK;
}

cella_status aggregate_write_figure(struct cella_builtin_output *output, struct aggregate_figure figure, bool first)
{
    if (figure.is_whole && figure.is_there) {
        return cella_builtin_output_print(output, "%s%lld", first ? "" : ",", (long long) figure.whole);
    }
    return cella_csv_write_number(output, figure.is_there ? figure.number : (double) NAN, first);
}

static double variance_of(const struct aggregate_exact *value)
{
    return value->squares / (double) (value->count - 1);
}

/* One figure; not there unless at least as many persons as demanded stand behind it. */
static struct aggregate_figure exact_figure(const struct aggregate_plan *plan, const struct aggregate_item *item,
                                            uint64_t rows, uint64_t persons, const struct aggregate_exact *value)
{
    struct aggregate_figure figure = { .is_there = true };
    uint64_t behind = item->kind == AGGREGATE_MINIMUM   ? value->minimum_persons
                      : item->kind == AGGREGATE_MAXIMUM ? value->maximum_persons
                      : item->kind == AGGREGATE_COUNT || item->kind == AGGREGATE_PERSONS ? persons
                                                                                         : value->persons;
    switch (item->kind) {
    case AGGREGATE_COUNT:
    case AGGREGATE_PERSONS:
    case AGGREGATE_COUNT_OF:
        figure.is_whole = true;
        figure.whole = (int64_t) (item->kind == AGGREGATE_COUNT     ? rows
                                  : item->kind == AGGREGATE_PERSONS ? persons
                                                                    : value->count);
        break;
    case AGGREGATE_SUM:
        figure.number = value->sum + value->lost;
        break;
    case AGGREGATE_MEAN:
        figure.is_there = value->count > 0;
        figure.number = value->mean;
        break;
    case AGGREGATE_VARIANCE:
    case AGGREGATE_DEVIATION:
        figure.is_there = value->count > 1;
        figure.number = !figure.is_there                        ? 0
                        : item->kind == AGGREGATE_VARIANCE ? variance_of(value)
                                                           : sqrt(variance_of(value));
        break;
    case AGGREGATE_MINIMUM:
        figure.is_there = value->count > 0;
        figure.number = value->minimum;
        break;
    case AGGREGATE_MAXIMUM:
        figure.is_there = value->count > 0;
        figure.number = value->maximum;
        break;
    }
    figure.is_there = figure.is_there && behind >= (uint64_t) plan->minimum_group;
    return figure;
}

static void merge(struct aggregate_exact *to, const struct aggregate_exact *from)
{
    if (from->count == 0) {
        return;
    }
    double both = (double) to->count + (double) from->count;
    double distance = from->mean - to->mean;
    to->squares += from->squares + distance * distance * (double) to->count * ((double) from->count / both);
    to->mean += distance * ((double) from->count / both);
    to->sum += from->sum;
    to->lost += from->lost;
    to->count += from->count;
    to->persons += from->persons;
}

/* How many different persons are in the groups that are not kept; value: with that value; SIZE_MAX: at all. */
static cella_status count_persons(const struct aggregate_state *state, const bool *kept, size_t value, uint64_t *out)
{
    CELLA_CLEANUP(cella_pointer_free) bool *seen = calloc(state->person_index.count + 1, sizeof(*seen));
    const struct aggregate_member *members = (const struct aggregate_member *) (const void *) state->members.data;
    if (seen == NULL) {
        return CELLA_NO_MEMORY;
    }
    *out = 0;
    for (size_t i = 0; i < state->member_index.count; i++) {
        bool counts = !kept[members[i].group] && (value == SIZE_MAX || (members[i].values >> value & 1) == 1);
        if (counts && !seen[members[i].person]) {
            seen[members[i].person] = true;
            (*out)++;
        }
    }
    return CELLA_OK;
}

/* All groups that are not kept, as one. */
static cella_status sum_rest(const struct aggregate_plan *plan, const struct aggregate_state *state, const bool *kept,
                             struct rest *rest)
{
    memset(rest, 0, sizeof(*rest));
    for (size_t i = 0; i < state->group_index.count; i++) {
        for (size_t value = 0; !kept[i] && value < plan->value_count; value++) {
            merge(&rest->values[value], &aggregate_cells_at(plan, state, i)[value].exact);
        }
        rest->rows += kept[i] ? 0 : aggregate_group_at(state, i)->rows;
        rest->persons += kept[i] ? 0 : aggregate_group_at(state, i)->persons;
    }
    if (plan->has_person) {
        CELLA_TRY(count_persons(state, kept, SIZE_MAX, &rest->persons));
        for (size_t value = 0; value < plan->value_count; value++) {
            CELLA_TRY(count_persons(state, kept, value, &rest->values[value].persons));
        }
    }
    return CELLA_OK;
}

/*
 * Which groups are released: those of enough persons. What is withheld is the difference between what is released and a
 * total that may be known, so it must be of enough persons too: if it is not, the smallest group that would be released
 * is withheld with it.
 */
static cella_status choose(const struct aggregate_plan *plan, const struct aggregate_state *state, const size_t *order,
                           size_t count, bool *kept, struct rest *rest)
{
    size_t smallest = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct aggregate_group *group = aggregate_group_at(state, order[i]);
        kept[order[i]] = group->persons >= (uint64_t) plan->minimum_group;
        if (kept[order[i]] && (smallest == SIZE_MAX || group->persons < aggregate_group_at(state, smallest)->persons)) {
            smallest = order[i];
        }
    }
    CELLA_TRY(sum_rest(plan, state, kept, rest));
    if (rest->rows > 0 && rest->persons < (uint64_t) plan->minimum_group && smallest != SIZE_MAX) {
        kept[smallest] = false;
        CELLA_TRY(sum_rest(plan, state, kept, rest));
    }
    return CELLA_OK;
}

static cella_status describe_rest(struct cella_builtin_call *call, const struct aggregate_plan *plan,
                                  const struct rest *rest)
{
    bool first = true;
    CELLA_TRY(cella_builtin_result(call, ", \"withheld\": %s, \"rest\": ", rest->rows > 0 ? "true" : "false"));
    if (rest->rows == 0 || rest->persons < (uint64_t) plan->minimum_group) {
        return cella_builtin_result(call, "null");
    }
    CELLA_TRY(cella_builtin_result(call, "{"));
    for (size_t i = 0; i < plan->item_count; i++) {
        const struct aggregate_item *item = &plan->items[i];
        struct aggregate_figure figure =
            exact_figure(plan, item, rest->rows, rest->persons, &rest->values[item->value]);
        if (item->kind == AGGREGATE_MINIMUM || item->kind == AGGREGATE_MAXIMUM || !figure.is_there) {
            continue; /* who has a group's extreme may have another's too, so how many persons have it is not known */
        }
        char text[CELLA_NUMBER_TEXT_MAX];
        cella_number_format(figure.number, text);
        CELLA_TRY(cella_builtin_result(call, first ? "" : ", "));
        CELLA_TRY(aggregate_put_text(call, item->text));
        CELLA_TRY(figure.is_whole ? cella_builtin_result(call, ": %lld", (long long) figure.whole)
                                  : cella_builtin_result(call, ": %s", isfinite(figure.number) ? text : "null"));
        first = false;
    }
    return cella_builtin_result(call, "}");
}

cella_status aggregate_release_exact(struct cella_builtin_call *call, const struct aggregate_plan *plan,
                                     const struct aggregate_state *state, struct cella_builtin_output *output)
{
    CELLA_CLEANUP(cella_pointer_free) size_t *order = NULL;
    CELLA_CLEANUP(cella_pointer_free) bool *kept = calloc(state->group_index.count + 1, sizeof(*kept));
    static const struct aggregate_exact nothing = { 0 };
    struct rest rest;
    size_t count = 0;
    size_t released = 0;
    if (kept == NULL) {
        return CELLA_NO_MEMORY;
    }
    CELLA_TRY(aggregate_order(plan, state, &order, &count));
    CELLA_TRY(choose(plan, state, order, count, kept, &rest));
    CELLA_TRY(aggregate_write_head(plan, output));
    for (size_t i = 0; i < count; i++) {
        if (!kept[order[i]]) {
            continue;
        }
        const struct aggregate_group *group = aggregate_group_at(state, order[i]);
        const union aggregate_cell *cells = aggregate_cells_at(plan, state, order[i]);
        CELLA_TRY(aggregate_write_key(plan, state, order[i], output));
        for (size_t item = 0; item < plan->item_count; item++) {
            const struct aggregate_exact *value = plan->value_count > 0 ? &cells[plan->items[item].value].exact : &nothing;
            CELLA_TRY(aggregate_write_figure(
                output, exact_figure(plan, &plan->items[item], group->rows, group->persons, value),
                plan->key_count + item == 0));
        }
        CELLA_TRY(cella_builtin_output_write(output, cella_view_of("\n", 1)));
        released++;
    }
    CELLA_TRY(cella_builtin_result(call, "{\"groups\": %zu, ", released));
    CELLA_TRY(aggregate_describe(call, plan));
    CELLA_TRY(describe_rest(call, plan, &rest));
    return cella_builtin_result(call, "}");
}
