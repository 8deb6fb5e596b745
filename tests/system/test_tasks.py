# SPDX-License-Identifier: Apache-2.0
"""Tasks of one and of several parties: who may do what, when, and who sees what."""

from __future__ import annotations

import contextlib
import hashlib
import io
import queue
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import cella
import pytest
from cella import _native
from cella.functions import builtin_package
from cella.sealing import Sealed
from live import (
    SLEEP, Hand, LiveExecutor, at_once, echo, files, package_of, refused, script_task, sealed_bytes, sleeper, throw_away,
    until_in_cell, until_running, wait_until,
)

Parties = Callable[[int], list[cella.Executor]]
JOIN = "def main(left, right, out):\n    out.write(left.read() + right.read())\n    return {'size': len(left) + len(right)}\n"


@pytest.fixture(scope="module", autouse=True)
def long_poll(live: LiveExecutor) -> Callable[[], tuple[str, float]]:
    """A watch that nothing answers, in the background of all tests of this file: its state and seconds."""
    watcher = cella.connect(live.address, live.trust, cella.Identity.generate())
    task = watcher.tasks.create(two_inputs(watcher), inputs={"left": None, "right": None}, outputs={"out": None}).refresh()
    found: list[tuple[str, float]] = []

    def watch() -> None:
        begun = time.monotonic()
        answer = watcher.request("task.watch", {"task": task.id, "version": task.facts["version"]}, timeout=60)
        found.append((answer["state"], time.monotonic() - begun))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()

    def result() -> tuple[str, float]:
        thread.join(60)
        return found[0]

    return result


def as_seen_by(executor: cella.Executor, task: cella.Task) -> cella.Task:
    return cella.Task(executor, task.id).refresh()


def two_inputs(executor: cella.Executor, **declared: Any) -> cella.Function:
    """A function of the caller with inputs left and right and output out."""
    return executor.functions.register(package_of(JOIN, inputs=files("left", "right"), outputs=files("out"), **declared))


def approve_all(*tasks: cella.Task) -> None:
    for task in tasks:
        task.approve(task.contract().sha256)


# ---- three parties ----


def three_party_task(parties: Parties) -> tuple[cella.Executor, cella.Executor, cella.Executor, cella.Task, cella.Task, cella.Task]:
    """A's data and B's data with C's private code; A is the creator and gets the output. Assigned by nobody yet."""
    a, b, c = parties(3)
    function = two_inputs(c)
    task = a.tasks.create(function, inputs={"left": a.party, "right": b.party}, outputs={"out": [a.party]})
    return a, b, c, task, as_seen_by(b, task), as_seen_by(c, task)


def test_three_parties(live: LiveExecutor, parties: Parties) -> None:
    a, b, c, task, at_b, at_c = three_party_task(parties)
    assert task.state == "created" and set(task.refresh().facts["participants"]) == {a.party, b.party, c.party}
    with refused("NOT_ASSIGNED"):
        task.contract()
    task.assign({"left": a.data.add(b"from a ", "left")})
    with refused("NOT_ASSIGNED"):
        task.invoke()
    at_b.assign({"right": b.data.add(b"and b", "right")})
    assert at_b.state == "assigned"
    contracts = [one.contract() for one in (task, at_b, at_c)]
    assert len({one.content for one in contracts}) == 1
    terms = contracts[0].terms
    assert terms["inputs"]["left"]["owners"] == [a.party] and terms["inputs"]["right"]["owners"] == [b.party]
    assert terms["function"]["owner"] == c.party and terms["function"]["public"] is False
    heard: queue.Queue[str] = queue.Queue()
    watched = as_seen_by(live.client(c.identity), task)
    watching = threading.Thread(target=lambda: watched.wait(lambda event: heard.put(event.text)))
    watching.start()
    everybody = list(task.refresh().facts["participants"])
    for one in (task, at_b):
        with refused("NOT_APPROVED"):
            task.refresh().invoke()
        assert task.missing_approvals == everybody
        one.approve(one.contract())
        everybody.remove(one.executor.party)
        assert one.missing_approvals == everybody
    assert set(at_c.refresh().facts["approved"]) == {a.party, b.party}
    with refused("NOT_APPROVED"):
        task.refresh().invoke()
    said = [heard.get(timeout=10)]
    while said[-1] != "waits for the approval of you":
        said.append(heard.get(timeout=10))
    assert {a.party, b.party} <= set(said[0].split())
    at_c.approve(contracts[2])
    assert at_c.state == "approved"
    for one in (at_b, at_c):
        with refused("DENIED"):
            one.invoke()
    task.invoke().wait()
    watching.join(10)
    assert not watching.is_alive()
    assert task.result() == {"size": 12} and task.outputs["out"].bytes() == b"from a and b"
    for one in (at_b, at_c):
        one.wait()
        assert one.state == "finished" and "result" not in one.facts and "messages" not in one.facts
        assert "sealed_key" not in one.facts["outputs"]["out"]
        with refused("DENIED"):
            one.result()
        with refused("DENIED"):
            one.outputs["out"].bytes()
        with refused("DENIED"):
            one.executor.download({"task": task.id, "output": "out"}, throw_away)


def test_each_receiver_gets_his(parties: Parties) -> None:
    a, b, c = parties(3)
    source = "def main(x, y):\n    x.write(b'for a')\n    y.write(b'for b and c')\n    return 'for c'\n"
    function = a.functions.register(package_of(source, outputs=files("x", "y"), public=True))
    task = a.tasks.create(function, outputs={"x": [a.party], "y": [b.party, c.party]}, result=[c.party])
    at_b, at_c = as_seen_by(b, task), as_seen_by(c, task)
    approve_all(task, at_b, at_c)
    task.invoke().wait()
    assert task.outputs["x"].bytes() == b"for a"
    with refused("DENIED"):
        task.result()
    with refused("DENIED"):
        task.outputs["y"].bytes()
    for one in (at_b.wait(), at_c.wait()):
        assert one.outputs["y"].bytes() == b"for b and c"
        with refused("DENIED"):
            one.outputs["x"].bytes()
    assert at_c.result() == "for c"
    with refused("DENIED"):
        at_b.result()


