# SPDX-License-Identifier: Apache-2.0
"""A ledger on a machine with a TPM: the executor itself notices that it is older than its last start."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[1] / "python")]

import cella
from cella import ledger, tpm
from live import PROGRAMS, LiveExecutor, echo, refused, wait_until
from software_tpm import Maker, SoftwareTpm, missing

reason = missing()
pytestmark = pytest.mark.skipif(reason is not None, reason=f"NO SOFTWARE TPM: {reason}")

OLDER = "has noted a later start than the last one of this ledger"
REFUSED = "RECOVERY: nothing shows that this ledger is the newest"
EXTEND = 0x136
FAILURE = bytes.fromhex("8001 0000000a 00000101")


class BrokenTpm(SoftwareTpm):
    """One that can fail at a command: before it is done, or when it is done and nobody hears of it."""

    fails = ""
    busy = False

    def exchange(self, command: bytes) -> bytes:
        self.busy = True
        try:
            return self.answer(command)
        finally:
            self.busy = False

    def settle(self) -> None:
        """An answer that nobody waits for any more is not for the next program that opens the terminal: the real device forgets it."""
        wait_until(lambda: not self.busy, 20, "the TPM is done")
        time.sleep(0.05)
        termios.tcflush(self.slave, termios.TCIOFLUSH)

    def answer(self, command: bytes) -> bytes:
        if not self.fails or int.from_bytes(command[6:10], "big") != EXTEND:
            return super().exchange(command)
        if self.fails == "after":
            super().exchange(command)
        return FAILURE

    def owner(self, code: int, *handles: int) -> None:
        """A command of the machine's owner without parameters and password."""
        body = b"".join(handle.to_bytes(4, "big") for handle in handles) + bytes.fromhex("00000009 40000009 0000 00 0000")
        answer = super().exchange(bytes.fromhex("8002") + (10 + len(body)).to_bytes(4, "big") + code.to_bytes(4, "big") + body)
        assert answer[6:10] == bytes(4), answer.hex()

    def anchors(self) -> list[int]:
        """Indices of its memory in the range of anchors: TPM2_GetCapability."""
        answer = super().exchange(bytes.fromhex("8001 00000016 0000017a 00000001 01a00000 00000040"))
        count = int.from_bytes(answer[15:19], "big")
        found = [int.from_bytes(answer[19 + 4 * i:23 + 4 * i], "big") for i in range(count)]
        return [one for one in found if one >> 20 == 0x01A]


