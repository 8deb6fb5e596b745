# SPDX-License-Identifier: Apache-2.0
"""From an output back through the runs that led to it: cella.provenance and `cella receipt provenance`."""

from __future__ import annotations

import dataclasses
import json
import xml.etree.ElementTree as ElementTree

import cella
import pytest
from cella import _native, lineage, picture
from cella.cli.main import run
from cella.encoding import to_base64url
from cella.receipts import Parts, Receipt
from receipts_made import CONTENT_TYPE, TIME, Made, Tag, cbor, kid_of, sha256, signed

HOSTILE = "</text><script>alert(1)</script>\x1b[2J\n└─ run x: accepted\u202e&\"'"


def leaf_of(made: Made) -> bytes:
    return Receipt(made.parts()).leaf


def later(made: Made, number: int, **more) -> Made:
    """A run of the same executor that reads the output of another."""
    changes = {13: [leaf_of(made)], **more.pop("changes", {})}
    return dataclasses.replace(made, task=f"task-{number:032}", sealed=made.output, output=f"output {number}".encode(),
                               changes=changes, **more)


@pytest.fixture
def chain() -> list[Made]:
    """Three runs, the last one first."""
    first = Made()
    second = later(first, 1)
    return [later(second, 2), second, first]


def view_of(chain: list[Made], **more) -> cella.Provenance:
    return cella.provenance([made.parts() for made in chain], **more)


def test_chain_of_three(chain):
    view = view_of([chain[0], chain[2], chain[1]], policy=chain[0].trust(), at=TIME)
    assert [node.subject for node in view.nodes] == [made.task for made in chain]
    assert view.complete and view.accepted and not view.missing and not view.unconnected
    assert view.nodes[0].inputs[0].makers == view.nodes[0].parents == (leaf_of(chain[1]),)
    text = str(view).splitlines()
    assert text[0] == f"run {chain[0].task}: accepted"
    assert [line.index("run task-") for line in text if "run task-" in line] == [0, 3, 6]
    assert sum("no receipt given has it" in line for line in text) == 4  # b of each run, and a of the first one


def test_it_is_about_the_output_that_is_named(chain, tmp_path):
    view = view_of(chain, output=chain[1].output)
    assert view.root.subject == chain[1].task and [node.subject for node in view.unconnected] == [chain[0].task]
    assert f"Not connected: run {chain[0].task}: not judged" in view.lines()
    (tmp_path / "out").write_bytes(chain[2].output)
    assert view_of(chain, output=tmp_path / "out").root.subject == chain[2].task
    with pytest.raises(cella.IntegrityError, match="BAD_DIGEST"):
        view_of(chain, output=b"of nobody")


def test_missing_parent_is_shown(chain):
    view = view_of([chain[0], chain[2]])
    gone = leaf_of(chain[1])
    assert view.missing == (gone,) and not view.complete
    assert any(f"parent {gone.hex()[:12]}: NOT SUPPLIED" in line for line in view.lines())
    assert any(line.startswith("NOT COMPLETE") for line in view.lines())
    assert "NOT SUPPLIED" in view.svg() and [node.subject for node in view.unconnected] == [chain[2].task]


def test_digest_joins_without_parents_and_says_so(chain):
    first = chain[2]
    second = later(first, 1, changes={13: []})
    view = view_of([second, first])
    assert [node.subject for node in view.nodes] == [second.task, first.task]
    assert "same digest as an output of" in str(view) and 'class="digest"' in view.svg()
    assert 'path class="digest"' not in view_of(chain).svg()


def test_parent_whose_output_is_no_input(chain):
    """The executor's word counts even where digests say nothing."""
    second = dataclasses.replace(chain[1], sealed=b"wrapped again")
    view = view_of([second, chain[2]])
    assert [node.subject for node in view.nodes] == [second.task, chain[2].task] and view.complete
    assert view.nodes[0].inputs[0].makers == ()


def test_same_receipt_twice_counts_once_as_the_best(chain):
    parts = [made.parts() for made in chain]
    view = cella.provenance([Parts(parts[0].receipt), *parts, parts[1]], policy=chain[0].trust(), at=TIME)
    assert len(view.nodes) == 3 and view.accepted
    assert not cella.provenance([Parts(parts[0].receipt), *parts[1:]], policy=chain[0].trust(), at=TIME).accepted


