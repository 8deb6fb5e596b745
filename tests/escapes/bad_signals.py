# SPDX-License-Identifier: Apache-2.0
# Tries: to catch every signal, and to be sent all of them
# Must: SCRIPT_FAILED: signal
import os, signal
def main():
    for number in range(1, 65):
        try:
            signal.signal(number, lambda *arguments: None)
        except (OSError, ValueError):
            pass
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    for number in range(1, 65):
        try:
            signal.raise_signal(number)
        except OSError:
            pass
    os.kill(os.getpid(), 9)
