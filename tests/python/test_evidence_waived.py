# SPDX-License-Identifier: Apache-2.0
"""What a trust file waives: it is listed in the report, costs a level where it has to, and is never switched off by accident."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import evidence_vectors as vectors
import pytest
import test_forgotten_checks as forgotten
from evidence_vectors import CRL, Call

import cella

pytestmark = pytest.mark.skipif(not vectors.SHARED.exists(), reason="the shared vectors are not beside this repository")


def snp() -> Call:
    return vectors.accepted("snp", "snp/forged/good.bin")


def tdx() -> Call:
    return vectors.accepted("tdx", "tdx/forged/good_v4.dat")


def tpm() -> Call:
    return vectors.accepted("tpm", "tpm/forged/good.msg")


@pytest.mark.parametrize("kind, section, term", [
    (snp, "snp", "revocation"), (snp, "snp", "alias_check"), (snp, "snp", "ciphertext_hiding"),
    (tpm, "tpm", "restricted"), (tpm, "tpm", "clock_safe")])
def test_protection_switched_off_by_false(kind: Callable[[], Call], section: str, term: str) -> None:
    """false would neither waive nor protect: it would pass who lacks it, and refuse who has it."""
    call = kind()
    with pytest.raises(cella.PolicyError) as caught:
        cella.Trust(call.with_terms(**{term: False}))
    assert caught.value.field == f"{section}.{term}"
    cella.Trust(call.with_terms(**{term: "any"}))


def unchecked(report: dict[str, Any], part: str) -> list[str]:
    return [sentence for sentence in report["not_checked"] if part in sentence]


def test_waived_revocation_is_no_check_that_passed() -> None:
    call = snp()
    waived = call.with_terms(revocation="any")
    report = call.report(policy=waived, endorsements=call.without(CRL))
    assert report["status"] == "OK" and unchecked(report, "revoked the chain")
    assert [check for check in report["checks"] if check[0] == "revocation"] == []
    report = call.report(policy=waived)
    assert [check[:2] for check in report["checks"] if check[0] == "revocation"] == [("revocation", "passed")]
    assert not unchecked(report, "revoked the chain"), "a list that came along is looked at"
    demanded = call.report(endorsements=call.without(CRL))
    assert [check[:3] for check in demanded["checks"] if check[0] == "revocation"] == [("revocation", "failed", "ENDORSEMENT")]
    names = [check[0] for check in call.report()["checks"]]
    assert len(names) == len(set(names)), "one check of each name"


@pytest.mark.parametrize("kind, terms, part", [
    (snp, {"tcb": "any"}, "(tcb)"), (snp, {"tcb": {"genoa": {"reported_snp": 1}}}, "(tcb)"), (snp, {"vmpl": [0, 1]}, "(vmpl)"),
    (snp, {"migration_agent": True}, "(migration_agent)"), (snp, {"migration_agent": "any"}, "(migration_agent)"),
    (snp, {"migrate_ma": "any"}, "(migrate_ma)"), (tdx, {"migratable": "any"}, "(migratable)"),
    (tdx, {"migratable": True}, "(migratable)"), (tdx, {"sept_ve_disable": "any"}, "(sept_ve_disable)"),
    (tdx, {"perfmon": "any"}, "(perfmon)")])
def test_waived_checks_are_listed(kind: Callable[[], Call], terms: dict[str, Any], part: str) -> None:
    call = kind()
    assert len(unchecked(call.report(policy=call.with_terms(**terms)), part)) == 1
    assert not unchecked(call.report(), part)


def _waived(family: str, evidence: str, **terms: Any) -> dict[str, Any]:
    """The report of a forged row that is refused only for these terms, with the terms waived."""
    row = next(row for row in vectors.cases(family) if row.evidence == f"{family}/forged/{evidence}")
    call = vectors.CALLS[family](row)
    assert call.failed() == list(terms), evidence
    return call.report(policy=call.with_terms(**terms) | {"min_level": 1})


@pytest.mark.parametrize("family, evidence, terms, level, reason", [
    ("snp", "vmpl_host.bin", {"vmpl": [0, 0xFFFFFFFF]}, 1, "host asked"),
    ("snp", "report_id_ma.bin", {"migration_agent": True}, 1, "migration agent"),
    ("snp", "migrate_ma.bin", {"migrate_ma": "any"}, 5, ""),
    ("snp", "vmpl1.bin", {"vmpl": [1]}, 5, ""),
    ("tdx", "migratable.dat", {"migratable": "any"}, 1, "migration TD"),
    ("tdx", "sept_ve_clear.dat", {"sept_ve_disable": "any"}, 4, "exceptions"),
])
def test_level_that_the_evidence_does_not_earn(family: str, evidence: str, terms: dict[str, Any], level: int, reason: str) -> None:
    report = _waived(family, evidence, **terms)
    assert report["status"] == "OK" and report["level"] == level and reason in report["level_reason"]
    assert (report["level_reason"] == "") == (level == 5)


def test_floors_are_waived_but_not_lacking() -> None:
    call = snp()
    assert call.report(policy=call.with_terms(tcb="any"))["level"] == 5, "the level is the evidence's, not the trust file's"


def _public_area(attributes: int) -> bytes:
    """A TPMT_PUBLIC for the forged P-256 attestation key, whose attributes are what the caller likes."""
    point = forgotten._parts(tpm().evidence)[3][-64:]
    head = bytes.fromhex("0023000b") + attributes.to_bytes(4, "big") + bytes(2) + bytes.fromhex("00100018000b00030010")
    return head + b"".join(len(half).to_bytes(2, "big") + half for half in (point[:32], point[32:]))


def test_attributes_of_a_certified_key_are_not_proven(tmp_path: Path) -> None:
    """A TPM's name covers the key's attributes; a certificate covers the key, so that whoever sends it writes the attributes."""
    call = tpm()
    attest, signature, values, _ = forgotten._parts(call.evidence)
    certificate, root = forgotten._maker(tmp_path, "2.23.133.8.3", vectors.data("tpm/forged/ak.pem"))
    when = int(time.time()) + 60

    def report(attributes: int, **terms: Any) -> dict[str, Any]:
        area = _public_area(attributes)
        name = "000b" + hashlib.sha256(area).hexdigest()
        keys = {"attestation_keys": [name] if terms.pop("pinned", False) else None}
        policy = call.with_terms(restricted=None, **keys) | {"anchor": [{"family": "tpm", "certificate": root}]}
        return call.report(evidence=b"\1" + vectors.fields(attest, signature, values, area), policy=policy, at=when,
                           endorsements=[(vectors.CERTIFICATES, certificate)])

    certified = report(0x00050072)
    assert certified["status"] == "OK" and unchecked(certified, "who certified it")
    assert "restricted" not in [check[0] for check in certified["checks"]]
    pinned = report(0x00050072, pinned=True)
    assert pinned["status"] == "OK" and not unchecked(pinned, "who certified it")
    assert ("restricted", "passed") in [check[:2] for check in pinned["checks"]]
    for choice in (False, True):
        open_key = report(0x00040072, pinned=choice)
        assert [check[0] for check in open_key["checks"] if check[1] == "failed"] == ["restricted"], "it says so itself"


# ---- what a trust file can not mean ----


@pytest.mark.parametrize("kind, registers, field", [
    (snp, {"host_data": 5}, "host_data"), (snp, {"host_data": "11" * 31}, "host_data"), (snp, {"min_guest_svn": "00"}, "min_guest_svn"),
    (snp, {"id_key_digest": "11" * 32}, "id_key_digest"), (tpm, {"pcr0": 1}, "pcr0"), (tpm, {"pcr0": "11" * 20}, "pcr0"),
    (tdx, {"rtmr1": "11" * 32, "rtmr2": "11" * 48}, "rtmr1"), (tdx, {"rtmr1": 0, "rtmr2": "11" * 48}, "rtmr1"),
    (snp, {"host\u00e4_\u4e16\u754c_data_that_is_long": 5}, "host??_??????_data_that_is_long")])
def test_registers_that_never_match(kind: Callable[[], Call], registers: dict[str, Any], field: str) -> None:
    call = kind()
    entry = {**call.policy["measurement"][0], "registers": registers}
    with pytest.raises(cella.PolicyError) as caught:
        cella.Trust({**call.policy, "measurement": [entry]})
    assert caught.value.field == f"measurement[0].{field}"


@pytest.mark.parametrize("kind, term, value", [
    (snp, "products", ["genao"]), (snp, "keys", ["vcek", "VLEK"]), (tdx, "tcb_status", ["UpToDate", "Outofdate"]),
    (tpm, "pcr_banks", ["sha-256"]), (snp, "chips", ["ab" * 64, "AB" * 64]), (snp, "host_data", ["ab" * 32, "sha256:" + "ab" * 32])])
def test_values_that_are_misspelt_or_doubled(kind: Callable[[], Call], term: str, value: list[str]) -> None:
    call = kind()
    with pytest.raises(cella.PolicyError) as caught:
        cella.Trust(call.with_terms(**{term: value}))
    assert caught.value.field == f"{call.kind}.{term}[{0 if len(value) == 1 else 1}]"


def test_measurement_that_is_there_twice() -> None:
    call = snp()
    first = call.policy["measurement"][0]
    upper = {**first, "name": "again", "value": "sha384:" + first["value"].removeprefix("sha384:").upper()}
    bound = {"registers": {"host_data": "ab" * 32, "min_guest_svn": 1}}
    other = {"registers": {"min_guest_svn": 1, "host_data": "sha256:" + "AB" * 32}}
    for doubled in ([first, upper], [{**first, **bound}, {**upper, **other}]):
        with pytest.raises(cella.PolicyError) as caught:
            cella.Trust({**call.policy, "measurement": doubled})
        assert caught.value.field == "measurement[1].value"
    for different in ([first, {**upper, **bound}], [{**first, **bound}, {**upper, "registers": {"host_data": "cd" * 32, "min_guest_svn": 1}}]):
        cella.Trust({**call.policy, "measurement": different})
