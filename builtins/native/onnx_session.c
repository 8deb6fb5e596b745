/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_session.h"

#include <stdlib.h>
#include <string.h>

#include "builtins/native/onnx_kernel.h"
#include "builtins/native/onnx_step.h"

#define NODE_STEPS 30000.0 /* of a node that does nothing: a microsecond */

#define TAKE(session, count, pointer) \
    cella_onnx_model_take(&(session)->model, count, sizeof(**(pointer)), (void **) (pointer))

static cella_status refuse_name(struct cella_onnx_session *session, const char *what, struct cella_view name)
{
    char text[64];
    return cella_builtin_refuse(session->call, "%s: value '%s' %s", session->source, cella_onnx_printable(name, text),
                                what);
}

static int by_name(const void *a, const void *b)
{
    const struct cella_onnx_value *left = a;
    const struct cella_onnx_value *right = b;
    size_t common = left->name.size < right->name.size ? left->name.size : right->name.size;
    int order = common == 0 ? 0 : memcmp(left->name.data, right->name.data, common);
    return order != 0 ? order : (left->name.size > right->name.size) - (left->name.size < right->name.size);
}

static size_t find(const struct cella_onnx_session *session, struct cella_view name)
{
    struct cella_onnx_value wanted = { .name = name };
    struct cella_onnx_value *found = session->value_count == 0
        ? NULL
        : bsearch(&wanted, session->values, session->value_count, sizeof(wanted), by_name);
    return found == NULL ? CELLA_ONNX_ABSENT : (size_t) (found - session->values);
}

/* Older files list initializers as inputs too, to be replaced by who runs the model. Here they are constants. */
static cella_status drop_constant_inputs(struct cella_onnx_session *session)
{
    struct cella_onnx_model *model = &session->model;
    struct cella_onnx_value *names = NULL;
    CELLA_TRY(TAKE(session, model->initializer_count, &names));
    for (size_t i = 0; i < model->initializer_count; i++) {
        names[i].name = model->initializers[i].name;
    }
    qsort(names, model->initializer_count, sizeof(*names), by_name);
    size_t kept = 0;
    for (size_t i = 0; i < model->input_count; i++) {
        struct cella_onnx_value wanted = { .name = model->inputs[i].name };
        if (model->initializer_count == 0 ||
            bsearch(&wanted, names, model->initializer_count, sizeof(wanted), by_name) == NULL) {
            model->inputs[kept++] = model->inputs[i];
        }
    }
    model->input_count = kept;
    return CELLA_OK;
}

static void add_value(struct cella_onnx_session *session, struct cella_view name)
{
    session->values[session->value_count++] = (struct cella_onnx_value){ .name = name, .producer = CELLA_ONNX_ABSENT };
}

/* One value for each name that is made somewhere. */
static cella_status name_values(struct cella_onnx_session *session)
{
    struct cella_onnx_model *model = &session->model;
    size_t count = model->initializer_count + model->input_count;
    for (size_t i = 0; i < model->node_count; i++) {
        count += model->nodes[i].output_count;
    }
    CELLA_TRY(TAKE(session, count, &session->values));
    for (size_t i = 0; i < model->initializer_count; i++) {
        add_value(session, model->initializers[i].name);
    }
    for (size_t i = 0; i < model->input_count; i++) {
        add_value(session, model->inputs[i].name);
    }
    for (size_t i = 0; i < model->node_count; i++) {
        for (size_t j = 0; j < model->nodes[i].output_count; j++) {
            if (model->nodes[i].outputs[j].size > 0) {
                add_value(session, model->nodes[i].outputs[j]);
            }
        }
    }
    qsort(session->values, session->value_count, sizeof(*session->values), by_name);
    for (size_t i = 1; i < session->value_count; i++) {
        if (by_name(&session->values[i - 1], &session->values[i]) == 0) {
            return refuse_name(session, "is made twice", session->values[i].name);
        }
    }
    return CELLA_OK;
}

static cella_status fill_known(struct cella_onnx_session *session, bool *made)
{
    struct cella_onnx_model *model = &session->model;
    for (size_t i = 0; i < model->initializer_count; i++) {
        size_t value = find(session, model->initializers[i].name);
        made[value] = true;
        session->values[value].constant = true;
        cella_onnx_tensor_share(&model->initializers[i].tensor, &session->values[value].tensor);
        cella_onnx_tensor_release(&model->initializers[i].tensor);
    }
    CELLA_TRY(TAKE(session, model->input_count, &session->inputs));
    for (size_t i = 0; i < model->input_count; i++) {
        session->inputs[i] = find(session, model->inputs[i].name);
        made[session->inputs[i]] = true;
        if (!model->inputs[i].is_tensor) {
            return refuse_name(session, "is an input that is not a tensor, which is not supported",
                               model->inputs[i].name);
        }
    }
    return CELLA_OK;
}

