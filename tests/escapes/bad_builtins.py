# SPDX-License-Identifier: Apache-2.0
# Tries: to replace builtin functions that the runtime uses after the function has returned
# Must: SCRIPT_FAILED | DONE | BAD_RESULT | CELL_DIED
import builtins
def main():
    for name in ("isinstance", "len", "type", "str", "min", "max", "enumerate", "getattr", "repr", "int", "bool", "float", "dict",
                 "list", "BaseException", "Exception", "property", "bytes", "memoryview", "sum", "callable"):
        setattr(builtins, name, lambda *arguments: True)
    return {1, 2}
