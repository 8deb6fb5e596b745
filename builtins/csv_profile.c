/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "builtins/builtin.h"
#include "builtins/csv.h"
#include "builtins/hash.h"
#include "builtins/number.h"
#include "builtins/sketch.h"

#define PROFILE(X)                                                                                                   \
    X(INTEGER, minimum_group, 1, 1000000000, "10",                                                                   \
      "rows that must be behind everything that is told; counts are rounded to multiples of it. 1: exact counts")    \
    X(CHOICE, ranges, "none|limits|quantiles", "quantiles",                                                          \
      "of columns of numbers: nothing, low and high, or the quartiles too")                                          \
    X(FLAG, header, "true", "the first record holds the columns' names; else they are numbers from 0")               \
    X(INPUT, data, "CSV", "the table")                                                                               \
    X(OUTPUT, profile, "CSV", "a header, then a row for each column: column, type, missing, categories, distinct, low, q25, " \
                              "median, q75, high, length")

#define ROWS_BETWEEN_REPORTS 65536U
#define REGISTERS 1024U
#define REGISTER_BITS 10U
#define CATEGORIES_MAX 256U
#define CATEGORY_PLACES 512U

enum type {
    TYPE_INTEGER,
    TYPE_NUMBER,
    TYPE_BOOLEAN,
    TYPE_DATE,
    TYPE_TEXT,
    TYPE_UNKNOWN, /* too few fields */
    TYPES,
};

enum ranges {
    RANGES_NONE,
    RANGES_LIMITS,
    RANGES_QUANTILES,
};

static const char *const type_names[] = { "integer", "number", "boolean", "date", "text", "unknown" };

struct category {
    struct cella_hash hash;
    uint64_t count; /* 0: nothing is here */
};

struct column {
    uint64_t types[TYPES];
    uint64_t lengths[65]; /* of texts, by how many bits the length has */
    struct cella_sketch numbers;
    uint8_t registers[REGISTERS];
    struct category *categories; /* NULL: none yet, or more than CATEGORIES_MAX */
    size_t category_count;
    bool many; /* categories were given up */
};

struct profile {
    struct cella_hash_key key;
    struct column *columns;
    size_t count;
    uint64_t rows;
    uint64_t least; /* minimum_group */
};

static void profile_clear(struct profile *profile)
{
    for (size_t i = 0; i < profile->count; i++) {
        cella_sketch_clear(&profile->columns[i].numbers);
        free(profile->columns[i].categories);
    }
    free(profile->columns);
}

static bool is_digits(const uint8_t *at, size_t count, unsigned int least, unsigned int most)
{
    unsigned int value = 0;
    for (size_t i = 0; i < count; i++) {
        if (at[i] < '0' || at[i] > '9') {
            return false;
        }
        value = value * 10 + at[i] - '0';
    }
    return value >= least && value <= most;
}

/* 2026-11-21, or with a time behind it. */
static bool is_date(struct cella_view text)
{
    const uint8_t *at = text.data;
    if (text.size < 10 || text.size > 35 || at[4] != '-' || at[7] != '-' || !is_digits(at, 4, 0, 9999) ||
        !is_digits(at + 5, 2, 1, 12) || !is_digits(at + 8, 2, 1, 31)) {
        return false;
    }
    if (text.size == 10) {
        return true;
    }
    if (text.size < 16 || (at[10] != 'T' && at[10] != ' ') || at[13] != ':' || !is_digits(at + 11, 2, 0, 24) ||
        !is_digits(at + 14, 2, 0, 59)) {
        return false;
    }
    for (size_t i = 16; i < text.size; i++) {
        if (memchr("0123456789:.,+-Z", at[i], 16) == NULL) {
            return false;
        }
    }
    return true;
}

static bool is_boolean(struct cella_view text)
{
    static const char *const words[] = { "true", "false" };
    for (size_t i = 0; i < 2; i++) {
        size_t size = strlen(words[i]);
        size_t at = 0;
        while (at < size && text.size == size && (text.data[at] | 0x20) == words[i][at]) {
            at++;
        }
        if (at == size) {
            return true;
        }
    }
    return false;
}

