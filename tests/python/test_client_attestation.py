# SPDX-License-Identifier: Apache-2.0
"""What a client refuses: each lie of an executor, or of somebody in between, ends before anything is sent."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import PACKAGE
from fake_executor import ALL_LAYERS, Certificate, FakeExecutor

import cella
from cella import _native
from cella.encoding import field, from_base64url, to_base64url


def refused(fake: FakeExecutor, code: str, trust: dict[str, Any] | None = None, **options: Any) -> Any:
    """Connect, expect a refusal with a code and that nothing was asked; returns the error."""
    with pytest.raises(cella.AttestationError) as caught:
        cella.connect(fake.address, trust or fake.trust(), cella.Identity.generate(), **options)
    assert caught.value.code == code
    assert fake.requests == []
    return caught.value


def test_accepted(fake: FakeExecutor) -> None:
    executor = cella.connect(fake.address, fake.trust(), cella.Identity.generate())
    report = executor.report
    assert report.accepted and report.level == 2 and executor.id == fake.id
    assert all(check.outcome == "passed" for check in report.checks)
    assert [check.name for check in report.checks][-1] == "connection"
    assert to_base64url(_native.ed25519_public(fake.root)) in report.anchor
    assert report.measurement == fake.measurement.hex() and report.measurement_name == "fake"
    assert any("fresh" in sentence for sentence in report.not_checked)
    assert len(report.lines()) < 24 and all(len(line) < 160 for line in report.lines())


def test_fresh_evidence(fake: FakeExecutor) -> None:
    report = cella.connect(fake.address, fake.trust(), cella.Identity.generate(), fresh=True).report
    assert not any("fresh" in sentence for sentence in report.not_checked)
    assert len(fake.bodies[-1]) == 32


def test_other_measurement(fake: FakeExecutor) -> None:
    other = [{"name": "other", "type": "soft", "value": "sha256:" + "00" * 32}]
    error = refused(fake, "MEASUREMENT", fake.trust(measurement=other))
    assert fake.measurement.hex() in str(error)
    outcomes = {check.name: check.outcome for check in error.report.checks}
    assert outcomes["measurement"] == "failed" and outcomes["connection"] == "not done"
    assert not error.report.accepted


def test_other_root(fake: FakeExecutor) -> None:
    stranger = to_base64url(_native.ed25519_public(_native.Secret.generate()))
    refused(fake, "ROOT", fake.trust(soft={"roots": ["ed25519:" + stranger]}))
    fake.root = _native.Secret.generate()  # same files, signed by somebody else
    wanted = fake.trust()
    fake.root = _native.Secret.generate()
    refused(fake, "ROOT", wanted)


def test_other_charter(fake: FakeExecutor) -> None:
    refused(fake, "CHARTER", fake.trust(charter={"sha256": "00" * 32}))


def test_level_too_low(fake: FakeExecutor) -> None:
    error = refused(fake, "LEVEL", fake.trust(min_level=3))
    assert "software root" in error.report.level_reason


def test_missing_layers(fake: FakeExecutor) -> None:
    fake.layers = ALL_LAYERS & ~4
    error = refused(fake, "LAYERS")
    assert "seccomp" in str(error)
    soft = fake.trust()["soft"] | {"layers": ["namespaces"]}
    cella.connect(fake.address, fake.trust(soft=soft), cella.Identity.generate())


def test_unknown_type(fake: FakeExecutor) -> None:
    for name in ("snp", "none", "", "soft\0", "SOFT"):
        fake.on_session = lambda answer, name=name: answer | {"type": name}
        refused(fake, "EVIDENCE_TYPE")


def test_every_changed_byte_of_evidence(fake: FakeExecutor) -> None:
    good = fake.evidence()
    policy = cella.Trust(fake.trust()).json

    def appraise(evidence: bytes) -> dict:
        return _native.appraise(evidence, "soft", policy, 0, keys=fake.keys, charter=fake.charter)

    assert appraise(good)["status"] == "OK"
    for place in range(len(good)):
        changed = bytearray(good)
        changed[place] ^= 1
        assert appraise(changed)["status"] != "OK"
    for size in range(len(good)):
        assert appraise(good[:size])["status"] != "OK"
    assert appraise(good + b"\0")["status"] != "OK"


def test_swapped_keys(fake: FakeExecutor) -> None:
    """Evidence of the executor, keys of somebody else, who signs the connection with them."""
    sign, seal = _native.Secret.generate(), _native.Secret.generate()
    keys = _native.ed25519_public(sign) + _native.x25519_public(seal)
    fake.on_session = lambda answer: answer | {"keys": to_base64url(keys)}
    refused(fake, "BINDING")
    half = fake.keys[:32] + keys[32:]
    fake.on_session = lambda answer: answer | {"keys": to_base64url(half)}
    refused(fake, "BINDING")


def test_swapped_charter(fake: FakeExecutor) -> None:
    other = b'{"enrol":"open","administrators":["me"]}'
    fake.on_session = lambda answer: answer | {"charter": to_base64url(other)}
    refused(fake, "BINDING", fake.trust(charter={"sha256": hashlib.sha256(other).hexdigest()}))


def test_old_nonce(fake: FakeExecutor) -> None:
    old = os.urandom(32)
    evidence = to_base64url(fake.evidence(old))
    fake.on_session = lambda answer: answer | {"evidence": evidence, "evidence_nonce": to_base64url(old)}
    refused(fake, "BINDING")
    refused(fake, "BINDING", fresh=True)
    fake.on_session = lambda answer: answer | {"evidence": evidence}
    refused(fake, "BINDING", fresh=True)
    start = to_base64url(fake.evidence(b""))
    fake.on_session = lambda answer: answer | {"evidence": start, "evidence_nonce": ""}
    refused(fake, "BINDING", fresh=True)


def test_signature_of_another_connection(fake: FakeExecutor) -> None:
    recorded: dict[str, Any] = {}
    fake.on_session = lambda answer: recorded.setdefault("answer", answer)
    cella.connect(fake.address, fake.trust(), cella.Identity.generate())
    fake.requests.clear()
    error = refused(fake, "BINDING")
    outcomes = {check.name: check.outcome for check in error.report.checks}
    assert outcomes["binding"] == "passed" and outcomes["connection"] == "failed"


def test_signature_over_other_facts(fake: FakeExecutor) -> None:
    """Each part of the signed message counts: exporter, key digest, nonce, label."""
    for label, exporter, spki, nonce in (
        (b"cella session v2", None, None, None),
        (b"cella session v1", bytes(32), None, None),
        (b"cella session v1", None, bytes(32), None),
        (b"cella session v1", None, None, bytes(32)),
    ):

        def lie(answer: dict[str, Any], parts: Any = (label, exporter, spki, nonce)) -> dict[str, Any]:
            message = b"".join(field(part if part is not None else os.urandom(32)) for part in parts)
            return answer | {"signature": to_base64url(_native.ed25519_sign(fake.sign, message))}

        fake.on_session = lie
        refused(fake, "BINDING")


def test_relay(fake: FakeExecutor, tmp_path: Path) -> None:
    """Somebody ends TLS with a certificate of his own and passes every byte on to the true executor."""
    certificate = Certificate(tmp_path)
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: Any, target: Any) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass

    def relay() -> None:
        plain, _ = listener.accept()
        client = certificate.context().wrap_socket(plain, server_side=True)
        outward = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        outward.check_hostname = False
        outward.verify_mode = ssl.CERT_NONE
        executor = outward.wrap_socket(socket.create_connection(("127.0.0.1", fake.port)))
        threading.Thread(target=pump, args=(executor, client), daemon=True).start()
        pump(client, executor)

    threading.Thread(target=relay, daemon=True).start()
    with pytest.raises(cella.AttestationError) as caught:
        cella.connect(f"127.0.0.1:{listener.getsockname()[1]}", fake.trust(), cella.Identity.generate())
    assert caught.value.code == "BINDING"
    assert fake.connections == 1 and fake.requests == []
    listener.close()


def test_answers_that_are_not_sessions(fake: FakeExecutor) -> None:
    for change in (
        lambda answer: {},
        lambda answer: answer | {"extra": 1},
        lambda answer: {name: value for name, value in answer.items() if name != "charter"},
        lambda answer: answer | {"evidence": 7},
        lambda answer: answer | {"evidence": "++"},
        lambda answer: answer | {"keys": "AAAA"},
        lambda answer: answer | {"signature": ""},
        lambda answer: answer | {"type": 1},
        lambda answer: answer | {"version": 2},
        lambda answer: answer | {"version": True},
    ):
        fake.on_session = change
        with pytest.raises((cella.AttestationError, cella.FormatError)) as caught:
            cella.connect(fake.address, fake.trust(), cella.Identity.generate())
        assert caught.value.code in ("BAD_EVIDENCE", "BINDING", "BAD_VERSION")
    assert fake.requests == []


def test_another_executor_at_the_same_address(fake: FakeExecutor) -> None:
    """A connection that is made again must reach the executor that was accepted."""
    executor = cella.connect(fake.address, fake.trust(), cella.Identity.generate())
    executor.enrol()
    executor.close()
    fake.sign = _native.Secret.generate()
    fake.keys = _native.ed25519_public(fake.sign) + fake.keys[32:]
    before = len(fake.requests)
    with pytest.raises(cella.AttestationError, match="another executor"):
        executor.information()
    assert len(fake.requests) == before


def test_no_object_without_attestation(fake: FakeExecutor) -> None:
    fake.on_session = lambda answer: answer | {"signature": to_base64url(bytes(64))}
    made = None
    with pytest.raises(cella.AttestationError):
        made = cella.Executor(fake.address, fake.trust(), cella.Identity.generate())
    assert made is None


def test_soft_evidence_layout(fake: FakeExecutor) -> None:
    """The 214 bytes that executor/trust/evidence_soft.h describes, taken apart without it."""
    evidence = fake.evidence()
    assert len(evidence) == 214 and evidence[:8] == b"CELLASW1" and evidence[12:14] == b"\0\0"
    assert int.from_bytes(evidence[8:12], "big") == fake.layers and evidence[14:46] == fake.measurement
    parts = (b"cella evidence v1", b"executor", hashlib.sha256(fake.keys).digest())
    parts += (hashlib.sha256(fake.charter).digest(), b"")
    assert evidence[46:110] == hashlib.sha512(b"".join(map(field, parts))).digest()
    root = evidence[118:150]
    signed = field(b"cella soft evidence v1") + field(evidence[:150])
    _native.ed25519_verify(root, signed, evidence[150:])
    assert from_base64url(to_base64url(root)) == _native.ed25519_public(fake.root)


def _cbor(major: int, size: int) -> bytes:
    return bytes([major << 5 | size]) if size < 24 else bytes([major << 5 | 24, size])


def _cbor_bytes(content: bytes) -> bytes:
    return (_cbor(2, len(content)) if len(content) < 256 else b"\x59" + len(content).to_bytes(2, "big")) + content


def _cbor_text(text: str) -> bytes:
    return _cbor(3, len(text)) + text.encode()


def attested_value(fake: FakeExecutor, nonce: bytes = b"") -> str:
    """Value of the extension with perfect evidence for the fake executor's key, as openssl takes it."""
    own = fake.certificate
    claims = (_cbor(5, 2 if nonce else 1) + _cbor_text("pubkey-hash") + _cbor_bytes(b"\x82\x01" + _cbor_bytes(own.spki_sha256)) +
              (_cbor_text("nonce") + _cbor_bytes(nonce) if nonce else b""))
    bound = hashlib.sha256(claims).digest() + bytes(32)
    evidence = _native.soft_evidence(fake.root, fake.layers, fake.measurement, bound, 1793491200)
    value = (_cbor(5, 3) + b"\x01" + _cbor_text("soft") + b"\x02" + _cbor_bytes(evidence) + b"\x03" + _cbor_bytes(claims))
    record = _cbor(4, 3) + _cbor_text("application/vnd.cella.evidence+cbor") + _cbor_bytes(value) + b"\x04"
    return "2.23.133.5.4.9=DER:" + record.hex()


