# SPDX-License-Identifier: Apache-2.0
# Tries: to end with a status that is not a script's to give: none
# Must: CELL_DIED: made no sense
# Needs: raw
# Limits: cpu_s=5
LOG, PROGRESS, RESULT, ERROR, DONE, HERE = (bytes([kind]) for kind in range(2, 8))


def say(packet, flags=0x4000):
    return syscall(44, 128, _keep(packet), len(packet), flags, 0, 0)


def main():
    say(ERROR + _struct.pack(">IIIII", 4294967295, 1, 0, 0, 0))
    while True:
        pass
