# SPDX-License-Identifier: Apache-2.0
# Tries: a result beyond its limit, past the runtime's check
# Must: LIMIT_RESULT: 1000
# Limits: result_bytes=1000
import sys
def main():
    sys.modules["cella._runner"]._result.encode = lambda value, limit: "1" * 100000
    return 1
