/* SPDX-License-Identifier: Apache-2.0 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "cell/interpreter.h"

#include "cell/audit.h"
#include "cell/cell.h"
#include "cell/embedded.h"
#include "cell/module.h"

/* Compiled into the interpreter, and of no use in a cell. What imports them finds them absent. */
static const char *const unwanted[] = { "_posixsubprocess", "_socket", "faulthandler", "spwd", "syslog", "xxsubtype" };

/* Where Debian keeps the standard library and packages; gone once the root is empty. */
static const wchar_t *const library[] = {
    L"/usr/lib/python3.11",
    L"/usr/lib/python3.11/lib-dynload",
    L"/usr/lib/python3/dist-packages",
};

static void release(PyObject **object)
{
    Py_CLEAR(*object);
}

#define OWNED CELLA_CLEANUP(release) PyObject *

/* Show what Python complains of, while there still is a standard error, and forget it. */
static cella_status complain(cella_status status)
{
    if (PyErr_Occurred() != NULL) {
        PyErr_Print();
    }
    return status;
}

/* The table stays as long as the interpreter, that is for the life of the process. */
static cella_status choose_modules(void)
{
    size_t count = 0;
    while (PyImport_Inittab[count].name != NULL) {
        count++;
    }
    struct _inittab *chosen = calloc(count + 2, sizeof(*chosen));
    if (chosen == NULL) {
        return CELLA_NO_MEMORY;
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool wanted = true;
        for (size_t j = 0; j < sizeof(unwanted) / sizeof(unwanted[0]); j++) {
            wanted = wanted && strcmp(PyImport_Inittab[i].name, unwanted[j]) != 0;
        }
        if (wanted) {
            chosen[kept++] = PyImport_Inittab[i];
        }
    }
    chosen[kept++] = (struct _inittab){ "_cell", cella_module_create };
    PyImport_Inittab = chosen;
    return CELLA_OK;
}

static PyStatus set_paths(PyConfig *config)
{
    wchar_t **const prefixes[] = { &config->prefix, &config->exec_prefix, &config->base_prefix,
                                   &config->base_exec_prefix };
    PyStatus status = PyConfig_SetString(config, &config->executable, L"");
    /* Compiled caches are not measured, and an interpreter believes them: look for them where there are none. */
    if (!PyStatus_Exception(status)) {
        status = PyConfig_SetString(config, &config->pycache_prefix, L"/nonexistent");
    }
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]) && !PyStatus_Exception(status); i++) {
        status = PyConfig_SetString(config, prefixes[i], L"/usr");
    }
    for (size_t i = 0; i < sizeof(library) / sizeof(library[0]) && !PyStatus_Exception(status); i++) {
        status = PyWideStringList_Append(&config->module_search_paths, library[i]);
    }
    return status;
}

static cella_status initialise(void)
{
    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1;
    if (PyStatus_Exception(Py_PreInitialize(&before))) {
        return CELLA_INTERNAL;
    }
    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.site_import = 0;
    config.write_bytecode = 0;
    config.install_signal_handlers = 0;
    config.pathconfig_warnings = 0;
    config.module_search_paths_set = 1;
    PyStatus status = set_paths(&config);
    if (!PyStatus_Exception(status)) {
        status = Py_InitializeFromConfig(&config);
    }
    PyConfig_Clear(&config);
    return PyStatus_Exception(status) ? CELLA_INTERNAL : CELLA_OK;
}

/* Run the finder's source by hand: there is nothing yet that could import it. */
static cella_status install_finder(void)
{
    const char *text = NULL;
    for (size_t i = 0; i < cella_embedded_runtime_count; i++) {
        if (strcmp(cella_embedded_runtime[i].name, "_finder") == 0) {
            text = cella_embedded_runtime[i].text;
        }
    }
    OWNED code = text == NULL ? NULL : Py_CompileString(text, "cella/_finder.py", Py_file_input);
    OWNED finder = code == NULL ? NULL : PyImport_ExecCodeModule("_cella_finder", code);
    OWNED native = finder == NULL ? NULL : PyImport_ImportModule("_cell");
    OWNED sources = native == NULL ? NULL : PyObject_CallMethod(native, "sources", NULL);
    OWNED done = sources == NULL ? NULL : PyObject_CallMethod(finder, "install", "O", sources);
    return done == NULL ? complain(CELLA_INTERNAL) : CELLA_OK;
}

cella_status cella_interpreter_start(struct cella_cell *cell)
{
    CELLA_TRY(choose_modules());
    if (cella_audit_add(cell) != 0) {
        return CELLA_NO_MEMORY;
    }
    PyObjectArenaAllocator arenas = { &cell->heap, cella_heap_map, cella_heap_unmap };
    PyObject_SetArenaAllocator(&arenas);
    CELLA_TRY(initialise());
    OWNED native = PyImport_ImportModule("_cell");
    if (native == NULL) {
        return complain(CELLA_INTERNAL);
    }
    cella_module_bind(native, cell);
    return install_finder();
}

static cella_status copy_text(PyObject *object, struct cella_bytes *out)
{
    Py_ssize_t size;
    const char *text = PyUnicode_Check(object) ? PyUnicode_AsUTF8AndSize(object, &size) : NULL;
    return text == NULL ? complain(CELLA_INTERNAL) : cella_bytes_set(out, cella_view_of(text, (size_t) size));
}

