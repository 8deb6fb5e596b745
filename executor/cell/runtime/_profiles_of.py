# SPDX-License-Identifier: Apache-2.0
"""Builtin functions that not every profile has, for the message that one is not there. Written by ./run builtins."""

PROFILES_OF: dict[str, tuple[str, ...]] = {
    "classify_images": ("native", "science"),
    "gbdt_train": ("native", "science"),
    "builtin_gbdt_train": ("native", "science"),
    "online_decrypt": ("native", "science"),
    "builtin_online_decrypt": ("native", "science"),
    "onnx_predict": ("native", "science"),
    "principal_components_analysis": ("native", "science"),
    "builtin_principal_components_analysis": ("native", "science"),
    "rsa_sign": ("native", "science"),
    "builtin_rsa_sign": ("native", "science"),
}
