# SPDX-License-Identifier: Apache-2.0
"""cella-fetch against a place on loopback that behaves in every way: whom it speaks to, how much it takes, for how long."""

from __future__ import annotations

import doctest
import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import Page, Place

PROGRAM = Path(__file__).resolve().parents[2] / "host" / "fetch.py"
NOT_ALLOWED, NOT_FOUND, TOO_LARGE, TIMEOUT, FAILED = 3, 4, 5, 6, 7
BODY = bytes(range(256)) * 40


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()
    made.pages["/data/x"] = Page(BODY)
    yield made
    made.close()


def fetch(
    url: str, *allowed: str, size: int = len(BODY), private: bool = True, seconds: float = 20, extra: tuple[str, ...] = (),
    **environment: str,
) -> tuple[int, bytes, str]:
    """Exit status, what it wrote, what it said."""
    words = [PROGRAM, "--size", str(size), "--seconds", str(seconds), "--pause", "0.01", *extra]
    words += ["--private"] * private + [word for one in allowed for word in ("--from", one)]
    done = subprocess.run(words, input=url.encode(), capture_output=True, timeout=60, env={"PATH": os.environ["PATH"], **environment})
    return done.returncode, done.stdout, done.stderr.decode()


def test_its_documentation_is_true() -> None:
    spec = importlib.util.spec_from_file_location("fetch", PROGRAM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["fetch"] = module
    spec.loader.exec_module(module)
    assert doctest.testmod(module).failed == 0 and doctest.testmod(module).attempted > 3


def test_an_object(place: Place) -> None:
    for allowed in (place.url, place.url + "/", place.url + "/data", place.url + "/data/", place.url + "/data/x"):
        assert fetch(f"{place.url}/data/x", allowed) == (0, BODY, "")
    place.pages["/data/x?key=s3cret"] = Page(BODY, declared=-1)  # to the end of the connection
    assert fetch(f"{place.url}/data/x?key=s3cret", "http://other.example", place.url) == (0, BODY, "")


@pytest.mark.parametrize(("path", "allowed"), [
    ("/data/x", []), ("/data/x", ["/dat"]), ("/data/x", ["/data/x/"]), ("/data/x", ["/other"]), ("/data/../x", ["/data"]),
    ("/data/%2e%2e/x", ["/data"]), ("/data%2fx", ["/"]), ("/data/./x", ["/"]), ("/data/x#part", ["/"]), ("/data/\u00e4", ["/"]),
    ("/data/x y", ["/"]), ("/data\\x", ["/"]), ("/data/x\n/etc", ["/"]),
])
def test_a_place_that_is_not_allowed(place: Place, path: str, allowed: list[str]) -> None:
    status, out, said = fetch(place.url + path, *(place.url + one for one in allowed))
    assert (status, out) == (NOT_ALLOWED, b"") and said and not place.asked


@pytest.mark.parametrize("url", [
    "file:///etc/passwd", "ftp://127.0.0.1/x", "http://", "", "//127.0.0.1/x", "http:///x", "HTTP://127.0.0.1@evil/x", "data:,x",
    "http://127.0.0.1:99999/x", "http://127.0.0.1:x/", "gopher://127.0.0.1/",
])
def test_what_is_no_url(place: Place, url: str) -> None:
    status, out, _ = fetch(url, place.url)
    assert (status, out) == (NOT_ALLOWED, b"") and not place.asked


def test_scheme_host_and_port_belong_to_a_place(place: Place) -> None:
    for allowed in (place.url.replace("http", "https"), place.url.replace("127.0.0.1", "127.0.0.2"), "http://127.0.0.1"):
        assert fetch(f"{place.url}/data/x", allowed)[0] == NOT_ALLOWED
    assert not place.asked


def test_private_addresses_are_refused_unless_they_are_allowed(place: Place) -> None:
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",
                 "100.64.0.1", "[fd00::1]", "[fe80::1]", "[64:ff9b::7f00:1]", "224.0.0.1", "2130706433", "0x7f.1"):
        url = f"http://{host}:{place.port}/data/x"
        status, out, said = fetch(url, f"http://{host}:{place.port}", private=False)
        assert (status, out) == (NOT_ALLOWED, b""), (host, said)
        assert "fetch_private" in said
    assert not place.asked


def test_each_redirection_is_judged(place: Place) -> None:
    place.pages["/data/a"] = Page(status=302, headers={"Location": "/data/b"})
    place.pages["/data/b"] = Page(status=307, headers={"Location": f"{place.url}/data/x"})
    assert fetch(f"{place.url}/data/a", f"{place.url}/data")[:2] == (0, BODY)
    assert place.asked == ["/data/a", "/data/b", "/data/x"]
    other = Place()
    other.pages["/data/x"] = Page(BODY)
    try:
        for target in (f"{other.url}/data/x", "/elsewhere", "file:///etc/passwd", "//169.254.169.254/data/x", "/data/../x"):
            place.pages["/data/a"] = Page(b"not this", status=301, headers={"Location": target})
            assert fetch(f"{place.url}/data/a", f"{place.url}/data")[:2] == (NOT_ALLOWED, b""), target
        assert not other.asked
    finally:
        other.close()
    place.pages["/data/a"] = Page(status=302, headers={"Location": "/data/a"})
    status, _, said = fetch(f"{place.url}/data/a", place.url)
    assert status == FAILED and "redirections" in said


