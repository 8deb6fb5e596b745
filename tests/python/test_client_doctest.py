# SPDX-License-Identifier: Apache-2.0
"""The examples in the package's docstrings, and the commands that the usage guide shows."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re

import pytest
from conftest import REPOSITORY

import cella
from cella.cli.main import COMMANDS, cella as command

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(cella.__path__, "cella.")
    if not info.name.startswith(("cella.runtime._", "cella._native", "cella.__main__"))
)


# Examples of cella.runtime.builtins run in cells: test_builtins_table.py.
@pytest.mark.parametrize("name", [name for name in MODULES if name != "cella.runtime.builtins"])
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith("cella.runtime")])
def test_public_functions_have_a_sentence(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    for attribute, value in vars(module).items():
        if not attribute.startswith("_") and getattr(value, "__module__", None) == name and callable(value):
            assert value.__doc__, f"{name}.{attribute}"


def test_every_name_of_the_package_is_there() -> None:
    for name in cella.__all__:
        assert getattr(cella, name) is not None
    with pytest.raises(AttributeError):
        cella.no_such_name  # noqa: B018


def test_usage_guide_names_commands_and_options_that_exist() -> None:
    text = (REPOSITORY / "docs" / "usage.md").read_text()
    context = command.make_context("cella", [], resilient_parsing=True)
    lines = re.findall(r"^\s*\$? ?cella ((?:.*\\\n)*.*)$", text, re.M)
    assert len(lines) >= 20
    for line in lines:
        words = line.replace("\\\n", " ").split("#")[0].split()
        if words[0].startswith("-"):
            continue
        assert words[0] in COMMANDS, line
        found = command.get_command(context, words[0])
        assert found is not None
        if hasattr(found, "commands"):
            found = found.commands[words[1]]
        known = {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)}
        for word in words:
            if word.startswith("--"):
                assert word in known, f"{line}: {word}"
