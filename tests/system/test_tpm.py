# SPDX-License-Identifier: Apache-2.0
"""A machine's TPM is enrolled: the real programs, a real TPM in software, its maker's certificates."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[1] / "python")]

import cella
from cella import tpm
from cella.cli.main import run
from cella.encoding import from_base64url, to_base64url
from cella.event_log import predict
from log_maker import log
from live import PROGRAMS, LiveExecutor, echo
from software_tpm import Maker, SoftwareTpm, missing, view

MONITOR = PROGRAMS / "cella-monitor"

reason = missing()
pytestmark = pytest.mark.skipif(reason is not None, reason=f"NO SOFTWARE TPM: {reason}")


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(tmp_path_factory.mktemp("maker") / "here")


@pytest.fixture(scope="module")
def machine(maker: Maker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftwareTpm]:
    found = SoftwareTpm(tmp_path_factory.mktemp("tpm") / "one", maker)
    yield found
    found.close()


@pytest.fixture(scope="module")
def other(maker: Maker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftwareTpm]:
    """Of the same maker."""
    found = SoftwareTpm(tmp_path_factory.mktemp("tpm") / "two", maker)
    yield found
    found.close()


def monitor(machine: SoftwareTpm, option: str, given: bytes = b"") -> tuple[int, bytes, str]:
    """Its exit status, output and words. The TPM's library would log what is secret: nobody can switch that on."""
    done = subprocess.run(machine.inside(MONITOR, option), input=given, capture_output=True, timeout=60,
                          env={**os.environ, "TSS2_LOG": "all+trace"})
    return done.returncode, done.stdout, done.stderr.decode()


def identify(machine: SoftwareTpm) -> bytes:
    status, out, words = monitor(machine, "--tpm-identify")
    assert (status, words) == (0, "")
    return out


@pytest.fixture(scope="module")
def said(machine: SoftwareTpm) -> bytes:
    return identify(machine)


@pytest.fixture
def files(said: bytes, tmp_path: Path) -> Path:
    (tmp_path / "machine.json").write_bytes(said)
    return tmp_path


def changed(said: bytes, **members: Any) -> bytes:
    return json.dumps({**json.loads(said), **members}).encode()


def challenge(said: bytes, maker: Maker, **options: Any) -> tpm.Challenge:
    return tpm.challenge(said, [maker.root.read_bytes()], certificates=[maker.issuer.read_bytes()], **options)


def test_what_the_machine_says(said: bytes) -> None:
    found = json.loads(said)
    assert [entry["kind"] for entry in found["endorsements"]] == ["rsa", "ecc"]
    assert "certificate" in found["endorsements"][0]  # swtpm's maker certifies RSA and P-384
    assert found["certificates"] == [] and found["version"] == 1