def test_what_was_sealed_for_one_opens_for_no_other(parties: Parties) -> None:
    a, b = parties(2)
    task = script_task(a, "def main(out):\n    out.write(b'x')\n    return 1", outputs=["out"]).wait()
    thief = cella.Task(b, task.id, task.facts)
    with refused("BAD_TAG"):
        thief.result()
    with refused("BAD_TAG"):
        thief.outputs["out"].bytes()


# ---- inputs ----


def test_missing_inputs(me: cella.Executor) -> None:
    function = two_inputs(me)
    with refused("MISSING_FIELD") as caught:
        me.tasks.create(function, inputs={"left": None}, outputs={"out": None})
    assert caught.value.field == "args.inputs.right"
    with refused("MISSING_FIELD") as caught:
        me.tasks.create(function, inputs={"left": None, "right": None})
    assert caught.value.field == "args.outputs.out"
    with refused("NOT_ASSIGNED"):
        me.tasks.create(function, inputs={"left": None, "right": None}, outputs={"out": None}, invoke=True)


def test_surplus_inputs(me: cella.Executor) -> None:
    function = two_inputs(me)
    both: dict[str, Any] = {"left": None, "right": None}
    with refused("UNKNOWN_FIELD") as caught:
        me.tasks.create(function, inputs={**both, "more": None}, outputs={"out": None})
    assert caught.value.field == "args.inputs.more"
    with refused("UNKNOWN_FIELD") as caught:
        me.tasks.create(function, inputs=both, outputs={"out": None, "more": None})
    assert caught.value.field == "args.outputs.more"
    task = me.tasks.create(function, inputs=both, outputs={"out": None})
    with refused("UNKNOWN_FIELD") as caught:
        task.assign({"more": me.data.add(b"x")})
    assert caught.value.field == "args.inputs.more" and task.refresh().state == "created"


def test_an_input_is_assigned_once(me: cella.Executor) -> None:
    task = me.tasks.create(two_inputs(me), inputs={"left": None, "right": None}, outputs={"out": None})
    data = me.data.add(b"x")
    task.assign({"left": data})
    with refused("EXISTS"):
        task.assign({"left": me.data.add(b"y")})
    with refused("EXISTS"):  # and nothing of a request that is refused is kept
        task.assign({"right": data, "left": data})
    assert "data" not in task.refresh().facts["inputs"]["right"]
    task.assign({"right": data})
    assert task.state == "approved"
    with refused("BAD_STATE"):
        task.assign({"right": data})


def test_data_of_the_wrong_owner(parties: Parties) -> None:
    a, b = parties(2)
    task = a.tasks.create(two_inputs(a), inputs={"left": a.party, "right": b.party}, outputs={"out": [a.party]})
    at_b = as_seen_by(b, task)
    of_a, of_b = a.data.add(b"a"), b.data.add(b"b")
    with refused("NOT_FOUND"):  # somebody else's data do not exist for a party
        task.assign({"left": of_b})
    with refused("DENIED"):  # own data, but the input is to come from somebody else
        task.assign({"right": of_a})
    with refused("NOT_FOUND"):
        at_b.assign({"right": of_a})
    with refused("DENIED"):
        at_b.assign({"left": of_b})
    with refused("DENIED"):
        a.tasks.create(two_inputs(a), inputs={"left": cella.Data(of_a.id, "", (b.party,), "", 0, True), "right": None},
                       outputs={"out": None})
    with refused("NOT_FOUND"):
        b.tasks.create(two_inputs(b), inputs={"left": cella.Data(of_a.id, "", (b.party,), "", 0, True), "right": None},
                       outputs={"out": None})
    assert task.refresh().state == "created"


def test_data_that_was_not_uploaded(me: cella.Executor) -> None:
    key = cella.DataKey.generate()
    content = sealed_bytes(key, b"x")
    facts = Sealed(1, len(content), hashlib.sha256(content).digest())
    data = me.data.register("late", facts, key)
    task = me.tasks.create(two_inputs(me), inputs={"left": None, "right": None}, outputs={"out": None})
    with refused("BAD_STATE"):
        task.assign({"left": data})
    me.upload(data.id, io.BytesIO(content), len(content))
    task.assign({"left": data, "right": data})
    assert task.invoke().wait().outputs["out"].bytes() == b"xx"


def test_optional_inputs_and_outputs(me: cella.Executor) -> None:
    source = (
        "def main(must, may=None, out=None, extra=None):\n"
        "    for target in (out, extra):\n"
        "        if target is not None:\n"
        "            target.write(b'written')\n"
        "    return [must.read().decode(), may and may.read().decode(), out is not None, extra is not None]\n"
    )
    function = me.functions.register(package_of(source, inputs=files("must", "may?"), outputs=files("out?", "extra?")))
    must, may = me.data.add(b"1"), me.data.add(b"2")
    task = me.tasks.create(function, inputs={"must": must}, invoke=True).wait()
    assert task.result() == ["1", None, False, False] and task.outputs == {}
    task = me.tasks.create(function, inputs={"must": must, "may": may}, outputs={"extra": None}, invoke=True).wait()
    assert task.result() == ["1", "2", False, True] and set(task.outputs) == {"extra"}
    assert task.outputs["extra"].bytes() == b"written"


# ---- approval ----


