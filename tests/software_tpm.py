# SPDX-License-Identifier: Apache-2.0
"""A real TPM 2.0 in software (swtpm) as /dev/tpmrm0 of the programs that a test starts.

The product opens the device and nothing else. Without a kernel module for virtual TPMs the device is a terminal here, whose
other end passes commands on; programs see it in a mount namespace of their own. swtpm's local authority is its maker.
"""

from __future__ import annotations

import hashlib
import os
import pty
import shutil
import socket
import subprocess
import threading
import time
import tty
from pathlib import Path

# /dev as it is, with one device more; and the log that firmware would have written, where the test has one.
VIEW = """
set -e
mount -t tmpfs -o mode=755 none "$1/dev"
for name in null zero full random urandom tty; do
    : >"$1/dev/$name"
    mount --bind "/dev/$name" "$1/dev/$name"
done
mkdir "$1/dev/pts" "$1/dev/shm"
mount --rbind /dev/pts "$1/dev/pts"
if [ -n "$2" ]; then
    : >"$1/dev/tpmrm0"
    mount --bind "$2" "$1/dev/tpmrm0"
fi
mount --rbind "$1/dev" /dev
if [ -f "$1/log" ]; then
    mount -t tmpfs none /sys/kernel/security
    mkdir /sys/kernel/security/tpm0
    cp "$1/log" /sys/kernel/security/tpm0/binary_bios_measurements
    chmod 440 /sys/kernel/security/tpm0/binary_bios_measurements
fi
shift 2
exec "$@"
"""


def missing() -> str | None:
    """Why there can be no software TPM here, or None."""
    for program in ("swtpm", "swtpm_setup", "unshare"):
        if shutil.which(program) is None:
            return f"there is no {program}"
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], capture_output=True, timeout=20).returncode != 0:
        return "no mount namespace can be made: tests with a TPM need root"
    return None


class Maker:
    """An authority that certifies TPMs."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        (folder / "ca").mkdir()
        (folder / "authority").write_text("".join(f"{name} = {folder}/ca/{file}\n" for name, file in (
            ("signingkey", "signkey.pem"), ("issuercert", "issuercert.pem"), ("certserial", "certserial")))
            + f"statedir = {folder}/ca\n")
        (folder / "options").write_text("--platform-manufacturer test\n--platform-version 1\n--platform-model test\n")
        (folder / "setup").write_text(f"create_certs_tool = {shutil.which('swtpm_localca')}\n"
                                      f"create_certs_tool_config = {folder}/authority\n"
                                      f"create_certs_tool_options = {folder}/options\n")
        self.root = folder / "ca" / "swtpm-localca-rootca-cert.pem"
        self.issuer = folder / "ca" / "issuercert.pem"

    def certify(self, state: Path) -> None:
        """Manufacture a TPM with a certificate for its endorsement key."""
        subprocess.run(["swtpm_setup", "--tpm2", "--config", self.folder / "setup", "--tpmstate", state, "--create-ek-cert",
                        "--pcr-banks", "sha256", "--runas", "root"], check=True, capture_output=True, timeout=120)


class SoftwareTpm:
    """One TPM, and a terminal in front of it."""

    def __init__(self, folder: Path, maker: Maker | None = None) -> None:
        folder.mkdir()
        (folder / "state").mkdir()
        (folder / "dev").mkdir()
        self.folder = folder
        if maker is not None:
            maker.certify(folder / "state")
        self.server = folder / "server"
        self.process = self._start()
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.device = os.ttyname(self.slave)
        os.chmod(self.device, 0o666)
        threading.Thread(target=self._bridge, daemon=True).start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.server.unlink(missing_ok=True)
        process = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.folder / 'state'}", "--server",
             f"type=unixio,path={self.server}", "--flags", "not-need-init,startup-clear"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while not self.server.exists():
            assert time.monotonic() < until and process.poll() is None, "swtpm does not start"
            time.sleep(0.02)
        return process

    def reboot(self) -> None:
        """Switch the machine off and on: registers begin again, seeds stay."""
        self.process.kill()
        self.process.wait()
        self.process = self._start()

    def _bridge(self) -> None:
        try:
            while True:
                os.write(self.master, self.exchange(_message(lambda size: os.read(self.master, size))))
        except OSError:
            pass  # closed

    def exchange(self, command: bytes) -> bytes:
        """One command over a connection of its own, and the answer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.server))
            connection.sendall(command)
            return _message(connection.recv)

    def extend(self, register: int, content: bytes) -> None:
        """Measure something into a register of the SHA-256 bank."""
        head = bytes.fromhex("8002 00000041 00000182") + register.to_bytes(4, "big")
        password = bytes.fromhex("00000009 40000009 0000 00 0000")
        answer = self.exchange(head + password + bytes.fromhex("00000001 000b") + hashlib.sha256(content).digest())
        assert answer[6:10] == bytes(4), answer.hex()

    def inside(self, *command: object) -> list[str]:
        """A command line for a program that sees this TPM."""
        return view(self.folder, self.device, *command)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


def view(folder: Path, device: str, *command: object) -> list[str]:
    """A command line for a program whose /dev has this device as its TPM, or none ("")."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", VIEW, "sh", str(folder), device, *map(str, command)]


def _message(read) -> bytes:  # type: ignore[no-untyped-def]
    """A command or an answer: its header says its size."""
    data = b""
    wanted = 10
    while len(data) < wanted:
        more = read(wanted - len(data))
        if not more:
            raise OSError("the other side is gone")
        data += more
        if len(data) >= 10:
            wanted = int.from_bytes(data[2:6], "big")
    return data
