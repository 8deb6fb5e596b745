# SPDX-License-Identifier: Apache-2.0
"""cella-collateral against services on loopback that behave in every way, and cella-host around it."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import evidence_vectors as vectors
import pytest
from front_driver import programs
from test_host_process import stand_in

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "host" / "collateral.py"
HOST = Path(programs()) / "cella-host"
FMSPC = "00906ed50000"
long_only = pytest.mark.skipif(os.environ.get("CELLA_TEST_LONG") != "1", reason="takes long; ./run test --long runs it")
INTEL = ["intel", "tdx", FMSPC, "platform"]
CHIP = "5c" * 64
VCEK = ["amd", "vcek", "genoa", CHIP, "10", "0", "23", "84"]
TCB, QE = f"/tdx/certification/v4/tcb?fmspc={FMSPC}", "/tdx/certification/v4/qe/identity"
PCK_CRL, ROOT_CRL = "/sgx/certification/v4/pckcrl?ca=platform&encoding=der", "/sgx/certification/v4/rootcacrl"
KDS = "/vcek/v1/Genoa"
CHIP_CERTIFICATE = f"{KDS}/{CHIP}?blSPL=10&teeSPL=00&snpSPL=23&ucodeSPL=84"
CHAIN = b"-----BEGIN CERTIFICATE-----\r\nc29tZQ==\r\n-----END CERTIFICATE-----\r\n"


# ---- things that services have ----


def der(tag: int, *parts: bytes) -> bytes:
    """One element."""
    content = b"".join(parts)
    size = bytes([len(content)]) if len(content) < 128 else b"\x82" + len(content).to_bytes(2, "big")
    return bytes([tag]) + size + content


def revocation_list(until: float, *, general: bool = False) -> bytes:
    """Has the form of a list; nobody signed it."""
    form = "%Y%m%d%H%M%SZ" if general else "%y%m%d%H%M%SZ"
    end = der(0x18 if general else 0x17, time.strftime(form, time.gmtime(until)).encode())
    begin = der(0x17, b"250101000000Z")
    inner = der(0x30, der(2, b"\x01"), der(0x30, b"\x06\x01\x2a"), der(0x30, b"n" * 200), begin, end)
    return der(0x30, inner, der(0x30, b"\x06\x01\x2a"), der(3, b"\0signature"))


def intel_json(member: str, until: float, **more: str) -> bytes:
    """Has the form of TCB info or a QE identity; spaces as no other writer sets them."""
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until))
    return f'{{ "{member}" :{json.dumps({"nextUpdate": end, **more})},"signature":"00" }}\n'.encode()


@dataclass
class Page:
    """One answer."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    declared: int | None = None
    """Content-Length, when it is a lie."""
    pause_s: float = 0.0
    """Before each byte."""


