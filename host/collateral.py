#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""cella-collateral: fetches what vendors say about a platform, and writes it to standard output as endorsements.

    cella-collateral --cache DIR [options] intel tdx|sgx FMSPC processor|platform
    cella-collateral --cache DIR [options] amd vcek milan|genoa|turin ID BL TEE SNP UCODE [FMC]
    cella-collateral --cache DIR [options] amd list vcek|vlek milan|genoa|turin

The request is executor/trust/collateral.h's, the answer executor/trust/endorsement.h's. cella-host runs this program when an
executor asks; an operator may run it to fill a folder for a machine without a network (docs/operations.md).

Nothing here is trusted: all of it is signed by the vendor, and clients judge it. What is checked is only what keeps a
captive portal's page or half a file out of the cache. Bytes are handed on as they were served. Of the environment count
https_proxy, no_proxy, and SSL_CERT_FILE for a mirror with a certificate of one's own.

Exit status: 0 it is on standard output; 1 something of it could not be had, standard error says what; 2 wrong use.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import http.client
import json
import os
import re
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass

CERTIFICATES, CRL, TCB_INFO, TCB_CHAIN, QE_IDENTITY, QE_CHAIN = range(1, 7)
INTEL = "https://api.trustedservices.intel.com"
INTEL_ROOT_CRL = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"
AMD = "https://kdsintf.amd.com"

ENTRY_MAX = 524288
"""Bytes of one answer of a service."""
ANSWER_MAX = 1048576
"""Bytes of all of them together: CELLA_COLLATERAL_MAX."""
CHAIN_MAX = 65536
KEPT_MAX = 64
"""Files in the cache; the oldest go."""
ATTEMPTS = 3
ATTEMPT_S = 10.0
ASKED_TO_WAIT_S = 60.0
"""When a service refuses for our rate and does not say for how long; never longer than an hour."""

Entry = list[tuple[int, bytes]]


class Failure(Exception):
    """A thing can not be had; the text is for the operator."""


class Again(Failure):
    """The same, but it may be had in a moment."""

    def __init__(self, text: str, after: float | None = None) -> None:
        super().__init__(text)
        self.after = after


class OutOfTime(BaseException):
    """Of an attempt."""


# ---- what there is ----


@dataclass(frozen=True)
class Thing:
    """One thing that a service has.

    Attributes:
        name: of its file in the cache, and in a mirror that is a folder.
        base: of the service, http(s) or file.
        url: where it is.
        kind: of the body.
        header: name of the one that has the signers, if any.
        chain: kind of that.
        keeps: it does not change.
    """

    name: str
    base: str
    url: str
    kind: int
    header: str = ""
    chain: int = 0
    keeps: bool = False


def intel_things(words: list[str], base: str, root_crl: str | None) -> list[Thing]:
    """TCB info, QE identity and both revocation lists. Intel PCS API, version 4."""
    tee, fmspc, ca = words
    api = f"{base}/{tee}/certification/v4"
    of_root = root_crl or (INTEL_ROOT_CRL if base == INTEL else f"{base}/sgx/certification/v4/rootcacrl")
    return [
        Thing(f"intel-{tee}-tcb-{fmspc}", base, f"{api}/tcb?fmspc={fmspc}", TCB_INFO, "TCB-Info-Issuer-Chain", TCB_CHAIN),
        Thing(f"intel-{tee}-qe", base, f"{api}/qe/identity", QE_IDENTITY, "SGX-Enclave-Identity-Issuer-Chain", QE_CHAIN),
        Thing(f"intel-crl-{ca}", base, f"{base}/sgx/certification/v4/pckcrl?ca={ca}&encoding=der", CRL),
        Thing("intel-crl-root", base if base.startswith("file:") and not root_crl else of_root, of_root, CRL),
    ]


