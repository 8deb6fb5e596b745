# SPDX-License-Identifier: Apache-2.0
# Tries: log text that is no text, and that moves a terminal's cursor
# Must: DONE
import _cell
def main():
    _cell.log(bytes(range(256)))
    _cell.log(b"\x1b[2J\x1b]0;title\x07\xff\xfe\xed\xa0\x80")
    _cell.progress(65535, b"\xff\xfe\x1b[31m")
    return "ended"
