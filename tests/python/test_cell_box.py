# SPDX-License-Identifier: Apache-2.0
"""What a script tries to reach from inside a cell, and does not."""

import os
import signal

import pytest
from zygote_driver import LAYERS, Limits, ZygoteDriver


@pytest.fixture(scope="module", params=["python", "numpy"])
def zygote(request):
    with ZygoteDriver(request.param) as driver:
        yield driver


def test_every_layer_is_in_force(zygote):
    assert zygote.layers == set(LAYERS) - {"cgroup"}


@pytest.mark.parametrize("body, exception, text", [
    ("open('/etc/passwd')", "PermissionError", "declared inputs and outputs"),
    ("os.open('/etc/passwd', 0)", "PermissionError", "declared inputs and outputs"),
    ("pathlib.Path('/etc/passwd').read_text()", "PermissionError", "declared inputs and outputs"),
    ("os.stat('/etc/passwd')", "FileNotFoundError", "/etc/passwd"),
    ("os.stat('/proc')", "FileNotFoundError", "/proc"),
    ("os.listdir('/')", "PermissionError", "declared inputs and outputs"),
    ("os.readlink('/proc/self/exe')", "PermissionError", "Permission denied"),
    ("os.getcwd()", "FileNotFoundError", ""),
    ("tempfile.TemporaryFile()", "PermissionError|FileNotFoundError", ""),
    ("os.mkdir('/x')", "PermissionError", "declared inputs and outputs"),
    ("os.memfd_create('x')", "PermissionError", ""),
    ("os.pipe()", "PermissionError", ""),
    ("os.dup(0)", "PermissionError", ""),
    ("socket.socket()", "PermissionError", "no network"),
    ("socket.create_connection(('127.0.0.1', 80))", "PermissionError", "no network"),
    ("subprocess.run(['/bin/ls'])", "PermissionError", "programs"),
    ("subprocess.Popen('ls', shell=True)", "PermissionError", "programs"),
    ("os.system('ls')", "PermissionError", "programs"),
    ("os.fork()", "PermissionError", "programs"),
    ("os.posix_spawn('/bin/ls', ['ls'], {})", "PermissionError", "programs"),
    ("os.execv('/bin/ls', ['ls'])", "PermissionError", "programs"),
    ("os.kill(1, 9)", "PermissionError", "signal"),
    ("os.kill(-1, 9)", "PermissionError", "signal"),
    ("os.killpg(1, 9)", "PermissionError", "signal"),
    ("os.setuid(0)", "PermissionError", ""),
    ("os.chroot('/')", "PermissionError", ""),
    ("os.sched_setaffinity(0, {0})", "PermissionError", ""),
    ("os.nice(-5)", "PermissionError", ""),
    ("signal.alarm(1)", "PermissionError|SystemError|DONE", ""),
])
def test_what_is_refused(zygote, body, exception, text):
    report = zygote.run(f"import os, pathlib, signal, socket, subprocess, tempfile\ndef main():\n    {body}")
    outcome = report.exception or report.status
    assert outcome in exception.split("|"), report
    assert text in report.message


@pytest.mark.parametrize("module", [
    "ctypes", "_ctypes", "_socket", "_ssl", "ssl", "_posixsubprocess", "multiprocessing", "_multiprocessing", "mmap",
    "resource", "readline", "faulthandler", "asyncio", "cffi", "_posixshmem", "syslog"])
def test_modules_that_no_function_has(zygote, module):
    report = zygote.run(f"import {module}\ndef main(): pass")
    assert report.exception == "ModuleNotFoundError"
    assert f"'{module}'" in report.message and "functions" in report.message


@pytest.mark.parametrize("module", ["_socket", "_posixsubprocess", "faulthandler", "spwd"])
def test_they_are_not_even_linked_in(zygote, module):
    report = zygote.run(f"""
import _imp, importlib.machinery
def main():
    return _imp.is_builtin({module!r})
""")
    assert report.result == 0


@pytest.mark.parametrize("module", ["_ctypes", "mmap", "_multiprocessing"])
def test_native_modules_can_not_be_loaded_by_hand(zygote, module):
    report = zygote.run(f"""
import importlib.machinery, importlib.util
def main():
    path = "/usr/lib/python3.11/lib-dynload/{module}.cpython-311-x86_64-linux-gnu.so"
    spec = importlib.util.spec_from_file_location({module!r}, path)
    importlib.util.module_from_spec(spec)
""")
    assert report.exception in ("ImportError", "PermissionError"), report


