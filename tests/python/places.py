# SPDX-License-Identifier: Apache-2.0
"""A web server on loopback where owners keep data, and that behaves in every way."""

from __future__ import annotations

import contextlib
import http.server
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Page:
    """One answer.

    Attributes:
        declared: Content-Length when it is not that of the body; -1 for none at all.
        pause_s: before each piece of the body of 1 KiB.
        cut: bytes after which the connection is closed.
        hold: nothing is answered before it is set.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    declared: int | None = None
    pause_s: float = 0.0
    cut: int | None = None
    hold: threading.Event | None = None


class Place:
    """The server. pages: path and query -> answers in turn, the last one for ever; asked: what was asked for.

    Args:
        certificate: file with certificate and key, to speak TLS.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.pages: dict[str, Page | list[Page]] = {}
        self.asked: list[str] = []
        place = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802
                place.asked.append(self.path)
                with contextlib.suppress(OSError):
                    place.answer(self)
                self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """One request."""
        page = self.pages.get(handler.path, Page(status=404))
        if isinstance(page, list):
            page = page.pop(0) if len(page) > 1 else page[0]
        if page.hold is not None:
            page.hold.wait(60)
        handler.send_response(page.status)
        declared = len(page.body) if page.declared is None else page.declared
        if declared >= 0:
            handler.send_header("Content-Length", str(declared))
        for name, value in page.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        body = page.body if page.cut is None else page.body[: page.cut]
        step = 1024 if page.pause_s else max(len(body), 1)
        for first in range(0, len(body), step):
            time.sleep(page.pause_s)
            handler.wfile.write(body[first : first + step])

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()
