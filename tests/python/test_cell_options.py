# SPDX-License-Identifier: Apache-2.0
"""What differs between cells and tasks: warm or cold, random state, threads, clocks, and being cancelled."""

import os
import signal
import time

import pytest
from waiting import ready
from zygote_driver import DONE, Limits, ZygoteDriver

COARSE = 1


@pytest.fixture(scope="module", params=["python", "numpy"])
def zygote(request):
    with ZygoteDriver(request.param) as driver:
        yield driver


@pytest.fixture(scope="module")
def python():
    with ZygoteDriver("python") as driver:
        yield driver


class TestHere:
    @pytest.mark.parametrize("warm", [True, False])
    def test_every_cell_says_what_is_around_it_and_who_it_is(self, zygote, warm):
        cell = zygote.spawn(1, warm=warm)[0]
        assert cell.layers == zygote.layers
        pid_line = next(line for line in open(f"/proc/self/fdinfo/{cell.handle}") if line.startswith("Pid:"))
        assert cell.pid == int(pid_line.split()[1])
        assert 0 < cell.kib < 16384

    def test_a_cold_cell_has_touched_less(self, zygote):
        warm, cold = zygote.spawn(1, warm=True)[0], zygote.spawn(1, warm=False)[0]
        assert cold.kib < warm.kib

    def test_a_cold_cell_runs_tasks(self, zygote):
        zygote.cells.clear()
        zygote.spawn(1, warm=False)
        assert zygote.run("def main(data): return len(data.read())", inputs={"data": b"12345"}).result == 5

    def test_after_the_last_word_a_cell_waits(self, python):
        cell, _ = python.start("def main(): return 1")
        while cell.link.recv(100)[0] != DONE:
            pass
        time.sleep(0.2)
        assert not ready([cell.link], [], 0)[0]  # still there
        cell.kill()
        assert os.WTERMSIG(python.wait_exit(cell)["status"]) == signal.SIGKILL

    def test_nor_do_other_threads_go_on(self, python):
        cell, targets = python.start("""
import threading
def write_on(out):
    while True: out.write(b"x")
def main(out):
    out.write(b"1")
    threading.Thread(target=write_on, args=(out,), daemon=True).start()
""", outputs=["out"])
        while cell.link.recv(100)[0] != DONE:
            pass
        sizes = []
        for _ in range(2):
            time.sleep(0.1)
            sizes.append(os.fstat(targets["out"]).st_size)
        assert sizes[0] == sizes[1]
        cell.kill()
        python.wait_exit(cell)
        os.close(targets["out"])


class TestRandomState:
    def values(self, zygote, source):
        return [zygote.run(source).result for _ in range(3)]

    @pytest.mark.parametrize("warm", [True, False])
    def test_siblings_differ(self, zygote, warm):
        zygote.spawn(3, warm=warm)
        found = self.values(zygote, "import random, secrets, uuid\ndef main():\n"
                                    "    return [random.random(), random.gauss(0, 1), secrets.token_hex(), str(uuid.uuid4())]")
        for column in zip(*found, strict=True):
            assert len(set(column)) == 3

    @pytest.mark.parametrize("warm", [True, False])
    def test_numpy_too(self, warm):
        with ZygoteDriver("numpy") as zygote:
            zygote.spawn(3, warm=warm)
            found = self.values(zygote, "import numpy\ndef main():\n    return [numpy.random.rand(), numpy.random.randn(), "
                                        "numpy.random.default_rng().random(), float(numpy.random.RandomState().rand())]")
            for column in zip(*found, strict=True):
                assert len(set(column)) == 3

    def test_a_seed_of_the_script_counts(self, zygote):
        assert len(set(self.values(zygote, "import random\ndef main():\n    random.seed(7)\n    return random.random()"))) == 1

    def test_each_zygote_has_a_hash_key_and_an_address_layout_of_its_own(self):
        found = []
        for _ in range(3):
            with ZygoteDriver("python") as driver:
                one, other = (driver.run("def main(): return [hash('text'), id([].__class__.__mro__)]").result for _ in "ab")
                assert one[0] == other[0]
                found.append(one)
        assert len({key for key, _ in found}) == len({address for _, address in found}) == 3


class TestThreads:
    SOURCE = """
import threading
def main():
    try:
        threading.Thread(target=print).start()
    except RuntimeError as error:
        return str(error)
"""

    @pytest.mark.parametrize("options", [{"limits": Limits(threads=0)}, {"clock": COARSE}])
    def test_none(self, zygote, options):
        assert zygote.run(self.SOURCE, **options).result == "can't start new thread"

    def test_some(self, zygote):
        assert zygote.run(self.SOURCE, limits=Limits(threads=1)).result is None


