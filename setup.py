# SPDX-License-Identifier: Apache-2.0
"""Builds the extension module: whole folders are its sources. Everything else is in pyproject.toml."""

from glob import glob

from setuptools import Extension, setup

VERSION = "0.1.0"
FOLDERS = ("executor/base", "executor/trust", "python/cella/_native")

native = Extension(
    "cella._native",
    sources=sorted(source for folder in FOLDERS for source in glob(f"{folder}/*.c")),
    depends=sorted(header for folder in FOLDERS for header in glob(f"{folder}/*.h")),
    include_dirs=["executor"],
    libraries=["ssl", "crypto", "jansson", "pthread"],
    define_macros=[
        ("Py_LIMITED_API", "0x030b0000"),
        ("_GNU_SOURCE", None),
        ("CELLA_VERSION", f'"{VERSION}"'),
    ],
    extra_compile_args=[
        "-std=gnu17",
        "-O2",
        "-Wall",
        "-Wextra",
        "-fvisibility=hidden",
        "-fstack-protector-strong",
        "-fno-strict-aliasing",
        "-include",
        "executor/base/banned.h",
    ],
    extra_link_args=["-Wl,-z,relro,-z,now,-z,noexecstack", "-Wl,--exclude-libs,ALL"],
    py_limited_api=True,
)

setup(
    version=VERSION,
    ext_modules=[native],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
