# SPDX-License-Identifier: Apache-2.0
"""What to do about a refusal: which file is missing and where it comes from, which bytes were expected."""

from __future__ import annotations

from collections.abc import Iterator

from .trust import Report

_SHOWN = 16
"""Bytes of report data that are shown, from the first that differs."""
_COLLATERAL = "cella-collateral --cache DIR"
_ENOUGH = "give the file as --endorsement FILE"


def _different(expected: bytes, found: bytes) -> str:
    """Two values from the first byte on in which they differ."""
    place = next((n for n, (a, b) in enumerate(zip(expected, found)) if a != b), min(len(expected), len(found)))
    def cut(data: bytes) -> str:
        shown = data[place:place + _SHOWN].hex()
        return f"{'...' if place else ''}{shown}{'...' if len(data) > place + _SHOWN else ''} ({len(data)} bytes)"

    return f"expected {cut(expected)}, found {cut(found)}; they differ from byte {place} on"


def _binding(report: Report, evidence: bytes, expected: bytes | None) -> Iterator[str]:
    if expected is None:
        return
    claimed = report.claim("report_data")
    found = bytes.fromhex(claimed) if isinstance(claimed, str) else evidence[46:110] if report.type == "soft" else None
    if found is None:
        yield f"expected report data {expected[:_SHOWN].hex()}{'...' if len(expected) > _SHOWN else ''} ({len(expected)} bytes)"
    else:
        yield f"report data: {_different(expected, found)}"


def _amd_words(report: Report) -> str:
    """The request for the certificate of the chip that made a report."""
    product, chip = report.claim("product"), report.claim("chip_id")
    family = {"siena": "genoa"}.get(str(product), product)
    levels = ["bl", "tee", "snp", "ucode", *(["fmc"] if product == "turin" else [])]
    numbers = [report.claim(f"reported_{level}") for level in levels]
    if family is None or not isinstance(chip, str) or not chip.strip("0") or None in numbers:
        return "amd vcek milan|genoa|turin CHIP BL TEE SNP UCODE"
    return f"amd vcek {family} {chip[:16] if product == 'turin' else chip} {' '.join(map(str, numbers))}"


def _missing(report: Report, check: str, detail: str) -> Iterator[str]:
    amd, intel = report.type in ("snp", "az-snp"), report.type in ("tdx", "sgx", "az-tdx")
    product = {"siena": "genoa"}.get(str(report.claim("product")), report.claim("product")) or "milan|genoa|turin"
    if amd and check in ("chain", "endorsement") and "kdsintf.amd.com" in detail:
        yield f"the chip's certificate (VCEK) is missing: {_ENOUGH}; AMD serves it: {_COLLATERAL} {_amd_words(report)} > FILE"
    elif amd and check == "revocation" and "missing" in detail:
        yield f"AMD's revocation list is missing: {_ENOUGH}; AMD serves it: {_COLLATERAL} amd list vcek {product} > FILE"
    elif intel and ("CRL" in detail or "missing" in detail):
        tee = "sgx" if report.type == "sgx" else "tdx"
        yield (f"Intel's collateral (revocation lists, TCB information, QE identity, and who signed those) is missing or in part: "
               f"{_ENOUGH}; Intel serves it: {_COLLATERAL} intel {tee} FMSPC platform > FILE")


def advice(report: Report, evidence: bytes, expected: bytes | None = None, *, certificate: bool = False,
           charter: bool = False) -> list[str]:
    """What to do about a report that refuses.

    Args:
        report: of evidence in a file.
        evidence: the file.
        expected: report data that were asked for, if any.
        certificate: the file is a certificate.
        charter: a charter was given.

    Returns:
        Sentences, most often one; none where there is nothing to add to the report.
    """
    said: list[str] = []
    for failed in report.failed:
        if failed.name == "binding":
            said += _binding(report, evidence, expected)
        elif failed.name == "charter" and certificate:
            said.append("evidence in a certificate vouches for the certificate's key and for no charter: judge it by a trust file "
                        "without [charter]; whether an executor keeps to the charter is told by: cella attest HOST:PORT")
        elif failed.name == "charter" and not charter:
            said.append("the trust file pins a charter, and none was given: --charter FILE with --keys FILE; or judge it by a trust "
                        "file without [charter]")
        else:
            said += _missing(report, failed.name, failed.detail)
    return list(dict.fromkeys(said))
