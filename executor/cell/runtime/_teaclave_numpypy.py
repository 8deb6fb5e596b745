# SPDX-License-Identifier: Apache-2.0
"""``_numpypy`` of Teaclave's form: PyPy's small numpy as a thin layer over numpy.

Sums and products of matrices are added up one after the other in ascending order of the index, each multiplication and
each addition rounded for itself: what the textbook's loop gives, bit for bit, on every machine and with any number of
threads. numpy's own ``dot`` and ``sum`` promise neither. Everything else is numpy's element by element.
"""

from __future__ import annotations

from typing import Any

import numpy

_KINDS = "biuf"


class ndarray(numpy.ndarray):  # noqa: N801 - the name that payloads see
    """An array of numbers with PyPy's texts, and a fixed order of summation."""

    def __str__(self) -> str:
        return "[" + " ".join(map(_number, self.ravel().tolist())) + "]"

    def __repr__(self) -> str:
        return "array([" + ", ".join(map(_number, self.ravel().tolist())) + "])"

    def dot(self, other: Any) -> Any:  # type: ignore[override]
        """Return the product with a vector or matrix."""
        return dot(self, other)

    def sum(self, axis: int | None = None) -> Any:  # type: ignore[override]
        """Return the sum of all elements, or along an axis."""
        values = self.ravel() if axis is None else self
        axis = 0 if axis is None else axis
        if values.shape[axis] == 0:
            return numpy.add.reduce(values, axis=axis)
        return numpy.add.accumulate(values, axis=axis).take(-1, axis=axis)


def _number(value: Any) -> str:
    """Return a number as Python 2 wrote it: 12 significant digits, and a float with a decimal."""
    if not isinstance(value, float):
        return str(value)
    digits = f"{value:.12g}"
    return digits + ".0" if digits.lstrip("-").isdigit() else digits


def _give(values: Any) -> ndarray:
    """Return a numpy array as one of ours; refuse what is not numbers."""
    found = numpy.asarray(values)
    if found.dtype.kind not in _KINDS:
        raise TypeError(f"an array holds numbers, not {found.dtype.name}")
    return found.view(ndarray)


def array(values: Any, dtype: Any = "float64") -> ndarray:
    """Return a new array of numbers or numeric strings in nested lists."""
    if dtype is None or numpy.dtype(dtype).kind not in _KINDS:
        raise TypeError(f"an array holds numbers, not {dtype}")
    return _give(numpy.array(values, dtype=dtype))


def zeros(shape: Any, dtype: Any = "float64") -> ndarray:
    """Return an array of zeros; ``empty`` is the same, so that no run depends on what memory held."""
    return _give(numpy.zeros(shape, dtype=dtype))


def frombuffer(data: Any, dtype: Any = "float64") -> ndarray:
    """Return a vector of the numbers in a byte string, little-endian.

    Raises:
        ValueError: its length is not a multiple of a number's.
    """
    raw = data.encode("latin-1") if isinstance(data, str) else data
    kind = numpy.dtype(dtype).newbyteorder("<")
    if kind.kind not in _KINDS:
        raise TypeError(f"an array holds numbers, not {dtype}")
    return _give(numpy.frombuffer(raw, kind).copy() if len(raw) else numpy.zeros(0, kind))


def arange(*bounds: Any) -> ndarray:
    """Return evenly spaced numbers: ``arange([start,] stop[, step])``."""
    return _give(numpy.arange(*bounds))


def concatenate(parts: Any, axis: int = 0) -> ndarray:
    """Return arrays one after the other."""
    return _give(numpy.concatenate(parts, axis=axis))


def where(condition: Any, *choices: Any) -> Any:
    """Return elements of the first choice where the condition holds, else of the second; without choices, where."""
    found = numpy.where(condition, *choices)
    return tuple(map(_give, found)) if isinstance(found, tuple) else _give(found)


def dot(left: Any, right: Any) -> Any:
    """Return the product of vectors and matrices, added up in ascending order of the common index.

    Raises:
        ValueError: the shapes do not fit, or there are more than two dimensions.
    """
    a, b = _plain(left), _plain(right)
    if a.ndim == 0 or b.ndim == 0:
        return _give(a * b) if a.ndim or b.ndim else a * b
    if a.ndim > 2 or b.ndim > 2 or a.shape[-1] != b.shape[0]:
        raise ValueError(f"objects of shapes {a.shape} and {b.shape} are not aligned")
    product = _product(a if a.ndim == 2 else a[numpy.newaxis], b if b.ndim == 2 else b[:, numpy.newaxis])
    shape = a.shape[:-1] + b.shape[1:]
    return _give(product.reshape(shape)) if shape else product[0, 0]


def _plain(values: Any) -> Any:
    return _give(values).view(numpy.ndarray)


def _product(a: Any, b: Any) -> Any:
    """Return a matrix product; of two ways to the same bits, the one with fewer steps in Python."""
    rows, common, columns = a.shape[0], a.shape[1], b.shape[1]
    total = numpy.zeros((rows, columns), numpy.result_type(a, b))
    if common == 0:
        return total
    if common <= rows * columns:
        total[:] = numpy.multiply.outer(a[:, 0], b[0])
        for k in range(1, common):
            total += numpy.multiply.outer(a[:, k], b[k])
        return total
    for row in range(rows):
        for column in range(columns):
            total[row, column] = numpy.add.accumulate(a[row] * b[:, column])[-1]
    return total


def _each(function: Any) -> Any:
    """Make numpy's function over elements return our arrays, also for lists."""

    def call(*values: Any) -> Any:
        found = function(*values)
        return _give(found) if isinstance(found, numpy.ndarray) else found

    return call


MULTIARRAY = {
    "ndarray": ndarray, "array": array, "zeros": zeros, "empty": zeros, "frombuffer": frombuffer, "arange": arange,
    "concatenate": concatenate, "dot": dot, "where": where, "count_nonzero": numpy.count_nonzero,
}
"""Names of ``_numpypy.multiarray``."""

UMATH = {name: _each(getattr(numpy, name)) for name in (
    "absolute", "add", "arccos", "arcsin", "arctan", "arctan2", "ceil", "cos", "cosh", "divide", "equal", "exp", "exp2",
    "expm1", "fabs", "floor", "fmod", "greater", "greater_equal", "isfinite", "isinf", "isnan", "less", "less_equal",
    "log", "log10", "log1p", "log2", "logical_and", "logical_not", "logical_or", "maximum", "minimum", "multiply",
    "negative", "not_equal", "power", "rint", "sign", "sin", "sinh", "sqrt", "square", "subtract", "tan", "tanh",
)}
"""Names of ``_numpypy.umath``: element by element, over arrays and numbers."""
