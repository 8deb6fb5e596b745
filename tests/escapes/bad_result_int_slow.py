# SPDX-License-Identifier: Apache-2.0
# Tries: a number of twenty million digits, with the check for it taken away
# Must: LIMIT_CPU: limit cpu_s 1
# Limits: cpu_s=1
import sys
def main():
    sys.set_int_max_str_digits(0)
    return 1 << 60000000
