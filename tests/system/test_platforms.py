# SPDX-License-Identifier: Apache-2.0
"""Which evidence: cella-host doctor on this machine and on one with devices that do nothing, and what an executor sees of
its machine's devices for each platform."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import PROGRAMS, LiveExecutor, host, long_only

LAYERS = ["namespaces", "landlock", "seccomp", "capabilities", "rlimits", "undumpable"]
ALWAYS = {"/dev", "/dev/null", "/dev/urandom", "/dev/zero"}
REPORT = {"/sys/kernel", "/sys/kernel/config", "/sys/kernel/config/tsm", "/sys/kernel/config/tsm/report",
          "/sys/kernel/config/tsm/report/cella"}
LOG = {"/sys/kernel", "/sys/kernel/security", "/sys/kernel/security/tpm0",
       "/sys/kernel/security/tpm0/binary_bios_measurements"}
TPM = {"/dev/tpmrm0"} | LOG
SGX = {"/dev/attestation", "/dev/attestation/attestation_type"}
SEEN: dict[str, set[str]] = {
    "soft": set(),
    "snp": REPORT | {"/dev/sev-guest"},
    "tdx": REPORT,
    "sgx": SGX,
    "nitro": {"/dev/nsm"},
    "tpm": TPM,
    "auto": REPORT | {"/dev/sev-guest", "/dev/nsm"} | TPM | SGX,
}

MACHINE = """set -e
mount -t tmpfs tmpfs /dev
for device in null:3 zero:5 full:7 urandom:9 sev-guest:3 tpmrm0:3 tpm0:3 nsm:3 mem:1; do
    mknod -m 666 /dev/${device%:*} c 1 ${device#*:}
done
chmod 600 /dev/tpmrm0
mkdir /dev/attestation
printf none > /dev/attestation/attestation_type
mount -t tmpfs tmpfs /sys/kernel
mkdir -p /sys/kernel/config/tsm/report /sys/kernel/config/other /sys/kernel/security/tpm0 /sys/kernel/debug
printf events > /sys/kernel/security/tpm0/binary_bios_measurements
printf secret > /sys/kernel/security/tpm0/ascii_bios_measurements
chmod 440 /sys/kernel/security/tpm0/*
eval "$MORE"
"$@" && status=0 || status=$?
echo "left: $(ls /sys/kernel/config/tsm/report)"
exit $status
"""
"""A machine in a mount namespace of its own, with every device that evidence comes from and some more. None does anything."""

MONITOR = """#!/bin/sh
find /dev /sys -path /sys/fs -prune -o -print | sed 's/^/sees /' >&2
entry=/sys/kernel/config/tsm/report/cella
if touch $entry/inblob 2> /dev/null; then rm $entry/inblob; echo may write the request >&2; fi
if mkdir $entry-2 2> /dev/null; then echo may make requests >&2; fi
if test -r /sys/kernel/security/tpm0/binary_bios_measurements; then
    echo "log: $(cat /sys/kernel/security/tpm0/binary_bios_measurements)" >&2
fi
if (: > /sys/kernel/security/tpm0/binary_bios_measurements) 2> /dev/null; then echo may change the log >&2; fi
exit 1
"""
"""Stands for cella-monitor, and says what it sees."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="makes devices and mounts")


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[Path]:
    """A folder of programs with the stand-in."""
    folder = tmp_path / "programs"
    folder.mkdir(mode=0o755)
    (folder / "cella-monitor").write_text(MONITOR)
    (folder / "cella-monitor").chmod(0o755)
    yield folder


def on_machine(*words: str | Path, more: str = "", seconds: int = 50) -> subprocess.CompletedProcess[str]:
    """Run cella-host on that machine. more: to do there before; seconds: after which it gets a SIGTERM."""
    command: list[str | Path] = ["timeout", str(seconds), PROGRAMS / "cella-host", *words]
    return subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", MACHINE, "sh", *command],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds + 30, env={**os.environ, "MORE": more},
    )


# ---- what the executor sees ----


@as_root
@pytest.mark.parametrize("platform", SEEN)
def test_the_executor_sees_the_devices_of_its_platform_and_nothing_else(platform: str, stand_in: Path, tmp_path: Path) -> None:
    done = on_machine("run", "--dev", tmp_path / "state", "--programs", stand_in, "--platform", platform)
    said = [line.partition("executor: ")[2] for line in done.stderr.splitlines() if "executor: " in line]
    seen = {line.removeprefix("sees ") for line in said if line.startswith("sees ")}
    assert done.returncode == 1 and seen - {"/sys"} == ALWAYS | SEEN[platform], done.stderr
    assert ("may write the request" in said) == (REPORT <= seen)
    assert "may make requests" not in said and "may change the log" not in said
    assert ("log: events" in said) == (LOG <= seen)
    assert "left: \n" in done.stdout, "the folder of requests is gone with the executor"


# ---- doctor ----


def test_doctor_on_this_machine() -> None:
    done = host("doctor", seconds=90)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"kernel     {os.uname().release}"
    assert any(line.startswith("sandbox    " + ", ".join(LAYERS)) for line in lines)
    for level, name in ((5, "snp"), (5, "tdx"), (5, "sgx"), (4, "nitro"), (3, "tpm"), (2, "soft")):
        assert any(line.startswith(f"{level}  {name} (") for line in lines), name
    assert len(lines) <= 45 and max(map(len, lines)) <= 100, "it fits a screen"
    assert 'With "platform": "auto"' in done.stdout


def test_doctor_for_machines() -> None:
    done = host("doctor", "--json", seconds=90)
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["serves"] and report["version"] == 1 and not report["trouble"]
    assert set(LAYERS) <= set(report["layers"]) and report["missing_layers"] == []
    assert [one["platform"] for one in report["platforms"]] == ["snp", "tdx", "sgx", "nitro", "tpm", "soft"]
    assert report["level"] == max(one["level"] for one in report["platforms"] if one["usable"])
    for one in report["platforms"]:
        assert one["found"] and bool(one["interface"]) == one["usable"]


def test_doctor_agrees_with_the_executor(tmp_path: Path) -> None:
    """The level that it promises is what an executor with the same configuration says."""
    report = json.loads(host("doctor", "--json", seconds=90).stdout)
    live = LiveExecutor(tmp_path, {"profiles": ["python"], "platform": "auto"})
    try:
        chosen = live.wait_for_log(r"executor: platform \S+ \(.*as configured: auto\).*")
        assert f"({report['platform']}, as configured: auto)" in chosen
        before = live.log().partition(chosen)[0]
        if report["platform"] == "soft":
            assert before.count(": not here: ") == 5, "each of the others is explained"
    finally:
        live.close()


@pytest.mark.skipif(os.path.exists("/dev/nsm"), reason="this machine is a Nitro enclave")
def test_a_platform_that_is_not_here(tmp_path: Path) -> None:
    done = host("doctor", "--platform", "nitro", seconds=90)
    assert done.returncode == 1 and 'No executor can serve here with "platform": "nitro"' in done.stdout
    done = host("doctor", "--json", "--platform", "nitro", seconds=90)
    assert done.returncode == 1 and json.loads(done.stdout)["serves"] is False
    done = host("run", "--dev", tmp_path / "state", "--profiles", "python", "--platform", "nitro", seconds=90)
    assert done.returncode == 1
    assert 'cella-monitor: platform "nitro": no /dev/nsm: it needs an AWS Nitro Enclave' in done.stderr
    assert not (tmp_path / "state" / "trust.toml").exists()


@pytest.mark.parametrize("words", [["--platform", "snq"], ["--platform"], ["--json", "yes"], ["--dev"]])
def test_doctor_wrong_use(words: list[str]) -> None:
    done = host("doctor", *words)
    assert done.returncode == 2 and done.stdout == "" and (words[0] in done.stderr or "yes" in done.stderr)


def test_help_names_doctor() -> None:
    text = host("--help").stdout
    assert "doctor [--json]" in text and "--platform NAME" in text


def test_doctor_without_an_executor(tmp_path: Path) -> None:
    done = host("doctor", "--programs", tmp_path)
    assert done.returncode == 1 and "executor   can not be started: starting /cella/cella-monitor" in done.stdout
    done = host("doctor", "--json", "--programs", tmp_path)
    report = json.loads(done.stdout)
    assert done.returncode == 1 and "cella-monitor" in report["trouble"] and report["level"] == 0


@as_root
def test_doctor_on_a_machine_with_devices() -> None:
    done = on_machine("doctor", "--json")
    report = json.loads(done.stdout.splitlines()[0])
    found = {one["platform"]: one for one in report["platforms"]}
    assert found["snp"]["usable"] and found["snp"]["interface"] == "sev-guest" and report["level"] == 5
    assert found["nitro"]["usable"] and not found["nitro"]["seals"]
    assert not found["tpm"]["usable"] and "/dev/tpmrm0 may not be used" in found["tpm"]["found"]
    assert not found["sgx"]["usable"] and "left: \n" in done.stdout


@as_root
def test_a_device_that_gives_no_evidence(tmp_path: Path) -> None:
    """It can be opened and nothing more: the executor does not start, and the operator reads why. Keys come first."""
    done = on_machine("run", "--dev", tmp_path / "state", "--profiles", "python", "--platform", "snp")
    assert done.returncode == 1
    assert "executor: platform sev-guest: does not seal the executor's keys (" in done.stderr
    assert "reading the ledger and making evidence" in done.stderr


@as_root
@long_only
def test_a_device_that_does_not_answer(tmp_path: Path) -> None:
    """The operator reads what is waited for, and can end it at once."""
    folder = "/dev/attestation"
    more = f"""printf dcap > {folder}/attestation_type
        touch {folder}/user_report_data && mkfifo {folder}/quote && chmod 666 {folder}/*"""
    done = on_machine("run", "--dev", tmp_path / "state", "--profiles", "python", "--platform", "sgx", more=more, seconds=25)
    assert "platform gramine: no evidence yet after 15 s" in done.stderr
    assert "stopping at once" in done.stderr and "ready" not in done.stderr
