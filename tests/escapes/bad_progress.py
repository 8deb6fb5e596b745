# SPDX-License-Identifier: Apache-2.0
# Tries: to report progress without end
# Must: DONE
import cella
def main():
    for number in range(20000):
        cella.progress(number / 20000, "\u20ac" * 200)
    return "ended"
