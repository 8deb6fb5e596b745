# SPDX-License-Identifier: Apache-2.0
# Tries: one operation that takes for ever and can not be interrupted
# Must: LIMIT_CPU: limit cpu_s 1; used
# Limits: cpu_s=1
def main():
    return 3 ** (10 ** 10) % 7
