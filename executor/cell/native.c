/* SPDX-License-Identifier: Apache-2.0 */
#define PY_SSIZE_T_CLEAN
#include "cell/native.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "builtins/describe.h"
#include "builtins/dispatch.h"
#include "builtins/library.h"
#include "cell/cell.h"
#include "cell/report.h"

#define STREAM_BLOCK 262144U

/* What stands behind one value. */
struct source {
    Py_buffer buffer;             /* of an input in memory; obj NULL when unused */
    PyObject *stream;             /* of an input that is one; borrowed */
    struct cella_bytes collected; /* of an output of a script */
    int file;                     /* of a task's output */
};

/* A call's values while it lasts. */
struct values {
    struct cella_builtin_value all[CELLA_BUILTIN_VALUES_MAX];
    struct source sources[CELLA_BUILTIN_VALUES_MAX];
    size_t count;
    const struct cella_task_limits *limits;
};

static void release_values(struct values **values)
{
    for (size_t i = 0; *values != NULL && i < (*values)->count; i++) {
        PyBuffer_Release(&(*values)->sources[i].buffer);
        cella_bytes_clear(&(*values)->sources[i].collected);
    }
    PyMem_Free(*values);
}

static void release_call(struct cella_builtin_call *call)
{
    cella_bytes_clear(&call->result);
}

