# SPDX-License-Identifier: Apache-2.0
"""One connection to an executor: a socket, TLS 1.3 over it, HTTP/1.1 over that. It trusts nobody by itself.

http.client gives the HTTP; below it stands TlsSocket, which has the few methods of a socket that http.client uses.
Every wait has an end: a timeout for each read and write, a deadline for handshake and attestation.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Callable
from typing import Any, BinaryIO

from . import _native

PORT = 7443
"""Port of an executor whose address does not name one."""
EXPORTER_LABEL = "EXPORTER-cella-session-v1"
HANDSHAKE_S = 15.0
"""Seconds within which connection, handshake and attestation must be done."""
IDLE_S = 50.0
"""Seconds after which an idle connection is not used again: the executor closes it after 60."""
BLOCK = 256 * 1024
"""Bytes that are encrypted and sent, or received, at a time."""
ANSWER_MAX = 16 * 1024 * 1024
"""Bytes of a JSON answer."""

Progress = Callable[[int, int], None]


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of "host", "host:port" or "[IPv6]:port".

    >>> parse_address("exec.example:7000"), parse_address("localhost"), parse_address("[::1]:7443")
    (('exec.example', 7000), ('localhost', 7443), ('::1', 7443))
    """
    text = address.strip()
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        port = rest[1:] if rest.startswith(":") else ""
        valid = bool(bracket) and (not rest or bool(port))
    elif text.count(":") > 1:
        host, port, valid = text, "", True
    else:
        host, colon, port = text.partition(":")
        valid = not colon or bool(port)
    if valid and host and (not port or (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        return host, int(port) if port else PORT
    raise _native.error("BAD_FIELD", f"{address!r} is not an address; write HOST:PORT", "address")


class TlsSocket:
    """TLS over a socket. Closed for good by the first error."""

    def __init__(self, plain: socket.socket, timeout: float) -> None:
        self._plain = plain
        self._tls = _native.TlsClient()
        self._timeout = timeout
        self._deadline: float | None = None
        self._held = False

    def set_deadline(self, seconds: float | None) -> None:
        """Everything must be done within seconds from now; None: only the timeout of each step counts."""
        self._deadline = None if seconds is None else time.monotonic() + seconds

    def set_timeout(self, seconds: float) -> None:
        """How long one read or write may wait."""
        self._timeout = seconds

    def _wait(self) -> None:
        seconds = self._timeout
        if self._deadline is not None:
            seconds = min(seconds, self._deadline - time.monotonic())
        if seconds <= 0:
            raise TimeoutError
        self._plain.settimeout(seconds)

    def _flush(self) -> None:
        data = self._tls.pull()
        if data:
            self._wait()
            self._plain.sendall(data)

    def _receive(self) -> None:
        self._wait()
        data = self._plain.recv(BLOCK)
        if not data:
            raise _native.error("CLOSED")
        self._tls.feed(data)

    def handshake(self) -> None:
        """Do the TLS handshake. Proves possession of the certificate's key, not whose it is.

        Our last message of it goes out with the first request: it waits for nothing, and one packet wakes the executor once.
        """
        while True:
            try:
                done = self._tls.handshake()
            except BaseException:
                self._flush()  # an alert tells the other side why
                raise
            if done:
                return
            self._flush()
            self._receive()

    def exporter(self) -> bytes:
        """This connection's keying material for the session signature, 32 bytes."""
        return self._tls.exporter(EXPORTER_LABEL, 32)

    def spki_sha256(self) -> bytes:
        """SHA-256 of the certificate's public key."""
        return self._tls.spki_sha256()

    def alpn(self) -> str:
        """The protocol that was negotiated."""
        return self._tls.alpn()

    def sendall(self, data: Any) -> None:
        """Encrypt and send everything."""
        view = memoryview(data).cast("B")
        for offset in range(0, len(view), BLOCK):
            self._tls.write(view[offset : offset + BLOCK])
            if not self._held:
                self._flush()

    def hold(self) -> None:
        """Keep what is sent until release: http.client hands over head and body one after the other."""
        self._held = True

    def release(self) -> None:
        """Send what was kept."""
        self._held = False
        self._flush()

    def recv(self, size: int) -> bytes:
        """Up to size bytes; b"" after an orderly end. An end without one is an error: it may be a cut."""
        while True:
            data = self._tls.read(size)
            if data is not None:
                return data
            self._flush()
            self._receive()

    def makefile(self, mode: str = "rb", buffering: int = -1) -> io.BufferedReader:
        """What http.client reads answers from."""
        return io.BufferedReader(_Reader(self), BLOCK)

    def close(self) -> None:
        """Say goodbye where that works at once, and close."""
        try:
            self._tls.shutdown()
            self._plain.settimeout(0.2)
            self._plain.sendall(self._tls.pull())
        except (OSError, _native.CellaError):
            pass
        self._plain.close()


class _Lent:
    """The socket as http.client sees it: it may use but not close it, for the answer is still to be read."""

    def __init__(self, tls: TlsSocket) -> None:
        self.sendall = tls.sendall
        self.makefile = tls.makefile

    def close(self) -> None:
        pass


class _Reader(io.RawIOBase):
    def __init__(self, tls: TlsSocket) -> None:
        super().__init__()
        self._tls = tls

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._tls.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class Connection:
    """HTTP requests over one TLS connection.

    Args:
        host: name or address.
        port: TCP port.
        timeout: seconds that one read or write may wait.

    Raises:
        TransportError: it can not be reached, or does not speak TLS 1.3.
    """

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self.host = host
        self.port = port
        self.timeout = timeout
        self.last_used = time.monotonic()
        self.fresh = True
        """True until the first answer: when a fresh one fails, it is not because it was idle for too long."""
        try:
            plain = socket.create_connection((host, port), timeout=min(timeout, HANDSHAKE_S))
        except OSError as problem:
            raise self._transport_error(problem) from None
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = TlsSocket(plain, timeout)
        self.tls.set_deadline(HANDSHAKE_S)
        self._http = http.client.HTTPConnection(host, port, blocksize=BLOCK)
        self._http.auto_open = 0  # never a second connection behind our back
        try:
            self.tls.handshake()
        except BaseException as problem:
            self.close()
            if isinstance(problem, OSError) and not isinstance(problem, _native.CellaError):
                raise self._transport_error(problem) from None
            raise
        if self.tls.alpn() not in ("http/1.1", ""):
            self.close()
            raise _native.error("TLS_FAILED", f"{host}:{port} speaks {self.tls.alpn()!r}, not HTTP/1.1")
        self._http.sock = _Lent(self.tls)

    def _transport_error(self, problem: Exception) -> _native.CellaError:
        where = f"{self.host}:{self.port}"
        if isinstance(problem, TimeoutError):
            return _native.error("TIMEOUT", f"{where} was silent for too long")
        if isinstance(problem, socket.gaierror):
            return _native.error("CLOSED", f"the name {self.host} is not known ({problem.strerror})")
        if isinstance(problem, ConnectionRefusedError):
            return _native.error("CLOSED", f"nothing listens at {where}; is the executor running?")
        if isinstance(problem, http.client.HTTPException):
            return _native.error("BAD_HTTP", f"{where} does not answer in HTTP/1.1: {type(problem).__name__}")
        return _native.error("CLOSED", f"the connection to {where} broke: {problem}")

    def close(self) -> None:
        """Close; a closed connection is not used again."""
        self.tls.close()

    def _request(self, method: str, path: str, body: Any, headers: dict[str, str]) -> None:
        if body is not None and not (isinstance(body, bytes) and len(body) <= BLOCK):
            self._http.request(method, path, body=body, headers=headers)
            return
        self.tls.hold()
        try:
            self._http.request(method, path, body=body, headers=headers)
        finally:
            self.tls.release()

    def _begin(self, method: str, path: str, body: Any, headers: dict[str, str]) -> http.client.HTTPResponse:
        try:
            try:
                self._request(method, path, body, headers)
            except (BrokenPipeError, ConnectionResetError, _native.TransportError):
                if body is None or isinstance(body, bytes):
                    raise
                # In mid-upload: the executor may have refused and said why.
            return self._http.getresponse()
        except _native.CellaError:
            raise
        except (OSError, http.client.HTTPException) as problem:
            raise self._transport_error(problem) from None

    def _read(self, response: http.client.HTTPResponse, size: int) -> bytes:
        try:
            return response.read(size)
        except _native.CellaError:
            raise
        except (OSError, http.client.HTTPException) as problem:
            raise self._transport_error(problem) from None

    def _finish(self, response: http.client.HTTPResponse) -> None:
        self.last_used = time.monotonic()
        self.fresh = False
        if response.will_close:
            self.last_used = float("-inf")

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        data = self._read(response, ANSWER_MAX + 1)
        if len(data) > ANSWER_MAX:
            raise _native.error("TOO_LARGE", "the answer is larger than an answer may be")
        if response.length:  # http.client returns what it got when the peer ended early
            raise _native.error("CLOSED", "the answer was cut short")
        self._finish(response)
        return data

    def post(self, path: str, body: bytes, timeout: float | None = None) -> tuple[int, bytes]:
        """POST a body. Returns HTTP status and the answer's body."""
        self.tls.set_timeout(timeout if timeout is not None else self.timeout)
        response = self._begin("POST", path, body, {"Content-Type": "application/octet-stream"})
        return response.status, self._body(response)

    def put(
        self, path: str, source: BinaryIO, size: int, request: str, progress: Progress | None
    ) -> tuple[int, bytes]:
        """PUT size bytes read from source, in constant memory. Returns HTTP status and the answer's body."""
        self.tls.set_timeout(self.timeout)
        headers = {
            "Content-Length": str(size),
            "Cella-Request": request,
            "Content-Type": "application/octet-stream",
        }
        response = self._begin("PUT", path, _Counted(source, size, progress), headers)
        return response.status, self._body(response)

    def get(
        self, path: str, request: str, sink: Callable[[bytes], None], progress: Progress | None
    ) -> tuple[int, bytes]:
        """GET into sink, piece by piece. Returns HTTP status and, where that is not 200, the answer's body."""
        self.tls.set_timeout(self.timeout)
        response = self._begin("GET", path, None, {"Cella-Request": request})
        if response.status != 200:
            return response.status, self._body(response)
        total = response.length or 0
        done = 0
        while block := self._read(response, BLOCK):
            sink(block)
            done += len(block)
            if progress is not None:
                progress(done, total)
        if done < total:
            raise _native.error("CLOSED", "the download was cut short")
        self._finish(response)
        return 200, b""


class _Counted:
    """A file that tells how far it was read, and never gives more than it promised."""

    def __init__(self, source: BinaryIO, size: int, progress: Progress | None) -> None:
        self._source = source
        self._size = size
        self._done = 0
        self._progress = progress

    def read(self, size: int) -> bytes:
        data = self._source.read(min(size, self._size - self._done))
        self._done += len(data)
        if self._progress is not None and data:
            self._progress(self._done, self._size)
        return data
