# SPDX-License-Identifier: Apache-2.0
"""Teaclave's form, sentence by sentence of docs/teaclave.md: entry, result, files, exceptions, bytes, modules, syntax."""

from __future__ import annotations

import ast
import builtins
import doctest
import importlib
import io
import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zygote_driver import Limits, ZygoteDriver

import cella
from cella.local import run_local
from cella.runtime import _runner, _teaclave, _teaclave_files, _teaclave_modules, _teaclave_syntax, files

settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")
RUNTIME = ("_teaclave", "_teaclave_files", "_teaclave_marshal", "_teaclave_modules", "_teaclave_syntax")
BYTE_STRINGS = st.text(st.characters(max_codepoint=255), max_size=30)


@pytest.fixture(scope="module")
def zygote():
    with ZygoteDriver("python") as driver:
        yield driver


def local(source, arguments=None, inputs=None, outputs=()):
    """Run here; return outcome and outputs."""
    given_files = {name: None if data is None else files.Input(name, data) for name, data in (inputs or {}).items()}
    targets = {name: files.Output(name, 1000) for name in outputs}
    data = source.encode() if isinstance(source, str) else source
    outcome = _runner.run(data, "entrypoint", arguments or {}, given_files, targets, 1 << 20)
    return outcome, {name: target.getvalue() for name, target in targets.items()}


def value(expression: str, **options):
    """What an expression of a script of this form is, as text."""
    outcome, _ = local(f"def entrypoint(argv):\n    return {expression}", **options)
    assert outcome.status == "OK", outcome
    return json.loads(outcome.result)


def literal(lines: str, head: str = "", **options):
    """What the last line of a script of this form is: any literal."""
    *before, last = lines.splitlines()
    outcome, made = local(head + body("\n".join([*before, f"return ascii({last})"])), **options)
    assert outcome.status == "OK", outcome
    return ast.literal_eval(json.loads(outcome.result))


def body(text: str) -> str:
    return "def entrypoint(argv):\n" + "".join(f"    {line}\n" for line in text.splitlines())


@pytest.mark.parametrize("name", RUNTIME)
def test_examples(name):
    results = doctest.testmod(importlib.import_module(f"cella.runtime.{name}"))
    assert results.failed == 0


def test_a_local_run_leaves_nothing_behind():
    before = set(vars(builtins)), set(sys.modules) - {"script"}, vars(BaseException).get("message")
    import binascii

    outcome, _ = local("import teaclave, ffi, marshal, binascii, cStringIO, exceptions\nimport struct\n"
                       "def entrypoint(argv):\n    return binascii.hexlify('\\xff')")
    assert outcome.result == '"ff"'
    assert (set(vars(builtins)), set(sys.modules) - {"script"}, vars(BaseException).get("message")) == before
    assert sys.modules["binascii"] is binascii and binascii.hexlify(b"\xff") == b"ff"


