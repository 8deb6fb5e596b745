# SPDX-License-Identifier: Apache-2.0
# Tries: destructors and finalizers that raise, without end
# Must: DONE
import sys
class Again:
    def __del__(self):
        sys.unraisablehook = None
        raise SystemExit("from the grave")
def main():
    for _ in range(1000):
        Again()
    return "ended"