/* What a field is. *number is NaN if it has no place on a scale. */
static enum type type_of(struct cella_view field, double *number)
{
    int64_t whole = 0;
    *number = (double) NAN;
    if (cella_number_parse_integer(field, &whole) == CELLA_OK) {
        *number = (double) whole;
        return TYPE_INTEGER;
    }
    if (cella_number_parse(field, number) == CELLA_OK) {
        *number = isfinite(*number) ? *number : (double) NAN;
        return TYPE_NUMBER;
    }
    *number = (double) NAN;
    return is_boolean(field) ? TYPE_BOOLEAN : is_date(field) ? TYPE_DATE : TYPE_TEXT;
}

/* HyperLogLog: the most zeros in front of a hash, for each part of the hashes. Source: Flajolet and others (2007). */
static void note_distinct(struct column *column, struct cella_hash hash)
{
    uint8_t *place = &column->registers[hash.high % REGISTERS];
    uint64_t rest = hash.high >> REGISTER_BITS | 1ULL << (64 - REGISTER_BITS);
    uint8_t rank = (uint8_t) (__builtin_ctzll(rest) + 1);
    *place = rank > *place ? rank : *place;
}

static double estimate_distinct(const struct column *column)
{
    double sum = 0;
    double empty = 0;
    for (size_t i = 0; i < REGISTERS; i++) {
        sum += ldexp(1, -(int) column->registers[i]);
        empty += column->registers[i] == 0;
    }
    double estimate = 0.7213 / (1 + 1.079 / REGISTERS) * REGISTERS * REGISTERS / sum;
    return estimate < 2.5 * REGISTERS && empty > 0 ? REGISTERS * log(REGISTERS / empty) : estimate;
}

static cella_status note_category(struct column *column, struct cella_hash hash)
{
    if (column->many) {
        return CELLA_OK;
    }
    if (column->categories == NULL) {
        column->categories = calloc(CATEGORY_PLACES, sizeof(*column->categories));
        if (column->categories == NULL) {
            return CELLA_NO_MEMORY;
        }
    }
    size_t at = hash.low % CATEGORY_PLACES;
    while (column->categories[at].count > 0 && !cella_hash_equal(column->categories[at].hash, hash)) {
        at = (at + 1) % CATEGORY_PLACES;
    }
    struct category *category = &column->categories[at];
    if (category->count == 0 && column->category_count++ == CATEGORIES_MAX) {
        free(column->categories);
        column->categories = NULL;
        column->many = true;
        return CELLA_OK;
    }
    category->hash = hash;
    category->count++;
    return CELLA_OK;
}

static cella_status take_field(const struct profile *profile, struct column *column, struct cella_view field,
                               bool quoted)
{
    double number = 0;
    if (field.size == 0 && !quoted) {
        return CELLA_OK;
    }
    enum type type = type_of(field, &number);
    if (type == TYPE_NUMBER && isnan(number)) {
        double again = 0;
        if (cella_number_parse(field, &again) == CELLA_OK && isnan(again)) {
            return CELLA_OK; /* written NaN: missing */
        }
    }
    column->types[type]++;
    if (!isnan(number)) {
        CELLA_TRY(cella_sketch_add(&column->numbers, number));
    }
    column->lengths[field.size == 0 ? 0 : 64 - __builtin_clzll(field.size)]++;
    struct cella_hash hash = cella_hash_of(&profile->key, field);
    note_distinct(column, hash);
    return note_category(column, hash);
}

static uint64_t rounded(const struct profile *profile, uint64_t count)
{
    return (count + profile->least / 2) / profile->least * profile->least;
}

static uint64_t fields_of(const struct column *column)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < TYPES; i++) {
        sum += column->types[i];
    }
    return sum;
}

/* The narrowest type that all fields have, but for fewer than the minimum. */
static enum type narrowest(const struct profile *profile, const struct column *column)
{
    uint64_t all = fields_of(column);
    uint64_t whole = column->types[TYPE_INTEGER];
    const uint64_t fitting[] = { whole, whole + column->types[TYPE_NUMBER], column->types[TYPE_BOOLEAN],
                                 column->types[TYPE_DATE] };
    if (all < profile->least) {
        return TYPE_UNKNOWN;
    }
    for (size_t i = 0; i < sizeof(fitting) / sizeof(fitting[0]); i++) {
        if (all - fitting[i] < profile->least) {
            return (enum type) i;
        }
    }
    return TYPE_TEXT;
}

