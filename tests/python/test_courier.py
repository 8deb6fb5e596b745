# SPDX-License-Identifier: Apache-2.0
"""cella-courier between a monitor and a host that may do as it likes: inputs in memory and as streams, outputs."""

from __future__ import annotations

import os
import struct
import time

import pytest
import courier_driver as cd
import link_driver as ld
from courier_driver import FETCHED, MEMORY, STORED, STREAM, STREAMED, Courier, Object

pytestmark = pytest.mark.skipif(not cd.COURIER.exists(), reason="cella-courier is not built")
OK, BAD_TAG, BAD_DIGEST, LIMIT_OUTPUT, MISSING, STORE_FAILED, STORE_FULL = 0, 301, 303, 513, 604, 605, 606
MIB = 1 << 20


@pytest.fixture
def courier():
    with Courier() as one:
        yield one


def noise(size: int, number: int = 0) -> bytes:
    """Bytes in which every block differs."""
    block = os.urandom(65536)
    return b"".join(struct.pack(">IQ", number, at) + block[12:] for at in range(0, size, 65536))[:size]


def content_of(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size + 1, 0)


def memory_file(content: bytes) -> int:
    file = os.memfd_create("output")
    view = memoryview(content)
    while view:
        view = view[os.write(file, view):]
    return file


def changed(content: bytes, place: int) -> bytes:
    place %= len(content)
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1:]


# ---- delivery ----


@pytest.mark.parametrize("segment", cd.SEGMENTS)
def test_every_size_arrives_either_way(courier, segment):
    plain, head = cd.SEGMENTS[segment] - 16, 40
    sizes = [0, 1, plain - head - 1, plain - head, plain - head + 1, 2 * plain - head, 2 * plain - head + 1]
    objects = [Object(noise(size, size), form, segment) for size in sizes for form in (MEMORY, STREAM)]
    courier.fetch(*objects)
    status, _, _, descriptors = courier.wait(FETCHED)
    assert status == OK and len(descriptors) == len(objects)
    for one, descriptor in zip(objects, descriptors):
        found = content_of(descriptor) if one.form == MEMORY else courier.read(descriptor)
        assert found == one.plain, (segment, len(one.plain), one.form)
    assert courier.wait(STREAMED)[:2] == (OK, 0)


def test_streams_are_told_from_memory_files_and_come_in_order(courier):
    objects = [Object(b"one", STREAM), Object(b"two"), Object(b"three", STREAM), Object(b"four")]
    courier.fetch(*objects)
    _, _, _, descriptors = courier.wait(FETCHED)
    kinds = [os.readlink(f"/proc/self/fd/{one}").split(":")[0] for one in descriptors]
    assert [kind == "pipe" for kind in kinds] == [True, False, True, False]
    assert courier.read(descriptors[0]) == b"one" and courier.read(descriptors[2]) == b"three"
    assert courier.wait(STREAMED)[0] == OK


def test_without_streams_nothing_is_streamed(courier):
    courier.fetch(Object(b"one"))
    assert courier.wait(FETCHED)[0] == OK
    assert courier.silent()
    courier.store(("a" * 32, memory_file(b"x"), 10, False))
    assert courier.wait(STORED)[0] == OK


def test_streams_flow_at_the_same_time(courier):
    """A script may read them in any order, or by turns."""
    objects = [Object(noise(5 * MIB, number), STREAM) for number in range(4)]
    courier.fetch(*objects)
    _, _, _, pipes = courier.wait(FETCHED)
    for at in range(0, 5 * MIB, MIB):
        for number in (3, 1, 0, 2):
            assert courier.read(pipes[number], MIB) == objects[number].plain[at:at + MIB]
    assert [courier.read(pipe) for pipe in pipes] == [b""] * 4
    assert courier.wait(STREAMED)[0] == OK


