# SPDX-License-Identifier: Apache-2.0
# Tries: an exception with a class that is a text, and a line that is none
# Must: SCRIPT_FAILED: forged
# Needs: raw
# Limits: cpu_s=5
LOG, PROGRESS, RESULT, ERROR, DONE, HERE = (bytes([kind]) for kind in range(2, 8))


def say(packet, flags=0x4000):
    return syscall(44, 128, _keep(packet), len(packet), flags, 0, 0)


def main():
    parts = (b"A class, with data: \xff\x00\n" * 20, b"forged \xff\x1b[2J", b"x" * 20000)
    body = b"".join(_struct.pack(">I", len(part)) + part for part in parts)
    say(ERROR + _struct.pack(">II", 701, 4294967295) + body)
    while True:
        pass
