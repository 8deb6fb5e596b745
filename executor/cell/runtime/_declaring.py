# SPDX-License-Identifier: Apache-2.0
"""What a script says to the client that sends it, and what means nothing where it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def function(original: Callable[..., Any] | None = None, /, **declared: Any) -> Any:
    """Return the function as it is: in a cell the contract says what the client's decorator of this name declared.

    Args:
        original: the function, where the decorator has no parentheses.
        declared: inputs, outputs, profile, limits and so on; not looked at.

    Example:
        >>> @function(inputs=["images"], limits={"cpu_s": 5})
        ... def count(images):
        ...     return len(images)
        >>> count([1, 2])
        2
    """
    return (lambda target: target) if original is None else original
