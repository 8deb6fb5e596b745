/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include "trust/receipt.h"
#include "trust/receipt_report.h"
#include "trust/tree_head.h"

#define METHOD(function) (PyCFunction)(void (*)(void))(function)
#define OPENINGS_MAX 256

static PyObject *bytes_or_none(struct cella_view view)
{
    return view.data == NULL ? Py_NewRef(Py_None) : native_bytes(view);
}

static PyObject *text_of_view(struct cella_view view)
{
    return PyUnicode_DecodeUTF8((const char *) view.data, (Py_ssize_t) view.size, "replace");
}

static PyObject *number(uint64_t value)
{
    return PyLong_FromUnsignedLongLong(value);
}

/* ---- what a statement says ---- */

static PyObject *item_of(const struct cella_statement_item *item)
{
    return Py_BuildValue("(NiNN)", text_of_view(item->name), (int) item->kind, native_bytes(item->digest),
                         number(item->size));
}

static PyObject *items_of(const struct cella_statement_items *items)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < items->count; i++) {
        if (native_append(list, item_of(&items->list[i])) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *digests_of(const struct cella_statement_digests *digests)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < digests->count; i++) {
        if (native_append(list, native_bytes(digests->list[i])) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *runtime_of(const struct cella_execution *run)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < run->runtime_count; i++) {
        const struct cella_statement_layer *layer = &run->runtime[i];
        if (native_append(list, Py_BuildValue("(NN)", text_of_view(layer->name), native_bytes(layer->measurement))) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *usage_of(const struct cella_execution *run)
{
    static const char *const names[CELLA_STATEMENT_USAGE_COUNT] = { "cpu",      "peak_bytes", "exit_code",
                                                                    "bytes_in", "bytes_out",  "host_calls" };
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict != NULL && i < CELLA_STATEMENT_USAGE_COUNT; i++) {
        if (run->has_usage[i] && native_put(dict, names[i], number(run->usage[i])) < 0) {
            Py_CLEAR(dict);
        }
    }
    return dict;
}

static int put_execution(PyObject *dict, const struct cella_execution *run)
{
    PyObject *budget = run->has_budget ? Py_BuildValue("(NN)", number(run->budget[0]), number(run->budget[1]))
                                       : Py_NewRef(Py_None);
    return native_put(dict, "function", native_bytes(run->function)) < 0 ||
                   native_put(dict, "inputs", items_of(&run->inputs)) < 0 ||
                   native_put(dict, "outputs", items_of(&run->outputs)) < 0 ||
                   native_put(dict, "participants", digests_of(&run->participants)) < 0 ||
                   native_put(dict, "contract", native_bytes(run->contract)) < 0 ||
                   native_put(dict, "runtime", runtime_of(run)) < 0 ||
                   native_put(dict, "started", number(run->started_unix_s)) < 0 ||
                   native_put(dict, "ended", number(run->ended_unix_s)) < 0 ||
                   native_put(dict, "time_source", number((uint64_t) run->time_source)) < 0 ||
                   native_put(dict, "usage", usage_of(run)) < 0 ||
                   native_put(dict, "nonce", native_bytes(run->nonce)) < 0 ||
                   native_put(dict, "previous", bytes_or_none(run->previous)) < 0 ||
                   native_put(dict, "budget", budget) < 0 ||
                   native_put(dict, "evidence", native_bytes(run->evidence)) < 0 ||
                   native_put(dict, "parents", digests_of(&run->parents)) < 0 ||
                   native_put(dict, "arguments", items_of(&run->arguments)) < 0
               ? -1
               : 0;
}

static int put_deletion(PyObject *dict, const struct cella_deletion *deletion)
{
    return native_put(dict, "data", item_of(&deletion->data)) < 0 ||
                   native_put(dict, "owners", digests_of(&deletion->owners)) < 0 ||
                   native_put(dict, "time", number(deletion->time_unix_s)) < 0 ||
                   native_put(dict, "time_source", number((uint64_t) deletion->time_source)) < 0 ||
                   native_put(dict, "reason", text_of_view(deletion->reason)) < 0 ||
                   native_put(dict, "request", bytes_or_none(deletion->request)) < 0
               ? -1
               : 0;
}

/* The payload's members; only the frame when the payload is a hash. -1 with an exception. */
static int put_payload(const struct native_state *state, PyObject *dict, const struct cella_statement *statement,
                       struct cella_view disclosed)
{
    struct cella_text detail = { "" };
    struct cella_execution run;
    struct cella_deletion deletion;
    struct cella_view payload = statement->enveloped ? disclosed : statement->sign1.payload;
    if (statement->enveloped && payload.size == 0) {
        return 0;
    }
    bool is_run = statement->kind == CELLA_STATEMENT_IS_EXECUTION;
    cella_status status = is_run ? cella_execution_read(payload, &run, &detail)
                                 : cella_deletion_read(payload, &deletion, &detail);
    if (status != CELLA_OK) {
        (void) native_raise(state, status, NULL, detail.characters);
        return -1;
    }
    return is_run ? put_execution(dict, &run) : put_deletion(dict, &deletion);
}

static PyObject *receipt_of(const struct native_state *state, struct cella_view content)
{
    struct cella_text detail = { "" };
    struct cella_receipt receipt;
    cella_status status = cella_receipt_read(content, &receipt, &detail);
    if (status != CELLA_OK) {
        return native_raise(state, status, "receipts", detail.characters);
    }
    const struct cella_cose_header *header = &receipt.sign1.header;
    PyObject *path = PyList_New(0);
    for (size_t i = 0; path != NULL && i < receipt.path.count; i++) {
        if (native_append(path, native_bytes(cella_view_of(receipt.path.nodes[i].bytes, CELLA_SHA256_SIZE))) < 0) {
            Py_CLEAR(path);
        }
    }
    if (path == NULL) {
        return NULL;
    }
    return Py_BuildValue("{s:N,s:N,s:N,s:N,s:N,s:N}", "log", native_bytes(header->kid), "issuer",
                         text_of_view(header->issuer), "size", number(receipt.size), "index", number(receipt.index),
                         "position_signed", PyBool_FromLong(header->has_size && header->has_index), "path", path);
}

static PyObject *receipts_of(const struct native_state *state, const struct cella_statement *statement)
{
    struct cella_view list[CELLA_RECEIPTS_MAX];
    struct cella_text detail = { "" };
    size_t count = 0;
    if (statement->receipts.size > 0) {
        cella_status status = cella_receipt_list(statement->receipts, list, &count, &detail);
        if (status != CELLA_OK) {
            return native_raise(state, status, "receipts", detail.characters);
        }
    }
    PyObject *receipts = PyList_New(0);
    for (size_t i = 0; receipts != NULL && i < count; i++) {
        if (native_append(receipts, receipt_of(state, list[i])) < 0) {
            Py_CLEAR(receipts);
        }
    }
    return receipts;
}

static PyObject *receipt_show(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "receipt", "payload", NULL };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer content = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer payload = { 0 };
    struct cella_statement statement;
    struct cella_text detail = { "" };
    struct cella_merkle_hash leaf;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "y*|$y*:receipt_show", names, &content, &payload)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    cella_status status = cella_statement_read(native_view(&content), &statement, &detail);
    if (status == CELLA_OK) {
        status = cella_statement_leaf(&statement, &leaf);
    }
    if (status != CELLA_OK) {
        return native_raise(state, status, NULL, detail.characters);
    }
    const struct cella_cose_header *header = &statement.sign1.header;
    PyObject *dict = PyDict_New();
    if (dict == NULL ||
        native_put(dict, "kind", PyUnicode_FromString(statement.kind == CELLA_STATEMENT_IS_EXECUTION ? "execution"
                                                                                                      : "deletion")) < 0 ||
        native_put(dict, "enveloped", PyBool_FromLong(statement.enveloped)) < 0 ||
        native_put(dict, "executor", native_bytes(header->kid)) < 0 ||
        native_put(dict, "issuer", text_of_view(header->issuer)) < 0 ||
        native_put(dict, "subject", text_of_view(header->subject)) < 0 ||
        native_put(dict, "issued", number(header->issued_at_unix_s)) < 0 ||
        native_put(dict, "leaf", native_bytes(cella_view_of(leaf.bytes, sizeof(leaf.bytes)))) < 0 ||
        native_put(dict, "receipts", receipts_of(state, &statement)) < 0 ||
        (statement.enveloped && native_put(dict, "payload_digest", native_bytes(statement.sign1.payload)) < 0) ||
        put_payload(state, dict, &statement, native_view(&payload)) < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

/* ---- judging ---- */

/* (is_output, name, kind, digest, size) as Python gives it; the name stays borrowed from the tuple. */
static int read_opening(const struct native_state *state, PyObject *item, struct cella_receipt_opening *out)
{
    int is_output = 0;
    int kind = 0;
    const char *name = NULL;
    Py_ssize_t name_size = 0;
    const char *digest = NULL;
    Py_ssize_t digest_size = 0;
    uint64_t size = 0;
    if (!PyArg_ParseTuple(item, "ps#iy#O&;an opening is (is_output, name, kind, digest, size)", &is_output, &name,
                          &name_size, &kind, &digest, &digest_size, native_size, &size)) {
        return -1;
    }
    if (digest_size != CELLA_SHA256_SIZE || kind < CELLA_DIGEST_SEALED || kind > CELLA_DIGEST_PLAIN) {
        (void) native_raise(state, CELLA_BAD_FIELD, "openings", "a digest has 32 bytes, and its kind is 0, 1 or 2");
        return -1;
    }
    out->is_output = is_output != 0;
    out->name = cella_view_of(name, (size_t) name_size);
    out->kind = (enum cella_digest_kind) kind;
    memcpy(out->digest, digest, CELLA_SHA256_SIZE);
    out->size = size;
    return 0;
}

static PyObject *dict_of(const struct cella_receipt_report *report)
{
    PyObject *dict = PyDict_New();
    if (dict == NULL || native_put(dict, "status", PyUnicode_FromString(cella_status_name(report->status))) < 0 ||
        native_put(dict, "anchor", native_text(report->anchor.characters)) < 0 ||
        native_put(dict, "detail", native_text(report->detail.characters)) < 0 ||
        native_put(dict, "checks", native_checks(report->checks, report->check_count)) < 0 ||
        native_put(dict, "evidence", report->has_evidence ? native_report(&report->evidence) : Py_NewRef(Py_None)) < 0 ||
        native_put(dict, "not_checked", native_sentences(report->not_checked, report->not_checked_count)) < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

static PyObject *appraise(const struct native_state *state, const struct cella_bundle *bundle,
                          struct cella_receipt_question *question, struct cella_view policy_json)
{
    CELLA_CLEANUP(cella_policy_clear) struct cella_policy policy = { 0 };
    char field[CELLA_FIELD_MAX] = "";
    cella_status status = cella_policy_parse(policy_json, field, &policy);
    if (status != CELLA_OK) {
        return native_raise(state, status, field, NULL);
    }
    struct cella_receipt_report *report = PyMem_Calloc(1, sizeof(*report));
    if (report == NULL) {
        return PyErr_NoMemory();
    }
    question->policy = &policy;
    Py_BEGIN_ALLOW_THREADS status = cella_receipt_appraise(bundle, question, report);
    Py_END_ALLOW_THREADS report->status = status; /* the returned status decides, whatever the report says */
    PyObject *dict = dict_of(report);
    PyMem_Free(report);
    return dict;
}

static PyObject *receipt_appraise(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "bundle", "policy", "now_unix_s", "nonce", "openings", NULL };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer content = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer policy_json = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer nonce = { 0 };
    PyObject *openings = NULL;
    uint64_t now = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "y*y*O&|$y*O!:receipt_appraise", names, &content, &policy_json,
                                     native_unix_s, &now, &nonce, &PyTuple_Type, &openings)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    struct cella_bundle bundle = { .receipt = native_view(&content) };
    if (cella_bundle_looks(native_view(&content))) {
        cella_status status = cella_bundle_read(native_view(&content), &bundle);
        if (status != CELLA_OK) {
            return native_raise(state, status, NULL, "it is neither a receipt nor a proof bundle");
        }
    }
    struct cella_receipt_opening list[OPENINGS_MAX];
    size_t count = openings == NULL ? 0 : (size_t) PyTuple_Size(openings);
    if (count > OPENINGS_MAX) {
        return native_raise(state, CELLA_TOO_MANY, "openings", NULL);
    }
    for (size_t i = 0; i < count; i++) {
        if (read_opening(state, PyTuple_GetItem(openings, (Py_ssize_t) i), &list[i]) < 0) {
            return NULL;
        }
    }
    struct cella_receipt_question question = {
        .now_unix_s = now, .nonce = native_view(&nonce), .openings = list, .opening_count = count };
    return appraise(state, &bundle, &question, native_view(&policy_json));
}

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
        if (read && native_append(statements, text_of_view(statement)) < 0) {
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
                                                   text_of_view(approval->request))) < 0) {
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
                         "payload", native_bytes(bundle.payload), "tree_head", text_of_view(bundle.tree_head), "histories", histories);
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
    return Py_BuildValue("(NNN)", text_of_view(head.origin), number(head.size),
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
    return status != CELLA_OK ? native_raise(state, status, NULL, NULL) : number(seen);
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
        native_fixed(state, &root, "root", hash.bytes, sizeof(hash.bytes)) < 0) {
        return NULL;
    }
    if ((size_t) nodes.len > sizeof(path.nodes) || (size_t) nodes.len % sizeof(path.nodes[0]) != 0) {
        return native_raise(state, CELLA_BAD_SIZE, "path", "a path is at most 64 hashes of 32 bytes");
    }
    memcpy(path.nodes, nodes.buf, (size_t) nodes.len);
    path.count = (size_t) nodes.len / sizeof(path.nodes[0]);
    return PyBool_FromLong(cella_merkle_check_consistency(old_size, size, &old_hash, &hash, &path) == CELLA_OK);
}

