# SPDX-License-Identifier: Apache-2.0
# Tries: keys that are no texts after all
# Must: BAD_RESULT
class Key(str):
    def __eq__(self, other): return False
    def __hash__(self): return 1
def main():
    return {Key("a"): 1, Key("a"): 2, "\udc80": 3}
