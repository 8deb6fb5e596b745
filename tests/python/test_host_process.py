# SPDX-License-Identifier: Apache-2.0
"""cella-host with a stand-in for the executor: launch, relay, store, restart, end."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest
from front_driver import programs

HERE = os.path.dirname(os.path.abspath(__file__))
HOST = os.path.join(programs(), "cella-host")
pytestmark = pytest.mark.skipif(not os.path.exists(HOST), reason="cella-host is not built")
OBJECT = "0123456789abcdef0123456789abcdef"


def stand_in(folder) -> str:
    """A folder of programs in which cella-monitor is fake_monitor.py."""
    path = str(folder / "programs")
    os.makedirs(path, exist_ok=True)
    shutil.copy(os.path.join(HERE, "fake_monitor.py"), path + "/cella-monitor")
    os.chmod(path, 0o755)
    os.chmod(path + "/cella-monitor", 0o755)
    for name in ("link_driver.py", "waiting.py"):
        shutil.copy(os.path.join(HERE, name), path)
        os.chmod(os.path.join(path, name), 0o644)
    return path


class Host:
    def __init__(self, folder, *options: str) -> None:
        self.state = str(folder / "state")
        self.log_path = str(folder / "log")
        ready, write = os.pipe()
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                [HOST, "run", "--dev", self.state, "--programs", stand_in(folder), "--ready-fd", str(write), *options],
                stderr=log, pass_fds=[write])
        os.close(write)
        with os.fdopen(ready) as pipe:
            line = pipe.readline().strip()
        self.address = (line.rpartition(":")[0], int(line.rpartition(":")[2])) if line else None

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=20)

    def say(self, text: bytes, half_close: bool = False) -> bytes:
        with self.connect() as sock:
            answer = b""
            try:
                sock.sendall(text)
                if half_close:
                    sock.shutdown(socket.SHUT_WR)
                while piece := sock.recv(65536):
                    answer += piece
            except OSError:
                pass  # closed early
            return answer

    def log(self) -> str:
        with open(self.log_path) as log:
            return log.read()

    def wait_for(self, text: str, timeout: float = 15) -> None:
        end = time.monotonic() + timeout
        while text not in self.log():
            assert time.monotonic() < end, self.log()
            time.sleep(0.02)

    def remove_groups(self) -> None:
        """What a host that was killed has left, and the next one on its state folder would remove."""
        record = Path(self.state) / "groups"
        for group in record.read_text().split() if record.exists() else []:
            os.rmdir(group)

    def wait_ready(self) -> None:
        end = time.monotonic() + 15
        while self.say(b"x", half_close=True) != b"x":
            assert time.monotonic() < end, self.log()
            time.sleep(0.05)


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    assert host.address, host.log()
    yield host
    if host.process.poll() is None:
        host.process.terminate()
        assert host.process.wait(20) == 0, host.log()
    assert "Sanitizer" not in host.log()
    host.remove_groups()


def children(pid: int, ledger: bool = False) -> list[int]:
    """Processes below one: the executor's, or the host's own for the ledger."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        found = [int(word) for word in file.read().split()]
    return [one for one in found if (Path(f"/proc/{one}/comm").read_text() == "cella-ledger\n") == ledger]


def descendants(pid: int) -> list[int]:
    found = children(pid)
    return found + [grandchild for child in found for grandchild in descendants(child)]


