# SPDX-License-Identifier: Apache-2.0
"""Writes ONNX files: graphs of tests and benchmarks, without the onnx package."""

from __future__ import annotations

import struct

import numpy

_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9, "float64": 11}


def varint(value: int) -> bytes:
    """A varint; negative numbers as protobuf writes them, in ten bytes."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number: int, value: int | float | bytes | str) -> bytes:
    """A field: whole numbers as varint, numbers as 4 bytes, the rest with its length."""
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name: str, array: numpy.ndarray) -> bytes:
    """A TensorProto with raw data."""
    array = numpy.ascontiguousarray(array)
    return (b"".join(field(1, size) for size in numpy.shape(array)) + field(2, _TYPES[array.dtype.name]) + field(8, name)
            + field(9, array.tobytes()))


def attribute(name: str, value: object) -> bytes:
    """An AttributeProto of the type that the value has."""
    out = field(1, name)
    if isinstance(value, numpy.ndarray):
        return out + field(5, tensor("", value)) + field(20, 4)
    if isinstance(value, float):
        return out + field(2, value) + field(20, 1)
    if isinstance(value, int):
        return out + field(3, value) + field(20, 2)
    if isinstance(value, str):
        return out + field(4, value) + field(20, 3)
    items = list(value)
    if items and isinstance(items[0], str):
        return out + b"".join(field(9, item) for item in items) + field(20, 8)
    if items and isinstance(items[0], float):
        return out + b"".join(field(7, item) for item in items) + field(20, 6)
    return out + b"".join(field(8, int(item)) for item in items) + field(20, 7)


def value_info(name: str, shape: list[int | str | None], dtype: str = "float32") -> bytes:
    """A ValueInfoProto; a text or None is a dimension that is open."""
    dims = b"".join(
        field(1, field(1, size) if isinstance(size, int) else field(2, size) if size else b"") for size in shape)
    return field(1, name) + field(2, field(1, field(1, _TYPES[dtype]) + field(2, dims)))


class Graph:
    """A graph that grows node by node.

    >>> graph = Graph()
    >>> graph.output(graph.node("Relu", graph.input("x", [None, 2])), [None, 2])
    >>> len(graph.model()) > 50
    True
    """

    def __init__(self) -> None:
        self.parts: dict[int, list[bytes]] = {1: [], 5: [], 11: [], 12: []}
        self.count = 0

    def input(self, name: str, shape: list, dtype: str = "float32") -> str:
        """Add an input; returns its name."""
        self.parts[11].append(value_info(name, shape, dtype))
        return name

    def output(self, name: str, shape: list, dtype: str = "float32") -> None:
        """Say that a value is an output."""
        self.parts[12].append(value_info(name, shape, dtype))

    def constant(self, array: numpy.ndarray, name: str = "") -> str:
        """Add an initializer; returns its name."""
        self.count += 1
        name = name or f"c{self.count}"
        self.parts[5].append(tensor(name, array))
        return name

    def node(self, operation: str, *inputs: str, outputs: int | list[str] = 1, domain: str = "", **attributes):
        """Add a node; returns the name of its output, or names if there are several."""
        self.count += 1
        names = outputs if isinstance(outputs, list) else [f"{operation}{self.count}_{i}" for i in range(outputs)]
        self.parts[1].append(b"".join(field(1, item) for item in inputs) + b"".join(field(2, item) for item in names)
                             + field(3, f"node{self.count}") + field(4, operation)
                             + b"".join(field(5, attribute(key, item)) for key, item in attributes.items())
                             + (field(7, domain) if domain else b""))
        return names[0] if len(names) == 1 else names

    def model(self, opset: int = 13, ml: int = 2) -> bytes:
        """The file."""
        graph = field(2, "graph") + b"".join(
            field(number, part) for number, parts in self.parts.items() for part in parts)
        return (field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, opset))
                + field(8, field(1, "ai.onnx.ml") + field(2, ml)))


def relu_conv(graph: Graph, rng, x: str, channels: int, outputs: int, kernel: int, stride: int = 1, group: int = 1,
              activation: str = "Relu") -> str:
    """Convolution, normalization and activation with random weights that keep the variance."""
    fan = channels // group * kernel * kernel
    x = graph.node("Conv", x, graph.constant(rng.normal(0, (2 / fan) ** 0.5, (outputs, channels // group, kernel, kernel))
                                             .astype("float32")),
                   kernel_shape=[kernel, kernel], strides=[stride, stride], pads=[kernel // 2] * 4, group=group)
    ones = numpy.ones(outputs, "float32")
    x = graph.node("BatchNormalization", x, graph.constant(ones * 0.9), graph.constant(ones * 0.1),
                   graph.constant(ones * 0.05), graph.constant(ones), epsilon=1e-5)
    if activation == "Relu":
        return graph.node("Relu", x)
    if activation == "Relu6":
        return graph.node("Clip", x, graph.constant(numpy.float32(0)), graph.constant(numpy.float32(6)))
    return x


def lenet(rng) -> bytes:
    """LeNet-5 on 28 x 28 pixels."""
    graph = Graph()
    x = graph.input("image", ["n", 1, 28, 28])
    for channels, outputs, pad in ((1, 6, 2), (6, 16, 0)):
        x = graph.node("Conv", x, graph.constant(rng.normal(0, 0.2, (outputs, channels, 5, 5)).astype("float32")),
                       graph.constant(rng.normal(0, 0.1, outputs).astype("float32")), kernel_shape=[5, 5], pads=[pad] * 4)
        x = graph.node("MaxPool", graph.node("Relu", x), kernel_shape=[2, 2], strides=[2, 2])
    x = graph.node("Flatten", x)
    for inputs, outputs in ((400, 120), (120, 84), (84, 10)):
        x = graph.node("Gemm", x, graph.constant(rng.normal(0, inputs ** -0.5, (outputs, inputs)).astype("float32")),
                       graph.constant(rng.normal(0, 0.1, outputs).astype("float32")),
                       outputs=["scores"] if outputs == 10 else 1, transB=1)
        x = graph.node("Relu", x) if outputs != 10 else x
    graph.output(x, ["n", 10])
    return graph.model()


def _head(graph: Graph, rng, x: str, channels: int) -> bytes:
    x = graph.node("Flatten", graph.node("GlobalAveragePool", x))
    x = graph.node("Gemm", x, graph.constant(rng.normal(0, channels ** -0.5, (1000, channels)).astype("float32")),
                   graph.constant(numpy.zeros(1000, "float32")), outputs=["scores"], transB=1)
    graph.output(x, ["n", 1000])
    return graph.model()


def resnet18(rng) -> bytes:
    """ResNet-18 on 224 x 224 pixels."""
    graph = Graph()
    x = relu_conv(graph, rng, graph.input("image", ["n", 3, 224, 224]), 3, 64, 7, 2)
    x = graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 64
    for outputs in (64, 128, 256, 512):
        for block in range(2):
            stride = 2 if block == 0 and outputs != 64 else 1
            y = relu_conv(graph, rng, x, channels, outputs, 3, stride)
            y = relu_conv(graph, rng, y, outputs, outputs, 3, activation="")
            side = x if stride == 1 else relu_conv(graph, rng, x, channels, outputs, 1, stride, activation="")
            x = graph.node("Relu", graph.node("Add", y, side))
            channels = outputs
    return _head(graph, rng, x, 512)


def mobilenet_v2(rng) -> bytes:
    """MobileNet v2 on 224 x 224 pixels."""
    graph = Graph()
    x = relu_conv(graph, rng, graph.input("image", ["n", 3, 224, 224]), 3, 32, 3, 2, activation="Relu6")
    channels = 32
    for widen, outputs, count, first_stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                                (6, 160, 3, 2), (6, 320, 1, 1)):
        for block in range(count):
            stride = first_stride if block == 0 else 1
            wide = channels * widen
            y = x if widen == 1 else relu_conv(graph, rng, x, channels, wide, 1, activation="Relu6")
            y = relu_conv(graph, rng, y, wide, wide, 3, stride, wide, activation="Relu6")
            y = relu_conv(graph, rng, y, wide, outputs, 1, activation="")
            x = graph.node("Add", x, y) if stride == 1 and channels == outputs else y
            channels = outputs
    return _head(graph, rng, relu_conv(graph, rng, x, 320, 1280, 1, activation="Relu6"), 1280)