def test_enrolment(machine: SoftwareTpm, maker: Maker, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As docs/operations.md has it."""
    asked = ["trust", "tpm-challenge", files / "machine.json", "--maker", maker.root, "--certificate", maker.issuer,
             "-o", files / "question.json", "--pending", files / "pending.json"]
    assert run([str(word) for word in asked]) == 0
    assert "vouches for this TPM" in capsys.readouterr().err
    status, answer, words = monitor(machine, "--tpm-activate", (files / "question.json").read_bytes())
    assert status == 0, words
    (files / "answer.json").write_bytes(answer)
    assert run(["trust", "tpm-accept", str(files / "pending.json"), str(files / "answer.json")]) == 0
    line = capsys.readouterr().out.strip()
    name = line.removeprefix('attestation_keys = ["').removesuffix('"]')
    assert len(bytes.fromhex(name)) == 34 and name.startswith("000b")
    cella.Trust({"version": 1, "accept": ["tpm"], "measurement": [{"name": "a", "type": "tpm", "registers": {"pcr4": "11" * 32}}],
                 "tpm": {"pcrs": [4], "attestation_keys": [name]}})
    assert run(["trust", "tpm-accept", str(files / "pending.json"), str(files / "answer.json"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"event": "enrolled", "name": name}


def digest_of_key(said: bytes, number: int) -> bytes:
    return hashlib.sha256(from_base64url(json.loads(said)["endorsements"][number]["key"])).digest()


@pytest.mark.parametrize("number", [0, 1], ids=["rsa", "ecc"])
def test_key_that_is_known_by_its_digest(machine: SoftwareTpm, said: bytes, number: int) -> None:
    asked = tpm.challenge(said, endorsement_key=digest_of_key(said, number))
    status, answer, words = monitor(machine, "--tpm-activate", asked.question)
    assert status == 0, words
    assert tpm.accept(asked.pending, answer) == asked.name


def test_certificate_is_for_the_key_that_the_tpm_makes(said: bytes) -> None:
    """Otherwise every challenge for it would be refused."""
    entry = json.loads(said)["endorsements"][0]
    done = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-pubkey"], input=from_base64url(entry["certificate"]),
                          capture_output=True, timeout=20, check=True)
    assert base64.b64decode(b"".join(done.stdout.splitlines()[1:-1])) == from_base64url(entry["key"])


def test_keys_survive_a_reboot(machine: SoftwareTpm, said: bytes) -> None:
    assert identify(machine) == said  # made anew each time
    machine.reboot()
    assert identify(machine) == said


# ---- refused ----


def test_maker_that_nobody_named(said: bytes, tmp_path: Path) -> None:
    stranger = Maker(tmp_path / "stranger")
    SoftwareTpm(tmp_path / "theirs", stranger).close()
    for certificates in ([], [stranger.issuer.read_bytes()]):
        with pytest.raises(cella.AttestationError) as caught:
            tpm.challenge(said, [stranger.root.read_bytes()], certificates=certificates)
        assert caught.value.code == "ROOT"


def test_issuer_that_is_missing(said: bytes, maker: Maker) -> None:
    with pytest.raises(cella.AttestationError) as caught:
        tpm.challenge(said, [maker.root.read_bytes()])
    assert caught.value.code == "ROOT"


def test_certificates_before_their_time(said: bytes, maker: Maker) -> None:
    with pytest.raises(cella.AttestationError) as caught:
        challenge(said, maker, at=0)
    assert caught.value.code == "EXPIRED"


def test_certificate_that_is_not_for_an_endorsement_key(said: bytes, maker: Maker) -> None:
    issuer = maker.issuer.read_text().split("-----")[2]
    entry = {**json.loads(said)["endorsements"][0], "certificate": to_base64url(base64.b64decode(issuer))}
    with pytest.raises(cella.AttestationError) as caught:
        tpm.challenge(changed(said, endorsements=[entry]), [maker.root.read_bytes()])
    assert caught.value.code == "ENDORSEMENT"


def test_tpm_without_a_certificate(said: bytes, maker: Maker) -> None:
    entries = [{name: value for name, value in entry.items() if name != "certificate"}
               for entry in json.loads(said)["endorsements"]]
    with pytest.raises(cella.AttestationError) as caught:
        challenge(changed(said, endorsements=entries), maker)
    assert caught.value.code == "ENDORSEMENT" and "no certificate of its maker" in str(caught.value)
    with pytest.raises(cella.AttestationError):
        tpm.challenge(said, endorsement_key=bytes(32))


def test_attestation_key_of_another_machine(machine: SoftwareTpm, other: SoftwareTpm, said: bytes, maker: Maker) -> None:
    """The operator shows a certificate of a good TPM and a key that is in another one: neither can answer."""
    theirs = identify(other)
    assert theirs != said
    asked = challenge(changed(said, attestation_key=json.loads(theirs)["attestation_key"]), maker)
    for one in (machine, other):
        status, answer, words = monitor(one, "--tpm-activate", asked.question)
        assert (status, answer) == (1, b"") and "for another TPM, or for another attestation key (BAD_TAG)" in words


def test_attestation_key_that_signs_anything(said: bytes, maker: Maker) -> None:
    area = bytearray(from_base64url(json.loads(said)["attestation_key"]))
    area[5] ^= 1  # restricted
    for bad in (bytes(area), bytes(area[:-1]), b""):
        with pytest.raises(cella.IntegrityError) as caught:
            challenge(changed(said, attestation_key=to_base64url(bad)), maker)
        assert caught.value.code == "BAD_KEY"


def test_answer_to_another_challenge(machine: SoftwareTpm, said: bytes, maker: Maker) -> None:
    first, second = challenge(said, maker), challenge(said, maker)
    answer = monitor(machine, "--tpm-activate", first.question)[1]
    with pytest.raises(cella.IntegrityError) as caught:
        tpm.accept(second.pending, answer)
    assert caught.value.code == "BAD_TAG"
    assert tpm.accept(first.pending, answer) == first.name
    for bad in (b"", b"{}", b'{"version":1}', b'{"version":1,"secret":5}', b'{"version":1,"secret":"AA","more":1}',
                b'{"version":2,"secret":"AA"}', b'{"version":true,"secret":"AA"}'):
        with pytest.raises(cella.FormatError):
            tpm.accept(first.pending, bad)
    with pytest.raises(cella.IntegrityError):
        tpm.accept(first.pending, b'{"version":1,"secret":""}')


def test_what_checks_the_answer_does_not_have_it(said: bytes, maker: Maker) -> None:
    asked = challenge(said, maker)
    assert sorted(json.loads(asked.pending)) == ["answer_sha256", "name", "version"]


def test_statements_that_say_nothing(said: bytes, maker: Maker) -> None:
    good = json.loads(said)
    without = {name: value for name, value in good.items() if name != "certificates"}
    for bad in (b"", b"[]", b"{}", json.dumps(without).encode(), changed(said, more=1), changed(said, version=2),
                changed(said, endorsements=[5]), changed(said, endorsements=[{"key": "AA"}]),
                changed(said, endorsements=[{"kind": "rsa", "key": "A"}]), changed(said, certificates=["="])):
        with pytest.raises(cella.FormatError):
            challenge(bad, maker)
    with pytest.raises(cella.RequestError):
        challenge(bytes(tpm.FILE_MAX + 1), maker)


def test_who_vouches_must_be_said(files: Path, maker: Maker) -> None:
    both = ["--maker", str(maker.root), "--endorsement-key", "sha256:" + "00" * 32]
    for options in ([], both, ["--endorsement-key", "sha256:00"]):
        assert run(["trust", "tpm-challenge", str(files / "machine.json"), *options, "-o", str(files / "q"), "--pending",
                    str(files / "p")]) == 2
    assert not (files / "q").exists() and not (files / "p").exists()
    with pytest.raises(cella.ArgumentError):
        tpm.challenge((files / "machine.json").read_bytes())


def test_machine_without_a_tpm(machine: SoftwareTpm) -> None:
    done = subprocess.run(view(machine.folder, "", MONITOR, "--tpm-identify"), capture_output=True, timeout=60, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "/dev/tpmrm0 can not be opened: No such file or directory (SYSTEM_FAILED)" in done.stderr


def test_no_challenge(machine: SoftwareTpm) -> None:
    for bad in (b"", b"no JSON", b"{}", bytes(100000)):
        status, answer, words = monitor(machine, "--tpm-activate", bad)
        assert (status, answer) == (1, b"") and "this is no challenge" in words


# ---- an executor whose evidence is this TPM's ----

QUOTED = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 14]
BOOT_LOADER = b"a boot loader"


def trust_of(name: str, **terms: Any) -> cella.Trust:
    """A trust file that pins an attestation key and what was booted."""
    register = predict([(4, hashlib.sha256(BOOT_LOADER).digest())])[4]
    return cella.Trust({"version": 1, "min_level": 3, "accept": ["tpm"],
                        "measurement": [{"name": "as booted", "type": "tpm", "registers": {"pcr4": register.hex()}}],
                        "tpm": {"pcrs": QUOTED, "attestation_keys": [name], **terms}})


def enrolled(machine: SoftwareTpm) -> str:
    said = identify(machine)
    asked = tpm.challenge(said, endorsement_key=digest_of_key(said, 0))
    return tpm.accept(asked.pending, monitor(machine, "--tpm-activate", asked.question)[1])


@pytest.fixture(scope="module")
def booted(maker: Maker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveExecutor, SoftwareTpm]]:
    """An executor on a machine with a TPM, into which firmware has measured its boot loader."""
    folder = tmp_path_factory.mktemp("booted")
    machine = SoftwareTpm(folder / "tpm", maker)
    machine.extend(4, BOOT_LOADER)
    (machine.folder / "log").write_bytes(log([(4, BOOT_LOADER)]))  # what firmware writes
    live = LiveExecutor(folder, {"platform": "tpm"}, profiles="python", before=machine.inside())
    yield live, machine
    assert live.close() == 0, live.log()
    machine.close()


def test_client_of_a_machine_with_a_tpm(booted: tuple[LiveExecutor, SoftwareTpm]) -> None:
    live, machine = booted
    with cella.connect(live.address, trust_of(enrolled(machine)), cella.Identity.generate()) as executor:
        assert (executor.report.type, executor.report.level) == ("tpm", 3)
        assert executor.report.measurement_name == "as booted"
        assert "pinned in the trust file" in executor.report.anchor
        executor.enrol()
        assert echo(executor, "on a machine with a TPM") == "on a machine with a TPM"


def test_client_that_enrolled_another_machine(booted: tuple[LiveExecutor, SoftwareTpm], other: SoftwareTpm) -> None:
    live, _ = booted
    with pytest.raises(cella.AttestationError) as caught:
        cella.connect(live.address, trust_of(enrolled(other)), cella.Identity.generate())
    assert caught.value.code == "ROOT"


def test_client_that_wants_the_log(booted: tuple[LiveExecutor, SoftwareTpm]) -> None:
    live, machine = booted
    name = enrolled(machine)
    event = {"register": "pcr4", "digest": "sha256:" + hashlib.sha256(BOOT_LOADER).hexdigest()}
    trust = trust_of(name, event_log="required", event=[event])
    with cella.connect(live.address, trust, cella.Identity.generate()) as executor:
        assert executor.report.claim("log_events") == 1
    trust = trust_of(name, event=[{**event, "digest": "sha256:" + hashlib.sha256(b"another").hexdigest()}])
    with pytest.raises(cella.AttestationError) as caught:
        cella.connect(live.address, trust, cella.Identity.generate())
    assert caught.value.code == "TERM"


def test_machine_that_boots_something_else(booted: tuple[LiveExecutor, SoftwareTpm]) -> None:
    """Fresh evidence tells, and the log that does not lead there any more is left out. Last of this executor's tests,
    because a register does not go back."""
    live, machine = booted
    name = enrolled(machine)
    machine.extend(4, b"a root kit")
    with pytest.raises(cella.AttestationError) as caught:
        cella.connect(live.address, trust_of(name), cella.Identity.generate(), fresh=True)
    assert caught.value.code == "MEASUREMENT"
    with pytest.raises(cella.AttestationError) as caught:
        cella.connect(live.address, trust_of(name, event_log="required"), cella.Identity.generate(), fresh=True)
    assert caught.value.code == "TERM"
