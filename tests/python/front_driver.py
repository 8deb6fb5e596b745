# SPDX-License-Identifier: Apache-2.0
"""Starts cella-front alone and plays the monitor and the host for it, so that tests can attack it over TCP."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import struct
import subprocess
import threading
import time

import link_driver as ld
from waiting import ready

HELLO, SESSION, REQUEST, UPLOAD, DOWNLOAD, UPLOADED, GONE = range(1, 8)
ANSWER, OBJECT, CERTIFICATE = 16, 17, 18
OBJECT_ID = b"0123456789abcdef0123456789abcdef"


def programs() -> str:
    """Folder of the built programs, in the build folder CELLA_BUILD."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return os.path.join(os.environ.get("CELLA_BUILD", os.path.join(root, "build", "release")), "bin")


def message(id: int, kind: int, payload: bytes = b"") -> bytes:
    return struct.pack(">IIB", 5 + len(payload), id, kind) + payload


def answer(id: int, body: bytes = b"{}", status: int = 0) -> bytes:
    return message(id, ANSWER, struct.pack(">I", status) + body)


class Front:
    """A running front. Attributes that tests change: `on_question`, `stores`, `put_status`, `throttle`."""

    def __init__(self, extensions: tuple[bytes, bytes] = (b"", b"")) -> None:
        self.extensions = extensions
        monitor_near, monitor_far = socket.socketpair()
        link_near, link_far = socket.socketpair()
        self.monitor = monitor_near
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=600)
        self.port = self.listener.getsockname()[1]
        self.questions: list[tuple[int, int, bytes]] = []
        self.objects: dict[bytes, bytes] = {OBJECT_ID: b""}
        self.put_digests: dict[bytes, str] = {}
        self.put_reset = 0
        self.keep_puts = True
        self.put_status: int | None = None  # answer at once with this status
        self.get_size_lie = 0
        self.get_cut: int | None = None  # stop a download after so many bytes
        self.get_zeros = 0  # serve that many zero bytes instead of an object
        self.throttle = 0.0  # seconds between rounds
        self.errors: list[str] = []
        self._stop = False
        # A little program puts the sockets to descriptors 3 and 4 and becomes the front. A sanitizer's search for
        # leaks needs what a confined front may not do.
        fds = (monitor_far.fileno(), link_far.fileno())
        place = ("import fcntl, os, sys; m, l = (fcntl.fcntl(int(n), fcntl.F_DUPFD, 50) for n in sys.argv[1:3]);"
                 "os.dup2(m, 3); os.dup2(l, 4); os.closerange(5, 100);"
                 "os.execve(sys.argv[3], ['cella-front'], {'ASAN_OPTIONS': 'detect_leaks=0'})")
        self.process = subprocess.Popen(
            ["/usr/bin/python3", "-I", "-c", place, *map(str, fds), os.path.join(programs(), "cella-front")],
            pass_fds=fds, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        monitor_far.close()
        link_far.close()
        self.link = ld.Link(link_near, "host")
        self._monitor_in = bytearray()
        self._clients: dict[socket.socket, ld.Stream] = {}
        self._transfers: list = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        deadline = time.monotonic() + 10
        while self.link.role is None or not self.questions:
            assert time.monotonic() < deadline and self.process.poll() is None, self.complaint()
            time.sleep(0.005)
        assert self.link.role == "F"
        id, kind, self.spki = self.questions.pop(0)
        assert (id, kind) == (0, HELLO) and len(self.spki) == 32

    # ---- the monitor: override on_question in tests ----

    def on_question(self, id: int, kind: int, payload: bytes) -> bytes:
        if kind in (SESSION, REQUEST):
            return answer(id, b'{"echo":%d}' % len(payload))
        if kind == UPLOAD:
            size, digest = payload.split(b".")[:2]
            return message(id, OBJECT, ld.field_of(OBJECT_ID) + struct.pack(">Q", int(size))
                           + ld.field_of(bytes.fromhex(digest.decode())))
        if kind == DOWNLOAD:
            size = self.get_zeros or len(self.objects[OBJECT_ID])
            return message(id, OBJECT, ld.field_of(OBJECT_ID) + struct.pack(">Q", size) + ld.field_of(b""))
        if kind == UPLOADED:
            status = struct.unpack(">I", payload[-4:])[0]
            return answer(id, b'{"stored":%s}' % (b"true" if status == 0 else b"false"), status)
        return b""

    def certify(self, cmw: bytes, tcg: bytes) -> None:
        """Values of the extensions for the certificate of connections from now on."""
        self.say(message(0, CERTIFICATE, ld.field_of(cmw) + ld.field_of(tcg)))

    def say(self, data: bytes) -> None:
        self.monitor.sendall(data)

    # ---- tests' side ----

    def complaint(self) -> str:
        self.process.kill()
        return self.process.stderr.read().decode()

    def raw(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def connect(self, **options) -> ssl.SSLSocket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        for name, value in options.items():
            setattr(context, name, value)
        context.set_alpn_protocols(["http/1.1"])
        return context.wrap_socket(self.raw())

    def memory_kib(self) -> int:
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def close(self) -> str:
        """End the front; gives what it wrote to standard error."""
        self._stop = True
        self.thread.join(5)
        self.monitor.close()
        self.link.sock.close()
        try:
            self.process.wait(5)
        finally:
            self.process.kill()
        for sock in self._clients:
            sock.close()
        self.listener.close()
        return self.process.stderr.read().decode()

    # ---- the loop that plays host and monitor ----

    def _run(self) -> None:
        try:
            while not self._stop and not self.link.closed:
                self._round()
        except Exception as error:  # shown by the test that fails because of it
            self.errors.append(repr(error))
            self.link.closed = True

    def _round(self) -> None:
        readers = [self.link, self.listener, self.monitor]
        readers += [sock for sock, stream in self._clients.items()
                    if not stream.end_wanted and len(stream.unsent) < 65536]
        writers = [sock for sock, stream in self._clients.items() if stream.received]
        if self.link._out:
            writers.append(self.link)
        readable, _ = ready(readers, writers, 0.02)
        if self.throttle:
            time.sleep(self.throttle)
        self.link.step()
        if self.listener in readable:
            sock, _ = self.listener.accept()
            sock.setblocking(False)
            self._clients[sock] = self.link.open(ld.CONNECTION)
        if self.monitor in readable:
            self._read_monitor()
        for sock in readable:
            if sock in self._clients:
                self._read_client(sock)
        for sock in list(self._clients):
            self._serve_client(sock)
        for stream in self.link.opened:
            self._open_transfer(stream)
        self.link.opened.clear()
        for transfer in list(self._transfers):
            self._serve_transfer(transfer)

    def _read_monitor(self) -> None:
        data = self.monitor.recv(262144)
        self._monitor_in += data
        while len(self._monitor_in) >= 4:
            size = struct.unpack_from(">I", self._monitor_in)[0]
            if len(self._monitor_in) < 4 + size:
                break
            id, kind = struct.unpack_from(">IB", self._monitor_in, 4)
            payload = bytes(self._monitor_in[9 : 4 + size])
            del self._monitor_in[: 4 + size]
            self.questions.append((id, kind, payload))
            if kind == HELLO:
                self.certify(*self.extensions)
            else:
                reply = self.on_question(id, kind, payload)
                if reply:
                    self.monitor.sendall(reply)

    def _drop(self, sock: socket.socket) -> None:
        stream = self._clients.pop(sock)
        if not stream.over:
            stream.cancel()
        sock.close()

    def _read_client(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            self._drop(sock)
            return
        if data:
            self._clients[sock].send(data)
        else:
            self._clients[sock].end()

    def _serve_client(self, sock: socket.socket) -> None:
        stream = self._clients[sock]
        try:
            while stream.received:
                count = sock.send(stream.received[:65536])
                stream.take(count)
        except BlockingIOError:
            return
        except OSError:
            self._drop(sock)
            return
        if stream.ended_there and stream.reset is None:
            try:
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        if stream.over:
            del self._clients[sock]
            sock.close()

    def _open_transfer(self, stream: ld.Stream) -> None:
        size = struct.unpack_from(">I", stream.arguments)[0]
        id = stream.arguments[4 : 4 + size]
        transfer = {"stream": stream, "id": id, "data": bytearray(), "hash": hashlib.sha256(), "count": 0, "left": 0}
        if stream.kind == ld.PUT and self.put_status is not None:
            stream.send(struct.pack(">I", self.put_status))
            stream.end()
            transfer["answered"] = True
        elif stream.kind == ld.GET:
            if id not in self.objects:
                stream.send(struct.pack(">I", 604))
                stream.end()
                return
            total = self.get_zeros or len(self.objects[id])
            stream.send(struct.pack(">IQ", 0, total + self.get_size_lie))
            transfer["left"] = total
        self._transfers.append(transfer)

    def _serve_transfer(self, transfer: dict) -> None:
        stream = transfer["stream"]
        if stream.reset is not None:
            self.put_reset += stream.kind == ld.PUT
            self._transfers.remove(transfer)
            return
        if stream.kind == ld.PUT:
            data = stream.take()
            transfer["hash"].update(data)
            transfer["count"] += len(data)
            if self.keep_puts:
                transfer["data"] += data
            if stream.ended_there and not transfer.get("answered"):
                self.objects[transfer["id"]] = bytes(transfer["data"])
                self.put_digests[transfer["id"]] = transfer["hash"].hexdigest()
                stream.send(struct.pack(">I", 0))
                stream.end()
                self._transfers.remove(transfer)
            return
        while transfer["left"] > 0 and len(stream.unsent) < 65536:
            size = min(transfer["left"], 65536)
            if self.get_zeros:
                stream.send(bytes(size))
            else:
                data = self.objects[transfer["id"]]
                start = len(data) - transfer["left"]
                stream.send(data[start : start + size])
            transfer["left"] -= size
            transfer["count"] += size
            if self.get_cut is not None and transfer["count"] >= self.get_cut:
                stream.cancel()
                self._transfers.remove(transfer)
                return
        if transfer["left"] == 0:
            stream.end()
            self._transfers.remove(transfer)


def request(method: str, path: str, body: bytes = b"", headers: str = "", host: bool = True) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\n" + ("Host: a\r\n" if host else "") + headers
    if body or method in ("POST", "PUT"):
        head += f"Content-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def read_response(sock, head_only: bool = False) -> tuple[int, dict[str, str], bytes]:
    """One HTTP answer: status, headers, body. (0, {}, b"") when the peer closed without one."""
    data = b""
    while b"\r\n\r\n" not in data:
        try:
            piece = sock.recv(65536)
        except (ConnectionResetError, ssl.SSLError):
            piece = b""
        if not piece:
            return 0, {}, data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
    length = int(headers.get("content-length", "0"))
    while len(body) < length and not head_only:
        piece = sock.recv(65536)
        if not piece:
            break
        body += piece
    return int(lines[0].split()[1]), headers, body
