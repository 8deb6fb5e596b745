# SPDX-License-Identifier: Apache-2.0
"""The checks that public verifiers forgot, one test per mistake. docs/attestation.md lists them with these names.

Each takes evidence that is accepted, makes the one thing wrong that the mistake lets pass, and wants the right check to
say no. Where a forged vector is needed, its trust root is injected by the trust file, so that nothing else is wrong.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import time
from pathlib import Path

import evidence_vectors as vectors
import pytest
from evidence_vectors import CRL, QE_CHAIN, QE_IDENTITY, TCB_CHAIN, TCB_INFO, Call

import cella
from cella import _native

pytestmark = pytest.mark.skipif(not vectors.SHARED.exists(), reason="the shared vectors are not beside this repository")


def snp(evidence: str = "snp/forged/good.bin") -> Call:
    return vectors.accepted("snp", evidence)


def tdx(evidence: str = "tdx/forged/good_v4.dat") -> Call:
    return vectors.accepted("tdx", evidence)


def sgx() -> Call:
    return vectors.accepted("sgx", "sgx/dcap-qvl/sgx_quote")


def nitro() -> Call:
    return vectors.accepted("nitro", "nitro/forged/good.cbor")


def tpm() -> Call:
    return vectors.accepted("tpm", "tpm/forged/good.msg")


def rejected(family: str, evidence: str, companion: str = "") -> list[str]:
    """Failed checks of the row with that evidence, and that companion, that must be refused."""
    row = next(row for row in vectors.cases(family)
               if row.evidence == evidence and companion in row.companions and row.expect == "REJECT")
    return vectors.CALLS[family](row).failed()


def replaced(call: Call, kind: int, name: str) -> vectors.Endorsements:
    return [(kind, vectors.data(name)) if one[0] == kind else one for one in call.endorsements]


# ---- Intel ----


@pytest.mark.parametrize("identity", ["qe_identity_wrong_key.json", "qe_identity_sgx.json", "qe_identity_Revoked.json"])
def test_qe_identity_fetched_but_never_judged(identity: str) -> None:
    call = tdx()
    assert call.failed(endorsements=replaced(call, QE_IDENTITY, f"tdx/forged/{identity}")) == ["endorsement"]


@pytest.mark.parametrize("quote", ["qe_mrsigner", "qe_prodid", "qe_svn0", "qe_debug"])
def test_any_enclave_plays_the_quoting_enclave(quote: str) -> None:
    assert rejected("tdx", f"tdx/forged/{quote}.dat") == ["endorsement"]


@pytest.mark.parametrize("kind", [TCB_CHAIN, QE_CHAIN, TCB_INFO, QE_IDENTITY])
def test_signature_skipped_when_the_issuer_chain_is_absent(kind: int) -> None:
    call = tdx()
    assert call.failed(endorsements=call.without(kind)) == ["endorsement"]


@pytest.mark.parametrize("name", ["tcb_info_unsigned.json", "tcb_info_wrong_key.json", "tcb_info_respaced.json",
                                  "tcb_info_sig_short.json", "tcb_info_duplicate.json"])
def test_json_written_again_before_its_signature_is_checked(name: str) -> None:
    call = tdx()
    assert call.failed(endorsements=replaced(call, TCB_INFO, f"tdx/forged/{name}")) == ["endorsement"]


@pytest.mark.parametrize("name", ["tcb_info_Revoked.json", "tcb_info_module_Revoked.json"])
def test_status_revoked_passes_on_one_path(name: str) -> None:
    call = tdx()
    anything = call.with_terms(tcb_status=["UpToDate", "OutOfDate", "Revoked"], advisories="any")
    assert call.failed(endorsements=replaced(call, TCB_INFO, f"tdx/forged/{name}"), policy=anything) == ["endorsement"]


def test_unknown_status_is_no_status() -> None:
    call = tdx()
    changed = replaced(call, TCB_INFO, "tdx/forged/tcb_info_unknown_status.json")
    assert call.failed(endorsements=changed) == ["endorsement"]


def test_revocation_is_off_by_default() -> None:
    call = tdx()
    assert call.failed(endorsements=call.without(CRL)) == ["chain"]
    for companion in ("pck_crl_revokes_pck.der", "root_ca_crl_revokes_ca.der"):
        place = 0 if companion.startswith("root") else 1
        lists = [one for one in call.endorsements if one[0] == CRL]
        lists[place] = (CRL, vectors.data(f"tdx/forged/{companion}"))
        assert call.failed(endorsements=call.without(CRL) + lists) == ["chain"]
        assert call.failed(endorsements=call.without(CRL) + lists[:1]) == ["chain"]


def test_tcb_signer_is_revoked() -> None:
    call = tdx()
    lists = [(CRL, vectors.data("tdx/forged/root_ca_crl_revokes_tcb_signer.der")), (CRL, vectors.data("tdx/forged/pck_crl.der"))]
    assert call.failed(endorsements=call.without(CRL) + lists) == ["endorsement"]


@pytest.mark.parametrize("quote, check", [("tdx/bad/vendor_id.dat", "format"), ("tdx/forged/attr_reserved.dat", "format"),
                                          ("tdx/forged/servicetd.dat", "mrservicetd")])
def test_vendor_reserved_bits_and_service_td(quote: str, check: str) -> None:
    assert rejected("tdx", quote) == [check]


def test_components_cut_to_the_shorter_list() -> None:
    call = tdx()
    assert call.failed(endorsements=replaced(call, TCB_INFO, "tdx/forged/tcb_info_15_components.json")) == ["endorsement"]


def test_sgx_qe_identity_used_for_tdx() -> None:
    assert rejected("tdx", "tdx/dcap-qvl/tdx_quote", "collateral_sgx_qe_identity") == ["endorsement"]


@pytest.mark.parametrize("name", ["tcb_info_fmspc.json", "tcb_info_pceid.json", "tcb_info_id_sgx.json"])
def test_collateral_of_another_platform(name: str) -> None:
    call = tdx()
    assert call.failed(endorsements=replaced(call, TCB_INFO, f"tdx/forged/{name}")) == ["endorsement"]


def test_attestation_key_is_nobodys() -> None:
    """The quote's signature, the QE report's signature and the chain are all right; only their bond is missing."""
    for family, quote in (("tdx", "tdx/bad/own_attestation_key.dat"), ("sgx", "sgx/bad/own_attestation_key.dat")):
        assert rejected(family, quote) == ["format"]


def test_mrtd_read_from_report_data() -> None:
    """Whoever reads the measurement where the nonce is accepts any software that names it there."""
    call = tdx()
    report = call.report()
    claims = dict(report["claims"])
    assert claims["mrtd"] == call.evidence[184:232].hex() and claims["report_data"] == call.evidence[568:632].hex()
    forged = {**call.policy["measurement"][0], "value": "sha384:" + call.evidence[568:616].hex()}
    assert call.failed(policy={**call.policy, "measurement": [forged]}) == ["measurement"]


@pytest.mark.parametrize("quote, check", [("debug", "debug"), ("tud_bit5", "debug"), ("migratable", "migratable"),
                                          ("sept_ve_clear", "sept_ve_disable"), ("perfmon", "perfmon")])
def test_td_attributes_unchecked(quote: str, check: str) -> None:
    assert rejected("tdx", f"tdx/forged/{quote}.dat") == [check]


def test_sgx_debug_and_old_versions_of_a_signer() -> None:
    row = next(row for row in vectors.cases("sgx") if row.evidence == "sgx/openenclave/evidence.quote" and "debug" not in row.policy)
    assert "debug" in vectors.call_sgx(row).failed()
    call = sgx()
    signer = {"name": "any of his", "type": "sgx", "registers": {"mrsigner": call.evidence[176:208].hex()}}
    with pytest.raises(cella.PolicyError) as caught:
        cella.Trust({**call.policy, "measurement": [signer]})
    assert caught.value.field == "measurement[0].value"
    signer["registers"] |= {"isv_prod_id": int.from_bytes(call.evidence[304:306], "little"),
                            "min_isv_svn": int.from_bytes(call.evidence[306:308], "little") + 1}
    assert call.failed(policy={**call.policy, "measurement": [signer]}) == ["measurement"]
    signer["registers"]["min_isv_svn"] -= 1
    assert call.failed(policy={**call.policy, "measurement": [signer]}) == []


# ---- AMD ----


@pytest.mark.parametrize("report, check", [("debug", "debug"), ("vmpl1", "vmpl"), ("vmpl_host", "vmpl"),
                                           ("migrate_ma", "migrate_ma"), ("mask_chip_key", "mask_chip_key"),
                                           ("alias_check_clear", "alias_check"), ("report_id_ma", "migration_agent")])
def test_snp_guest_policy_and_vmpl_unchecked(report: str, check: str) -> None:
    assert check in rejected("snp", f"snp/forged/{report}.bin")


def test_snp_certificate_validity_is_forgotten() -> None:
    assert rejected("snp", "snp/forged/good.bin", "vcek_expired") == ["chain"]


@pytest.mark.parametrize("report", ["tcb_mismatch", "chipid_mismatch", "chipid_zero", "fms_milan"])
def test_snp_certificate_not_compared_with_report(report: str) -> None:
    assert rejected("snp", f"snp/forged/{report}.bin") == ["endorsement"]


@pytest.mark.parametrize("name, check", [("crl_ask_revoked", "revocation"), ("crl_expired", "revocation"),
                                         ("crl_wrong_signer", "revocation")])
def test_snp_revocation_list_unchecked(name: str, check: str) -> None:
    assert rejected("snp", "snp/forged/good.bin", name) == [check]


def test_snp_revocation_list_absent() -> None:
    call = snp()
    assert call.failed(endorsements=call.without(CRL)) == ["revocation"]


def test_snp_tcb_floor_missing() -> None:
    call = snp("snp/microsoft/genoa_attestation_report.bin")
    floors = {"genoa": {"reported_ucode": 255}}
    assert call.failed(policy=call.with_terms(tcb=floors)) == ["tcb"]
    assert call.failed(policy=call.with_terms(tcb={"turin": {"reported_bl": 1}})) == ["tcb"], "no floor is no pass"


def test_snp_root_without_pin() -> None:
    """A root of AMD's name, downloaded or sent along, with a chain that verifies under it."""
    assert rejected("snp", "snp/bad/forged_root_report.bin") == ["chain"]