def test_a_fork_bomb(zygote):
    report = zygote.run("""
import os
def main():
    made = 0
    for _ in range(1000):
        try:
            if os.fork() == 0:
                while True: pass
            made += 1
        except OSError:
            pass
    return made
""")
    assert report.result == 0


def test_threads_up_to_the_limit(zygote):
    source = """
import threading, time
def main():
    made = 0
    stop = threading.Event()
    try:
        for _ in range(200):
            threading.Thread(target=stop.wait, daemon=True).start()
            made += 1
    except RuntimeError as error:
        stop.set()
        return [made, str(error)]
"""
    assert zygote.run(source, limits=Limits(threads=4)).result == [4, "can't start new thread"]
    assert zygote.run(source, limits=Limits(threads=0)).result == [0, "can't start new thread"]
    assert zygote.run("from concurrent.futures import ThreadPoolExecutor\ndef main():\n"
                      "    with ThreadPoolExecutor(2) as pool: return list(pool.map(abs, [-1, -2]))").result == [1, 2]


def test_threads_of_one_cell_are_not_counted_for_another(zygote):
    source = """
import threading, time
def main(seconds):
    for _ in range(4):
        threading.Thread(target=time.sleep, args=(seconds,), daemon=True).start()
    time.sleep(seconds / 2)
    return threading.active_count()
"""
    running = [zygote.start(source, arguments={"seconds": 1}) for _ in range(3)]
    assert [zygote.collect(*one).result for one in running] == [5, 5, 5]


def test_inputs_can_not_be_written(zygote):
    report = zygote.run("""
def main(data):
    found = []
    for attempt in (lambda: data.write(b"x"), lambda: data.buffer().__setitem__(0, 1), lambda: data.truncate(0)):
        try:
            attempt()
            found.append("written")
        except Exception as error:
            found.append(type(error).__name__)
    return [found, data.read().decode()]
""", inputs={"data": b"content"})
    assert report.result == [["UnsupportedOperation", "TypeError", "UnsupportedOperation"], "content"]


def test_numpy_can_not_write_an_input(zygote):
    if zygote.profile != "numpy":
        pytest.skip("needs numpy")
    report = zygote.run("""
import numpy
def main(data):
    array = numpy.frombuffer(data.buffer(), dtype="u1")
    address = array.__array_interface__["data"][0]
    holder = type("Holder", (), {"__array_interface__": {"data": (address, False), "shape": (4,), "typestr": "|u1",
                                                         "version": 3}})()
    numpy.asarray(holder)[0] = 1
    return "written"
""", inputs={"data": b"content"})
    assert report.signal == signal.SIGSEGV


def test_only_the_outputs_and_dead_ends_are_open(zygote):
    source = """
import os
def main(out):
    out.write(b"1")
    there = {}
    for number in range(1024):
        try:
            there[str(number)] = oct(os.fstat(number).st_mode & 0o170000)
        except OSError:
            pass
    return there
"""
    report = zygote.run(source, inputs={}, outputs=["out"])
    assert report.result == {"0": "0o20000", "1": "0o20000", "2": "0o20000", "3": "0o100000", "128": "0o140000"}


def test_the_environment_is_empty(zygote):
    report = zygote.run("import os, sys\ndef main():\n    return [dict(os.environ), sys.argv, sys.path, sys.executable, "
                        "os.getpid(), os.getuid(), os.getgid(), os.getppid()]")
    assert report.result == [{}, [""], [], "", 1, 65534, 65534, 0]


def test_the_kernels_environment_is_empty_too(zygote):
    report = zygote.run("import posix\ndef main():\n    return {k.decode(): v.decode() for k, v in posix.environ.items()}")
    assert "SECRET_OF_THE_STARTER" not in report.result
    assert set(report.result) <= {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "JOBLIB_MULTIPROCESSING"}


def test_cells_share_nothing(zygote):
    change = """
import builtins, json, math, sys
json.planted = sys.planted = math.planted = builtins.planted = "secret"
import cella
cella.planted = "secret"
def main():
    global state
    state = "secret"
    sys.modules["planted"] = json
    json.dumps = None
"""
    look = """
import builtins, gc, json, math, sys
import cella
def main():
    places = (json, sys, math, builtins, cella)
    return [any(hasattr(place, "planted") for place in places), "planted" in sys.modules, "state" in globals(),
            json.dumps is None]
"""
    zygote.run(change)
    assert zygote.run(look).result == [False, False, False, False]