class Machine:
    """A machine with a TPM and one state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tpm = BrokenTpm(folder / "tpm", Maker(folder / "maker"))
        self.state = folder / "state"
        self.copies = 0
        self.live: LiveExecutor | None = None
        self.identity = cella.Identity.generate()
        said = self._monitor("--tpm-identify")
        maker = folder / "maker" / "ca"
        asked = tpm.challenge(said, [(maker / "swtpm-localca-rootca-cert.pem").read_bytes()],
                              certificates=[(maker / "issuercert.pem").read_bytes()])
        key = tpm.accept(asked.pending, self._monitor("--tpm-activate", asked.question))
        self.trust = cella.Trust({
            "version": 1, "accept": ["tpm"], "min_level": 3, "tpm": {"pcrs": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 14], "attestation_keys": [key], "clock_safe": "any"},
            "measurement": [{"name": "a", "type": "tpm", "registers": {"pcr4": "00" * 32}}]})

    def _monitor(self, option: str, given: bytes = b"") -> bytes:
        return subprocess.run(self.tpm.inside(PROGRAMS / "cella-monitor", option), input=given, capture_output=True, timeout=60,
                              check=True).stdout

    def start(self, **options: Any) -> LiveExecutor:
        self.tpm.settle()
        shutil.rmtree(ledger.folder(), ignore_errors=True)  # it is not the client who notices
        self.live = LiveExecutor(self.folder, {"platform": "tpm"}, profiles="python", before=self.tpm.inside(), **options)
        return self.live

    def stop(self) -> None:
        assert self.live is not None and self.live.close() == 0, self.live and self.live.log()
        self.live = None

    def said(self) -> str:
        """What was logged since the last start."""
        return (self.folder / "state.log").read_text(errors="replace").rsplit("limits of cells", 1)[-1]

    def client(self) -> cella.Executor:
        assert self.live is not None
        return cella.connect(self.live.address, self.trust, self.identity)

    def serves(self, tasks: int = 1) -> None:
        """It starts, works and ends."""
        self.start()
        assert "RECOVERY" not in self.said(), self.said()
        with self.client() as me:
            me.enrol()
            for _ in range(tasks):
                assert echo(me, "works") == "works"
        self.stop()

    def refuses(self, *because: str) -> None:
        """It starts in RECOVERY and writes nothing."""
        before = self.records()
        self.start()
        for one in because:
            assert one in self.said(), self.said()
        with self.client() as me, refused("RECOVERY"):
            me.enrol()
        self.stop()
        assert self.records() == before

    def fails(self, how: str) -> None:
        """It starts, and its TPM fails when the anchor is to move: it does not serve."""
        self.tpm.fails = how
        live = self.start(ready=False)
        wait_until(lambda: live.process.poll() is not None, 60, "the host ends")
        live.close()
        self.tpm.fails = ""
        assert "does not move the ledger's anchor" in self.said()
        assert "clients connect" not in self.said()

    def records(self) -> list[bytes]:
        with contextlib.closing(sqlite3.connect(self.state / "ledger.db", timeout=20)) as database:
            return [row[0] for row in database.execute("SELECT record FROM records ORDER BY sequence")]

    def change(self, *statements: str) -> None:
        """Change the store behind the executor's back."""
        with contextlib.closing(sqlite3.connect(self.state / "ledger.db", timeout=20)) as database, database:
            for one in statements:
                database.execute(one)

    def keep(self) -> Path:
        """A copy of the state folder."""
        self.copies += 1
        self.records()  # the ledger's process has ended
        shutil.copytree(self.state, self.folder / f"copy{self.copies}")
        return self.folder / f"copy{self.copies}"

    def put_back(self, copy: Path) -> None:
        shutil.rmtree(self.state)
        shutil.copytree(copy, self.state)

    def close(self) -> None:
        if self.live is not None:
            self.live.close()
        self.tpm.close()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.close()


def test_an_older_ledger_is_refused(machine: Machine) -> None:
    """Whatever is older than the last start; the newest one opens as often as it is started."""
    machine.serves()
    assert "has a new anchor for it" in machine.said() and len(machine.tpm.anchors()) == 1
    first = machine.keep()
    machine.tpm.reboot()
    machine.serves()
    second = machine.keep()
    machine.serves()
    newest = machine.keep()
    for old in (first, second):
        machine.put_back(old)
        machine.refuses(OLDER, REFUSED)
    machine.put_back(newest)
    machine.serves()
    assert len(machine.tpm.anchors()) == 1


def test_within_the_last_run(machine: Machine) -> None:
    """What the documents say: only starts are noted. A ledger of the last run, or of its end, opens; what came after is gone, and
    clients have to notice."""
    machine.serves()
    machine.start()
    with machine.client() as me:
        echo(me, "once")
        length = len(me.pages("task.list", "tasks"))
        echo(me, "and again")
    machine.stop()
    machine.change("DELETE FROM records WHERE sequence >= (SELECT max(sequence) - 6 FROM records)")
    machine.start()
    with machine.client() as me:
        assert len(me.pages("task.list", "tasks")) <= length + 1
    machine.stop()


def test_a_backup_is_refused_after_a_start(machine: Machine) -> None:
    def host(*words: str) -> None:
        subprocess.run([PROGRAMS / "cella-host", *words, "--config", machine.folder / "state.json"], check=True, timeout=60)

    machine.serves()
    host("backup", "--to", str(machine.folder / "backup"))
    shutil.rmtree(machine.state)
    host("restore", "--from", str(machine.folder / "backup"))
    machine.serves()  # nothing was started in between
    shutil.rmtree(machine.state)
    host("restore", "--from", str(machine.folder / "backup"))
    machine.refuses(OLDER, REFUSED, "begin with a new state folder")