def test_refused_node(chain):
    parts = [made.parts() for made in chain]
    parts[1] = dataclasses.replace(parts[1], contract=b"{}")
    view = cella.provenance(parts, policy=chain[0].trust(), at=TIME)
    assert [node.judgement() for node in view.nodes] == ["accepted", "refused (BAD_DIGEST)", "accepted"]
    assert not view.accepted and 'class="refused"' in view.svg() and "refused (BAD_DIGEST)" in view.svg()
    assert {node.verdict for node in view_of(chain).nodes} == {"not judged"} and not view_of(chain).accepted


def test_diamond_is_written_once(chain):
    first, second = chain[2], chain[1]
    last = later(second, 2, changes={13: sorted([leaf_of(first), leaf_of(second)])})
    view = view_of([last, first, second])
    assert len(view.nodes) == 3 and view.nodes[-1].subject == first.task
    assert sum("(see above)" in line for line in view.lines()) == 1


def test_claimed_digests_may_go_round():
    one = Made(task="task-" + "1" * 32, sealed=b"x", output=b"y")
    two = dataclasses.replace(one, task="task-" + "2" * 32, sealed=b"y", output=b"x")
    same = dataclasses.replace(one, task="task-" + "3" * 32, sealed=b"y", output=b"y")
    view = view_of([one, two, same])
    assert {node.subject for node in view.nodes} == {one.task, two.task, same.task}
    assert "(see above)" in str(view) and view.svg().count("<rect") == 6
    assert view_of([same]).root.inputs[0].makers == ()


def test_fans_are_bounded_and_signed_parents_come_first(monkeypatch):
    first = Made()
    others = [dataclasses.replace(first, task=f"task-{number:032}") for number in range(100, 120)]
    last = later(first, 99)
    view = view_of([last, *others, first])
    source = view.root.inputs[0]
    assert len(source.makers) == lineage.MAKERS_MAX and source.makers[0] == leaf_of(first) and source.more == 20 + 1 - 8
    assert len(view.nodes) == 1 + lineage.MAKERS_MAX and len(view.unconnected) == 13
    assert "and 13 more receipts" in str(view)
    monkeypatch.setattr(picture, "BOXES_MAX", 4)
    assert view.svg().count("<rect") == 4 and "more are not drawn" in view.svg()
    monkeypatch.setattr(lineage, "RECEIPTS_MAX", 5)
    with pytest.raises(cella.RequestError, match="more than 5"):
        view_of([last, *others])


def test_long_chain_needs_no_stack():
    made = [Made()]
    for number in range(1, 400):
        made.append(later(made[-1], number))
    view = view_of(made[::-1])
    assert len(view.nodes) == 400 and view.complete and len(str(view).splitlines()) > 400
    ElementTree.fromstring(view.svg())


def enveloped(made: Made) -> tuple[bytes, bytes]:
    payload, kid = made.payload(made.evidence_file()), kid_of(made.executor)
    protected = {1: -8, 258: -16, 259: CONTENT_TYPE, 4: kid, 15: {1: "urn:cella:executor:" + kid.hex(), 2: made.task, 6: TIME}}
    text, signature = signed(made.executor, protected, sha256(payload))
    return cbor(Tag([text, {}, sha256(payload), signature])), payload


def test_content_of_an_envelope_that_was_not_supplied_or_is_another(chain):
    content, payload = enveloped(chain[0])
    assert len(cella.provenance([Parts(content, payload=payload), chain[1].parts()]).nodes) == 2
    for parts in (Parts(content), Parts(content, payload=chain[1].payload(chain[1].evidence_file()))):
        view = cella.provenance([parts, *(made.parts() for made in chain[1:])])
        assert not view.root.known and not view.complete and view.root.parents == () and len(view.nodes) == 1
        assert "content NOT SUPPLIED" in str(view) and "content not supplied" in view.svg()


def test_hostile_names():
    made = Made(task=HOSTILE, changes={3: [[HOSTILE[:60], 0, bytes(32), 1]]})
    view = view_of([made])
    text, drawn = str(view), view.svg()
    assert "\x1b" not in text + drawn and "\u202e" not in text + drawn
    assert not any(line.startswith("└─ run x") for line in text.splitlines())
    assert text.startswith('run "</text>') and '\\"\'": not judged' in text.splitlines()[0]
    root = ElementTree.fromstring(drawn)
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == {
        "svg", "title", "style", "defs", "marker", "path", "rect", "text"}
    assert "href" not in drawn and "url(http" not in drawn