static cella_status write_ranges(const struct profile *profile, const struct column *column, enum type type,
                                 enum ranges ranges, struct cella_builtin_output *output)
{
    uint64_t count = column->numbers.count;
    bool numbers = (type == TYPE_INTEGER || type == TYPE_NUMBER) && count >= profile->least;
    double figures[5];
    for (uint64_t i = 0; i < 5; i++) {
        /* The one of rank least from either end; the first one of each quarter in between. */
        uint64_t rank = i == 0 ? profile->least : i == 4 ? count - profile->least + 1 : count / 4 * i + count % 4 * i / 4 + 1;
        bool wanted = i % 4 == 0 ? ranges != RANGES_NONE : ranges == RANGES_QUANTILES && count / 4 >= profile->least;
        double low = 0;
        double high = 0;
        figures[i] = (double) NAN;
        if (numbers && wanted) {
            cella_sketch_rank(&column->numbers, rank, &low, &high);
            figures[i] = i == 0 ? low : i == 4 ? high : low / 2 + high / 2;
        }
        CELLA_TRY(cella_csv_write_number(output, figures[i], false));
    }
    return CELLA_OK;
}

static cella_status write_whole(struct cella_builtin_output *output, bool is_there, uint64_t value)
{
    return is_there ? cella_builtin_output_print(output, ",%llu", (unsigned long long) value)
                    : cella_builtin_output_print(output, ",");
}

/* How many values there are, with two digits that count, and a multiple of the minimum. */
static uint64_t distinct_of(const struct profile *profile, const struct column *column)
{
    double estimate = fmin(estimate_distinct(column), (double) fields_of(column));
    double unit = estimate < 100 ? 1 : pow(10, floor(log10(estimate)) - 1);
    return rounded(profile, (uint64_t) (nearbyint(estimate / unit) * unit));
}

/* The bits of the length of the text that is as long as the minimum's number of others: at most that long. */
static uint64_t length_of(const struct profile *profile, const struct column *column)
{
    uint64_t longer = 0;
    size_t bits = 64;
    while (bits > 0 && (longer += column->lengths[bits]) < profile->least) {
        bits--;
    }
    return bits == 0 ? 0 : UINT64_MAX >> (64 - bits);
}

static cella_status write_column(const struct profile *profile, const struct column *column, enum type type,
                                 enum ranges ranges, struct cella_builtin_output *output)
{
    uint64_t fields = fields_of(column);
    uint64_t common = 0;
    for (size_t i = 0; column->categories != NULL && i < CATEGORY_PLACES; i++) {
        common += column->categories[i].count >= profile->least;
    }
    CELLA_TRY(cella_builtin_output_print(output, ",%s", type_names[type]));
    CELLA_TRY(write_whole(output, true, rounded(profile, profile->rows - fields)));
    CELLA_TRY(write_whole(output, !column->many, common));
    CELLA_TRY(write_whole(output, true, distinct_of(profile, column)));
    CELLA_TRY(write_ranges(profile, column, type, ranges, output));
    CELLA_TRY(write_whole(output, fields >= profile->least, length_of(profile, column)));
    return cella_builtin_output_write(output, cella_view_of("\n", 1));
}

static cella_status write_profile(struct cella_builtin_call *call, const struct profile *profile,
                                  const struct cella_csv *csv, enum ranges ranges, struct cella_builtin_output *output)
{
    size_t counts[TYPES] = { 0 };
    CELLA_TRY(cella_builtin_output_print(output,
                                         "column,type,missing,categories,distinct,low,q25,median,q75,high,length\n"));
    for (size_t i = 0; i < profile->count; i++) {
        enum type type = narrowest(profile, &profile->columns[i]);
        counts[type]++;
        CELLA_TRY(csv->names != NULL ? cella_csv_write(output, csv->names[i], true)
                                     : cella_builtin_output_print(output, "%zu", i));
        CELLA_TRY(write_column(profile, &profile->columns[i], type, ranges, output));
    }
    CELLA_TRY(cella_builtin_result(call, "{\"rows\": %llu, \"columns\": %zu, \"minimum_group\": %llu, \"types\": {",
                                   (unsigned long long) rounded(profile, profile->rows), profile->count,
                                   (unsigned long long) profile->least));
    for (size_t i = 0; i < TYPES; i++) {
        CELLA_TRY(cella_builtin_result(call, "%s\"%s\": %zu", i == 0 ? "" : ", ", type_names[i], counts[i]));
    }
    return cella_builtin_result(call, "}}");
}

