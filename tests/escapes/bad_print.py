# SPDX-License-Identifier: Apache-2.0
# Tries: to print a gibibyte
# Must: DONE
# Limits: log_bytes=1000
def main():
    line = "x" * (1 << 20)
    for _ in range(256):
        print(line)
    return "ended"
