/* SPDX-License-Identifier: Apache-2.0 */
#include "sealed.h"

#include "trust/data_format.h"

/*
 * Sealer and Opener: sealed files as streams of unknown length, one segment of memory each, and for Opener the other formats
 * that data can have. What the C stream hands to its sink is collected and returned by the call that caused it.
 */
struct stream_object {
    PyObject_HEAD struct cella_sealed_writer *writer; /* Sealer */
    struct cella_data_reader *reader;                 /* Opener */
    struct cella_bytes out;
    bool busy;   /* a thread is inside without the GIL */
    bool closed; /* finished or failed */
};

const struct cella_sealed_parameters *native_parameters(const struct native_state *state, const char *segment)
{
    if (strcmp(segment, "1MB") == 0) {
        return &cella_sealed_1mb;
    }
    if (strcmp(segment, "4KB") == 0) {
        return &cella_sealed_4kb;
    }
    (void) native_raise(state, CELLA_BAD_FIELD, "segment", "it is '1MB' or '4KB'");
    return NULL;
}

static cella_status collect(void *context, struct cella_view bytes)
{
    struct stream_object *self = context;
    return cella_bytes_append(&self->out, bytes);
}

/* What a new stream is about, read from its arguments. */
struct stream_facts {
    const struct cella_secret *key;
    const struct cella_sealed_parameters *parameters;
    struct cella_data_file file; /* Opener */
};

static bool read_facts(const struct native_state *state, PyObject *key, const char *segment, const char *format,
                       unsigned long long size, struct stream_facts *out)
{
    out->key = native_secret_of(state, key);
    out->parameters = out->key == NULL ? NULL : native_parameters(state, segment);
    if (out->parameters == NULL) {
        return false;
    }
    if (cella_data_format_of_name(format, &out->file.format) != CELLA_OK) {
        (void) native_raise(state, CELLA_BAD_FIELD, "format",
                            "it is 'sealed-file', 'aes-gcm-128', 'aes-gcm-256' or 'teaclave-file-128'");
        return false;
    }
    out->file.size = size;
    out->file.segment_size = out->parameters->segment_size;
    return true;
}

static PyObject *stream_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *sealer_names[] = { "key", "associated_data", "segment", NULL };
    static char *opener_names[] = { "key", "associated_data", "segment", "format", "size", NULL };
    PyObject *key = NULL;
    CELLA_CLEANUP(native_buffer_clear) Py_buffer associated_data = { 0 };
    const char *segment = "1MB";
    const char *format = "sealed-file";
    unsigned long long size = 0;
    struct stream_facts facts;
    const struct native_state *state = PyType_GetModuleState(type);
    bool sealer = type == state->sealer_type;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, sealer ? "Oy*|s" : "Oy*|ssK",
                                     sealer ? sealer_names : opener_names, &key, &associated_data, &segment, &format,
                                     &size) ||
        !read_facts(state, key, segment, format, size, &facts)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc) PyType_GetSlot(type, Py_tp_alloc);
    struct stream_object *self = (struct stream_object *) allocate(type, 0);
    if (self == NULL) {
        return NULL;
    }
    cella_status status = sealer ? cella_sealed_writer_new(facts.parameters, facts.key, native_view(&associated_data),
                                                           collect, self, &self->writer)
                                 : cella_data_reader_new(&facts.file, facts.key, native_view(&associated_data), collect,
                                                         self, &self->reader);
    if (status != CELLA_OK) {
        Py_DECREF(self);
        return native_raise(state, status, NULL, NULL);
    }
    return (PyObject *) self;
}

