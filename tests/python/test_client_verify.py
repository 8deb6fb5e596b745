# SPDX-License-Identifier: Apache-2.0
"""The verifier as a library and as a command, and the trust files that people write for it."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import subprocess
import re
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import evidence_vectors as vectors
import pytest
from conftest import PACKAGE

import cella
from cella import _native, endorsements as endorsing
from cella.encoding import to_base64url
from cella.statements import KIND, add_statement, auditor_of, sign_measurement
from cella.templates import template
from cella.terms import MEANINGS, TYPES, kind_of
from cella.verification import guess_type

NOW = 1780000000
ROOT = _native.Secret.generate()
RUNS = bytes(range(32))
GOOD: dict[str, Any] = {
    "version": 1,
    "accept": ["soft"],
    "measurement": [{"name": "release 1", "type": "soft", "value": "sha256:" + RUNS.hex()}],
    "soft": {"roots": ["ed25519:" + to_base64url(_native.ed25519_public(ROOT))]},
}
shared = pytest.mark.skipif(not vectors.SHARED.exists(), reason="the shared vectors are not beside this repository")


def soft(report_data: bytes = b"r" * 64) -> bytes:
    return _native.soft_evidence(ROOT, 63, RUNS, report_data, NOW)


def toml(content: dict[str, Any]) -> str:
    """A trust file of the dict, in the simplest TOML."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in content.items() if not isinstance(value, (dict, list)) or name == "accept"]
    for entry in content.get("measurement", []):
        lines.append("[[measurement]]")
        lines += [f"{name} = {json.dumps(value)}" for name, value in entry.items() if not isinstance(value, dict)]
        lines += [f"registers.{name} = {json.dumps(value)}" for name, value in entry.get("registers", {}).items()]
    for anchor in content.get("anchor", []):
        lines += ["[[anchor]]", f'family = "{anchor["family"]}"', f'certificate = """{anchor["certificate"]}"""']
    for name, value in content.items():
        if isinstance(value, dict):
            lines.append(f"[{name}]")
            lines += [f"{term} = {json.dumps(inner)}" for term, inner in value.items()]
    return "\n".join(lines) + "\n"


# ---- cella.verify ----


def test_report_is_typed() -> None:
    report = cella.verify(soft(), GOOD, at=NOW, report_data=b"r" * 64)
    assert isinstance(report, cella.Report) and report.accepted and report.failed == ()
    assert report.level == 2 and report.type == "soft" and report.measurement == RUNS.hex()
    assert report.claim("layers") == 63 and report.claim("nothing") is None
    assert json.dumps(report.as_dict())


def test_what_it_is_bound_to_must_be_said() -> None:
    for wrong in ({}, {"unbound": True, "nonce": b"n"}, {"keys": bytes(64), "report_data": b"r" * 64}):
        with pytest.raises(cella.RequestError) as caught:
            cella.verify(soft(), GOOD, at=NOW, **wrong)  # type: ignore[arg-type]
        assert caught.value.code == "BAD_FIELD"
    report = cella.verify(soft(), GOOD, at=NOW, unbound=True)
    assert report.accepted and any("bind" in sentence for sentence in report.not_checked)


def test_bound_to_an_executor() -> None:
    keys, charter, nonce = bytes(range(64)), b"{}", b"n" * 32
    evidence = soft(_native.report_data(keys, charter, nonce))
    assert cella.verify(evidence, GOOD, at=NOW, keys=keys, charter=charter, nonce=nonce).accepted
    assert [c.name for c in cella.verify(evidence, GOOD, at=NOW, keys=keys, charter=b"[]", nonce=nonce).failed] == ["binding"]


def test_time_is_an_argument() -> None:
    at = datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc)
    policy = {**GOOD, "freshness": {"max_age_s": 10}}
    assert cella.verify(soft(), policy, at=at, unbound=True).accepted
    assert [c.name for c in cella.verify(soft(), policy, at=NOW + 11, unbound=True).failed] == ["freshness"]
    for wrong in (at.replace(tzinfo=None), -1, True, 1.5):
        with pytest.raises(cella.RequestError):
            cella.verify(soft(), policy, at=wrong, unbound=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [-1, 2**64 + NOW, 2**65 + NOW, 2**63, 253402300800, 1 << 20000, -(2**64) + NOW], ids=range(7))
def test_times_are_never_cut_to_fit(wrong: int) -> None:
    """A time modulo 2^64 would make old evidence new. In the API it is an error; in every binding, too."""
    with pytest.raises(cella.RequestError) as caught:
        cella.verify(soft(), GOOD, at=wrong, unbound=True)
    assert caught.value.field == "at"
    policy = json.dumps(GOOD).encode()
    for call in (lambda: _native.appraise(soft(), "soft", policy, wrong, unbound=True),
                 lambda: _native.evidence_in_certificate(b"", wrong),
                 lambda: _native.tpm_endorsement_key([], [], wrong),
                 lambda: _native.soft_evidence(ROOT, 63, RUNS, bytes(64), wrong)):
        with pytest.raises(OverflowError):
            call()
    done = command("verify-evidence", "none", "--unbound", "--at", "1" * 5000 if wrong > 2**100 else str(wrong), "--trust", "none.toml", code=2)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("wrong", [-1, 2**64 + 1000, 2**70])
