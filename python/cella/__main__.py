# SPDX-License-Identifier: Apache-2.0
"""The command cella, also as python -m cella."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    from .cli.main import run

    sys.exit(run())


if __name__ == "__main__":
    # python -m puts the current folder first in the search path, where a user's own copy.py or types.py would be
    # taken for the standard library's.
    if not sys.flags.safe_path:
        del sys.path[0]
    main()
