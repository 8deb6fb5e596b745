# SPDX-License-Identifier: Apache-2.0
# Tries: an exception whose class refuses to say its name
# Must: SCRIPT_FAILED
class Meta(type):
    def __getattribute__(self, name):
        raise SystemExit(name)
class Odd(Exception, metaclass=Meta):
    pass
def main():
    raise Odd("x")
