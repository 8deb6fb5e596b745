# SPDX-License-Identifier: Apache-2.0
# Tries: to look as if somebody had cancelled the task, by a change in the runtime's table of statuses
# Must: CELL_DIED | SCRIPT_FAILED
import sys
def main():
    sys.modules["cella._cell_runner"]._NUMBERS["SCRIPT_FAILED"] = 706
    raise RuntimeError
