# SPDX-License-Identifier: Apache-2.0
"""What comes with evidence, from files: recognised by content, never by a file's name.

Everything in here is signed by somebody, so recognising it wrongly can refuse good evidence and never accept bad.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from . import _native
from .reading import read_bounded

CERTIFICATES, CRL, TCB_INFO, TCB_CHAIN, QE_IDENTITY, QE_CHAIN, EVENT_LOG, STATEMENT = range(1, 9)
"""Kinds, as executor/trust/endorsement.h numbers them."""
FILE_MAX = 4 << 20
COUNT_MAX = 24
"""Endorsements that the verifier takes (executor/trust/endorsement.h)."""

Endorsement = tuple[int, bytes]

_BEGIN, _END, _DASHES = b"-----BEGIN ", b"-----END ", b"-----"
_LABEL = re.compile(rb"[A-Z0-9 ]+")
_BODY = re.compile(rb"[A-Za-z0-9+/=\s]+")
_JWS = re.compile(rb"\s*([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)\s*\Z")
_INTEL_SIGNER = b"Intel SGX TCB Signing"
_AMD_LEAF = re.compile(rb"SEV-V[CL]EK(?!-)")
_TABLE = {
    uuid.UUID(name).bytes_le
    for name in (
        "63da758d-e664-4564-adc5-f4b93be8accd",  # VCEK
        "a8074bc2-a25a-483e-aae6-39c045a0b8a1",  # VLEK
        "4ab7b379-bbac-4fe4-a02f-05aef327c782",  # ASK, ASVK
        "c0b406a4-a803-4952-9743-3fb6014cd0ae",  # ARK
    )
}


def _unknown(name: str) -> _native.CellaError:
    return _native.error(
        "BAD_FORMAT",
        f"{name} is nothing that is known to come with evidence: certificates or revocation lists (PEM, DER), Intel's "
        "TCB information or QE identity, a bundle of those (JSON), AMD's certificate table, a statement (JWS), or what "
        "cella-collateral prints",
    )


def _der_kind(der: bytes) -> int | None:
    """A certificate or a revocation list, by what its inner sequence begins with."""
    match = re.match(rb"\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...)\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...)", der, re.DOTALL)
    if match is None:
        return None
    inner = der[match.end():]
    if inner.startswith(b"\x02\x01\x01\x30"):
        return CRL
    return CERTIFICATES if inner[:1] in (b"\xa0", b"\x02") else None


def pem_blocks(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Labels and bodies of PEM blocks, looking at every byte a fixed number of times: what comes with evidence is anybody's.
    Neither a label nor a body has dashes, so that a block's end is the next five dashes or there is none."""
    place = text.find(_BEGIN)
    while place >= 0:
        start = place + len(_BEGIN)
        place = text.find(_DASHES, start)
        stop = text.find(_DASHES, place + len(_DASHES))
        if place < 0 or stop < 0:
            return
        label, body = text[start:place], text[place + len(_DASHES):stop]
        end = _END + label + _DASHES
        if text.startswith(end, stop) and _LABEL.fullmatch(label) and _BODY.fullmatch(body) and body[:1].isspace() and body.strip():
            yield label, body
            place = stop + len(end)
        place = text.find(_BEGIN, place)


def _pem(text: bytes, name: str) -> Iterator[Endorsement]:
    blocks = list(pem_blocks(text))
    signer = any(_INTEL_SIGNER in _decoded(body, name) for label, body in blocks if label == b"CERTIFICATE")
    chain = b"".join(
        b"-----BEGIN CERTIFICATE-----\n" + body.strip() + b"\n-----END CERTIFICATE-----\n"
        for label, body in blocks
        if label == b"CERTIFICATE"
    )
    if signer:
        yield TCB_CHAIN, chain
        yield QE_CHAIN, chain
    elif chain:
        yield CERTIFICATES, chain
    for label, body in blocks:
        if label == b"X509 CRL":
            yield CRL, _decoded(body, name)
        elif label != b"CERTIFICATE":
            raise _unknown(name)


def _decoded(body: bytes, name: str) -> bytes:
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        raise _native.error("BAD_FORMAT", f"{name} has a PEM block that is not base64") from None


def _table(data: bytes, name: str) -> Iterator[Endorsement]:
    """AMD's certificate table: entries of GUID, offset and length, up to one of zeros. Length checks: slices that are
    too short do not parse as certificates later."""
    count = 0
    for place in range(0, len(data) - 23, 24):
        entry = data[place:place + 24]
        if not any(entry):
            return
        start, size = int.from_bytes(entry[16:20], "little"), int.from_bytes(entry[20:24], "little")
        if entry[:16] in _TABLE:
            count += 1
            if count > COUNT_MAX:  # each entry may name all of the data
                raise _native.error("TOO_MANY", f"{name} is a table of more than {COUNT_MAX} certificates")
            yield CERTIFICATES, data[start:start + size]