def test_numbers_of_the_bindings_are_never_cut(wrong: int) -> None:
    for call in (lambda: _native.sealed_size(wrong), lambda: _native.plain_size(wrong),
                 lambda: _native.soft_evidence(ROOT, wrong, RUNS, bytes(64), NOW)):
        with pytest.raises(OverflowError):
            call()
    with pytest.raises(OverflowError):
        _native.soft_evidence(ROOT, 2**32, RUNS, bytes(64), NOW)


def test_the_last_second_of_the_calendar_is_a_time() -> None:
    assert cella.verify(soft(), GOOD, at=253402300799, unbound=True).accepted
    assert not cella.verify(soft(), {**GOOD, "freshness": {"max_age_s": 10}}, at=253402300799, unbound=True).accepted


def test_bad_evidence_is_a_report() -> None:
    for evidence in (b"", b"?", bytes(1184), b"\x84\x44\xa1\x01\x38\x22", os.urandom(3000), bytes(20000)):
        report = cella.verify(evidence, GOOD, at=NOW, unbound=True)
        assert not report.accepted and [check.name for check in report.failed] == ["type"]
        assert [check.name for check in cella.verify(evidence, GOOD, at=NOW, type="soft", unbound=True).failed] == ["format"]


@shared
@pytest.mark.parametrize("family, name", [
    ("snp", "snp/microsoft/turin_attestation_report.bin"), ("tdx", "tdx/dcap-qvl/tdx_quote"), ("tdx", "tdx/forged/good_v5.dat"),
    ("sgx", "sgx/dcap-qvl/sgx_quote"), ("nitro", "nitro/forged/good.cbor"), ("tpm", "tpm/swtpm/quote.msg"),
    ("nitro", "nitro/tag18_dstack_attest_nitro_attestation.cbor")])
def test_type_by_the_first_bytes(family: str, name: str) -> None:
    assert guess_type(vectors.accepted(family, name).evidence) == family


@shared
def test_real_evidence_with_files_beside_it() -> None:
    """AMD's report with what its machine's host would serve, in any order; Intel's with a bundle."""
    folder = vectors.SHARED / "snp"
    call = vectors.accepted("snp", "snp/microsoft/genoa_attestation_report.bin")
    files = [folder / "crl/genoa_vcek_crl.der", folder / "microsoft/genoa_vcek.pem"]
    for order in (files, files[::-1], [str(path) for path in files], [path.read_bytes() for path in files]):
        assert cella.verify(call.evidence, call.policy, at=call.at, endorsements=order, report_data=call.evidence[0x50:0x90]).accepted
    assert len(files) == 2 and not cella.verify(call.evidence, call.policy, at=call.at, unbound=True).accepted
    call = vectors.accepted("tdx", "tdx/dcap-qvl/tdx_quote")
    bundle = vectors.SHARED / "tdx/dcap-qvl/tdx_quote_collateral.json"
    report = cella.verify(call.evidence, call.policy, at=call.at, endorsements=[bundle], unbound=True)
    assert report.accepted and report.level == 5 and "Intel SGX Root CA" in report.anchor


