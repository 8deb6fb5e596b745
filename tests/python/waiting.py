# SPDX-License-Identifier: Apache-2.0
"""Waiting for descriptors: select.select refuses numbers of 1024 and above, which a test with 500 clients reaches."""

from __future__ import annotations

import select
from collections.abc import Sequence
from typing import Any


def ready(readers: Sequence[Any], writers: Sequence[Any], timeout: float) -> tuple[list[Any], list[Any]]:
    """Those that can be read and written, after at most timeout seconds. Each has a fileno()."""
    wanted: dict[int, int] = {}
    for items, events in ((readers, select.POLLIN), (writers, select.POLLOUT)):
        for item in items:
            wanted[item.fileno()] = wanted.get(item.fileno(), 0) | events
    poller = select.poll()
    for number, events in wanted.items():
        poller.register(number, events)
    found = dict(poller.poll(max(0, timeout) * 1000))
    gone = select.POLLHUP | select.POLLERR
    return (
        [item for item in readers if found.get(item.fileno(), 0) & (select.POLLIN | gone)],
        [item for item in writers if found.get(item.fileno(), 0) & (select.POLLOUT | gone)],
    )
