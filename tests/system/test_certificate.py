# SPDX-License-Identifier: Apache-2.0
"""The executor's TLS certificate carries evidence that others can read; Cella's own client does not rely on it."""

from __future__ import annotations

import socket
import ssl
import subprocess
import tomllib
from pathlib import Path

import cella
import pytest
from cella import _native
from live import CommandLine, LiveExecutor, wait_until

CMW, TCG = "1.3.6.1.5.5.7.1.35", "2.23.133.5.4.9"


def certificate_of(endpoint: tuple[str, int]) -> bytes:
    """The certificate that a server shows, DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(endpoint, timeout=20) as plain, context.wrap_socket(plain) as tls:
        der = tls.getpeercert(binary_form=True)
    assert der is not None
    return der


def without_charter(live: LiveExecutor) -> cella.Trust:
    """The executor's trust file, whose charter a certificate does not say."""
    terms = tomllib.loads(live.trust.read_text())
    terms.pop("charter", None)
    return cella.Trust(terms)


def test_certificate_has_both_extensions(live: LiveExecutor) -> None:
    der = certificate_of(live.endpoint)
    text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-text"], input=der, capture_output=True,
                          check=True).stdout.decode()
    for oid in (CMW, TCG):
        assert text.count(f"{oid}: \n") == 1  # with "critical" behind it, it would be
    assert der == certificate_of(live.endpoint)  # made once


def test_evidence_of_the_certificate_verifies(live: LiveExecutor) -> None:
    report = cella.verify_certificate(certificate_of(live.endpoint), without_charter(live))
    assert report.accepted and report.type == "soft" and report.level == 2
    assert next(check for check in report.checks if check.name == "binding").outcome == "passed"
    assert report.measurement == live.client().report.measurement


def test_command_reads_it(live: LiveExecutor, person: object, tmp_path: Path) -> None:
    host, port = live.endpoint
    shown = subprocess.run(["openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_3"], input=b"", capture_output=True,
                           check=False, timeout=30).stdout
    begin, end = shown.index(b"-----BEGIN CERT"), shown.index(b"-----END CERTIFICATE-----")
    (tmp_path / "server.pem").write_bytes(shown[begin:end] + b"-----END CERTIFICATE-----\n")
    (tmp_path / "server.der").write_bytes(certificate_of(live.endpoint))
    trust = "\n".join(line for line in live.trust.read_text().splitlines() if line.strip() != "[charter]"
                      and not line.startswith("sha256 ="))
    (tmp_path / "any.toml").write_text(trust)
    shell: CommandLine = person("reader")  # type: ignore[operator]
    for name in ("server.pem", "server.der"):
        done = shell("verify-evidence", str(tmp_path / name), "--trust", str(tmp_path / "any.toml"))
        assert "ACCEPTED" in done.out and "binding" in done.out
    assert shell("verify-evidence", str(tmp_path / "server.pem"), "--unbound", code=2).err


def test_every_byte_of_the_evidence_counts(live: LiveExecutor) -> None:
    der = certificate_of(live.endpoint)
    trust = without_charter(live)
    kind, evidence, report_data, nonce = _native.evidence_in_certificate(der, 2_000_000_000)
    assert (kind, nonce) == ("soft", b"") and der.count(evidence) == 2
    assert cella.verify(evidence, trust, report_data=report_data).accepted
    place = der.rindex(evidence)  # of the extension that is looked at first
    for offset in range(0, len(evidence), 7):
        changed = bytearray(der)
        changed[place + offset] ^= 1
        with pytest.raises(cella.AttestationError):  # the certificate's own signature
            cella.verify_certificate(bytes(changed), trust)
        assert not cella.verify(bytes(changed)[place:place + len(evidence)], trust, report_data=report_data).accepted


def test_evidence_moved_to_another_key(live: LiveExecutor, own: LiveExecutor) -> None:
    """The extension of one executor in the place of another's, same size: the claims name another key."""
    one, other = certificate_of(live.endpoint), certificate_of(own.endpoint)
    found = [_native.evidence_in_certificate(der, 2_000_000_000) for der in (one, other)]
    content = [evidence for _, evidence, _, _ in found]
    assert len(content[0]) == len(content[1])
    moved = other.replace(content[1], content[0])
    assert moved != other
    with pytest.raises(cella.AttestationError):
        cella.verify_certificate(moved, without_charter(own))
    report = cella.verify(content[0], without_charter(own), report_data=found[1][2])
    assert not report.accepted, "nor would it be under a good signature"


def test_a_front_that_starts_again_has_evidence_for_its_own_key(own: LiveExecutor) -> None:
    before = certificate_of(own.endpoint)
    own.one("front").kill()
    own.wait_for_log("cella-front died")

    def again() -> bytes | None:
        try:
            return certificate_of(own.endpoint)
        except OSError:
            return None

    after = wait_until(again, 20, "the front is back")
    assert after != before
    assert cella.verify_certificate(after, without_charter(own)).accepted
