/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include "trust/receipt_bundle.h"
#include "trust/tree_head.h"

#define METHOD(function) (PyCFunction)(void (*)(void))(function)

/* ---- bundles ---- */

/* (first key, [statements]) of one history. */
static PyObject *history_of(struct cella_view history)
{
    struct cella_reader reader = cella_reader_of(history);
    struct cella_view first_key = { 0 };
    struct cella_view statement;
    uint64_t count = 0;
    bool read = cella_cbor_array(&reader, &count) == CELLA_OK && cella_cbor_bytes(&reader, &first_key) == CELLA_OK &&
                cella_cbor_array(&reader, &count) == CELLA_OK;
    PyObject *statements = PyList_New(0);
    for (uint64_t i = 0; read && statements != NULL && i < count; i++) {
        read = cella_cbor_text(&reader, &statement) == CELLA_OK;
        if (read && native_append(statements, native_view_text(statement)) < 0) {
            Py_CLEAR(statements);
        }
    }
    return statements == NULL ? NULL : Py_BuildValue("(NN)", native_bytes(first_key), statements);
}

static PyObject *histories_of(const struct cella_bundle *bundle)
{
    struct cella_reader reader = cella_reader_of(bundle->histories);
    struct cella_view history;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < bundle->history_count; i++) {
        if (cella_key_history_take(&reader, &history) != CELLA_OK || native_append(list, history_of(history)) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

/* What was shown in a session, kept as an evidence file. It does not name a log key: only the executor can certify one. */
static PyObject *evidence_file_write(PyObject *module, PyObject *arguments)
{
    CELLA_CLEANUP(native_buffer_clear) Py_buffer evidence = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer nonce = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer keys = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer charter = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes out = { 0 };
    const char *type = NULL;
    Py_ssize_t type_size = 0;
    if (!PyArg_ParseTuple(arguments, "s#y*y*y*y*:evidence_file_write", &type, &type_size, &evidence, &nonce, &keys, &charter)) {
        return NULL;
    }
    struct cella_evidence_file file = {
        .type = cella_view_of(type, (size_t) type_size),
        .evidence = native_view(&evidence),
        .nonce = native_view(&nonce),
        .charter = native_view(&charter),
    };
    if (keys.len != sizeof(file.keys)) {
        return native_raise(native_state_of(module), CELLA_BAD_FIELD, "keys", "a key set has 64 bytes");
    }
    memcpy(&file.keys, keys.buf, sizeof(file.keys));
    cella_status status = cella_evidence_file_write(&file, NULL, NULL, &out);
    if (status != CELLA_OK) {
        return native_raise(native_state_of(module), status, NULL, NULL);
    }
    return native_bytes(cella_bytes_view(&out));
}

static PyObject *bundle_read(PyObject *module, PyObject *arguments)
{
    CELLA_CLEANUP(native_buffer_clear) Py_buffer content = { 0 };
    struct cella_bundle bundle;
    if (!PyArg_ParseTuple(arguments, "y*:bundle_read", &content)) {
        return NULL;
    }
    cella_status status = cella_bundle_read(native_view(&content), &bundle);
    if (status != CELLA_OK) {
        return native_raise(native_state_of(module), status, NULL, "it is no proof bundle");
    }
    PyObject *approvals = PyList_New(0);
    for (size_t i = 0; approvals != NULL && i < bundle.approval_count; i++) {
        const struct cella_approval *approval = &bundle.approvals[i];
        if (native_append(approvals, Py_BuildValue("(NN)", native_bytes(approval->public_key),
                                                   native_view_text(approval->request))) < 0) {
            Py_CLEAR(approvals);
        }
    }
    PyObject *histories = approvals == NULL ? NULL : histories_of(&bundle);
    if (histories == NULL) {
        Py_XDECREF(approvals);
        return NULL;
    }
    return Py_BuildValue("{s:N,s:N,s:N,s:N,s:N,s:N,s:N,s:N,s:N}", "receipt", native_bytes(bundle.receipt), "evidence_file",
                         native_bytes(bundle.evidence_file), "endorsements", native_bytes(bundle.endorsements), "contract",
                         native_bytes(bundle.contract), "approvals", approvals, "function", native_bytes(bundle.function),
                         "payload", native_bytes(bundle.payload), "tree_head", native_view_text(bundle.tree_head), "histories", histories);
}

static int read_approvals(const struct native_state *state, PyObject *list, struct cella_bundle *out)
{
    Py_ssize_t count = PyTuple_Size(list);
    if (count > (Py_ssize_t) CELLA_STATEMENT_PARTIES_MAX) {
        (void) native_raise(state, CELLA_TOO_MANY, "approvals", NULL);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        const char *key = NULL;
        const char *request = NULL;
        Py_ssize_t key_size = 0;
        Py_ssize_t request_size = 0;
        if (!PyArg_ParseTuple(PyTuple_GetItem(list, i), "y#s#;an approval is (public key, request)", &key, &key_size,
                              &request, &request_size)) {
            return -1;
        }
        out->approvals[i].public_key = cella_view_of(key, (size_t) key_size);
        out->approvals[i].request = cella_view_of(request, (size_t) request_size);
    }
    out->approval_count = (size_t) count;
    return 0;
}

/* (first key, (statement, ...)): appended to out. */
static int write_history(const struct native_state *state, PyObject *item, struct cella_bytes *out)
{
    const char *key = NULL;
    Py_ssize_t key_size = 0;
    PyObject *list = NULL;
    struct cella_view statements[CELLA_ROTATIONS_MAX];
    if (!PyArg_ParseTuple(item, "y#O!;a history is (first key, statements)", &key, &key_size, &PyTuple_Type, &list)) {
        return -1;
    }
    Py_ssize_t count = PyTuple_Size(list);
    if (count > (Py_ssize_t) CELLA_ROTATIONS_MAX || key_size != CELLA_ED25519_KEY_SIZE) {
        (void) native_raise(state, CELLA_BAD_FIELD, "histories", NULL);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        char *text = NULL;
        Py_ssize_t size = 0;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(list, i), &text, &size) < 0) {
            return -1;
        }
        statements[i] = cella_view_of(text, (size_t) size);
    }
    cella_status status = cella_key_history_write((const uint8_t *) key, statements, (size_t) count, out);
    return status == CELLA_OK ? 0 : (native_raise(state, status, "histories", NULL), -1);
}