/*
 * Names are told, so they must not be a row: a file without a header that is read as if it had one would show its first
 * row. What is refused is not shown either.
 */
static cella_status check_names(struct cella_builtin_call *call, const struct cella_csv *csv)
{
    for (size_t i = 0; csv->names != NULL && i < csv->column_count; i++) {
        double number = 0;
        if (type_of(csv->names[i], &number) != TYPE_TEXT) {
            return cella_builtin_refuse(call, "%s, header, column %zu: is a number, date or boolean, which looks like a row; say "
                                        "header=false if there is no header, else rename the column", csv->input->name,
                                        i + 1);
        }
    }
    return CELLA_OK;
}

CELLA_BUILTIN(
    csv_profile, "csv_profile", PROFILE, .version = "1", .result = CELLA_BUILTIN_RESULT_JSON,
    .documentation =
        "What a table is like, without its rows: for each column its type, how much is missing, how many values there are and "
        "where its numbers lie. What is told rests on at least minimum_group rows. missing and the number of rows are rounded to "
        "multiples of it. type is the narrowest of integer, number, boolean (true, false), date (2026-11-21, with or without a "
        "time), text that all fields have but for fewer than minimum_group; unknown if there are fewer fields. categories is how "
        "many values at least minimum_group rows have, of columns of at most 256 values. distinct is an estimate of how many "
        "values there are (3 %, two digits). low and high are edges of buckets of which there are 32 from one power of two to "
        "the next: minimum_group numbers are below low's bucket or in it, as many above high's or in it; q25, median and q75 "
        "are the middles of such buckets. length is a bound that fewer than minimum_group fields exceed, one less than a power of "
        "two. No value of a row is told but as such an edge. Columns' names are told as they are; a header with a number, date or boolean in it is refused, as the first row of a "
        "file without one would be told. A missing field is an empty one "
        "that is not in quotes, or NaN. This does not protect from comparing the profiles of changed data: for that there is noise "
        "(aggregate).",
    .returns = "{\"rows\": rounded, \"columns\": how many, \"minimum_group\", \"types\": how many columns of each}",
    .limits = "Reads a stream as it comes. About 18 KB of memory for each column, at most 1 MB",
    .example = ">>> rows = \"\".join(f\"{20 + i % 40},{'yes' if i % 3 else 'no'}\\n\" for i in range(400))\n"
               ">>> found = cella.builtins.csv_profile(\"age,member\\n\" + rows)\n"
               ">>> found.profile.decode().split()[1:]\n"
               "['age,integer,0,40,40,20.0,30.25,40.5,50.5,60.0,3', 'member,text,0,2,0,,,,,,3']\n"
               ">>> found.returned\n"
               "{'rows': 400, 'columns': 2, 'minimum_group': 10, 'types': {'integer': 1, 'number': 0, 'boolean': 0, 'date': 0, "
               "'text': 1, 'unknown': 0}}\n")
{
    static const uint8_t no_secret[16] = { 0 };
    CELLA_CLEANUP(cella_csv_release) struct cella_csv csv = { 0 };
    CELLA_CLEANUP(profile_clear) struct profile state = { .least = (uint64_t) minimum_group };
    bool there = true;
    /* The same hash on every machine: the estimates are the same then, and who floods them floods a table of 512 places. */
    cella_hash_key_set(&state.key, no_secret);
    state.key.aes = false;
    CELLA_TRY(cella_csv_begin(call, &csv, data, header ? CELLA_CSV_HEADER : CELLA_CSV_NO_HEADER));
    CELLA_TRY(check_names(call, &csv));
    state.columns = calloc(csv.column_count + 1, sizeof(*state.columns));
    if (state.columns == NULL) {
        return CELLA_NO_MEMORY;
    }
    state.count = csv.column_count;
    for (;;) {
        CELLA_TRY(cella_csv_next(call, &csv, &there));
        if (!there) {
            break;
        }
        for (size_t i = 0; i < csv.column_count; i++) {
            CELLA_TRY(take_field(&state, &state.columns[i], csv.fields[i], csv.quoted[i]));
        }
        if (csv.row % ROWS_BETWEEN_REPORTS == 0) {
            CELLA_TRY(cella_builtin_progress(call, 0.5));
        }
    }
    state.rows = csv.row;
    return write_profile(call, &state, &csv, (enum ranges) ranges, profile);
}
