# SPDX-License-Identifier: Apache-2.0
"""What the terms of a trust file mean, one sentence each: for templates, explanations and the reference.

Which terms exist, and their defaults, is the verifier's word (``_native.evidence_kind``). docs/evidence.md shows both; a
test holds the three together.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from . import _native

TYPES = ("snp", "tdx", "sgx", "tpm", "nitro", "az-snp", "az-tdx", "soft")
"""Every kind of evidence, the strongest first."""

_INTEL = {
    "tcb_status": "statuses of the platform that you accept, as Intel names them; Revoked never passes",
    "advisories": "Intel's advisories (INTEL-SA-...) about the platform that you accept to be open",
    "tcb_evaluation": "least tcbEvaluationDataNumber that both of Intel's documents must have: an older edition is refused",
    "fmspcs": "kinds of platforms (FMSPC) that you accept",
    "platforms": "machines that you accept, by platform instance id from the PCK certificate",
    "denied_platforms": "machines that you refuse, by PPID from the PCK certificate",
    "smt": "whether sibling threads are on, as the PCK certificate says",
}
_LOG = {
    "event_log": "whether the event log must come and account for each quoted register; one that comes must lead to those it has",
    "event": "events that must be in that log, each with the register that it was extended into",
}
_TPM = {
    **_LOG,
    "pcrs": "the registers that the quote must be over: exactly these, no fewer and no more",
    "pcr_banks": "hashes of the register bank that you accept",
    "clock_safe": "whether the TPM's clock is known never to have gone back",
}

MEANINGS: dict[str, dict[str, str]] = {
    "soft": {
        "roots": "software roots that may sign; whoever holds the key can say anything",
        "layers": "layers of the sandbox that must be in force in every cell",
    },
    "snp": {
        "products": "processor families; Milan is left out, because software on its host can extract the chip's key",
        "keys": "who may sign: vcek is the chip's own key, vlek one that AMD gives to a cloud provider",
        "csp_ids": "with vlek: the providers, as their certificate names them",
        "revocation": "whether AMD's revocation list must be there and clear the chain",
        "debug": "a host can read and write the memory of a debug guest",
        "migrate_ma": "whether the guest's policy lets a migration agent be attached",
        "migration_agent": "whether a migration agent is attached",
        "mask_chip_key": "whether the chip's key is masked, so that nothing is signed",
        "vmpl": "privilege level inside the guest that asked for the report; 4294967295 would be the host",
        "tcb": "least firmware versions per product: reported_, committed_, current_ or launch_ and bl, tee, snp, ucode, fmc",
        "alias_check": "whether the firmware has looked for memory aliases at boot (BadRAM, CVE-2024-21944)",
        "smt": "whether sibling threads are on in the machine",
        "smt_allowed": "whether the guest's policy lets sibling threads be on",
        "single_socket": "whether the guest's policy keeps it on one socket",
        "cxl_allowed": "whether the guest's policy lets its memory lie behind CXL",
        "ecc": "whether the memory has error correction",
        "ciphertext_hiding": "whether the host is kept from reading ciphertext, whose changes tell something",
        "host_data": "what the host bound the guest to at launch, 32 bytes",
        "id_keys": "SHA-384 of the keys that may have signed the guest's ID block",
        "author_keys": "SHA-384 of the keys that may have signed those ID keys",
        "guest_svn": "least version number in the guest's ID block",
        "chips": "machines that you accept, by chip id, 64 bytes",
        "denied_chips": "machines that you refuse, by chip id, 64 bytes",
        "crl_number": "least number of AMD's revocation list: an older one is refused",
    },
    "tdx": {
        **_INTEL,
        **_LOG,
        "debug": "a host can read and write the memory of a debug TD; any of the eight debug bits counts",
        "sept_ve_disable": "whether the host is kept from injecting exceptions by taking pages away",
        "migratable": "whether the TD can be moved to another machine",
        "perfmon": "whether the TD may use the processor's performance counters",
        "pks": "whether supervisor protection keys are on",
        "key_locker": "whether Key Locker is on",
        "lass": "whether linear address space separation is on",
        "xfam": "processor extensions that the TD may use, as a mask of 64 bits",
        "mrservicetd": "service TDs that may be attached; zeros: none",
        "mrconfigid": "what the TD was configured with at launch; zeros: nothing. The host chooses it",
        "mrowner": "owner named at launch; zeros: nobody. The host chooses it",
        "mrownerconfig": "the owner's configuration named at launch; zeros: nothing. The host chooses it",
        "mrseam": "measurements of the TDX module that you accept; Intel's collateral judges it anyway",
        "dynamic_platform": "whether processors can be added to the platform later",
    },
    "sgx": {
        **_INTEL,
        "debug": "a host can read and write the memory of a debug enclave",
        "init": "whether the enclave was initialised",
        "mode64": "whether it runs in 64-bit mode",
        "provision_key": "whether the enclave may use the provisioning key, which identifies the machine",
        "einittoken_key": "whether it may use the launch key",
        "misc_select": "values of MISCSELECT that you accept",
        "xfrm": "processor extensions that the enclave may use, as a mask of 64 bits",
        "config_id": "what the enclave was configured with at launch; zeros: nothing. The host chooses it",
        "config_svn": "version of that configuration",
        "isv_ext_prod_id": "extended product id; zeros: none",
        "isv_family_id": "product family; zeros: none",
    },
    "tpm": {
        **_TPM,
        "attestation_keys": "keys that may sign: the TPM's name of the key (000b and SHA-256), found out at enrolment",
        "restricted": "whether the key signs only what the TPM itself says, by its attributes",
        "reset_count": "the machine's count of boots: pin it to notice a reboot",
        "tpm_firmware": "versions of the TPM's firmware that you accept",
    },
    "nitro": {
        "debug": "an enclave in debug mode has zeros instead of measurements, and its console is open",
        "pcr3": "SHA-384 of the IAM role of the parent instance",
        "pcr4": "SHA-384 of the id of the parent instance",
        "pcr8": "SHA-384 of the certificate that signed the image",
    },
    "az-snp": _TPM,
    "az-tdx": _TPM,
}


@dataclass(frozen=True)
class Term:
    """One term of a section of the trust file.

    Attributes:
        name: in the trust file, and of the check in the report.
        claim: what it looks at.
        kind: flag, bytes, excluded, text, every, number, minimum, within, floors, selection, layers, roots, choice
            or events.
        required: there is no default that fits everybody.
        default: value when the file says nothing; None: not checked then.
        meaning: one sentence, without full stop.
        size: bytes of its values; 0: any number.
        selectors: words that it may be, or that stand before its numbers.
        numbers: names of numbers, for floors.
    """

    name: str
    claim: str
    kind: str
    required: bool
    default: Any
    meaning: str
    size: int
    selectors: tuple[str, ...]
    numbers: tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """One kind of evidence, as a trust file sees it.

    Attributes:
        type: its name in the trust file.
        title: for people.
        hardware: the kind that it contains and whose section counts too, or None.
        measurement: claim that the value of a measurement stands for, or None.
        measurement_size: bytes of it.
        registers: what a measurement may name besides.
        identities: a measurement names all claims of one of these lists.
        needs_registers: and one register at least.
        terms: of its section.
    """

    type: str
    title: str
    hardware: str | None
    measurement: str | None
    measurement_size: int
    registers: tuple[str, ...]
    identities: tuple[tuple[str, ...], ...]
    needs_registers: bool
    terms: tuple[Term, ...]


@lru_cache(maxsize=None)
def kind_of(type: str) -> Kind:
    """What can be said about a kind of evidence.

    Raises:
        NotFound: there is no such kind.

    >>> kind_of("snp").title, kind_of("az-tdx").hardware
    ('AMD SEV-SNP', 'tdx')
    """
    found = _native.evidence_kind(type)
    meanings = MEANINGS[type]
    terms = tuple(
        Term(name, claim, kind, bool(required), None if default is None else json.loads(default), meanings[name], size,
             tuple(selectors), tuple(numbers))
        for name, claim, kind, required, default, size, selectors, numbers in found["terms"]
    )
    return Kind(
        type,
        found["title"],
        found["hardware"],
        found["measurement"],
        found["measurement_size"],
        tuple(found["registers"]),
        tuple(tuple(names) for names in found["identities"]),
        found["needs_registers"],
        terms,
    )
