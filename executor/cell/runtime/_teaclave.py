# SPDX-License-Identifier: Apache-2.0
"""Teaclave's form of a script: ``entrypoint(argv)``, written for Python 2.7 in a syntax that Python 3 reads too.

Byte strings are texts of the characters 0 to 255, everywhere: in the source, in arguments, files, modules and the
result. What a script of this form finds differs from what the rest of the process has, so it gets built-in names and an
import of its own (docs/teaclave.md); nothing of the interpreter is changed.
"""

from __future__ import annotations

import ast
import builtins
import json
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

from . import _teaclave_modules as modules
from . import _teaclave_syntax as syntax
from ._failure import SCRIPT, Refused
from ._teaclave_files import Files
from .files import Input, Output, OutputLimitError

ENTRY = "entrypoint"
# What a parsed script calls; not identifiers, so that no name of the script is in their way.
_CAUGHT = ".caught"
_WITH_MESSAGE = ".with message"
_OF_BYTES = ".of bytes"
# Methods that go by what a character is. A byte above 127 is no letter and no blank, whatever Latin-1 has there.
_BYTE_METHODS = frozenset({
    "capitalize", "isalnum", "isalpha", "isdigit", "islower", "isspace", "istitle", "isupper", "lower", "lstrip", "rsplit",
    "rstrip", "split", "splitlines", "strip", "swapcase", "title", "upper",
})