def test_the_first_bytes_come_before_the_last_are_sent(courier):
    one = Object(noise(8 * MIB), STREAM)

    def half(self, stream):
        stream.send(struct.pack(">IQ", 0, len(one.there)) + one.there[:4 * MIB])

    courier.obey = half
    courier.fetch(one)
    _, _, _, (pipe,) = courier.wait(FETCHED)
    assert courier.read(pipe, 2 * MIB) == one.plain[:2 * MIB]


def test_it_decrypts_ahead_of_the_reader_and_no_further(courier):
    """A reader that pauses costs the courier no memory: the host gets no credit."""
    small, large = Object(noise(3 * MIB), STREAM), Object(noise(40 * MIB), STREAM)
    with Courier() as other:
        other.fetch(small)
        _, _, _, (pipe,) = other.wait(FETCHED)
        assert other.silent()
        before = other.peak_kib()
    courier.fetch(large)
    _, _, _, (pipe,) = courier.wait(FETCHED)
    assert courier.silent(0.5)
    stream = next(iter(courier.link.streams.values()))
    assert len(stream.unsent) > 35 * MIB  # pipe, a segment of plaintext, a segment being collected, a window
    assert courier.peak_kib() < before + 2048
    assert courier.read(pipe) == large.plain
    assert courier.wait(STREAMED)[0] == OK
    assert courier.peak_kib() < before + 2048


def test_a_reader_that_leaves_does_not_stop_the_check(courier):
    objects = [Object(noise(6 * MIB), STREAM), Object(noise(6 * MIB, 1), STREAM)]
    courier.fetch(*objects)
    _, _, _, (first, second) = courier.wait(FETCHED)
    assert courier.read(first, 1000) == objects[0].plain[:1000]
    os.close(first)
    assert courier.read(second) == objects[1].plain
    assert courier.wait(STREAMED)[0] == OK


def test_a_reader_that_leaves_does_not_hide_a_wrong_object(courier):
    one = Object(noise(6 * MIB), STREAM)
    one.there = changed(one.registered, -1)
    courier.fetch(one)
    _, _, _, (pipe,) = courier.wait(FETCHED)
    os.close(pipe)
    assert courier.wait(STREAMED)[:2] == (BAD_DIGEST, 0)


def test_outputs_may_follow_streams(courier):
    one = Object(noise(3 * MIB), STREAM)
    courier.fetch(one)
    _, _, _, (pipe,) = courier.wait(FETCHED)
    courier.store(("a" * 32, memory_file(b"result"), 100, False))
    assert courier.silent()  # nothing is stored while a stream is under way
    assert "a" * 32 not in courier.objects
    assert courier.read(pipe) == one.plain
    assert courier.wait(STREAMED)[0] == OK
    assert courier.wait(STORED)[0] == OK
    assert cd.opened_of(b"o" * 32, courier.objects["a" * 32], b"output") == b"result"


def test_the_monitor_leaves_in_mid_stream(courier):
    courier.fetch(Object(noise(6 * MIB), STREAM))
    _, _, _, (pipe,) = courier.wait(FETCHED)
    courier.monitor.close()
    courier.process.wait(10)
    content = courier.read(pipe)
    assert len(content) < 6 * MIB  # what was in the pipe, then its end


# ---- a hostile host ----