def amd_things(words: list[str], base: str) -> list[Thing]:
    """The chip's certificate and its issuers unless the machine gave them, and the revocation list. AMD 57230."""
    what, *rest = words
    key, product = rest if what == "list" else (what, rest[0])
    api = f"{base}/{key}/v1/{product.capitalize()}"
    things = [Thing(f"amd-{key}-{product}-crl", base, f"{api}/crl", CRL)]
    if what == "list":
        return things
    chip, *levels = rest[1:]
    names = ["blSPL", "teeSPL", "snpSPL", "ucodeSPL", "fmcSPL"]
    query = "&".join(f"{name}={int(level):02d}" for name, level in zip(names, levels, strict=False))
    name = "-".join(["amd-vcek", product, chip, *levels])
    return [
        Thing(name, base, f"{api}/{chip}?{query}", CERTIFICATES, keeps=True),
        Thing(f"amd-vcek-{product}-chain", base, f"{api}/cert_chain", CERTIFICATES),
        *things,
    ]


FORMS = (
    (r"intel (tdx|sgx) [0-9a-f]{12} (processor|platform)", "intel"),
    (r"amd vcek (milan|genoa) [0-9a-f]{128}( \d{1,3}){4}", "amd"),
    (r"amd vcek turin [0-9a-f]{16}( \d{1,3}){5}", "amd"),
    (r"amd list (vcek|vlek) (milan|genoa|turin)", "amd"),
)


def things_of(words: list[str], options: argparse.Namespace) -> list[Thing]:
    """What a request is about. Failure: it is none."""
    for form, vendor in FORMS:
        if re.fullmatch(form, " ".join(words), re.ASCII):
            if vendor == "intel":
                return intel_things(words[1:], options.intel, options.intel_root_crl)
            return amd_things(words[1:], options.amd)
    raise Failure(f"this is no request: {' '.join(words)[:200]!r}; --help says which there are")


# ---- what it looks like ----


def read_der(data: bytes, place: int) -> tuple[int, int, int]:
    """Tag, start and end of the content of the element at a place. ValueError: there is none."""
    if len(data) < place + 2:
        raise ValueError("cut")
    tag, size, start = data[place], data[place + 1], place + 2
    if size & 0x80:
        count = size & 0x7F
        if not 1 <= count <= 3:
            raise ValueError("size")
        size, start = int.from_bytes(data[start:start + count], "big"), start + count
    if start + size > len(data):
        raise ValueError("cut")
    return tag, start, start + size


def der_time(tag: int, text: bytes) -> float:
    """Seconds since 1970 of a UTCTime or GeneralizedTime. ValueError."""
    form = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}.get(tag)
    if form is None:
        raise ValueError("no time")
    return datetime.datetime.strptime(text.decode("ascii"), form).replace(tzinfo=datetime.UTC).timestamp()


def crl_end(der: bytes) -> float:
    """nextUpdate of a revocation list. ValueError: it is none, or has none."""
    tag, start, end = read_der(der, 0)
    if tag != 0x30 or end != len(der):
        raise ValueError("no list")
    tag, place, inner_end = read_der(der, start)
    seen = []
    while tag == 0x30 and place < inner_end and len(seen) < 5:
        one, begin, place = read_der(der, place)
        seen.append((one, begin, place))
    if [one for one, _, _ in seen[:3]] != [0x02, 0x30, 0x30] or len(seen) != 5:
        raise ValueError("no list")
    one, begin, place = seen[4]
    return der_time(one, der[begin:place])


def json_end(text: bytes, member: str) -> float:
    """nextUpdate of TCB info or a QE identity. ValueError: it is none."""
    try:
        until = json.loads(text)[member]["nextUpdate"]
        return datetime.datetime.strptime(until, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC).timestamp()
    except (KeyError, TypeError, RecursionError) as problem:
        raise ValueError("member") from problem


def end_of(kind: int, content: bytes) -> float:
    """When a content expires, seconds since 1970; infinite where clients look it up in a certificate.

    ValueError: it does not have the form of its kind.
    """
    if kind == CRL:
        return crl_end(content)
    if kind in (TCB_INFO, QE_IDENTITY):
        return json_end(content, "tcbInfo" if kind == TCB_INFO else "enclaveIdentity")
    if content.startswith(b"-----BEGIN CERTIFICATE-----"):
        if not content.rstrip().endswith(b"-----END CERTIFICATE-----"):
            raise ValueError("cut")
    elif read_der(content, 0)[::2] != (0x30, len(content)):
        raise ValueError("no certificate")
    return float("inf")


