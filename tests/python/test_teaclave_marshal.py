# SPDX-License-Identifier: Apache-2.0
"""Module marshal of Teaclave's form: Python 2's format both ways, and nothing that hostile bytes can do."""

from __future__ import annotations

import array
import marshal as interpreters
import math
import struct
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cella.runtime._teaclave_marshal import dump, dumps, load, loads

settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")
# Made with CPython 2.7.18: marshal.dumps(value, version), as characters 0 to 255.
FROM_PYTHON_2 = [
    (None, 2, "N"), (True, 2, "T"), (False, 2, "F"), (0, 2, "i\0\0\0\0"), (-1, 2, "i\xff\xff\xff\xff"),
    (2**31 - 1, 2, "i\xff\xff\xff\x7f"), (-2**31, 2, "i\0\0\0\x80"), (2**31, 2, "I\0\0\0\x80\0\0\0\0"),
    (2**63, 2, "l\x05\0\0\0\0\0\0\0\0\0\0\0\x08\0"), (-2**100, 2, "l\xf9\xff\xff\xff" + "\0" * 12 + "\0\x04"),
    (0.5, 2, "g\0\0\0\0\0\0\xe0?"), (-0.0, 2, "g\0\0\0\0\0\0\0\x80"), (0.1, 1, "f\x130.10000000000000001"),
    ("abc", 2, "t\3\0\0\0abc"), ("\xff\0", 2, "s\2\0\0\0\xff\0"), ("\u20ac", 2, "u\3\0\0\0\xe2\x82\xac"),
    ((), 2, "(\0\0\0\0"), ((1,), 2, "(\1\0\0\0i\1\0\0\0"), ([1, [2]], 2, "[\2\0\0\0i\1\0\0\0[\1\0\0\0i\2\0\0\0"),
    ({}, 2, "{0"), ({1: [None, "x"]}, 2, "{i\1\0\0\0[\2\0\0\0Nt\1\0\0\0x0"),
    (["abc", "abc", "name", "name", {"name": 1}], 2,
     "[\5\0\0\0t\3\0\0\0abcR\0\0\0\0t\4\0\0\0nameR\1\0\0\0{R\1\0\0\0i\1\0\0\x000"),
]

KEYS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=9))
VALUES = st.recursive(
    st.one_of(KEYS, st.text("\0a\xe4\xff", max_size=50)),
    lambda inner: st.one_of(st.lists(inner), st.lists(inner).map(tuple), st.dictionaries(KEYS, inner)), max_leaves=25)


