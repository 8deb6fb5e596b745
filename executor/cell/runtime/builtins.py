# SPDX-License-Identifier: Apache-2.0
"""Builtin functions: native code for what is slow or delicate in Python, by name and with checked arguments.

Every function of the executor's table is here under its name, with a signature and a docstring made from the table:

    common = cella.builtins.ordered_set_intersect(order="ascending", input_data1=mine, input_data2=theirs)
    common.returned, common.output_result1

Inputs are bytes-like objects or ``Input``; outputs come back as bytes. A function without outputs returns its result.
They exist in cells only.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from .files import Input

_TYPES = {"text": str, "integer": int, "real": float, "flag": bool, "input": bytes}
_READERS: dict[str, Callable[[str], Any]] = {
    "text": str, "integer": int, "real": float, "flag": lambda text: text == "true"}
_BAD_ARGUMENT = 211
_NO_MEMORY = 102

__all__: list[str] = []


class BuiltinError(ValueError):
    """A builtin function refused its input or an argument."""


def _document(about: str, returns: str, parameters: tuple) -> str:
    lines = [about, "", "Args:"]
    for name, kind, minimum, maximum, default, text in parameters:
        if kind == "output":
            continue
        bounds = f" From {minimum:g} to {maximum:g}." if kind in ("integer", "real") else ""
        lines.append(f"    {name} ({kind}): {text}.{bounds}" + (f" Default {default}." if default is not None else ""))
    outputs = [(name, text) for name, kind, _, _, _, text in parameters if kind == "output"]
    lines += ["", "Returns:"]
    if outputs:
        lines.append(f"    A namespace with ``returned``, {returns}, and as bytes:")
        lines += [f"    {name}: {text}" for name, text in outputs]
    else:
        lines.append(f"    {returns}")
    lines += ["", "Raises:", "    BuiltinError: an argument or an input is refused; the message names it."]
    return "\n".join(lines)


def _make(native: Any, name: str, about: str, returns: str, parameters: tuple) -> Callable[..., Any]:
    kinds = {row[0]: row[1] for row in parameters}

    def function(*args: Any, **kwargs: Any) -> Any:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise BuiltinError(f"{name}: {error}") from None
        plain = {key: value for key, value in given.items() if kinds[key] != "input"}
        inputs = {key: value.buffer() if isinstance(value, Input) else value
                  for key, value in given.items() if kinds[key] == "input"}
        outputs = dict.fromkeys(key for key, kind in kinds.items() if kind == "output")
        status, result, written = native.call(name, plain, inputs, outputs)
        text = result.decode("utf-8", "replace")
        if status == _NO_MEMORY:
            raise MemoryError(f"{name}: out of memory")
        if status != 0:
            raise BuiltinError(f"{name}: {text}")
        return SimpleNamespace(returned=text, **written) if outputs else text

    empty = inspect.Parameter.empty
    signature = inspect.Signature([
        inspect.Parameter(row[0], inspect.Parameter.KEYWORD_ONLY, annotation=_TYPES[row[1]],
                          default=empty if row[4] is None else _READERS[row[1]](row[4]))
        for row in parameters if row[1] != "output"])
    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = _document(about, returns, parameters)
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


def bind(native: Any) -> None:
    """Make the functions of the native module's table."""
    for name, _alias, _version, about, returns, parameters in native.builtins():
        globals()[name] = _make(native, name, about, returns, parameters)
        __all__.append(name)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise AttributeError(f"there is no builtin function {name!r} here; there are: {', '.join(__all__) or 'none'}")
