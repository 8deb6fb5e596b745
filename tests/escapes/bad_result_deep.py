# SPDX-License-Identifier: Apache-2.0
# Tries: a result nested too deep
# Must: BAD_RESULT: 100
def main():
    value = []
    for _ in range(200):
        value = [value]
    return value
