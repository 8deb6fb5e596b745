# SPDX-License-Identifier: Apache-2.0
"""Requests, uploads, tasks of one and several parties, broken connections: the client against a fake executor."""

from __future__ import annotations

import hashlib
import json
import queue
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from fake_executor import FakeExecutor, Refused

import cella
from cella import _native
from cella.encoding import to_base64url
from cella.events import Event
from cella.script import Script

COPY = "def main(a, b, n=2):\n    b.write(a.read() * n)\n    return {'n': n}\n"


@pytest.fixture
def executor(fake: FakeExecutor) -> cella.Executor:
    return cella.connect(fake.address, fake.trust(), cella.Identity.generate(), timeout=5.0)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "copy.py"
    path.write_text(COPY)
    return path


def test_run(executor: cella.Executor, script: Path, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"ab" * 1000)
    events: list[Event] = []
    job = executor.run(script, {"a": tmp_path / "in"}, ["b"], {"n": 3}, progress=events.append)
    assert job.wait(events.append) is job
    assert job.result() == {"n": 3} and job.state == "finished" and job.usage["cpu_us"] == 1
    assert job.outputs["b"].bytes() == b"ab" * 3000
    assert job.outputs["b"].save(tmp_path / "out", progress=events.append) == 6000
    assert (tmp_path / "out").read_bytes() == b"ab" * 3000
    stages = [event.stage for event in events]
    assert stages.index("register") < stages.index("encrypt") < stages.index("upload") < stages.index("state")
    assert "run" in stages and stages[-1] == "download"
    assert [event.name for event in events if event.stage == "state"][-1] == "finished"


def test_nothing_readable_leaves(executor: cella.Executor, fake: FakeExecutor, script: Path) -> None:
    """What a front or a host sees has neither source nor data nor keys in it."""
    executor.run(script, {"a": b"plaintext of the input"}, ["b"]).wait().result()
    seen = b"".join(fake.bodies)
    for secret in (b"plaintext of the input", b"b.write(a.read()", to_base64url(COPY.encode()[:30]).encode()):
        assert secret not in seen


