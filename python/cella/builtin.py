# SPDX-License-Identifier: Apache-2.0
"""Builtins: the native functions that executors of this version have, as their tables say.

In a cell they are called as ``cella.builtins.NAME(...)``. From outside, a builtin runs as a task of its own:

    psi = cella.Builtin.find("psi")
    task = executor.run(psi, inputs={"input0": "mine.txt", "input1": "theirs.txt"}, outputs=["output0", "output1"])
"""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from . import _native
from .functions import builtin_package

if TYPE_CHECKING:
    from .executor import Executor

_KINDS: dict[str, tuple[type, ...]] = {
    "text": (str,), "choice": (str,), "integer": (int,), "real": (int, float), "flag": (bool,)}
_READERS: dict[str, Callable[[str], Any]] = {
    "text": str, "choice": str, "integer": int, "real": float, "flag": lambda text: text == "true"}
_WORDS = {"text": "a text", "choice": "a text", "integer": "a whole number", "real": "a number", "flag": "true or false"}


@dataclass(frozen=True)
class Parameter:
    """One row of a builtin's table.

    Attributes:
        name: its name; of a group, the members are NAME0, NAME1, ...
        kind: "text", "choice", "integer", "real", "flag", "input", "inputs", "output" or "outputs".
        documentation: what it is for.
        optional: whether an input or output may be left out.
        minimum, maximum: of numbers the value, of texts the bytes, of groups the members.
        default: as text; None where a value must be given.
        choices: what a choice may be.
        format: of inputs and outputs, such as "CSV or .npy".
    """

    name: str
    kind: str
    documentation: str
    optional: bool
    minimum: float
    maximum: float
    default: str | None
    choices: Sequence[str] | None
    format: str | None

    @property
    def is_file(self) -> bool:
        """Whether it is an input or output, or a group of them."""
        return self.kind not in _KINDS

    @property
    def default_value(self) -> Any:
        """The default as a JSON value; None where a value must be given.

        >>> Parameter("n", "integer", "", False, 1, 9, "3", None, None).default_value
        3
        """
        return None if self.default is None else _READERS[self.kind](self.default)

    def check(self, value: Any) -> None:
        """Refuse what the executor's dispatcher would refuse.

        Raises:
            ArgumentError: it has the wrong type or is out of range.
        """
        if not isinstance(value, _KINDS[self.kind]) or (isinstance(value, bool) and self.kind != "flag"):
            raise _native.error("BAD_ARGUMENT", f"argument '{self.name}' must be {_WORDS[self.kind]}", self.name)
        if self.choices and value not in self.choices:
            near = difflib.get_close_matches(value, self.choices, 1)
            raise _native.error(
                "BAD_ARGUMENT",
                f"argument '{self.name}' must be one of {', '.join(self.choices)}, not {value!r}"
                + (f"; did you mean {near[0]}?" if near else ""),
                self.name,
            )
        size = len(value.encode()) if self.kind == "text" else value
        if self.kind in ("text", "integer", "real") and not self.minimum <= size <= self.maximum:
            what = "its size in bytes, " if self.kind == "text" else ""
            raise _native.error(
                "BAD_ARGUMENT",
                f"argument '{self.name}' is out of range: {what}{size:g} is not between {self.minimum:g} and "
                f"{self.maximum:g}",
                self.name,
            )

    def matches(self, name: str) -> bool:
        """Whether an input or output of that name is this parameter, or a member of this group.

        >>> group = Parameter("part", "inputs", "", False, 1, 3, None, None, "lines")
        >>> group.matches("part2"), group.matches("part"), group.matches("part02")
        (True, False, False)
        """
        if self.kind in ("inputs", "outputs"):
            number = name.removeprefix(self.name)
            return name != number and number.isdigit() and str(int(number)) == number
        return name == self.name

    def members(self, count: int) -> list[str]:
        """The names that it stands for, a group with ``count`` members."""
        if self.kind in ("inputs", "outputs"):
            return [f"{self.name}{index}" for index in range(count)]
        return [] if self.optional else [self.name]


