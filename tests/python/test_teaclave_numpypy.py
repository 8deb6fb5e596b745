# SPDX-License-Identifier: Apache-2.0
"""_numpypy of Teaclave's form against an oracle: lists of Python's floats, added up as a textbook's loop does."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from zygote_driver import ZygoteDriver

pytest.importorskip("numpy", reason="NO NUMPY: _numpypy was not tried")

from cella.runtime import _teaclave_modules  # noqa: E402

settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")
package = _teaclave_modules.make("_numpypy")
np, umath = package.multiarray, package.umath

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # overflow and NaN are among what is tried
FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=64)
SMALL = st.floats(-1e100, 1e100)


def bits(values) -> list[bytes]:
    """The floats' bits, NaNs made alike."""
    return [struct.pack("<d", math.nan if math.isnan(x) else x) for x in values]


def flat(rows) -> list:
    return [x for row in rows for x in row]


def matrix(rows: int, columns: int, elements=FLOATS):
    return st.lists(st.lists(elements, min_size=columns, max_size=columns), min_size=rows, max_size=rows)


@st.composite
def factors(draw):
    """Two matrices whose product exists."""
    m, k, n = (draw(st.integers(1, 6)) for _ in range(3))
    if draw(st.booleans()):
        k = draw(st.integers(7, 60))  # the other way to add up
    return draw(matrix(m, k)), draw(matrix(k, n))


def by_hand(a: list, b: list) -> list:
    """Sum of products in ascending order, every step rounded."""
    total = a[0] * b[0]
    for x, y in zip(a[1:], b[1:]):
        total += x * y
    return total


@given(factors())
def test_dot_adds_in_ascending_order(pair):
    a, b = pair
    expected = [[by_hand(row, column) for column in zip(*b)] for row in a]
    product = np.array(a).dot(np.array(b))
    assert product.shape == (len(a), len(b[0]))
    assert bits(flat(product.tolist())) == bits(flat(expected))
    vector = [row[0] for row in b]
    assert bits(np.array(a).dot(np.array(vector)).tolist()) == bits(by_hand(row, vector) for row in a)
    assert bits(np.array(vector).dot(np.array(b)).tolist()) == bits(by_hand(vector, column) for column in zip(*b))
    assert bits([np.dot(np.array(a[0]), np.array(vector))]) == bits([by_hand(a[0], vector)])


def test_both_ways_to_add_up_give_the_same_bits():
    a = np.array([[math.sin(i * 7 + j) * 10 ** (j % 9) for j in range(50)] for i in range(8)])
    whole = a.dot(a.T)  # 64 results over 50 steps: one way
    for i in range(8):
        for j in range(8):
            assert bits([a[i].dot(a[j])]) == bits([whole[i, j]])  # 1 result over 50 steps: the other
    assert bits(a.T[:, 0:1].T.dot(a.T[:, 0:1])[0].tolist()) == bits([whole[0, 0]])


@given(st.lists(FLOATS, min_size=1, max_size=300))
def test_sum_adds_in_ascending_order(values):
    total = values[0]
    for x in values[1:]:
        total += x
    assert bits([np.array(values).sum()]) == bits([total])


@given(st.integers(1, 5).flatmap(lambda n: matrix(n, 4)))
def test_sums_and_extremes_along_an_axis(rows):
    a = np.array(rows)

    def total(values):
        found = values[0]
        for x in values[1:]:
            found += x
        return found

    assert bits(a.sum(0).tolist()) == bits(total(column) for column in zip(*rows))
    assert bits(a.sum(1).tolist()) == bits(total(row) for row in rows)
    assert bits([a.sum()]) == bits([total(flat(rows))])
    assert a.max(0).tolist() == [max(column) for column in zip(*rows)]
    assert a.min(1).tolist() == [min(row) for row in rows]


OPERATORS = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "<": lambda a, b: a < b,
             ">=": lambda a, b: a >= b, "==": lambda a, b: a == b}


@given(st.sampled_from(sorted(OPERATORS)), st.integers(1, 4).flatmap(lambda n: st.tuples(matrix(3, n), matrix(1, n))),
       st.one_of(FLOATS, st.integers(-9, 9)))