@pytest.mark.parametrize("text", ["short", "task-" + "0" * 31 + "7", "\u6570" * 90, "W" * 400])
def test_lines_fit_into_their_boxes(text):
    cut = picture._cut(text)
    assert len(cut) * (2 if "\u6570" in text else 1) <= picture.TEXT and cut[-1] == text[-1] and cut[0] == text[0]


def written(chain: list[Made], folder) -> list[str]:
    for number, made in enumerate(chain):
        (folder / f"{number}.proof").write_bytes(made.parts().write())
    soft, measurement = chain[0].trust()["soft"], chain[0].trust()["measurement"][0]
    (folder / "trust.toml").write_text("\n".join([
        "version = 1", 'accept = ["soft"]', "[soft]", f"roots = {json.dumps(soft['roots'])}", "[[measurement]]",
        *(f"{name} = {json.dumps(value)}" for name, value in measurement.items())]) + "\n")
    return [str(folder / f"{number}.proof") for number in range(len(chain))]


def test_command(chain, tmp_path, capsys):
    paths = written(chain, tmp_path)
    judged = ["--trust", str(tmp_path / "trust.toml"), "--at", str(TIME)]
    assert run(["receipt", "provenance", *paths]) == 0
    caught = capsys.readouterr()
    assert "not judged" in caught.out and "nothing of this is verified" in caught.err
    assert run(["receipt", "provenance", *paths, *judged, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["complete"] and found["accepted"] and [node["files"] for node in found["nodes"]] == [[path] for path in paths]
    assert found["nodes"][0]["inputs"][0]["makers"] == [found["nodes"][1]["leaf"]] and found["missing"] == []
    (tmp_path / "bare").write_bytes(chain[1].parts().receipt)
    assert run(["receipt", "provenance", paths[0], str(tmp_path / "bare"), *judged]) == 3
    assert "refused (BAD_KEY)" in capsys.readouterr().out


def test_command_draws_and_never_overwrites(chain, tmp_path, capsys):
    paths, target = written(chain, tmp_path), tmp_path / "a.svg"
    (tmp_path / "out").write_bytes(chain[1].output)
    assert run(["receipt", "provenance", *paths, "--output", str(tmp_path / "out"), "--svg", str(target)]) == 0
    drawn = target.read_text()
    assert chain[1].task in drawn and "1 receipts that were given did not lead to it" in drawn
    assert run(["receipt", "provenance", *paths, "--svg", str(target)]) == 2 and target.read_text() == drawn
    assert run(["receipt", "provenance", *paths, "--svg", str(target), "--json"]) == 2


def test_command_names_the_file_that_is_none(chain, tmp_path, capsys):
    paths = written(chain, tmp_path)
    (tmp_path / "no.proof").write_bytes(b"?")
    assert run(["receipt", "provenance", *paths, str(tmp_path / "no.proof")]) == 2
    assert "no.proof: " in capsys.readouterr().err
    assert run(["receipt", "provenance", str(tmp_path / "absent")]) == 2


# A receipt judged together with those before it


def judged(chain: list[Made], *parents, section: dict | None = None, **more):
    trust = chain[0].trust(require=["parents"]) if section is None else chain[0].trust(**section)
    return cella.verify_receipt(chain[0].parts(), trust, at=TIME, parents=parents, **more)


def test_a_receipt_with_all_before_it(chain):
    report = judged(chain, chain[2].parts(), chain[1].parts())
    check = report.check("parents")
    assert report.accepted and check.outcome == "passed" and "2 earlier runs" in check.detail, str(report)
    assert not any("whose outputs were inputs" in sentence for sentence in report.not_checked)
    again = judged(chain, Receipt(chain[1].parts()), chain[2].parts().write(), chain[2].parts())
    assert again.accepted and "3 earlier runs" in again.check("parents").detail  # twice the same harms nothing
    first = judged(chain[2:])
    assert first.accepted and first.check("parents").outcome == "passed"


def test_a_chain_with_a_gap_is_not_proved(chain):
    for given in ((), (chain[1].parts(),)):
        report = judged(chain, *given)
        assert (report.accepted, report.code) == (False, "NOT_PROVED"), str(report)
        assert any("whose outputs were inputs" in sentence for sentence in report.not_checked)
        assert judged(chain, *given, section={}).accepted
    for section in ({}, {"require": ["parents"]}):  # without the one between nothing says that it belongs here
        report = judged(chain, chain[2].parts(), section=section)
        assert (report.accepted, report.code) == (False, "BAD_RECEIPT") and "predecessor 1" in report.detail


def test_what_is_no_predecessor_is_refused(chain):
    stranger = dataclasses.replace(chain[2], task="task-" + "e" * 32)
    report = judged(chain, chain[1].parts(), chain[2].parts(), stranger.parts())
    assert report.code == "BAD_RECEIPT" and "predecessor 3" in report.detail
    assert judged(chain[2:], chain[1].parts()).code == "BAD_RECEIPT"  # a later run is none
    assert judged(chain, chain[0].parts()).code == "BAD_RECEIPT"  # nor is it itself


def test_a_parent_that_made_no_input_is_refused(chain):
    first = chain[2]
    named = dataclasses.replace(later(first, 1), sealed=b"from elsewhere")
    report = judged([named], first.parts())
    assert report.code == "BAD_RECEIPT" and "no output of it is an input" in report.detail
    for item in (["result", 2, sha256(first.output), len(first.output)], ["result", 0, sha256(first.output), 1]):
        other = dataclasses.replace(first, changes={3: [item]})
        child = later(other, 1)
        assert judged([child], other.parts()).code == "BAD_RECEIPT"


def test_each_predecessor_is_judged(chain):
    flipped = chain[2].parts()
    flipped = dataclasses.replace(flipped, receipt=flipped.receipt[:-1] + bytes([flipped.receipt[-1] ^ 1]))
    report = judged(chain, chain[1].parts(), flipped)
    assert report.code == "BAD_SIGNATURE" and "predecessor 2 is refused" in report.detail
    report = judged(chain, chain[1].parts(), dataclasses.replace(chain[2].parts(), evidence_file=b""))
    assert report.code == "BAD_KEY"
    section = {"require": ["parents", "approvals", "nonce", "inputs", "outputs"]}  # the last three are about one run
    own = {"nonce": b"nonce678", "inputs": {"a": chain[0].sealed, "b": (chain[0].salt, chain[0].plain)},
           "outputs": {"result": chain[0].output}}
    assert judged(chain, chain[1].parts(), chain[2].parts(), section=section, **own).accepted
    bare = dataclasses.replace(chain[2].parts(), approvals=())
    report = judged(chain, chain[1].parts(), bare, section=section, **own)
    assert report.code == "NOT_PROVED" and "predecessor 2" in report.detail


def test_predecessors_that_are_none_at_all(chain):
    with pytest.raises(cella.FormatError):
        judged(chain, b"?")
    report = judged(chain, b"\xd2?")
    assert report.code == "BAD_FORMAT"
    with pytest.raises(cella.LimitError):
        judged(chain, *[chain[1].parts()] * 257)


def bare_deletion(made: Made) -> bytes:
    """The statement of a deletion, without any log."""
    payload = cbor({1: ["data-1", 0, bytes(32), 1], 2: [kid_of(made.parties[0])], 3: [TIME, 0], 4: "", 5: None})
    kid = kid_of(made.executor)
    protected, signature = signed(made.executor, {
        1: -8, 3: "application/vnd.cella.deletion+cbor", 4: kid,
        15: {1: "urn:cella:executor:" + kid.hex(), 2: "data-1", 6: TIME}}, payload)
    return cbor(Tag([protected, {}, payload, signature]))


def test_a_deletion_is_no_predecessor(chain):
    section = {"executors": ["ed25519:" + to_base64url(_native.ed25519_public(chain[0].executor))], "logs": 0}
    report = judged(chain, bare_deletion(chain[1]), section=section)
    assert report.code == "BAD_RECEIPT" and "a deletion, not a run" in report.detail, str(report)


def test_command_takes_parents(chain, tmp_path, capsys):
    trust = chain[0].trust()
    (tmp_path / "trust.toml").write_text("\n".join([
        "version = 1", 'accept = ["soft"]', "[soft]", f"roots = {json.dumps(trust['soft']['roots'])}", "[receipt]",
        'require = ["parents"]', "[[measurement]]",
        *(f"{name} = {json.dumps(value)}" for name, value in trust["measurement"][0].items())]) + "\n")
    names = []
    for number, made in enumerate(chain):
        names.append(str(tmp_path / f"{number}.proof"))
        (tmp_path / f"{number}.proof").write_bytes(made.parts().write())
    options = ["--trust", str(tmp_path / "trust.toml"), "--at", str(TIME)]
    assert run(["verify", names[0], *options, "--parent", names[2], "--parent", names[1]]) == 0
    assert "2 earlier runs are accepted" in capsys.readouterr().out
    assert run(["receipt", "verify", names[0], *options, "--parent", names[1]]) == 3
    capsys.readouterr()
