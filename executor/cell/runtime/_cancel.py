# SPDX-License-Identifier: Apache-2.0
"""How a script learns that its task was cancelled."""

from __future__ import annotations

import signal
from typing import NoReturn


class Cancelled(BaseException):
    """The task was cancelled. Raised in the script's main thread, between two steps of Python code.

    A script may catch it to clean up and log; shortly afterwards its process is killed, whatever it does. Not an
    ``Exception``, so that ``except Exception`` does not hold it up.
    """


_asked: list[bool] = []


def _raise(number: int, frame: object) -> NoReturn:
    _asked.append(True)
    raise Cancelled("the task was cancelled")


def listen() -> None:
    """Turn the monitor's SIGTERM into the exception."""
    signal.signal(signal.SIGTERM, _raise)


def was_asked() -> bool:
    """Whether the monitor asked, rather than the script raised the exception by itself."""
    return bool(_asked)
