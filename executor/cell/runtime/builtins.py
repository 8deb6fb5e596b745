# SPDX-License-Identifier: Apache-2.0
"""Builtin functions: native code for what is slow or delicate in Python, by name and with checked arguments.

Every function that this profile has is here under its name, with a signature and a docstring made from its table:

    common = cella.builtins.ordered_set_intersect(mine, theirs, order="ascending")
    common.returned, common.output_result1

Inputs come first, in the order of the signature, or by name. They are ``Input``, bytes-like objects, text, numpy arrays,
pandas tables, or lists of texts and numbers, which become lines; a list of lists becomes records of CSV. Arguments are given
by name. Outputs come back as bytes; a function without outputs returns its result. They run in cells only; elsewhere the
client's table gives signatures and documentation.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from ._forms import Refused, source_of
from ._profiles_of import PROFILES_OF

_TYPES: dict[str, Any] = {
    "text": str, "choice": str, "integer": int, "real": float, "flag": bool, "input": bytes, "inputs": bytes}
_READERS: dict[str, Callable[[str], Any]] = {
    "text": str, "choice": str, "integer": int, "real": float, "flag": lambda text: text == "true"}
_STATUSES_OF_MEMORY = (102, 512)  # NO_MEMORY, LIMIT_MEMORY
_DEPTH_MAX = 8
_running = threading.local()

__all__: list[str] = []


class BuiltinError(ValueError):
    """A builtin function refused its input or an argument."""


def _document(row: dict[str, Any]) -> str:
    """The docstring of a table's row."""
    lines = [row["documentation"], "", "Args:"]
    for parameter in row["parameters"]:
        kind, default = parameter["kind"], parameter["default"]
        if kind in ("output", "outputs"):
            continue
        text = f"    {parameter['name']} ({parameter['format'] or kind}): {parameter['documentation']}."
        if kind in ("integer", "real"):
            text += f" From {parameter['minimum']:g} to {parameter['maximum']:g}."
        if parameter["choices"]:
            text += f" One of {', '.join(parameter['choices'])}."
        if kind == "inputs":
            text += f" {parameter['minimum']:g} to {parameter['maximum']:g} of them."
        if default is not None:
            text += f" Default {default or 'empty'}."
        lines.append(text + (" Optional." if parameter["optional"] else ""))
    outputs = [parameter for parameter in row["parameters"] if parameter["kind"] in ("output", "outputs")]
    lines += ["", "Returns:"]
    if outputs:
        lines.append(f"    A namespace with ``returned``, {row['returns']}, and as bytes:")
        lines += [f"    {output['name']} ({output['format']}): {output['documentation']}"
                  + (", a list." if output["kind"] == "outputs" else ".") for output in outputs]
    else:
        lines.append(f"    {row['returns']}")
    lines += ["", "Raises:", "    BuiltinError: an argument or an input is refused; the message names it."]
    for title, text in (("Determinism", row["determinism"]), ("Limits", row["limits"]), ("Example", row["example"])):
        if text:
            lines += ["", f"{title}:", *(f"    {line}" for line in text.rstrip("\n").split("\n"))]
    return "\n".join(lines)