@pytest.mark.parametrize(("page", "status", "says"), [
    (Page(status=404), NOT_FOUND, "404"), (Page(status=410), NOT_FOUND, "410"), (Page(status=403), NOT_FOUND, "expired"),
    (Page(status=500), FAILED, "500"), (Page(BODY, status=206), FAILED, "206"), (Page(BODY, status=203), FAILED, "203"),
    (Page(BODY + b"+"), TOO_LARGE, "registered"), (Page(BODY + b"+", declared=-1), TOO_LARGE, "registered"),
    (Page(BODY, cut=5000), FAILED, "broke off after 5000 bytes"), (Page(BODY, headers={"Content-Encoding": "gzip"}), FAILED, "encoding"),
])
def test_what_a_place_answers(place: Place, page: Page, status: int, says: str) -> None:
    place.pages["/data/x?key=s3cret"] = page
    found, out, said = fetch(f"{place.url}/data/x?key=s3cret", place.url)
    assert found == status and says in said and "s3cret" not in said
    assert BODY.startswith(out)  # never anything else


def test_less_than_was_registered_is_for_the_executor_to_judge(place: Place) -> None:
    place.pages["/data/x"] = Page(BODY[:100])
    assert fetch(f"{place.url}/data/x", place.url) == (0, BODY[:100], "")


def test_what_passes_is_tried_again(place: Place) -> None:
    place.pages["/data/x"] = [Page(status=503), Page(status=429), Page(BODY)]
    status, out, said = fetch(f"{place.url}/data/x", place.url)
    assert (status, out) == (0, BODY) and said.count("trying again") == 2
    place.pages["/data/x"] = [Page(status=503)] * 3 + [Page(BODY)]
    assert fetch(f"{place.url}/data/x", place.url)[0] == FAILED


def test_a_slow_place(place: Place) -> None:
    place.pages["/data/x"] = Page(BODY, pause_s=0.5)
    begun = time.monotonic()
    status, _, said = fetch(f"{place.url}/data/x", place.url, seconds=1.5)
    assert status == TIMEOUT and "not within 1.5 s" in said and time.monotonic() - begun < 5


def test_a_slow_reader_is_not_the_places_fault(place: Place) -> None:
    big = BODY * 100  # more than pipes hold
    place.pages["/data/x"] = Page(big)
    words = [PROGRAM, "--size", str(len(big)), "--seconds", "1.5", "--private", "--from", place.url]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{place.url}/data/x".encode())
        process.stdin.close()
        time.sleep(3)
        assert process.stdout.read() == big
        assert process.wait(20) == 0


def test_more_than_the_operator_lets_in(place: Place) -> None:
    status, out, said = fetch(f"{place.url}/data/x", place.url, extra=("--most", "100"))
    assert (status, out) == (TOO_LARGE, b"") and "fetch_max_bytes" in said and not place.asked


def test_nobody_answers() -> None:
    place = Place()
    place.close()
    status, _, said = fetch(f"{place.url}/data/x", place.url)
    assert status == FAILED and "refused" in said
    assert fetch("http://does-not-exist.invalid/x", "http://does-not-exist.invalid")[0] == FAILED


def test_proxies_of_the_environment_are_not_used(place: Place) -> None:
    assert fetch(f"{place.url}/data/x", place.url, http_proxy="http://127.0.0.1:1", all_proxy="http://127.0.0.1:1")[0] == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_certificates_are_verified(tmp_path: Path) -> None:
    both, key = tmp_path / "both.pem", tmp_path / "key.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", both], capture_output=True, check=False, timeout=60)
    assert made.returncode == 0, made.stderr
    certificate = both.read_text()
    both.write_text(certificate + key.read_text())
    place = Place(both)
    place.pages["/x"] = Page(BODY)
    try:
        status, out, said = fetch(f"{place.url}/x", place.url)
        assert (status, out) == (FAILED, b"") and "certificate" in said.lower() and not place.asked
        trusted = tmp_path / "trusted.pem"
        trusted.write_text(certificate)
        assert fetch(f"{place.url}/x", place.url, SSL_CERT_FILE=str(trusted)) == (0, BODY, "")
        local = place.url.replace("127.0.0.1", "localhost")  # the certificate has another name
        assert fetch(f"{local}/x", local, SSL_CERT_FILE=str(trusted))[0] == FAILED
    finally:
        place.close()