TRICKS = {
    "flip first": lambda good: changed(good, 0), "flip in the first segment": lambda good: changed(good, 1000),
    "flip in the middle": lambda good: changed(good, len(good) // 2), "flip last": lambda good: changed(good, -1),
    "zeros": lambda good: bytes(len(good)), "swapped": lambda good: good[:MIB] + good[2 * MIB:3 * MIB] + good[MIB:2 * MIB] + good[3 * MIB:],
    "other file": lambda good: os.urandom(len(good)),
}
SIZES = {"cut": lambda good: good[:-1], "one segment": lambda good: good[:MIB], "empty": lambda good: b"", "longer": lambda good: good + b"x"}


@pytest.mark.parametrize("form", [MEMORY, STREAM])
@pytest.mark.parametrize("trick", [*TRICKS, *SIZES])
def test_other_bytes(courier, trick, form):
    """The reader gets what is authentic and never the last segment; the monitor is told before the stream ends."""
    fine, one = Object(b"fine", form), Object(noise(4 * MIB), form)
    one.there = {**TRICKS, **SIZES}[trick](one.registered)
    courier.fetch(fine, one)
    if form == MEMORY:
        assert courier.wait(FETCHED)[:2] == (BAD_DIGEST, 1)
        return
    status, _, _, pipes = courier.wait(FETCHED)
    assert status == OK
    os.set_blocking(pipes[1], False)
    content = bytearray()
    while not cd.ready([courier.monitor], [], 0)[0]:
        courier.step(0.001)
        try:
            block = os.read(pipes[1], MIB)
        except BlockingIOError:
            continue
        assert block or cd.ready([courier.monitor], [], 0)[0], "the stream ended before the monitor knew why"
        content += block
    assert courier.wait(STREAMED)[:2] == (BAD_DIGEST, 1)
    content += courier.read(pipes[1])
    assert one.plain.startswith(bytes(content)) and len(content) <= len(one.plain) - 4 * 16


@pytest.mark.parametrize("form", [MEMORY, STREAM])
def test_a_file_that_its_key_does_not_open(courier, form):
    """What the host delivers is what was registered: it is not to blame."""
    one = Object(noise(3 * MIB), form)
    one.registered = one.there = changed(one.registered, 2 * MIB + 5)
    courier.fetch(one)
    kind = FETCHED if form == MEMORY else STREAMED
    if form == STREAM:
        _, _, _, (pipe,) = courier.wait(FETCHED)
        assert len(courier.read(pipe)) < 2 * MIB
    assert courier.wait(kind)[:2] == (BAD_TAG, 0)


@pytest.mark.parametrize("form", [MEMORY, STREAM])
@pytest.mark.parametrize("said, told", [(MISSING, MISSING), (STORE_FAILED, STORE_FAILED), (701, STORE_FAILED), (BAD_TAG, STORE_FAILED), (99999, STORE_FAILED)])
def test_what_a_host_says_instead_of_an_object(courier, form, said, told):
    """It can withhold; it can not put words into the executor's mouth."""
    courier.obey = lambda self, stream: stream.send(struct.pack(">I", said))
    courier.fetch(Object(b"x", form))
    if form == STREAM:
        assert courier.wait(FETCHED)[0] == OK
    assert courier.wait(FETCHED if form == MEMORY else STREAMED)[:2] == (told, 0)


@pytest.mark.parametrize("form", [MEMORY, STREAM])
@pytest.mark.parametrize("sent", [0, 3, 4, 12, 13, 500_000, 3 * MIB])
@pytest.mark.parametrize("how", ["reset", "end"])
def test_the_host_breaks_off(courier, form, sent, how):
    one = Object(noise(4 * MIB), form)

    def broken(self, stream):
        stream.send((struct.pack(">IQ", 0, len(one.there)) + one.there)[:sent])

    courier.obey = broken
    courier.fetch(one)
    pipes = courier.wait(FETCHED)[3] if form == STREAM else []
    while not courier.link.streams:
        courier.step()
    stream = next(iter(courier.link.streams.values()))
    courier.silent(0.05)
    stream.cancel(STORE_FAILED) if how == "reset" else stream.end()
    assert all(len(courier.read(pipe)) < sent for pipe in pipes) or sent == 0
    status, index, _, _ = courier.wait(STREAMED if form == STREAM else FETCHED)
    assert status in ((STORE_FAILED,) if how == "reset" else (MISSING, BAD_DIGEST)) and index == 0


@pytest.mark.parametrize("form", [MEMORY, STREAM])
def test_more_than_was_promised(courier, form):
    """However much a host sends, the courier has enough after the registered size."""
    one = Object(noise(MIB), form)
    courier.obey = lambda self, stream: stream.send(struct.pack(">IQ", 0, len(one.there)) + one.there + bytes(8 * MIB))
    courier.fetch(one)
    if form == STREAM:
        courier.wait(FETCHED)
    assert courier.wait(STREAMED if form == STREAM else FETCHED)[:2] == (BAD_DIGEST, 0)


def test_a_stalling_host_is_the_monitors_to_judge(courier):
    """The courier waits; it leaves as soon as the monitor, which holds the task's wall-clock limit, closes."""
    courier.obey = lambda self, stream: None
    courier.fetch(Object(noise(MIB), STREAM))
    courier.wait(FETCHED)
    assert courier.silent()
    courier.monitor.close()
    courier.process.wait(10)


def test_the_host_dies_in_mid_stream(courier):
    one = Object(noise(8 * MIB), STREAM)
    courier.fetch(one)
    _, _, _, (pipe,) = courier.wait(FETCHED)
    assert courier.read(pipe, 1000)
    courier.link.sock.close()
    assert struct.unpack(">BIH", courier.monitor.recv(100)) == (STREAMED, 601, 0)
    os.close(pipe)


def test_noise_on_the_link(courier):
    courier.fetch(Object(noise(MIB), STREAM))
    courier.wait(FETCHED)
    courier.link.write(b"\xff" * 100)
    assert courier.wait(STREAMED)[0] == 602


# ---- outputs ----


def padded(size: int) -> int:
    """Padmé, from its paper: PoPETS 2019."""
    if size < 256:
        return 256
    exponent = size.bit_length() - 1
    unit = 1 << exponent - exponent.bit_length()
    return -(-size // unit) * unit


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 1000, MIB - 57, MIB - 56, MIB - 55, 3 * MIB + 12345])
@pytest.mark.parametrize("pad", [False, True])
def test_outputs_of_every_size(courier, size, pad):
    content = noise(size)
    file = memory_file(content)
    courier.store(("a" * 32, file, size, pad))
    status, _, more, _ = courier.wait(STORED)
    assert status == OK
    sealed = courier.objects["a" * 32]
    assert more[:32] == cd.hashlib.sha256(sealed).digest()
    assert struct.unpack(">QQ", more[32:]) == (len(sealed), size)
    want = content + bytes(padded(size) - size) if pad else content
    assert cd.opened_of(b"o" * 32, sealed, b"output") == want


