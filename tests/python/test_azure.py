# SPDX-License-Identifier: Apache-2.0
"""Azure's confidential VMs: hardware evidence that names a virtual TPM's key. Real evidence, and what is made of it."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any

import evidence_vectors as vectors
import pytest
from log_maker import log

from cella.endorsements import EVENT_LOG

SNP_AT, TDX_AT = "2026-09-15T00:00:00Z", "2025-07-15T00:00:00Z"
REAL = {
    "snp/az-snp-vtpm/evidence-v2.json": "az-snp",
    "snp/az-snp-vtpm/evidence-v1.json": "az-snp",
    "snp/az-snp-vtpm/evidence-genoa.json": "az-snp",
    "tdx/az-tdx-vtpm/evidence-v1.json": "az-tdx",
    "tdx/az-tdx-vtpm/evidence-v0.json": "az-tdx",
}
AZURE = {"az-snp": "snp/az-snp-vtpm/evidence-v2.json", "az-tdx": "tdx/az-tdx-vtpm/evidence-v1.json"}
CLAIMS = 0x4D4
HEADER = 0x4C0
REPORT_DATA = slice(0x20 + 0x50, 0x20 + 0x90)

pytestmark = pytest.mark.skipif(not vectors.cases(*vectors.FAMILIES), reason="the shared vectors are not beside this repository")
Parts = dict[str, bytes]


def some_bytes(value: Any) -> bytes:
    """Bytes as the vectors have them: a list of numbers, hexadecimal, or base64url."""
    if isinstance(value, list):
        return bytes(value)
    try:
        return bytes.fromhex(value)
    except ValueError:
        return vectors.base64url(value)


def azure(name: str) -> tuple[Parts, vectors.Endorsements, dict[str, Any], int]:
    """Parts of the evidence, what comes with it, a policy that accepts it, and the time."""
    kind = REAL[name]
    content = json.loads(vectors.data(name))
    quote = content.get("tpm_quote") or content["quote"]
    values = [some_bytes(value) for value in quote["pcrs"]]
    parts = {"attest": some_bytes(quote["message"]), "signature": some_bytes(quote["signature"]), "values": b"".join(values),
             "key": b"", "hcl": some_bytes(content.get("hcl_report") or content["report"])}
    if kind == "az-snp":
        genoa = "genoa" in name
        vcek = content["vcek"].encode() if content["vcek"].startswith("-----") else some_bytes(content["vcek"])
        product = "genoa" if genoa else "milan"
        endorsements = [(vectors.CERTIFICATES, vcek), (vectors.CRL, vectors.data(f"snp/crl/{product}_vcek_crl.der"))]
        value, section = parts["hcl"][0x20 + 0x90:0x20 + 0xC0], {"snp": {"products": [product]}}
    else:
        parts["quote"] = some_bytes(content["td_quote"])
        endorsements = vectors._set("B")
        value = parts["quote"][184:232]
        section = {"tdx": {"tcb_status": ["OutOfDate"], "advisories": "any", "sept_ve_disable": False}}
    policy = {
        "version": 1,
        "accept": [kind],
        "measurement": [{"name": "vector", "type": kind, "value": "sha384:" + value.hex(),
                         "registers": {"pcr0": values[0].hex(), "pcr11": values[11].hex()}}],
        kind: {"pcrs": list(range(24))},
        **section,
    }
    return parts, endorsements, policy, vectors.seconds(SNP_AT if kind == "az-snp" else TDX_AT)


def nonce_of(attest: bytes) -> bytes:
    start = 8 + int.from_bytes(attest[6:8], "big")
    return attest[start + 2:start + 2 + int.from_bytes(attest[start:start + 2], "big")]


class Judge:
    """Judges one real evidence, with parts of it changed."""

    def __init__(self, name: str) -> None:
        self.kind = REAL[name]
        self.parts, self.endorsements, self.policy, self.at = azure(name)
        self.nonce = nonce_of(self.parts["attest"])

    def report(self, *, tail: bytes = b"", nonce: bytes | None = None, kind: str | None = None, more: vectors.Endorsements = (),
               terms: dict[str, Any] | None = None, **parts: bytes) -> dict[str, Any]:
        policy = self.policy | {self.kind: {**self.policy[self.kind], **(terms or {})}}
        evidence = b"\1" + vectors.fields(*(self.parts | parts).values()) + tail
        return vectors.appraise(kind or self.kind, evidence, [*self.endorsements, *more], policy, self.at,
                                self.nonce if nonce is None else nonce)

    def __call__(self, **changes: Any) -> tuple[str, list[str]]:
        report = self.report(**changes)
        return report["status"], [check[0] for check in report["checks"] if check[1] == "failed"]


@pytest.mark.parametrize("name", REAL)
def test_azure(name: str) -> None:
    judge = Judge(name)
    assert judge() == ("OK", [])
    assert judge.report()["level"] == 4
    assert judge(nonce=judge.nonce + b"x") == ("BINDING", ["binding"])
    in_claims = CLAIMS + 100
    for part, place in (("attest", 50), ("attest", -1), ("signature", 9), ("values", 0), ("values", -1), ("hcl", in_claims)):
        changed = bytearray(judge.parts[part])
        changed[place] ^= 1
        status, failed = judge(**{part: bytes(changed)})
        assert status != "OK" and failed, (part, place)


def test_azure_quote_of_another_machine() -> None:
    """A quote and an HCL report, each genuine, of two machines."""
    judge = Judge(AZURE["az-snp"])
    other = Judge("snp/az-snp-vtpm/evidence-v1.json").parts["hcl"]
    status, failed = judge(hcl=other)
    assert status != "OK" and failed


@pytest.mark.parametrize("kind", AZURE)
def test_every_byte_of_the_report_that_counts(kind: str) -> None:
    """Header, claims, and for SNP the report; behind the claims nothing is looked at."""
    judge = Judge(AZURE[kind])
    hcl = judge.parts["hcl"]
    size = struct.unpack_from("<I", hcl, HEADER + 16)[0]
    places = [*range(4), *range(HEADER, CLAIMS), *range(CLAIMS, CLAIMS + size)]
    places += range(0x20, 0x20 + 0x2A0) if kind == "az-snp" else []
    for place in places:
        changed = bytearray(hcl)
        changed[place] ^= 1
        assert judge(hcl=bytes(changed))[0] != "OK", hex(place)
    assert judge(hcl=hcl[:CLAIMS + size])[0] == "OK"
    for cut in (0, 4, HEADER, CLAIMS - 1, CLAIMS, CLAIMS + size - 1):
        assert judge(hcl=hcl[:cut]) == ("BAD_EVIDENCE", ["format"])
    assert judge(hcl=hcl + bytes(8192)) == ("BAD_EVIDENCE", ["format"])


@pytest.mark.parametrize("kind", AZURE)
def test_shape_of_the_container(kind: str) -> None:
    judge = Judge(AZURE[kind])
    assert judge(tail=b"\0") == ("BAD_EVIDENCE", ["format"])
    assert judge(tail=bytes(4)) == ("BAD_EVIDENCE", ["format"])
    other = "az-tdx" if kind == "az-snp" else "az-snp"
    assert judge(kind=other) == ("EVIDENCE_TYPE", ["type"])
    if kind == "az-tdx":
        assert judge(quote=b"") == ("BAD_EVIDENCE", ["format"])
        assert judge(quote=vectors.data("tdx/dcap-qvl/tdx_quote")) == ("BAD_EVIDENCE", ["format"])  # another TD


def with_claims(judge: Judge, claims: bytes) -> bytes:
    """An HCL report with these claims, which its hardware report names: only the hardware's signature is wrong then."""
    hcl = bytearray(judge.parts["hcl"][:CLAIMS] + claims)
    struct.pack_into("<5I", hcl, HEADER, len(claims) + 20, 1, 2, 1, len(claims))
    hcl[REPORT_DATA] = hashlib.sha256(claims).digest() + bytes(32)
    return bytes(hcl)


