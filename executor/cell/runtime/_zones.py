# SPDX-License-Identifier: Apache-2.0
"""Time zones from memory, for zoneinfo, pytz and dateutil: what they would read from files when a zone is first used.

``collect`` reads the machine's zones while there still are files; ``serve_...`` makes a library take them from here.
"""

from __future__ import annotations

import io
import os
import sys
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

FOLDER = "/usr/share/zoneinfo"
"""Measured as part of the executor; nothing is read from elsewhere."""
_TABLES = ("iso3166.tab", "zone.tab", "zone1970.tab")
_NOT_ZONES = frozenset({"localtime"})  # a link out of the folder: the machine's own zone

_packed: dict[str, bytes] = {}
_names: set[str] = set()


def collect() -> None:
    """Keep every zone; many names share one content. A machine without zones has none to serve."""
    import zoneinfo

    zoneinfo.reset_tzpath(to=(FOLDER,))
    _names.update(zoneinfo.available_timezones() - _NOT_ZONES)
    shared: dict[bytes, bytes] = {}
    for name in sorted(_names | set(_TABLES)):
        try:
            with open(os.path.join(FOLDER, name), "rb") as file:
                content = file.read()
        except FileNotFoundError:
            continue
        _packed[name] = shared.setdefault(content, zlib.compress(content))


def read(name: str) -> bytes:
    """Return a zone's or a table's content.

    Raises:
        FileNotFoundError: there is none of that name.
    """
    try:
        return zlib.decompress(_packed[name])
    except KeyError:
        raise FileNotFoundError(f"there is no time zone {name!r}") from None


def serve_zoneinfo() -> None:
    """Make the standard library's zones come from memory."""
    import zoneinfo
    from zoneinfo import _common

    def load_tzdata(key: str) -> io.BytesIO:
        if key not in _names:
            raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {key}")
        return io.BytesIO(read(key))

    def available_timezones() -> set[str]:
        """Return the names of all time zones."""
        return set(_names)

    zoneinfo.reset_tzpath(to=())  # the C implementation looks for files first
    _common.load_tzdata = load_tzdata
    zoneinfo.available_timezones = available_timezones


def serve_packages() -> None:
    """The same for pytz and dateutil, where they are loaded."""
    if "pytz" in sys.modules:
        _serve_pytz(sys.modules["pytz"])
    if "dateutil.tz" in sys.modules:
        _serve_dateutil(sys.modules["dateutil.tz"])


def _serve_pytz(pytz: Any) -> None:
    def open_resource(name: str) -> io.BytesIO:
        """Open a zone or a table of zones."""
        return io.BytesIO(read(name.lstrip("/")))

    pytz.open_resource = open_resource


def _serve_dateutil(tz: Any) -> None:
    finder = type(tz.gettz)
    from_files = finder.nocache

    def make(name: str) -> Any:
        return tz.tzfile(io.BytesIO(read(name)), filename=f"{FOLDER}/{name}")

    def nocache(name: str | None = None) -> Any:
        """Return the zone of this name, or what it describes."""
        if isinstance(name, str):
            known = name.removeprefix(":").removeprefix(f"{FOLDER}/").replace(" ", "_")
            if known in _names:
                return make(known)
        return from_files(name)

    finder.nocache = staticmethod(nocache)
    bundled = sys.modules.get("dateutil.zoneinfo")
    if bundled is not None:
        instance = bundled.ZoneInfoFile()
        instance.zones = _Zones(make)
        bundled.get_zonefile_instance._cached_instance = instance
        bundled._CLASS_ZONE_INSTANCE[:] = [instance]


class _Zones(Mapping):
    """All zones by name, each made when it is asked for."""

    def __init__(self, make: Any) -> None:
        self._make = make

    def __getitem__(self, name: str) -> Any:
        if name not in _names:
            raise KeyError(name)
        return self._make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(_names))

    def __len__(self) -> int:
        return len(_names)
