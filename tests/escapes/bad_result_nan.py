# SPDX-License-Identifier: Apache-2.0
# Tries: not a number, hidden in a subclass
# Must: BAD_RESULT: is not JSON
class Number(float):
    def __repr__(self): return "1"
def main():
    return {"a": [Number("nan")]}
