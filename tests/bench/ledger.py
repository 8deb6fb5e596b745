# SPDX-License-Identifier: Apache-2.0
"""Changes of the state that are durable, against SQLite's own commits on the same disk; a start against the ledger's length."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cella
from measure import Options, Row, Sample
from programs import Host

CLIENTS = (1, 16, 64)
RECORD = 1024
"""Bytes of a record of the bare store: about what a small change makes."""


def rate(seconds: float, actions: list[Callable[[], object]]) -> float:
    """How often a second a set of threads together gets its actions done."""
    counts = [0] * len(actions)
    until = time.perf_counter() + seconds

    def work(index: int) -> None:
        while time.perf_counter() < until:
            actions[index]()
            counts[index] += 1

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(actions))]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - begun)


@contextlib.contextmanager
def bare(folder: Path) -> Iterator[Callable[[], object]]:
    """One commit of one record in a database like the ledger's: write-ahead log, every commit flushed."""
    with contextlib.closing(sqlite3.connect(folder / "bare.db", isolation_level=None, check_same_thread=False)) as database:
        for text in ("PRAGMA locking_mode = EXCLUSIVE", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
                     "CREATE TABLE records (sequence INTEGER PRIMARY KEY, record BLOB NOT NULL)"):
            database.execute(text)
        content = os.urandom(RECORD)
        yield lambda: database.execute("INSERT INTO records (record) VALUES (?)", (content,))


def changes(options: Options) -> list[Row]:
    """Requests a second that change the state."""
    seconds = 1.0 if options.quick else 4.0
    rows = []
    with Host(options) as host, bare(options.scratch) as commit:
        people = [host.connect() for _ in range(max(CLIENTS))]
        actions: list[Callable[[], object]] = []
        for person in people:
            person.enrol()
            function = person.functions.register(cella.functions.builtin_package("echo", arguments=["message"]))
            args = {"function": function.id, "arguments": {"message": "x"}}
            actions.append(lambda person=person, args=args: person.request("task.create", args))
        for count in CLIENTS:
            ours, theirs = [], []
            for _ in range(3 if options.quick else 7):
                ours.append(rate(seconds, actions[:count]))
                theirs.append(rate(seconds / 2, [commit]))
            rows.append(Row("ledger", f"task.create, durable, {count} client{'s' if count > 1 else ''}", "changes/s",
                            Sample.of(ours), "SQLite, one commit for each, one writer", Sample.of(theirs),
                            note="three records for each"))
        for person in people:
            person.close()
    return rows


def start_ms(options: Options, state: Path) -> tuple[int, float]:
    """Records and milliseconds of getting to them, by a snapshot or not, as an executor says at its start."""
    programs = options.build / "bin"
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [programs / "cella-host", "run", "--dev", state, "--programs", programs, "--profiles", "python", "--ready-fd",
         str(writer)], pass_fds=(writer,), stderr=subprocess.PIPE, text=True)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        pipe.readline()
    process.terminate()
    _, log = process.communicate(timeout=30)
    found = re.search(r"ledger: (\d+) records read in (\d+) ms", log)
    assert found is not None, log
    restored = re.search(r"ledger: snapshot of (\d+) records restored in (\d+) ms", log)
    count, passed = (int(restored[1]), float(restored[2])) if restored else (0, 0.0)
    return int(found[1]) + count, float(found[2]) + passed


def forget_snapshots(state: Path) -> None:
    """A start has to read every record."""
    with contextlib.closing(sqlite3.connect(state / "ledger.db", timeout=20)) as database, database:
        database.execute("DELETE FROM files WHERE name LIKE 'snapshot%'")


def starts(options: Options) -> list[Row]:
    """Time for reading the ledger."""
    rows = []
    with Host(options) as host:
        person = host.connect()
        person.enrol()
        function = person.functions.register(cella.functions.builtin_package("echo", arguments=["message"]))
        args = {"function": function.id, "arguments": {"message": "x"}}
        people = [host.connect(person.identity) for _ in range(16)]
        for length in (300, 3000) if options.quick else (1000, 10000, 30000, 100000):
            made = 0
            while made < length // 3:
                made += int(rate(0.5, [lambda one=one: one.request("task.create", args) for one in people]) * 0.5)
            for one in people:
                one.close()
            host.stop()
            state = host.state / "state"
            with_one, without = [], []
            for _ in range(3):
                count, passed = start_ms(options, state)
                with_one.append(passed)
                forget_snapshots(state)
                without.append(start_ms(options, state)[1])  # and makes one again at its end
            rows.append(Row("ledger", f"start at {count} records, newest snapshot", "ms", Sample.of(with_one),
                            "every record is read", Sample.of(without)))
            host.restart(options)
            people = [host.connect(person.identity) for _ in range(16)]
    return rows


def measure(options: Options) -> list[Row]:
    """All rows of this subject."""
    return changes(options) + starts(options)
