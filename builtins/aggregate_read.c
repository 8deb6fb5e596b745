/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "builtins/aggregate.h"
#include "builtins/number.h"

#define ROWS_BETWEEN_REPORTS 262144U

struct aggregate_group *aggregate_group_at(const struct aggregate_state *state, size_t i)
{
    return (struct aggregate_group *) (void *) state->groups.data + i;
}

union aggregate_cell *aggregate_cells_at(const struct aggregate_plan *plan, const struct aggregate_state *state, size_t i)
{
    return (union aggregate_cell *) (void *) state->cells.data + i * plan->value_count;
}

static uint32_t *person_at(const struct aggregate_state *state, size_t i)
{
    return (uint32_t *) (void *) state->persons.data + i;
}

static struct aggregate_member *member_at(const struct aggregate_state *state, size_t i)
{
    return (struct aggregate_member *) (void *) state->members.data + i;
}

/* What a member was counted for as having the smallest, and behind it the largest, of a value. */
static double *extremes_at(const struct aggregate_plan *plan, const struct aggregate_state *state, size_t member,
                           size_t value)
{
    return (double *) (void *) state->extremes.data + (member * plan->value_count + value) * 2;
}

void aggregate_state_clear(struct aggregate_state *state)
{
    cella_hash_index_clear(&state->group_index);
    cella_hash_index_clear(&state->person_index);
    cella_hash_index_clear(&state->member_index);
    cella_bytes_clear(&state->keys);
    cella_bytes_clear(&state->groups);
    cella_bytes_clear(&state->cells);
    cella_bytes_clear(&state->persons);
    cella_bytes_clear(&state->members);
    cella_bytes_clear(&state->extremes);
    cella_bytes_clear(&state->scratch);
}

/* The record's key as one text that no other key has: each column's size, then its text. */
static cella_status make_key(struct aggregate_state *state, const struct cella_csv *csv, const size_t *columns,
                             size_t count)
{
    state->scratch.size = 0;
    for (size_t i = 0; i < count; i++) {
        struct cella_view field = csv->fields[columns[i]];
        uint32_t size = (uint32_t) field.size;
        if (field.size > UINT32_MAX) {
            return CELLA_TOO_LARGE;
        }
        CELLA_TRY(cella_bytes_append(&state->scratch, cella_view_of(&size, sizeof(size))));
        CELLA_TRY(cella_bytes_append(&state->scratch, field));
    }
    return CELLA_OK;
}

static struct cella_view scratch_of(const struct aggregate_state *state)
{
    static const uint8_t nothing[1] = { 0 };
    return state->scratch.size == 0 ? cella_view_of(nothing, 0) : cella_bytes_view(&state->scratch);
}

/* The group of the key in scratch, made if it is new. */
static cella_status put_group(const struct aggregate_plan *plan, struct aggregate_state *state, size_t *group,
                              bool *is_new)
{
    struct cella_hash hash = cella_hash_of(&state->hash_key, scratch_of(state));
    CELLA_TRY(cella_hash_index_put(&state->group_index, hash, group, is_new));
    if (!*is_new) {
        return CELLA_OK;
    }
    struct aggregate_group made = { .key = state->keys.size };
    CELLA_TRY(cella_bytes_append(&state->keys, cella_bytes_view(&state->scratch)));
    CELLA_TRY(cella_bytes_append(&state->groups, cella_view_of(&made, sizeof(made))));
    return cella_bytes_resize(&state->cells, state->cells.size + plan->value_count * sizeof(union aggregate_cell));
}

cella_status aggregate_read_list(struct cella_builtin_call *call, const struct aggregate_plan *plan,
                                 struct aggregate_state *state, struct cella_builtin_input *input, bool header)
{
    CELLA_CLEANUP(cella_csv_release) struct cella_csv csv = { 0 };
    size_t columns[AGGREGATE_KEYS_MAX] = { 0 };
    bool there = false;
    CELLA_TRY(cella_csv_begin(call, &csv, input, header ? CELLA_CSV_HEADER : CELLA_CSV_NO_HEADER));
    if (csv.column_count != plan->key_count) {
        return cella_builtin_refuse(call, "%s: has %zu columns; group_by names %zu", input->name, csv.column_count,
                                    plan->key_count);
    }
    for (size_t i = 0; i < plan->key_count; i++) {
        columns[i] = i; /* without names: in the order of group_by */
        if (header) {
            CELLA_TRY(cella_csv_column(call, &csv, "group_by", plan->key_names[i], &columns[i]));
        }
    }
    for (;;) {
        size_t group = 0;
        bool is_new = false;
        CELLA_TRY(cella_csv_next(call, &csv, &there));
        if (!there) {
            return CELLA_OK;
        }
        CELLA_TRY(make_key(state, &csv, columns, plan->key_count));
        CELLA_TRY(put_group(plan, state, &group, &is_new));
        if (!is_new) {
            return cella_builtin_refuse(call, "%s, row %zu: the group was listed before", input->name, csv.row);
        }
    }
}

