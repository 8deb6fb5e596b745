# SPDX-License-Identifier: Apache-2.0
"""Libraries that want files where none are: what they do instead in a cell."""

from __future__ import annotations

import sys
from types import SimpleNamespace

_MEMORY_STREAM = 0x43454C4C  # CELLA_MEMORY_STREAM_FD: the program's fdopen makes a stream in memory of this number


def adapt() -> None:
    """Adapt those that are loaded.

    scipy's geometry makes a temporary file for the messages of each object: it gets memory. pandas looks whether a folder
    exists before it writes to a file by name: without that, the refusal to open the file says what to do instead.
    """
    streams = sys.modules.get("scipy._lib.messagestream")
    if streams is not None:
        streams.tempfile = SimpleNamespace(mkstemp=lambda prefix=None: (_MEMORY_STREAM, b""))
        streams.os = SimpleNamespace(remove=lambda path: None, close=lambda descriptor: None)
    common = sys.modules.get("pandas.io.common")
    if common is not None:
        common.check_parent_directory = lambda path: None
