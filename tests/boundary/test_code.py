# SPDX-License-Identifier: Apache-2.0
"""Rules of the C code that a machine can check: headers, globals, sizes, functions that nobody calls."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import elf
import pytest
import sources

FUNCTION_LINES = 60
FILE_LINES = 600
CORE = ("executor", "host", "builtins")

# Beyond banned.h: no checks of what they read, no bound, hidden state, hidden control flow.
BANNED_HERE = {
    "alloca", "atoi", "atol", "atoll", "atof", "rand", "srand", "random", "srandom", "scanf", "fscanf", "sscanf",
    "setjmp", "longjmp", "tempnam", "mkstemp", "putenv", "getenv", "localtime", "gmtime", "asctime", "ctime",
    "dlopen", "dlsym",
}
LOADERS = {Path("builtins/library.c")}  # what may load a library by name

# Data that stays writable, with the reason. Everything else is constant.
MUTABLE = {
    "executor/cell/clock.c": {
        "state": "takes the place of libc functions, which have no argument for it; written once each",
    },
    "executor/cell/module.c": {
        "definition": "CPython's PyModuleDef: the interpreter writes its own fields",
        "methods": "PyMethodDef *: CPython's type for it is not const",
        "slots": "PyModuleDef_Slot *: CPython's type for it is not const",
    },
}


@pytest.fixture(scope="module")
def flags() -> dict[str, list[str]]:
    """Room -> the compiler and the flags with which its sources are built, without input and output."""
    path = elf.BUILD / "compile_commands.json"
    if not path.exists():
        pytest.skip(f"NOT BUILT: {path}, so no header was compiled")
    found: dict[str, list[str]] = {}
    for entry in json.loads(path.read_text()):
        source = Path(entry["file"])
        if sources.ROOT not in source.parents:
            continue
        words = shlex.split(entry["command"])
        end = words.index("-o")
        # A room may be built by two targets; the one with more include folders has the headers of both.
        room = sources.room(source.relative_to(sources.ROOT))
        found[room] = max(found.get(room, []), words[:end], key=len)
    return found


def test_every_header_compiles_alone(flags):
    def check(header: Path) -> str:
        words = flags.get(sources.room(header))
        if words is None:
            return f"{header}: nothing of its folder is built"
        done = subprocess.run(
            [*words, f"-I{sources.ROOT / header.parent}", "-fsyntax-only", "-x", "c", "-"], capture_output=True, text=True,
            input=f'#include "{sources.ROOT / header}"\n', timeout=120,
        )
        return done.stderr

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(check, sources.files(headers=True, sources=False)))
    assert [text for text in said if text] == []


def test_every_header_has_its_guard_and_its_purpose():
    for header in sources.files(headers=True, sources=False):
        lines = sources.text(header).splitlines()
        assert lines[1] == "#pragma once", header
        assert lines[3].startswith("/*"), f"{header} does not begin with a paragraph of purpose"


def test_no_goto():
    found = [str(path) for path in sources.files() if re.search(r"\bgoto\b", sources.code(path))]
    assert found == []


def test_no_banned_function():
    poisoned = re.search(r"#pragma GCC poison ([\w ]+)", sources.text(Path("executor/base/banned.h")))
    assert poisoned is not None
    banned = set(poisoned.group(1).split()) | BANNED_HERE
    call = re.compile(r"(?<![\w.>])(" + "|".join(sorted(banned)) + r")\s*\(")
    found = [
        f"{path}: {match.group(1)}"
        for path in sources.files()
        if path.name != "banned.h" and path not in LOADERS
        for match in call.finditer(sources.code(path))
    ]
    assert found == []


def test_banned_functions_are_not_imported():
    poisoned = re.search(r"#pragma GCC poison ([\w ]+)", sources.text(Path("executor/base/banned.h")))
    banned = set(poisoned.group(1).split())
    for name in elf.PROGRAMS:
        assert elf.own(name) & elf.imports(elf.program(name)) & banned == set(), name


def test_banned_h_is_before_every_source():
    commands = json.loads((elf.BUILD / "compile_commands.json").read_text()) if (
        elf.BUILD / "compile_commands.json").exists() else pytest.skip(f"NOT BUILT: {elf.BUILD}")
    without = [
        entry["file"]
        for entry in commands
        if Path(entry["file"]).is_relative_to(sources.ROOT)
        and str(Path(entry["file"]).relative_to(sources.ROOT)).startswith(sources.FOLDERS)
        and "executor/base/banned.h" not in entry["command"]
    ]
    assert without == []


def test_no_mutable_global():
    """State that is not an argument is state that a test can not see and a thread can not trust."""
    found = []
    for path in elf.objects(*CORE):
        source = str(path).partition(".dir/")[2].removesuffix(".o")
        for line in elf.run("objdump", "-t", path).splitlines():
            match = re.match(r"^[0-9a-f]+ .{6}O (\S+)\s+[0-9a-f]+(?: \.hidden)? (\S+)$", line)
            if match is None:
                continue
            section, symbol = match.groups()
            constant = section.startswith((".rodata", ".data.rel.ro"))
            if not constant and re.sub(r"\.\d+$", "", symbol) not in MUTABLE.get(source, {}):
                found.append(f"{source}: {symbol} in {section}")
    assert found == []


def test_no_thread_local_or_common_data():
    for path in elf.objects(*CORE):
        text = elf.run("objdump", "-t", path)
        assert "*COM*" not in text and ".tbss" not in text and ".tdata" not in text, path


def test_functions_are_short():
    found = [
        f"{path}: {first} has {count} lines"
        for path in sources.files(headers=False)
        for first, count in sources.functions(path)
        if count > FUNCTION_LINES
    ]
    assert found == []


def test_the_reader_of_functions_sees_them():
    """The test above would pass on nothing."""
    count = sum(1 for path in sources.files(headers=False) for _ in sources.functions(path))
    assert count > 500


def test_files_are_short():
    found = [str(path) for path in sources.files() if sources.text(path).count("\n") > FILE_LINES]
    assert found == []


def test_trust_has_no_side_effects():
    """executor/trust judges: no files, sockets, clock, processes, environment; secrets map their own pages."""
    doing = re.compile(
        r"(?<![\w.>])(open|openat|fopen|socket|connect|send|recv|read|write|fork|execve|clock_gettime|time|gettimeofday|getenv"
        r"|printf|fprintf|puts|syslog)\s*\("
    )
    found = [
        f"{path}: {match.group(1)}"
        for path in sources.files("executor/trust")
        for match in doing.finditer(sources.code(path))
    ]
    assert found == []


def test_trust_does_not_know_its_side():
    conditional = re.compile(r"^\s*#\s*(if|ifdef|ifndef)\b.*$", re.MULTILINE)
    found = [f"{path}: {line.group()}" for path in sources.files("executor/trust")
             for line in conditional.finditer(sources.text(path))]
    assert found == []
