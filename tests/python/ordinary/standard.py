# SPDX-License-Identifier: Apache-2.0
"""The standard library as ordinary scripts use it."""

from __future__ import annotations

import abc
import argparse
import array
import ast
import base64
import bisect
import bz2
import calendar
import collections
import colorsys
import contextlib
import copy
import csv
import dataclasses
import datetime as dt
import decimal
import difflib
import enum
import fractions
import functools
import graphlib
import gzip
import hashlib
import heapq
import hmac
import html
import inspect
import io
import itertools
import json
import logging
import lzma
import math
import operator
import pickle
import pprint
import queue
import random
import re
import shlex
import statistics
import string
import struct
import tarfile
import textwrap
import threading
import time
import traceback
import types
import typing
import unicodedata
import urllib.parse
import uuid
import warnings
import weakref
import xml.etree.ElementTree
import zipfile
import zlib
import zoneinfo
from concurrent.futures import ThreadPoolExecutor, as_completed


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntFlag):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass(order=True)
class Item:
    name: str
    price: decimal.Decimal = decimal.Decimal("0")
    tags: list[str] = dataclasses.field(default_factory=list, compare=False)
    colour: Colour = Colour.RED

    def total(self, count: int = 1) -> decimal.Decimal:
        return self.price * count


class Shape(abc.ABC):
    @property
    @abc.abstractmethod
    def area(self) -> float: ...

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.area:.2f})"


class Square(Shape):
    __slots__ = ("side",)

    def __init__(self, side: float) -> None:
        self.side = side

    @property
    def area(self) -> float:
        return self.side ** 2


Pair = typing.NamedTuple("Pair", [("left", int), ("right", int)])


@functools.lru_cache(maxsize=None)
def fibonacci(n: int) -> int:
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


@contextlib.contextmanager
def collected(into: list[str]) -> typing.Iterator[logging.Logger]:
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            into.append(self.format(record))

    logger = logging.getLogger("ordinary")
    handler = Handler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


def text_things(source: str) -> dict[str, object]:
    words = re.findall(r"(?P<word>\w+)", source)
    matched = re.match(r"(?P<first>\w+)\s+(?P<second>\w+)", source)
    root = xml.etree.ElementTree.fromstring("<a><b x='1'>t</b></a>")
    return {
        "count": collections.Counter(words).most_common(2), "groups": matched.groupdict() if matched else None,
        "wrap": textwrap.wrap(source, 20), "dedent": textwrap.dedent("  a\n    b"), "shlex": shlex.split("a 'b c' d"),
        "format": "{:>8}|{:<6}|{:^7}|{:,.2f}|{!r}".format("r", "l", "c", 1234567.891, "q"), "percent": "%05.1f %s" % (3.14159, "x"),
        "template": string.Template("$who is $what").substitute(who="a", what="b"), "html": html.escape("<a & b>"),
        "url": urllib.parse.urlencode({"q": "a b", "n": 1}), "parsed": urllib.parse.urlparse("https://x.org/p?q=1").path,
        "diff": list(difflib.unified_diff(["a", "b"], ["a", "c"], lineterm="")), "name": unicodedata.name("é"),
        "normal": unicodedata.normalize("NFD", "é").encode().hex(), "xml": [child.attrib for child in root],
        "pretty": pprint.pformat({"b": [1, 2], "a": (3,)}), "literal": ast.literal_eval("[1, {'a': (2, 3)}]") == [1, {"a": (2, 3)}],
    }


def number_things() -> dict[str, object]:
    with decimal.localcontext() as context:
        context.prec = 30
        third = str(decimal.Decimal(1) / 3)
    generator = random.Random(3)
    return {
        "third": third, "fraction": str(fractions.Fraction(0.125) + fractions.Fraction(1, 3)),
        "mean": statistics.fmean([1, 2, 4]), "quantiles": statistics.quantiles(range(9)), "median": statistics.median([3, 1, 2]),
        "regression": list(statistics.linear_regression([1, 2, 3], [2, 4, 7])), "comb": math.comb(10, 3), "dist": math.dist((0, 0), (3, 4)),
        "random": [generator.random(), generator.randint(1, 9), generator.sample(range(20), 3), generator.gauss(0, 1)],
        "fibonacci": fibonacci(60), "cache": fibonacci.cache_info().hits, "colour": colorsys.rgb_to_hsv(0.2, 0.4, 0.4),
        "heap": heapq.nsmallest(2, [5, 1, 4]), "bisect": bisect.bisect([1, 3, 5], 3), "struct": struct.pack(">IHd", 1, 2, 0.5).hex(),
        "array": array.array("d", [1, 2]).tobytes().hex(), "big": len(str(3 ** 5000)), "hex": float.hex(0.1),
    }


