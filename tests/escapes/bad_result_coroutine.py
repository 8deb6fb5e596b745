# SPDX-License-Identifier: Apache-2.0
# Tries: a function that is a coroutine
# Must: BAD_RESULT: coroutine
async def main():
    return 1
