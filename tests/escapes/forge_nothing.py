# SPDX-License-Identifier: Apache-2.0
# Tries: messages without content: they look like an end
# Must: DONE | CELL_DIED | LIMIT_WALL
# Needs: raw
# Limits: wall_s=1
LOG, PROGRESS, RESULT, ERROR, DONE, HERE = (bytes([kind]) for kind in range(2, 8))


def say(packet, flags=0x4000):
    return syscall(44, 128, _keep(packet), len(packet), flags, 0, 0)


def main():
    for _ in range(1000):
        say(b"")
    return "ended"
