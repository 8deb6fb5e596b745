# SPDX-License-Identifier: Apache-2.0
"""The ready-made functions over scikit-learn: scripts like anybody's, which come with the package."""

from __future__ import annotations

import ast
import difflib
import re
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


def describe_example(script: Script) -> tuple[str, dict[str, str]]:
    """What a ready-made function does, and name -> what it is, of its inputs, outputs and arguments, from its docstrings.

    >>> text, names = describe_example(example_scripts(["dbscan"])[0])
    >>> names["data"], names["radius"]
    ('CSV with a header', 'in standard deviations of the columns')
    """
    tree = ast.parse(script.source)
    entry = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == script.entry)
    text, _, rest = " ".join((ast.get_docstring(entry) or "").split()).partition(" The ")
    parts = re.split(rf"(?<=\. )({'|'.join(parameter.name for parameter in script.parameters)}): ", text)
    summary = " ".join((ast.get_docstring(tree) or "").split())
    return f"{summary} The {rest}", {name: what.strip().removesuffix(".") for name, what in zip(parts[1::2], parts[2::2], strict=True)}