def test_killing_one_cell_leaves_the_others(zygote):
    sleeper = zygote.start("import time\ndef main():\n    time.sleep(1)\n    return 'alive'")
    zygote.run("import os\ndef main():\n    for pid in range(-5, 100):\n        try: os.kill(pid, 9)\n"
               "        except OSError: pass")
    zygote.run("import os\ndef main(): os.abort()")
    assert zygote.collect(*sleeper).result == "alive"


class TestTheControlSocket:
    def test_a_script_can_not_forge_success(self, zygote):
        report = zygote.run("""
import os
def main():
    for number in range(1024):
        for packet in (b"\\x05null", b"\\x06"):
            try:
                os.write(number, packet)
            except OSError:
                pass
            try:
                os.writev(number, [packet])
            except OSError:
                pass
    os._exit(0)
""")
        assert report.status == "DIED" and report.result is None

    def test_nor_close_or_read_it(self, zygote):
        report = zygote.run("""
import os
def main():
    found = []
    for attempt in (lambda: os.close(64), lambda: os.read(64, 1), lambda: os.write(64, b"x"), lambda: os.dup2(0, 64)):
        try:
            attempt()
            found.append("done")
        except OSError as error:
            found.append(error.errno)
    return found
""")
        assert report.result == [9, 9, 9, 1]

    def test_closing_everything_else_is_survived(self, zygote):
        report = zygote.run("""
import os
def main():
    for number in range(1024):
        try:
            os.close(number)
        except OSError:
            pass
    return "still here"
""")
        assert report.result == "still here"

    def test_closing_an_output_is_noticed(self, zygote):
        report = zygote.run("import os\ndef main(out):\n    out.write(b'x')\n    os.close(3)", outputs=["out"])
        assert report.status == "OUTPUT_MISSING" and "'out'" in report.message


class TestForbiddenCalls:
    def test_one_is_the_end(self, zygote):
        report = zygote.run("import os\ndef main():\n    os.closerange(3, 100)")
        assert report.status == "DIED" and report.signal == signal.SIGSYS

    def test_a_frozen_sleeper_wakes(self, zygote):
        """Stopping and continuing makes the kernel use restart_syscall."""
        cell, targets = zygote.start("import time\ndef main():\n    time.sleep(1)\n    return 'woke'")
        for number in (signal.SIGSTOP, signal.SIGCONT):
            signal.pidfd_send_signal(cell.handle, number)
        assert zygote.collect(cell, targets).result == "woke"


def process_of(cell):
    """The cell's process in our namespace."""
    return int(next(line.split()[1] for line in open(f"/proc/self/fdinfo/{cell.handle}") if line.startswith("Pid:")))


def test_memory_is_arranged_for_forking(zygote):
    """Of a library's file one mapping is left, which nobody can write to; no memory is writable and executable."""
    cell = zygote.take()
    mappings = [line.split() for line in open(f"/proc/{process_of(cell)}/maps")]
    libraries = [(words[1], words[5]) for words in mappings if len(words) > 5 and ".so" in words[5]]
    assert len(libraries) == len(set(libraries)) > 5
    assert {rights for rights, _ in libraries} == {"r-xp"}
    assert not any("w" in words[1] and "x" in words[1] for words in mappings)
    cell.close()
    zygote.wait_exit(cell)


def test_seccomp_mode_and_capabilities_as_the_kernel_sees_them(zygote):
    cell = zygote.take()
    number = process_of(cell)
    status = dict(line.split(":", 1) for line in open(f"/proc/{number}/status"))
    names = "CapInh CapPrm CapEff CapBnd CapAmb".split()
    assert [int(status[name], 16) for name in names] == [0] * 5
    assert status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "1"
    if os.geteuid() == 0:
        assert status["Uid"].split() == ["65534"] * 4
        own = {name: os.readlink(f"/proc/self/ns/{name}") for name in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")}
        its = {name: os.readlink(f"/proc/{number}/ns/{name}") for name in own}
        assert not set(own.values()) & set(its.values())
        assert os.listdir(f"/proc/{number}/root/") == []
        assert b"PATH" not in open(f"/proc/{number}/environ", "rb").read()
    cell.close()
    zygote.wait_exit(cell)
