/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/aggregate.h"

#define AGGREGATE(X)                                                                                                 \
    X(TEXT, aggregates, 1, 65536, NULL,                                                                              \
      "what to compute, separated by commas, quoted as in CSV: count (rows), persons, and with a column count, sum, mean, var, " \
      "std, min, max: \"count,mean:income\"")                                                                        \
    X(TEXT, group_by, 0, 65536, "", "columns that groups have in common, separated by commas; empty: all rows are one group") \
    X(CHOICE, mechanism, "none|laplace|gaussian", "none", "noise; with none, small groups are withheld")             \
    X(REAL, epsilon, 0, 1000, "0", "noise: what the whole call spends, for each person")                             \
    X(REAL, delta, 0, 0.01, "0",                                                                                     \
      "noise: what the whole call spends; far below one in the number of persons. Laplace on listed groups: 0")      \
    X(TEXT, bounds, 0, 65536, "",                                                                                    \
      "ranges that values are clamped to, separated by commas: \"income:0:100000,age:0:120\"; noise needs them for every " \
      "column of an aggregate. They must not come from the data")                                                    \
    X(TEXT, person, 0, 4096, "", "column that says whose row it is; empty: every row is another person's")           \
    X(INTEGER, groups_per_person, 0, 10000, "0",                                                                     \
      "rows of one person count in this many groups, the first ones; 0: in all (not with noise)")                    \
    X(INTEGER, rows_per_person, 0, 10000, "0",                                                                       \
      "this many rows of one person count in a group, the first ones; 0: all (not with noise)")                      \
    X(INTEGER, minimum_group, 1, 1000000000, "10",                                                                   \
      "none: persons that must be behind every released figure. Noise: the least threshold for groups that are not listed") \
    X(FLAG, header, "true", "the first record of each input holds the columns' names; else columns are numbers from 0") \
    X(INPUT, data, "CSV", "the rows")                                                                                \
    X(OPTIONAL_INPUT, groups, "CSV",                                                                                 \
      "groups that everybody may know of, with the columns of group_by: only their rows count. With noise all of them are " \
      "released, those without rows too")                                                                            \
    X(OUTPUT, result, "CSV", "a header, then a row for each group: the columns of group_by, then the aggregates as they were written")

