# SPDX-License-Identifier: Apache-2.0
"""The ONNX engine beside ONNX Runtime and OpenCV: LeNet, ResNet-18 and MobileNet v2 with random weights, one image at a time.

ONNX Runtime has no Debian package: its library is taken out of the npm package onnxruntime-node into a temporary folder, or
from where CELLA_ONNXRUNTIME says. OpenCV is measured where python3-opencv is installed.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

import numpy
from measure import Options, Row, Sample, interleave

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGE = "onnxruntime-node@1.20.1"
MEMBER = "package/bin/napi-v3/linux/x64/libonnxruntime.so.1"
MODELS = {"lenet": (1, 28, 28), "resnet18": (3, 224, 224), "mobilenet_v2": (3, 224, 224)}
GOAL = 0.5


def build_helper(options: Options) -> pathlib.Path:
    """Compile onnx_run.c with the build's libraries."""
    target = options.scratch / "onnx_run"
    libraries = [options.build / f"libcella_{name}.a" for name in ("foreign", "builtins", "base")]
    subprocess.run(["gcc", "-std=gnu17", "-O2", "-D_GNU_SOURCE", "-I", ROOT / "executor", "-I", ROOT, HERE / "onnx_run.c",
                    "-o", target, *libraries, "-lffi", "-lm", "-lpthread"], check=True)
    return target


def runtime_library(options: Options) -> pathlib.Path | None:
    """ONNX Runtime's library, or None and a word why not."""
    if "CELLA_ONNXRUNTIME" in os.environ:
        return pathlib.Path(os.environ["CELLA_ONNXRUNTIME"])
    if shutil.which("npm") is None:
        print("NOT MEASURED beside ONNX Runtime: there is no npm to fetch it with, and CELLA_ONNXRUNTIME is not set")
        return None
    done = subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=options.scratch, capture_output=True, text=True)
    packages = list(options.scratch.glob("onnxruntime-node-*.tgz"))
    if done.returncode != 0 or not packages:
        print(f"NOT MEASURED beside ONNX Runtime: npm pack {PACKAGE} failed: {done.stderr.strip()[-200:]}")
        return None
    target = options.scratch / "libonnxruntime.so.1"
    with tarfile.open(packages[0]) as archive:
        for member in archive:
            if member.isfile() and member.name.startswith(MEMBER):
                target.write_bytes(archive.extractfile(member).read())
                return target
    print(f"NOT MEASURED beside ONNX Runtime: {PACKAGE} has no {MEMBER}")
    return None


def read(command: list, column: int) -> tuple[float, numpy.ndarray]:
    """Run a runner: the median of its times, and the values."""
    done = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
    words = [line.split() for line in done.stdout.splitlines()]
    times = sorted(float(line[column]) for line in words if line[0] == "time")
    return times[len(times) // 2], numpy.array([float(line[1]) for line in words if line[0] == "value"])


def opencv(model: pathlib.Path, data: numpy.ndarray, threads: int, seconds: float) -> list:
    """The runner for OpenCV's dnn module."""
    code = (
        "import cv2, numpy, sys, time\n"
        "cv2.setNumThreads(int(sys.argv[3])); net = cv2.dnn.readNetFromONNX(sys.argv[1])\n"
        "data = numpy.fromfile(sys.argv[2], 'float32').reshape([int(x) for x in sys.argv[5:]])\n"
        "net.setInput(data); [print('value', x) for x in net.forward().ravel()]\n"
        "end = time.monotonic() + float(sys.argv[4])\n"
        "while time.monotonic() < end:\n"
        "    a, b = time.perf_counter(), time.process_time(); net.setInput(data); net.forward()\n"
        "    print('time', (time.perf_counter() - a) * 1e3, (time.process_time() - b) * 1e3)\n")
    return ["/usr/bin/python3", "-c", code, model, data, threads, seconds]


def has_opencv() -> bool:
    """Whether Debian's Python has cv2."""
    there = subprocess.run(["/usr/bin/python3", "-c", "import cv2.dnn"], capture_output=True).returncode == 0
    if not there:
        print("NOT MEASURED beside OpenCV: python3-opencv is not installed")
    return there


def measure(options: Options) -> list[Row]:
    """One thread by CPU time, which other programs do not disturb; two threads by the clock."""
    sys.path.insert(0, str(ROOT / "tests" / "python"))
    import onnx_writer

    helper, library, with_opencv = build_helper(options), runtime_library(options), has_opencv()
    seconds = 0.3 if options.quick else 1.0
    rows = []
    for name, shape in MODELS.items():
        generator = numpy.random.default_rng(1)
        model, numbers = options.scratch / f"{name}.onnx", options.scratch / f"{name}.f32"
        model.write_bytes(getattr(onnx_writer, name)(generator))
        generator.normal(0, 1, (1, *shape)).astype("float32").tofile(numbers)
        for threads in (1, 2):
            column = 2 if threads == 1 else 1
            what = f"{name}, one image, {'one thread, CPU time' if threads == 1 else 'two threads'}"
            dims = [1, *shape]
            commands = {"": [helper, model, numbers, threads, seconds, *dims]}
            if library is not None:
                commands["ONNX Runtime 1.20.1"] = [
                    "/usr/bin/python3", HERE / "onnx_runtime.py", library, model, numbers, threads, seconds, "scores",
                    10 if name == "lenet" else 1000, *dims]
            if with_opencv:
                commands["OpenCV dnn"] = [*opencv(model, numbers, threads, seconds), *dims]
            values = [read(command, column)[1] for command in commands.values()]
            for peer, other in zip(commands, values):
                assert numpy.allclose(values[0], other, rtol=1e-3, atol=1e-3), f"{name}: {peer} computes something else"
            found = interleave(options.count(9), *[lambda c=command: read(c, column)[0] for command in commands.values()])
            if len(found) == 1:
                rows.append(Row("builtin_onnx", what, "ms", Sample.of(found[0])))
            for peer, other in list(zip(commands, found))[1:]:
                rows.append(Row("builtin_onnx", what, "ms", Sample.of(found[0]), peer, Sample.of(other),
                                GOAL if peer.startswith("ONNX") else None))
    return rows