class Service:
    """A web server with pages: path and query -> what is answered, in turn; the last one for ever."""

    def __init__(self) -> None:
        self.pages: dict[str, list[Page]] = {}
        self.asked: list[str] = []
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                service.asked.append(self.path)
                pages = service.pages.get(urllib.parse.urlsplit(self.path)._replace(scheme="", netloc="").geturl())
                page = Page(status=404) if not pages else pages.pop(0) if len(pages) > 1 else pages[0]
                self.send_response(page.status)
                for name, value in page.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(page.body) if page.declared is None else page.declared))
                self.end_headers()
                self.close_connection = True
                try:
                    for part in [page.body] if not page.pause_s else [bytes([byte]) for byte in page.body]:
                        time.sleep(page.pause_s)
                        self.wfile.write(part)
                except OSError:
                    pass

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def put(self, path: str, *pages: Page) -> None:
        """What is at a path."""
        self.pages[path] = list(pages)

    def put_intel(self, until: float, **more: str) -> dict[str, bytes]:
        """All that Intel has for a platform; the bodies by path."""
        bodies = {TCB: intel_json("tcbInfo", until, **more), QE: intel_json("enclaveIdentity", until),
                  PCK_CRL: revocation_list(until), ROOT_CRL: revocation_list(until, general=True)}
        quoted = urllib.parse.quote(CHAIN.decode())
        self.put(TCB, Page(bodies[TCB], headers={"TCB-Info-Issuer-Chain": quoted}))
        self.put(QE, Page(bodies[QE], headers={"SGX-Enclave-Identity-Issuer-Chain": quoted}))
        self.put(PCK_CRL, Page(bodies[PCK_CRL]))
        self.put(ROOT_CRL, Page(bodies[ROOT_CRL].hex().encode()))  # as Intel's caching service does
        return bodies

    def put_amd(self, until: float) -> None:
        """All that AMD has for a chip."""
        self.put(CHIP_CERTIFICATE, Page(der(0x30, b"vcek")))
        self.put(f"{KDS}/cert_chain", Page(CHAIN))
        self.put(f"{KDS}/crl", Page(revocation_list(until)))

    def close(self) -> None:
        """End it."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.close()


@dataclass
class Done:
    """What a run of the program did."""

    code: int
    out: bytes
    err: str
    seconds: float

    def parts(self) -> list[tuple[int, bytes]]:
        """The endorsements."""
        found, rest = [], self.out
        while rest:
            size = int.from_bytes(rest[1:5], "big")
            assert len(rest) >= 5 + size
            found.append((rest[0], rest[5:5 + size]))
            rest = rest[5 + size:]
        return found


Fetch = Callable[..., Done]


@pytest.fixture
def fetch(tmp_path: Path, service: Service) -> Fetch:
    """Run the program against the service, with a cache that stays over runs of a test."""

    def run(*words: str, seconds: float = 6, fresh: float = 3600, pause: float = 0.05, environment: dict[str, str] | None = None, **options: str) -> Done:
        given = {"intel": service.url, "amd": service.url, "cache": str(tmp_path / "cache"), **options}
        argv = [str(PROGRAM), f"--seconds={seconds}", f"--fresh={fresh}", f"--pause={pause}"]
        argv += [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
        begin = time.monotonic()
        done = subprocess.run([*argv, "--", *words], capture_output=True, timeout=60, check=False,
                              env={"PATH": os.environ["PATH"], **(environment or {})})
        return Done(done.returncode, done.stdout, done.stderr.decode(), time.monotonic() - begin)

    return run


def soon() -> float:
    """A time that is not yet over."""
    return time.time() + 86400


# ---- good answers ----


def test_intel(service: Service, fetch: Fetch) -> None:
    bodies = service.put_intel(soon())
    done = fetch(*INTEL)
    assert (done.code, done.err) == (0, "")
    assert done.parts() == [(3, bodies[TCB]), (4, CHAIN), (5, bodies[QE]), (6, CHAIN), (2, bodies[PCK_CRL]), (2, bodies[ROOT_CRL])]
    assert service.asked == [TCB, QE, PCK_CRL, ROOT_CRL]


def test_amd(service: Service, fetch: Fetch) -> None:
    service.put_amd(soon())
    done = fetch(*VCEK)
    assert (done.code, done.err) == (0, "")
    assert [kind for kind, _ in done.parts()] == [1, 1, 2]
    assert done.parts()[:2] == [(1, der(0x30, b"vcek")), (1, CHAIN)]
    assert service.asked == [CHIP_CERTIFICATE, f"{KDS}/cert_chain", f"{KDS}/crl"]


@pytest.mark.parametrize("words, paths", [
    (["amd", "list", "vlek", "genoa"], ["/vlek/v1/Genoa/crl"]),
    (["amd", "vcek", "turin", "ab" * 8, "1", "2", "3", "104", "5"],
     [f"/vcek/v1/Turin/{'ab' * 8}?blSPL=01&teeSPL=02&snpSPL=03&ucodeSPL=104&fmcSPL=05", "/vcek/v1/Turin/cert_chain", "/vcek/v1/Turin/crl"]),
    (["intel", "sgx", FMSPC, "processor"],
     [f"/sgx/certification/v4/tcb?fmspc={FMSPC}", "/sgx/certification/v4/qe/identity",
      "/sgx/certification/v4/pckcrl?ca=processor&encoding=der", ROOT_CRL]),
])
def test_what_is_asked(service: Service, fetch: Fetch, words: list[str], paths: list[str]) -> None:
    done = fetch(*words)
    assert done.code == 1 and service.asked == paths  # all of them, although the first is not there already
    assert done.err.count("answers 404: the service does not know this platform, or the address is wrong") == len(paths)


@pytest.mark.parametrize("words", [
    [], ["intel"], ["intel", "tdx", "00906ED50000", "platform"], ["intel", "tdx", FMSPC, "platform", "x"], ["intel", "tdx", "../../etc", "platform"],
    ["amd", "vcek", "genoa", CHIP, "10", "0", "23"], ["amd", "vcek", "genoa", CHIP, "10", "0", "23", "1000"], ["amd", "vcek", "turin", CHIP, "1", "2", "3", "4", "5"],
    ["amd", "list", "vcek", "rome"], ["--help\n", "x"], ["intel", "tdx", FMSPC + "\n", "platform"], ["intel", "tdx", "٠" * 12, "platform"],
])
def test_bad_requests(service: Service, fetch: Fetch, words: list[str]) -> None:
    done = fetch(*words)
    assert (done.code, done.out, service.asked) == (2, b"", []) and done.err


@pytest.mark.parametrize("options", [{"intel": "ftp://x"}, {"intel": "file:x"}, {"amd": "http://"}, {"proxy": "file:///x"}, {"intel": "https://a b"}])
def test_bad_addresses(fetch: Fetch, options: dict[str, str]) -> None:
    done = fetch(*INTEL, **options)
    assert done.code == 2 and "is not a URL of" in done.err


# ---- the cache ----


def test_cache_is_used_and_renewed(service: Service, fetch: Fetch, tmp_path: Path) -> None:
    service.put_intel(soon())
    first = fetch(*INTEL)
    assert sorted(os.listdir(tmp_path / "cache")) == ["intel-crl-platform", "intel-crl-root", "intel-tdx-qe", f"intel-tdx-tcb-{FMSPC}"]
    service.put_intel(soon(), edition="2")
    assert fetch(*INTEL).out == first.out and len(service.asked) == 4
    renewed = fetch(*INTEL, fresh=0)
    assert renewed.out != first.out and len(service.asked) == 8
    assert fetch(*INTEL).out == renewed.out and len(service.asked) == 8


def test_what_never_changes_is_asked_for_once(service: Service, fetch: Fetch) -> None:
    service.put_amd(soon())
    fetch(*VCEK)
    fetch(*VCEK, fresh=0)
    assert service.asked.count(CHIP_CERTIFICATE) == 1 and service.asked.count(f"{KDS}/crl") == 2


def test_without_a_network_the_cache_is_used_until_it_expires(service: Service, fetch: Fetch) -> None:
    service.put_intel(time.time() + 3)
    first = fetch(*INTEL)
    nobody = {"intel": "http://127.0.0.1:9", "intel_root_crl": "http://127.0.0.1:9/x"}
    again = fetch(*INTEL, fresh=0, seconds=0.4, **nobody)
    assert (again.code, again.out) == (0, first.out)
    assert again.err.count("is used, which is good until") == 4
    time.sleep(max(0.0, 3.2 - first.seconds - again.seconds))
    late = fetch(*INTEL, seconds=0.4, **nobody)
    assert (late.code, late.out) == (1, b"") and "refused" in late.err


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-1], lambda data: data + b"x", lambda data: b"\x07" + data[1:], lambda data: b"\xff" * 9])
def test_damaged_cache_is_fetched_anew(service: Service, fetch: Fetch, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    service.put_intel(soon())
    first = fetch(*INTEL)
    path = tmp_path / "cache" / f"intel-tdx-tcb-{FMSPC}"
    path.write_bytes(damage(path.read_bytes()))
    assert fetch(*INTEL).out == first.out
    assert service.asked.count(TCB) == 2 and len(service.asked) == 5


def test_cache_is_bounded_and_tidy(service: Service, fetch: Fetch, tmp_path: Path) -> None:
    service.put_intel(soon())
    (tmp_path / "cache").mkdir()
    for number in range(100):
        (tmp_path / "cache" / f"old-{number}").write_bytes(b"x")
        os.utime(tmp_path / "cache" / f"old-{number}", (number, number))
    (tmp_path / "cache" / ".new-abc").write_bytes(b"half")
    os.utime(tmp_path / "cache" / ".new-abc", (1, 1))
    assert fetch(*INTEL).code == 0
    names = set(os.listdir(tmp_path / "cache"))
    assert len(names) == 64 and ".new-abc" not in names and {"old-99", "intel-tdx-qe"} <= names


def test_cache_that_can_not_be_written(service: Service, fetch: Fetch, tmp_path: Path) -> None:
    service.put_intel(soon())
    (tmp_path / "file").write_bytes(b"")
    done = fetch(*INTEL, cache=str(tmp_path / "file"))
    assert done.code == 1 and str(tmp_path / "file") in done.err


# ---- a folder instead of a service ----


def test_folder_without_a_network(service: Service, fetch: Fetch, tmp_path: Path) -> None:
    service.put_intel(soon())
    service.put_amd(soon())
    first, second = fetch(*INTEL), fetch(*VCEK)
    shutil.copytree(tmp_path / "cache", tmp_path / "carried over")
    asked = len(service.asked)
    folder = "file://" + urllib.parse.quote(str(tmp_path / "carried over"))
    offline = {"intel": folder, "amd": folder, "cache": str(tmp_path / "other")}
    assert (fetch(*INTEL, **offline).out, fetch(*VCEK, **offline).out) == (first.out, second.out)
    missing = fetch("intel", "sgx", FMSPC, "platform", **offline)
    assert missing.code == 1 and "run cella-collateral --cache on a machine with a network" in missing.err
    (tmp_path / "carried over" / "intel-tdx-qe").write_bytes(b"<html>")
    assert "not what cella-collateral writes" in fetch(*INTEL, **offline).err
    assert len(service.asked) == asked


# ---- bad answers ----


@pytest.mark.parametrize("page, says", [
    (Page(b"<html>log in</html>"), "not what it should be"),
    (Page(b'{"tcbInfo":[]}'), "not what it should be"),
    (Page(b"[" * 100000), "not what it should be"),
    (Page(b'{"tcbInfo":{"nextUpdate":"tomorrow"}}'), "not what it should be"),
    (Page(b""), "not what it should be"),
    (Page(b"x" * 600000), "sends more than 524288 bytes"),
    (Page(b"{", declared=1 << 40), "cut"),
    (Page(status=500), "answers 500"),
    (Page(status=503, headers={"Retry-After": "1"}), "answers 503"),
    (Page(status=404), "answers 404"),
    (Page(status=302, headers={"Location": "file:///etc/passwd"}), "302"),
    (Page(status=302, headers={"Location": "/tdx/certification/v4/tcb"}), "404"),
], ids=lambda value: value if isinstance(value, str) else None)
def test_bad_answer_spoils_nothing_else(service: Service, fetch: Fetch, tmp_path: Path, page: Page, says: str) -> None:
    bodies = service.put_intel(soon())
    good = service.pages[TCB]
    if page.status == 200:
        page.headers["TCB-Info-Issuer-Chain"] = "x"
    service.put(TCB, page)
    done = fetch(*INTEL, seconds=8)
    assert (done.code, done.out) == (1, b"") and says in done.err and done.seconds < 8
    assert f"intel-tdx-tcb-{FMSPC}" not in os.listdir(tmp_path / "cache")
    service.pages[TCB] = good  # the next run asks for nothing but what is missing
    before = len(service.asked)
    assert fetch(*INTEL).parts()[0] == (3, bodies[TCB])
    assert service.asked[before:] == [TCB]


@pytest.mark.parametrize("path, page", [
    (PCK_CRL, Page(b"-----BEGIN X509 CRL-----")), (PCK_CRL, Page(revocation_list(soon())[:-1])), (PCK_CRL, Page(revocation_list(soon()) + b"x")),
    (PCK_CRL, Page(b"\x30\x84\xff\xff\xff\xff")), (PCK_CRL, Page(b"\x30")), (PCK_CRL, Page(der(0x30, der(0x30, der(2, b"\1"))))),
    (PCK_CRL, Page(b"abc")), (TCB, Page(intel_json("tcbInfo", soon()))),
])
def test_bad_lists_and_missing_signers(service: Service, fetch: Fetch, path: str, page: Page) -> None:
    service.put_intel(soon())
    service.put(path, page)
    done = fetch(*INTEL, seconds=1.2)
    assert (done.code, done.out) == (1, b"")
    assert "not what it should be" in done.err or "does not say who signed it (header TCB-Info-Issuer-Chain)" in done.err


def test_a_good_cache_outlives_a_bad_service(service: Service, fetch: Fetch) -> None:
    service.put_intel(soon())
    first = fetch(*INTEL)
    for page in (Page(b"<html>"), Page(status=500), Page(status=404), Page(b"x" * 600000)):
        service.put(TCB, page)
        done = fetch(*INTEL, fresh=0, seconds=1.5)
        assert (done.code, done.out) == (0, first.out) and "is used, which is good until" in done.err


def test_expired_answer(service: Service, fetch: Fetch, tmp_path: Path) -> None:
    """Handed on, because clients judge; never kept, and never in the place of one that is good."""
    bodies = service.put_intel(time.time() - 60)
    done = fetch(*INTEL)
    assert done.code == 0 and done.parts()[0] == (3, bodies[TCB])
    assert done.err.count("clients will refuse") == 4 and os.listdir(tmp_path / "cache") == []
    service.put_intel(soon())
    good = fetch(*INTEL)
    service.put_intel(time.time() - 60)
    kept = fetch(*INTEL, fresh=0)
    assert kept.out == good.out and kept.err.count("the one that is here is used") == 4


def test_again_after_a_failure(service: Service, fetch: Fetch) -> None:
    service.put_intel(soon())
    service.put(TCB, Page(status=500), Page(b"cut", declared=10), *service.pages[TCB])
    done = fetch(*INTEL, pause=0.3)
    assert (done.code, done.err, service.asked.count(TCB)) == (0, "", 3)
    assert done.seconds > 0.9  # 0.3 s, then twice that


def test_rate_limit_is_respected(service: Service, fetch: Fetch, tmp_path: Path) -> None:
    service.put_amd(soon())
    service.put(f"{KDS}/crl", Page(status=429, headers={"Retry-After": "1"}), *service.pages[f"{KDS}/crl"])
    done = fetch(*VCEK)
    assert done.code == 0 and done.seconds > 1  # a second can be waited for
    service.put(f"{KDS}/crl", Page(status=429, headers={"Retry-After": "900"}))
    done = fetch("amd", "list", "vcek", "genoa", fresh=0)
    assert done.code == 0 and "429: too many requests; the one of" in done.err and done.seconds < 3
    before = len(service.asked)
    other = fetch("amd", "list", "vcek", "milan")  # another thing of the same service
    assert other.code == 1 and "asked not to be asked before" in other.err and len(service.asked) == before
    (name,) = [name for name in os.listdir(tmp_path / "cache") if name.startswith("wait-")]
    assert 800 < float((tmp_path / "cache" / name).read_text()) - time.time() < 901
    (tmp_path / "cache" / name).write_text("9" * 30)  # damage does not silence us for ever
    service.put("/vcek/v1/Milan/crl", Page(revocation_list(soon())))
    assert fetch("amd", "list", "vcek", "milan").code == 0


@pytest.mark.parametrize("value", ["", "soon", "-5", "99999999999999"])
def test_odd_retry_after(service: Service, fetch: Fetch, tmp_path: Path, value: str) -> None:
    service.put("/vcek/v1/Milan/crl", Page(status=429, headers={"Retry-After": value}))
    assert fetch("amd", "list", "vcek", "milan", seconds=2).code == 1
    (name,) = [name for name in os.listdir(tmp_path / "cache") if name.startswith("wait-")]
    assert 0 < float((tmp_path / "cache" / name).read_text()) - time.time() <= 61


def test_slow_service_is_left_in_time(service: Service, fetch: Fetch) -> None:
    """A byte now and then gets past every time-out of a socket."""
    service.put_intel(soon())
    (page,) = service.pages[TCB]
    page.pause_s = 0.3
    done = fetch(*INTEL, seconds=2)
    assert done.code == 1 and "takes too long" in done.err and done.seconds < 4


def test_service_that_says_nothing(fetch: Fetch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        done = fetch(*INTEL, seconds=1.5, intel=f"http://127.0.0.1:{mute.getsockname()[1]}")
    assert done.code == 1 and done.seconds < 4


def test_proxy(service: Service, fetch: Fetch) -> None:
    service.put_intel(soon())
    far = {"intel": "http://intel.invalid:8080", "intel_root_crl": f"http://intel.invalid:8080{ROOT_CRL}"}
    assert fetch(*INTEL, proxy=service.url, **far).code == 0
    assert all(path.startswith("http://intel.invalid:8080/") for path in service.asked) and len(service.asked) == 4
    assert fetch(*INTEL, fresh=0, environment={"http_proxy": service.url}, **far).code == 0
    assert len(service.asked) == 8


# ---- who judges ----


def serve_vectors(service: Service, parts: list[tuple[int, bytes]]) -> None:
    """The service has what comes with a vector."""
    of = {kind: content for kind, content in parts if kind != 2}
    root, pck = [content for kind, content in parts if kind == 2]
    service.put(TCB, Page(of[3], headers={"TCB-Info-Issuer-Chain": urllib.parse.quote(of[4].decode())}))
    service.put(QE, Page(of[5], headers={"SGX-Enclave-Identity-Issuer-Chain": urllib.parse.quote(of[6].decode())}))
    service.put(PCK_CRL, Page(pck))
    service.put(ROOT_CRL, Page(root))


@pytest.mark.skipif(not (vectors.SHARED / "cases.tsv").exists(), reason="NO VECTORS: the shared folder is not here")
def test_hostile_answers_are_handed_on_and_judged_by_the_verifier(service: Service, fetch: Fetch, tmp_path: Path) -> None:
    call = vectors.accepted("tdx", "tdx/dcap-qvl/tdx_quote")
    serve_vectors(service, call.endorsements)
    done = fetch(*INTEL)
    assert done.code == 0 and call.failed(endorsements=done.parts()) == []
    true = dict((kind, content) for kind, content in call.endorsements if kind != 2)
    info = json.loads(true[3])
    lies = {
        "a signature of nobody": (3, json.dumps(info).encode()),
        "a status": (3, true[3].replace(b'"OutOfDate"', b'"UpToDate"')),
        "a later end": (3, true[3].replace(info["tcbInfo"]["nextUpdate"].encode(), b"2099-01-01T00:00:00Z")),
        "another identity": (5, true[5].replace(b'"isvprodid":2', b'"isvprodid":3')),
        "other signers": (4, CHAIN),
        "no list": (2, revocation_list(soon())),
    }
    for what, (kind, content) in lies.items():
        assert content != true.get(kind), what
        changed = [(one, content if one == kind else old) for one, old in call.endorsements]
        serve_vectors(service, changed)
        handed = fetch(*INTEL, cache=str(tmp_path / what)).parts()
        assert (kind, content) in handed, what
        assert call.failed(endorsements=handed) != [], what


# ---- cella-host ----


class Machine:
    """cella-host with a stand-in for the executor, which asks for collateral when a client says so."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.state, self.log_path = folder / "state", folder / "log"
        file = folder / "config.json"
        file.write_text(json.dumps({"state": str(self.state), **config}))
        ready, write = os.pipe()
        with open(self.log_path, "w", encoding="ascii") as log:
            self.process = subprocess.Popen(
                [HOST, "run", "--config", file, "--programs", stand_in(folder), "--ready-fd", str(write)], stderr=log, pass_fds=[write])
        os.close(write)
        with os.fdopen(ready) as pipe:
            host, _, port = pipe.readline().strip().rpartition(":")
        self.endpoint = (host, int(port))

    def ask(self, request: str, role: str = "COLLATERAL") -> bytes:
        """What the host answers to the monitor."""
        with socket.create_connection(self.endpoint, timeout=60) as client:
            client.sendall(f"{role} {request}".encode())
            answer = b""
            while piece := client.recv(65536):
                answer += piece
        return answer

    def log(self) -> str:
        """What it has said."""
        return self.log_path.read_text()

    def close(self) -> int:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    if not HOST.exists():
        pytest.skip("cella-host is not built")
    made: list[Machine] = []

    def start(**config: Any) -> Machine:
        made.append(Machine(tmp_path, **config))
        return made[-1]

    yield start
    for one in made:
        assert one.close() == 0, one.log()


