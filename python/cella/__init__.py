# SPDX-License-Identifier: Apache-2.0
"""Cella: run Python scripts on data that nobody but their owners may see.

The client. It verifies an executor before it sends anything, encrypts inputs on this machine, and opens what comes
back with keys that never leave it.

    import cella

    room = cella.connect("exec.example:7443", trust="trust.toml")
    job = room.run("classify.py", inputs={"images": "digits.npy"}, outputs=["labels"], profile="numpy")
    job.wait(progress=True)
    print(job.result())
    job.outputs["labels"].save("labels.csv")

Every error derives from CellaError and from the built-in that fits.

A script in a cell imports another package of this name: the runtime (Input, Output, builtins, log, progress). Those
names are here too, so that the same script runs locally.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._native import (
    VERSION as __version__,
    ArgumentError,
    AttestationError,
    CellaError,
    FormatError,
    IntegrityError,
    InternalError,
    LimitError,
    NotFound,
    PermissionDenied,
    PolicyError,
    RequestError,
    ResourceError,
    ScriptError,
    StateError,
    StorageError,
    TaskCancelled,
    TransportError,
)

if TYPE_CHECKING:
    from .builtin import Builtin
    from .builtin_signatures import builtins
    from .contract import Contract
    from .data import Data
    from .events import Event
    from .executor import Executor, connect
    from .functions import Function, LocalFunction, function
    from .identity import Identity
    from .lineage import Provenance, provenance
    from .receipts import Receipt, ReceiptReport, verify_receipt
    from .script import Script
    from .sealing import DataKey
    from .runtime import Cancelled, Input, Output, OutputLimitError, log, progress
    from .task import Task
    from .trust import Check, Report, Trust
    from .verification import verify, verify_certificate

_HOMES = {
    "Builtin": "builtin",
    "Check": "trust",
    "Contract": "contract",
    "Data": "data",
    "DataKey": "sealing",
    "Event": "events",
    "Executor": "executor",
    "Function": "functions",
    "Identity": "identity",
    "LocalFunction": "functions",
    "Input": "runtime",
    "Output": "runtime",
    "Cancelled": "runtime",
    "OutputLimitError": "runtime",
    "Provenance": "lineage",
    "Receipt": "receipts",
    "ReceiptReport": "receipts",
    "Report": "trust",
    "Script": "script",
    "Task": "task",
    "Trust": "trust",
    "builtins": "builtin_signatures",
    "connect": "executor",
    "function": "functions",
    "log": "runtime",
    "progress": "runtime",
    "provenance": "lineage",
    "verify": "verification",
    "verify_certificate": "verification",
    "verify_receipt": "receipts",
}

__all__ = [
    "ArgumentError",
    "AttestationError",
    "Builtin",
    "CellaError",
    "Check",
    "Contract",
    "Data",
    "DataKey",
    "Event",
    "Executor",
    "FormatError",
    "Function",
    "Identity",
    "Input",
    "IntegrityError",
    "InternalError",
    "LimitError",
    "LocalFunction",
    "NotFound",
    "Output",
    "Cancelled",
    "OutputLimitError",
    "PermissionDenied",
    "PolicyError",
    "Provenance",
    "Receipt",
    "ReceiptReport",
    "Report",
    "RequestError",
    "ResourceError",
    "Script",
    "ScriptError",
    "StateError",
    "StorageError",
    "Task",
    "TaskCancelled",
    "TransportError",
    "Trust",
    "__version__",
    "builtins",
    "connect",
    "function",
    "log",
    "progress",
    "provenance",
    "verify",
    "verify_certificate",
    "verify_receipt",
]


def __getattr__(name: str) -> Any:
    """Load a module when its name is used first: the command line starts fast."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'cella' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value
