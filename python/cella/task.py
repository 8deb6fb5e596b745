# SPDX-License-Identifier: Apache-2.0
"""Tasks: created, assigned, approved, run; their result and outputs, opened with the receiver's key."""

from __future__ import annotations

import builtins
import io
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Union

from . import _native, atomic
from .contract import Contract, people
from .data import Data
from .encoding import digest_of, from_base64url, parse_json, parse_object, to_base64url
from .events import Event, Reporter, reporter_of, silent
from .executor import WATCH_S
from .sealing import output_label

if TYPE_CHECKING:
    from .executor import Executor
    from .lineage import Provenance
    from .receipts import Receipt

DONE = frozenset({"finished", "failed", "cancelled"})
RECONNECT_S = 60.0
"""Seconds for which waiting survives a connection that can not be made again."""

Receivers = Union[Sequence[str], Mapping[str, Sequence[str]]]
"""Party ids for everything, or name of an output (or "result", "messages") -> party ids."""

KEY_SIZE = 32
TRUE_SIZE_SIZE = 8
"""Bytes of the number behind the key of a padded output (docs/protocol.md section 7)."""


class _Unpadder:
    """Passes on the first true_size bytes, and sees to it that only zero bytes follow; None: there is no padding."""

    def __init__(self, target: BinaryIO, name: str, true_size: int | None) -> None:
        self._target = target
        self._name = name
        self._true_size = true_size
        self._size = 0

    def write(self, block: bytes) -> None:
        if self._true_size is not None and self._size + len(block) > self._true_size:
            inside = max(0, self._true_size - self._size)
            if block.count(0, inside) != len(block) - inside:
                raise _native.error("BAD_FORMAT", f"output {self._name} is padded with something else than zero bytes")
            block = block[:inside]
        self._target.write(block)
        self._size += len(block)

    def finish(self) -> int:
        """Bytes without padding."""
        if self._true_size is not None and self._size < self._true_size:
            raise _native.error(
                "TRUNCATED", f"output {self._name} has {self._size} bytes, fewer than the {self._true_size} it is to have"
            )
        return self._size


class TaskOutput:
    """One output of a finished task. It is fetched, verified and decrypted when it is asked for.

    Attributes:
        name: as declared.
        receivers: party ids.
        sha256: of the sealed output, hexadecimal; None before the task has finished.
        sealed_size: bytes of the sealed output, where the executor tells; with padding when the contract asks for it.
    """

    def __init__(self, task: Task, name: str, facts: Mapping[str, Any]) -> None:
        self._task = task
        self.name = name
        self.receivers = tuple(facts.get("receivers", ()))
        self.sha256: str | None = facts.get("sha256")
        self.sealed_size: int | None = facts.get("size")
        self._sealed_key = facts.get("sealed_key")

    def __repr__(self) -> str:
        return f"<TaskOutput {self.name} of {self._task.id}>"

    def _key(self) -> tuple[_native.Secret, int | None]:
        """The output's key, and its true size where it is padded."""
        if self._sealed_key is None or self.sha256 is None:
            if self._task.state != "finished":
                raise _native.error("BAD_STATE", f"the task is {self._task.state}: it has no outputs")
            raise _native.error("DENIED", f"output {self.name} is for {', '.join(self.receivers)}, not for you")
        context = f"{self._task.id}/{self.name}/{self.sha256}".encode("ascii")
        opened = self._task.executor.identity.open(
            "output key", context, from_base64url(self._sealed_key, "sealed_key")
        )
        if len(opened) == KEY_SIZE:
            return opened, None
        if len(opened) != KEY_SIZE + TRUE_SIZE_SIZE:
            raise _native.error("BAD_KEY", f"the key of output {self.name} has {len(opened)} bytes; update cella")
        return opened.part(0, KEY_SIZE), int.from_bytes(opened.part(KEY_SIZE, TRUE_SIZE_SIZE).export(), "big")

    def _fetch(self, target: BinaryIO, progress: Reporter | bool | None) -> int:
        """Download, check the digest, open; into target, which is worthless after an exception."""
        import hashlib

        report = reporter_of(progress)
        key, true_size = self._key()
        opener = _native.Opener(key, output_label(self._task.id, self.name), "1MB")
        plain = _Unpadder(target, self.name, true_size)
        digest = hashlib.sha256()

        def take(block: builtins.bytes) -> None:
            digest.update(block)
            plain.write(opener.update(block))

        def amount(done: int, total: int) -> None:
            report(Event("download", self.name, done, total))

        self._task.executor.download({"task": self._task.id, "output": self.name}, take, amount)
        plain.write(opener.finish())
        if digest.digest() != digest_of(self.sha256, "sha256"):
            raise _native.error(
                "BAD_DIGEST", f"output {self.name} is not what the executor stored; the host changed it"
            )
        return plain.finish()

    def _retry(self, fetch: Any) -> Any:
        """Once more after a connection that broke: reading is safe."""
        try:
            return fetch()
        except _native.TransportError:
            return fetch()

    def save(self, path: str | os.PathLike[str], *, progress: Reporter | bool | None = None) -> int:
        """Fetch into a file, in constant memory; the file appears complete and verified, or not at all.

        Args:
            path: where; an existing file is replaced. Readable by its owner only.
            progress: True for lines on stderr, or a function that gets events.

        Returns:
            Bytes of plaintext.

        Raises:
            IntegrityError: it was changed on its way.
            PermissionDenied: the caller is not a receiver.
        """

        def fetch() -> int:
            with atomic.replace(path, 0o600) as file:
                return self._fetch(file, progress)

        return int(self._retry(fetch))

    def bytes(self) -> builtins.bytes:
        """Fetch into memory."""

        def fetch() -> Any:
            file = io.BytesIO()
            self._fetch(file, None)
            return file.getvalue()

        return self._retry(fetch)  # type: ignore[no-any-return]

    def text(self) -> str:
        """Fetch as UTF-8 text."""
        return str(self.bytes(), "utf-8")

    def json(self) -> Any:
        """Fetch as JSON."""
        return parse_json(self.bytes(), f"output {self.name}")

    def numpy(self) -> Any:
        """Fetch a .npy file as a numpy array; pickled objects are refused."""
        import numpy

        return numpy.load(io.BytesIO(self.bytes()), allow_pickle=False)


