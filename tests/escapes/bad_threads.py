# SPDX-License-Identifier: Apache-2.0
# Tries: ten thousand threads
# Must: SCRIPT_FAILED: can't start new thread
import _thread, time
def main():
    for _ in range(10000):
        _thread.start_new_thread(time.sleep, (600,))
