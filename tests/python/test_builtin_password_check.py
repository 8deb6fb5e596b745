# SPDX-License-Identifier: Apache-2.0
"""password_check: Teaclave's answers."""

import random

import pytest
from set_calls import call, cancel
from zygote_driver import Limits, Streamed, ZygoteDriver

LIST = b"123456\nsecret\npassw\xc3\xb6rd\n\n spaced out \nlast"


@pytest.fixture(scope="module")
def zygote():
    with ZygoteDriver("python") as driver:
        yield driver


def check(zygote, password, exposed, name="password_check", limits=None, **arguments):
    return call(zygote, name, {"password": password, "exposed_passwords": exposed}, [], limits, **arguments)


@pytest.mark.parametrize("name", ["password_check", "builtin-password-check"])
@pytest.mark.parametrize("password, result", [
    (b"secret", "true"), (b"secret\n", "true"), (b" secret\t\r\nsecond line\n", "true"), (b"Secret", "false"), (b"secre", "false"),
    (b"secrets", "false"), (b"passw\xc3\xb6rd", "true"), (b"spaced out", "true"), (b"last", "true"), (b"123456", "true"),
    (b"other\nsecret\n", "false"), (b"\xff\x00", "false"), (b"x" * 100000, "false")])
def test_answers(zygote, name, password, result):
    report = check(zygote, password, LIST, name)
    assert (report.status, report.result) == ("DONE", result)


@pytest.mark.parametrize("password", [b"", b"\n", b" \t\r\nsecret\n"])
def test_no_password(zygote, password):
    report = check(zygote, password, LIST)
    assert (report.status, report.message) == ("BUILTIN_FAILED", "password, line 1: is empty")


def test_an_empty_list(zygote):
    assert check(zygote, b"a", b"").result == "false"


def test_each_of_many(zygote):
    """Against a set, from memory and from a stream."""
    chance = random.Random(1)
    known = ["".join(chance.choice("abc") for _ in range(chance.randrange(1, 40))) for _ in range(3000)]
    exposed = "\n".join(known).encode()
    for number in range(60):
        password = chance.choice(known) if number % 2 else "".join(chance.choice("abc") for _ in range(6))
        source = Streamed(exposed, block=1000) if number % 3 == 0 else exposed
        assert check(zygote, password.encode(), source).result == str(password in known).lower()


def test_arguments(zygote):
    assert "'word'" in check(zygote, b"a", b"a", word="x").message
    report = call(zygote, "password_check", {"password": b"a"}, [])
    assert report.status == "BAD_ARGUMENT" and "'exposed_passwords'" in report.message


def test_a_stream_larger_than_memory(zygote):
    exposed = b"".join(b"password-%d\n" % number for number in range(8_000_000))
    report = check(zygote, b"password-7999999", Streamed(exposed), limits=Limits(memory_bytes=64 << 20, cpu_s=20))
    assert (report.status, report.result) == ("DONE", "true")


def test_cancel(zygote):
    report = cancel(zygote, "password_check", {"password": b"a", "exposed_passwords": b"abcdefgh\n" * 20_000_000}, [])
    assert report.status == "CANCELLED" and report.seconds < 5
