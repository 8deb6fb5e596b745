# SPDX-License-Identifier: Apache-2.0
# Tries: threads with stacks of a gibibyte
# Must: SCRIPT_FAILED | LIMIT_MEMORY
# Limits: memory_bytes=268435456
import threading, time
def main():
    threading.stack_size(1 << 30)
    threads = [threading.Thread(target=time.sleep, args=(600,), daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
