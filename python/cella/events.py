# SPDX-License-Identifier: Apache-2.0
"""What happens on the way of a task, for whoever shows it: lines here, a bar in the command line, or a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TextIO

from .encoding import human_size, one_line


@dataclass(frozen=True)
class Event:
    """One step.

    Attributes:
        stage: "encrypt", "upload", "register", "state", "run" or "download".
        name: of the input, output or function; the state's name for "state".
        done: bytes so far, or thousandths for "run".
        total: bytes in all, 1000 for "run"; 0 when the stage has no amount.
        text: the script's own words for "run"; for "state" what the task waits for, if parties have to do it; "" otherwise.
    """

    stage: str
    name: str = ""
    done: int = 0
    total: int = 0
    text: str = ""


Reporter = Callable[[Event], None]


def silent(event: Event) -> None:
    """Show nothing."""


def describe(event: Event) -> str:
    """One line for an event.

    >>> describe(Event("upload", "images", 512, 1024))
    'upload images: 512 B of 1.0 KiB'
    >>> describe(Event("state", "running"))
    'running'
    >>> describe(Event("state", "assigned", text="waits for the approval of you"))
    'assigned, waits for the approval of you'
    """
    if event.stage == "state":
        return event.name + (f", {event.text}" if event.text else "")
    if event.stage == "run":
        return f"running: {event.done / 10:.0f} %" + (f", {one_line(event.text)}" if event.text else "")
    if event.total:
        return f"{event.stage} {event.name}: {human_size(event.done)} of {human_size(event.total)}"
    return f"{event.stage} {event.name}".rstrip()


def describe_usage(usage: Mapping[str, int]) -> str:
    """What a task used, in one line.

    >>> describe_usage({"cpu_us": 1234567, "wall_us": 2500000, "peak_kib": 35840, "bytes_in": 1048632, "bytes_out": 0})
    'CPU 1.235 s, 2.500 s from start to end, peak memory 35.0 MiB, 1.0 MiB in, 0 B out (sealed)'
    """
    parts = []
    if "cpu_us" in usage:
        parts.append(f"CPU {usage['cpu_us'] / 1e6:.3f} s")
    if "wall_us" in usage:
        parts.append(f"{usage['wall_us'] / 1e6:.3f} s from start to end")
    if "peak_kib" in usage:
        parts.append(f"peak memory {human_size(usage['peak_kib'] * 1024)}")
    if "bytes_in" in usage and "bytes_out" in usage:
        parts.append(f"{human_size(usage['bytes_in'])} in, {human_size(usage['bytes_out'])} out (sealed)")
    return ", ".join(parts)


def lines(stream: TextIO | None = None, interval_s: float = 5.0) -> Reporter:
    """A reporter that writes plain lines: each stage when it is complete, long ones every interval_s seconds."""
    out = sys.stderr if stream is None else stream
    last = {"time": time.monotonic()}

    def report(event: Event) -> None:
        now = time.monotonic()
        complete = event.total == 0 or event.done >= event.total
        if complete or now - last["time"] >= interval_s:
            last["time"] = now
            print(describe(event), file=out, flush=True)

    return report


def reporter_of(progress: Reporter | bool | None) -> Reporter:
    """The reporter for the argument progress=: True gives lines on stderr, None and False nothing."""
    if callable(progress):
        return progress
    return lines() if progress else silent
