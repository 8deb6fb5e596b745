# SPDX-License-Identifier: Apache-2.0
# Tries: log text beyond its limit, a hundred mebibytes of it
# Must: DONE
# Needs: raw
# Limits: log_bytes=1000
LOG, PROGRESS, RESULT, ERROR, DONE, HERE = (bytes([kind]) for kind in range(2, 8))


def say(packet, flags=0x4000):
    return syscall(44, 128, _keep(packet), len(packet), flags, 0, 0)


def main():
    packet = _keep(LOG + b"y" * 32000)
    for _ in range(3000):
        syscall(44, 128, packet, 32001, 0x4000, 0, 0)
    return "ended"
