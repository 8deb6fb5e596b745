/* SPDX-License-Identifier: Apache-2.0 */
#define PY_SSIZE_T_CLEAN
#include "cell/native.h"

#include <errno.h>
#include <unistd.h>

#include "builtins/dispatch.h"
#include "builtins/registry.h"

/* A call's values while it lasts. */
struct values {
    struct cella_builtin_value all[CELLA_BUILTIN_PARAMETERS_MAX];
    Py_buffer buffers[CELLA_BUILTIN_PARAMETERS_MAX];     /* of inputs; obj NULL when unused */
    struct cella_bytes collected[CELLA_BUILTIN_PARAMETERS_MAX]; /* of outputs */
    int files[CELLA_BUILTIN_PARAMETERS_MAX];
    size_t count;
};

static void release_values(struct values *values)
{
    for (size_t i = 0; i < values->count; i++) {
        PyBuffer_Release(&values->buffers[i]);
        cella_bytes_clear(&values->collected[i]);
    }
}

static void release_call(struct cella_builtin_call *call)
{
    cella_bytes_clear(&call->result);
}

cella_status cella_native_write(int file, struct cella_view bytes)
{
    while (bytes.size > 0) {
        ssize_t written = write(file, bytes.data, bytes.size);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return errno == EFBIG ? CELLA_LIMIT_OUTPUT : CELLA_SYSTEM_FAILED;
        }
        bytes = cella_view_of(bytes.data + written, bytes.size - (size_t) written);
    }
    return CELLA_OK;
}

static cella_status write_file(void *context, struct cella_view bytes)
{
    return cella_native_write(*(const int *) context, bytes);
}

static cella_status collect(void *context, struct cella_view bytes)
{
    return cella_bytes_append(context, bytes);
}

static PyObject *describe_parameter(const struct cella_builtin_parameter *parameter)
{
    static const char *const kinds[] = {
        [CELLA_BUILTIN_TEXT] = "text", [CELLA_BUILTIN_INTEGER] = "integer", [CELLA_BUILTIN_REAL] = "real",
        [CELLA_BUILTIN_FLAG] = "flag", [CELLA_BUILTIN_INPUT] = "input",     [CELLA_BUILTIN_OUTPUT] = "output",
    };
    return Py_BuildValue("(ssddzs)", parameter->name, kinds[parameter->kind], parameter->minimum, parameter->maximum,
                         parameter->default_text, parameter->documentation);
}

static PyObject *describe(const struct cella_builtin *builtin)
{
    PyObject *parameters = PyTuple_New((Py_ssize_t) builtin->parameter_count);
    for (size_t i = 0; parameters != NULL && i < builtin->parameter_count; i++) {
        PyObject *one = describe_parameter(&builtin->parameters[i]);
        if (one == NULL) {
            Py_CLEAR(parameters);
            return NULL;
        }
        PyTuple_SET_ITEM(parameters, (Py_ssize_t) i, one);
    }
    if (parameters == NULL) {
        return NULL;
    }
    return Py_BuildValue("(sssssN)", builtin->name, builtin->alias, builtin->version, builtin->documentation,
                         builtin->returns, parameters);
}

PyObject *cella_native_table(PyObject *module, PyObject *nothing)
{
    (void) module;
    (void) nothing;
    PyObject *all = PyList_New(0);
    for (size_t i = 0; all != NULL && cella_builtin_at(i) != NULL; i++) {
        PyObject *one = describe(cella_builtin_at(i));
        if (one == NULL || PyList_Append(all, one) != 0) {
            Py_CLEAR(all);
        }
        Py_XDECREF(one);
    }
    PyObject *table = all == NULL ? NULL : PyList_AsTuple(all);
    Py_XDECREF(all);
    return table;
}

static int text_of(PyObject *object, struct cella_view *out)
{
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(object, &size);
    *out = text == NULL ? (struct cella_view){ 0 } : cella_view_of(text, (size_t) size);
    return text == NULL ? -1 : 0;
}

/* A parsed JSON value. Whole numbers beyond 64 bits become reals, which no integer parameter takes. */
static int fill_argument(PyObject *object, struct cella_builtin_value *value)
{
    if (PyUnicode_Check(object)) {
        value->kind = CELLA_BUILTIN_VALUE_TEXT;
        return text_of(object, &value->bytes);
    }
    if (PyBool_Check(object)) {
        value->kind = CELLA_BUILTIN_VALUE_FLAG;
        value->flag = object == Py_True;
        return 0;
    }
    if (PyLong_Check(object)) {
        int overflow;
        value->kind = CELLA_BUILTIN_VALUE_INTEGER;
        value->integer = PyLong_AsLongLongAndOverflow(object, &overflow);
        if (overflow != 0) {
            value->kind = CELLA_BUILTIN_VALUE_REAL;
            value->real = overflow > 0 ? 1e300 : -1e300;
        }
        return 0;
    }
    if (PyFloat_Check(object)) {
        value->kind = CELLA_BUILTIN_VALUE_REAL;
        value->real = PyFloat_AS_DOUBLE(object);
        return 0;
    }
    value->kind = CELLA_BUILTIN_VALUE_NONE;
    return 0;
}