def _utf8(text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # JSON can spell half a character
        raise _native.error("BAD_FORMAT", f"{name} is no text") from None


def _bundle(content: dict[str, Any], name: str) -> Iterator[Endorsement]:
    """One JSON object that has Intel's collateral as texts. What is absent stays absent: the verifier asks for it."""
    for inner, kind, key in (("tcbInfo", TCB_INFO, "tcb_info"), ("enclaveIdentity", QE_IDENTITY, "qe_identity")):
        text, signature = content.get(key), content.get(f"{key}_signature", "")
        if isinstance(text, str) and isinstance(signature, str) and text:
            yield kind, _utf8(f'{{"{inner}":{text},"signature":"{signature}"}}', f"{name}: {key}")
    for kind, key in ((TCB_CHAIN, "tcb_info_issuer_chain"), (QE_CHAIN, "qe_identity_issuer_chain")):
        if isinstance(content.get(key), str) and content[key]:
            yield kind, _utf8(content[key], f"{name}: {key}")
    for key in ("root_ca_crl", "pck_crl"):
        if isinstance(content.get(key), str) and content[key]:
            try:
                yield CRL, bytes.fromhex(content[key])
            except ValueError:
                raise _native.error("BAD_FORMAT", f"{name}: {key} is not hexadecimal") from None


def _json(data: bytes, name: str) -> Iterator[Endorsement]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise _unknown(name) from None
    if not isinstance(content, dict):
        raise _unknown(name)
    if "tcbInfo" in content:
        yield TCB_INFO, data.strip()
    elif "enclaveIdentity" in content:
        yield QE_IDENTITY, data.strip()
    elif "tcb_info" in content or "qe_identity" in content:
        yield from _bundle(content, name)
    else:
        raise _unknown(name)


def _wire(data: bytes) -> list[Endorsement]:
    """What cella-collateral prints: kind, length, content of each, and nothing else. Empty when it is something else."""
    found: list[Endorsement] = []
    place = 0
    while place < len(data):
        size = int.from_bytes(data[place + 1:place + 5], "big")
        if data[place] not in range(CERTIFICATES, STATEMENT + 1) or len(found) == COUNT_MAX or place + 5 + size > len(data):
            return []
        found.append((data[place], data[place + 5:place + 5 + size]))
        place += 5 + size
    return found


def recognise(data: bytes, name: str = "this") -> list[Endorsement]:
    """What some bytes are.

    Args:
        data: content of a file.
        name: for the error.

    Returns:
        Kinds with their content, at least one.

    Raises:
        FormatError: BAD_FORMAT, it is nothing of that sort.

    >>> [kind for kind, _ in recognise(b'{"tcbInfo":{},"signature":""}')] == [TCB_INFO]
    True
    """
    found = _wire(data)
    jws = _JWS.match(data)
    if found:
        pass
    elif data.lstrip()[:1] == b"{":
        found = list(_json(data, name))
    elif b"-----BEGIN " in data:
        found = list(_pem(data, name))
    elif data[:16] in _TABLE:
        found = list(_table(data, name))
    elif data[:1] == b"\x30":
        kind = _der_kind(data)
        found = [] if kind is None else [(kind, data)]
        if kind == CERTIFICATES and _INTEL_SIGNER in data:
            found = [(TCB_CHAIN, data), (QE_CHAIN, data)]
    elif data[32:47] == b"Spec ID Event03":
        found = [(EVENT_LOG, data)]
    elif jws is not None:
        found = [(STATEMENT, jws[1])]
    if not found:
        raise _unknown(name)
    return found


def _in_order(found: list[Endorsement]) -> list[Endorsement]:
    """AMD's leaf before its issuers, which come as files of their own."""
    def is_leaf(one: Endorsement) -> bool:
        first = next(pem_blocks(one[1]), None)
        return _AMD_LEAF.search(one[1] if first is None else _decoded(first[1], "it")) is not None

    certificates = [one for one in found if one[0] == CERTIFICATES]
    rest = [one for one in found if one[0] != CERTIFICATES]
    return sorted(certificates, key=lambda one: not is_leaf(one)) + rest


_WANTED = "endorsements is a list of contents (bytes) or of paths, for example [\"vcek.pem\", crl]"


def _found(source: Any) -> list[Endorsement]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return recognise(bytes(source), "an endorsement")
    if isinstance(source, (str, os.PathLike)):
        return recognise(read_bounded(source, FILE_MAX), os.fsdecode(source))
    if isinstance(source, tuple) and len(source) == 2 and isinstance(source[1], (bytes, bytearray, memoryview)):
        if source[0] in range(CERTIFICATES, STATEMENT + 1):
            return [(int(source[0]), bytes(source[1]))]
    # An int would be taken for a file descriptor by open(), and closed.
    raise TypeError(f"{_WANTED}; there is a {type(source).__name__} in it")


def collect(sources: Iterable[bytes | str | os.PathLike[str] | Endorsement]) -> bytes:
    """Everything that comes with evidence, as the verifier takes it.

    Args:
        sources: contents (bytes), files (paths), or pairs of kind and content that are what they say.

    Returns:
        For each: kind, length, content.

    Raises:
        TypeError: it is no list of those: one text or one content alone, a number, a pair of another form.
        FormatError, CellaError: as recognise; TOO_LARGE, a file has more than FILE_MAX bytes.
    """
    if isinstance(sources, (str, bytes, bytearray, memoryview, os.PathLike)):
        raise TypeError(f"{_WANTED}, not one {type(sources).__name__}: put it into a list")
    found = [one for source in sources for one in _found(source)]
    seen = dict.fromkeys(_in_order(found))  # the same file given twice is no second opinion
    return b"".join(bytes([kind]) + len(content).to_bytes(4, "big") + content for kind, content in seen)
