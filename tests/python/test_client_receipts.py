# SPDX-License-Identifier: Apache-2.0
"""Receipts and proof bundles through the library and the command line; made by receipts_made.py, not by our C writer."""

from __future__ import annotations

import dataclasses
import json

import cella
import pytest
from cella import _native, receipts
from cella.cli.main import run
from cella.receipts import Parts, Receipt, TreeHead, verify_receipt
from receipts_made import CONTENT_TYPE, TIME, Made, Tag, cbor, cosigned, kid_of, sha256, signed, tree_head

REQUIRED = ["evidence", "function", "contract", "approvals", "nonce"]


@pytest.fixture
def made() -> Made:
    return Made()


def files(made: Made) -> dict:
    return {"inputs": {"a": made.sealed, "b": (made.salt, made.plain)}, "outputs": {"result": made.output}}


def judge(made: Made, parts: Parts, section: dict | None = None, **more):
    return verify_receipt(parts, made.trust(**(section or {})), at=TIME, **more)


def test_everything_is_proved(made):
    section = {"require": [*REQUIRED, "inputs", "outputs"]}
    report = judge(made, made.parts(), section, nonce=b"nonce678", **files(made))
    assert report.accepted, report
    assert {check.outcome for check in report.checks} == {"passed"}
    assert report.evidence is not None and report.evidence.measurement_name == "release 1"
    assert any("second opinion" in sentence for sentence in report.not_checked)
    assert any("clock of the host" in sentence for sentence in report.not_checked)


def test_a_receipt_alone_has_no_anchor(made):
    report = judge(made, Parts(made.parts().receipt))
    assert not report.accepted and report.code == "BAD_KEY"
    assert report.check("executor").outcome == "failed" and report.check("signature").outcome == "not done"


@pytest.mark.parametrize("part", ["contract", "approvals", "function"])
def test_what_is_required_and_missing(made, part):
    parts = dataclasses.replace(made.parts(), **{part: () if part == "approvals" else b""})
    assert judge(made, parts).accepted
    report = judge(made, parts, {"require": [part]})
    assert (report.accepted, report.code) == (False, "NOT_PROVED")
    assert report.detail.startswith(part)


def test_one_of_two_approvals_is_not_all(made):
    parts = made.parts()
    parts = dataclasses.replace(parts, approvals=parts.approvals[:1] * 2)
    report = judge(made, parts, {"require": ["approvals"]})
    assert report.code == "NOT_PROVED" and "1 of 2" in report.detail


def test_some_files_are_not_all(made):
    report = judge(made, made.parts(), {"require": ["inputs"]}, inputs={"a": made.sealed})
    assert report.code == "NOT_PROVED" and "1 of 2" in report.detail


@pytest.mark.parametrize("part", ["receipt", "evidence_file", "contract", "function"])
def test_no_byte_of_a_part_can_be_changed(made, part):
    parts = made.parts()
    content = getattr(parts, part)
    for place in range(0, len(content), 1 if len(content) < 400 else 7):
        changed = bytearray(content)
        changed[place] ^= 0x01
        report = judge(made, dataclasses.replace(parts, **{part: bytes(changed)}))
        assert not report.accepted, place


def test_approvals_of_another_contract_or_by_others(made):
    other = Made(executor=made.executor, parties=made.parties, approvals_of="11" * 32)
    assert judge(made, dataclasses.replace(made.parts(), approvals=other.approvals())).code == "BAD_RECEIPT"
    strangers = Made(executor=made.executor)
    strangers.approvals_of = sha256(made.contract()).hex()
    assert judge(made, dataclasses.replace(made.parts(), approvals=strangers.approvals())).code == "BAD_RECEIPT"
    swapped = tuple((key, request) for (key, _), (_, request) in zip(made.approvals(), reversed(made.approvals())))
    assert judge(made, dataclasses.replace(made.parts(), approvals=swapped)).code == "BAD_KEY"


