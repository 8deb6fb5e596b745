/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include "trust/event_log.h"

static const struct {
    uint16_t algorithm;
    const char *name;
} banks[] = { { 4, "sha1" }, { 11, "sha256" }, { 12, "sha384" }, { 13, "sha512" }, { 18, "sm3_256" } };

static const char *name_of(uint16_t algorithm)
{
    for (size_t i = 0; i < sizeof(banks) / sizeof(banks[0]); i++) {
        if (banks[i].algorithm == algorithm) {
            return banks[i].name;
        }
    }
    return NULL;
}

/* Put a new reference into a dict, consuming it. */
static int put(PyObject *dict, const char *key, PyObject *value)
{
    int result = value == NULL ? -1 : PyDict_SetItemString(dict, key, value);
    Py_XDECREF(value);
    return result;
}

static PyObject *digests_of(const struct cella_event_log *log, const struct cella_event *event)
{
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict != NULL && i < log->bank_count; i++) {
        const char *name = name_of(log->banks[i].algorithm);
        if (name != NULL && put(dict, name, native_bytes(event->digests[i])) < 0) {
            Py_CLEAR(dict);
        }
    }
    return dict;
}

/* Appends every event. 0; -1 with an exception set. */
static int add_events(const struct native_state *state, struct cella_view content, PyObject *list)
{
    struct cella_event_log log;
    struct cella_event event;
    cella_status status = cella_event_log_open(content, &log);
    while (status == CELLA_OK && (status = cella_event_log_next(&log, &event)) == CELLA_OK) {
        PyObject *digests = digests_of(&log, &event);
        PyObject *item = digests == NULL ? NULL
                                         : Py_BuildValue("(IIiNN)", (unsigned int) event.number, (unsigned int) event.type,
                                                         event.extends ? 1 : 0, digests, native_bytes(event.data));
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_XDECREF(item);
            return -1;
        }
        Py_DECREF(item);
    }
    if (status != CELLA_NOT_FOUND) {
        (void) native_raise(state, status, NULL, NULL);
        return -1;
    }
    return 0;
}

/* Registers of one bank by number: those that have an event. */
static PyObject *registers_of(const struct cella_replay *replay)
{
    PyObject *dict = PyDict_New();
    for (uint32_t i = 0; dict != NULL && i < CELLA_EVENT_REGISTERS; i++) {
        if ((replay->extended >> i & 1) == 0) {
            continue;
        }
        PyObject *key = PyLong_FromUnsignedLong(i);
        PyObject *value = native_bytes(cella_view_of(replay->values[i], replay->digest_size));
        if (key == NULL || value == NULL || PyDict_SetItem(dict, key, value) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    return dict;
}

static int add_registers(const struct native_state *state, struct cella_view content, PyObject *dict)
{
    static const struct {
        enum cella_hash hash;
        const char *name;
    } replayed[] = { { CELLA_HASH_SHA256, "sha256" }, { CELLA_HASH_SHA384, "sha384" } };
    for (size_t i = 0; i < sizeof(replayed) / sizeof(replayed[0]); i++) {
        struct cella_replay replay;
        cella_status status = cella_event_log_replay(content, replayed[i].hash, &replay);
        if (status != CELLA_OK && status != CELLA_NOT_FOUND) {
            (void) native_raise(state, status, NULL, NULL);
            return -1;
        }
        if (status == CELLA_OK && put(dict, replayed[i].name, registers_of(&replay)) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *event_log(PyObject *module, PyObject *arguments)
{
    CELLA_CLEANUP(native_buffer_clear) Py_buffer content = { 0 };
    if (!PyArg_ParseTuple(arguments, "y*:event_log", &content)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    PyObject *events = PyList_New(0);
    PyObject *registers = PyDict_New();
    if (events == NULL || registers == NULL || add_events(state, native_view(&content), events) < 0 ||
        add_registers(state, native_view(&content), registers) < 0) {
        Py_XDECREF(events);
        Py_XDECREF(registers);
        return NULL;
    }
    return Py_BuildValue("(NN)", events, registers);
}

PyMethodDef native_event_log_methods[] = {
    { "event_log", event_log, METH_VARARGS,
      "event_log(content)\n--\n\n"
      "A firmware's event log: events as (register, type, extends, digests by bank, data), and what its replay gives, "
      "registers by number by bank." },
    { NULL, NULL, 0, NULL },
};