static int read_histories(const struct native_state *state, PyObject *list, struct cella_bytes *content,
                          struct cella_bundle *out)
{
    Py_ssize_t count = list == NULL ? 0 : PyTuple_Size(list);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (write_history(state, PyTuple_GetItem(list, i), content) < 0) {
            return -1;
        }
    }
    out->histories = cella_bytes_view(content);
    out->history_count = (size_t) count;
    return 0;
}

#define PARTS 7

static void parts_clear(Py_buffer (*parts)[PARTS])
{
    for (size_t i = 0; i < PARTS; i++) {
        native_buffer_clear(&(*parts)[i]);
    }
}

static PyObject *bundle_write(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "receipt",  "evidence_file", "endorsements", "contract", "approvals",
                             "function", "payload",       "tree_head",    "histories", NULL };
    CELLA_CLEANUP(parts_clear) Py_buffer parts[PARTS] = { { 0 } };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes content = { 0 };
    PyObject *approvals = NULL;
    PyObject *histories = NULL;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "y*|$y*y*y*O!y*y*y*O!:bundle_write", names, &parts[0], &parts[1],
                                     &parts[2], &parts[3], &PyTuple_Type, &approvals, &parts[4], &parts[5], &parts[6],
                                     &PyTuple_Type, &histories)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    struct cella_bundle bundle = {
        .receipt = native_view(&parts[0]),  .evidence_file = native_view(&parts[1]), .endorsements = native_view(&parts[2]),
        .contract = native_view(&parts[3]), .function = native_view(&parts[4]),      .payload = native_view(&parts[5]),
        .tree_head = native_view(&parts[6]),
    };
    if ((approvals != NULL && read_approvals(state, approvals, &bundle) < 0) ||
        read_histories(state, histories, &content, &bundle) < 0) {
        return NULL;
    }
    cella_status status = cella_bundle_write(&bundle, &text);
    return status != CELLA_OK ? native_raise(state, status, NULL, NULL) : native_bytes(cella_bytes_view(&text));
}

/* ---- tree heads ---- */

static PyObject *tree_head_read(PyObject *module, PyObject *arguments)
{
    CELLA_CLEANUP(native_buffer_clear) Py_buffer content = { 0 };
    struct cella_tree_head head;
    if (!PyArg_ParseTuple(arguments, "y*:tree_head_read", &content)) {
        return NULL;
    }
    cella_status status = cella_tree_head_read(native_view(&content), &head);
    if (status != CELLA_OK) {
        return native_raise(native_state_of(module), status, NULL, "it is no signed tree head");
    }
    return Py_BuildValue("(NNN)", native_view_text(head.origin), PyLong_FromUnsignedLongLong(head.size),
                         native_bytes(cella_view_of(head.root.bytes, sizeof(head.root.bytes))));
}