def test_kinds_of_input(executor: cella.Executor, script: Path, tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    (tmp_path / "in").write_bytes(b"x")
    for source in (tmp_path / "in", str(tmp_path / "in"), b"x", bytearray(b"x"), memoryview(b"x")):
        assert executor.run(script, {"a": source}, ["b"], {"n": 1}).outputs["b"].bytes() == b"x"
    data = executor.data.add(b"x", "again")
    assert executor.run(script, {"a": data}, ["b"]).outputs["b"].text() == "xx"
    array = numpy.arange(12.0).reshape(3, 4)
    assert (executor.run(script, {"a": array}, ["b"], {"n": 1}).outputs["b"].numpy() == array).all()
    assert executor.run(script, {"a": b"[1]"}, ["b"], {"n": 1}).outputs["b"].json() == [1]
    for bad in (5, {"a": 1}, None):
        with pytest.raises(cella.RequestError, match="can not be sent"):
            executor.run(script, {"a": bad}, ["b"])
    with pytest.raises(cella.RequestError, match="there is no file"):
        executor.run(script, {"a": tmp_path / "absent"}, ["b"])


def test_decorated_function(executor: cella.Executor) -> None:
    @cella.function(inputs=["a"], outputs=["b"])
    def twice(a, b, n=2):  # type: ignore[no-untyped-def]
        b.write(a.read() * n)
        return n

    job = executor.run(twice, {"a": b"x"}, arguments={"n": 4})
    assert job.result() == 4 and job.outputs["b"].bytes() == twice.local(a=b"x", n=4).outputs["b"].bytes()


def test_same_package_is_registered_once(executor: cella.Executor, fake: FakeExecutor, script: Path) -> None:
    for _ in range(3):
        executor.run(script, {"a": b"x"}, ["b"]).wait()
    assert [op for op, _ in fake.requests].count("function.register") == 1


def test_script_errors_come_back(executor: cella.Executor, tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text("def main():\n    x = 1\n    raise ValueError('too bad')\n")
    job = executor.run(path)
    with pytest.raises(cella.ScriptError, match="ValueError in line 3: too bad") as caught:
        job.wait()
    error = caught.value
    assert (error.code, error.script_class, error.line, error.script_message) == (
        "SCRIPT_FAILED",
        "ValueError",
        3,
        "too bad",
    )
    assert "raise ValueError('too bad')" in str(error.traceback_text) and isinstance(error, RuntimeError)
    for read in (job.result, lambda: job.outputs):
        with pytest.raises(cella.ScriptError):
            read()
    assert job.wait(check=False).state == "failed"


def test_checked_before_anything_is_sent(executor: cella.Executor, fake: FakeExecutor, tmp_path: Path) -> None:
    path = tmp_path / "s.py"
    for text, arguments, error in (
        ("def main(:", {}, cella.ScriptError),
        ("def main(a): pass", {}, cella.ArgumentError),
        ("def main(): pass", {"x": 1}, cella.ArgumentError),
        ("def main(x): pass", {"x": float("nan")}, cella.RequestError),
        ("def main(x): pass", {"x": object()}, cella.RequestError),
    ):
        path.write_text(text)
        with pytest.raises(error):
            executor.run(path, arguments=arguments)
    path.write_text("import numpy\ndef main(): pass")
    assert fake.requests == []
    with pytest.warns(UserWarning, match="profile 'numpy'"):
        executor.run(path)


def test_profile_is_checked(executor: cella.Executor, fake: FakeExecutor, script: Path) -> None:
    with pytest.raises(cella.StateError, match="python, numpy, not science") as caught:
        executor.run(script, {"a": b""}, ["b"], profile="science")
    assert caught.value.code == "NO_PROFILE"
    with pytest.raises(cella.StateError, match="python, numpy, not native; gbdt_train is in native and science"):
        executor.run(cella.Builtin.find("gbdt_train"), {"training_data": b""}, ["trained_model"])
    assert "object.upload" not in [op for op, _ in fake.requests]


def test_enrolment(executor: cella.Executor, fake: FakeExecutor, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert executor.enrol("me") == executor.party == executor.enrol()
    assert executor.party_of()["name"] == "me"
    closed = FakeExecutor(tmp_path_factory.mktemp("closed"), charter=b'{"enrol":"admin"}')
    try:
        other = cella.connect(closed.address, closed.trust(), cella.Identity.generate())
        with pytest.raises(cella.PermissionDenied) as caught:
            other.information()
        assert caught.value.code == "UNKNOWN_PARTY"
        with pytest.raises(PermissionError) as refused:
            other.enrol()
        assert refused.value.code == "ENROL_CLOSED"  # type: ignore[attr-defined]
    finally:
        closed.close()
    lone = cella.connect(fake.address, fake.trust(), cella.Identity.generate(), auto_enrol=False)
    with pytest.raises(cella.PermissionDenied):
        lone.information()


def test_sequence_numbers_grow(executor: cella.Executor, fake: FakeExecutor) -> None:
    executor.enrol()
    before = time.time_ns() // 1000
    found = [executor._sequence() for _ in range(2000)]
    assert found == sorted(set(found)) and found[0] >= before and found[-1] < 2**53
    executor._last_seq = before * 2  # the clock went back
    assert executor._sequence() == before * 2 + 1


def test_many_threads_one_executor(executor: cella.Executor, script: Path, fake: FakeExecutor) -> None:
    executor.enrol()
    results: list[Any] = []

    def work(number: int) -> None:
        try:
            results.append(executor.run(script, {"a": b"x"}, ["b"], {"n": number}).result()["n"])
        except BaseException as problem:
            results.append(repr(problem))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results, key=str) == list(range(8))


def test_connections_are_used_again(executor: cella.Executor, fake: FakeExecutor) -> None:
    executor.enrol()
    for _ in range(10):
        executor.request("executor.info")
    assert fake.connections == 1


def test_errors_of_the_executor_keep_their_kind(executor: cella.Executor, fake: FakeExecutor) -> None:
    executor.enrol()
    for code, error in (
        ("NOT_FOUND", LookupError),
        ("DENIED", PermissionError),
        ("BUSY", cella.LimitError),
        ("STORE_FULL", OSError),
        ("BAD_FIELD", ValueError),
        ("DRAINING", cella.StateError),
        ("NO_MEMORY", MemoryError),
    ):

        def fail(op: str, answer: dict[str, Any], code: str = code) -> dict[str, Any]:
            raise Refused(code, "args.x")

        fake.on_answer = fail
        with pytest.raises(error) as caught:
            executor.request("executor.info")
        assert caught.value.code == code and caught.value.field == "args.x"
    fake.on_answer = lambda op, answer: {"error": {"code": "NEW_CODE", "number": 999, "message": "from the future"}}
    with pytest.raises(cella.InternalError, match="NEW_CODE .999.*from the future"):
        executor.request("executor.info")
    fake.on_answer = lambda op, answer: {"error": "text"}
    with pytest.raises(cella.RequestError):
        executor.request("executor.info")


def test_a_reading_request_is_sent_again(executor: cella.Executor, fake: FakeExecutor) -> None:
    executor.enrol()
    fake.drop_next = "executor.info"
    assert executor.request("executor.info")["executor"] == fake.id
    assert [op for op, _ in fake.requests].count("executor.info") == 2 and fake.connections == 2


def test_a_changing_request_is_never_carried_out_twice(executor: cella.Executor, fake: FakeExecutor) -> None:
    package = Script.parse("def main(): pass", "x.py").package()
    executor.enrol()
    fake.drop_next = "function.register"
    with pytest.raises(cella.TransportError, match="look at the state"):
        executor.functions.register(package)
    assert len(fake.functions) == 1


def test_a_dead_idle_connection_is_replaced(executor: cella.Executor, fake: FakeExecutor) -> None:
    executor.enrol()
    for connection in executor._idle:
        connection.tls._plain.shutdown(2)
    assert executor.functions.register(Script.parse("def main(): pass", "x.py").package()).id
    assert len(fake.functions) == 1 and fake.connections == 2


def test_upload_survives_a_lost_answer(executor: cella.Executor, fake: FakeExecutor) -> None:
    executor.enrol()
    fake.drop_next = "object.upload"
    data = executor.data.add(b"x" * 100000, "x")
    assert executor.data.get(data.id).stored


def test_data(executor: cella.Executor, fake: FakeExecutor, tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_bytes(b"1,2\n")
    added = executor.data.add(tmp_path / "file.csv")
    assert added.name == "file.csv" and added.owners == (executor.party,)
    assert hashlib.sha256(fake.objects[added.id]).hexdigest() == added.sha256
    assert added.size == len(fake.objects[added.id]) == 60
    key = cella.DataKey.generate("4KB", b"my label")
    from cella.sealing import seal

    with open(tmp_path / "file.csv", "rb") as plain, open(tmp_path / "sealed", "w+b") as sealed:
        seal(key, plain, sealed)
    again = executor.data.add_sealed(tmp_path / "sealed", key, "mine")
    assert fake._plain(again.id) == b"1,2\n"
    assert {item.name for item in executor.data.list()} == {"file.csv", "mine"}
    with pytest.raises(LookupError):
        executor.data.get("data-" + "0" * 32)


def test_an_output_that_the_host_changed(
    executor: cella.Executor, fake: FakeExecutor, script: Path, tmp_path: Path
) -> None:
    job = executor.run(script, {"a": b"x" * 5000}, ["b"]).wait()
    for change in (
        lambda data: data[:-1],
        lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:],
        lambda data: b"",
        lambda data: data + b"x",
        lambda data: bytes(len(data)),
    ):
        fake.on_object = change
        with pytest.raises((cella.IntegrityError, cella.FormatError)):
            job.outputs["b"].save(tmp_path / "out")
        with pytest.raises((cella.IntegrityError, cella.FormatError)):
            job.outputs["b"].bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.py"]


def test_an_output_sealed_again_by_somebody_else(
    executor: cella.Executor, fake: FakeExecutor, script: Path
) -> None:
    """Right key, right name, other content: the digest in the task decides."""
    job = executor.run(script, {"a": b"x"}, ["b"]).wait()
    key = fake.tasks[job.id]["outputs"]["b"]["key"]
    sealer = _native.Sealer(key, f"cella output v1/{job.id}/b".encode())
    other = sealer.update(b"yy") + sealer.finish()
    fake.on_object = lambda data: other
    with pytest.raises(cella.IntegrityError) as caught:
        job.outputs["b"].bytes()
    assert caught.value.code == "BAD_DIGEST"


def three(fake: FakeExecutor) -> list[cella.Executor]:
    made = [cella.connect(fake.address, fake.trust(), cella.Identity.generate()) for _ in range(3)]
    for one in made:
        one.enrol()
    return made


def test_several_parties(fake: FakeExecutor) -> None:
    owner, author, user = three(fake)
    package = Script.parse(
        "def main(images, model, labels, k=1):\n    labels.write(images.read() + model.read())\n    return k",
        "f.py",
    )
    function = author.functions.register(package.package(["images", "model"], ["labels"]))
    weights = owner.data.add(b"W", "weights")
    images = user.data.add(b"I", "images")
    task = user.tasks.create(function, inputs={"images": images, "model": [owner.party]}, outputs={"labels": None})
    with pytest.raises(cella.StateError):
        task.contract()
    with pytest.raises(PermissionError):
        user.tasks.get(task.id).assign({"model": images})
    assert owner.tasks.get(task.id).assign({"model": weights}).state == "assigned"
    contract = task.contract()
    assert contract.sha256 == hashlib.sha256(contract.content).hexdigest()
    text = contract.explain(user.party)
    assert text == user.tasks.get(task.id).contract().explain(user.party)
    assert "model: from " + owner.party in text and "labels: to you" in text and contract.sha256 in text
    for one in (owner, author):
        one.tasks.get(task.id).approve(contract)
    with pytest.raises(cella.StateError):
        task.invoke()
    task.approve(contract.sha256.upper())
    task.invoke().wait()
    assert task.result() == 1
    assert task.outputs["labels"].bytes() == b"IW"
    other = owner.tasks.get(task.id)
    with pytest.raises(PermissionError, match="not for you"):
        other.result()
    with pytest.raises(PermissionError, match="not for you"):
        other.outputs["labels"].bytes()
    assert [item["task"] for item in author.tasks.list()] == [task.id]
    assert function.name == "f" and author.functions.get(function.id).source == package.source
    assert owner.functions.get(function.id).source is None


def test_who_has_not_approved(fake: FakeExecutor) -> None:
    """Said at once, again when it changes, and by nobody any more when the task goes on."""
    owner, author, user = three(fake)
    function = author.functions.register(Script.parse("def main(a): pass", "f.py").package(["a"], public=False))
    task = user.tasks.create(function, inputs={"a": [owner.party]}, outputs={})
    assert task.missing_approvals == []  # nothing is there to be approved
    at_owner, at_author = owner.tasks.get(task.id), author.tasks.get(task.id)
    at_owner.assign({"a": owner.data.add(b"1", "a")})
    everybody = sorted({owner.party, author.party, user.party})
    assert task.refresh().missing_approvals == at_owner.missing_approvals == everybody
    events: queue.Queue[Event] = queue.Queue()
    watching = threading.Thread(target=lambda: user.tasks.get(task.id).wait(events.put, check=False))
    watching.start()

    def heard(missing: list[str]) -> bool:
        event = events.get(timeout=5)
        names = " and ".join("you" if party == user.party else party for party in missing)
        return (event.name, event.text) == ("assigned", f"waits for the approval of {names}")

    assert heard(everybody)
    at_owner.approve(at_owner.contract())
    everybody.remove(owner.party)
    assert heard(everybody) and at_owner.missing_approvals == everybody
    at_author.approve(at_author.contract())
    assert heard([user.party])
    with pytest.raises(cella.TransportError, match="still assigned after 0.1 s, waits for the approval of " + user.party):
        at_author.wait(timeout=0.1)
    mine = cella.Task(user, task.id)
    mine.approve(mine.contract())
    assert mine.missing_approvals == []
    assert events.get(timeout=5) == Event("state", "approved")
    mine.cancel()
    watching.join(5)
    assert events.get(timeout=5) == Event("state", "cancelled") and events.empty()


def test_approve_only_what_was_read(fake: FakeExecutor) -> None:
    owner, author, user = three(fake)
    function = author.functions.register(Script.parse("def main(a): pass", "f.py").package(["a"]))
    task = user.tasks.create(function, inputs={"a": [owner.party]}, outputs={})
    owner.tasks.get(task.id).assign({"a": owner.data.add(b"1", "a")})
    read = task.contract()
    record = fake.tasks[task.id]
    swapped = json.loads(record["contract"])
    swapped["result"] = {"receivers": [author.party]}
    record["contract"] = json.dumps(swapped).encode()
    with pytest.raises(cella.StateError) as caught:
        task.approve(read)
    assert caught.value.code == "WRONG_CONTRACT"
    with pytest.raises(cella.StateError):
        task.approve("00" * 32)
    with pytest.raises(cella.FormatError):
        task.approve("not a hash")
    assert record["approved"] == []

    def lie(op: str, answer: dict[str, Any]) -> dict[str, Any]:
        return answer | {"sha256": read.sha256} if op == "task.contract" else answer

    fake.on_answer = lie
    with pytest.raises(cella.StateError, match="names another hash"):
        task.contract()


def test_contracts_that_can_not_be_explained(fake: FakeExecutor) -> None:
    from cella.contract import Contract

    _, author, user = three(fake)
    function = author.functions.register(Script.parse("def main(): pass", "f.py").package(public=True))
    task = user.tasks.create(function)
    good = json.loads(fake.tasks[task.id]["contract"])
    function_terms = good["function"]
    for change in (
        {"extra": 1},
        {"version": 2},
        {"function": function_terms | {"licence": "x"}},
        {"auditors": {"parties": [], "threshold": 1, "unless": "x"}},
        {"outputs": {"z": {"receivers": [], "escrow": True}}},
        {"inputs": {"x": {"owners": [], "policy": {"except": "x"}}}},
        {"inputs": {"x": {"owners": [], "policy": {"auditors": {"unless": "x"}}}}},
    ):
        with pytest.raises(cella.FormatError, match="can not explain"):
            Contract.of(json.dumps(good | change).encode(), task.id, fake.id)
    for change in ({"task": "task-" + "0" * 32}, {"executor": "x"}):
        with pytest.raises(cella.StateError, match="another task"):
            Contract.of(json.dumps(good | change).encode(), task.id, fake.id)
    builtin = function_terms | {"executor": "builtin", "entry": "psi", "public": False, "profile": "native"}
    told = Contract.of(json.dumps(good | {"function": builtin}).encode(), task.id, fake.id).explain()
    assert "the executor's own code, described by: cella builtins show psi" in told and "private" not in told
    assert "(built into the executor, profile native)" in told
    isolation = good["isolation"]
    for change in (
        {"limits": 5},
        {"function": {}},
        {"inputs": {"a": {}}},
        {"participants": 5},
        {"isolation": {}},
        {"isolation": isolation | {"clock": "sundial"}},
        {"isolation": isolation | {"memory": "own"}},
        {"isolation": {name: word for name, word in isolation.items() if name != "sizes"}},
    ):
        with pytest.raises(cella.FormatError, match="can not be explained"):
            Contract.of(json.dumps(good | change).encode(), task.id, fake.id).explain()
    hostile = good | {"arguments": {"x": "\x1b[2J\nApproved"}}
    assert "\x1b" not in Contract.of(json.dumps(hostile).encode(), task.id, fake.id).explain()


def test_a_contract_says_how_it_is_isolated_and_who_reads_the_texts(fake: FakeExecutor) -> None:
    owner, author, user = three(fake)
    function = author.functions.register(Script.parse("def main(x): pass", "f.py").package(["x"], streams=["x"]))
    data = owner.data.add(b"x")

    def explained(**terms: Any) -> str:
        task = user.tasks.create(function, inputs={"x": [owner.party]}, **terms)
        fake.tasks[task.id]["inputs"]["x"]["stream"] = True
        owner.tasks.get(task.id).assign({"x": data})
        return " ".join(task.contract().explain(owner.party).split())

    plain = explained()
    assert "clock runs at full resolution" in plain and "all owners of functions" in plain and "as they are" in plain
    assert "1 thread besides the main one" in plain and "read once, forward" in plain
    assert "all of which can contain data: to nobody class and line" in plain
    strict = explained(isolation={"clock": "coarse", "zygote": "owner", "sizes": "padded"})
    assert "no clock finer" in strict and "this function's owner only" in strict and "padded to classes" in strict
    assert "a single thread, wall 120 s" in strict and "besides" not in strict
    told = explained(messages=[author.party, user.party])
    assert f"to {author.party} and {user.party}" in told
    assert f"{author.party} owns the function, which can write there whatever it reads." in told
    assert "owns the function, which" not in explained(messages=[user.party])


PADDED = {"sizes": "padded"}


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, (1 << 20) - 40, 1 << 20, (1 << 20) + 1, 3_000_001])
def test_a_padded_output(executor: cella.Executor, fake: FakeExecutor, script: Path, tmp_path: Path, size: int) -> None:
    content = bytes(index * 7 % 251 for index in range(min(size, 5000))) + bytes(max(0, size - 5000))
    job = executor.run(script, {"a": content}, ["b"], {"n": 1}, isolation=PADDED).wait()
    output = job.outputs["b"]
    assert job.isolation == {"clock": "fine", "zygote": "shared", "sizes": "padded"}
    assert output.bytes() == content and output.save(tmp_path / "out") == size
    assert (tmp_path / "out").read_bytes() == content
    assert output.sealed_size is not None and output.sealed_size > size and job.result() == {"n": 1}
    assert fake.tasks[job.id]["result_text"].endswith(b"  ")