def test_with_snapshots(machine: Machine) -> None:
    """The last start stands before the snapshot: it is in it."""
    machine.serves()
    for _ in range(2):
        machine.serves(tasks=170)
        kept = machine.keep()
        machine.serves()
        assert "snapshot of" in machine.said() and "restored" in machine.said()
    machine.put_back(kept)
    machine.refuses(OLDER, REFUSED)


@pytest.mark.parametrize("how", ["before", "after"])
def test_a_start_that_ended_in_between(machine: Machine, how: str) -> None:
    """Its record is durable, and the TPM did, or did not, hear of it: the next start goes on. And nobody gains anything by it."""
    machine.serves()
    before = machine.keep()
    machine.fails(how)
    unfinished = machine.keep()
    assert len(machine.records()) > 0
    machine.serves()  # goes on
    machine.fails(how)
    machine.fails(how)
    machine.serves()
    for old in (before, unfinished):
        machine.put_back(old)
        machine.refuses(OLDER)


def test_two_starts_from_one_ledger(machine: Machine) -> None:
    """A start is ended between record and anchor, the ledger before it is put back and started properly. The record of the first
    has found the same anchor; still it is not taken for that of the second."""
    machine.serves()
    before = machine.keep()
    machine.fails("before")
    fork = machine.keep()
    machine.put_back(before)
    machine.serves(tasks=2)
    served = machine.keep()
    for other in (fork, before):
        machine.put_back(other)
        machine.refuses(OLDER)
    machine.put_back(served)
    machine.serves()


def test_the_very_first_start(machine: Machine) -> None:
    """It ended before the anchor moved; and a ledger that was emptied is not taken for one that never had a record."""
    machine.fails("before")
    machine.serves()
    machine.change("DELETE FROM records", "DELETE FROM files WHERE name LIKE 'snapshot%'")
    machine.refuses(OLDER)


def test_an_anchor_that_is_not_there(machine: Machine) -> None:
    """The owner has removed it, and somebody else's takes its place."""
    machine.serves()
    index, = machine.tpm.anchors()
    machine.tpm.owner(0x122, 0x40000001, index)
    machine.refuses("does not have its anchor", "was removed", REFUSED)
    assert machine.tpm.anchors() == []  # none is made for a ledger that had one


def test_a_tpm_that_was_cleared(machine: Machine) -> None:
    """Its seeds are others: the keys do not open, and the anchor is gone as well."""
    machine.serves()
    machine.tpm.owner(0x126, 0x4000000C)
    assert machine.tpm.anchors() == []
    machine.start()
    assert "RECOVERY: the keyring does not open" in machine.said()


def test_each_ledger_has_its_own(machine: Machine) -> None:
    """Another state folder on the same machine."""
    machine.serves()
    one = machine.keep()
    shutil.rmtree(machine.state)
    machine.serves()
    assert len(machine.tpm.anchors()) == 2
    machine.put_back(one)
    machine.serves()


def cpu_s(live: LiveExecutor) -> float:
    """Processor time that the monitor has used."""
    used = live.one("monitor").file("stat").rpartition(b")")[2].split()[11:13]
    return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")


def test_a_ledger_that_can_not_be_written_at_the_start(machine: Machine) -> None:
    """The anchor moves only after a record that is durable; until then nobody is served, and nothing is lost by it."""
    machine.serves()
    before = machine.records()
    machine.change("CREATE TRIGGER full BEFORE INSERT ON records BEGIN SELECT RAISE(FAIL, 'no'); END")
    live = machine.start(ready=False)
    live.wait_for_log("requests are refused and nothing is released")
    before_s = cpu_s(live)
    time.sleep(3)  # it is tried again each second, and not more often
    assert live.process.poll() is None and cpu_s(live) - before_s < 0.5
    assert "clients connect" not in machine.said()
    live.kill()
    assert machine.records() == before
    machine.change("DROP TRIGGER full", "CREATE TRIGGER full BEFORE INSERT ON records WHEN CAST(strftime('%s', 'now') AS INTEGER) < "
                   f"{int(time.time()) + 15} BEGIN SELECT RAISE(FAIL, 'not yet'); END")
    machine.serves()  # by itself, as soon as the host writes
    assert "requests are refused and nothing is released" in machine.said()