def end_of_entry(thing: Thing, entry: Entry) -> float:
    """The earliest end in an entry. Failure: it is not what a thing consists of."""
    kinds = [thing.kind] + ([thing.chain] if thing.chain else [])
    if [kind for kind, _ in entry] != kinds:
        raise Failure(f"{thing.name}: not what it should consist of")
    try:
        return min(end_of(kind, content) for kind, content in entry)
    except (ValueError, UnicodeDecodeError):
        raise Again(f"{thing.name}: what came is not what it should be, or is cut") from None


def written(entry: Entry) -> bytes:
    """The wire form."""
    return b"".join(bytes([kind]) + len(content).to_bytes(4, "big") + content for kind, content in entry)


def read_entry(data: bytes) -> Entry:
    """The other way. ValueError."""
    entry, place = [], 0
    while place < len(data):
        size = int.from_bytes(data[place + 1:place + 5], "big")
        content = data[place + 5:place + 5 + size]
        if len(data) < place + 5 or len(content) != size:
            raise ValueError("cut")
        entry.append((data[place], content))
        place += 5 + size
    return entry


def shown(moment: float) -> str:
    """A time for people."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))


# ---- the network ----


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """OutOfTime in whatever takes longer: a service that sends a byte now and then passes every time-out of sockets."""

    def end(*_: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def opener_of(proxy: str | None) -> urllib.request.OpenerDirector:
    """Speaks http and https and nothing else, through a proxy or the environment's."""
    opener = urllib.request.OpenerDirector()
    given = {"http": proxy, "https": proxy} if proxy else None
    for handler in (
        urllib.request.ProxyHandler(given), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(), urllib.request.HTTPDefaultErrorHandler(), urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", "cella-collateral")]
    return opener


def wait_of(headers: http.client.HTTPMessage | None) -> float | None:
    """Seconds of a Retry-After; dates are not used by these services."""
    value = (headers.get("Retry-After") or "") if headers is not None else ""
    return min(float(value), 3600.0) if re.fullmatch(r"\d{1,9}", value, re.ASCII) else None


def get(opener: urllib.request.OpenerDirector, thing: Thing) -> Entry:
    """One attempt. Again, Failure."""
    try:
        with opener.open(thing.url, timeout=ATTEMPT_S) as response:
            body = response.read(ENTRY_MAX + 1)
            rest, headers = response.length, response.headers
    except urllib.error.HTTPError as problem:
        problem.close()
        text = f"{thing.name}: {thing.url} answers {problem.code}"
        if problem.code == 429:
            wait = wait_of(problem.headers)
            raise Again(f"{text}: too many requests", ASKED_TO_WAIT_S if wait is None else wait) from None
        if problem.code >= 500:
            raise Again(text, wait_of(problem.headers)) from None
        raise Failure(f"{text}: the service does not know this platform, or the address is wrong") from None
    except (OSError, http.client.HTTPException, ValueError) as problem:
        reason = problem.reason if isinstance(problem, urllib.error.URLError) else problem
        raise Again(f"{thing.name}: {thing.url}: {reason or type(problem).__name__}") from None
    if len(body) > ENTRY_MAX:
        raise Failure(f"{thing.name}: {thing.url} sends more than {ENTRY_MAX} bytes")
    if rest:
        raise Again(f"{thing.name}: {thing.url}: the answer is cut {rest} bytes before its end")
    return entry_of(thing, body, headers)


def entry_of(thing: Thing, body: bytes, headers: http.client.HTTPMessage) -> Entry:
    """An answer as endorsements. Again."""
    if thing.kind == CRL and re.fullmatch(rb"[0-9A-Fa-f]+\s*", body):
        with contextlib.suppress(ValueError):
            body = bytes.fromhex(body.decode("ascii"))  # Intel's caching service gives the root's list like that
    entry = [(thing.kind, body)]
    if thing.chain:
        chain = urllib.parse.unquote_to_bytes(headers.get(thing.header) or "")
        if not chain or len(chain) > CHAIN_MAX:
            raise Again(f"{thing.name}: {thing.url} does not say who signed it (header {thing.header})")
        entry.append((thing.chain, chain))
    return entry


# ---- the cache ----


class Cache:
    """A folder with one file per thing: its wire form.

    Args:
        folder: is made when it is not there.
        fresh_s: age up to which nobody is asked.
    """

    def __init__(self, folder: str, fresh_s: float) -> None:
        self.folder, self.fresh_s = folder, fresh_s
        os.makedirs(folder, mode=0o700, exist_ok=True)

    def path(self, name: str) -> str:
        """Of a file."""
        return os.path.join(self.folder, name)

    def read(self, thing: Thing) -> tuple[Entry, float, float] | None:
        """Content, end and age of a thing; None when there is none that can be used."""
        try:
            with open(self.path(thing.name), "rb") as file:
                data = file.read(ANSWER_MAX)
                age = max(0.0, time.time() - os.fstat(file.fileno()).st_mtime)
            entry = read_entry(data)
            return entry, end_of_entry(thing, entry), age
        except (OSError, ValueError, Failure):
            return None

    def write(self, name: str, data: bytes) -> None:
        """Readers see the old or the new file, also after a crash. A full disk is a warning: the answer is there."""
        try:
            self._tidy()
            handle, path = tempfile.mkstemp(prefix=".new-", dir=self.folder)
            try:
                with open(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(path, self.path(name))
            except BaseException:
                os.unlink(path)
                raise
        except OSError as problem:
            say(f"{name} is not kept in {self.folder}: {problem.strerror}")

    def _tidy(self) -> None:
        """Room for one more; what a killed run left goes."""
        with os.scandir(self.folder) as entries:
            files = sorted((entry.stat().st_mtime, entry.path) for entry in entries if entry.is_file(follow_symlinks=False))
        halves = [path for moment, path in files if os.path.basename(path).startswith(".new-") and moment < time.time() - 3600]
        for path in halves + [path for _, path in files[:-KEPT_MAX + 1]]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def asked_to_wait(self, url: str) -> float:
        """Until when a service asked not to be asked; 0: it did not."""
        try:
            with open(self.path(wait_name(url)), encoding="ascii") as file:
                until = float(file.read(32))
        except (OSError, ValueError):
            return 0.0
        return until if time.time() < until < time.time() + 3601 else 0.0


def wait_name(url: str) -> str:
    """The file that says how long a service wants to be left alone."""
    return "wait-" + re.sub(r"[^a-z0-9.-]", "_", urllib.parse.urlsplit(url).netloc.lower())[:100]


# ---- one thing ----


def say(text: str) -> None:
    """One line for the operator."""
    print("".join(c if " " <= c <= "~" else "?" for c in text)[:900], file=sys.stderr, flush=True)


def from_folder(thing: Thing) -> Entry:
    """A thing of a mirror that is a folder: what another run kept in its cache. Failure."""
    path = os.path.join(urllib.request.url2pathname(urllib.parse.urlsplit(thing.base).path), thing.name)
    try:
        with open(path, "rb") as file:
            data = file.read(ANSWER_MAX)
        entry = read_entry(data)
        end = end_of_entry(thing, entry)
    except OSError as problem:
        raise Failure(f"{path}: {problem.strerror}; run cella-collateral --cache on a machine with a network, with the same "
                      "request, and copy the folder") from None
    except (ValueError, Again):
        raise Failure(f"{path}: not what cella-collateral writes") from None
    if end < time.time():
        say(f"{thing.name} expired on {shown(end)}: clients will refuse; bring a newer one to {path}")
    return entry


@dataclass(frozen=True)
class Patience:
    """deadline: of the monotonic clock, for everything; pause_s: before the second attempt, doubled before each further one."""

    deadline: float
    pause_s: float


def fetch(opener: urllib.request.OpenerDirector, cache: Cache, thing: Thing, patience: Patience) -> Entry:
    """From the network. Failure."""
    pause, deadline, left_alone = patience.pause_s, patience.deadline, cache.asked_to_wait(thing.url)
    if left_alone:
        wait = left_alone - time.time()
        if time.monotonic() + wait >= deadline:
            raise Failure(f"{thing.name}: {thing.url} asked not to be asked before {shown(left_alone)}")
        time.sleep(max(0.0, wait))
    for attempt in range(1, ATTEMPTS + 1):
        left = deadline - time.monotonic()
        try:
            with at_most(min(ATTEMPT_S, left)):
                entry = get(opener, thing)
            end_of_entry(thing, entry)
            return entry
        except OutOfTime:
            problem = Again(f"{thing.name}: {thing.url} takes too long")
        except Again as failed:
            problem = failed
        wait = max(pause, problem.after or 0.0)
        if attempt == ATTEMPTS or time.monotonic() + wait >= deadline:
            if problem.after:
                cache.write(wait_name(thing.url), f"{time.time() + problem.after:.0f}".encode())
            raise problem
        time.sleep(wait)
        pause *= 2
    raise AssertionError("unreachable")


def obtain(opener: urllib.request.OpenerDirector, cache: Cache, thing: Thing, patience: Patience) -> Entry:
    """A thing: from the cache while it is fresh, else anew, else from the cache while it is good. Failure."""
    if thing.base.startswith("file:"):
        return from_folder(thing)
    kept = cache.read(thing)
    now = time.time()
    if kept is not None and now < kept[1] and (thing.keeps or kept[2] < cache.fresh_s):
        return kept[0]
    try:
        entry = fetch(opener, cache, thing, patience)
    except Failure as problem:
        if kept is None or kept[1] <= now:
            raise
        say(f"{problem}; the one of {shown(now - kept[2])} is used" + (
            "" if kept[1] == float("inf") else f", which is good until {shown(kept[1])}"))
        return kept[0]
    end = end_of_entry(thing, entry)
    if end < now:
        if kept is not None and now < kept[1]:
            say(f"{thing.name}: {thing.url} gives one that expired on {shown(end)}; the one that is here is used")
            return kept[0]
        say(f"{thing.name}: {thing.url} gives one that expired on {shown(end)}: clients will refuse")
        return entry
    cache.write(thing.name, written(entry))
    return entry


# ---- the program ----


def address(schemes: str) -> Callable[[str], str]:
    """A reader of a URL of one of these schemes."""

    def read(text: str) -> str:
        parts = urllib.parse.urlsplit(text)
        good = parts.scheme in schemes.split() and (parts.path.startswith("/") if parts.scheme == "file" else parts.netloc)
        if not good or not text.isascii() or not text.isprintable() or " " in text:
            raise argparse.ArgumentTypeError(f"{text!r} is not a URL of {' or '.join(schemes.split())}")
        return text.rstrip("/")

    return read


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="cella-collateral", description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    service = address("http https file")
    parser.add_argument("--cache", required=True, metavar="DIR", help="folder that keeps what was fetched")
    parser.add_argument("--intel", type=service, default=INTEL, metavar="URL", help=f"Intel's service, a PCCS, or a folder as file:///DIR (default {INTEL})")
    parser.add_argument("--intel-root-crl", type=address("http https"), metavar="URL", help="the root's revocation list (default: Intel's; of another service, its rootcacrl)")
    parser.add_argument("--amd", type=service, default=AMD, metavar="URL", help=f"AMD's service, a mirror, or a folder (default {AMD})")
    parser.add_argument("--proxy", type=address("http"), metavar="URL", help="HTTP proxy (default: https_proxy and no_proxy of the environment)")
    parser.add_argument("--seconds", type=float, default=25.0, help="for everything together (default 25)")
    parser.add_argument("--fresh", type=float, default=43200.0, metavar="S", help="age in seconds up to which the cache is not asked about again (default 43200)")
    parser.add_argument("--pause", type=float, default=0.5, metavar="S", help="before a second attempt; the third waits twice that (default 0.5)")
    parser.add_argument("words", nargs="+", metavar="WORD", help="the request")
    return parser.parse_args()


def main() -> int:
    """Run."""
    options = arguments()
    patience = Patience(time.monotonic() + options.seconds, options.pause)
    try:
        things = things_of(options.words, options)
    except Failure as problem:
        say(str(problem))
        return 2
    try:
        cache = Cache(options.cache, options.fresh)
    except OSError as problem:
        say(f"{options.cache}: {problem.strerror}")
        return 1
    opener, answer, missing = opener_of(options.proxy), b"", 0
    for thing in things:  # all of them, so that what can be had is kept for the next time
        try:
            answer += written(obtain(opener, cache, thing, patience))
        except Failure as problem:
            say(str(problem))
            missing += 1
    if missing == 0 and len(answer) > ANSWER_MAX:
        say(f"all together are {len(answer)} bytes, more than the {ANSWER_MAX} that an executor takes")
        missing += 1
    if missing:
        return 1
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
