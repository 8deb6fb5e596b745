# SPDX-License-Identifier: Apache-2.0
"""What every cell does before its task: fresh random state, and, while there is time, a throw-away script.

Everything here serves one end: a cell copies each page that it writes to, so a zygote leaves behind as few pages as
possible that cells write to.
"""

from __future__ import annotations

import functools
import gc
import importlib
import random
import sys
from collections.abc import Callable
from typing import Any

import _cell
import _random

_WARM_SCRIPT = b"""
def square(value):
    return [item * item for item in range(value)]

class Point:
    def __init__(self, x, y=2):
        self.x, self.y = x, y

    def total(self):
        try:
            return {"sum": f"{self.x + self.y:.3f}", "list": square(5)}["none"]
        except KeyError as error:
            return str(error)

def warm(table, report, factor=1.5):
    rows = [line.split(",") for line in table.text().splitlines()]
    print("rows", len(rows), {name: f"{len(name)}" for name in ("a", "b")})
    report.write(b"done")
    return {"n": len(rows), "factor": factor, "text": Point(1).total()}
"""

_reseed: list[Callable[[], object]] = []
_lines: list[str] = []


def load_runtime() -> None:
    """Import what runs tasks, last and into fresh memory: what every cell touches lies side by side then."""
    gc.collect()
    _cell.tidy()
    importlib.import_module("cella._cell_runner")
    from . import _cancel, builtins, reporting

    _cancel.listen()
    builtins.bind(_cell)
    # The task's log, for good: silent until there is a task.
    reporting.use_channel(_cell)
    reporting.redirect_streams()


def prepare(lines: str) -> None:
    """Come as far as a zygote can on the way of every cell.

    Args:
        lines: the profile's own Python for warming.
    """
    _lines.append(lines)
    _find_generators()
    # Here first, so that what is made once is shared by all cells: caches, and code that the interpreter adapts after it
    # ran a few times. Then no cell's collector walks through any of it.
    for _ in range(20):
        warm()
    gc.collect()
    _cell.tidy()
    gc.freeze()


def _find_generators() -> None:
    """List every random generator there is: a fork copies their state."""
    kinds = [random.Random]
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        kinds += [numpy.random.RandomState, numpy.random.Generator]
    for thing in gc.get_objects():
        if isinstance(thing, kinds[0]) and not isinstance(thing, random.SystemRandom):
            thing.seed()
            _reseed.append(functools.partial(_random.Random.seed, thing))  # what seed() does, in C
        elif isinstance(thing, tuple(kinds[1:])):
            bits = thing._bit_generator if isinstance(thing, kinds[1]) else thing.bit_generator

            def renew(bits: Any = bits) -> None:
                bits.state = type(bits)().state

            _reseed.append(renew)


def reseed() -> None:
    """Give every generator that was copied by the fork a state of its own."""
    for renew in _reseed:
        renew()


def warm() -> None:
    """Touch the memory that a task will touch: run a throw-away function, silently."""
    from . import _runner
    from .files import Input, Output

    reseed()
    files = {"table": Input("table", b"a,1\nb,2\n")}
    targets = {"report": Output("report", 100)}
    outcome = _runner.run(_WARM_SCRIPT, "warm", {"factor": 2}, files, targets, 1000)
    if outcome.status != "OK":
        raise RuntimeError(f"warming failed: {outcome}")
    exec(_lines[-1], {"__name__": "warm"})
    del sys.modules["script"]