def test_key_in_the_claims() -> None:
    """There is one, by its name, and it is RSA."""
    judge = Judge(AZURE["az-snp"])
    hcl = judge.parts["hcl"]
    size = struct.unpack_from("<I", hcl, HEADER + 16)[0]
    content = json.loads(hcl[CLAIMS:CLAIMS + size])
    attestation, endorsement = content["keys"]
    assert (attestation["kid"], endorsement["kid"]) == ("HCLAkPub", "HCLEkPub")

    def judged(keys: Any) -> list[str]:
        return judge(hcl=with_claims(judge, json.dumps({**content, "keys": keys}).encode()))[1]

    assert judged([attestation, endorsement]) == ["signature"]  # well-formed: AMD has not signed it
    assert judged([endorsement, attestation]) == ["signature"]
    for bad in ([endorsement], [attestation, attestation], [], {}, None, [{**attestation, "kid": "HCLEkPub"}],
                [{**attestation, "kty": "EC"}], [{**attestation, "n": "AQAB"}], [{**attestation, "n": attestation["n"] + "="}],
                [{name: value for name, value in attestation.items() if name != "e"}]):
        assert judged(bad) == ["format"], bad
    for text in (b"", b"[]", b"{", b'{"keys":[],"keys":[]}'):
        assert judge(hcl=with_claims(judge, text))[1] == ["format"]


def test_report_data_has_nothing_else() -> None:
    judge = Judge(AZURE["az-snp"])
    hcl = bytearray(judge.parts["hcl"])
    hcl[REPORT_DATA.stop - 1] ^= 1
    assert judge(hcl=bytes(hcl)) == ("BAD_EVIDENCE", ["format"])


@pytest.mark.parametrize("kind", AZURE)
def test_event_log_is_that_of_the_tpm(kind: str) -> None:
    judge = Judge(AZURE[kind])
    assert judge(terms={"event_log": "required"}) == ("TERM", ["event_log"])
    assert judge(more=[(EVENT_LOG, log([(4, b"another boot loader")]))]) == ("ENDORSEMENT", ["event_log"])
