# SPDX-License-Identifier: Apache-2.0
# Tries: an object that says it is a dict
# Must: BAD_RESULT | SCRIPT_FAILED
class Liar:
    __class__ = property(lambda self: dict)
    def items(self):
        return [("x", self)]
def main():
    return Liar()
