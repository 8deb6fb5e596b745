# SPDX-License-Identifier: Apache-2.0
"""Tree heads against a reader and writer of their own (checkpoint_reader.py) and against heads of public logs and witnesses:
what others write is read here, what is written here others read, and both refuse the same."""

from __future__ import annotations

import base64
import hashlib

import cella
import pytest
from cella import _native
from cella.receipts import Receipt, TreeHead, tlog_proof
from checkpoint_reader import (
    LOG, WITNESS, Checkpoint, Note, Refused, cosign, key_id, public_of, read_vkey, sign, verify_tlog_proof, vkey,
)
from receipts_made import Made

EXAMPLE = ("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
""")
"""Key and note of C2SP signed-note."""
NEUMANN = ("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", """\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
""")
NEUMANN_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
"""Keys and note in the documentation of golang.org/x/mod/sumdb/note."""
GO = ("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8", """go.sum database tree
6476701
mb8QLQIs0Z0yP5Cstq6guj87oXWeC9gEM8oVikmm9Wk=

— sum.golang.org Az3grsLX85Gz+s1SiTbgkuqxgItqFq7gsMUEyVnrsa9LM7Us9S+1xbFIGu95949rj4nPRYfvimWEPWL+o3GeoWwOoAw=
""")
"""Go's checksum database, whose key has another name than its origin."""
GEOMYS = ("geomys.org/witness/test-log+c0787ff4+AeMb5VOzy60PTGdGmLPxOKGAa0jNyDGsgv2rnprGju1t", """geomys.org/witness/test-log
1
BCml5C32yqMcl0gjTrcSOeNVx59oPnSdytBzDGBO5k0=

— geomys.org/witness/test-log wHh/9BPsoBNr2x0Ol3qPBYasIN0HI2ZiBg5ac0v3LQq/7F+YO7U4oWbDeJn1VaWVrlbSEM30Gr7WWYQjj2SBxRoJ/Ao=
""")
ARCHE = """arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
"""
ARCHE_KEY = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
WITNESSES = (
    "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
    "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
)
"""A head of a public log for tests, with two signatures of its own, one of a type unknown here, and four witnesses'."""
SEEN = 0x6a122120
SPECIFIED = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""
"""The example of C2SP tlog-cosignature, whose keys are not published: only its form can be read."""
ROOT = bytes(range(32))
SEED, OTHER = bytes([1]) * 32, bytes([2]) * 32


# ---- the second reader itself, by known answers ----


@pytest.mark.parametrize("key, note", [EXAMPLE, NEUMANN, GO, GEOMYS, *((key, ARCHE) for key in (ARCHE_KEY, *WITNESSES))])
def test_the_reader_reads_what_is_published(key: str, note: str) -> None:
    read = Note.read(note.encode())
    assert read.verify(key) == (SEEN if key in WITNESSES else 0)
    with pytest.raises(Refused, match="wrong"):
        Note(read.text.replace("e", "f", 1), read.signatures).verify(key)


def test_the_writer_writes_what_is_published() -> None:
    seed = base64.b64decode(NEUMANN_SIGNER.split("+", 4)[4])[1:]
    text = Note.read(NEUMANN[1].encode()).text
    assert f"{text}\n{sign(text, 'PeterNeumann', seed)}" == NEUMANN[1]
    assert vkey("PeterNeumann", LOG, public_of(seed)) == NEUMANN[0]


# ---- theirs, read by us ----


@pytest.mark.parametrize("key, note", [GO, GEOMYS, (ARCHE_KEY, ARCHE)])
def test_heads_of_public_logs(key: str, note: str) -> None:
    name, kind, public = read_vkey(key)
    head = TreeHead.read(note)
    theirs = Checkpoint.read(Note.read(note.encode()).text)
    assert kind == LOG and (head.origin, head.size, head.root) == (theirs.origin, theirs.size, theirs.root)
    head.verify(public, name)
    with pytest.raises(cella.IntegrityError):
        TreeHead.read(note.replace(f"\n{head.size}\n", f"\n{head.size + 1}\n")).verify(public, name)
    with pytest.raises(cella.NotFound):
        head.verify(public, name + "x")
    with pytest.raises(cella.NotFound):
        head.verify(public_of(SEED), name)


@pytest.mark.parametrize("key", WITNESSES)
def test_witnesses_of_a_public_log(key: str) -> None:
    name, kind, public = read_vkey(key)
    assert kind == WITNESS and TreeHead.read(ARCHE).witnessed(name, public) == SEEN
    with pytest.raises(cella.IntegrityError):
        TreeHead.read(ARCHE.replace("\n1432088532\n", "\n1432088533\n")).witnessed(name, public)


def test_the_example_of_the_specification() -> None:
    head = TreeHead.read(SPECIFIED)
    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20852163)


def test_what_the_writer_writes() -> None:
    text = Checkpoint("log.example/1", 7, ROOT).text()
    line = sign(text, "log.example/1", SEED)
    for signatures in (line, line + cosign(text, "w.example", OTHER, 1790000000), cosign(text, "w.example", OTHER, 1790000000) + line):
        head = TreeHead.read(f"{text}\n{signatures}")
        assert (head.origin, head.size, head.root) == ("log.example/1", 7, ROOT)
        head.verify(public_of(SEED))
    assert head.witnessed("w.example", public_of(OTHER)) == 1790000000
    extended = text + "more\nand more\n"
    TreeHead.read(f"{extended}\n{sign(extended, 'log.example/1', SEED)}").verify(public_of(SEED))
    many = "".join(cosign(text, f"w{number}", OTHER, number + 1) for number in range(31))
    head = TreeHead.read(f"{text}\n{line}{many}")
    assert [head.witnessed(f"w{number}", public_of(OTHER)) for number in (0, 30)] == [1, 31]
    large = f"\u2014 pq.example {base64.b64encode(bytes(2424)).decode()}\n"  # of the size of a signature by ML-DSA-44
    TreeHead.read(f"{text}\n{line}{large * 16}").verify(public_of(SEED))
    empty = Checkpoint("log.example/1", 0, hashlib.sha256(b"").digest()).text()
    TreeHead.read(f"{empty}\n{sign(empty, 'log.example/1', SEED)}").verify(public_of(SEED))


