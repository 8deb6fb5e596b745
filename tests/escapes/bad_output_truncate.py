# SPDX-License-Identifier: Apache-2.0
# Tries: to make an output longer without writing
# Must: SCRIPT_FAILED: ermi
# Outputs: out
# Limits: output_bytes=100000
import os
def main(out):
    out.write(b"x")
    os.ftruncate(3, 50000)
