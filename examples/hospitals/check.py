# SPDX-License-Identifier: Apache-2.0
"""Judge a chain of proofs with nothing but the package and a trust file: no executor, no identity, no network.

    python3 check.py TRUST FIRST.proof SECOND.proof ...

Each must meet the trust file, and each but the first must name the one before it as the run that its inputs came from.
Exit status 0 if so, 3 if not.
"""

import sys

import cella


def main(trust: str, *proofs: str) -> int:
    """Print a line per proof; the exit status."""
    before = None
    for path in proofs:
        try:
            report = cella.verify_receipt(path, trust)
            said = cella.Receipt(path)
        except cella.CellaError as refusal:
            print(f"REFUSED {path}: {refusal}")
            return 3
        if not report.accepted:
            print(f"REFUSED {path}: {report.code}")
            return 3
        if said.kind != "execution":
            print(f"REFUSED {path}: it proves a {said.kind}, not a run")
            return 3
        if before is not None and said.content["parents"] != [before.leaf]:
            print(f"REFUSED {path}: its inputs do not come from the run before it")
            return 3
        passed = [check.name for check in report.checks if check.outcome == "passed"]
        print(f"PROVED {path}: {', '.join(passed)}")
        before = said
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
