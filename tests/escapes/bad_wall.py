# SPDX-License-Identifier: Apache-2.0
# Tries: to sleep for ever
# Must: LIMIT_WALL: limit wall_s 1; used 1
# Limits: wall_s=1
import time
def main():
    while True:
        try:
            time.sleep(1e9)
        except BaseException:
            pass