def certify(fake: FakeExecutor, folder: Path, nonce: bytes = b"") -> bytes:
    """Give the fake executor a certificate that carries perfect evidence for its key; the certificate, PEM."""
    own = fake.certificate
    target = folder / "attested.pem"
    subprocess.run(["openssl", "req", "-x509", "-key", own.key, "-subj", "/CN=x", "-days", "9", "-out", target, "-addext",
                    attested_value(fake, nonce)], check=True, capture_output=True)
    own.certificate = str(target)
    return target.read_bytes()


def test_evidence_in_the_certificate_opens_no_connection(fake: FakeExecutor, tmp_path: Path) -> None:
    """Perfect evidence in the TLS certificate does not stand for the session's signature, nor for its evidence."""
    pem = certify(fake, tmp_path)
    terms = fake.trust()
    del terms["charter"]
    assert cella.verify_certificate(pem, terms).accepted
    assert cella.connect(fake.address, fake.trust(), cella.Identity.generate()).report.accepted
    fake.requests.clear()
    for name, code in (("signature", "BINDING"), ("evidence", "BAD_EVIDENCE"), ("keys", "BAD_EVIDENCE")):
        fake.on_session = lambda answer, name=name: answer | {name: ""}
        refused(fake, code)
    fake.on_session = lambda answer: answer | {"signature": to_base64url(bytes(64))}
    refused(fake, "BINDING")
    fake.on_session = lambda answer: {key: value for key, value in answer.items() if key != "signature"}
    refused(fake, "BAD_EVIDENCE")


