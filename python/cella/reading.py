# SPDX-License-Identifier: Apache-2.0
"""Files that others gave: read with a bound, and never from a device, which has no end."""

from __future__ import annotations

import os
import stat

from . import _native


def read_bounded(path: str | os.PathLike[str], max_size: int) -> bytes:
    """The content of a file or a pipe.

    Args:
        path: of it; relative to the working folder.
        max_size: bytes that it may have; at most one more is read.

    Raises:
        OSError: it is not there, a folder, or not ours to read.
        FormatError: BAD_FORMAT, it is a device.
        CellaError: TOO_LARGE, it has more bytes.
    """
    with open(path, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            raise _native.error("BAD_FORMAT", f"{os.fspath(path)} is a device, not a file; nothing was read from it")
        data = file.read(max_size + 1)
    if len(data) > max_size:
        raise _native.error("TOO_LARGE", f"{os.fspath(path)} has more than {max_size} bytes")
    return data