static void release_object(PyObject **object)
{
    Py_CLEAR(*object);
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

/* An exception that is set stays set: the call ends with it. */
static cella_status raised(void)
{
    return PyErr_Occurred() == NULL ? CELLA_OK : CELLA_CANCELLED;
}

/* Copy what a stream wrote into block. Its size is looked at last: a script may have changed it. */
static void take_answer(PyObject *count, PyObject *block, uint8_t *to, size_t *got)
{
    Py_ssize_t answer = PyLong_AsSsize_t(count);
    if (PyErr_Occurred() != NULL) {
        return;
    }
    if (answer < 0 || answer > PyByteArray_GET_SIZE(block)) {
        PyErr_Format(PyExc_OSError, "a stream's readinto answered %zd; it may be 0 to %zd", answer,
                     PyByteArray_GET_SIZE(block));
        return;
    }
    memcpy(to, PyByteArray_AS_STRING(block), (size_t) answer);
    *got = (size_t) answer;
}

/*
 * Ask a stream's readinto, as Python code would. It gets memory of the interpreter, not ours: whoever keeps the view may
 * write to it when the call is over.
 */
static cella_status read_stream(void *context, uint8_t *to, size_t size, size_t *got)
{
    PyGILState_STATE before = PyGILState_Ensure();
    Py_ssize_t wanted = (Py_ssize_t) (size < STREAM_BLOCK ? size : STREAM_BLOCK);
    PyObject *block = PyByteArray_FromStringAndSize(NULL, wanted);
    PyObject *target = block == NULL ? NULL : PyMemoryView_FromObject(block);
    PyObject *count = target == NULL ? NULL : PyObject_CallMethod(context, "readinto", "O", target);
    *got = 0;
    if (count != NULL) {
        take_answer(count, block, to, got);
    }
    Py_XDECREF(count);
    Py_XDECREF(target);
    Py_XDECREF(block);
    cella_status status = raised();
    PyGILState_Release(before);
    return status;
}

/*
 * Signals are how a task is cancelled; while a builtin runs, nobody else looks for them. Of progress a message goes out for each
 * whole percent: rounds of training can be a hundred thousand in a second.
 */
static cella_status look_around(void *context, double fraction)
{
    struct cella_cell *cell = context;
    PyGILState_STATE before = PyGILState_Ensure();
    (void) PyErr_CheckSignals();
    cella_status status = raised();
    PyGILState_Release(before);
    if (status == CELLA_OK && cell != NULL && cell->talking) {
        double bounded = fraction >= 0 && fraction <= 1 ? fraction : 1;
        uint16_t part = (uint16_t) (bounded * 10000);
        unsigned int tell = part / 100U + 1;
        if (tell != cell->told) {
            cell->told = tell;
            status = cella_report_progress(CELLA_CELL_CONTROL_FD, part, (struct cella_view){ 0 });
        }
    }
    return status;
}

PyObject *cella_native_table(const struct cella_cell *cell)
{
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    const struct cella_builtin *builtin;
    cella_status status = cella_bytes_append(&text, cella_view_of_string("["));
    for (size_t i = 0; status == CELLA_OK && (builtin = cella_builtin_at(&cell->builtins, i)) != NULL; i++) {
        status = cella_bytes_append(&text, cella_view_of_string(i == 0 ? "" : ", "));
        if (status == CELLA_OK) {
            status = cella_builtin_describe(builtin, &text);
        }
    }
    if (status == CELLA_OK) {
        status = cella_bytes_append(&text, cella_view_of_string("]"));
    }
    return status == CELLA_OK ? PyUnicode_FromStringAndSize((const char *) text.data, (Py_ssize_t) text.size)
                              : PyErr_NoMemory();
}

PyObject *cella_native_load(struct cella_cell *cell, PyObject *name)
{
    char error[256] = "";
    const char *text = PyUnicode_AsUTF8(name);
    if (text == NULL) {
        return NULL;
    }
    return cella_builtin_load(&cell->builtins, cell->builtin_folder, text, error) == CELLA_OK ? PyUnicode_FromString("")
                                                                       : PyUnicode_FromString(error);
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

/* None, something with readinto, or a buffer. */
static int fill_input(struct values *values, size_t index, PyObject *object)
{
    struct cella_builtin_value *value = &values->all[index];
    struct source *source = &values->sources[index];
    if (object == Py_None) {
        value->kind = CELLA_BUILTIN_VALUE_NONE;
        return 0;
    }
    value->kind = CELLA_BUILTIN_VALUE_INPUT;
    if (PyObject_HasAttrString(object, "readinto")) {
        value->read = read_stream;
        value->context = object;
        return 0;
    }
    if (PyObject_GetBuffer(object, &source->buffer, PyBUF_SIMPLE) != 0) {
        return -1;
    }
    value->bytes = cella_view_of(source->buffer.buf, (size_t) source->buffer.len);
    return 0;
}

static int fill_output(struct values *values, size_t index, PyObject *object)
{
    struct cella_builtin_value *value = &values->all[index];
    struct source *source = &values->sources[index];
    value->kind = CELLA_BUILTIN_VALUE_OUTPUT;
    value->write = collect;
    value->most = values->limits->memory_bytes;
    value->context = &source->collected;
    if (object != Py_None) {
        source->file = (int) PyLong_AsLong(object);
        value->write = write_file;
        value->most = values->limits->output_bytes;
        value->context = &source->file;
    }
    return PyErr_Occurred() == NULL ? 0 : -1;
}

static int fill(struct values *values, PyObject *group, enum cella_builtin_value_kind kind)
{
    PyObject *name;
    PyObject *object;
    Py_ssize_t position = 0;
    while (PyDict_Next(group, &position, &name, &object)) {
        if (values->count == CELLA_BUILTIN_VALUES_MAX) {
            PyErr_SetString(PyExc_TypeError, "too many arguments");
            return -1;
        }
        size_t index = values->count++;
        int failed = text_of(name, &values->all[index].name);
        if (failed == 0) {
            failed = kind == CELLA_BUILTIN_VALUE_INPUT    ? fill_input(values, index, object)
                     : kind == CELLA_BUILTIN_VALUE_OUTPUT ? fill_output(values, index, object)
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
        if (values->all[i].kind != CELLA_BUILTIN_VALUE_OUTPUT || values->all[i].write != collect) {
            continue;
        }
        struct cella_view name = values->all[i].name;
        const struct cella_bytes *collected = &values->sources[i].collected;
        CELLA_CLEANUP(release_object) PyObject *key =
            PyUnicode_FromStringAndSize((const char *) name.data, (Py_ssize_t) name.size);
        CELLA_CLEANUP(release_object) PyObject *bytes =
            PyBytes_FromStringAndSize((const char *) collected->data, (Py_ssize_t) collected->size);
        if (key == NULL || bytes == NULL || PyDict_SetItem(outputs, key, bytes) != 0) {
            Py_CLEAR(outputs);
        }
    }
    return outputs;
}

/* The task's threads, and no more than there are processors: they would only wait for each other. */
static unsigned int threads_of(const struct cella_cell *cell)
{
    unsigned int most = cell->received.task.limits.threads + 1;
    cpu_set_t processors;
    if (sched_getaffinity(0, sizeof(processors), &processors) != 0) {
        return most; /* more of them than a set has places for */
    }
    unsigned int there = (unsigned int) CPU_COUNT(&processors);
    return there < most ? there : most;
}

static PyObject *answer(const struct cella_builtin *builtin, cella_status status, const struct cella_builtin_call *call,
                        const struct values *values)
{
    const char *text = (const char *) call->result.data;
    Py_ssize_t size = (Py_ssize_t) call->result.size;
    if (status != CELLA_OK) {
        text = call->message;
        size = (Py_ssize_t) strlen(call->message);
    }
    PyObject *outputs = collected_outputs(values);
    return outputs == NULL ? NULL
                           : Py_BuildValue("(iNy#N)", (int) status,
                                           PyBool_FromLong(builtin->result == CELLA_BUILTIN_RESULT_JSON),
                                           text == NULL ? "" : text, size, outputs);
}

PyObject *cella_native_call(struct cella_cell *cell, PyObject *arguments)
{
    const char *name;
    PyObject *plain;
    PyObject *inputs;
    PyObject *outputs;
    int is_task;
    CELLA_CLEANUP(release_values) struct values *values = PyMem_Calloc(1, sizeof(*values));
    CELLA_CLEANUP(release_call) struct cella_builtin_call call = { .message = { 0 } };
    if (values == NULL) {
        return PyErr_NoMemory();
    }
    if (!PyArg_ParseTuple(arguments, "sO!O!O!p", &name, &PyDict_Type, &plain, &PyDict_Type, &inputs, &PyDict_Type,
                          &outputs, &is_task)) {
        return NULL;
    }
    const struct cella_builtin *builtin = cella_builtin_find(&cell->builtins, cella_view_of_string(name));
    if (builtin == NULL) {
        return PyErr_Format(PyExc_LookupError, "%s", name);
    }
    values->limits = &cell->received.task.limits;
    if (fill(values, plain, CELLA_BUILTIN_VALUE_NONE) != 0 || fill(values, inputs, CELLA_BUILTIN_VALUE_INPUT) != 0 ||
        fill(values, outputs, CELLA_BUILTIN_VALUE_OUTPUT) != 0) {
        return NULL;
    }
    call.threads = threads_of(cell);
    call.progress = look_around;
    call.context = is_task ? cell : NULL;
    cella_status status;
    Py_BEGIN_ALLOW_THREADS
    status = cella_builtin_run(builtin, values->all, values->count, &call);
    Py_END_ALLOW_THREADS
    return PyErr_Occurred() != NULL ? NULL : answer(builtin, status, &call, values);
}
