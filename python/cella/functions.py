# SPDX-License-Identifier: Apache-2.0
"""Functions: what an executor keeps of a script, and the decorator that makes one out of a Python function."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

from . import _native
from .encoding import from_base64url, to_base64url, write_json
from .script import Script, describe, parse_isolation, parse_limits, parse_privacy, parse_release

if TYPE_CHECKING:
    from .executor import Executor

Callee = TypeVar("Callee", bound=Callable[..., Any])


@dataclass(frozen=True)
class Function:
    """A function that an executor knows.

    Attributes:
        id: "function-" and 32 hexadecimal digits.
        owner: party id.
        sha256: of the package, hexadecimal: what a contract names.
        public: whether everybody may read and use it.
        spec: the package without its source.
        source: text, where the caller may read it.
        version: counts its owner's functions of this name.
        disabled: whether nothing new runs with it.
        audits: who has signed for it: {auditor, accepted, time, statement} each.
        allow: who may use it, "party:ID" or "organisation:ID" each; None: anybody, or the caller is not its owner.
    """

    id: str
    owner: str
    sha256: str
    public: bool
    spec: Mapping[str, Any]
    source: str | None = None
    version: int = 1
    disabled: bool = False
    audits: Sequence[Mapping[str, Any]] = ()
    allow: Sequence[str] | None = None

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Function:
        """From an answer of function.get."""
        return cls(
            id=answer["function"],
            owner=answer.get("owner", ""),
            sha256=answer.get("sha256", ""),
            public=bool(answer.get("public")),
            spec=answer.get("spec", {}),
            source=answer.get("source"),
            version=answer.get("version", 1),
            disabled=bool(answer.get("disabled")),
            audits=tuple(answer.get("audits", ())),
            allow=answer.get("allow"),
        )

    @property
    def name(self) -> str:
        """Name of the function."""
        return str(self.spec.get("name", self.id))


class FunctionRegistry:
    """The functions of an executor; Executor.functions makes it."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def register(
        self,
        package: bytes,
        *,
        allow: Sequence[str] | None = None,
        quota: int | None = None,
        quota_of: str | None = None,
    ) -> Function:
        """Register a package. A private one travels sealed to the executor.

        The same name again is the next version; the former one keeps its id, its hash and what was approved of it.

        Args:
            package: JSON bytes, from Script.package, builtin_package or one's own tool.
            allow: who may create tasks with it, "party:ID" or "organisation:ID" each; None: anybody who knows its id.
            quota: runs of all tasks together; None: no end.
            quota_of: "runs", or "successes": then a run that does not finish is given back.

        Raises:
            IntegrityError: BAD_DIGEST, the executor's hash is not the one computed here.
        """
        from .encoding import parse_object

        spec = parse_object(package, "function package")
        if spec.get("public") is True:
            args: dict[str, Any] = {"package": to_base64url(package)}
        else:
            context = self._executor.party.encode("ascii")
            args = {"sealed_package": self._executor.seal("package", context, package)}
        args.update(_terms(allow, quota, quota_of))
        answer = self._executor.request("function.register", args)
        digest = hashlib.sha256(package).hexdigest()
        if answer["sha256"] != digest:
            raise _native.error("BAD_DIGEST", "the executor registered another package than was sent")
        source = spec.pop("source", None)
        return Function(
            answer["function"],
            self._executor.party,
            digest,
            spec.get("public") is True,
            spec,
            source,
            version=answer.get("version", 1),
            allow=allow,
        )

    def get(self, function: str) -> Function:
        """A function by id, or by NAME@VERSION or NAME (the newest) among those that the caller sees.

        Raises:
            NotFound: there is none.
            ArgumentError: BAD_ARGUMENT, several owners have one of this name; use the id.
        """
        if function.startswith("function-"):
            return Function.of(self._executor.request("function.get", {"function": function}))
        name, _, version = function.partition("@")
        found = [item for item in self.list(name=name) if not version or str(item.version) == version]
        if not found:
            raise _native.error("NOT_FOUND", f"there is no function {function} that you may see")
        if len({item.owner for item in found}) > 1:
            raise _native.error("BAD_ARGUMENT", f"several owners have a function {function}; use its id")
        return self.get(max(found, key=lambda item: item.version).id)

    def id_of(self, function: str) -> str:
        """The id of what `get` takes; an id is not asked about.

        Raises:
            NotFound, ArgumentError: as get.
        """
        return function if function.startswith("function-") else self.get(function).id

    def list(self, *, name: str = "", owner: str = "", search: str = "") -> Sequence[Function]:
        """The caller's functions, all public ones that he may use, and private ones whose list names him.

        Args:
            name: exactly this one.
            owner: party id.
            search: part of the name or description, in any case.
        """
        given = {"name": name, "owner": owner, "search": search}
        args = {member: value for member, value in given.items() if value}
        return [Function.of(item) for item in self._executor.pages("function.list", "functions", args)]

    def change(
        self,
        function: Function | str,
        *,
        allow: Sequence[str] | None = None,
        quota: int | None = None,
        quota_of: str | None = None,
    ) -> None:
        """Change the terms on which one's function is offered; what is None stays. allow ["anybody"] ends a list, quota -1
        the quota."""
        self._ask("function.change", function, _terms(allow, quota, quota_of))

    def disable(self, function: Function | str) -> None:
        """Nothing new runs with it: no task is created, queued or started. What runs goes on."""
        self._ask("function.disable", function)

    def enable(self, function: Function | str) -> None:
        """Undo disable. What an administrator has disabled only an administrator enables."""
        self._ask("function.enable", function)

    def delete(self, function: Function | str) -> None:
        """Forget the source, for good. Its hash and declarations stay with the tasks that used it."""
        self._ask("function.delete", function)

    def usage(self, function: Function | str) -> dict[str, Any]:
        """quota (-1: none), quota_of, used, finished, failed, cancelled, cpu_us."""
        return self._ask("function.usage", function)

    def show(self, function: Function | str, auditor: str) -> None:
        """Let a party read the source of one's function. There is no way back: what was read was read."""
        self._ask("function.show", function, {"auditor": auditor})

    def package(self, function: Function | str) -> bytes:
        """The package of a function that one owns or was shown, with its source. Its hash is verified here."""
        answer = self._ask("function.source", function)
        opened = self._executor.identity.open(
            "shown package", answer["function"].encode("ascii"), from_base64url(answer["sealed_package"], "sealed_package")
        )
        content = opened.export()
        if hashlib.sha256(content).hexdigest() != answer["sha256"]:
            raise _native.error("BAD_DIGEST", "the executor shows another package than the one with this hash")
        return content

    def audit(self, function: Function | str, sha256: str, *, accepted: bool = True, note: str = "") -> str:
        """Sign for a function, as its auditor, or against it. The last word counts.

        Args:
            sha256: of the package that was read: package() gives it. Only the function with this hash is meant.
            accepted: False withdraws a signature.
            note: at most 1,024 characters; everybody reads it.

        Returns:
            The statement, a compact JWS that verifies without the executor.
        """
        content: dict[str, Any] = {
            "version": 1,
            "type": "cella function audit",
            "sha256": sha256,
            "auditor": self._executor.party,
            "accepted": accepted,
        }
        if note:
            content["note"] = note
        statement = self._executor.identity.sign_statement(write_json(content, "statement"))
        self._ask("function.audit", function, {"statement": statement})
        return statement

    def _ask(self, op: str, function: Function | str, args: Mapping[str, Any] | None = None) -> dict[str, Any]:
        named = function.id if isinstance(function, Function) else function
        return self._executor.request(op, {"function": named, **(args or {})})


