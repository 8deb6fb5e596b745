/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/tpm_device.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "platform/back_end.h"

#define MAGIC 0x43454c4c4154504dULL
#define HEADER_SIZE 10U /* of a response: tag, size, code */
#define ANSWER_MAX 4096U

/* ---- transport ---- */

struct transport {
    TSS2_TCTI_CONTEXT_COMMON_V1 common;
    int descriptor;
    int wait_ms;
    uint8_t answer[ANSWER_MAX];
    size_t size; /* bytes of the answer that are there */
};

static struct transport *transport_of(TSS2_TCTI_CONTEXT *context)
{
    return (struct transport *) (void *) context;
}

static TSS2_RC transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command)
{
    struct transport *transport = transport_of(context);
    transport->size = 0;
    ssize_t written = write(transport->descriptor, command, size); /* the driver takes a command whole */
    return written >= 0 && (size_t) written == size ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_IO_ERROR;
}

/* What the answer's header says is its size; the header's own until that is there. */
static size_t wanted(const struct transport *transport)
{
    const uint8_t *bytes = transport->answer;
    if (transport->size < HEADER_SIZE) {
        return HEADER_SIZE;
    }
    return (size_t) bytes[2] << 24 | (size_t) bytes[3] << 16 | (size_t) bytes[4] << 8 | (size_t) bytes[5];
}

static uint64_t now_ms(void)
{
    struct timespec now;
    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000U + (uint64_t) now.tv_nsec / 1000000U;
}

/* However many pieces it comes in, it is there by then. */
static TSS2_RC read_answer(struct transport *transport)
{
    uint64_t end_ms = now_ms() + (uint64_t) transport->wait_ms;
    while (transport->size < wanted(transport)) {
        struct pollfd ready = { transport->descriptor, POLLIN, 0 };
        uint64_t now = now_ms();
        int count = now >= end_ms ? 0 : poll(&ready, 1, (int) (end_ms - now));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        ssize_t size = count <= 0 ? -1
                                  : read(transport->descriptor, transport->answer + transport->size,
                                         ANSWER_MAX - transport->size);
        if (size <= 0 || wanted(transport) > ANSWER_MAX) {
            return TSS2_TCTI_RC_IO_ERROR;
        }
        transport->size += (size_t) size;
    }
    return wanted(transport) == transport->size ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_MALFORMED_RESPONSE;
}

static TSS2_RC receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response, int32_t timeout)
{
    struct transport *transport = transport_of(context);
    (void) timeout; /* ours is shorter than for ever, which is what the library asks for */
    TSS2_RC result = transport->size == 0 ? read_answer(transport) : TSS2_RC_SUCCESS;
    if (result != TSS2_RC_SUCCESS) {
        transport->size = 0;
        return result;
    }
    if (response != NULL && *size < transport->size) {
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    }
    *size = transport->size;
    if (response != NULL) {
        memcpy(response, transport->answer, transport->size);
        cella_wipe(transport->answer, transport->size);
        transport->size = 0;
    }
    return TSS2_RC_SUCCESS;
}

static void finalize(TSS2_TCTI_CONTEXT *context)
{
    (void) close(transport_of(context)->descriptor);
}

