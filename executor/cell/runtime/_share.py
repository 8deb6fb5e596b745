# SPDX-License-Identifier: Apache-2.0
"""Read-only data in memory that all cells share: a fork does not pay for it, and no cell ever copies it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

import _cell

Name = TypeVar("Name", bound=Hashable)


def share(pieces: Mapping[Name, bytes]) -> dict[Name, memoryview]:
    """Put pieces of data, by name, into one shared mapping that nobody can write to.

    It stays as long as the process; call it once, with everything.
    """
    whole = _cell.share(b"".join(pieces.values()))
    found = {}
    begin = 0
    for name, piece in pieces.items():
        found[name] = whole[begin:begin + len(piece)]
        begin += len(piece)
    return found
