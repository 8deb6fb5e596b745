# SPDX-License-Identifier: Apache-2.0
# Tries: to go on writing after the end
# Must: DONE
# Outputs: out
import os, threading
def main(out):
    out.write(b"content")
    def later():
        while True:
            try:
                os.pwrite(3, b"garbage", 0)
                os.pwrite(3, b"content", 0)
            except OSError:
                pass
    threading.Thread(target=later, daemon=True).start()
    return "ended"
