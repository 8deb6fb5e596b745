# SPDX-License-Identifier: Apache-2.0
# Tries: to break the end with a standard output that raises whatever it can
# Must: DONE
import sys
class Out:
    def __getattr__(self, name):
        raise SystemExit(name)
    def __del__(self):
        raise KeyboardInterrupt
def main():
    sys.stdout = sys.stderr = sys.__stdout__ = Out()
    return "ended"
