# SPDX-License-Identifier: Apache-2.0
"""Inputs: encrypted here, registered with their digest, uploaded as they are on disk: sealed."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Union

from . import _native
from .encoding import to_base64url
from .events import Event, Reporter, reporter_of
from .sealing import DataKey, Sealed, sealed_copy

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
        policy: what their owner lets be done with them; None: whatever he approves.
        used: runs that have taken them so far.
        deleted: whether their key is forgotten.
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
            progress: True for lines on stderr, or a function that gets events.
            policy: what may be done with them (docs/protocol.md section 13): functions, auditors, uses, until, release.

        Returns:
            The registered and stored data.
        """
        report = reporter_of(progress)
        label = _label(source, name)
        with open_source(source, label) as plain:
            regular = plain if hasattr(plain, "raw") else _spooled(plain)
            with regular:
                return self._add_open(regular, label, key or DataKey.generate(), report, policy)

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
        """Register and upload a file that was sealed before (cella encrypt, or any Tink library).

        Args:
            path: the sealed file.
            key: its key, segment size and associated data.
        """
        import hashlib

        report = reporter_of(progress)
        label = _label(path, name)
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
            size = file.tell()
            facts = Sealed(_native.plain_size(size, key.segment), size, digest)
            data = self.register(label, facts, key, policy)
            self._upload(data, file, size, label, report)
        return data

    def _upload(self, data: Data, file: BinaryIO, size: int, label: str, report: Reporter) -> None:
        self._executor.upload(data.id, file, size, _amount(report, "upload", label))
        report(Event("upload", label, size, size))

    def register(
        self, name: str, facts: Sealed, key: DataKey, policy: Mapping[str, Any] | None = None
    ) -> Data:
        """Register a sealed file without uploading it."""
        answer = self._executor.request(
            "data.register",
            {
                **({} if policy is None else {"policy": dict(policy)}),
                "name": name,
                "sha256": facts.sha256.hex(),
                "size": facts.sealed_size,
                "segment": key.segment,
                "sealed_key": self._executor.seal("data key", data_context(self._executor.party, facts.sha256), key.key),
                "associated_data": to_base64url(key.associated_data),
            },
        )
        owners = (self._executor.party,)
        return Data(answer["data"], name, owners, facts.sha256.hex(), facts.sealed_size, stored=False, policy=policy)

    def change(self, data: Data | str, policy: Mapping[str, Any] | None) -> Data:
        """Set the policy of data, from now on; None: there is none. What has not started is judged by the new one."""
        args: dict[str, Any] = {"data": data.id if isinstance(data, Data) else data}
        if policy is not None:
            args["policy"] = dict(policy)
        return Data.of(self._executor.request("data.change", args))

    def delete(self, data: Data | str) -> Data:
        """Delete data: the executor forgets their key, so that nobody can open what the host still has.

        Executor.receipt(id) is the proof of it afterwards.
        """
        return Data.of(self._executor.request("data.delete", {"data": data.id if isinstance(data, Data) else data}))

    def derive(self, task: Any, output: str) -> Data:
        """An output of a finished task as an input of the next one, without leaving the executor.

        Args:
            task: Task or its id.
            output: its name. All its receivers own the data together, and take part in each task that uses them.
        """
        return Data.of(self._executor.request("data.derive", {"task": getattr(task, "id", task), "output": output}))

    def rotate(
        self, data: Data | str, key: DataKey, new_key: DataKey, *, progress: Reporter | bool | None = None
    ) -> Data:
        """Replace data by the same under a new key: fetched, opened, sealed anew and uploaded here; the old are deleted.

        The plaintext is in memory meanwhile, never on disk.

        Args:
            data: of the caller alone.
            key: the present key, which only their owner has.
            new_key: the next one.

        Returns:
            The new data, with the same name and policy. Uses are counted anew.
        """
        found = self.get(data.id if isinstance(data, Data) else data)
        opener = _native.Opener(key.key, key.associated_data, key.segment)
        with os.fdopen(os.memfd_create("cella-rotate", os.MFD_CLOEXEC), "w+b") as plain:

            def take(block: bytes) -> None:
                plain.write(opener.update(block))

            self._executor.download({"data": found.id}, take)
            plain.write(opener.finish())
            plain.flush()
            plain.seek(0)
            new = self._add_open(plain, found.name, new_key, reporter_of(progress), found.policy)
        self.delete(found)
        return new

    def get(self, data: str) -> Data:
        """One of the caller's data by id."""
        return Data.of(self._executor.request("data.get", {"data": data}))

    def list(self) -> Sequence[Data]:
        """All of the caller's data."""
        return [Data.of(item) for item in self._executor.pages("data.list", "data")]


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