class TestEntry:
    @pytest.mark.parametrize("arguments, flat", [
        ({}, []), ({"b": "1", "a": "2"}, ["a", "2", "b", "1"]), ({"a": 10, "B": 0.5}, ["B", "0.5", "a", "10"]),
        ({"t": True, "n": None, "l": [1, 2], "d": {"x": "y z"}},
         ["d", '{"x":"y z"}', "l", "[1,2]", "n", "null", "t", "true"]),
        ({"text": "ä", "\u00e9": "x", "z": ["€"]}, ["text", "\xc3\xa4", "z", "[\"\xe2\x82\xac\"]", "\xc3\xa9", "x"]),
        ({"\uffff": 1, "\U00010000": 2}, ["\xef\xbf\xbf", "1", "\xf0\x90\x80\x80", "2"]),
        ({"e": "", "q": "\"", "c": ["\n\0"]}, ["c", '["\\n\\u0000"]', "e", "", "q", '"']),
    ])
    def test_the_list(self, arguments, flat):
        assert _teaclave.flatten(arguments) == flat

    @given(st.dictionaries(st.text(max_size=5).filter(lambda text: "\0" not in text),
                           st.text(max_size=5).filter(lambda text: "\0" not in text)))
    def test_keys_are_in_the_order_of_their_bytes(self, arguments):
        flat = _teaclave.flatten(arguments)
        pairs = [(key.encode("latin-1"), text.encode("latin-1")) for key, text in zip(flat[::2], flat[1::2])]
        assert pairs == sorted((key.encode(), text.encode()) for key, text in arguments.items())

    @pytest.mark.parametrize("arguments", [{"a": "x\0"}, {"a\0": "x"}, {"a": "\ud800"}, {"\udfff": "x"}, {"a": ["\ud800"]},
                                           {"a": float("inf")}])
    def test_refused_arguments(self, arguments):
        outcome, _ = local(body("return 'x'"), arguments)
        assert outcome.status == "BAD_ARGUMENT" and "argument" in outcome.message

    def test_the_script_is_run_once_in_an_empty_namespace(self):
        outcome, _ = local("names = sorted(globals())\nruns = []\nruns.append(1)\n"
                           "def entrypoint(argv):\n    return str((names, runs))")
        assert "entrypoint" not in outcome.result and outcome.result.endswith(', [1])"')

    @pytest.mark.parametrize("head, is_teaclave", [
        ("def entrypoint(argv):", True), ("def entrypoint(context, /):", True), ("def entrypoint(a, b=1):", False),
        ("def entrypoint(a=1):", False), ("def entrypoint():", False), ("def entrypoint(*, a):", False),
        ("def main(argv):", False)])
    def test_what_makes_a_script_one_of_this_form(self, head, is_teaclave):
        assert (_teaclave.parse(f"{head}\n    pass".encode()) is not None) == is_teaclave
        assert cella.Script.parse(f"{head}\n    pass".replace(", /", ""), "x.py").teaclave == is_teaclave

    def test_others_are_the_natural_form(self):
        outcome, _ = local("def entrypoint(a, b=2):\n    return {'ä': [a, b, len('ä')]}", {"a": 1})
        assert json.loads(outcome.result) == {"ä": [1, 2, 1]}


class TestResult:
    @pytest.mark.parametrize("expression, result", [
        ("'text'", "text"), ("None", ""), ("''", ""), ("'ä€'", "ä€"), ("'\\xc3\\xa4'", "ä"), ("b'\\xc3\\xa4'", "ä"),
        ("u'ä'", "ä"), ("argv[1]", "€\n"), ("argv[1] + '\\xc3' + chr(0xa4)", "€\nä")])
    def test_texts(self, expression, result):
        assert value(expression, arguments={"a": "€\n"}) == result

    @pytest.mark.parametrize("expression", ["1", "0.5", "True", "[]", "('a',)", "{}", "bytearray(2)", "object()"])
    def test_anything_else_is_an_error(self, expression):
        outcome, _ = local(body(f"return {expression}"))
        assert outcome.status == "BAD_RESULT" and "Teaclave's form returns a text" in outcome.message

    @pytest.mark.parametrize("expression, words", [("'\\xe4'", "not UTF-8"), ("'\\xed\\xa0\\x80'", "not UTF-8"),
                                                   ("'\\u20ac'", "above 255"), ("'\\ud800'", "above 255")])
    def test_what_is_no_text(self, expression, words):
        outcome, _ = local(body(f"return {expression}"))
        assert outcome.status == "BAD_RESULT" and words in outcome.message

    def test_the_limit_is_an_error(self, zygote):
        report = zygote.run(body("return 'x' * 1000"), "entrypoint", limits=Limits(result_bytes=500))
        assert report.status == "LIMIT_RESULT"

    def test_an_exception_is_an_error(self, zygote):
        report = zygote.run(body("\nraise ValueError('no')"), "entrypoint")
        assert (report.status, report.line, report.exception, report.message) == ("SCRIPT_FAILED", 3, "ValueError", "no")