def test_an_output_is_used_up(courier):
    """Its memory is given back while it goes, so that a large one is not there twice."""
    file = memory_file(noise(16 * MIB))
    courier.store(("a" * 32, file, 16 * MIB, False))
    assert courier.wait(STORED)[0] == OK
    assert os.fstat(file).st_blocks * 512 <= 4096


def test_an_output_above_its_limit(courier):
    """The limit holds for what the script wrote, not for what padding adds."""
    courier.store(("a" * 32, memory_file(bytes(1000)), 1000, True), ("b" * 32, memory_file(bytes(1001)), 1000, True))
    assert courier.wait(STORED)[:2] == (LIMIT_OUTPUT, 1)
    assert courier.objects == {} and set(courier.deleted) >= {"a" * 32}


@pytest.mark.parametrize("said, told", [(STORE_FULL, STORE_FULL), (STORE_FAILED, STORE_FAILED), (703, STORE_FAILED)])
@pytest.mark.parametrize("size", [10, 8 * MIB])
def test_the_host_stores_nothing(courier, said, told, size):
    def refuse(self, stream):
        if stream.kind == ld.PUT and self.name_of(stream) == "b" * 32:
            stream.send(struct.pack(">I", said))
            stream.end()
        else:
            self.serve(stream)

    courier.obey = refuse
    courier.store(("a" * 32, memory_file(b"x"), 10, False), ("b" * 32, memory_file(bytes(size)), size, False))
    assert courier.wait(STORED)[:2] == (told, 1)
    assert courier.objects == {}


def test_what_nobody_reads_is_deleted(courier):
    """The monitor gives up between the last byte and its reading of STORED."""
    names = ["a" * 32, "b" * 32]
    courier.store(*[(name, memory_file(noise(100_000)), MIB, False) for name in names])
    while len(courier.objects) < 2:
        courier.step()
    for _ in range(20):
        courier.step()
    courier.monitor.close()
    while courier.process.poll() is None:
        courier.step()
    assert courier.objects == {} and courier.deleted == names


