# SPDX-License-Identifier: Apache-2.0
# Tries: an expression too deep for the compiler
# Must: CELL_DIED | SCRIPT_FAILED | LIMIT_MEMORY
def main():
    compile("x" + ".x" * 3000000, "x", "eval")
    raise RuntimeError("survived")