def _terms(allow: Sequence[str] | None, quota: int | None, quota_of: str | None) -> dict[str, Any]:
    given = {"allow": None if allow is None else list(allow), "quota": quota, "quota_of": quota_of}
    return {name: value for name, value in given.items() if value is not None}


def builtin_package(
    name: str,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    arguments: Iterable[str] = (),
    *,
    profile: str = "python",
    limits: Mapping[str, int | str] | None = None,
    public: bool = True,
    isolation: Mapping[str, str] | None = None,
    streams: Sequence[str] = (),
    release: Mapping[str, int] | None = None,
    privacy: Mapping[str, Any] | None = None,
    title: str | None = None,
    optional: Iterable[str] = (),
    defaults: Mapping[str, Any] | None = None,
    locked: Mapping[str, Any] | None = None,
    description: str = "",
    descriptions: Mapping[str, str] | None = None,
) -> bytes:
    """Package of a function that is built into the executor. Builtin.package knows the names and checks them.

    Args:
        name: of the builtin.
        title: name of the function; None for the builtin's.
        inputs, outputs, arguments: names that it declares.
        optional: the inputs and outputs that may be missing.
        defaults: argument -> value where a task gives none.
        locked: argument -> value that nobody can change.
        limits, public, isolation, streams, release, privacy, description, descriptions: as of Script.package.

    >>> b'"executor":"builtin"' in builtin_package("echo", arguments=["message"])
    True
    """
    defaults = defaults or {}
    content: dict[str, Any] = {
        "version": 1,
        "name": title or name,
        "executor": "builtin",
        "public": public,
        "profile": profile,
        "entry": name,
        "inputs": [_declared(item, optional, streams) for item in inputs],
        "outputs": [_declared(item, optional) for item in outputs],
        "arguments": [
            *({"name": item, **({"default": defaults[item]} if item in defaults else {})} for item in arguments),
            *({"name": item, "default": value, "locked": True} for item, value in (locked or {}).items()),
        ],
    }
    if set(streams) - set(inputs):
        raise _native.error("BAD_ARGUMENT", f"{', '.join(set(streams) - set(inputs))} is a stream but no input", "streams")
    if limits:
        content["limits"] = parse_limits(limits)
    if isolation:
        content["isolation"] = parse_isolation(isolation)
    if release:
        content["release"] = parse_release(release)
    if privacy:
        content["privacy"] = parse_privacy(privacy)
    describe(content, description, descriptions or {})
    return write_json(content, "function package")