@shared
def test_the_example_of_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import re

    text = (PACKAGE.parent / "docs" / "attestation.md").read_text()
    example = re.search(r"^```python\n(import cella\n.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert example is not None
    call = vectors.accepted("snp", "snp/microsoft/genoa_attestation_report.bin")
    (tmp_path / "trust.toml").write_text(toml(call.policy))
    (tmp_path / "vcek.pem").write_bytes(vectors.data("snp/microsoft/genoa_vcek.pem"))
    (tmp_path / "crl.der").write_bytes(vectors.data("snp/crl/genoa_vcek_crl.der"))
    monkeypatch.chdir(tmp_path)
    source = example[1].replace("at=1793491200", f"at={call.at}")
    assert source != example[1]
    exec(compile(source, "attestation.md", "exec"), {"evidence": call.evidence, "expected": call.binding["report_data"]})
    printed = capsys.readouterr().out
    assert "✓ measurement" in printed and printed.splitlines()[-1].startswith("5 vector ")


# ---- recognising endorsements ----


@shared
@pytest.mark.parametrize("name, kinds", [
    ("snp/microsoft/genoa_vcek.pem", [endorsing.CERTIFICATES]),
    ("snp/attestation-rs/live-vcek-genoa.der", [endorsing.CERTIFICATES]),
    ("snp/crl/genoa_vcek_crl.der", [endorsing.CRL]),
    ("tdx/attestation-rs/pck_crl_platform.der", [endorsing.CRL]),
    ("tdx/attestation-rs/tcb_info_90c06f000000.json", [endorsing.TCB_INFO]),
    ("tdx/attestation-rs/td_qe_identity.json", [endorsing.QE_IDENTITY]),
    ("tdx/attestation-rs/tcb_signing_chain.pem", [endorsing.TCB_CHAIN, endorsing.QE_CHAIN]),
    ("tdx/dcap-qvl/tdx_quote_collateral.json", [3, 5, 4, 6, 2, 2]),
])
def test_endorsements_are_recognised(name: str, kinds: list[int]) -> None:
    assert [kind for kind, _ in endorsing.recognise(vectors.data(name))] == kinds


@shared
def test_certificate_table_of_amd() -> None:
    leaf = vectors.data("snp/attestation-rs/live-vcek-genoa.der")
    guid = bytes.fromhex("8d75da6364e66445adc5f4b93be8accd")
    table = guid + (48).to_bytes(4, "little") + len(leaf).to_bytes(4, "little") + bytes(24) + leaf
    assert endorsing.recognise(table) == [(endorsing.CERTIFICATES, leaf)]


@pytest.mark.parametrize("content", [b"", b"hello", b"{}", b"[]", b"{", b"0", b"\x30\x82\x00", b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----",
                                     b'{"tcb_info":"x","root_ca_crl":"zz"}', b"a.b"])
def test_what_is_nothing_is_refused(content: bytes) -> None:
    with pytest.raises(cella.FormatError) as caught:
        endorsing.recognise(content, "thing.bin")
    assert "thing.bin" in str(caught.value)


CERTIFICATE = b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n"
HOSTILE = {
    "newlines": lambda size: b"-----BEGIN CERTIFICATE-----" + b"\n" * size,
    "blanks": lambda size: b"-----BEGIN CERTIFICATE-----\n" + b"A \n" * (size // 3),
    "begins": lambda size: b"-----BEGIN X-----\n" * (size // 18),
    "halves": lambda size: b"-----BEGIN X" * (size // 12),
    "labels": lambda size: b"-----BEGIN " + b"A" * size,
    "ends": lambda size: b"-----BEGIN X-----\nA" + b"-----END Y-----\n" * (size // 16),
    "dashes": lambda size: b"-----BEGIN X-----\n" + b"-" * size,
    "lists": lambda size: b"".join(b"-----BEGIN X509 CRL-----\n%s\n-----END X509 CRL-----\n" % (b"%08d" % n) for n in range(size // 56)),
    "statement": lambda size: b"a.b." + b"c" * size + b"!",
    "spaces": lambda size: b" " * size + b"!",
}


@pytest.mark.parametrize("shape", HOSTILE)
def test_recognising_takes_linear_time(shape: str) -> None:
    """What comes with evidence is anybody's: sixteen times the bytes take sixteen times as long, not 256 times."""
    def seconds(size: int) -> float:
        content, best = HOSTILE[shape](size), 1e9
        for _ in range(3):
            start = time.process_time()
            try:
                endorsing.collect([content])
            except cella.CellaError:
                pass
            best = min(best, time.process_time() - start)
        return best

    small = max(seconds(1 << 13), 0.0005)
    assert seconds(1 << 17) < 90 * small


def test_pem_blocks_among_other_text() -> None:
    """Blocks are found in text; a begin without its end, another end, or an empty body is no block, and hides none."""
    good = CERTIFICATE % b"AAAA"
    for around in (b"subject=x\n%s\ntext - with -- dashes", b"-----BEGIN CERTIFICATE-----\n%s", b"-----BEGIN X%s",
                   b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END X-----\n%s", b"%s-----BEGIN CERTIFICATE-----\nAAAA",
                   b"-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----%s", b"-----BEGIN lower-----\nAAAA\n-----END lower-----%s"):
        assert endorsing.recognise(around % good) == [(endorsing.CERTIFICATES, good)], around
    assert endorsing.recognise((good + good).replace(b"\n", b"\r\n")) == [(endorsing.CERTIFICATES, good + good)]


def test_certificate_table_can_not_multiply() -> None:
    """Every entry may name all of the bytes: the number of entries is bounded before they are copied."""
    guid = bytes.fromhex("8d75da6364e66445adc5f4b93be8accd")
    entry = guid + (0).to_bytes(4, "little") + (1 << 20).to_bytes(4, "little")
    assert len(endorsing.recognise(entry * 24)) == 24
    with pytest.raises(cella.CellaError) as caught:
        endorsing.recognise(entry * 25, "table.bin")
    assert caught.value.code == "TOO_MANY" and "table.bin" in str(caught.value)


# ---- the report fits a screen ----


@shared
@pytest.mark.parametrize("family, name", [
    ("snp", "snp/microsoft/milan_attestation_report.bin"), ("tdx", "tdx/dcap-qvl/tdx_quote"),
    ("sgx", "sgx/dcap-qvl/sgx_quote"), ("tpm", "tpm/swtpm/quote.msg"), ("nitro", "nitro/forged/good.cbor")])
def test_lines_fit_a_screen(family: str, name: str) -> None:
    call = vectors.accepted(family, name)
    report = cella.verify(call.evidence, call.policy, at=call.at, endorsements=call.endorsements,
                          **{key: value for key, value in call.binding.items() if value})
    lines = report.lines()
    assert report.accepted and len(lines) <= 22 and max(map(len, lines)) < 160
    assert sum(" terms of the trust file are met" in line for line in lines) == (family != "nitro")  # which has one term
    refused = cella.verify(call.evidence, call.policy, at=call.at, endorsements=call.endorsements, report_data=b"x").lines()
    assert len(refused) <= 22 and any(line.startswith("· not done") and "measurement" in line for line in refused)


@shared
def test_every_failing_term_has_its_line() -> None:
    call = vectors.accepted("snp", "snp/forged/good.bin")
    policy = call.with_terms(vmpl=[3], guest_svn=999, smt=not dict(call.report()["claims"])["smt"])
    lines = cella.verify(call.evidence, policy, at=call.at, endorsements=call.endorsements, unbound=True).lines()
    assert [line.split()[1] for line in lines if line.startswith("✗")] == ["vmpl", "smt", "guest_svn"]


@shared
@pytest.mark.parametrize("family, name, level", [
    ("snp", "snp/microsoft/milan_attestation_report.bin", 4), ("snp", "snp/microsoft/genoa_attestation_report.bin", 5),
    ("snp", "snp/microsoft/turin_attestation_report.bin", 5), ("tdx", "tdx/dcap-qvl/tdx_quote", 5),
    ("sgx", "sgx/dcap-qvl/sgx_quote", 4), ("sgx", "sgx/openenclave/evidence.quote", 1), ("nitro", "nitro/forged/good.cbor", 4),
    ("tpm", "tpm/swtpm/quote.msg", 3)])
def test_levels(family: str, name: str, level: int) -> None:
    report = vectors.accepted(family, name).report()
    assert report["level"] == level and (level == 5) == (report["level_reason"] == "")


# ---- trust files ----


@pytest.mark.parametrize("kind", TYPES)
def test_every_term_has_its_sentence(kind: str) -> None:
    assert {term.name for term in kind_of(kind).terms} == set(MEANINGS[kind])


@pytest.mark.parametrize("kind", TYPES)
def test_template_waits_and_then_loads(kind: str, tmp_path: Path) -> None:
    text = template(kind)
    path = tmp_path / "trust.toml"
    path.write_text(text)
    with pytest.raises(cella.PolicyError) as caught:
        cella.Trust.load(path)
    assert "fill in measurement[0].name" in str(caught.value) and str(path) in str(caught.value)
    fill = {"sha256": "sha256:" + "11" * 32, "sha384": "sha384:" + "11" * 48}
    lines = []
    for line in text.splitlines():
        name, equals, value = line.partition(" = ")
        if "FILL IN" in value:
            size = 48 if kind in ("tdx", "nitro") else 32
            value = {"name": '"release 1"', "roots": '["ed25519:' + "A" * 43 + '"]',
                     "attestation_keys": '["000b' + "11" * 32 + '"]',
                     "value": f'"{fill["sha256" if "sha256" in value else "sha384"]}"'}.get(name, f'"{"22" * size}"')
        lines.append(name + equals + value)
    path.write_text("\n".join(lines) + "\n")
    trust = cella.Trust.load(path)
    sentences = trust.explain()
    for term in kind_of(kind).terms:
        assert term.name in sentences, term.name
    assert trust.terms["accept"] == [kind]
    # What the template shows as defaults are the defaults: with every comment of a default taken away it means the same.
    shown = []
    for line in text.splitlines():
        if line.startswith("# ") and " = " in line and "<" not in line and '"..."' not in line:
            shown.append(line)
    terms = {term.name: term.default for term in kind_of(kind).terms if term.default is not None}
    for name, default in terms.items():
        if not isinstance(default, dict):
            assert tomllib.loads(next(line[2:] for line in shown if line.startswith(f"# {name} = "))) == {name: default}


def test_template_for_a_tpm_is_for_what_executors_quote() -> None:
    header = (Path(__file__).resolve().parents[2] / "executor/platform/tpm_evidence.h").read_text()
    selection = re.search(r"#define CELLA_TPM_SELECTION (0x[0-9a-f]+)U", header)
    assert selection is not None
    registers = [number for number in range(24) if int(selection[1], 16) >> number & 1]
    assert f"\npcrs = {registers}\n" in template("tpm")
    assert {int(name) for name in re.findall(r"registers\.pcr(\d+)", template("tpm"))} <= set(registers)


@shared
def test_roots_are_explained_as_they_count() -> None:
    """An own root replaces those of its family. The others stay pinned, which the explanation must not hide."""
    anchor = vectors.accepted("snp", "snp/forged/good.bin").policy["anchor"][0]
    call = vectors.accepted("snp", "snp/microsoft/turin_attestation_report.bin")
    section = {name: value for name, value in call.policy.get("snp", {}).items() if name != "products"}
    own = {**call.policy, "snp": section, "anchor": [{**anchor, "family": "amd-genoa"}]}
    report = call.report(policy=own)
    assert report["status"] == "OK" and "ARK-Turin" in report["anchor"]
    text = cella.Trust(own).explain()
    assert "turin must lead to the vendor's root ARK-Turin, which is pinned in the library" in text
    assert "genoa and siena must lead to the root that this file names for amd-genoa (certificate with SHA-256 " in text
    assert "ARK-Genoa" not in text and "milan must" not in text.lower()
    every = cella.Trust({**own, "anchor": [*own["anchor"], {**anchor, "family": "amd-turin"}]}).explain()
    assert "ARK-" not in every and call.failed(policy={**own, "anchor": [{**anchor, "family": "amd-turin"}]}) == ["chain"]
    only = cella.Trust({**own, "snp": {**section, "products": ["siena"]}}).explain()
    assert "    siena must lead to the root that this file names" in only and "turin must" not in only
    floors = {"genoa": {"reported_bl": 1}}
    assert "No product can pass" in cella.Trust({**own, "snp": {"products": ["turin"], "tcb": floors}}).explain()
    tdx = vectors.accepted("tdx", "tdx/dcap-qvl/tdx_quote")
    assert "It must lead to the vendor's root Intel SGX Root CA" in cella.Trust(tdx.policy).explain()


def test_roots_are_those_of_the_verifier() -> None:
    from cella import explain

    sources = Path(__file__).resolve().parents[2] / "executor/trust"
    text = (sources / "anchor_data.c").read_text().partition("cella_anchor_roots[] = {")[2].partition("\n};")[0]
    assert dict(re.findall(r'\{ "([a-z-]+)",\s+"([^"]+)",', text)) == explain.PINNED
    products = re.findall(r'"([a-z]+)", "(amd-[a-z]+)" \}', (sources / "evidence_snp.c").read_text())
    assert dict(products) == explain.AMD_FAMILIES


def test_times_of_measurements(tmp_path: Path) -> None:
    path = tmp_path / "trust.toml"
    text = toml(GOOD).replace("[soft]", "not_before = 2026-05-28T20:26:40Z\nnot_after = 2026-05-28T22:26:50+02:00\n[soft]")
    path.write_text(text)
    assert [cella.verify(soft(), path, at=NOW + second, unbound=True).accepted for second in (-1, 0, 10, 11)] == [False, True, True, False]
    assert "from 2026-05-28T20:26:40Z, until 2026-05-28T20:26:50Z" in cella.Trust.load(path).explain()
    for wrong in ("2026-05-28T20:26:40", "2026-05-28", "20:26:40", '"2026-05-28T20:26:40Z"'):
        path.write_text(text.replace("2026-05-28T20:26:40Z", wrong))
        with pytest.raises(cella.PolicyError) as caught:
            cella.Trust.load(path)
        assert caught.value.field in ("measurement[0].not_before", None)


def test_statements_are_signed_and_added(tmp_path: Path) -> None:
    one, two = cella.Identity.generate(), cella.Identity.generate()
    entry = GOOD["measurement"][0]
    path = tmp_path / "trust.toml"
    path.write_text("# mine\n" + toml({**{k: v for k, v in GOOD.items() if k != "measurement"},
                                       "auditors": {"threshold": 2, "keys": [auditor_of(one), auditor_of(two)]}}))
    assert not cella.verify(soft(), path, at=NOW, unbound=True).accepted
    first = sign_measurement(one, entry)
    add_statement(path, first)
    report = cella.verify(soft(), path, at=NOW, unbound=True)
    assert [check.name for check in report.failed] == ["measurement"] and "1 of your auditors" in report.failed[0].detail
    with_one = cella.verify(soft(), path, at=NOW, unbound=True, endorsements=[sign_measurement(two, entry).encode()])
    assert with_one.accepted and with_one.measurement_name == "release 1"
    add_statement(path, sign_measurement(two, entry))
    assert cella.verify(soft(), path, at=NOW, unbound=True).accepted and path.read_text().startswith("# mine\n")
    before = path.read_text()
    with pytest.raises(cella.PolicyError):  # a second time
        add_statement(path, first)
    assert path.read_text() == before
    with pytest.raises(cella.PolicyError):
        sign_measurement(one, {"name": "release 1", "type": "tdx", "value": "sha384:" + "00" * 48})
    assert KIND == "cella measurement v1"


def test_only_statements_of_the_auditors_are_added(tmp_path: Path) -> None:
    """What could never count is refused when it is added, not found out when an executor is."""
    one, stranger = cella.Identity.generate(), cella.Identity.generate()
    entry = GOOD["measurement"][0]
    path = tmp_path / "trust.toml"
    path.write_text(toml({**GOOD, "auditors": {"threshold": 1, "keys": [auditor_of(one)]}}))
    before, good = path.read_bytes(), sign_measurement(one, entry)
    header, payload, signature = good.split(".")

    def signed(content: dict[str, Any]) -> str:
        return one.sign_statement(json.dumps(content).encode())

    for wrong, says in (("hello", "no auditor's statement"), ("", "no auditor's statement"), ("a.b.c", "no auditor's statement"),
                        ("é.b.c", "no auditor's statement"), (good + "." + good, "no auditor's statement"), (good + "A" * 20000, "no compact JWS"),
                        (sign_measurement(stranger, entry), "none of the auditors"),
                        (f"{header}.{payload}.{to_base64url(bytes(64))}", "none of the auditors"),
                        (f"{header}.{sign_measurement(one, {**entry, 'name': 'x'}).split('.')[1]}.{signature}", "none of the auditors"),
                        (signed(entry), '"statement": "cella measurement v1"'),
                        (signed({**entry, "statement": KIND, "value": "sha256:00"}), 'it takes "sha256:" and 64'),
                        (signed({"statement": KIND, "name": "x"}), "type")):
        with pytest.raises(cella.PolicyError) as caught:
            add_statement(path, wrong)
        assert says in str(caught.value) and path.read_bytes() == before, wrong[:80]
    add_statement(path, good)
    assert path.read_bytes() != before


def test_file_without_auditors_takes_no_statement(tmp_path: Path) -> None:
    path = tmp_path / "trust.toml"
    path.write_text(toml(GOOD))
    with pytest.raises(cella.PolicyError) as caught:
        add_statement(path, "a.b.c")
    assert caught.value.field == "auditors" and path.read_text() == toml(GOOD)


# ---- the command ----


def command(*words: str | Path, code: int = 0, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-m", "cella", *map(str, words)], capture_output=True, text=True, cwd=folder,
                          env={**os.environ, "PYTHONPATH": str(PACKAGE)}, timeout=60, check=False)
    assert done.returncode == code, done.stderr + done.stdout
    return done


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "trust.toml").write_text(toml(GOOD))
    (tmp_path / "evidence").write_bytes(soft())
    return tmp_path


def test_verify_evidence_of_a_file(files: Path) -> None:
    done = command("verify-evidence", "evidence", "--at", str(NOW), "--report-data", "72" * 64, folder=files)
    assert "ACCEPTED by trust.toml" in done.stdout and "✓ measurement" in done.stdout
    done = command("verify-evidence", "evidence", "--at", "2026-05-28T20:26:40Z", "--unbound", "--json", folder=files)
    report = json.loads(done.stdout)
    assert report["accepted"] is True and report["level"] == 2 and report["event"] == "report"


@pytest.mark.parametrize("words, code", [
    (("--report-data", "73" * 64), 3), (("--unbound", "--type", "snp"), 3), ((), 2), (("--unbound", "--nonce", "00"), 2),
    (("--report-data", "xyz"), 2), (("--unbound", "--at", "yesterday"), 2), (("--unbound", "--at", "2026-05-28T20:26:40"), 2),
    (("--unbound", "--endorsement", "evidence"), 2), (("--unbound", "--trust", "none.toml"), 2), (("--unbound", "--type", "all"), 2)])
def test_verify_evidence_exit_codes(files: Path, words: tuple[str, ...], code: int) -> None:
    done = command("verify-evidence", "evidence", *words, code=code, folder=files)
    assert "ACCEPTED" not in done.stdout and done.stderr
    if code == 3:
        assert "REFUSED" in done.stderr
    assert command("verify-evidence", "none", "--unbound", code=2, folder=files).stderr


KEYS, CHARTER, NONCE = bytes(range(64)), b'{"version":1,"enrol":"open"}', b"n" * 32


def test_verify_evidence_of_an_executor_with_its_keys_and_charter(files: Path) -> None:
    """Evidence of an executor, judged later by a trust file that pins its charter."""
    pinned = {**GOOD, "charter": {"sha256": hashlib.sha256(CHARTER).hexdigest()}}
    (files / "trust.toml").write_text(toml(pinned))
    (files / "evidence").write_bytes(soft(_native.report_data(KEYS, CHARTER, NONCE)))
    (files / "charter").write_bytes(CHARTER)
    (files / "other").write_bytes(CHARTER + b" ")
    (files / "keys").write_bytes(KEYS)
    (files / "keys.txt").write_text(to_base64url(KEYS) + "\n")
    start = ("verify-evidence", "evidence", "--at", str(NOW))
    for keys in ("keys", "keys.txt"):
        done = command(*start, "--keys", keys, "--charter", "charter", "--nonce", NONCE.hex(), folder=files)
        assert "✓ charter" in done.stdout and "ACCEPTED" in done.stdout
    done = command(*start, "--keys", "keys", "--charter", "other", "--nonce", NONCE.hex(), code=3, folder=files)
    assert "✗ binding" in done.stdout and "--charter FILE" not in done.stderr
    done = command(*start, "--unbound", code=3, folder=files)
    assert "✗ charter" in done.stdout and "--charter FILE with --keys FILE" in done.stderr
    for words in (("--keys", "keys"), ("--charter", "charter"), ("--keys", "keys", "--charter", "charter", "--unbound"), ("--keys", "charter", "--charter", "charter")):
        command(*start, *words, code=2, folder=files)


@pytest.mark.parametrize("words", [("--report-data", ""), ("--nonce", ""), ("--report-data", "00"), ("--nonce", "00")])
def test_unbound_is_alone(files: Path, words: tuple[str, str]) -> None:
    assert "--unbound, alone" in command("verify-evidence", "evidence", "--unbound", *words, code=2, folder=files).stderr
    if words[1] == "":
        assert "is empty" in command("verify-evidence", "evidence", *words, code=2, folder=files).stderr


def test_what_is_empty_binds_nothing() -> None:
    for empty in ({"report_data": b""}, {"nonce": b""}, {"keys": b""}, {"report_data": b"", "unbound": True}):
        with pytest.raises(cella.RequestError):
            cella.verify(soft(), GOOD, at=NOW, **empty)  # type: ignore[arg-type]


def test_refusals_say_how_far_it_went(files: Path) -> None:
    """Which check refused and what was verified besides: never that nothing was."""
    (files / "trust.toml").write_text(toml({**GOOD, "measurement": [{**GOOD["measurement"][0], "value": "sha256:" + "00" * 32}]}))
    done = command("verify-evidence", "evidence", "--at", str(NOW), "--unbound", code=3, folder=files)
    assert "Refused by: measurement. Verified besides: type, format, chain, signature, binding, layers." in done.stdout
    assert "nothing was" not in done.stdout.lower() and "Level 0" not in done.stdout
    done = command("verify-evidence", "evidence", "--type", "snp", "--unbound", code=3, folder=files)
    assert "Refused by: type. Nothing was verified." in done.stdout
    (files / "empty").write_bytes(b"")
    assert "empty is empty" in command("verify-evidence", "empty", "--unbound", code=2, folder=files).stderr


def test_other_report_data_are_shown(files: Path) -> None:
    other = b"r" * 20 + b"s" + b"r" * 43
    done = command("verify-evidence", "evidence", "--report-data", other.hex(), code=3, folder=files)
    assert f"expected ...73{'72' * 15}... (64 bytes), found ...{'72' * 16}... (64 bytes); they differ from byte 20 on" in done.stderr
    done = command("verify-evidence", "evidence", "--report-data", "72" * 60, code=3, folder=files)
    assert "expected ... (60 bytes), found ...72727272 (64 bytes)" in done.stderr


@shared
@pytest.mark.parametrize("family, name, without, says", [
    ("snp", "snp/microsoft/genoa_attestation_report.bin", endorsing.CERTIFICATES, r"VCEK.*--endorsement FILE.*cella-collateral --cache DIR (amd vcek genoa [0-9a-f]{128} \d+ \d+ \d+ \d+) > FILE"),
    ("snp", "snp/microsoft/turin_attestation_report.bin", endorsing.CERTIFICATES, r"cella-collateral --cache DIR (amd vcek turin [0-9a-f]{16} \d+ \d+ \d+ \d+ \d+) > FILE"),
    ("snp", "snp/microsoft/genoa_attestation_report.bin", endorsing.CRL, r"revocation list is missing.*(amd list vcek genoa) > FILE"),
    ("tdx", "tdx/dcap-qvl/tdx_quote", endorsing.CRL, r"--endorsement FILE.*(intel tdx) FMSPC platform"),
    ("tdx", "tdx/dcap-qvl/tdx_quote", endorsing.TCB_INFO, r"--endorsement FILE.*(intel tdx) FMSPC platform"),
    ("sgx", "sgx/dcap-qvl/sgx_quote", endorsing.QE_IDENTITY, r"--endorsement FILE.*(intel sgx) FMSPC platform")])
def test_what_is_missing_is_named_with_its_source(tmp_path: Path, family: str, name: str, without: int, says: str) -> None:
    call = vectors.accepted(family, name)
    (tmp_path / "trust.toml").write_text(toml(call.policy))
    (tmp_path / "evidence").write_bytes(call.evidence)
    (tmp_path / "all").write_bytes(vectors.wire(call.endorsements))  # as cella-collateral prints it
    (tmp_path / "some").write_bytes(vectors.wire(call.without(without)))
    start = ("verify-evidence", "evidence", "--at", str(call.at), "--unbound", "--endorsement")
    assert "ACCEPTED" in command(*start, "all", folder=tmp_path).stdout
    done = command(*start[:-1], *(("--endorsement", "some") if call.without(without) else ()), code=3, folder=tmp_path)
    found = re.search(says, done.stderr)
    assert found is not None, done.stderr
    if family == "snp":  # the words are a request that the program knows
        source = (Path(__file__).resolve().parents[2] / "host/collateral.py").read_text()
        known = re.findall(r'\(r"(amd [^"]+)"', source)
        assert known and any(re.fullmatch(pattern, found[1]) for pattern in known), found[1]


def test_trust_commands(files: Path) -> None:
    command("trust", "init", "--for", "snp", "-o", "snp.toml", folder=files)
    assert "waits for you" in command("explain-trust", "snp.toml", code=2, folder=files).stderr
    assert "never overwritten" in command("trust", "init", "--for", "tdx", "-o", "snp.toml", code=6, folder=files).stderr
    assert command("trust", "init", "--for", "tdx", folder=files).stdout == template("tdx")
    command("keygen", "-o", "auditor.json", folder=files)
    signed = command("trust", "sign-measurement", "--identity", "auditor.json", "--name", "release 1", "--type", "soft",
                     "--value", "sha256:" + RUNS.hex(), "-o", "statement.jws", "--not-after", "2030-01-01T00:00:00Z", folder=files)
    key = signed.stderr.split()[-1]
    audited = {**{k: v for k, v in GOOD.items() if k != "measurement"}, "auditors": {"threshold": 1, "keys": [key]}}
    (files / "trust.toml").write_text(toml(audited))
    command("verify-evidence", "evidence", "--at", str(NOW), "--unbound", code=3, folder=files)
    command("verify-evidence", "evidence", "--at", str(NOW), "--unbound", "--endorsement", "statement.jws", folder=files)
    command("trust", "add-statement", "trust.toml", "statement.jws", folder=files)
    command("verify-evidence", "evidence", "--at", str(NOW), "--unbound", folder=files)
    command("verify-evidence", "evidence", "--at", "2030-01-01T00:00:01Z", "--unbound", code=3, folder=files)
    command("trust", "sign-measurement", "--identity", "auditor.json", "--name", "x", "--type", "snp", "--value", "sha256:00",
            code=2, folder=files)
    sgx = command("trust", "sign-measurement", "--identity", "auditor.json", "--name", "x", "--type", "sgx", "--register",
                  "mrsigner=" + "11" * 32, "--register", "isv_prod_id=1", "--register", "min_isv_svn=2", "--json", folder=files)
    assert json.loads(sgx.stdout)["measurement"]["registers"] == {"mrsigner": "11" * 32, "isv_prod_id": 1, "min_isv_svn": 2}


@pytest.mark.parametrize("words, says", [
    (("trust", "sign-measurement", "--identity", "auditor.json", "--name", "x", "--type", "snp", "--value", "sha384:" + "00" * 48,
      "--register", "min_guest_svn=x"), "min_guest_svn is a number, not 'x'"),
    (("trust", "sign-measurement", "--identity", "auditor.json", "--name", "x", "--type", "snp", "--value", "sha384:" + "00" * 48,
      "--register", "min_guest_svn=" + "9" * 5000), "min_guest_svn is a number"),
    (("trust", "sign-measurement", "--identity", "auditor.json", "--name", "x", "--type", "snp", "--value", "sha384:00"), 'it takes "sha384:" and 96'),
    (("trust", "replay", "/dev/zero"), "is a device"),
    (("trust", "predict", "/dev/zero"), "is a device"),
    (("trust", "tpm-accept", "/dev/zero", "/dev/zero"), "is a device"),
    (("trust", "tpm-challenge", "/dev/zero", "--maker", "/dev/zero", "-o", "a", "--pending", "b"), "is a device"),
    (("trust", "add-statement", "trust.toml", "/dev/zero"), "is a device"),
    (("verify-evidence", "/dev/zero", "--unbound"), "is a device"),
    (("verify-evidence", "evidence", "--unbound", "--endorsement", "/dev/zero"), "is a device"),
    (("verify-evidence", "evidence", "--unbound", "--trust", "/dev/zero"), "is a device"),
    (("explain-trust", "/dev/zero"), "is a device"),
    (("verify-evidence", "large", "--unbound"), "has more than 65536 bytes"),
    (("verify-evidence", "evidence", "--unbound", "--endorsement", "large"), "has more than 4194304 bytes"),
    (("explain-trust", "large"), "has more than 262144 bytes"),
    (("trust", "replay", "large"), "has more than 1048576 bytes"),
    (("trust", "add-statement", "trust.toml", "large"), "has more than 16384 bytes"),
])
def test_input_that_is_none_is_said_so(files: Path, words: tuple[str, ...], says: str) -> None:
    """Exit code 2 and a sentence: no traceback, no reading without end."""
    cella.Identity.generate().save(files / "auditor.json")
    with (files / "large").open("wb") as large:
        large.truncate(5 << 20)
    done = command(*words, code=2, folder=files)
    assert says in done.stderr and "--debug" not in done.stderr


def test_pipes_are_files(files: Path) -> None:
    """Shells give what a command prints as a pipe."""
    read, write = os.pipe()
    os.write(write, soft())
    os.close(write)
    done = subprocess.run([sys.executable, "-m", "cella", "verify-evidence", "/dev/stdin", "--at", str(NOW), "--unbound"], stdin=read, text=True,
                          capture_output=True, cwd=files, env={**os.environ, "PYTHONPATH": str(PACKAGE)}, timeout=60, check=False)
    os.close(read)
    assert done.returncode == 0, done.stderr


def test_endorsements_are_a_list() -> None:
    """One content in place of a list would be a list of file descriptors, which were opened, and closed."""
    read, write = os.pipe()
    for wrong in (bytes([read]), "vcek.pem", bytearray([read]), Path("vcek.pem"), [read], [None], [(2,)], (2, b"x"), [(9, b"x")], [(2, "x")], [True]):
        with pytest.raises(TypeError, match="list of contents"):
            cella.verify(soft(), GOOD, at=NOW, unbound=True, endorsements=wrong)  # type: ignore[arg-type]
    os.close(write)
    assert os.read(read, 1) == b""  # still open
    os.close(read)


def test_half_a_character_in_a_bundle() -> None:
    for content in (b'{"tcb_info":"\\ud800"}', b'{"tcb_info":"x","tcb_info_issuer_chain":"\\udfff"}'):
        with pytest.raises(cella.FormatError):
            endorsing.recognise(content)


@shared
@pytest.mark.parametrize("name", ["ratls/gramine-cert.pem", "ratls/forged/good.der", "ratls/forged/good_sha384.der", "ratls/forged/stolen_evidence.der"])
def test_verify_evidence_in_certificates_of_others(tmp_path: Path, name: str) -> None:
    """A real server's certificate and forged ones, as files on the command line, with their collateral."""
    case = next(case for case in reversed(vectors.cases("ratls")) if case.evidence == name and "legacy" not in case.policy)
    at = max(vectors.seconds(case.at), 1781481600 if "forged" in name and case.expect == "ACCEPT" else 0)
    try:
        kind, quote, _, _ = _native.evidence_in_certificate(vectors.pem_or_der(case), at)
    except cella.AttestationError:
        kind, quote = "tdx", bytes(1000)
    (tmp_path / "trust.toml").write_text(toml(vectors.policy_of_quote(case, kind, quote)))
    (tmp_path / "certificate").write_bytes(vectors.data(name))
    words: list[str | Path] = ["verify-evidence", "certificate", "--trust", "trust.toml", "--at", str(at)]
    for number, (_, content) in enumerate(vectors.endorsements_of(case)):
        (tmp_path / str(number)).write_bytes(content)
        words += ["--endorsement", str(number)]
    accepted = case.expect == "ACCEPT"
    done = command(*words, code=0 if accepted else 3, folder=tmp_path)
    assert ("ACCEPTED by trust.toml" in done.stdout) is accepted