def content_of(answer: bytes) -> bytes:
    """Of a good answer."""
    assert answer[:4] == bytes(4) and int.from_bytes(answer[4:12], "big") == len(answer) - 12, answer[:80]
    return answer[12:]


def status_of(answer: bytes) -> int:
    """Of another."""
    assert len(answer) == 4, answer[:80]
    return int.from_bytes(answer, "big")


def program(folder: Path, text: str) -> str:
    """A program for collateral_program."""
    path = folder / "program"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


def test_host_hands_on_what_the_program_fetched(machine: Callable[..., Machine], service: Service, fetch: Fetch) -> None:
    service.put_intel(soon(), padding="x" * 400000)  # more than fits into a window at once
    service.put_amd(soon())
    host = machine(collateral_intel=service.url, collateral_amd=service.url)
    assert content_of(host.ask(" ".join(INTEL))) == fetch(*INTEL).out
    assert content_of(host.ask(" ".join(VCEK))) == fetch(*VCEK).out
    assert "intel-tdx-qe" in os.listdir(host.state / "collateral")
    assert (host.state / "collateral").stat().st_mode & 0o777 == 0o700


def test_host_says_why_there_is_none(machine: Callable[..., Machine], service: Service) -> None:
    host = machine(collateral_intel=service.url, collateral_amd=service.url)
    assert status_of(host.ask(" ".join(VCEK))) == 405
    assert "collateral: amd-vcek-genoa-crl: " in host.log() and "answers 404" in host.log()
    assert "no collateral was fetched: the lines before this one say why" in host.log()