@pytest.mark.parametrize("inputs", [{"a": b"other"}, {"b": (bytes(32), b"plaintext of b")}, {"b": (b"s" * 32, b"plaintext of c")}])
def test_other_files(made, inputs):
    report = judge(made, made.parts(), inputs=inputs)
    assert report.code == "BAD_DIGEST" and report.check("inputs").outcome == "failed"


def test_files_that_are_named_wrongly(made):
    for inputs in ({"c": b""}, {"a": (b"s" * 32, made.sealed)}, {"b": made.plain}):
        with pytest.raises(cella.RequestError, match="BAD_FIELD"):
            judge(made, made.parts(), inputs=inputs)


def test_another_nonce(made):
    assert judge(made, made.parts(), nonce=b"nonce679").code == "BAD_RECEIPT"


def test_evidence_for_another_key(made):
    other = Made(root=made.root)
    assert judge(made, dataclasses.replace(made.parts(), evidence_file=other.evidence_file())).code == "BAD_KEY"


def test_evidence_for_another_key_than_a_listed_one(made):
    """A key that needs no evidence does not get anybody else's."""
    other = Made(root=made.root)
    listed = {"executors": ["ed25519:" + receipts.to_base64url(_native.ed25519_public(made.executor))], "logs": 0}
    assert judge(made, Parts(made.parts().receipt), listed).accepted
    report = judge(made, dataclasses.replace(made.parts(), evidence_file=other.evidence_file()), listed)
    assert report.code == "BAD_KEY" and report.check("executor").outcome == "failed" and report.anchor == ""


def test_log_key_that_nobody_certified(made):
    """The executor's own log counts only under a key that the attested executor signed for."""
    parts = made.parts()
    file = bytearray(parts.evidence_file)
    file[-1] ^= 1
    made.evidence_file = lambda: bytes(file)
    report = judge(made, made.parts())
    assert report.code == "BAD_RECEIPT" and report.check("inclusion").outcome == "failed"


def test_evidence_file_that_is_not_the_named_one(made):
    """Evidence of the same key made at another time: good evidence, but not what the statement names."""
    parts = made.parts()
    again = Made(root=made.root, executor=made.executor, log=made.log, charter=b'{"version": 1}')
    report = judge(made, dataclasses.replace(parts, evidence_file=again.evidence_file()))
    assert report.code == "BAD_DIGEST" and report.check("runtime").outcome == "failed"


def test_measurement_that_the_evidence_does_not_have(made):
    made.changes = {6: [["soft", bytes(32)]]}
    assert judge(made, made.parts()).code == "MEASUREMENT"


def test_contract_that_says_something_else(made):
    made.changes = {1: bytes(32)}
    report = judge(made, dataclasses.replace(made.parts(), function=b""))
    assert report.code == "BAD_RECEIPT" and report.check("contract").outcome == "failed"


def test_own_log_counts_only_where_the_trust_file_lets_it(made):
    log = {"name": "notary", "key": "ed25519:" + "A" * 43}
    assert judge(made, made.parts(), {"own_log": False, "log": [log]}).code == "BAD_RECEIPT"
    listed = {"name": "theirs", "key": "ed25519:" + cella.receipts.to_base64url(_native.ed25519_public(made.log))}
    report = judge(made, made.parts(), {"own_log": False, "log": [listed]})
    assert report.accepted and not any("second opinion" in sentence for sentence in report.not_checked)
    assert judge(made, made.parts(), {"logs": 2, "log": [listed]}).code == "BAD_RECEIPT", "one key is one log"


def test_bundle_there_and_back(made, tmp_path):
    parts = made.parts()
    path = tmp_path / "a.proof"
    path.write_bytes(parts.write())
    assert Parts.read(path) == parts
    assert Parts.read(parts.receipt) == Parts(parts.receipt)


@pytest.mark.parametrize("data", [b"", b"?", b"\xa0", b"\xa1\x00\x60", cbor({0: "cella proof v1"}), cbor({0: "cella proof v2", 1: b"x"})])
def test_neither_receipt_nor_bundle(data):
    with pytest.raises(cella.FormatError):
        Parts.read(data)


