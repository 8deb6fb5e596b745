# SPDX-License-Identifier: Apache-2.0
# Tries: messages of kinds that there are none
# Must: CELL_DIED: made no sense
# Needs: raw
# Limits: cpu_s=5
LOG, PROGRESS, RESULT, ERROR, DONE, HERE = (bytes([kind]) for kind in range(2, 8))


def say(packet, flags=0x4000):
    return syscall(44, 128, _keep(packet), len(packet), flags, 0, 0)


def main():
    for kind in range(256):
        if kind not in (2, 3, 4, 5, 6):
            say(bytes([kind]) * 9)
    while True:
        pass