static TSS2_RC cancel(TSS2_TCTI_CONTEXT *context)
{
    (void) context;
    return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC set_locality(TSS2_TCTI_CONTEXT *context, uint8_t locality)
{
    (void) context;
    (void) locality;
    return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC poll_handles(TSS2_TCTI_CONTEXT *context, TSS2_TCTI_POLL_HANDLE *handles, size_t *count)
{
    (void) context;
    (void) handles;
    (void) count;
    return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

/* ---- connection ---- */

cella_status cella_tpm_open(const struct cella_platform_setup *setup, struct cella_text *trouble, struct cella_tpm *out)
{
    char path[CELLA_PLATFORM_PATH_MAX];
    *out = (struct cella_tpm){ .trouble = trouble };
    CELLA_TRY(cella_platform_path(setup, CELLA_TPM_DEVICE, path));
    struct transport *transport = calloc(1, sizeof(*transport));
    if (transport == NULL) {
        return CELLA_NO_MEMORY;
    }
    transport->common = (TSS2_TCTI_CONTEXT_COMMON_V1){
        .magic = MAGIC, .version = 1, .transmit = transmit, .receive = receive, .finalize = finalize,
        .cancel = cancel, .getPollHandles = poll_handles, .setLocality = set_locality,
    };
    transport->wait_ms = setup->tpm_wait_ms > 0 ? setup->tpm_wait_ms : CELLA_TPM_WAIT_MS;
    transport->descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (transport->descriptor < 0) {
        cella_text_set(trouble, "%s can not be opened: %s", path, strerror(errno));
        free(transport);
        return CELLA_SYSTEM_FAILED;
    }
    out->transport = transport;
    TSS2_RC response = Esys_Initialize(&out->esys, (TSS2_TCTI_CONTEXT *) (void *) transport, NULL);
    cella_status status = cella_tpm_result(out, response, "starting");
    if (status != CELLA_OK) {
        cella_tpm_close(out);
    }
    return status;
}

void cella_tpm_close(struct cella_tpm *tpm)
{
    Esys_Finalize(&tpm->esys);
    if (tpm->transport != NULL) {
        finalize(tpm->transport);
        cella_wipe(tpm->transport, sizeof(struct transport));
        free(tpm->transport);
    }
    *tpm = (struct cella_tpm){ 0 };
}

/* ---- what responses mean ---- */

/* Of a response that names a parameter, handle or session: the error without the number of it. */
static TSS2_RC without_place(TSS2_RC response)
{
    return (response & TPM2_RC_FMT1) != 0 ? response & (TPM2_RC_FMT1 | 0x3fU) : response;
}

static const struct {
    TSS2_RC response;
    const char *sentence;
} meanings[] = {
    { TPM2_RC_LOCKOUT, "it is locked after too many wrong passwords: wait, or clear the lockout (tpm2_dictionarylockout -c)" },
    { TPM2_RC_FAILURE, "it is in failure mode: switch the machine off and on" },
    { TPM2_RC_INITIALIZE, "it was not started: the firmware has to do that" },
    { TPM2_RC_RETRY, "it is busy for too long" },
    { TPM2_RC_OBJECT_MEMORY, "it has no room for another key: something holds all of it" },
    { TPM2_RC_SESSION_MEMORY, "it has no room for another session: something holds all of it" },
    { TPM2_RC_BAD_AUTH, "a hierarchy of it has a password: Cella uses the endorsement and the owner hierarchy without one" },
    { TPM2_RC_AUTH_FAIL, "a hierarchy of it has a password: Cella uses the endorsement and the owner hierarchy without one" },
    { TPM2_RC_HIERARCHY, "a hierarchy of it is switched off: allow endorsement and owner in the firmware's settings" },
    { TPM2_RC_POLICY_FAIL, "its registers are not as they were" },
    { TPM2_RC_INTEGRITY, "these bytes are not from this TPM, or were changed" },
    { TPM2_RC_COMMAND_CODE, "it does not know this command" },
};

bool cella_tpm_refused(TSS2_RC response)
{
    if ((response & TSS2_RC_LAYER_MASK) != 0) {
        return response != TSS2_TCTI_RC_IO_ERROR && (response & TSS2_RC_LAYER_MASK) == TSS2_MU_RC_LAYER;
    }
    TSS2_RC error = without_place(response);
    return (response & TPM2_RC_FMT1) != 0 && error != TPM2_RC_BAD_AUTH && error != TPM2_RC_AUTH_FAIL &&
           error != TPM2_RC_HIERARCHY;
}

cella_status cella_tpm_result(struct cella_tpm *tpm, TSS2_RC response, const char *what)
{
    if (response == TSS2_RC_SUCCESS) {
        return CELLA_OK;
    }
    const char *sentence = NULL;
    TSS2_RC error = without_place(response);
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if ((response & TSS2_RC_LAYER_MASK) == 0 && meanings[i].response == error) {
            sentence = meanings[i].sentence;
        }
    }
    if ((response & TSS2_RC_LAYER_MASK) == TSS2_TCTI_RC_LAYER) {
        sentence = "it does not answer: it was taken away, or hangs";
    }
    cella_text_set(tpm->trouble, "the TPM: %s: %s (0x%08x)", what, sentence == NULL ? "it refused" : sentence,
                   (unsigned int) response);
    return CELLA_SYSTEM_FAILED;
}

void cella_tpm_flush(struct cella_tpm *tpm, ESYS_TR handle)
{
    if (tpm->esys != NULL && handle != ESYS_TR_NONE && handle != 0) {
        (void) Esys_FlushContext(tpm->esys, handle);
    }
}

void cella_tpm_free(void *pointer_to_pointer)
{
    void *pointer;
    memcpy(&pointer, pointer_to_pointer, sizeof(pointer));
    Esys_Free(pointer);
}
