# SPDX-License-Identifier: Apache-2.0
"""Clients that do not speak the protocol, or speak it slowly: they get an answer or an end, and hinder nobody."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import cella
import pytest
from live import Answer, Hand, LiveExecutor, RawConnection, echo, script_task, wait_until

REQUEST = b"POST /v1/requests HTTP/1.1\r\nHost: cella\r\n"


@pytest.fixture(autouse=True, scope="module")
def _same_programs(live: LiveExecutor) -> Iterator[None]:
    """Nothing here may end a program."""
    before = {name: live.one(name).pid for name in ("monitor", "front")}
    yield
    live.serves()
    assert {name: live.one(name).pid for name in ("monitor", "front")} == before


# ---- slow clients: begun with the first test of this file, looked at in the last ----


@dataclass
class Patience:
    """How long the executor had patience with each slow client, in seconds."""

    lasted: dict[str, float] = field(default_factory=dict)
    threads: list[threading.Thread] = field(default_factory=list)


def wait_for_end(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while sock.recv(4096):
            pass


def drip(sock: socket.socket, text: bytes) -> None:
    """A byte now and then, until the other side ends it."""
    sock.settimeout(0.5)
    for byte in text:
        try:
            sock.sendall(bytes([byte]))
            if sock.recv(4096) == b"":
                return
        except TimeoutError:
            continue
        except OSError:
            return


def slow(live: LiveExecutor, how: str) -> None:
    if how == "silent":
        with socket.create_connection(live.endpoint, 30) as plain:
            wait_for_end(plain)
    elif how == "half a handshake":
        with socket.create_connection(live.endpoint, 30) as plain:
            plain.sendall(client_hello()[:100])
            wait_for_end(plain)
    elif how == "silent after the handshake":
        with live.raw() as connection:
            wait_for_end(connection.socket)
    elif how == "a dripping head":
        with live.raw() as connection:
            drip(connection.socket, REQUEST + b"X-Slow: " + b"x" * 1000)
    elif how == "a dripping handshake":
        with socket.create_connection(live.endpoint, 30) as plain:
            drip(plain, client_hello())


SLOW = ["silent", "half a handshake", "silent after the handshake", "a dripping head", "a dripping handshake"]


@pytest.fixture(scope="module", autouse=True)
def patience(live: LiveExecutor) -> Patience:
    """Slow clients in the background of all tests of this file."""
    found = Patience()

    def measure(how: str) -> None:
        begun = time.monotonic()
        slow(live, how)
        found.lasted[how] = time.monotonic() - begun

    for how in SLOW:
        found.threads.append(threading.Thread(target=measure, args=(how,), daemon=True))
        found.threads[-1].start()
    return found


def client_hello() -> bytes:
    """What a TLS client sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


# ---- no TLS, or another ----


@pytest.mark.parametrize("garbage", [
    b"\0", b"\xff" * 1000, b"\x16\x03\x01\xff\xff" + bytes(20000), b"\x16\x03\x01\x00\x02\x01\x00", b"\x15\x03\x03\x00\x02\x02\x28",
    b"SSH-2.0-OpenSSH_9.2\r\n", b"\r\n" * 10000, client_hello()[:60] + b"\xff" * 2000, client_hello() + os.urandom(5000),
    b"\x80\x2e\x01\x00\x02", b"\x16\x03\x03\x00\x00" * 1000,
])
def test_garbage(live: LiveExecutor, garbage: bytes) -> None:
    with RawConnection(live.endpoint, tls=False) as connection:
        with contextlib.suppress(ConnectionError):
            connection.send(garbage)
            connection.socket.shutdown(socket.SHUT_WR)
        wait_for_end(connection.socket)
    live.serves()


def test_plain_http(live: LiveExecutor) -> None:
    with RawConnection(live.endpoint, tls=False) as connection:
        connection.send(b"GET /healthz HTTP/1.1\r\nHost: cella\r\n\r\n")
        said = b""
        with contextlib.suppress(OSError):
            while block := connection.socket.recv(4096):
                said += block
        assert b"200" not in said and b"ok" not in said


def test_a_client_that_resets(live: LiveExecutor) -> None:
    for sent in (b"", client_hello(), client_hello()[:50]):
        plain = socket.create_connection(live.endpoint, 10)
        plain.sendall(sent)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        plain.close()
    live.serves()


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2])
def test_an_older_tls(live: LiveExecutor, newest: ssl.TLSVersion) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        live.raw(newest=newest)


def test_the_tls_that_is_spoken(live: LiveExecutor) -> None:
    with live.raw() as connection:
        assert isinstance(connection.socket, ssl.SSLSocket)
        assert connection.socket.version() == "TLSv1.3" and connection.socket.selected_alpn_protocol() == "http/1.1"
        connection.exchange("GET", "/healthz")
        assert connection.socket.session is None or not connection.socket.session.has_ticket


def test_another_protocol(live: LiveExecutor) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(live.endpoint, 10) as plain, pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(plain)


# ---- HTTP ----


