# SPDX-License-Identifier: Apache-2.0
"""``cella.builtins`` outside of cells: signatures, documentation and completion, from the client's table. Calls are for cells.

>>> import cella
>>> cella.builtins.echo.__doc__.splitlines()[0]
'Return the message. Shows that a task reaches a cell and its result comes back.'
"""

from __future__ import annotations

from importlib import resources
from typing import Any, NoReturn

from .runtime import builtins

__all__ = ["builtins"]


class _Elsewhere:
    """Stands for the module of a cell's interpreter."""

    def builtins(self) -> str:
        return resources.files(__package__).joinpath("builtin_table.json").read_text("utf-8")

    def call(self, name: str, *_: Any) -> NoReturn:
        raise RuntimeError(
            f"builtins run in cells only: call cella.builtins.{name} in a script that an executor runs, or run it as a task:"
            f" executor.run(cella.Builtin.find({name!r}), inputs={{...}}, outputs=[...])"
        )


if not builtins.__all__:
    builtins.bind(_Elsewhere())
