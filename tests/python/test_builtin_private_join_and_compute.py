# SPDX-License-Identifier: Apache-2.0
"""private_join_and_compute: Teaclave's lines, sums against Python's integers."""

import random

import pytest
from set_calls import LARGE, call, cancel, long_only
from zygote_driver import Limits, Streamed, ZygoteDriver


@pytest.fixture(scope="module")
def zygote():
    with ZygoteDriver("python") as driver:
        yield driver


def compute(zygote, parties, limits=None, name="private_join_and_compute", num_user=None, timeout=60):
    report = call(zygote, name, {f"input_data{place}": content for place, content in enumerate(parties)},
                  [f"output_data{place}" for place in range(len(parties))], limits, timeout,
                  num_user=len(parties) if num_user is None else num_user)
    report.outputs = [report.outputs[f"output_data{place}"] for place in range(len(parties))]
    return report


def expected(parties):
    """With dictionaries, as Teaclave does; sorted, and without a limit."""
    read = []
    for content in parties:
        amounts = {}
        for line in content.decode().split("\n"):
            fields = [field.strip(" \t\r") for field in line.strip(" \t\r").split(":")]
            if len(line.strip(" \t\r")) >= 3 and len(fields) == 2 and fields[0]:
                try:
                    amount = int(fields[1])
                except ValueError:
                    continue
                if amount >= 0 and "_" not in fields[1]:
                    amounts[fields[0]] = amount
        read.append(amounts)
    common = set.intersection(*map(set, read))
    return "".join(f"{identity}, {sum(amounts[identity] for amounts in read)}\n"
                   for identity in sorted(common, key=str.encode)).encode()


@pytest.mark.parametrize("name", ["private_join_and_compute", "builtin-private-join-and-compute"])
def test_both_names(zygote, name):
    report = compute(zygote, [b"ann : 1\nbob : 2\n", b"bob : 40\n", b"cyd : 1\nbob:0\n"], name=name)
    assert (report.status, report.outputs) == ("DONE", [b"bob, 42\n"] * 3)
    assert report.result == "3 users join the task in total."


@pytest.mark.parametrize("parties", [2, 3, 32])
@pytest.mark.parametrize("streamed", [False, True])
def test_against_dictionaries(zygote, parties, streamed):
    """Duplicates (the last one counts), order, and lines that are passed over."""
    chance = random.Random(parties)
    odd = ["", "x", "a:", ":5", "::", "a:b:1", "no colon", "a : x", "a : -1", "a : 1.5", " : 7", "a: 1 2", "\t", "é : 3"]
    contents = []
    for _ in range(parties):
        rows = [f"{chance.choice(['', ' '])}id{chance.randrange(150)} :{chance.choice(['', ' ', '+'])}{chance.randrange(1 << 40)}"
                for _ in range(2000)] + odd * 3
        chance.shuffle(rows)
        contents.append("\r\n".join(rows).encode())
    wanted = expected(contents)
    assert wanted.count(b"\n") > 100
    report = compute(zygote, [Streamed(content, block=777) for content in contents] if streamed else contents)
    assert (report.status, report.outputs) == ("DONE", [wanted] * parties)


def test_many_sorted_by_bytes(zygote):
    chance = random.Random(2)
    rows = [f"{'prefix' * (number % 3)}{chance.randrange(10 ** 12)} : {number}\n" for number in range(50000)]
    one = "".join(rows).encode()
    chance.shuffle(rows)
    two = "".join(rows).encode()
    report = compute(zygote, [one, two])
    assert report.status == "DONE" and report.outputs == [expected([one, two])] * 2


@pytest.mark.parametrize("parties", [[b"", b""], [b"a : 1", b""], [b"", b"a : 1"], [b"a:1", b"b:1"]])
def test_nothing_in_common(zygote, parties):
    report = compute(zygote, parties)
    assert (report.status, report.outputs, report.result) == ("DONE", [b"", b""], "2 users join the task in total.")


def test_sums_of_64_bits(zygote):
    most = 2 ** 64 - 1
    report = compute(zygote, [b"a : %d" % (most - 5), b"a : 5"])
    assert report.outputs == [b"a, %d\n" % most] * 2
    report = compute(zygote, [b"a : %d" % (most - 5), b"a : 6"])
    assert report.status == "BUILTIN_FAILED" and "beyond 2^64 - 1" in report.message
    report = compute(zygote, [b"a : %d\nb : 1" % most, b"a : 1\nb : 1", b"b : 1"])
    assert report.outputs == [b"b, 3\n"] * 3, "only ids that all have count"
    report = compute(zygote, [b"a : %d" % most, b"a : 1", b"a : 0"])
    assert report.status == "BUILTIN_FAILED"
    report = compute(zygote, [b"a : 1", b"x\na : %d" % (most + 1)])
    assert report.status == "BUILTIN_FAILED" and report.message == "input_data1, line 2: the amount is beyond 2^64 - 1"
    report = compute(zygote, [b"a : " + b"9" * 5000, b"a : 1"])
    assert report.status == "BUILTIN_FAILED" and "input_data0, line 1" in report.message


@pytest.mark.parametrize("num_user", [1, 0, -1, 3, 65, 2.5, "2", None])
def test_num_user(zygote, num_user):
    report = call(zygote, "private_join_and_compute", {"input_data0": b"", "input_data1": b""}, ["output_data0", "output_data1"],
                  **({} if num_user is None else {"num_user": num_user}))
    assert report.status == "BAD_ARGUMENT" and "'num_user'" in report.message


def test_as_many_outputs(zygote):
    report = call(zygote, "private_join_and_compute", {f"input_data{place}": b"a:1" for place in range(3)},
                  ["output_data0", "output_data1"], num_user=3)
    assert report.status == "BAD_ARGUMENT" and "3 inputs and 2 outputs" in report.message


def test_cancel(zygote):
    many = b"".join(b"%d : 1\n" % number for number in range(3_000_000))
    report = cancel(zygote, "private_join_and_compute", {"input_data0": many, "input_data1": many},
                    ["output_data0", "output_data1"], num_user=2)
    assert report.status == "CANCELLED" and report.seconds < 5


def test_limits(zygote):
    many = b"".join(b"%d : 1\n" % number for number in range(1_000_000))
    report = compute(zygote, [many, many], Limits(memory_bytes=64 << 20, cpu_s=20))
    assert report.status == "LIMIT_MEMORY", report
    assert compute(zygote, [b"abc:1", b"abc:1"], Limits(output_bytes=6)).status == "LIMIT_OUTPUT"


@long_only
def test_ten_million(zygote):
    many = b"".join(b"%d : 1\n" % number for number in range(10_000_000))
    report = compute(zygote, [many, many], LARGE, timeout=200)
    assert report.status == "DONE" and report.outputs[0].startswith(b"0, 2\n1, 2\n10, 2\n100, 2\n")