def _declared(name: str, optional: Iterable[str], streams: Iterable[str] = ()) -> dict[str, Any]:
    flags = {"optional": name in set(optional), "stream": name in set(streams)}
    return {"name": name, **{flag: True for flag, is_set in flags.items() if is_set}}


class LocalFunction:
    """A Python function that can be sent as text. Made by the decorator function().

    Calling it calls the original. local() runs it as a cell would; Executor.run sends it.

    Attributes:
        script: the text that is sent, parsed.
        inputs, outputs: declared names.
        profile: where it runs.
        limits: lower than the executor's.
        streams: the inputs that are read while they are being decrypted.
        isolation: what is asked beyond the ordinary box.
        release: rules that it declares to keep about what it releases.
        privacy: what it declares to spend of its inputs' privacy.
    """

    def __init__(
        self,
        original: Callable[..., Any],
        inputs: Sequence[str],
        outputs: Sequence[str],
        profile: str,
        limits: Mapping[str, int | str] | None,
        streams: Sequence[str] = (),
        isolation: Mapping[str, str] | None = None,
        release: Mapping[str, int] | None = None,
        privacy: Mapping[str, Any] | None = None,
    ) -> None:
        functools.update_wrapper(self, original)
        self._original = original
        self.script = Script.parse(source_of(original), f"{original.__name__}.py", original.__name__)
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.profile = profile
        self.limits = dict(limits or {})
        self.streams = tuple(streams)
        self.isolation = dict(isolation or {})
        self.release = dict(release or {})
        self.privacy = dict(privacy or {})
        self.package()  # names and limits are judged where they are written

    def __call__(self, *positional: Any, **named: Any) -> Any:
        return self._original(*positional, **named)

    def package(self, public: bool = False) -> bytes:
        """The function package; see Script.package."""
        return self.script.package(
            self.inputs,
            self.outputs,
            profile=self.profile,
            limits=self.limits,
            public=public,
            streams=self.streams,
            isolation=self.isolation,
            release=self.release,
            privacy=self.privacy,
        )

    @property
    def sha256(self) -> str:
        """Hash of the private package: what a contract will name."""
        return hashlib.sha256(self.package()).hexdigest()

    def local(self, **named: Any) -> Any:
        """Run here, in this process, with the module that scripts see in a cell; nothing is encrypted or sent.

        Args:
            named: inputs as paths, bytes or arrays; arguments as JSON values. Outputs are not given: they are
                attributes of the result.

        Returns:
            local.LocalRun with result and outputs.
        """
        from .local import run_local

        inputs = {name: named.pop(name) for name in self.inputs if name in named}
        return run_local(self.script, inputs, self.outputs, named, self.streams)


@overload
def function(original: Callee) -> LocalFunction:
    ...


@overload
def function(
    original: None = None,
    *,
    inputs: Sequence[str] = ...,
    outputs: Sequence[str] = ...,
    profile: str = ...,
    limits: Mapping[str, int | str] | None = ...,
    streams: Sequence[str] = ...,
    isolation: Mapping[str, str] | None = ...,
    release: Mapping[str, int] | None = ...,
    privacy: Mapping[str, Any] | None = ...,
) -> Callable[[Callee], LocalFunction]:
    ...