def test_approval_of_another_contract(parties: Parties) -> None:
    a, b = parties(2)
    function = a.functions.register(package_of("def main(): return 1"))
    task = a.tasks.create(function, result=[b.party])
    at_b = as_seen_by(b, task)
    other = a.tasks.create(function, result=[b.party]).contract().sha256
    for wrong in ("00" * 32, other):
        with refused("WRONG_CONTRACT"):
            b.request("task.approve", {"task": task.id, "contract": wrong})
    with refused("WRONG_CONTRACT"):
        b.request("task.approve", {"task": task.id, "contract": "short"})
    assert at_b.refresh().facts["approved"] == []
    with refused("NOT_APPROVED"):
        task.invoke()


def test_approval_by_a_stranger(parties: Parties) -> None:
    a, b, stranger = parties(3)
    task = a.tasks.create(a.functions.register(package_of("def main(): return 1")), result=[b.party])
    sha256 = task.contract().sha256
    foreign = cella.Task(stranger, task.id)
    for attempt in (
        lambda: stranger.request("task.approve", {"task": task.id, "contract": sha256}),
        foreign.contract, foreign.refresh, foreign.invoke, foreign.cancel, lambda: foreign.assign({}),
        lambda: stranger.request("task.watch", {"task": task.id, "version": 0}),
        lambda: stranger.download({"task": task.id, "output": "out"}, throw_away),
    ):
        with refused("NOT_FOUND"):
            attempt()
    assert task.refresh().facts["approved"] == []


def test_approving_twice_is_approving_once(parties: Parties) -> None:
    a, b = parties(2)
    task = a.tasks.create(a.functions.register(package_of("def main(): return 1")), result=[a.party, b.party])
    task.approve(task.contract())
    version = task.refresh().facts["version"]
    task.approve(task.contract())
    assert task.refresh().facts["version"] == version and task.facts["approved"] == [a.party]
    at_b = as_seen_by(b, task)
    at_b.approve(at_b.contract())
    task.invoke().wait()
    with refused("BAD_STATE"):
        at_b.approve(at_b.contract())


def test_one_participant_approves_by_assigning(me: cella.Executor) -> None:
    task = me.tasks.create(two_inputs(me), inputs={"left": None, "right": None}, outputs={"out": None})
    assert task.state == "created"
    data = me.data.add(b"x")
    task.assign({"left": data, "right": data})
    assert task.state == "approved" and task.refresh().facts["approved"] == [me.party]


def test_a_private_function_needs_its_owners_approval(parties: Parties) -> None:
    a, owner = parties(2)
    private = owner.functions.register(package_of("def main(): return 1"))
    public = owner.functions.register(package_of("def main(): return 2", public=True))
    with refused("NOT_APPROVED"):
        a.tasks.create(private, invoke=True)
    task = a.tasks.create(private)
    assert set(task.refresh().facts["participants"]) == {a.party, owner.party}
    task.approve(task.contract())
    with refused("NOT_APPROVED"):
        task.invoke()
    at_owner = as_seen_by(owner, task)
    at_owner.approve(at_owner.contract())
    assert task.refresh().invoke().wait().result() == 1
    with refused("DENIED"):
        at_owner.wait().result()
    assert a.tasks.create(public, invoke=True).wait().result() == 2
    with refused("NOT_FOUND"):
        owner.tasks.get(a.tasks.list()[-1]["task"])


def test_sources_are_for_whom_they_may(parties: Parties) -> None:
    a, owner = parties(2)
    private = owner.functions.register(package_of("def main(): return 'private words'"))
    public = owner.functions.register(package_of("def main(): return 'public words'", public=True))
    assert "public words" in (a.functions.get(public.id).source or "")
    seen = a.functions.get(private.id)
    assert seen.source is None and "source" not in seen.spec and seen.sha256 == private.sha256
    listed = {one.id for one in a.functions.list()}
    assert public.id in listed and private.id not in listed
    assert private.id in {one.id for one in owner.functions.list()}


def test_unknown_and_repeated_parties(me: cella.Executor, live: LiveExecutor) -> None:
    function = me.functions.register(package_of("def main(out): out.write(b'')", outputs=files("out")))
    with refused("NOT_FOUND"):
        me.tasks.create(function, outputs={"out": [cella.Identity.generate().party]})
    for wrong in ([me.party, me.party], ["x"], [""], [1]):
        with refused("BAD_FIELD"):
            me.request("task.create", {"function": function.id, "outputs": {"out": {"receivers": wrong}}})
    with refused("BAD_FIELD"):
        me.request("task.create", {"function": function.id, "outputs": {"out": {"receivers": []}}})
    others = [live.client().party for _ in range(64)]
    with refused("TOO_MANY"):
        me.tasks.create(function, outputs={"out": [me.party, *others]})
    me.tasks.create(function, outputs={"out": [me.party, *others[:63]]}).contract()


# ---- arguments ----

ARGUED = "def main(a, b=2, c=3):\n    return [a, b, c]\n"


def argued(executor: cella.Executor, *arguments: dict[str, Any]) -> cella.Function:
    return executor.functions.register(package_of(ARGUED, arguments=list(arguments)))


def test_arguments_and_defaults(me: cella.Executor) -> None:
    function = argued(me, {"name": "a", "type": "string"}, {"name": "b", "type": "integer", "default": 7},
                      {"name": "c", "default": {"x": [1, None]}})
    assert me.tasks.create(function, arguments={"a": "ä"}, invoke=True).wait().result() == ["ä", 7, {"x": [1, None]}]
    task = me.tasks.create(function, arguments={"a": "", "b": -1, "c": None})
    assert task.contract().terms["arguments"] == {"a": "", "b": -1, "c": None}
    assert task.invoke().wait().result() == ["", -1, None]


