# SPDX-License-Identifier: Apache-2.0
"""psi against Python's sets: every form, both modes, and what parties may do wrong or with bad intent."""

import random

import pytest
from set_calls import LARGE, call, call_group, cancel, long_only
from zygote_driver import Limits, Streamed, ZygoteDriver

MODES = ["fast", "oblivious"]


@pytest.fixture(scope="module")
def zygote():
    with ZygoteDriver("python") as driver:
        yield driver


def lines(ids):
    return "".join(f"{identity}\n" for identity in ids).encode()


def expected(parties):
    """Flags for each party, and how many are common: by sets."""
    common = set.intersection(*[{identity for identity in party if identity} for party in parties])
    return [bytes(ord("01"[identity in common]) for identity in party) for party in parties], common


def check(zygote, parties, texts=None, **arguments):
    flags, common = expected(parties)
    limits = Limits(output_bytes=64 << 20)
    inputs = texts or [lines(party) for party in parties]
    report = call_group(zygote, "psi", inputs, len(parties), limits, **arguments)
    assert report.status == "DONE", report
    assert report.outputs == flags
    assert report.result == {"parties": len(parties), "common": len(common)}
    report = call_group(zygote, "psi", inputs, len(parties), limits, reveal="ids", **arguments)
    assert report.status == "DONE", report
    wanted = lines(identity.decode() for identity in sorted(identity.encode() for identity in common))
    assert report.outputs == [wanted] * len(parties)
    assert report.result == {"parties": len(parties), "common": len(common)}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 127, 128, 129, 200, 256, 257, 1000, 4097])
