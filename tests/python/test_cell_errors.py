# SPDX-License-Identifier: Apache-2.0
"""Scripts that fail, each with its own status, and limits that hold."""

import signal

import pytest
from zygote_driver import Limits, ZygoteDriver


@pytest.fixture(scope="module", params=["python", "numpy"])
def zygote(request):
    with ZygoteDriver(request.param) as driver:
        yield driver


@pytest.mark.parametrize("source, line", [
    ("def main(:\n    pass", 1), ("x = 1\ny = (\n", 2), ("def main():\n  print 'x'", 2), ("def f():\nreturn", 2),
])
def test_syntax_errors_have_a_line(zygote, source, line):
    report = zygote.run(source)
    assert (report.status, report.line) == ("BAD_SCRIPT", line)
    assert report.exception in ("SyntaxError", "IndentationError") and report.message


@pytest.mark.parametrize("source", [b"def main(): return '\xff'", b"x = 1\0", b"(" * 5000, b"-" * 100000 + b"1"])
def test_sources_that_no_parser_takes(zygote, source):
    report = zygote.run(source)
    assert report.status == "BAD_SCRIPT"


def test_an_exception_has_class_line_and_message(zygote):
    report = zygote.run("""class Odd(ValueError):
    pass

def inner(n):
    raise Odd(f"value {n} is odd")

def main():
    try:
        {}["key"]
    except KeyError as error:
        inner(3)
""")
    assert (report.status, report.exception, report.line) == ("SCRIPT_FAILED", "Odd", 5)
    assert report.message == "value 3 is odd"
    assert 'File "script.py", line 11, in main' in report.traceback
    assert "KeyError" in report.traceback and "cella" not in report.traceback


def test_the_line_is_the_scripts_own(zygote):
    report = zygote.run("import json\n\ndef main():\n    return json.loads('{')")
    assert (report.line, report.exception) == (4, "json.decoder.JSONDecodeError")
    assert "decoder.py" not in report.traceback


def test_an_exception_at_import(zygote):
    report = zygote.run("x = 1\ny = 1 / 0\ndef main(): pass")
    assert (report.status, report.line, report.exception) == ("SCRIPT_FAILED", 2, "ZeroDivisionError")


def test_a_hostile_exception(zygote):
    report = zygote.run("class E(Exception):\n    def __str__(self): raise SystemExit\n    __repr__ = __str__\n"
                        "def main(): raise E")
    assert (report.status, report.line) == ("SCRIPT_FAILED", 4)


def test_a_long_message_is_cut(zygote):
    report = zygote.run("def main(): raise ValueError('ä' * 1000000)")
    assert report.status == "SCRIPT_FAILED" and 1000 < len(report.message) <= 4096


def test_a_missing_entry_point_names_the_functions(zygote):
    report = zygote.run("def one(): pass\ndef two(): pass\ndef _hidden(): pass\nfrom os import getpid")
    assert report.status == "BAD_SCRIPT"
    assert "'main'" in report.message and "one, two" in report.message and "getpid" not in report.message
    assert "is not a function" in zygote.run("main = 3").message


def test_deep_recursion_is_an_ordinary_exception(zygote):
    report = zygote.run("def main():\n    return main()")
    assert (report.status, report.exception, report.line) == ("SCRIPT_FAILED", "RecursionError", 2)
    assert zygote.run("def f(): f()\ndef main():\n    try: f()\n    except RecursionError: return 1").result == 1


@pytest.mark.parametrize("value, place", [
    ("float('nan')", "result is nan"), ("{'a': [0, float('inf')]}", "result['a'][1] is inf"),
    ("{1, 2}", "result is a set"), ("[b'x']", "result[0] is a bytes"), ("{1: 2}", "key 1"), ("object()", "object"),
    ("'\\ud800'", "not JSON"),
])
def test_results_that_are_no_json(zygote, value, place):
    report = zygote.run(f"def main():\n    return {value}")
    assert report.status == "BAD_RESULT" and place in report.message


def test_a_recursive_result(zygote):
    assert zygote.run("def main():\n    a = []\n    a.append(a)\n    return a").status == "BAD_RESULT"


def test_a_result_of_one_gibibyte(zygote):
    limits = Limits(memory_bytes=3 << 30)
    report = zygote.run("def main():\n    return 'x' * (1 << 30)", limits=limits)
    assert report.status == "LIMIT_RESULT" and str(limits.result_bytes) in report.message
    report = zygote.run("def main():\n    return ['x' * 1000] * 1000000", limits=limits)
    assert report.status == "LIMIT_RESULT"
    assert zygote.run("def main():\n    return 'x' * (1 << 30)").status == "LIMIT_MEMORY"


def test_a_result_just_at_its_limit(zygote):
    assert zygote.run("def main():\n    return 'x' * 98", limits=Limits(result_bytes=100)).status == "DONE"
    report = zygote.run("def main():\n    return 'x' * 99", limits=Limits(result_bytes=100))
    assert report.status == "LIMIT_RESULT" and "101" in report.message