class TestFiles:
    INPUTS = {"i": b"one\r\ntwo\n\xff", "none": None, "empty": b""}

    def run(self, lines, outputs=("o",)):
        outcome, made = local(body("with teaclave_open('o', 'wb'): pass\n" + lines), None, self.INPUTS, outputs)
        assert outcome.status == "OK", outcome
        return json.loads(outcome.result), made

    def error(self, call):
        told, _ = self.run(f"try:\n    {call}\nexcept Exception as e:\n    return type(e).__name__ + ': ' + e.message\n")
        return told

    @pytest.mark.parametrize("call", [
        "teaclave_open('no', 'rb')", "teaclave_open('o', 'rb')", "teaclave_open('i', 'wb')", "teaclave_open('none', 'rb')",
        "teaclave_open('none', 'wb')", "teaclave_open('', 'rb')", "teaclave_open('/etc/passwd', 'rb')",
        "teaclave_open(None, 'rb')", "teaclave_open(5, 'wb')"])
    def test_unknown_or_wrong_direction(self, call):
        assert self.error(call) == "RuntimeError: fileio_init: teaclave_ffi_error"

    @pytest.mark.parametrize("name", ["i", "o", "no", "none"])
    def test_text_modes(self, name):
        for mode in ("r", "w"):
            assert self.error(f"teaclave_open({name!r}, {mode!r})") == "RuntimeError: Teaclave Not Supported"
        assert self.error(f"teaclave_open({name!r})") == "RuntimeError: Teaclave Not Supported"

    @pytest.mark.parametrize("mode", ["a", "ab", "+", "r+", "rb+", "r+b", "wb+", "", "b", "x", "U", "rt", None, 5])
    def test_other_modes(self, mode):
        assert self.error(f"teaclave_open('o', {mode!r})").startswith("ValueError: invalid mode: ")

    @pytest.mark.parametrize("call, what", [
        ("teaclave_open('o', 'wb').read()", "read"), ("teaclave_open('o', 'wb').readline()", "read"),
        ("list(teaclave_open('o', 'wb'))", "read"), ("teaclave_open('i', 'rb').write('x')", "write"),
        ("teaclave_open('o', 'wb').write('\\u20ac')", "write"), ("teaclave_open('o', 'wb').write(5)", "write"),
        ("teaclave_open('o', 'wb').write(None)", "write"), ("teaclave_open('o', 'wb').write(['x'])", "write"),
        ("f = teaclave_open('i', 'rb'); f.close(); f.read()", "read"),
        ("f = teaclave_open('o', 'wb'); f.close(); f.write('x')", "write"),
    ])
    def test_failing_to_read_or_write(self, call, what):
        assert self.error(call) == f"RuntimeError: fileio_{what}: teaclave_ffi_error"

    @pytest.mark.parametrize("name", ["seek", "tell", "truncate", "flush", "fileno"])
    def test_what_is_not_there(self, name):
        assert self.error(f"teaclave_open('i', 'rb').{name}").startswith("AttributeError")

    @pytest.mark.parametrize("expression, result", [
        ("f.read()", "one\r\ntwo\n\xff"), ("f.read(-1)", "one\r\ntwo\n\xff"), ("[f.read(4), f.read(0), f.read(100), f.read(1)]",
                                                                               ["one\r", "", "\ntwo\n\xff", ""]),
        ("[f.readline(), f.readline(2), f.read()]", ["one\r\n", "tw", "o\n\xff"]),
        ("f.readlines()", ["one\r\n", "two\n", "\xff"]), ("[line for line in f]", ["one\r\n", "two\n", "\xff"]),
        ("[next(f), f.next(), f.readlines(), f.readlines()]", ["one\r\n", "two\n", ["\xff"], []]),
        ("[f.name, f.mode, f.closed]", ["i", "rb", False]),
        ("[type(f.read()) is str, f.read(), f.readline()]", [True, "", ""]),
    ])
    def test_reading(self, expression, result):
        assert literal(f"f = teaclave_open('i', 'rb')\n{expression}", inputs=self.INPUTS) == result

    def test_an_empty_input(self):
        assert self.run("return repr([teaclave_open('empty', 'rb').read(), list(teaclave_open('empty', 'rb'))])")[0] == (
            "['', []]")

    def test_two_readers_of_one_input_do_not_disturb_each_other(self):
        assert self.run("a = teaclave_open('i', 'rb'); b = teaclave_open('i', 'rb')\n"
                        "return a.readline() + b.readline() + a.readline() + b.read(3)")[0] == "one\r\none\r\ntwo\ntwo"

    def test_opening_again_starts_anew_and_ends_the_one_before(self):
        told, made = self.run("f = teaclave_open('o', 'wb'); f.write('long')\ng = teaclave_open('o', 'wb'); g.write('x')\n"
                              "try:\n    f.write('y')\nexcept RuntimeError as e:\n    return e.message")
        assert (told, made) == ("fileio_write: teaclave_ffi_error", {"o": b"x"})

    def test_a_refused_mode_leaves_the_output(self):
        told, made = self.run("f = teaclave_open('o', 'wb'); f.write('kept')\n"
                              "for mode in ('w', 'a', 'wb+'):\n    try: teaclave_open('o', mode)\n    except: pass\nf.write('!')")
        assert made == {"o": b"kept!"}

    @given(st.lists(BYTE_STRINGS, max_size=5))
    def test_what_is_written_is_read(self, parts):
        arguments = {"parts": [part.encode("latin-1").hex() for part in parts]}
        outcome, made = local("import binascii, _pypyjson\nfrom teaclave import open\n" + body(
            "with open('o', 'wb') as f:\n    for part in _pypyjson.loads(argv[1]): f.write(binascii.unhexlify(part))"),
            arguments, {}, ["o"])
        assert made["o"] == "".join(parts).encode("latin-1")
        outcome, made = local(body("with teaclave_open('i', 'rb') as f, teaclave_open('o', 'wb') as g:\n"
                                   "    for line in f: g.write(line)"), None, {"i": made["o"]}, ["o"])
        assert made["o"] == "".join(parts).encode("latin-1")

    def test_how_many_may_be_open(self):
        told, _ = self.run("""kept = [teaclave_open('i', 'rb') for _ in range(1023)]
try:
    teaclave_open('i', 'rb')
except RuntimeError as e:
    told = e.message
kept[5].close()
kept.append(teaclave_open('i', 'rb'))
del kept[:]
for _ in range(3000):
    teaclave_open('i', 'rb')
return told""")
        assert told == "fileio_init: teaclave_ffi_error"

    def test_a_stream_is_read_once(self):
        class Stream(io.BufferedReader):
            def seekable(self):
                return False

        opened = _teaclave_files.Files({"s": Stream(io.BytesIO(b"a\n\xffb"))}, {}).open
        file = opened("s", "rb")
        assert [file.readline(), file.read(1), file.readlines()] == ["a\n", "\xff", ["b"]]
        with pytest.raises(RuntimeError, match="fileio_init"):
            opened("s", "rb")

    def test_an_output_beyond_its_limit(self, zygote):
        report = zygote.run(body("try:\n    with teaclave_open('o', 'wb') as f:\n        f.write('x' * 2000)\nexcept:\n    pass"),
                            "entrypoint", outputs=["o"], limits=Limits(output_bytes=1000))
        assert report.status == "LIMIT_OUTPUT" and report.line == 4

    def test_an_output_that_is_not_written(self, zygote):
        assert zygote.run(body("return ''"), "entrypoint", outputs=["o"]).status == "OUTPUT_MISSING"