def _parameter(row: dict[str, Any]) -> inspect.Parameter:
    kind = row["kind"]
    annotation, default = _TYPES[kind], inspect.Parameter.empty
    if kind == "inputs":
        return inspect.Parameter(row["name"], inspect.Parameter.VAR_POSITIONAL, annotation=annotation)
    if kind == "input":
        return inspect.Parameter(row["name"], inspect.Parameter.POSITIONAL_OR_KEYWORD,
                                 annotation=annotation | None if row["optional"] else annotation,
                                 default=None if row["optional"] else default)
    if row["default"] is not None:
        default = _READERS[kind](row["default"])
    return inspect.Parameter(row["name"], inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _make_signature(row: dict[str, Any]) -> inspect.Signature:
    """Inputs first, required ones in front, then a group, then arguments."""
    def place(parameter: dict[str, Any]) -> tuple[bool, bool, bool]:
        return (parameter["kind"] not in ("input", "inputs"), parameter["kind"] == "inputs", parameter["optional"])

    given = [parameter for parameter in row["parameters"] if parameter["kind"] not in ("output", "outputs")]
    return inspect.Signature([_parameter(parameter) for parameter in sorted(given, key=place)])


def _argument(name: str, value: Any) -> Any:
    """A scalar of numpy is the number that it holds."""
    value = value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value
    try:
        if isinstance(value, str):
            value.encode()
    except UnicodeEncodeError:
        raise BuiltinError(f"argument '{name}' is a text that is not UTF-8") from None
    return value


def _form_of(parameter: dict[str, Any], given: dict[str, Any]) -> str:
    """The form of an input's data; where an argument chooses between two, the chosen one."""
    form = parameter["format"]
    if form == "lines or CSV":
        return "CSV" if given.get("form") == "csv" else "lines"
    return form or ""


def _source(parameter: dict[str, Any], name: str, value: Any, given: dict[str, Any], header: bool | None) -> Any:
    try:
        return source_of(value, _form_of(parameter, given), header)
    except Refused as error:
        raise BuiltinError(f"input '{name}' {error}") from None


def _members(parameter: dict[str, Any], given: dict[str, Any]) -> Sequence[Any]:
    values: Sequence[Any] = given.get(parameter["name"], ())
    if not parameter["minimum"] <= len(values) <= parameter["maximum"]:
        raise BuiltinError(f"there must be {parameter['minimum']:g} to {parameter['maximum']:g} inputs "
                           f"'{parameter['name']}', not {len(values)}")
    return values


def _sort_values(row: dict[str, Any], given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, None]]:
    """Arguments, inputs and outputs of a call, groups as their members."""
    plain: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    outputs: dict[str, None] = {}
    members = 1
    has_header = any(parameter["name"] == "header" for parameter in row["parameters"])
    header = bool(given.get("header", True)) if has_header else None
    for parameter in row["parameters"]:
        name, kind = parameter["name"], parameter["kind"]
        if kind == "inputs":
            values = _members(parameter, given)
            members = len(values)
            inputs |= {f"{name}{index}": _source(parameter, f"{name}{index}", value, given, header)
                       for index, value in enumerate(values)}
        elif kind == "input":
            inputs[name] = _source(parameter, name, given.get(name), given, header)
        elif kind == "output":
            outputs[name] = None
        elif kind == "outputs":
            outputs |= dict.fromkeys(f"{name}{index}" for index in range(members))
        elif name in given:
            plain[name] = _argument(name, given[name])
    return plain, inputs, outputs


def _gather(row: dict[str, Any], returned: Any, written: dict[str, bytes]) -> Any:
    """The namespace of a function with outputs, or its result."""
    fields: dict[str, Any] = {}
    for parameter in row["parameters"]:
        name = parameter["name"]
        if parameter["kind"] == "output":
            fields[name] = written[name]
        elif parameter["kind"] == "outputs":
            fields[name] = [written[f"{name}{index}"] for index in range(len(written)) if f"{name}{index}" in written]
    return SimpleNamespace(returned=returned, **fields) if fields else returned


@contextlib.contextmanager
def _one_deeper(name: str) -> Iterator[None]:
    """An input's ``readinto`` may call a builtin, but not without end: native functions need much of the stack."""
    depth = getattr(_running, "depth", 0)
    if depth == _DEPTH_MAX:
        raise RecursionError(f"{name}: {depth} builtin functions are waiting for each other's inputs")
    _running.depth = depth + 1
    try:
        yield
    finally:
        _running.depth = depth


def _make(native: Any, row: dict[str, Any]) -> Callable[..., Any]:
    name = row["name"]
    signature = _make_signature(row)

    def function(*args: Any, **kwargs: Any) -> Any:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise BuiltinError(f"{name}: {error}") from None
        try:
            plain, inputs, outputs = _sort_values(row, given)
        except BuiltinError as error:
            raise BuiltinError(f"{name}: {error}") from None
        with _one_deeper(name):
            status, is_json, result, written = native.call(name, plain, inputs, outputs, False)
        text = result.decode("utf-8", "replace")
        if status in _STATUSES_OF_MEMORY:
            raise MemoryError(f"{name}: {text or 'out of memory'}")
        if status != 0:
            raise BuiltinError(f"{name}: {text}")
        return _gather(row, json.loads(text) if is_json else text, written)

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = _document(row)
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


def bind(native: Any) -> None:
    """Make the functions of the native module's table."""
    for row in json.loads(native.builtins()):
        globals()[row["name"]] = _make(native, row)
        __all__.append(row["name"])


def missing(name: str) -> str:
    """What to say about a function that this profile does not have.

    >>> missing("rsa_sign")
    "this profile has no builtin function 'rsa_sign'; profiles native and science have it: ask for it with profile='native' (--profile)"
    """
    having = PROFILES_OF.get(name.replace("-", "_"))
    if having:
        have = f"profile {having[0]} has" if len(having) == 1 else f"profiles {' and '.join(having)} have"
        return f"this profile has no builtin function {name!r}; {have} it: ask for it with profile={having[0]!r} (--profile)"
    return f"there is no builtin function {name!r}; there are {', '.join(__all__)}"


def __dir__() -> list[str]:
    return ["BuiltinError", *__all__]


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    if not __all__:
        raise AttributeError(f"there is no builtin function {name!r} here: they exist in cells only")
    raise AttributeError(missing(name))