@pytest.mark.parametrize("evidence, companion", [("snp/forged/flag_vlek_with_vcek.bin", ""), ("snp/forged/vlek_flag_vcek.bin", ""),
                                                 ("snp/forged/good.bin", "vcek_csp_id"), ("snp/forged/vlek_good.bin", "vlek_with_hwid")])
def test_snp_vcek_and_vlek_confused(evidence: str, companion: str) -> None:
    assert rejected("snp", evidence, companion) == ["endorsement"]


def test_milan_is_not_on_the_default_list() -> None:
    call = snp("snp/microsoft/milan_attestation_report.bin")
    assert call.report()["level"] == 4
    assert call.failed(policy=call.with_terms(products=None)) == ["products"]
    assert snp("snp/microsoft/genoa_attestation_report.bin").report()["level"] == 5


# ---- Nitro ----


def test_nitro_expected_pcrs_are_optional() -> None:
    call = nitro()
    for registers in ({}, {"pcr1": call.policy["measurement"][0]["registers"]["pcr1"]}):
        entry = {**call.policy["measurement"][0], "registers": registers}
        with pytest.raises(cella.PolicyError):
            cella.Trust({**call.policy, "measurement": [entry]})


@pytest.mark.parametrize("document", ["nitro/bad/forged_missing_pcr0.cbor", "nitro/forged/pcr1_missing.cbor", "nitro/forged/no_pcrs.cbor"])
def test_nitro_missing_pcr_counts_as_match(document: str) -> None:
    assert rejected("nitro", document) in (["measurement"], ["format"], ["debug", "measurement"])