static char kind_letter(enum cella_onnx_attribute_kind kind)
{
    static const char letters[] = "-fistgFIS-";
    return letters[kind];
}

/* Whether the table has "name:kind"; *known if it has the name at all. */
static bool attribute_fits(const char *table, const struct cella_onnx_attribute *attribute, bool *known)
{
    *known = false;
    while (*table != '\0') {
        const char *colon = strchr(table, ':');
        if (cella_view_equal(cella_view_of(table, (size_t) (colon - table)), attribute->name)) {
            *known = true;
            return colon[1] == kind_letter(attribute->kind);
        }
        table = colon[2] == ' ' ? colon + 3 : colon + 2;
    }
    return false;
}

static cella_status check_attributes(const struct cella_onnx_step *step)
{
    char text[64];
    for (size_t i = 0; i < step->node->attribute_count; i++) {
        const struct cella_onnx_attribute *attribute = &step->node->attributes[i];
        bool known;
        bool fits = attribute_fits(step->operation->attributes, attribute, &known);
        if (!fits) {
            return cella_onnx_refuse(step, "attribute '%s' %s", cella_onnx_printable(attribute->name, text),
                                     known ? "has another type than the operator's" : "is not supported");
        }
        for (size_t j = 0; j < i; j++) {
            if (cella_view_equal(step->node->attributes[j].name, attribute->name)) {
                return cella_onnx_refuse(step, "attribute '%s' is there twice",
                                         cella_onnx_printable(attribute->name, text));
            }
        }
    }
    return CELLA_OK;
}

static cella_status check_counts(const struct cella_onnx_step *step)
{
    const struct cella_onnx_operator *operation = step->operation;
    size_t inputs = step->node->input_count;
    size_t outputs = step->node->output_count;
    if (inputs < operation->inputs_least || inputs > operation->inputs_most || outputs < 1 ||
        outputs > operation->outputs_most) {
        return cella_onnx_refuse(step, "has %zu inputs and %zu outputs; %u to %u and 1 to %u are supported", inputs,
                                 outputs, operation->inputs_least, operation->inputs_most, operation->outputs_most);
    }
    for (size_t i = 0; i < operation->inputs_least; i++) {
        if (step->inputs[i] == CELLA_ONNX_ABSENT) {
            return cella_onnx_refuse(step, "input %zu is missing", i);
        }
    }
    if (step->outputs[0] == CELLA_ONNX_ABSENT) {
        return cella_onnx_refuse(step, "output 0 has no name");
    }
    return CELLA_OK;
}

static cella_status opset_of(struct cella_onnx_session *session, struct cella_onnx_step *step)
{
    char text[64];
    for (size_t i = 0; i < session->model.opset_count; i++) {
        if (!cella_view_equal(session->model.opsets[i].domain, step->node->domain)) {
            continue;
        }
        step->opset = session->model.opsets[i].version;
        int64_t most = step->node->domain.size == 0 ? CELLA_ONNX_OPSET_MAX : CELLA_ONNX_ML_OPSET_MAX;
        return step->opset >= 1 && step->opset <= most
            ? CELLA_OK
            : cella_onnx_refuse(step, "operator set %lld is not supported; 1 to %lld are", (long long) step->opset,
                                (long long) most);
    }
    return cella_onnx_refuse(step, "the file does not say which version of domain '%s' it uses",
                             cella_onnx_printable(step->node->domain, text));
}

