# SPDX-License-Identifier: Apache-2.0
"""Real and forged evidence with known verdicts: how a row of the shared cases becomes a call of the verifier.

Each row names evidence, what comes with it, the anchor, the time, the policy and the verdict. Rows are data; this file
knows how to read them, and nothing about what is right.
"""

from __future__ import annotations

import base64
import csv
import dataclasses
import datetime
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cella import _native

SHARED = Path(__file__).resolve().parents[3] / "shared" / "vectors"
CERTIFICATES, CRL, TCB_INFO, TCB_CHAIN, QE_IDENTITY, QE_CHAIN = 1, 2, 3, 4, 5, 6

Endorsements = list[tuple[int, bytes]]


@dataclass(frozen=True)
class Case:
    """One row."""

    family: str
    evidence: str
    extract: str
    companions: str
    anchor: str
    at: str
    policy: str
    expect: str
    reason: str

    @property
    def name(self) -> str:
        """Short and unique enough for a test's name."""
        return f"{self.evidence.partition('/')[2]}-{self.companions.rpartition('/')[2]}-{self.policy}-{self.at[:10]}"


def cases(*families: str) -> list[Case]:
    """The rows of some families; empty where the shared vectors are not there."""
    path = SHARED / "cases.tsv"
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        rows = [Case(**row) for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    return [row for row in rows if row.family in families]


def data(name: str) -> bytes:
    """Content of a vector."""
    return (SHARED / name).read_bytes()


def seconds(time: str) -> int:
    """Unix seconds of a row's time."""
    return 0 if time in ("", "-") else int(datetime.datetime.fromisoformat(time).timestamp())


def base64url(text: str) -> bytes:
    """Decode, with or without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def wire(endorsements: Endorsements) -> bytes:
    """Endorsements as the verifier takes them."""
    return b"".join(bytes([kind]) + len(content).to_bytes(4, "big") + content for kind, content in endorsements)


def pem_blocks(text: bytes) -> list[str]:
    """Certificates of a PEM file, each as text."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    return [begin + block.partition(end)[0] + end + "\n" for block in text.decode().split(begin)[1:]]


def injected_anchor(case: Case) -> str | None:
    """The test root that a row wants trusted instead of the vendor's, PEM."""
    if not case.anchor.startswith("file:"):
        return None
    name, _, _ = case.anchor.removeprefix("file:").partition("#")
    return pem_blocks(data(name))[-1]


@dataclass(frozen=True)
class Call:
    """A call of the verifier, of which a test may change one thing."""

    kind: str
    evidence: bytes
    endorsements: Endorsements
    policy: dict[str, Any]
    at: int
    binding: dict[str, Any]

    def report(self, **changes: Any) -> dict[str, Any]:
        """The verifier's report."""
        call = dataclasses.replace(self, **changes)
        return _native.appraise(call.evidence, call.kind, json.dumps(call.policy).encode(), call.at,
                                endorsements=wire(call.endorsements), **call.binding)

    def failed(self, **changes: Any) -> list[str]:
        """Names of the checks that failed; the status must agree."""
        report = self.report(**changes)
        names = [check[0] for check in report["checks"] if check[1] == "failed"]
        assert (report["status"] == "OK") == (names == []), report
        return names

    def with_terms(self, **terms: Any) -> dict[str, Any]:
        """The policy with terms of this kind's section set; None takes one out."""
        section = {**self.policy.get(self.kind, {}), **terms}
        return {**self.policy, self.kind: {name: value for name, value in section.items() if value is not None}}

    def without(self, kind: int) -> Endorsements:
        """What comes with it, but for one kind."""
        return [one for one in self.endorsements if one[0] != kind]


def appraise(kind: str, evidence: bytes, endorsements: Endorsements, policy: dict[str, Any], at: int,
             report_data: bytes) -> dict[str, Any]:
    """The verifier's report."""
    return Call(kind, evidence, endorsements, policy, at, {"report_data": report_data}).report()


# ---- AMD SEV-SNP ----


def _snp_evidence(case: Case) -> tuple[bytes, Endorsements]:
    raw = data(case.evidence)
    if case.extract == "raw":
        return raw, []
    if case.extract == "hex":
        return bytes.fromhex(raw.decode().strip()), []
    if case.extract.startswith("[0x20"):
        return raw[0x20:0x4C0], []
    content = json.loads(raw)
    if "attestation_report" in case.extract:
        inside = content["evidence"]
        leaf = base64.b64decode(inside["cert_chain"]["vcek"])
        return base64.b64decode(inside["attestation_report"]), [(CERTIFICATES, leaf)]
    if "byte array" in case.extract:
        return bytes(content["report"])[0x20:0x4C0], [(CERTIFICATES, _certificate(content["vcek"]))]
    return base64url(content["hcl_report"])[0x20:0x4C0], [(CERTIFICATES, _certificate(content["vcek"]))]


def _certificate(value: Any) -> bytes:
    if isinstance(value, list):
        return bytes(value)
    return value.encode() if value.startswith("-----") else base64url(value)


def _snp_policy(case: Case, measurement: bytes) -> dict[str, Any]:
    products = {"amd-milan": ["milan"], "amd-genoa": ["genoa", "siena"], "amd-turin": ["turin"]}
    section: dict[str, Any] = {"products": products.get(case.anchor, ["milan", "genoa", "siena", "turin"])}
    words = case.policy.split("+")
    if "nocrl" in words:
        section["revocation"] = "any"
    if "nofloor" in words:
        section["tcb"] = section["alias_check"] = "any"
    if "vmpl1" in words:
        section["vmpl"] = [1]
    if "vlek" in words:
        section["keys"] = ["vlek"]
        section["csp_ids"] = ["CN=cc-test-1.example.invalid", "CN=cc-us-east-2.amazonaws.com"]
    policy = {
        "version": 1,
        "accept": ["snp"],
        "measurement": [{"name": "vector", "type": "snp", "value": "sha384:" + measurement.hex()}],
        "snp": section,
    }
    root = injected_anchor(case)
    if root is not None:
        policy["anchor"] = [{"family": "amd-genoa", "certificate": root}]
    return policy


def call_snp(case: Case) -> Call:
    """The call for a row of family snp."""
    evidence, endorsements = _snp_evidence(case)
    for name in case.companions.split():
        if "/" in name:
            endorsements.append((CRL if "crl" in name else CERTIFICATES, data(name)))
    padded = evidence.ljust(0x4A0, b"\0")
    return Call("snp", evidence, endorsements, _snp_policy(case, padded[0x90:0xC0]), seconds(case.at),
                {"report_data": padded[0x50:0x90]})


# ---- Intel ----

_PCS = "tdx/attestation-rs/"
_SETS: dict[str, tuple[str, ...]] = {
    # TCB information, QE identity, PCK CRL, root CRL, signing chain
    "B": ("tdx/automata/solana/tcb_info_v3_with_tdx_module.json", "tdx/automata/solana/qe_identity.json",
          "tdx/automata/solana/pck_platform_crl.der", "tdx/automata/solana/intel_root_ca_crl.der",
          _PCS + "tcb_signing_chain.pem"),
    "C": ("tdx/automata/0825/sgx_tcbinfov3_00606a000000.json", "tdx/automata/0825/sgx_qeidentity_v4.json",
          "tdx/automata/0825/platform_crl.der", "tdx/automata/solana/intel_root_ca_crl.der",
          _PCS + "tcb_signing_chain.pem"),
    "D": ("tdx/automata/1025/tcb_info.json", "tdx/automata/1025/identity.json", "tdx/automata/1025/pck_crl.der",
          "tdx/automata/solana/intel_root_ca_crl.der", _PCS + "tcb_signing_chain.pem"),
    "E1": (_PCS + "tcb_info_50806f000000.json", _PCS + "td_qe_identity.json", _PCS + "pck_crl_platform.der",
           _PCS + "root_ca_crl.der", _PCS + "tcb_signing_chain.pem"),
    "E2": (_PCS + "tcb_info_90c06f000000.json", _PCS + "td_qe_identity.json", _PCS + "pck_crl_platform.der",
           _PCS + "root_ca_crl.der", _PCS + "tcb_signing_chain.pem"),
    "G": ("tdx/forged/tcb_info.json", "tdx/forged/qe_identity.json", "tdx/forged/pck_crl.der",
          "tdx/forged/root_ca_crl.der", "tdx/forged/tcb_signing_chain.pem"),
}
_BUNDLES = {
    "A": "tdx/dcap-qvl/tdx_quote_collateral.json",
    "AS": "sgx/dcap-qvl/sgx_quote_collateral.json",
    "F": "tdx/dcap-qvl/tdx_quote_outdated_collateral.json",
}
_FOLDERS = {"O": "sgx/openenclave/collateral/", "P": "tdx/openenclave/collateral/"}


def _bundle(name: str) -> Endorsements:
    """The form in which one JSON object has everything as texts; what is absent in it stays absent."""
    content = json.loads(data(name))
    found: Endorsements = []
    if content.get("tcb_info"):
        text = f'{{"tcbInfo":{content["tcb_info"]},"signature":"{content.get("tcb_info_signature", "")}"}}'
        found.append((TCB_INFO, text.encode()))
    if content.get("qe_identity"):
        text = f'{{"enclaveIdentity":{content["qe_identity"]},"signature":"{content.get("qe_identity_signature", "")}"}}'
        found.append((QE_IDENTITY, text.encode()))
    for kind, key in ((TCB_CHAIN, "tcb_info_issuer_chain"), (QE_CHAIN, "qe_identity_issuer_chain")):
        if content.get(key):
            found.append((kind, content[key].encode()))
    found += [(CRL, bytes.fromhex(content[key])) for key in ("root_ca_crl", "pck_crl") if content.get(key)]
    return found


def _set(name: str) -> Endorsements:
    if name in _BUNDLES:
        return _bundle(_BUNDLES[name])
    if name in _FOLDERS:
        return _folder(_FOLDERS[name])
    info, identity, pck_crl, root_crl, chain = map(data, _SETS[name])
    return [(TCB_INFO, info), (QE_IDENTITY, identity), (CRL, root_crl), (CRL, pck_crl), (TCB_CHAIN, chain),
            (QE_CHAIN, chain)]


def _folder(folder: str) -> Endorsements:
    names = ("tcb_info.json", "qe_identity.json", "root_ca_crl.der", "tcb_signing_chain.pem")
    info, identity, root_crl, chain = (data(folder + name) for name in names)
    pck_crl = next((SHARED / folder).glob("pck_crl_p*.der")).read_bytes()
    return [(TCB_INFO, info), (QE_IDENTITY, identity), (CRL, root_crl), (CRL, pck_crl), (TCB_CHAIN, chain),
            (QE_CHAIN, chain)]


_REPLACES = {"tcb_info": TCB_INFO, "qe_identity": QE_IDENTITY}


def _intel_endorsements(case: Case) -> Endorsements:
    found: Endorsements = []
    for name in case.companions.split():
        if name.startswith("set:"):
            found = _set(name.removeprefix("set:"))
        elif name.startswith("crls-of:"):
            found = [one for one in _set(name.removeprefix("crls-of:")) if one[0] == CRL]
        elif name.startswith(("tdx/bad/collateral", "sgx/bad/collateral")):
            found = _bundle(name)
        elif "/" in name:
            found = _replace(found, name)
    return found


def _replace(found: Endorsements, name: str) -> Endorsements:
    stem = name.rpartition("/")[2]
    content = data(name)
    if stem.startswith(("root_ca_crl", "pck_crl")):
        place = 0 if stem.startswith("root") else 1
        lists = [one for one in found if one[0] == CRL]
        lists[place] = (CRL, content)
        return [one for one in found if one[0] != CRL] + lists
    kind = next(kind for prefix, kind in _REPLACES.items() if stem.startswith(prefix))
    return [(kind, content) if one[0] == kind else one for one in found]


def _quote(case: Case) -> bytes:
    raw = data(case.evidence)
    if case.extract == "raw":
        return raw
    if case.extract == "hex":
        return bytes.fromhex(raw.decode().strip().removeprefix("0x"))
    content = json.loads(raw)
    if '"quote"' in case.extract:
        return bytes.fromhex(content["quote"])
    inside = bytes.fromhex(content["attestation"])[4:]
    return inside[:636 + int.from_bytes(inside[632:636], "little")]


def _words(case: Case) -> tuple[list[str], list[str] | str]:
    """Accepted TCB statuses, and advisories."""
    allowed = next((word.removeprefix("allow:") for word in case.policy.split("+") if word.startswith("allow:")), "")
    status, _, advisories = allowed.partition(":")
    statuses = ["UpToDate", status] if status else ["UpToDate"]
    return statuses, advisories.split(",") if advisories else "any"


def _intel_policy(case: Case, kind: str, entry: dict[str, Any]) -> dict[str, Any]:
    statuses, advisories = _words(case)
    section: dict[str, Any] = {"tcb_status": statuses, "advisories": advisories}
    words = case.policy.split("+")
    if "debug" in words:
        section["debug"] = True
    if "mineval10" in words:
        section["tcb_evaluation"] = 10
    policy = {
        "version": 1,
        "min_level": 1 if "debug" in words else 2,
        "accept": [kind],
        "measurement": [{"name": "vector", "type": kind, **entry}],
        kind: section,
    }
    root = injected_anchor(case)
    if root is not None:
        policy["anchor"] = [{"family": "intel", "certificate": root}]
    return policy


def call_tdx(case: Case) -> Call:
    """The call for a row of family tdx."""
    quote = _quote(case)
    start = 54 if quote[:2] == b"\x05\0" else 48
    body = quote[start:].ljust(648, b"\0")
    entry = {
        "value": "sha384:" + body[136:184].hex(),
        "registers": {"rtmr1": body[376:424].hex(), "rtmr2": body[424:472].hex()},
    }
    policy = _intel_policy(case, "tdx", entry)
    if "mrconfig0" not in case.policy:  # these registers are the owner's business, not the platform's
        for name, offset in (("mrconfigid", 184), ("mrowner", 232), ("mrownerconfig", 280)):
            policy["tdx"][name] = [body[offset:offset + 48].hex()]
    return Call("tdx", quote, _intel_endorsements(case), policy, seconds(case.at), {"report_data": body[520:584]})


def call_sgx(case: Case) -> Call:
    """The call for a row of family sgx."""
    quote = _quote(case)
    body = quote[48:].ljust(384, b"\0")
    policy = _intel_policy(case, "sgx", {"value": "sha256:" + body[64:96].hex()})
    return Call("sgx", quote, _intel_endorsements(case), policy, seconds(case.at), {"report_data": body[320:384]})


# ---- AWS Nitro ----


def _cbor(data: bytes, place: int) -> tuple[Any, int]:
    """One item, without judging it: only to learn what a vector says of itself."""
    first = data[place]
    major, more = first >> 5, first & 31
    place += 1
    value = more
    if 24 <= more <= 27:
        size = 1 << more - 24
        value, place = int.from_bytes(data[place:place + size], "big"), place + size
    if major in (2, 3):
        return data[place:place + value], place + value
    if major == 4 or major == 5:
        items: list[Any] = []
        while (more == 31 and data[place] != 0xFF) or (more != 31 and len(items) < value * (major - 3)):
            item, place = _cbor(data, place)
            items.append(item)
        place += more == 31
        return (items if major == 4 else dict(zip(items[::2], items[1::2], strict=True))), place
    if major == 6:
        return _cbor(data, place)
    return value, place


def _pcrs(document: bytes) -> dict[int, bytes]:
    """Registers that a document names; nothing when it can not be read."""
    if len(document) > 16384 or document[:4] == b"\x81" * 4:
        return {}
    try:
        payload = _cbor(document, 0)[0][2]
        return {key: value for key, value in _cbor(payload, 0)[0][b"pcrs"].items() if isinstance(value, bytes)}
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, MemoryError, RecursionError):
        return {}