def test_nitro_debug_document_accepted() -> None:
    assert "debug" in rejected("nitro", "nitro/bad/forged_debug.cbor")
    row = next(row for row in vectors.cases("nitro") if row.evidence == "nitro/bad/forged_debug.cbor")
    call = vectors.call_nitro(row)
    zeros = {"name": "zeros", "type": "nitro", "value": "sha384:" + "00" * 48, "registers": {"pcr1": "00" * 48, "pcr2": "00" * 48}}
    assert call.failed(policy={**call.policy, "measurement": [zeros]}) == ["debug"], "zeros listed by mistake do not help"


def test_nitro_nonce_prefix() -> None:
    for document in ("nonce_prefix", "nonce_null", "nonce_wrong"):
        assert rejected("nitro", f"nitro/forged/{document}.cbor") == ["binding"]


# ---- TPM ----


def test_tpm_quote_without_nonce() -> None:
    call = tpm()
    assert call.failed(binding={"report_data": call.binding["report_data"] + b"x"}) == ["binding"]
    assert call.failed(binding={"report_data": call.binding["report_data"][:-1]}) == ["binding"]
    assert call.failed(binding={}) == ["binding"], "nothing named is nothing bound"


def test_tpm_pcr_outside_of_the_signed_selection() -> None:
    call = tpm()
    entry = call.policy["measurement"][0]
    more = {**entry, "registers": {**entry["registers"], "pcr5": "00" * 32}}
    assert call.failed(policy={**call.policy, "measurement": [more]}) == ["measurement"]
    assert call.failed(policy=call.with_terms(pcrs=[0, 4, 7])) == ["pcrs"]
    assert call.failed(policy=call.with_terms(pcrs=[0, 4, 7, 11, 14])) == ["pcrs"]
    assert call.failed(evidence=_with_value(call.evidence, bytes(32))) == ["format"], "no room for a value more"