/* Tie one node to its operator and values. made: which values exist before it. */
static cella_status bind_node(struct cella_onnx_session *session, size_t index, bool *made)
{
    const struct cella_onnx_node *node = &session->model.nodes[index];
    struct cella_onnx_step *step = &session->steps[index];
    char text[64];
    *step = (struct cella_onnx_step){ .session = session, .node = node, .index = index };
    step->finish.addend = CELLA_ONNX_ABSENT;
    step->operation = cella_onnx_operator_find(node->domain, node->operation);
    if (step->operation == NULL) {
        return cella_onnx_refuse(step, "this operator is not supported%s%s", node->domain.size > 0 ? "; its domain is " : "",
                                 node->domain.size > 0 ? cella_onnx_printable(node->domain, text) : "");
    }
    CELLA_TRY(opset_of(session, step));
    CELLA_TRY(check_attributes(step));
    CELLA_TRY(TAKE(session, node->input_count, &step->inputs));
    CELLA_TRY(TAKE(session, node->output_count, &step->outputs));
    for (size_t i = 0; i < node->input_count; i++) {
        step->inputs[i] = node->inputs[i].size == 0 ? CELLA_ONNX_ABSENT : find(session, node->inputs[i]);
        if (node->inputs[i].size > 0 && (step->inputs[i] == CELLA_ONNX_ABSENT || !made[step->inputs[i]])) {
            return cella_onnx_refuse(step, "input '%s' is not made before it is used",
                                     cella_onnx_printable(node->inputs[i], text));
        }
    }
    for (size_t i = 0; i < node->output_count; i++) {
        step->outputs[i] = node->outputs[i].size == 0 ? CELLA_ONNX_ABSENT : find(session, node->outputs[i]);
        if (step->outputs[i] != CELLA_ONNX_ABSENT) {
            made[step->outputs[i]] = true;
            session->values[step->outputs[i]].producer = index;
        }
    }
    return check_counts(step);
}

static cella_status bind_outputs(struct cella_onnx_session *session, const bool *made)
{
    CELLA_TRY(TAKE(session, session->model.output_count, &session->outputs));
    if (session->model.output_count == 0) {
        return cella_builtin_refuse(session->call, "%s: the graph has no output", session->source);
    }
    for (size_t i = 0; i < session->model.output_count; i++) {
        session->outputs[i] = find(session, session->model.outputs[i].name);
        if (session->outputs[i] == CELLA_ONNX_ABSENT || !made[session->outputs[i]]) {
            return refuse_name(session, "is an output that nothing makes", session->model.outputs[i].name);
        }
        session->values[session->outputs[i]].kept = true;
    }
    return CELLA_OK;
}

void cella_onnx_session_count_uses(struct cella_onnx_session *session)
{
    for (size_t i = 0; i < session->value_count; i++) {
        session->values[i].first_use = CELLA_ONNX_ABSENT;
        session->values[i].last_use = CELLA_ONNX_ABSENT;
        session->values[i].uses = 0;
    }
    for (size_t i = 0; i < session->step_count; i++) {
        const struct cella_onnx_step *step = &session->steps[i];
        for (size_t j = 0; !step->skipped && j <= step->node->input_count; j++) {
            size_t value = j < step->node->input_count ? step->inputs[j] : step->finish.addend;
            if (value == CELLA_ONNX_ABSENT) {
                continue;
            }
            struct cella_onnx_value *used = &session->values[value];
            used->first_use = used->uses == 0 ? i : used->first_use;
            used->last_use = i;
            used->uses++;
        }
    }
}

static cella_status run_step(struct cella_onnx_session *session, struct cella_onnx_step *step)
{
    double steps = NODE_STEPS;
    for (size_t j = 0; j < step->node->input_count; j++) {
        const struct cella_onnx_tensor *input = cella_onnx_input(step, j);
        steps += input == NULL ? 0 : (double) input->count * CELLA_ONNX_WORK_ELEMENT;
    }
    CELLA_TRY(cella_onnx_work(step, steps));
    CELLA_TRY(step->operation->run(step));
    CELLA_TRY(cella_onnx_work_done(&session->work, NODE_STEPS));
    for (size_t j = 0; j <= step->node->input_count; j++) {
        size_t index = j < step->node->input_count ? step->inputs[j] : step->finish.addend;
        struct cella_onnx_value *value = index == CELLA_ONNX_ABSENT ? NULL : &session->values[index];
        if (value != NULL && value->last_use == step->index && !value->constant && !value->kept) {
            cella_onnx_tensor_release(&value->tensor);
        }
    }
    for (size_t j = 0; j < step->node->output_count; j++) {
        struct cella_onnx_value *value =
            step->outputs[j] == CELLA_ONNX_ABSENT ? NULL : &session->values[step->outputs[j]];
        if (value != NULL && value->uses == 0 && !value->kept) {
            cella_onnx_tensor_release(&value->tensor);
        }
    }
    return CELLA_OK;
}

