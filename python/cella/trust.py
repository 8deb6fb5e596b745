# SPDX-License-Identifier: Apache-2.0
"""The trust file: which executors a relying party accepts; and the report of what was found.

The file is TOML. It is turned into JSON of the same shape and judged by the same C code that judges evidence
(executor/trust/policy.h); docs/attestation.md explains every term.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import _native
from .encoding import write_json
from .explain import LEVELS, explain

FILE_MAX = 262144

def default_path() -> Path:
    """Where the trust file is without being told: $CELLA_TRUST, else ./trust.toml."""
    return Path(os.environ.get("CELLA_TRUST") or "trust.toml")


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
        self.json = write_json(content, "trust file")
        self.terms: dict[str, Any] = json.loads(_native.policy(self.json))
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
            with open(path, "rb") as file:
                data = file.read(FILE_MAX + 1)
        except FileNotFoundError:
            raise _native.error(
                "BAD_POLICY",
                f"there is no trust file at {path}; it says which executors you accept: get it from whoever runs "
                "or reviewed the executor, and name it with --trust or $CELLA_TRUST",
            ) from None
        if len(data) > FILE_MAX:
            raise _native.error("BAD_POLICY", f"{path} is larger than {FILE_MAX} bytes")
        try:
            content = tomllib.loads(data.decode("utf-8"))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
            raise _native.error("BAD_POLICY", f"{path} is not TOML: {problem}") from None
        try:
            return cls(content, path)
        except _native.PolicyError as problem:
            raise _native.error(
                "BAD_POLICY", f"{path}: a term is unknown, missing or wrong; see docs/attestation.md", problem.field
            ) from None

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

    def lines(self) -> list[str]:
        """The report as a tick list for people, about one screen."""
        marks = {"passed": "✓", "failed": "✗", "not done": "·"}
        width = max((len(check.name) for check in self.checks), default=0)
        lines = [f"{marks[check.outcome]} {check.name:<{width}}  {check.detail}".rstrip() for check in self.checks]
        lines.append("")
        lines.append(f"Level {self.level}, {LEVELS.get(self.level, 'unknown')}.")
        if self.level_reason:
            lines.append(f"Why not higher: {self.level_reason}")
        lines.append(f"Anchor: {self.anchor or 'none'}")
        if self.measurement_name:
            lines.append(f"Runs: {self.measurement_name}")
        if self.not_checked:
            lines.append("Not checked:")
            lines += [f"  - {sentence}" for sentence in self.not_checked]
        return lines

    def __str__(self) -> str:
        return "\n".join(self.lines())
