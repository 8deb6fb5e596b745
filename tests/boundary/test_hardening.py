# SPDX-License-Identifier: Apache-2.0
"""How the programs are built: what an attacker who found a fault would still lack."""

from __future__ import annotations

import elf
import pytest

NATIVE = elf.ROOT / "python" / "cella" / "_native.abi3.so"


LIBRARY = "builtins/cella-native.so"


def all_binaries() -> list[str]:
    return [*elf.PROGRAMS, NATIVE.name, LIBRARY]


def binary(name: str):
    if name == NATIVE.name:
        if not NATIVE.exists():
            pytest.skip(f"NOT BUILT: {NATIVE}")
        return NATIVE
    return elf.program(name)


# The interpreter's fast form is not position-independent (CMakeLists.txt says what that costs and why it is taken).
FIXED = {"cella-zygote"}


@pytest.mark.parametrize("name", sorted(set(elf.PROGRAMS) - FIXED))
def test_position_independent(name):
    assert "DYN" in elf.run("readelf", "-hW", binary(name))
    assert "PIE" in elf.dynamic(binary(name))


@pytest.mark.parametrize("name", all_binaries())
def test_full_relro(name):
    path = binary(name)
    assert "BIND_NOW" in elf.dynamic(path) or "NOW" in elf.dynamic(path)
    assert [kind for kind, _ in elf.segments(path)].count("GNU_RELRO") == 1


@pytest.mark.parametrize("name", all_binaries())
def test_no_page_is_writable_and_executable(name):
    found = elf.segments(binary(name))
    assert [kind for kind, _ in found].count("LOAD") >= 3
    assert [flags for _, flags in found if "W" in flags and "E" in flags] == []


@pytest.mark.parametrize("name", all_binaries())
def test_the_stack_is_not_executable(name):
    assert [flags for kind, flags in elf.segments(binary(name)) if kind == "GNU_STACK"] == ["RW"]


@pytest.mark.parametrize("name", all_binaries())
def test_no_library_path_and_no_text_relocations(name):
    dynamic = elf.dynamic(binary(name))
    assert "RUNPATH" not in dynamic and "RPATH" not in dynamic
    assert "TEXTREL" not in dynamic


@pytest.mark.parametrize("name", all_binaries())
def test_stack_protector(name):
    assert "__stack_chk_fail" in elf.imports(binary(name))


@pytest.mark.parametrize("name", [*elf.PROGRAMS, LIBRARY])
def test_fortified(name):
    checked = {symbol for symbol in elf.imports(binary(name)) if symbol.endswith("_chk")}
    assert checked, "no checked form of any libc function is used: built without FORTIFY"


@pytest.mark.parametrize("name", [*elf.PROGRAMS, LIBRARY])
def test_no_path_of_the_build_machine(name):
    """Two builds in two folders give the same text; __FILE__ and debug paths are relative."""
    content = binary(name).read_bytes()
    assert str(elf.ROOT / "executor").encode() not in content
    assert str(elf.ROOT / "host").encode() not in content
    assert str(elf.ROOT / "builtins").encode() not in content
