# SPDX-License-Identifier: Apache-2.0
"""The echo task from an open client connection, request to decrypted result."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from typing import Any

import cella
from cella.functions import builtin_package
from measure import Action, Options, Row, Sample, interleave, timed
from programs import Host, Ssh, TlsEcho, tls_exchange

TEXT = "sixty-four bytes of message, which is what a small request has.."
SCRIPT = "def echo(message):\n    return message\n"
SSH_CODE = f'print("{TEXT}")'
CLIENTS = (1, 4, 16)
NEW_CONNECTION = "ssh 127.0.0.1 python3 -c, a new connection for each"
OPEN_CONNECTION = "ssh 127.0.0.1 python3 -c, over an open connection"

Setup = Callable[[], Action]
"""Makes a client in the process that calls it; returns what the client repeats."""


def packages() -> dict[str, bytes]:
    """The two functions."""
    script = cella.Script.parse(SCRIPT, "echo.py")
    return {
        "builtin echo": builtin_package("echo", arguments=["message"]),
        "Python echo": script.package(arguments=["message"]),
    }


def run_task(executor: cella.Executor, function: cella.Function) -> None:
    """One task, to its decrypted result."""
    task = executor.tasks.create(function, arguments={"message": TEXT}, invoke=True)
    result = task.result()
    if TEXT not in (result if isinstance(result, str) else str(result)):
        raise RuntimeError(f"the echo said {result!r}")


def cella_client(host: Host, package: bytes) -> Action:
    """A client with an open connection and a registered function."""
    executor = host.connect()
    function = executor.functions.register(package)
    return lambda: run_task(executor, function)


def tls_client(server: TlsEcho) -> Action:
    """A client with an open connection."""
    connection = server.connect()
    return lambda: tls_exchange(connection, TEXT.encode())


# Latency


def round_trips(host: Host, package: bytes) -> int:
    """Requests of the client for one task."""
    executor = host.connect()
    function = executor.functions.register(package)
    count = 0
    request = executor.request

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        return request(*arguments, **options)

    run_task(executor, function)
    executor.request = counted  # type: ignore[method-assign]
    run_task(executor, function)
    return count


def latencies(options: Options, host: Host, server: TlsEcho, ssh: Ssh) -> list[Row]:
    """One client, one task at a time, with pauses."""
    rows = []
    for name, package in packages().items():
        ours, plain = cella_client(host, package), tls_client(server)
        mine, bare = interleave(options.count(300), lambda: timed(ours), lambda: timed(plain), pause_s=0.01)
        trips = f"{round_trips(host, package)} requests per task"
        what = f"{name}, one client, paced"
        rows.append(Row("echo", what, "ms", Sample.of(mine), server.name, Sample.of(bare), note=trips))
        for shared, peer in ((False, NEW_CONNECTION), (True, OPEN_CONNECTION)):
            if ssh.missing:
                rows.append(Row("echo", what, "ms", Sample.of(mine), ssh.missing))
                break
            again, far = interleave(options.count(40), lambda: timed(ours),
                                    lambda shared=shared: timed(lambda: ssh.run(SSH_CODE, shared)), pause_s=0.01)
            rows.append(Row("echo", what, "ms", Sample.of(again), peer, Sample.of(far)))
    return rows


def breakdown(options: Options, host: Host) -> list[Row]:
    """What one request costs by itself: the floor under a task of several."""
    executor = host.connect()
    executor.enrol()
    http = executor._idle[-1]
    calls: dict[str, Action] = {
        "GET /healthz: client, host and front": lambda: http.get("/healthz", "", lambda block: None, None),
        "executor.info: and monitor, signed": lambda: executor.request("executor.info"),
    }
    found = interleave(options.count(300), *(lambda call=call: timed(call) for call in calls.values()))
    return [Row("echo", f"one request, {name}", "ms", Sample.of(values)) for name, values in zip(calls, found)]


# Throughput


def _work(setup: Setup, start: Any, seconds: float, results: Any) -> None:
    """A client process: prepare, wait for the others, repeat until time is over."""
    try:
        action = setup()
        action()
    except BaseException as problem:
        start.abort()
        results.put(repr(problem))
        return
    start.wait(60)
    begun = time.monotonic()
    count = 0
    while time.monotonic() - begun < seconds:
        action()
        count += 1
    results.put(count / (time.monotonic() - begun))


def throughput(setup: Setup, clients: int, seconds: float) -> float:
    """Exchanges per second of so many client processes, each with one at a time."""
    context = multiprocessing.get_context("fork")
    start = context.Barrier(clients)
    results = context.Queue()
    workers = [context.Process(target=_work, args=(setup, start, seconds, results)) for _ in range(clients)]
    for worker in workers:
        worker.start()
    answers = [results.get(timeout=seconds + 120) for _ in workers]
    for worker in workers:
        worker.join()
    failed = [answer for answer in answers if isinstance(answer, str)]
    if failed:
        raise RuntimeError(f"a client failed: {failed[0]}")
    return float(sum(answers))


def rates(options: Options, host: Host, server: TlsEcho, ssh: Ssh) -> list[Row]:
    """Tasks per second with several clients, each a process."""
    seconds = 1.0 if options.quick else 3.0
    rows = []
    for clients in CLIENTS:
        setups: list[tuple[str, Setup]] = [
            (name, lambda package=package: cella_client(host, package)) for name, package in packages().items()
        ]
        peers: list[tuple[str, Setup]] = [(server.name, lambda: tls_client(server))]
        if not ssh.missing:
            peers.append((NEW_CONNECTION, lambda: lambda: ssh.run(SSH_CODE, shared=False)))
        everybody = [*setups, *peers]
        found = interleave(1 if options.quick else 3,
                           *(lambda setup=setup: throughput(setup, clients, seconds) for _, setup in everybody))
        samples = [Sample.of(values) for values in found]
        for (name, _), mine in zip(setups, samples):
            what = f"{name}, {clients} client{'s' if clients > 1 else ''}"
            for (peer, _), other in zip(peers, samples[len(setups):]):
                rows.append(Row("echo", what, "tasks/s", mine, peer, other))
            if ssh.missing:
                rows.append(Row("echo", what, "tasks/s", mine, ssh.missing))
    return rows


def measure(options: Options) -> list[Row]:
    """All rows of this subject."""
    os.environ.pop("SSH_AUTH_SOCK", None)
    with Host(options) as host, TlsEcho(options) as server, Ssh(options) as ssh:
        return latencies(options, host, server, ssh) + breakdown(options, host) + rates(options, host, server, ssh)
