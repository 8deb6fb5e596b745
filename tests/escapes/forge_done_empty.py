# SPDX-License-Identifier: Apache-2.0
# Tries: to say that it is done without a result
# Must: DONE
# Needs: raw
# Limits: cpu_s=5
LOG, PROGRESS, RESULT, ERROR, DONE, HERE = (bytes([kind]) for kind in range(2, 8))


def say(packet, flags=0x4000):
    return syscall(44, 128, _keep(packet), len(packet), flags, 0, 0)


def main():
    say(DONE)
    while True:
        pass
