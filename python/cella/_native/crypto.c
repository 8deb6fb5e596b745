/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include "trust/evidence.h"
#include "trust/hpke.h"
#include "trust/jws.h"

#define METHOD(function) (PyCFunction)(void (*)(void))(function)

static PyObject *crypto_sha256(PyObject *module, PyObject *arguments)
{
    CELLA_CLEANUP(native_buffer_clear) Py_buffer data = { 0 };
    if (!PyArg_ParseTuple(arguments, "y*:sha256", &data)) {
        return NULL;
    }
    uint8_t digest[CELLA_SHA256_SIZE];
    cella_status status;
    Py_BEGIN_ALLOW_THREADS status = cella_sha256(native_view(&data), digest);
    Py_END_ALLOW_THREADS return status != CELLA_OK ? native_raise(native_state_of(module), status, NULL, NULL)
                                                   : native_bytes(cella_view_of(digest, sizeof digest));
}

/* The public halves: one Secret in, 32 bytes out. */
static PyObject *public_of(PyObject *module, PyObject *argument,
                           cella_status (*derive)(const struct cella_secret *, uint8_t *))
{
    const struct native_state *state = native_state_of(module);
    const struct cella_secret *secret = native_secret_of(state, argument);
    if (secret == NULL) {
        return NULL;
    }
    uint8_t key[CELLA_ED25519_KEY_SIZE];
    cella_status status = derive(secret, key);
    return status != CELLA_OK ? native_raise(state, status, NULL, NULL)
                              : native_bytes(cella_view_of(key, sizeof key));
}

static PyObject *crypto_ed25519_public(PyObject *module, PyObject *seed)
{
    return public_of(module, seed, cella_ed25519_public);
}

static PyObject *crypto_x25519_public(PyObject *module, PyObject *private_key)
{
    return public_of(module, private_key, cella_x25519_public);
}

static PyObject *crypto_ed25519_sign(PyObject *module, PyObject *arguments)
{
    PyObject *seed = NULL;
    CELLA_CLEANUP(native_buffer_clear) Py_buffer message = { 0 };
    if (!PyArg_ParseTuple(arguments, "Oy*:ed25519_sign", &seed, &message)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    const struct cella_secret *secret = native_secret_of(state, seed);
    if (secret == NULL) {
        return NULL;
    }
    uint8_t signature[CELLA_ED25519_SIGNATURE_SIZE];
    cella_status status = cella_ed25519_sign(secret, native_view(&message), signature);
    return status != CELLA_OK ? native_raise(state, status, NULL, NULL)
                              : native_bytes(cella_view_of(signature, sizeof signature));
}

static PyObject *crypto_ed25519_verify(PyObject *module, PyObject *arguments)
{
    CELLA_CLEANUP(native_buffer_clear) Py_buffer key = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer message = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer signature = { 0 };
    if (!PyArg_ParseTuple(arguments, "y*y*y*:ed25519_verify", &key, &message, &signature)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    uint8_t public_key[CELLA_ED25519_KEY_SIZE];
    if (native_fixed(state, &key, "key", public_key, sizeof public_key) < 0) {
        return NULL;
    }
    cella_status status = cella_ed25519_verify(public_key, native_view(&message), native_view(&signature));
    if (status != CELLA_OK) {
        return native_raise(state, status, NULL, NULL);
    }
    Py_RETURN_NONE;
}

static PyObject *crypto_thumbprint(PyObject *module, PyObject *arguments)
{
    CELLA_CLEANUP(native_buffer_clear) Py_buffer key = { 0 };
    if (!PyArg_ParseTuple(arguments, "y*:thumbprint", &key)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    uint8_t public_key[CELLA_ED25519_KEY_SIZE];
    if (native_fixed(state, &key, "key", public_key, sizeof public_key) < 0) {
        return NULL;
    }
    char text[CELLA_THUMBPRINT_SIZE + 1];
    cella_status status = cella_thumbprint(public_key, text);
    return status != CELLA_OK ? native_raise(state, status, NULL, NULL) : PyUnicode_FromString(text);
}

static PyObject *crypto_jws_sign(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "seed", "payload", "form", NULL };
    PyObject *seed = NULL;
    CELLA_CLEANUP(native_buffer_clear) Py_buffer payload = { 0 };
    const char *form_name = "kid";
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "Oy*|s:jws_sign", names, &seed, &payload, &form_name)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    const struct cella_secret *secret = native_secret_of(state, seed);
    if (secret == NULL) {
        return NULL;
    }
    enum cella_jws_form form;
    if (strcmp(form_name, "kid") == 0) {
        form = CELLA_JWS_KID;
    } else if (strcmp(form_name, "jwk") == 0) {
        form = CELLA_JWS_JWK;
    } else if (strcmp(form_name, "plain") == 0) {
        form = CELLA_JWS_PLAIN;
    } else {
        return native_raise(state, CELLA_BAD_FIELD, "form", NULL);
    }
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes compact = { 0 };
    cella_status status;
    Py_BEGIN_ALLOW_THREADS status = cella_jws_sign(secret, form, native_view(&payload), &compact);
    Py_END_ALLOW_THREADS return status != CELLA_OK
        ? native_raise(state, status, NULL, NULL)
        : PyUnicode_FromStringAndSize((const char *) compact.data, (Py_ssize_t) compact.size);
}

static PyObject *crypto_hpke_seal(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "receiver", "info", "plain", "associated_data", NULL };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer receiver = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer info = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer buffer = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer associated_data = { 0 };
    PyObject *plain = NULL;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "y*y*O|y*:hpke_seal", names, &receiver, &info, &plain,
                                     &associated_data)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    uint8_t key[CELLA_X25519_KEY_SIZE];
    if (native_fixed(state, &receiver, "receiver", key, sizeof key) < 0) {
        return NULL;
    }
    struct cella_view view;
    if (Py_TYPE(plain) == state->secret_type) {
        view = cella_secret_view(native_secret_of(state, plain));
    } else {
        if (PyObject_GetBuffer(plain, &buffer, PyBUF_SIMPLE) < 0) {
            return NULL;
        }
        view = native_view(&buffer);
    }
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes sealed = { 0 };
    cella_status status;
    Py_BEGIN_ALLOW_THREADS status =
        cella_hpke_seal(key, native_view(&info), native_view(&associated_data), view, &sealed);
    Py_END_ALLOW_THREADS return status != CELLA_OK ? native_raise(state, status, NULL, NULL)
                                                   : native_bytes(cella_bytes_view(&sealed));
}