def call_nitro(case: Case) -> Call:
    """The call for a row of family nitro."""
    document = data(case.evidence)
    pcrs = _pcrs(document)
    images = {f"pcr{number}": pcrs.get(number, b"").ljust(48, b"\x01")[:48].hex() for number in (1, 2)}
    value = "sha384:" + pcrs.get(0, b"").ljust(48, b"\x01")[:48].hex()
    policy: dict[str, Any] = {
        "version": 1,
        "accept": ["nitro"],
        "measurement": [{"name": "vector", "type": "nitro", "value": value, "registers": images}],
    }
    if "age300" in case.policy:
        policy["freshness"] = {"max_age_s": 300}
    root = injected_anchor(case)
    if root is not None:
        policy["anchor"] = [{"family": "aws-nitro", "certificate": root}]
    nonce = bytes(range(32)) if "nonce:" in case.policy else b""
    return Call("nitro", document, [], policy, seconds(case.at), {"nonce": nonce, "unbound": not nonce})


# ---- TPM ----


def fields(*parts: bytes) -> bytes:
    """Fields with their length before them."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _spki(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(line for line in pem.splitlines() if not line.startswith(b"-----")))


def call_tpm(case: Case) -> Call:
    """The call for a row of family tpm: a quote, its signature, and the key that is pinned."""
    words = dict(word.split(":", 1) for word in case.policy.split("+"))
    key = _spki(data(case.anchor.removeprefix("file:")))
    numbers = [int(number) for number in words["sel"].partition(":")[2].split(",")]
    all_values = [data(words["pcrs"])[place:place + 32] for place in range(0, 512, 32)]
    registers = {f"pcr{number}": all_values[number].hex() for number in numbers}
    message = data(case.evidence)
    quoted = [number for number in range(16) if message[-37:-34][number // 8] >> number % 8 & 1]
    evidence = b"\1" + fields(message, data(case.companions), b"".join(all_values[number] for number in quoted), key)
    policy = {
        "version": 1,
        "accept": ["tpm"],
        "measurement": [{"name": "vector", "type": "tpm", "registers": registers}],
        "tpm": {"pcrs": numbers, "attestation_keys": [hashlib.sha256(key).hexdigest()], "restricted": "any"},
    }
    return Call("tpm", evidence, [], policy, seconds(case.at), {"report_data": data(words["nonce"])})


# ---- evidence in TLS certificates ----


def pem_or_der(case: Case) -> bytes:
    """A row's certificate, without the text for people that may stand before it."""
    certificate = data(case.evidence)
    return certificate[certificate.index(b"-----BEGIN"):] if case.evidence.endswith(".pem") else certificate


