# SPDX-License-Identifier: Apache-2.0
# Tries: a number that takes for ever to print
# Must: LIMIT_CPU: limit cpu_s 1; used
# Limits: cpu_s=1
import sys
def main():
    sys.set_int_max_str_digits(0)
    return len(str(1 << 50000000))
