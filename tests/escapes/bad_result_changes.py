# SPDX-License-Identifier: Apache-2.0
# Tries: a list that is another one when it is looked at again
# Must: BAD_RESULT | SCRIPT_FAILED | DONE | LIMIT_RESULT
class Changing(list):
    def __iter__(self):
        self.append(float("nan"))
        return iter([1])
def main():
    return Changing()
