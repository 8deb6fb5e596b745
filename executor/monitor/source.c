/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/source.h"

#include <stdlib.h>

struct walk {
    uint64_t number;
    cella_source_visit visit;
    void *context;
    size_t count;
};

static void come_to(struct walk *walk, struct cella_data *data)
{
    if (data->walk == walk->number) {
        return;
    }
    data->walk = walk->number;
    walk->count++;
    if (walk->visit != NULL) {
        walk->visit(data, walk->context);
    }
}

size_t cella_sources_visit(struct cella_state *state, const struct cella_task_record *task, cella_source_visit visit,
                           void *context)
{
    struct walk walk = { ++state->walk, visit, context, 0 };
    for (size_t i = 0; i < task->function->spec.input_count; i++) {
        struct cella_data *data = task->inputs[i].data;
        if (data == NULL) {
            continue;
        }
        come_to(&walk, data);
        for (size_t k = 0; k < data->source_count; k++) {
            come_to(&walk, data->sources[k]);
        }
    }
    return walk.count;
}

static void add_source(struct cella_data *source, void *context)
{
    struct cella_data *data = context;
    data->sources[data->source_count++] = source;
}

cella_status cella_sources_fill(struct cella_state *state, const struct cella_task_record *task, struct cella_data *data)
{
    size_t count = cella_sources_visit(state, task, NULL, NULL);
    if (count > CELLA_SOURCES_MAX) {
        return CELLA_TOO_MANY;
    }
    data->sources = calloc(count + 1, sizeof(struct cella_data *));
    if (data->sources == NULL) {
        return CELLA_NO_MEMORY;
    }
    (void) cella_sources_visit(state, task, add_source, data);
    return CELLA_OK;
}
