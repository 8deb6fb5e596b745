# SPDX-License-Identifier: Apache-2.0
"""Receipts: their size, and how long one takes to verify, beside the two signatures that anybody would have to verify."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

from measure import Options, Row, Sample

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HEIGHT = 20
SIZE_GOAL_KIB = 1.6
TIME_GOAL_MS = 0.3


def build_helper(options: Options) -> pathlib.Path:
    """Compile receipt_verify.c with the build's libraries."""
    target = options.scratch / "receipt_verify"
    subprocess.run(
        ["gcc", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-I", ROOT / "executor", HERE / "receipt_verify.c", "-o", target,
         options.build / "libcella_trust.a", options.build / "libcella_base.a", "-ljansson", "-lcrypto"],
        check=True,
    )
    return target


def write_input(folder: pathlib.Path) -> int:
    """A receipt of 2 inputs, 1 output and 3 parties in a log of 2^20 entries, and what the helper reads beside it; its size."""
    sys.path.insert(0, str(ROOT / "tests" / "python"))
    import receipts_made as made
    from cella import _native
    from cella.encoding import to_base64url

    executor, log = _native.Secret.generate(), _native.Secret.generate()
    digests = [made.sha256(bytes([number])) for number in range(10)]
    payload = made.cbor({
        1: digests[0],
        2: [["a", 0, digests[1], 4096], ["b", 0, digests[2], 8192]],
        3: [["result", 0, digests[3], 4096]],
        4: sorted(digests[4:7]),
        5: digests[7],
        6: [["snp", bytes(48)]],
        7: [made.TIME - 42, made.TIME, 0],
        8: {1: 123456, 2: 1048576, 3: 0},
        9: bytes(16),
        12: digests[8],
    })
    kid = made.kid_of(executor)
    issuer = "urn:cella:executor:" + to_base64url(kid)
    subject = "task-" + "0" * 32
    protected, signature = made.signed(
        executor, {1: -8, 3: made.CONTENT_TYPE, 4: kid, 15: {1: issuer, 2: subject, 6: made.TIME}}, payload)
    node = made.sha256(b"\0" + made.cbor(made.Tag([protected, {}, payload, signature])))
    path = [made.sha256(b"sibling" + bytes([level])) for level in range(HEIGHT)]
    for sibling in path:
        node = made.sha256(b"\1" + sibling + node)
    size = 1 << HEIGHT
    claims = {1: "urn:cella:log", "cella.size": size, "cella.index": size - 1}
    log_protected, log_signature = made.signed(log, {1: -8, 4: made.kid_of(log), 15: claims, 395: 1}, node)
    proof = made.cbor([size, size - 1, path])
    receipt = made.cbor(made.Tag([log_protected, {396: {-1: [proof]}}, None, log_signature]))
    whole = made.cbor(made.Tag([protected, {394: [receipt]}, payload, signature]))
    keys = ["ed25519:" + to_base64url(_native.ed25519_public(seed)) for seed in (executor, log)]
    policy = {
        "version": 1, "accept": ["soft"], "soft": {"roots": keys[:1]},
        "measurement": [{"name": "none", "type": "soft", "value": "sha256:" + "00" * 32}],
        "receipt": {"executors": keys[:1], "log": [{"name": "log", "key": keys[1]}]},
    }
    folder.mkdir()
    (folder / "receipt").write_bytes(whole)
    (folder / "policy").write_text(json.dumps(policy))
    (folder / "message").write_bytes(made.cbor(["Signature1", protected, b"", payload]))
    (folder / "signature").write_bytes(signature)
    (folder / "key").write_bytes(_native.ed25519_public(executor))
    return len(whole)


def measure(options: Options) -> list[Row]:
    """Rows for docs/performance.md."""
    helper = build_helper(options)
    folder = options.scratch / "receipt"
    size = write_input(folder)
    lines = subprocess.check_output([helper, folder, str(options.count(500))], text=True).splitlines()
    ours, floor = zip(*(tuple(float(value) / 1e3 for value in line.split()) for line in lines[1:]))  # the first does not count
    sample = Sample.of(ours)
    return [
        Row("receipt", "size, 2 in, 1 out, 3 parties, log of 2^20", "KiB", Sample.of([size / 1024]), limit=SIZE_GOAL_KIB),
        Row("receipt", "verification, one core", "ms", sample, "libcrypto, two Ed25519 signatures", Sample.of(floor),
            limit=TIME_GOAL_MS, note=f"{1000 / sample.p50:.0f} per second of one processor"),
    ]