@pytest.mark.parametrize("request_line", ["", "intel  tdx", " intel", "intel ", "intel tdx;reboot", "intel --cache=/", "INTEL", "a " * 20 + "a"])
def test_host_takes_words_only(machine: Callable[..., Machine], tmp_path: Path, request_line: str) -> None:
    host = machine(collateral_program=program(tmp_path, f"touch {tmp_path}/ran"))
    assert status_of(host.ask(request_line)) == 201
    assert not (tmp_path / "ran").exists()


def test_only_the_monitor_may_ask(machine: Callable[..., Machine], tmp_path: Path) -> None:
    host = machine(collateral_program=program(tmp_path, f"touch {tmp_path}/ran"))
    assert host.ask("amd list vcek genoa", "FRONTCOLLATERAL") == b"RESET 602"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("text, status", [
    ("exit 1", 405), ("exit 2", 106), ("kill -9 $$", 106), ("head -c 2000000 /dev/zero", 209),
    pytest.param("echo what it says; exec sleep 60", 603, marks=long_only),
    pytest.param("exec 1>&-; exec sleep 60", 603, marks=long_only),
])
def test_host_bounds_the_program(machine: Callable[..., Machine], tmp_path: Path, text: str, status: int) -> None:
    host = machine(collateral_program=program(tmp_path, f"echo words for the log >&2; {text}"))
    assert status_of(host.ask("amd list vcek genoa")) == status
    assert "collateral: words for the log" in host.log()
    if status != 603:
        assert status_of(host.ask("amd list vcek genoa")) == status  # it is not stuck


