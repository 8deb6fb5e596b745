# SPDX-License-Identifier: Apache-2.0
# Tries: to replace the functions of the runtime that check, log and report
# Must: SCRIPT_FAILED | DONE | CELL_DIED | OUTPUT_MISSING
# Outputs: out
import sys
def main(out):
    for name, module in list(sys.modules.items()):
        if name.startswith("cella") or name == "_cell":
            for inner in list(vars(module)):
                if not inner.startswith("__"):
                    setattr(module, inner, None)
    return 1
