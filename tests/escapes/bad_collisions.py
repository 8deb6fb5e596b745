# SPDX-License-Identifier: Apache-2.0
# Tries: keys that all collide
# Must: LIMIT_CPU: limit cpu_s 1; used
# Limits: cpu_s=1
def main():
    return len({number * ((1 << 61) - 1): 0 for number in range(1, 10 ** 6)})
