# SPDX-License-Identifier: Apache-2.0
"""Good evidence with something changed: a byte, a part, the order, the size, the time. Nothing of it passes."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from datetime import datetime, timezone

import evidence_vectors as vectors
import pytest
from evidence_vectors import CERTIFICATES, CRL, QE_CHAIN, QE_IDENTITY, TCB_CHAIN, TCB_INFO, Call

import cella

pytestmark = pytest.mark.skipif(not vectors.SHARED.exists(), reason="the shared vectors are not beside this repository")

REAL = {
    "snp": "snp/microsoft/genoa_attestation_report.bin",
    "tdx": "tdx/dcap-qvl/tdx_quote",
    "sgx": "sgx/dcap-qvl/sgx_quote",
    "tpm": "tpm/swtpm/quote.msg",
    "nitro": "nitro/dstack_attest_nitro_attestation.cbor",
}
FORGED = {"snp": "snp/forged/good.bin", "tdx": "tdx/forged/good_v4.dat", "nitro": "nitro/forged/good.cbor"}


@pytest.mark.parametrize("family", REAL)
def test_every_byte_flipped(family: str) -> None:
    call = vectors.accepted(family, REAL[family])
    assert call.failed() == []
    survived = []
    for place in range(len(call.evidence)):
        changed = bytearray(call.evidence)
        changed[place] ^= 1
        if call.report(evidence=bytes(changed))["status"] == "OK":
            survived.append(place)
    assert survived == []


@pytest.mark.parametrize("family", REAL)
def test_every_length_but_its_own(family: str) -> None:
    call = vectors.accepted(family, REAL[family])
    size = len(call.evidence)
    for end in {*range(0, size, max(1, size // 150)), size - 1}:
        filling = family == "tdx" and not call.evidence[end:].strip(b"\0")  # this one comes with zeros behind it
        assert filling or call.report(evidence=call.evidence[:end])["status"] != "OK", end
    assert call.failed(evidence=call.evidence + b"\1") == ["format"]
    assert call.failed(evidence=call.evidence * 2) == ["format"]
    assert call.failed(evidence=call.evidence.ljust(16385, b"\0")) == ["format"]
    assert call.failed(evidence=b"") == ["format"]


def test_zeros_behind_a_quote_only() -> None:
    """Drivers fill up with zeros, but only quotes are known to be filled up."""
    for family in REAL:
        call = vectors.accepted(family, REAL[family])
        assert call.failed(evidence=call.evidence + bytes(70)) == ([] if family in ("tdx", "sgx") else ["format"])


@pytest.mark.parametrize("family, kinds", [("snp", (CERTIFICATES, CRL)),
                                           ("tdx", (CRL, TCB_INFO, TCB_CHAIN, QE_IDENTITY, QE_CHAIN)),
                                           ("sgx", (CRL, TCB_INFO, TCB_CHAIN, QE_IDENTITY, QE_CHAIN))])
def test_every_endorsement_removed_or_spoilt(family: str, kinds: tuple[int, ...]) -> None:
    call = vectors.accepted(family, REAL[family])
    assert {kind for kind, _ in call.endorsements} == set(kinds)
    for kind in kinds:
        assert call.report(endorsements=call.without(kind))["status"] != "OK", f"without {kind}"
    for place, (kind, content) in enumerate(call.endorsements):
        for spoilt in (b"", content[:-1], content + b"x", content[: len(content) // 2], content[::-1], b"\0" * 1048576):
            changed = [*call.endorsements]
            changed[place] = (kind, spoilt)
            # What is only wrong by a few bytes of filling behind PEM may be read, and is the same then.
            if call.report(endorsements=changed)["status"] == "OK":
                assert content.rstrip(b"\n\0") == spoilt.rstrip(b"\n\0"), (kind, len(spoilt))


def test_too_many_and_too_large_endorsements() -> None:
    """Refused before anything is read of them."""
    call = vectors.accepted("snp", REAL["snp"])
    for many in ([*call.endorsements, *[(CRL, b"")] * 24], [*call.endorsements, (CRL, bytes(1048577))],
                 [*call.endorsements, (9, b"")], [*call.endorsements, (0, b"")]):
        with pytest.raises(cella.CellaError) as caught:
            call.report(endorsements=many)
        assert caught.value.code in ("TOO_MANY", "TOO_LARGE", "BAD_FIELD", "BAD_FORMAT")
    assert call.failed(endorsements=[*call.endorsements, *[(CERTIFICATES, call.endorsements[0][1])] * 8]) == ["format"]


@pytest.mark.parametrize("family", ["snp", "tdx", "sgx"])
def test_order_of_endorsements_does_not_matter(family: str) -> None:
    call = vectors.accepted(family, REAL[family])
    assert call.failed(endorsements=call.endorsements[::-1]) == []


@pytest.mark.parametrize("family, check", [("tdx", "endorsement"), ("sgx", "endorsement")])
def test_collateral_that_is_there_twice(family: str, check: str) -> None:
    """Two statements of Intel, of which an attacker would like the other one to be read."""
    call = vectors.accepted(family, REAL[family])
    for kind in (TCB_INFO, TCB_CHAIN, QE_IDENTITY, QE_CHAIN):
        again = next(one for one in call.endorsements if one[0] == kind)
        assert call.failed(endorsements=[*call.endorsements, again]) == [check]


def test_several_lists_for_amd() -> None:
    call = vectors.accepted("snp", REAL["snp"])
    again = next(one for one in call.endorsements if one[0] == CRL)
    assert call.failed(endorsements=[*call.endorsements, again]) == ["revocation"]


@pytest.mark.parametrize("family, other", [("snp", "snp/microsoft/milan_attestation_report.bin"),
                                           ("snp", "snp/microsoft/turin_attestation_report.bin"), ("tdx", FORGED["tdx"]),
                                           ("sgx", REAL["tdx"])])
def test_what_belongs_to_another_product(family: str, other: str) -> None:
    call = vectors.accepted(family, REAL[family])
    stranger = vectors.accepted(other.partition("/")[0], other)
    assert call.report(endorsements=stranger.endorsements)["status"] != "OK"
    mixed = [one for one in call.endorsements if one[0] != CRL] + [one for one in stranger.endorsements if one[0] == CRL]
    if other != "snp/microsoft/turin_attestation_report.bin" and family != "sgx":  # that one has no list; those share one
        assert call.report(endorsements=mixed)["status"] != "OK"


def _openssl(command: list[str], data: bytes) -> str:
    return subprocess.run(["openssl", *command], input=data, capture_output=True, check=True).stdout.decode()


def _unix(text: str) -> int:
    return int(datetime.strptime(text.strip(), "%b %d %H:%M:%S %Y %Z").replace(tzinfo=timezone.utc).timestamp())


def _validity(der: bytes, what: str) -> tuple[int, int]:
    names = ("notBefore", "notAfter") if what == "x509" else ("lastUpdate", "nextUpdate")
    flags = ["-dates"] if what == "x509" else ["-lastupdate", "-nextupdate"]
    text = _openssl([what, "-inform", "der", "-noout", *flags], der)
    first, last = (re.search(rf"{name}=(.*)", text)[1] for name in names)  # type: ignore[index]
    return _unix(first), _unix(last)


def _certificates(data: bytes) -> list[bytes]:
    blocks = re.findall(rb"-----BEGIN CERTIFICATE-----(.*?)-----END", data, re.DOTALL)
    if blocks:
        return [base64.b64decode(block) for block in blocks]
    found, place = [], 0
    while (place := data.find(b"\x30\x82", place)) >= 0:
        size = 4 + int.from_bytes(data[place + 2:place + 4], "big")
        one = data[place:place + size]
        if len(one) == size and one[4:6] == b"\x30\x82":
            found.append(one)
            place += size
        else:
            place += 1
    return found


def _limits(call: Call) -> tuple[int, int]:
    """When everything that the verdict rests on is valid: from and until, both inclusive."""
    spans = [_validity(der, "x509") for _, content in [(0, call.evidence), *call.endorsements] for der in _certificates(content)
             if _ == 0 or _ in (CERTIFICATES, TCB_CHAIN, QE_CHAIN)]
    for kind, content in call.endorsements:
        if kind == CRL:
            spans.append(_validity(content, "crl"))
        if kind in (TCB_INFO, QE_IDENTITY):
            inner = next(iter(json.loads(content).values()))
            first, last = (datetime.fromisoformat(inner[name]).timestamp() for name in ("issueDate", "nextUpdate"))
            spans.append((int(first), int(last)))
    return max(first for first, _ in spans), min(last for _, last in spans)


@pytest.mark.parametrize("family", FORGED)
def test_one_second_too_early_or_too_late(family: str) -> None:
    call = vectors.accepted(family, FORGED[family])
    policy = {name: value for name, value in call.policy.items() if name != "freshness"}
    first, last = _limits(call)
    assert first <= call.at <= last
    assert call.failed(policy=policy, at=first) == [], "valid from the first second on"
    assert call.failed(policy=policy, at=last - 1) == []
    assert call.failed(policy=policy, at=first - 1) in (["chain"], ["revocation"], ["endorsement"])
    assert call.failed(policy=policy, at=last + 1) in (["chain"], ["revocation"], ["endorsement"])


def test_one_second_too_old() -> None:
    """The age of a document that says when it was made, by the trust file."""
    call = vectors.accepted("nitro", FORGED["nitro"])
    issued = dict(call.report()["claims"])["issued_unix_s"]
    assert call.policy["freshness"] == {"max_age_s": 300}
    assert call.failed(at=issued + 300) == []
    assert call.failed(at=issued + 301) == ["freshness"]
    assert call.failed(at=issued - 301)[0] in ("freshness", "chain")


def test_measurement_valid_for_a_time() -> None:
    call = vectors.accepted("snp", FORGED["snp"])
    entry = {**call.policy["measurement"][0], "not_before": call.at, "not_after": call.at + 10}
    policy = {**call.policy, "measurement": [entry]}
    assert [call.failed(policy=policy, at=call.at + s) for s in (0, 10)] == [[], []]
    assert [call.failed(policy=policy, at=call.at + s) for s in (-1, 11)] == [["measurement"]] * 2
