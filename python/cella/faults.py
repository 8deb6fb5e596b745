# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a trust file, in one sentence: the term, its value, what is accepted, and what was probably meant.

Whether a file is acceptable is the verifier's word (executor/trust/policy.h), which names the field only. Nothing here accepts
anything: a sentence that misses the point is all that can go wrong.
"""

from __future__ import annotations

import datetime
import difflib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from . import _native
from .encoding import one_line
from .terms import TYPES, Kind, Term, kind_of

DEPTH_MAX = 16
"""Tables and lists within each other; the deepest term has five."""
SHOWN = 60
"""Characters of a value that are shown."""
INTEGER_MAX = (1 << 63) - 1
TIME_MAX = 253402300799
"""Unix seconds: the last of the year 9999, where the years of ISO 8601 end."""

_KEY = 'each "ed25519:" and 43 characters of base64url'
_KINDS = ", ".join(f'"{kind}"' for kind in TYPES)
_TIME = "a time with hours and time zone up to the year 9999, for example 2026-11-01T00:00:00Z"
_MEASUREMENT = {
    "name": "a text of 1 to 64 bytes, for people",
    "type": f"a kind that accept names, of {_KINDS}",
    "value": "sha256: or sha384: and the digits",
    "registers": "a table of register names and values",
    "not_before": _TIME,
    "not_after": f"{_TIME}, not before not_before",
}
_TABLES: dict[str, dict[str, str]] = {
    "": {
        "version": "1",
        "min_level": "an integer from 1 to 5",
        "accept": f"a list of kinds of evidence, of {_KINDS}",
        "measurement": "1 to 64 tables, each under [[measurement]]; none only where there are auditors",
        "auditors": "a table: keys, threshold, statements",
        "charter": "a table: sha256",
        "freshness": "a table: nonce, max_age_s",
        "anchor": "tables, each under [[anchor]]",
        **{kind: f"a table of terms about {kind}" for kind in TYPES},
    },
    "measurement": _MEASUREMENT,
    "auditors": {
        "keys": f"a list of 1 to 16 keys, {_KEY}",
        "threshold": "an integer from 1 to the number of keys",
        "statements": "a list of at most 64 statements, each a compact JWS of at most 16384 characters",
    },
    "charter": {"sha256": "64 hexadecimal digits, without sha256: before them"},
    "freshness": {"nonce": "true or false", "max_age_s": "an integer from 1 to 2147483647"},
    "anchor": {
        "family": "amd-milan, amd-genoa, amd-turin, intel, aws-nitro or tpm",
        "certificate": "one certificate of a root, PEM, at most 8192 characters",
    },
}


def refuse(sentence: str, field: str = "") -> _native.CellaError:
    """BAD_POLICY with a sentence about a field."""
    return _native.error("BAD_POLICY", sentence, field or None)


def shown(value: Any) -> str:
    """A value of a trust file for people: in one line, harmless, cut.

    >>> shown("a" * 100), shown([1, "b"])
    ('"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..."', '[1, "b"]')
    """
    if isinstance(value, str):
        return f'"{one_line(value)}"' if len(value) <= SHOWN - 2 else f'"{one_line(value[: SHOWN - 4])}..."'
    if isinstance(value, int) and abs(value) > INTEGER_MAX:
        return f"an integer of {value.bit_length()} bits"
    text = one_line(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def values(content: Any) -> Iterator[tuple[str, Any]]:
    """Every value inside, with its path; without recursion, so that nothing is too deep for it.

    Raises:
        PolicyError: BAD_POLICY, it is nested deeper than any term.
    """
    waiting: list[tuple[str, Any, int]] = [("", content, 0)]
    while waiting:
        path, value, depth = waiting.pop()
        if depth > DEPTH_MAX:
            raise refuse(f"{shown(path)} is nested more than {DEPTH_MAX} deep, which no term is", path[:SHOWN])
        if isinstance(value, dict):
            inner = [(f"{path}.{name}" if path else str(name), one, depth + 1) for name, one in value.items()]
            waiting += reversed(inner)
        elif isinstance(value, (list, tuple)):
            waiting += reversed([(f"{path}[{place}]", one, depth + 1) for place, one in enumerate(value)])
        else:
            yield path, value


def _foreign(value: Any) -> str | None:
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            return "has a character that no term's text has: NUL, or half of one"
        return None
    if isinstance(value, int):
        return None if abs(value) <= INTEGER_MAX else "is beyond 64 bits, which no term takes"
    if isinstance(value, float):
        return "is no integer; no term takes such a number"
    if isinstance(value, (datetime.date, datetime.time)):
        return "is a time; the only terms that are times are not_before and not_after of a measurement"
    return f"is of Python's type {type(value).__name__}, which no term takes"


def check_values(content: Any) -> None:
    """Refuse what no term can be, before anybody writes it as JSON.

    Raises:
        PolicyError: BAD_POLICY, with the path of the value.
    """
    for path, value in values(content):
        problem = _foreign(value)
        if problem is not None:
            raise refuse(f"{one_line(path)} = {shown(value)} {problem}", path)


# ---- what the verifier refused ----


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, 1, 0.6)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"


def _digits(size: int) -> str:
    return f"{2 * size} hexadecimal digits" if size else "hexadecimal digits, two for each byte"


def _accepted(term: Term) -> str:
    """What a term takes."""
    choices = ", ".join(term.selectors)
    plain = {
        "flag": 'true, false or "any"',
        "bytes": f"a list of texts, each {_digits(term.size)}",
        "excluded": f"a list of texts, each {_digits(term.size)}; it may be empty",
        "text": "a list of texts",
        "every": 'a list of texts, which may be empty, or "any"',
        "number": "a list of integers from 0 on",
        "minimum": "an integer from 0 on",
        "within": "a text of 16 hexadecimal digits",
        "floors": f'a table of {choices}, each with some of {", ".join(term.numbers)} and integers from 0 on; or "any"',
        "selection": "a list of integers from 0 to 63",
        "layers": f"a list of {', '.join(_native.LAYERS)}; it may be empty",
        "roots": f"a list of keys, {_KEY}",
        "choice": f"one of {choices}",
        "events": f'a list of {{ register = ..., digest = "sha256:..." }} with registers of {choices or "the log"}',
    }
    return plain[term.kind]


def _length(value: Any) -> str:
    """How many digits there are, where that is what one wants to know."""
    digits = re.fullmatch(r"(?:sha\d+:)?([0-9A-Fa-f]{2,})", value) if isinstance(value, str) else None
    if digits is None:
        return ""
    return f" ({len(digits[1])} digits)"


def _wrong(path: str, value: Any, accepted: str, known: Iterable[str] = ()) -> str:
    if value == [] and "empty" not in accepted:
        return f"{path} is an empty list, which never means anything here; it takes {accepted}"
    if isinstance(value, list):
        for place, one in enumerate(value):
            if one in value[:place]:
                return f"{path} names {shown(one)} twice"
    near = difflib.get_close_matches(value, list(known), 1, 0.6) if isinstance(value, str) else []
    hint = f'; did you mean "{near[0]}"?' if near else ""
    return f"{path} = {shown(value)}{_length(value)} is not accepted; it takes {accepted}{hint}"


def _element(path: str, listed: list[Any], place: int, accepted: str, known: Iterable[str] = ()) -> str:
    if place < len(listed):
        if listed[place] in listed[:place]:
            return f"{path} names {shown(listed[place])} twice"
        return _wrong(f"{path}[{place}]", listed[place], accepted, known).replace("; it takes", f"; {path} takes")
    return f"{path} is not accepted; it takes {accepted}"


def _same_name(table: dict[str, Any], name: str) -> str:
    """The verifier cleans and cuts names; this finds the one that was meant."""
    for key in table:
        cleaned = "".join(character if " " <= character <= "~" else "?" for character in str(key))
        if cleaned == name or (len(name) >= 20 and cleaned.startswith(name)):
            return str(key)
    return name


def _content(entry: dict[str, Any], path: str, kind: Kind, others: list[Any]) -> str:
    """A measurement whose value is refused: alone, for what is missing beside it, or as one that is there already."""
    size = kind.measurement_size
    wanted = f'"sha{size * 8}:" and {2 * size} hexadecimal digits'
    value = entry.get("value")
    if value is not None and kind.measurement is None:
        return f"{path}.value = {shown(value)}: measurements of {kind.type} have no value, only registers"
    if value is not None and re.fullmatch(f"sha{size * 8}:[0-9A-Fa-f]{{{2 * size}}}", str(value)) is None:
        return _wrong(f"{path}.value", value, wanted)
    for place, other in enumerate(others):
        if isinstance(other, dict) and (other.get("type"), other.get("value")) == (kind.type, value) and value is not None:
            return f"{path}.value = {shown(value)} is the same as that of measurement[{place}]"
    needs = ", or ".join(" and ".join("value" if name == kind.measurement else f"registers.{name}" for name in names)
                        for names in kind.identities)
    more = "at least one register" if kind.needs_registers else ""
    return f"{path} does not say what runs: a measurement of {kind.type} has to name {' with '.join(filter(None, (needs, more)))}"


def _measurement(content: dict[str, Any], path: str, place: int, name: str) -> str:
    entry = content["measurement"][place]
    kind = kind_of(entry["type"]) if entry.get("type") in TYPES else None
    registers = entry.get("registers")
    name = name.removeprefix("registers.")
    if kind is not None and isinstance(registers, dict) and name not in _MEASUREMENT:
        key = _same_name(registers, name)
        if key in registers:
            if key not in kind.registers:
                return f"{path}.registers.{one_line(key)} is no register of {kind.type}; {_nearest(key, kind.registers)}"
            return _wrong(f"{path}.registers.{key}", registers[key], "hexadecimal digits, two for each byte, or an integer from 0 on")
    if name == "value" and kind is not None and (isinstance(entry.get("value"), str) or "value" not in entry):
        return _content(entry, path, kind, content["measurement"][:place])
    if name == "type" and kind is not None:
        return f"{path}.type = {shown(kind.type)} is not among accept, which is {shown(content.get('accept'))}"
    return _member(entry, path, name, _MEASUREMENT, TYPES if name == "type" else ())


def _member(table: Any, path: str, name: str, known: dict[str, str], values_known: Iterable[str] = ()) -> str:
    if not isinstance(table, dict):
        return f"{path} = {shown(table)} is not a table"
    key = _same_name(table, name)
    full = one_line(f"{path}.{key}" if path else key)
    if key not in known:
        return f"{full} is unknown; {_nearest(key, known)}"
    if key not in table:
        near = difflib.get_close_matches(key, [str(other) for other in table if other not in known], 1, 0.6)
        meant = f"; {one_line(near[0])} is unknown: did you mean {key}?" if near else ""
        return f"{full} is missing; it takes {known[key]}{meant}"
    return _wrong(full, table[key], known[key], values_known)


def _floors(path: str, floors: dict[str, Any], term: Term) -> str:
    for selector, least in floors.items():
        if selector not in term.selectors:
            return f"{path}.{one_line(str(selector))} is unknown; {_nearest(str(selector), term.selectors)}"
        for name, number in least.items() if isinstance(least, dict) else ():
            if name not in term.numbers:
                return f"{path}.{selector}.{one_line(str(name))} is unknown; {_nearest(str(name), term.numbers)}"
            if type(number) is not int or number < 0:
                return _wrong(f"{path}.{selector}.{name}", number, "an integer from 0 on")
        if not isinstance(least, dict) or not least:
            return _wrong(f"{path}.{selector}", least, f"a table of integers from 0 on, of {', '.join(term.numbers)}")
    return _wrong(path, floors, _accepted(term))


def _section(content: dict[str, Any], type: str, name: str, place: int | None) -> str:
    section = content.get(type, {})
    terms = {term.name: term for term in kind_of(type).terms}
    key = _same_name(section, name) if isinstance(section, dict) else name
    if place is None or key not in terms or not isinstance(section.get(key), list):
        term = terms.get(key)
        if term is not None and term.kind == "floors" and isinstance(section.get(key), dict):
            return _floors(f"{type}.{key}", section[key], term)
        return _member(section, type, name, {name: _accepted(term) for name, term in terms.items()},
                       term.selectors if term is not None else ())
    term = terms[key]
    known: Iterable[str] = _native.LAYERS if term.kind == "layers" else ()
    return _element(f"{type}.{key}", section[key], place, _accepted(term), known)


def _top(content: dict[str, Any], name: str, place: int | None) -> str:
    listed = content.get(name)
    if name in TYPES and name in content and isinstance(listed, dict):
        return f'[{name}] is there, but accept is {shown(content.get("accept"))}: add "{name}" there, or leave the section out'
    if place is not None and isinstance(listed, list):
        if name == "accept":
            return _element(name, listed, place, _TABLES[""][name], TYPES)
        entry = listed[place] if place < len(listed) else None
        wanted = "; ".join(f"{key}: {text}" for key, text in _TABLES.get(name, {}).items())
        return f"{name}[{place}] = {shown(entry)} is not accepted; it takes {wanted}"
    return _member(content, "", name, _TABLES[""])


def describe(content: dict[str, Any], field: str) -> str:
    """What is wrong with a trust file that the verifier refused.

    Args:
        content: the file.
        field: the verifier's name for what it refused.

    >>> describe({"version": 1, "acept": ["soft"]}, "acept")
    'acept is unknown; did you mean accept?'
    """
    parts = re.fullmatch(r"([a-z-]+)(?:\[(\d+)\])?(?:\.(.*?)(?:\[(\d+)\])?)?", field, re.DOTALL)
    if parts is None or _same_name(content, field) in content:
        return _top(content, field, None)
    head, rest = parts[1], parts[3]
    place = None if parts[2] is None else int(parts[2])
    inner = None if parts[4] is None else int(parts[4])
    if rest is None:
        return _top(content, head, place)
    if head in TYPES:
        return _section(content, head, rest, inner)
    if head not in _TABLES or head == "":
        return _top(content, field, None)
    table = content.get(head)
    if head == "measurement" and isinstance(table, list) and place is not None and isinstance(table[place], dict):
        return _measurement(content, f"measurement[{place}]", place, rest)
    if head == "anchor" and isinstance(table, list):
        known = _TABLES["anchor"]
        table = next((one for one in table if not isinstance(one, dict) or set(one) != set(known)
                      or not all(isinstance(text, str) for text in one.values())), table[0] if table else {})
    elif isinstance(table, dict) and inner is not None and isinstance(table.get(rest), list):
        return _element(f"{head}.{rest}", table[rest], inner, _TABLES[head][rest])
    return _member(table, head, rest, _TABLES[head])
