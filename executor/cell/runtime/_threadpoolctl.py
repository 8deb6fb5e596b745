# SPDX-License-Identifier: Apache-2.0
"""Stands in for threadpoolctl, which asks native libraries for their thread pools through ctypes.

Numerical libraries in a cell have one thread each, from the start: there is nothing to ask and nothing to limit. The
names and shapes are those of threadpoolctl 3.1.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ContextDecorator
from typing import Any

__version__ = "3.1.0"
__all__ = ["ThreadpoolController", "threadpool_info", "threadpool_limits"]


class threadpool_limits(ContextDecorator):  # noqa: N801 - the name that scikit-learn imports
    """Sets no limit.

    Example:
        >>> with threadpool_limits(limits=1) as limits:
        ...     limits.get_original_num_threads()
        {'blas': None, 'openmp': None}
    """

    def __init__(self, limits: Any = None, user_api: str | None = None) -> None:
        pass

    def __enter__(self) -> threadpool_limits:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    @classmethod
    def wrap(cls, limits: Any = None, user_api: str | None = None) -> Callable[..., Any]:
        """Return a decorator that changes nothing."""
        return cls(limits, user_api)

    def restore_original_limits(self) -> None:
        """Do nothing."""

    unregister = restore_original_limits

    def get_original_num_threads(self) -> dict[str, None]:
        """Say that no library was asked."""
        return {"blas": None, "openmp": None}


class ThreadpoolController:
    """Controls no library."""

    def __init__(self) -> None:
        self.lib_controllers: list[Any] = []

    def __len__(self) -> int:
        return 0

    def info(self) -> list[dict[str, Any]]:
        """Return no library."""
        return []

    def select(self, **wanted: Any) -> ThreadpoolController:
        """Return a controller of no library."""
        return ThreadpoolController()

    def limit(self, *, limits: Any = None, user_api: str | None = None) -> threadpool_limits:
        """Return a limit that limits nothing."""
        return threadpool_limits(limits, user_api)

    def wrap(self, *, limits: Any = None, user_api: str | None = None) -> Callable[..., Any]:
        """Return a decorator that changes nothing."""
        return threadpool_limits(limits, user_api)


def threadpool_info() -> list[dict[str, Any]]:
    """Return no library."""
    return []
