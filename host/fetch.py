#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""cella-fetch: fetches one object from a URL and writes it to standard output.

    cella-fetch --size BYTES [options] < URL

cella-host runs this program when a task has an input that its owner keeps elsewhere. The URL comes on standard input, because it may
have a key of its own in its query, and other users see command lines.

Nothing that comes from there is trusted, and nothing here is: the executor compares the digest that contracts name. What is checked is
what protects the operator: whom this machine speaks to, for how long, and how much it takes. Every place, the first and those that
redirections lead to, has to begin with a word of --from; its host's addresses have to be public ones unless --private. Of the environment
counts SSL_CERT_FILE, for places with a certificate of one's own; proxies are not used.

Exit status: 0 all of it is on standard output; 2 wrong use; 3 the place is not allowed; 4 there is nothing; 5 it is larger than BYTES, or
than --most; 6 it took too long; 7 it could not be reached, or broke off. Standard error says which, without the URL's query.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import ipaddress
import os
import re
import signal
import socket
import ssl
import sys
import time
import urllib.parse
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

URL_MAX = 2048
PIECE = 65536
REDIRECTIONS = 5
ATTEMPTS = 3
CONNECT_S = 10.0
SILENCE_S = 60.0
"""Longest wait for a byte."""
NOT_ALLOWED, NOT_FOUND, TOO_LARGE, TIMEOUT, FAILED = 3, 4, 5, 6, 7
PORTS = {"https": 443, "http": 80}


class Failure(Exception):
    """It can not be had; the exit status, and words for the operator. again: trying again may help."""

    def __init__(self, status: int, text: str, again: bool = False) -> None:
        super().__init__(text)
        self.status, self.again = status, again


class OutOfTime(BaseException):
    """Of all waiting together."""


# ---- places ----


@dataclass(frozen=True)
class Place:
    """A URL in its parts: scheme, host in lower case without brackets, port, path, and query with its question mark or "".

    >>> place_of("https://Data.example/a?key=1").shown
    'https://data.example/a'
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def authority(self) -> str:
        """HOST or HOST:PORT."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """For logs: a query may have a key in it."""
        return f"{self.scheme}://{self.authority}{self.path}"


def place_of(url: str) -> Place:
    """The parts of a URL. Failure: it is none, or one that two readers could understand in two ways."""
    plain = re.fullmatch(r"[!$-;=?-Z\[\]_a-z~]+", url, re.ASCII) and len(url) <= URL_MAX
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        plain, port = None, None
    if not plain or parts.scheme not in PORTS or not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise Failure(NOT_ALLOWED, "not an http or https URL without user, fragment and unusual characters")
    path = parts.path or "/"
    if re.search(r"%(2e|2f|5c|00)", path, re.IGNORECASE) or {".", ".."} & set(path.split("/")):
        raise Failure(NOT_ALLOWED, "a path with . or .. in it, or such characters encoded")
    query = f"?{parts.query}" if parts.query else ""
    return Place(parts.scheme, parts.hostname.lower(), PORTS[parts.scheme] if port is None else port, path, query)


def is_within(place: Place, allowed: Place) -> bool:
    """Whether a place is below an allowed one: scheme, host and port are the same, and the path goes on at a /.

    >>> is_within(place_of("https://a.example/x/y"), place_of("https://a.example/x"))
    True
    >>> is_within(place_of("https://a.example/xy"), place_of("https://a.example/x"))
    False
    """
    if (place.scheme, place.host, place.port) != (allowed.scheme, allowed.host, allowed.port):
        return False
    folder = allowed.path if allowed.path.endswith("/") else allowed.path + "/"
    return place.path == allowed.path or place.path.startswith(folder)


def is_public(text: str) -> bool:
    """Whether an address is one of the public network, also where it wraps another.

    >>> [is_public(one) for one in ("93.184.216.34", "10.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::a00:1")]
    [True, False, False, False, False]
    """
    address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address in ipaddress.ip_network("64:ff9b::/96"):
            return is_public(str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)))
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast


def addresses_of(place: Place, private: bool) -> list[str]:
    """The addresses of a place's host, all of which have to be allowed. What is checked here is what is connected to."""
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        raise Failure(FAILED, f"{place.shown}: no address of {place.host}: {problem}", again=True) from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        if not private and not is_public(address):
            raise Failure(NOT_ALLOWED, f"{place.shown}: {place.host} is {address}, which is not a public address (fetch_private)")
    return addresses


# ---- HTTP ----


def connected(place: Place, addresses: list[str]) -> http.client.HTTPConnection:
    """A connection to the first address that answers. Failure."""
    problem: Exception = OSError("no address")
    for address in addresses:
        try:
            sock = socket.create_connection((address, place.port), CONNECT_S)
            try:
                sock.settimeout(SILENCE_S)
                if place.scheme == "https":
                    sock = ssl.create_default_context().wrap_socket(sock, server_hostname=place.host)
            except BaseException:
                sock.close()
                raise
            connection = http.client.HTTPConnection(place.host, place.port)
            connection.sock = sock
            return connection
        except OSError as failed:
            problem = failed
    again = not isinstance(problem, ssl.SSLCertVerificationError)
    raise Failure(FAILED, f"{place.shown}: {problem}", again=again)


