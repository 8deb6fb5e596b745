# SPDX-License-Identifier: Apache-2.0
"""The TLS client against openssl s_server: version, exporter, key digest, broken peers."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_executor import Certificate

from cella import _native
from cella.connection import Connection, TlsSocket, parse_address


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Server:
    """openssl s_server with options."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.certificate = Certificate(folder)
        self.port = free_port()
        command = ["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-key", str(self.certificate.key)]
        command += ["-cert", str(self.certificate.certificate), "-keymatexport", "EXPORTER-cella-session-v1"]
        command += ["-keymatexportlen", "32", *options]
        self.log = folder / "s_server.log"
        self._out = open(self.log, "wb")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=self._out, stderr=self._out)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            if b"ACCEPT" in self.log.read_bytes():
                return
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def connect(self) -> TlsSocket:
        tls = TlsSocket(socket.create_connection(("127.0.0.1", self.port)), 5.0)
        tls.set_deadline(5.0)
        return tls

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self._out.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path


def test_exporter_and_key_digest_are_the_servers(folder: Path) -> None:
    server = Server(folder, "-tls1_3", "-alpn", "http/1.1")
    try:
        tls = server.connect()
        tls.handshake()
        assert tls.alpn() == "http/1.1" and tls._tls.version() == "TLSv1.3"
        assert tls.spki_sha256() == server.certificate.spki_sha256
        tls.sendall(b"hello\n")
        until = time.monotonic() + 5
        while b"hello" not in server.log.read_bytes() and time.monotonic() < until:
            time.sleep(0.02)
        material = re.search(r"Keying material: ([0-9A-F]{64})", server.log.read_text())
        assert material and bytes.fromhex(material[1]) == tls.exporter()
        assert server.process.stdin is not None
        server.process.stdin.write(b"answer\n")
        server.process.stdin.flush()
        assert tls.recv(100) == b"answer\n"
        tls.close()
    finally:
        server.close()


@pytest.mark.parametrize(
    "suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
)
def test_suites(folder: Path, suite: str) -> None:
    server = Server(folder, "-tls1_3", "-ciphersuites", suite)
    try:
        tls = server.connect()
        tls.handshake()
        assert tls.exporter()
        tls.close()
    finally:
        server.close()


def test_tls_1_2_is_refused(folder: Path) -> None:
    server = Server(folder, "-tls1_2")
    try:
        with pytest.raises(_native.TransportError) as caught:
            server.connect().handshake()
        assert caught.value.code == "TLS_FAILED"
        with pytest.raises(_native.TransportError):
            Connection("127.0.0.1", server.port, 5.0)
    finally:
        server.close()


def test_two_connections_have_two_exporters(folder: Path) -> None:
    server = Server(folder, "-tls1_3")
    try:
        seen = set()
        for _ in range(3):
            tls = server.connect()
            tls.handshake()
            seen.add(tls.exporter())
            tls.close()
        assert len(seen) == 3
    finally:
        server.close()


def answering(data: bytes) -> int:
    """A TCP server that answers anything with data and closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(data)
        listener.close()

    threading.Thread(target=serve, daemon=True).start()
    return int(listener.getsockname()[1])


def test_peers_that_are_not_tls() -> None:
    for data in (b"HTTP/1.1 400 Bad\r\n\r\n", b"", b"\x16\x03\x03\xff\xff", bytes(1000)):
        with pytest.raises(_native.TransportError) as caught:
            Connection("127.0.0.1", answering(data), 5.0)
        assert caught.value.code in ("TLS_FAILED", "CLOSED")


def test_silent_peer_is_a_timeout() -> None:
    begin = time.monotonic()
    with pytest.raises(_native.TransportError) as caught:
        Connection("127.0.0.1", silent(), 0.3)
    assert caught.value.code == "TIMEOUT" and time.monotonic() - begin < 2.0


def silent() -> int:
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=lambda: (listener.accept(), time.sleep(3)), daemon=True).start()
    return int(listener.getsockname()[1])


def test_nothing_before_the_handshake() -> None:
    tls = _native.TlsClient()
    for early in (lambda: tls.exporter("x", 32), tls.spki_sha256):
        with pytest.raises(_native.StateError):
            early()
    assert tls.read(10) is None and tls.alpn() == ""
    with pytest.raises(_native.RequestError):
        tls.feed(bytes((1 << 20) + 1))
    with pytest.raises(_native.FormatError):
        tls.read(0)


def test_unreachable() -> None:
    with pytest.raises(_native.TransportError, match="nothing listens"):
        Connection("127.0.0.1", free_port(), 5.0)
    with pytest.raises(ConnectionError):
        Connection("no-such-host.invalid", 7443, 5.0)


def test_addresses() -> None:
    assert parse_address("host") == ("host", 7443)
    for bad in ("", ":1", "host:", "host:0", "host:99999", "host:x", "[::1", "[::1]x", "[]:5", "host:١"):
        with pytest.raises(_native.RequestError):
            parse_address(bad)
