/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include "trust/receipt.h"
#include "trust/receipt_report.h"

#define METHOD(function) (PyCFunction)(void (*)(void))(function)
#define OPENINGS_MAX 256

static PyObject *bytes_or_none(struct cella_view view)
{
    return view.data == NULL ? Py_NewRef(Py_None) : native_bytes(view);
}

static PyObject *number(uint64_t value)
{
    return PyLong_FromUnsignedLongLong(value);
}

/* ---- what a statement says ---- */

static PyObject *item_of(const struct cella_statement_item *item)
{
    return Py_BuildValue("(NiNN)", native_view_text(item->name), (int) item->kind, native_bytes(item->digest),
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
        if (native_append(list, Py_BuildValue("(NN)", native_view_text(layer->name), native_bytes(layer->measurement))) < 0) {
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
                   native_put(dict, "reason", native_view_text(deletion->reason)) < 0 ||
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
                         native_view_text(header->issuer), "size", number(receipt.size), "index", number(receipt.index),
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
        native_put(dict, "issuer", native_view_text(header->issuer)) < 0 ||
        native_put(dict, "subject", native_view_text(header->subject)) < 0 ||
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

/* A receipt, or a bundle with one; borrows content. */
static cella_status read_either(struct cella_view content, struct cella_bundle *out)
{
    *out = (struct cella_bundle){ .receipt = content };
    return cella_bundle_looks(content) ? cella_bundle_read(content, out) : CELLA_OK;
}

static void free_parents(struct cella_bundle **parents)
{
    PyMem_Free(*parents);
}

/* Receipts of earlier runs, borrowed from the tuple. NULL with an exception. */
static struct cella_bundle *read_parents(const struct native_state *state, PyObject *tuple, size_t *out_count)
{
    size_t count = tuple == NULL ? 0 : (size_t) PyTuple_Size(tuple);
    if (count > CELLA_RECEIPT_PREDECESSORS_MAX) {
        (void) native_raise(state, CELLA_TOO_MANY, "parents", NULL);
        return NULL;
    }
    CELLA_CLEANUP(free_parents) struct cella_bundle *list = PyMem_Calloc(count + 1, sizeof(*list));
    for (size_t i = 0; list != NULL && i < count; i++) {
        char *content = NULL;
        Py_ssize_t size = 0;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(tuple, (Py_ssize_t) i), &content, &size) < 0) {
            return NULL;
        }
        cella_status status = read_either(cella_view_of(content, (size_t) size), &list[i]);
        if (status != CELLA_OK) {
            (void) native_raise(state, status, "parents", "one is neither a receipt nor a proof bundle");
            return NULL;
        }
    }
    if (list == NULL) {
        (void) PyErr_NoMemory();
    }
    struct cella_bundle *found = list;
    list = NULL;
    *out_count = count;
    return found;
}

static PyObject *receipt_appraise(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "bundle", "policy", "now_unix_s", "nonce", "openings", "parents", NULL };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer content = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer policy_json = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer nonce = { 0 };
    CELLA_CLEANUP(free_parents) struct cella_bundle *parents = NULL;
    PyObject *openings = NULL;
    PyObject *earlier = NULL;
    uint64_t now = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "y*y*O&|$y*O!O!:receipt_appraise", names, &content, &policy_json,
                                     native_unix_s, &now, &nonce, &PyTuple_Type, &openings, &PyTuple_Type, &earlier)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    struct cella_bundle bundle;
    cella_status status = read_either(native_view(&content), &bundle);
    if (status != CELLA_OK) {
        return native_raise(state, status, NULL, "it is neither a receipt nor a proof bundle");
    }
    size_t parent_count = 0;
    parents = read_parents(state, earlier, &parent_count);
    if (parents == NULL) {
        return NULL;
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
        .now_unix_s = now,       .nonce = native_view(&nonce), .openings = list,
        .opening_count = count, .parents = parents,           .parent_count = parent_count };
    return appraise(state, &bundle, &question, native_view(&policy_json));
}

PyMethodDef native_receipt_methods[] = {
    { "receipt_show", METHOD(receipt_show), METH_VARARGS | METH_KEYWORDS,
      "receipt_show(receipt, *, payload=b'')\n--\n\nWhat a receipt says, unverified, as a dict." },
    { "receipt_appraise", METHOD(receipt_appraise), METH_VARARGS | METH_KEYWORDS,
      "receipt_appraise(bundle, policy, now_unix_s, *, nonce=b'', openings=(), parents=())\n--\n\n"
      "Judge a receipt or proof bundle by a policy (JSON bytes) and return the report as a dict.\n\n"
      "openings: tuples (is_output, name, kind, digest, size) of files that you have.\n"
      "parents: receipts or proof bundles of the runs that came before.\n"
      "A refused receipt is a report whose status is not 'OK', never an exception: look at it." },
    { NULL, NULL, 0, NULL },
};
