/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include "trust/attested_certificate.h"
#include "trust/back_end.h"
#include "trust/evidence_soft.h"

#define METHOD(function) (PyCFunction)(void (*)(void))(function)

int native_append(PyObject *list, PyObject *item)
{
    int result = item == NULL ? -1 : PyList_Append(list, item);
    Py_XDECREF(item);
    return result;
}

int native_put(PyObject *dict, const char *key, PyObject *value)
{
    int result = value == NULL ? -1 : PyDict_SetItemString(dict, key, value);
    Py_XDECREF(value);
    return result;
}

static PyObject *hex(const uint8_t *data, size_t size)
{
    char text[2 * 64 + 1];
    cella_hex_encode(cella_view_of(data, size), text);
    return PyUnicode_FromString(text);
}

static const char *outcome_name(enum cella_check_outcome outcome)
{
    switch (outcome) {
    case CELLA_CHECK_NOT_DONE:
        return "not done";
    case CELLA_CHECK_FAILED:
        return "failed";
    case CELLA_CHECK_PASSED:
        return "passed";
    }
    return "not done";
}

PyObject *native_text(const char *text)
{
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t) strlen(text), "replace");
}

PyObject *native_view_text(struct cella_view text)
{
    return PyUnicode_DecodeUTF8((const char *) text.data, (Py_ssize_t) text.size, "replace");
}