class TestExceptions:
    @pytest.mark.parametrize("action, message", [
        ("1 // 0", "integer division or modulo by zero"), ("{}['k']", "k"), ("{}[5]", "5"), ("[][1]", "list index out of range"),
        ("raise_(ValueError())", ""), ("raise_(ValueError('a', 'b'))", "a"), ("raise_(ValueError(None))", "None"),
        ("raise_(Own('x'))", "own x"), ("raise_(Plain('x'))", "x"), ("nothing", "name 'nothing' is not defined"),
        ("int('x')", "invalid literal for int() with base 10: 'x'"), ("raise_(SystemExit(3))", "3"),
        ("raise_(KeyboardInterrupt('k'))", "k"), ("iter(()).__next__()", ""),
    ])
    def test_message(self, zygote, action, message):
        source = f"""
class Own(Exception):
    def __init__(self, text):
        self.message = "own " + text
class Plain(Exception):
    def __str__(self):
        return "never asked " + self.message
def raise_(error):
    raise error
def entrypoint(argv):
    try:
        {action}
    except BaseException as e:
        assert getattr(e, "message") == getattr(e, "message", 1) == e.message and hasattr(e, "message")
        return e.message
"""
        assert json.loads(local(source)[0].result) == message
        assert zygote.run(source, "entrypoint").result == message

    def test_message_of_other_things_is_their_own(self):
        source = "class Thing:\n    message = 5\n    def __init__(self):\n        self.message += 1\n"
        assert json.loads(local(source + body(
            "t = Thing()\nt.message = t.message * 2\nn = hasattr(1, 'message')\n"
            "try:\n    (1).message\nexcept AttributeError as e:\n    return '%s %s %s' % (t.message, n, e.message)"))[0].result
        ) == "12 False 'int' object has no attribute 'message'"

    @pytest.mark.parametrize("error", ["RuntimeError", "KeyError", "SystemExit", "KeyboardInterrupt", "GeneratorExit",
                                       "RecursionError", "StopIteration", "AssertionError"])
    def test_a_bare_except_catches(self, error):
        outcome, _ = local(body(f"try:\n    raise {error}('x')\nexcept:\n    return 'caught'"))
        assert outcome.result == '"caught"'

    def test_a_bare_except_lets_signals_pass(self, zygote):
        source = "class Cancelled(BaseException): pass\n" + body(
            "try:\n    raise Cancelled('stop')\nexcept:\n    return 'caught'\nfinally:\n    print('cleaned')")
        report = zygote.run(source, "entrypoint")
        assert (report.status, report.exception, report.line) == ("SCRIPT_FAILED", "Cancelled", 4)
        assert report.log == "cleaned\n"

    def test_a_bare_except_does_not_hide_the_memory_limit(self, zygote):
        report = zygote.run(body("try:\n    'x' * (1 << 40)\nexcept:\n    return 'caught'"), "entrypoint")
        assert (report.status, report.line) == ("LIMIT_MEMORY", 3)

    def test_a_typed_handler_is_left_alone(self):
        outcome, _ = local(body("try:\n    raise MemoryError\nexcept MemoryError:\n    return 'mine'"))
        assert outcome.result == '"mine"'

    def test_lines_are_those_of_the_source(self, zygote):
        source = "# ä\n" + body("try:\n    {}['a']\nexcept:\n    x = 'ü'.strip()\n    y = (x +\n         x.message)\n")
        report = zygote.run(source, "entrypoint")
        assert (report.status, report.exception, report.line) == ("SCRIPT_FAILED", "AttributeError", 8)
        assert "KeyError: 'a'" in report.traceback and 'line 4, in entrypoint\n    {}[' in report.traceback


