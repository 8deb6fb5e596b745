# SPDX-License-Identifier: Apache-2.0
# Tries: to change the result after the end
# Must: DONE
# Needs: raw
LOG, PROGRESS, RESULT, ERROR, DONE, HERE = (bytes([kind]) for kind in range(2, 8))


def say(packet, flags=0x4000):
    return syscall(44, 128, _keep(packet), len(packet), flags, 0, 0)


def main():
    say(RESULT + b'"forged"')
    say(DONE)
    say(RESULT + b'"changed"')
    say(DONE)
    say(HERE + bytes(50))
