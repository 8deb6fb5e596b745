# SPDX-License-Identifier: Apache-2.0
"""Scripts: read and checked here, before anything is sent, and turned into a function package.

What runs is the text: nothing is pickled, nothing is taken from this process. The hash of the package is the hash
that everybody approves.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import _native
from .encoding import quantity, write_json
from .runtime import _teaclave, _teaclave_modules, _teaclave_syntax

SOURCE_MAX = 1 << 20
RELEASE_RULES_MAX = 16
DESCRIPTION_MAX = 1024
LIMITS = ("cpu_s", "wall_s", "memory_bytes", "output_bytes", "result_bytes", "log_bytes", "threads")
ISOLATION = {"clock": ("fine", "coarse"), "zygote": ("shared", "owner"), "sizes": ("exact", "padded")}
"""Member of isolation -> its ordinary and its strict word."""
PROFILE_MODULES: dict[str, frozenset[str]] = {
    "python": frozenset(),
    "numpy": frozenset({"numpy"}),
    "native": frozenset(),
    "science": frozenset(
        {"numpy", "scipy", "pandas", "sklearn", "joblib", "threadpoolctl", "dateutil", "pytz", "six"}
    ),
}
"""Modules beyond the standard library, by profile. A profile that is not here is not judged."""
CELL_MODULES = frozenset({"cella", "teaclave"})
RUNTIME_NAMES = frozenset(
    {"Cancelled", "Input", "Output", "OutputLimitError", "builtins", "function", "log", "progress"}
)
"""What the package cella has in a cell."""
NOT_IN_A_CELL = frozenset(
    {
        "asyncio", "ctypes", "curses", "ftplib", "mmap", "multiprocessing", "pty", "readline", "resource", "smtplib",
        "socket", "socketserver", "sqlite3", "ssl", "subprocess", "termios", "tkinter",
    }
)
"""Standard modules that can not work in a cell: it has no network, no files, no other processes."""

_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


@dataclass(frozen=True)
class Parameter:
    """A parameter of the entry function.

    Attributes:
        name: as written.
        required: True without a default.
        default: the default where it is JSON; None otherwise.
        is_json: whether default is JSON.
        type: "string", "integer", "number", "boolean" by its annotation, else "any".
        file: "input" or "output" where it is annotated as cella.Input or cella.Output, else empty.
        optional: an annotated input or output may be None.
    """

    name: str
    required: bool
    default: Any = None
    is_json: bool = False
    type: str = "any"
    file: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Script:
    """A Python script that was parsed and whose entry function is known.

    Attributes:
        name: of the function, from the file's name.
        source: its text.
        entry: name of the function that is called.
        parameters: of that function.
        takes_any: it has **keywords, or is Teaclave's entrypoint(argv): names are not checked.
        teaclave: it is of Teaclave's form (docs/teaclave.md).
        imports: (top-level module, line) of each import statement.
        strangers: (name, line) of each cella.name that the package cella does not have in a cell.
        differences: sentences about what Python 2 did differently, in Teaclave's form.

    >>> script = Script.parse("def main(images, threshold=0.5):\\n    return {}", "example.py")
    >>> script.entry, [parameter.name for parameter in script.parameters]
    ('main', ['images', 'threshold'])
    """

    name: str
    source: str
    entry: str
    parameters: tuple[Parameter, ...]
    takes_any: bool
    imports: tuple[tuple[str, int], ...] = field(default=())
    strangers: tuple[tuple[str, int], ...] = field(default=())
    teaclave: bool = False
    differences: tuple[str, ...] = field(default=())

    @classmethod
    def read(cls, path: str | os.PathLike[str], entry: str | None = None) -> Script:
        """Read and parse a file. See parse."""
        target = Path(path)
        try:
            data = target.read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            raise _native.error("BAD_SCRIPT", f"there is no script {target}") from None
        if len(data) > SOURCE_MAX:
            raise _native.error("TOO_LARGE", f"{target} is larger than 1 MiB; pass data as inputs")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as problem:
            line = data[: problem.start].count(b"\n") + 1
            raise _native.error("BAD_SCRIPT", f"{target}, line {line}: not UTF-8") from None
        return cls.parse(text, str(target), entry)

    @classmethod
    def parse(cls, source: str, file_name: str, entry: str | None = None) -> Script:
        """Parse a script's text.

        The entry function is the one that is named; else "main"; else the one named like the file; else
        "entrypoint"; else the only top-level function.

        Args:
            source: text, at most 1 MiB.
            file_name: for messages and for the function's name.
            entry: name of the entry function, or None.

        Raises:
            ScriptError: BAD_SCRIPT; the message names the line, and the error has it as its attribute line.
        """
        try:
            tree = ast.parse(source, file_name)
        except SyntaxError as problem:
            said = _teaclave_syntax.explain(problem, source) or problem.msg
            raise _bad_script(f"{file_name}, line {problem.lineno}: {said}", problem.lineno) from None
        except (ValueError, RecursionError, MemoryError) as problem:
            raise _bad_script(f"{file_name}: {problem}") from None
        stem = Path(file_name).stem
        function = _find_entry(tree, stem, file_name, entry)
        teaclave = _teaclave.is_entry(function)
        if teaclave:
            try:
                _teaclave_syntax.refuse(tree)
            except SyntaxError as problem:
                raise _bad_script(f"{file_name}, line {problem.lineno}: {problem.msg}", problem.lineno) from None
        return cls(
            name=(_NAME.sub("-", stem).strip("-") or "script")[:64],
            source=source,
            entry=function.name,
            parameters=() if teaclave else _parameters(function, file_name),
            takes_any=teaclave or function.args.kwarg is not None,
            imports=tuple(_imports(tree)),
            strangers=tuple(_strangers(tree)),
            teaclave=teaclave,
            differences=tuple(_teaclave_syntax.differences(tree)) if teaclave else (),
        )

    def warnings(self, profile: str) -> list[str]:
        """What will probably fail in a cell of a profile: sentences with line numbers.

        >>> Script.parse("import numpy\\ndef main(): pass", "x.py").warnings("python")
        ["line 1 imports numpy, which profile 'python' does not have; use profile 'numpy'"]
        """
        sentences = [] if profile not in PROFILE_MODULES else list(self._missing_modules(profile))
        for name, line in self.strangers:
            sentences.append(
                f"line {line} uses cella.{name}, which is the client's: a script in a cell does not have it"
            )
        return [*sentences, *self.differences]

    def _missing_modules(self, profile: str) -> Iterable[str]:
        having_numpy = {"_numpypy": "numpy"} if self.teaclave else {}
        known = sys.stdlib_module_names | CELL_MODULES | PROFILE_MODULES[profile]
        for module, line in self.imports:
            if self.teaclave and module in _teaclave_modules.NAMES:
                continue
            needed = having_numpy.get(module, module)
            if module in NOT_IN_A_CELL:
                why = "it has no network, files or processes"
                yield f"line {line} imports {module}, which can not work in a cell: {why}"
            elif needed not in known:
                having = [name for name, modules in PROFILE_MODULES.items() if needed in modules]
                advice = f"; use profile {having[0]!r}" if having else ""
                yield f"line {line} imports {module}, which profile {profile!r} does not have{advice}"

    def files(self, kind: str) -> list[str]:
        """Parameters that are annotated as "input" or "output", with a ? behind an optional one.

        >>> script = Script.parse("def f(a: cella.Input, b: cella.Input | None, c: cella.Output, n: int): pass", "f.py")
        >>> script.files("input"), script.files("output")
        (['a', 'b?'], ['c'])
        """
        return [item.name + "?" * item.optional for item in self.parameters if item.file == kind]

    def package(
        self,
        inputs: Sequence[str] = (),
        outputs: Sequence[str] = (),
        arguments: Iterable[str] = (),
        *,
        profile: str = "python",
        limits: Mapping[str, int | str] | None = None,
        public: bool = False,
        name: str | None = None,
        optional: Iterable[str] = (),
        locked: Mapping[str, Any] | None = None,
        streams: Iterable[str] = (),
        isolation: Mapping[str, str] | None = None,
        release: Mapping[str, int] | None = None,
        privacy: Mapping[str, Any] | None = None,
        description: str = "",
        descriptions: Mapping[str, str] | None = None,
    ) -> bytes:
        """The function package (docs/protocol.md section 4): made once, hashed, never written again.

        Parameters of the entry function that are neither inputs nor outputs are arguments; their defaults come
        from the source.

        Args:
            inputs: names of inputs.
            outputs: names of outputs.
            arguments: names that will be given; only needed where a parameter's default is not JSON.
            profile: where it runs.
            limits: lower than the executor's.
            public: whether everybody may read the source.
            name: of the function; None for the file's.
            optional: the inputs and outputs that may be missing.
            locked: name -> value that nobody can change.
            streams: the inputs that are read once, forward, while they are being decrypted: for what is larger than
                memory.
            isolation: what is asked beyond the ordinary box; see parse_isolation.
            release: rules that the script keeps about what it releases; see parse_release.
            privacy: which arguments say what a run spends of its inputs' privacy; see parse_privacy.
            description: what it does, for whoever may see what it declares; at most 1,024 characters.
            descriptions: name of an input, output or argument -> what it is.

        Raises:
            ArgumentError: BAD_ARGUMENT, names and parameters do not fit.
        """
        locked = dict(locked or {})
        given = [*arguments, *locked]
        self._check_names(inputs, outputs, given)
        optional, streams = set(optional), set(streams)
        for item in streams - set(inputs):
            raise _native.error("BAD_ARGUMENT", f"stream {item} is not an input; declare it as one too", item)
        content = {
            "version": 1,
            "name": name or self.name,
            "executor": "python",
            "public": public,
            "profile": profile,
            "entry": self.entry,
            "source": self.source,
            "inputs": [_declaration(item, optional, streams) for item in inputs],
            "outputs": [_declaration(item, optional, set()) for item in outputs],
            "arguments": self._arguments({*inputs, *outputs}, given, locked),
        }
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

    def _check_names(self, inputs: Sequence[str], outputs: Sequence[str], arguments: Sequence[str]) -> None:
        seen: set[str] = set()
        known = {parameter.name for parameter in self.parameters}
        for kind, names in (("input", inputs), ("output", outputs), ("argument", arguments)):
            for item in names:
                if not _IDENTIFIER.match(item):
                    raise _native.error(
                        "BAD_ARGUMENT", f"{kind} {item!r} is not a Python name of at most 64 ASCII characters", item
                    )
                if item in seen:
                    raise _native.error("BAD_ARGUMENT", f"{item} is given twice", item)
                seen.add(item)
                if item not in known and not self.takes_any:
                    raise _native.error(
                        "BAD_ARGUMENT",
                        f"{kind} {item}: {self.entry}() has no such parameter; it has "
                        + (", ".join(parameter.name for parameter in self.parameters) or "none"),
                        item,
                    )

    def _arguments(self, taken: set[str], given: Sequence[str], locked: Mapping[str, Any]) -> list[dict[str, Any]]:
        declared = []
        for parameter in self.parameters:
            if parameter.name in taken:
                continue
            declaration: dict[str, Any] = {"name": parameter.name}
            if parameter.type != "any":
                declaration["type"] = parameter.type
            if parameter.name in locked:
                declaration |= {"default": locked[parameter.name], "locked": True}
            elif parameter.is_json:
                declaration["default"] = parameter.default
            elif not parameter.required and parameter.name not in given:
                continue  # its default is not JSON: the script's own applies
            declared.append(declaration)
        known = {parameter.name for parameter in self.parameters}
        for name in given:
            if name not in known:  # only with takes_any
                extra = {"name": name}
                declared.append(extra | {"default": locked[name], "locked": True} if name in locked else extra)
        return declared

    def missing(self, given: Iterable[str]) -> list[str]:
        """Required parameters that nobody has given."""
        names = set(given)
        return [
            parameter.name for parameter in self.parameters if parameter.required and parameter.name not in names
        ]


def parse_limits(limits: Mapping[str, int | str]) -> dict[str, int]:
    """Limits with numbers.

    >>> parse_limits({"memory_bytes": "64M", "wall_s": 10})
    {'memory_bytes': 67108864, 'wall_s': 10}
    """
    parsed = {}
    for name, value in limits.items():
        if name not in LIMITS:
            raise _native.error("BAD_ARGUMENT", f"limit {name!r} is not one of {', '.join(LIMITS)}", name)
        parsed[name] = quantity(value, name)
    return parsed


def parse_isolation(isolation: Mapping[str, str]) -> dict[str, str]:
    """What a contract asks beyond the ordinary box; the stricter of function and task wins, member by member.

    clock "coarse": no clock finer than the kernel's tick, and a single thread.
    zygote "owner": the process that cells are forked from serves this function's owner only.
    sizes "padded": outputs, result and messages are padded to size classes.

    >>> parse_isolation({"clock": "coarse"})
    {'clock': 'coarse'}
    """
    for name, word in isolation.items():
        if name not in ISOLATION:
            raise _native.error("BAD_ARGUMENT", f"isolation {name!r} is not one of {', '.join(ISOLATION)}", name)
        if word not in ISOLATION[name]:
            words = " or ".join(ISOLATION[name])
            raise _native.error("BAD_ARGUMENT", f"isolation {name} is {words}, not {word!r}", name)
    return dict(isolation)


def parse_release(release: Mapping[str, int]) -> dict[str, int]:
    """Rules that a function declares to keep about what it releases: name -> the least that it keeps to.

    They are part of the package, so auditors sign for them with the source. An owner of data asks for them in a policy, and the
    executor compares: what is declared must be at least what is asked for.

    >>> parse_release({"minimum_group": 10})
    {'minimum_group': 10}

    Raises:
        ArgumentError: BAD_ARGUMENT, more than 16 rules, a name that is none, a number below 1.
    """
    if len(release) > RELEASE_RULES_MAX:
        raise _native.error("BAD_ARGUMENT", f"{len(release)} release rules; at most {RELEASE_RULES_MAX}", "release")
    for name, least in release.items():
        if not _IDENTIFIER.match(name):
            raise _native.error(
                "BAD_ARGUMENT", f"release rule {name!r} is not a Python name of at most 64 ASCII characters", name
            )
        if isinstance(least, bool) or not isinstance(least, int) or not 1 <= least < 1 << 63:
            raise _native.error("BAD_ARGUMENT", f"release rule {name} is a whole number from 1, not {least!r}", name)
    return dict(release)


def parse_privacy(privacy: Mapping[str, Any]) -> dict[str, Any]:
    """What a function declares about differential privacy: which of its arguments say what a run spends of its inputs.

    It is part of the package, as release rules are. The executor adds up what runs spend of data whose owner has set a budget,
    and refuses what goes beyond it.

    Args:
        privacy: {"epsilon": argument, "delta": argument (absent: 0), "inputs": names (absent: all)}. Inputs that are not named
            are not protected, and take no data with a budget.

    >>> parse_privacy({"epsilon": "eps", "inputs": ["visits"]})
    {'epsilon': 'eps', 'inputs': ['visits']}

    Raises:
        ArgumentError: BAD_ARGUMENT, a member is missing or unknown, or is not a name.
    """
    for member in privacy:
        if member not in ("epsilon", "delta", "inputs"):
            raise _native.error("BAD_ARGUMENT", f"privacy {member!r} is not one of epsilon, delta, inputs", member)
    if "epsilon" not in privacy:
        raise _native.error("BAD_ARGUMENT", "privacy needs epsilon: the argument that says what a run spends", "privacy")
    found = {name: privacy[name] for name in ("epsilon", "delta") if name in privacy}
    names = [*found.values()]
    if "inputs" in privacy:
        found["inputs"] = list(privacy["inputs"])
        names += found["inputs"]
    for name in names:
        if not isinstance(name, str) or not _IDENTIFIER.match(name):
            raise _native.error(
                "BAD_ARGUMENT", f"privacy names {name!r}, which is not a Python name of at most 64 ASCII characters", "privacy"
            )
    return found


def describe(content: dict[str, Any], description: str, descriptions: Mapping[str, str]) -> None:
    """Add descriptions to a package: its own, and those of what it declares.

    >>> content = {"inputs": [{"name": "a"}], "outputs": [], "arguments": []}
    >>> describe(content, "counts", {"a": "what is counted"})
    >>> content["description"], content["inputs"]
    ('counts', [{'name': 'a', 'description': 'what is counted'}])

    Raises:
        ArgumentError: BAD_ARGUMENT, a description is too long, or of something that is not declared.
    """
    declared = {item["name"]: item for kind in ("inputs", "outputs", "arguments") for item in content[kind]}
    for name, text in {"": description, **descriptions}.items():
        if len(text.encode()) > DESCRIPTION_MAX:
            raise _native.error("BAD_ARGUMENT", f"description {name or 'of the function'}: at most {DESCRIPTION_MAX} bytes", name)
        if name and name not in declared:
            raise _native.error("BAD_ARGUMENT", f"description of {name}, which is neither input, output nor argument", name)
        if text:
            (declared[name] if name else content)["description"] = text


def _bad_script(message: str, line: int | None = None) -> _native.CellaError:
    error = _native.error("BAD_SCRIPT", message)
    error.line = line
    return error


def _find_entry(tree: ast.Module, stem: str, file_name: str, entry: str | None) -> ast.FunctionDef:
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.AsyncFunctionDef) and node.name == entry:
            raise _bad_script(
                f"{file_name}, line {node.lineno}: {entry} is async; write a plain function", node.lineno
            )
    if entry is not None:
        if entry in functions:
            return functions[entry]
        have = ", ".join(functions) or "none"
        raise _bad_script(f"{file_name} has no top-level function {entry}; it has {have}")
    for candidate in ("main", stem, "entrypoint"):
        if candidate in functions:
            return functions[candidate]
    if len(functions) == 1:
        return next(iter(functions.values()))
    if not functions:
        raise _bad_script(f"{file_name} has no top-level function; put the work into def main(...)")
    raise _bad_script(
        f"{file_name} has several functions and none is called main, {stem} or entrypoint: "
        f"{', '.join(functions)}; name one with --entry (entry=)"
    )


def _parameters(function: ast.FunctionDef, file_name: str) -> tuple[Parameter, ...]:
    arguments = function.args
    if arguments.posonlyargs or arguments.vararg is not None:
        raise _bad_script(
            f"{file_name}, line {function.lineno}: {function.name}() is called with names; it can not have "
            "positional-only parameters or *arguments",
            function.lineno,
        )
    none: list[ast.expr | None] = [None]
    defaults = none * (len(arguments.args) - len(arguments.defaults)) + list(arguments.defaults)
    pairs = [*zip(arguments.args, defaults), *zip(arguments.kwonlyargs, arguments.kw_defaults)]
    return tuple(_parameter(argument, default) for argument, default in pairs)


_FILES = {"Input": "input", "cella.Input": "input", "Output": "output", "cella.Output": "output"}


def _parameter(argument: ast.arg, default: ast.expr | None) -> Parameter:
    annotation = "" if argument.annotation is None else ast.unparse(argument.annotation)
    required = annotation.removesuffix(" | None")
    if required in _FILES:
        return Parameter(argument.arg, default is None, file=_FILES[required], optional=required != annotation)
    kind = _TYPES.get(annotation, "any")
    if default is None:
        return Parameter(argument.arg, True, type=kind)
    try:
        value = ast.literal_eval(default)
        write_json(value)
        is_json = _is_json(value)
    except (ValueError, TypeError, SyntaxError, RecursionError, _native.CellaError):
        return Parameter(argument.arg, False)
    if not is_json:
        return Parameter(argument.arg, False)
    return Parameter(argument.arg, False, value, True, kind if _has_type(value, kind) else "any")


def _has_type(value: Any, kind: str) -> bool:
    """Whether a default is of the annotated type, as the executor judges it."""
    if isinstance(value, bool) or value is None:
        return kind == "boolean" and value is not None
    allowed = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "any": object}
    return isinstance(value, allowed[kind])  # type: ignore[arg-type]


def _is_json(value: Any) -> bool:
    """Whether JSON gives exactly this value back: a tuple, for example, would come back as a list."""
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(_is_json, value.values()))
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or isinstance(value, (str, int, float, bool))


def _imports(tree: ast.Module) -> Iterable[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.partition(".")[0], node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.partition(".")[0], node.lineno


def _strangers(tree: ast.Module) -> Iterable[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "cella":
            if node.attr not in RUNTIME_NAMES:
                yield node.attr, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "cella" and node.level == 0:
            for alias in node.names:
                if alias.name not in RUNTIME_NAMES | {"*"}:
                    yield alias.name, node.lineno


def _declaration(name: str, optional: set[str], streams: set[str]) -> dict[str, Any]:
    declaration: dict[str, Any] = {"name": name}
    if name in optional:
        declaration["optional"] = True
    if name in streams:
        declaration["stream"] = True
    return declaration