static bool wants_extremes(const struct aggregate_plan *plan)
{
    for (size_t i = 0; i < plan->item_count; i++) {
        if (plan->items[i].kind == AGGREGATE_MINIMUM || plan->items[i].kind == AGGREGATE_MAXIMUM) {
            return true;
        }
    }
    return false;
}

static cella_status add_member(const struct aggregate_plan *plan, struct aggregate_state *state, size_t person,
                               size_t group)
{
    struct aggregate_member made = { .person = (uint32_t) person, .group = (uint32_t) group }; /* as an index has them */
    CELLA_TRY(cella_bytes_append(&state->members, cella_view_of(&made, sizeof(made))));
    aggregate_group_at(state, group)->persons++;
    if (!wants_extremes(plan)) {
        return CELLA_OK;
    }
    for (size_t i = 0; i < 2 * plan->value_count; i++) {
        const double none = (double) NAN; /* no value equals it */
        CELLA_TRY(cella_bytes_append(&state->extremes, cella_view_of(&none, sizeof(none))));
    }
    return CELLA_OK;
}

/*
 * Whose row this is, and whether it still counts: *counts is false beyond what one person may contribute. Only the person's
 * own rows decide that, so that with or without a person all others' rows count the same.
 */
static cella_status find_member(const struct aggregate_plan *plan, struct aggregate_state *state,
                                struct cella_view id, size_t group, size_t *member, bool *counts)
{
    struct cella_hash owner = cella_hash_of(&state->hash_key, id);
    /* Only new members are looked up among the persons: each look is a wait for memory. */
    const uint64_t both[3] = { owner.low, owner.high, group };
    struct cella_hash hash = cella_hash_of(&state->hash_key, cella_view_of(both, sizeof(both)));
    *counts = false;
    if (!cella_hash_index_find(&state->member_index, hash, member)) {
        size_t person = 0;
        bool is_new = false;
        CELLA_TRY(cella_hash_index_put(&state->person_index, owner, &person, &is_new));
        if (is_new) {
            CELLA_TRY(cella_bytes_resize(&state->persons, state->persons.size + sizeof(uint32_t)));
        }
        uint32_t *groups = person_at(state, person);
        if (plan->groups_per_person > 0 && *groups >= plan->groups_per_person) {
            return CELLA_OK;
        }
        (*groups)++;
        CELLA_TRY(cella_hash_index_put(&state->member_index, hash, member, &is_new));
        CELLA_TRY(add_member(plan, state, person, group));
    }
    struct aggregate_member *entry = member_at(state, *member);
    if (plan->rows_per_person > 0 && entry->rows >= plan->rows_per_person) {
        return CELLA_OK;
    }
    entry->rows += entry->rows < UINT32_MAX;
    *counts = true;
    return CELLA_OK;
}

/* How many persons have the extreme: all who came with it since it is the extreme. */
static void take_extreme(bool is_beyond, double value, double *extreme, uint64_t *persons, double *counted)
{
    if (is_beyond || *persons == 0) {
        *extreme = value;
        *persons = 0;
    }
    if (value == *extreme && (counted == NULL || *counted != value)) {
        (*persons)++;
        if (counted != NULL) {
            *counted = value;
        }
    }
}

static void add_exact(struct aggregate_exact *to, double value, bool new_person, double *counted)
{
    double before = to->sum;
    double sum = before + value;
    to->lost += fabs(before) >= fabs(value) ? before - sum + value : value - sum + before;
    to->sum = sum;
    to->count++;
    to->persons += new_person;
    double distance = value - to->mean;
    to->mean += distance / (double) to->count;
    to->squares += distance * (value - to->mean);
    take_extreme(value < to->minimum, value, &to->minimum, &to->minimum_persons, counted);
    take_extreme(value > to->maximum, value, &to->maximum, &to->maximum_persons,
                 counted == NULL ? NULL : counted + 1);
}

/* Rounded to the grid, and never beyond the limit: that, not the arithmetic, is what bounds what one row changes. */
static int64_t on_grid(double share, int64_t limit)
{
    double scaled = nearbyint(share * (double) limit);
    return scaled >= (double) limit ? limit : scaled <= -(double) limit ? -limit : (int64_t) scaled;
}

static void add_noisy(const struct aggregate_plan *plan, const struct aggregate_value *value, double number, int64_t *sums)
{
    double middle = value->lower / 2 + value->upper / 2;
    double share = (number - middle) / (value->upper - middle); /* -1 to 1 */
    double largest = fmax(fabs(value->lower), fabs(value->upper));
    const double shares[AGGREGATE_SUM_KINDS] = { 1, share, 2 * share * share - 1, number / largest };
    for (size_t i = 0; i < AGGREGATE_SUM_KINDS; i++) {
        if (value->wanted[i]) {
            sums[i] += on_grid(shares[i], plan->queries[value->query[i]].limit);
        }
    }
}

