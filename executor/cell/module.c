/* SPDX-License-Identifier: Apache-2.0 */
#define PY_SSIZE_T_CLEAN
#include "cell/module.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/memory_file.h"
#include "cell/cell.h"
#include "cell/embedded.h"
#include "cell/native.h"
#include "cell/policy.h"
#include "cell/report.h"
#include "confine/descriptors.h"

/* The interpreter's allocator. Source: Objects/obmalloc.c of CPython 3.11. */
#define SMALL_STEP 16U
#define SMALL_MAX 512U
#define POOL_SIZE 16384U
#define POOL_HEADER 48U
#define HOLES_MAX 1000000U

struct state {
    struct cella_cell *cell;
};

static struct cella_cell *cell_of(PyObject *module)
{
    struct state *state = PyModule_GetState(module);
    return state->cell;
}

static PyObject *sources(PyObject *module, PyObject *Py_UNUSED(nothing))
{
    (void) module;
    PyObject *all = PyDict_New();
    for (size_t i = 0; all != NULL && i < cella_embedded_runtime_count; i++) {
        const struct cella_embedded *file = &cella_embedded_runtime[i];
        PyObject *text = PyBytes_FromStringAndSize(file->text, (Py_ssize_t) file->size);
        if (text == NULL || PyDict_SetItemString(all, file->name, text) != 0) {
            Py_CLEAR(all);
        }
        Py_XDECREF(text);
    }
    return all;
}

static PyObject *log_text(PyObject *module, PyObject *argument)
{
    Py_buffer text;
    if (PyObject_GetBuffer(argument, &text, PyBUF_SIMPLE) != 0) {
        return NULL;
    }
    cella_cell_log(cell_of(module), cella_view_of(text.buf, (size_t) text.len));
    PyBuffer_Release(&text);
    Py_RETURN_NONE;
}

static PyObject *progress(PyObject *module, PyObject *arguments)
{
    unsigned short fraction;
    Py_buffer text;
    if (!PyArg_ParseTuple(arguments, "Hy*", &fraction, &text)) {
        return NULL;
    }
    cella_status status = CELLA_OK;
    if (cell_of(module)->talking) {
        status = cella_report_progress(CELLA_CELL_CONTROL_FD, fraction > 10000 ? 10000 : fraction,
                                       cella_view_of(text.buf, (size_t) text.len));
    }
    PyBuffer_Release(&text);
    if (status != CELLA_OK) {
        _exit(1); /* nobody listens any more */
    }
    Py_RETURN_NONE;
}

static int output_descriptor(PyObject *module, Py_ssize_t output)
{
    if (output < 0 || (size_t) output >= cell_of(module)->received.task.output_count) {
        PyErr_SetString(PyExc_ValueError, "no such output");
        return -1;
    }
    return CELLA_CELL_OUTPUT_FD + (int) output;
}

static PyObject *write_output(PyObject *module, PyObject *arguments)
{
    Py_ssize_t output;
    Py_buffer data;
    if (!PyArg_ParseTuple(arguments, "ny*", &output, &data)) {
        return NULL;
    }
    int file = output_descriptor(module, output);
    cella_status status = CELLA_INTERNAL;
    if (file >= 0) {
        Py_BEGIN_ALLOW_THREADS
        status = cella_native_write(file, cella_view_of(data.buf, (size_t) data.len));
        Py_END_ALLOW_THREADS
    }
    Py_ssize_t size = data.len;
    PyBuffer_Release(&data);
    if (file < 0) {
        return NULL;
    }
    return status == CELLA_OK ? PyLong_FromSsize_t(size) : PyErr_SetFromErrno(PyExc_OSError);
}

