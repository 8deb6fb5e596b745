# SPDX-License-Identifier: Apache-2.0
"""Streamed inputs as scripts see them, without a cell: the same answers as a file gives, read once and forward."""

import io
import json
import random
import threading

import pytest
from test_runtime_local import runtime  # noqa: F401  the fixture that imports the package

LINES = b"".join(b"%d,%s\n" % (number, b"x" * (number % 400)) for number in range(4000)) + b"without an end"


class Pipe:
    """Gives what it has in pieces of any size, as pipes do."""

    def __init__(self, content: bytes, seed: int = 0) -> None:
        self._file = io.BytesIO(content)
        self._random = random.Random(seed)

    def readinto(self, buffer) -> int:
        data = self._file.read(self._random.randint(1, max(1, len(buffer))))
        memoryview(buffer)[:len(data)] = data
        return len(data)

    def read(self, size: int) -> bytes:
        return self._file.read(size)


@pytest.fixture
def stream(runtime):  # noqa: F811
    from importlib import import_module

    streams = import_module("cella_runtime.streams")
    return lambda content, size=None, seed=0: streams.StreamInput("x", len(content) if size is None else size, Pipe(content, seed))


@pytest.mark.parametrize("seed", range(30))
def test_it_reads_as_a_file_does(stream, seed):
    content = LINES[:random.Random(seed).randrange(len(LINES))] if seed % 3 else LINES * 3
    one, other = stream(content, seed=seed), io.BytesIO(content)
    choose = random.Random(seed)
    for _ in range(300):
        size = choose.choice([-1, 0, 1, 7, 100, 5000, 70000, 300_000])
        verb = choose.choice(["read", "readline", "readinto", "seek", "next", "read1", "readinto1"])
        if verb == "read":
            if size < 0 and choose.random() < 0.9:
                continue
            assert one.read(size) == other.read(size)
        elif verb == "readline":
            assert one.readline(size) == other.readline(size)
        elif verb == "readinto":
            mine, theirs = bytearray(abs(size)), bytearray(abs(size))
            assert one.readinto(mine) == other.readinto(theirs) and mine == theirs
        elif verb == "seek":
            place = other.tell() + min(abs(size), 3000)
            assert one.seek(place) == min(place, len(content))
            other.seek(min(place, len(content)))
        elif verb == "next":
            assert next(one, b"") == next(other, b"")
        elif verb == "read1":
            data = one.read1(size)
            assert data == other.read(len(data)) and (data or size == 0 or other.tell() == len(content))
            assert size < 0 or len(data) <= size
        else:
            buffer = bytearray(abs(size))
            count = one.readinto1(buffer)
            assert buffer[:count] == other.read(count)
        assert one.tell() == other.tell()
    assert one.read() == other.read()
    assert one.read() == one.readline() == one.read1() == b"" and one.read(10) == b""


def test_what_it_is(stream):
    one = stream(b"abc")
    assert one.readable() and not one.seekable() and not one.writable()
    assert one.size == len(one) == 3 and one.tell() == 0 and not one.closed
    assert repr(one) == "<input 'x', 3 bytes, a stream>"
    with one:
        assert one.read(1) == b"a"
    for verb in (one.read, one.readline, one.tell, one.read1, lambda: one.seek(3), lambda: one.readinto(bytearray(1))):
        with pytest.raises(ValueError, match="input 'x' is closed"):
            verb()


def test_it_goes_forward_only(stream):
    one = stream(LINES)
    assert one.seek(1000) == 1000 and one.read(5) == LINES[1000:1005]
    assert one.seek(0, io.SEEK_CUR) == 1005 and one.seek(10, io.SEEK_CUR) == 1015
    with pytest.raises(io.UnsupportedOperation, match="input 'x' can not go back from byte 1015 to byte 0: it is declared as a stream"):
        one.seek(0)
    with pytest.raises(io.UnsupportedOperation, match="declare the input without stream"):
        one.buffer()
    with pytest.raises(ValueError, match="whence"):
        one.seek(0, 5)
    assert one.seek(-3, io.SEEK_END) == len(LINES) - 3 and one.read() == b"end"