/*
 * A value of the record. *is_there is false if it is missing. With noise whatever is no finite number is missing too: an
 * error would tell about one row.
 */
static cella_status take_value(struct cella_builtin_call *call, const struct aggregate_plan *plan,
                               const struct aggregate_value *value, const struct cella_csv *csv, double *out,
                               bool *is_there)
{
    struct cella_view field = csv->fields[value->column];
    cella_status status = cella_number_parse(field, out);
    *is_there = status == CELLA_OK && isfinite(*out);
    if (*is_there) {
        if (value->bounded) {
            *out = *out < value->lower ? value->lower : *out > value->upper ? value->upper : *out;
        }
        return CELLA_OK;
    }
    bool is_missing = (field.size == 0 && !csv->quoted[value->column]) || (status == CELLA_OK && isnan(*out));
    if (is_missing || plan->mechanism != AGGREGATE_EXACT) {
        return CELLA_OK;
    }
    /* Not its text: who gets the message may not be who owns the data. */
    return cella_csv_refuse(call, csv, value->column, status == CELLA_OK ? "is infinite" : "is not a number");
}

static cella_status take_values(struct cella_builtin_call *call, const struct aggregate_plan *plan,
                                struct aggregate_state *state, const struct cella_csv *csv, size_t group, size_t member)
{
    union aggregate_cell *cells = aggregate_cells_at(plan, state, group);
    for (size_t i = 0; i < plan->value_count; i++) {
        double number = 0;
        bool is_there = false;
        CELLA_TRY(take_value(call, plan, &plan->values[i], csv, &number, &is_there));
        if (!is_there) {
            continue;
        }
        if (plan->mechanism != AGGREGATE_EXACT) {
            add_noisy(plan, &plan->values[i], number, cells[i].sums);
            continue;
        }
        bool new_person = true;
        double *counted = NULL;
        if (plan->has_person) {
            uint32_t bit = 1U << i;
            struct aggregate_member *entry = member_at(state, member);
            new_person = (entry->values & bit) == 0;
            entry->values |= bit;
            counted = state->extremes.size > 0 ? extremes_at(plan, state, member, i) : NULL;
        }
        add_exact(&cells[i].exact, number, new_person, counted);
    }
    return CELLA_OK;
}

static cella_status take_row(struct cella_builtin_call *call, const struct aggregate_plan *plan,
                             struct aggregate_state *state, const struct cella_csv *csv)
{
    size_t group = 0;
    size_t member = 0;
    bool is_new = false;
    bool counts = true;
    struct cella_view id = { 0 };
    if (plan->has_person) {
        id = csv->fields[plan->person];
        if (id.size == 0) {
            return plan->mechanism != AGGREGATE_EXACT ? CELLA_OK
                                                      : cella_csv_refuse(call, csv, plan->person, "is missing");
        }
    }
    CELLA_TRY(make_key(state, csv, plan->keys, plan->key_count));
    if (!plan->listed) {
        CELLA_TRY(put_group(plan, state, &group, &is_new));
    } else if (!cella_hash_index_find(&state->group_index, cella_hash_of(&state->hash_key, scratch_of(state)), &group)) {
        return CELLA_OK;
    }
    if (plan->has_person) {
        CELLA_TRY(find_member(plan, state, id, group, &member, &counts));
        if (!counts) {
            return CELLA_OK;
        }
    } else {
        aggregate_group_at(state, group)->persons++;
    }
    aggregate_group_at(state, group)->rows++;
    return take_values(call, plan, state, csv, group, member);
}

cella_status aggregate_read_rows(struct cella_builtin_call *call, struct aggregate_plan *plan,
                                 struct aggregate_state *state, struct cella_builtin_input *input, bool header)
{
    CELLA_CLEANUP(cella_csv_release) struct cella_csv csv = { 0 };
    bool there = false;
    size_t group = 0;
    CELLA_TRY(cella_csv_begin(call, &csv, input, header ? CELLA_CSV_HEADER : CELLA_CSV_NO_HEADER));
    CELLA_TRY(aggregate_plan_columns(call, plan, &csv));
    if (plan->key_count == 0 && state->group_index.count == 0) {
        /* Everything is one group, which is there whatever the data are. */
        state->scratch.size = 0;
        CELLA_TRY(put_group(plan, state, &group, &there));
    }
    for (;;) {
        CELLA_TRY(cella_csv_next(call, &csv, &there));
        if (!there) {
            return CELLA_OK;
        }
        CELLA_TRY(take_row(call, plan, state, &csv));
        if (csv.row % ROWS_BETWEEN_REPORTS == 0) {
            CELLA_TRY(cella_builtin_progress(call, 0.5));
        }
    }
}
