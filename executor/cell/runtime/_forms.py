# SPDX-License-Identifier: Apache-2.0
"""What scripts give to builtin functions, as the bytes of the form that the function reads.

Nothing is guessed that could change what is computed: an element that is no text or number, a line break in an element, or a
header that an array can not have is refused; a value that is missing becomes an empty field or line.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from .files import Input


class Refused(ValueError):
    """The input can not be given to the function; the text says why."""


def _text(value: Any) -> str:
    """An element as text; empty if it is missing."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str) and hasattr(value, "__iter__"):
        raise Refused(f"has an element that is no text or number but {type(value).__name__}")
    return str(value)


def _lines(values: Iterable[Any]) -> bytes:
    texts = [value if type(value) is str else _text(value) for value in values]
    lines = "".join(f"{text}\n" for text in texts)
    if lines.count("\n") != len(texts):
        number = next(number for number, text in enumerate(texts, 1) if "\n" in text)
        raise Refused(f"has a line break in element {number}")
    return lines.encode()


def _field(value: Any) -> str:
    text = _text(value)
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\r\n') else text


def _records(rows: Iterable[Iterable[Any]]) -> bytes:
    return "".join(",".join(map(_field, row)) + "\n" for row in rows).encode()


def _npy(value: Any) -> bytes:
    """An array as numpy's file format, its numbers of a type that the functions read."""
    import numpy

    if isinstance(value, numpy.ma.MaskedArray):  # saved as it is, it would lose its mask
        value = numpy.ma.filled(value.astype(float), numpy.nan)
    if value.dtype.hasobject or (value.dtype.kind == "f" and value.dtype.itemsize not in (4, 8)):
        try:
            value = value.astype(float)
        except (TypeError, ValueError) as error:
            raise Refused(f"is an array of objects that are not all numbers: {error}") from None
    file = io.BytesIO()
    numpy.save(file, numpy.ascontiguousarray(value), allow_pickle=False)
    return file.getvalue()


def _array(value: Any, form: str, header: bool | None) -> bytes:
    if ".npy" in form:
        return _npy(value)
    if value.ndim not in (1, 2):
        raise Refused(f"is an array of {value.ndim} dimensions, not one or two")
    if header and value.dtype.kind in "biufc":
        raise Refused("is an array of numbers, which has no header: say header=False, or give a table of pandas")
    if "CSV" not in form:
        return _lines(value.tolist() if value.ndim == 1 else _only_column(value.tolist()))
    return _records(value.tolist() if value.ndim == 2 else ([item] for item in value.tolist()))


def _only_column(rows: list[Any]) -> list[Any]:
    if any(len(row) != 1 for row in rows):
        raise Refused("has several columns, but the function reads lines: give one of them")
    return [row[0] for row in rows]


def _is_number(name: Any) -> bool:
    try:
        float(name)
    except (TypeError, ValueError):
        return False
    return True


def _table(value: Any, form: str, header: bool | None) -> bytes:
    """A table or column of pandas."""
    if "CSV" not in form:
        if getattr(value, "ndim", 2) == 2:
            raise Refused("is a table, but the function reads lines: give one column, table['name']")
        return _lines(None if gone else item for item, gone in zip(value.tolist(), value.isna(), strict=True))
    if getattr(value, "ndim", 2) == 1:
        value = value.to_frame()
    if header is None:
        # Functions on numbers take the first record for a header if nothing in it is a number; the others have none.
        header = ".npy" in form and not any(map(_is_number, value.columns))
    return value.to_csv(index=False, header=header).encode()  # type: ignore[no-any-return]


def _list(value: Any, form: str) -> bytes:
    rows = list(value)
    if rows and all(isinstance(row, (list, tuple)) for row in rows):
        return _records(rows) if "CSV" in form else _lines(_only_column(rows))
    return _lines(rows)


def _buffer(value: Any) -> memoryview:
    view = memoryview(value)
    if view.format not in ("B", "b", "c"):
        raise Refused(f"is a buffer of numbers of type '{view.format}', not of bytes: make it an array of numpy")
    return view.cast("B")


def source_of(value: Any, form: str, header: bool | None) -> Any:
    """What the native side takes as an input: a buffer, an object with ``readinto``, or None.

    Args:
        value: what the script gave.
        form: what the function reads: "CSV", "CSV or .npy", "lines" or another.
        header: whether CSV has a header; None: the function has no such argument.

    Raises:
        Refused: it can not be given to the function.
    """
    try:
        if value is None or isinstance(value, Input):
            return value
        if isinstance(value, str):
            return value.encode()
        if hasattr(value, "to_csv") or (hasattr(value, "isna") and hasattr(value, "to_frame")):
            return _table(value, form, header)
        if hasattr(value, "__array_interface__"):
            return _array(value, form, header)
        if isinstance(value, (list, tuple, set, frozenset)):
            return _list(value, form)
        return value if hasattr(value, "readinto") else _buffer(value)
    except UnicodeError:
        raise Refused("has a text that is not UTF-8") from None
    except TypeError:
        raise Refused(f"must be bytes, text, a file, an array or a table, not {type(value).__name__}") from None
