# SPDX-License-Identifier: Apache-2.0
# Tries: to run when the process ends
# Must: DONE
import atexit, os, sys, threading, weakref
class Late:
    def __del__(self):
        os._exit(7)
kept = Late()
def main():
    atexit.register(os._exit, 7)
    threading._register_atexit(os._exit, 7)
    weakref.finalize(Late, os._exit, 7)
    return "ended"
