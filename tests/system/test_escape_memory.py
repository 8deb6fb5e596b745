# SPDX-License-Identifier: Apache-2.0
"""All memory of a cell, written out by a script that owns it, and searched for what other people would not like to see."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cella
import numpy
import pytest
from live import REPOSITORY, LiveExecutor, files, package_of, refused, running, script_task, until_in_cell

sys.path.insert(0, str(REPOSITORY / "tests" / "escapes"))
import corpus

OF_THE_STARTER = secrets.token_hex(16)
"""In the environment of the host, from before it starts."""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveExecutor]:
    """An executor of this module, with a secret in its starter's environment."""
    os.environ["CELLA_ESCAPE_CANARY"] = OF_THE_STARTER
    with running(tmp_path_factory.mktemp("memory"), profiles=",".join(corpus.there())) as live:
        del os.environ["CELLA_ESCAPE_CANARY"]
        yield live


@pytest.fixture(scope="module", params=corpus.there())
def profile(request: pytest.FixtureRequest) -> str:
    """Each profile that there is."""
    return request.param


def canary() -> str:
    """Text that is nowhere else."""
    return "canary" + secrets.token_hex(12)


def dump(party: cella.Executor, profile: str, **options: Any) -> tuple[bytes, list[list[int]]]:
    """All memory of a cell, and its pieces (address, size, place in the bytes)."""
    attack = corpus.attack("dump")
    task = script_task(party, attack.source, outputs=attack.outputs, profile=profile, **options).wait(timeout=90)
    content, told = task.outputs["out"].bytes(), task.result()
    assert len(content) == sum(piece[1] for piece in told["pieces"])
    return content, told["pieces"]


def forms(secret: bytes) -> list[bytes]:
    """A key as it is, and as the texts that it is written as."""
    from cella.encoding import to_base64url

    return [secret, secret.hex().encode(), to_base64url(secret).encode()]


TALK = """
MARK = "{source}"
import cella, time
def main(data, out, note):
    kept = [data.read() * 2, note * 2]
    out.write(data.read())
    cella.progress(0.5)
    if note.startswith("crash"):
        x = ()
        for i in range(1000000): x = (x,)
        hash(x)
    if note.startswith("sleep"):
        time.sleep(600)
    return "{result}"
"""


class Victim:
    """Somebody else's task, with canaries in all that belongs to it."""

    def __init__(self, party: cella.Executor, profile: str, what: str) -> None:
        self.canaries = {name: canary() for name in ("source", "argument", "data", "result", "label")}
        self.key = cella.DataKey.generate()
        data = party.data.add(self.canaries["data"].encode() * 100, self.canaries["label"], key=self.key)
        package = package_of(
            TALK.replace("{source}", self.canaries["source"]).replace("{result}", self.canaries["result"]), profile=profile,
            inputs=files("data"), outputs=files("out"), arguments=[{"name": "note"}])
        self.task = party.tasks.create(
            party.functions.register(package), inputs={"data": data}, outputs={"out": None},
            arguments={"note": what + self.canaries["argument"]}, invoke=True)

    def needles(self) -> dict[str, list[bytes]]:
        """What must not be found."""
        found = {name: [text.encode()] for name, text in self.canaries.items()}
        return {**found, "data key": forms(self.key.key.export()), "task": [self.task.id.encode()]}


def occurring(content: bytes, needles: dict[str, list[bytes]]) -> set[str]:
    """Names of those of which any form is in there."""
    return {name for name, shapes in needles.items() if any(shape in content for shape in shapes)}


def seeds(folder: Path) -> dict[str, list[bytes]]:
    """Small private files of the state folder: the software root's seed, whatever its form."""
    found = {}
    for path in folder.iterdir():
        if path.is_file() and path.stat().st_mode & 0o077 == 0 and 0 < path.stat().st_size <= 4096:
            content = path.read_bytes()
            found[f"state/{path.name}"] = forms(content) + [line for line in content.split() if len(line) >= 16]
    return found


def test_the_search_finds_what_is_there(own: LiveExecutor, profile: str) -> None:
    """The attacker's own data, argument, key in its argument, source; his memory ends where it says."""
    key, note, inside = cella.DataKey.generate(), canary(), canary()
    content, pieces = dump(own.client(), profile, inputs={"data": inside.encode()},
                           arguments={"note": note, "key": key.key.export().hex()})
    needles = {"note": [note.encode()], "data": [inside.encode()], "key": forms(key.key.export()), "other": [canary().encode()],
               "source": [b"nothing is mapped there: a mapping may be made"], "elf": [b"\x7fELF"]}
    assert occurring(content, needles) == {"note", "data", "key", "source", "elf"}
    assert len(content) > 20 << 20 and len(pieces) >= 8