static PyObject *crypto_hpke_open(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "private_key", "info", "sealed", "associated_data", NULL };
    PyObject *private_key = NULL;
    CELLA_CLEANUP(native_buffer_clear) Py_buffer info = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer sealed = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer associated_data = { 0 };
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "Oy*y*|y*:hpke_open", names, &private_key, &info, &sealed,
                                     &associated_data)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    const struct cella_secret *key = native_secret_of(state, private_key);
    if (key == NULL) {
        return NULL;
    }
    CELLA_CLEANUP(cella_secret_clear) struct cella_secret plain = { 0 };
    cella_status status;
    Py_BEGIN_ALLOW_THREADS status =
        cella_hpke_open(key, native_view(&info), native_view(&associated_data), native_view(&sealed), &plain);
    Py_END_ALLOW_THREADS return status != CELLA_OK ? native_raise(state, status, NULL, NULL)
                                                   : native_secret_new(state, &plain);
}

/* Exporter, SPKI digest and nonce of one connection, as the executor signs them. */
static PyObject *crypto_session_message(PyObject *module, PyObject *arguments)
{
    CELLA_CLEANUP(native_buffer_clear) Py_buffer exporter = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer spki = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer nonce = { 0 };
    if (!PyArg_ParseTuple(arguments, "y*y*y*:session_message", &exporter, &spki, &nonce)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    uint8_t exporter_bytes[CELLA_EXPORTER_SIZE];
    uint8_t spki_bytes[CELLA_SHA256_SIZE];
    if (native_fixed(state, &exporter, "exporter", exporter_bytes, sizeof exporter_bytes) < 0 ||
        native_fixed(state, &spki, "spki_sha256", spki_bytes, sizeof spki_bytes) < 0) {
        return NULL;
    }
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes message = { 0 };
    cella_status status = cella_session_message(exporter_bytes, spki_bytes, native_view(&nonce), &message);
    return status != CELLA_OK ? native_raise(state, status, NULL, NULL) : native_bytes(cella_bytes_view(&message));
}

PyMethodDef native_crypto_methods[] = {
    { "sha256", crypto_sha256, METH_VARARGS, "sha256(data)\n--\n\nSHA-256 digest, 32 bytes." },
    { "ed25519_public", crypto_ed25519_public, METH_O,
      "ed25519_public(seed)\n--\n\nPublic key, 32 bytes, of a Secret seed." },
    { "ed25519_sign", crypto_ed25519_sign, METH_VARARGS,
      "ed25519_sign(seed, message)\n--\n\nEd25519 signature, 64 bytes." },
    { "ed25519_verify", crypto_ed25519_verify, METH_VARARGS,
      "ed25519_verify(key, message, signature)\n--\n\nReturn None, or raise IntegrityError BAD_SIGNATURE." },
    { "x25519_public", crypto_x25519_public, METH_O,
      "x25519_public(private_key)\n--\n\nPublic key, 32 bytes, of a Secret private key." },
    { "thumbprint", crypto_thumbprint, METH_VARARGS,
      "thumbprint(key)\n--\n\nRFC 7638 thumbprint, 43 characters, of an Ed25519 public key." },
    { "jws_sign", METHOD(crypto_jws_sign), METH_VARARGS | METH_KEYWORDS,
      "jws_sign(seed, payload, form='kid')\n--\n\nCompact JWS; form is 'kid', 'jwk' (enrolment) or 'plain'." },
    { "hpke_seal", METHOD(crypto_hpke_seal), METH_VARARGS | METH_KEYWORDS,
      "hpke_seal(receiver, info, plain, associated_data=b'')\n--\n\n"
      "Seal bytes or a Secret to an X25519 public key: enc, ciphertext, tag." },
    { "hpke_open", METHOD(crypto_hpke_open), METH_VARARGS | METH_KEYWORDS,
      "hpke_open(private_key, info, sealed, associated_data=b'')\n--\n\nOpen what hpke_seal made, as a Secret." },
    { "session_message", crypto_session_message, METH_VARARGS,
      "session_message(exporter, spki_sha256, nonce)\n--\n\nThe bytes that the executor signs for a connection." },
    { NULL, NULL, 0, NULL },
};