def time_things() -> dict[str, object]:
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    moment = dt.datetime(2024, 3, 31, 1, 30, tzinfo=dt.timezone.utc)
    local = moment.astimezone(berlin)
    missing = None
    try:
        zoneinfo.ZoneInfo("Middle/Earth")
    except zoneinfo.ZoneInfoNotFoundError as error:
        missing = type(error).__name__
    return {
        "local": local.isoformat(), "name": local.tzname(), "later": (local + dt.timedelta(days=200)).tzname(), "missing": missing,
        "old": moment.astimezone(zoneinfo.ZoneInfo("America/New_York")).strftime("%Y-%m-%d %H:%M %Z"),
        "link": dt.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo("US/Pacific")).utcoffset() / dt.timedelta(hours=1),
        "zones": len(zoneinfo.available_timezones() - {"localtime"}), "parsed": dt.datetime.strptime("3 May 2024", "%d %B %Y").isoformat(),
        "week": dt.date(2024, 12, 30).isocalendar().week, "month": calendar.monthrange(2024, 2), "leap": calendar.isleap(2100),
        "stamp": dt.datetime.fromtimestamp(0, berlin).isoformat(), "gmt": time.strftime("%j", time.gmtime(86400 * 40)),
        "pickled": pickle.loads(pickle.dumps(local)) == local,
    }


def data_things(source: str) -> dict[str, object]:
    rows = list(csv.DictReader(io.StringIO("a;b\n1;2\n3;4\n"), delimiter=";"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", source)
    with zipfile.ZipFile(packed) as archive:
        unpacked = archive.read("a.txt").decode()
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("empty"))
    item = Item("pen", decimal.Decimal("1.20"), ["blue"])
    twin = copy.deepcopy(item)
    twin.tags.append("new")
    return {
        "rows": rows, "zip": unpacked == source, "tar": len(tar.getvalue()), "gzip": gzip.decompress(gzip.compress(b"x")).decode(),
        "bz2": bz2.decompress(bz2.compress(b"y")).decode(), "lzma": lzma.decompress(lzma.compress(b"z")).decode(),
        "crc": zlib.crc32(b"abc"), "sha": hashlib.sha256(source.encode()).hexdigest(), "md5": hashlib.md5(b"").hexdigest(),
        "sha3": hashlib.sha3_256(b"a").hexdigest(), "blake": hashlib.blake2b(b"a", digest_size=8).hexdigest(),
        "hmac": hmac.new(b"k", b"m", "sha256").hexdigest(), "scrypt": hashlib.pbkdf2_hmac("sha1", b"p", b"s", 10).hex(),
        "base64": base64.urlsafe_b64encode(b"\xff\xfe").decode(), "uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, "x.org")),
        "item": json.dumps(dataclasses.asdict(item), default=str, sort_keys=True), "twin": [item.tags, twin == item],
        "pickle": pickle.loads(pickle.dumps(item, protocol=5)) == item, "order": sorted([Item("b"), Item("a")])[0].name,
        "enum": [Colour("blue").name, repr(Level.LOW | Level.HIGH)], "pair": Pair(1, 2)._asdict(), "shape": repr(Square(1.5)),
        "hints": sorted(typing.get_type_hints(Item)), "signature": str(inspect.signature(Item.total)),
        "chain": collections.ChainMap({"a": 1}, {"b": 2})["b"], "deque": list(collections.deque(range(5), 3)),
        "group": {key: len(list(items)) for key, items in itertools.groupby("aabbb")},
        "product": len(list(itertools.product("ab", repeat=3))), "reduce": functools.reduce(operator.mul, range(1, 6)),
        "topological": list(graphlib.TopologicalSorter({"c": {"b"}, "b": {"a"}}).static_order()),
        "space": types.SimpleNamespace(a=1).a, "match": describe([1, 2, 3]), "walrus": [y for x in range(5) if (y := x * x) > 3],
    }


def describe(value: object) -> str:
    match value:
        case [first, *rest]:
            return f"list {first} and {len(rest)}"
        case {"a": inner}:
            return f"dict {inner}"
        case _:
            return "other"


def running_things() -> dict[str, object]:
    lines: list[str] = []
    with collected(lines) as logger:
        logger.warning("value %d", 3)
        try:
            raise ValueError("inner")
        except ValueError:
            logger.exception("failed")
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(pow, base, 2) for base in range(6)]
        squares = sorted(future.result() for future in as_completed(futures))
        mapped = list(pool.map(str.upper, ["a", "b"]))
    waiting: queue.Queue[int] = queue.Queue()
    thread = threading.Thread(target=lambda: waiting.put(threading.active_count() > 0))
    thread.start()
    thread.join()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning)
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=4)
    square = Square(2)
    reference = weakref.ref(square)
    alive = reference() is square
    del square
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        print("caught", end="!")
    trace = traceback.format_exc()
    return {"lines": [line.splitlines()[0] for line in lines], "squares": squares, "mapped": mapped, "thread": waiting.get(),
            "warning": str(caught[0].message), "argument": parser.parse_args([]).n, "weak": [alive, reference() is None],
            "printed": printed.getvalue(), "trace": trace, "name": __name__}


def main(source="the cat and the dog and the bird sat on a mat"):
    return {"text": text_things(source), "number": number_things(), "time": time_things(), "data": data_things(source),
            "running": running_things()}


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