@pytest.mark.parametrize(
    ("padded", "code"),
    [
        (lambda content, filler: content + filler * 100 + b"x", "BAD_FORMAT"),
        (lambda content, filler: content + b"x" + filler * 2_000_000, "BAD_FORMAT"),
        (lambda content, filler: content + filler * 2_000_000 + b"x" + filler * 100, "BAD_FORMAT"),
        (lambda content, filler: content[:-1], "TRUNCATED"),
        (lambda content, filler: b"", "TRUNCATED"),
    ],
)
def test_padding_that_is_not_what_it_should_be(
    executor: cella.Executor, fake: FakeExecutor, script: Path, tmp_path: Path, padded: Any, code: str
) -> None:
    fake.padded = lambda content, filler: padded(content, filler) if filler == b"\0" else content
    job = executor.run(script, {"a": b"abc"}, ["b"], isolation=PADDED).wait()
    for fetch in (job.outputs["b"].bytes, lambda: job.outputs["b"].save(tmp_path / "out")):
        with pytest.raises(cella.CellaError) as caught:
            fetch()
        assert caught.value.code == code
    assert not (tmp_path / "out").exists()


def test_a_key_of_another_size(executor: cella.Executor, fake: FakeExecutor, script: Path) -> None:
    job = executor.run(script, {"a": b"abc"}, ["b"]).wait()
    for size in (1, 7, 9, 64):
        fake.tasks[job.id]["outputs"]["b"]["true_size"] = bytes(size)
        with pytest.raises(cella.IntegrityError, match="BAD_KEY"):
            job.refresh().outputs["b"].bytes()