def test_the_certificate_example_of_the_reference(fake: FakeExecutor, tmp_path: Path) -> None:
    """As typed, with a trust file that pins a charter: the certificate is judged by the same file without [charter]."""
    certify(fake, tmp_path)
    fake.trust_file(tmp_path / "trust.toml")
    assert "[charter]" in (tmp_path / "trust.toml").read_text()
    text = (Path(__file__).resolve().parents[2] / "docs/attestation.md").read_text()
    example = re.search(r"^```sh\n(openssl s_client .*?)^```", text, re.DOTALL | re.MULTILINE)
    assert example is not None and "exec.example:7443" in example[1]
    (tmp_path / "cella").write_text(f"#!/bin/sh\nexec {sys.executable} -m cella \"$@\"\n")
    (tmp_path / "cella").chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", example[1].replace("exec.example:7443", fake.address)], cwd=tmp_path, env=environment,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "ACCEPTED by certificate.toml" in done.stdout, done.stderr + done.stdout
    refused_ = subprocess.run(["cella", "verify-evidence", "server.pem", "--trust", "trust.toml"], cwd=tmp_path, env=environment,
                              capture_output=True, text=True, timeout=60, check=False)
    assert refused_.returncode == 3 and "✗ charter" in refused_.stdout
    assert "for no charter: judge it by a trust file without [charter]" in refused_.stderr


