# SPDX-License-Identifier: Apache-2.0
# Tries: JSON nested a million deep
# Must: SCRIPT_FAILED: recursion
import json
def main():
    return json.loads("[" * 1000000)
