# SPDX-License-Identifier: Apache-2.0
"""Zygotes are replaced after a while, and none of their tasks notices."""

import time

import live

HASH = "import time\n\ndef main(seconds=0.0):\n    time.sleep(seconds)\n    return hash('the same text')\n"


def cells_of(executor: live.LiveExecutor) -> int:
    """Cells there are: below the guard comes the zygote, and below that its cells."""
    return len(live.descendants(executor.zygote("python").pid)) - 1


def test_a_zygote_is_replaced_after_its_number_of_tasks(tmp_path):
    with live.running(tmp_path, {"profiles": ["python"], "recycle": 4, "concurrency": 2}) as executor, executor.client() as me:
        first = executor.zygote("python").pid
        function = me.functions.register(live.package_of(HASH, arguments=[{"name": "seconds"}]))
        long = me.tasks.create(function, arguments={"seconds": 5.0}, invoke=True)  # runs on while its zygote is replaced
        keys = []
        deadline = time.monotonic() + 60
        while len(set(keys)) < 3 and time.monotonic() < deadline:
            keys.append(me.tasks.create(function, arguments={"seconds": 0.0}, invoke=True).wait().result())
        assert len(set(keys)) >= 3, keys
        # A generation serves at least its number of tasks, and the next one none of its keys.
        changes = sum(1 for before, after in zip(keys, keys[1:], strict=False) if before != after)
        assert changes == len(set(keys)) - 1
        assert long.wait().result() == keys[0]
        live.wait_until(lambda: first not in [one.pid for one in executor.role("zygote")], 10, "the first zygote is gone")
        assert "cella-zygote" not in executor.log()


def test_the_pool_follows_the_load(tmp_path):
    with live.running(tmp_path, {"profiles": ["python"], "pool": 8, "concurrency": 4}) as executor, executor.client() as me:
        live.wait_until(lambda: cells_of(executor) == 1, 20, "one warm cell while nobody asked for any")
        tasks = [live.sleeper(me, 1.0) for _ in range(4)]
        for task in tasks:
            task.wait()
        live.wait_until(lambda: cells_of(executor) == 5, 20, "as many as were in use, and one")


def test_the_memory_of_idle_cells_is_bounded(tmp_path):
    config = {"profiles": ["python"], "pool": 8, "concurrency": 4, "pool_memory_bytes": 4 << 20}
    with live.running(tmp_path, config) as executor, executor.client() as me:
        for task in [live.sleeper(me, 1.0) for _ in range(4)]:
            assert task.wait().result() == "slept"
        time.sleep(1)
        assert 1 <= cells_of(executor) <= 3