/* Compute the steps whose inputs are constants, once. */
static cella_status fold(struct cella_onnx_session *session)
{
    for (size_t i = 0; i < session->step_count; i++) {
        struct cella_onnx_step *step = &session->steps[i];
        bool constant = true;
        for (size_t j = 0; j < step->node->input_count; j++) {
            constant = constant &&
                (step->inputs[j] == CELLA_ONNX_ABSENT || session->values[step->inputs[j]].constant);
        }
        if (!constant) {
            continue;
        }
        for (size_t j = 0; j < step->node->output_count; j++) {
            if (step->outputs[j] != CELLA_ONNX_ABSENT) {
                session->values[step->outputs[j]].constant = true;
            }
        }
        CELLA_TRY(run_step(session, step));
        cella_onnx_tensor_release(&step->packed);
        step->skipped = true;
    }
    return CELLA_OK;
}

/* Constants that no step needs after folding. */
static void drop_unused(struct cella_onnx_session *session)
{
    for (size_t i = 0; i < session->value_count; i++) {
        if (session->values[i].uses == 0 && !session->values[i].kept) {
            cella_onnx_tensor_release(&session->values[i].tensor);
        }
    }
    cella_onnx_memory_clear(&session->memory);
}

cella_status cella_onnx_session_open(struct cella_builtin_call *call, const char *source, struct cella_view bytes,
                                     struct cella_onnx_session *session)
{
    session->call = call;
    session->source = source;
    session->memory.limit = session->memory.limit == 0 ? CELLA_ONNX_MEMORY_MAX : session->memory.limit;
    session->work.limit = session->work.limit == 0 ? CELLA_ONNX_WORK_MAX : session->work.limit;
    session->work.call = call;
    session->work.examples = 1;
    session->kernel = cella_onnx_kernel_best();
    CELLA_TRY(cella_onnx_model_parse(call, source, bytes, &session->memory, &session->model));
    CELLA_TRY(drop_constant_inputs(session));
    CELLA_TRY(name_values(session));
    bool *made = NULL;
    CELLA_TRY(TAKE(session, session->value_count, &made));
    CELLA_TRY(fill_known(session, made));
    CELLA_TRY(TAKE(session, session->model.node_count, &session->steps));
    for (size_t i = 0; i < session->model.node_count; i++) {
        CELLA_TRY(bind_node(session, i, made));
        session->step_count++;
    }
    CELLA_TRY(bind_outputs(session, made));
    CELLA_TRY(cella_onnx_threads_start(call->threads, &session->work, &session->threads));
    cella_onnx_session_count_uses(session);
    CELLA_TRY(fold(session));
    cella_onnx_session_count_uses(session);
    CELLA_TRY(cella_onnx_fuse(session));
    cella_onnx_session_count_uses(session);
    drop_unused(session);
    return CELLA_OK;
}

static void forget(struct cella_onnx_session *session)
{
    for (size_t i = 0; i < session->value_count; i++) {
        if (!session->values[i].constant) {
            cella_onnx_tensor_release(&session->values[i].tensor);
        }
    }
}

static cella_status compute(struct cella_onnx_session *session)
{
    cella_onnx_work_begin(&session->work);
    for (size_t i = 0; i < session->step_count; i++) {
        if (!session->steps[i].skipped) {
            CELLA_TRY(run_step(session, &session->steps[i]));
        }
    }
    return CELLA_OK;
}

cella_status cella_onnx_session_run(struct cella_onnx_session *session, const struct cella_onnx_tensor *inputs,
                                    struct cella_onnx_tensor *outputs)
{
    for (size_t i = 0; i < session->model.input_count; i++) {
        cella_onnx_tensor_share(&inputs[i], &session->values[session->inputs[i]].tensor);
    }
    cella_status status = compute(session);
    for (size_t i = 0; status == CELLA_OK && i < session->model.output_count; i++) {
        cella_onnx_tensor_share(&session->values[session->outputs[i]].tensor, &outputs[i]);
    }
    forget(session);
    return status;
}

void cella_onnx_session_close(struct cella_onnx_session *session)
{
    cella_onnx_threads_stop(session->threads);
    for (size_t i = 0; i < session->value_count; i++) {
        cella_onnx_tensor_release(&session->values[i].tensor);
    }
    for (size_t i = 0; i < session->step_count; i++) {
        cella_onnx_tensor_release(&session->steps[i].packed);
        cella_onnx_tensor_release(&session->steps[i].bias);
    }
    cella_onnx_model_release(&session->model);
    cella_onnx_memory_clear(&session->memory);
    *session = (struct cella_onnx_session){ 0 };
}
