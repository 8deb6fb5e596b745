# SPDX-License-Identifier: Apache-2.0
"""The contract of a task: the bytes that everybody approves, and the same bytes as prose."""

from __future__ import annotations

import datetime
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from . import _native
from .encoding import human_size, parse_object, visible

MEMBERS = {
    "version",
    "task",
    "executor",
    "measurements",
    "creator",
    "function",
    "arguments",
    "inputs",
    "outputs",
    "result",
    "messages",
    "limits",
    "isolation",
    "participants",
    "attempts",
    "expires",
}
OPTIONAL = {"auditors"}
FUNCTION_MEMBERS = {
    "function",
    "name",
    "version",
    "owner",
    "sha256",
    "public",
    "executor",
    "profile",
    "entry",
    "quota",
    "audited_by",
}
FILE_MEMBERS = {
    "inputs": {"owners", "stream", "data", "sha256", "size", "format", "policy", "bound_by", "privacy"},
    "outputs": {"receivers", "fusion"},
}
FORMATS = {
    "aes-gcm-128": "one AES-GCM message under a key of 128 bits",
    "aes-gcm-256": "one AES-GCM message under a key of 256 bits",
    "teaclave-file-128": "a protected file of Intel's SGX SDK under a key of 128 bits",
}
"""Format of an input that is not a sealed file -> what it is."""
BOUND_MEMBERS = {"data", "owner", "policy"}
POLICY_MEMBERS = {"functions", "auditors", "uses", "until", "release", "budget"}
AMOUNT_MEMBERS = {"epsilon", "delta"}
"""Of a privacy budget, and of what a run spends."""
ISOLATION = {
    "clock": {
        "fine": "its clock runs at full resolution",
        "coarse": "it has no clock finer than the kernel's tick, and a single thread: another could count in its place",
    },
    "zygote": {
        "shared": "its process is forked from one that serves all owners of functions",
        "owner": "its process is forked from one that serves this function's owner only",
    },
    "sizes": {
        "exact": "sizes of outputs, result and messages are as they are",
        "padded": "sizes of outputs, result and messages are padded to classes: all but their magnitude is hidden",
    },
}
"""Member of isolation -> word -> what it means. What is not here can not be explained, so it is not accepted."""


@dataclass(frozen=True)
class Contract:
    """A contract as it was received.

    Attributes:
        content: the exact bytes.
        sha256: computed here over those bytes, hexadecimal. This is what an approval names.
        terms: the bytes as JSON.
    """

    content: bytes
    sha256: str
    terms: dict[str, Any]

    @classmethod
    def of(cls, content: bytes, task: str, executor: str) -> Contract:
        """Read a contract's bytes.

        Args:
            content: as received. Untrusted.
            task, executor: what it must be about.

        Raises:
            StateError: WRONG_CONTRACT, it is about another task or executor.
            FormatError: it is not a contract, or has terms that this version does not know and could not explain.
        """
        terms = parse_object(content, "contract")
        if terms.get("version") != 1 or not _is_known(terms):
            raise _native.error(
                "BAD_VERSION", "the contract has terms that this version of cella can not explain; update"
            )
        if terms["task"] != task or terms["executor"] != executor:
            raise _native.error("WRONG_CONTRACT", "the contract is about another task or executor")
        return cls(content, hashlib.sha256(content).hexdigest(), terms)

    def explain(self, me: str | None = None) -> str:
        """The contract in sentences: what runs, who gives what, who gets what.

        Args:
            me: a party id that is written as "you".

        Returns:
            Text; the same bytes and the same me always give the same text.

        Raises:
            FormatError: BAD_FORMAT, a term has an unexpected shape.
        """
        try:
            return visible("\n".join(_lines(self.terms, me, self.sha256)))
        except (KeyError, TypeError, AttributeError, ValueError) as problem:
            raise _native.error("BAD_FORMAT", f"the contract can not be explained: {problem!r}") from None


def _is_known(terms: dict[str, Any]) -> bool:
    """Whether every term is one that can be explained: nobody approves what he is not shown."""
    try:
        if set(terms) - OPTIONAL != MEMBERS or set(terms["function"]) - FUNCTION_MEMBERS - {"release", "privacy"}:
            return False
        if set(terms["function"].get("privacy", {})) - AMOUNT_MEMBERS - {"inputs"}:
            return False
        rules = [terms.get("auditors", {})]
        amounts = []
        for kind, known in FILE_MEMBERS.items():
            for item in terms[kind].values():
                bounds = item.get("bound_by", ())
                policies = [item.get("policy", {}), *(bound["policy"] for bound in bounds)]
                if set(item) - known or item.get("format", "aes-gcm-128") not in FORMATS:
                    return False
                if any(set(bound) != BOUND_MEMBERS for bound in bounds) or any(set(one) - POLICY_MEMBERS for one in policies):
                    return False
                rules += [one.get("auditors", {}) for one in policies]
                amounts += [item.get("privacy", {}), *(one.get("budget", {}) for one in policies)]
        return not any(set(amount) - AMOUNT_MEMBERS for amount in amounts) and not any(set(rule) - {"parties", "threshold"} for rule in rules)
    except (TypeError, AttributeError, KeyError):
        return True  # of a shape that explain refuses with its own words


