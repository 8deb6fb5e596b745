# SPDX-License-Identifier: Apache-2.0
"""Makes files in Teaclave's formats, from docs/teaclave.md, with OpenSSL's library as the only cipher."""

from __future__ import annotations

import ctypes
import ctypes.util
import hashlib
from collections.abc import Callable

NODE = 4096
KEYS = {"aes-gcm-128": (16, 12), "aes-gcm-256": (32, 12), "teaclave-file-128": (16, 0)}

_crypto = ctypes.CDLL(ctypes.util.find_library("crypto") or "libcrypto.so.3")
for _name in ("EVP_CIPHER_CTX_new", "EVP_aes_128_gcm", "EVP_aes_256_gcm", "EVP_aes_128_ecb"):
    getattr(_crypto, _name).restype = ctypes.c_void_p


def _run(cipher: str, key: bytes, iv: bytes | None, extra: bytes, plain: bytes) -> tuple[bytes, bytes]:
    """Ciphertext, and the tag where there is one."""
    context = ctypes.c_void_p(_crypto.EVP_CIPHER_CTX_new())
    out, tag, size = ctypes.create_string_buffer(len(plain) + 32), ctypes.create_string_buffer(16), ctypes.c_int()
    algorithm = ctypes.c_void_p(getattr(_crypto, cipher)())
    try:
        assert _crypto.EVP_EncryptInit_ex(context, algorithm, None, key, iv) == 1
        if extra:
            assert _crypto.EVP_EncryptUpdate(context, None, ctypes.byref(size), extra, len(extra)) == 1
        assert _crypto.EVP_EncryptUpdate(context, out, ctypes.byref(size), plain, len(plain)) == 1
        if iv is not None:
            assert _crypto.EVP_EncryptFinal_ex(context, ctypes.create_string_buffer(16), ctypes.byref(ctypes.c_int())) == 1
            assert _crypto.EVP_CIPHER_CTX_ctrl(context, 0x10, 16, tag) == 1
    finally:
        _crypto.EVP_CIPHER_CTX_free(context)
    return out.raw[: len(plain)], tag.raw


def gcm(key: bytes, iv: bytes, extra: bytes, plain: bytes) -> tuple[bytes, bytes]:
    """AES-GCM: ciphertext and tag."""
    return _run("EVP_aes_128_gcm" if len(key) == 16 else "EVP_aes_256_gcm", key, iv, extra, plain)


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC (RFC 4493) of a message that does not fill its last block."""

    def block(data: bytes) -> bytes:
        return _run("EVP_aes_128_ecb", key, None, b"", data)[0]

    def doubled(value: int) -> int:
        return (value << 1 & (1 << 128) - 1) ^ (0x87 if value >> 127 else 0)

    assert len(message) % 16
    last = doubled(doubled(int.from_bytes(block(bytes(16)), "big")))
    padded = message + b"\x80" + bytes(-len(message) % 16 - 1)
    state = bytes(16)
    for at in range(0, len(padded), 16):
        chunk = int.from_bytes(padded[at : at + 16], "big") ^ int.from_bytes(state, "big")
        state = block((chunk ^ (last if at + 16 == len(padded) else 0)).to_bytes(16, "big"))
    return state


def node_key(number: int) -> bytes:
    """Determined, so that files can be compared with check values."""
    return hashlib.sha256(b"node-key-%d" % number).digest()[:16]


def protected(key: bytes, plain: bytes, keys: Callable[[int], bytes] = node_key) -> bytes:
    """A teaclave-file-128."""
    data = -(-max(len(plain) - 3072, 0) // NODE)
    trees = [bytearray(NODE) for _ in range(-(-data // 96))]
    nodes: dict[int, bytes] = {}
    root = bytearray(32)

    def put(number: int, content: bytes, parent: bytearray, place: int) -> None:
        nodes[number], tag = gcm(keys(number), bytes(12), b"", content)
        parent[place : place + 32] = keys(number) + tag

    for d in range(data):
        content = plain[3072 + NODE * d : 3072 + NODE * (d + 1)].ljust(NODE, b"\0")
        put(d + 2 + d // 96, content, trees[d // 96], 32 * (d % 96))
    for m in reversed(range(len(trees))):
        put(1 + 97 * m, bytes(trees[m]), trees[(m - 1) // 32] if m else root, 3072 + 32 * ((m - 1) % 32) if m else 0)
    key_id = bytes(range(0x40, 0x60))
    label = b"SGX-PROTECTED-FS-METADATA-KEY".ljust(64, b"\0")
    derived = cmac(key, b"\1\0\0\0" + label + bytes(12) + key_id + b"\x80" + bytes(7))
    secret = b"example.bin".ljust(260, b"\0") + len(plain).to_bytes(8, "little") + root + plain[:3072].ljust(3072, b"\0")
    text, tag = gcm(derived, bytes(12), b"", secret)
    nodes[0] = (b"ELIF_XGS\1\0\1\0".ljust(16, b"\0") + key_id + bytes(32) + tag + text).ljust(NODE, b"\0")
    return b"".join(nodes[number] for number in sorted(nodes))


def file_of(format: str, key: bytes, plain: bytes) -> bytes:
    """A file; key is followed by the iv where there is one."""
    if format == "teaclave-file-128":
        return protected(key, plain)
    text, tag = gcm(key[:-12], key[-12:], bytes(8), plain)
    return text + tag