def run(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([HOST, *words], capture_output=True, text=True, timeout=20)


# ---- command line ----

def test_help_and_version():
    result = run("--help")
    assert result.returncode == 0 and "run --dev DIR" in result.stdout and "drain_s" in result.stdout
    assert run("--version").stdout.startswith("cella-host ")


@pytest.mark.parametrize("words", [(), ("walk",), ("run",), ("run", "--dev"), ("run", "--nonsense", "x"),
                                   ("run", "--dev", "/tmp/x", "--config", "/tmp/y"), ("run", "--config", "/none"),
                                   ("run", "--dev", "/tmp/x", "--log", "xml"), ("run", "--dev", "/tmp/x", "--listen", "x"),
                                   ("run", "--dev", "/tmp/x", "--ready-fd", "1")])
def test_wrong_use(words):
    result = run(*words)
    assert result.returncode == 2 and result.stderr.startswith("cella-host: ") and not os.path.exists("/tmp/x")


def test_configuration_names_what_is_wrong(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"state":"/nowhere","pol":3}')
    result = run("run", "--config", str(path))
    assert result.returncode == 2 and "pol" in result.stderr and "not known" in result.stderr


def test_no_monitor(tmp_path):
    folder = stand_in(tmp_path)
    os.chmod(folder + "/cella-monitor", 0o700)
    if os.getuid() == 0:
        result = run("run", "--dev", str(tmp_path / "state"), "--programs", folder)
        assert result.returncode == 1 and "readable by everybody" in result.stderr
    os.remove(folder + "/cella-monitor")
    result = run("run", "--dev", str(tmp_path / "state"), "--programs", folder)
    assert result.returncode == 1 and "cella-monitor: No such file" in result.stderr
    result = run("run", "--dev", str(tmp_path / "state"), "--programs", str(tmp_path / "nowhere"))
    assert result.returncode == 1 and "opening the folder of programs: No such file" in result.stderr


def test_measure(tmp_path):
    result = run("measure", "--programs", stand_in(tmp_path))
    assert (result.returncode, result.stdout) == (0, "measured\n")


# ---- state folder ----

def test_other_evidence_than_soft(tmp_path):
    """Then a trust file from this machine is worth nothing: none is written, an old one goes."""
    host = Host(tmp_path)
    assert os.path.exists(os.path.join(host.state, "trust.toml"))
    host.process.terminate()
    assert host.process.wait(20) == 0
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "programs", other)
    monitor = other / "cella-monitor"
    monitor.write_text(monitor.read_text().replace('"platform": "soft"', '"platform": "snp"'))
    host = Host(tmp_path, "--programs", str(other), "--platform", "snp")
    assert host.address, host.log()
    assert "evidence snp: which level it reaches, each client decides" in host.log()
    assert 'cella trust init --for snp' in host.log() and "level 2" not in host.log()
    assert not os.path.exists(os.path.join(host.state, "trust.toml"))
    host.process.terminate()
    assert host.process.wait(20) == 0
    host.remove_groups()


def test_state_folder(host):
    facts = {name: os.stat(os.path.join(host.state, name)) for name in os.listdir(host.state)}
    assert stat.S_IMODE(os.stat(host.state).st_mode) == 0o700
    assert facts["soft_root.key"].st_size == 32 and stat.S_IMODE(facts["soft_root.key"].st_mode) == 0o600
    with open(os.path.join(host.state, "charter.json"), "rb") as file:
        assert file.read() == b'{"version":1,"enrol":"open"}'
    with open(os.path.join(host.state, "address")) as file:
        assert file.read() == "%s:%d" % host.address
    with open(os.path.join(host.state, "trust.toml"), "rb") as file:
        trust = __import__("tomllib").load(file)
    assert trust == {"version": 1, "min_level": 2, "accept": ["soft"],
                     "measurement": [{"name": "development executor", "type": "soft", "value": "sha256:" + "ab" * 32}],
                     "charter": {"sha256": "cd" * 32},
                     "soft": {"roots": ["ed25519:" + "R" * 43],
                              "layers": ["namespaces", "landlock", "seccomp", "capabilities", "rlimits", "undumpable"]}}
    assert "level 2" in host.log() and "trust.toml" in host.log()


def test_state_folder_is_locked(host):
    result = run("run", "--dev", host.state)
    assert result.returncode == 1 and "in use by another cella-host" in result.stderr