def test_operators(name, pair, number):
    do = OPERATORS[name]
    rows, (row,) = pair
    a, b = np.array(rows), np.array(row)
    assert flat(do(a, b).tolist()) == pytest.approx([do(x, y) for line in rows for x, y in zip(line, row)], abs=0, rel=0,
                                                    nan_ok=True)
    assert flat(do(a, number).tolist()) == [do(x, number) for x in flat(rows)]
    assert flat(do(number, a).tolist()) == [do(number, x) for x in flat(rows)]
    assert flat((-a).tolist()) == [-x for x in flat(rows)]


@given(st.lists(FLOATS.filter(lambda x: x != 0), min_size=1), st.one_of(SMALL, st.integers(-9, 9)))
def test_division(values, number):
    expected = []
    for x in values:
        assume(abs(x) > 1e-200)
        expected.append(number / x)
    assert bits((number / np.array(values)).tolist()) == bits(expected)


@given(matrix(3, 4))
def test_shape_and_places(rows):
    a = np.array(rows)
    assert (a.shape, a.size, a.ndim, len(a), str(a.dtype)) == ((3, 4), 12, 2, 3, "float64")
    assert a.T.shape == (4, 3) and a.T[1, 2] == rows[2][1]
    assert a.reshape(2, -1).shape == (2, 6) and a.reshape(-1, 1)[5, 0] == flat(rows)[5]
    assert a[1].tolist() == rows[1] and a[1].T.shape == (4,) and a[2][3] == a[2, 3] == rows[2][3]
    a[0, 1] = 5
    a[1, 1] = a[0, 1] + 1
    assert (a[0, 1], a[1, 1]) == (5.0, 6.0)
    total = a[0, 1] + 1
    assert total == 6.0 and isinstance(total, float) and total < 7 and 1 - a[0, 1] == -4.0


@given(st.lists(st.lists(st.floats(allow_nan=False), min_size=2, max_size=2), min_size=1, max_size=5))
def test_array_from_numeric_strings(rows):
    texts = [[repr(x) if i % 2 else f"  {x!r}\n" for i, x in enumerate(row)] for row in rows]
    assert np.array(texts).tolist() == np.array(rows).tolist() == rows


@given(st.lists(st.floats(), max_size=20))
def test_frombuffer(values):
    text = struct.pack(f"<{len(values)}d", *values).decode("latin-1")
    a = np.frombuffer(text)
    assert bits(a.tolist()) == bits(values) and a.shape == (len(values),)
    for cut in range(1, 8):
        if text:
            with pytest.raises(ValueError):
                np.frombuffer(text[:-cut])
    if values:
        a[0] = 1.5  # its own memory
        assert a[0] == 1.5


def python_2(value: float) -> str:
    """str of a float in Python 2: 12 significant digits, at least one decimal."""
    text = format(value, ".12g")
    return text if any(letter in text for letter in ".ein") else text + ".0"


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(st.floats(), min_size=n, max_size=n), min_size=1)))
def test_texts(rows):
    written = [python_2(x) for x in flat(rows)]
    a = np.array(rows)
    assert str(a) == f"[{' '.join(written)}]" == str(a.reshape(-1)) and "%s" % a == str(a)
    assert repr(a) == f"array([{', '.join(written)}])"


@pytest.mark.parametrize("values, text", [
    ([1, 0.25, 3e-7], "[1.0 0.25 3e-07]"), ([], "[]"), ([0.1 + 0.2, 1 / 3], "[0.3 0.333333333333]"),
    ([1e11, 1e12, 123456789012345.0], "[100000000000.0 1e+12 1.23456789012e+14]"), ([-0.0, 1e16], "[-0.0 1e+16]"),
    ([[[1], [2]], [[3], [4]]], "[1.0 2.0 3.0 4.0]"), ([float("nan"), float("-inf")], "[nan -inf]"),
    ([0.0001, 0.00001], "[0.0001 1e-05]"), (list(range(2000)), "[" + " ".join(f"{i}.0" for i in range(2000)) + "]"),
])
def test_texts_as_written_down(values, text):
    assert str(np.array(values)) == text