METHODS = ("capitalize", "isalnum", "isalpha", "isdigit", "islower", "isspace", "istitle", "isupper", "lower", "lstrip",
           "rsplit", "rstrip", "split", "splitlines", "strip", "swapcase", "title", "upper")


class TestByteStrings:
    @given(st.sampled_from(METHODS), BYTE_STRINGS)
    def test_methods_judge_bytes(self, name, text):
        expected = getattr(text.encode("latin-1"), name)()
        expected = [part.decode("latin-1") for part in expected] if isinstance(expected, list) else (
            expected.decode("latin-1") if isinstance(expected, bytes) else expected)
        tree = _teaclave.parse(b"def entrypoint(argv): 0\nfound = text." + name.encode() + b"()")
        namespace = {"__builtins__": _teaclave.Surroundings({}, {}).builtins(), "text": text}
        exec(compile(tree, "x", "exec"), namespace)
        assert namespace["found"] == expected

    @pytest.mark.parametrize("expression, result", [
        ("'a\\xa0b c'.split()", ["a\xa0b", "c"]), ("' a  b '.split(None, 1)", ["a", "b "]), ("'a,b'.split(',')", ["a", "b"]),
        ("'xaxx'.strip('x')", "a"), ("'a\\x1cb\\nc'.splitlines(True)", ["a\x1cb\n", "c"]), ("'ä'.upper()", "\xc3\xa4"),
        ("'É'.lower()", "\xc3\x89"), ("len('ä')", 2), ("'ä' == '\\xc3\\xa4' == b'\\xc3\\xa4'", True),
        ("isinstance('', bytes)", True), ("'%s' % 'ä'", "\xc3\xa4"), ("str.strip(' a ')", "a"),
        ("'\\u20ac '.strip() == '\\u20ac'", True), ("'%s|%5.1f|%r' % ('a', 2, 'b')", "a|  2.0|'b'"),
    ])
    def test_texts(self, expression, result):
        assert literal(expression) == result

    def test_a_class_with_such_methods_keeps_them(self):
        outcome, _ = local("class Own:\n    def strip(self, a, b=1):\n        return 'own'\n" + body("return Own().strip(1, b=2)"))
        assert outcome.result == '"own"'

    @pytest.mark.parametrize("source", [
        "# -*- coding: utf-8 -*-\ndef entrypoint(argv):\n    return 'ä'", "\ufeffdef entrypoint(argv):\n    return 'ä'",
        "def entrypoint(argv):\n    'ä'\n    # ä\n    return 'ä'"])
    def test_the_source_is_bytes_too(self, zygote, source):
        assert zygote.run(source, "entrypoint").result == "ä" == json.loads(local(source)[0].result)


MODULES = ("marshal math cmath itertools operator binascii struct array cStringIO _collections exceptions errno _md5 _sha "
           "_random _codecs _sre _weakref _pypyjson gc sys ffi teaclave").split()


