# SPDX-License-Identifier: Apache-2.0
"""Verification of evidence, beside what libcrypto needs for the same certificate chains and signatures."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys

from measure import Options, Row, Sample

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GOAL = 0.667  # at most 1.5 times the time
SUBJECTS = {
    # what, vector, kind, signatures that are in no chain
    "one SNP report with chain and list": ("snp", "snp/microsoft/genoa_attestation_report.bin", 1),
    "one TDX quote with full collateral": ("tdx", "tdx/dcap-qvl/tdx_quote", 4),
}


def build_helper(options: Options) -> pathlib.Path:
    """Compile verify_memory.c with the build's libraries."""
    target = options.scratch / "verify_memory"
    subprocess.run(
        ["gcc", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-I", ROOT / "executor", HERE / "verify_memory.c", "-o", target,
         options.build / "libcella_trust.a", options.build / "libcella_base.a", "-ljansson", "-lcrypto"],
        check=True,
    )
    return target


def pem_of_der(der: bytes) -> bytes:
    """A certificate as PEM."""
    return subprocess.run(["openssl", "x509", "-inform", "der"], input=der, capture_output=True, check=True).stdout


def library_certificate(name: str) -> bytes:
    """A certificate that the library has as data, PEM."""
    import base64

    text = (ROOT / "executor" / "trust" / "anchor_data.c").read_text()
    match = re.search(rf'"{name}",\n((?:\s+"[A-Za-z0-9+/=]+"\n?)+)', text)
    assert match is not None
    return pem_of_der(base64.b64decode("".join(re.findall(r'"([^"]+)"', match.group(1)))))


def blocks(text: bytes) -> list[bytes]:
    """Certificates of a PEM text."""
    return re.findall(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", text.replace(b"\r", b""), re.DOTALL)


def write_input(folder: pathlib.Path, kind: str, vector: str) -> int:
    """The files that the helper reads; returns the time that counts."""
    sys.path.insert(0, str(ROOT / "tests" / "python"))
    import evidence_vectors as vectors

    call = vectors.accepted(kind, vector)
    folder.mkdir()
    (folder / "evidence").write_bytes(call.evidence)
    (folder / "endorsements").write_bytes(vectors.wire(call.endorsements))
    (folder / "policy").write_text(json.dumps(call.policy))
    if kind == "snp":
        leaf = next(content for number, content in call.endorsements if number == vectors.CERTIFICATES)
        chains = [blocks(leaf)[0] + library_certificate("SEV-Genoa")]
        root = library_certificate("ARK-Genoa")
    else:
        pck = blocks(call.evidence[call.evidence.index(b"-----BEGIN"):])
        chains = [b"".join(pck[:2])]
        chains += [content for number, content in call.endorsements if number in (vectors.TCB_CHAIN, vectors.QE_CHAIN)]
        root = pck[2]
    for number, chain in enumerate(chains):
        (folder / f"chain{number}").write_bytes(chain)
    for number, crl in enumerate(content for known, content in call.endorsements if known == vectors.CRL):
        (folder / f"crl{number}").write_bytes(crl)
    (folder / "root").write_bytes(root)
    return call.at


def measure(options: Options) -> list[Row]:
    """Rows for docs/performance.md."""
    if not vectors.SHARED.is_dir():
        print(f"NOT MEASURED: there is no real evidence in {vectors.SHARED}")
        return []
    helper = build_helper(options)
    rounds = options.count(1000)
    rows = []
    for what, (kind, vector, signatures) in SUBJECTS.items():
        folder = options.scratch / f"verify-{kind}"
        at = write_input(folder, kind, vector)
        lines = subprocess.check_output([helper, folder, kind, str(at), str(signatures), str(rounds)], text=True).splitlines()
        values = [tuple(map(float, line.split())) for line in lines[1:-1]]  # the first round does not count
        verify, chains, everything = (Sample.of([value / 1e3 for value in column]) for column in zip(*values))
        rows.append(Row("verify", what, "ms", verify, "libcrypto, same chains and signatures", everything, GOAL,
                        note=f"{1000 / verify.p50:.0f} per second of one processor"))
        rows.append(Row("verify", what, "ms", verify, "libcrypto, same chains only", chains))
        peak = int(lines[-1]) / 1048576
        rows.append(Row("verify", f"heap of {what}", "MiB", Sample.of([peak]), met=peak < 1, note="at most 1 MiB"))
    return rows
