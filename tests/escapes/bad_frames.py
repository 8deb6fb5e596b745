# SPDX-License-Identifier: Apache-2.0
# Tries: to reach the runtime through frames, and change what it checks
# Must: OUTPUT_MISSING | DONE
# Outputs: out
import sys
def main(out):
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        frame.f_locals.clear()
        frame.f_globals["_check_outputs"] = lambda outputs: None
    return "got away without writing"
