# SPDX-License-Identifier: Apache-2.0
# Tries: an exception whose text is a gibibyte and whose notes are none
# Must: SCRIPT_FAILED | LIMIT_MEMORY
class Long(Exception):
    __notes__ = property(lambda self: 1 / 0)
    def __str__(self):
        return "\ud800" * (1 << 27)
def main():
    raise Long
