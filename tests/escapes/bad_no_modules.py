# SPDX-License-Identifier: Apache-2.0
# Tries: to pull all modules away from under the runtime
# Must: SCRIPT_FAILED | DONE | CELL_DIED
import sys
def main():
    sys.modules.clear()
    sys.meta_path.clear()
    return 1
