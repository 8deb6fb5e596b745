/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

/*
 * Which class a row of the status table raises is in that table; which built-in exception the class also is, is
 * here. The order matters: CellaError is the base of the others.
 */
static const struct error_class {
    const char *name;
    PyObject **builtin; /* NULL: no built-in fits */
    const char *text;
} error_classes[] = {
    { "CellaError", NULL,
      "Base of every error of Cella.\n\n"
      "Attributes:\n"
      "    code: stable name, for example 'BAD_TAG'.\n"
      "    number: the same as a stable integer.\n"
      "    category: 'INPUT', 'TRUST', 'STATE', 'LIMIT', 'IO', 'MEMORY', 'INTERNAL' or 'TASK'.\n"
      "    field: the field that is to blame, or None.\n"
      "    refusal: the executor's signed statement that it refused the request, a Receipt, or None.\n" },
    { "FormatError", &PyExc_ValueError, "Bytes or text are not well formed." },
    { "RequestError", &PyExc_ValueError, "The executor does not understand or accept the request." },
    { "ArgumentError", &PyExc_ValueError, "An argument does not fit a function's declaration." },
    { "IntegrityError", NULL, "A tag, signature or digest does not verify: wrong key, or changed bytes." },
    { "AttestationError", NULL,
      "The executor is not one that the trust file accepts.\n\n"
      "Attributes:\n"
      "    report: the Report of what was checked, or None.\n" },
    { "PolicyError", &PyExc_ValueError, "The trust file itself is not acceptable." },
    { "PermissionDenied", &PyExc_PermissionError, "The party may not do this." },
    { "NotFound", &PyExc_LookupError, "No such object, or none that the party may see." },
    { "StateError", &PyExc_RuntimeError, "Not possible in the present state." },
    { "LimitError", NULL,
      "A named limit was reached.\n\n"
      "Attributes:\n"
      "    detail: of a task: the limit's name, its value, and what was used.\n"
      "    script_message, traceback_text, log: as those of ScriptError.\n" },
    { "TransportError", &PyExc_ConnectionError, "The connection, or a program behind it, failed." },
    { "StorageError", &PyExc_OSError, "The host could not store or deliver an object." },
    { "ScriptError", &PyExc_RuntimeError,
      "The script or function itself failed.\n\n"
      "Attributes:\n"
      "    script_class: name of the exception's class in the script, or None.\n"
      "    line: line in the script, or None.\n"
      "    script_message: the exception's text, or None where the contract does not grant it.\n"
      "    traceback_text: the script's traceback, or None likewise.\n"
      "    log: what the script printed, or None likewise.\n" },
    { "TaskCancelled", NULL, "The task was cancelled." },
    { "ResourceError", &PyExc_MemoryError, "Out of memory." },
    { "InternalError", NULL, "A defect of Cella; please report it." },
};

#define ERROR_CLASS_COUNT (sizeof error_classes / sizeof error_classes[0])
_Static_assert(ERROR_CLASS_COUNT <= NATIVE_ERROR_CLASSES_MAX, "state has room for every class");

static const char *category_name(enum cella_category category)
{
    switch (category) {
    case CELLA_CATEGORY_NONE:
        return "NONE";
    case CELLA_CATEGORY_INPUT:
        return "INPUT";
    case CELLA_CATEGORY_TRUST:
        return "TRUST";
    case CELLA_CATEGORY_STATE:
        return "STATE";
    case CELLA_CATEGORY_LIMIT:
        return "LIMIT";
    case CELLA_CATEGORY_IO:
        return "IO";
    case CELLA_CATEGORY_MEMORY:
        return "MEMORY";
    case CELLA_CATEGORY_INTERNAL:
        return "INTERNAL";
    case CELLA_CATEGORY_TASK:
        return "TASK";
    }
    return "INTERNAL";
}

/* Position of a class in the table, or -1. */
static int class_index(const char *name)
{
    for (size_t i = 0; i < ERROR_CLASS_COUNT; i++) {
        if (strcmp(error_classes[i].name, name) == 0) {
            return (int) i;
        }
    }
    return -1;
}

/* Class attributes that every error has until an instance has its own. */
static PyObject *default_attributes(void)
{
    return Py_BuildValue("{s:s,s:i,s:s,s:O,s:O,s:O,s:O,s:O,s:O,s:O,s:O,s:O}", "code", "INTERNAL", "number",
                         (int) CELLA_INTERNAL, "category", "INTERNAL", "field", Py_None, "report", Py_None,
                         "script_class", Py_None, "line", Py_None, "script_message", Py_None, "traceback_text",
                         Py_None, "log", Py_None, "detail", Py_None, "refusal", Py_None);
}

static PyObject *make_class(const struct error_class *row, PyObject *base, PyObject *attributes)
{
    PyObject *qualified = PyUnicode_FromFormat("cella.%s", row->name);
    PyObject *bases = NULL;
    PyObject *made = NULL;
    if (qualified != NULL) {
        if (base == NULL) {
            bases = PyTuple_Pack(1, PyExc_Exception);
        } else if (row->builtin == NULL) {
            bases = PyTuple_Pack(1, base);
        } else {
            bases = PyTuple_Pack(2, base, *row->builtin);
        }
    }
    if (bases != NULL) {
        const char *name = PyUnicode_AsUTF8AndSize(qualified, NULL);
        made = name == NULL ? NULL : PyErr_NewExceptionWithDoc(name, row->text, bases, attributes);
    }
    Py_XDECREF(qualified);
    Py_XDECREF(bases);
    return made;
}

