# SPDX-License-Identifier: Apache-2.0
# Tries: a result beyond its limit, in pieces
# Must: LIMIT_RESULT: 5000
# Needs: raw
# Limits: result_bytes=5000 cpu_s=5
LOG, PROGRESS, RESULT, ERROR, DONE, HERE = (bytes([kind]) for kind in range(2, 8))


def say(packet, flags=0x4000):
    return syscall(44, 128, _keep(packet), len(packet), flags, 0, 0)


def main():
    while True:
        say(RESULT + b"1" * 1000)
