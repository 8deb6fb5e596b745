# SPDX-License-Identifier: Apache-2.0
"""rsa_sign and online_decrypt beside the openssl program, Teaclave's data and published vectors of AES-GCM."""

from __future__ import annotations

import base64
import shutil
import subprocess

import pytest
from builtin_models import LIMITS, call, teaclave
from zygote_driver import ZygoteDriver

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="NOT INSTALLED: openssl, so no signature was checked")


@pytest.fixture(scope="module")
def zygote():
    with ZygoteDriver("native") as driver:
        yield driver


def openssl(*words: str, data: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], input=data, check=True, capture_output=True, timeout=60).stdout


def sign(zygote, key, data="text"):
    return call(zygote, "rsa_sign", {"rsa_key": key}, [], data=data)


def test_teaclaves_signature(zygote):
    report = call(zygote, "builtin-rsa-sign", {"rsa_key": teaclave("rsa_key.der")}, [], data="test data")
    assert (report.status, report.result) == ("DONE", teaclave("rsa_signature.txt").decode().strip())


@needs_openssl
@pytest.mark.parametrize("bits", [2048, 3072])
@pytest.mark.parametrize("form", [["rsa", "-traditional"], ["pkcs8", "-topk8", "-nocrypt"]])
def test_the_openssl_program_makes_the_same(zygote, tmp_path, bits, form):
    path = tmp_path / "key.pem"
    path.write_bytes(openssl("genrsa", str(bits)))
    key = openssl(*form, "-in", str(path), "-outform", "DER")
    for data in ("", "text", "ä\n" * 1000):
        wanted = openssl("dgst", "-sha256", "-sign", str(path), data=data.encode())
        assert sign(zygote, key, data).result == base64.b64encode(wanted).decode()


def test_keys_that_are_refused(zygote):
    key = teaclave("rsa_key.der")
    for wrong in (b"", key[:-1], key + b"\0", base64.b64encode(key), b"\x30\x82" + b"\xff" * 1000, b"\0" * 20000):
        report = sign(zygote, wrong)
        assert report.status == "BUILTIN_FAILED" and report.message.startswith("rsa_key: "), report


@needs_openssl
def test_other_kinds_of_keys(zygote, tmp_path):
    path = tmp_path / "key.pem"
    for words, text in ((["genpkey", "-algorithm", "ED25519"], "no RSA private key"), (["genrsa", "1024"], "1024 bits")):
        path.write_bytes(openssl(*words))
        report = sign(zygote, openssl("pkey", "-in", str(path), "-outform", "DER"))
        assert report.status == "BUILTIN_FAILED" and text in report.message


def test_no_signature_by_a_key_that_was_changed(zygote):
    """Each byte of the key changed: refused, or the signature is the right one all the same."""
    key, right = bytearray(teaclave("rsa_key.der")), teaclave("rsa_signature.txt").decode().strip()
    report = zygote.run("""
import cella
def main(key, places):
    key, said = bytearray(key.read()), []
    for place in places:
        key[place] ^= 4
        try:
            said.append(cella.builtins.rsa_sign(bytes(key), data="test data"))
        except cella.builtins.BuiltinError:
            said.append("")
        key[place] ^= 4
    return sorted(set(said)), said.count("")
""", inputs={"key": bytes(key)}, arguments={"places": list(range(len(key)))}, limits=LIMITS, timeout=60)
    assert report.status == "DONE", report
    signatures, refused = report.result
    assert signatures == ["", right] and refused > 250


def decrypt(zygote, key, nonce, sealed, **arguments):
    texts = {name: value if isinstance(value, str) else base64.b64encode(value).decode()
             for name, value in (("key", key), ("nonce", nonce), ("encrypted_data", sealed))}
    return call(zygote, "online_decrypt", {}, [], **texts, **arguments)


