/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/builtin.h"

/*
 * The builtins that need libraries of others: together they are cella-native.so, which exports this table and nothing else.
 */

extern const struct cella_builtin cella_builtin_classify_images;
extern const struct cella_builtin cella_builtin_gbdt_train;
extern const struct cella_builtin cella_builtin_online_decrypt;
extern const struct cella_builtin cella_builtin_onnx_predict;
extern const struct cella_builtin cella_builtin_principal_components_analysis;
extern const struct cella_builtin cella_builtin_rsa_sign;

static const struct cella_builtin *const all[] = {
    &cella_builtin_classify_images,
    &cella_builtin_gbdt_train,
    &cella_builtin_online_decrypt,
    &cella_builtin_onnx_predict,
    &cella_builtin_principal_components_analysis,
    &cella_builtin_rsa_sign,
    NULL,
};

extern const struct cella_builtin_module cella_builtin_module;
__attribute__((visibility("default"))) const struct cella_builtin_module cella_builtin_module = {
    .description_size = sizeof(struct cella_builtin),
    .all = all,
};
