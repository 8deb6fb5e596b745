# SPDX-License-Identifier: Apache-2.0
"""Files that appear complete or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def replace(path: str | os.PathLike[str], mode: int = 0o644) -> Iterator[BinaryIO]:
    """Write a new file beside path and put it in path's place when the block ends without an exception.

    Args:
        path: where the file shall be. An existing file is replaced, atomically.
        mode: permissions of the new file; the umask applies.

    Yields:
        A binary file, open for reading and writing. Nobody else can read it before it is complete.

    >>> import tempfile, os
    >>> folder = tempfile.mkdtemp()
    >>> with replace(os.path.join(folder, "a")) as file:
    ...     _ = file.write(b"whole")
    >>> open(os.path.join(folder, "a"), "rb").read(), os.listdir(folder)
    (b'whole', ['a'])
    """
    target = Path(path)
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, mode & ~umask)
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def create(path: str | os.PathLike[str], content: bytes, mode: int = 0o600) -> None:
    """Create a file with its whole content, never overwriting one.

    Args:
        path: where; its folder must exist.
        content: at most what fits in memory.
        mode: permissions from the first moment on.

    Raises:
        FileExistsError: path exists already; it was not touched.
    """
    target = Path(path)
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.link(name, target)  # fails where a rename would replace
    finally:
        os.unlink(name)