def test_sizes(zygote, mode, count):
    """Around what networks, batches and tables are made of."""
    chance = random.Random(count)
    parties = [[f"id-{chance.randrange(count + 1)}" for _ in range(count)] for _ in range(2)]
    check(zygote, parties, mode=mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("parties", [2, 3, 5, 32])
def test_parties(zygote, mode, parties):
    chance = random.Random(parties)
    base = [f"{number:x}" for number in range(400)]
    sets = [chance.sample(base, 390) + [f"{party}-{number}" for number in range(party * 7)] for party in range(parties)]
    for ids in sets:
        chance.shuffle(ids)
    check(zygote, sets, mode=mode)


@pytest.mark.parametrize("mode", MODES)
def test_sixty_four_parties(zygote, mode):
    """More than a task has inputs: from a script."""
    report = zygote.run(f"""
import cella
def main():
    parties = [[f"{{number}}" for number in range(party, party + 70)] for party in range(64)]
    found = cella.builtins.psi(*parties, mode={mode!r})
    return [found.returned, [flags.find(b"1111111") for flags in found.output], sum(map(sum, found.output)) - 64 * 70 * 48]
""")
    assert report.result == [{"parties": 64, "common": 7}, list(range(63, -1, -1)), 64 * 7], report


@pytest.mark.parametrize("mode", MODES)
def test_lengths(zygote, mode):
    """Ids of every size that the hash treats in its own way, alike but for one byte, and ids that begin others."""
    chance = random.Random(5)
    long = ["x" * size for size in range(1, 70)] + ["x" * size + "y" for size in range(1, 70)] + ["y" * 1000]
    check(zygote, [chance.sample(long, 100), chance.sample(long, 120), long], mode=mode)


@pytest.mark.parametrize("mode", MODES)
def test_what_an_id_is(zygote, mode):
    """Blanks around and line ends do not count; empty lines are nobody's; case does; duplicates count once."""
    one = b"\xef\xbb\xbf ann\r\n\nbob\t\nann\nCYD\n \n0\x00a\n\xff\xfe"
    two = b"bob\nann\ncyd\n\n\n0\x00a\n\xff\xfe\n0\n"
    report = call_group(zygote, "psi", [one, two], 2, mode=mode)
    assert (report.status, report.outputs, report.result) == (
        "DONE", [b"10110011", b"11000110"], {"parties": 2, "common": 4})
    report = call_group(zygote, "psi", [one, two], 2, mode=mode, reveal="ids")
    assert report.outputs == [b"0\x00a\nann\nbob\n\xff\xfe\n"] * 2


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("one, two, flags", [
    (b"", b"", [b"", b""]), (b"", b"a\n", [b"", b"0"]), (b"a", b"a", [b"1", b"1"]), (b"\n\n", b"\n", [b"00", b"0"]),
    (b"a\n" * 300, b"a\n", [b"1" * 300, b"1"]), (b"b\n", b"a\n" * 300, [b"0", b"0" * 300])])
def test_few(zygote, mode, one, two, flags):
    report = call_group(zygote, "psi", [one, two], 2, mode=mode)
    assert (report.status, report.outputs) == ("DONE", flags)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("block, count", [(7, 300), (4096, 30000), (1 << 20, 30000)])
def test_streams_of_any_pieces(zygote, mode, block, count):
    chance = random.Random(9)
    parties = [[f"{chance.randrange(count):05}" + "z" * chance.randrange(40) * chance.randrange(2) for _ in range(count)]
               for _ in range(2)]
    check(zygote, parties, [Streamed(lines(parties[0]), block=block), lines(parties[1])], mode=mode)


@pytest.mark.parametrize("mode", MODES)
def test_csv(zygote, mode):
    one = b'name,id\n"last, first",7\nx,"a""b"\ny,"two\nlines"\nz,\n'
    two = b'customer;x,"the ""id"""\n1, 7 \n2,"a""b"\n3,"two\nlines"\n4,""\n'
    report = call_group(zygote, "psi", [one, two], 2, mode=mode, form="csv", column='id|"the ""id"""')
    assert (report.status, report.outputs, report.result) == ("DONE", [b"1110", b"1110"], {"parties": 2, "common": 3})
    report = call_group(zygote, "psi", [one, two], 1, mode=mode, form="csv", column='id|"the ""id"""', reveal="ids")
    assert report.outputs == [b'7\n"a""b"\n"two\nlines"\n']
    report = call_group(zygote, "psi", [b"a,1\nb,2\n", b"c,2\nd,1\n"], 2, form="csv", column="1", header=False, mode=mode)
    assert report.outputs == [b"11", b"11"]
    report = call_group(zygote, "psi", [b"a,1\nb,2\n", b"b,2\na,1\n"], 2, form="csv", header=False, mode=mode)
    assert report.outputs == [b"11", b"11"]


@pytest.mark.parametrize("mode", MODES)
def test_who_learns_what(zygote, mode):
    """Outputs may be left out from the last on; the size only; the result says no more than the size."""
    parties = [b"a\nb\n", b"b\nc\n", b"b\nd\n"]
    report = call_group(zygote, "psi", parties, 1, mode=mode)
    assert report.outputs == [b"01"] and report.result == {"parties": 3, "common": 1}
    report = call_group(zygote, "psi", parties, 0, mode=mode, reveal="size")
    assert report.status == "DONE" and report.result == {"parties": 3, "common": 1}
    report = call_group(zygote, "psi", parties, 3, mode=mode, reveal="size")
    assert report.outputs == [b"", b"", b""]


@pytest.mark.parametrize("arguments, outputs, text", [
    ({"reveal": "all"}, 2, "'reveal' must be one of"), ({"mode": 1}, 2, "'mode' must be"), ({"more": 1}, 2, "'more'"),
    ({}, 0, "0 outputs for 2 inputs: there must be 1 to 2, or reveal='size'"), ({}, 3, "3 outputs for 2 inputs"), ({"column": "x"}, 2, "goes with form='csv'"),
    ({"form": "csv", "column": "x"}, 2, "'column'"), ({"form": "csv", "column": "a|a|a"}, 2, "is for 3 inputs, but there are 2"),
    ({"form": "csv", "column": "a,b"}, 2, "names 2 columns of one input"), ({"form": "csv", "column": '"a'}, 2, "quote does not end"),
    ({"form": "csv", "column": '"a"b'}, 2, "text behind a quote"), ({"form": "csv", "column": "a|"}, 2, "without a name"),
    ({"form": "csv", "column": "3", "header": False}, 2, "'column'"),
])
def test_refused_arguments(zygote, arguments, outputs, text):
    report = call_group(zygote, "psi", [b"a,b\n1,2\n", b"a,b\n1,2\n"], outputs, **arguments)
    assert report.status == "BAD_ARGUMENT" and text in report.message, report


def test_one_party_or_65(zygote):
    report = call_group(zygote, "psi", [b"a\n"], 1)
    assert report.status == "BAD_ARGUMENT" and "input" in report.message, report
    report = zygote.run("import cella\ndef main():\n    cella.builtins.psi(*[b'a'] * 65)")
    assert report.exception == "cella.builtins.BuiltinError" and "input" in report.message, report


@pytest.mark.parametrize("csv, text", [
    (b'id\n"a\n', "input1"), (b"id,id\n1,2\n", "input1"), (b"id\n1,2\n", "input1, row 1"), (b"\xff\n1\n", "input1"),
])
def test_refused_csv(zygote, csv, text):
    report = call_group(zygote, "psi", [b"id\n1\n", csv], 2, form="csv", column="id")
    assert report.status == "BUILTIN_FAILED" and text in report.message, report


def test_header_only_and_nothing(zygote):
    report = call_group(zygote, "psi", [b"id\n", b"id\n1\n", b""], 3, form="csv", column="id")
    assert (report.status, report.outputs) == ("DONE", [b"", b"0", b""])


def test_oblivious_ids_have_a_longest(zygote):
    for size, status in ((1024, "DONE"), (1025, "BUILTIN_FAILED")):
        report = call_group(zygote, "psi", [b"x" * size, b"x" * size], 1, mode="oblivious", reveal="ids")
        assert report.status == status
        assert status == "DONE" or "input0: has an id of 1025 bytes" in report.message


def test_a_line_beyond_what_a_stream_may_have(zygote):
    report = call_group(zygote, "psi", [Streamed(b"a\n" + b"x" * (17 << 20)), b"a"], 1)
    assert report.status == "BUILTIN_FAILED" and report.message == "input0, line 2: is longer than 16 MiB"


def test_floods_of_equal_ids(zygote):
    """What falls into one place of any table takes no longer than other ids."""
    same, other = b"same\n" * 400000, lines(range(400000))
    limits = Limits(cpu_s=60, wall_s=60, memory_bytes=512 << 20, output_bytes=16 << 20)
    times = []
    for one in (same, other):
        report = call_group(zygote, "psi", [one, one], 2, limits)
        assert report.status == "DONE" and report.outputs == [b"1" * 400000] * 2
        times.append(report.exit["user_us"])
    assert times[0] < 4 * times[1]


@pytest.mark.parametrize("mode", MODES)
def test_cancel(zygote, mode):
    many = lines(range(3_000_000))
    report = cancel(zygote, "psi", {"input0": many, "input1": many}, ["output0"], mode=mode)
    assert report.status == "CANCELLED" and report.seconds < 5


@pytest.mark.parametrize("mode", MODES)
def test_memory_limit(zygote, mode):
    report = call_group(zygote, "psi", [lines(range(3_000_000))] * 2, 1,
                        Limits(memory_bytes=64 << 20, output_bytes=16 << 20, cpu_s=30), mode=mode)
    assert report.status == "LIMIT_MEMORY", report


def test_output_limit(zygote):
    report = call(zygote, "psi", {"input0": b"a\n" * 5000, "input1": b"a"}, ["output0"], Limits(output_bytes=4999))
    assert report.status == "LIMIT_OUTPUT"


@pytest.mark.parametrize("mode", MODES)
def test_two_hundred_thousand(zygote, mode):
    chance = random.Random(3)
    parties = [[f"user-{chance.randrange(300000):07}" for _ in range(200000)] for _ in range(3)]
    check(zygote, parties, mode=mode)


@long_only
def test_ten_million(zygote):
    flags = call_group(zygote, "psi", [lines(range(10_000_000)), lines(range(5_000_000, 15_000_000))], 2, LARGE, timeout=200)
    assert flags.status == "DONE" and flags.result == {"parties": 2, "common": 5_000_000}
    assert flags.outputs == [b"0" * 5_000_000 + b"1" * 5_000_000, b"1" * 5_000_000 + b"0" * 5_000_000]