def _parts(evidence: bytes) -> list[bytes]:
    parts, place = [], 1
    while place < len(evidence):
        size = int.from_bytes(evidence[place:place + 4], "big")
        parts.append(evidence[place + 4:place + 4 + size])
        place += 4 + size
    return parts


def _with_value(evidence: bytes, value: bytes) -> bytes:
    attest, signature, values, key = _parts(evidence)
    return b"\1" + vectors.fields(attest, signature, values + value, key)


def test_tpm_registers_that_anybody_can_reset() -> None:
    call = tpm()
    for name in ("pcr16", "pcr23", "pcr17", "pcr24"):
        entry = {"name": "resettable", "type": "tpm", "registers": {name: "00" * 32}}
        with pytest.raises(cella.PolicyError):
            cella.Trust({**call.policy, "measurement": [entry]})


def test_tpm_magic_unchecked() -> None:
    rows = [row for row in vectors.cases("tpm") if "magic" in row.evidence or "type" in row.evidence]
    assert len(rows) >= 2
    for row in rows:
        assert vectors.call_tpm(row).failed() == ["format"], row.evidence


def test_tpm_failing_signature_not_fatal() -> None:
    call = tpm()
    attest, signature, values, key = _parts(call.evidence)
    for changed in (signature[:-1] + bytes([signature[-1] ^ 1]), bytes(len(signature)), b""):
        failed = call.failed(evidence=b"\1" + vectors.fields(attest, changed, values, key))
        assert failed in (["signature"], ["format"]), changed.hex()


def test_tpm_key_of_another_machine() -> None:
    call = tpm()
    assert call.failed(policy=call.with_terms(attestation_keys=["000b" + "00" * 32])) == ["chain"]
    assert call.failed(policy=call.with_terms(attestation_keys=None)) == ["chain"]


def _maker(folder: Path, usage: str, key: bytes) -> tuple[bytes, str]:
    """A certificate for a key from a maker that this test invents, and the maker's root, PEM."""
    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    (folder / "ak.pem").write_bytes(key)
    (folder / "usage").write_text(f"extendedKeyUsage={usage}\n")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key", "-out",
            "ca.pem", "-subj", "/CN=Maker", "-days", "3650")
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "any.key", "-out",
            "csr", "-subj", "/CN=AK")
    openssl("x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-force_pubkey", "ak.pem", "-out", "leaf.pem",
            "-days", "3650", "-extfile", "usage")
    return (folder / "leaf.pem").read_bytes(), (folder / "ca.pem").read_text()


