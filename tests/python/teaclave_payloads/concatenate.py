# SPDX-License-Identifier: Apache-2.0
# Writes the inputs one after the other, with a separator, and counts the bytes.
from teaclave import open


def entrypoint(argv):
    arguments = dict(zip(argv[0::2], argv[1::2]))
    names = arguments["order"].split(",")
    total = 0
    with open("joined", "wb") as target:
        for name in names:
            with open(name, "rb") as source:
                while True:
                    block = source.read(1000)
                    if not block:
                        break
                    total += len(block)
                    target.write(block)
            target.write(b"\x00\xff" if arguments["binary"] == "true" else "\n")
    return str(total)