def test_what_was_stored_when_the_monitor_leaves_is_deleted(courier):
    """In the middle of the second output."""
    courier.store(("a" * 32, memory_file(b"x"), 10, False), ("b" * 32, memory_file(noise(8 * MIB)), 8 * MIB, False))
    while "a" * 32 not in courier.objects:
        courier.step()
    courier.monitor.close()
    while courier.process.poll() is None:
        courier.step()
    assert courier.objects == {}


def test_what_was_read_stays(courier):
    courier.store(("a" * 32, memory_file(b"x"), 10, False))
    assert courier.wait(STORED)[0] == OK
    courier.monitor.close()
    assert courier.process.wait(10) == 0
    courier.step()
    assert list(courier.objects) == ["a" * 32] and courier.deleted == []


def test_a_host_that_stalls_does_not_keep_a_courier_for_ever(courier):
    def stall(self, stream):
        if stream.kind != ld.DELETE:
            self.serve(stream)

    courier.obey = stall
    courier.store(("a" * 32, memory_file(b"x"), 10, False))
    while not courier.objects:
        courier.step()
    courier.silent(0.1)
    courier.monitor.close()
    assert courier.process.wait(15) == 0


# ---- the monitor's side ----


@pytest.mark.parametrize("message", [b"\x01", b"\x01\x00\x21", b"\x01\x00\x01" + bytes(10), b"\x01\x00\x00x"])
def test_malformed_fetch(courier, message):
    courier.monitor.send(message)
    assert courier.wait(FETCHED)[0] in (201, 502)


@pytest.mark.parametrize("message", [b"\x03\x00\x01", b"\x03", b"\x02\x00\x00", b"\x07"])
def test_other_messages_end_it(courier, message):
    courier.monitor.send(message)
    assert courier.process.wait(10) == 1


def test_fetch_comes_once(courier):
    courier.fetch(Object(b"x", STREAM))
    _, _, _, (pipe,) = courier.wait(FETCHED)
    assert courier.read(pipe) == b"x"
    assert courier.wait(STREAMED)[0] == OK
    courier.fetch(Object(b"y"))
    assert courier.process.wait(10) == 1


def test_an_unknown_form_or_segment(courier):
    one = Object(b"x")
    one.form = 3
    courier.fetch(one)
    assert courier.wait(FETCHED)[:2] == (201, 0)


def test_memory_is_flat():
    """As much for many segments as for one, streams and outputs included."""
    peaks = []
    for size in (2 * MIB, 48 * MIB):
        with Courier() as courier:
            one = Object(noise(size), STREAM)
            courier.fetch(one)
            _, _, _, (pipe,) = courier.wait(FETCHED)
            assert courier.read(pipe) == one.plain
            assert courier.wait(STREAMED)[0] == OK
            courier.store(("a" * 32, memory_file(one.plain), size, True))
            assert courier.wait(STORED)[0] == OK
            peaks.append(courier.peak_kib())
    assert peaks[1] < peaks[0] + 2048


def test_it_runs_in_its_box(courier):
    courier.fetch(Object(b"x"))
    courier.wait(FETCHED)
    status = open(f"/proc/{courier.process.pid}/status").read()
    assert "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status


def test_it_deletes_what_it_is_told_and_leaves(courier):
    names = [os.urandom(16).hex() for _ in range(100)]
    courier.objects = {name: b"x" for name in [*names[:50], "f" * 32]}
    courier.monitor.send(struct.pack(">BH", cd.DELETE, 100) + b"".join(ld.field_of(name.encode()) for name in names))
    courier.monitor.close()  # as the monitor does: it waits for nothing
    end = time.monotonic() + 20
    while courier.process.poll() is None and time.monotonic() < end:
        courier.step()
    assert courier.process.returncode == 0
    assert courier.deleted == names and list(courier.objects) == ["f" * 32]