def test_tpm_certificate_that_is_not_the_keys(tmp_path: Path) -> None:
    call = tpm()
    good, root = _maker(tmp_path, "2.23.133.8.3", vectors.data("tpm/forged/ak.pem"))
    now = {"at": int(time.time()) + 60}
    anchored = {**call.with_terms(attestation_keys=None), "anchor": [{"family": "tpm", "certificate": root}]}
    certified = [(vectors.CERTIFICATES, good)]
    assert call.failed(policy=anchored, endorsements=certified, **now) == []
    restricted = {**anchored, "tpm": {name: value for name, value in anchored["tpm"].items() if name != "restricted"}}
    assert call.failed(policy=restricted, endorsements=certified, **now) == ["restricted"], "an SPKI has no attributes"
    assert call.failed(policy=anchored, **now) == ["chain"], "no certificate, no pinned key"
    assert call.failed(endorsements=certified, **now) == ["chain"], "the maker's root is nobody's"
    other = call.with_terms(attestation_keys=["000b" + "00" * 32]) | {"anchor": anchored["anchor"]}
    assert call.failed(policy=other, endorsements=certified, **now) == ["endorsement"], "a maker does not replace a pinned key"
    for usage, key in (("1.3.6.1.5.5.7.3.1", "tpm/forged/ak.pem"), ("2.23.133.8.3", "tpm/swtpm/ak.pem")):
        wrong, root = _maker(tmp_path, usage, vectors.data(key))
        policy = {**anchored, "anchor": [{"family": "tpm", "certificate": root}]}
        assert call.failed(policy=policy, endorsements=[(vectors.CERTIFICATES, wrong)], **now) == ["endorsement"]


def test_tpm_key_that_signs_anything() -> None:
    """An SPKI says nothing about the key: it may be one that signs whatever begins like a quote."""
    call = tpm()
    assert call.failed(policy=call.with_terms(restricted=None)) == ["restricted"]


# ---- everywhere ----


def test_wildcard_for_measurements() -> None:
    call = snp()
    for listed in ([], [{"name": "any", "type": "snp"}], [{"name": "any", "type": "snp", "value": "any"}],
                   [{"name": "any", "type": "snp", "value": ""}]):
        with pytest.raises(cella.PolicyError):
            cella.Trust({**call.policy, "measurement": listed})
    with pytest.raises(cella.PolicyError):
        cella.Trust({name: value for name, value in call.policy.items() if name != "measurement"})


def test_empty_lists_mean_nothing_not_anything() -> None:
    for call, names in ((snp(), ("products", "keys", "vmpl", "chips", "host_data")), (tdx(), ("tcb_status", "mrowner", "fmspcs")),
                        (sgx(), ("config_id", "platforms")), (tpm(), ("pcrs", "attestation_keys", "pcr_banks")),
                        (nitro(), ("pcr3", "pcr8"))):
        for name in names:
            with pytest.raises(cella.PolicyError) as caught:
                cella.Trust(call.with_terms(**{name: []}))
            assert caught.value.field == f"{call.kind}.{name}"
    for name in ("accept", "anchor", "measurement"):
        with pytest.raises(cella.PolicyError) as caught:
            cella.Trust({**snp().policy, name: []})
        assert caught.value.field == name


def soft_evidence() -> tuple[bytes, str, str]:
    root = _native.Secret.generate()
    measurement = bytes(range(32))
    from cella.encoding import to_base64url

    return (_native.soft_evidence(root, 63, measurement, b"r" * 64, 1780000000),
            "ed25519:" + to_base64url(_native.ed25519_public(root)), measurement.hex())


def test_simulation_accepted_where_hardware_is_wanted() -> None:
    evidence, root, measurement = soft_evidence()
    soft = {"version": 1, "accept": ["soft"], "soft": {"roots": [root]},
            "measurement": [{"name": "m", "type": "soft", "value": "sha256:" + measurement}]}
    good = Call("soft", evidence, [], soft, 1780000000, {"report_data": b"r" * 64})
    assert good.failed() == [] and good.report()["level"] == 2
    assert good.failed(policy={**soft, "min_level": 3}) == ["level"]
    for call in (snp(), tdx(), sgx(), tpm(), nitro()):
        assert good.failed(policy=call.policy) == ["type"]
        assert good.failed(policy=call.policy, kind=call.kind) == ["format"], "under a false name"
    with pytest.raises(cella.PolicyError):  # a section of a kind that is not accepted is a mistake, not a permission
        cella.Trust({**snp().policy, "soft": {"roots": [root]}})