def _when(unix_s: int) -> str:
    return datetime.datetime.fromtimestamp(unix_s, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def _rules(release: dict[str, int]) -> str:
    return ", ".join(f"{name} at least {value}" for name, value in sorted(release.items()))


def _amount(amount: dict[str, float]) -> str:
    """Of privacy: "epsilon 0.5" or "epsilon 0.5 and delta 1e-06"."""
    delta = amount.get("delta", 0)
    return f"epsilon {amount['epsilon']:.13g}" + (f" and delta {delta:.13g}" if delta else "")


def _auditors(rule: dict[str, Any], me: str | None) -> str:
    return f"at least {rule['threshold']} of the auditors {people(rule['parties'], me)}"


def _quoted(text: Any) -> str:
    """Text from others, with whatever could fool a terminal escaped."""
    return json.dumps(text, ensure_ascii=True)


def people(parties: list[str], me: str | None) -> str:
    """Parties as words, the reader as "you".

    >>> people(["party:a", "party:b"], "party:b")
    'party:a and you'
    """
    names = ["you" if party == me else party for party in parties]
    return " and ".join(names) if names else "nobody"


def _lines(terms: dict[str, Any], me: str | None, sha256: str) -> list[str]:
    return [
        f"Task {terms['task']}, created by {people([terms['creator']], me)}.",
        "",
        "What runs",
        *_what_runs(terms, me),
        "",
        "Who gives what",
        *(_inputs(terms["inputs"], me) or ["  Nobody gives data."]),
        "",
        "Who gets what",
        *_who_gets(terms, me),
        "",
        "Where, how, and at most how much",
        f"  Executor {terms['executor']}",
        *(f"  running {measurement}" for measurement in terms["measurements"]),
        *_isolation(terms["isolation"]),
        "  " + ", ".join(_limit(name, value) for name, value in sorted(terms["limits"].items())),
        "",
        "What it costs, and when it ends",
        *_costs(terms),
        "",
        f"It runs when all have approved: {people(terms['participants'], me)}. Until it runs, each of them may withdraw.",
        f"Contract SHA-256 {sha256}",
    ]


def _what_runs(terms: dict[str, Any], me: str | None) -> list[str]:
    function = terms["function"]
    if function["executor"] == "builtin":
        where = f"built into the executor, profile {function['profile']}"
        kind = f"the executor's own code, described by: cella builtins show {visible(function['entry'])}"
    else:
        where = f"Python, profile {function['profile']}"
        kind = (
            "public: everybody may read its source"
            if function["public"]
            else "private: only its owner and the executor know its source"
        )
    return [
        f"  {_quoted(function['name'])} version {function['version']} ({where}), entry {_quoted(function['entry'])}, "
        f"owned by {people([function['owner']], me)}.",
        f"  It is {kind}.",
        f"  SHA-256 {function['sha256']}",
        *_vouched(terms, me),
        *(f"  argument {name} = {_quoted(value)}" for name, value in sorted(terms["arguments"].items())),
    ]


def _vouched(terms: dict[str, Any], me: str | None) -> list[str]:
    function, lines = terms["function"], []
    if function["audited_by"]:
        lines.append(f"  Auditors who have signed for it: {people(function['audited_by'], me)}.")
    else:
        lines.append("  No auditor has signed for it.")
    if "auditors" in terms:
        lines.append(f"  It runs only while {_auditors(terms['auditors'], me)} stand by it.")
    if function.get("release"):
        lines.append(f"  Its owner declares that what it releases keeps to: {_rules(function['release'])}.")
        lines.append("    The executor compares that with what owners of data ask for; whether it is true, auditors say.")
    if function.get("privacy"):
        said = function["privacy"]
        what = " and ".join(f"argument {said[name]} says {name}" for name in ("epsilon", "delta") if name in said)
        which = f"inputs {', '.join(said['inputs'])}" if "inputs" in said else "its inputs"
        lines.append(f"  Its owner declares that what it releases of {which} is differentially private: {what}.")
        lines.append("    The executor adds that up for owners of data who have set a budget; whether it is true, auditors say.")
    return lines


def _costs(terms: dict[str, Any]) -> list[str]:
    quota, attempts = terms["function"]["quota"], terms["attempts"]
    lines = []
    if quota >= 0:
        lines.append(f"  Each run takes 1 of the {quota} runs of the function's quota.")
    else:
        lines.append("  The function has no quota.")
    for name, item in sorted(terms["inputs"].items()):
        if "uses" in item.get("policy", {}):
            lines.append(f"  Each run takes 1 of the {item['policy']['uses']} uses of {name}.")
        for bound in item.get("bound_by", ()):
            if "uses" in bound["policy"]:
                lines.append(f"  Each run takes 1 of the {bound['policy']['uses']} uses of {bound['data']}, by {name}.")
        if "privacy" in item:
            lines.append(f"  Each run spends {_amount(item['privacy'])} of the privacy of {name}, and of all that it was made of.")
    runs = "1 run" if attempts == 1 else f"up to {attempts} runs, a further one only after one has failed"
    lines.append(f"  The approval is for {runs}.")
    lines.append(f"  If it was not invoked before {_when(terms['expires'])} it is over.")
    return lines


def _policy(policy: dict[str, Any], me: str | None) -> list[str]:
    lines = []
    if "functions" in policy:
        lines.append("    its owner lets these functions read it, by hash: " + ", ".join(policy["functions"]))
    if "auditors" in policy:
        either = "or functions" if "functions" in policy else "its owner lets functions read it"
        lines.append(f"    {either} for which {_auditors(policy['auditors'], me)} have signed")
    if "uses" in policy:
        lines.append(f"    it may be used {policy['uses']} time{'' if policy['uses'] == 1 else 's'}, over all tasks")
    if "until" in policy:
        lines.append(f"    it may be used until {_when(policy['until'])}")
    if "budget" in policy:
        lines.append(f"    its privacy budget, over all tasks, is {_amount(policy['budget'])}")
    if "release" in policy:
        lines.append(f"    its owner asks that the function declares: {_rules(policy['release'])}")
    return lines


def _inputs(inputs: dict[str, Any], me: str | None) -> list[str]:
    lines = []
    for name, item in sorted(inputs.items()):
        lines.append(
            f"  {name}: from {people(item['owners'], me)}, {human_size(item['size'])} sealed, {item['data']}"
        )
        lines.append(f"    SHA-256 {item['sha256']}")
        if "format" in item:
            lines.append(f"    not a sealed file but {item['format']}: {FORMATS[item['format']]}")
        lines += _policy(item.get("policy", {}), me)
        for bound in item.get("bound_by", ()):
            whose = "its owner" if bound["data"] == item["data"] else f"made of {bound['data']}, whose owner"
            setter = "you, have" if bound["owner"] == me else f"{people([bound['owner']], me)}, has"
            lines.append(f"    {whose}, {setter} set:")
            lines += [f"  {line}" for line in _policy(bound["policy"], me)]
        if item.get("stream"):
            lines.append("    read once, forward, while it is being decrypted; nothing is released before all of it")
            lines.append("    was found to be what was registered")
    return lines


def _who_gets(terms: dict[str, Any], me: str | None) -> list[str]:
    owner, readers = terms["function"]["owner"], terms["messages"]["receivers"]
    lines = []
    for name, item in sorted(terms["outputs"].items()):
        if item.get("fusion"):
            lines.append(f"  {name}: stays in the executor; nobody gets its key. It belongs to {people(item['receivers'], me)}")
            lines.append("    together, and becomes the input of a task only if all of them approve that task, and only as the")
            lines.append("    policies of the inputs that it was made of allow then")
        else:
            lines.append(f"  {name}: to {people(item['receivers'], me)}")
    lines += [
        f"  result (a JSON value): to {people(terms['result']['receivers'], me)}",
        "  error texts, traceback, log, words of progress, all of which can contain data: "
        f"to {people(readers, me)}",
    ]
    if owner in readers and owner != terms["creator"]:
        lines.append(f"    {people([owner], me)} owns the function, which can write there whatever it reads.")
    lines += [
        "  class and line of an exception, fraction of progress, sizes and usage, in which a function can hide a few",
        "    bytes: to every participant",
    ]
    return lines


def _isolation(isolation: dict[str, str]) -> list[str]:
    if set(isolation) != set(ISOLATION):
        raise ValueError("isolation")
    return [f"  {name}: {ISOLATION[name][isolation[name]]}" for name in ISOLATION]


def _limit(name: str, value: int) -> str:
    if name == "threads":
        others = "1 thread" if value == 1 else f"{value} threads"
        return f"{others} besides the main one" if value else "a single thread"
    words, _, unit = name.rpartition("_")
    if unit == "bytes":
        return f"{words} {human_size(value)}"
    if unit == "s":
        return f"{words} {value} s"
    return f"{name} {value}"
