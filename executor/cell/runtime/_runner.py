# SPDX-License-Identifier: Apache-2.0
"""Run a function: compile its script, give it what it declares, check what it leaves behind."""

from __future__ import annotations

import inspect
import linecache
import sys
import traceback
import types
from collections.abc import Callable, Mapping
from typing import Any

from . import _result, _teaclave, _teaclave_syntax
from ._cancel import Cancelled, was_asked
from ._failure import SCRIPT, Outcome, Refused, bad_script, line_of, script_failed
from .files import Input, Output, OutputLimitError


def run(source: bytes, entry: str, arguments: Mapping[str, Any], inputs: Mapping[str, Input | None],
        outputs: Mapping[str, Output], result_bytes: int, memory_error: Callable[[], str] | None = None) -> Outcome:
    """Run one function and return how it ended. Never raises.

    Args:
        source: the script, UTF-8.
        entry: name of the function to call. ``entrypoint`` with a single parameter means Teaclave's form.
        arguments: JSON values by name.
        inputs: by name; ``None`` for an optional input that was not assigned.
        outputs: by name.
        result_bytes: most bytes of the result's JSON text.
        memory_error: makes the message for a MemoryError.
    """
    try:
        module, code, is_teaclave = _compile(source, entry)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        outcome = bad_script(error)
        return outcome._replace(message=_teaclave_syntax.explain(error, source.decode("latin-1")) or outcome.message)
    try:
        if is_teaclave:
            module.__dict__["__builtins__"] = _teaclave.Surroundings(inputs, outputs).builtins()
        exec(code, module.__dict__)
        function = _find(module, entry)
        if is_teaclave:
            value = _teaclave.call(function, arguments)
        else:
            value = function(**_bind(function, arguments, inputs, outputs))
        text = _result.encode(value, result_bytes)
        _check_outputs(outputs)
        return Outcome("OK", text)
    except Refused as error:
        return Outcome(error.status, "", 0, "", str(error), "")
    except OutputLimitError as error:
        return script_failed(error, "LIMIT_OUTPUT")
    except MemoryError as error:
        line = line_of(error)
        said = str(error)
        _release(module, error)
        sentence = None if memory_error is None else memory_error() + (f" ({said})" if said else "")
        return script_failed(error, "LIMIT_MEMORY", sentence)._replace(line=line)
    except Cancelled as error:
        return script_failed(error, "CANCELLED" if was_asked() else "SCRIPT_FAILED")
    except BaseException as error:  # SystemExit and the like are failures too: the function did not return
        return script_failed(error)


def _compile(source: bytes, entry: str) -> tuple[types.ModuleType, types.CodeType, bool]:
    tree = _teaclave.parse(source) if entry == _teaclave.ENTRY else None
    code = compile(source if tree is None else tree, SCRIPT, "exec", dont_inherit=True)
    lines = source.decode("utf-8", "replace").splitlines(keepends=True)
    linecache.cache[SCRIPT] = (len(source), None, lines, SCRIPT)
    module = types.ModuleType("script")
    module.__file__ = SCRIPT
    sys.modules["script"] = module
    return module, code, tree is not None


def _release(module: types.ModuleType, error: BaseException) -> None:
    """Drop what the script holds, so that there is memory to tell how it ended."""
    traceback.clear_frames(error.__traceback__)
    module.__dict__.clear()


def _find(module: types.ModuleType, entry: str) -> Callable[..., Any]:
    function = module.__dict__.get(entry)
    if callable(function):
        return function
    there = [name for name, value in module.__dict__.items()
             if isinstance(value, types.FunctionType) and value.__module__ == "script" and not name.startswith("_")]
    listed = ", ".join(there) if there else "none"
    what = "is not a function" if entry in module.__dict__ else "does not exist"
    raise Refused("BAD_SCRIPT", f"the entry point {entry!r} {what} in the script; its functions are: {listed}")


_TAKES_ANY = inspect.CO_VARKEYWORDS


def _parameters(function: Callable[..., Any]) -> tuple[list[str], list[str], list[str], bool] | None:
    """Return (positional-only, all that can be named, those of them with a default, ``**`` is there).

    An ordinary function is read directly: ``inspect`` makes an object of everything. None when there is no telling.
    """
    if type(function) is types.FunctionType and not hasattr(function, "__wrapped__") and \
            not hasattr(function, "__signature__"):
        code = function.__code__
        positional, more = code.co_argcount, code.co_kwonlyargcount
        names = list(code.co_varnames[:positional + more])
        optional = names[positional - len(function.__defaults__ or ()):positional] + list(function.__kwdefaults__ or ())
        only = names[:code.co_posonlyargcount]
        return only, names[len(only):], optional, bool(code.co_flags & _TAKES_ANY)
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    kinds = inspect.Parameter
    only = [one.name for one in parameters if one.kind is kinds.POSITIONAL_ONLY]
    named = [one for one in parameters if one.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)]
    optional = [one.name for one in named if one.default is not kinds.empty]
    return only, [one.name for one in named], optional, any(one.kind is kinds.VAR_KEYWORD for one in parameters)


def _bind(function: Callable[..., Any], arguments: Mapping[str, Any], inputs: Mapping[str, Any],
          outputs: Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for group, kind in ((inputs, "input"), (outputs, "output"), (arguments, "argument")):
        for name, value in group.items():
            if name in given:
                raise Refused("BAD_ARGUMENT", f"{kind} {name!r} has the name of another input, output or argument")
            given[name] = value
    found = _parameters(function)
    if found is None:
        return given
    only, known, optional, takes_any = found
    name = getattr(function, "__name__", "function")
    if only:
        raise Refused("BAD_SCRIPT", f"parameter {only[0]!r} of {name}() is positional-only; values are given by name")
    for parameter in known:
        if parameter not in given and parameter not in optional:
            raise Refused("BAD_ARGUMENT", f"parameter {parameter!r} of {name}() is neither a declared input or output "
                                          "nor a given argument, and has no default")
    for surplus in given:
        if surplus not in known and not takes_any:
            raise Refused("BAD_ARGUMENT", f"{name}() has no parameter {surplus!r}")
    return given


def _check_outputs(outputs: Mapping[str, Output]) -> None:
    for name, output in outputs.items():
        if not output.used:
            raise Refused("OUTPUT_MISSING", f"output {name!r} was never written; write it, even if with no bytes")