def test_evidence_chooses_its_own_type() -> None:
    """No fall-through: evidence of one kind is never tried as another."""
    calls = (snp(), tdx(), sgx(), tpm(), nitro())
    for call in calls:
        for other in calls:
            if other is not call:
                assert call.failed(policy=other.policy) == ["type"]
                assert call.failed(policy=other.policy, kind=other.kind) == ["format"]


def test_evidence_of_another_connection_is_relayed() -> None:
    """Evidence that is right in every way, for other report data than this connection's."""
    for call in (snp(), tdx(), sgx()):
        expected = call.binding["report_data"]
        assert call.failed(binding={"report_data": bytes(64)}) == ["binding"]
        assert call.failed(binding={"report_data": expected[:32]}) == ["binding"], "half is not the whole"
        assert call.failed(binding={"report_data": expected + b"\0"}) == ["binding"]
        assert call.failed(binding={"keys": bytes(64), "charter": b"{}", "nonce": bytes(32)}) == ["binding"]


def test_old_nonce_is_replayed() -> None:
    evidence, root, measurement = soft_evidence()
    keys, charter = bytes(range(64)), b"{}"
    seed = _native.Secret.generate()
    from cella.encoding import to_base64url

    policy = {"version": 1, "accept": ["soft"], "soft": {"roots": ["ed25519:" + to_base64url(_native.ed25519_public(seed))]},
              "freshness": {"nonce": True},
              "measurement": [{"name": "m", "type": "soft", "value": "sha256:" + measurement}]}
    made = _native.soft_evidence(seed, 63, bytes(range(32)), _native.report_data(keys, charter, b"o" * 32), 1780000000)
    call = Call("soft", made, [], policy, 1780000000, {"keys": keys, "charter": charter, "nonce": b"o" * 32})
    assert call.failed() == []
    assert call.failed(binding={"keys": keys, "charter": charter, "nonce": b"n" * 32}) == ["binding"]
    unfresh = _native.soft_evidence(seed, 63, bytes(range(32)), _native.report_data(keys, charter, b""), 1780000000)
    assert call.failed(evidence=unfresh, binding={"keys": keys, "charter": charter}) == ["freshness"]


@pytest.mark.parametrize("family, evidence", [("snp", "snp/bad/forged_root_report.bin"), ("tdx", "tdx/bad/forged_root.dat"),
                                              ("sgx", "sgx/bad/forged_root.dat"), ("nitro", "nitro/bad/forged_root.cbor")])
def test_root_of_the_same_name(family: str, evidence: str) -> None:
    assert rejected(family, evidence) == ["chain"]


def test_root_of_another_family_is_no_root() -> None:
    """The injected test root counts for its own family only."""
    for call, family in ((tdx(), "amd-genoa"), (snp(), "intel"), (nitro(), "intel"), (snp(), "amd-turin")):
        root = call.policy["anchor"][0]["certificate"]
        other = {**call.policy, "anchor": [{"family": family, "certificate": root}]}
        assert call.failed(policy=other) in (["chain"], ["endorsement"])


def test_unknown_terms_of_a_policy_are_ignored() -> None:
    for call in (snp(), tdx(), sgx(), tpm(), nitro()):
        with pytest.raises(cella.PolicyError) as caught:
            cella.Trust(call.with_terms(debg=False))
        assert caught.value.field == f"{call.kind}.debg"
        with pytest.raises(cella.PolicyError):
            cella.Trust({**call.policy, "mesurement": []})
    for floors in ({"genao": {"reported_bl": 1}}, {"genoa": {"reported_blx": 1}}, {"genoa": {"vmpl": 0}}):
        with pytest.raises(cella.PolicyError) as caught:
            cella.Trust(snp().with_terms(tcb=floors))
        assert caught.value.field == "snp.tcb"


# ---- auditors ----

ENTRY = {"name": "release 1", "type": "snp"}
STATEMENT = 8


