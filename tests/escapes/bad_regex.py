# SPDX-License-Identifier: Apache-2.0
# Tries: a regular expression that never comes to an end
# Must: LIMIT_CPU: limit cpu_s 1; used
# Limits: cpu_s=1
import re
def main():
    return re.match(r"(a+)+$", "a" * 50 + "b") is None
