# SPDX-License-Identifier: Apache-2.0
# Tries: an exception whose class carries data in its name, far too long
# Must: SCRIPT_FAILED
def main():
    raise type("A b\n\x1b[31m" + "x" * 1000000, (Exception,), {"__module__": 7})("x")
