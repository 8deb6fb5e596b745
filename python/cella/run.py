# SPDX-License-Identifier: Apache-2.0
"""The whole way of one's own script on one's own data, as one call: Executor.run."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _native
from .builtin import Builtin
from .data import Data, Source
from .encoding import write_json
from .events import Event, Reporter, reporter_of
from .functions import Function, LocalFunction
from .script import ISOLATION, Script, parse_isolation
from .task import Receivers, Task

if TYPE_CHECKING:
    from .executor import Executor


def _script_of(function: Any, entry: str | None) -> Script:
    if isinstance(function, Script):
        return function
    if isinstance(function, (str, os.PathLike)):
        return Script.read(function, entry)
    if callable(function):
        return LocalFunction(function, (), (), "python", None).script
    raise _native.error(
        "BAD_ARGUMENT", f"a {type(function).__name__} is neither a script nor a function", "function"
    )


def _package(
    function: Any,
    inputs: Sequence[str],
    outputs: Sequence[str],
    arguments: Mapping[str, Any],
    entry: str | None,
    profile: str | None,
    limits: Mapping[str, int | str] | None,
    streams: Sequence[str],
    isolation: Mapping[str, str] | None,
) -> tuple[bytes, str]:
    """The package of what was given, checked; and its profile."""
    if isinstance(function, Builtin):
        function.check(arguments)
        package = function.package(
            inputs, outputs, arguments, profile=profile, limits=limits, public=False, isolation=isolation, streams=streams
        )
        return package, profile or function.profiles[0]
    if isinstance(function, LocalFunction):
        profile = profile or function.profile
        limits = {**function.limits, **(limits or {})}
        streams = [*function.streams, *streams]
        isolation = strictest(function.isolation, isolation or {})
        release, privacy = function.release, function.privacy
        script = function.script
    else:
        release, privacy = {}, {}
        profile = profile or "python"
        script = _script_of(function, entry)
    package = script.package(
        inputs, outputs, arguments, profile=profile, limits=limits, streams=streams, isolation=isolation, release=release,
        privacy=privacy,
    )
    missing = script.missing({*inputs, *outputs, *arguments})
    if missing:
        raise _native.error(
            "BAD_ARGUMENT",
            f"{script.entry}() needs {', '.join(missing)}: give each as an input, an output or an argument",
            missing[0],
        )
    for sentence in script.warnings(profile):
        warnings.warn(f"{script.name}: {sentence}", stacklevel=4)
    return package, profile


def strictest(*wishes: Mapping[str, str]) -> dict[str, str]:
    """Member by member the strictest of several isolations, as an executor decides it.

    >>> strictest({"clock": "coarse", "sizes": "exact"}, {"clock": "fine", "sizes": "padded"})
    {'clock': 'coarse', 'sizes': 'padded'}
    """
    found: dict[str, str] = {}
    for isolation in wishes:
        for name, word in parse_isolation(isolation).items():
            found[name] = max(word, found.get(name, word), key=ISOLATION[name].index)
    return found


def check_profile(executor: Executor, profile: str, builtin: Builtin | None = None) -> None:
    """Refuse a profile that the executor does not offer, before anything is uploaded."""
    offered = [item.get("name") for item in executor.information().get("profiles", [])]
    if offered and profile not in offered:
        where = "" if builtin is None else f"; {builtin.name} is in {' and '.join(builtin.profiles)}"
        raise _native.error("NO_PROFILE", f"this executor offers the profiles {', '.join(offered)}, not {profile}{where}")


def receivers_of(receivers: Receivers | None, name: str) -> list[str] | None:
    """Receivers of one output (or "result", "messages"); None for the default."""
    if receivers is None:
        return None
    if isinstance(receivers, Mapping):
        chosen = receivers.get(name)
        return None if chosen is None else list(chosen)
    return None if name == "messages" else list(receivers)


def run(
    executor: Executor,
    function: Any,
    inputs: Mapping[str, Source],
    outputs: Sequence[str],
    arguments: Mapping[str, Any],
    entry: str | None,
    profile: str | None,
    limits: Mapping[str, int | str] | None,
    receivers: Receivers | None,
    progress: Reporter | bool | None,
    streams: Sequence[str],
    isolation: Mapping[str, str] | None,
) -> Task:
    """See Executor.run."""
    report = reporter_of(progress)
    write_json(dict(arguments), "arguments")
    if isinstance(function, LocalFunction) and not outputs:
        outputs = function.outputs
    if isinstance(function, Function):
        if streams:
            raise _native.error("BAD_ARGUMENT", "what a stream is, a registered function has declared", "streams")
        registered = function
    else:
        if isinstance(function, Builtin) and profile is None:
            profile = function.profile_of(executor)
        package, used = _package(
            function, list(inputs), outputs, arguments, entry, profile, limits, streams, isolation
        )
        check_profile(executor, used, function if isinstance(function, Builtin) else None)
        registered = _register(executor, package, report)
    assigned = {
        name: item if isinstance(item, Data) else executor.data.add(item, name, progress=report)
        for name, item in inputs.items()
    }
    return executor.tasks.create(
        registered,
        arguments=arguments,
        inputs=assigned,
        outputs={name: receivers_of(receivers, name) for name in outputs},
        result=receivers_of(receivers, "result"),
        messages=receivers_of(receivers, "messages"),
        limits=limits if isinstance(function, Function) else None,
        isolation=isolation if isinstance(function, Function) else None,
        invoke=True,
    )


def _register(executor: Executor, package: bytes, report: Reporter) -> Function:
    """Register a package once per executor object: the same bytes are the same function."""
    digest = hashlib.sha256(package).hexdigest()
    known: dict[str, Function] = executor.__dict__.setdefault("_registered", {})
    if digest not in known:
        known[digest] = executor.functions.register(package)
        report(Event("register", known[digest].name))
    return known[digest]
