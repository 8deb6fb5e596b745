# SPDX-License-Identifier: Apache-2.0
"""Data files of packages, from memory, in the form that importlib.resources wants."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable, TraversableResources
from typing import Any


class _File(Traversable):
    """One data file."""

    def __init__(self, package: str, name: str, packed: bytes | memoryview | None) -> None:
        self._package = package
        self._name = name
        self._packed = packed

    @property
    def name(self) -> str:
        return self._name

    def is_file(self) -> bool:
        return self._packed is not None

    def is_dir(self) -> bool:
        return False

    def iterdir(self) -> Iterator[Traversable]:
        raise NotADirectoryError(self._name)

    def joinpath(self, *descendants: str) -> Traversable:
        raise NotADirectoryError(self._name)

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if self._packed is None:
            raise FileNotFoundError(f"package {self._package!r} has no data file {self._name!r} here")
        content = io.BytesIO(zlib.decompress(self._packed))
        return content if "b" in mode else io.TextIOWrapper(content, *args, **kwargs)


class _Folder(Traversable):
    """The data files of one package."""

    def __init__(self, package: str, files: Mapping[str, bytes | memoryview]) -> None:
        self._package = package
        self._files = files

    @property
    def name(self) -> str:
        return self._package.rpartition(".")[2]

    def is_file(self) -> bool:
        return False

    def is_dir(self) -> bool:
        return True

    def iterdir(self) -> Iterator[Traversable]:
        return (_File(self._package, name, packed) for name, packed in self._files.items())

    def joinpath(self, *descendants: str) -> Traversable:
        if not descendants:
            return self
        name = "/".join(str(part) for part in descendants)
        return _File(self._package, name, self._files.get(name))

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        raise IsADirectoryError(self._package)


class Reader(TraversableResources):
    """Gives a package's data files to importlib.resources.

    Args:
        package: its name.
        files: name -> content, zlib-compressed.
    """

    def __init__(self, package: str, files: Mapping[str, bytes | memoryview]) -> None:
        self._folder = _Folder(package, files)

    def files(self) -> Traversable:
        """Return the package's folder."""
        return self._folder