/* What is called in every cell, found once. */
static cella_status find_entries(struct cella_python *python)
{
    OWNED warm = PyImport_ImportModule("cella._warm");
    OWNED runner = warm == NULL ? NULL : PyImport_ImportModule("cella._cell_runner");
    if (runner == NULL) {
        return complain(CELLA_INTERNAL);
    }
    python->reseed = PyObject_GetAttrString(warm, "reseed");
    python->warm = PyObject_GetAttrString(warm, "warm");
    python->run = PyObject_GetAttrString(runner, "run");
    return PyErr_Occurred() == NULL ? CELLA_OK : complain(CELLA_INTERNAL);
}

cella_status cella_interpreter_preload(struct cella_cell *cell, struct cella_view profile,
                                       struct cella_bytes *out_name)
{
    OWNED preload = PyImport_ImportModule("cella._preload");
    OWNED name = preload == NULL
                     ? NULL
                     : PyObject_CallMethod(preload, "load", "y#", profile.data, (Py_ssize_t) profile.size);
    if (name == NULL) {
        return complain(CELLA_BAD_FORMAT);
    }
    CELLA_TRY(copy_text(name, out_name));
    return out_name->size == 0 ? CELLA_NO_PROFILE : find_entries(&cell->python);
}

const char *cella_interpreter_version(void)
{
    return PY_VERSION;
}

cella_status cella_interpreter_begin(const struct cella_cell *cell, bool warm)
{
    OWNED done = PyObject_CallNoArgs(warm ? cell->python.warm : cell->python.reseed);
    return done == NULL ? complain(CELLA_INTERNAL) : CELLA_OK;
}

static PyObject *text_of(struct cella_view view)
{
    return PyUnicode_DecodeUTF8((const char *) view.data, (Py_ssize_t) view.size, "replace");
}

/* A dict of name to a read-only view of the mapped input, to a stream's number and size, or to None. */
static PyObject *make_inputs(const struct cella_received *received)
{
    Py_ssize_t stream = 0;
    PyObject *inputs = PyDict_New();
    for (size_t i = 0; inputs != NULL && i < received->task.input_count; i++) {
        struct cella_view content = received->inputs[i];
        OWNED name = text_of(received->task.inputs[i].name);
        OWNED view = NULL;
        if (received->task.inputs[i].form == CELLA_INPUT_ABSENT) {
            view = Py_NewRef(Py_None);
        } else if (received->task.inputs[i].form == CELLA_INPUT_STREAM) {
            view = Py_BuildValue("(nK)", stream++, (unsigned long long) received->task.inputs[i].size);
        } else {
            /* An empty input has no mapping, and a memoryview wants an address. */
            const void *data = content.size == 0 ? "" : (const char *) content.data;
            view = PyMemoryView_FromMemory((char *) (uintptr_t) data, (Py_ssize_t) content.size, PyBUF_READ);
        }
        if (name == NULL || view == NULL || PyDict_SetItem(inputs, name, view) != 0) {
            Py_CLEAR(inputs);
        }
    }
    return inputs;
}

static PyObject *make_outputs(const struct cella_received *received)
{
    PyObject *outputs = PyList_New(0);
    for (size_t i = 0; outputs != NULL && i < received->task.output_count; i++) {
        OWNED name = text_of(received->task.outputs[i]);
        if (name == NULL || PyList_Append(outputs, name) != 0) {
            Py_CLEAR(outputs);
        }
    }
    return outputs;
}

/* (status, line, result, exception, message, traceback) of the runtime becomes an outcome. */
static cella_status take_outcome(PyObject *tuple, struct cella_outcome *out)
{
    int status;
    unsigned int line;
    const char *text[4];
    Py_ssize_t size[4];
    struct cella_bytes *const targets[4] = { &out->result, &out->exception, &out->message, &out->traceback };
    if (!PyArg_ParseTuple(tuple, "iIy#y#y#y#", &status, &line, &text[0], &size[0], &text[1], &size[1], &text[2],
                          &size[2], &text[3], &size[3])) {
        return complain(CELLA_INTERNAL);
    }
    for (size_t i = 0; i < 4; i++) {
        CELLA_TRY(cella_bytes_set(targets[i], cella_view_of(text[i], (size_t) size[i])));
    }
    out->status = cella_status_from_number((unsigned int) status);
    out->line = line;
    return CELLA_OK;
}

cella_status cella_interpreter_run(const struct cella_cell *cell, struct cella_outcome *out)
{
    const struct cella_received *received = &cell->received;
    const struct cella_task *task = &received->task;
    OWNED inputs = make_inputs(received);
    OWNED outputs = make_outputs(received);
    OWNED entry = text_of(task->entry);
    if (inputs == NULL || outputs == NULL || entry == NULL) {
        return complain(CELLA_INTERNAL);
    }
    OWNED tuple = PyObject_CallFunction(
        cell->python.run, "iOy#y#OOKKI", (int) task->kind, entry, task->source.data, (Py_ssize_t) task->source.size,
        task->arguments.data, (Py_ssize_t) task->arguments.size, inputs, outputs,
        (unsigned long long) task->limits.memory_bytes, (unsigned long long) task->limits.output_bytes,
        (unsigned int) task->limits.result_bytes);
    return tuple == NULL ? complain(CELLA_INTERNAL) : take_outcome(tuple, out);
}