PyObject *native_checks(const struct cella_check *checks, size_t count)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < count; i++) {
        const struct cella_check *check = &checks[i];
        PyObject *item = Py_BuildValue("(sssN)", check->name, outcome_name(check->outcome),
                                       cella_status_name(check->status), native_text(check->detail.characters));
        if (native_append(list, item) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

PyObject *native_sentences(const char *const *sentences, size_t count)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < count; i++) {
        if (native_append(list, PyUnicode_FromString(sentences[i])) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *value_of(const struct cella_claim *claim)
{
    switch (claim->kind) {
    case CELLA_CLAIM_BYTES:
        return hex(claim->bytes, claim->size);
    case CELLA_CLAIM_NUMBER:
        return PyLong_FromUnsignedLongLong(claim->number);
    case CELLA_CLAIM_FLAG:
        return PyBool_FromLong(claim->number != 0);
    case CELLA_CLAIM_TEXT:
        return PyUnicode_DecodeUTF8((const char *) claim->bytes, (Py_ssize_t) claim->size, "replace");
    }
    return Py_NewRef(Py_None);
}

/* A list of (name, value): a name may be there more than once. */
static PyObject *claims_of(const struct cella_claims *claims)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < claims->count; i++) {
        PyObject *value = value_of(&claims->list[i]);
        PyObject *item = value == NULL ? NULL : Py_BuildValue("(sN)", claims->list[i].name, value);
        if (native_append(list, item) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

PyObject *native_report(const struct cella_report *report)
{
    PyObject *dict = PyDict_New();
    if (dict == NULL) {
        return NULL;
    }
    if (native_put(dict, "status", PyUnicode_FromString(cella_status_name(report->status))) < 0 ||
        native_put(dict, "level", PyLong_FromLong(report->level)) < 0 ||
        native_put(dict, "level_reason", native_text(report->level_reason.characters)) < 0 ||
        native_put(dict, "anchor", native_text(report->anchor.characters)) < 0 ||
        native_put(dict, "measurement_name", native_text(report->measurement_name)) < 0 ||
        native_put(dict, "type", PyUnicode_FromString(cella_evidence_type_name(report->type))) < 0 ||
        native_put(dict, "claims", claims_of(&report->claims)) < 0 || native_put(dict, "checks", native_checks(report->checks, report->check_count)) < 0 ||
        native_put(dict, "not_checked", native_sentences(report->not_checked, report->not_checked_count)) < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

/* An executor's keys, or report data, or nothing: and nothing only when that was asked for in so many words. */
static int read_binding(const struct native_state *state, const Py_buffer *keys, const Py_buffer *report_data,
                        int unbound, struct cella_binding *out)
{
    uint8_t key_bytes[CELLA_ED25519_KEY_SIZE + CELLA_X25519_KEY_SIZE];
    if (unbound != 0 || report_data->len > 0 || keys->len == 0) {
        out->kind = unbound != 0 ? CELLA_BINDING_NONE : CELLA_BINDING_REPORT_DATA;
        out->report_data = native_view(report_data);
        return 0;
    }
    if (native_fixed(state, keys, "keys", key_bytes, sizeof key_bytes) < 0) {
        return -1;
    }
    out->kind = CELLA_BINDING_EXECUTOR;
    out->role = CELLA_ROLE_EXECUTOR;
    memcpy(out->keys.sign, key_bytes, CELLA_ED25519_KEY_SIZE);
    memcpy(out->keys.seal, key_bytes + CELLA_ED25519_KEY_SIZE, CELLA_X25519_KEY_SIZE);
    return 0;
}

static PyObject *appraise(const struct native_state *state, const struct cella_evidence *evidence,
                          const struct cella_binding *binding, struct cella_view policy_json, uint64_t now)
{
    CELLA_CLEANUP(cella_policy_clear) struct cella_policy policy = { 0 };
    char field[CELLA_FIELD_MAX] = "";
    cella_status status = cella_policy_parse(policy_json, field, &policy);
    if (status != CELLA_OK) {
        return native_raise(state, status, field, NULL);
    }
    struct cella_report *report = PyMem_Calloc(1, sizeof(*report));
    if (report == NULL) {
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS status = cella_evidence_appraise(evidence, binding, &policy, now, report);
    Py_END_ALLOW_THREADS report->status = status; /* the returned status decides, whatever the report says */
    PyObject *dict = native_report(report);
    PyMem_Free(report);
    return dict;
}

static PyObject *evidence_appraise(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "evidence", "type",  "policy",      "now_unix_s", "endorsements", "keys",
                             "charter",  "nonce", "report_data", "unbound",    NULL };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer content = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer policy_json = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer endorsements = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer keys = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer charter = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer nonce = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer report_data = { 0 };
    const char *type = NULL;
    Py_ssize_t type_size = 0;
    uint64_t now = 0;
    int unbound = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "y*s#y*O&|$y*y*y*y*y*p:appraise", names, &content, &type,
                                     &type_size, &policy_json, native_unix_s, &now, &endorsements, &keys, &charter,
                                     &nonce, &report_data, &unbound)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    struct cella_binding binding = { .charter = native_view(&charter), .nonce = native_view(&nonce) };
    if (read_binding(state, &keys, &report_data, unbound, &binding) < 0) {
        return NULL;
    }
    struct cella_evidence evidence = {
        .type = cella_evidence_type_of(cella_view_of(type, (size_t) type_size)),
        .content = native_view(&content),
    };
    cella_status status = cella_endorsements_read(native_view(&endorsements), &evidence.endorsements);
    if (status != CELLA_OK) {
        return native_raise(state, status, "endorsements", NULL);
    }
    return appraise(state, &evidence, &binding, native_view(&policy_json), now);
}

static PyObject *evidence_policy(PyObject *module, PyObject *arguments)
{
    CELLA_CLEANUP(native_buffer_clear) Py_buffer json = { 0 };
    CELLA_CLEANUP(cella_policy_clear) struct cella_policy policy = { 0 };
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes text = { 0 };
    char field[CELLA_FIELD_MAX] = "";
    if (!PyArg_ParseTuple(arguments, "y*:policy", &json)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    cella_status status = cella_policy_parse(native_view(&json), field, &policy);
    if (status == CELLA_OK) {
        status = cella_json_write(policy.json, &text);
    }
    return status != CELLA_OK ? native_raise(state, status, field, NULL) : native_bytes(cella_bytes_view(&text));
}

static PyObject *evidence_report_data(PyObject *module, PyObject *arguments)
{
    CELLA_CLEANUP(native_buffer_clear) Py_buffer keys = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer charter = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer nonce = { 0 };
    if (!PyArg_ParseTuple(arguments, "y*y*y*:report_data", &keys, &charter, &nonce)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    uint8_t key_bytes[CELLA_ED25519_KEY_SIZE + CELLA_X25519_KEY_SIZE];
    if (native_fixed(state, &keys, "keys", key_bytes, sizeof key_bytes) < 0) {
        return NULL;
    }
    struct cella_key_set set;
    memcpy(set.sign, key_bytes, sizeof set.sign);
    memcpy(set.seal, key_bytes + sizeof set.sign, sizeof set.seal);
    uint8_t report_data[CELLA_REPORT_DATA_SIZE];
    cella_status status = cella_evidence_report_data(CELLA_ROLE_EXECUTOR, &set, native_view(&charter),
                                                     native_view(&nonce), report_data);
    return status != CELLA_OK ? native_raise(state, status, NULL, NULL)
                              : native_bytes(cella_view_of(report_data, sizeof report_data));
}

static PyObject *evidence_soft_make(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "root_seed", "layers", "measurement", "report_data", "issued_unix_s", NULL };
    PyObject *root_seed = NULL;
    unsigned int layers = 0;
    CELLA_CLEANUP(native_buffer_clear) Py_buffer measurement = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer report_data = { 0 };
    uint64_t issued = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO&y*y*O&:soft_evidence", names, &root_seed,
                                     native_bits, &layers, &measurement, &report_data, native_unix_s, &issued)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    const struct cella_secret *seed = native_secret_of(state, root_seed);
    uint8_t measured[CELLA_SHA256_SIZE];
    uint8_t data[CELLA_REPORT_DATA_SIZE];
    if (seed == NULL || native_fixed(state, &measurement, "measurement", measured, sizeof measured) < 0 ||
        native_fixed(state, &report_data, "report_data", data, sizeof data) < 0) {
        return NULL;
    }
    CELLA_CLEANUP(cella_bytes_clear) struct cella_bytes evidence = { 0 };
    cella_status status = cella_evidence_soft_make(seed, layers, measured, data, issued, &evidence);
    return status != CELLA_OK ? native_raise(state, status, NULL, NULL) : native_bytes(cella_bytes_view(&evidence));
}

static PyObject *evidence_in_certificate(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "certificate", "now_unix_s", "allow_legacy", NULL };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer certificate = { 0 };
    CELLA_CLEANUP(cella_attested_clear) struct cella_attested attested = { 0 };
    uint64_t now = 0;
    int allow_legacy = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "y*O&|$p:evidence_in_certificate", names, &certificate,
                                     native_unix_s, &now, &allow_legacy)) {
        return NULL;
    }
    cella_status status =
        cella_attested_read(native_view(&certificate), allow_legacy != 0, now, &attested);
    if (status != CELLA_OK) {
        return native_raise(native_state_of(module), status, NULL, NULL);
    }
    return Py_BuildValue("(sy#y#y#)", cella_evidence_type_name(attested.type),
                         attested.evidence.data, (Py_ssize_t) attested.evidence.size, attested.report_data,
                         (Py_ssize_t) sizeof(attested.report_data),
                         attested.nonce.size == 0 ? (const void *) "" : attested.nonce.data,
                         (Py_ssize_t) attested.nonce.size);
}

/* What a certificate's evidence must be bound to; the nonce is in the claims, which the evidence's report data cover. */
static int read_certificate(const struct native_state *state, const Py_buffer *certificate, uint64_t now, int allow_legacy,
                            const Py_buffer *nonce, struct cella_attested *attested, struct cella_binding *out)
{
    cella_status status = cella_attested_read(native_view(certificate), allow_legacy != 0, now, attested);
    if (status != CELLA_OK) {
        (void) native_raise(state, status, NULL, NULL);
        return -1;
    }
    if (nonce->len > 0 && !cella_view_equal(native_view(nonce), attested->nonce)) {
        (void) native_raise(state, CELLA_BAD_EVIDENCE, NULL, "the certificate was made for another nonce, or for none");
        return -1;
    }
    *out = (struct cella_binding){
        .kind = CELLA_BINDING_CERTIFICATE,
        .nonce = native_view(nonce),
        .report_data = cella_view_of(attested->report_data, sizeof(attested->report_data)),
        .issued = attested->issued,
    };
    return 0;
}

static PyObject *evidence_appraise_certificate(PyObject *module, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "certificate", "policy", "now_unix_s", "endorsements", "nonce", "allow_legacy", NULL };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer certificate = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer policy_json = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer endorsements = { 0 };
    CELLA_CLEANUP(native_buffer_clear) Py_buffer nonce = { 0 };
    CELLA_CLEANUP(cella_attested_clear) struct cella_attested attested = { 0 };
    struct cella_binding binding;
    uint64_t now = 0;
    int allow_legacy = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "y*y*O&|$y*y*p:appraise_certificate", names, &certificate, &policy_json,
                                     native_unix_s, &now, &endorsements, &nonce, &allow_legacy)) {
        return NULL;
    }
    const struct native_state *state = native_state_of(module);
    if (read_certificate(state, &certificate, now, allow_legacy, &nonce, &attested, &binding) < 0) {
        return NULL;
    }
    struct cella_evidence evidence = { .type = attested.type, .content = attested.evidence };
    cella_status status = cella_endorsements_read(native_view(&endorsements), &evidence.endorsements);
    if (status != CELLA_OK) {
        return native_raise(state, status, "endorsements", NULL);
    }
    return appraise(state, &evidence, &binding, native_view(&policy_json), (uint64_t) now);
}

