# SPDX-License-Identifier: Apache-2.0
"""The host and the programs below it: what happens when one dies, when it is told to stop, when the disk is full."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cella
import pytest
from live import (
    PROGRAMS, SLEEP, Hand, LiveExecutor, Process, at_once, echo, files, host, package_of, refused, running, script_task,
    sealed_bytes, sleeper, until_in_cell, until_running, wait_until,
)

Start = Callable[..., LiveExecutor]
BIG = 24 << 20
COPY = "def main(x, out):\n    out.write(x.buffer())\n"


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveExecutor]:
    """An executor for tests that only look at it."""
    executor = LiveExecutor(tmp_path_factory.mktemp("calm"))
    yield executor
    executor.close()


def gone(processes: list[Process], seconds: float = 10) -> None:
    """All of these processes end."""
    wait_until(lambda: not any(process.alive for process in processes), seconds,
               f"no process is left of {[process.name for process in processes]}")


def usual(live: LiveExecutor) -> None:
    """No more processes than an executor without tasks has."""
    most = 3 + 2 * (2 + 4)  # monitor, front, one courier; per profile two zygote processes and four warm cells
    wait_until(lambda: len([one for one in live.below() if one.state != "Z"]) <= most, 20,
               "no process of a dead program is left")


# ---- a program dies ----


def test_the_front_dies_in_mid_request(own: LiveExecutor) -> None:
    me = own.client()
    task = script_task(me, SLEEP, arguments={"seconds": 1.5})
    until_running(task)
    other = own.client(me.identity)
    answers: list[Any] = []
    version = task.facts["version"]
    watcher = threading.Thread(
        target=lambda: answers.extend(at_once([lambda: cella.Task(other, task.id, {"creator": me.party, "version": version}).wait()])))
    watcher.start()
    time.sleep(0.2)
    front = own.one("front")
    mark = len(own.log())
    front.kill()
    own.wait_for_log(r"cella-front died of signal 9", after=mark, seconds=5)
    wait_until(lambda: [one for one in own.role("front") if one.pid != front.pid], 10, "another front runs")
    watcher.join(30)  # the client connects and asks again by itself
    assert isinstance(answers[0], cella.Task) and answers[0].result() == "slept"
    assert task.wait().result() == "slept"
    own.serves()
    usual(own)


def test_the_front_dies_in_mid_upload(own: LiveExecutor) -> None:
    me = own.client()
    key = cella.DataKey.generate()
    content = sealed_bytes(key, os.urandom(BIG))
    data = me.data.register("x", cella.sealing.Sealed(BIG, len(content), hashlib.sha256(content).digest()), key)
    hand = Hand(own, me)
    with own.raw() as connection:
        signed = hand.sign("object.upload", {"data": data.id})
        connection.send(f"PUT /v1/objects HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\nCella-Request: {signed}\r\n\r\n".encode())
        connection.send(content[: BIG // 2])
        own.one("front").kill()
        with pytest.raises(OSError):
            for _ in range(1000):
                connection.send(content[BIG // 2 : BIG // 2 + (1 << 16)])
            connection.answer()

    def uploaded() -> bool:
        with contextlib.suppress(cella.TransportError):
            me.upload(data.id, io.BytesIO(content), len(content))
            return True
        return False

    wait_until(uploaded, 20, "the upload works with the next front")
    assert [path.stat().st_size for path in own.objects()] == [len(content)]
    hand.close()


def test_many_fronts_die(own: LiveExecutor) -> None:
    me = own.client()
    for _ in range(4):
        before = own.one("front")
        before.kill()
        wait_until(lambda: [one for one in own.role("front") if one.pid != before.pid], 15, "another front runs")
    wait_until(lambda: "echoed" in str(at_once([lambda: echo(me, "echoed")])[0]), 20, "the next front serves")
    assert own.process.poll() is None


def test_the_courier_dies_in_mid_transfer(own: LiveExecutor) -> None:
    me = own.client()
    data = me.data.add(os.urandom(BIG))
    function = me.functions.register(package_of(COPY, inputs=files("x"), outputs=files("out")))
    codes = []
    for _ in range(12):
        task = me.tasks.create(function, inputs={"x": data}, outputs={"out": None}, invoke=True)
        until = time.monotonic() + 10
        while time.monotonic() < until and not task.refresh().done:
            for courier in own.role("courier"):
                with contextlib.suppress(OSError):
                    moved = sum(int(line.split()[1]) for line in courier.file("io").decode().splitlines() if "char" in line)
                    if moved > BIG // 8:
                        courier.kill()
        error = task.wait(check=False, timeout=30).error()
        codes.append(error.code if error else "OK")
        if codes[-1] == "COURIER_DIED":
            break
    assert codes[-1] == "COURIER_DIED", codes
    own.wait_for_log(r"cella-courier died of signal 9", seconds=5)
    task = me.tasks.create(function, inputs={"x": data}, outputs={"out": None}, invoke=True).wait()
    assert len(task.outputs["out"].bytes()) == BIG
    usual(own)
    wait_until(lambda: not list(own.state.rglob("incoming-*")), 10, "no half object is left in the store")


def test_an_idle_courier_dies(own: LiveExecutor) -> None:
    me = own.client()
    for _ in range(3):
        for courier in own.role("courier"):
            with contextlib.suppress(ProcessLookupError):  # that of the task before may just be leaving
                courier.kill()
        task = script_task(me, "def main(x): return len(x)", inputs={"x": b"abc"})
        task.wait(check=False)
        error = task.error()
        assert error is None or error.code == "COURIER_DIED"
    assert script_task(me, "def main(x): return len(x)", inputs={"x": b"abc"}).wait().result() == 3


@pytest.mark.parametrize("profile", ["python", "numpy"])
def test_a_zygote_dies_while_its_task_runs(own: LiveExecutor, profile: str) -> None:
    me = own.client()
    task = until_in_cell(script_task(me, SLEEP, arguments={"seconds": 600.0}, profile=profile))
    elsewhere = script_task(me, SLEEP, arguments={"seconds": 2.0}, profile="numpy" if profile == "python" else "python")
    zygote = own.zygote(profile)
    below = [one for one in own.below() if one.parent == zygote.pid]
    zygote.kill()
    with refused("ZYGOTE_DIED"):
        task.wait(timeout=20)
    gone([zygote, *below])
    own.wait_for_log(rf"cella-zygote \({profile}\) died of signal 9")
    assert elsewhere.wait().result() == "slept"
    assert script_task(me, "def main(): return 1", profile=profile).wait(timeout=30).result() == 1
    usual(own)


def test_the_inner_zygote_dies(own: LiveExecutor) -> None:
    """The zygote is a process of two; the death of the inner one is told, too."""
    me = own.client()
    task = until_in_cell(script_task(me, SLEEP, arguments={"seconds": 600.0}))
    outer = own.zygote("python")
    inner = [one for one in own.below() if one.parent == outer.pid]
    assert len(inner) == 1
    inner[0].kill()
    with refused("ZYGOTE_DIED"):
        task.wait(timeout=20)
    own.wait_for_log(r"cella-zygote \(python\)")
    assert script_task(me, "def main(): return 1").wait(timeout=30).result() == 1
    usual(own)


def test_a_cell_dies(own: LiveExecutor) -> None:
    me = own.client()
    before = {one.pid for one in own.below()}
    task = until_running(script_task(me, SLEEP, arguments={"seconds": 600.0}))
    zygotes = {one.pid for one in own.role("zygote")}
    cells = [one for one in own.below() if one.name == "cella-zygote" and one.pid not in zygotes and one.parent not in zygotes]
    assert before and cells
    for cell in cells:  # the one that runs, and the warm ones
        cell.kill()
    with refused("CELL_DIED", text="signal 9"):
        task.wait(timeout=20)
    assert echo(me, "next") == "next"
    usual(own)


def test_the_monitor_dies(own: LiveExecutor) -> None:
    me = own.client()
    sleeper(me)
    below = own.below()
    mark = len(own.log())
    own.one("monitor").kill()
    own.wait_for_log(r"cella-monitor died \(signal 9\)", after=mark)
    gone(below)
    own.wait_for_log(r"ready: clients connect to", after=mark, seconds=60)

    def another() -> bool:
        with contextlib.suppress(cella.CellaError):
            own.serves()
            return True
        return False

    wait_until(another, 20, "the executor was started again")
    assert echo(me, "x") == "x"  # the same keys, the same parties: an old client goes on
    assert own.process.poll() is None


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSEGV, signal.SIGQUIT])
def test_the_host_dies(own: LiveExecutor, end: signal.Signals) -> None:
    me = own.client()
    sleeper(me)
    script_task(me, "def main(x): return 1", inputs={"x": b"1"})
    # Monitor, front, couriers, and of each profile guard and zygote at the least; one that has ended is replaced.
    wait_until(lambda: len(own.below()) >= 9, 20, "all programs run")
    below = own.below()
    below.append(own.one("ledger"))
    own.process.send_signal(end)
    own.process.wait(10)
    gone(below)


def test_a_new_host_takes_over(start: Start, tmp_path: Path) -> None:
    first = start()
    root = (first.state / "soft_root.key").read_bytes()
    trust = first.trust.read_text()
    first.kill()
    (first.state / "store" / "incoming-0").write_bytes(b"left behind")
    second = start()
    second.serves()
    assert (second.state / "soft_root.key").read_bytes() == root and second.trust.read_text() == trust
    assert not (second.state / "store" / "incoming-0").exists()


# ---- stopping ----


def test_draining_waits_for_what_runs(own: LiveExecutor) -> None:
    me = own.client()
    task = until_running(script_task(me, "import time\ndef main(out):\n    time.sleep(12)\n    out.write(b'x' * 1000)\n    return 'ok'",
                                     outputs=["out"]))
    waiting = me.tasks.create(me.functions.register(package_of(SLEEP)))
    below = own.below()
    own.terminate()
    own.wait_for_log(r"stopping: no new tasks")
    with refused("DRAINING"):
        script_task(me, "def main(): return 1")
    with refused("DRAINING"):
        waiting.invoke()
    with refused("CLOSED"):  # and no new connections
        own.client()
    own_answer = task.wait()
    assert own_answer.result() == "ok"
    begun = time.monotonic()
    assert own.wait(15) == 0
    assert time.monotonic() - begun < 5, "it did not end when the last task had ended"
    gone(below)
    assert not (own.state / "address").exists()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_executor_stops_at_once(own: LiveExecutor, end: signal.Signals) -> None:
    assert echo(own.client(), "x") == "x"
    below = own.below()
    time.sleep(0.5)
    begun = time.monotonic()
    own.process.send_signal(end)
    assert own.wait(20) == 0 and time.monotonic() - begun < 3
    gone(below)


def test_an_executor_that_was_never_used_stops_at_once(start: Start) -> None:
    live = start()
    begun = time.monotonic()
    live.terminate()
    assert live.wait(20) == 0 and time.monotonic() - begun < 3


def test_a_second_signal_ends_at_once(own: LiveExecutor) -> None:
    sleeper(own.client())
    below = own.below()
    own.terminate()
    own.wait_for_log(r"stopping: no new tasks")
    time.sleep(0.2)
    assert own.process.poll() is None
    own.terminate()
    own.wait(10)
    gone(below)


def test_patience_with_running_tasks_ends(start: Start) -> None:
    live = start({"drain_s": 1}, name="impatient")
    sleeper(live.client())
    below = live.below()
    live.terminate()
    live.wait(10)
    assert "did not end in time" in live.log()
    gone(below)


def test_draining_ends_tasks_at_their_deadline(own: LiveExecutor) -> None:
    me = own.client()
    until_running(script_task(me, "import time\ndef main(): time.sleep(600)", limits={"wall_s": 2}))
    own.terminate()
    begun = time.monotonic()
    assert own.wait(15) == 0 and time.monotonic() - begun < 6


def test_stopping_while_it_starts(start: Start) -> None:
    for delay in (0.0, 0.02, 0.1):
        live = start(name=f"early{delay}", ready=False)
        time.sleep(delay)
        live.terminate()
        live.wait(20)
        assert live.below() == []


# ---- the disk ----


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=0755", "cella-test", folder], capture_output=True)
    if done.returncode != 0:
        pytest.skip("NO SMALL DISK: mounting needs root; what happens on a full disk was not tested")
    yield folder
    for _ in range(50):
        if subprocess.run(["umount", folder], capture_output=True).returncode == 0:
            return
        time.sleep(0.1)
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk(small_disk: Path) -> None:
    with running(small_disk) as live:
        me = live.client()
        kept = me.data.add(os.urandom(1 << 20))
        with refused("STORE_FULL"):
            me.data.add(os.urandom(12 << 20))
        assert "incoming" not in str(live.objects())
        task = script_task(me, "def main(out):\n    out.write(bytes(12 << 20))", outputs=["out"])
        with refused("STORE_FULL"):
            task.wait()
        filler = small_disk / "filler"
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
        with refused("STORE_FULL", "LEDGER_FULL"):
            me.data.add(os.urandom(100_000))
        with refused("LEDGER_FULL"):  # what can not be written down does not happen
            for _ in range(1000):
                echo(me, "without the disk")
        filler.unlink()
        live.wait_for_log("ledger: goes on")
        task = script_task(me, "def main(out):\n    out.write(bytes(100000))", outputs=["out"]).wait()
        assert task.outputs["out"].bytes() == bytes(100000)
        assert me.data.get(kept.id).stored
        assert live.process.poll() is None


def test_the_most_that_is_stored(start: Start) -> None:
    live = start({"store_max_bytes": 2_000_000}, name="small")
    me = live.client()
    first = me.data.add(bytes(1_500_000))
    with refused("STORE_FULL"):
        me.data.add(bytes(1_000_000))
    assert sum(path.stat().st_size for path in live.objects()) == first.size
    assert me.data.add(bytes(400_000)).stored in (True, False)


def test_a_state_folder_that_can_not_be_written(small_disk: Path) -> None:
    with contextlib.suppress(OSError), open(small_disk / "filler", "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    done = host("run", "--dev", small_disk / "state", "--programs", PROGRAMS)
    assert done.returncode == 1 and str(small_disk) in done.stderr


# ---- one host per folder ----


def test_two_hosts_on_one_folder(calm: LiveExecutor) -> None:
    done = host("run", "--dev", calm.state, "--programs", PROGRAMS)
    assert done.returncode == 1 and "in use by another cella-host" in done.stderr
    calm.serves()


def test_two_hosts_on_one_port(calm: LiveExecutor, tmp_path: Path) -> None:
    done = host("run", "--dev", tmp_path / "other", "--programs", PROGRAMS, "--listen", calm.address)
    assert done.returncode == 1 and calm.address in done.stderr and "in use" in done.stderr
    calm.serves()


# ---- configuration ----


@pytest.mark.parametrize("text, words", [
    ("", "JSON"), ("{", "JSON"), ("[]", "JSON"), ('{"state": "/x", "state": "/y"}', ""), ('{"listen": "127.0.0.1:0"}', "state"),
    ('{"state": "relative"}', "absolute"), ('{"state": "/x", "colour": 1}', "colour"), ('{"state": 1}', "state"),
    ('{"state": "/x", "pool": 0}', "pool"), ('{"state": "/x", "pool": "4"}', "pool"), ('{"state": "/x", "listen": "nowhere"}', "listen"),
    ('{"state": "/x", "listen": "127.0.0.1:99999"}', "listen"), ('{"state": "/x", "profiles": ["../x"]}', "profiles"),
    ('{"state": "/x", "log": "xml"}', "log"), ('{"state": "/x", "drain_s": -1}', "drain_s"),
    ('{"state": "/x"} x', "JSON"), ('{"state": "/x", "allow_missing_layers": "yes"}', "allow_missing_layers"),
])
def test_configurations_that_are_wrong(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "host.json"
    file.write_text(text)
    done = host("run", "--config", file)
    assert done.returncode == 2 and words in done.stderr and str(file) in done.stderr, done.stderr
    assert "\n" == done.stderr[-1] and done.stderr.count("\n") == 1


@pytest.mark.parametrize("words, said", [
    ([], "command"), (["walk"], "walk"), (["run"], "--dev"), (["run", "--dev"], "--dev"), (["run", "--colour", "blue"], "--colour"),
    (["run", "--config", "/nowhere/x.json"], "/nowhere/x.json"), (["run", "--dev", "/tmp/x", "--config", "/tmp/y"], "exclude"),
    (["run", "--dev", "/tmp/x", "--ready-fd", "x"], "--ready-fd"), (["run", "--dev", "/tmp/x", "--listen", "x"], "listen"),
])
def test_wrong_use(words: list[str], said: str) -> None:
    done = host(*words)
    assert done.returncode == 2 and said in done.stderr


def test_help_and_version() -> None:
    assert "--dev DIR" in host("--help").stdout
    assert host("--version").stdout.startswith("cella-host ")


def test_programs_that_are_not_there(tmp_path: Path) -> None:
    done = host("run", "--dev", tmp_path / "state", "--programs", tmp_path)
    assert done.returncode == 1 and "cella-monitor" in done.stderr
    done = host("run", "--dev", tmp_path / "state", "--programs", tmp_path / "nothing")
    assert done.returncode == 1 and "programs" in done.stderr


def test_a_profile_that_is_not_there(start: Start) -> None:
    live = start({"profiles": ["python", "nonsense"]}, name="profiles")
    me = live.client()
    assert [one["name"] for one in me.information()["profiles"]] == ["python"]
    with refused("NO_PROFILE"):
        script_task(me, "def main(): pass", profile="nonsense")
    assert echo(me, "x") == "x"


def test_a_charter_that_is_closed(start: Start, tmp_path: Path) -> None:
    state = tmp_path / "closed"
    state.mkdir(mode=0o700)
    (state / "charter.json").write_text(json.dumps({"version": 1, "enrol": "admin", "administrators": ["A" * 43]}))
    live = start(name="closed")
    with refused("ENROL_CLOSED"):
        live.client()


@pytest.mark.parametrize("charter", ["", "{}", '{"version":1,"enrol":"closed"}', '{"version":1,"enrol":"invite"}', '{"version":1,"enrol":"perhaps"}', '{"version":2,"enrol":"open"}', '{"version":1,"enrol":"open","x":1}'])
def test_charters_that_are_wrong(tmp_path: Path, charter: str) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "charter.json").write_text(charter)
    done = host("run", "--dev", state, "--programs", PROGRAMS)
    assert done.returncode == 1 and "charter" in done.stderr


def test_a_root_key_that_is_wrong(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "soft_root.key").write_bytes(bytes(31))
    done = host("run", "--dev", state, "--programs", PROGRAMS)
    assert done.returncode == 1 and "soft_root.key" in done.stderr


def test_a_log_for_machines(start: Start) -> None:
    live = start({"log": "json"}, name="machines")
    live.serves()
    live.close()
    for line in live.log().splitlines():
        assert isinstance(json.loads(line), dict)


def test_the_state_folder_is_its_owners(calm: LiveExecutor) -> None:
    assert calm.state.stat().st_mode & 0o777 == 0o700
    for path in calm.state.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


# ---- what the executor is ----


def test_a_changed_executor(calm: LiveExecutor, start: Start, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(PROGRAMS, changed)
    with open(changed / "cella-front", "ab") as program:
        program.write(b"\0")
    (tmp_path / "other").mkdir(mode=0o700)
    for name in ("soft_root.key", "charter.json"):
        shutil.copy(calm.state / name, tmp_path / "other" / name)
    other = start(name="other", programs=changed)
    with refused("MEASUREMENT"):
        cella.connect(other.address, calm.trust, cella.Identity.generate())
    cella.connect(other.address, other.trust, cella.Identity.generate()).close()


def test_measuring(calm: LiveExecutor) -> None:
    done = host("measure", "--programs", PROGRAMS)
    assert done.returncode == 0
    value = [line for line in done.stdout.splitlines() if line.startswith("measurement sha256:")]
    assert len(value) == 1 and value[0].split()[1] in calm.trust.read_text()
    for program in ("cella-monitor", "cella-front", "cella-courier", "cella-zygote"):
        assert program in done.stdout


# ---- secrets ----


def test_no_secret_is_in_arguments_or_environment(calm: LiveExecutor) -> None:
    me = calm.client()
    task = sleeper(me)
    root = (calm.state / "soft_root.key").read_bytes()
    secrets = [root, root.hex().encode(), cella.encoding.to_base64url(root).encode(), me.identity._sign.export()]
    everybody = [*calm.role("host"), *calm.below()]
    assert len(everybody) > 9
    for process in everybody:
        seen = process.file("cmdline")
        if process.pid != calm.process.pid:
            environment = process.file("environ")
            assert environment == b"", f"{process.name}: {environment[:200]!r}"
            seen += environment
        for secret in secrets:
            assert secret not in seen, process
        assert b"sleep" not in seen and me.party.encode() not in seen
    task.cancel()


def test_the_programs_are_nobody(calm: LiveExecutor) -> None:
    """All but the host run without rights, and can not gain any."""
    for process in calm.below():
        try:
            status = process.file("status").decode()
        except FileNotFoundError:
            continue  # a courier or cell that ended meanwhile
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert fields["NoNewPrivs"] == "1", process
        if os.geteuid() == 0:
            assert set(fields["Uid"].split()) == {"65534"}, process
        if process.name != "cella-monitor" and process.parent != calm.process.pid:
            assert int(fields["CapEff"], 16) & ~(1 << 21 | 1 << 5) == 0 or process.name == "cella-zygote", (process, fields["CapEff"])
    cells = {one.pid for one in calm.below()} - {one.pid for one in calm.role("zygote")}
    for process in calm.below():
        if process.pid in cells and process.name == "cella-front":
            assert "Seccomp:\t2" in process.file("status").decode()


def test_sealed_inputs_reach_the_disk_sealed(calm: LiveExecutor) -> None:
    me = calm.client()
    words = b"nobody but the owner reads this. " * 1000
    sleeping = "import time\ndef main(x, out):\n    out.write(x.read())\n    time.sleep(1)\n"
    task = until_running(script_task(me, sleeping, inputs={"x": words}, outputs=["out"]))
    for path in calm.state.rglob("*"):
        if path.is_file():
            assert words[:33] not in path.read_bytes()
    assert task.wait().outputs["out"].bytes() == words
    for path in calm.state.rglob("*"):
        if path.is_file():
            assert words[:33] not in path.read_bytes()
    assert b"nobody but" not in calm.log().encode()


def test_deaths_are_told_however_much_is_logged(own: LiveExecutor) -> None:
    """Somebody who makes the executor log a lot must not hide that a program died."""
    me = own.client()
    for _ in range(300):
        me.functions.register(package_of(SLEEP))
    mark = len(own.log())
    own.one("front").kill()
    own.wait_for_log(r"cella-front died of signal 9", after=mark, seconds=5)