@dataclass(frozen=True)
class Builtin:
    """A native function of the executor.

    Attributes:
        name, alias: its name, and the one it has in Teaclave.
        version: rises when the same input can give another output.
        documentation, returns, determinism, limits, example: texts of the table; None where there is nothing to say.
        result: "text" or "json".
        profiles: those that have it, the smallest first.
        parameters: arguments, inputs, outputs.
        privacy: which of them say what a run spends of whose privacy: epsilon, delta, inputs; None: nothing of that kind.
    """

    name: str
    alias: str | None
    version: str
    documentation: str
    returns: str
    result: str
    determinism: str | None
    limits: str | None
    example: str | None
    profiles: Sequence[str]
    parameters: Sequence[Parameter]
    privacy: Mapping[str, Any] | None = None

    @staticmethod
    def all() -> Sequence[Builtin]:
        """Every builtin of this version, in the order of the documentation.

        >>> "echo" in [item.name for item in Builtin.all()]
        True
        """
        return _table()

    @staticmethod
    def find(name: str) -> Builtin:
        """The builtin of that name, or of that name in Teaclave, which writes some with - and some with _: either is fine.

        >>> Builtin.find("builtin-echo").name
        'echo'
        >>> Builtin.find("builtin-online-decrypt").name, Builtin.find("builtin_online_decrypt").name
        ('online_decrypt', 'online_decrypt')

        Raises:
            NotFound: there is none; the message names the nearest.
        """
        for item in _table():
            if name == item.name or (item.alias and _one_spelling(name) == _one_spelling(item.alias)):
                return item
        names = [item.name for item in _table()]
        near = difflib.get_close_matches(name, names, 1)
        raise _native.error(
            "NOT_FOUND",
            f"there is no builtin {name!r}; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"),
        )

    def package(
        self,
        inputs: Iterable[str] | None = None,
        outputs: Iterable[str] | None = None,
        arguments: Iterable[str] | None = None,
        *,
        members: int | None = None,
        profile: str | None = None,
        limits: Mapping[str, int | str] | None = None,
        public: bool = True,
        isolation: Mapping[str, str] | None = None,
        streams: Sequence[str] = (),
        locked: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> bytes:
        """The function package that runs this builtin.

        Args:
            inputs: names; None for all that must be given.
            outputs: names; None for all that are not optional.
            arguments: names; None for all that there are.
            members: how many members the groups have, where inputs and outputs are not named. None: as few as can be.
            profile: where it runs; None for the smallest that has it.
            limits: lower than the executor's.
            public: whether everybody may use it without the owner's approval.
            isolation: what is asked beyond the ordinary box.
            streams: the inputs that are read while they are being decrypted.
            locked: argument -> value that nobody can change.
            more: title, optional, release, description, descriptions of builtin_package.

        Raises:
            ArgumentError: a name is not in the table, or a group has too few or many members.
        """
        rows = self.parameters
        files = {
            "input": self._files(inputs, members, "input"),
            "output": self._files(outputs, members, "output"),
        }
        known = [row.name for row in rows if not row.is_file]
        locked = dict(locked or {})
        given = [name for name in known if name not in locked] if arguments is None else list(arguments)
        for name in (*given, *locked):
            if name not in known:
                self._refuse("argument", name, known)
        profile = profile or self.profiles[0]
        if profile not in self.profiles:
            raise _native.error(
                "BAD_ARGUMENT", f"profile {profile!r} has no {self.name}; {', '.join(self.profiles)} have", "profile"
            )
        return builtin_package(
            self.name, files["input"], files["output"], given,
            profile=profile, limits=limits, public=public, isolation=isolation, streams=streams,
            defaults={row.name: row.default_value for row in rows if row.default is not None}, locked=locked,
            privacy=self._privacy(files["input"], {*given, *locked}), **more,
        )

    def profile_of(self, executor: Executor) -> str:
        """The smallest profile with this function that an executor offers; the smallest of all where it offers none."""
        offered = {item.get("name") for item in executor.information().get("profiles", [])}
        return next((profile for profile in self.profiles if profile in offered), self.profiles[0])

    def _privacy(self, inputs: Sequence[str], arguments: Container[str]) -> dict[str, Any] | None:
        """What the table says about privacy, in the names of a package; None where it has no argument that says how much."""
        said = self.privacy
        if said is None or said["epsilon"] not in arguments:
            return None
        named: dict[str, Any] = {"epsilon": said["epsilon"]}
        if said["delta"] in arguments:
            named["delta"] = said["delta"]
        elif any(row.name == said["delta"] and float(row.default or 1) != 0 for row in self.parameters):
            return None
        rows = [row for row in self.parameters if row.name in said["inputs"]]
        named["inputs"] = [name for name in inputs if any(row.matches(name) for row in rows)]
        return named if named["inputs"] else None

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Refuse argument values that the executor would refuse.

        >>> Builtin.find("echo").check({"message": "hello"})

        Raises:
            ArgumentError: an argument is missing, unknown, of the wrong type or out of range.
        """
        rows = {row.name: row for row in self.parameters if not row.is_file}
        for name, value in arguments.items():
            if name not in rows:
                self._refuse("argument", name, list(rows))
            rows[name].check(value)
        for name, row in rows.items():
            if row.default is None and name not in arguments:
                raise _native.error("BAD_ARGUMENT", f"{self.name} needs argument '{name}': {row.documentation}", name)

    def _refuse(self, kind: str, name: str, known: Sequence[str]) -> None:
        near = difflib.get_close_matches(name, known, 1)
        what = f"did you mean {near[0]}?" if near else f"it has {', '.join(known) or 'none'}"
        raise _native.error("BAD_ARGUMENT", f"{self.name} has no {kind} '{name}'; {what}", name)

    def _files(self, names: Iterable[str] | None, members: int | None, kind: str) -> list[str]:
        """Names of inputs or outputs: the given ones, checked, or those that the table asks for."""
        rows = [row for row in self.parameters if row.kind in (kind, f"{kind}s")]
        if names is None:
            return [name for row in rows for name in row.members(int(members or row.minimum))]
        given = list(names)
        known = [name for row in rows for name in (row.members(2) or [row.name])]
        for name in given:
            if not any(row.matches(name) for row in rows):
                self._refuse(kind, name, known)
        for row in rows:
            found = sum(row.matches(name) for name in given)
            least = 0 if row.optional else row.minimum
            if not least <= found <= row.maximum or not set(row.members(found)) - {row.name} <= set(given):
                wanted = f"{least:g} to {row.maximum:g} {kind}s {row.name}0, {row.name}1, ... without a gap" \
                    if row.kind != kind else f"{kind} '{row.name}': {row.documentation}"
                raise _native.error("BAD_ARGUMENT", f"{self.name} needs {wanted}", row.name)
        return given


def _one_spelling(name: str) -> str:
    """As in the executor's registry: in names that begin with "builtin", - and _ are the same."""
    return name.replace("_", "-") if name.startswith("builtin") else name


@functools.cache
def _table() -> tuple[Builtin, ...]:
    text = resources.files(__package__).joinpath("builtin_table.json").read_text("utf-8")
    return tuple(
        Builtin(**{**row, "parameters": tuple(Parameter(**parameter) for parameter in row["parameters"])})
        for row in json.loads(text)
    )
