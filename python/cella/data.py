# SPDX-License-Identifier: Apache-2.0
"""Inputs: encrypted here, registered with their digest, uploaded as they are on disk: sealed."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Union

from . import _native
from .encoding import to_base64url
from .events import Event, Reporter, reporter_of
from .sealing import SEALED_FILE, DataKey, Sealed, sealed_copy, unseal, verify_teaclave

if TYPE_CHECKING:
    from .executor import Executor

NAME_MAX = 64


@dataclass(frozen=True)
class Data:
    """Data that an executor knows.

    Attributes:
        id: "data-" and 32 hexadecimal digits.
        name: as registered.
        owners: party ids.
        sha256: of the sealed file, hexadecimal.
        size: bytes of the sealed file.
        stored: whether the sealed file has been uploaded.
        policy: what the caller, as their owner, lets be done with them; None: whatever he approves.
        bound_by: policies that hold besides: of other owners, and of data that these were made of: {data, owner, policy} each.
            DataRegistry.list leaves them out.
        used: runs that have taken them, or what was made of them, so far.
        spent: {epsilon, delta} that these runs have spent of their privacy, by what their functions declare; None: nothing, and
            there is no budget. DataRegistry.list leaves spent and left out.
        left: {epsilon, delta} that the privacy budgets which bind them leave; None: there is none.
        deleted: whether their key is forgotten.
        format: of the file: "sealed-file", or one of Teaclave's.
        url: where the executor's host fetches them from for each run; "" where they were uploaded.
    """

    id: str
    name: str
    owners: tuple[str, ...]
    sha256: str
    size: int
    stored: bool
    policy: Mapping[str, Any] | None = None
    used: int = 0
    deleted: bool = False
    format: str = SEALED_FILE
    bound_by: Sequence[Mapping[str, Any]] = ()
    url: str = ""
    spent: Mapping[str, float] | None = None
    left: Mapping[str, float] | None = None

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Data:
        """From an answer of data.get."""
        return cls(
            id=answer["data"],
            name=answer.get("name", ""),
            owners=tuple(answer.get("owners", ())),
            sha256=answer.get("sha256", ""),
            size=answer.get("size", 0),
            stored=bool(answer.get("stored")),
            policy=answer.get("policy"),
            used=answer.get("used", 0),
            deleted=bool(answer.get("deleted")),
            format=answer.get("format", SEALED_FILE),
            bound_by=tuple(answer.get("bound_by", ())),
            url=answer.get("url", ""),
            spent=answer.get("spent"),
            left=answer.get("left"),
        )


Source = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, Data, Any]
"""What can be an input: a path, bytes, a numpy array, or Data."""


def open_source(source: Source, name: str) -> BinaryIO:
    """A readable file for a path, bytes or a numpy array (which becomes the bytes of a .npy file).

    >>> open_source(b"abc", "x").read()
    b'abc'
    """
    if isinstance(source, (str, os.PathLike)):
        try:
            return open(source, "rb")
        except FileNotFoundError:
            raise _native.error("BAD_FIELD", f"input {name}: there is no file {os.fspath(source)}", name) from None
        except IsADirectoryError:
            raise _native.error("BAD_FIELD", f"input {name}: {os.fspath(source)} is a folder", name) from None
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source)
    if hasattr(source, "__array_interface__"):
        import numpy

        array: Any = source
        file = io.BytesIO()
        numpy.save(file, array, allow_pickle=False)
        file.seek(0)
        return file
    raise _native.error(
        "BAD_FIELD",
        f"input {name}: a {type(source).__name__} can not be sent; give a path, bytes or an array",
        name,
    )


def data_context(owner: str, sha256: bytes) -> bytes:
    """What a data key is sealed for: this owner and this sealed file (docs/protocol.md section 7)."""
    return owner.encode("ascii") + sha256


class DataRegistry:
    """The data of an executor; Executor.data makes it."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def add(
        self,
        source: Source,
        name: str | None = None,
        *,
        key: DataKey | None = None,
        format: str | None = None,
        progress: Reporter | bool | None = None,
        policy: Mapping[str, Any] | None = None,
    ) -> Data:
        """Encrypt data here, register and upload it.

        The key is new for each call unless one is given, and only the executor gets it, sealed. Memory stays flat
        for files; a sealed copy lies in the folder for temporary files ($TMPDIR) meanwhile.

        Args:
            source: path, bytes or numpy array.
            name: for its owner, at most 64 characters; None for the file's name.
            key: to be able to open the stored file later.
            format: None: source is plaintext, and is sealed here. Otherwise source is the path of a file that is in this
                format already and key is its key: as add_sealed.
            progress: True for lines on stderr, or a function that gets events.
            policy: what may be done with them (docs/protocol.md section 13): functions, auditors, uses, until, release,
                budget.

        Returns:
            The registered and stored data.
        """
        if format is not None or (key is not None and key.format != SEALED_FILE):
            return self._add_existing(source, name, key, format, progress, policy)
        report = reporter_of(progress)
        label = _label(source, name)
        with open_source(source, label) as plain:
            regular = plain if hasattr(plain, "raw") else _spooled(plain)
            with regular:
                return self._add_open(regular, label, key or DataKey.generate(), report, policy)

    def _add_existing(
        self,
        source: Source,
        name: str | None,
        key: DataKey | None,
        format: str | None,
        progress: Reporter | bool | None,
        policy: Mapping[str, Any] | None,
    ) -> Data:
        if key is None or key.format != format:
            found = "no key" if key is None else f"one of {key.format}"
            wanted = format or "a format, because the key is for files that exist already"
            raise _native.error("BAD_FIELD", f"format and key belong together: {wanted}, and {found}", "format")
        if not isinstance(source, (str, os.PathLike)):
            raise _native.error("BAD_FIELD", f"a file in {format} is given by its path", "source")
        return self.add_sealed(source, key, name, progress=progress, policy=policy)

    def _add_open(
        self, plain: BinaryIO, label: str, key: DataKey, report: Reporter, policy: Mapping[str, Any] | None
    ) -> Data:
        with sealed_copy(key, plain, _amount(report, "encrypt", label)) as (sealed, facts):
            report(Event("encrypt", label, facts.plain_size, facts.plain_size))
            data = self.register(label, facts, key, policy)
            self._upload(data, sealed, facts.sealed_size, label, report)
        return data

    def add_sealed(
        self,
        path: str | os.PathLike[str],
        key: DataKey,
        name: str | None = None,
        *,
        progress: Reporter | bool | None = None,
        policy: Mapping[str, Any] | None = None,
    ) -> Data:
        """Register and upload a file that was encrypted before (cella encrypt, any Tink library, or Teaclave's tools).

        A file in one of Teaclave's formats is opened here first, so that a wrong key or iv is noticed before anything is sent.

        Args:
            path: the encrypted file.
            key: its key, with all that is needed to open it.

        Raises:
            IntegrityError, FormatError: a file in one of Teaclave's formats does not open with the key.
        """
        report = reporter_of(progress)
        label = _label(path, name)
        facts = _facts_of(path, key)
        with open(path, "rb") as file:
            data = self.register(label, facts, key, policy)
            self._upload(data, file, facts.sealed_size, label, report)
        return data

    def _upload(self, data: Data, file: BinaryIO, size: int, label: str, report: Reporter) -> None:
        self._executor.upload(data.id, file, size, _amount(report, "upload", label))
        report(Event("upload", label, size, size))

    def register(
        self, name: str, facts: Sealed, key: DataKey, policy: Mapping[str, Any] | None = None, url: str = ""
    ) -> Data:
        """Register an encrypted file without uploading it: url says where it lies instead. See add_url."""
        sealed = {"segment": key.segment, "associated_data": to_base64url(key.associated_data)}
        context = data_context(self._executor.party, facts.sha256)
        answer = self._executor.request(
            "data.register",
            {
                **({} if policy is None else {"policy": dict(policy)}),
                **({"url": url} if url else {}),
                "name": name,
                "sha256": facts.sha256.hex(),
                "size": facts.sealed_size,
                **(sealed if key.format == SEALED_FILE else {"format": key.format}),
                "sealed_key": self._executor.seal("data key", context, key.secret),
            },
        )
        owners = (self._executor.party,)
        return Data(
            answer["data"], name, owners, facts.sha256.hex(), facts.sealed_size, stored=False, policy=policy,
            format=key.format, url=url
        )

    def add_url(
        self,
        url: str,
        key: DataKey,
        name: str | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        sha256: str = "",
        size: int = 0,
        policy: Mapping[str, Any] | None = None,
    ) -> Data:
        """Register an encrypted file that lies at a URL. The executor's host fetches it for each run that takes it.

        The host sees the URL, and so does whoever serves it; both see ciphertext only. Contracts name the digest: whatever comes from there
        is either this file or refused (BAD_DIGEST). The host's operator has to allow the place: otherwise runs fail with
        PLACE_NOT_ALLOWED.

        Args:
            url: https, or http where the operator allows it. It may have a key of its own in its query; no user and password.
            key: of the file, with all that is needed to open it.
            name: at most 64 characters; None for the last part of the URL's path.
            path: the same file here, to take digest and size from; or give
            sha256, size: of the encrypted file: hexadecimal digits, bytes.

        Raises:
            RequestError: BAD_FIELD, the URL is none that an executor takes; or neither a file nor digest and size are given.
        """
        if (path is None) == (not sha256 or not size):
            raise _native.error("BAD_FIELD", "give either path, or sha256 and size", "path")
        if path is None:
            try:
                facts = Sealed(0, size, bytes.fromhex(sha256))
            except ValueError:
                raise _native.error("BAD_FIELD", f"sha256 is not hexadecimal digits: {sha256!r}", "sha256") from None
        else:
            facts = _facts_of(path, key)
        return self.register(_label(url.partition("?")[0].rstrip("/"), name), facts, key, policy, url)

    def update(self, data: Data | str, url: str | None) -> Data:
        """Change where data lie; what they are stays, so contracts and approvals do.

        Args:
            url: fetched there from the next run on; None: in the executor's store, where they were uploaded, or are to be (Executor.upload).
        """
        args = {"data": data.id if isinstance(data, Data) else data}
        return Data.of(self._executor.request("data.update", args | ({} if url is None else {"url": url})))

    def change(self, data: Data | str, policy: Mapping[str, Any] | None) -> Data:
        """Set the caller's policy of data, from now on; None: there is none. What has not started is judged by the new one.

        Of several owners each has his own, and all of them hold. What was made of the data in the executor is bound by it, too.
        """
        args: dict[str, Any] = {"data": data.id if isinstance(data, Data) else data}
        if policy is not None:
            args["policy"] = dict(policy)
        return Data.of(self._executor.request("data.change", args))

    def delete(self, data: Data | str) -> Data:
        """Delete data: the executor forgets their key, and tells the host to delete them when no running task reads them.

        Executor.receipt(id) is the proof of it afterwards.
        """
        return Data.of(self._executor.request("data.delete", {"data": data.id if isinstance(data, Data) else data}))

    def derive(self, task: Any, output: str) -> Data:
        """An output of a finished task as an input of the next one, without leaving the executor.

        Args:
            task: Task or its id.
            output: its name. All its receivers own the data together, and take part in each task that uses them. The policies of
                the task's inputs go on binding: see Data.bound_by.
        """
        return Data.of(self._executor.request("data.derive", {"task": getattr(task, "id", task), "output": output}))

    def rotate(
        self, data: Data | str, key: DataKey, new_key: DataKey, *, progress: Reporter | bool | None = None
    ) -> Data:
        """Replace data by the same under a new key: fetched, opened, sealed anew and uploaded here; the old are deleted.

        Memory stays flat: what was fetched lies encrypted in the folder for temporary files ($TMPDIR), and between the old key
        and the new one there is a pipe. From one of Teaclave's formats this makes a sealed file.

        Args:
            data: of the caller alone.
            key: the present key, which only their owner has.
            new_key: the next one, of a sealed file.

        Returns:
            The new data, with the same name and policy. Uses are counted anew.
        """
        if new_key.format != SEALED_FILE:
            raise _native.error("BAD_FIELD", f"data are sealed anew as a sealed file, not as {new_key.format}", "new_key")
        found = self.get(data.id if isinstance(data, Data) else data)
        report = reporter_of(progress)
        with tempfile.TemporaryFile(prefix="cella-") as old:
            self._executor.download({"data": found.id}, old.write)
            old.flush()
            old.seek(0)
            with _opened(key, old) as plain, sealed_copy(new_key, plain, None) as (sealed, facts):
                plain.check()
                new = self.register(found.name, facts, new_key, found.policy)
                self._upload(new, sealed, facts.sealed_size, found.name, report)
        self.delete(found)
        return new

    def get(self, data: str) -> Data:
        """One of the caller's data by id."""
        return Data.of(self._executor.request("data.get", {"data": data}))

    def list(self) -> Sequence[Data]:
        """All of the caller's data."""
        return [Data.of(item) for item in self._executor.pages("data.list", "data")]


