# SPDX-License-Identifier: Apache-2.0
# Tries: to use up descriptors
# Must: SCRIPT_FAILED: ermi
import os
def main():
    kept = []
    while True:
        kept.append(os.dup(0))