static PyObject *restart_output(PyObject *module, PyObject *argument)
{
    Py_ssize_t output = PyLong_AsSsize_t(argument);
    if (output == -1 && PyErr_Occurred() != NULL) {
        return NULL;
    }
    int file = output_descriptor(module, output);
    if (file < 0) {
        return NULL;
    }
    if (ftruncate(file, 0) != 0 || lseek(file, 0, SEEK_SET) != 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

/* The descriptor of a stream, or -1 with an exception. */
static int stream_descriptor(PyObject *module, Py_ssize_t stream)
{
    const struct cella_received *received = &cell_of(module)->received;
    if (stream < 0 || (size_t) stream >= received->stream_count) {
        PyErr_SetString(PyExc_ValueError, "no such stream");
        return -1;
    }
    return CELLA_CELL_OUTPUT_FD + (int) received->task.output_count + (int) stream;
}

/* Read what is there, or wait for it. 0 at the end, -1 with an exception: a signal's handler may raise one. */
static Py_ssize_t read_some(int file, void *data, size_t size)
{
    for (;;) {
        ssize_t count;
        int error;
        Py_BEGIN_ALLOW_THREADS
        count = read(file, data, size);
        error = errno;
        Py_END_ALLOW_THREADS
        if (count >= 0) {
            return count;
        }
        if (error != EINTR) {
            errno = error;
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        if (PyErr_CheckSignals() != 0) {
            return -1;
        }
    }
}

static PyObject *receive_into(PyObject *module, PyObject *arguments)
{
    Py_ssize_t stream;
    Py_buffer target;
    if (!PyArg_ParseTuple(arguments, "nw*", &stream, &target)) {
        return NULL;
    }
    int file = stream_descriptor(module, stream);
    Py_ssize_t count = file < 0 ? -1 : read_some(file, target.buf, (size_t) target.len);
    PyBuffer_Release(&target);
    return count < 0 ? NULL : PyLong_FromSsize_t(count);
}

static PyObject *receive(PyObject *module, PyObject *arguments)
{
    Py_ssize_t stream;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(arguments, "nn", &stream, &size)) {
        return NULL;
    }
    int file = stream_descriptor(module, stream);
    PyObject *bytes = file < 0 ? NULL : PyBytes_FromStringAndSize(NULL, size);
    Py_ssize_t done = 0;
    while (bytes != NULL && done < size) {
        Py_ssize_t count = read_some(file, PyBytes_AS_STRING(bytes) + done, (size_t) (size - done));
        if (count < 0) {
            Py_CLEAR(bytes);
        } else if (count == 0) {
            (void) _PyBytes_Resize(&bytes, done);
            break;
        }
        done += count;
    }
    return bytes;
}

static PyObject *peak_bytes(PyObject *module, PyObject *Py_UNUSED(nothing))
{
    (void) module;
    struct rusage used = { 0 };
    getrusage(RUSAGE_SELF, &used);
    return PyLong_FromLongLong((long long) used.ru_maxrss * 1024);
}

/*
 * Give the interpreter's small objects a fresh pool for each size. What a cell allocates then lies side by side, instead
 * of in the holes between the objects that were loaded, each of which is another page to copy. What fills the holes
 * stays for ever.
 */
static PyObject *tidy(PyObject *module, PyObject *Py_UNUSED(nothing))
{
    (void) module;
    for (size_t size = SMALL_STEP; size <= SMALL_MAX; size += SMALL_STEP) {
        for (size_t i = 0; i < HOLES_MAX; i++) {
            const void *block = PyObject_Malloc(size);
            if (block == NULL) {
                return PyErr_NoMemory();
            }
            if ((uintptr_t) block % POOL_SIZE == POOL_HEADER) {
                break; /* the first block of a pool: no hole was left */
            }
        }
    }
    Py_RETURN_NONE;
}

/* A read-only view of a copy of data in shared memory; stays for ever. */
static PyObject *share(PyObject *module, PyObject *argument)
{
    (void) module;
    char *data;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(argument, &data, &size) != 0) {
        return NULL;
    }
    CELLA_CLEANUP(cella_descriptors_release) int file = memfd_create("cella", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0 || cella_native_write(file, cella_view_of(data, (size_t) size)) != CELLA_OK ||
        cella_memory_file_seal(file) != CELLA_OK) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (size == 0) {
        return PyMemoryView_FromObject(argument);
    }
    void *place = mmap(NULL, (size_t) size, PROT_READ, MAP_SHARED, file, 0);
    return place == MAP_FAILED ? PyErr_SetFromErrno(PyExc_OSError) : PyMemoryView_FromMemory(place, size, PyBUF_READ);
}

static PyObject *builtins(PyObject *module, PyObject *Py_UNUSED(nothing))
{
    return cella_native_table(cell_of(module));
}

static PyObject *load_builtins(PyObject *module, PyObject *name)
{
    return cella_native_load(cell_of(module), name);
}

static PyObject *call_builtin(PyObject *module, PyObject *arguments)
{
    return cella_native_call(cell_of(module), arguments);
}

static PyMethodDef methods[] = {
    { "share", share, METH_O, NULL },
    { "tidy", tidy, METH_NOARGS, NULL },
    { "sources", sources, METH_NOARGS, NULL },
    { "log", log_text, METH_O, NULL },
    { "progress", progress, METH_VARARGS, NULL },
    { "write", write_output, METH_VARARGS, NULL },
    { "restart", restart_output, METH_O, NULL },
    { "receive", receive, METH_VARARGS, NULL },
    { "receive_into", receive_into, METH_VARARGS, NULL },
    { "builtins", builtins, METH_NOARGS, NULL },
    { "load", load_builtins, METH_O, NULL },
    { "call", call_builtin, METH_VARARGS, NULL },
    { "peak_bytes", peak_bytes, METH_NOARGS, NULL },
    { NULL, NULL, 0, NULL },
};

static PyModuleDef_Slot slots[] = { { 0, NULL } };

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_cell",
    .m_size = sizeof(struct state),
    .m_methods = methods,
    .m_slots = slots,
};

PyObject *cella_module_create(void)
{
    return PyModuleDef_Init(&definition);
}

void cella_module_bind(PyObject *module, struct cella_cell *cell)
{
    struct state *state = PyModule_GetState(module);
    state->cell = cell;
}
