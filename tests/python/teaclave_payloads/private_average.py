# SPDX-License-Identifier: Apache-2.0
# Two parties' salaries by department; only departments with enough people are told.
import math


def numbers(name):
    with teaclave_open(name, "rb") as source:
        for line in source:
            department, amount = line.rstrip("\n").split(",")
            yield department, float(amount)


def entrypoint(argv):
    least = int(argv[argv.index("least") + 1])
    sums = {}
    for name in ("bank", "hospital"):
        for department, amount in numbers(name):
            count, total, squares = sums.get(department, (0, 0.0, 0.0))
            sums[department] = (count + 1, total + amount, squares + amount * amount)
    rows = []
    for department in sorted(sums):
        count, total, squares = sums[department]
        if count >= least:
            mean = total / count
            spread = math.sqrt(max(squares / count - mean * mean, 0.0))
            rows.append("%s: %.2f +- %.2f" % (department, mean, spread))
    return "\n".join(rows)
