# SPDX-License-Identifier: Apache-2.0
"""ordered_set_intersect in a cell: against sets, streams larger than memory, cancelling. Rules of lines are the unit test's."""

import random

import pytest
from set_calls import call, cancel
from zygote_driver import Limits, Streamed, ZygoteDriver

OUTPUTS = ["output_result1", "output_result2"]


@pytest.fixture(scope="module")
def zygote():
    with ZygoteDriver("python") as driver:
        yield driver


def intersect(zygote, one, two, order="ascending", limits=None):
    return call(zygote, "ordered_set_intersect", {"input_data1": one, "input_data2": two}, OUTPUTS, limits, order=order)


@pytest.mark.parametrize("order", ["ascending", "descending", "desending"])
@pytest.mark.parametrize("block", [None, 3, 5000])
def test_against_sets(zygote, order, block):
    chance = random.Random(6)
    digits = "0123456789abcdef"
    known = ["".join(chance.choice(digits) for _ in range(chance.randrange(1, 6))) for _ in range(600)]
    sides = [sorted(chance.choices(known, k=count), reverse=order != "ascending") for count in (500, 700)]
    common = set(sides[0]) & set(sides[1])
    texts = [("\n".join(text.upper() if chance.random() < 0.3 else text for text in side) + "\n").encode() for side in sides]
    report = intersect(zygote, *[text if block is None else Streamed(text, block=block) for text in texts], order)
    assert (report.status, report.result) == ("DONE", f"{len(common)} common items")
    assert [report.outputs[name] for name in OUTPUTS] == [bytes(ord("01"[text in common]) for text in side) for side in sides]


def test_streams_larger_than_memory(zygote):
    lines = b"".join(b"%016x\n" % number for number in range(4_000_000))
    report = intersect(zygote, Streamed(lines), Streamed(lines), limits=Limits(memory_bytes=56 << 20, cpu_s=30))
    assert (report.status, report.result) == ("DONE", "4000000 common items")


def test_cancel(zygote):
    lines = b"0" * 20 + b"\n"
    report = cancel(zygote, "ordered_set_intersect", {"input_data1": lines * 4_000_000, "input_data2": b"1\n"}, OUTPUTS,
                    order="ascending")
    assert report.status == "CANCELLED" and report.seconds < 5
