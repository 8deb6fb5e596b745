# SPDX-License-Identifier: Apache-2.0
"""What a function tells while it runs: log lines and progress."""

from __future__ import annotations

import io
import sys
from typing import Any, Protocol


class Channel(Protocol):
    """Where messages go: to the monitor in a cell, to the terminal in a local run."""

    def log(self, text: bytes, /) -> None:
        """Take UTF-8 text."""

    def progress(self, fraction: int, text: bytes, /) -> None:
        """Take a fraction in 1/10000 and UTF-8 text."""


class Terminal:
    """Channel of a local run: the standard error stream."""

    def log(self, text: bytes, /) -> None:
        """Show log text."""
        sys.__stderr__.write(text.decode("utf-8", "replace"))

    def progress(self, fraction: int, text: bytes, /) -> None:
        """Show one line of progress."""
        sys.__stderr__.write(f"{fraction / 100:.0f} % {text.decode('utf-8', 'replace')}\n")


_channels: list[Channel] = [Terminal()]


def use_channel(channel: Channel) -> None:
    """Send messages to ``channel`` from now on."""
    _channels[-1] = channel


def log(*values: Any, sep: str = " ") -> None:
    """Write one line to the task's log, which goes to the parties that the contract names.

    Args:
        values: printed like ``print`` does.
        sep: what is put between them.
    """
    _channels[-1].log((sep.join(str(value) for value in values) + "\n").encode("utf-8", "backslashreplace"))


def progress(fraction: float, text: str = "") -> None:
    """Say how far the function is.

    Args:
        fraction: from 0.0 to 1.0.
        text: a few words; at most 200 bytes are shown.

    Raises:
        ValueError: fraction is not between 0 and 1.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction must be between 0 and 1, not {fraction!r}")
    _channels[-1].progress(round(fraction * 10000), text.encode("utf-8", "backslashreplace"))


def redirect_streams() -> None:
    """Make standard output and error write to the log."""
    stream: Any = LogStream()
    sys.stdout = sys.stderr = stream


class LogStream(io.TextIOBase):
    """Text stream that writes whole lines to the log: what ``print`` writes to."""

    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self._pending: list[str] = []

    def writable(self) -> bool:
        """Always true."""
        return True

    def write(self, text: str, /) -> int:
        """Take text; complete lines are sent at once."""
        if not isinstance(text, str):
            raise TypeError(f"the log takes text, not {type(text).__name__}")
        self._pending.append(text)
        if "\n" in text or len(self._pending) > 256:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Send what is pending."""
        pending, self._pending = self._pending, []
        if pending:
            _channels[-1].log("".join(pending).encode("utf-8", "backslashreplace"))
