# SPDX-License-Identifier: Apache-2.0
# Tries: to log a million short lines
# Must: DONE
# Limits: log_bytes=1000
import cella
def main():
    for number in range(200000):
        cella.log(number)
    return "ended"