static PyObject *tree_head_verify(PyObject *module, PyObject *arguments)
{
    CELLA_CLEANUP(native_buffer_clear) Py_buffer content = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer public_key = { 0 };
    const char *name = NULL;
    Py_ssize_t name_size = 0;
    int witness = 0;
    uint64_t seen = 0;
    struct cella_tree_head head;
    if (!PyArg_ParseTuple(arguments, "y*s#y*p:tree_head_verify", &content, &name, &name_size, &public_key, &witness)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    struct cella_tree_head_key key = { .name = cella_view_of(name, (size_t) name_size) };
    if (native_fixed(state, &public_key, "key", key.public_key, sizeof(key.public_key)) < 0) {
        return NULL;
    }
    cella_status status = cella_tree_head_read(native_view(&content), &head);
    if (status == CELLA_OK) {
        status = witness != 0 ? cella_tree_head_witnessed(&head, &key, &seen) : cella_tree_head_verify(&head, &key);
    }
    return status != CELLA_OK ? native_raise(state, status, NULL, NULL) : PyLong_FromUnsignedLongLong(seen);
}

/* Joined hashes as a path; -1 with an exception. */
static int read_path(const struct native_state *state, const Py_buffer *nodes, struct cella_merkle_path *path)
{
    if ((size_t) nodes->len > sizeof(path->nodes) || (size_t) nodes->len % sizeof(path->nodes[0]) != 0) {
        (void) native_raise(state, CELLA_BAD_SIZE, "path", "a path is at most 64 hashes of 32 bytes");
        return -1;
    }
    memcpy(path->nodes, nodes->buf, (size_t) nodes->len);
    path->count = (size_t) nodes->len / sizeof(path->nodes[0]);
    return 0;
}

static PyObject *merkle_is_consistent(PyObject *module, PyObject *arguments)
{
    uint64_t old_size = 0;
    uint64_t size = 0;
    CELLA_CLEANUP(native_buffer_clear) Py_buffer old_root = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer root = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer nodes = { 0 };
    struct cella_merkle_hash old_hash;
    struct cella_merkle_hash hash;
    struct cella_merkle_path path = { .count = 0 };
    if (!PyArg_ParseTuple(arguments, "O&y*O&y*y*:merkle_is_consistent", native_size, &old_size, &old_root, native_size,
                          &size, &root, &nodes)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    if (native_fixed(state, &old_root, "old_root", old_hash.bytes, sizeof(old_hash.bytes)) < 0 ||
        native_fixed(state, &root, "root", hash.bytes, sizeof(hash.bytes)) < 0 ||
        read_path(state, &nodes, &path) < 0) {
        return NULL;
    }
    return PyBool_FromLong(cella_merkle_check_consistency(old_size, size, &old_hash, &hash, &path) == CELLA_OK);
}

static PyObject *merkle_is_included(PyObject *module, PyObject *arguments)
{
    uint64_t index = 0;
    uint64_t size = 0;
    CELLA_CLEANUP(native_buffer_clear) Py_buffer leaf = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer nodes = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer root = { 0 };
    struct cella_merkle_hash leaf_hash;
    struct cella_merkle_hash root_hash;
    struct cella_merkle_hash found;
    struct cella_merkle_path path = { .count = 0 };
    if (!PyArg_ParseTuple(arguments, "O&O&y*y*y*:merkle_is_included", native_size, &index, native_size, &size, &leaf,
                          &nodes, &root)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    if (native_fixed(state, &leaf, "leaf", leaf_hash.bytes, sizeof(leaf_hash.bytes)) < 0 ||
        native_fixed(state, &root, "root", root_hash.bytes, sizeof(root_hash.bytes)) < 0 ||
        read_path(state, &nodes, &path) < 0) {
        return NULL;
    }
    cella_status status = cella_merkle_root_of_inclusion(&leaf_hash, index, size, &path, &found);
    return PyBool_FromLong(status == CELLA_OK && cella_merkle_equal(&found, &root_hash));
}

PyMethodDef native_bundle_methods[] = {
    { "merkle_is_included", merkle_is_included, METH_VARARGS,
      "merkle_is_included(index, size, leaf, path, root)\n--\n\n"
      "Whether the tree of size and root has this leaf there (RFC 9162, 2.1.3.2). path: hashes, joined, from the leaf up." },
    { "evidence_file_write", evidence_file_write, METH_VARARGS,
      "evidence_file_write(type, evidence, nonce, keys, charter)\n--\n\n"
      "An evidence file (docs/receipts.md section 7) of what an executor showed in a session, without a log key." },
    { "bundle_read", bundle_read, METH_VARARGS, "bundle_read(content)\n--\n\nThe parts of a proof bundle, unverified." },
    { "bundle_write", METHOD(bundle_write), METH_VARARGS | METH_KEYWORDS,
      "bundle_write(receipt, *, evidence_file=b'', endorsements=b'', contract=b'', approvals=(), function=b'', "
      "payload=b'', tree_head=b'', histories=())\n--\n\nA proof bundle of these parts." },
    { "tree_head_read", tree_head_read, METH_VARARGS,
      "tree_head_read(text)\n--\n\nOrigin, size and root of a signed tree head, unverified." },
    { "tree_head_verify", tree_head_verify, METH_VARARGS,
      "tree_head_verify(text, name, key, witness)\n--\n\n"
      "Time of a witness's cosignature, 0 for a log's own; IntegrityError or NotFound where it did not sign." },
    { "merkle_is_consistent", merkle_is_consistent, METH_VARARGS,
      "merkle_is_consistent(old_size, old_root, size, root, path)\n--\n\n"
      "Whether the tree of size and root begins with the older one (RFC 9162, 2.1.4.2). path: hashes, joined." },
    { NULL, NULL, 0, NULL },
};
