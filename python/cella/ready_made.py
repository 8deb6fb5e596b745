# SPDX-License-Identifier: Apache-2.0
"""The ready-made functions over scikit-learn: scripts like anybody's, which come with the package."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib import resources

from . import _native
from .script import Script


def example_scripts(names: Sequence[str] = ()) -> list[Script]:
    """The ready-made functions, parsed.

    Args:
        names: which; none for all of them.

    >>> [script.name for script in example_scripts(["kmeans"])]
    ['kmeans']

    Raises:
        NotFound: there is none of that name; the message names the nearest.
    """
    folder = resources.files(__package__).joinpath("examples")
    files = {item.name.removesuffix(".py"): item for item in folder.iterdir() if item.name.endswith(".py")}
    for name in names:
        if name not in files:
            near = difflib.get_close_matches(name, files, 1)
            raise _native.error(
                "NOT_FOUND",
                f"there is no ready-made function {name!r}; "
                + (f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(files))}"),
            )
    return [Script.parse(files[name].read_text("utf-8"), f"{name}.py", name) for name in names or sorted(files)]