class TestModules:
    @pytest.mark.parametrize("name", MODULES)
    def test_each_is_there(self, zygote, name):
        report = zygote.run(f"import {name}\nfrom {name} import *\n" + body(f"return str(type({name}))"), "entrypoint")
        assert report.status == "DONE", report

    @pytest.mark.parametrize("name", ["nothing", "os.nothing", "numpy", "ctypes", "teaclave.other", "marshal.other", "urllib2"])
    def test_a_missing_one_is_a_runtime_error(self, zygote, name):
        report = zygote.run(body(f"try:\n    import {name}\nexcept ImportError:\n    return 'ImportError'\n"
                                 "except RuntimeError as e:\n    return e.message"), "entrypoint")
        assert report.result == "Teaclave Not Supported", report

    def test_what_the_profile_lacks_is_told_where_it_is(self, zygote):
        report = zygote.run("import numpy\ndef entrypoint(argv): pass", "entrypoint")
        assert (report.status, report.line, report.exception) == ("SCRIPT_FAILED", 1, "RuntimeError")
        assert "profile 'numpy' has it" in report.traceback

    def test_modules_of_the_profile_can_be_used_too(self, zygote):
        report = zygote.run("import json, re, base64, zipfile, gzip, wave\n" + body(
            "return json.dumps(re.findall('a.', 'abac')) + base64.b64encode(bytearray(1)).decode()"), "entrypoint")
        assert report.result == '["ab", "ac"]AA==', report

    def test_the_natural_form_has_none_of_it(self, zygote):
        report = zygote.run("import binascii\ndef main():\n    return [binascii.hexlify(b'x').decode(), 'teaclave_open' in dir("
                            "__builtins__), hasattr(ValueError(), 'message')]")
        assert report.result == ["78", False, False]
        report = zygote.run("import cStringIO\ndef main(): pass")
        assert report.exception == "ModuleNotFoundError"

    @pytest.mark.parametrize("expression, result", [
        ("binascii.hexlify('\\xff0') + binascii.b2a_base64('\\xff')", "ff30/w==\n"),
        ("[binascii.unhexlify('ff'), binascii.a2b_base64('/w==')]", ["\xff", "\xff"]),
        ("[binascii.crc32('hello'), binascii.crc32('lo', binascii.crc32('hel')), binascii.crc32('')]",
         [907060870, 907060870, 0]),
        ("binascii.crc32('a')", -390611389),
        ("struct.pack('<I3sp', 258, 'ab', 'x') + struct.pack('>d', 1)", "\2\1\0\0ab\0\0?\xf0\0\0\0\0\0\0"),
        ("struct.unpack('<H2sd', struct.pack('<H2sd', 1, '\\xff\\0', 0.5))", (1, "\xff\0", 0.5)),
        ("struct.unpack_from('B', 'ab', 1)", (98,)),
        ("[issubclass(struct.error, Exception), struct.calcsize('<hq')]", [True, 10]),
        ("array.array('h', '\\1\\0\\2\\0').tolist()", [1, 2]),
        ("array.array('d', [1]).tostring()", "\0\0\0\0\0\0\xf0?"),
        ("array.array('B', [1, 2, 3])[1:].tostring()", "\2\3"),
        ("(array.array('B', [1]) + array.array('B', [2])).tostring()", "\1\2"),
        ("[math.floor(1.5), math.ceil(-1.5), math.floor(2), math.sqrt(4)]", [1.0, -1.0, 2.0, 2.0]),
        ("[str(math.floor(2)), math.floor(1e300), str(math.ceil(float('inf')))]", ["2.0", 1e300, "inf"]),
        ("[list(itertools.izip('ab', [1, 2])), list(itertools.imap(str, [1])), list(itertools.chain('a', 'b'))]",
         [[("a", 1), ("b", 2)], ["1"], ["a", "b"]]),
        ("[list(itertools.ifilter(None, [0, 1])), list(itertools.izip_longest('a', ''))]", [[1], [("a", None)]]),
        ("list(itertools.ifilterfalse(None, [0, 1]))", [0]),
        ("[operator.div(-7, 2), operator.div(7.0, 2), operator.itemgetter(1)('ab')]", [-4, 3.5, "b"]),
        ("[_md5.new('a').hexdigest(), _md5.md5('a').digest() == _md5.new('a').copy().digest()]",
         ["0cc175b9c0f1b6a831c399e269772661", True]),
        ("[_sha.new('\\xff').hexdigest(), _sha.digest_size, len(_sha.sha().digest())]",
         ["85e53271e14006f0265921d02d4d736cdc580b0b", 20, 20]),
        ("'%.12f' % _random.Random(1).random()", "0.134364244112"),
        ("_codecs.utf_8_encode('\\u20ac')", ("\xe2\x82\xac", 1)),
        ("_codecs.utf_8_decode('\\xe2\\x82\\xac')", ("\u20ac", 3)),
        ("str(_collections.deque([1], 2)) + str(_collections.defaultdict(int)['x'])", "deque([1], maxlen=2)0"),
        ("_pypyjson.loads('{\"ä\": [\"\\\\u20ac\", 1, null, \"ö\"]}')", {"\xc3\xa4": ["\xe2\x82\xac", 1, None, "\xc3\xb6"]}),
        ("_pypyjson.raw_encode_basestring_ascii('ä\"\\n')", "\\u00e4\\\"\\n"),
        ("[exceptions.StandardError is Exception, exceptions.ZeroDivisionError is ZeroDivisionError]", [True, True]),
        ("[errno.ENOENT, cmath.sqrt(-1), gc.isenabled(), ffi.ffi is not None]", [2, 1j, True, True]),
        ("[sys.maxint == 2 ** 63 - 1, sys.byteorder, sys.exc_info()]", [True, "little", (None, None, None)]),
        ("[callable(_weakref.ref), _sre.MAGIC > 0]", [True, True]),
        ("s = cStringIO.StringIO()\ns.write('a\\r\\nb\\x85c')\ns.seek(0)\n[s.readlines(), s.getvalue()]",
         [["a\r\n", "b\x85c"], "a\r\nb\x85c"]),
        ("list(cStringIO.StringIO('x\\ny'))", ["x\n", "y"]),
    ])
    def test_what_they_give(self, expression, result):
        assert literal(expression, head="".join(f"import {name}\n" for name in MODULES)) == result

    @pytest.mark.parametrize("call", [
        "binascii.hexlify('\\u20ac')", "binascii.unhexlify('x')", "binascii.hexlify(5)", "struct.unpack('<d', 'short')",
        "struct.pack('d', 'x')", "struct.pack('2s', '\\u20ac')", "array.array('d', '1234567')", "array.array('x')",
        "array.array('B').fromstring('\\u20ac')", "_md5.new('\\u20ac')", "_md5.new(5)", "_pypyjson.loads('[')",
        "_pypyjson.loads('\\xff')", "_pypyjson.loads(5)", "marshal.loads('x')", "marshal.loads(5)", "math.floor('x')",
        "_pypyjson.loads('[' * 100000)", "_codecs.utf_8_decode('\\xff')", "operator.div(1, 0)", "cStringIO.StringIO(5)",
    ])
    def test_bad_input_is_an_ordinary_exception(self, zygote, call):
        module = call.partition(".")[0]
        report = zygote.run(f"import {module}\n" + body(f"try:\n    {call}\nexcept Exception as e:\n    return 'caught'"),
                            "entrypoint")
        assert report.result == "caught", report

    def test_the_document_lists_them(self):
        page = (Path(__file__).resolve().parents[2] / "docs" / "teaclave.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", page.partition("## 5.")[2].partition("## 6.")[0], re.MULTILINE)
        assert {name for row in rows for name in re.findall(r"\w+", row)} == {*MODULES, "_numpypy"}

    def test_the_client_knows_them(self):
        assert set(MODULES) - {"teaclave"} == set(_teaclave_modules.NAMES)
        script = cella.Script.parse("\n".join(f"import {name}" for name in MODULES) + "\nimport nothing\n" + body("pass"), "x.py")
        assert script.warnings("python") == [f"line {len(MODULES) + 1} imports nothing, which profile 'python' does not have"]


