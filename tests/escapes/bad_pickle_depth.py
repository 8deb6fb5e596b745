# SPDX-License-Identifier: Apache-2.0
# Tries: to pickle what is nested a million deep
# Must: SCRIPT_FAILED: recursion
import pickle
def main():
    value = []
    for _ in range(1000000):
        value = [value]
    pickle.dumps(value)