def _facts_of(path: str | os.PathLike[str], key: DataKey) -> Sealed:
    """Digest and sizes of a file that is encrypted already; one in a format of Teaclave's is opened for that."""
    import hashlib

    with open(path, "rb") as file:
        if key.format != SEALED_FILE:
            return verify_teaclave(key, file)
        digest = hashlib.file_digest(file, "sha256").digest()
        return Sealed(_native.plain_size(file.tell(), key.segment), file.tell(), digest)


def _label(source: Source, name: str | None) -> str:
    label = name or (Path(os.fspath(source)).name if isinstance(source, (str, os.PathLike)) else "data")
    return label[:NAME_MAX]


def _amount(report: Reporter, stage: str, label: str) -> Any:
    """A byte counter's callback; the stage's last event is sent by the caller, once."""

    def progress(done: int, total: int) -> None:
        if done < total or not total:
            report(Event(stage, label, done, total))

    return progress


def _spooled(plain: BinaryIO) -> BinaryIO:
    """Bytes from memory as an open file without a name, so that one code path seals everything."""
    descriptor = os.memfd_create("cella-input", os.MFD_CLOEXEC)
    file = os.fdopen(descriptor, "w+b")
    file.write(plain.read())
    file.flush()
    file.seek(0)
    return file


class _Opened(io.RawIOBase):
    """The plaintext of an encrypted file while a thread opens it. Good only if check says nothing after the end."""

    def __init__(self, key: DataKey, source: BinaryIO) -> None:
        self._failure: BaseException | None = None
        reader, writer = os.pipe()
        self._pipe = open(reader, "rb", buffering=0)
        self._thread = threading.Thread(target=self._work, args=(key, source, writer), daemon=True)
        self._thread.start()

    def _work(self, key: DataKey, source: BinaryIO, writer: int) -> None:
        with open(writer, "wb") as target:
            try:
                unseal(key, source, target)
            except BrokenPipeError:
                pass  # nobody reads any more: the other side has failed, and says why
            except BaseException as failure:
                self._failure = failure

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._pipe.read(size) or b""

    def check(self) -> None:
        """Raise what opening has raised."""
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        self._pipe.close()
        self._thread.join()
        super().close()


@contextlib.contextmanager
def _opened(key: DataKey, source: BinaryIO) -> Iterator[Any]:
    plain = _Opened(key, source)
    try:
        yield plain
    finally:
        plain.close()
