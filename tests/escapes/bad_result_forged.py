# SPDX-License-Identifier: Apache-2.0
# Tries: text as result that no JSON parser takes
# Must: DONE
import sys
def main():
    sys.modules["cella._runner"]._result.encode = lambda value, limit: "[" * 500000
    return 1
