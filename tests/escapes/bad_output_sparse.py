# SPDX-License-Identifier: Apache-2.0
# Tries: an output of a tebibyte without content
# Must: SCRIPT_FAILED: too large
# Outputs: out
# Limits: output_bytes=100000
import os
def main(out):
    out.write(b"x")
    try:
        out.seek(1 << 40)
    except OSError:
        pass
    os.lseek(3, 1 << 40, 0)
    os.write(3, b"x")
