# SPDX-License-Identifier: Apache-2.0
# Tries: to pass the limit in small steps
# Must: LIMIT_OUTPUT: 100000
# Outputs: out
# Limits: output_bytes=100000
def main(out):
    while True:
        out.write(b"0123456")