def test_configuration_file(tmp_path):
    host = Host(tmp_path)
    host.process.terminate()
    host.process.wait(10)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"state": host.state, "programs": stand_in(tmp_path), "pool": 7, "concurrency": 3, "log": "json",
                                "profiles": ["python"], "allow_missing_layers": True}))
    with open(host.log_path, "w") as log:
        host.process = subprocess.Popen([HOST, "run", "--config", str(path)], stderr=log)
    host.wait_for("clients connect to ")
    lines = [json.loads(line) for line in host.log().splitlines()]
    assert all(set(line) == {"time", "level", "text"} for line in lines)
    address = lines[-1]["text"].split()[-1]
    host.address = (address.split(":")[0], int(address.split(":")[1]))
    view = json.loads(host.say(b"VIEW"))
    assert view["configuration"] == {"platform": "auto", "pool": 7, "concurrency": 3, "allow_missing_layers": True, "profiles": ["python"],
                                     "programs": "/cella", "pool_memory_bytes": 1 << 30, "recycle": 10000}
    host.process.terminate()
    assert host.process.wait(10) == 0


# ---- launch ----

def groups_above(groups: list[str]) -> set[str]:
    return {"/sys/fs/cgroup", *groups} if groups else set()


def test_what_the_executor_sees(host):
    view = json.loads(host.say(b"VIEW"))
    assert set(view["root"]) <= {"bin", "cella", "dev", "etc", "lib", "lib64", "proc", "sys", "usr"}
    # Of the hierarchies of control groups, its own part alone, and not the limits of that.
    assert set(view["sys"]) <= {"/sys", "/sys/fs", *groups_above(view["control_groups"])} and view["own_limits"] == []
    assert set(view["etc"]) <= {"alternatives", "ld.so.cache"}
    assert set(view["dev"]) <= {"null", "urandom", "zero"}
    assert set(view["proc"]) == {"self", "thread-self"} and view["processes"] == [1] and view["pid"] == 1
    assert view["uid"] == 65534 and view["writable"] == [] and view["seed"] == 32
    assert set(view["environment"]) <= {"LC_CTYPE"}  # which Python itself sets
    assert view["charter"] == '{"version":1,"enrol":"open"}'
    text = "".join(view["capabilities"])
    assert "CapEff:\t0000000000000000" in text and "CapPrm:\t0000000000000000" in text and "NoNewPrivs:\t1" in text
    assert view["configuration"] == {"platform": "soft", "pool": 4, "allow_missing_layers": False, "profiles": ["python", "numpy", "science"],
                                     "programs": "/cella", "pool_memory_bytes": 1 << 30, "recycle": 10000}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_no_orphans(host, number):
    family = descendants(host.process.pid)
    assert family
    host.process.send_signal(number)
    host.process.wait(10)
    end = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{pid}") for pid in family):
        assert time.monotonic() < end
        time.sleep(0.01)


# ---- relay ----

def test_relay_carries_everything(host):
    data = os.urandom(3_000_000)
    with host.connect() as sock:
        sock.settimeout(20)
        received = bytearray()
        sent = 0
        sock.setblocking(False)
        end = time.monotonic() + 30
        while len(received) < len(data):
            assert time.monotonic() < end
            try:
                sent += sock.send(data[sent : sent + 100_000]) if sent < len(data) else 0
            except BlockingIOError:
                pass
            try:
                received += sock.recv(1 << 20)
            except BlockingIOError:
                time.sleep(0.001)
        assert received == data


def test_half_close(host):
    assert host.say(b"hello", half_close=True) == b"hello"


def test_many_silent_connections(host):
    silent = [host.connect() for _ in range(500)]
    assert host.say(b"hello", half_close=True) == b"hello"
    more = [host.connect() for _ in range(20)]  # above 512
    more[-1].settimeout(5)
    with more[-1] as sock:
        try:
            assert sock.recv(1) == b""
        except ConnectionResetError:
            pass
    for sock in silent + more:
        sock.close()
    host.wait_ready()


def test_front_link_that_breaks(host):
    with host.connect() as other:
        assert host.say(b"BADFRAME") == b""
        host.wait_for("a link was closed")
        assert other.recv(10) == b""
        begin = time.monotonic()
        assert host.say(b"hello") == b""  # no front: closed at once, not hung
        assert time.monotonic() - begin < 2


