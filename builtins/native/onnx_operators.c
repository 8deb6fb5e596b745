/* SPDX-License-Identifier: Apache-2.0 */
#include "builtins/native/onnx_operators.h"

#define ML "ai.onnx.ml"
#define WINDOW "kernel_shape:I strides:I pads:I dilations:I auto_pad:s"
#define OLD "broadcast:i axis:i"
#define AXES "axes:I keepdims:i"
#define TREES \
    "nodes_treeids:I nodes_nodeids:I nodes_featureids:I nodes_values:F nodes_hitrates:F nodes_modes:S " \
    "nodes_truenodeids:I nodes_falsenodeids:I nodes_missing_value_tracks_true:I post_transform:s base_values:F "
#define UNARY(name, attributes) { "", name, 1, 1, 1, attributes, cella_onnx_run_unary }

/* Sorted as in the documentation: what images need, arithmetic, shapes, reductions, tables. */
static const struct cella_onnx_operator operators[] = {
    { "", "Conv", 2, 3, 1, WINDOW " group:i", cella_onnx_run_conv },
    { "", "MaxPool", 1, 1, 2, WINDOW " ceil_mode:i storage_order:i", cella_onnx_run_pool },
    { "", "AveragePool", 1, 1, 1, WINDOW " ceil_mode:i count_include_pad:i", cella_onnx_run_pool },
    { "", "GlobalAveragePool", 1, 1, 1, "", cella_onnx_run_global_pool },
    { "", "GlobalMaxPool", 1, 1, 1, "", cella_onnx_run_global_pool },
    { "", "BatchNormalization", 5, 5, 5, "epsilon:f momentum:f spatial:i is_test:i training_mode:i",
      cella_onnx_run_batch_normalization },
    { "", "InstanceNormalization", 3, 3, 1, "epsilon:f", cella_onnx_run_instance_normalization },
    { "", "LayerNormalization", 2, 3, 3, "axis:i epsilon:f stash_type:i", cella_onnx_run_layer_normalization },
    { "", "LpNormalization", 1, 1, 1, "axis:i p:i", cella_onnx_run_lp_normalization },
    { "", "LRN", 1, 1, 1, "alpha:f beta:f bias:f size:i", cella_onnx_run_lrn },
    { "", "Gemm", 2, 3, 1, "alpha:f beta:f transA:i transB:i broadcast:i", cella_onnx_run_gemm },
    { "", "MatMul", 2, 2, 1, "", cella_onnx_run_matmul },
    { "", "Softmax", 1, 1, 1, "axis:i", cella_onnx_run_softmax },
    { "", "LogSoftmax", 1, 1, 1, "axis:i", cella_onnx_run_softmax },
    { "", "Hardmax", 1, 1, 1, "axis:i", cella_onnx_run_softmax },
    { "", "Dropout", 1, 3, 2, "ratio:f is_test:i seed:i", cella_onnx_run_identity },
    { "", "DepthToSpace", 1, 1, 1, "blocksize:i mode:s", cella_onnx_run_blocks },
    { "", "SpaceToDepth", 1, 1, 1, "blocksize:i", cella_onnx_run_blocks },

    { "", "Add", 2, 2, 1, OLD, cella_onnx_run_binary },
    { "", "Sub", 2, 2, 1, OLD, cella_onnx_run_binary },
    { "", "Mul", 2, 2, 1, OLD, cella_onnx_run_binary },
    { "", "Div", 2, 2, 1, OLD, cella_onnx_run_binary },
    { "", "Mod", 2, 2, 1, "fmod:i", cella_onnx_run_binary },
    { "", "Pow", 2, 2, 1, OLD, cella_onnx_run_pow },
    { "", "PRelu", 2, 2, 1, "", cella_onnx_run_binary },
    { "", "Sum", 1, UINT16_MAX, 1, "", cella_onnx_run_variadic },
    { "", "Mean", 1, UINT16_MAX, 1, "", cella_onnx_run_variadic },
    { "", "Max", 1, UINT16_MAX, 1, "", cella_onnx_run_variadic },
    { "", "Min", 1, UINT16_MAX, 1, "", cella_onnx_run_variadic },
    { "", "Equal", 2, 2, 1, OLD, cella_onnx_run_binary },
    { "", "Less", 2, 2, 1, OLD, cella_onnx_run_binary },
    { "", "LessOrEqual", 2, 2, 1, "", cella_onnx_run_binary },
    { "", "Greater", 2, 2, 1, OLD, cella_onnx_run_binary },
    { "", "GreaterOrEqual", 2, 2, 1, "", cella_onnx_run_binary },
    { "", "And", 2, 2, 1, OLD, cella_onnx_run_binary },
    { "", "Or", 2, 2, 1, OLD, cella_onnx_run_binary },
    { "", "Xor", 2, 2, 1, OLD, cella_onnx_run_binary },
    { "", "Not", 1, 1, 1, "", cella_onnx_run_classify },
    { "", "IsNaN", 1, 1, 1, "", cella_onnx_run_classify },
    { "", "IsInf", 1, 1, 1, "detect_positive:i detect_negative:i", cella_onnx_run_classify },
    { "", "Where", 3, 3, 1, "", cella_onnx_run_where },
    { "", "Clip", 1, 3, 1, "min:f max:f", cella_onnx_run_clip },
    UNARY("Relu", ""), UNARY("LeakyRelu", "alpha:f"), UNARY("ThresholdedRelu", "alpha:f"), UNARY("Elu", "alpha:f"),
    UNARY("Selu", "alpha:f gamma:f"), UNARY("Celu", "alpha:f"), UNARY("HardSigmoid", "alpha:f beta:f"),
    UNARY("HardSwish", ""), UNARY("Sigmoid", ""), UNARY("Tanh", ""), UNARY("Softplus", ""), UNARY("Softsign", ""),
    UNARY("Exp", ""), UNARY("Log", ""), UNARY("Sqrt", ""), UNARY("Abs", ""), UNARY("Neg", ""), UNARY("Reciprocal", ""),
    UNARY("Floor", ""), UNARY("Ceil", ""), UNARY("Round", ""), UNARY("Sign", ""), UNARY("Erf", ""), UNARY("Sin", ""),
    UNARY("Cos", ""), UNARY("Tan", ""), UNARY("Asin", ""), UNARY("Acos", ""), UNARY("Atan", ""), UNARY("Sinh", ""),
    UNARY("Cosh", ""), UNARY("Asinh", ""), UNARY("Acosh", ""), UNARY("Atanh", ""), UNARY("Shrink", "bias:f lambd:f"),

    { "", "Cast", 1, 1, 1, "to:i", cella_onnx_run_cast },
    { "", "CastLike", 2, 2, 1, "", cella_onnx_run_cast },
    { "", "Shape", 1, 1, 1, "start:i end:i", cella_onnx_run_shape },
    { "", "Size", 1, 1, 1, "", cella_onnx_run_size },
    { "", "Reshape", 1, 2, 1, "shape:I allowzero:i", cella_onnx_run_reshape },
    { "", "Flatten", 1, 1, 1, "axis:i", cella_onnx_run_flatten },
    { "", "Squeeze", 1, 2, 1, "axes:I", cella_onnx_run_squeeze },
    { "", "Unsqueeze", 1, 2, 1, "axes:I", cella_onnx_run_unsqueeze },
    { "", "Identity", 1, 1, 1, "", cella_onnx_run_identity },
    { "", "Constant", 0, 0, 1, "value:t value_float:f value_floats:F value_int:i value_ints:I",
      cella_onnx_run_constant },
    { "", "ConstantOfShape", 1, 1, 1, "value:t", cella_onnx_run_constant_of_shape },
    { "", "Expand", 2, 2, 1, "", cella_onnx_run_expand },
    { "", "Range", 3, 3, 1, "", cella_onnx_run_range },
    { "", "Transpose", 1, 1, 1, "perm:I", cella_onnx_run_transpose },
    { "", "Concat", 1, UINT16_MAX, 1, "axis:i", cella_onnx_run_concat },
    { "", "Split", 1, 2, 64, "axis:i split:I", cella_onnx_run_split },
    { "", "Slice", 1, 5, 1, "starts:I ends:I axes:I", cella_onnx_run_slice },
    { "", "Gather", 2, 2, 1, "axis:i", cella_onnx_run_gather },
    { "", "Pad", 1, 3, 1, "mode:s pads:I paddings:I value:f", cella_onnx_run_pad },
    { "", "Tile", 2, 2, 1, "", cella_onnx_run_tile },

    { "", "ReduceSum", 1, 2, 1, AXES " noop_with_empty_axes:i", cella_onnx_run_reduce },
    { "", "ReduceMean", 1, 1, 1, AXES, cella_onnx_run_reduce },
    { "", "ReduceMax", 1, 1, 1, AXES, cella_onnx_run_reduce },
    { "", "ReduceMin", 1, 1, 1, AXES, cella_onnx_run_reduce },
    { "", "ReduceProd", 1, 1, 1, AXES, cella_onnx_run_reduce },
    { "", "ReduceL1", 1, 1, 1, AXES, cella_onnx_run_reduce },
    { "", "ReduceL2", 1, 1, 1, AXES, cella_onnx_run_reduce },
    { "", "ReduceSumSquare", 1, 1, 1, AXES, cella_onnx_run_reduce },
    { "", "ReduceLogSum", 1, 1, 1, AXES, cella_onnx_run_reduce },
    { "", "ReduceLogSumExp", 1, 1, 1, AXES, cella_onnx_run_reduce },
    { "", "ArgMax", 1, 1, 1, "axis:i keepdims:i select_last_index:i", cella_onnx_run_arg },
    { "", "ArgMin", 1, 1, 1, "axis:i keepdims:i select_last_index:i", cella_onnx_run_arg },
    { "", "TopK", 1, 2, 2, "axis:i k:i largest:i sorted:i", cella_onnx_run_top_k },

    { ML, "Binarizer", 1, 1, 1, "threshold:f", cella_onnx_run_unary },
    { ML, "Scaler", 1, 1, 1, "offset:F scale:F", cella_onnx_run_scaler },
    { ML, "Normalizer", 1, 1, 1, "norm:s", cella_onnx_run_normalizer },
    { ML, "Imputer", 1, 1, 1, "imputed_value_floats:F replaced_value_float:f", cella_onnx_run_imputer },
    { ML, "FeatureVectorizer", 1, UINT16_MAX, 1, "inputdimensions:I", cella_onnx_run_feature_vectorizer },
    { ML, "ArrayFeatureExtractor", 2, 2, 1, "", cella_onnx_run_array_feature_extractor },
    { ML, "LinearRegressor", 1, 1, 1, "coefficients:F intercepts:F post_transform:s targets:i",
      cella_onnx_run_linear_regressor },
    { ML, "LinearClassifier", 1, 1, 2,
      "coefficients:F intercepts:F post_transform:s multi_class:i classlabels_ints:I classlabels_strings:S",
      cella_onnx_run_linear_classifier },
    { ML, "TreeEnsembleRegressor", 1, 1, 1,
      TREES "aggregate_function:s n_targets:i target_ids:I target_nodeids:I target_treeids:I target_weights:F",
      cella_onnx_run_tree_regressor },
    { ML, "TreeEnsembleClassifier", 1, 1, 2,
      TREES "class_ids:I class_nodeids:I class_treeids:I class_weights:F classlabels_int64s:I classlabels_strings:S",
      cella_onnx_run_tree_classifier },
    { ML, "ZipMap", 1, 1, 1, "classlabels_int64s:I classlabels_strings:S", cella_onnx_run_zip_map },
};

const struct cella_onnx_operator *cella_onnx_operator_at(size_t index)
{
    return index < sizeof(operators) / sizeof(operators[0]) ? &operators[index] : NULL;
}

const struct cella_onnx_operator *cella_onnx_operator_find(struct cella_view domain, struct cella_view name)
{
    const struct cella_onnx_operator *operation;
    for (size_t i = 0; (operation = cella_onnx_operator_at(i)) != NULL; i++) {
        if (cella_view_is(name, operation->name) && cella_view_is(domain, operation->domain)) {
            return operation;
        }
    }
    return NULL;
}