static const char *kind_name(enum cella_term_kind kind)
{
    switch (kind) {
    case CELLA_TERM_FLAG:
        return "flag";
    case CELLA_TERM_BYTES:
        return "bytes";
    case CELLA_TERM_EXCLUDED:
        return "excluded";
    case CELLA_TERM_TEXT:
        return "text";
    case CELLA_TERM_EVERY:
        return "every";
    case CELLA_TERM_NUMBER:
        return "number";
    case CELLA_TERM_MINIMUM:
        return "minimum";
    case CELLA_TERM_WITHIN:
        return "within";
    case CELLA_TERM_FLOORS:
        return "floors";
    case CELLA_TERM_SELECTION:
        return "selection";
    case CELLA_TERM_LAYERS:
        return "layers";
    case CELLA_TERM_ROOTS:
        return "roots";
    case CELLA_TERM_CHOICE:
        return "choice";
    case CELLA_TERM_EVENTS:
        return "events";
    }
    return "";
}

/* Names up to a NULL; nothing is no names. */
static PyObject *names_of(const char *const *names)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && names != NULL && names[i] != NULL; i++) {
        if (native_append(list, PyUnicode_FromString(names[i])) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *identities_of(const struct cella_back_end *back_end)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && back_end->identities[i] != NULL; i++) {
        if (native_append(list, names_of(back_end->identities[i])) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *terms_of(const struct cella_back_end *back_end)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < back_end->term_count; i++) {
        const struct cella_term *term = &back_end->terms[i];
        PyObject *item = Py_BuildValue("(sssiznNN)", term->name, term->claim, kind_name(term->kind), term->required ? 1 : 0,
                                       term->fallback, (Py_ssize_t) term->size, names_of(term->selectors),
                                       names_of(term->numbers));
        if (native_append(list, item) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *evidence_kind(PyObject *module, PyObject *arguments)
{
    const char *type = NULL;
    Py_ssize_t size = 0;
    if (!PyArg_ParseTuple(arguments, "s#:evidence_kind", &type, &size)) {
        return NULL;
    }
    const struct cella_back_end *back_end =
        cella_back_end_of(cella_evidence_type_of(cella_view_of(type, (size_t) size)));
    if (back_end == NULL) {
        return native_raise(native_state_of(module), CELLA_NOT_FOUND, "type", "there is no such kind of evidence");
    }
    PyObject *dict = PyDict_New();
    if (dict == NULL || native_put(dict, "title", PyUnicode_FromString(back_end->title)) < 0 ||
        native_put(dict, "hardware",
            back_end->hardware == NULL ? Py_NewRef(Py_None)
                                       : PyUnicode_FromString(cella_evidence_type_name(back_end->hardware->type))) < 0 ||
        native_put(dict, "measurement", back_end->measurement == NULL ? Py_NewRef(Py_None)
                                                               : PyUnicode_FromString(back_end->measurement)) < 0 ||
        native_put(dict, "measurement_size", PyLong_FromSize_t(back_end->measurement_size)) < 0 ||
        native_put(dict, "registers", names_of(back_end->registers)) < 0 ||
        native_put(dict, "identities", identities_of(back_end)) < 0 ||
        native_put(dict, "needs_registers", PyBool_FromLong(back_end->needs_registers ? 1 : 0)) < 0 || native_put(dict, "terms", terms_of(back_end)) < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

PyMethodDef native_evidence_methods[] = {
    { "evidence_kind", evidence_kind, METH_VARARGS,
      "evidence_kind(type)\n--\n\n"
      "What a trust file may say about evidence of a type: title, hardware, measurement, registers, the lists "
      "of registers of which a measurement names one, and its terms as (name, claim, kind, required, default as JSON or None, "
      "size of its bytes or 0, words, names of numbers)." },
    { "appraise_certificate", METHOD(evidence_appraise_certificate), METH_VARARGS | METH_KEYWORDS,
      "appraise_certificate(certificate, policy, now_unix_s, *, endorsements=b'', nonce=b'', allow_legacy=False)\n--\n\n"
      "Judge the evidence inside of an RA-TLS certificate (DER or PEM) and return the report as a dict." },
    { "evidence_in_certificate", METHOD(evidence_in_certificate), METH_VARARGS | METH_KEYWORDS,
      "evidence_in_certificate(certificate, now_unix_s, *, allow_legacy=False)\n--\n\n"
      "Type, evidence, the report data that it must be bound to, and the nonce of an RA-TLS certificate (DER or PEM)." },
    { "appraise", METHOD(evidence_appraise), METH_VARARGS | METH_KEYWORDS,
      "appraise(evidence, type, policy, now_unix_s, *, endorsements=b'', keys=b'', charter=b'', nonce=b'', "
      "report_data=b'', unbound=False)\n--\n\n"
      "Judge evidence by a policy (JSON bytes) and return the report as a dict.\n\n"
      "keys (64 bytes, of an executor) or report_data say what it must be bound to; unbound=True leaves that check out,\n"
      "and the report says so.\n\n"
      "Refused evidence is a report whose status is not 'OK', never an exception: look at it." },
    { "policy", evidence_policy, METH_VARARGS,
      "policy(json)\n--\n\nRead a policy strictly and return it as JSON bytes, with every default filled in." },
    { "report_data", evidence_report_data, METH_VARARGS,
      "report_data(keys, charter, nonce)\n--\n\nThe 64 bytes that bind evidence to keys, charter and nonce." },
    { "soft_evidence", METHOD(evidence_soft_make), METH_VARARGS | METH_KEYWORDS,
      "soft_evidence(root_seed, layers, measurement, report_data, issued_unix_s)\n--\n\n"
      "Make evidence of the soft platform with a software root of your own, for simulations and tests.\n\n"
      "It convinces nobody whose trust file does not name that root." },
    { NULL, NULL, 0, NULL },
};
