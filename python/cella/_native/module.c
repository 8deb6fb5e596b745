/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include "base/layers.h"

struct native_state *native_state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

struct native_state *native_state_of_instance(PyObject *self)
{
    return PyType_GetModuleState(Py_TYPE(self));
}

PyObject *native_bytes(struct cella_view view)
{
    return PyBytes_FromStringAndSize((const char *) view.data, (Py_ssize_t) view.size);
}

void native_buffer_clear(Py_buffer *buffer)
{
    if (buffer->obj != NULL) {
        PyBuffer_Release(buffer);
    }
}

int native_fixed(const struct native_state *state, const Py_buffer *buffer, const char *field, uint8_t *out,
                 size_t size)
{
    if ((size_t) buffer->len != size) {
        (void) native_raise(state, CELLA_BAD_SIZE, field, NULL);
        return -1;
    }
    memcpy(out, buffer->buf, size);
    return 0;
}

static int read_number(PyObject *object, unsigned long long max, unsigned long long *out)
{
    *out = PyLong_AsUnsignedLongLong(object);
    if (*out == (unsigned long long) -1 && PyErr_Occurred() != NULL) {
        return 0;
    }
    if (*out > max) {
        (void) PyErr_Format(PyExc_OverflowError, "%llu is above %llu", *out, max);
        return 0;
    }
    return 1;
}

int native_size(PyObject *object, void *out)
{
    unsigned long long number = 0;
    int result = read_number(object, UINT64_MAX, &number);
    *(uint64_t *) out = number;
    return result;
}

int native_bits(PyObject *object, void *out)
{
    unsigned long long number = 0;
    int result = read_number(object, UINT_MAX, &number);
    *(unsigned int *) out = (unsigned int) number;
    return result;
}

int native_unix_s(PyObject *object, void *out)
{
    unsigned long long number = 0;
    int result = read_number(object, NATIVE_UNIX_S_MAX, &number);
    *(uint64_t *) out = number;
    return result;
}

int native_add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **out)
{
    *out = (PyTypeObject *) PyType_FromModuleAndSpec(module, spec, NULL);
    return *out == NULL ? -1 : PyModule_AddType(module, *out);
}

/* Names of the sandbox layers, in the order of their bits. */
static int add_layers(PyObject *module)
{
    PyObject *list = PyList_New(0);
    for (unsigned int bit = 0; list != NULL && cella_layer_name(bit) != NULL; bit++) {
        PyObject *name = PyUnicode_FromString(cella_layer_name(bit));
        if (name == NULL || PyList_Append(list, name) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(name);
    }
    PyObject *layers = list == NULL ? NULL : PyList_AsTuple(list);
    Py_XDECREF(list);
    int result = layers == NULL ? -1 : PyModule_AddObjectRef(module, "LAYERS", layers);
    Py_XDECREF(layers);
    return result;
}

static int module_exec(PyObject *module)
{
    struct native_state *state = native_state_of(module);
    if (native_add_errors(module, state) < 0 || native_add_secret(module, state) < 0 ||
        native_add_sealed(module, state) < 0 || native_add_tls(module, state) < 0 || add_layers(module) < 0 ||
        PyModule_AddFunctions(module, native_crypto_methods) < 0 ||
        PyModule_AddFunctions(module, native_sealed_methods) < 0 ||
        PyModule_AddFunctions(module, native_files_methods) < 0 ||
        PyModule_AddFunctions(module, native_evidence_methods) < 0 ||
        PyModule_AddFunctions(module, native_event_log_methods) < 0 ||
        PyModule_AddFunctions(module, native_tpm_methods) < 0 ||
        PyModule_AddFunctions(module, native_receipt_methods) < 0 ||
        PyModule_AddFunctions(module, native_bundle_methods) < 0) {
        return -1;
    }
    return PyModule_AddStringConstant(module, "VERSION", CELLA_VERSION);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct native_state *state = native_state_of(module);
    for (size_t i = 0; i < NATIVE_ERROR_CLASSES_MAX; i++) {
        Py_VISIT(state->errors[i]);
    }
    Py_VISIT(state->secret_type);
    Py_VISIT(state->sealer_type);
    Py_VISIT(state->opener_type);
    Py_VISIT(state->tls_type);
    return 0;
}

static int module_clear(PyObject *module)
{
    struct native_state *state = native_state_of(module);
    for (size_t i = 0; i < NATIVE_ERROR_CLASSES_MAX; i++) {
        Py_CLEAR(state->errors[i]);
    }
    Py_CLEAR(state->secret_type);
    Py_CLEAR(state->sealer_type);
    Py_CLEAR(state->opener_type);
    Py_CLEAR(state->tls_type);
    return 0;
}

static void module_free(void *module)
{
    native_free_tls(native_state_of(module));
}

static PyMethodDef module_methods[] = {
    { "error", (PyCFunction) (void (*)(void)) native_error, METH_VARARGS | METH_KEYWORDS,
      "error(code, message=None, field=None)\n--\n\n"
      "Make the exception of a status.\n\n"
      "Args:\n    code: name or number in the status table; an unknown one gives INTERNAL.\n"
      "    message: sentence; None for the table's.\n    field: the field to blame, or None.\n"
      "Returns:\n    An instance of the fitting subclass of CellaError, not raised.\n" },
    { "status_table", native_status_table, METH_NOARGS,
      "status_table()\n--\n\nRows (code, number, category, exception, sentence) of executor/base/status.h." },
    { NULL, NULL, 0, NULL },
};

static PyModuleDef_Slot module_slots[] = {
    { Py_mod_exec, module_exec },
    { 0, NULL },
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "cella._native",
    .m_doc = "Binding of Cella's trusted library: see _native.pyi for types.",
    .m_size = (Py_ssize_t) sizeof(struct native_state),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__native(void); /* the one exported symbol */

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&module_definition);
}
