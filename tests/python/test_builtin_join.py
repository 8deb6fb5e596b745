# SPDX-License-Identifier: Apache-2.0
"""join against nested loops over Python's csv, and bad input."""

import csv
import io
import itertools
import random

import pytest
from set_calls import LARGE, call_group, cancel, csv_text as text, long_only
from zygote_driver import Limits, Streamed, ZygoteDriver


@pytest.fixture(scope="module")
def zygote():
    with ZygoteDriver("python") as driver:
        yield driver


def rows_of(data):
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def joined(tables, keys, left):
    """All combinations, by loops: keys of the first table, then each table's other columns."""
    others = [[column for column in range(len(table[0])) if column not in keys[place]] for place, table in enumerate(tables)]
    header = [tables[0][0][key] for key in keys[0]]
    header += [table[0][column] for table, columns in zip(tables, others, strict=True) for column in columns]
    out = [header]
    indexes = []
    for table, key in zip(tables, keys, strict=True):
        index = {}
        for row in table[1:]:
            index.setdefault(tuple(row[column] for column in key), []).append(row)
        indexes.append(index)
    for row in tables[0][1:]:
        key = tuple(row[column] for column in keys[0])
        found = [index.get(key, []) if all(key) else [] for index in indexes[1:]]
        if left:
            found = [match or [[""] * len(tables[place + 1][0])] for place, match in enumerate(found)]
        for combination in itertools.product(*found):
            out.append(list(key) + [each[column] for each, columns in zip([row, *combination], others, strict=True)
                                    for column in columns])
    return out


def table(chance, name, rows, values, extra):
    key = ["id", "branch"]
    head = [*key, *[f"{name}{column}" for column in range(extra)]]
    order = list(range(len(head)))
    chance.shuffle(order)
    lines = [[chance.choice(values), chance.choice("ab"), *[chance.choice(["", "x", "a,b", 'q"q', "two\nlines", "é", " s "])
                                                            for _ in range(extra)]] for _ in range(rows)]
    return [[line[place] for place in order] for line in [head, *lines]]


@pytest.mark.parametrize("how", ["inner", "left"])
@pytest.mark.parametrize("parties", [2, 3, 5])
@pytest.mark.parametrize("keys", [["id"], ["branch", "id"]])
def test_against_loops(zygote, how, parties, keys):
    chance = random.Random(parties)
    values = [f"k{number}" for number in range(60)] + ["", "a,b", 'q"', " k1"]
    tables = [table(chance, f"t{party}", chance.randrange(20, 60), values, party % 3 + 1) for party in range(parties)]
    places = [[part[0].index(key) for key in keys] for part in tables]
    report = call_group(zygote, "join", [text(part) for part in tables], 1, on=",".join(keys), how=how)
    assert report.status == "DONE", report
    wanted = joined(tables, places, how == "left")
    got = rows_of(report.outputs[0])
    if keys == ["id"]:  # the column branch is in all of them
        assert got[0].count("0.branch") == 1 and got[0].count("1.branch") == 1
        got[0] = [name.partition(".")[2] if name[1:].startswith(".branch") else name for name in got[0]]
    assert got == wanted
    assert report.result == {"parties": parties, "records": len(wanted) - 1}


def test_against_pandas(zygote):
    """Many to many: pandas' merge has the same records; with left, in the same order."""
    pandas = pytest.importorskip("pandas")
    chance = random.Random(4)
    one = text([["id", "a"], *[[chance.randrange(300), number] for number in range(1000)]])
    two = text([["id", "b"], *[[chance.randrange(300), number] for number in range(500)]])
    for how in ("inner", "left"):
        report = call_group(zygote, "join", [one, two], 1, on="id", how=how)
        frame = pandas.read_csv(io.BytesIO(one), dtype=str).merge(pandas.read_csv(io.BytesIO(two), dtype=str), on="id", how=how)
        got, wanted = report.outputs[0].decode().splitlines(), frame.to_csv(index=False).splitlines()
        assert got == wanted if how == "left" else (got[0], sorted(got[1:])) == (wanted[0], sorted(wanted[1:]))


