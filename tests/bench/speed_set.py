# SPDX-License-Identifier: Apache-2.0
"""Small programs of the kind that scripts consist of. main() runs one of them and returns the seconds that it took.

The same text runs in a cell and outside, so it uses nothing of either.
"""

import json
import math
import random
import re
import time


def fibonacci(count):
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    for _ in range(count):
        fib(19)


def n_body(count):
    bodies = [[math.cos(i), math.sin(i), i * 0.1, 0.0, 0.1 * i, -0.1, 1.0 / (i + 1)] for i in range(5)]
    for _ in range(count * 400):
        for i, a in enumerate(bodies):
            for b in bodies[i + 1:]:
                dx, dy, dz = a[0] - b[0], a[1] - b[1], a[2] - b[2]
                force = 0.001 / math.sqrt(dx * dx + dy * dy + dz * dz + 0.01) ** 3
                for axis, d in ((3, dx), (4, dy), (5, dz)):
                    a[axis] -= d * b[6] * force
                    b[axis] += d * a[6] * force
        for body in bodies:
            for axis in range(3):
                body[axis] += 0.001 * body[axis + 3]


def float_loop(count):
    total = 0.0
    for i in range(count * 60000):
        total += (i * 0.5 - total) * 1e-3


def dictionaries(count):
    for _ in range(count * 12):
        table = {str(i): i for i in range(1000)}
        for key in list(table):
            table[key] += len(key)
        sum(table.values())


def texts(count):
    for _ in range(count * 30):
        words = [f"word{i:04d}" for i in range(500)]
        text = " ".join(words).upper().replace("WORD", "w")
        "".join(part[::-1] for part in text.split())


def lists(count):
    for _ in range(count * 25):
        values = [i * 7 % 1013 for i in range(2000)]
        values = [v for v in values if v & 1] + values[::2]
        values.reverse()
        max(values)


def sorting(count):
    generator = random.Random(1)
    values = [generator.random() for _ in range(3000)]
    for _ in range(count * 5):
        sorted(values)
        sorted(values, key=lambda v: -v)


def json_texts(count):
    value = {"rows": [{"id": i, "name": f"n{i}", "values": [i / 3, True, None]} for i in range(100)]}
    for _ in range(count * 20):
        json.loads(json.dumps(value))


def expressions(count):
    text = "2024-01-02 12:34:56 host-1 GET /a/b?c=d 200; " * 50
    pattern = re.compile(r"(\d{4})-(\d\d)-(\d\d) [\d:]+ (\w+-\d+) (GET|POST) (\S+) (\d+)")
    for _ in range(count * 40):
        len(pattern.findall(text))


def objects(count):
    class Point:
        def __init__(self, x, y):
            self.x, self.y = x, y

        def moved(self, dx):
            return Point(self.x + dx, self.y)

    for _ in range(count * 10):
        point = Point(0, 0)
        for i in range(1500):
            point = point.moved(i)


def matrices(count):
    import numpy

    a = numpy.arange(160.0 * 160).reshape(160, 160) / 1e4
    for _ in range(count * 15):
        b = a @ a.T
        a = b / (1 + abs(b).max())


def arrays(count):
    import numpy

    values = numpy.arange(200000.0)
    for _ in range(count * 8):
        (numpy.sqrt(values) * 2 + values).sum()
        numpy.sort(values[::-1])


PYTHON = (fibonacci, n_body, float_loop, dictionaries, texts, lists, sorting, json_texts, expressions, objects)
NUMPY = (matrices, arrays)


def main(name, count):
    function = {one.__name__: one for one in PYTHON + NUMPY}[name]
    function(1)
    begun = time.thread_time()
    function(count)
    return time.thread_time() - begun
