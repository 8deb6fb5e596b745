# SPDX-License-Identifier: Apache-2.0
# Tries: to overrun the stack of a thread
# Must: CELL_DIED: signal 11
import sys, threading
def main():
    sys.setrecursionlimit(1 << 30)
    def deep(value):
        return deep((value,)) if len(value) else deep(("x",))
    def nest(value=()):
        for _ in range(1000000):
            value = (value,)
        hash(value)
    threading.stack_size(65536)
    threading.Thread(target=nest).start()
    threading.Event().wait()
