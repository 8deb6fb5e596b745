# SPDX-License-Identifier: Apache-2.0
# Tries: to use the CPU limit up several times at once
# Must: LIMIT_CPU: limit cpu_s 1; used
# Limits: cpu_s=1
import threading, zlib
def main():
    data = bytes(1 << 20)
    def burn():
        while True:
            zlib.compress(data)
    for _ in range(4):
        threading.Thread(target=burn, daemon=True).start()
    burn()
