# SPDX-License-Identifier: Apache-2.0
"""Scripts that fail, and scripts that want more than they may: each ends with its own code, line and words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import cella
import pytest
from live import LiveExecutor, echo, parse, refused, script_task, wait_until

PROFILES = pytest.mark.parametrize("profile", ["python", "numpy"])


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_left(live: LiveExecutor) -> Iterator[None]:
    """After all that, the executor has the processes that it had, and serves."""
    before = {name: live.one(name).pid for name in ("monitor", "front")}
    zygotes = {process.pid for process in live.role("zygote")}
    live.serves()
    yield
    live.serves()
    assert {name: live.one(name).pid for name in ("monitor", "front")} == before
    assert {process.pid for process in live.role("zygote")} == zygotes
    # host's children: monitor, front, one courier or none, two zygotes in two processes each with four warm cells each
    wait_until(lambda: len(live.below()) <= 3 + 2 * (2 + 4), 20, "no process of a script is left")


def run(me: cella.Executor, source: str, **options: Any) -> cella.Task:
    """A script that must end by itself."""
    return script_task(me, source, **options).wait(timeout=60)


# ---- scripts that are wrong ----


@PROFILES
@pytest.mark.parametrize("source, line, text", [
    ("def main(:\n    pass", 1, "invalid syntax"), ("x = 1\ndef main():\n  print 'x'", 3, "print as a statement is Python 2 syntax"),
    ("def main():\nreturn 1", 2, "expected an indented block"), ("x = (\n", 1, "was never closed"),
    ("def main():\n\tif 1:\n        pass", 3, ""), ("x = 1\0", None, ""), ("def main(): return '\u2028", 1, "unterminated"),
])
def test_syntax_errors(me: cella.Executor, profile: str, source: str, line: int | None, text: str) -> None:
    if "\0" not in source:  # strict JSON does not carry it
        with refused("BAD_SCRIPT", line=line, text=text):
            run(me, source, profile=profile)
    with refused("BAD_SCRIPT"):  # the client sees it before anything is sent
        me.run(parse(source), profile=profile)


@PROFILES
def test_exceptions(me: cella.Executor, profile: str) -> None:
    source = "class Odd(Exception):\n    pass\ndef inner(n):\n    raise Odd(f'{n} is odd')\ndef main():\n    inner(3)\n"
    with refused("SCRIPT_FAILED", line=4, text="3 is odd") as caught:
        run(me, source, profile=profile)
    assert caught.value.script_class == "Odd" and "line 6, in main" in (caught.value.traceback_text or "")
    with refused("SCRIPT_FAILED", line=1) as caught:
        run(me, "1 / 0\ndef main(): pass", profile=profile)
    assert caught.value.script_class == "ZeroDivisionError"


@pytest.mark.parametrize("body, name", [
    ("import sys; sys.exit(0)", "SystemExit"), ("raise SystemExit", "SystemExit"), ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ("import nonsense", "ModuleNotFoundError"), ("return {}['x']", "KeyError"), ("assert False", "AssertionError"),
])
def test_every_exception_is_a_failure(me: cella.Executor, body: str, name: str) -> None:
    with refused("SCRIPT_FAILED", line=2) as caught:
        run(me, f"def main():\n    {body}")
    assert caught.value.script_class == name


@PROFILES
def test_a_missing_entry_point(me: cella.Executor, profile: str) -> None:
    with refused("BAD_SCRIPT", text="'main' does not exist") as caught:
        run(me, "def one(): pass\ndef two(): pass", profile=profile)
    assert "one, two" in str(caught.value)
    with refused("BAD_SCRIPT", text="is not a function"):
        run(me, "main = 3", profile=profile)


def test_parameters_that_nobody_gives(me: cella.Executor) -> None:
    with refused("BAD_ARGUMENT", text="'x'"):
        run(me, "def main(x): pass")
    with refused("BAD_ARGUMENT", text="'y'"):
        run(me, "def main(): pass", arguments={"y": 1})


# ---- scripts that want too much ----


@PROFILES
def test_an_endless_loop_meets_the_cpu_limit(me: cella.Executor, profile: str) -> None:
    with refused("LIMIT_CPU", text="limit cpu_s 1"):
        run(me, "def main():\n    while True: pass", limits={"cpu_s": 1}, profile=profile)


def test_a_loop_that_catches_everything_meets_the_cpu_limit(me: cella.Executor) -> None:
    source = (
        "import signal\ndef main():\n    signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n    while True:\n"
        "        try:\n            while True: pass\n        except BaseException: pass\n"
    )
    with refused("LIMIT_CPU"):
        run(me, source, limits={"cpu_s": 1})


@PROFILES
def test_an_endless_loop_meets_the_wall_clock_limit(me: cella.Executor, profile: str) -> None:
    begun = time.monotonic()
    with refused("LIMIT_WALL", text="limit wall_s 1"):
        run(me, "def main():\n    while True: pass", limits={"wall_s": 1}, profile=profile)
    assert time.monotonic() - begun < 6


def test_a_sleeper_meets_the_wall_clock_limit(me: cella.Executor) -> None:
    task = script_task(me, "import time\ndef main():\n    time.sleep(600)", limits={"wall_s": 1})
    with refused("LIMIT_WALL"):
        task.wait()
    assert 900_000 < task.usage["wall_us"] < 5_000_000


@PROFILES
@pytest.mark.parametrize("body", [
    "x = []\n    while True: x.append(bytearray(1000000))", "return len(bytearray(1 << 40))", "x = 'a'\n    while True: x += x",
])
def test_a_memory_hog(me: cella.Executor, profile: str, body: str) -> None:
    task = script_task(me, f"def main():\n    {body}", limits={"memory_bytes": 64 << 20}, profile=profile)
    with refused("LIMIT_MEMORY", text=str(64 << 20)):
        task.wait(timeout=60)
    assert task.usage["peak_kib"] < 300 << 10


def test_memory_up_to_the_limit_is_there(me: cella.Executor) -> None:
    assert run(me, "def main():\n    return len(bytearray(50 << 20))", limits={"memory_bytes": 64 << 20}).result() == 50 << 20


@PROFILES
@pytest.mark.parametrize("body", [
    "while True: os.fork()", "os.fork()", "os.forkpty()", "import multiprocessing; multiprocessing.Process(target=main).start()",
    "os.posix_spawn('/bin/true', ['true'], {})",
])
def test_a_fork_bomb(me: cella.Executor, profile: str, body: str) -> None:
    with refused("SCRIPT_FAILED", "SANDBOX_VIOLATION"):
        run(me, f"import os\ndef main():\n    {body}", profile=profile)


def test_a_fork_below_python(me: cella.Executor) -> None:
    """Past what Python itself refuses."""
    source = "import _posixsubprocess, os\ndef main():\n    return _posixsubprocess.fork_exec()"
    with refused("SCRIPT_FAILED", "SANDBOX_VIOLATION"):
        run(me, source)


@PROFILES
def test_deep_recursion(me: cella.Executor, profile: str) -> None:
    with refused("SCRIPT_FAILED", line=2) as caught:
        run(me, "def main():\n    return main()", profile=profile)
    assert caught.value.script_class == "RecursionError"


def test_recursion_that_breaks_the_stack(me: cella.Executor) -> None:
    source = "import sys\nsys.setrecursionlimit(10**9)\ndef f(x): return f((x,))\ndef main():\n    f(())"
    with refused("SCRIPT_FAILED", "CELL_DIED", "LIMIT_MEMORY"):
        run(me, source, limits={"memory_bytes": 64 << 20})
    with refused("CELL_DIED"):
        run(me, "def main():\n    x = ()\n    for i in range(1000000): x = (x,)\n    hash(x)")


# ---- results and outputs ----


@PROFILES
def test_a_result_of_a_gibibyte(me: cella.Executor, profile: str) -> None:
    with refused("LIMIT_MEMORY", "LIMIT_RESULT"):
        run(me, "def main():\n    return 'x' * (1 << 30)", profile=profile)
    with refused("LIMIT_RESULT"):
        run(me, "def main():\n    return ['x' * 1000] * 1100000", profile=profile)


def test_a_result_at_its_limit(me: cella.Executor) -> None:
    assert run(me, "def main():\n    return 'x' * 998", limits={"result_bytes": 1000}).result() == "x" * 998
    with refused("LIMIT_RESULT", text="1000"):
        run(me, "def main():\n    return 'x' * 999", limits={"result_bytes": 1000})
    large = run(me, "def main():\n    return 'x' * ((1 << 20) - 2)")
    assert len(large.result()) == (1 << 20) - 2


@PROFILES
def test_an_output_that_is_never_written(me: cella.Executor, profile: str) -> None:
    with refused("OUTPUT_MISSING", text="'out'"):
        run(me, "def main(out): pass", outputs=["out"], profile=profile)
    assert run(me, "def main(out): out.write(b'')", outputs=["out"], profile=profile).outputs["out"].bytes() == b""


def test_an_output_beyond_its_limit(me: cella.Executor, live: LiveExecutor) -> None:
    before = set(live.objects())
    limits = {"output_bytes": 100_000}
    with refused("LIMIT_OUTPUT", line=2, text="100000"):
        run(me, "def main(out):\n    out.write(bytes(100001))", outputs=["out"], limits=limits)
    with refused("LIMIT_OUTPUT"):
        run(me, "def main(out):\n    while True: out.write(bytes(1000))", outputs=["out"], limits=limits)
    assert set(live.objects()) == before
    done = run(me, "def main(out):\n    out.write(bytes(100000))", outputs=["out"], limits=limits)
    assert done.outputs["out"].bytes() == bytes(100000)


@PROFILES
@pytest.mark.parametrize("value, text", [
    ("float('nan')", "nan"), ("[float('inf')]", "inf"), ("{1, 2}", "set"), ("b'x'", "bytes"), ("{1: 2}", "key 1"),
    ("object()", "object"), ("'\\ud800'", "not JSON"), ("1 + 2j", "complex"),
])
def test_results_that_are_not_json(me: cella.Executor, profile: str, value: str, text: str) -> None:
    with refused("BAD_RESULT", text=text):
        run(me, f"def main():\n    return {value}", profile=profile)


def test_numpy_results_say_what_to_do(me: cella.Executor) -> None:
    with refused("BAD_RESULT", text="tolist"):
        run(me, "import numpy\ndef main():\n    return numpy.arange(3)", profile="numpy")
    with refused("BAD_RESULT", text="item"):
        run(me, "import numpy\ndef main():\n    return numpy.float32(1)", profile="numpy")
    assert run(me, "import numpy\ndef main():\n    return numpy.arange(3).tolist()", profile="numpy").result() == [0, 1, 2]


def test_a_result_that_contains_itself(me: cella.Executor) -> None:
    with refused("BAD_RESULT"):
        run(me, "def main():\n    a = []\n    a.append(a)\n    return a")


# ---- ends without an end ----


@PROFILES
@pytest.mark.parametrize("body", ["os._exit(0)", "os._exit(7)", "os.abort()"])
def test_leaving_is_not_finishing(me: cella.Executor, profile: str, body: str) -> None:
    with refused("CELL_DIED", "SANDBOX_VIOLATION"):
        run(me, f"import os\ndef main(out):\n    out.write(b'x')\n    {body}", outputs=["out"], profile=profile)


def test_a_segmentation_fault(me: cella.Executor) -> None:
    source = (
        "def main(out):\n    out.write(b'x')\n    code = (lambda: 0).__code__\n"
        "    exec(code.replace(co_code=bytes([100, 255, 83, 0]), co_consts=()), {})\n    x = ()\n"
        "    for i in range(1000000): x = (x,)\n    hash(x)\n"
    )
    with refused("CELL_DIED", text="signal 11"):
        run(me, source, outputs=["out"])


# ---- reaching out ----


@PROFILES
@pytest.mark.parametrize("body", [
    "return open('/etc/passwd').read()", "return os.listdir('/')", "return os.open('/etc/passwd', 0)",
    "import io; return io.FileIO('/etc/passwd').read()", "import pathlib; return pathlib.Path('/proc/self/environ').read_bytes()",
    "return os.stat('/etc/passwd').st_size", "open('/tmp/x', 'w')", "os.mkdir('/tmp/x')", "return os.readlink('/proc/self/exe')",
    "import tempfile; tempfile.TemporaryFile()",
])
def test_files(me: cella.Executor, profile: str, body: str) -> None:
    with refused("SCRIPT_FAILED", "SANDBOX_VIOLATION") as caught:
        run(me, f"import os\ndef main():\n    {body}", profile=profile)
    assert "root:" not in str(caught.value)


@PROFILES
@pytest.mark.parametrize("body", [
    "import socket; socket.create_connection(('127.0.0.1', 80))", "import socket; socket.socket()", "import _socket",
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1/')", "import ssl", "import asyncio",
])
def test_sockets(me: cella.Executor, profile: str, body: str) -> None:
    with refused("SCRIPT_FAILED", "SANDBOX_VIOLATION"):
        run(me, f"def main():\n    {body}", profile=profile)


@PROFILES
@pytest.mark.parametrize("body", [
    "import subprocess; subprocess.run(['id'])", "os.system('id')", "os.execv('/bin/sh', ['sh'])", "os.popen('id')",
])
def test_programs(me: cella.Executor, profile: str, body: str) -> None:
    with refused("SCRIPT_FAILED", "SANDBOX_VIOLATION"):
        run(me, f"import os\ndef main():\n    {body}", profile=profile)


@PROFILES
@pytest.mark.parametrize("body", ["import ctypes", "import _ctypes", "import mmap", "import numpy.ctypeslib as c; c.load_library('x', '/')"])
def test_native_code(me: cella.Executor, profile: str, body: str) -> None:
    with refused("SCRIPT_FAILED", "SANDBOX_VIOLATION"):
        run(me, f"def main():\n    {body}", profile=profile)


@pytest.mark.parametrize("body", [
    "[os.kill(pid, 9) for pid in range(1, 30) if pid != os.getpid()]", "os.kill(1, 9)", "os.kill(-1, 9)", "os.killpg(0, 9)",
    "os.kill(os.getppid(), 9)", "import signal; signal.pidfd_send_signal(0, 9)", "os.sched_setaffinity(1, {0})",
    "os.setuid(0)", "os.setpriority(0, 0, -10)", "import resource",
])
def test_other_processes(me: cella.Executor, live: LiveExecutor, body: str) -> None:
    waiting = script_task(me, "import time\ndef main():\n    time.sleep(1)\n    return 'alive'")
    zygotes = live.role("zygote")
    with refused("SCRIPT_FAILED", "SANDBOX_VIOLATION", "CELL_DIED"):
        run(me, f"import os\ndef main():\n    {body}")
    assert waiting.wait().result() == "alive"
    assert all(process.alive for process in zygotes)


@PROFILES
def test_threads_up_to_their_limit(me: cella.Executor, profile: str) -> None:
    source = (
        "import threading, time\ndef main(count):\n    found = []\n"
        "    threads = [threading.Thread(target=lambda: (time.sleep(0.1), found.append(1))) for _ in range(count)]\n"
        "    for thread in threads: thread.start()\n    for thread in threads: thread.join()\n    return len(found)\n"
    )
    assert run(me, source, arguments={"count": 4}, profile=profile).result() == 4
    with refused("SCRIPT_FAILED", "SANDBOX_VIOLATION", line=5) as caught:
        run(me, source, arguments={"count": 200}, profile=profile)
    assert caught.value.script_class in ("RuntimeError", None)


def test_a_thread_that_goes_on_does_not_keep_the_task(me: cella.Executor) -> None:
    source = (
        "import threading, time\ndef main():\n"
        "    threading.Thread(target=time.sleep, args=(600,)).start()\n    return 'done'\n"
    )
    begun = time.monotonic()
    assert run(me, source).result() == "done"
    assert time.monotonic() - begun < 10


@PROFILES
@pytest.mark.parametrize("body, name", [
    ("table.write(b'x')", "UnsupportedOperation"), ("table.buffer()[0] = 1", "TypeError"), ("table.truncate(0)", "UnsupportedOperation"),
])
def test_writing_to_inputs(me: cella.Executor, profile: str, body: str, name: str) -> None:
    with refused("SCRIPT_FAILED", line=2) as caught:
        run(me, f"def main(table):\n    {body}", inputs={"table": b"abc"}, profile=profile)
    assert str(caught.value.script_class).endswith(name)


def test_writing_to_a_numpy_input(me: cella.Executor) -> None:
    import io

    import numpy

    file = io.BytesIO()
    numpy.save(file, numpy.arange(10))
    with refused("SCRIPT_FAILED", line=3, text="read-only"):
        run(me, "def main(x):\n    array = x.numpy()\n    array[0] = 1", inputs={"x": file.getvalue()}, profile="numpy")


def test_every_bad_script_leaves_others_alone(me: cella.Executor, live: LiveExecutor) -> None:
    other = live.client()
    slow = script_task(other, "def main():\n    return sum(range(5_000_000))")
    for source in ("def main(:", "import os\ndef main(): os._exit(0)", "def main(): 1 / 0"):
        with refused("BAD_SCRIPT", "CELL_DIED", "SCRIPT_FAILED"):
            run(me, source)
    assert slow.wait().result() == sum(range(5_000_000)) and echo(me, "fine") == "fine"


# ---- what scripts can do ----


def test_the_client_api_in_its_shortest_form(me: cella.Executor) -> None:
    source = "def main(table, report, factor=2):\n    report.csv([{'n': len(table.csv())}])\n    return factor * 3\n"
    task = me.run(parse(source), {"table": b"a,b\n1,2\n3,4\n"}, ["report"], {"factor": 5}).wait()
    assert task.result() == 15 and task.outputs["report"].text() == "n\r\n2\r\n"


def test_a_decorated_function(me: cella.Executor) -> None:
    @cella.function(inputs=["numbers"])
    def total(numbers, scale=1):  # type: ignore[no-untyped-def]
        return scale * sum(numbers.json())

    assert me.run(total, {"numbers": b"[1, 2, 3]"}, arguments={"scale": 4}).result() == 24
    assert total.local(numbers=b"[1, 2, 3]", scale=4).result() == 24


SETS = (b"1\n3\n5\nff\n", b"2\n3\nff\n")


def test_ordered_set_intersect_as_a_task(me: cella.Executor) -> None:
    from cella.functions import builtin_package

    names = ["input_data1", "input_data2"], ["output_result1", "output_result2"]
    function = me.functions.register(builtin_package("ordered_set_intersect", *names, ["order"]))
    inputs: dict[str, Any] = {name: me.data.add(content, name) for name, content in zip(names[0], SETS)}
    outputs = {name: None for name in names[1]}
    task = me.tasks.create(function, arguments={"order": "ascending"}, inputs=inputs, outputs=outputs, invoke=True).wait()
    assert [task.outputs[name].text() for name in names[1]] == ["0101", "011"]
    with refused("BAD_ARGUMENT", text="order"):
        me.tasks.create(function, arguments={"order": 1}, inputs=inputs, outputs=outputs, invoke=True).wait()
    with refused("BUILTIN_FAILED"):
        me.tasks.create(function, arguments={"order": "descending"}, inputs=inputs, outputs=outputs, invoke=True).wait()


def test_an_unknown_builtin(me: cella.Executor) -> None:
    from cella.functions import builtin_package

    with refused("BAD_ARGUMENT", "BAD_FIELD", "NOT_FOUND", text="nonsense"):
        function = me.functions.register(builtin_package("nonsense"))
        me.tasks.create(function, invoke=True).wait()


def test_builtins_from_a_script(me: cella.Executor) -> None:
    source = (
        "import cella\ndef main(a, b):\n"
        "    found = cella.builtins.ordered_set_intersect(order='ascending', input_data1=a, input_data2=b)\n"
        "    return [cella.builtins.echo(message='hello'), found.output_result1.decode(), found.output_result2.decode()]\n"
    )
    assert run(me, source, inputs={"a": SETS[0], "b": SETS[1]}).result() == ["hello", "0101", "011"]
    with refused("SCRIPT_FAILED", line=3, text="message"):
        run(me, "import cella\ndef main():\n    cella.builtins.echo(message=1)")


TEACLAVE = """
def entrypoint(argv):
    argv = dict(zip(argv[0::2], argv[1::2]))
    with teaclave_open("source", "rb") as source, teaclave_open("target", "wb") as target:
        for line in source.readlines():
            target.write(line.upper())
    return "%s %s" % (sorted(argv), argv["threshold"])
