# SPDX-License-Identifier: Apache-2.0
"""Receipts made by a second program, out of docs/receipts.md: what the C reader must take. For the tests of this folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from cella import _native
from cella.encoding import from_base64url, to_base64url

CONTENT_TYPE = "application/vnd.cella.execution+cbor"
TIME = 1790000042


class Tag:
    """CBOR's tag 18."""

    def __init__(self, value: Any) -> None:
        self.value = value


def head(major: int, value: int) -> bytes:
    for extra, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 24:
            return bytes([major << 5 | value])
        if value < 1 << 8 * size:
            return bytes([major << 5 | extra]) + value.to_bytes(size, "big")
    raise ValueError(value)


def cbor(value: Any) -> bytes:
    """Deterministic encoding."""
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, (list, tuple)):
        return head(4, len(value)) + b"".join(map(cbor, value))
    if isinstance(value, dict):
        pairs = sorted((cbor(key), cbor(inner)) for key, inner in value.items())
        return head(5, len(pairs)) + b"".join(key + inner for key, inner in pairs)
    return head(6, 18) + cbor(value.value)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def kid_of(seed: Any) -> bytes:
    return from_base64url(_native.thumbprint(_native.ed25519_public(seed)), "kid")


def signed(seed: Any, protected: dict[Any, Any], payload: bytes) -> tuple[bytes, bytes]:
    """Protected bytes and signature."""
    text = cbor(protected)
    return text, _native.ed25519_sign(seed, cbor(["Signature1", text, b"", payload]))


def field_of(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


@dataclass
class Made:
    """A run of two parties in an executor with a log of four entries, with everything that a bundle can hold."""

    root: Any = field(default_factory=_native.Secret.generate)
    executor: Any = field(default_factory=_native.Secret.generate)
    log: Any = field(default_factory=_native.Secret.generate)
    parties: list[Any] = field(default_factory=lambda: [_native.Secret.generate() for _ in range(2)])
    task: str = "task-" + "0" * 32
    salt: bytes = b"s" * 32
    sealed: bytes = b"sealed input a"
    plain: bytes = b"plaintext of b"
    output: bytes = b"sealed output"
    package: bytes = b'{"name": "overlap"}'
    charter: bytes = b"{}"
    measurement: bytes = b"m" * 32
    approvals_of: str = ""
    changes: dict[int, Any] = field(default_factory=dict)

    def ids(self) -> list[str]:
        return [_native.thumbprint(_native.ed25519_public(seed)) for seed in self.parties]

    def contract(self) -> bytes:
        inputs = {"a": {"sha256": sha256(self.sealed).hex()}, "b": {"sha256": "00" * 32}}
        content = {"version": 1, "function": {"sha256": sha256(self.package).hex()}, "participants": self.ids(), "inputs": inputs}
        return json.dumps(content).encode()

    def approvals(self) -> tuple[tuple[bytes, str], ...]:
        made = []
        for seed in self.parties:
            contract = self.approvals_of or sha256(self.contract()).hex()
            request = {"op": "task.approve", "aud": to_base64url(kid_of(self.executor)), "seq": 1, "time": TIME,
                       "args": {"task": self.task, "contract": contract}}
            made.append((_native.ed25519_public(seed), _native.jws_sign(seed, json.dumps(request).encode())))
        return tuple(made)

    def evidence_file(self) -> bytes:
        keys = _native.ed25519_public(self.executor) + bytes(32)
        evidence = _native.soft_evidence(self.root, 63, self.measurement, _native.report_data(keys, self.charter, b""), TIME)
        log = _native.ed25519_public(self.log)
        certified = _native.ed25519_sign(self.executor, field_of(b"cella log key v1") + field_of(log))
        return cbor({0: "cella evidence file v1", 1: "soft", 2: evidence, 3: b"", 4: keys, 5: self.charter, 6: [log, certified]})

    def payload(self, evidence_file: bytes) -> bytes:
        content = {
            1: sha256(self.package),
            2: [["a", 0, sha256(self.sealed), len(self.sealed)], ["b", 1, sha256(self.salt + self.plain), len(self.plain)]],
            3: [["result", 0, sha256(self.output), len(self.output)]],
            4: sorted(kid_of(seed) for seed in self.parties),
            5: sha256(self.contract()),
            6: [["soft", self.measurement]],
            7: [TIME - 42, TIME, 0],
            8: {1: 5, 2: 6, 3: 0},
            9: b"nonce678",
            12: sha256(evidence_file),
        }
        return cbor({**content, **self.changes})

    def parts(self):
        from cella.receipts import Parts

        evidence_file = self.evidence_file()
        payload, kid = self.payload(evidence_file), kid_of(self.executor)
        issuer = "urn:cella:executor:" + to_base64url(kid)
        protected, signature = signed(
            self.executor, {1: -8, 3: CONTENT_TYPE, 4: kid, 15: {1: issuer, 2: self.task, 6: TIME}}, payload)
        leaf = sha256(b"\0" + cbor(Tag([protected, {}, payload, signature])))
        others = [sha256(b"\0" + bytes([number])) for number in range(3)]
        left, right = sha256(b"\1" + others[0] + others[1]), sha256(b"\1" + others[2] + leaf)
        root = sha256(b"\1" + left + right)
        log, head_signature = signed(
            self.log, {1: -8, 4: kid_of(self.log), 15: {1: "urn:cella:log", "cella.size": 4, "cella.index": 3}, 395: 1}, root)
        receipt = cbor(Tag([log, {396: {-1: [cbor([4, 3, [others[2], left]])]}}, None, head_signature]))
        whole = cbor(Tag([protected, {394: [receipt]}, payload, signature]))
        return Parts(whole, evidence_file=evidence_file, contract=self.contract(), approvals=self.approvals(),
                     function=self.package, tree_head=tree_head(self.log, root))

    def trust(self, **section: Any) -> dict[str, Any]:
        return {
            "version": 1, "accept": ["soft"],
            "measurement": [{"name": "release 1", "type": "soft", "value": "sha256:" + self.measurement.hex()}],
            "soft": {"roots": ["ed25519:" + to_base64url(_native.ed25519_public(self.root))]},
            "receipt": section,
        }


def note_line(seed: Any, name: str, kind: int, payload: bytes) -> str:
    import base64

    identity = sha256(name.encode() + b"\n" + bytes([kind]) + _native.ed25519_public(seed))[:4]
    return f"\N{EM DASH} {name} {base64.b64encode(identity + payload).decode()}\n"


def tree_head(seed: Any, root: bytes, origin: str = "log.example", size: int = 4) -> str:
    import base64

    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    return f"{text}\n{note_line(seed, origin, 1, _native.ed25519_sign(seed, text.encode()))}"


def cosigned(head_text: str, seed: Any, name: str, time: int) -> str:
    text = head_text.partition("\n\n")[0] + "\n"
    signature = _native.ed25519_sign(seed, f"cosignature/v1\ntime {time}\n{text}".encode())
    return head_text + note_line(seed, name, 4, time.to_bytes(8, "big") + signature)
