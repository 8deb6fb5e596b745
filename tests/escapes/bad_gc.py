# SPDX-License-Identifier: Apache-2.0
# Tries: to empty every container that the collector knows, the runtime's too
# Must: SCRIPT_FAILED | CELL_DIED | DONE | LIMIT_CPU
# Limits: cpu_s=2
import gc
def main():
    for thing in gc.get_objects():
        try:
            if isinstance(thing, (dict, list, set)):
                thing.clear()
        except BaseException:
            pass
    gc.collect()
    return 1
