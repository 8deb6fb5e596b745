# SPDX-License-Identifier: Apache-2.0
# Tries: to wait for itself
# Must: LIMIT_WALL: limit wall_s 1; used 1
# Limits: wall_s=1
import threading
def main():
    lock = threading.Lock()
    with lock:
        lock.acquire()
