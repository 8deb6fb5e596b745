# SPDX-License-Identifier: Apache-2.0
# Tries: to be charged for more CPU time than it uses, or for less, by working only around the ticks of the kernel's clock
# Must: LIMIT_CPU: limit cpu_s 1; used
# Limits: cpu_s=1 wall_s=30
import time
COARSE = 6  # CLOCK_MONOTONIC_COARSE: the time of the last tick
def main():
    clock = time.clock_gettime
    ticks, until = set(), time.monotonic() + 0.1
    while time.monotonic() < until:
        ticks.add(clock(COARSE))
    ticks = sorted(ticks)
    period = sorted(after - before for before, after in zip(ticks, ticks[1:]))[len(ticks) // 2]
    while True:
        next_tick = clock(COARSE) + period
        time.sleep(max(0.0, next_tick - time.monotonic() - period * 0.2))
        last = clock(COARSE)
        while clock(COARSE) == last and time.monotonic() < next_tick + period * 0.3:
            pass
