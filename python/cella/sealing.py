# SPDX-License-Identifier: Apache-2.0
"""Sealed files on the owner's machine: what leaves it is encrypted, in the format of docs/sealed-file.md.

Files that exist already in one of Teaclave's formats (docs/teaclave.md) are opened, never written.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from . import _native, atomic
from .encoding import from_base64url, to_base64url, write_json
from .identity import read_private_bytes, read_private_file

INPUT_LABEL = b"cella input v1"
"""Associated data of inputs, unless the owner chose other."""
SEGMENTS = ("1MB", "4KB")
SEALED_FILE = "sealed-file"
TEACLAVE_FORMATS = {"aes-gcm-128": (16, 12), "aes-gcm-256": (32, 12), "teaclave-file-128": (16, 0)}
"""Format -> bytes of its key and of its iv."""
KEY_KIND = "cella data key"
BLOCK = 1 << 20

Progress = Callable[[int, int], None]


def output_label(task: str, output: str) -> bytes:
    """Associated data of a task's output."""
    return f"cella output v1/{task}/{output}".encode("ascii")


@dataclass(frozen=True)
class DataKey:
    """The key of one sealed file, with what is needed to open it.

    Attributes:
        key: 32 bytes.
        segment: "1MB" or "4KB".
        associated_data: at most 256 bytes, bound to the file.
        format: "sealed-file", or one of Teaclave's; then segment and associated_data mean nothing.
        iv: 12 bytes, of "aes-gcm-128" and "aes-gcm-256" only. Not secret.

    >>> key = DataKey.generate()
    >>> key.segment, key.associated_data
    ('1MB', b'cella input v1')
    """

    key: _native.Secret
    segment: str = "1MB"
    associated_data: bytes = INPUT_LABEL
    format: str = SEALED_FILE
    iv: bytes = b""

    @classmethod
    def teaclave(cls, format: str, key: bytes | _native.Secret, iv: bytes = b"") -> DataKey:
        """The key of a file in one of Teaclave's formats: what its FileCrypto has.

        Raises:
            RequestError: BAD_FIELD, there is no such format, or key or iv have another size than it asks for.

        >>> DataKey.teaclave("aes-gcm-128", bytes(16), bytes(12)).format
        'aes-gcm-128'
        """
        if format not in TEACLAVE_FORMATS:
            raise _native.error("BAD_FIELD", f"format is one of {', '.join(TEACLAVE_FORMATS)}", "format")
        key_size, iv_size = TEACLAVE_FORMATS[format]
        if len(key) != key_size:
            raise _native.error("BAD_FIELD", f"the key of {format} has {key_size} bytes, not {len(key)}", "key")
        if len(iv) != iv_size:
            raise _native.error("BAD_FIELD", f"the iv of {format} has {iv_size} bytes, not {len(iv)}", "iv")
        secret = key if isinstance(key, _native.Secret) else _native.Secret.from_bytes(key)
        return cls(secret, format=format, iv=iv)

    @property
    def secret(self) -> _native.Secret:
        """What the executor gets, sealed: the key, and the iv behind it."""
        return _native.Secret.from_bytes(self.key.export() + self.iv) if self.iv else self.key

    @classmethod
    def generate(cls, segment: str = "1MB", associated_data: bytes = INPUT_LABEL) -> DataKey:
        """A new random key."""
        return cls(_native.Secret.generate(), segment, associated_data)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a key file, 0600. StateError EXISTS: an existing one is never overwritten."""
        content = {"version": 1, "kind": KEY_KIND, "key": to_base64url(self.key.export())}
        if self.format == SEALED_FILE:
            content |= {"segment": self.segment, "associated_data": to_base64url(self.associated_data)}
        else:
            content |= {"format": self.format, "iv": to_base64url(self.iv)}
        try:
            atomic.create(path, write_json(content) + b"\n")
        except FileExistsError:
            raise _native.error("EXISTS", f"{path} exists already and is never overwritten") from None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DataKey:
        """Read a key file.

        Raises:
            PermissionDenied: others may read it.
            FormatError: it is not a key file.
            FileNotFoundError: there is no such file.
        """
        content = read_private_file(path, KEY_KIND)
        key = from_base64url(content.get("key"), "key")
        if content.get("format", SEALED_FILE) != SEALED_FILE:
            return cls.teaclave(str(content["format"]), key, from_base64url(content.get("iv", ""), "iv"))
        segment = content.get("segment", "1MB")
        if len(key) != 32 or segment not in SEGMENTS:
            raise _native.error("BAD_FORMAT", f"{path} is not a key file")
        label = from_base64url(content.get("associated_data"), "associated_data")
        return cls(_native.Secret.from_bytes(key), segment, label)

    @classmethod
    def load_hex(cls, path: str | os.PathLike[str], format: str, iv: bytes = b"") -> DataKey:
        """Read the key of a file in one of Teaclave's formats from a file of hexadecimal digits, as Teaclave's tools take them.

        Raises:
            PermissionDenied, FormatError, FileNotFoundError: as load.
            RequestError: as teaclave.
        """
        try:
            key = bytes.fromhex(read_private_bytes(path).decode("ascii").strip())
        except ValueError:
            raise _native.error("BAD_FORMAT", f"{path} is not a key in hexadecimal digits") from None
        return cls.teaclave(format, key, iv)


@dataclass(frozen=True)
class Sealed:
    """What was sealed or opened.

    Attributes:
        plain_size: bytes of plaintext.
        sealed_size: bytes of the sealed file.
        sha256: of the sealed file, 32 bytes: what sha256sum prints for it.
    """

    plain_size: int
    sealed_size: int
    sha256: bytes


def _is_regular(file: BinaryIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (AttributeError, OSError):  # in memory: io.UnsupportedOperation is an OSError
        return False


def _stream(
    stream: _native.Sealer | _native.Opener,
    source: BinaryIO,
    target: BinaryIO,
    sealing: bool,
    progress: Progress | None,
) -> Sealed:
    """Through a stream in order: for pipes, which have neither size nor offsets."""
    import hashlib

    digest = hashlib.sha256()
    taken = given = 0

    def give(data: bytes) -> None:
        nonlocal given
        target.write(data)
        given += len(data)
        if sealing:
            digest.update(data)

    while block := source.read(BLOCK):
        taken += len(block)
        if not sealing:
            digest.update(block)
        give(stream.update(block))
        if progress is not None:
            progress(taken if sealing else given, 0)
    give(stream.finish())
    target.flush()
    plain, sealed = (taken, given) if sealing else (given, taken)
    return Sealed(plain, sealed, digest.digest())


def seal(
    key: DataKey,
    source: BinaryIO,
    target: BinaryIO,
    *,
    threads: int = 0,
    progress: Progress | None = None,
    digest: bool = True,
) -> Sealed:
    """Seal one open file into another, in constant memory.

    Args:
        key: its key, segment size and associated data.
        source: plaintext, from its beginning; a regular file is sealed by several threads, all else as a stream.
        target: receives the sealed file.
        threads: 0 for as many as there are processors.
        progress: called with (plaintext bytes done, all of them; 0 when unknown).
        digest: whether to compute the SHA-256 of the sealed file too. It is sequential, and slower than the sealing;
            without it sha256 of the result is b"".

    Raises:
        IntegrityError: TRUNCATED, source became shorter meanwhile.
        OSError: reading or writing failed.
    """
    if _is_regular(source) and _is_regular(target):
        result = _native.seal_file(
            key.key, key.associated_data, source.fileno(), target.fileno(), key.segment, threads, progress, digest
        )
        return Sealed(*result)
    stream = _native.Sealer(key.key, key.associated_data, key.segment)
    return _stream(stream, source, target, True, progress)


def unseal(
    key: DataKey,
    source: BinaryIO,
    target: BinaryIO,
    *,
    threads: int = 0,
    progress: Progress | None = None,
    digest: bool = True,
) -> Sealed:
    """Open a sealed file into another, in constant memory.

    target is worthless until this has returned: the caller throws it away on an exception (atomic.replace does).

    Raises:
        IntegrityError: BAD_TAG or TRUNCATED: wrong key, or the file was changed or cut.
        FormatError: not a sealed file.
    """
    if key.format != SEALED_FILE:
        return _open_teaclave(key, source, target, progress)
    if _is_regular(source) and _is_regular(target):
        result = _native.open_file(
            key.key, key.associated_data, source.fileno(), target.fileno(), key.segment, threads, progress, digest
        )
        return Sealed(*result)
    stream = _native.Opener(key.key, key.associated_data, key.segment)
    return _stream(stream, source, target, False, progress)


def _open_teaclave(key: DataKey, source: BinaryIO, target: BinaryIO, progress: Progress | None) -> Sealed:
    """Open a file in one of Teaclave's formats. Its size has to be known first, so a pipe is read into memory.

    A target that can not be thrown away gets nothing before all of it has verified: the file is read twice then.
    """
    with contextlib.ExitStack() as stack:
        if not _is_regular(source):
            source = _spooled(source, stack)
        start = source.tell()
        if not _is_regular(target):
            verify_teaclave(key, source)
            source.seek(start)
        size = os.fstat(source.fileno()).st_size - start
        opener = _native.Opener(key.secret, b"", format=key.format, size=size)
        return _stream(opener, source, target, False, progress)


def verify_teaclave(key: DataKey, source: BinaryIO) -> Sealed:
    """Open a regular file in one of Teaclave's formats to its end and keep nothing: whether the key is the right one.

    Raises:
        IntegrityError, FormatError: as unseal.
    """
    with open(os.devnull, "wb") as nowhere:
        opener = _native.Opener(key.secret, b"", format=key.format, size=os.fstat(source.fileno()).st_size - source.tell())
        return _stream(opener, source, nowhere, False, None)


def _spooled(source: BinaryIO, stack: contextlib.ExitStack) -> BinaryIO:
    copy = stack.enter_context(os.fdopen(os.memfd_create("cella-input", os.MFD_CLOEXEC), "w+b"))
    shutil.copyfileobj(source, copy, BLOCK)
    copy.seek(0)
    return copy


@contextlib.contextmanager
def sealed_copy(
    key: DataKey, source: BinaryIO, progress: Progress | None = None
) -> Iterator[tuple[BinaryIO, Sealed]]:
    """A sealed copy of a file in the folder for temporary files; it has no name and is gone afterwards."""
    import tempfile

    with tempfile.TemporaryFile(prefix="cella-") as target:
        sealed = seal(key, source, target, progress=progress)  # type: ignore[arg-type]
        target.seek(0)
        yield target, sealed  # type: ignore[misc]