def parse(source: bytes) -> ast.Module | None:
    """Return a script of Teaclave's form, ready to be compiled, or None when it is not of this form.

    The form: a function ``entrypoint`` at top level with a single parameter. Literals become byte strings, methods of
    texts judge bytes, ``x.message`` works on every exception, a bare ``except:`` lets the signals that end a task pass.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: as compile does; also for the print statement.
    """
    if not any(isinstance(node, ast.FunctionDef) and is_entry(node) for node in ast.parse(source, SCRIPT).body):
        return None
    tree = ast.parse(source.removeprefix(b"\xef\xbb\xbf").decode("latin-1"), SCRIPT)  # each byte is a character
    syntax.refuse(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
            node.value = modules.text(node.value)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            if node.attr == "message":
                node.value = _call(_WITH_MESSAGE, [node.value], node.value)
            elif node.attr in _BYTE_METHODS:
                node.value = _call(_OF_BYTES, [node.value], node.value)
        elif isinstance(node, ast.ExceptHandler) and node.type is None:
            node.body.insert(0, ast.copy_location(ast.Expr(_call(_CAUGHT, [], node)), node))
    return tree


def is_entry(function: ast.FunctionDef) -> bool:
    """Whether a function is an entry point of Teaclave's form.

    Example:
        >>> [is_entry(ast.parse(text).body[0]) for text in ("def entrypoint(argv): 0", "def entrypoint(a, b): 0")]
        [True, False]
    """
    given = function.args
    return (function.name == ENTRY and len(given.posonlyargs) + len(given.args) == 1 and not given.kwonlyargs
            and not given.defaults)


def _call(name: str, arguments: list[ast.expr], place: ast.AST) -> ast.Call:
    function = ast.copy_location(ast.Name(name, ast.Load()), place)
    return ast.copy_location(ast.Call(function, arguments, []), place)


def flatten(arguments: Mapping[str, Any]) -> list[str]:
    """Return key, value, key, value ... in ascending byte order of the keys.

    Texts stay as they are, other values become compact JSON text; all as Latin-1 characters of their UTF-8 bytes.

    Raises:
        Refused: BAD_ARGUMENT, a key or value has a NUL byte, or is not Unicode, or not finite.

    Example:
        >>> flatten({"b": 0.5, "a": "x", "c": [1, None]})
        ['a', 'x', 'b', '0.5', 'c', '[1,null]']
    """
    flat: dict[bytes, bytes] = {}
    for key, value in arguments.items():
        try:
            text = value if isinstance(value, str) else _compact(value)
            flat[key.encode("utf-8")] = text.encode("utf-8")
        except ValueError as error:  # half of a surrogate pair, or 1e999
            raise Refused("BAD_ARGUMENT", f"argument {key!r} can not be told as a text: {error}") from None
        if "\0" in text or "\0" in key:
            raise Refused("BAD_ARGUMENT", f"argument {key!r} has a NUL byte")
    return [modules.text(part) for key in sorted(flat) for part in (key, flat[key])]


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def call(function: Callable[[list[str]], Any], arguments: Mapping[str, Any]) -> str:
    """Call ``entrypoint`` and return its result as text.

    Raises:
        Refused: BAD_RESULT, it returned neither a byte string of UTF-8 nor None; BAD_ARGUMENT, see flatten.
    """
    value = function(flatten(arguments))
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Refused("BAD_RESULT", f"entrypoint returned a {type(value).__name__}; Teaclave's form returns a text")
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("BAD_RESULT", "entrypoint returned bytes that are not UTF-8") from None
    except UnicodeEncodeError:
        raise Refused("BAD_RESULT", "entrypoint returned a text with characters above 255, which is no byte string; "
                                    "encode it: text.encode('utf-8').decode('latin-1')") from None


class Surroundings:
    """What a script of this form finds: its built-in names, ``import``, and the task's files.

    Args:
        inputs: by name; ``None`` for an optional one that was not assigned.
        outputs: by name.
    """

    def __init__(self, inputs: Mapping[str, Input | None], outputs: Mapping[str, Output]) -> None:
        self._open = Files(inputs, outputs).open
        self._made: dict[str, types.ModuleType] = {}

    def builtins(self) -> dict[str, Any]:
        """Return the built-in names, for ``__builtins__`` of the script's module."""
        own = {"__import__": self._import, "teaclave_open": self._open, "bytes": str, "print": _print,
               "getattr": _getattr, "hasattr": _hasattr, _CAUGHT: _caught, _WITH_MESSAGE: _with_message,
               _OF_BYTES: lambda value: _Bytes(value) if type(value) is str else value}
        return {**vars(builtins), **own}

    def _import(self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        top, _, rest = name.partition(".")
        module = self._module(top) if level == 0 else None
        if module is not None:
            if rest and not hasattr(module, rest):
                raise RuntimeError("Teaclave Not Supported")
            return getattr(module, rest) if rest and fromlist else module
        try:
            return builtins.__import__(name, globals, locals, fromlist, level)
        except ModuleNotFoundError as error:
            raise RuntimeError("Teaclave Not Supported") from error

    def _module(self, name: str) -> types.ModuleType | None:
        if name not in self._made:
            module = modules.make(name)
            if name == "teaclave":
                module = types.ModuleType(name)
                module.__dict__["open"] = self._open
            if module is None:
                return None
            self._made[name] = module
        return self._made[name]


def _caught() -> None:
    """Begin a bare ``except:``: what ends a task is raised again."""
    error = sys.exc_info()[1]
    ordinary = isinstance(error, (Exception, SystemExit, KeyboardInterrupt, GeneratorExit))
    if isinstance(error, (MemoryError, OutputLimitError)) or not ordinary:
        raise error  # type: ignore[misc]


def _with_message(value: Any) -> Any:
    """Return what has ``message``: an exception's is its first argument, as text."""
    if isinstance(value, BaseException) and not hasattr(value, "message"):
        return types.SimpleNamespace(message=str(value.args[0]) if value.args else "")
    return value


def _getattr(value: Any, name: str, *default: Any) -> Any:
    return getattr(_with_message(value) if name == "message" else value, name, *default)


def _hasattr(value: Any, name: str) -> bool:
    return hasattr(_with_message(value) if name == "message" else value, name)


class _Bytes:
    """A text's methods as its bytes have them: only ASCII letters are letters, only ASCII blanks are blanks."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __getattr__(self, name: str) -> Callable[..., Any]:
        value = self._value

        def call(*given: Any) -> Any:
            judges = name == "splitlines" or not given or given[0] is None
            try:
                data = value.encode("latin-1") if judges else value
            except UnicodeEncodeError:  # not a byte string
                data = value
            found = getattr(data, name)(*given)
            return [modules.text(part) for part in found] if type(found) is list else modules.text(found)

        return call


def _print(*values: Any, **options: Any) -> None:
    """Print byte strings as the UTF-8 text they are, where they are."""
    print(*map(_readable, values), **options)


def _readable(value: Any) -> str:
    text = str(value)
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
