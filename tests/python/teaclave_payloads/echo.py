# SPDX-License-Identifier: Apache-2.0
# Says back what it was given.


def entrypoint(argv):
    assert len(argv) == 2 and argv[0] == "message"
    print("message of %d bytes" % len(argv[1]))
    return argv[1]
