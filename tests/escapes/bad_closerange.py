# SPDX-License-Identifier: Apache-2.0
# Tries: to close everything with one call
# Must: SANDBOX_VIOLATION
# Outputs: out
import os
def main(out):
    out.write(b"x")
    os.closerange(0, 1 << 20)
