# SPDX-License-Identifier: Apache-2.0
"""What a function can use besides Python itself: inputs, outputs, log, progress, builtin functions.

A function gets its declared inputs, outputs and arguments by parameter name:

    def classify(images, labels, threshold=0.5):
        table = images.csv()                       # Input
        chosen = [row for row in table if float(row["score"]) > threshold]
        labels.csv(chosen)                         # Output
        cella.log("kept", len(chosen))
        return {"kept": len(chosen)}               # the result: a JSON value

The same package serves a local run on a client's machine and a run in a cell.
"""

from . import builtins
from ._cancel import Cancelled
from ._declaring import function
from .files import Input, Output, OutputLimitError
from .reporting import log, progress

__all__ = ["Cancelled", "Input", "Output", "OutputLimitError", "builtins", "function", "log", "progress"]
