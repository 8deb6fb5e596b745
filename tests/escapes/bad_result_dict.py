# SPDX-License-Identifier: Apache-2.0
# Tries: a dict whose items never end
# Must: LIMIT_RESULT: 1000
# Limits: result_bytes=1000
class Endless(dict):
    def items(self):
        while True:
            yield "x", 1
def main():
    return Endless(x=1)