def function(
    original: Callable[..., Any] | None = None,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    profile: str = "python",
    limits: Mapping[str, int | str] | None = None,
    streams: Sequence[str] = (),
    isolation: Mapping[str, str] | None = None,
    release: Mapping[str, int] | None = None,
    privacy: Mapping[str, Any] | None = None,
) -> Any:
    """Decorator: make a Python function something that can be sent to an executor as text.

    Its source text is what runs. Modules and literal constants that it uses from outside are written in front of
    it; anything else that it takes from outside is refused here. In a script that runs, in a cell or locally, the
    decorator changes nothing.

    Args:
        inputs: names of parameters that are inputs.
        outputs: names of parameters that are outputs.
        profile: "python", "numpy", ...
        limits: lower than the executor's, for example {"memory_bytes": "64M"}.
        streams: those of inputs that are read once, forward, while they are being decrypted: for what is larger than
            the memory limit.
        isolation: what is asked beyond the ordinary box, for example {"clock": "coarse", "zygote": "owner",
            "sizes": "padded"}; see script.parse_isolation.
        release: rules that the function keeps about what it releases, for example {"minimum_group": 10}: what owners of data
            ask for in their policies; see script.parse_release.
        privacy: which arguments say what a run spends of its inputs' privacy, for example {"epsilon": "epsilon"}; see
            script.parse_privacy.

    Returns:
        A LocalFunction.

    Raises:
        ScriptError: BAD_SCRIPT, the source can not be found, or it uses something that can not be sent.
    """

    def wrap(target: Callable[..., Any]) -> Any:
        if _is_run_as_script(target):
            return target
        return LocalFunction(target, inputs, outputs, profile, limits, streams, isolation, release, privacy)

    return wrap if original is None else wrap(original)


def _is_run_as_script(target: Callable[..., Any]) -> bool:
    """Whether a function stands in a text that the runtime executes: such a module was not imported from anywhere."""
    names = getattr(target, "__globals__", {})
    return names.get("__name__") == "script" and names.get("__spec__") is None


def source_of(original: Callable[..., Any]) -> str:
    """The text of a function without its decorators, after one line with the imports and constants that it needs.

    Raises:
        ScriptError: BAD_SCRIPT.
    """
    import ast
    import inspect
    import textwrap

    name = getattr(original, "__name__", "?")
    try:
        text = textwrap.dedent(inspect.getsource(original))
        node = ast.parse(text).body[0]
    except (OSError, TypeError, SyntaxError) as problem:
        raise _native.error(
            "BAD_SCRIPT", f"the source of {name} can not be found ({problem}); put it into a file"
        ) from None
    if not isinstance(node, ast.FunctionDef):
        raise _native.error("BAD_SCRIPT", f"{name} is not a plain function made with def")
    if original.__code__.co_freevars:
        free = ", ".join(original.__code__.co_freevars)
        raise _native.error("BAD_SCRIPT", f"{name} uses {free} from the function around it; pass them as arguments")
    body = "\n".join(text.splitlines()[node.lineno - 1 : node.end_lineno]) + "\n"
    outside = _outside_names(body)
    known = original.__globals__
    needed = [_definition(name, item, known[item]) for item in sorted(outside) if item in known and item != name]
    # One line in front, always: annotations are never evaluated, and def stands in line 2.
    return "; ".join(["from __future__ import annotations", *needed]) + "\n" + body


def _outside_names(body: str) -> set[str]:
    """Names that the text uses but does not define, at any depth."""
    import symtable

    names: set[str] = set()
    pending = list(symtable.symtable(body, "function", "exec").get_children())
    while pending:
        table = pending.pop()
        pending += table.get_children()
        names |= {
            symbol.get_name() for symbol in table.get_symbols() if symbol.is_global() and symbol.is_referenced()
        }
    return names


def _definition(function_name: str, name: str, value: Any) -> str:
    """One line that defines an outside name, where a line can."""
    import types

    if isinstance(value, types.ModuleType):
        return f"import {value.__name__}" if value.__name__ == name else f"import {value.__name__} as {name}"
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return f"{name} = {value!r}"
    raise _native.error(
        "BAD_SCRIPT",
        f"{function_name} uses {name} (a {type(value).__name__}) from outside; define it inside, or pass it as an "
        "argument or input",
    )
