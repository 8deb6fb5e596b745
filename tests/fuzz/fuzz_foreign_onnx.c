/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "builtins/native/onnx_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Inputs of the shape that the file says, open dimensions as 2; none if that is much. */
static bool make_inputs(struct cella_onnx_session *session, struct cella_onnx_tensor *inputs)
{
    for (size_t i = 0; i < session->model.input_count; i++) {
        const struct cella_onnx_value_info *info = &session->model.inputs[i];
        size_t dims[CELLA_ONNX_RANK_MAX] = { 0 };
        size_t count = 1;
        for (size_t j = 0; j < info->rank; j++) {
            dims[j] = info->dims[j].open ? 2 : info->dims[j].size;
            if (dims[j] > 4096 || (count *= dims[j]) > 65536) {
                return false;
            }
        }
        if (info->type == CELLA_ONNX_NONE || info->type == CELLA_ONNX_STRING ||
            cella_onnx_tensor_make(&session->memory, info->type, info->rank, dims, &inputs[i]) != CELLA_OK) {
            return false;
        }
        memset(inputs[i].data, 1, inputs[i].count * cella_onnx_type_size(info->type));
    }
    return true;
}

/* A file: opened, run if it can be, and all memory comes back. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cella_builtin_call call = { .threads = 1 };
    struct cella_onnx_session session = { .memory.limit = 64U << 20, .work.limit = 1e9 }; /* so that each file takes not long */
    struct cella_onnx_tensor inputs[8] = { 0 };
    struct cella_onnx_tensor outputs[8] = { 0 };
    cella_status status = cella_onnx_session_open(&call, "model", cella_view_of(data, size), &session);
    if (status == CELLA_OK && session.model.input_count <= 8 && session.model.output_count <= 8 &&
        make_inputs(&session, inputs)) {
        status = cella_onnx_session_run(&session, inputs, outputs);
    }
    assert(status != CELLA_BUILTIN_FAILED || call.message[0] != '\0');
    assert(status == CELLA_OK || status == CELLA_BUILTIN_FAILED || status == CELLA_NO_MEMORY);
    for (size_t i = 0; i < 8; i++) {
        cella_onnx_tensor_release(&inputs[i]);
        cella_onnx_tensor_release(&outputs[i]);
    }
    cella_onnx_session_close(&session);
    return 0;
}
