# SPDX-License-Identifier: Apache-2.0
# Tries: memory in small pieces, every other one given back
# Must: LIMIT_MEMORY: 67108864
# Limits: memory_bytes=67108864
def main():
    kept = []
    while True:
        pieces = [bytearray(5000) for _ in range(200)]
        kept += pieces[::2]
