# SPDX-License-Identifier: Apache-2.0
"""What a program must not do is not linked into it: libraries and symbols of each."""

from __future__ import annotations

import re

import elf
import pytest
import sources

# Program -> shared libraries that it may be linked with, without versions: docs/architecture.md says the same.
LIBRARIES: dict[str, set[str]] = {
    "cella-host": {"libc", "libevent_core"},
    "cella-ledger": {"libc", "libsqlite3"},
    "cella-front": {"libc", "libcrypto", "libssl", "libseccomp"},
    "cella-monitor": {"libc", "libcrypto", "libjansson", "libtss2-esys", "libtss2-mu"},
    "cella-courier": {"libc", "libcrypto", "libseccomp"},
    "cella-zygote": {"libc", "libm", "libexpat", "libz", "libffi", "libseccomp"},
    "cella-native.so": {"libc", "libm", "libcrypto", "liblapack", "libxgboost", "libpng16", "libturbojpeg"},
}

# Program -> patterns of symbols that it must not have, defined or not.
FORBIDDEN: dict[str, str] = {
    "cella-host": r"cella_(secret|hpke|keyring|sealed|jws|evidence|policy|json|ed25519|x25519|aead|sha256|tls|ask)_\w*"
    r"|(EVP|SSL|CRYPTO|OPENSSL)_\w*|json_\w+|llhttp_\w*|Py[A-Z_]\w*|dlopen|dlsym",
    "cella-ledger": r"cella_(secret|hpke|keyring|sealed|jws|evidence|policy|json|ed25519|x25519|aead|sha256|tls|ask|relay|launch)"
    r"_\w*|(EVP|SSL|CRYPTO|OPENSSL)_\w*|json_\w+|llhttp_\w*|event_\w+|Py[A-Z_]\w*|dlopen|dlsym|exec[lv]\w*|posix_spawn\w*"
    r"|fork|vfork|clone|connect|bind|listen|accept4?|pthread_create",
    "cella-front": r"cella_(keyring|hpke|sealed|aead|ed25519|x25519|state|operation|monitor|run|runner|pool|spec|json)_\w*"
    r"|cella_evidence_soft_make|json_\w+|Py[A-Z_]\w*|dlopen|dlsym|exec[lv]\w*|fork|vfork|connect|bind|listen",
    "cella-monitor": r"SSL_\w*|cella_tls_\w*|llhttp_\w*|cella_http_\w*|Py[A-Z_]\w*|connect|bind|listen|accept4?"
    r"|dlopen|dlsym",
    "cella-courier": r"cella_(keyring|hpke|ed25519|x25519|jws|json|evidence|policy|state|operation|tls|ask)_\w*"
    r"|SSL_\w*|json_\w+|llhttp_\w*|Py[A-Z_]\w*|dlopen|dlsym|exec[lv]\w*|fork|vfork|connect|bind|listen",
    "cella-zygote": r"cella_(keyring|secret|hpke|sealed|aead|ed25519|x25519|jws|json|evidence|tls|ask|link|state"
    r"|operation)_\w*|(EVP|SSL|CRYPTO|OPENSSL)_\w*|json_\w+|llhttp_\w*|exec[lv]\w*|connect|bind|listen|accept4?",
}
# Names that a pattern hits and that are something else.
HARMLESS = {"cella-zygote": {"json_arguments"}}


def stem(name: str) -> str:
    """libevent_core-2.1.so.7 -> libevent_core; libpython3.11.so.1.0 -> libpython3.11"""
    return re.sub(r"-[\d.]+$", "", name.partition(".so")[0])


def test_the_document_has_the_same_libraries():
    documented = {}
    for row in sources.table("### Linked libraries"):
        (program,) = sources.names(row[0])
        documented[program] = set(sources.names(row[1]))
    assert documented == LIBRARIES


@pytest.mark.parametrize("name", elf.PROGRAMS)
def test_libraries(name):
    found = {stem(library) for library in elf.needed(elf.program(name))}
    if {"libasan", "libubsan"} & found:
        pytest.skip(f"NOT A RELEASE: {elf.BUILD} is built with sanitizers, its link lines mean nothing")
    assert found <= LIBRARIES[name]