@pytest.mark.parametrize("given, field", [
    ({}, "arguments.a"), ({"a": 1}, "arguments.a"), ({"a": "x", "b": "2"}, "arguments.b"), ({"a": "x", "b": 2.0}, "arguments.b"),
    ({"a": "x", "b": True}, "arguments.b"), ({"a": "x", "c": 4}, "arguments.c"), ({"a": "x", "c": 3}, "arguments.c"),
    ({"a": "x", "d": 1}, "arguments.d"), ({"a": None}, "arguments.a"),
])
def test_arguments_that_do_not_fit(me: cella.Executor, given: dict[str, Any], field: str) -> None:
    function = argued(me, {"name": "a", "type": "string"}, {"name": "b", "type": "integer", "default": 7},
                      {"name": "c", "default": 3, "locked": True})
    with refused("BAD_ARGUMENT") as caught:
        me.tasks.create(function, arguments=given)
    assert caught.value.field is not None and caught.value.field.endswith(field)


@pytest.mark.parametrize("kind, good, bad", [
    ("number", [1, 1.5, -2e30], ["1", True, None]), ("boolean", [True, False], [0, "true"]), ("any", [None, [], "x"], []),
    ("integer", [0, -(1 << 53), 1 << 53], [1.0, "0"]),
])
def test_types_of_arguments(me: cella.Executor, kind: str, good: list[Any], bad: list[Any]) -> None:
    function = argued(me, {"name": "a", "type": kind})
    tasks = [(value, me.tasks.create(function, arguments={"a": value}, invoke=True)) for value in good]
    for value, task in tasks:
        assert task.wait().result()[0] == value
    for value in bad:
        with refused("BAD_ARGUMENT"):
            me.tasks.create(function, arguments={"a": value})


# ---- limits, usage, messages ----


def test_limits_can_be_lowered_and_never_raised(me: cella.Executor) -> None:
    defaults = me.information()["limits"]
    function = me.functions.register(package_of("def main(): return 1", limits={"wall_s": 30, "result_bytes": 1000}))
    task = me.tasks.create(function, limits={"wall_s": 20, "cpu_s": 5})
    assert task.contract().terms["limits"] == {**defaults, "wall_s": 20, "cpu_s": 5, "result_bytes": 1000}
    for name, value in (("wall_s", 31), ("result_bytes", 1001), ("memory_bytes", defaults["memory_bytes"] + 1),
                        ("threads", -1), ("threads", defaults["threads"] + 1), ("output_bytes", -1), ("cpu_s", 0)):
        with refused("BAD_FIELD", "BAD_ARGUMENT") as caught:
            me.request("task.create", {"function": function.id, "limits": {name: value}})
        assert str(caught.value.field).endswith(f"limits.{name}")
    with refused("UNKNOWN_FIELD"):
        me.request("task.create", {"function": function.id, "limits": {"speed": 1}})


def test_usage_is_reported(me: cella.Executor) -> None:
    source = "def main(table, out):\n    x = sum(i * i for i in range(300000))\n    out.write(bytes(100000))\n    return x"
    task = script_task(me, source, inputs={"table": bytes(50000)}, outputs=["out"]).wait()
    usage = task.usage
    assert set(usage) == {"cpu_us", "wall_us", "peak_kib", "bytes_in", "bytes_out"}
    assert 1000 < usage["cpu_us"] <= usage["wall_us"] + 100_000 and usage["peak_kib"] > 0
    assert 50000 < usage["bytes_in"] < 60000 and 100000 < usage["bytes_out"] < 110000


BURNS = (
    "import time\n"
    "def main(out=None):\n"
    "    until = time.process_time() + 0.3\n"
    "    while time.process_time() < until: pass\n"
    "    kept = bytearray(b'x') * 60_000_000\n"
    "    del kept\n"
    "    out and out.write(b'x')\n"
    "    %s\n"
)


@pytest.mark.parametrize("end", ["return 1", "raise ValueError('x')", "import os; os._exit(0)", "import ctypes"])
@pytest.mark.parametrize("outputs", [[], ["out"]])
def test_usage_is_the_kernels_however_a_task_ends(me: cella.Executor, end: str, outputs: list[str]) -> None:
    """Nothing that a script says is in it: it is read from its process, or from the process's end."""
    task = script_task(me, BURNS % end, outputs=outputs).wait(check=False)
    usage = task.usage
    assert 290_000 < usage["cpu_us"] < 3_000_000 and usage["wall_us"] > 250_000, (task.state, usage)
    assert 58_000 < usage["peak_kib"] < 400_000, (task.state, usage)


def test_usage_does_not_count_what_the_cell_did_before(me: cella.Executor) -> None:
    usages = [script_task(me, "def main(): return 1").wait().usage["cpu_us"] for _ in range(5)]
    assert min(usages) < 15_000, usages


def test_the_host_learns_orders_of_magnitude(own: LiveExecutor) -> None:
    me = own.client()
    task = script_task(me, BURNS % "return 1").wait()
    line = own.wait_for_log(f"task finished {task.id}[^\n]*")
    # A control group counts the task alone, a process all that it shares with its zygote too.
    assert re.search(r"; CPU within (1|10) s, memory within (64|256) MiB$", line)
    for exact in (task.usage["cpu_us"], task.usage["wall_us"], task.usage["peak_kib"]):
        assert str(exact) not in line


def test_the_host_does_not_learn_who_does_what(own: LiveExecutor) -> None:
    a, b = own.client(), own.client()
    function = two_inputs(a)
    task = a.tasks.create(function, inputs={"left": a.party, "right": b.party}, outputs={"out": [a.party]})
    at_b = as_seen_by(b, task)
    task.assign({"left": a.data.add(b"a")})
    at_b.assign({"right": b.data.add(b"b")})
    approve_all(task, at_b)
    task.invoke().wait()
    own.wait_for_log(f"task finished {task.id}")
    about = [line for line in own.log().splitlines() if a.party in line or b.party in line]
    assert all(re.search(r"party enrolled \S+$", line) for line in about), about


