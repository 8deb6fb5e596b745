# SPDX-License-Identifier: Apache-2.0
# Tries: a code object of bytes that are no bytecode
# Must: CELL_DIED: signal
def main():
    def f(): pass
    f.__code__ = f.__code__.replace(co_code=bytes([100, 200, 1, 0, 83, 0]) + bytes(range(2, 250)), co_consts=(), co_stacksize=1)
    for _ in range(100):
        f()
    read_nothing = f.__code__.replace(co_code=bytes([144, 255, 144, 255, 144, 255, 100, 0, 83, 0]), co_consts=())
    exec(read_nothing, {})