static int fill_input(struct values *values, size_t index, PyObject *object)
{
    struct cella_builtin_value *value = &values->all[index];
    if (object == Py_None) {
        value->kind = CELLA_BUILTIN_VALUE_NONE;
        return 0;
    }
    if (PyObject_GetBuffer(object, &values->buffers[index], PyBUF_SIMPLE) != 0) {
        return -1;
    }
    value->kind = CELLA_BUILTIN_VALUE_INPUT;
    value->bytes = cella_view_of(values->buffers[index].buf, (size_t) values->buffers[index].len);
    return 0;
}

static int fill_output(struct values *values, size_t index, PyObject *object)
{
    struct cella_builtin_value *value = &values->all[index];
    value->kind = CELLA_BUILTIN_VALUE_OUTPUT;
    value->output = (struct cella_builtin_output){ collect, &values->collected[index] };
    if (object != Py_None) {
        values->files[index] = (int) PyLong_AsLong(object);
        value->output = (struct cella_builtin_output){ write_file, &values->files[index] };
    }
    return PyErr_Occurred() == NULL ? 0 : -1;
}

static int fill(struct values *values, PyObject *group, enum cella_builtin_kind kind)
{
    PyObject *name;
    PyObject *object;
    Py_ssize_t position = 0;
    while (PyDict_Next(group, &position, &name, &object)) {
        if (values->count == CELLA_BUILTIN_PARAMETERS_MAX) {
            PyErr_SetString(PyExc_TypeError, "too many arguments");
            return -1;
        }
        size_t index = values->count++;
        int failed = text_of(name, &values->all[index].name);
        if (failed == 0) {
            failed = kind == CELLA_BUILTIN_INPUT    ? fill_input(values, index, object)
                     : kind == CELLA_BUILTIN_OUTPUT ? fill_output(values, index, object)
                                                    : fill_argument(object, &values->all[index]);
        }
        if (failed != 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *collected_outputs(const struct values *values)
{
    PyObject *outputs = PyDict_New();
    for (size_t i = 0; outputs != NULL && i < values->count; i++) {
        if (values->all[i].kind != CELLA_BUILTIN_VALUE_OUTPUT) {
            continue;
        }
        struct cella_view name = values->all[i].name;
        PyObject *key = PyUnicode_FromStringAndSize((const char *) name.data, (Py_ssize_t) name.size);
        PyObject *bytes = PyBytes_FromStringAndSize((const char *) values->collected[i].data,
                                                    (Py_ssize_t) values->collected[i].size);
        if (key == NULL || bytes == NULL || PyDict_SetItem(outputs, key, bytes) != 0) {
            Py_CLEAR(outputs);
        }
        Py_XDECREF(key);
        Py_XDECREF(bytes);
    }
    return outputs;
}

static PyObject *answer(cella_status status, const struct cella_builtin_call *call, const struct values *values)
{
    const char *text = (const char *) call->result.data;
    Py_ssize_t size = (Py_ssize_t) call->result.size;
    if (status != CELLA_OK) {
        text = call->message;
        size = (Py_ssize_t) strlen(call->message);
    }
    PyObject *outputs = collected_outputs(values);
    return outputs == NULL ? NULL : Py_BuildValue("(iy#N)", (int) status, text == NULL ? "" : text, size, outputs);
}

PyObject *cella_native_call(PyObject *module, PyObject *arguments)
{
    (void) module;
    const char *name;
    PyObject *plain;
    PyObject *inputs;
    PyObject *outputs;
    CELLA_CLEANUP(release_values) struct values values = { .count = 0 };
    CELLA_CLEANUP(release_call) struct cella_builtin_call call = { .message = { 0 } };
    if (!PyArg_ParseTuple(arguments, "sO!O!O!", &name, &PyDict_Type, &plain, &PyDict_Type, &inputs, &PyDict_Type,
                          &outputs)) {
        return NULL;
    }
    const struct cella_builtin *builtin = cella_builtin_find(cella_view_of_string(name));
    if (builtin == NULL) {
        return PyErr_Format(PyExc_LookupError, "there is no builtin function '%s'", name);
    }
    if (fill(&values, plain, CELLA_BUILTIN_TEXT) != 0 || fill(&values, inputs, CELLA_BUILTIN_INPUT) != 0 ||
        fill(&values, outputs, CELLA_BUILTIN_OUTPUT) != 0) {
        return NULL;
    }
    cella_status status;
    Py_BEGIN_ALLOW_THREADS
    status = cella_builtin_run(builtin, values.all, values.count, &call);
    Py_END_ALLOW_THREADS
    return answer(status, &call, &values);
}