# ---- ours, read by them: what an executor writes is read in tests/system/test_receipts.py, and test_trust_tree_head.c ----


def test_our_proof_of_inclusion() -> None:
    made = Made()
    receipt = Receipt(made.parts())
    proof = tlog_proof(receipt)
    assert proof is not None
    content = receipt.parts.receipt
    start = content.index(b"\xa1\x19\x01\x8a")  # its unprotected header: {394: ...
    payload = made.payload(receipt.parts.evidence_file)
    rest = content[content.rindex(payload) - 3:]
    entry = content[:start] + b"\xa0" + rest
    public = _native.ed25519_public(made.log)
    found = verify_tlog_proof(proof.encode(), entry, vkey("log.example", LOG, public))
    assert found.size == 4
    with pytest.raises(Refused):
        verify_tlog_proof(proof.encode(), entry + b"x", vkey("log.example", LOG, public))


# ---- what both refuse ----


GOOD = Checkpoint("log.example/1", 7, ROOT).text()
BAD_NOTES = {
    "no signature": f"{GOOD}\n",
    "no empty line": GOOD + sign(GOOD, "log.example/1", SEED),
    "a cut line": (f"{GOOD}\n{sign(GOOD, 'log.example/1', SEED)}")[:-1],
    "another dash": f"{GOOD}\n" + sign(GOOD, "log.example/1", SEED).replace("\u2014", "-"),
    "a name with a plus": f"{GOOD}\n" + sign(GOOD, "log+1", SEED),
    "a name with a no-break space": f"{GOOD}\n" + sign(GOOD, "log\u00a01", SEED),
    "a name with an ideographic space": f"{GOOD}\n" + sign(GOOD, "log\u30001", SEED),
    "a control character in an extension": f"{GOOD}a\tb\n\n" + sign(GOOD, "log.example/1", SEED),
    "a carriage return": f"{GOOD}\n".replace("\n7\n", "\n7\r\n") + sign(GOOD, "log.example/1", SEED),
    "signature without padding": f"{GOOD}\n\u2014 a AAAAAAA\n",
    "signature that is only an id": f"{GOOD}\n\u2014 a AAAAAA==\n",
    "signature that is no base64": f"{GOOD}\n\u2014 a AAAA-AAA\n",
    "signature with padding inside": f"{GOOD}\n\u2014 a AAA=AAAA\n",
    "a broken line of somebody else": f"{GOOD}\n{sign(GOOD, 'log.example/1', SEED)}\u2014 b ====\n",
    "an empty extension line": f"{GOOD}\nx\n\n{sign(GOOD, 'log.example/1', SEED)}",
    "a size with a zero before": f"{GOOD}\n".replace("\n7\n", "\n07\n") + sign(GOOD, "log.example/1", SEED),
    "a size with a sign": f"{GOOD}\n".replace("\n7\n", "\n+7\n") + sign(GOOD, "log.example/1", SEED),
}


@pytest.mark.parametrize("why", BAD_NOTES)
def test_both_refuse(why: str) -> None:
    note = BAD_NOTES[why]
    with pytest.raises(cella.FormatError):
        TreeHead.read(note)
    with pytest.raises((Refused, ValueError)):
        Checkpoint.read(Note.read(note.encode()).text)


def test_bytes_that_are_no_text() -> None:
    note = f"{GOOD}\n{sign(GOOD, 'log.example/1', SEED)}".encode().replace(b"log.example/1\n7", b"log.\xffexample\n7")
    with pytest.raises(cella.FormatError):
        _native.tree_head_read(note)
    with pytest.raises(ValueError):
        Note.read(note)


@pytest.mark.parametrize("kind, name, code", [("other text", "w.example", "wrong"), ("time", "w.example", "beyond"), ("type", "w.example", "not signed")])
def test_both_refuse_cosignatures(kind: str, name: str, code: str) -> None:
    key = vkey(name, WITNESS, public_of(OTHER))
    line = {
        "other text": lambda: cosign(GOOD + "x\n", name, OTHER, 5),
        "time": lambda: cosign(GOOD, name, OTHER, 1 << 63),
        "type": lambda: sign(GOOD, name, OTHER),
    }[kind]()
    note = f"{GOOD}\n{sign(GOOD, 'log.example/1', SEED)}{line}"
    with pytest.raises(Refused, match=code):
        Note.read(note.encode()).verify(key)
    with pytest.raises((cella.IntegrityError, cella.NotFound)):
        TreeHead.read(note).witnessed(name, public_of(OTHER))


def test_an_unknown_key_with_a_known_id_or_name() -> None:
    """Signatures of others are left alone, even with the same name; one with name and id that is wrong refuses all."""
    public = public_of(SEED)
    line = sign(GOOD, "log.example/1", SEED)
    same_name = sign(GOOD, "log.example/1", OTHER)
    TreeHead.read(f"{GOOD}\n{same_name}{line}").verify(public)
    forged = base64.b64encode(key_id("log.example/1", LOG, public) + bytes(64)).decode()
    note = f"{GOOD}\n\u2014 log.example/1 {forged}\n{line}"
    with pytest.raises(cella.IntegrityError):
        TreeHead.read(note).verify(public)
    with pytest.raises(Refused):
        Note.read(note.encode()).verify(vkey("log.example/1", LOG, public))
