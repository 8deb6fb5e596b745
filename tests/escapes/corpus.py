# SPDX-License-Identifier: Apache-2.0
"""Reads the attacks of this folder. Each is a script; the comment at its top says what it tries, and what must happen.

Lines of that comment that a test reads:

    # Tries: free text
    # Must: STATUS or STATUS | DONE: text that the error's message holds
    # Limits: name=value ...
    # Outputs: name ...
    # Profiles: name ...      where it makes sense; all without this line
    # Needs: raw              it is put behind raw.py
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
PROFILES = ("python", "numpy", "science")
"""Every profile that there may be."""


def built(profile: str) -> bool:
    """Whether this source tree has the profile and this machine its packages."""
    if not (ROOT / "executor" / "cell" / "profiles" / f"{profile}.json").is_file():
        return False
    packages = {"numpy": ["numpy"], "science": ["numpy", "pandas", "sklearn"]}.get(profile, [])
    return all((pathlib.Path("/usr/lib/python3/dist-packages") / name).is_dir() for name in packages)


def there() -> list[str]:
    """The profiles that there are. test_escape_calls.py says loudly which are not."""
    return [profile for profile in PROFILES if built(profile)]


def raw() -> str:
    """The primitive of a compromised interpreter."""
    return (FOLDER / "raw.py").read_text(encoding="utf-8")


@dataclasses.dataclass(frozen=True)
class Attack:
    """One script of the corpus."""

    name: str
    source: str
    statuses: tuple[str, ...]
    text: str
    limits: dict[str, int]
    outputs: tuple[str, ...]
    profiles: tuple[str, ...]


def attack(name: str) -> Attack:
    """Read one attack."""
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    head = dict(re.findall(r"^# (Tries|Must|Limits|Outputs|Profiles|Needs): (.*)$", text, re.MULTILINE))
    assert "Tries" in head and "Must" in head, f"{name}.py does not say what it tries and what must happen"
    statuses, _, words = head["Must"].partition(":")
    limits = dict(pair.split("=") for pair in head.get("Limits", "").split())
    return Attack(
        name, raw() + text if head.get("Needs") == "raw" else text, tuple(statuses.replace(" ", "").split("|")), words.strip(),
        {key: int(value, 0) for key, value in limits.items()}, tuple(head.get("Outputs", "").split()),
        tuple(head.get("Profiles", " ".join(PROFILES)).split()),
    )


def attacks(prefix: str) -> list[str]:
    """Names of the attacks whose files begin so."""
    return sorted(path.stem for path in FOLDER.glob(f"{prefix}*.py"))


# ---- system calls, as the document has them ----


def documented_calls() -> dict[str, set[str]]:
    """System calls by what docs/cells.md section 3 says of them: allow, conditional, or the name of an error."""
    text = (ROOT / "docs" / "cells.md").read_text(encoding="utf-8")
    return {action: set(names.split()) for action, names in
            re.findall(r"^```calls ([A-Za-z]+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)}


def call_number(name: str) -> int:
    """Number of a system call of x86-64, from libseccomp's table."""
    import ctypes

    library = ctypes.CDLL("libseccomp.so.2")
    number = int(library.seccomp_syscall_resolve_name_arch(ctypes.c_uint32(0xC000003E), name.encode()))
    assert number >= 0, f"no system call {name}"
    return number


def has_int80() -> bool:
    """Whether this kernel takes 32-bit calls of a 64-bit process: a child that has no filter tries one."""
    import ctypes
    import mmap

    child = os.fork()
    if child == 0:
        try:
            page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
            page.write(bytes.fromhex("b814000000cd80c3"))  # mov eax, 20 (getpid); int 0x80; ret
            address = ctypes.addressof(ctypes.c_char.from_buffer(page))
            os._exit(0 if ctypes.CFUNCTYPE(ctypes.c_int)(address)() == os.getpid() else 1)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
