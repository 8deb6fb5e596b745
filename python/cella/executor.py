# SPDX-License-Identifier: Apache-2.0
"""An attested executor: signed requests to it, and what it keeps for its parties."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from . import _native, ledger
from .attestation import Session, attest
from .connection import IDLE_S, Connection, Progress, parse_address
from .encoding import from_base64url, parse_object, secret_info, to_base64url, write_json
from .identity import Identity, default_path
from .trust import Report, Trust

if TYPE_CHECKING:
    from .builtin import Builtin
    from .data import DataRegistry, Source
    from .events import Reporter
    from .functions import Function, FunctionRegistry
    from .party import OrganisationRegistry, PartyRegistry
    from .receipts import Receipt
    from .script import Script
    from .task import Receivers, Task, TaskRegistry

READS = frozenset(
    {
        "party.get",
        "party.list",
        "organisation.get",
        "organisation.list",
        "function.usage",
        "function.source",
        "audit.list",
        "receipt.get",
        "receipt.find",
        "executor.info",
        "ledger.consistency",
        "function.get",
        "function.list",
        "data.get",
        "data.list",
        "task.contract",
        "task.get",
        "task.watch",
        "task.list",
        "object.download",
    }
)
"""Operations that change nothing: they may be signed and sent again after a broken connection."""
REOPEN_S = 0.3
"""Seconds before a connection that could not be made is tried once more."""
WATCH_S = 25.0
"""Seconds after which the executor answers task.watch even if nothing happened."""


class Executor:
    """An executor that was attested. There is no object for one that was not: the constructor verifies or raises.

    Args:
        address: HOST:PORT.
        trust: trust file: a path, a dict, a Trust; None for $CELLA_TRUST or ./trust.toml.
        identity: who is asking: an Identity, the path of its file, or None for the default file, which is made
            when it is needed for the first time.
        timeout: seconds that one network operation may wait.
        fresh: demand evidence that is made now, for this client's nonce.
        auto_enrol: enrol this party when the executor does not know it and its charter is open.

    Attributes:
        report: what was verified and what was not (trust.Report).
        id: the executor's id, 43 characters.
        address: as given.
        trust: the trust file by which it was judged.
        head: the newest head of its ledger that was verified here; None: it keeps none.

    Raises:
        AttestationError: the executor is not one that the trust file accepts; see the error's report.
        PolicyError: the trust file is not acceptable.
        TransportError: it can not be reached.
    """

    def __init__(
        self,
        address: str,
        trust: Trust | dict[str, Any] | str | os.PathLike[str] | None = None,
        identity: Identity | str | os.PathLike[str] | None = None,
        *,
        timeout: float = 30.0,
        fresh: bool = False,
        auto_enrol: bool = True,
    ) -> None:
        self.address = address
        self.timeout = timeout
        self.auto_enrol = auto_enrol
        self._host, self._port = parse_address(address)
        self.trust = Trust.load(trust)
        self._identity = identity
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._last_seq = 0
        self._information: dict[str, Any] | None = None
        self._session: Session | None = None
        self.head: ledger.Head | None = None
        self._head_kept = False
        connection, session = self._open(fresh)
        self._session = session
        self._idle.append(connection)
        self.report: Report = session.report
        self.id: str = session.executor

    def __repr__(self) -> str:
        return f"<Executor {self.id} at {self.address}, level {self.report.level}>"

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. The object can still be used: it connects and attests again."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    # Connections

    def _open(self, fresh: bool = False) -> tuple[Connection, Session]:
        connection = Connection(self._host, self._port, self.timeout)
        try:
            session = attest(connection, self.trust, fresh=fresh)
            known = self._session
            if known is not None and (session.executor, session.seal_public, session.charter) != (
                known.executor,
                known.seal_public,
                known.charter,
            ):
                raise _native.error(
                    "BINDING",
                    f"another executor answers at {self.address} than before (it was restarted with new keys, or "
                    "replaced); connect anew to accept it",
                )
            self._check_ledger(connection, session)
        except BaseException:
            connection.close()
            raise
        return connection, session

    def _check_ledger(self, connection: Connection, session: Session) -> None:
        """Refuse an executor whose ledger does not continue the one that this party has seen."""
        with self._lock:
            known = self.head if self._head_kept else None
        if known is None and self._has_identity():
            known = ledger.load(session.executor, self.party, session.sign_public)
        if known is not None and session.head is None:
            raise _native.error("ROLLBACK", "the executor shows no head of its ledger, and it has shown one before")
        head = session.head
        if known is not None and head is not None and head.size == known.size:
            ledger.check_order(known, head)
        elif known is not None and head is not None:
            head = self._ask_for_proof(connection, session, known)
        with self._lock:
            if head is not None and (self.head is None or head.size >= self.head.size):
                self.head, self._head_kept = head, known is not None and head == known

    def _ask_for_proof(self, connection: Connection, session: Session, known: ledger.Head) -> ledger.Head:
        """A head of now that continues the known one.

        That of the session may be the older one and nothing be wrong: this party may have connected elsewhere meanwhile.
        """
        self.id = session.executor
        request = self.sign("ledger.consistency", {"size": known.size})
        status, body = connection.post("/v1/requests", request.encode("ascii"))
        try:
            return ledger.check_proof(known, self._answer(status, body), session.sign_public)
        except _native.CellaError as refusal:
            if refusal.code == "UNKNOWN_PARTY":  # it has forgotten a party that it had answered
                raise _native.error("ROLLBACK", "the executor's ledger does not know this party any more") from None
            if refusal.code == "ROLLBACK" and session.head is not None:
                ledger.check_order(known, session.head)  # says more
            raise

    def _has_identity(self) -> bool:
        """Whether there is an identity already: a new one has seen nothing."""
        return isinstance(self._identity, Identity) or os.path.exists(self._identity or default_path())

    def _keep_head(self) -> None:
        """Once the executor has answered this party: from now on it can be asked to prove what follows."""
        with self._lock:
            head, kept, self._head_kept = self.head, self._head_kept, True
        if head is not None and not kept:
            ledger.save(self.party, head)

    def _reopen(self) -> Connection:
        """A new connection to the known executor. Tried twice: nothing was sent, and a front may just restart."""
        try:
            return self._open()[0]
        except _native.TransportError as problem:
            if problem.code == "TIMEOUT":
                raise
        time.sleep(REOPEN_S)
        return self._open()[0]

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Connection]:
        """An attested connection for one exchange; broken ones are thrown away."""
        connection = None
        with self._lock:
            while self._idle and connection is None:
                connection = self._idle.pop()
                if time.monotonic() - connection.last_used > IDLE_S:
                    connection.close()
                    connection = None
        if connection is None:
            connection = self._reopen()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if time.monotonic() - connection.last_used > IDLE_S:
            connection.close()
            return
        with self._lock:
            self._idle.append(connection)

    # Requests

    @property
    def session(self) -> Session:
        """Keys and charter of the executor, as attested."""
        assert self._session is not None
        return self._session

    @property
    def identity(self) -> Identity:
        """Who is asking. Loaded, or made and saved, at the first use."""
        if not isinstance(self._identity, Identity):
            self._identity, _ = Identity.load_or_create(self._identity)
        return self._identity

    @property
    def party(self) -> str:
        """Id of the party that is asking."""
        return self.identity.party

    def become(self, identity: Identity) -> None:
        """Go on as this identity: the same party with new keys."""
        if identity.party != self.party:
            raise _native.error("WRONG_AUDIENCE", "these are the keys of another party")
        self._identity = identity

    def _sequence(self) -> int:
        with self._lock:
            self._last_seq = max(self._last_seq + 1, time.time_ns() // 1000)
            return self._last_seq

    def sign(self, op: str, args: Mapping[str, Any]) -> str:
        """A signed request: compact JWS with a new sequence number."""
        payload = {"op": op, "aud": self.id, "seq": self._sequence(), "time": int(time.time()), "args": dict(args)}
        return self.identity.sign_request(write_json(payload, op), enrol=op == "party.enrol")

    def request(
        self, op: str, args: Mapping[str, Any] | None = None, *, timeout: float | None = None
    ) -> dict[str, Any]:
        """Ask the executor for one operation of docs/protocol.md section 4.

        An operation that changes something is sent twice only where the executor can tell that it is the same
        request (same sequence number); a reading one is signed anew.

        Args:
            op: name, for example "task.get".
            args: its arguments.
            timeout: seconds to wait for the answer; None for the executor object's.

        Returns:
            The answer.

        Raises:
            CellaError: the subclass that fits the answer's error.
            TransportError: the connection broke, and with an operation that changes something it is unknown
                whether it happened.
        """
        try:
            return self._exchange(op, args or {}, timeout)
        except _native.PermissionDenied as refusal:
            if refusal.code != "UNKNOWN_PARTY" or op == "party.enrol" or not self._may_enrol():
                raise
        self.enrol()
        return self._exchange(op, args or {}, timeout)

    def pages(self, op: str, name: str, args: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """All entries of a list operation, page by page.

        Args:
            op: "function.list", "data.list", "task.list", ...
            name: member of the answer that holds the entries.
            args: filters, where the operation has some.
        """
        found: list[dict[str, Any]] = []
        after: dict[str, Any] = {}
        while True:
            answer = self.request(op, {**(args or {}), **after})
            found += answer[name]
            if not answer.get("more") or not answer[name]:
                return found
            after = {"after": answer[name][-1][op.partition(".")[0]]}

    def ask(self, op: str, args: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """A question that changes nothing, as it was signed, and its answer."""
        self.request("party.get")  # known and connected from here on, so that this goes out once
        return (signed := self.sign(op, args)), self._send(signed, None)

    def _exchange(self, op: str, args: Mapping[str, Any], timeout: float | None) -> dict[str, Any]:
        signed = self.sign(op, args)
        try:
            return self._send(signed, timeout)
        except _native.TransportError as problem:
            if problem.code not in ("CLOSED", "FRONT_DIED", "TLS_FAILED", "SYSTEM_FAILED"):
                raise
        if op in READS:
            signed = self.sign(op, args)
        try:
            return self._send(signed, timeout)
        except _native.RequestError as refusal:
            if refusal.code != "REPLAYED" or op in READS:
                raise
            raise _native.error(
                "CLOSED",
                f"the connection broke after the executor had received {op}: it was carried out or refused, but "
                "the answer is lost; look at the state before trying again",
            ) from None

    def _send(self, signed: str, timeout: float | None) -> dict[str, Any]:
        with self._connection() as connection:
            status, body = connection.post("/v1/requests", signed.encode("ascii"), timeout)
        answer = self._answer(status, body)
        self._keep_head()
        return answer

    def _answer(self, status: int, body: bytes) -> dict[str, Any]:
        try:
            answer = parse_object(body, "answer")
        except _native.FormatError:
            raise _native.error("BAD_HTTP", f"the executor answered HTTP {status} without JSON") from None
        if status != 200 or set(answer) == {"error"}:  # a failed task has a member "error" too
            raise error_of(answer.get("error"))
        return answer

    # Parties

    def _may_enrol(self) -> bool:
        return self.auto_enrol and self.session.rules.get("enrol") == "open"

    def enrol(self, name: str = "", invitation: str | None = None) -> str:
        """Make this party known to the executor. Enrolling again is not an error.

        Args:
            name: for people, at most 64 characters; shown to other parties.
            invitation: what an administrator or a manager has signed, where the charter asks for one.

        Returns:
            The party's id.

        Raises:
            PermissionDenied: ENROL_CLOSED, the charter wants an invitation or somebody else to enrol parties;
                BAD_INVITATION, INVITATION_EXPIRED, INVITATION_USED.
        """
        args = {"seal": to_base64url(self.identity.seal_public)}
        if name:
            args["name"] = name
        if invitation is not None:
            args["invitation"] = invitation.strip()
        try:
            return str(self._exchange("party.enrol", args, None).get("party", self.party))
        except _native.StateError as refusal:
            if refusal.code != "EXISTS":
                raise
            return self.party

    def party_of(self, party: str | None = None) -> dict[str, Any]:
        """Keys and name of a party; None for the caller."""
        return self.request("party.get", {} if party is None else {"party": party})

    def information(self) -> dict[str, Any]:
        """What the executor offers: profiles, builtins, default limits, layers. Asked once."""
        if self._information is None:
            self._information = self.request("executor.info")
        return self._information

    # Sealed secrets

    def seal(self, purpose: str, context: bytes, plain: bytes | _native.Secret) -> str:
        """Seal a secret to the executor (docs/protocol.md section 7), as base64url."""
        return to_base64url(_native.hpke_seal(self.session.seal_public, secret_info(purpose, context), plain))

    # Objects

    def upload(self, data: str, source: BinaryIO, size: int, progress: Progress | None = None) -> dict[str, Any]:
        """Upload a sealed file that was registered.

        Args:
            data: id of the registration.
            source: the sealed file, at its beginning. Must be seekable: a broken upload is tried once more.
            size: its bytes.
            progress: called with (bytes sent, size).
        """
        for attempt in (1, 2):
            signed = self.sign("object.upload", {"data": data})
            source.seek(0)
            stale = False
            try:
                with self._connection() as connection:
                    stale = not connection.fresh
                    status, body = connection.put("/v1/objects", source, size, signed, progress)
                return self._answer(status, body)
            except _native.TransportError as problem:
                if attempt == 2 or not stale or problem.code != "CLOSED":
                    raise
            except _native.StateError as refusal:
                if attempt == 1 or refusal.code != "EXISTS":
                    raise
                return {"data": data, "stored": True}  # the first attempt arrived, its answer did not
        raise AssertionError("unreachable")

    def download(
        self, args: Mapping[str, str], sink: Callable[[bytes], None], progress: Progress | None = None
    ) -> None:
        """Fetch a sealed object.

        Args:
            args: {"task", "output"} or {"data"}.
            sink: gets the bytes in order. It is not called again from the start: the caller retries.
            progress: called with (bytes received, size).
        """
        signed = self.sign("object.download", args)
        with self._connection() as connection:
            status, body = connection.get("/v1/objects", signed, sink, progress)
        if status != 200:
            self._answer(status, body)
            raise _native.error("BAD_HTTP", f"the executor answered HTTP {status}")

    def audit(self, **filters: Any) -> list[dict[str, Any]]:
        """What happened here, as far as it concerns the caller; proved, where there is a ledger (cella.audit).

        Args:
            filters: since and until (Unix seconds), party, function, data, task (ids).

        Returns:
            {number, time, event, by?, subject?, other?, code?} each, the oldest first.
        """
        from . import audit

        return list(audit.fetch(self, filters).entries)

    def receipt(self, of: str) -> Receipt:
        """A proof of what happened here, with everything that it takes to judge it. Nothing of it is verified.

        Args:
            of: id of a task in which the caller took part, or of data that were his and are deleted.

        Raises:
            StateError: BAD_STATE, there is none: see the detail.
            IntegrityError: BAD_RECEIPT, it is about something else.
        """
        from .receipts import Parts, Receipt

        found = Receipt(Parts.read(from_base64url(self.request("receipt.get", {"of": of}).get("proof"), "proof")))
        if found.subject != of or found.executor != self.id:
            raise _native.error("BAD_RECEIPT", f"the executor gave one of {found.subject} by {found.executor}")
        return found

    # What the executor keeps

    @property
    def parties(self) -> PartyRegistry:
        """Parties: list, change, rotate, remove, add, invite, join."""
        from .party import PartyRegistry

        return PartyRegistry(self)

    @property
    def organisations(self) -> OrganisationRegistry:
        """Organisations: create, get, list, add, remove, delete."""
        from .party import OrganisationRegistry

        return OrganisationRegistry(self)

    @property
    def functions(self) -> FunctionRegistry:
        """Functions: register, get, list."""
        from .functions import FunctionRegistry

        return FunctionRegistry(self)

    @property
    def data(self) -> DataRegistry:
        """Data: add (encrypt, register, upload), get, list."""
        from .data import DataRegistry

        return DataRegistry(self)

    @property
    def tasks(self) -> TaskRegistry:
        """Tasks: create, get, list."""
        from .task import TaskRegistry

        return TaskRegistry(self)

    def run(
        self,
        function: Script | Function | Builtin | Callable[..., Any] | str | os.PathLike[str],
        inputs: Mapping[str, Source] | None = None,
        outputs: Sequence[str] = (),
        arguments: Mapping[str, Any] | None = None,
        *,
        entry: str | None = None,
        profile: str | None = None,
        limits: Mapping[str, int | str] | None = None,
        receivers: Receivers | None = None,
        progress: Reporter | bool | None = None,
        streams: Sequence[str] = (),
        isolation: Mapping[str, str] | None = None,
    ) -> Task:
        """Run a script on one's own data: check, encrypt, upload, register and queue.

        The script is private: it travels sealed to the executor.

        Args:
            function: path of a script; a function decorated with cella.function; a Builtin; a registered Function.
            inputs: name -> path (str or Path), bytes, numpy array, or Data that is already there.
            outputs: names that the script writes.
            arguments: name -> JSON value.
            entry: name of the function in the script; None: see Script.
            profile: "python", "numpy", ...; None for what the function says.
            limits: cpu_s, wall_s, memory_bytes, output_bytes, result_bytes, log_bytes, threads; "64M" is fine.
            receivers: party ids who get outputs and result; None for the caller.
            progress: True for lines on stderr, or a function that gets events.Event.
            streams: those of the inputs that the script reads once, forward, while they are being decrypted: for
                what is larger than the memory limit.
            isolation: what is asked beyond the ordinary box, for example {"sizes": "padded"}; see
                script.parse_isolation.

        Returns:
            The task, queued. Call wait() on it.

        Raises:
            ScriptError, ArgumentError: found before anything was sent.
            CellaError: what the executor answered.
        """
        from .run import run

        return run(
            self,
            function,
            inputs or {},
            outputs,
            arguments or {},
            entry,
            profile,
            limits,
            receivers,
            progress,
            streams,
            isolation,
        )


def error_of(error: Any) -> _native.CellaError:
    """The exception for an error in an answer (docs/protocol.md section 8)."""
    if not isinstance(error, dict):
        return _native.error("BAD_HTTP", "the executor's error is not well formed")
    number = error.get("number")
    message = error.get("message")
    field = error.get("field")
    message = message if isinstance(message, str) else None
    detail = error.get("detail")
    if isinstance(detail, str) and message is not None:
        message = f"{message}: {detail}"
    made = _native.error(number, message, field if isinstance(field, str) else None)
    if isinstance(detail, str):
        made.detail = detail
    code = error.get("code")
    if made.number != number and isinstance(code, str):
        made = _native.error("INTERNAL", f"{code} ({number}), which this version of cella does not know: {message}")
    return made


def connect(
    address: str,
    trust: Trust | dict[str, Any] | str | os.PathLike[str] | None = None,
    identity: Identity | str | os.PathLike[str] | None = None,
    **options: Any,
) -> Executor:
    """Connect to an executor and verify it, or raise. See Executor for arguments and errors."""
    return Executor(address, trust, identity, **options)