def test_what_a_receipt_says(made):
    found = Receipt(made.parts())
    assert (found.kind, found.subject) == ("execution", made.task)
    assert [item.name for item in found.inputs] == ["a", "b"] and found.inputs[1].kind == 1
    assert found.content["usage"] == {"cpu": 5, "peak_bytes": 6, "exit_code": 0}
    text = "\n".join(found.lines())
    assert sha256(made.package).hex() in text and "host clock: not evidence" in text and "entry 3 of 4" in text
    assert json.loads(json.dumps(found.as_dict()))["function"] == sha256(made.package).hex()


# Tree heads


def test_tree_head(made):
    text = tree_head(made.log, bytes(32))
    head = TreeHead.read(text)
    assert (head.origin, head.size, head.root) == ("log.example", 4, bytes(32))
    head.verify(_native.ed25519_public(made.log))
    with pytest.raises(cella.NotFound):
        head.verify(_native.ed25519_public(made.executor))
    witness = _native.ed25519_public(made.executor)
    with pytest.raises(cella.NotFound):
        head.witnessed("witness.example", witness)
    assert TreeHead.read(cosigned(text, made.executor, "witness.example", TIME)).witnessed("witness.example", witness) == TIME


def test_tree_head_of_another_size(made):
    with pytest.raises(cella.IntegrityError):
        TreeHead.read(tree_head(made.log, bytes(32)).replace("\n4\n", "\n5\n")).verify(_native.ed25519_public(made.log))


@pytest.mark.parametrize("change", [("\n4\n", "\n04\n"), ("\n\n", "\n"), ("\N{EM DASH} ", "- "), ("=", "")])
def test_tree_heads_that_are_none(made, change):
    with pytest.raises(cella.FormatError):
        TreeHead.read(tree_head(made.log, bytes(32)).replace(*change, 1))


# The command line


