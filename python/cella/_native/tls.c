/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "trust/crypto.h"

/*
 * A TLS 1.3 client over memory BIOs: bytes from the network go in with feed, bytes for the network come out with
 * pull, and the caller owns the socket, its timeouts and its signals.
 *
 * No certificate authority is asked: the certificate is self-signed by contract. What stands in for it is the
 * executor's signature over this connection's exporter and key digest, which the caller verifies before it sends
 * anything else. Tickets and resumption are off, so every connection has an exporter of its own.
 */
struct tls_object {
    PyObject_HEAD SSL *ssl;
    BIO *in;  /* owned by ssl */
    BIO *out; /* owned by ssl */
    bool busy;
};

#define TLS_READ_MAX (1024 * 1024)

static PyObject *raise_tls(const struct native_state *state)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    ERR_clear_error();
    return native_raise(state, CELLA_TLS_FAILED, NULL, reason);
}

static int enter(struct tls_object *self)
{
    if (self->busy) {
        (void) native_raise(native_state_of_instance((PyObject *) self), CELLA_BAD_STATE, NULL,
                            "another thread is using the connection");
        return -1;
    }
    self->busy = true;
    return 0;
}

/* A context that speaks nothing but what docs/protocol.md section 2 allows. */
static SSL_CTX *make_context(void)
{
    static const unsigned char alpn[] = { 8, 'h', 't', 't', 'p', '/', '1', '.', '1' };
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) {
        return NULL;
    }
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:"
                                          "TLS_CHACHA20_POLY1305_SHA256") != 1 ||
        SSL_CTX_set1_groups_list(context, "X25519:P-256") != 1 ||
        SSL_CTX_set_alpn_protos(context, alpn, sizeof alpn) != 0) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

/* One context for all connections: making it takes longer than the rest of a client's start. It holds nothing of a
 * connection's: no sessions, no tickets. */
static int set_up(struct tls_object *self, struct native_state *state)
{
    if (state->tls_context == NULL) {
        state->tls_context = make_context();
    }
    self->ssl = state->tls_context == NULL ? NULL : SSL_new(state->tls_context);
    if (self->ssl == NULL) {
        return -1;
    }
    self->in = BIO_new(BIO_s_mem());
    self->out = BIO_new(BIO_s_mem());
    if (self->in == NULL || self->out == NULL) {
        BIO_free(self->in);
        BIO_free(self->out);
        return -1;
    }
    BIO_set_mem_eof_return(self->in, -1);
    BIO_set_mem_eof_return(self->out, -1);
    SSL_set_bio(self->ssl, self->in, self->out);
    SSL_set_connect_state(self->ssl);
    return 0;
}

static PyObject *tls_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { NULL };
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, ":TlsClient", names)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc) PyType_GetSlot(type, Py_tp_alloc);
    struct tls_object *self = (struct tls_object *) allocate(type, 0);
    struct native_state *state = PyType_GetModuleState(type);
    if (self != NULL && set_up(self, state) < 0) {
        Py_DECREF(self);
        return raise_tls(state);
    }
    return (PyObject *) self;
}