def test_teaclaves_text(zygote):
    report = call(zygote, "builtin_online_decrypt", {}, [], key="aqUdgZ0lJnuz9yiPkoDxM6ZcTcVVpd4KKLqzbHD88Lg=",
                  nonce="AAECAwQFBgcICQoL", encrypted_data="CaZd8qSMMlBp8SjSXj2I4dQIuC9KkZ5DI/ATo1sWJw==")
    assert (report.status, report.result) == ("DONE", "Hello Teaclave!")


# McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 1, 2, 13 and 14; zeros are text, of a kind.
@pytest.mark.parametrize("size, sealed, text", [
    (16, "58e2fccefa7e3061367f1d57a4e7455a", ""),
    (16, "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf", "\0" * 16),
    (32, "530f8afbc74536b9a963b4f1c4cb738b", ""),
    (32, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919", "\0" * 16),
])
@pytest.mark.parametrize("nonce", [12, 40])
def test_published_vectors(zygote, size, sealed, text, nonce):
    for algorithm in ("auto", f"aes{8 * size}gcm"):
        report = decrypt(zygote, bytes(size), bytes(nonce), bytes.fromhex(sealed), algorithm=algorithm)
        assert (report.status, report.result) == ("DONE", text), report


SEALED = bytes.fromhex("0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf")


@pytest.mark.parametrize("key, nonce, sealed, arguments, text", [
    (bytes(15), bytes(12), SEALED, {}, "'key' has 15 bytes"), (bytes(24), bytes(12), SEALED, {}, "'key'"),
    (bytes(16), bytes(12), SEALED, {"algorithm": "aes256gcm"}, "'key'"), (bytes(16), bytes(11), SEALED, {}, "'nonce' has 11"),
    (bytes(16), bytes(12), bytes(15), {}, "'encrypted_data' has 15"), (bytes(16), bytes(12), b"", {}, "'encrypted_data'"),
    (b"\1" + bytes(15), bytes(12), SEALED, {}, "does not open"), (bytes(16), b"\1" + bytes(11), SEALED, {}, "does not open"),
    ("AA", bytes(12), SEALED, {}, "'key' is no base64"), ("AA=A", bytes(12), SEALED, {}, "'key' is no base64"),
    ("A===", bytes(12), SEALED, {}, "'key' is no base64"), ("AAAA\n", bytes(12), SEALED, {}, "'key' is no base64"),
    ("AAAB", bytes(12), SEALED, {}, "'key' has 3"), ("AB==", bytes(12), SEALED, {}, "extra bits"), ("A-_A", bytes(12), SEALED, {}, "base64"),
    (bytes(16), bytes(12), SEALED, {"algorithm": "aes192gcm"}, "algorithm"),
])
def test_what_is_refused(zygote, key, nonce, sealed, arguments, text):
    report = decrypt(zygote, key, nonce, sealed, **arguments)
    assert report.status == "BAD_ARGUMENT" and text in report.message, report


def test_every_bit_of_the_sealed_text_counts(zygote):
    report = zygote.run("""
import base64, cella
def main(sealed):
    sealed, opened = bytearray(sealed.read()), 0
    for place in range(8 * len(sealed)):
        sealed[place // 8] ^= 1 << place % 8
        try:
            cella.builtins.online_decrypt(key="A" * 22 + "==", nonce="A" * 16, encrypted_data=base64.b64encode(sealed).decode())
            opened += 1
        except cella.builtins.BuiltinError:
            pass
        sealed[place // 8] ^= 1 << place % 8
    return opened
""", inputs={"sealed": SEALED})
    assert report.result == 0


def test_bytes_that_are_no_text(zygote):
    """The same paper's test case 3: it opens, and what it holds is no UTF-8."""
    report = decrypt(zygote, bytes.fromhex("feffe9928665731c6d6a8f9467308308"), bytes.fromhex("cafebabefacedbaddecaf888"), bytes.fromhex(
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa05"
        "1ba30b396a0aac973d58e091473f59854d5c2af327cd64a62cf35abd2ba6fab4"))
    assert report.status == "BUILTIN_FAILED" and "no UTF-8" in report.message, report
