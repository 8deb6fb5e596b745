# SPDX-License-Identifier: Apache-2.0
"""Where an output came from: the runs and inputs that led to it, out of receipts. Offline (docs/receipts.md)."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Union

from . import _native
from .encoding import one_line, to_base64url
from .receipts import Content, Item, Parts, Receipt, _digest, verify_receipt
from .trust import Trust

if TYPE_CHECKING:
    from .executor import Executor

RECEIPTS_MAX = 1024
"""Receipts of one view."""
MAKERS_MAX = 8
"""Runs that are named for one input because they say that they made it; a count tells of more."""
SHORT = 12
"""Hexadecimal digits of a digest for people; JSON has all of them."""
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,128}\Z")

Given = Union[Content, Parts, Receipt]


@dataclass(frozen=True)
class Source:
    """An input, and where it came from.

    Attributes:
        item: as the receipt names it.
        makers: leaves of the receipts given that have it as an output. Empty: no receipt given does.
        more: how many further ones there are, beyond MAKERS_MAX.
    """

    item: Item
    makers: tuple[bytes, ...] = ()
    more: int = 0


@dataclass(frozen=True)
class Node:
    """A run or a deletion in the view.

    Attributes:
        leaf: the hash under which logs have its statement, and by which other statements name it.
        kind: "execution" or "deletion".
        subject: id of the task, or of the data that were deleted.
        executor: id of the executor's key.
        known: False where the statement holds a hash only and its content was not supplied: what led to it is not known.
        function: SHA-256 of the package; empty for deletions and where it is not known.
        inputs: with where they came from.
        outputs: by digest.
        parents: leaves of the statements whose outputs were inputs here, as the executor signed them.
        verdict: "accepted", "refused" or "not judged".
        code: why, when it is refused.
        files: names of the files that it was read from.
    """

    leaf: bytes
    kind: str
    subject: str
    executor: str
    known: bool
    function: bytes
    inputs: tuple[Source, ...]
    outputs: tuple[Item, ...]
    parents: tuple[bytes, ...]
    verdict: str = "not judged"
    code: str = ""
    files: tuple[str, ...] = ()

    def judgement(self) -> str:
        """The verdict with its code."""
        return f"{self.verdict} ({self.code})" if self.code else self.verdict

    def before(self) -> list[bytes]:
        """Leaves of what led to it, each once: parents that it signed, then those found by digest."""
        return list(dict.fromkeys([*self.parents, *(leaf for source in self.inputs for leaf in source.makers)]))

    def as_dict(self) -> dict[str, Any]:
        """As JSON-able values."""
        return {
            "leaf": self.leaf.hex(), "kind": self.kind, "subject": self.subject, "executor": self.executor,
            "known": self.known, "function": self.function.hex(), "verdict": self.verdict, "code": self.code,
            "files": list(self.files), "parents": [leaf.hex() for leaf in self.parents],
            "inputs": [{**_item(source.item), "makers": [leaf.hex() for leaf in source.makers], "more": source.more}
                       for source in self.inputs],
            "outputs": [_item(item) for item in self.outputs],
        }


def _item(item: Item) -> dict[str, Any]:
    return {"name": item.name, "kind": item.kind, "digest": item.digest.hex(), "size": item.size}


@dataclass(frozen=True)
class Provenance:
    """What led to an output, as far as receipts were given.

    Attributes:
        nodes: runs that led to it, itself first, each before what led to it where that is possible.
        missing: leaves that a node names as its parent and that were not supplied.
        unconnected: receipts that were given and did not lead to it.
    """

    nodes: tuple[Node, ...]
    missing: tuple[bytes, ...]
    unconnected: tuple[Node, ...]

    @property
    def root(self) -> Node:
        """The run whose outputs this is about."""
        return self.nodes[0]

    @property
    def complete(self) -> bool:
        """True when every parent that any node names was supplied, and the content of every node."""
        return not self.missing and all(node.known for node in self.nodes)

    @property
    def accepted(self) -> bool:
        """True when every node was judged and accepted. It says nothing about what is missing: see ``complete``."""
        return all(node.verdict == "accepted" for node in self.nodes)

    def as_dict(self) -> dict[str, Any]:
        """As JSON-able values (docs/receipts.md)."""
        return {
            "root": self.root.leaf.hex(), "complete": self.complete, "accepted": self.accepted,
            "nodes": [node.as_dict() for node in self.nodes], "missing": [leaf.hex() for leaf in self.missing],
            "unconnected": [node.as_dict() for node in self.unconnected],
        }

    def lines(self) -> list[str]:
        """A tree for a terminal, from the output back. A run that stands in several places is written out once."""
        found = {node.leaf: node for node in self.nodes}
        lines, seen = [], set()
        stack: list[tuple[str, str, bytes | Source]] = [("", "", self.root.leaf)]
        while stack:
            lead, turn, what = stack.pop()
            below = lead + {"├─ ": "│  ", "└─ ": "   "}.get(turn, "")
            if isinstance(what, Source):
                lines.append(f"{lead}{turn}{source_line(what)}")
                continue
            node = found.get(what)
            if node is None:
                lines.append(f"{lead}{turn}parent {what.hex()[:SHORT]}: NOT SUPPLIED")
                continue
            lines.append(lead + turn + title(node) + (" (see above)" if what in seen else ""))
            if what in seen:
                continue
            seen.add(what)
            under: list[bytes | Source] = [*node.before(), *(source for source in node.inputs if origin(source))]
            rule = "│  " if under else "   "
            lines += [f"{below}{rule}{line}" for line in details(node)]
            turns = ["├─ "] * (len(under) - 1) + ["└─ "] * bool(under)
            stack += [(below, turn, inner) for turn, inner in reversed(list(zip(turns, under)))]
        return lines + list(self._rest())

    def _rest(self) -> Iterator[str]:
        if not self.complete:
            yield "NOT COMPLETE: something that led to it was not supplied"
        yield from (f"Not connected: {title(node)}" for node in self.unconnected)

    def svg(self) -> str:
        """A picture of it: one SVG file without scripts, for light and dark."""
        from .picture import draw

        return draw(self)

    def __str__(self) -> str:
        return "\n".join(self.lines())


def origin(source: Source) -> bool:
    """Whether an input is drawn by itself: nothing that was given made it, or more did than are named."""
    return not source.makers or source.more > 0


def named(name: str) -> str:
    """A name from a receipt; quoted unless it is a plain word, so that it can not pass for more of the line.

    >>> named("task-12"), named("x: accepted")
    ('task-12', '"x: accepted"')
    """
    return name if _WORD.match(name) else json.dumps(one_line(name), ensure_ascii=False)


def title(node: Node) -> str:
    """A node in a line for people."""
    return f"{'run' if node.kind == 'execution' else 'deletion'} {named(node.subject)}: {node.judgement()}"


def details(node: Node) -> Iterator[str]:
    """What a node says of itself, for people."""
    if not node.known:
        yield "content NOT SUPPLIED: the statement holds its hash only"
    if node.function:
        yield f"function {node.function.hex()[:SHORT]}"
    yield from (f"output {named(item.name)} {item.digest.hex()[:SHORT]}" for item in node.outputs)
    for source in node.inputs:
        if source.makers:
            by = ", ".join(("parent " if leaf in node.parents else "same digest as an output of ") + leaf.hex()[:SHORT]
                           for leaf in source.makers)
            yield f"input {named(source.item.name)} {source.item.digest.hex()[:SHORT]} from {by}"


def source_line(source: Source) -> str:
    """An input that no receipt given made, or too many did."""
    said = f"and {source.more} more receipts have it as an output" if source.more else "no receipt given has it as an output"
    return f"input {named(source.item.name)} {source.item.digest.hex()[:SHORT]}: {said}"


def _key(item: Item) -> tuple[int, bytes, int]:
    return item.kind, item.digest, item.size


def _read(given: Given) -> tuple[Receipt, tuple[str, ...]]:
    """A receipt and the name of its file, if it is one."""
    if isinstance(given, Receipt):
        return given, ()
    if isinstance(given, (bytes, Parts)):
        return Receipt(given), ()
    name = os.fspath(given)
    try:
        return Receipt(given), (name,)
    except _native.FormatError as problem:
        raise _native.error(problem.code, f"{name}: {str(problem).removeprefix(problem.code + ': ')}") from None


def _own(receipt: Receipt) -> Receipt:
    """Without content that is not the one whose hash was signed: nobody gives a statement parents that it does not have."""
    digest = receipt.content.get("payload_digest")
    if digest is None or hashlib.sha256(receipt.parts.payload).digest() == digest:
        return receipt
    return Receipt(replace(receipt.parts, payload=b""))


def _node(receipt: Receipt, files: tuple[str, ...], trust: Trust | None, at: Any) -> Node:
    verdict, code = "not judged", ""
    if trust is not None:
        report = verify_receipt(receipt.parts, trust, at=at)
        verdict, code = ("accepted", "") if report.accepted else ("refused", report.code)
    receipt = _own(receipt)
    said = receipt.content
    return Node(
        receipt.leaf, receipt.kind, receipt.subject, receipt.executor, "nonce" in said or "data" in said,
        said.get("function") or b"", tuple(map(Source, receipt.inputs)), receipt.outputs,
        tuple(dict.fromkeys(said.get("parents") or ())), verdict, code, files,
    )


def _collect(receipts: Iterable[Given], trust: Trust | None, at: Any) -> dict[bytes, Node]:
    """Each statement once. Of several bundles with the same one, the best counts: the statement is the same."""
    nodes: dict[bytes, Node] = {}
    for number, given in enumerate(receipts):
        if number >= RECEIPTS_MAX:
            raise _native.error("BAD_FIELD", f"more than {RECEIPTS_MAX} receipts; give those that may have led to it", "receipts")
        receipt, files = _read(given)
        node = _node(receipt, files, trust, at)
        known = nodes.get(node.leaf)
        if known is not None:
            best = max(known, node, key=lambda one: (one.verdict == "accepted", one.known))
            node = replace(best, files=tuple(dict.fromkeys(known.files + files)))
        nodes[node.leaf] = node
    if not nodes:
        raise _native.error("BAD_FIELD", "no receipt was given", "receipts")
    return nodes


def _root(nodes: dict[bytes, Node], output: Content | None) -> Node:
    if output is None:
        return next(iter(nodes.values()))
    digest, _ = _digest(b"", output)
    made = [node for node in nodes.values() if any(item.kind != 1 and item.digest == digest for item in node.outputs)]
    if not made:
        raise _native.error("BAD_DIGEST", f"no receipt given has an output with SHA-256 {digest.hex()}; salted digests are not "
                            "compared", "output")
    return max(made, key=lambda node: node.verdict == "accepted")


def _connect(nodes: dict[bytes, Node]) -> dict[bytes, Node]:
    """Find who made each input. Signed parents come first, so that no flood of others displaces them."""
    makers: dict[tuple[int, bytes, int], dict[bytes, None]] = {}
    for node in nodes.values():
        for item in node.outputs:
            makers.setdefault(_key(item), {})[node.leaf] = None

    def found(node: Node, source: Source) -> Source:
        every = makers.get(_key(source.item), {})
        signed = [leaf for leaf in node.parents if leaf in every]
        named, count = list(signed), len(every) - (node.leaf in every)
        for leaf in every:
            if len(named) >= max(MAKERS_MAX, len(signed)):
                break
            if leaf != node.leaf and leaf not in signed:
                named.append(leaf)
        return replace(source, makers=tuple(named), more=count - len(named))

    return {leaf: replace(node, inputs=tuple(found(node, source) for source in node.inputs)) for leaf, node in nodes.items()}


def _ordered(nodes: dict[bytes, Node], root: bytes) -> list[bytes]:
    """What the root leads to, each before what led to it; digests that others claim may go round, which ends here."""
    seen, after = {root}, []
    stack = [(root, iter(nodes[root].before()))]
    while stack:
        leaf, rest = stack[-1]
        for inner in rest:
            if inner in nodes and inner not in seen:
                seen.add(inner)
                stack.append((inner, iter(nodes[inner].before())))
                break
        else:
            after.append(leaf)
            stack.pop()
    return after[::-1]


def fetch(executor: Executor, of: str) -> list[Receipt]:
    """The receipt of a run, and those of the runs before it that the caller may have, as far back as they lead.

    An executor gives receipts to those who took part. Of a run in which the caller did not there is none here, nor of what
    led to that one; who has them adds them.

    Args:
        executor: where all of them ran.
        of: id of a task that finished, or of data that were deleted.

    Returns:
        The one asked for first; at most RECEIPTS_MAX.

    Raises:
        as Executor.receipt, for the first one.
    """
    found = [executor.receipt(of)]
    known = {found[0].leaf}
    for receipt in found:  # it grows
        for leaf in receipt.content.get("parents") or ():
            if leaf in known or len(found) >= RECEIPTS_MAX:
                continue
            known.add(leaf)
            try:
                earlier = executor.receipt(executor.request("receipt.find", {"leaf": to_base64url(leaf)})["of"])
            except _native.NotFound:
                continue
            if earlier.leaf != leaf:
                raise _native.error("BAD_RECEIPT", f"the executor gave another statement than {leaf.hex()}")
            found.append(earlier)
    return found


def provenance(
    receipts: Iterable[Given],
    *,
    output: Content | None = None,
    policy: Trust | dict[str, Any] | str | os.PathLike[str] | None = None,
    at: int | datetime.datetime | None = None,
) -> Provenance:
    """What led to an output: the runs and inputs behind it, out of receipts. Without any executor.

    A run is connected with what led to it by the parents that its executor signed, and by inputs that have the digest of
    another run's output. The former is the executor's word; the latter only says that the bytes are the same.

    Args:
        receipts: receipts or proof bundles, bytes or paths, in any order; at most RECEIPTS_MAX. The first is the one that
            this is about, unless ``output`` says otherwise. The same one twice counts once.
        output: contents or path of a sealed output (or a public one): this is about the run that made it.
        policy: a trust file, by which each receipt is judged; None: nothing is verified, and every node says so.
        at: the time at which evidence is judged, as for :func:`cella.verify_receipt`.

    Raises:
        FormatError: BAD_FORMAT, one is no receipt; the message names it.
        IntegrityError: BAD_DIGEST, no receipt has that output.
        PolicyError: BAD_POLICY, the trust file is not acceptable.
        RequestError: BAD_FIELD, none, or too many.

    >>> provenance([])
    Traceback (most recent call last):
    ...
    cella.RequestError: BAD_FIELD: no receipt was given (field receipts)
    """
    nodes = _connect(_collect(receipts, None if policy is None else Trust.load(policy), at))
    order = _ordered(nodes, _root(nodes, output).leaf)
    missing = dict.fromkeys(leaf for inner in order for leaf in nodes[inner].parents if leaf not in nodes)
    inside = set(order)
    return Provenance(
        tuple(nodes[leaf] for leaf in order), tuple(missing), tuple(node for leaf, node in nodes.items() if leaf not in inside)
    )