"""


@PROFILES
def test_teaclaves_form(me: cella.Executor, profile: str) -> None:
    task = me.run(cella.Script.parse(TEACLAVE, "old.py"), {"source": b"one\ntwo\n"}, ["target"],
                  {"threshold": 0.5, "name": "x"}, profile=profile).wait()
    assert task.result() == "['name', 'threshold'] 0.5"
    assert task.outputs["target"].bytes() == b"ONE\nTWO\n"


def test_teaclaves_form_refuses_what_teaclave_refused(me: cella.Executor) -> None:
    source = "def entrypoint(argv):\n    teaclave_open('other', 'rb')\n"
    with refused("SCRIPT_FAILED", line=2, text="teaclave_ffi_error"):
        me.run(cella.Script.parse(source, "old.py")).wait()


def test_numpy_computes(me: cella.Executor) -> None:
    source = "import numpy\ndef main(n):\n    a = numpy.arange(n * n, dtype=float).reshape(n, n)\n    return float((a @ a).trace())\n"
    import numpy

    a = numpy.arange(10000, dtype=float).reshape(100, 100)
    assert run(me, source, arguments={"n": 100}, profile="numpy").result() == float((a @ a).trace())


def test_an_unknown_profile(me: cella.Executor) -> None:
    with refused("NO_PROFILE"):
        me.run(parse("def main(): pass"), profile="science")
    with refused("NO_PROFILE"):
        script_task(me, "def main(): pass", profile="science")
