# SPDX-License-Identifier: Apache-2.0
# Tries: to go on after every MemoryError
# Must: LIMIT_CPU: limit cpu_s 1; used
# Limits: cpu_s=1 memory_bytes=67108864
def main():
    kept = []
    while True:
        try:
            kept.append(bytearray(100000))
        except MemoryError:
            pass