CELLA_BUILTIN(
    aggregate, "aggregate", AGGREGATE, .version = "1", .result = CELLA_BUILTIN_RESULT_JSON,
    .documentation =
        "Counts, sums, means and spreads of groups, released with a minimum group size or with differential privacy. "
        "With mechanism none every figure rests on at least minimum_group persons (rows, if there is no person column): "
        "smaller groups are withheld, figures of a column that fewer persons have are left empty, and min and max are left empty "
        "unless so many persons have that very value. What is withheld is summed up as rest in the result; if rest would be of "
        "too few persons, the smallest other group is withheld with it, so that no total that somebody knows gives it away. "
        "This does not protect from comparing two calls on changed or differently grouped data, nor where all of a group have "
        "one value. A column's figures that are left empty in a released group are in no rest: whoever knows the column's total "
        "can subtract the others; and count less the count of a column is how many have no value there, however few. "
        "With laplace or gaussian the output is (epsilon, delta)-differentially private: with or without all rows of any one "
        "person, any set of results has the same probability but for a factor of exp(epsilon) and an addition of delta, whatever "
        "else is known. For that a person's rows beyond rows_per_person and groups_per_person do not count, values are "
        "clamped to bounds, each sum is made of whole numbers on a grid, and noise is drawn by exact whole-number sampling (discrete "
        "Laplace or Gaussian of Canonne, Kamath, Steinke 2020). epsilon is shared equally by the sums that the aggregates need, "
        "which the result lists: a mean takes a count and a sum, a variance one more. Groups that are not listed are "
        "released when their noisy number of persons reaches a threshold, which takes such a sum and delta (gaussian: half of "
        "delta). Calls on the same data add up their epsilons and deltas. Noisy counts and sums are not rounded or clamped: a "
        "small group's may be negative. With noise a value that is not a finite number counts as missing, and rows without a "
        "person do not count.",
    .returns =
        "{\"groups\": how many are released, \"mechanism\", \"unit\": \"person\" or \"row\", \"minimum_group\", ...}; none: "
        "\"withheld\": whether groups are, \"rest\": their aggregates together, or null; noise: \"epsilon\", \"delta\", "
        "\"threshold\", \"guarantee\", and \"queries\": each noisy sum with its share, what one row changes at most, and "
        "the standard deviation of its noise",
    .privacy = { .inputs = "data", .epsilon = "epsilon", .delta = "delta" },
    .determinism = "Without noise the same bytes on every machine; noise is new in every call",
    .limits = "At most 32 aggregates and 32 columns of groups. Reads a stream as it comes. Groups and persons are told apart by 96 "
              "bits of a hash whose key is drawn for each call. Memory for each group (about 100 bytes, "
              "and 80 for each column of an aggregate), for each person (about 40) and for each pair of them (about 50)",
    .example =
        ">>> table = b\"city,age\\n\" + b\"Bern,30\\n\" * 12 + b\"Chur,50\\n\" * 20 + b\"Visp,41\\n\"\n"
        ">>> found = cella.builtins.aggregate(table, group_by=\"city\", aggregates=\"count,mean:age\")\n"
        ">>> found.result.decode().split()\n"
        "['city,count,mean:age', 'Chur,20,50.0']\n"
        ">>> found.returned[\"rest\"]\n"
        "{'count': 13, 'mean:age': 30.846153846153847}\n"
        ">>> noisy = cella.builtins.aggregate(table, b\"city\\nBern\\nChur\\nVisp\\n\", group_by=\"city\", aggregates=\"count\",\n"
        "...                                  mechanism=\"laplace\", epsilon=1.0)\n"
        ">>> noisy.returned[\"queries\"]\n"
        "[{'sum': 'rows', 'of': '', 'epsilon': 1.0, 'one_row': 1.0, 'standard_deviation': 1.4142135623730951}]\n")
{
    CELLA_CLEANUP(aggregate_plan_clear) struct aggregate_plan plan = {
        .mechanism = (enum aggregate_mechanism) mechanism,
        .has_person = person->size > 0,
        .person_name = *person,
        .groups_per_person = groups_per_person,
        .rows_per_person = rows_per_person,
        .minimum_group = minimum_group,
        .listed = groups != NULL,
        .epsilon = epsilon,
        .delta = delta,
    };
    CELLA_CLEANUP(aggregate_state_clear) struct aggregate_state state = { .group_index = { 0 } };
    const struct cella_view lists[3] = { *group_by, *aggregates, *bounds };
    CELLA_TRY(aggregate_plan_make(call, &plan, lists));
    if (groups != NULL && plan.key_count == 0) {
        return cella_builtin_refuse_argument(call, "input 'groups' needs argument 'group_by'");
    }
    bool with_noise = plan.mechanism != AGGREGATE_EXACT;
    plan.listed = plan.listed || (plan.key_count == 0 && with_noise); /* the one group of all is known to everybody */
    if (with_noise) {
        CELLA_TRY(aggregate_share(call, &plan));
    }
    CELLA_TRY(cella_hash_key_make(&state.hash_key));
    CELLA_TRY(cella_bytes_reserve(&state.keys, 1)); /* without columns and values these stay empty, but are somewhere */
    CELLA_TRY(cella_bytes_reserve(&state.cells, 1));
    if (groups != NULL) {
        CELLA_TRY(aggregate_read_list(call, &plan, &state, groups, header));
    }
    CELLA_TRY(aggregate_read_rows(call, &plan, &state, data, header));
    return with_noise ? aggregate_release_noisy(call, &plan, &state, result)
                      : aggregate_release_exact(call, &plan, &state, result);
}
