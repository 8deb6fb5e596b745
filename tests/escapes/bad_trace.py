# SPDX-License-Identifier: Apache-2.0
# Tries: a trace function that raises at every line of the runtime
# Must: SCRIPT_FAILED | DONE | CELL_DIED
import sys, threading
def main():
    def tell(frame, event, argument):
        frame.f_trace_opcodes = True
        return tell if "script" in frame.f_code.co_filename else 1 / 0
    sys.settrace(tell)
    sys.setprofile(lambda *arguments: 1 / 0)
    threading.settrace(tell)
    frame = sys._getframe()
    while frame:
        frame.f_trace = tell
        frame = frame.f_back
    return 1
