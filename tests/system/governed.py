# SPDX-License-Identifier: Apache-2.0
"""Executors with a charter that names who governs them, and the people there."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cella
from live import LiveExecutor

Start = Callable[..., LiveExecutor]


class House:
    """An executor with one administrator of the charter.

    Attributes:
        live: the executor.
        root: the administrator.
    """

    def __init__(self, start: Start, folder: Path, **charter: Any) -> None:
        root = cella.Identity.generate()
        state = folder / "state"
        state.mkdir(mode=0o700)
        members = {"version": 1, "enrol": "invite", "administrators": [root.party], **charter}
        (state / "charter.json").write_text(json.dumps(members))
        self.live = start({"profiles": ["python"], "pool": 2})
        self.root = self.live.client(root, enrol=False)
        self.root.enrol("root")

    def stranger(self) -> cella.Executor:
        """Somebody who is not enrolled."""
        return self.live.client(enrol=False)

    def guest(self, *roles: str, by: cella.Executor | None = None, **terms: Any) -> cella.Executor:
        """Somebody new who was invited."""
        token = (by or self.root).parties.invite(roles or ("data_owner", "function_owner"), **terms)
        one = self.stranger()
        one.enrol(invitation=token)
        return one

    def guests(self, count: int) -> Sequence[cella.Executor]:
        """Several of them, with ordinary roles."""
        return [self.guest() for _ in range(count)]


@contextlib.contextmanager
def housed(folder: Path, **charter: Any) -> Iterator[House]:
    """A house in an executor of its own, for a block."""
    made: list[LiveExecutor] = []

    def start(config: dict[str, Any]) -> LiveExecutor:
        made.append(LiveExecutor(folder, config))
        return made[-1]

    try:
        yield House(start, folder, **charter)
    finally:
        for live in made:
            live.close()



def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Do something count times at the same moment. Results, errors among them."""
    gate = threading.Barrier(count)
    results: list[Any] = [None] * count

    def one(index: int) -> None:
        gate.wait()
        try:
            results[index] = act(index)
        except cella.CellaError as problem:
            results[index] = problem

    threads = [threading.Thread(target=one, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def codes(results: list[Any]) -> list[str]:
    """Their codes, "OK" where there is no error, in order of the alphabet."""
    return sorted(result.code if isinstance(result, cella.CellaError) else "OK" for result in results)
