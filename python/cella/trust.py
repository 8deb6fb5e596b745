# SPDX-License-Identifier: Apache-2.0
"""The trust file: which executors a relying party accepts; and the report of what was found.

The file is TOML. It is turned into JSON of the same shape and judged by the same C code that judges evidence
(executor/trust/policy.h); docs/attestation.md explains every term.
"""

from __future__ import annotations

import copy
import datetime
import json
import os
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import _native
from .encoding import write_json
from .explain import LEVELS, explain
from .faults import TIME_MAX, check_values, describe, refuse, values
from .reading import read_bounded

FILE_MAX = 262144
PLACEHOLDER = "FILL IN"
"""Values of a template that begin so are what only its user can know."""
SCREEN = 100
"""Columns that sentences of a report are wrapped to."""
_MARKS = {"passed": "✓", "failed": "✗", "not done": "·"}


def default_path() -> Path:
    """Where the trust file is without being told: $CELLA_TRUST, else ./trust.toml."""
    return Path(os.environ.get("CELLA_TRUST") or "trust.toml")


def _times(content: dict[str, Any]) -> dict[str, Any]:
    """Dates of measurements as Unix seconds, which is what the verifier reads."""
    listed = content.get("measurement")
    for place, entry in enumerate(listed if isinstance(listed, list) else ()):
        for name in ("not_before", "not_after"):
            value = entry.get(name) if isinstance(entry, dict) else None
            if isinstance(value, (datetime.datetime, datetime.date)):
                path = f"measurement[{place}].{name}"
                if not isinstance(value, datetime.datetime) or value.tzinfo is None:
                    raise refuse(f"{path} = {value}: a time needs hours and time zone, for example 2026-11-01T00:00:00Z", path)
                value = entry[name] = int(value.timestamp())
            if type(value) is int and not 0 <= value <= TIME_MAX:
                raise refuse(f"measurement[{place}].{name} is before 1970 or after the year 9999", f"measurement[{place}].{name}")
    return content


def _placeholders(content: dict[str, Any]) -> list[str]:
    """Where a template was not filled in."""
    return [path for path, value in values(content) if isinstance(value, str) and value.startswith(PLACEHOLDER)]


