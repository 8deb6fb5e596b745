# SPDX-License-Identifier: Apache-2.0
# Tries: to load spoiled code as marshalled objects
# Must: CELL_DIED | SCRIPT_FAILED | LIMIT_MEMORY | LIMIT_CPU
# Limits: cpu_s=2
import marshal, random
def main():
    good = marshal.dumps(compile("def f(x):\n    return [x + 1 for x in range(x)]\nf(3)", "x", "exec"))
    random.seed(4)
    for _ in range(20000):
        spoiled = bytearray(good)
        for _ in range(3):
            spoiled[random.randrange(len(spoiled))] = random.randrange(256)
        try:
            exec(marshal.loads(bytes(spoiled)), {})
        except Exception:
            pass
    raise RuntimeError("survived")