def audited(call: Call, statements: list[str], threshold: int, auditors: list[cella.Identity]) -> list[str]:
    from cella.statements import auditor_of

    policy = {name: value for name, value in call.policy.items() if name != "measurement"}
    policy["auditors"] = {"threshold": threshold, "keys": list(map(auditor_of, auditors)), "statements": statements}
    return call.failed(policy=policy)


def test_one_auditor_counts_twice() -> None:
    from cella.statements import sign_measurement

    call = snp()
    entry = {**ENTRY, "value": call.policy["measurement"][0]["value"]}
    one, two, stranger = (cella.Identity.generate() for _ in range(3))
    both = [sign_measurement(one, entry), sign_measurement(two, entry)]
    assert audited(call, both, 2, [one, two]) == []
    assert audited(call, both[:1], 1, [one, two]) == []
    with pytest.raises(cella.PolicyError) as caught:
        audited(call, [both[0], both[0]], 2, [one, two])
    assert caught.value.field == "auditors.statements[1]"
    again = dataclasses.replace(call, endorsements=[*call.endorsements, *[(STATEMENT, both[0].encode())] * 3])
    assert audited(again, both[:1], 2, [one, two]) == ["measurement"]
    assert audited(again, both[1:], 2, [one, two]) == []
    assert audited(call, [both[0], sign_measurement(stranger, entry)], 2, [one, two]) == ["measurement"]
    renamed = sign_measurement(two, {**entry, "name": "release 2"})
    assert audited(call, [both[0], renamed], 2, [one, two]) == ["measurement"], "the same bytes, or not the same word"
    assert audited(call, [], 1, [one]) == ["measurement"]
    late = {**entry, "not_before": call.at + 1}
    assert audited(call, [sign_measurement(one, late), sign_measurement(two, late)], 2, [one, two]) == ["measurement"]
    other = {**entry, "value": "sha384:" + "00" * 48}
    assert audited(call, [sign_measurement(one, other), sign_measurement(two, other)], 2, [one, two]) == ["measurement"]
    cut = both[0].rsplit(".", 1)[0] + "." + both[1].rsplit(".", 1)[1]
    assert audited(call, [cut], 2, [one, two]) == ["measurement"]


def test_repeated_statements_cost_nothing() -> None:
    """Whoever sends evidence may send one good statement many times; each is verified once, so that this is no flood."""
    from cella.statements import sign_measurement

    call = snp()
    auditors = [cella.Identity.generate() for _ in range(16)]
    entry = {**ENTRY, "value": call.policy["measurement"][0]["value"], "registers": {"host_data": "11" * 32}}
    statement = sign_measurement(auditors[-1], entry).encode()

    def cost(copies: int) -> float:
        sent = dataclasses.replace(call, endorsements=[*call.endorsements, *[(STATEMENT, statement)] * copies])
        best = 1e9
        for _ in range(5):
            before = time.process_time()
            assert audited(sent, [], 1, auditors) == ["measurement"]
            best = min(best, time.process_time() - before)
        return best

    assert cost(20) < 3 * cost(1)


def test_auditors_threshold_that_nobody_can_miss() -> None:
    from cella.statements import auditor_of

    one = cella.Identity.generate()
    policy = {name: value for name, value in snp().policy.items() if name != "measurement"}
    for threshold, keys in ((0, [auditor_of(one)]), (2, [auditor_of(one)]), (1, []), (2, [auditor_of(one)] * 2)):
        with pytest.raises(cella.PolicyError):
            cella.Trust({**policy, "auditors": {"threshold": threshold, "keys": keys}})


def test_duplicate_members_of_a_policy() -> None:
    text = json.dumps(snp().policy).replace('"version": 1', '"version": 1, "version": 1')
    with pytest.raises(cella.PolicyError):
        _native.policy(text.encode())


def test_status_of_a_report_that_failed() -> None:
    """The reader of a report that failed can not take its claims for verified, nor its level for reached."""
    report = snp().report(binding={"report_data": bytes(64)})
    assert report["status"] == "BINDING" and report["level"] == 0
    assert [check[1] for check in report["checks"] if check[0] in ("measurement", "level")] == ["not done"] * 2