def _judged(content: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """The policy as JSON, and as the verifier understood it."""
    left = _placeholders(content)
    if left:
        raise refuse(f"this is a template that waits for you: fill in {', '.join(left)}", left[0])
    content = _times(copy.deepcopy(content))
    check_values(content)
    text = write_json(content, "trust file")
    try:
        return text, json.loads(_native.policy(text))
    except _native.PolicyError as problem:
        raise refuse(describe(content, problem.field or ""), problem.field or "") from None


class Trust:
    """A trust file that was read and found acceptable.

    Attributes:
        json: the policy as JSON bytes, as the verifier reads it.
        terms: the policy as the verifier understood it: every default filled in.
        path: where it came from, or None.

    >>> trust = Trust({
    ...     "version": 1, "min_level": 2, "accept": ["soft"],
    ...     "measurement": [{"name": "release 1", "type": "soft", "value": "sha256:" + "00" * 32}],
    ...     "soft": {"roots": ["ed25519:" + "A" * 43]},
    ... })
    >>> trust.terms["min_level"]
    2
    """

    def __init__(self, content: dict[str, Any], path: Path | None = None) -> None:
        self.json: bytes
        self.terms: dict[str, Any]
        try:
            self.json, self.terms = _judged(content)
        except _native.PolicyError as problem:
            sentence = str(problem).partition(": ")[2].removesuffix(f" (field {problem.field})")
            raise refuse(f"{path or 'the trust file'}: {sentence}", problem.field or "") from None
        self.path = path

    @classmethod
    def load(cls, source: Trust | dict[str, Any] | str | os.PathLike[str] | None = None) -> Trust:
        """Read a trust file.

        Args:
            source: path of a TOML file; a dict of the same shape; a Trust, which is returned; None for the default.

        Raises:
            PolicyError: BAD_POLICY, there is no such file, or it is wrong; the error's field names the term.
        """
        if isinstance(source, Trust):
            return source
        if isinstance(source, dict):
            return cls(source)
        import tomllib

        path = default_path() if source is None else Path(source)
        try:
            data = read_bounded(path, FILE_MAX)
        except FileNotFoundError:
            raise _native.error(
                "BAD_POLICY",
                f"there is no trust file at {path}; it says which executors you accept: get it from whoever runs "
                "or reviewed the executor, and name it with --trust or $CELLA_TRUST",
            ) from None
        except _native.CellaError as problem:
            raise _native.error("BAD_POLICY", str(problem).partition(": ")[2]) from None
        try:
            content = tomllib.loads(data.decode("utf-8"))
        except ValueError as problem:  # bytes that are no text, no TOML, or an integer of thousands of digits
            raise _native.error("BAD_POLICY", f"{path} is not TOML: {problem}") from None
        except RecursionError:
            raise _native.error("BAD_POLICY", f"{path} is nested too deeply to be a trust file") from None
        return cls(content, path)

    def explain(self) -> str:
        """What the trust file accepts, in sentences.

        Returns:
            Lines of text; the same file always gives the same text.
        """
        return "\n".join(explain(self.terms))


@dataclass(frozen=True)
class Check:
    """One check of a report.

    Attributes:
        name: stable identifier, for example "measurement".
        outcome: "passed", "failed" or "not done" (an earlier one failed).
        code: status code that says why it failed; "OK" otherwise.
        detail: for people.
    """

    name: str
    outcome: str
    code: str
    detail: str


@dataclass(frozen=True)
class Report:
    """What was verified about an executor, what not, and on whose word.

    Attributes:
        accepted: True only when every check passed.
        level: assurance level, 1 to 5, computed from verified evidence; 0 when nothing verified.
        level_reason: why it is not higher.
        anchor: the trust anchor that everything rests on.
        type: kind of evidence, for example "soft".
        measurement_name: the trust file's, or the auditors', name for what runs.
        claims: what the evidence says, by name: (name, value). Bytes are hexadecimal. Believe it only when accepted.
        checks: every check with its outcome.
        not_checked: what nobody looked at; read it.
    """

    accepted: bool
    level: int
    level_reason: str
    anchor: str
    type: str
    measurement_name: str
    claims: tuple[tuple[str, str | int | bool], ...]
    checks: tuple[Check, ...]
    not_checked: tuple[str, ...]

    def claim(self, name: str) -> str | int | bool | None:
        """Value of the first claim of that name, or None."""
        return next((value for key, value in self.claims if key == name), None)

    @property
    def measurement(self) -> str:
        """What runs, hexadecimal: the main register of this kind of evidence; empty when there is none."""
        found = (self.claim(name) for name in ("measurement", "mrtd", "mrenclave", "pcr0"))
        return next((str(value) for value in found if value is not None), "")

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-able values."""
        import dataclasses

        return dataclasses.asdict(self)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed; the first decided, terms of the trust file are all judged."""
        return tuple(check for check in self.checks if check.outcome == "failed")

    def _terms(self) -> range:
        """Where the terms of the trust file's sections stand among the checks: right before the measurement."""
        names = [check.name for check in self.checks]
        end = names.index("measurement") if "measurement" in names else len(names)
        begin = max((place + 1 for place in range(end) if names[place] in ("binding", "freshness")), default=end)
        return range(begin, end)

    def _ticks(self) -> list[tuple[str, str, str]]:
        """Outcome, name, detail: one per check, with all terms that passed as one, and all that was not done."""
        terms = self._terms()
        met = sum(self.checks[place].outcome == "passed" for place in terms)
        ticks = []
        for place, check in enumerate(self.checks):
            if check.outcome == "not done":
                continue
            if place in terms and check.outcome == "passed":
                if place == next(first for first in terms if self.checks[first].outcome == "passed"):
                    ticks.append(("passed", "terms" if met > 1 else check.name, f"{met} terms of the trust file are met" if met > 1 else check.detail))
                continue
            ticks.append((check.outcome, check.name, check.detail))
        if any(check.outcome == "not done" for check in self.checks):
            names = [c.name for n, c in enumerate(self.checks) if c.outcome == "not done" and n not in terms]
            waiting = sum(self.checks[place].outcome == "not done" for place in terms)
            names = [f"{waiting} terms", *names] if waiting else names
            ticks.append(("not done", "not done", ", ".join(names)))
        return ticks

    def _refusal(self, ticks: list[tuple[str, str, str]]) -> str:
        failed = ", ".join(check.name for check in self.failed)
        passed = ", ".join(name for outcome, name, _ in ticks if outcome == "passed")
        return f"Refused by: {failed}. {f'Verified besides: {passed}' if passed else 'Nothing was verified'}."

    def lines(self) -> list[str]:
        """The report as a tick list for people, about one screen."""
        ticks = self._ticks()
        width = max((len(name) for _, name, _ in ticks), default=0)
        lines = [f"{_MARKS[outcome]} {name:<{width}}  {detail}".rstrip() for outcome, name, detail in ticks]
        if self.failed:
            lines += textwrap.wrap(self._refusal(ticks), SCREEN, subsequent_indent="  ")
        if self.level or not self.failed:
            lines.append(f"Level {self.level}, {LEVELS.get(self.level, 'unknown')}.")
        if self.level_reason:
            lines.append(f"Why not higher: {self.level_reason}")
        lines.append(f"Anchor: {self.anchor or 'none'}")
        if self.measurement_name:
            lines.append(f"Runs: {self.measurement_name}")
        if self.not_checked:
            sentences = "; ".join(self.not_checked)
            lines += textwrap.wrap(f"Not checked: {sentences}.", SCREEN, subsequent_indent="  ")
        return lines

    def __str__(self) -> str:
        return "\n".join(self.lines())


def report_of(found: dict[str, Any]) -> Report:
    """The verifier's answer as a report."""
    return Report(
        accepted=found["status"] == "OK",
        level=found["level"],
        level_reason=found["level_reason"],
        anchor=found["anchor"],
        type=found["type"],
        measurement_name=found["measurement_name"],
        claims=tuple(found["claims"]),
        checks=tuple(Check(*check) for check in found["checks"]),
        not_checked=tuple(found["not_checked"]),
    )
