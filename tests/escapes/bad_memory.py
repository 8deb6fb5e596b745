# SPDX-License-Identifier: Apache-2.0
# Tries: all memory in one piece
# Must: LIMIT_MEMORY: 67108864
# Limits: memory_bytes=67108864
def main():
    return len(bytes(1 << 60))
