# SPDX-License-Identifier: Apache-2.0
# Tries: a text whose length is a lie
# Must: LIMIT_RESULT: 1000
# Limits: result_bytes=1000
class Text(str):
    def __len__(self):
        return 0
    def __str__(self):
        return "short"
def main():
    return Text("x" * 100000)