def test_program_that_is_not_there_and_none(machine: Callable[..., Machine], tmp_path: Path) -> None:
    host = machine(collateral_program=str(tmp_path / "nothing"))
    assert status_of(host.ask("amd list vcek genoa")) == 106
    assert f"collateral_program: {tmp_path}/nothing: No such file" in host.log()


def test_nothing_is_fetched_where_the_operator_says_so(machine: Callable[..., Machine]) -> None:
    host = machine(collateral_program="none")
    assert status_of(host.ask("amd list vcek genoa")) == 405


def test_one_at_a_time_and_not_too_often(machine: Callable[..., Machine], tmp_path: Path) -> None:
    host = machine(collateral_program=program(tmp_path, "sleep 1; printf x"))
    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(host.ask("amd list vcek genoa"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [bytes(4) + (1).to_bytes(8, "big") + b"x", b"RESET 501", b"RESET 501"]
    flood = [host.ask("No words") for _ in range(70)]
    assert flood[-1] == b"RESET 501" and status_of(flood[0]) == 201


def test_host_that_ends_takes_the_program_along(machine: Callable[..., Machine], tmp_path: Path) -> None:
    host = machine(collateral_program=program(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 60"))
    asking = threading.Thread(target=lambda: host.ask("amd list vcek genoa"))
    asking.start()
    until = time.monotonic() + 20
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        assert time.monotonic() < until
        time.sleep(0.02)
    pid = int((tmp_path / "pid").read_text())
    assert host.close() == 0
    asking.join(20)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
