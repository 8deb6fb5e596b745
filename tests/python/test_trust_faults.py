# SPDX-License-Identifier: Apache-2.0
"""A trust file that is refused says what is wrong, with which value, and what is accepted; and is a PolicyError, whatever it is."""

from __future__ import annotations

import datetime
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PACKAGE

import cella
from cella import faults
from cella.terms import TYPES, kind_of

M = f'[[measurement]]\nname = "r"\ntype = "snp"\nvalue = "sha384:{"11" * 48}"\n'
SNP = f'version = 1\naccept = ["snp"]\n{M}'
KEY = "ed25519:" + "A" * 43
TDX = SNP.replace("snp", "tdx") + f'registers.rtmr1 = "{"11" * 48}"\nregisters.rtmr2 = "{"11" * 48}"\n'
TPM = 'version = 1\naccept = ["tpm"]\n[[measurement]]\nname = "r"\ntype = "tpm"\n'

MISTAKES = [
    # unknown names
    (SNP + "[snp]\nvmpll = [0]", "snp.vmpll is unknown; did you mean vmpl?"),
    ("min_levl = 2\n" + SNP, "min_levl is unknown; did you mean min_level?"),
    (SNP + "mistake = 1", "measurement[0].mistake is unknown; known are name, type"),
    (SNP + "[freshness]\nnonse = true", "freshness.nonse is unknown; did you mean nonce?"),
    (SNP + "[snp]\ntcb.genua.reported_bl = 3", "snp.tcb.genua is unknown; did you mean genoa?"),
    (SNP + "[snp]\ntcb.genoa.reported_bk = 3", "snp.tcb.genoa.reported_bk is unknown; did you mean reported_"),
    (SNP + 'registers.guest_svn = "q"', "registers.guest_svn is no register of snp; did you mean min_guest_svn?"),
    (SNP + "[tdx]\ndebug = false", '[tdx] is there, but accept is ["snp"]'),
    (SNP.replace('["snp"]', '["smp"]'), 'accept[0] = "smp" is not accepted'),
    (SNP.replace('["snp"]', '["smp"]'), 'did you mean "snp"?'),
    (SNP.replace('type = "snp"', 'type = "snpp"'), 'did you mean "snp"?'),
    (SNP.replace('accept = ["snp"]', 'accept = ["nitro"]'), 'measurement[0].type = "snp" is not among accept, which is ["nitro"]'),
    ('"a\\u001b[2Jb" = 1\n' + SNP, "a\\x1b[2Jb is unknown"),
    # missing
    (SNP.replace("version = 1\n", ""), "version is missing; it takes 1"),
    (SNP.replace('name = "r"\n', ""), "measurement[0].name is missing; it takes a text of 1 to 64"),
    ('version = 1\naccept = ["snp"]\n', "measurement is missing; it takes 1 to 64 tables"),
    (SNP + '[charter]\nsha255 = ""', "charter.sha256 is missing; it takes 64 hexadecimal digits, without sha256: before them; "
                                     "sha255 is unknown: did you mean sha256?"),
    (SNP + '[[anchor]]\nfamily = "intel"\ncertificat = "x"', "certificat is unknown: did you mean certificate?"),
    (TPM, "tpm has to name at least one register"),
    (SNP.replace("snp", "tdx"), "tdx has to name value and registers.rtmr1 and registers.rtmr2"),
    (TPM + f'registers.pcr0 = "{"11" * 32}"', "tpm.pcrs is missing; it takes a list of integers from 0 to 63"),
    # wrong types and values
    (SNP + '[snp]\nvmpl = "x"', 'snp.vmpl = "x" is not accepted; it takes a list of integers from 0 on'),
    (SNP + "[snp]\nvmpl = [-1]", "snp.vmpl[0] = -1 is not accepted; snp.vmpl takes a list of integers"),
    (SNP + "[snp]\ndebug = 1", 'snp.debug = 1 is not accepted; it takes true, false or "any"'),
    (SNP + "[snp]\nguest_svn = -4", "snp.guest_svn = -4 is not accepted; it takes an integer from 0 on"),
    (SNP + "[snp]\ntcb.genoa.reported_bl = -3", "snp.tcb.genoa.reported_bl = -3"),
    (SNP + '[snp]\nchips = ["00"]', 'snp.chips[0] = "00" (2 digits)'),
    (SNP + '[snp]\nchips = ["00"]', "each 128 hexadecimal digits"),
    (SNP.replace("version = 1", "version = 2"), "version = 2 is not accepted; it takes 1"),
    ("min_level = 9\n" + SNP, "min_level = 9 is not accepted; it takes an integer from 1 to 5"),
    ('min_level = "2"\n' + SNP, 'min_level = "2" is not accepted; it takes an integer'),
    (SNP.replace("sha384:11", "sha384:"), '(94 digits) is not accepted; it takes "sha384:" and 96 hexadecimal digits'),
    (SNP.replace("sha384:", ""), 'it takes "sha384:" and 96'),
    (SNP.replace("sha384:11", "sha384:zz"), 'it takes "sha384:" and 96'),
    (SNP + f'[charter]\nsha256 = "sha256:{"11" * 32}"', "without sha256: before them"),
    (SNP + "[freshness]\nmax_age_s = 0", "freshness.max_age_s = 0 is not accepted; it takes an integer from 1 to"),
    (SNP + f'[auditors]\nkeys = ["{KEY}"]\nthreshold = 2', "auditors.threshold = 2 is not accepted; it takes an integer from 1 to the number"),
    (SNP + '[auditors]\nkeys = ["abc"]\nthreshold = 1', 'auditors.keys[0] = "abc"'),
    (SNP + '[[anchor]]\nfamily = "amd"\ncertificate = "x"', "family: amd-milan"),
    (TPM + f'value = "sha256:{"11" * 32}"\n[tpm]\npcrs = [0]', "tpm have no value, only registers"),
    (TDX + '[tdx]\nxfam = "00"', "it takes a text of 16 hexadecimal digits"),
    (TDX + '[tdx]\nevent_log = "requird"', 'did you mean "required"?'),
    (SNP.replace("snp", "soft").replace("sha384:", "sha256:").replace("11" * 48, "11" * 32) + f'[soft]\nroots = ["{KEY}"]\nlayers = ["landlok"]',
     'did you mean "landlock"?'),
    # doubled, empty
    (SNP + "[snp]\nvmpl = [0, 1, 0]", "snp.vmpl names 0 twice"),
    (SNP.replace('["snp"]', '["snp", "snp"]'), 'accept names "snp" twice'),
    (SNP + f'[auditors]\nkeys = ["{KEY}", "{KEY}"]\nthreshold = 1', "twice"),
    (SNP + M, "is the same as that of measurement[0]"),
    (SNP + "[snp]\nvmpl = []", "snp.vmpl is an empty list, which never means anything"),
    (SNP.replace('["snp"]', "[]"), "accept is an empty list"),
    # what no term is
    (SNP + "[snp]\nguest_svn = 2026-11-01", "snp.guest_svn = \"2026-11-01\" is a time"),
    (SNP + "[snp]\nguest_svn = nan", "snp.guest_svn = NaN is no integer"),
    (SNP + "[snp]\nguest_svn = 1.5", "snp.guest_svn = 1.5 is no integer"),
    (SNP + "[snp]\nguest_svn = " + "9" * 30, "snp.guest_svn = an integer of 100 bits is beyond 64 bits"),
    (SNP + '[snp]\nproducts = ["a\\u0000"]', 'snp.products[0] = "a\\x00" has a character'),
    (SNP + "not_before = 2026-01-01", "a time needs hours and time zone"),
    (SNP + "not_after = 253402300800", "measurement[0].not_after is before 1970 or after the year 9999"),
    (SNP + "not_after = 9999-12-31T23:59:59-23:59", "measurement[0].not_after is before 1970 or after the year 9999"),
    (SNP + "not_before = -1", "measurement[0].not_before is before 1970"),
    # what is no trust file at all
    ("x = " + "9" * 5000, "is not TOML"),
    ("x = " + "[" * 5000, "nested too deeply"),
    ("x = " + "[" * 60 + "]" * 60, "nested more than 16 deep"),
    (".".join("a" * 600) + " = 1", "nested more than 16 deep"),
    (b"\xff\xfe", "is not TOML"),
    (b"#" * 300000, "has more than 262144 bytes"),
]


