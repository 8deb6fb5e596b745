# SPDX-License-Identifier: Apache-2.0
"""The command cella, also as python -m cella."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    from .cli.main import run

    sys.exit(run())


if __name__ == "__main__":
    main()
