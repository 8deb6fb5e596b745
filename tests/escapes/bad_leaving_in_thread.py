# SPDX-License-Identifier: Apache-2.0
# Tries: to leave from a thread while the function still works
# Must: CELL_DIED: status 0
# Outputs: out
import os, threading, time
def main(out):
    out.write(b"x")
    threading.Thread(target=os._exit, args=(0,)).start()
    time.sleep(10)