def test_certificate_for_another_key_or_nonce(fake: FakeExecutor, tmp_path: Path) -> None:
    pem = certify(fake, tmp_path)
    der = ssl.PEM_cert_to_DER_cert(pem.decode())
    spki = fake.certificate.spki_sha256
    for bad, words in ((der.replace(spki, bytes(32)), "does not verify"),
                       (ssl.PEM_cert_to_DER_cert(Path(_plain(fake, tmp_path)).read_text()), "no evidence")):
        with pytest.raises(cella.AttestationError, match=words) as caught:
            cella.verify_certificate(bad, fake.trust())
        assert caught.value.code == "BAD_EVIDENCE"
    with pytest.raises(cella.AttestationError, match="another nonce"):
        cella.verify_certificate(pem, fake.trust(), nonce=bytes(32))
    with pytest.raises(cella.AttestationError) as caught:
        cella.verify_certificate(pem, fake.trust(), at=4_000_000_000)
    assert caught.value.code == "EXPIRED"


def test_certificate_that_nobody_signed(fake: FakeExecutor, tmp_path: Path) -> None:
    """The evidence binds the key alone: with another's signature, or with none, dates would be anybody's word."""
    der = ssl.PEM_cert_to_DER_cert(certify(fake, tmp_path).decode())
    terms = {name: value for name, value in fake.trust().items() if name != "charter"}
    assert cella.verify_certificate(der, terms).accepted
    dates = re.search(rb"\x17\x0d\d{12}Z\x17\x0d(\d{12}Z)", der)
    assert dates
    later = der[:dates.start(1)] + b"491231235959Z" + der[dates.end(1):]
    for bad in (later, der[:-64] + bytes(64), der[:-1] + bytes([der[-1] ^ 1])):
        assert len(bad) == len(der)
        with pytest.raises(cella.AttestationError) as caught:
            cella.verify_certificate(bad, terms)
        assert caught.value.code == "BAD_EVIDENCE"