SYNTAX = [
    ("print 'x'", "print as a statement"), ("print x, y", "print as a statement"), ("print", "print as a statement"),
    ("print >>f, 'x'", "print as a statement"), ("print (1), 2", "print as a statement"),
    ("print ('%s') % 1", "print as a statement"), ("print -1", "print as a statement"),
    ("if x: print 'y'", "print as a statement"), ("exec 'x = 1'", "exec as a statement"),
    ("exec code in space", "exec as a statement"), ("x = a <> b", "'<>'"), ("x = `a`", "an expression in backticks"),
    ("raise ValueError, 'x'", "'raise A, text'"), ("x = 10L", "a long number with L"), ("x = 0xFFL", "a long number with L"),
    ("x = 0777", "an octal number with a leading zero"), ("x = ur'a'", "a text with prefix ur"),
    ("f = lambda (a, b): a", "a parameter that is a tuple"),
]


class TestSyntax:
    def check(self, source, line, what):
        with pytest.raises(cella.ScriptError) as caught:
            cella.Script.parse(source, "old.py")
        assert caught.value.code == "BAD_SCRIPT" and caught.value.line == line
        assert f"old.py, line {line}: {what} is Python 2 syntax; write " in str(caught.value)
        outcome, _ = local(source)
        assert (outcome.status, outcome.line) == ("BAD_SCRIPT", line)
        assert outcome.message.startswith(f"{what} is Python 2 syntax; write ")

    @pytest.mark.parametrize("statement, what", SYNTAX)
    def test_python_2_is_refused_with_its_line(self, statement, what):
        self.check(body(f"# ä\n{statement}\nreturn ''"), 3, what)

    @pytest.mark.parametrize("handler", ["except ValueError, e:", "except (ValueError, KeyError), e:"])
    def test_except_with_a_comma(self, handler):
        self.check(body(f"try:\n    pass\n{handler}\n    pass"), 4, "'except A, e'")

    def test_tabs_and_blanks(self):
        self.check("def entrypoint(argv):\n\tif argv:\n        return ''\n", 3, "a mixture of tabs and blanks")

    def test_in_a_cell(self, zygote):
        report = zygote.run(body("print 'x'"), "entrypoint")
        assert (report.status, report.line) == ("BAD_SCRIPT", 2)
        assert report.message == "print as a statement is Python 2 syntax; write print(...)"

    @pytest.mark.parametrize("statement", ["x = (", "def f(:", "return = 1", "x = 'abc"])
    def test_other_errors_keep_their_words(self, statement):
        outcome, _ = local(body(statement))
        assert outcome.status == "BAD_SCRIPT" and "Python 2" not in outcome.message and outcome.line == 2

    @pytest.mark.parametrize("statement", ["print('x')", "print(1) or 2", "a = print", "(print)('x')", "x = print, 1"])
    def test_print_that_is_meant(self, statement):
        outcome, _ = local(body(f"{statement}\nreturn 'ok'"))
        assert outcome.result == '"ok"'

    def test_the_natural_form_may_shift_print(self):
        assert cella.Script.parse("def main():\n    print", "x.py").teaclave is False

    @pytest.mark.parametrize("text, lines", [
        ("a / b", "line 2 divides"), ("a / 2", "line 2 divides"), ("len(a) / 2", "line 2 divides"), ("(a + 1) / len(b)", "line 2"),
        ("a / 2.0", None), ("1. / b", None), ("float(a) / b", None), ("a * 0.5 / b", None), ("-1.5 / a", None), ("a // b", None),
        ("[a / b,\n1 / c]", "lines 2, 3 divide")])
    def test_division_is_told(self, text, lines):
        said = cella.Script.parse(body(f"return {text}"), "x.py").warnings("python")
        assert len(said) == (lines is not None) and all(sentence.startswith(lines) for sentence in said)

    def test_division_that_was_settled(self):
        assert cella.Script.parse("from __future__ import division\n" + body("a /= b"), "x.py").warnings("python") == []
        assert len(cella.Script.parse(body("a /= b"), "x.py").warnings("python")) == 1
        assert cella.Script.parse("def main(a, b): return a / b", "x.py").warnings("python") == []

    def test_names_that_are_gone_are_told(self):
        said = cella.Script.parse("reduce = None\n" + body("for i in xrange(3): reduce(i)\nreturn {}.has_key(unicode(argv))"),
                                  "x.py").warnings("nobody knows")
        assert said == ["line 3 uses xrange, which only Python 2 has", "line 4 uses .has_key(), which only Python 2 has",
                        "line 4 uses unicode, which only Python 2 has"]
        assert not _teaclave_syntax.GONE & set(vars(builtins))

    def test_a_script_that_is_too_deep(self, zygote):
        for text in ("(" * 5000, "x = " + "-" * 20000 + "1", "x = " + "+".join(["1"] * 20000)):
            report = zygote.run(text + "\ndef entrypoint(argv): return 'ran'", "entrypoint")
            assert report.status == "BAD_SCRIPT" or report.result == "ran"


def test_a_local_run_of_the_client():
    script = cella.Script.parse("from teaclave import open\n" + body(
        "with open('a', 'rb') as f, open('b', 'wb') as g:\n    g.write(f.read()[::-1])"), "x.py")
    run = run_local(script, {"a": b"\xff\0x"}, ["b"], {})
    assert (run.result(), run.outputs["b"].bytes()) == ("", b"x\0\xff")