def test_door_is_bounded(host):
    assert host.say(b"DOOR") == b"78"


# ---- store ----

def test_store(host):
    name = OBJECT.encode()
    assert host.say(b"GET " + name) == (604).to_bytes(4, "big")
    assert host.say(b"PUT " + name + b" 3000000 3000000") == bytes(4)
    path = os.path.join(host.state, "store", OBJECT[:2], OBJECT)
    assert os.path.getsize(path) == 3_000_000
    answer = host.say(b"GET " + name)
    assert answer == bytes(4) + (3_000_000).to_bytes(8, "big") + b"x" * 3_000_000
    assert host.say(b"DELETE " + name) == bytes(4)
    assert host.say(b"DELETE " + name) == (604).to_bytes(4, "big")
    assert not os.path.exists(path)


def test_store_refuses(host):
    assert host.say(b"PUT " + OBJECT.encode() + b" 201 200") == (209).to_bytes(4, "big")
    for name in (b"../../../../etc/passwd-012345678", OBJECT.upper().encode(), b"abc"):
        assert host.say(b"PUT " + name + b" 1 1") == b"RESET 602"
        assert host.say(b"GET " + name) == b"RESET 602"
    assert [name for _, _, names in os.walk(os.path.join(host.state, "store")) for name in names] == []


def test_store_that_is_full(tmp_path):
    host = Host(tmp_path)
    host.process.terminate()
    host.process.wait(10)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"state": host.state, "programs": stand_in(tmp_path), "store_max_bytes": 1000,
                                "listen": "%s:%d" % host.address}))
    with open(host.log_path, "w") as log:
        host.process = subprocess.Popen([HOST, "run", "--config", str(path)], stderr=log)
    host.wait_for("clients connect to ")
    assert host.say(b"PUT " + OBJECT.encode() + b" 2000000 2000000") == (606).to_bytes(4, "big")
    assert host.say(b"PUT " + OBJECT.encode() + b" 1000 1000") == bytes(4)
    host.process.terminate()
    assert host.process.wait(10) == 0


def test_cut_off_put_leaves_nothing(host):
    with host.connect() as sock:
        sock.sendall(b"PUT " + OBJECT.encode() + b" 1000 2000 open")  # never ended
        time.sleep(0.5)
    [monitor] = children(host.process.pid)
    os.kill(monitor, signal.SIGKILL)
    host.wait_for("restarted in")
    assert [name for _, _, names in os.walk(os.path.join(host.state, "store")) for name in names] == []


# ---- death and end ----

def test_monitor_dies_and_is_restarted(host):
    host.say(b"EXIT 3")
    host.wait_for("cella-monitor died (exit status 3)")
    host.wait_for("about to exit?[31m")  # what it wrote, made printable
    host.wait_ready()
    [monitor] = children(host.process.pid)
    os.kill(monitor, signal.SIGKILL)
    host.wait_for("cella-monitor died (signal 9)")
    host.wait_ready()
    assert host.log().count("trust file") == 3


def test_noise_is_limited(host):
    host.say(b"NOISE")
    time.sleep(1.2)
    host.say(b"NOISE")
    host.wait_for("more lines were dropped")
    assert host.log().count(": noise") <= 200


def test_terminate_drains(host):
    host.process.terminate()
    assert host.process.wait(10) == 0
    assert "waiting for running tasks" in host.log() and "the executor has ended" in host.log()
    assert not os.path.exists(os.path.join(host.state, "address"))


def test_second_signal_ends_at_once(host):
    [monitor] = children(host.process.pid)
    os.kill(monitor, signal.SIGSTOP)
    host.process.terminate()
    host.wait_for("waiting for running tasks")
    with pytest.raises(OSError):
        host.connect()
    host.process.send_signal(signal.SIGINT)
    assert host.process.wait(10) == 0
    assert "stopping at once" in host.log()