@pytest.mark.parametrize("body, limits, code, detail", [
    ("while True: pass", {"cpu_s": 1}, "LIMIT_CPU", r"limit cpu_s 1; used (0\.[89]|1\.\d) s"),
    ("import time; time.sleep(60)", {"wall_s": 1}, "LIMIT_WALL", r"limit wall_s 1; used 1\.\d s"),
    ("x = bytearray(400_000_000)", {"memory_bytes": 300_000_000}, "LIMIT_MEMORY",
     r"limit memory_bytes 300000000; used at most \d+ KiB"),
    ("b.write(bytes(5000))", {"output_bytes": 4000}, "LIMIT_OUTPUT", r"limit output_bytes 4000; output b has \d+ and was to have more"),
    ("return 'x' * 5000", {"result_bytes": 1000}, "LIMIT_RESULT", r"limit result_bytes 1000; the result has more"),
    ("import threading, time\n    for _ in range(9): threading.Thread(target=time.sleep, args=(5,), daemon=True).start()",
     {"threads": 2}, "SCRIPT_FAILED", r"limit threads 2"),
])
def test_every_breach_names_limit_value_and_use(
    me: cella.Executor, body: str, limits: dict[str, int], code: str, detail: str
) -> None:
    source = f"def main(a, b):\n    a.write(b'1')\n    {body}\n"
    task = script_task(me, source, outputs=["a", "b"], limits=limits).wait(check=False)
    assert task.facts["error"]["code"] == code
    assert re.fullmatch(detail, task.facts["error"].get("detail", "")), task.facts["error"]


FAILS = "import cella\ndef main():\n    cella.log('logged words')\n    raise ValueError('secret words')\n"


def test_error_texts_are_the_creators_when_he_is_alone(me: cella.Executor) -> None:
    task = script_task(me, FAILS)
    with refused("SCRIPT_FAILED", line=4, text="secret words") as caught:
        task.wait()
    error = caught.value
    assert (error.script_class, error.script_message) == ("ValueError", "secret words")
    assert "logged words" in (error.log or "") and "line 4, in main" in (error.traceback_text or "")


@pytest.mark.parametrize("readers", [None, [0], [1], [0, 1], []])
def test_error_texts_go_to_whom_the_contract_names(parties: Parties, readers: list[int] | None) -> None:
    everybody = parties(2)
    a, b = everybody
    messages = None if readers is None else [everybody[index].party for index in readers]
    task = a.tasks.create(a.functions.register(package_of(FAILS)), result=[b.party], messages=messages)
    assert task.contract().terms["messages"]["receivers"] == (messages or [])
    at_b = as_seen_by(b, task)
    approve_all(task, at_b)
    task.invoke()
    for index, one in enumerate((task, at_b)):
        one.wait(check=False)
        error = one.error()
        assert error is not None and (error.code, error.script_class, error.line) == ("SCRIPT_FAILED", "ValueError", 4)
        reads = index in (readers or [])
        assert ("secret words" in str(error.script_message)) == reads == ("logged words" in str(error.log))
        assert reads == ("messages" in one.facts) and ("secret" in str(error)) == reads


def test_a_log_of_success_is_there_too(me: cella.Executor) -> None:
    task = script_task(me, "import cella\ndef main():\n    print('printed')\n    cella.log('logged')\n    return 1").wait()
    assert "printed" in task.messages()["log"] and "logged" in task.messages()["log"]


def test_a_log_is_cut_at_its_limit(me: cella.Executor) -> None:
    task = script_task(me, "def main():\n    for i in range(5000): print('x' * 100)", limits={"log_bytes": 1000}).wait()
    log, _, note = task.messages()["log"].partition("\n[")
    assert 900 < len(log) <= 1000 and note == "limit log_bytes 1000: what follows was dropped]\n"


def test_progress_is_seen_and_its_text_is_a_message(own: LiveExecutor) -> None:
    a, b = own.client(timeout=5), own.client(timeout=5)
    source = "import cella, time\ndef main():\n    cella.progress(0.25, 'private words')\n    time.sleep(600)\n"
    task = a.tasks.create(a.functions.register(package_of(source)), result=[a.party, b.party], messages=[a.party])
    at_b = as_seen_by(b, task)
    approve_all(task, at_b)
    until_running(task.invoke())
    seen = wait_until(lambda: (at_b.refresh().facts.get("progress") or {}).get("fraction") and at_b.facts["progress"], 20,
                      "progress is seen")
    assert seen == {"fraction": 0.25}
    assert task.refresh().facts["progress"] == {"fraction": 0.25, "text": "private words"}
    task.cancel()


@pytest.mark.parametrize("words", ["print('x')", "cella.log('x')", "cella.progress(0.5)", "cella.progress(1.0, 'x')"])
def test_a_task_that_says_something_and_goes_on_hinders_nobody(own: LiveExecutor, words: str) -> None:
    """The executor must not wait for a cell's next word: others are served meanwhile, and limits hold."""
    a, b = own.client(timeout=5), own.client(timeout=5)
    task = script_task(a, f"import cella, time\ndef main():\n    {words}\n    time.sleep(600)", limits={"wall_s": 3})
    until_running(task)
    time.sleep(0.2)
    begun = time.monotonic()
    assert echo(b, "meanwhile") == "meanwhile"
    assert time.monotonic() - begun < 2
    with refused("LIMIT_WALL"):
        task.wait()
    assert time.monotonic() - begun < 10


# ---- invoking and cancelling ----


def test_invoking_twice(me: cella.Executor) -> None:
    task = me.tasks.create(me.functions.register(package_of(SLEEP)))
    task.invoke()
    with refused("BAD_STATE"):
        task.invoke()
    until_running(task)
    with refused("BAD_STATE"):
        task.invoke()
    task.cancel()
    task.wait(check=False)
    with refused("BAD_STATE"):
        task.invoke()
    done = script_task(me, "def main(): return 1").wait()
    with refused("BAD_STATE"):
        done.invoke()


def cancelled(task: cella.Task) -> None:
    """Cancel, and see that it is."""
    task.cancel()
    begun = time.monotonic()
    with refused("CANCELLED"):
        task.wait()
    assert task.state == "cancelled" and time.monotonic() - begun < 5
    assert "result" not in task.facts
    with refused("BAD_STATE"):
        task.cancel()