def test_other_names():
    assert np.zeros(3).tolist() == [0, 0, 0] and np.empty((2, 1)).tolist() == [[0], [0]]
    assert str(np.arange(3)) == "[0 1 2]" and np.arange(0.5, 2, 0.5).tolist() == [0.5, 1, 1.5]
    assert str(np.concatenate((np.zeros((1, 2)), np.array([[1, 2]])))) == "[0.0 0.0 1.0 2.0]"
    a = np.array([3, -1, 2])
    assert str(np.where(a > 0, a, 0)) == "[3.0 0.0 2.0]" and str(np.where(a > 0)[0]) == "[0 2]"
    assert np.count_nonzero(a > 0) == 2 and (a > 0).sum() == 2 and str(a > 0) == "[True False True]"
    assert np.zeros(0).sum() == 0 and np.zeros((0, 2)).sum(0).tolist() == [0, 0]
    assert np.zeros((2, 0)).dot(np.zeros((0, 3))).tolist() == [[0] * 3] * 2


UNARY = {"exp": (math.exp, -700, 700), "log": (math.log, 1e-300, 1e300), "sqrt": (math.sqrt, 0, 1e300),
         "sin": (math.sin, -100, 100), "cos": (math.cos, -100, 100), "tanh": (math.tanh, -30, 30),
         "absolute": (abs, -1e300, 1e300), "floor": (math.floor, -1e300, 1e300), "ceil": (math.ceil, -1e300, 1e300)}


@given(st.sampled_from(sorted(UNARY)), st.data())
def test_functions_of_elements(name, data):
    function, low, high = UNARY[name]
    values = data.draw(st.lists(st.floats(low, high), min_size=1, max_size=20))
    found = getattr(umath, name)(np.array(values))
    assert found.tolist() == pytest.approx([function(x) for x in values], rel=1e-14, abs=1e-15)
    assert type(found) is np.ndarray and type(getattr(umath, name)(values)) is np.ndarray
    assert getattr(umath, name)(values[0]) == found[0]


def test_functions_of_two():
    a, b = np.array([1, 5, -2]), np.array([2, 3, -1])
    assert str(umath.maximum(a, b)) == "[2.0 5.0 -1.0]" and str(umath.minimum(a, 0)) == "[0.0 0.0 -2.0]"
    assert str(umath.power(a, 2)) == "[1.0 25.0 4.0]" and str(umath.isnan(a)) == "[False False False]"


@pytest.mark.parametrize("call", [
    lambda: np.array([[1, 2], [3]]), lambda: np.array(["x"]), lambda: np.frombuffer("1234567"),
    lambda: np.array([1, 2]).dot(np.array([1, 2, 3])), lambda: np.zeros((2, 3)).dot(np.zeros((2, 3))),
    lambda: np.zeros((2, 2, 2)).dot(np.zeros((2, 2))), lambda: np.zeros((2, 3)).reshape(4, -1),
    lambda: np.frombuffer("\u20ac" * 8), lambda: np.zeros(-1), lambda: np.array([1, 2]) + np.array([1, 2, 3]),
    lambda: np.zeros(3)[5], lambda: np.array([1], dtype=object), lambda: np.array([1], dtype="U1"),
    lambda: np.frombuffer("12345678", dtype=object), lambda: np.array({}), lambda: np.array([1j]),
    lambda: np.zeros("a"), lambda: np.frombuffer(None), lambda: umath.exp("x"), lambda: np.array([None]).dot("x"),
    lambda: np.dot(1, None), lambda: np.concatenate(1), lambda: np.array([1], dtype=None),
])
def test_bad_input_is_an_ordinary_error(call):
    with pytest.raises((ValueError, TypeError, IndexError)):
        call()


def test_in_a_cell():
    with ZygoteDriver("numpy") as zygote:
        report = zygote.run("""
import _numpypy
import _numpypy.umath as u
from _numpypy.multiarray import array, frombuffer
from _numpypy import multiarray, umath

def entrypoint(argv):
    a = array([["1", "2"], ["3", "4.5"]])
    try:
        import _numpypy.other as other
    except RuntimeError as e:
        return "%s %r %s %s" % (a, a.dot(a.T), e.message, u.exp(0) == _numpypy.umath.exp(0) == 1)
""", "entrypoint")
        assert report.status == "DONE", report
        assert report.result == "[1.0 2.0 3.0 4.5] array([5.0, 12.0, 12.0, 29.25]) Teaclave Not Supported True"