def same(a: object, b: object) -> bool:
    """Equal, and of the same types throughout."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(x, y) and same(a[x], b[y]) for x, y in zip(a, b))
    if isinstance(a, float):
        return struct.pack("<d", a) == struct.pack("<d", b)
    return a == b


@pytest.mark.parametrize("value, version, text", FROM_PYTHON_2)
def test_what_python_2_wrote_is_read(value, version, text):
    assert same(loads(text), value)


@pytest.mark.parametrize("value, version, text", [row for row in FROM_PYTHON_2 if row[1] == 2 and "t" not in row[2]])
def test_what_is_written_is_what_python_2_wrote(value, version, text):
    assert dumps(value) == text


@given(VALUES)
def test_there_and_back(value):
    text = dumps(value)
    assert same(loads(text), value) and max(map(ord, text)) < 256


@given(st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), st.tuples(st.integers(-2**31, 2**31 - 1))))
def test_the_interpreters_own_reader_agrees(value):
    """Types whose codes did not change since Python 2."""
    assert same(interpreters.loads(dumps(value).encode("latin-1")), value)


def test_nan_and_infinity():
    assert math.isnan(loads(dumps(math.nan))) and loads(dumps(-math.inf)) == -math.inf


def test_buffers_are_strings_of_their_bytes():
    raw = struct.pack("<dd", 1.0, -2.5).decode("latin-1")
    assert loads(dumps(array.array("d", [1.0, -2.5]))) == raw
    assert loads(dumps({"a": bytearray(b"\xff"), "b": memoryview(b"xyz")[::2], "c": b"\0"})) == {
        "a": "\xff", "b": "xz", "c": "\0"}


def test_numpy_arrays_and_scalars():
    numpy = pytest.importorskip("numpy", reason="NO NUMPY: arrays were not tried")
    values = numpy.arange(6.0).reshape(2, 3)
    assert loads(dumps(values)) == struct.pack("<6d", *range(6)).decode("latin-1")
    assert loads(dumps(values.T)) == struct.pack("<6d", 0, 3, 1, 4, 2, 5).decode("latin-1")
    assert loads(dumps([values[1, 2], values.sum()])) == [struct.pack("<d", x).decode("latin-1") for x in (5, 15)]
    with pytest.raises(ValueError, match="an array of Python objects"):
        dumps(numpy.array([object()]))


@pytest.mark.parametrize("value", [object(), {1}, frozenset(), 1j, dumps, (lambda: 0).__code__, [dumps], {"a": ...}, type])
def test_other_kinds_are_refused(value):
    with pytest.raises(ValueError, match="unmarshallable object: a "):
        dumps(value)


def nested(depth: int, make) -> object:
    value: object = 1
    for _ in range(depth):
        value = make(value)
    return value


@pytest.mark.parametrize("make", [lambda x: [x], lambda x: (x,), lambda x: {1: x}])
def test_depth(make):
    assert same(loads(dumps(nested(200, make))), nested(200, make))
    for depth in (202, 5000):
        with pytest.raises(ValueError, match="nested deeper than 200"):
            dumps(nested(depth, make))
    itself: list = []
    itself.append(itself)
    with pytest.raises(ValueError, match="contains itself"):
        dumps(itself)


@pytest.mark.parametrize("level", ["[\1\0\0\0", "(\1\0\0\0", "{i\0\0\0\0", "{", "{(\1\0\0\0"])
def test_a_deep_bomb(level):
    with pytest.raises(ValueError, match="nested deeper than 200"):
        loads(level * 100_000)


@pytest.mark.parametrize("code", "[(sutl")
@pytest.mark.parametrize("length", [1, 1000, 2**31 - 1])
def test_a_length_that_is_not_there(code, length):
    before = time.process_time()
    with pytest.raises(EOFError):
        loads(code + struct.pack("<i", length).decode("latin-1"))
    assert time.process_time() - before < 1


@pytest.mark.parametrize("code", "[(sutR")
def test_negative_lengths(code):
    with pytest.raises(ValueError, match="negative length"):
        loads(code + "\xff\xff\xff\xff")


@pytest.mark.parametrize("text, error, words", [
    ("", EOFError, "EOF"), ("{", EOFError, "EOF"), ("{i\1\0\0\0", EOFError, "EOF"), ("g1234567", EOFError, "EOF"),
    ("0", ValueError, "unknown type code '0'"), ("[\1\0\0\x000", ValueError, "unknown type code '0'"),
    ("{N0", ValueError, "unknown type code '0'"), ("{[\0\0\0\0N0", ValueError, "a list as a key"),
    ("{(\1\0\0\0{0N0", ValueError, "a tuple as a key"),
    ("R\0\0\0\0", ValueError, "string ref out of range"), ("u\1\0\0\0\xff", ValueError, "utf-8"),
    ("f\3abc", ValueError, "could not convert"), ("f\1\xff", ValueError, "ascii"),
    ("l\1\0\0\0\0\x80", ValueError, "digit out of range"), ("c\0\0\0\0", ValueError, "code objects are refused"),
    ("x\x030.1\x030.1", ValueError, "unknown type code 'x'"), ("\u20ac", ValueError, "above 255"),
])
def test_damaged(text, error, words):
    with pytest.raises(error, match=words):
        loads(text)


def test_code_objects_are_never_made():
    for version in range(3):
        with pytest.raises(ValueError):
            loads(interpreters.dumps(compile("1", "x", "exec"), version).decode("latin-1"))


@pytest.mark.parametrize("value", [None, b"N", 1, ["N"]])
def test_only_texts_are_read(value):
    with pytest.raises(TypeError, match=f"not {type(value).__name__}"):
        loads(value)


@given(st.binary(max_size=60))
@settings(max_examples=500)
def test_any_bytes_give_a_value_or_two_kinds_of_errors(data):
    try:
        value = loads(data.decode("latin-1"))
    except (ValueError, EOFError):
        return
    assert same(loads(dumps(value)), value) or "nan" in repr(value)


@given(VALUES, st.data())
def test_cut_short_is_an_error(value, data):
    text = dumps(value)
    with pytest.raises(EOFError):
        loads(text[:data.draw(st.integers(0, len(text) - 1))])


@given(VALUES, st.data())
def test_one_changed_byte_is_a_value_or_an_error(value, data):
    text = dumps(value)
    place = data.draw(st.integers(0, len(text) - 1))
    try:
        loads(text[:place] + chr(data.draw(st.integers(0, 255))) + text[place + 1:])
    except (ValueError, EOFError):
        pass


def test_large_numbers_take_no_more_than_their_size():
    text = "l" + struct.pack("<i", 500_000).decode("latin-1") + "\xff\x7f" * 500_000
    before = time.process_time()
    value = loads(text)
    assert value == (1 << 15 * 500_000) - 1 and dumps(value) == text
    assert time.process_time() - before < 10
    assert sys.get_int_max_str_digits() > 0  # the interpreter's own guard stays


class Opened:
    """Like a file of teaclave_open."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def read(self, count: int) -> str:
        taken, self.text = self.text[:count], self.text[count:]
        return taken


def test_several_values_in_a_file():
    file = Opened()
    for value in (1, ["a"], {"b": None}):
        dump(value, file)
    assert [load(file) for _ in range(3)] == [1, ["a"], {"b": None}]
    with pytest.raises(EOFError):
        load(file)