def test_cancel_what_was_created(me: cella.Executor) -> None:
    task = me.tasks.create(two_inputs(me), inputs={"left": None, "right": None}, outputs={"out": None})
    assert task.state == "created"
    cancelled(task)
    with refused("BAD_STATE"):
        task.assign({"left": me.data.add(b"x")})


def test_cancel_what_was_assigned(parties: Parties) -> None:
    a, b = parties(2)
    task = a.tasks.create(a.functions.register(package_of("def main(): return 1")), result=[b.party])
    assert task.state == "assigned"
    at_b = as_seen_by(b, task)
    with refused("DENIED"):
        at_b.cancel()
    contract = at_b.contract()
    cancelled(task)
    with refused("BAD_STATE"):
        at_b.approve(contract)


def test_cancel_what_was_approved(me: cella.Executor) -> None:
    task = me.tasks.create(me.functions.register(package_of("def main(): return 1")))
    assert task.state == "approved"
    cancelled(task)
    with refused("BAD_STATE"):
        task.invoke()


def test_cancel_what_is_queued_or_runs(own: LiveExecutor) -> None:
    me = own.client()
    tasks = [script_task(me, SLEEP) for _ in range(60)]  # more than can run at a time
    wait_until(lambda: tasks[0].refresh().state == "running", 20, "the first runs")
    queued = tasks[-1]
    assert queued.refresh().state == "queued"
    cancelled(queued)
    ran = tasks[0]
    cells = {process.pid for process in own.below()}
    cancelled(ran)
    assert ran.error() is not None
    for task in reversed(tasks[1:-1]):
        task.cancel()
    wait_until(lambda: all(task.refresh().done for task in tasks), 30, "all are over")
    assert cells  # the processes of cancelled tasks are gone: what is left is warm cells
    echo(me, "x")
    wait_until(lambda: len(own.below()) <= 1 + 1 + 2 + 2 * (2 + 4), 20, "no more processes than before")


def test_cancel_what_is_over(me: cella.Executor) -> None:
    done = script_task(me, "def main(): return 1").wait()
    with refused("BAD_STATE"):
        done.cancel()
    failed = script_task(me, "def main(): return 1 / 0").wait(check=False)
    assert failed.state == "failed"
    with refused("BAD_STATE"):
        failed.cancel()
    assert done.refresh().state == "finished" and failed.refresh().state == "failed"


def test_cancelling_asks_first(me: cella.Executor) -> None:
    """What a cancelled script had logged is there, whatever else became of it."""
    source = "import cella, time\ndef main():\n    cella.log('logged words')\n    cella.progress(0.5)\n    time.sleep(600)\n"
    task = until_in_cell(script_task(me, source))
    cancelled(task)
    assert "logged words" in task.messages()["log"]


IGNORES = (
    "import cella, time\n"
    "def main():\n"
    "    try:\n"
    "        cella.progress(0.5)\n"
    "        time.sleep(600)\n"
    "    except BaseException:\n"
    "        cella.log('not yet')\n"
    "    time.sleep(600)\n"
)


def test_who_ignores_a_cancellation_is_killed(me: cella.Executor) -> None:
    task = until_in_cell(script_task(me, IGNORES))
    begun = time.monotonic()
    task.cancel()
    assert task.refresh().state == "running"
    with refused("CANCELLED"):
        task.wait()
    assert 1.5 < time.monotonic() - begun < 6 and task.usage["wall_us"] > 1_500_000


def test_a_second_cancellation_does_not_ask_again(me: cella.Executor) -> None:
    task = until_in_cell(script_task(me, IGNORES))
    begun = time.monotonic()
    task.cancel()
    task.cancel()
    with refused("CANCELLED"):
        task.wait()
    assert time.monotonic() - begun < 1.5


def test_a_script_does_not_cancel_itself(me: cella.Executor) -> None:
    """Only its creator does: whoever raises that exception has failed."""
    task = script_task(me, "def main():\n    class Cancelled(BaseException): pass\n    raise Cancelled('by myself')\n")
    with refused("SCRIPT_FAILED"):
        task.wait()
    assert task.state == "failed"


def test_nothing_of_a_cancelled_task_stays_in_the_store(own: LiveExecutor) -> None:
    """Cancelled while its outputs are being stored: what was stored is deleted."""
    me = own.client()
    source = "def main(a, b):\n    a.write(b'first')\n    for _ in range(96): b.write(bytes(1 << 20))\n"
    function = me.functions.register(package_of(source, outputs=files("a", "b")))
    hits = 0
    for _ in range(20):
        known = set(own.objects())
        task = me.tasks.create(function, outputs={"a": None, "b": None}, invoke=True)
        wait_until(lambda: set(own.objects()) - known or task.refresh().done, 30, "something is stored")
        with contextlib.suppress(cella.StateError):
            task.cancel()
        task.wait(check=False)
        if task.state == "cancelled":
            hits += 1
            wait_until(lambda: set(own.objects()) <= known, 10, "what was stored is deleted")
        if hits == 2:
            break
    assert hits, "no cancellation came while outputs were being stored"


def test_a_drained_executor_leaves_no_outputs_of_cancelled_tasks(own: LiveExecutor) -> None:
    me = own.client()
    source = "def main(a, b):\n    a.write(b'first')\n    for _ in range(96): b.write(bytes(1 << 20))\n"
    known = set(own.objects())
    task = script_task(me, source, outputs=["a", "b"])
    wait_until(lambda: set(own.objects()) - known or task.refresh().done, 30, "something is stored")
    with contextlib.suppress(cella.StateError):
        task.cancel()
    task.wait(check=False)
    own.terminate()
    assert own.wait() == 0
    assert task.state == "finished" or set(own.objects()) <= known