class Task:
    """A task at an executor. Its facts are as last seen; refresh() looks again.

    Attributes:
        id: "task-" and 32 hexadecimal digits.
        executor: where it is.
    """

    def __init__(self, executor: Executor, task: str, facts: Mapping[str, Any] | None = None) -> None:
        self.executor = executor
        self.id = task
        self._facts: dict[str, Any] = dict(facts or {})
        self._changed = False  # something was done since the facts were complete

    def __repr__(self) -> str:
        return f"<Task {self.id} {self.state}>"

    @property
    def facts(self) -> dict[str, Any]:
        """Everything that the executor tells this participant (docs/protocol.md section 4), as last seen."""
        return self._facts

    @property
    def state(self) -> str:
        """created, assigned, approved, queued, running, finished, failed or cancelled."""
        return str(self._facts.get("state", "unknown"))

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self.state in DONE

    @property
    def missing_approvals(self) -> list[str]:
        """Participants whose approval is missing while its contract is there to be approved; none at any other time.

        Asks the executor if something was done here since the facts were last seen.
        """
        return self._missing() if self._is_complete else self.refresh()._missing()

    @property
    def _is_complete(self) -> bool:
        """Whether the facts are more than the short answer of a request."""
        return not self._changed and "participants" in self._facts

    def _missing(self) -> list[str]:
        if self.state != "assigned":
            return []
        return [party for party in self._facts.get("participants", ()) if party not in self._facts.get("approved", ())]

    def _waits_for(self) -> str:
        """What has to happen before it goes on, as far as its parties have to do it; empty if nothing."""
        missing = self._missing() if self._is_complete else []
        return f"waits for the approval of {people(missing, self.executor.party)}" if missing else ""

    def _change(self, op: str, args: Mapping[str, Any] | None = None) -> Task:
        self._changed = True
        self._facts.update(self.executor.request(op, {"task": self.id, **(args or {})}))
        return self

    def refresh(self) -> Task:
        """Ask for the present facts."""
        self._facts = self.executor.request("task.get", {"task": self.id})
        self._changed = False
        return self

    def assign(self, inputs: Mapping[str, Data | str]) -> Task:
        """Give data to inputs.

        Args:
            inputs: name -> Data, or its id.
        """
        named = {name: item.id if isinstance(item, Data) else item for name, item in inputs.items()}
        return self._change("task.assign", {"inputs": named})

    def contract(self) -> Contract:
        """The bytes that are to be approved; their hash is computed here."""
        answer = self.executor.request("task.contract", {"task": self.id})
        content = from_base64url(answer.get("contract"), "contract")
        contract = Contract.of(content, self.id, self.executor.id)
        if answer.get("sha256") != contract.sha256:
            raise _native.error("WRONG_CONTRACT", "the executor names another hash than its contract has")
        return contract

    def approve(self, expected: Contract | str) -> Task:
        """Approve a contract that was read before.

        Args:
            expected: the Contract that was explained to you, or its SHA-256. The contract is fetched again and
                must be exactly that one.

        Raises:
            StateError: WRONG_CONTRACT, it is another one.
        """
        sha256 = expected.sha256 if isinstance(expected, Contract) else expected.lower()
        digest_of(sha256, "contract")
        if self.contract().sha256 != sha256:
            raise _native.error("WRONG_CONTRACT")
        return self._change("task.approve", {"contract": sha256})

    def invoke(self, *, nonce: builtins.bytes | None = None) -> Task:
        """Queue it. Its creator does that when all have approved.

        Args:
            nonce: 8 to 64 bytes that the receipt of this run will name, so that it is known for the receipt of no other;
                None: it names the SHA-256 of this request.
        """
        return self._change("task.invoke", _nonce(nonce))

    def withdraw(self) -> Task:
        """Take one's approval back. Possible until the task has started; it may be given again.

        Raises:
            StateError: BAD_STATE, it has started or is over.
        """
        return self._change("task.withdraw")

    def reject(self, reason: str = "") -> Task:
        """End it for everybody, before it has started. Every participant may.

        Args:
            reason: at most 200 characters, for all participants to read.
        """
        return self._change("task.reject", {"reason": reason} if reason else None)

    def retry(self, *, nonce: builtins.bytes | None = None) -> Task:
        """Try once more after a failure, as often as the contract allows (attempts).

        Args:
            nonce: as for invoke.

        Raises:
            StateError: ATTEMPTS_USED_UP; BAD_STATE, it has not failed.
        """
        return self._change("task.retry", _nonce(nonce))

    def cancel(self) -> Task:
        """Ask for its end; nothing is released. Its creator and administrators may, until it is over.

        One that waits is cancelled at once. In one that runs, the script gets cella.Cancelled, which it may use to
        tidy up and write to its log, and is killed 2 s later: this returns before that, wait(check=False) waits for
        it. Whatever the script still does, the task ends as cancelled.

        Raises:
            StateError: BAD_STATE, it is over.
        """
        return self._change("task.cancel")

    # Waiting

    def watch(self, *, over: bool = False) -> Task:
        """Wait until something changes, at most 25 s.

        Args:
            over: wait for the end, not for every step on the way.
        """
        args: dict[str, Any] = {"task": self.id, "version": self._facts.get("version", 0)}
        if over:
            args["over"] = True
        self._facts = self.executor.request("task.watch", args, timeout=WATCH_S + self.executor.timeout)
        self._changed = False
        return self

    def wait(
        self, progress: Reporter | bool | None = None, *, timeout: float | None = None, check: bool = True
    ) -> Task:
        """Wait until the task is over.

        Args:
            progress: True for lines on stderr, or a function that gets events.
            timeout: seconds; None for as long as it takes (its own wall-clock limit ends it). Looked at between
                answers of the executor, which come at least every 25 s.
            check: raise if it failed or was cancelled.

        Returns:
            This task.

        Raises:
            TransportError: TIMEOUT; the task goes on.
            ScriptError, LimitError, TaskCancelled, ...: as raise_for_error.
        """
        report = reporter_of(progress)
        until = None if timeout is None else time.monotonic() + timeout
        shown: Any = self._show(report, None) if self._is_complete else None
        lost_since: float | None = None
        while True:
            try:
                self._look(over=report is silent)
                lost_since = None
            except _native.TransportError:
                lost_since = lost_since or time.monotonic()
                if time.monotonic() - lost_since > RECONNECT_S:
                    raise
                time.sleep(1.0)
                continue
            shown = self._show(report, shown)
            if self.done:
                break
            if until is not None and time.monotonic() >= until:
                waits = self._waits_for()
                raise _native.error("TIMEOUT", f"{self.id} is still {self.state} after {timeout:g} s{waits and ', ' + waits}; it goes on")
        if check:
            self.raise_for_error()
        return self

    def _look(self, *, over: bool) -> None:
        """Bring the facts up to date, waiting for a change (or the end) unless there can be none."""
        if not self.done:
            self.watch(over=over)
        elif self._facts.get("creator") is None:  # only the short answer of a request is known
            self.refresh()

    def _show(self, report: Reporter, shown: Any) -> Any:
        """Report a state or a step of progress that was not reported yet."""
        found = self._facts.get("progress")
        step = None
        if isinstance(found, Mapping) and self.state == "running":
            text = found.get("text")
            step = (round(1000 * float(found.get("fraction", 0))), text if isinstance(text, str) else "")
        state = self.state, self._waits_for()
        previous_state, previous_step = shown or (None, None)
        if state != previous_state:
            report(Event("state", self.state, text=state[1]))
        if step is not None and step != previous_step:
            report(Event("run", self.id, step[0], 1000, step[1]))
        return state, step

    # What came out

    def messages(self) -> dict[str, str]:
        """The script's own words: error_message, traceback, log; {} for whom the contract does not name."""
        sealed = self._facts.get("messages")
        if not isinstance(sealed, str):
            return {}
        opened = self.executor.identity.open(
            "messages", self.id.encode("ascii"), from_base64url(sealed, "messages")
        )
        found = parse_object(opened.export(), "messages")
        return {name: value for name, value in found.items() if isinstance(value, str)}

    @property
    def log(self) -> str:
        """What the script printed and logged, as far as its limit; empty for whom the contract does not name."""
        return self.messages().get("log", "")

    def error(self) -> _native.CellaError | None:
        """The exception for a task that failed or was cancelled; None for every other."""
        if self.state not in ("failed", "cancelled"):
            return None
        error = self._facts.get("error")
        error = error if isinstance(error, Mapping) else {"number": None if self.state == "failed" else 706}
        messages = self.messages()
        script_class, line, detail = error.get("class"), error.get("line"), error.get("detail")
        said = messages.get("error_message")
        words = [str(error.get("message") or "the task failed")]
        if isinstance(detail, str):
            words.append(detail)
        if script_class:
            words.append(f"{script_class} in line {line}" if line else str(script_class))
        if said:
            words.append(said)
        made = _native.error(error.get("number"), ": ".join(words))
        made.detail = detail if isinstance(detail, str) else None
        made.script_class = script_class
        made.line = line
        made.script_message = said
        made.traceback_text = messages.get("traceback")
        made.log = messages.get("log")
        return made

    def raise_for_error(self) -> None:
        """Raise error() if there is one: ScriptError, LimitError, TaskCancelled, StorageError ..."""
        error = self.error()
        if error is not None:
            raise error

    def _finished(self) -> None:
        if not self.done or not self._facts.get("creator"):
            self.wait(silent)
        self.raise_for_error()

    def result(self) -> Any:
        """What the function returned: a JSON value. Waits for it.

        Raises:
            PermissionDenied: the caller is not a receiver of the result.
            ScriptError, ...: the task failed.
        """
        self._finished()
        sealed = self._facts.get("result")
        if not isinstance(sealed, str):
            raise _native.error("DENIED", "the result is not for you")
        opened = self.executor.identity.open("result", self.id.encode("ascii"), from_base64url(sealed, "result"))
        return parse_json(opened.export(), "result")

    @property
    def outputs(self) -> dict[str, TaskOutput]:
        """Outputs by name. Waits for the task's end."""
        self._finished()
        return {name: TaskOutput(self, name, facts) for name, facts in self._facts.get("outputs", {}).items()}

    def receipt(self) -> Receipt:
        """The proof of its run, with evidence, contract and approvals. Waits for the task's end. Every participant may have it.

        Nothing of it is verified: that is ``receipt().verify(trust)``, or offline :func:`cella.verify_receipt`.

        Raises:
            StateError: BAD_STATE, it did not finish, and only runs that did have a receipt.
            ScriptError, ...: the task failed.
        """
        self._finished()
        return self.executor.receipt(self.id)

    def provenance(self, policy: Any = None) -> Provenance:
        """The runs that led to it, out of the receipts that the caller may have. Waits for the task's end.

        Args:
            policy: as of :func:`cella.provenance`; None: nothing is verified.
        """
        from .lineage import fetch, provenance

        self._finished()
        return provenance(fetch(self.executor, self.id), policy=policy)

    @property
    def usage(self) -> dict[str, int]:
        """cpu_us, wall_us, peak_kib, bytes_in, bytes_out (sealed); {} before the end. events.describe_usage writes it."""
        return dict(self._facts.get("usage") or {})

    @property
    def isolation(self) -> dict[str, str]:
        """clock, zygote and sizes, as the contract names them; {} before the facts were asked for."""
        return dict(self._facts.get("isolation") or {})