int native_add_errors(PyObject *module, struct native_state *state)
{
    for (size_t i = 0; i < ERROR_CLASS_COUNT; i++) {
        PyObject *attributes = i == 0 ? default_attributes() : NULL;
        if (i == 0 && attributes == NULL) {
            return -1;
        }
        state->errors[i] = make_class(&error_classes[i], state->errors[0], attributes);
        Py_XDECREF(attributes);
        if (state->errors[i] == NULL ||
            PyModule_AddObjectRef(module, error_classes[i].name, state->errors[i]) < 0) {
            return -1;
        }
    }
    for (unsigned int i = 0; cella_status_row_at(i) != NULL; i++) {
        if (class_index(cella_status_row_at(i)->exception) < 0) {
            PyErr_Format(PyExc_SystemError, "status %s names the unknown exception %s",
                         cella_status_row_at(i)->name, cella_status_row_at(i)->exception);
            return -1;
        }
    }
    return 0;
}

/* Set an attribute to a new reference, which is consumed even on failure. */
static int set_attribute(PyObject *object, const char *name, PyObject *value)
{
    if (value == NULL) {
        return -1;
    }
    int result = PyObject_SetAttrString(object, name, value);
    Py_DECREF(value);
    return result;
}

/* An exception instance. message NULL: the table's sentence. */
static PyObject *make_error(const struct native_state *state, const struct cella_status_row *row,
                            const char *message, const char *field)
{
    PyObject *text =
        field == NULL || field[0] == '\0'
            ? PyUnicode_FromFormat("%s: %s", row->name, message != NULL ? message : row->text)
            : PyUnicode_FromFormat("%s: %s (field %s)", row->name, message != NULL ? message : row->text, field);
    if (text == NULL) {
        return NULL;
    }
    PyObject *error = PyObject_CallFunctionObjArgs(state->errors[class_index(row->exception)], text, NULL);
    Py_DECREF(text);
    if (error == NULL) {
        return NULL;
    }
    if (set_attribute(error, "code", PyUnicode_FromString(row->name)) < 0 ||
        set_attribute(error, "number", PyLong_FromLong((long) row->status)) < 0 ||
        set_attribute(error, "category", PyUnicode_FromString(category_name(row->category))) < 0 ||
        (field != NULL && field[0] != '\0' && set_attribute(error, "field", PyUnicode_FromString(field)) < 0)) {
        Py_DECREF(error);
        return NULL;
    }
    return error;
}

PyObject *native_raise(const struct native_state *state, cella_status status, const char *field, const char *detail)
{
    const struct cella_status_row *row = cella_status_row(status);
    PyObject *text = detail == NULL ? NULL : PyUnicode_FromFormat("%s: %s", row->text, detail);
    if (detail != NULL && text == NULL) {
        return NULL;
    }
    const char *message = text == NULL ? NULL : PyUnicode_AsUTF8AndSize(text, NULL);
    PyObject *error = make_error(state, row, message, field);
    Py_XDECREF(text);
    if (error != NULL) {
        PyErr_SetObject((PyObject *) Py_TYPE(error), error);
        Py_DECREF(error);
    }
    return NULL;
}

/* Row of a code (text) or number, or NULL. */
static const struct cella_status_row *find_row(PyObject *code)
{
    const char *name = PyUnicode_Check(code) ? PyUnicode_AsUTF8AndSize(code, NULL) : NULL;
    long number = name == NULL && PyLong_Check(code) ? PyLong_AsLong(code) : -1;
    PyErr_Clear();
    for (unsigned int i = 0; cella_status_row_at(i) != NULL; i++) {
        const struct cella_status_row *row = cella_status_row_at(i);
        if (row->status != CELLA_OK &&
            ((name != NULL && strcmp(row->name, name) == 0) || (name == NULL && (long) row->status == number))) {
            return row;
        }
    }
    return NULL;
}

PyObject *native_error(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "code", "message", "field", NULL };
    PyObject *code = NULL;
    const char *message = NULL;
    const char *field = NULL;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|zz:error", names, &code, &message, &field)) {
        return NULL;
    }
    const struct cella_status_row *row = find_row(code);
    return make_error(native_state_of(module), row != NULL ? row : cella_status_row(CELLA_INTERNAL), message,
                      field);
}

PyObject *native_status_table(PyObject *module, PyObject *unused)
{
    (void) module;
    (void) unused;
    PyObject *list = PyList_New(0);
    for (unsigned int i = 0; list != NULL && cella_status_row_at(i) != NULL; i++) {
        const struct cella_status_row *row = cella_status_row_at(i);
        PyObject *item = Py_BuildValue("(sisss)", row->name, (int) row->status, category_name(row->category),
                                       row->exception, row->text);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_XDECREF(item);
            Py_CLEAR(list);
            break;
        }
        Py_DECREF(item);
    }
    return list;
}