PyMethodDef native_receipt_methods[] = {
    { "merkle_is_consistent", merkle_is_consistent, METH_VARARGS,
      "merkle_is_consistent(old_size, old_root, size, root, path)\n--\n\n"
      "Whether the tree of size and root begins with the older one (RFC 9162, 2.1.4.2). path: hashes, joined." },
    { "receipt_show", METHOD(receipt_show), METH_VARARGS | METH_KEYWORDS,
      "receipt_show(receipt, *, payload=b'')\n--\n\nWhat a receipt says, unverified, as a dict." },
    { "receipt_appraise", METHOD(receipt_appraise), METH_VARARGS | METH_KEYWORDS,
      "receipt_appraise(bundle, policy, now_unix_s, *, nonce=b'', openings=())\n--\n\n"
      "Judge a receipt or proof bundle by a policy (JSON bytes) and return the report as a dict.\n\n"
      "openings: tuples (is_output, name, kind, digest, size) of files that you have.\n"
      "A refused receipt is a report whose status is not 'OK', never an exception: look at it." },
    { "bundle_read", bundle_read, METH_VARARGS, "bundle_read(content)\n--\n\nThe parts of a proof bundle, unverified." },
    { "bundle_write", METHOD(bundle_write), METH_VARARGS | METH_KEYWORDS,
      "bundle_write(receipt, *, evidence_file=b'', endorsements=b'', contract=b'', approvals=(), function=b'', "
      "payload=b'', tree_head=b'', histories=())\n--\n\nA proof bundle of these parts." },
    { "tree_head_read", tree_head_read, METH_VARARGS,
      "tree_head_read(text)\n--\n\nOrigin, size and root of a signed tree head, unverified." },
    { "tree_head_verify", tree_head_verify, METH_VARARGS,
      "tree_head_verify(text, name, key, witness)\n--\n\n"
      "Time of a witness's cosignature, 0 for a log's own; IntegrityError or NotFound where it did not sign." },
    { NULL, NULL, 0, NULL },
};
