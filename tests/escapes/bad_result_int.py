# SPDX-License-Identifier: Apache-2.0
# Tries: a number of a million digits
# Must: BAD_RESULT: not JSON
def main():
    return 7 ** 1200000