ANN = b"id,name,city\n1,ann,Bern\n2,bob,\n3,\"cyd, d\",Rome\n"
AGE = b"customer,age,name\n3,37,x\n1,41,\"y\"\"\"\n9,1,z\n"


@pytest.mark.parametrize("columns, outputs, wanted", [
    ("0.name|1.age", 2, [b"id,name\n1,ann\n3,\"cyd, d\"\n", b"id,age\n1,41\n3,37\n"]),
    ("1.*,0.city", 1, [b"id,age,name,city\n1,41,\"y\"\"\",Bern\n3,37,x,Rome\n"]),
    ("0.name,1.name", 1, [b"id,0.name,1.name\n1,ann,\"y\"\"\"\n3,\"cyd, d\",x\n"]),
    ("", 3, [b"id,0.name,city,age,1.name\n1,ann,Bern,41,\"y\"\"\"\n3,\"cyd, d\",Rome,37,x\n"] * 3),
    ("1.customer", 2, [b"id,customer\n1,1\n3,3\n"] * 2),
])
def test_who_gets_what(zygote, columns, outputs, wanted):
    report = call_group(zygote, "join", [ANN, AGE], outputs, on="id|customer", columns=columns)
    assert (report.status, report.outputs, report.result) == ("DONE", wanted, {"parties": 2, "records": 2})


def test_without_keys_and_headers(zygote):
    report = call_group(zygote, "join", [ANN, AGE], 1, on="id|customer", columns="1.age", keys=False)
    assert report.outputs == [b"age\n41\n37\n"]
    report = call_group(zygote, "join", [b"1,a\n2,b\n", b"x,2\ny,1\nz,1\n"], 1, on="0|1", header=False)
    assert report.outputs == [b"1,a,y\n1,a,z\n2,b,x\n"]
    report = call_group(zygote, "join", [b"1,a\n2,b\n", b"x,2\ny,1\n"], 1, on="0|1", header=False, columns="1.0,0.1")
    assert report.outputs == [b"1,y,a\n2,x,b\n"]


def test_names_that_need_quotes(zygote):
    one = b'"the id","a|b"\n1,2\n'
    two = b'"x, ""y""",n\n1,3\n'
    report = call_group(zygote, "join", [one, two], 1, on='the id|"x, ""y"""', columns='"0.a|b",1.n')
    assert report.outputs == [b"the id,a|b,n\n1,2,3\n"]


def test_missing_keys_have_no_partner(zygote):
    one, two = b'id,a\n,1\n"",2\n3,3\n', b'id,b\n,4\n"",5\n3,6\n'
    report = call_group(zygote, "join", [one, two], 1, on="id")
    assert report.outputs == [b'id,a,b\n"",2,5\n3,3,6\n']
    report = call_group(zygote, "join", [one, two], 1, on="id", how="left")
    assert report.outputs == [b'id,a,b\n,1,\n"",2,5\n3,3,6\n']


def test_fields_of_two_keys_do_not_run_together(zygote):
    report = call_group(zygote, "join", [b"a,b\nx,yz\n", b"a,b\nxy,z\n"], 1, on="a,b")
    assert report.outputs == [b"a,b\n"] and report.result["records"] == 0


@pytest.mark.parametrize("block", [3, 1000, 1 << 20])
def test_streams(zygote, block):
    count = 100 if block == 3 else 20000
    one = text([["id", "a"], *[[number, "x" * (number % 50)] for number in range(count)]])
    two = text([["b", "id"], *[[number * 3, number] for number in range(0, count, 2)]])
    report = call_group(zygote, "join", [Streamed(one, block=block), Streamed(two, block=block)], 1, on="id")
    assert report.status == "DONE", report
    assert report.outputs == [text([["id", "a", "b"], *[[number, "x" * (number % 50), number * 3]
                                                        for number in range(0, count, 2)]])]