def answer_of(connection: http.client.HTTPConnection, place: Place) -> http.client.HTTPResponse:
    """Ask, and the head of the answer. Failure."""
    try:
        connection.putrequest("GET", place.path + place.query, skip_host=True, skip_accept_encoding=True)
        for name, value in (("Host", place.authority), ("User-Agent", "cella-fetch"), ("Accept-Encoding", "identity"),
                            ("Connection", "close")):
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse()
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise Failure(FAILED, f"{place.shown}: {problem or type(problem).__name__}", again=True) from None


def judge(response: http.client.HTTPResponse, place: Place, size: int) -> None:
    """Failure unless the head says that what follows may be the object."""
    said = f"{place.shown} answers {response.status}"
    if response.status in (404, 410):
        raise Failure(NOT_FOUND, said)
    if response.status == 429 or response.status >= 500:
        raise Failure(FAILED, said, again=True)
    if response.status in (401, 403):
        raise Failure(NOT_FOUND, f"{said}: it is not there for us, or the link has expired")
    if response.status != 200:
        raise Failure(FAILED, said)
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise Failure(FAILED, f"{said} with an encoding that nobody asked for")
    if response.length is not None and response.length > size:
        raise Failure(TOO_LARGE, f"{place.shown} has {response.length} bytes; {size} were registered")


def follow(url: str, options: argparse.Namespace, allowed: list[Place]) -> tuple[http.client.HTTPResponse, Place]:
    """The answer at a URL, after redirections. Each place is judged as the first. Failure."""
    for _ in range(REDIRECTIONS + 1):
        place = place_of(url)
        if not any(is_within(place, one) for one in allowed):
            raise Failure(NOT_ALLOWED, f"{place.shown}: not below a place in fetch_from")
        connection = connected(place, addresses_of(place, options.private))
        response = answer_of(connection, place)
        if response.status not in (301, 302, 303, 307, 308):
            judge(response, place, options.size)
            return response, place
        target = response.headers.get("Location", "")
        response.close()
        connection.close()
        url = urllib.parse.urljoin(url, target)
    raise Failure(FAILED, f"{place.shown}: more than {REDIRECTIONS} redirections")


def copy(response: http.client.HTTPResponse, place: Place, size: int) -> None:
    """Its body to standard output. Failure."""
    done = 0
    while True:
        try:
            piece = response.read1(PIECE)
        except TimeoutError:
            raise Failure(TIMEOUT, f"{place.shown}: silent for {SILENCE_S:g} s after {done} bytes") from None
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise Failure(FAILED, f"{place.shown}: broke off after {done} bytes: {problem or type(problem).__name__}") from None
        if not piece:
            break
        done += len(piece)
        if done > size:
            raise Failure(TOO_LARGE, f"{place.shown} sends more than the {size} bytes that were registered")
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0)  # whoever reads this slowly is not the place's fault
        write(piece)
        signal.setitimer(signal.ITIMER_REAL, max(left, 0.001))
    if response.length:
        raise Failure(FAILED, f"{place.shown}: broke off after {done} bytes, {response.length} before its end")


def write(piece: bytes) -> None:
    """All of it, to standard output."""
    view = memoryview(piece)
    while view:
        view = view[os.write(1, view):]


# ---- the program ----


def say(text: str) -> None:
    """One line for the operator, whatever is in it."""
    line = "".join(c if " " <= c <= "~" else "?" for c in text)[:500]
    with contextlib.suppress(OSError):
        os.write(2, f"{line}\n".encode("ascii"))


def fetch(url: str, options: argparse.Namespace) -> None:
    """Try a few times as long as nothing was written. Failure."""
    allowed = [place_of(one) for one in options.places]
    if options.size > options.most:
        raise Failure(TOO_LARGE, f"{options.size} bytes were registered; at most {options.most} (fetch_max_bytes)")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            response, place = follow(url, options, allowed)
            break
        except Failure as problem:
            if not problem.again or attempt == ATTEMPTS:
                raise
            say(f"{problem}; trying again")
            time.sleep(options.pause * attempt)
    copy(response, place, options.size)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="cella-fetch", description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, required=True, metavar="BYTES", help="of the object, as registered")
    parser.add_argument("--from", dest="places", action="append", default=[], metavar="URL", help="fetch from below this; repeat")
    parser.add_argument("--private", action="store_true", help="also from addresses that are not public")
    parser.add_argument("--most", type=int, default=1 << 40, metavar="BYTES", help="of any object (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=600.0, metavar="S", help="to wait for the place, all together (default %(default)g)")
    parser.add_argument("--pause", type=float, default=1.0, metavar="S", help="before trying again (default %(default)g)")
    return parser.parse_args()


def main() -> int:
    """Run."""
    options = arguments()

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise OutOfTime

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, max(options.seconds, 0.001))
    url = os.read(0, URL_MAX + 2).decode("latin-1").rstrip("\n")
    try:
        fetch(url, options)
    except Failure as problem:
        say(str(problem))
        return problem.status
    except OutOfTime:
        say(f"not within {options.seconds:g} s")
        return TIMEOUT
    except BrokenPipeError:
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