def say(live: LiveExecutor, head: bytes, body: bytes = b"") -> Answer | None:
    """The answer to these bytes; None for an end without one."""
    with live.raw() as connection:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            connection.send(head + body)
        try:
            answer = connection.answer()
        except (ConnectionError, ssl.SSLError):
            return None
        if answer.status != 200 and answer.headers.get("connection") == "close":
            assert connection.ended()
        return answer


BODY = b"abc"


@pytest.mark.parametrize("head, statuses", [
    (REQUEST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", (411,)),
    (REQUEST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc", (400, 411)),
    (REQUEST + b"Transfer-Encoding : chunked\r\nContent-Length: 3\r\n\r\nabc", (400,)),
    (REQUEST + b"Transfer_Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc", (400,)),
    (REQUEST + b"Transfer-Encoding: \x0bchunked\r\nContent-Length: 3\r\n\r\nabc", (400, 411)),
    (REQUEST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", (400,)),
    (REQUEST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", (400,)),
    (REQUEST + b"Content-Length: 3, 3\r\n\r\nabc", (400,)), (REQUEST + b"Content-Length: +3\r\n\r\nabc", (400,)),
    (REQUEST + b"Content-Length: 0x3\r\n\r\nabc", (400,)), (REQUEST + b"Content-Length: -1\r\n\r\nabc", (400,)),
    (REQUEST + b"Content-Length: 03\r\n\r\nabc", (400,)), (REQUEST + b"Content-Length: 3 3\r\n\r\nabc", (400,)),
    (REQUEST + b"Content-Length: 99999999999999999999\r\n\r\nabc", (400, 413)), (REQUEST + b"Content-Length:\r\n\r\nabc", (400,)),
    (REQUEST + b"Content-Length: 3\r\n folded\r\n\r\nabc", (400,)), (REQUEST + b"Content-Length: 3\n\nabc", (400,)),
    (REQUEST.replace(b"\r\n", b"\n") + b"\n", (400,)), (REQUEST + b": x\r\n\r\n", (400,)), (REQUEST + b"X: a\0b\r\n\r\n", (400,)),
    (REQUEST + b"X: a\rb\r\n\r\n", (400,)), (REQUEST + b"\r\n", (411,)), (b"POST /v1/requests HTTP/1.1\r\n\r\n", (400,)),
    (REQUEST + b"Host: other\r\nContent-Length: 3\r\n\r\nabc", (400,)), (b"POST  /v1/requests HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    (b"POST /v1/requests HTTP/1.0\r\nHost: x\r\n\r\n", (400,)), (b"POST /v1/requests HTTP/2.0\r\nHost: x\r\n\r\n", (400,)),
    (b"POST /v1/requests\r\n\r\n", (400,)), (b"POST http://x/v1/requests HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", (400, 405)), (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400,)),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", (400,)),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", (400,)),
    (REQUEST + b"Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc", (417,)),
    (b"DELETE /v1/objects HTTP/1.1\r\nHost: x\r\n\r\n", (400, 405)), (b"GET /v1/requests HTTP/1.1\r\nHost: x\r\n\r\n", (405,)),
    (b"GET /etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", (404,)), (b"GET /../v1/session HTTP/1.1\r\nHost: x\r\n\r\n", (404,)),
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", (404,)), (b"GET /healthz?x HTTP/1.1\r\nHost: x\r\n\r\n", (404,)),
    (b"GET /" + b"a" * 1000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (404,)), (b"PUT /v1/objects HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", (400,)),
    (b"GET /v1/objects HTTP/1.1\r\nHost: x\r\n\r\n", (400,)),
    (b"GET /v1/objects HTTP/1.1\r\nHost: x\r\nCella-Request: a\r\nCella-Request: b\r\n\r\n", (400,)),
    (b"POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\r\n" + bytes(31), (400,)),
    (b"POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 33\r\n\r\n" + bytes(33), (400, 413)),
])
def test_forms_of_http_that_are_refused(live: LiveExecutor, head: bytes, statuses: tuple[int, ...]) -> None:
    answer = say(live, head)
    assert answer is not None and answer.status in statuses, answer
    assert answer.code != "OK" and answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("head", [
    REQUEST + b"X: " + b"a" * 20000 + b"\r\n\r\n", REQUEST + b"X: y\r\n" * 5000 + b"\r\n", b"GET /" + b"a" * 20000, b"a" * 100000,
])
def test_huge_heads(live: LiveExecutor, head: bytes) -> None:
    answer = say(live, head)
    assert answer is None or (answer.code in ("TOO_LARGE", "BAD_HTTP") and answer.status in (400, 413))
    live.serves()


def test_a_smuggled_request_is_not_run(live: LiveExecutor, hand: Hand) -> None:
    """What follows a refused head is never read as a request."""
    hidden = hand.sign("party.get", {})
    inner = f"POST /v1/requests HTTP/1.1\r\nHost: x\r\nContent-Length: {len(hidden)}\r\n\r\n{hidden}".encode()
    for head in (REQUEST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
                 REQUEST + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n"):
        with live.raw() as connection:
            connection.send(head + inner)
            assert connection.answer().status in (400, 411) and connection.ended()
    assert hand.send(hidden).code == "OK"  # its number was not used


def test_pipelining(live: LiveExecutor, hand: Hand) -> None:
    signed = [hand.sign(op, {}) for op in ("party.get", "task.list", "data.list", "party.get")] * 1
    text = b"".join(f"POST /v1/requests HTTP/1.1\r\nHost: x\r\nContent-Length: {len(one)}\r\n\r\n{one}".encode() for one in signed)
    with live.raw() as connection:
        connection.send(text + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answers = [connection.answer() for _ in range(5)]
    party = ["manages", "name", "party", "removed", "roles", "seal", "sign"]
    assert [sorted(answer.json) for answer in answers[:4]] == [party, ["more", "tasks"], ["data", "more"], party]
    assert answers[4].body == b"ok\n"


def test_pipelining_without_end(live: LiveExecutor) -> None:
    """A client that sends and never reads is stopped by its own window, and costs little."""
    front = live.one("front")
    before = front.high_water_kib
    with live.raw(seconds=2) as connection:
        block = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 1000
        with contextlib.suppress(OSError):
            for _ in range(1000):
                connection.send(block)
    assert front.high_water_kib < before + (16 << 10)
    live.serves()


def test_continue(live: LiveExecutor, hand: Hand) -> None:
    signed = hand.sign("party.get", {}).encode()
    with live.raw() as connection:
        connection.send(REQUEST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(signed))
        assert connection.answer().status == 100
        connection.send(signed)
        assert connection.answer().code == "OK"


def test_a_request_in_small_pieces(live: LiveExecutor, hand: Hand) -> None:
    signed = hand.sign("party.get", {}).encode()
    with live.raw() as connection:
        text = REQUEST + b"Content-Length: %d\r\n\r\n" % len(signed) + signed
        for at in range(0, len(text), 7):
            connection.send(text[at : at + 7])
        assert connection.answer().code == "OK"


def test_health(live: LiveExecutor) -> None:
    with live.raw() as connection:
        answer = connection.exchange("GET", "/healthz")
        assert (answer.status, answer.body) == (200, b"ok\n")
        assert connection.exchange("GET", "/healthz", headers={"Connection": "close"}).body == b"ok\n"
        assert connection.ended()


def test_a_client_that_leaves_while_it_waits(live: LiveExecutor, hand: Hand) -> None:
    task = hand.client.tasks.create(hand.client.functions.register(
        cella.functions.builtin_package("echo", arguments=["message"])), arguments={"message": "x"})
    for _ in range(20):
        with live.raw() as connection:
            signed = hand.sign("task.watch", {"task": task.id, "version": 1000})
            connection.send(REQUEST + b"Content-Length: %d\r\n\r\n" % len(signed) + signed.encode())
    for _ in range(60):  # more than wait for one task at a time, were they not forgotten
        with live.raw() as connection:
            signed = hand.sign("task.watch", {"task": task.id, "version": 1000})
            connection.send(REQUEST + b"Content-Length: %d\r\n\r\n" % len(signed) + signed.encode())
    assert task.invoke().wait().result() == "x"


# ---- many ----


@pytest.fixture
def crowd() -> Iterator[list[socket.socket]]:
    """Sockets that are closed after the test."""
    sockets: list[socket.socket] = []
    yield sockets
    for one in sockets:
        one.close()


def test_five_hundred_silent_connections(own: LiveExecutor, crowd: list[socket.socket]) -> None:
    """They wait; a task of somebody else runs as ever."""
    me = own.client()
    assert echo(me, "before") == "before"
    for _ in range(500):
        crowd.append(socket.create_connection(own.endpoint, 10))
    begun = time.monotonic()
    assert script_task(me, "def main(x):\n    return len(x)", inputs={"x": bytes(100_000)}).wait().result() == 100_000
    assert echo(own.client(), "a new client") == "a new client"
    assert time.monotonic() - begun < 8
    assert all(process.high_water_kib < 100 << 10 for process in own.role("host") + own.role("front"))


def test_the_most_connections(own: LiveExecutor, crowd: list[socket.socket]) -> None:
    """Above the limit a connection is closed at once; when others go, there is room again."""
    for _ in range(600):
        crowd.append(socket.create_connection(own.endpoint, 10))
    ended = 0
    time.sleep(0.5)
    for one in crowd:
        one.settimeout(0.0)
        with contextlib.suppress(BlockingIOError, ConnectionError):
            ended += one.recv(1) == b""
    assert 80 <= ended <= 100, f"{ended} of 600 connections were closed"
    for one in crowd:
        one.close()
    crowd.clear()

    def fits() -> bool:
        try:
            own.serves()
        except cella.TransportError:
            return False
        return True

    wait_until(fits, 15, "there is room again")


# ---- the last test of this file ----


@pytest.mark.parametrize("how", SLOW)
def test_patience_ends(live: LiveExecutor, patience: Patience, how: str) -> None:
    """Handshake and head must be there within 10 s."""
    wait_until(lambda: how in patience.lasted, 25, f"the client with {how} is sent away")
    assert 8 < patience.lasted[how] < 15