def test_certificate_that_somebody_issued(fake: FakeExecutor, tmp_path: Path) -> None:
    """An issuer's signature is not verified, so the report says that his word about names and dates was not looked at."""
    own = fake.certificate
    (tmp_path / "extension").write_text(attested_value(fake) + "\n")
    for words in (["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key", "-out",
                   "ca.pem", "-subj", "/CN=Issuer", "-days", "9"],
                  ["req", "-new", "-key", str(own.key), "-out", "csr", "-subj", "/CN=x"],
                  ["x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-out", "leaf.pem", "-days", "9", "-extfile",
                   "extension"]):
        subprocess.run(["openssl", *words], cwd=tmp_path, check=True, capture_output=True)
    terms = {name: value for name, value in fake.trust().items() if name != "charter"}
    report = cella.verify_certificate((tmp_path / "leaf.pem").read_bytes(), terms)
    assert report.accepted and any("who made the certificate" in sentence for sentence in report.not_checked)
    report = cella.verify_certificate(certify(fake, tmp_path), terms)
    assert report.accepted and not any("who made the certificate" in sentence for sentence in report.not_checked)


def test_certificate_made_for_a_nonce(fake: FakeExecutor, tmp_path: Path) -> None:
    nonce = bytes(range(32))
    terms = {name: value for name, value in fake.trust().items() if name != "charter"} | {"freshness": {"nonce": True}}
    pem = certify(fake, tmp_path, nonce)
    report = cella.verify_certificate(pem, terms, nonce=nonce)
    assert report.accepted and not any("fresh" in sentence for sentence in report.not_checked)
    assert [check.name for check in cella.verify_certificate(pem, terms).failed] == ["freshness"]
    with pytest.raises(cella.AttestationError, match="another nonce"):
        cella.verify_certificate(pem, terms, nonce=bytes(32))


def test_pinned_charter_and_none_given(fake: FakeExecutor, tmp_path: Path) -> None:
    """Nothing has a hash as well: a charter that nobody gave is not one that is wrong."""
    check, = cella.verify_certificate(certify(fake, tmp_path), fake.trust()).failed
    assert (check.name, check.code) == ("charter", "CHARTER")
    assert "none was given" in check.detail and "certificate" in check.detail and "e3b0c442" not in check.detail
    evidence = _native.soft_evidence(fake.root, fake.layers, fake.measurement, b"r" * 64, 1793491200)
    for binding in ({"report_data": b"r" * 64}, {"unbound": True}):
        check, = cella.verify(evidence, fake.trust(), **binding).failed  # type: ignore[arg-type]
        assert check.name == "charter" and "none was given" in check.detail and "certificate" not in check.detail
    empty = fake.trust() | {"charter": {"sha256": hashlib.sha256(b"").hexdigest()}}
    assert [check.name for check in cella.verify(evidence, empty, report_data=b"r" * 64).failed] == ["charter"]
    other, = cella.verify(evidence, fake.trust(), report_data=b"s" * 64).failed
    assert other.code == "BINDING" and "report data" in other.detail and "charter" not in other.detail
    nothing, = cella.verify(b"", fake.trust(), unbound=True).failed
    assert nothing.name == "type" and "empty" in nothing.detail


def _plain(fake: FakeExecutor, folder: Path) -> Path:
    target = folder / "plain.pem"
    subprocess.run(["openssl", "req", "-x509", "-key", fake.certificate.key, "-subj", "/CN=x", "-out", target], check=True,
                   capture_output=True)
    return target
