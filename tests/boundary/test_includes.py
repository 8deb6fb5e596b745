# SPDX-License-Identifier: Apache-2.0
"""Arrows between folders point down only, and each foreign library is spoken to in few files."""

from __future__ import annotations

from pathlib import Path

import pytest
import sources

# Room -> rooms whose headers its files may include, or single headers: docs/architecture.md says the same.
ARROWS: dict[str, set[str]] = {
    "executor/base": set(),
    "executor/trust": {"executor/base"},
    "executor/platform": {"executor/trust", "executor/base"},
    "executor/confine": {"executor/base"},
    "executor/monitor": {
        "executor/platform",
        "executor/trust",
        "executor/base",
        "executor/courier/message.h",
        "executor/cell/message.h",
        "executor/confine/cgroup.h",
    },
    "executor/front": {"executor/trust", "executor/base", "executor/confine", "executor/monitor/ask.h"},
    "executor/courier": {"executor/trust", "executor/base", "executor/confine"},
    "executor/cell": {"executor/confine", "executor/base", "builtins"},
    "builtins": {"executor/base"},
    "builtins/native": {"builtins", "executor/base"},
    "host": {"executor/base"},
    "python/cella/_native": {"executor/trust", "executor/base"},
}

# Prefix of a system header -> the only files that may include it.
FOREIGN: dict[str, set[str]] = {
    "openssl/": {
        "executor/trust/crypto.c",
        "executor/trust/aead.c",
        "executor/trust/keys.c",
        "executor/trust/openssl_error.h",
        "executor/trust/signature.c",
        "executor/trust/public_key.h",
        "executor/trust/certificate.c",
        "executor/trust/certificate_openssl.h",
        "executor/trust/chain.c",
        "executor/trust/anchor.c",
        "executor/trust/tpm_credential.c",
        "executor/front/tls.c",
        "python/cella/_native/tls.c",
        "builtins/native/rsa_sign.c",
        "builtins/native/online_decrypt.c",
    },
    "jansson.h": {"executor/trust/json.h"},
    "xgboost/": {"builtins/native/gbdt_train.c"},
    "png.h": {"builtins/native/image.c"},
    "turbojpeg.h": {"builtins/native/image.c"},
    "llhttp.h": {"executor/front/http.c"},
    "Python.h": {
        "executor/cell/interpreter.c",
        "executor/cell/audit.c",
        "executor/cell/module.h",
        "executor/cell/native.h",
        "python/cella/_native/native.h",
    },
    "event2/": {"host/links.h", "host/host.c", "host/relay.c", "host/relay.h", "host/links.c", "host/program.h"},
    "seccomp.h": {"executor/confine/filter.c"},
    "sqlite3.h": {"host/ledger_sqlite.c"},
    "ffi.h": {"builtins/dispatch.c"},
    "dlfcn.h": {"builtins/library.c"},
    "tss2/": {"executor/platform/tpm_device.h"},
}


def home_of(including: Path, name: str) -> Path:
    """The file that an include in quotes means, relative to the repository."""
    for folder in (Path("executor"), Path(""), including.parent):
        if (sources.ROOT / folder / name).is_file():
            return folder / name
    raise AssertionError(f"{including} includes {name!r}, which is nowhere")


def test_every_room_is_in_the_table():
    assert {sources.room(path) for path in sources.files()} == set(ARROWS)


def test_the_document_has_the_same_arrows():
    documented = {}
    for row in sources.table("### Arrows"):
        (room,) = sources.names(row[0])
        documented[room] = set(sources.names(row[1]))
    assert documented == ARROWS


def test_the_document_has_the_same_foreign_headers():
    documented = {}
    for row in sources.table("### Foreign headers"):
        for header in sources.names(row[0]):
            documented[header.strip("<>").replace("...", "")] = set(sources.names(row[1]))
    assert documented == FOREIGN


@pytest.mark.parametrize("room", ARROWS)
def test_arrows(room):
    wrong = []
    for path in sources.files(room):
        if sources.room(path) != room:
            continue
        for form, name in sources.includes(path):
            if form == "<":
                continue
            target = home_of(path, name)
            if sources.room(target) != room and not {sources.room(target), str(target)} & ARROWS[room]:
                wrong.append(f"{path} includes {name}")
    assert wrong == []


@pytest.mark.parametrize("prefix", FOREIGN)
def test_foreign_headers(prefix):
    users = {
        str(path)
        for path in sources.files()
        for _, name in sources.includes(path)
        if name == prefix or (prefix.endswith("/") and name.startswith(prefix))
    }
    assert users <= FOREIGN[prefix]
    assert users, f"nobody includes {prefix}: take it out of the table"


def test_no_other_foreign_library():
    """Any header that is not libc's, the kernel's or the compiler's is in the table above."""
    ours = {"sys/", "linux/", "netinet/", "arpa/"}
    plain = {
        "assert", "dirent", "elf", "emmintrin", "endian", "errno", "fcntl", "float", "grp", "inttypes", "immintrin", "limits", "link", "locale", "math", "poll", "pthread", "sched", "setjmp",
        "signal", "spawn", "stdarg", "stdatomic", "stdbool", "stddef", "stdint", "stdio", "stdlib", "string", "strings", "time", "unistd",
    }
    strange = {
        f"{path}: {name}"
        for path in sources.files()
        for form, name in sources.includes(path)
        if form == "<" and not name.startswith((*ours, *FOREIGN)) and name.removesuffix(".h") not in plain
    }
    assert strange == set()


def test_message_headers_need_only_base():
    """What two programs share about their messages drags nothing of one program into the other."""
    for header in ("executor/monitor/request.h", "executor/courier/message.h", "executor/cell/message.h"):
        assert {name.partition("/")[0] for form, name in sources.includes(Path(header)) if form == '"'} <= {"base"}