@pytest.mark.parametrize("content, says", MISTAKES, ids=range(len(MISTAKES)))
def test_what_is_wrong(content: str | bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(cella.PolicyError) as caught:
        cella.Trust.load(path)
    text = str(caught.value)
    assert says in text and str(path) in text and len(text) < 1500
    assert text.count("(field ") <= 1 and "\x1b" not in text and "\0" not in text


def test_the_bases_are_good(tmp_path: Path) -> None:
    for content in (SNP, TDX, TPM + f'registers.pcr0 = "{"11" * 32}"\n[tpm]\npcrs = [0]'):
        path = tmp_path / "p.toml"
        path.write_text(content)
        assert cella.Trust.load(path).explain()


@pytest.mark.parametrize("kind", TYPES)
def test_every_term_says_what_it_takes(kind: str) -> None:
    """No term and no value breaks the explanation; one that is no value of any term is always explained with its name."""
    wrong = (-1, True, "", "x", [], [[]], [-1], [""], ["x", "x"], {}, {"x": 1}, {"milan": {}}, [{}], [{"register": 1}], 2**63, 1.5,
             None, float("inf"), "\0", "\ud800", b"x", datetime.date(2026, 1, 1), datetime.time(1), object(), [[[[]]]])
    base = {"version": 1, "accept": [kind], "measurement": [{"name": "r", "type": kind}]}
    for term, value in itertools.product(kind_of(kind).terms, wrong):
        with pytest.raises(cella.PolicyError):
            cella.Trust({**base, kind: {term.name: value}})
        assert term.name in faults.describe({**base, kind: {term.name: value}}, f"{kind}.{term.name}")
    for field in ("", "x", "measurement[0].value", "measurement[0]", "accept[7]", "anchor[3]", "anchor.family", "auditors.keys[9]", "[", ".", "a.b[1].c"):
        assert faults.describe(base, field) and faults.describe({}, "accept")


def test_deep_and_foreign_dicts() -> None:
    deep: dict[str, object] = {}
    for _ in range(100000):
        deep = {"a": deep}
    for wrong in (deep, {"version": 1, "accept": {1, 2}}, {1: 2}, {"version": 10**6000}):
        with pytest.raises(cella.PolicyError):
            cella.Trust(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("words", [
    ("explain-trust", "p.toml"), ("attest", "localhost:1", "--trust", "p.toml"), ("verify-evidence", "p.toml", "--unbound", "--trust", "p.toml")])
def test_the_command_line_says_it_once(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(SNP + "[snp]\nvmpll = [0]")
    done = subprocess.run([sys.executable, "-m", "cella", *words], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False,
                          env={**os.environ, "PYTHONPATH": str(PACKAGE)})
    assert done.returncode == 2 and "did you mean vmpl?" in done.stderr
    assert "explain-trust" not in done.stderr  # which fails with the same