@pytest.mark.parametrize("one, two, text", [
    (b"", b"id\n1\n", "input0: is empty"), (b"id\n1\n", b"", "input1: is empty"), (b"id\n1\n", b"id\n1,2\n", "input1, row 1"),
    (b"id\n1,2\n", b"id\n1\n", "input0, row 1"), (b'id\n"1\n', b"id\n1\n", "input0"), (b"id\n\xff\n", b"id\n1\n", "input0, row 1"),
    (b"id,id\n", b"id\n", "input0"),
])
def test_bad_csv(zygote, one, two, text):
    report = call_group(zygote, "join", [one, two], 1, on="id")
    assert report.status == "BUILTIN_FAILED" and text in report.message, report


def test_header_only_and_one_row(zygote):
    report = call_group(zygote, "join", [b"id,a\n", b"id,b\n1,2\n"], 1, on="id")
    assert (report.status, report.outputs) == ("DONE", [b"id,a,b\n"])
    report = call_group(zygote, "join", [b"id,a\n1,3", b"id,b\n1,2"], 1, on="id")
    assert report.outputs == [b"id,a,b\n1,3,2\n"]


@pytest.mark.parametrize("arguments, text", [
    ({}, "'on' is missing"), ({"on": ""}, "'on'"), ({"on": 3}, "'on'"), ({"on": "nothing"}, "'on'"), ({"on": "id|id|id"}, "for 3 inputs"),
    ({"on": "id,a|id"}, "names 2 columns of input0 and 1 of input1"), ({"on": "id", "how": "outer"}, "'how'"),
    ({"on": "id", "columns": "a"}, "'a' is not the number of an input"), ({"on": "id", "columns": "2.a"}, "names input 2"),
    ({"on": "id", "columns": "0.x"}, "'columns'"), ({"on": "id", "columns": "0.a|1.b"}, "is for 2 outputs, but there are 1"),
    ({"on": "id", "columns": "0."}, "'columns'"), ({"on": "id", "columns": "9999999999999999999.a"}, "not the number"),
    ({"on": "0", "header": 1}, "'header'"), ({"on": "id", "what": 1}, "'what'"),
    ({"on": ",".join(["id"] * 300)}, "names more than 256 columns"),
])
def test_bad_arguments(zygote, arguments, text):
    report = call_group(zygote, "join", [b"id,a\n1,2\n", b"id,b\n1,2\n"], 1, **arguments)
    assert report.status == "BAD_ARGUMENT" and text in report.message, report


def test_an_output_without_columns(zygote):
    report = call_group(zygote, "join", [b"id\n1\n", b"id\n1\n"], 1, on="id", keys=False)
    assert report.status == "BAD_ARGUMENT" and "leaves no column for output0" in report.message


@pytest.mark.parametrize("streamed", [False, True])
def test_million_times_million(zygote, streamed):
    """What can not fit is refused with what makes it, not written up to the limit."""
    same = b"id,a\n" + b"1,x\n" * 1_000_000
    limits = Limits(output_bytes=8 << 20, memory_bytes=1 << 30, cpu_s=20)
    report = call_group(zygote, "join", [Streamed(same, block=1 << 20) if streamed else same, same], 1, limits, on="id")
    assert report.status == "LIMIT_OUTPUT"
    assert report.message == (
        "the join would have 1000000000000 records ('output0': 6000000000000 bytes of at most 8388608). The key of input0, "
        "row 1, is in 1000000 of its records and 1000000 of input1's: remove duplicates, join on more columns or raise the limit")
    assert not streamed or report.outputs[0] in (b"", b"id,0.a,1.a\n")