def test_cancelling_while_it_begins(me: cella.Executor) -> None:
    """At whatever moment the cancellation comes: the task ends, and once."""
    data = me.data.add(bytes(300_000))
    function = me.functions.register(package_of("def main(x, out):\n    out.write(x.read())", inputs=files("x"), outputs=files("out")))
    for step in range(20):
        task = me.tasks.create(function, inputs={"x": data}, outputs={"out": None}, invoke=True)
        time.sleep(step * 0.001)
        try:
            task.cancel()
        except cella.StateError as refusal:
            assert refusal.code == "BAD_STATE"
        task.wait(check=False, timeout=20)
        assert task.state in ("cancelled", "finished")
    assert echo(me, "x") == "x"


# ---- watching ----


def test_watching_answers_at_a_change(live: LiveExecutor, me: cella.Executor) -> None:
    task = me.tasks.create(two_inputs(me), inputs={"left": None, "right": None}, outputs={"out": None}).refresh()
    other = live.client(me.identity)
    version = task.facts["version"]
    begun = time.monotonic()
    timer = threading.Timer(0.5, lambda: cella.Task(other, task.id).cancel())
    timer.start()
    task.watch()
    assert task.state == "cancelled" and task.facts["version"] > version
    assert 0.4 < time.monotonic() - begun < 5
    timer.join()
    begun = time.monotonic()
    me.request("task.watch", {"task": task.id, "version": 0})
    me.request("task.watch", {"task": task.id, "version": 1 << 52})  # it is over: nothing will change
    assert time.monotonic() - begun < 2


def test_watching_for_the_end(me: cella.Executor) -> None:
    """With over, the changes on the way are nobody's business."""
    task = me.tasks.create(me.functions.register(package_of(SLEEP)))
    asked: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: asked.append(
        me.request("task.watch", {"task": task.id, "version": 0, "over": True}, timeout=40)))
    thread.start()
    time.sleep(0.2)
    until_running(task.invoke())
    assert thread.is_alive()
    task.cancel()
    thread.join(10)
    assert asked[0]["state"] == "cancelled"


def test_many_watchers(live: LiveExecutor, me: cella.Executor) -> None:
    task = me.tasks.create(two_inputs(me), inputs={"left": None, "right": None}, outputs={"out": None}).refresh()
    args = {"task": task.id, "version": task.facts["version"]}
    timer = threading.Timer(1.0, lambda: me.request("task.cancel", {"task": task.id}))
    timer.start()
    answers = at_once([lambda: me.request("task.watch", args, timeout=40) for _ in range(20)])
    timer.join()
    assert [answer["state"] for answer in answers] == ["cancelled"] * 20


# ---- apart from each other ----


def test_parties_see_their_own(parties: Parties) -> None:
    a, b = parties(2)
    data = a.data.add(b"x", "mine")
    task = script_task(a, "def main(): return 1").wait()
    assert [one.id for one in a.data.list()] == [data.id] and b.data.list() == []
    assert [one["task"] for one in a.tasks.list()] == [task.id] and list(b.tasks.list()) == []
    with refused("NOT_FOUND"):
        b.data.get(data.id)
    with refused("NOT_FOUND"):
        b.download({"data": data.id}, throw_away)
    with refused("NOT_FOUND"):
        b.upload(data.id, io.BytesIO(b"x"), 1)


def test_own_data_come_back(me: cella.Executor) -> None:
    key = cella.DataKey.generate("4KB")
    data = me.data.add(b"some bytes" * 1000, key=key)
    fetched: list[bytes] = []
    me.download({"data": data.id}, fetched.append)
    opener = _native.Opener(key.key, key.associated_data, "4KB")
    assert opener.update(b"".join(fetched)) + opener.finish() == b"some bytes" * 1000


def test_outputs_are_there_when_it_has_finished(me: cella.Executor) -> None:
    task = me.tasks.create(me.functions.register(package_of("def main(out): out.write(b'')", outputs=files("out"))),
                           outputs={"out": None})
    with refused("BAD_STATE"):
        me.download({"task": task.id, "output": "out"}, throw_away)
    with refused("NOT_FOUND"):
        me.download({"task": task.id, "output": "nothing"}, throw_away)
    assert task.invoke().wait().outputs["out"].bytes() == b""


def test_tasks_do_not_see_each_other(me: cella.Executor) -> None:
    leave = "import sys, builtins\ndef main():\n    sys.left = builtins.left = 'something'\n"
    look = "import sys, builtins\ndef main():\n    return [hasattr(sys, 'left'), hasattr(builtins, 'left')]\n"
    for _ in range(3):
        script_task(me, leave).wait()
        assert script_task(me, look).wait().result() == [False, False]


def test_many_at_once(live: LiveExecutor) -> None:
    clients = [live.client() for _ in range(4)]

    def work(number: int) -> Any:
        client = clients[number % len(clients)]
        source = "def main(x, out, n):\n    out.write(x.read()[::-1])\n    return n * 2"
        results = []
        for step in range(4):
            content = bytes([number, step]) * 1000
            task = script_task(client, source, inputs={"x": content}, outputs=["out"], arguments={"n": number})
            task.wait(timeout=100)
            results.append(task.result() == number * 2 and task.outputs["out"].bytes() == content[::-1])
        return results

    answers = at_once([lambda number=number: work(number) for number in range(16)])  # type: ignore[misc]
    assert answers == [[True] * 4] * 16, [answer for answer in answers if isinstance(answer, BaseException)]


def test_tasks_of_two_profiles_do_not_end_each_other(own: LiveExecutor) -> None:
    """A cell's end is the end of its own task, whatever numbers cells of another profile have."""
    a, b = own.client(), own.client()
    for step in range(8):
        first, second = ("python", "numpy") if step % 2 else ("numpy", "python")
        short = script_task(a, SLEEP, arguments={"seconds": 0.1}, profile=first)
        long = script_task(b, SLEEP, arguments={"seconds": 0.5}, profile=second)
        assert short.wait().result() == "slept" and long.wait().result() == "slept"
        assert short.usage["wall_us"] < 400_000 < long.usage["wall_us"], (step, short.usage, long.usage)