def test_nothing_of_anybody_else(own: LiveExecutor, profile: str) -> None:
    """Beside a task that runs, after tasks that ended and crashed, in a cell of the same zygote."""
    other = own.client()
    victims = {what: Victim(other, profile, what) for what in ("ended", "crashed", "sleeping")}
    until_in_cell(victims["sleeping"].task)
    victims["ended"].task.wait(timeout=60)
    with refused("CELL_DIED"):
        victims["crashed"].task.wait(timeout=60)
    party = own.client()
    content, _ = dump(party, profile)
    for what, victim in victims.items():
        assert occurring(content, victim.needles()) == set(), what
    victims["sleeping"].task.cancel()

    private = {}
    for name, one in (("victim", other), ("attacker", party)):
        for part in ("_sign", "_seal"):
            private[f"{name}{part}"] = forms(getattr(one.identity, part).export())
        private[f"{name} id"] = [one.party.encode()]
    assert occurring(content, private) == set()
    secret_files = seeds(own.state)
    assert secret_files, "the state folder has no private file: look where the seed has gone"
    assert occurring(content, secret_files) == set()


def test_nothing_of_the_machine(own: LiveExecutor, profile: str) -> None:
    """No environment, no path, no address of the host; what there is of the executor is a path in its own small root."""
    content, _ = dump(own.client(), profile)
    needles = {
        "environment": [OF_THE_STARTER.encode(), b"CELLA_ESCAPE_CANARY"], "state": [str(own.state).encode()],
        "tree": [str(REPOSITORY).encode()], "address": [own.address.encode()], "executor": [own.trust.read_bytes()[:200]],
        "home": [b"HOME=/"], "path": [b"PATH=/usr/local/sbin", b"PATH=/usr/bin", os.environ["PATH"].encode()],
        "host name": [socket.gethostname().encode()] if len(socket.gethostname()) > 6 else [],
    }
    assert occurring(content, needles) == set()
    assert b"/cella/cella-zygote\0--profile\0" in content  # the command line is at the end of the stack, and found there


def random_words(content: bytes) -> Any:
    """The eight-byte words of a memory that look random: no text, no address, no small number."""
    words = numpy.unique(numpy.frombuffer(content[:len(content) // 8 * 8], "<u8"))
    parts = words.view("u1").reshape(-1, 8)
    ordered = numpy.sort(parts, axis=1)
    distinct = (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1) + 1
    return words[(distinct >= 7) & ((parts >= 128).sum(axis=1) >= 2) & (parts[:, 7] != 0) & (parts[:, 7] != 255)]


def own_memory(pid: int) -> bytes:
    """Writable memory of a process that is no file's."""
    parts = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            limits, rights, _, _, inode, *name = line.split(None, 5)
            if "rw" not in rights or inode != "0" or "[v" in "".join(name):
                continue
            start, end = (int(number, 16) for number in limits.split("-"))
            memory.seek(start)
            try:
                parts.append(memory.read(end - start))
            except OSError:
                continue
    return b"".join(parts)


def test_nothing_random_that_the_monitor_holds(own: LiveExecutor) -> None:
    """Keys have no shape to search for. But all random words of the monitor's memory, its keys among them, can be compared
    with those of a cell; one that both hold by right shows that the comparison sees."""
    if os.geteuid() != 0:
        pytest.skip("NOT ROOT: the monitor's memory can not be read, its random words were not looked for")
    party = own.client()
    planted = "".join(chr(secrets.choice(range(0x80, 0x7FF))) for _ in range(32))
    holder = script_task(party, "import cella, time\ndef main(note):\n    cella.progress(0.5)\n    time.sleep(600)",
                         arguments={"note": planted})
    until_in_cell(holder)
    Victim(own.client(), "python", "ended").task.wait(timeout=60)
    held = random_words(own_memory(own.one("monitor").pid))
    assert len(held) > 50
    content, _ = dump(party, "python", arguments={"note": planted})

    def both(text: bytes) -> set[int]:
        found: set[int] = set()
        for shift in range(8):
            words = numpy.frombuffer(text[shift:shift + (len(text) - shift) // 8 * 8], "<u8")
            near = held[numpy.minimum(numpy.searchsorted(held, words), len(held) - 1)]
            found.update(int(word) for word in words[near == words])
        return found

    encoded = f'{{"note":"{planted}"}}'.encode()
    by_right = {int.from_bytes(encoded[at:at + 8], "little") for at in range(len(encoded) - 7)}
    shared = both(content)
    assert shared & by_right, "the planted words were not seen"
    holder.cancel()
    # A word that cells of another executor hold too is a constant of the code that both link.
    with running(own.state.parent, name="another") as second:
        constants = both(dump(second.client(), "python")[0])
    assert {hex(word) for word in shared - by_right - constants} == set()