def test_the_cpu_limit_behind_the_monitors_can_not_be_caught(zygote):
    """The monitor reads the clock of the process; the kernel's own limit stands behind that, and counts in ticks."""
    report = zygote.run("import signal\ndef main():\n    signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n"
                        "    while True:\n        try:\n            while True: pass\n        except BaseException: pass",
                        limits=Limits(cpu_s=1))
    assert report.signal == signal.SIGKILL


@pytest.mark.parametrize("body", [
    "x = []\n    while True: x.append(bytearray(1000000))", "return len(bytearray(1 << 40))",
    "x = []\n    while True: x.append(object())", "global x\n    x = []\n    while True: x.append(object())",
    "import sys\n    sys.x = x = []\n    while True: x.append(bytes(1000))", "x = 'a'\n    while True: x += x",
])
def test_a_memory_hog(zygote, body):
    report = zygote.run(f"def main():\n    {body}", limits=Limits(memory_bytes=64 << 20))
    assert report.status == "LIMIT_MEMORY", report
    assert str(64 << 20) in report.message
    assert report.exit["peak_kib"] < 200 << 10


def test_memory_within_the_limit_is_there(zygote):
    report = zygote.run("def main():\n    return len(bytearray(60 << 20))", limits=Limits(memory_bytes=64 << 20))
    assert report.result == 60 << 20


def test_a_caught_memory_error_is_the_scripts_business(zygote):
    report = zygote.run("def main():\n    try: bytearray(1 << 40)\n    except MemoryError: return 'went on'")
    assert report.result == "went on"


@pytest.mark.parametrize("body, end", [
    ("os._exit(0)", 0), ("os._exit(1)", 256), ("os.abort()", signal.SIGSEGV),
])
def test_ending_the_process_is_no_success(zygote, body, end):
    report = zygote.run(f"import os\ndef main():\n    {body}")
    assert report.status == "DIED" and report.exit["status"] == end


def test_a_crash_is_no_success(zygote):
    report = zygote.run("def main():\n    x = ()\n    for i in range(1000000): x = (x,)\n    hash(x)")
    assert report.status == "DIED" and report.signal == signal.SIGSEGV


@pytest.mark.parametrize("body, name", [
    ("import sys; sys.exit(0)", "SystemExit"), ("raise SystemExit", "SystemExit"), ("exit()", "NameError"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt"), ("raise GeneratorExit", "GeneratorExit"),
])
def test_leaving_is_an_exception(zygote, body, name):
    report = zygote.run(f"def main():\n    {body}")
    assert (report.status, report.exception) == ("SCRIPT_FAILED", name)


def test_exits_after_an_output_was_written(zygote):
    report = zygote.run("import os\ndef main(a):\n    a.write(b'x')\n    os._exit(0)", outputs=["a"])
    assert report.status == "DIED"


def test_a_sleeper_is_killed_from_outside(zygote):
    report = zygote.run("import time\ndef main():\n    time.sleep(1000)", timeout=0.5)
    assert report.timed_out and report.signal == signal.SIGKILL


@pytest.mark.parametrize("profile, module, text", [
    ("python", "numpy", "profile 'numpy' has it"), ("python", "pandas", "profile 'science' has it"),
    ("python", "nonsense", "not available to functions in profile 'python'"),
    ("numpy", "nonsense.more", "not available to functions in profile 'numpy'"),
    ("python", "json.nonsense", "'json.nonsense' is not available"),
])
def test_a_missing_module_says_who_has_it(profile, module, text):
    with ZygoteDriver(profile) as zygote:
        report = zygote.run(f"import {module}\ndef main(): pass")
        assert (report.status, report.exception, report.line) == ("SCRIPT_FAILED", "ModuleNotFoundError", 1)
        assert text in report.message


def test_the_standard_library_is_there(zygote):
    report = zygote.run("""
import argparse, asyncio as none_of_this
""")
    assert "no network" in report.message
    report = zygote.run("""
import bisect, bz2, calendar, cmath, colorsys, configparser, copy, csv, dataclasses, datetime, decimal, difflib
import email.message, enum, fractions, functools, gzip, hashlib, heapq, html.parser, importlib.resources, inspect
import ipaddress, itertools, json, logging, lzma, math, operator, pathlib, pickle, pprint, queue, random, re, sched
import secrets, shelve, statistics, string, tarfile, tempfile, textwrap, threading, timeit, tomllib, typing
import unittest, urllib.parse, uuid, wave, xml.etree.ElementTree, zipfile, zlib, zoneinfo
def main():
    decimal.getcontext().prec = 30
    return [str(decimal.Decimal(1) / 3), hashlib.sha256(b"").hexdigest()[:8], statistics.median([1, 5, 3]),
            xml.etree.ElementTree.fromstring("<a><b/></a>")[0].tag, re.sub("a+", "b", "caat"),
            "ä".encode("cp1252").hex(), "日".encode("shift_jis").hex(), platform_free()]
def platform_free():
    return len(list(concurrent.futures.ThreadPoolExecutor(2).map(abs, [1, -2])))
import concurrent.futures
""")
    assert report.status == "DONE", report
    assert report.result == ["0.333333333333333333333333333333", "e3b0c442", 3, "b", "cbt", "e4", "93fa", 2]