@pytest.mark.parametrize("name", elf.PROGRAMS)
def test_symbols(name):
    found = {symbol for symbol in elf.own(name) if re.fullmatch(FORBIDDEN[name], symbol)}
    assert found - HARMLESS.get(name, set()) == set()


@pytest.mark.parametrize("name, rooms", [
    ("cella-host", ("cella_trust", "cella_platform", "cella_confine", "cella_monitor", "cella_front", "cella_cell")),
    ("cella-ledger", ("cella_trust", "cella_platform", "cella_confine", "cella_monitor", "cella_front", "cella_cell")),
    ("cella-zygote", ("cella_trust", "cella_platform", "cella_monitor", "cella_front")),
    ("cella-courier", ("cella_platform", "cella_monitor", "cella_front", "cella_builtins")),
    ("cella-monitor", ("cella_front", "cella_builtins")),
    ("cella-front", ("cella_platform", "cella_builtins")),
])
def test_nothing_of_a_room(name, rooms):
    """No global symbol of a library that the program must not contain. Sources that two rooms share do not count."""
    shared = {"message.c.o", "ask.c.o"}
    mine = elf.symbols(elf.program(name)) - elf.imports(elf.program(name))
    for room in rooms:
        for member, symbols in elf.members(elf.library(room)).items():
            if member not in shared:
                assert mine & symbols == set(), f"{name} contains {member} of {room}"


def test_the_front_has_only_the_asking_side_of_the_monitor():
    mine = elf.symbols(elf.program("cella-front"))
    for member, symbols in elf.members(elf.library("cella_monitor")).items():
        own = {symbol for symbol in symbols if not symbol.startswith("cella_front_")}
        assert mine & own == set(), f"cella-front contains {member} of the monitor"


def test_only_the_monitor_signs_and_unwraps():
    verbs = {"cella_keyring_sign_session", "cella_keyring_open", "cella_hpke_open", "cella_evidence_soft_make"}
    holders = {name for name in elf.PROGRAMS if elf.symbols(elf.program(name)) & verbs}
    assert holders == {"cella-monitor"}


def test_only_host_and_monitor_start_programs():
    starters = {name for name in elf.PROGRAMS if elf.own(name) & {"execve", "fexecve", "execveat", "posix_spawn"}}
    assert starters <= {"cella-host", "cella-monitor"}


def test_what_the_zygote_offers_to_the_interpreter():
    """Python modules find the interpreter, our fstat, fdopen and clocks, and nothing else of the program."""
    path = elf.program("cella-zygote")
    marks = {"_start", "_init", "_fini", "_edata", "_end", "__bss_start", "data_start", "__data_start", "_IO_stdin_used", "main"}
    ours = {name for letter, name in elf.exports(path) if letter in "TWi"} - elf.of_interpreter() - marks
    assert ours == {"fstat", "fstat64", "fdopen", "clock_gettime", "gettimeofday", "time"}
    assert {name for _, name in elf.exports(path) if name.startswith("cella_")} == set()


def test_the_library_of_builtins_offers_one_symbol():
    path = elf.program("builtins/cella-native.so")
    found = {stem(library) for library in elf.needed(path)}
    if {"libasan", "libubsan"} & found:
        pytest.skip(f"NOT A RELEASE: {elf.BUILD} is built with sanitizers, its link lines mean nothing")
    assert {name for _, name in elf.exports(path)} == {"cella_builtin_module"}
    assert found <= LIBRARIES["cella-native.so"]
    forbidden = r"exec[lv]\w*|fork|vfork|socket|connect|bind|listen|accept4?|open(at)?|fopen"
    assert {name for name in elf.imports(path) if re.fullmatch(forbidden, name)} == set()


def test_the_client_module_offers_one_symbol():
    path = elf.ROOT / "python" / "cella" / "_native.abi3.so"
    if not path.exists():
        pytest.skip(f"NOT BUILT: {path}")
    assert elf.exports(path) == {("T", "PyInit__native")}
    assert {stem(library) for library in elf.needed(path)} <= {"libc", "libcrypto", "libssl", "libjansson"}
