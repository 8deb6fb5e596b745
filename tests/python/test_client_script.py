# SPDX-License-Identifier: Apache-2.0
"""Scripts: entry points, packages, errors that name the line; the decorator and local runs."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

import cella
from cella.functions import builtin_package, source_of
from cella.local import run_local
from cella.script import Script, parse_isolation, parse_limits, parse_privacy, parse_release

CONSTANT = 3


def parse(text: str, name: str = "job.py", entry: str | None = None) -> Script:
    return Script.parse(text, name, entry)


@pytest.mark.parametrize(
    ("text", "entry", "expected"),
    [
        ("def main(): pass\ndef job(): pass", None, "main"),
        ("def other(): pass\ndef job(): pass", None, "job"),
        ("def other(): pass\ndef entrypoint(argv): pass", None, "entrypoint"),
        ("def only(): pass", None, "only"),
        ("def main(): pass\ndef other(): pass", "other", "other"),
        ("class A:\n    def main(self): pass\ndef single(): pass", None, "single"),
    ],
)
def test_entry_point(text: str, entry: str | None, expected: str) -> None:
    assert parse(text, entry=entry).entry == expected


@pytest.mark.parametrize(
    ("text", "entry", "says"),
    [
        ("x = 1", None, "no top-level function"),
        ("def a(): pass\ndef b(): pass", None, "a, b; name one with --entry"),
        ("def a(): pass", "b", "no top-level function b; it has a"),
        ("def main(:\n  pass", None, "job.py, line 1:"),
        ("def main():\n  x = = 2", None, "job.py, line 2:"),
        ("async def main(): pass", "main", "async"),
        ("def main(a, /): pass", None, "positional-only"),
        ("def main(*a): pass", None, "positional-only"),
        ("def main():\n\treturn 1\n        return 2", None, "line 3"),
        ("(" * 500, None, "job.py"),
        ("def main(): return '\0'", None, "job.py"),
    ],
)
def test_bad_scripts(text: str, entry: str | None, says: str) -> None:
    with pytest.raises(cella.ScriptError) as caught:
        parse(text, entry=entry)
    assert caught.value.code == "BAD_SCRIPT" and says in str(caught.value)


def test_bad_script_files(tmp_path: Path) -> None:
    with pytest.raises(cella.ScriptError, match="no script"):
        Script.read(tmp_path / "absent.py")
    with pytest.raises(cella.ScriptError, match="no script"):
        Script.read(tmp_path)
    (tmp_path / "latin.py").write_bytes(b"def main():\n    return '\xe4'\n")
    with pytest.raises(cella.ScriptError, match="line 2: not UTF-8"):
        Script.read(tmp_path / "latin.py")
    (tmp_path / "large.py").write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(cella.RequestError, match="1 MiB"):
        Script.read(tmp_path / "large.py")
    (tmp_path / "my script (2).py").write_text("def main(): pass")
    assert Script.read(tmp_path / "my script (2).py").name == "my-script-2"


def test_package() -> None:
    script = parse(
        "def main(images, labels, threshold: float = 0.5, name: str = 'x', deep={'a': [1, None]}, shape=(1, 2),\n"
        "         *, n: int, flag: bool = True, late=len('x'), wrong: int = 0.5, none: str = None): pass"
    )
    made = json.loads(script.package(["images"], ["labels"], ["n"], limits={"memory_bytes": "64M"}))
    assert made == {
        "version": 1,
        "name": "job",
        "executor": "python",
        "public": False,
        "profile": "python",
        "entry": "main",
        "source": script.source,
        "inputs": [{"name": "images"}],
        "outputs": [{"name": "labels"}],
        "arguments": [
            {"name": "threshold", "type": "number", "default": 0.5},
            {"name": "name", "type": "string", "default": "x"},
            {"name": "deep", "default": {"a": [1, None]}},
            {"name": "n", "type": "integer"},
            {"name": "flag", "type": "boolean", "default": True},
            {"name": "wrong", "default": 0.5},
            {"name": "none", "default": None},
        ],
        "limits": {"memory_bytes": 1 << 26},
    }
    assert script.missing(["images", "labels"]) == ["n"]
    given = json.loads(script.package(["images"], ["labels"], ["n", "shape"]))["arguments"]
    assert {"name": "shape"} in given
    locked = json.loads(script.package(["images"], ["labels"], locked={"n": 5}, optional=["labels"], public=True))
    assert {"name": "n", "type": "integer", "default": 5, "locked": True} in locked["arguments"]
    assert locked["outputs"] == [{"name": "labels", "optional": True}] and locked["public"] is True


def test_package_is_the_same_every_time() -> None:
    script = parse("def main(a, b=1): pass")
    assert script.package(["a"]) == script.package(["a"])


@pytest.mark.parametrize(
    ("inputs", "outputs", "arguments", "says"),
    [
        (["image"], [], [], r"no such parameter; it has images, labels"),
        (["images"], ["images"], [], "twice"),
        (["a-b"], [], [], "not a Python name"),
        (["ä"], [], [], "ASCII"),
        (["x" * 65], [], [], "ASCII"),
        ([], [], ["nothing"], "no such parameter"),
    ],
)
def test_names_that_do_not_fit(inputs: list[str], outputs: list[str], arguments: list[str], says: str) -> None:
    with pytest.raises(cella.ArgumentError, match=says):
        parse("def main(images, labels): pass").package(inputs, outputs, arguments)


def test_any_names() -> None:
    teaclave = parse("def entrypoint(argv):\n    return ''")
    made = json.loads(teaclave.package(["training_data"], ["model"], ["depth"]))
    assert made["arguments"] == [{"name": "depth"}] and made["entry"] == "entrypoint"
    assert teaclave.missing([]) == []
    keywords = json.loads(parse("def main(a, **rest): pass").package(["a", "b"], [], ["c"]))
    assert keywords["arguments"] == [{"name": "c"}]


def test_limits() -> None:
    assert parse_limits({"cpu_s": 5, "output_bytes": "1G"}) == {"cpu_s": 5, "output_bytes": 1 << 30}
    with pytest.raises(cella.ArgumentError, match="memory_bytes"):
        parse_limits({"memory": 5})
    for bad in ("x", "-1", "1X", "", -1, True, 1.5):
        with pytest.raises(cella.RequestError):
            parse_limits({"cpu_s": bad})  # type: ignore[dict-item]


def test_warnings() -> None:
    script = parse(
        "import numpy as np\nfrom os.path import join\nimport pandas.core\nfrom . import x\n"
        "def main():\n    import socket"
    )
    assert script.warnings("python") == [
        "line 1 imports numpy, which profile 'python' does not have; use profile 'numpy'",
        "line 3 imports pandas, which profile 'python' does not have; use profile 'science'",
        "line 6 imports socket, which can not work in a cell: it has no network, files or processes",
    ]
    assert len(script.warnings("numpy")) == 2 and len(script.warnings("science")) == 1 and script.warnings("unheard-of") == []
    assert parse("import cella\nfrom teaclave import open\ndef main(): cella.log(1)").warnings("python") == []
    decorated = parse("import cella\nfrom cella import function, log\n@cella.function\ndef main(): pass")
    assert decorated.warnings("python") == []
    clients = parse("import cella\nfrom cella import Task, progress\ndef main(): cella.connect('x')")
    assert clients.warnings("python") == [
        f"line {line} uses cella.{name}, which is the client's: a script in a cell does not have it"
        for name, line in (("Task", 2), ("connect", 3))
    ]


def test_modules_of_profiles_are_the_profiles() -> None:
    from cella.script import PROFILE_MODULES

    files = (Path(__file__).resolve().parents[2] / "executor" / "cell" / "profiles").glob("*.json")
    packages = {file.stem: set(json.loads(file.read_text())["packages"]) for file in files}
    assert packages == {name: set(modules) for name, modules in PROFILE_MODULES.items()}


def test_runtime_names_are_the_runtimes() -> None:
    from cella import runtime
    from cella.script import RUNTIME_NAMES

    assert RUNTIME_NAMES == set(runtime.__all__)


def test_isolation() -> None:
    asked = {"clock": "coarse", "zygote": "owner", "sizes": "padded"}
    assert parse_isolation(asked) == asked
    made = json.loads(parse("def main(a): pass").package(["a"], isolation={"sizes": "padded"}))
    assert made["isolation"] == {"sizes": "padded"}
    assert json.loads(builtin_package("echo", isolation={"zygote": "owner"}))["isolation"] == {"zygote": "owner"}
    assert "isolation" not in json.loads(parse("def main(): pass").package(isolation={}))
    for bad, says in (
        ({"cpu": "own"}, "'cpu' is not one of clock, zygote, sizes"),
        ({"clock": "slow"}, "clock is fine or coarse, not 'slow'"),
        ({"sizes": True}, "sizes is exact or padded, not True"),
        ({"zygote": ""}, "zygote is shared or owner"),
    ):
        with pytest.raises(cella.ArgumentError, match=says):
            parse_isolation(bad)  # type: ignore[arg-type]


def test_release_rules() -> None:
    rules = {"minimum_group": 10, "decimals": 2}
    assert json.loads(parse("def main(a): pass").package(["a"], release=rules))["release"] == rules
    assert json.loads(builtin_package("echo", release=rules))["release"] == rules
    assert "release" not in json.loads(parse("def main(): pass").package(release={}))
    for bad, says in (
        ({"minimum group": 1}, "'minimum group' is not a Python name"),
        ({"1": 1}, "'1' is not a Python name"),
        ({"a": 0}, "a is a whole number from 1, not 0"),
        ({"a": True}, "not True"),
        ({"a": 1.5}, "not 1.5"),
        ({"a": "10"}, "not '10'"),
        ({"a": 1 << 63}, "a is a whole number"),
        ({f"r{number}": 1 for number in range(17)}, "17 release rules; at most 16"),
    ):
        with pytest.raises(cella.ArgumentError, match=says):
            parse_release(bad)  # type: ignore[arg-type]
    with pytest.raises(cella.ArgumentError, match="not 0"):

        @cella.function(release={"minimum_group": 0})
        def refused_where_it_is_written() -> None:
            pass


def test_what_a_run_spends() -> None:
    said = {"epsilon": "e", "delta": "d", "inputs": ["a"]}
    script = parse("def main(a, e, d): pass")
    assert json.loads(script.package(["a"], privacy=said))["privacy"] == said
    assert json.loads(builtin_package("echo", ["a"], arguments=["e", "d"], privacy=said))["privacy"] == said
    assert "privacy" not in json.loads(script.package(["a"], privacy={}))
    for bad, says in (
        ({"delta": "d"}, "privacy needs epsilon"),
        ({"epsilon": "e", "rho": "r"}, "'rho' is not one of epsilon, delta, inputs"),
        ({"epsilon": 0.5}, "names 0.5, which is not a Python name"),
        ({"epsilon": "e", "inputs": ["a b"]}, "names 'a b'"),
        ({"epsilon": "e", "delta": None}, "names None"),
    ):
        with pytest.raises(cella.ArgumentError, match=says):
            parse_privacy(bad)


def test_descriptions() -> None:
    script = parse("def main(a, b, n=1): pass")
    texts = {"a": "what is read", "b": "what is written", "n": "how often"}
    made = json.loads(script.package(["a"], ["b"], description="counts", descriptions=texts))
    assert made["description"] == "counts"
    assert [made[kind][0]["description"] for kind in ("inputs", "outputs", "arguments")] == list(texts.values())
    assert "description" not in json.loads(script.package(["a"], ["b"]))
    made = json.loads(builtin_package("echo", ["a", "b"], ["c"], ["m"], title="my-echo", optional=["b", "c"], locked={"k": 5},
                                      description="says it again", descriptions={"k": "locked"}))
    assert (made["name"], made["entry"], made["description"]) == ("my-echo", "echo", "says it again")
    assert made["inputs"] == [{"name": "a"}, {"name": "b", "optional": True}] and made["outputs"][0]["optional"] is True
    assert made["arguments"] == [{"name": "m"}, {"name": "k", "default": 5, "locked": True, "description": "locked"}]
    for wrong in ({"description": "x" * 1025}, {"descriptions": {"z": "not there"}}, {"descriptions": {"a": "\u00e4" * 513}}):
        with pytest.raises(cella.ArgumentError):
            script.package(["a"], ["b"], **wrong)  # type: ignore[arg-type]


def test_streams() -> None:
    made = json.loads(parse("def main(a, b): pass").package(["a", "b"], streams=["b"], optional=["b"]))
    assert made["inputs"] == [{"name": "a"}, {"name": "b", "optional": True, "stream": True}]
    with pytest.raises(cella.ArgumentError, match="stream c is not an input"):
        parse("def main(a, c): pass").package(["a"], ["c"], streams=["c"])


def test_builtin_package() -> None:
    made = json.loads(builtin_package("echo", arguments=["message"]))
    assert made["executor"] == "builtin" and made["entry"] == "echo" and "source" not in made and made["public"]


@cella.function(inputs=["text"], outputs=["copy"])
def repeat(text: Any, copy: Any, times: int = 2) -> dict[str, int]:
    """Uses a module and a constant from outside."""
    copy.write(text.read() * times * CONSTANT)
    return {"floor": math.floor(2.5), "times": times}


def test_decorator_ships_source() -> None:
    script = repeat.script
    assert script.source.startswith("from __future__ import annotations; CONSTANT = 3; import math\ndef repeat(")
    assert "@cella" not in script.source and script.entry == "repeat"
    assert json.loads(repeat.package())["inputs"] == [{"name": "text"}]
    assert len(repeat.sha256) == 64


def test_local_run() -> None:
    run = repeat.local(text=b"ab", times=1)
    assert run.result() == {"floor": 2, "times": 1} and run.outputs["copy"].bytes() == b"ababab"
    with pytest.raises(cella.ScriptError) as caught:
        run_local(parse("def main(a):\n    raise KeyError('x')"), {"a": b""}, [], {})
    assert (caught.value.script_class, caught.value.line, caught.value.code) == ("KeyError", 2, "SCRIPT_FAILED")
    with pytest.raises(cella.ScriptError) as missing:
        run_local(parse("def main(b): pass"), {}, ["b"], {})
    assert missing.value.code == "OUTPUT_MISSING"


def test_what_the_decorator_declares_is_in_the_package() -> None:
    @cella.function(inputs=["a"], streams=["a"], isolation={"clock": "coarse"}, limits={"threads": 0}, release={"k": 3})
    def reads(a):  # type: ignore[no-untyped-def]
        return len(a.read())

    made = json.loads(reads.package())
    assert made["inputs"] == [{"name": "a", "stream": True}]
    assert made["isolation"] == {"clock": "coarse"} and made["limits"] == {"threads": 0} and made["release"] == {"k": 3}
    assert reads.local(a=b"abc").result() == 3


def test_a_stream_is_one_locally_too() -> None:
    @cella.function(inputs=["a"], streams=["a"])
    def turns_back(a):  # type: ignore[no-untyped-def]
        a.read()
        a.seek(0)

    with pytest.raises(cella.ScriptError) as caught:
        turns_back.local(a=b"abc")
    assert "it is declared as a stream" in str(caught.value)


@pytest.mark.parametrize(
    "decorator",
    ["@cella.function", "@cella.function()", "@cella.function(inputs=['a'], limits={'cpu_s': 1}, isolation={})"],
)
def test_a_script_that_uses_the_decorator_runs_locally_as_in_a_cell(decorator: str) -> None:
    script = parse(f"import cella\nhelper = len\n{decorator}\ndef main(a):\n    return [helper(a.read()), __name__]")
    assert run_local(script, {"a": b"abc"}, [], {}).result() == [3, "script"]
    assert isinstance(cella.function(stands_here), cella.LocalFunction)  # outside of a run it is the client's again


def stands_here() -> int:
    return 1


def test_a_module_of_ones_own_may_be_called_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "script.py").write_text("import cella\n@cella.function\ndef main():\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "script", raising=False)
    import script  # type: ignore[import]

    assert isinstance(script.main, cella.LocalFunction) and script.main.local().result() == 1
    monkeypatch.delitem(sys.modules, "script")


def test_decorated_functions_are_still_functions() -> None:
    @cella.function
    def plain(n=1):  # type: ignore[no-untyped-def]
        return n + 1

    assert plain(2) == 3 and plain.__name__ == "plain"


def test_what_can_not_be_sent() -> None:
    captured = 5

    def closure():  # type: ignore[no-untyped-def]
        return captured

    def outside():  # type: ignore[no-untyped-def]
        return parse("x")

    with pytest.raises(cella.ScriptError, match="captured"):
        cella.function(closure)
    with pytest.raises(cella.ScriptError, match="parse .*from outside"):
        cella.function(outside)
    with pytest.raises(cella.ScriptError):
        source_of(len)
    with pytest.raises(cella.ScriptError):
        cella.function(lambda: 1)
    with pytest.raises(cella.ArgumentError):
        cella.function(inputs=["nothing"])(repeat._original)