def test_formats_read_everything(stream):
    assert stream(b"a,b\n1,2\n").csv() == [{"a": "1", "b": "2"}]
    assert stream(b'{"a": 1}').json() == {"a": 1}
    assert stream("é".encode()).text() == "é" and stream(b"").text() == ""
    with pytest.raises(ValueError, match="input 'x' is not JSON"):
        stream(b"{").json()
    used = stream(b"abc")
    used.read(1)
    for verb in (used.text, used.csv, used.json):
        with pytest.raises(io.UnsupportedOperation, match="after 1 bytes of it were read"):
            verb()


def test_it_works_where_files_do(stream):
    assert list(io.TextIOWrapper(stream(LINES), newline="")) == list(io.TextIOWrapper(io.BytesIO(LINES), newline=""))
    assert json.load(stream(b"[1]")) == [1]
    assert stream(LINES).readlines() == LINES.splitlines(keepends=True)
    import gzip
    import tarfile
    import zipfile

    assert gzip.open(stream(gzip.compress(LINES))).read() == LINES
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("a")
        member.size = len(LINES)
        archive.addfile(member, io.BytesIO(LINES))
    with tarfile.open(fileobj=stream(packed.getvalue()), mode="r|gz") as archive:
        assert [archive.extractfile(one).read() for one in archive] == [LINES]
    with pytest.raises((io.UnsupportedOperation, zipfile.BadZipFile)):
        zipfile.ZipFile(stream(b"PK\x05\x06" + bytes(18) + b"x" * 100_000))


def test_arrays_and_tables(stream):
    numpy = pytest.importorskip("numpy")
    pandas = pytest.importorskip("pandas")
    array = numpy.arange(100_000.0).reshape(100, 1000)
    file = io.BytesIO()
    numpy.save(file, array)
    found = stream(file.getvalue()).numpy()
    assert (found == array).all() and not found.flags.writeable
    several = io.BytesIO()
    numpy.savez(several, a=array, b=array.T)
    assert (stream(several.getvalue()).numpy()["b"] == array.T).all()
    table = pandas.DataFrame({"a": range(50_000), "b": numpy.arange(50_000) / 7})
    text = table.to_csv(index=False).encode()
    assert pandas.read_csv(stream(text)).equals(pandas.read_csv(io.BytesIO(text)))
    one = stream(text)
    parts = []
    for part in pandas.read_csv(one, chunksize=7000):
        parts.append(part)
        if len(parts) == 1:
            assert one.tell() < len(text) / 2
    assert pandas.concat(parts).equals(pandas.read_csv(io.BytesIO(text)))


@pytest.mark.parametrize("verb", [
    lambda one: one.read(), lambda one: one.read(100_000), lambda one: one.readlines(), lambda one: one.text(),
    lambda one: one.seek(100_000), lambda one: one.readinto(bytearray(100_000)), lambda one: one.readinto(bytearray(1 << 20)),
    lambda one: [one.read1(1000) for _ in range(200)], lambda one: list(one),
])
def test_an_early_end_is_an_error(stream, verb):
    with pytest.raises(OSError, match="input 'x' ended after 50000 of 100000 bytes: it was not delivered completely"):
        verb(stream(LINES[:50_000], 100_000))


def test_nothing_beyond_its_size_is_read(stream):
    for verb in (lambda one: one.read(), lambda one: b"".join(one), lambda one: one.read(1 << 20)):
        assert verb(stream(LINES, 1234)) == LINES[:1234]


def test_memory_that_does_not_suffice(runtime):  # noqa: F811
    from importlib import import_module

    class Full(Pipe):
        def read(self, size: int) -> bytes:
            raise MemoryError

    one = import_module("cella_runtime.streams").StreamInput("x", 1 << 40, Full(LINES))
    with pytest.raises(MemoryError, match=f"{1 << 40} bytes of input 'x' do not fit into the task's memory; it is a stream"):
        one.text()


def test_several_threads_share_it_without_losing_a_line(stream):
    one = stream(LINES * 5)
    found: list[bytes] = []

    def take() -> None:
        while line := one.readline():
            found.append(line)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted((LINES * 5).splitlines(keepends=True))


# ---- outputs: one writer, many libraries ----


def test_an_output_has_one_writer_at_a_time(runtime):  # noqa: F811
    output = runtime.Output("y", 1000)
    with output:
        output.write(b"a")
        with pytest.raises(ValueError, match="output 'y' is open in a with statement already; it has one writer at a time"):
            with output:
                pass
        output.write(b"b")
    assert output.getvalue() == b"ab"
    with pytest.raises(ValueError, match="closed"):
        with output:
            pass