class TestClocks:
    STEPS = """
import time
def main(clock):
    read = getattr(time, clock)
    steps = []
    last = read()
    while len(steps) < 5:
        now = read()
        if now != last:
            steps.append(now - last)
            last = now
    return min(steps)
"""

    @pytest.mark.parametrize("clock", ["time", "monotonic", "perf_counter"])
    def test_the_smallest_step(self, zygote, clock):
        fine = zygote.run(self.STEPS, arguments={"clock": clock}).result
        coarse = zygote.run(self.STEPS, arguments={"clock": clock}, clock=COARSE).result
        assert fine < 1e-4
        assert coarse > 9e-4  # a tick is 1 to 10 ms

    @pytest.mark.parametrize("clock", ["time", "monotonic", "perf_counter", "process_time", "thread_time"])
    def test_coarse_ones_go_on(self, zygote, clock):
        report = zygote.run(f"import time\ndef main():\n    begun = time.{clock}()\n    until = time.monotonic() + 15\n"
                            f"    while time.{clock}() < begun + 0.1 and time.monotonic() < until: pass\n"
                            f"    return time.{clock}() - begun", clock=COARSE, limits=Limits(cpu_s=18))
        assert report.status == "DONE", report
        assert 0.099 < report.result < 5

    def test_sleeping_and_dates(self, zygote):
        report = zygote.run("import datetime, time\ndef main():\n    begun = time.monotonic()\n    time.sleep(0.1)\n"
                            "    return [time.monotonic() - begun, datetime.datetime.now().year, int(time.time())]",
                            clock=COARSE)
        slept, year, now = report.result
        assert 0.08 < slept < 1 and year >= 2024 and abs(now - time.time()) < 5

    def test_the_kernel_does_not_tell_either(self, zygote):
        report = zygote.run("""
import time
def main():
    found = []
    for clock in range(12):
        try:
            time.clock_gettime_ns(clock)
            found.append(clock)
        except OSError:
            pass
    return found
""", clock=COARSE)
        # What the program answers for the fine ones is coarse as well.
        assert report.result == [0, 1, 2, 3, 4, 5, 6, 7, 11]


class TestCancel:
    def cancel(self, zygote, source, **options):
        cell, targets = zygote.start(source, **options)
        assert cell.link.recv(1000)[1:] == b"begun\n"
        time.sleep(0.2)  # by now it waits
        signal.pidfd_send_signal(cell.handle, signal.SIGTERM)
        return zygote.collect(cell, targets, timeout=2)

    @pytest.mark.parametrize("wait", ["time.sleep(60)", "threading.Event().wait(60)", "[None for _ in iter(int, 1)]",
                                      "sum(iter(int, 1))"])
    def test_it_reaches_the_script(self, zygote, wait):
        report = self.cancel(zygote, f"import threading, time\ndef main():\n    print('begun')\n    {wait}")
        if wait == "sum(iter(int, 1))":
            assert report.timed_out  # a C call that does not return
        else:
            assert (report.status, report.exception) == ("CANCELLED", "cella._cancel.Cancelled")
            assert report.line in (3, 4)  # just after it said so, or while it waits

    def test_a_script_can_clean_up(self, zygote):
        report = self.cancel(zygote, """
import cella, time
def main(out):
    try:
        print("begun")
        time.sleep(60)
    except Exception:
        return "not an ordinary exception"
    except cella.Cancelled as error:
        print(error)
        out.write(b"so far")
        raise
""", outputs=["out"])
        assert report.status == "CANCELLED" and report.log == "the task was cancelled\n"
        assert report.outputs == {"out": b"so far"}

    @pytest.mark.parametrize("how", ["signal.signal(signal.SIGTERM, signal.SIG_IGN)", "pass"])
    def test_or_go_on(self, zygote, how):
        report = self.cancel(zygote, f"""
import cella, signal, time
def main():
    {how}
    try:
        print("begun")
        time.sleep(0.6)
    except cella.Cancelled:
        pass
    return "done anyway"
""")
        assert report.result == "done anyway"

    def test_a_script_that_raises_it_has_failed(self, zygote):
        report = zygote.run("import cella\ndef main():\n    raise cella.Cancelled('by itself')")
        assert (report.status, report.line) == ("SCRIPT_FAILED", 3)
