/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

/* A key that Python code can hold and pass on but not see. Immutable; wiped when the last reference goes. */
struct secret_object {
    PyObject_HEAD struct cella_secret secret;
};

PyObject *native_secret_new(const struct native_state *state, struct cella_secret *secret)
{
    allocfunc allocate = (allocfunc) PyType_GetSlot(state->secret_type, Py_tp_alloc);
    struct secret_object *self = (struct secret_object *) allocate(state->secret_type, 0);
    if (self == NULL) {
        return NULL;
    }
    cella_secret_take(&self->secret, secret);
    return (PyObject *) self;
}

const struct cella_secret *native_secret_of(const struct native_state *state, PyObject *object)
{
    if (Py_TYPE(object) != state->secret_type) {
        PyErr_SetString(PyExc_TypeError,
                        "a Secret is required; make one with Secret.generate or Secret.from_bytes");
        return NULL;
    }
    return &((struct secret_object *) object)->secret;
}

static void secret_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    cella_secret_clear(&((struct secret_object *) self)->secret);
    freefunc release = (freefunc) PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *secret_generate(PyObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "size", NULL };
    Py_ssize_t size = 32;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|n:generate", names, &size)) {
        return NULL;
    }
    const struct native_state *state = PyType_GetModuleState((PyTypeObject *) type);
    if (size < 1 || size > 65536) {
        return native_raise(state, CELLA_BAD_SIZE, "size", NULL);
    }
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
    cella_status status = cella_secret_random(&secret, (size_t) size);
    return status != CELLA_OK ? native_raise(state, status, NULL, NULL) : native_secret_new(state, &secret);
}

static PyObject *secret_from_bytes(PyObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "data", NULL };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer data = { 0 };
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "y*:from_bytes", names, &data)) {
        return NULL;
    }
    const struct native_state *state = PyType_GetModuleState((PyTypeObject *) type);
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret secret = { 0 };
    cella_status status = cella_secret_set(&secret, native_view(&data));
    return status != CELLA_OK ? native_raise(state, status, NULL, NULL) : native_secret_new(state, &secret);
}

static PyObject *secret_export(PyObject *self, PyObject *unused)
{
    (void) unused;
    return native_bytes(cella_secret_view(&((struct secret_object *) self)->secret));
}

static PyObject *secret_part(PyObject *self, PyObject *arguments)
{
    const struct cella_secret *whole = &((struct secret_object *) self)->secret;
    const struct native_state *state = PyType_GetModuleState(Py_TYPE(self));
    Py_ssize_t start;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(arguments, "nn:part", &start, &size)) {
        return NULL;
    }
    if (start < 0 || size < 1 || (size_t) start > whole->size || (size_t) size > whole->size - (size_t) start) {
        return native_raise(state, CELLA_BAD_SIZE, "size", NULL);
    }
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret part = { 0 };
    cella_status status = cella_secret_set(&part, cella_view_of(whole->data + start, (size_t) size));
    return status != CELLA_OK ? native_raise(state, status, NULL, NULL) : native_secret_new(state, &part);
}

static PyObject *secret_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<Secret of %zd bytes>", (Py_ssize_t) ((struct secret_object *) self)->secret.size);
}

static Py_ssize_t secret_length(PyObject *self)
{
    return (Py_ssize_t) ((struct secret_object *) self)->secret.size;
}

static PyObject *secret_refuse_pickle(PyObject *self, PyObject *unused)
{
    (void) self;
    (void) unused;
    PyErr_SetString(PyExc_TypeError, "a Secret can not be pickled or copied");
    return NULL;
}

static PyMethodDef secret_methods[] = {
    { "generate", (PyCFunction) (void (*)(void)) secret_generate, METH_VARARGS | METH_KEYWORDS | METH_CLASS,
      "generate(size=32)\n--\n\nRandom secret of size bytes from the operating system." },
    { "from_bytes", (PyCFunction) (void (*)(void)) secret_from_bytes, METH_VARARGS | METH_KEYWORDS | METH_CLASS,
      "from_bytes(data)\n--\n\nSecret with a copy of data. The caller gets rid of its own copy." },
    { "export", secret_export, METH_NOARGS,
      "export()\n--\n\nThe bytes, for writing a key file or reading an opened message. Nothing wipes the copy." },
    { "part", secret_part, METH_VARARGS,
      "part(start, size)\n--\n\nSecret with size bytes from start on. FormatError BAD_SIZE: they are not all "
      "there." },
    { "__reduce__", secret_refuse_pickle, METH_NOARGS, NULL },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot secret_slots[] = {
    { Py_tp_dealloc, secret_dealloc },
    { Py_tp_repr, secret_repr },
    { Py_sq_length, secret_length },
    { Py_tp_methods, secret_methods },
    { Py_tp_doc, "A key that can be held and passed on but not seen. Wiped when the last reference goes." },
    { 0, NULL },
};

static PyType_Spec secret_spec = {
    .name = "cella._native.Secret",
    .basicsize = (int) sizeof(struct secret_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = secret_slots,
};

int native_add_secret(PyObject *module, struct native_state *state)
{
    return native_add_type(module, &secret_spec, &state->secret_type);
}