static void tls_dealloc(PyObject *object)
{
    struct tls_object *self = (struct tls_object *) object;
    PyTypeObject *type = Py_TYPE(object);
    SSL_free(self->ssl);
    freefunc release = (freefunc) PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyObject *tls_feed(PyObject *object, PyObject *argument)
{
    struct tls_object *self = (struct tls_object *) object;
    CELLA_CLEANUP(native_buffer_clear) Py_buffer data = { 0 };
    if (PyObject_GetBuffer(argument, &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (data.len > TLS_READ_MAX) {
        return native_raise(native_state_of_instance(object), CELLA_TOO_LARGE, "data", NULL);
    }
    if (enter(self) < 0) {
        return NULL;
    }
    int written = data.len == 0 ? 0 : BIO_write(self->in, data.buf, (int) data.len);
    self->busy = false;
    return written == (int) data.len ? Py_NewRef(Py_None) : raise_tls(native_state_of_instance(object));
}

static PyObject *tls_pull(PyObject *object, PyObject *unused)
{
    (void) unused;
    struct tls_object *self = (struct tls_object *) object;
    if (enter(self) < 0) {
        return NULL;
    }
    char *pending = NULL;
    long size = BIO_get_mem_data(self->out, &pending);
    PyObject *bytes = PyBytes_FromStringAndSize(pending, size < 0 ? 0 : (Py_ssize_t) size);
    if (bytes != NULL) {
        (void) BIO_reset(self->out);
    }
    self->busy = false;
    return bytes;
}

/* What an SSL call's failure means: None for "feed me more", an exception otherwise. */
static PyObject *not_now(struct tls_object *self, int error, const char *closed)
{
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        Py_RETURN_NONE;
    }
    const struct native_state *state = native_state_of_instance((PyObject *) self);
    if (error == SSL_ERROR_ZERO_RETURN) {
        ERR_clear_error();
        return closed == NULL ? PyBytes_FromStringAndSize(NULL, 0)
                              : native_raise(state, CELLA_CLOSED, NULL, closed);
    }
    return raise_tls(state);
}

static PyObject *tls_handshake(PyObject *object, PyObject *unused)
{
    (void) unused;
    struct tls_object *self = (struct tls_object *) object;
    if (enter(self) < 0) {
        return NULL;
    }
    int result;
    int error;
    Py_BEGIN_ALLOW_THREADS ERR_clear_error();
    result = SSL_do_handshake(self->ssl);
    error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(self->ssl, result);
    Py_END_ALLOW_THREADS self->busy = false;
    if (result == 1) {
        Py_RETURN_TRUE;
    }
    PyObject *later = not_now(self, error, "in the handshake");
    if (later == NULL) {
        return NULL;
    }
    Py_DECREF(later);
    Py_RETURN_FALSE;
}

static PyObject *tls_read(PyObject *object, PyObject *argument)
{
    struct tls_object *self = (struct tls_object *) object;
    Py_ssize_t size = PyLong_AsSsize_t(argument);
    if (size == -1 && PyErr_Occurred() != NULL) {
        return NULL;
    }
    if (size < 1) {
        return native_raise(native_state_of_instance(object), CELLA_BAD_SIZE, "size", NULL);
    }
    if (size > TLS_READ_MAX) {
        size = TLS_READ_MAX;
    }
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
    if (bytes == NULL) {
        return NULL;
    }
    if (enter(self) < 0) {
        Py_DECREF(bytes);
        return NULL;
    }
    char *buffer = PyBytes_AsString(bytes);
    size_t total = 0;
    int error = SSL_ERROR_NONE;
    Py_BEGIN_ALLOW_THREADS ERR_clear_error();
    while (total < (size_t) size && error == SSL_ERROR_NONE) {
        size_t count = 0;
        int result = SSL_read_ex(self->ssl, buffer + total, (size_t) size - total, &count);
        error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(self->ssl, result);
        total += count;
    }
    Py_END_ALLOW_THREADS self->busy = false;
    if (total > 0) {
        PyObject *result =
            total == (size_t) size ? Py_NewRef(bytes) : PyBytes_FromStringAndSize(buffer, (Py_ssize_t) total);
        Py_DECREF(bytes);
        return result;
    }
    Py_DECREF(bytes);
    return not_now(self, error, NULL);
}

static PyObject *tls_write(PyObject *object, PyObject *argument)
{
    struct tls_object *self = (struct tls_object *) object;
    CELLA_CLEANUP(native_buffer_clear) Py_buffer data = { 0 };
    if (PyObject_GetBuffer(argument, &data, PyBUF_SIMPLE) < 0 || enter(self) < 0) {
        return NULL;
    }
    size_t total = 0;
    int error = SSL_ERROR_NONE;
    Py_BEGIN_ALLOW_THREADS ERR_clear_error();
    while (total < (size_t) data.len && error == SSL_ERROR_NONE) {
        size_t count = 0;
        int result = SSL_write_ex(self->ssl, (const char *) data.buf + total, (size_t) data.len - total, &count);
        error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(self->ssl, result);
        total += count;
    }
    Py_END_ALLOW_THREADS self->busy = false;
    if (error == SSL_ERROR_NONE || error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        return PyLong_FromSize_t(total);
    }
    return not_now(self, error, "while writing");
}

static PyObject *tls_shutdown(PyObject *object, PyObject *unused)
{
    (void) unused;
    struct tls_object *self = (struct tls_object *) object;
    if (enter(self) < 0) {
        return NULL;
    }
    if (SSL_is_init_finished(self->ssl)) {
        (void) SSL_shutdown(self->ssl);
    }
    ERR_clear_error();
    self->busy = false;
    Py_RETURN_NONE;
}

static PyObject *tls_exporter(PyObject *object, PyObject *arguments)
{
    const char *label = NULL;
    Py_ssize_t label_size = 0;
    Py_ssize_t size = 0;
    if (!PyArg_ParseTuple(arguments, "s#n:exporter", &label, &label_size, &size)) {
        return NULL;
    }
    struct tls_object *self = (struct tls_object *) object;
    const struct native_state *state = native_state_of_instance(object);
    uint8_t out[64];
    if (size < 1 || size > (Py_ssize_t) sizeof out) {
        return native_raise(state, CELLA_BAD_SIZE, "size", NULL);
    }
    if (enter(self) < 0) {
        return NULL;
    }
    self->busy = false; /* the GIL is held from here on */
    if (!SSL_is_init_finished(self->ssl)) {
        return native_raise(state, CELLA_BAD_STATE, NULL, "the handshake is not complete");
    }
    if (SSL_export_keying_material(self->ssl, out, (size_t) size, label, (size_t) label_size, NULL, 0, 0) != 1) {
        return raise_tls(state);
    }
    return native_bytes(cella_view_of(out, (size_t) size));
}

static PyObject *tls_spki_sha256(PyObject *object, PyObject *unused)
{
    (void) unused;
    struct tls_object *self = (struct tls_object *) object;
    const struct native_state *state = native_state_of_instance(object);
    if (enter(self) < 0) {
        return NULL;
    }
    self->busy = false; /* the GIL is held from here on */
    X509 *certificate = SSL_get0_peer_certificate(self->ssl);
    if (certificate == NULL || !SSL_is_init_finished(self->ssl)) {
        return native_raise(state, CELLA_BAD_STATE, NULL, "the handshake is not complete");
    }
    unsigned char *der = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    if (size < 0) {
        return raise_tls(state);
    }
    uint8_t digest[CELLA_SHA256_SIZE];
    cella_status status = cella_sha256(cella_view_of(der, (size_t) size), digest);
    OPENSSL_free(der);
    return status != CELLA_OK ? native_raise(state, status, NULL, NULL)
                              : native_bytes(cella_view_of(digest, sizeof digest));
}

static PyObject *tls_alpn(PyObject *object, PyObject *unused)
{
    (void) unused;
    const unsigned char *name = NULL;
    unsigned int size = 0;
    SSL_get0_alpn_selected(((struct tls_object *) object)->ssl, &name, &size);
    return PyUnicode_DecodeLatin1((const char *) name, (Py_ssize_t) size, "strict");
}

static PyObject *tls_version(PyObject *object, PyObject *unused)
{
    (void) unused;
    return PyUnicode_FromString(SSL_get_version(((struct tls_object *) object)->ssl));
}

static PyMethodDef tls_methods[] = {
    { "feed", tls_feed, METH_O, "feed(data)\n--\n\nTake bytes that came from the network, at most 1 MiB." },
    { "pull", tls_pull, METH_NOARGS, "pull()\n--\n\nTake out all bytes that are to be sent to the network." },
    { "handshake", tls_handshake, METH_NOARGS,
      "handshake()\n--\n\nGo on with the handshake. True when it is complete, False when more bytes are needed." },
    { "read", tls_read, METH_O,
      "read(size)\n--\n\nUp to size bytes; None when more bytes are needed; b'' after the peer's orderly end." },
    { "write", tls_write, METH_O, "write(data)\n--\n\nEncrypt data; return how many bytes were taken." },
    { "shutdown", tls_shutdown, METH_NOARGS, "shutdown()\n--\n\nPut the orderly end into the outgoing bytes." },
    { "exporter", tls_exporter, METH_VARARGS,
      "exporter(label, size)\n--\n\nKeying material of this connection (RFC 8446 section 7.5), no context." },
    { "spki_sha256", tls_spki_sha256, METH_NOARGS,
      "spki_sha256()\n--\n\nSHA-256 of the peer's SubjectPublicKeyInfo, DER." },
    { "alpn", tls_alpn, METH_NOARGS, "alpn()\n--\n\nThe negotiated protocol, '' when none." },
    { "version", tls_version, METH_NOARGS, "version()\n--\n\n'TLSv1.3'." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot tls_slots[] = {
    { Py_tp_new, tls_new },
    { Py_tp_dealloc, tls_dealloc },
    { Py_tp_methods, tls_methods },
    { Py_tp_doc, "TlsClient()\n--\n\nTLS 1.3 client over memory; the caller moves the bytes." },
    { 0, NULL },
};

static PyType_Spec tls_spec = {
    .name = "cella._native.TlsClient",
    .basicsize = (int) sizeof(struct tls_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = tls_slots,
};

void native_free_tls(struct native_state *state)
{
    SSL_CTX_free(state->tls_context);
    state->tls_context = NULL;
}

int native_add_tls(PyObject *module, struct native_state *state)
{
    return native_add_type(module, &tls_spec, &state->tls_type);
}