def test_the_queue_has_an_end(own: LiveExecutor) -> None:
    """A quarter of it is the most that one party gets; four parties fill it for the fifth."""
    begun: list[cella.Task] = []
    everybody = [own.client() for _ in range(5)]
    for me in everybody[:4]:
        function = me.functions.register(package_of(SLEEP))
        with refused("PARTY_BUSY", "BUSY") as caught:
            for _ in range(100):
                begun.append(me.tasks.create(function, invoke=True))
        assert caught.value.category == "LIMIT"
        mine = [task for task in begun if task.executor is me]
        assert 64 <= len(mine) <= 64 + 2 * 64
        assert len(me.tasks.list()) == len(mine)  # the refused one left nothing behind
    last = everybody[4]
    assert 256 <= len(begun) <= 256 + 2 * 64
    with refused("BUSY"):
        script_task(last, SLEEP)
    later = last.tasks.create(last.functions.register(package_of(SLEEP)))
    with refused("BUSY"):
        later.invoke()
    assert later.refresh().state == "approved"
    for task in reversed(begun):
        task.cancel()
    later.invoke().cancel()
    assert echo(last, "again") == "again"


# ---- turns ----


NAP = "import time\ndef main(seconds):\n    time.sleep(seconds)\n"


@pytest.mark.parametrize("with_data", [False, True])
@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_burst_of_one_party_does_not_delay_another(
    start: Callable[..., LiveExecutor], concurrency: int, with_data: bool
) -> None:
    own = start({"concurrency": concurrency, "pool": 4})
    a, b = own.client(), own.client()
    source = NAP.replace("(seconds)", "(x, seconds)", 1) if with_data else NAP
    functions = [
        one.functions.register(package_of(source, inputs=files("x") if with_data else [], arguments=[{"name": "seconds"}]))
        for one in (a, b)
    ]
    inputs = [{"x": one.data.add(b"x")} if with_data else {} for one in (a, b)]
    burst = [a.tasks.create(functions[0], arguments={"seconds": 0.2}, inputs=inputs[0], invoke=True) for _ in range(24)]
    single = b.tasks.create(functions[1], arguments={"seconds": 0.01}, inputs=inputs[1], invoke=True)
    single.wait(timeout=60)
    before = sum(task.refresh().done for task in burst)
    assert before <= 3 * concurrency + 2, f"{before} of the burst were over first"
    for task in reversed(burst):
        with contextlib.suppress(cella.StateError):
            task.cancel()


def test_the_clock_stands_still_while_others_have_the_cells(start: Callable[..., LiveExecutor]) -> None:
    """A task with a short limit is not failed for having to wait behind long ones, fetched or not."""
    own = start({"concurrency": 1, "pool": 2})
    a, b = own.client(), own.client()
    running = sleeper(a, 3)
    source = "def main(x):\n    return x.read().decode()\n"
    waiting = script_task(b, source, inputs={"x": b"fetched"}, limits={"wall_s": 1}).wait(timeout=30)
    assert waiting.result() == "fetched" and waiting.usage["wall_us"] < 1_000_000
    assert running.wait(timeout=30).result() == "slept"


def test_data_are_fetched_while_others_compute(start: Callable[..., LiveExecutor]) -> None:
    own = start({"concurrency": 1, "pool": 2})
    a, b = own.client(), own.client()
    kept = sleeper(a)
    fetching = script_task(b, "def main(x):\n    return len(x.read())\n", inputs={"x": bytes(1_000_000)})
    until_running(fetching)
    kept.cancel()
    assert fetching.wait(timeout=30).result() == 1_000_000


def test_the_host_can_not_be_asked_for_more(hand: Hand) -> None:
    """Ids of other kinds are not confused."""
    task = script_task(hand.client, "def main(): return 1").wait()
    for op, name in (("data.get", "data"), ("function.get", "function")):
        assert hand.ask(op, {name: task.id}).code == "NOT_FOUND"
    assert hand.ask("task.get", {"task": task.facts["function"]}).code == "NOT_FOUND"


def test_a_sleeping_task_is_nobodys_hindrance(own: LiveExecutor) -> None:
    """One party's tasks that do nothing must not keep another's from running for long."""
    a, b = own.client(), own.client()
    kept = sleeper(a)
    assert echo(b, "through") == "through"
    kept.cancel()


def test_builtins_as_tasks(me: cella.Executor) -> None:
    function = me.functions.register(builtin_package("echo", arguments=["message"]))
    for message in ("", "ä\n\t\"", "x" * 60000):
        assert me.tasks.create(function, arguments={"message": message}, invoke=True).wait().result() == message
    for wrong in (1, None, ["x"]):
        with refused("BAD_ARGUMENT"):
            me.tasks.create(function, arguments={"message": wrong}, invoke=True).wait()


@pytest.mark.parametrize("size", [65536, 65537, 1_000_000])
def test_large_arguments_work_or_are_refused_in_plain_words(me: cella.Executor, size: int) -> None:
    """The builtin takes 65536 bytes. What is larger is the caller's mistake and must be called that."""
    function = me.functions.register(builtin_package("echo", arguments=["message"]))
    if size <= 65536:
        assert me.tasks.create(function, arguments={"message": "x" * size}, invoke=True).wait().result() == "x" * size
    else:
        with refused("BAD_ARGUMENT", "TOO_LARGE"):
            me.tasks.create(function, arguments={"message": "x" * size}, invoke=True).wait()


# ---- the last test of this file ----


def test_watching_ends_without_a_change(long_poll: Callable[[], tuple[str, float]]) -> None:
    state, seconds = long_poll()
    assert state == "created" and 24 < seconds < 32