def policy_of_quote(case: Case, kind: str, quote: bytes) -> dict[str, Any]:
    """What accepts a row's quote."""
    if kind == "tdx":
        entry = {"value": "sha384:" + quote[184:232].hex(),
                 "registers": {"rtmr1": quote[424:472].hex(), "rtmr2": quote[472:520].hex()}}
    else:
        entry = {"value": "sha256:" + quote[112:144].hex()}
    policy = _intel_policy(case, kind if kind != "none" else "tdx",
                           entry if kind != "none" else {"value": "sha384:" + "00" * 48,
                                                         "registers": {"rtmr1": "00" * 48, "rtmr2": "00" * 48}})
    if kind == "tdx":
        for name, offset in (("mrconfigid", 232), ("mrowner", 280), ("mrownerconfig", 328)):
            policy["tdx"][name] = [quote[offset:offset + 48].hex()]
    return policy


def endorsements_of(case: Case) -> Endorsements:
    """What comes with a row's quote."""
    return _intel_endorsements(case)


def appraise_ratls(case: Case) -> dict[str, Any]:
    """Judge a row of family ratls: what the certificate brings must be there, be bound to its key, and verify."""
    certificate = pem_or_der(case)
    words = case.policy.split("+")
    # The forged certificates are of 2026, also those that carry an older quote with its older collateral.
    at = max(seconds(case.at), 1781481600 if "forged" in case.evidence else 0)
    try:
        kind, quote, report_data, nonce = _native.evidence_in_certificate(certificate, at,
                                                                           allow_legacy="legacy" in words)
    except _native.CellaError as error:
        return {"status": error.code, "checks": [("certificate", "failed", error.code, str(error))]}
    if "nonce:ff" in words and nonce != b"\xff" * len(nonce):
        return {"status": "BINDING", "checks": [("nonce", "failed", "BINDING", "")]}
    policy = policy_of_quote(case, kind, quote)
    return appraise(kind, quote, _intel_endorsements(case), policy, seconds(case.at), report_data)


CALLS = {"tpm": call_tpm, "nitro": call_nitro, "snp": call_snp, "tdx": call_tdx, "sgx": call_sgx}


def judge(case: Case) -> dict[str, Any]:
    """The report for a row of any family."""
    return appraise_ratls(case) if case.family == "ratls" else CALLS[case.family](case).report()


FAMILIES = ("ratls", *CALLS)


def accepted(family: str, evidence: str, policy: str | None = None) -> Call:
    """The call for the first row with that evidence that must be accepted."""
    rows = [row for row in cases(family) if row.evidence == evidence and row.expect == "ACCEPT"]
    row = next(row for row in rows if policy is None or policy in row.policy)
    return CALLS[family](row)
