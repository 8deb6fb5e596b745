/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_kernel.h"

extern const struct cella_onnx_kernel cella_onnx_kernel_portable;
#if defined(__x86_64__)
extern const struct cella_onnx_kernel cella_onnx_kernel_avx2;
extern const struct cella_onnx_kernel cella_onnx_kernel_avx512;
#endif

const struct cella_onnx_kernel *cella_onnx_kernel_at(size_t index)
{
    const struct cella_onnx_kernel *known[3] = { &cella_onnx_kernel_portable, NULL, NULL };
    size_t count = 1;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        known[count++] = &cella_onnx_kernel_avx2;
    }
    if (__builtin_cpu_supports("avx512f")) {
        known[count++] = &cella_onnx_kernel_avx512;
    }
#endif
    return index < count ? known[index] : NULL;
}

const struct cella_onnx_kernel *cella_onnx_kernel_best(void)
{
    size_t index = 0;
    while (cella_onnx_kernel_at(index + 1) != NULL) {
        index++;
    }
    return cella_onnx_kernel_at(index);
}

size_t cella_onnx_panel_rows(const struct cella_onnx_kernel *kernel, size_t rows)
{
    size_t next = 1;
    while (next < rows && next < kernel->rows) {
        next = next * 2 > kernel->rows ? kernel->rows : next * 2;
    }
    return next < rows ? kernel->rows : next;
}
