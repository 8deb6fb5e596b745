# SPDX-License-Identifier: Apache-2.0
# Tries: to say again and again that it has come
# Must: CELL_DIED | DONE: made no sense
# Needs: raw
LOG, PROGRESS, RESULT, ERROR, DONE, HERE = (bytes([kind]) for kind in range(2, 8))


def say(packet, flags=0x4000):
    return syscall(44, 128, _keep(packet), len(packet), flags, 0, 0)


def main():
    for _ in range(10000):
        say(HERE + bytes([0, 0, 0, 63]))
    return "ended"
