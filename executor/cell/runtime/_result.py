# SPDX-License-Identifier: Apache-2.0
"""The result of a function: a JSON value, checked so that an error says where it is not one."""

from __future__ import annotations

import json
import math
from typing import Any

from ._failure import Refused

_DEPTH_MAX = 100
_ENCODER = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def encode(value: Any, limit: int) -> str:
    """Return ``value`` as JSON text.

    Args:
        value: what the function returned.
        limit: most bytes of UTF-8.

    Raises:
        Refused: BAD_RESULT, it is not JSON; LIMIT_RESULT, it is too large.

    Example:
        >>> encode({"n": [1, 2.5, None]}, 100)
        '{"n":[1,2.5,null]}'
    """
    _Check(limit).visit(value, "result", 0)
    try:
        text = _ENCODER.encode(value)
        size = len(text.encode("utf-8"))
    except (TypeError, ValueError) as error:
        raise Refused("BAD_RESULT", f"the result is not JSON: {error}") from None
    if size > limit:
        raise _too_large(size, limit)
    return text


def _too_large(size: int, limit: int) -> Refused:
    return Refused("LIMIT_RESULT", f"the result has at least {size} bytes; its limit is {limit}")


class _Check:
    """Walks a value; counts at least as many bytes as its text will have without quotes and escapes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0

    def count(self, size: int) -> None:
        self.size += size
        if self.size > self.limit:
            raise _too_large(self.size, self.limit)

    def visit(self, value: Any, place: str, depth: int) -> None:
        if depth > _DEPTH_MAX:
            raise Refused("BAD_RESULT", f"the result is nested deeper than {_DEPTH_MAX}, or contains itself")
        if isinstance(value, str):
            self.count(len(value) + 2)
        elif value is None or isinstance(value, (bool, int)):
            self.count(1)
        elif isinstance(value, float):
            self.count(1)
            if not math.isfinite(value):
                raise Refused("BAD_RESULT", f"{place} is {value}, which is not JSON; return None instead")
        elif isinstance(value, dict):
            self.count(2)
            for key, inner in value.items():
                if not isinstance(key, str):
                    raise Refused("BAD_RESULT", f"{place} has the key {key!r}; keys of a JSON object are texts")
                self.count(len(key) + 3)
                self.visit(inner, f"{place}[{key!r}]", depth + 1)
        elif isinstance(value, (list, tuple)):
            self.count(2)
            for index, inner in enumerate(value):
                self.count(1)
                self.visit(inner, f"{place}[{index}]", depth + 1)
        else:
            kind = type(value)
            name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
            hint = {"numpy.ndarray": "; use .tolist(), or write an output"}.get(
                name, "; use .item()" if kind.__module__ == "numpy" else "")
            raise Refused("BAD_RESULT", f"{place} is a {name}, which is not JSON{hint}")
