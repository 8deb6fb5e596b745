# SPDX-License-Identifier: Apache-2.0
# Tries: to write far behind the end, a byte at a time
# Must: SCRIPT_FAILED: too large
# Outputs: out
# Limits: output_bytes=100000
import os
def main(out):
    out.write(b"x")
    for offset in range(99990, 200000):
        os.pwrite(3, b"y", offset)
