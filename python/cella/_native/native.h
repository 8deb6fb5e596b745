/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The extension module cella._native: a binding of executor/base and executor/trust, and nothing else. What is not
 * in those folders (files, threads, TLS records) is here only because Python can not do it well enough.
 *
 * State lives in the module, types are heap types, the GIL is released around every call that may take long. One
 * file per noun; this header is what they share. Only the limited API of Python 3.11 is used.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "trust/evidence.h"
#include "trust/secret.h"

#define NATIVE_ERROR_CLASSES_MAX 24

struct native_state {
    PyObject *errors[NATIVE_ERROR_CLASSES_MAX]; /* in the order of the table in errors.c */
    PyTypeObject *secret_type;
    PyTypeObject *sealer_type;
    PyTypeObject *opener_type;
    PyTypeObject *tls_type;
    struct ssl_ctx_st *tls_context; /* of all connections, made with the first */
};

/* State of the module, from the module object or from an instance of one of its (final) types. Never NULL. */
struct native_state *native_state_of(PyObject *module);
struct native_state *native_state_of_instance(PyObject *self);

/* Fill the state and the module. 0, or -1 with a Python exception set. */
int native_add_errors(PyObject *module, struct native_state *state);
int native_add_secret(PyObject *module, struct native_state *state);
int native_add_sealed(PyObject *module, struct native_state *state);
int native_add_tls(PyObject *module, struct native_state *state);
void native_free_tls(struct native_state *state);
/* Make one heap type, keep it in *out and add it to the module. */
int native_add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **out);

/*
 * Set the exception of a status, with the table's sentence. Always returns NULL, so that callers can return it.
 * field: which field is to blame, or NULL. detail: what happened in this case, or NULL.
 */
PyObject *native_raise(const struct native_state *state, cella_status status, const char *field,
                       const char *detail);

/* The function error(code, message=None, field=None) of the module. */
PyObject *native_error(PyObject *module, PyObject *arguments, PyObject *keywords);
/* The function status_table() of the module. */
PyObject *native_status_table(PyObject *module, PyObject *unused);

/* A new Secret that takes over the content of secret. NULL with an exception set on failure. */
PyObject *native_secret_new(const struct native_state *state, struct cella_secret *secret);
/* Borrow the secret inside a Secret, or NULL and TypeError. */
const struct cella_secret *native_secret_of(const struct native_state *state, PyObject *object);

/* A Python bytes object of a view. */
PyObject *native_bytes(struct cella_view view);

/* View of a buffer that "y*" filled. */
static inline struct cella_view native_view(const Py_buffer *buffer)
{
    return cella_view_of(buffer->buf, (size_t) buffer->len);
}

/* Cleanup for a Py_buffer that starts zeroed: CELLA_CLEANUP(native_buffer_clear). */
void native_buffer_clear(Py_buffer *buffer);

/* Copy exactly size bytes out of a buffer; 0, or -1 with FormatError BAD_SIZE naming field. */
int native_fixed(const struct native_state *state, const Py_buffer *buffer, const char *field, uint8_t *out,
                 size_t size);

/* Append a new reference to a list, put one into a dict; both consume it, and take NULL for a failure. 0 or -1. */
int native_append(PyObject *list, PyObject *item);
int native_put(PyObject *dict, const char *key, PyObject *value);

/* Texts of a report quote what the evidence claims: decoded without ever failing. */
PyObject *native_text(const char *text);
PyObject *native_view_text(struct cella_view text);

/* Parts of reports: (name, outcome, code, detail) of each check; sentences; the whole report about evidence as a dict. */
PyObject *native_checks(const struct cella_check *checks, size_t count);
PyObject *native_sentences(const char *const *sentences, size_t count);
PyObject *native_report(const struct cella_report *report);

/*
 * Converters for "O&": an int of Python as a number, never cut to fit, which is what the formats "K" and "I" do.
 * 1; or 0 with TypeError (no int) or OverflowError (below 0, or above what out takes) set.
 */
int native_size(PyObject *object, void *out);   /* uint64_t */
int native_bits(PyObject *object, void *out);   /* unsigned int */
int native_unix_s(PyObject *object, void *out); /* uint64_t, at most NATIVE_UNIX_S_MAX */
#define NATIVE_UNIX_S_MAX 253402300799U /* the last second of the year 9999, where ISO 8601's years end */

extern PyMethodDef native_crypto_methods[];
extern PyMethodDef native_sealed_methods[];
extern PyMethodDef native_files_methods[];
extern PyMethodDef native_evidence_methods[];
extern PyMethodDef native_event_log_methods[];
extern PyMethodDef native_receipt_methods[];
extern PyMethodDef native_bundle_methods[];
extern PyMethodDef native_tpm_methods[];