def test_isolation_of_a_function_and_of_a_task(executor: cella.Executor, fake: FakeExecutor) -> None:
    @cella.function(isolation={"clock": "coarse", "sizes": "exact"})
    def nothing():  # type: ignore[no-untyped-def]
        return 1

    job = executor.run(nothing, isolation=PADDED)
    assert job.wait().isolation == {"clock": "coarse", "zygote": "shared", "sizes": "padded"}
    assert job.result() == 1 and job.contract().terms["limits"]["threads"] == 0
    registered = executor.functions.register(nothing.package())
    again = executor.run(registered, isolation={"zygote": "owner"})
    assert again.wait().isolation == {"clock": "coarse", "zygote": "owner", "sizes": "exact"}
    with pytest.raises(cella.ArgumentError, match="has declared"):
        executor.run(registered, streams=["a"])


def test_cancel(executor: cella.Executor, fake: FakeExecutor) -> None:
    executor.enrol()
    function = executor.functions.register(Script.parse("def main(a): pass", "f.py").package(["a"]))
    task = executor.tasks.create(function, inputs={"a": None})
    assert task.state == "created" and not task.done
    task.cancel()
    with pytest.raises(cella.TaskCancelled):
        task.wait()
    with pytest.raises(cella.StateError):
        task.cancel()


def test_wait_gives_up_when_told(executor: cella.Executor, fake: FakeExecutor) -> None:
    executor.enrol()
    function = executor.functions.register(Script.parse("def main(a): pass", "f.py").package(["a"]))
    task = executor.tasks.create(function, inputs={"a": None})
    with pytest.raises(cella.TransportError, match="it goes on") as caught:
        task.wait(timeout=0.1)
    assert caught.value.code == "TIMEOUT"


def test_closed_and_used_again(executor: cella.Executor, fake: FakeExecutor) -> None:
    with executor:
        executor.enrol()
    assert executor.request("executor.info") and fake.connections == 2
    assert fake.id in repr(executor)
