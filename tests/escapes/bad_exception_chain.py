# SPDX-License-Identifier: Apache-2.0
# Tries: a chain of causes without end, in a circle, and a group of groups
# Must: SCRIPT_FAILED | LIMIT_CPU
# Limits: cpu_s=1
def main():
    first = last = ValueError("first")
    for number in range(100000):
        last.__cause__ = ValueError(number)
        last = last.__cause__
    last.__cause__ = first
    group = first
    for _ in range(90):
        group = ExceptionGroup("x", [group, group])
    raise group