static void stream_dealloc(PyObject *object)
{
    struct stream_object *self = (struct stream_object *) object;
    PyTypeObject *type = Py_TYPE(object);
    cella_sealed_writer_free(self->writer);
    cella_data_reader_free(self->reader);
    if (self->out.data != NULL) {
        cella_wipe(self->out.data, self->out.capacity);
    }
    cella_bytes_clear(&self->out);
    freefunc release = (freefunc) PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* Run one step without the GIL; data NULL is finish. */
static PyObject *stream_step(struct stream_object *self, const Py_buffer *data)
{
    const struct native_state *state = native_state_of_instance((PyObject *) self);
    if (self->busy || self->closed) {
        return native_raise(state, CELLA_BAD_STATE, NULL,
                            self->busy ? "another thread is using the stream" : "the stream has ended or failed");
    }
    self->busy = true;
    cella_status status;
    Py_BEGIN_ALLOW_THREADS if (self->writer != NULL)
    {
        status = data != NULL ? cella_sealed_writer_update(self->writer, native_view(data))
                              : cella_sealed_writer_finish(self->writer);
    }
    else
    {
        status = data != NULL ? cella_data_reader_update(self->reader, native_view(data))
                              : cella_data_reader_finish(self->reader);
    }
    Py_END_ALLOW_THREADS self->busy = false;
    self->closed = status != CELLA_OK || data == NULL;
    PyObject *result =
        status != CELLA_OK ? native_raise(state, status, NULL, NULL) : native_bytes(cella_bytes_view(&self->out));
    self->out.size = 0;
    return result;
}

static PyObject *stream_update(PyObject *self, PyObject *argument)
{
    CELLA_CLEANUP(native_buffer_clear) Py_buffer data = { 0 };
    if (PyObject_GetBuffer(argument, &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    return stream_step((struct stream_object *) self, &data);
}

static PyObject *stream_finish(PyObject *self, PyObject *unused)
{
    (void) unused;
    return stream_step((struct stream_object *) self, NULL);
}

static PyMethodDef stream_methods[] = {
    { "update", stream_update, METH_O, "update(data)\n--\n\nTake the next bytes; return what became ready." },
    { "finish", stream_finish, METH_NOARGS,
      "finish()\n--\n\nEnd the stream; return the last bytes. Only now is an opened stream known to be complete." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot sealer_slots[] = {
    { Py_tp_new, stream_new },
    { Py_tp_dealloc, stream_dealloc },
    { Py_tp_methods, stream_methods },
    { Py_tp_doc, "Sealer(key, associated_data, segment='1MB')\n--\n\nSeal a stream of unknown length." },
    { 0, NULL },
};
static PyType_Slot opener_slots[] = {
    { Py_tp_new, stream_new },
    { Py_tp_dealloc, stream_dealloc },
    { Py_tp_methods, stream_methods },
    { Py_tp_doc, "Opener(key, associated_data, segment='1MB', format='sealed-file', size=0)\n--\n\n"
                 "Open a stream. Of aes-gcm-128 and aes-gcm-256 nothing is verified before finish." },
    { 0, NULL },
};
static PyType_Spec sealer_spec = {
    .name = "cella._native.Sealer",
    .basicsize = (int) sizeof(struct stream_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = sealer_slots,
};
static PyType_Spec opener_spec = {
    .name = "cella._native.Opener",
    .basicsize = (int) sizeof(struct stream_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = opener_slots,
};

int native_add_sealed(PyObject *module, struct native_state *state)
{
    if (native_add_type(module, &sealer_spec, &state->sealer_type) < 0) {
        return -1;
    }
    return native_add_type(module, &opener_spec, &state->opener_type);
}

/* The two sizes: what a file has or will have on the other side. */
static PyObject *sealed_size_of(PyObject *module, PyObject *arguments, PyObject *keywords, bool from_plain)
{
    static char *names[] = { "size", "segment", NULL };
    uint64_t size = 0;
    const char *segment = "1MB";
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O&|s", names, native_size, &size, &segment)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    const struct cella_sealed_parameters *parameters = native_parameters(state, segment);
    if (parameters == NULL) {
        return NULL;
    }
    struct cella_sealed_layout layout = { 0 };
    cella_status status = from_plain ? cella_sealed_layout_of_plain(parameters, size, &layout)
                                     : cella_sealed_layout_of_sealed(parameters, size, &layout);
    if (status != CELLA_OK) {
        return native_raise(state, status, "size", NULL);
    }
    return PyLong_FromUnsignedLongLong(from_plain ? layout.sealed_size : layout.plain_size);
}

static PyObject *sealed_size(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    return sealed_size_of(module, arguments, keywords, true);
}

static PyObject *plain_size(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    return sealed_size_of(module, arguments, keywords, false);
}

PyMethodDef native_sealed_methods[] = {
    { "sealed_size", (PyCFunction) (void (*)(void)) sealed_size, METH_VARARGS | METH_KEYWORDS,
      "sealed_size(size, segment='1MB')\n--\n\nBytes of the sealed file of a plaintext of size bytes." },
    { "plain_size", (PyCFunction) (void (*)(void)) plain_size, METH_VARARGS | METH_KEYWORDS,
      "plain_size(size, segment='1MB')\n--\n\n"
      "Bytes of plaintext in a sealed file of size bytes; not verified before the file has been opened." },
    { NULL, NULL, 0, NULL },
};
