# SPDX-License-Identifier: Apache-2.0
"""Runs a model in ONNX Runtime, for builtin_onnx.py: through its C interface, whose table of functions has no header here.

    onnx_runtime.py LIBRARY MODEL INPUT.f32 THREADS SECONDS OUTPUT OUTPUTS DIMENSION...

prints milliseconds of each run, then the outputs of the first.
"""

from __future__ import annotations

import ctypes
import sys
import time

import numpy

API_VERSION = 20
CREATE_ENV, CREATE_SESSION, RUN, CREATE_OPTIONS, OPTIMIZE, THREADS, TENSOR, CPU_MEMORY = 3, 7, 9, 10, 23, 24, 49, 69
MESSAGE = 2


class Runtime:
    """The table of functions."""

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
        library.OrtGetApiBase.restype = ctypes.POINTER(ctypes.c_void_p)
        get = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)(library.OrtGetApiBase()[0])
        self.table = ctypes.cast(get(API_VERSION), ctypes.POINTER(ctypes.c_void_p))

    def call(self, index: int, *arguments) -> None:
        """Call function number index; raises what it says."""
        status = ctypes.CFUNCTYPE(ctypes.c_void_p)(self.table[index])(*arguments)
        if status:
            text = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)(self.table[MESSAGE])(status)
            raise RuntimeError(text.decode())

    def tensor(self, memory: ctypes.c_void_p, array: numpy.ndarray) -> ctypes.c_void_p:
        """A value over an array's own memory."""
        value = ctypes.c_void_p()
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        self.call(TENSOR, memory, ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes), shape,
                  ctypes.c_size_t(array.ndim), ctypes.c_int(1), ctypes.byref(value))
        return value


def main(library: str, model: str, numbers: str, threads: str, seconds: str, name: str, outputs: str, *dims: str) -> None:
    """Run for so long."""
    runtime = Runtime(library)
    env, options, session, memory = (ctypes.c_void_p() for _ in range(4))
    runtime.call(CREATE_ENV, ctypes.c_int(3), b"bench", ctypes.byref(env))
    runtime.call(CREATE_OPTIONS, ctypes.byref(options))
    runtime.call(THREADS, options, ctypes.c_int(int(threads)))
    runtime.call(OPTIMIZE, options, ctypes.c_int(99))
    runtime.call(CREATE_SESSION, env, model.encode(), options, ctypes.byref(session))
    runtime.call(CPU_MEMORY, ctypes.c_int(0), ctypes.c_int(0), ctypes.byref(memory))
    given = numpy.fromfile(numbers, "float32").reshape([int(size) for size in dims])
    result = numpy.zeros((given.shape[0], int(outputs)), "float32")
    inputs = (ctypes.c_void_p * 1)(runtime.tensor(memory, given))
    results = (ctypes.c_void_p * 1)(runtime.tensor(memory, result))
    arguments = (session, None, (ctypes.c_char_p * 1)(b"image"), inputs, ctypes.c_size_t(1),
                 (ctypes.c_char_p * 1)(name.encode()), ctypes.c_size_t(1), results)
    run = ctypes.CFUNCTYPE(ctypes.c_void_p)(runtime.table[RUN])
    runtime.call(RUN, *arguments)
    for value in result.ravel():
        print(f"value {value:.9g}")
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        start, worked = time.perf_counter(), time.process_time()
        run(*arguments)
        print(f"time {(time.perf_counter() - start) * 1e3:.6f} {(time.process_time() - worked) * 1e3:.6f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