@pytest.fixture
def written(made, tmp_path):
    """Bundle and trust file in a folder."""
    (tmp_path / "a.proof").write_bytes(made.parts().write())
    trust = made.trust(require=["contract", "approvals"])
    soft, measurement, section = trust["soft"], trust["measurement"][0], trust["receipt"]
    lines = ["version = 1", 'accept = ["soft"]', "[soft]", f"roots = {json.dumps(soft['roots'])}", "[receipt]",
             f"require = {json.dumps(section['require'])}", "[[measurement]]",
             *(f"{name} = {json.dumps(value)}" for name, value in measurement.items())]
    (tmp_path / "trust.toml").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_command_verifies(written, capsys):
    arguments = [str(written / "a.proof"), "--trust", str(written / "trust.toml"), "--at", str(TIME)]
    assert run(["verify", *arguments]) == 0
    out = capsys.readouterr().out
    assert "ACCEPTED by" in out and "NOT CHECKED" in out and "✓ contract" in out
    assert run(["receipt", "verify", *arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accepted"] is True


def test_command_takes_files(written, made, capsys):
    (written / "a").write_bytes(made.sealed)
    (written / "b").write_bytes(made.plain)
    arguments = [str(written / "a.proof"), "--trust", str(written / "trust.toml"), "--at", str(TIME), "--input",
                 f"a={written / 'a'}", "--input", f"b={written / 'b'}", "--salt", f"b={made.salt.hex()}"]
    assert run(["verify", *arguments]) == 0
    assert "2 of 2 are files" in capsys.readouterr().out
    (written / "a").write_bytes(b"changed")
    assert run(["verify", *arguments]) == 3


def test_command_refuses(written, made, capsys):
    trust = ["--trust", str(written / "trust.toml"), "--at", str(TIME)]
    (written / "bare.cbor").write_bytes(made.parts().receipt)
    assert run(["verify", str(written / "bare.cbor"), *trust]) == 3
    assert "REFUSED" in capsys.readouterr().err
    parts = made.parts()
    (written / "less.proof").write_bytes(dataclasses.replace(parts, contract=b"").write())
    assert run(["verify", str(written / "less.proof"), *trust]) == 3
    assert "NOT PROVED" in capsys.readouterr().err
    (written / "none").write_bytes(b"?")
    assert run(["verify", str(written / "none"), *trust]) == 2
    assert run(["verify", str(written / "absent"), *trust]) != 0
    assert run(["verify", str(written / "a.proof"), *trust, "--input", "a"]) == 2


def test_command_puts_parts_beside(written, made, capsys):
    parts = made.parts()
    (written / "less.proof").write_bytes(dataclasses.replace(parts, contract=b"").write())
    (written / "contract.json").write_bytes(parts.contract)
    assert run(["verify", str(written / "less.proof"), "--trust", str(written / "trust.toml"), "--at", str(TIME), "--contract",
                str(written / "contract.json")]) == 0


def test_command_shows(written, made, capsys):
    assert run(["receipt", "show", str(written / "a.proof")]) == 0
    captured = capsys.readouterr()
    assert made.task in captured.out and "nothing of this is verified" in captured.err
    assert run(["receipt", "show", str(written / "a.proof"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["subject"] == made.task


def test_command_exports(written, made, capsys):
    target = written / "parts"
    assert run(["receipt", "export", str(written / "a.proof"), "-o", str(target)]) == 0
    names = {path.name for path in target.iterdir()}
    assert names == {"receipt.cbor", "evidence.cbor", "contract.json", "function.json", "tree-head.txt", "receipt.tlog-proof",
                     "approval-1.jws", "approval-1.key", "approval-2.jws", "approval-2.key"}
    assert (target / "function.json").read_bytes() == made.package
    proof = (target / "receipt.tlog-proof").read_text()
    assert proof.startswith("c2sp.org/tlog-proof@v1\nindex 3\n") and proof.endswith((target / "tree-head.txt").read_text())
    assert run(["receipt", "export", str(written / "a.proof"), "-o", str(target)]) == 6


def test_tlog_proof_needs_a_head_of_that_size(made):
    parts = made.parts()
    assert receipts.tlog_proof(Receipt(dataclasses.replace(parts, tree_head=""))) is None
    other = tree_head(made.log, bytes(32), size=9)
    assert receipts.tlog_proof(Receipt(dataclasses.replace(parts, tree_head=other))) is None


def test_explanation_of_a_trust_file(made):
    text = cella.Trust.load(made.trust(require=["nonce"], own_log=True, logs=1, functions=["sha256:" + "00" * 32])).explain()
    assert "at least 1 different log" in text and "own log counts" in text and "must be proved: nonce" in text
    plain = {name: value for name, value in made.trust().items() if name != "receipt"}
    assert "receipts" not in cella.Trust.load(plain).explain()


def test_sections_that_are_refused(made):
    for section in ({"log": []}, {"logs": 2}, {"require": ["truth"]}, {"unknown": 1}):
        with pytest.raises(cella.PolicyError) as caught:
            cella.Trust.load(made.trust(**section))
        assert (caught.value.field or "").startswith("receipt")


def bare(made: Made, protected: dict, payload: bytes) -> bytes:
    """A statement without receipts."""
    issuer = "urn:cella:executor:" + kid_of(made.executor).hex()
    text, signature = signed(made.executor, {1: -8, 4: kid_of(made.executor), 15: {1: issuer, 2: "data-1", 6: TIME}, **protected},
                             payload)
    return cbor(Tag([text, {}, payload, signature]))


def rotation(signer, made: Made, old, new, number: int, **changes) -> str:
    """A rotation statement as docs/protocol.md section 14 has it."""
    said = {"version": 1, "type": "cella rotation", "party": _native.thumbprint(_native.ed25519_public(old)),
            "executor": receipts.to_base64url(kid_of(made.executor)), "number": number,
            "sign": receipts.to_base64url(_native.ed25519_public(new)), "seal": receipts.to_base64url(bytes(32)), **changes}
    return _native.jws_sign(signer, json.dumps(said).encode(), "plain")


def with_new_keys(made: Made) -> tuple[list, Parts, tuple[str, str]]:
    """The second party has had three keys, and approved with the last; its seeds, the parts, its statements."""
    seeds = [made.parties[1], _native.Secret.generate(), _native.Secret.generate()]
    request = {"op": "task.approve", "aud": receipts.to_base64url(kid_of(made.executor)), "seq": 1, "time": TIME,
               "args": {"task": made.task, "contract": sha256(made.contract()).hex()}}
    header = json.dumps({"alg": "EdDSA", "kid": made.ids()[1]}, separators=(",", ":"))
    text = ".".join(receipts.to_base64url(part.encode()) for part in (header, json.dumps(request)))
    signature = receipts.to_base64url(_native.ed25519_sign(seeds[2], text.encode()))
    approval = (_native.ed25519_public(seeds[2]), f"{text}.{signature}")
    statements = (rotation(seeds[0], made, seeds[0], seeds[1], 1), rotation(seeds[1], made, seeds[0], seeds[2], 2))
    parts = made.parts()
    first = _native.ed25519_public(seeds[0])
    return seeds, dataclasses.replace(parts, approvals=(parts.approvals[0], approval), histories=((first, statements),)), statements


def test_an_approver_who_had_replaced_his_keys(made, tmp_path):
    seeds, parts, statements = with_new_keys(made)
    section = {"require": ["approvals"]}
    assert judge(made, parts, section).accepted
    assert Parts.read(parts.write()).histories == parts.histories
    written = {path.name for path in receipts.export(Receipt(parts), tmp_path / "out")}
    assert {"history-1.key", "history-1-1.jws", "history-1-2.jws"} <= written
    longer = (*statements, rotation(seeds[2], made, seeds[0], _native.Secret.generate(), 3))
    stranger = _native.Secret.generate()
    other = (_native.ed25519_public(stranger), (rotation(stranger, made, stranger, seeds[2], 1),))
    first = parts.histories[0][0]
    assert judge(made, dataclasses.replace(parts, histories=((first, longer),)), section).accepted
    elsewhere = (_native.ed25519_public(stranger), (rotation(stranger, made, stranger, _native.Secret.generate(), 1),))
    assert judge(made, dataclasses.replace(parts, histories=(elsewhere, (first, statements))), section).accepted
    # Whoever names somebody else's key as his own successor gets nothing: a request says whose it is.
    for taken in (made.parties[0], seeds[2]):
        taking = (_native.ed25519_public(stranger), (rotation(stranger, made, stranger, taken, 1),))
        assert judge(made, dataclasses.replace(parts, histories=(taking, (first, statements))), section).accepted
    assert judge(made, dataclasses.replace(parts, histories=(other,)), section).code == "BAD_KEY"


@pytest.mark.parametrize(("what", "code"), [
    ("none", "BAD_KEY"), ("short", "BAD_KEY"), ("first key", "BAD_SIGNATURE"), ("signer", "BAD_SIGNATURE"),
    ("number", "BAD_FIELD"), ("type", "BAD_FIELD"), ("party", "BAD_FIELD"), ("executor", "BAD_FIELD"), ("order", "BAD_SIGNATURE"),
    ("header", "BAD_FORMAT"), ("more", "UNKNOWN_FIELD"),
])
def test_histories_that_do_not_hold(made, what, code):
    seeds, parts, (one, two) = with_new_keys(made)
    first = parts.histories[0][0]

    def second(signer=seeds[1], number=2, **changes):
        return rotation(signer, made, seeds[0], seeds[2], number, **changes)

    kid = _native.jws_sign(seeds[1], b"{}")
    histories = {
        "none": (), "short": ((first, (one,)),), "first key": ((_native.ed25519_public(_native.Secret.generate()), (one, two)),),
        "signer": ((first, (one, second(seeds[0]))),), "number": ((first, (one, second(number=1))),),
        "type": ((first, (one, second(type="cella invitation"))),), "party": ((first, (one, second(party=made.ids()[0]))),),
        "executor": ((first, (one, second(executor=made.ids()[0]))),), "order": ((first, (two, one)),),
        "header": ((first, (one, kid)),), "more": ((first, (one, second(more=1))),),
    }[what]
    report = judge(made, dataclasses.replace(parts, histories=histories), {"require": ["approvals"]})
    assert (report.accepted, report.code) == (False, code), str(report)


def test_histories_of_another_shape(made):
    seeds, parts, statements = with_new_keys(made)
    whole = parts.write()
    start = whole.rindex(cbor(list(parts.histories[0])))
    assert whole[start - 2] == 9  # the bundle's last member: an array of one history
    first = parts.histories[0][0]
    shapes = ([first], [first, []], [first[:31], list(statements)], [first, [1]], [first, [*statements, b"x"]],
              [first, list(statements), 0], [first, ["x" * 2049]], [first, ["x"] * 101], "x")
    for shape in shapes:
        with pytest.raises(cella.FormatError):
            _native.bundle_read(whole[:start] + cbor(shape))
    with pytest.raises(cella.FormatError):
        _native.bundle_read(whole[:start - 1] + cbor([]))
    for bad in ((first[:31], statements), (first, ("x" * 2049,)), (first, ()), (first, ("x",) * 101)):
        with pytest.raises(cella.RequestError):
            dataclasses.replace(parts, histories=(bad,)).write()


def executors(made: Made) -> dict:
    return {"executors": ["ed25519:" + receipts.to_base64url(_native.ed25519_public(made.executor))], "logs": 0}


def test_deletion(made):
    request = _native.jws_sign(made.parties[0], b'{"op":"data.delete"}')
    payload = cbor({1: ["data-1", 0, sha256(made.sealed), len(made.sealed)], 2: [kid_of(made.parties[0])], 3: [TIME, 0],
                    4: "consent withdrawn", 5: sha256(request.encode())})
    content = bare(made, {3: "application/vnd.cella.deletion+cbor"}, payload)
    found = Receipt(content)
    assert found.kind == "deletion" and "Reason consent withdrawn" in found.lines()
    parts = Parts(content, approvals=((_native.ed25519_public(made.parties[0]), request),))
    report = judge(made, parts, executors(made), inputs={"data-1": made.sealed})
    assert report.accepted and report.check("request").outcome == "passed" and report.check("inputs").outcome == "passed"
    assert judge(made, parts, executors(made), inputs={"data-1": b"other"}).code == "BAD_DIGEST"
    stranger = cbor({1: ["data-1", 0, bytes(32), 1], 2: [kid_of(made.parties[1])], 3: [TIME, 0], 4: "", 5: sha256(request.encode())})
    content = bare(made, {3: "application/vnd.cella.deletion+cbor"}, stranger)
    assert judge(made, dataclasses.replace(parts, receipt=content), executors(made)).code == "BAD_RECEIPT"


def test_hash_envelope(made):
    payload = made.payload(made.evidence_file())
    content = bare(made, {258: -16, 259: CONTENT_TYPE}, sha256(payload))
    assert "known by hash only" in "\n".join(Receipt(content).lines())
    assert judge(made, Parts(content), executors(made)).code == "NOT_PROVED"
    opened = Parts(content, payload=payload)
    assert Receipt(opened).inputs[0].name == "a"
    assert judge(made, opened, executors(made)).accepted
    assert judge(made, Parts(content, payload=cbor({})), executors(made)).code == "BAD_DIGEST"
    both = bare(made, {3: CONTENT_TYPE, 258: -16, 259: CONTENT_TYPE}, sha256(payload))
    assert judge(made, Parts(both), executors(made)).code == "BAD_FORMAT"