def test_writes_of_threads_do_not_mix(runtime):  # noqa: F811
    output = runtime.Output("y", 1 << 24)
    threads = [threading.Thread(target=lambda: [output.write(b"x" * 999 + b"\n") for _ in range(300)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert output.getvalue() == (b"x" * 999 + b"\n") * 1200 and output.size == 1_200_000


def test_what_writes_files_writes_outputs(runtime):  # noqa: F811
    import csv
    import gzip
    import pickle
    import tarfile
    import zipfile

    def written(write) -> bytes:
        output = runtime.Output("y", 1 << 24)
        write(output)
        return output.getvalue()

    def with_text(write):
        def through(output):
            with io.TextIOWrapper(output, encoding="utf-8", newline="") as text:
                write(text)
        return through

    assert written(with_text(lambda text: json.dump({"a": "é"}, text))) == b'{"a": "\\u00e9"}'
    assert written(with_text(lambda text: csv.writer(text).writerows([[1, 2], [3, 4]]))) == b"1,2\r\n3,4\r\n"
    assert written(with_text(lambda text: print("one", file=text))) == b"one\n"
    assert pickle.loads(written(lambda output: pickle.dump([1], output))) == [1]

    def zipped(output):
        with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a", LINES)
            with archive.open("b", "w") as member:
                member.write(b"b")

    archive = zipfile.ZipFile(io.BytesIO(written(zipped)))
    assert archive.testzip() is None and archive.read("a") == LINES and archive.read("b") == b"b"

    def gzipped(output):
        with gzip.open(output, "wb") as file:
            file.write(LINES)

    assert gzip.decompress(written(gzipped)) == LINES

    def tarred(output):
        with tarfile.open(fileobj=output, mode="w|") as archive:
            member = tarfile.TarInfo("a")
            member.size = 3
            archive.addfile(member, io.BytesIO(b"abc"))

    assert tarfile.open(fileobj=io.BytesIO(written(tarred))).extractfile("a").read() == b"abc"


def test_what_libraries_write(runtime):  # noqa: F811
    numpy = pytest.importorskip("numpy")
    pandas = pytest.importorskip("pandas")

    def written(write) -> bytes:
        output = runtime.Output("y", 1 << 24)
        write(output)
        assert not output.closed
        return output.getvalue()

    array = numpy.arange(12.0).reshape(3, 4)
    for order in ("C", "F"):
        given = numpy.asarray(array, order=order)
        assert (numpy.load(io.BytesIO(written(lambda output: numpy.save(output, given)))) == array).all()
    assert (numpy.load(io.BytesIO(written(lambda output: numpy.savez_compressed(output, a=array))))["a"] == array).all()
    assert numpy.loadtxt(io.BytesIO(written(lambda output: numpy.savetxt(output, array)))).tolist() == array.tolist()
    assert written(lambda output: array.tofile) == b""
    table = pandas.DataFrame({"a": [1, 2], "b": ["x", "é"]})
    assert written(lambda output: table.to_csv(output, index=False)) == "a,b\n1,x\n2,é\n".encode()
    assert pandas.read_csv(io.BytesIO(written(lambda output: table.to_csv(output, index=False, compression="gzip"))), compression="gzip").equals(table)
    assert json.loads(written(lambda output: table.to_json(output))) == {"a": {"0": 1, "1": 2}, "b": {"0": "x", "1": "é"}}
    assert pandas.read_pickle(io.BytesIO(written(lambda output: table.to_pickle(output)))).equals(table)


# ---- on a client's machine ----


def test_local_runs_have_streams(tmp_path):
    from cella.local import run_local
    from cella.script import Script

    (tmp_path / "x").write_bytes(LINES)
    source = "def main(x, y, copy):\n    for line in x: copy.write(line)\n    return [x.seekable(), y.seekable(), x.tell(), y.tell()]"
    run = run_local(Script.parse(source, "x.py"), {"x": tmp_path / "x", "y": b"abc"}, ["copy"], {}, streams=["x"])
    assert run.result() == [False, True, len(LINES), 0] and run.outputs["copy"].bytes() == LINES
    import cella

    with pytest.raises(cella.ScriptError, match="declared as a stream"):
        run_local(Script.parse("def main(x):\n    x.buffer()", "x.py"), {"x": b"abc"}, [], {}, streams=["x"])