class TaskRegistry:
    """The tasks of an executor; Executor.tasks makes it."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def create(
        self,
        function: Any,
        *,
        arguments: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Data | str | Iterable[str] | None] | None = None,
        outputs: Mapping[str, Sequence[str] | None] | None = None,
        result: Sequence[str] | None = None,
        messages: Sequence[str] | None = None,
        limits: Mapping[str, int | str] | None = None,
        invoke: bool = False,
        isolation: Mapping[str, str] | None = None,
        fusion: Sequence[str] = (),
        auditors: Mapping[str, Any] | None = None,
        priority: int | None = None,
        attempts: int | None = None,
        approval_s: int | None = None,
        nonce: bytes | None = None,
    ) -> Task:
        """Create a task.

        Args:
            function: Function or its id.
            arguments: name -> JSON value.
            inputs: name -> Data (yours), or party ids of the owners who will assign it; None for yourself.
            outputs: name -> party ids of its receivers; None for yourself.
            result: receivers of the result; None for yourself.
            messages: receivers of error texts and log; None for the executor's rule: you, if you are the only
                participant, otherwise nobody.
            limits: lower than the function's.
            invoke: queue it at once; it needs to have one participant and all inputs.
            isolation: stricter than the function's, for example {"sizes": "padded"}; see script.parse_isolation.
            fusion: names of outputs that stay in the executor, owned by their receivers together.
            auditors: {"parties": [...], "threshold": k}: signatures that the function must have.
            priority: 0 to 9, among your own tasks; 5 if not given.
            attempts: runs that the approval is for, 1 to 10; a further one only after one has failed.
            approval_s: seconds after which it ends if it was not invoked; not above the charter's.
            nonce: with invoke only: as for Task.invoke.

        Returns:
            The task.
        """
        from .script import parse_isolation, parse_limits

        me = self._executor.party
        args: dict[str, Any] = {"function": getattr(function, "id", function), "invoke": invoke}
        if arguments:
            args["arguments"] = dict(arguments)
        if inputs:
            args["inputs"] = {name: _input(item, me) for name, item in inputs.items()}
        if outputs:
            args["outputs"] = {name: {"receivers": list(to) if to else [me]} for name, to in outputs.items()}
        for name in fusion:
            if name not in args.get("outputs", {}):
                raise _native.error("BAD_FIELD", f"{name} is not one of the outputs", name)
            args["outputs"][name]["fusion"] = True
        if auditors is not None:
            args["auditors"] = dict(auditors)
        for member, value in (("priority", priority), ("attempts", attempts), ("approval_s", approval_s)):
            if value is not None:
                args[member] = value
        args.update(_nonce(nonce))
        if result is not None:
            args["result"] = {"receivers": list(result)}
        if messages is not None:
            args["messages"] = {"receivers": list(messages)}
        if limits:
            args["limits"] = parse_limits(limits)
        if isolation:
            args["isolation"] = parse_isolation(isolation)
        answer = self._executor.request("task.create", args)
        return Task(self._executor, answer["task"], answer)

    def get(self, task: str) -> Task:
        """A task by id."""
        return Task(self._executor, task).refresh()

    def list(self) -> Sequence[Mapping[str, Any]]:
        """The tasks that the caller takes part in: {task, function, state, version} each."""
        return self._executor.pages("task.list", "tasks")


def _nonce(nonce: bytes | None) -> dict[str, Any]:
    return {} if nonce is None else {"nonce": to_base64url(nonce)}


def _input(item: Data | str | Iterable[str] | None, me: str) -> dict[str, Any]:
    if isinstance(item, Data):
        return {"owners": list(item.owners), "data": item.id}
    if item is None:
        return {"owners": [me]}
    return {"owners": [item] if isinstance(item, str) else list(item)}