@pytest.mark.parametrize("how", ["inner", "left"])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("parties", [2, 3])
def test_size_is_counted_exactly(zygote, how, streamed, parties):
    """A limit of exactly the result's size is enough; with one byte less it is refused, with the number of records."""
    chance = random.Random(parties)
    values = [f"k{number}" for number in range(9)] + ["", "only"]
    fields = ["", "x", "a,b", 'q"q', "two\nlines", "é", " s "]
    tables = [text([["id", f"a{party}", f"b{party}"],
                    *[[chance.choice(values[:10 - party]), chance.choice(fields), chance.choice(fields)] for _ in range(40)]])
              for party in range(parties)]
    inputs = [Streamed(tables[0]) if streamed else tables[0], *tables[1:]]
    arguments = {"on": "id", "how": how, "columns": "0.a0,1.a1,1.b1,1.a1|0.*,1.*|1.b1"}
    whole = call_group(zygote, "join", inputs, 3, **arguments)
    assert whole.status == "DONE", whole
    sizes = [len(content) - len(content.partition(b"\n")[0]) - 1 for content in whole.outputs]
    place = sizes.index(max(sizes))
    exact = call_group(zygote, "join", inputs, 3, Limits(output_bytes=len(whole.outputs[place])), **arguments)
    assert (exact.status, exact.outputs) == ("DONE", whole.outputs)
    report = call_group(zygote, "join", inputs, 3, Limits(output_bytes=sizes[place] - 1), **arguments)
    assert report.status == "LIMIT_OUTPUT"
    assert f"{whole.result['records']} records ('output{place}': {sizes[place]} bytes of at most {sizes[place] - 1})" in report.message


def test_which_key_makes_them(zygote):
    one = b"id\n" + b"a\n" * 3 + b"b\nb\n" + b"a\n" * 2
    two, three = b"id\n" + b"a\n" * 10 + b"b\n" * 20, b"id\n" + b"b\n" * 30 + b"c\n" * 50
    report = call_group(zygote, "join", [one, two, three], 1, Limits(output_bytes=1000), on="id", how="left")
    assert "would have 1250 records ('output0': 2500 bytes" in report.message  # 5 * 10 of a, 2 * 20 * 30 of b
    assert "The key of input0, row 4, is in 2 of its records and 30 of input2's" in report.message


def test_more_records_than_there_are_numbers(zygote):
    many = b"id\n" + b"1\n" * 2000
    report = call_group(zygote, "join", [many] * 8, 1, Limits(memory_bytes=1 << 30), on="id")
    assert "would have more than 18446744073709551615 records" in report.message
    assert report.message.endswith("or raise the limit")


def test_a_long_text_in_many_records(zygote):
    """Not only many combinations make a large result."""
    one, two = b"id\n" + b"1\n" * 10000, b"id,a\n1," + b"x" * 100000 + b"\n"
    report = call_group(zygote, "join", [one, two], 1, on="id")
    assert "10000 records ('output0': 1000030000 bytes of at most 16777216)" in report.message


def test_in_a_script(zygote):
    """There the memory is the limit, and what was done before goes on."""
    report = zygote.run("""
import cella
def main(a):
    try:
        cella.builtins.join(a.buffer(), a.buffer(), on="id")
    except cella.builtins.BuiltinError as error:
        return str(error)
""", inputs={"a": b"id\n" + b"1\n" * 100000}, limits=Limits(memory_bytes=256 << 20))
    assert report.status == "DONE", report
    assert report.result.startswith(
        f"join: the join would have 10000000000 records ('output0': 20000000000 bytes of at most {256 << 20})")


def test_cancel(zygote):
    one, two = b"id\n" + b"1\n" * 1000, b"id\n" + b"1\n" * 400000
    report = cancel(zygote, "join", {"input0": one, "input1": two}, ["output0"], on="id")
    assert report.status == "CANCELLED" and report.seconds < 5


def test_memory_limit(zygote):
    large = b"id,a\n" + b"".join(b"%d,%d\n" % (number, number) for number in range(1_000_000))
    report = call_group(zygote, "join", [large, large], 1, Limits(memory_bytes=64 << 20, cpu_s=20), on="id")
    assert report.status == "LIMIT_MEMORY", report


@long_only
def test_ten_million(zygote):
    one = b"id\n" + b"".join(b"%d\n" % number for number in range(10_000_000))
    two = b"id,b\n" + b"".join(b"%d,y\n" % number for number in range(9_999_999, -1, -1))
    report = call_group(zygote, "join", [one, two], 1, LARGE, timeout=300, on="id")
    assert report.status == "DONE" and report.result["records"] == 10_000_000
    assert report.outputs[0].startswith(b"id,b\n0,y\n1,y\n")
