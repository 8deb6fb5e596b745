# SPDX-License-Identifier: Apache-2.0
# Tries: to pass the limit by changing what the runtime counts
# Must: SCRIPT_FAILED: too large
# Outputs: out
# Limits: output_bytes=100000
def main(out):
    out.limit = 1 << 60
    while True:
        out.write(bytes(7777))
