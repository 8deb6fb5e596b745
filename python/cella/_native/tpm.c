/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include "trust/tpm_credential.h"

/* Calls read for each of a list of bytes. 0; -1 with an exception set. */
static int read_each(const struct native_state *state, PyObject *list, const char *field,
                     cella_status (*read)(void *target, struct cella_view content), void *target)
{
    Py_ssize_t count = PySequence_Size(list);
    for (Py_ssize_t i = 0; i < count; i++) {
        CELLA_CLEANUP(native_buffer_clear) Py_buffer content = { 0 };
        PyObject *item = PySequence_GetItem(list, i);
        int failed = item == NULL ? -1 : PyObject_GetBuffer(item, &content, PyBUF_SIMPLE);
        Py_XDECREF(item);
        if (failed != 0) {
            return -1;
        }
        cella_status status = read(target, native_view(&content));
        if (status != CELLA_OK) {
            (void) native_raise(state, status, field, NULL);
            return -1;
        }
    }
    return count < 0 ? -1 : 0;
}

static cella_status read_certificate(void *target, struct cella_view content)
{
    return cella_certificates_read(target, content);
}

static cella_status read_maker(void *target, struct cella_view content)
{
    return cella_anchors_add(target, "tpm", content);
}

static PyObject *tpm_endorsement_key(PyObject *module, PyObject *arguments)
{
    const struct native_state *state = native_state_of(module);
    CELLA_CLEANUP(cella_certificates_clear) struct cella_certificates given = { .count = 0 };
    CELLA_CLEANUP(cella_anchors_clear) struct cella_anchors anchors = { .count = 0 };
    CELLA_CLEANUP(cella_public_key_cleanup) struct cella_public_key *key = NULL;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes spki = { 0 };
    struct cella_text detail = { "" };
    PyObject *certificates;
    PyObject *makers;
    uint64_t now_unix_s;
    if (!PyArg_ParseTuple(arguments, "OOO&:tpm_endorsement_key", &certificates, &makers, native_unix_s, &now_unix_s) ||
        read_each(state, certificates, "certificates", read_certificate, &given) < 0 ||
        read_each(state, makers, "makers", read_maker, &anchors) < 0) {
        return NULL;
    }
    cella_status status = cella_tpm_endorsement_key(&given, &anchors, now_unix_s, &key, &detail);
    status = status == CELLA_OK ? cella_public_key_spki(key, &spki) : status;
    if (status != CELLA_OK) {
        return native_raise(state, status, NULL, detail.characters[0] == '\0' ? NULL : detail.characters);
    }
    return Py_BuildValue("(Ns)", native_bytes(cella_bytes_view(&spki)), detail.characters);
}

static PyObject *tpm_credential(PyObject *module, PyObject *arguments)
{
    const struct native_state *state = native_state_of(module);
    CELLA_CLEANUP(native_buffer_clear) Py_buffer endorsement = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer attestation = { 0 };
    CELLA_CLEANUP(cella_public_key_cleanup) struct cella_public_key *key = NULL;
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes credential = { 0 };
    uint8_t name[CELLA_TPM_NAME_SIZE];
    uint8_t secret[CELLA_TPM_CREDENTIAL_SECRET_SIZE];
    if (!PyArg_ParseTuple(arguments, "y*y*:tpm_credential", &endorsement, &attestation)) {
        return NULL;
    }
    cella_status status = cella_tpm_attestation_name(native_view(&attestation), name);
    if (status != CELLA_OK) {
        return native_raise(state, status, "attestation_key", NULL);
    }
    status = cella_public_key_of_spki(native_view(&endorsement), &key);
    status = status == CELLA_OK ? cella_random(secret, sizeof(secret)) : status;
    status = status == CELLA_OK ? cella_tpm_credential_make(key, name, secret, &credential) : status;
    if (status != CELLA_OK) {
        return native_raise(state, status, "endorsement_key", NULL);
    }
    return Py_BuildValue("(NNN)", native_bytes(cella_view_of(name, sizeof(name))),
                         native_bytes(cella_bytes_view(&credential)), native_bytes(cella_view_of(secret, sizeof(secret))));
}

PyMethodDef native_tpm_methods[] = {
    { "tpm_endorsement_key", tpm_endorsement_key, METH_VARARGS,
      "tpm_endorsement_key(certificates, makers, now_unix_s)\n--\n\n"
      "The endorsement key (SubjectPublicKeyInfo) that one of the makers vouches for, and a sentence that says who." },
    { "tpm_credential", tpm_credential, METH_VARARGS,
      "tpm_credential(endorsement_key, attestation_key)\n--\n\n"
      "Name of the attestation key (TPMT_PUBLIC), a credential for it, and the secret inside." },
    { NULL, NULL, 0, NULL },
};
