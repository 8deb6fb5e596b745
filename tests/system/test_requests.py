# SPDX-License-Identifier: Apache-2.0
"""Requests that are not what they should be: each gets its own code, and the executor serves on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import cella
from cella.data import data_context
from cella.script import LIMITS
import pytest
from cella import _native
from cella.encoding import to_base64url
from live import Answer, Hand, LiveExecutor, compact, package_of, payload_of

ZEROS = "0" * 32
NOBODY = "A" * 43


@pytest.fixture(autouse=True, scope="module")
def _same_programs(live: LiveExecutor) -> Iterator[None]:
    """Nothing here may end a program."""
    before = {name: live.one(name).pid for name in ("monitor", "front")}
    yield
    live.serves()
    assert {name: live.one(name).pid for name in ("monitor", "front")} == before


def check(hand: Hand, answer: Answer, code: str, field: str | None = None, status: int = 0) -> None:
    """The answer is this error, and the same connection still works."""
    assert answer.code == code, f"{answer.code} instead of {code}: {answer.body[:300]!r}"
    number, category = {row[0]: (row[1], row[2]) for row in _native.status_table()}[code]
    assert (answer.json["error"]["number"], answer.json["error"]["category"]) == (number, category)
    if field is not None:
        assert answer.field == field
    if status:
        assert answer.status == status
    assert hand.ask("party.get", {}).code == "OK"


# ---- one table of all operations ----

WRONG: dict[str, list[Any]] = {
    "text": [None, 1, 1.5, True, [], {}],
    "long text": [None, 1, 1.5, True, [], {}, "a" * 5000],
    "array": [None, "x", 1, True, {}],
    "integer below -1": [None, "1", 1.5, True, [], {}, -2],
    "bytes": [None, 1, True, [], {}, "not base64!", "AAAA=", "AA\n", "A"],
    "integer": [None, "1", 1.5, True, [], {}, -1],
    "object": [None, "x", 1, True, []],
    "boolean": [None, "true", 1, 0, [], {}],
}
ORGANISATION, KEY = f"organisation-{ZEROS}", "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
FUNCTION, DATA, TASK = f"function-{ZEROS}", f"data-{ZEROS}", f"task-{ZEROS}"
OPERATIONS: dict[str, dict[str, tuple[str, bool, Any]]] = {
    # name -> argument -> kind, required, a value of the right form
    "party.enrol": {"seal": ("bytes", True, None), "name": ("text", False, "x")},
    "party.get": {"party": ("text", False, NOBODY)},
    "party.list": {},
    "party.add": {
        "sign": ("bytes", True, KEY), "seal": ("bytes", True, KEY), "roles": ("array", True, []), "name": ("text", False, "x"),
        "organisation": ("text", False, ORGANISATION), "manages": ("boolean", False, False),
    },
    "party.join": {"invitation": ("long text", True, "x")},
    "party.change": {"party": ("text", True, NOBODY), "roles": ("array", True, [])},
    "party.rotate": {"statement": ("long text", True, "x"), "proof": ("long text", True, "x")},
    "party.remove": {"party": ("text", True, NOBODY)},
    "invitation.revoke": {"invitation": ("text", True, ZEROS)},
    "organisation.create": {"name": ("text", True, "x")},
    "organisation.get": {"organisation": ("text", True, ORGANISATION)},
    "organisation.list": {},
    "organisation.add": {
        "organisation": ("text", True, ORGANISATION), "party": ("text", True, NOBODY), "manages": ("boolean", False, False),
    },
    "organisation.remove": {"organisation": ("text", True, ORGANISATION), "party": ("text", True, NOBODY)},
    "organisation.delete": {"organisation": ("text", True, ORGANISATION)},
    "executor.info": {},
    "function.register": {"package": ("bytes", True, "e30")},
    "function.get": {"function": ("text", True, FUNCTION)},
    "function.list": {"name": ("text", False, "x"), "owner": ("text", False, NOBODY), "search": ("text", False, "x")},
    "function.usage": {"function": ("text", True, FUNCTION)},
    "function.change": {
        "function": ("text", True, FUNCTION), "allow": ("array", False, []), "quota": ("integer below -1", False, 1),
        "quota_of": ("text", False, "runs"),
    },
    "function.disable": {"function": ("text", True, FUNCTION)},
    "function.enable": {"function": ("text", True, FUNCTION)},
    "function.delete": {"function": ("text", True, FUNCTION)},
    "function.show": {"function": ("text", True, FUNCTION), "auditor": ("text", True, NOBODY)},
    "function.source": {"function": ("text", True, FUNCTION)},
    "function.audit": {"function": ("text", True, FUNCTION), "statement": ("long text", True, "x")},
    "data.register": {
        "name": ("text", True, "x"),
        "sha256": ("text", True, "ab" * 32),
        "size": ("integer", True, 1000),
        "segment": ("text", True, "1MB"),
        "sealed_key": ("bytes", True, "AAAA"),
        "associated_data": ("bytes", False, "AAAA"),
        "policy": ("object", False, {}),
    },
    "data.change": {"data": ("text", True, DATA), "policy": ("object", False, {})},
    "data.delete": {"data": ("text", True, DATA)},
    "data.derive": {"task": ("text", True, TASK), "output": ("text", True, "x")},
    "data.get": {"data": ("text", True, DATA)},
    "data.list": {},
    "task.create": {
        "function": ("text", True, FUNCTION),
        "arguments": ("object", False, {}),
        "inputs": ("object", False, {}),
        "outputs": ("object", False, {}),
        "result": ("object", False, {"receivers": []}),
        "messages": ("object", False, {"receivers": []}),
        "limits": ("object", False, {}),
        "isolation": ("object", False, {}),
        "invoke": ("boolean", False, False),
        "auditors": ("object", False, {"parties": [NOBODY], "threshold": 1}),
        "priority": ("integer", False, 5),
        "attempts": ("integer", False, 1),
        "approval_s": ("integer", False, 1),
        "nonce": ("bytes", False, "AAAAAAAAAAA"),
    },
    "task.withdraw": {"task": ("text", True, TASK)},
    "task.reject": {"task": ("text", True, TASK), "reason": ("long text", False, "x")},
    "task.retry": {"task": ("text", True, TASK), "nonce": ("bytes", False, "AAAAAAAAAAA")},
    "receipt.get": {"of": ("text", True, TASK)},
    "receipt.find": {"leaf": ("bytes", True, "A" * 43)},
    "audit.list": {
        "after": ("integer", False, 0), "size": ("integer", False, 1), "since": ("integer", False, 0), "until": ("integer", False, 0),
        "party": ("text", False, "x"), "function": ("text", False, "x"), "data": ("text", False, "x"), "task": ("text", False, "x"),
    },
    "task.assign": {"task": ("text", True, TASK), "inputs": ("object", True, {})},
    "task.contract": {"task": ("text", True, TASK)},
    "task.approve": {"task": ("text", True, TASK), "contract": ("text", True, "ab" * 32)},
    "task.invoke": {"task": ("text", True, TASK), "nonce": ("bytes", False, "AAAAAAAAAAA")},
    "task.cancel": {"task": ("text", True, TASK)},
    "task.get": {"task": ("text", True, TASK)},
    "task.watch": {"task": ("text", True, TASK), "version": ("integer", True, 0), "over": ("boolean", False, False)},
    "task.list": {},
}
ARGUMENTS = [(op, name) for op, members in OPERATIONS.items() for name in members]


def good(hand: Hand, op: str) -> dict[str, Any]:
    """Arguments of the right form."""
    args = {name: value for name, (_, _, value) in OPERATIONS[op].items()}
    if op == "party.enrol":
        args["seal"] = to_base64url(hand.identity.seal_public)
    return args


def ask(hand: Hand, op: str, args: Any) -> Answer:
    return hand.ask(op, args, enrol=op == "party.enrol")


def ask_with(hand: Hand, members: dict[str, Any]) -> Answer:
    """A request of which some members are replaced; None leaves one out."""
    return signed_text(hand, payload_of(hand.executor, **{"op": "party.get", "args": {}, **members}))


def signed_text(hand: Hand, text: bytes) -> Answer:
    return hand.send(hand.identity.sign_request(text))


@pytest.mark.parametrize("op", OPERATIONS)
def test_every_operation_refuses_an_unknown_argument(hand: Hand, op: str) -> None:
    required = {name: value for name, value in good(hand, op).items() if OPERATIONS[op][name][1]}
    check(hand, ask(hand, op, {**required, "colour": "blue"}), "UNKNOWN_FIELD", "args.colour", 400)


@pytest.mark.parametrize("op, name", [(op, name) for op, name in ARGUMENTS if OPERATIONS[op][name][1]])
def test_every_operation_misses_what_it_requires(hand: Hand, op: str, name: str) -> None:
    args = good(hand, op)
    del args[name]
    answer = ask(hand, op, args)
    if op == "function.register":
        check(hand, answer, "MISSING_FIELD")  # either of two members
    else:
        check(hand, answer, "MISSING_FIELD", f"args.{name}", 400)


@pytest.mark.parametrize("op, name", ARGUMENTS)
def test_every_operation_refuses_wrong_types(hand: Hand, op: str, name: str) -> None:
    for wrong in WRONG[OPERATIONS[op][name][0]]:
        answer = ask(hand, op, {**good(hand, op), name: wrong})
        assert (answer.code, answer.field) == ("BAD_FIELD", f"args.{name}"), f"{wrong!r}: {answer.body!r}"
        assert answer.status == 400
    check(hand, ask(hand, "nonsense", {}), "UNKNOWN_OPERATION")


@pytest.mark.parametrize("op, name", [(op, name) for op, name in ARGUMENTS if OPERATIONS[op][name][0] == "text"])
def test_every_text_has_a_longest_size(hand: Hand, op: str, name: str) -> None:
    check(hand, ask(hand, op, {**good(hand, op), name: "a" * 65}), "BAD_FIELD", f"args.{name}")


@pytest.mark.parametrize("op, code", [
    ("function.get", "NOT_FOUND"), ("data.get", "NOT_FOUND"), ("task.assign", "NOT_FOUND"), ("party.get", "NOT_FOUND"),
    ("task.contract", "NOT_FOUND"), ("task.approve", "NOT_FOUND"), ("task.invoke", "NOT_FOUND"),
    ("task.cancel", "NOT_FOUND"), ("task.withdraw", "NOT_FOUND"), ("task.reject", "NOT_FOUND"), ("task.retry", "NOT_FOUND"),
    ("function.usage", "NOT_FOUND"), ("function.change", "NOT_FOUND"), ("function.delete", "NOT_FOUND"),
    ("function.source", "NOT_FOUND"), ("data.change", "NOT_FOUND"), ("data.delete", "NOT_FOUND"), ("data.derive", "NOT_FOUND"),
    ("party.change", "NOT_FOUND"), ("party.remove", "NOT_FOUND"), ("organisation.get", "NOT_FOUND"),
    ("organisation.add", "NOT_FOUND"), ("task.get", "NOT_FOUND"), ("receipt.get", "NOT_FOUND"), ("receipt.find", "NOT_FOUND"),
    ("task.watch", "NOT_FOUND"), ("task.create", "NOT_FOUND"),
])
def test_what_does_not_exist(hand: Hand, op: str, code: str) -> None:
    check(hand, ask(hand, op, good(hand, op)), code, status=404)


@pytest.mark.parametrize("change, code, field", [
    ({"segment": "2MB"}, "BAD_FIELD", "args.segment"),
    ({"sha256": "AB" * 32}, "BAD_FIELD", "args.sha256"),
    ({"sha256": "ab" * 31}, "BAD_FIELD", "args.sha256"),
    ({"size": 0}, "BAD_FIELD", "args.size"),
    ({"size": 55}, "BAD_FIELD", "args.size"),
    ({"size": 1 << 60}, "BAD_FIELD", "args.size"),
    ({"size": 10 ** 30}, "BAD_JSON", ""),
    ({"associated_data": "A" * 343}, "BAD_FIELD", "args.associated_data"),
    ({}, "BAD_TAG", "args.sealed_key"),
    ({"sealed_key": to_base64url(os.urandom(80))}, "BAD_TAG", "args.sealed_key"),
])
def test_data_that_could_never_be_opened(hand: Hand, change: dict[str, Any], code: str, field: str) -> None:
    args = {**good(hand, "data.register"), "sealed_key": to_base64url(bytes(80)), **change}
    answer = hand.ask("data.register", args)
    if code == "BAD_TAG":
        assert answer.code in ("BAD_TAG", "BAD_KEY") and answer.field == field and answer.status == 403
    else:
        check(hand, answer, code, field)


def test_a_key_that_was_sealed_for_other_bytes(hand: Hand) -> None:
    sealed = hand.client.seal("data key", data_context(hand.client.party, bytes(32)), cella.DataKey.generate().key)
    args = {**good(hand, "data.register"), "sealed_key": sealed}
    check(hand, hand.ask("data.register", args), "BAD_TAG", "args.sealed_key")
    short = hand.client.seal("data key", data_context(hand.client.party, bytes.fromhex("ab" * 32)), bytes(16))
    check(hand, hand.ask("data.register", {**args, "sealed_key": short}), "BAD_KEY", "args.sealed_key")


def test_a_sealed_key_can_not_be_registered_by_another(live: LiveExecutor) -> None:
    """Whoever sees a registration on its way (the front does) can not make its data his own."""
    owner, thief = Hand(live, live.client()), Hand(live, live.client())
    digest = bytes.fromhex("ab" * 32)
    sealed = owner.client.seal("data key", data_context(owner.client.party, digest), cella.DataKey.generate().key)
    args = {**good(owner, "data.register"), "sealed_key": sealed, "sha256": digest.hex()}
    assert owner.ask("data.register", args).code == "OK"
    check(thief, thief.ask("data.register", args), "BAD_TAG", "args.sealed_key")
    owner.close()
    thief.close()


# ---- the envelope ----


@pytest.mark.parametrize("name", ["op", "aud", "seq", "time", "args"])
def test_a_missing_member(hand: Hand, name: str) -> None:
    check(hand, ask_with(hand, {name: None}), "MISSING_FIELD", name)


@pytest.mark.parametrize("members, field", [
    ({"op": 1}, "op"), ({"op": "x" * 65}, "op"), ({"aud": 1}, "aud"), ({"aud": ["x"]}, "aud"), ({"aud": "A" * 44}, "aud"),
    ({"seq": "1"}, "seq"), ({"seq": 0}, "seq"), ({"seq": -5}, "seq"), ({"seq": 1.5}, "seq"), ({"seq": 1e15}, "seq"),
    ({"seq": 1 << 53}, "seq"), ({"seq": (1 << 53) + 1}, "seq"), ({"seq": (1 << 63) - 1}, "seq"), ({"seq": True}, "seq"),
    ({"time": "now"}, "time"), ({"time": -1}, "time"), ({"args": []}, "args"), ({"args": "x"}, "args"),
])
def test_a_member_of_the_wrong_form(hand: Hand, members: dict[str, Any], field: str) -> None:
    check(hand, ask_with(hand, members), "BAD_FIELD", field)


def test_an_unknown_member(hand: Hand) -> None:
    check(hand, ask_with(hand, {"colour": "blue"}), "UNKNOWN_FIELD", "colour")


@pytest.mark.parametrize("op", ["", "party", "party.get ", "PARTY.GET", "party.erase", "object", "../party.get"])
def test_an_unknown_operation(hand: Hand, op: str) -> None:
    check(hand, hand.ask(op, {}), "UNKNOWN_OPERATION", status=400)


@pytest.mark.parametrize("op", ["object.upload", "object.download"])
def test_objects_have_their_own_path(hand: Hand, op: str) -> None:
    check(hand, hand.ask(op, {"data": DATA}), "BAD_STATE")
    with hand.live.raw() as connection:
        answer = connection.exchange("GET", "/v1/objects", None, {"Cella-Request": hand.sign("party.get", {})})
        assert answer.code == "BAD_STATE"


@pytest.mark.parametrize("audience", [NOBODY, "", "x"])
def test_a_wrong_audience(hand: Hand, audience: str) -> None:
    check(hand, hand.ask("party.get", {}, aud=audience), "WRONG_AUDIENCE", status=409)


def test_the_request_of_another_executor(hand: Hand, own: LiveExecutor) -> None:
    other = Hand(own, own.client(hand.identity))
    check(hand, hand.send(other.sign("party.get", {})), "WRONG_AUDIENCE")
    other.close()


# ---- who asks ----


def test_an_unknown_party(hand: Hand) -> None:
    stranger = cella.Identity.generate()
    for op in ("party.get", "task.list", "nonsense"):
        check(hand, hand.send(stranger.sign_request(payload_of(hand.executor, op, {}))), "UNKNOWN_PARTY", status=401)
    answer = hand.send(stranger.sign_request(b"not even JSON"))
    check(hand, answer, "UNKNOWN_PARTY")


def test_a_wrong_signature(hand: Hand) -> None:
    other = cella.Identity.generate()
    header, payload, _ = hand.sign("party.get", {}).split(".")
    signature = other.sign_request(payload_of(hand.executor, "party.get", {})).split(".")[2]
    check(hand, hand.send(f"{header}.{payload}.{signature}"), "BAD_SIGNATURE", status=403)


def test_every_bit_of_a_signature_counts(hand: Hand) -> None:
    header, payload, text = hand.sign("party.get", {}).split(".")
    signature = cella.encoding.from_base64url(text)
    for bit in range(0, 512, 37):
        flipped = bytearray(signature)
        flipped[bit // 8] ^= 1 << bit % 8
        assert hand.send(f"{header}.{payload}.{to_base64url(bytes(flipped))}").code == "BAD_SIGNATURE"
    check(hand, hand.send(f"{header}.{payload}.{to_base64url(bytes(64))}"), "BAD_SIGNATURE")


def test_a_changed_payload(hand: Hand) -> None:
    header, _, signature = hand.sign("party.get", {}).split(".")
    payload = to_base64url(payload_of(hand.executor, "task.list", {}))
    check(hand, hand.send(f"{header}.{payload}.{signature}"), "BAD_SIGNATURE")


def test_somebody_elses_name(hand: Hand, live: LiveExecutor) -> None:
    victim = live.client()
    payload = payload_of(hand.executor, "party.get", {})
    mine = hand.identity.sign_request(payload).split(".")
    theirs = victim.identity.sign_request(payload).split(".")
    check(hand, hand.send(f"{theirs[0]}.{mine[1]}.{mine[2]}"), "BAD_SIGNATURE")


@pytest.mark.parametrize("header", [
    b'{"alg":"none"}', b'{"alg":"EdDSA"}', b'{"alg":"HS256","kid":"%s"}', b'{"kid":"%s","alg":"EdDSA"}',
    b'{"alg":"EdDSA", "kid":"%s"}', b'{"alg":"EdDSA","kid":"%s","typ":"JWT"}', b'{"alg":"EdDSA","kid":"%s"}\n', b"{}", b"",
    b'{"alg":"EdDSA","kid":"x"}', b'{"alg":"EdDSA","kid":"' + b"A" * 100000 + b'"}', b'{"alg":"EdDSA","kid":"%s","b64":false}',
    b'{"alg":"EdDSA","jwk":{"crv":"P-256","kty":"EC","x":"%s"}}',
])
def test_another_header(hand: Hand, header: bytes) -> None:
    header = header.replace(b"%s", hand.identity.party.encode())
    payload = payload_of(hand.executor, "party.get", {})
    text = f"{to_base64url(header)}.{to_base64url(payload)}"
    signature = _native.ed25519_sign(hand.identity._sign, text.encode())
    check(hand, hand.send(compact(header, payload, signature)), "BAD_FORMAT", status=400)


@pytest.mark.parametrize("form", [
    "", ".", "..", "...", "{0}.{1}", "{0}.{1}.{2}.", "{0}.{1}.{2}.{2}", "{0}.{1}.{2}=", " {0}.{1}.{2}", "{0}.{1}.{2}\n",
    "{0}.{1}.", ".{1}.{2}", "{0}.{1}.{2}\0", "{0}..{1}.{2}", "{0}.{1}.{2}AA", '{{"payload":"{1}","signature":"{2}"}}',
])
def test_another_form(hand: Hand, form: str) -> None:
    text = form.format(*hand.sign("party.get", {}).split("."))
    check(hand, hand.send(text), "BAD_FORMAT" if text else "BAD_SIZE", status=400)


def test_a_payload_that_is_not_base64(hand: Hand) -> None:
    header = hand.sign("party.get", {}).split(".")[0]
    for payload in ("e30=", "e3 0", "e31", "e"):
        signature = to_base64url(_native.ed25519_sign(hand.identity._sign, f"{header}.{payload}".encode()))
        check(hand, hand.send(f"{header}.{payload}.{signature}"), "BAD_FORMAT")


def test_random_bytes(hand: Hand) -> None:
    for size in (1, 100, 10000, 1000000):
        check(hand, hand.send(os.urandom(size)), "BAD_FORMAT")


# ---- enrolment ----


def enrol(hand: Hand, identity: cella.Identity, seal: bytes, **members: Any) -> Answer:
    args = {"seal": to_base64url(seal), **members}
    return hand.send(identity.sign_request(payload_of(hand.executor, "party.enrol", args), enrol=True))


def test_enrolling_twice(hand: Hand) -> None:
    assert enrol(hand, hand.identity, hand.identity.seal_public).json == {"party": hand.identity.party}
    other = cella.Identity.generate()
    check(hand, enrol(hand, hand.identity, other.seal_public), "EXISTS", status=409)
    known = hand.ask("party.get", {}).json
    assert known["seal"] == to_base64url(hand.identity.seal_public)


def test_names_of_parties(hand: Hand) -> None:
    identity = cella.Identity.generate()
    assert enrol(hand, identity, identity.seal_public, name="Bäcker & Söhne").code == "OK"
    assert hand.ask("party.get", {"party": identity.party}).json["name"] == "Bäcker & Söhne"
    check(hand, enrol(hand, cella.Identity.generate(), identity.seal_public, name="x" * 65), "BAD_FIELD", "args.name")
    check(hand, enrol(hand, cella.Identity.generate(), identity.seal_public, name="a\0b"), "BAD_JSON")


@pytest.mark.parametrize("seal", [bytes(32), b"\1" + bytes(31), bytes(31), bytes(33), b""])
def test_a_key_that_nothing_can_be_sealed_to(hand: Hand, seal: bytes) -> None:
    answer = enrol(hand, cella.Identity.generate(), seal)
    check(hand, answer, "BAD_KEY" if len(seal) == 32 else "BAD_FIELD")


def test_the_key_itself_in_another_operation(hand: Hand) -> None:
    for op in ("party.get", "task.list", "executor.info"):
        check(hand, hand.ask(op, {}, enrol=True), "BAD_STATE")


def test_the_name_of_the_key_for_enrolment(hand: Hand) -> None:
    args = {"seal": to_base64url(hand.identity.seal_public)}
    check(hand, hand.ask("party.enrol", args), "BAD_STATE")
    stranger = cella.Identity.generate()
    check(hand, hand.send(stranger.sign_request(payload_of(hand.executor, "party.enrol", args))), "UNKNOWN_PARTY")


def test_a_key_that_is_no_point(hand: Hand) -> None:
    key = b"\xff" * 32
    header = b'{"alg":"EdDSA","jwk":{"crv":"Ed25519","kty":"OKP","x":"' + to_base64url(key).encode() + b'"}}'
    payload = payload_of(hand.executor, "party.enrol", {"seal": to_base64url(hand.identity.seal_public)})
    answer = hand.send(compact(header, payload, bytes(64)))
    assert answer.code in ("BAD_SIGNATURE", "BAD_KEY", "BAD_FORMAT")
    check(hand, hand.ask("party.get", {"party": _native.thumbprint(key)}), "NOT_FOUND")


def test_the_neutral_key_signs_for_nobody(hand: Hand) -> None:
    """With the neutral element as key, a signature of zeros fits every message unless such keys are refused."""
    key = b"\1" + bytes(31)
    header = b'{"alg":"EdDSA","jwk":{"crv":"Ed25519","kty":"OKP","x":"' + to_base64url(key).encode() + b'"}}'
    payload = payload_of(hand.executor, "party.enrol", {"seal": to_base64url(hand.identity.seal_public)})
    answer = hand.send(compact(header, payload, key + bytes(32)))
    assert answer.code != "OK", "anybody can sign as the party of this key"


# ---- sequence ----


def test_a_replay(hand: Hand) -> None:
    signed = hand.sign("party.get", {})
    assert hand.send(signed).code == "OK"
    check(hand, hand.send(signed), "REPLAYED", status=409)


def test_a_replay_over_another_connection(hand: Hand) -> None:
    signed = hand.sign("party.get", {})
    assert hand.send(signed).code == "OK"
    with hand.live.raw() as connection:
        assert connection.request(signed).code == "REPLAYED"


def test_a_refused_request_can_not_be_sent_again(hand: Hand) -> None:
    signed = hand.sign("task.get", {"task": TASK})
    assert hand.send(signed).code == "NOT_FOUND"
    check(hand, hand.send(signed), "REPLAYED")


def test_one_number_for_two_requests(hand: Hand) -> None:
    seq = time.time_ns() // 1000
    assert hand.ask("party.get", {}, seq=seq).code == "OK"
    check(hand, hand.ask("task.list", {}, seq=seq), "REPLAYED")


def test_requests_may_overtake_each_other(hand: Hand) -> None:
    begin = time.time_ns() // 1000 + 10_000_000
    for seq in (begin + 9, begin + 3, begin + 5, begin, begin + 1):
        assert hand.ask("party.get", {}, seq=seq).code == "OK"
    check(hand, hand.ask("party.get", {}, seq=begin + 5), "REPLAYED")


def test_old_numbers_are_refused(hand: Hand) -> None:
    begin = time.time_ns() // 1000 + 20_000_000
    for step in range(1, 301):
        assert hand.ask("party.get", {}, seq=begin + 2 * step).code == "OK"
    assert hand.ask("party.get", {}, seq=begin + 2 * 300 - 1).code == "OK"
    for seq in (1, begin, begin + 2, begin + 3):
        assert hand.ask("party.get", {}, seq=seq).code == "REPLAYED"
    assert hand.ask("party.get", {}, seq=begin + 1000).code == "OK"


def test_numbers_are_each_partys_own(hand: Hand, live: LiveExecutor) -> None:
    other = Hand(live, live.client())
    seq = time.time_ns() // 1000 + 5_000_000
    assert hand.ask("party.get", {}, seq=seq).code == "OK"
    assert other.ask("party.get", {}, seq=seq).code == "OK"
    other.close()


# ---- sizes and JSON ----


def test_a_body_that_is_too_large(live: LiveExecutor, hand: Hand) -> None:
    limit = 2560 * 1024
    assert hand.send(b"x" * limit).code == "BAD_FORMAT"
    with live.raw() as connection:
        connection.send(f"POST /v1/requests HTTP/1.1\r\nHost: cella\r\nContent-Length: {limit + 1}\r\n\r\n".encode())
        answer = connection.answer()  # it did not wait for the body
        assert (answer.code, answer.status) == ("TOO_LARGE", 413)
        assert answer.headers["connection"] == "close" and connection.ended()
    with live.raw() as connection:
        connection.send(f"POST /v1/requests HTTP/1.1\r\nHost: cella\r\nContent-Length: {1 << 62}\r\n\r\n".encode())
        assert connection.answer().code == "TOO_LARGE"


def test_a_body_that_is_nothing(hand: Hand) -> None:
    check(hand, hand.send(b""), "BAD_SIZE")


def test_a_source_that_is_too_large(hand: Hand) -> None:
    package = package_of("#" * (1 << 20) + "\n", public=True)
    check(hand, hand.ask("function.register", {"package": to_base64url(package)}), "BAD_FIELD", "package.source")
    package = package_of("#" * ((1 << 20) + 70000), public=True)
    answer = hand.ask("function.register", {"package": to_base64url(package)})
    assert answer.code in ("TOO_LARGE", "BAD_FIELD") and hand.ask("party.get", {}).code == "OK"


@pytest.mark.parametrize("depth", [33, 100, 10000, 250000])
def test_json_that_is_too_deep(hand: Hand, depth: int) -> None:
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        text = payload_of(hand.executor, "party.get", {}).replace(b'"args": {}', b'"args": ' + opening * depth + b"1" + closing * depth)
        check(hand, signed_text(hand, text), "BAD_JSON")
    check(hand, signed_text(hand, b"[" * depth), "BAD_JSON")


def test_json_that_is_as_deep_as_it_may_be(hand: Hand) -> None:
    value: Any = 1
    for _ in range(30):
        value = [value]
    check(hand, hand.ask("party.get", {"a": value}), "UNKNOWN_FIELD", "args.a")
    check(hand, hand.ask("party.get", {"a": [value]}), "BAD_JSON")


@pytest.mark.parametrize("old, new", [
    (b'"op"', b'"op": "task.list", "op"'), (b'"seq"', b'"seq": 1, "seq"'), (b'"aud"', b'"a\\u0075d": "x", "aud"'),
    (b'"args": {}', b'"args": {}, "args": {}'), (b'"args": {}', b'"args": {"party": "x", "party": "y"}'),
    (b'"args": {}', b'"args": {"a": [{"b": 1, "b": 1}]}'),
])
def test_duplicate_keys(hand: Hand, old: bytes, new: bytes) -> None:
    text = payload_of(hand.executor, "party.get", {})
    assert old in text
    check(hand, signed_text(hand, text.replace(old, new, 1)), "BAD_JSON")


@pytest.mark.parametrize("text", [
    b"", b" ", b"null", b"[]", b'"x"', b"1", b"{", b"{}x", b"{} {}", b"{'a':1}", b'{"a":NaN}', b'{"a":Infinity}',
    b'{"a":1,}', b'{"a":01}', b'{"a":1e999}', b'{"a":"\xff"}', b'{"a":"\xc0\x80"}', b'\xef\xbb\xbf{}', b'{"a":"\\ud800"}',
    b'{"a":"\0"}', b'{"a\\u0000":1}', b'{"a":"x\\u0000y"}', b"{}\0", b'/**/{}', b'{"a":.5}', b'{"a":+1}', b'{a:1}', b'{"a":"\n"}',
])
def test_what_is_not_strict_json(hand: Hand, text: bytes) -> None:
    check(hand, signed_text(hand, text), "BAD_JSON", status=400)


@pytest.mark.parametrize("place", ["op", "aud", "party"])
def test_nul_bytes_in_members(hand: Hand, place: str) -> None:
    text = payload_of(hand.executor, "party.get", {"party": hand.identity.party})
    victim = {"op": b"party.get", "aud": hand.executor.encode(), "party": hand.identity.party.encode()}[place]
    check(hand, signed_text(hand, text.replace(victim, victim + b"\\u0000", 1)), "BAD_JSON")


def test_many_members(hand: Hand) -> None:
    check(hand, hand.ask("party.get", {f"a{i}": i for i in range(50000)}), "UNKNOWN_FIELD")
    inputs: dict[str, Any] = {f"a{i}": {"owners": []} for i in range(20000)}
    check(hand, hand.ask("task.create", {"function": FUNCTION, "inputs": inputs}), "NOT_FOUND")


def test_a_field_that_could_fool_a_terminal(hand: Hand) -> None:
    answer = hand.ask("party.get", {"\x1b[31m\r\n": 1})
    check(hand, answer, "UNKNOWN_FIELD")
    assert answer.field.isprintable()


# ---- packages ----


@pytest.mark.parametrize("change, code, field", [
    ({"version": 2}, "BAD_FIELD", "package.version"), ({"name": ""}, "BAD_FIELD", "package.name"),
    ({"name": "a b"}, "BAD_FIELD", "package.name"), ({"name": "x" * 65}, "BAD_FIELD", "package.name"),
    ({"executor": "ruby"}, "BAD_FIELD", "package.executor"), ({"public": "yes"}, "BAD_FIELD", "package.public"),
    ({"entry": "a b"}, "BAD_FIELD", "package.entry"), ({"colour": 1}, "UNKNOWN_FIELD", "package.colour"),
    ({"source": 1}, "BAD_FIELD", "package.source"), ({"executor": "builtin"}, "UNKNOWN_FIELD", "package.source"),
    ({"inputs": {}}, "BAD_FIELD", "package.inputs"), ({"inputs": [{"name": "1a"}]}, "BAD_FIELD", "inputs.name"),
    ({"inputs": [{"name": "a"}, {"name": "a"}]}, "BAD_FIELD", "inputs.a"), ({"inputs": [{}]}, "MISSING_FIELD", "inputs.name"),
    ({"inputs": [{"name": "a", "path": "/"}]}, "UNKNOWN_FIELD", "inputs.path"),
    ({"inputs": [{"name": f"a{i}"} for i in range(33)]}, "TOO_LARGE", "inputs.size"),
    ({"outputs": [{"name": f"a{i}"} for i in range(33)]}, "TOO_LARGE", "outputs.size"),
    ({"arguments": [{"name": f"a{i}"} for i in range(65)]}, "TOO_LARGE", "arguments.size"),
    ({"arguments": [{"name": "a", "type": "complex"}]}, "BAD_FIELD", "arguments.a"),
    ({"arguments": [{"name": "a", "locked": True}]}, "BAD_FIELD", "arguments.a"),
    ({"arguments": [{"name": "a", "type": "integer", "default": "x"}]}, "BAD_FIELD", "arguments.a"),
    ({"limits": {"cpu_s": 0}}, "BAD_FIELD", "limits.cpu_s"), ({"limits": {"cpu_s": 61}}, "BAD_FIELD", "limits.cpu_s"),
    ({"limits": {"speed": 1}}, "UNKNOWN_FIELD", "limits.speed"),
    ({"limits": {"threads": -1}}, "BAD_FIELD", "limits.threads"), ({"limits": {"threads": 9}}, "BAD_FIELD", "limits.threads"),
    ({"limits": {"cpu_s": 1.0}}, "BAD_FIELD", "limits.cpu_s"), ({"limits": {"wall_s": None}}, "BAD_FIELD", "limits.wall_s"),
    ({"limits": {"memory_bytes": (1 << 63) - 1}}, "BAD_FIELD", "limits.memory_bytes"),
    ({"limits": {"memory_bytes": 1000}}, "BAD_FIELD", "limits.memory_bytes"), ({"limits": []}, "BAD_FIELD", "package.limits"),
    ({"inputs": [{"name": "a", "stream": "yes"}]}, "BAD_FIELD", "inputs.stream"),
    ({"inputs": [{"name": "a", "stream": None}]}, "BAD_FIELD", "inputs.stream"),
    ({"outputs": [{"name": "a", "stream": True}]}, "UNKNOWN_FIELD", "outputs.stream"),
    ({"isolation": "coarse"}, "BAD_FIELD", "package.isolation"), ({"isolation": None}, "BAD_FIELD", "package.isolation"),
])
def test_packages_that_are_refused(hand: Hand, change: dict[str, Any], code: str, field: str) -> None:
    package = package_of("def main(): pass", **{"public": True, **change})
    check(hand, hand.ask("function.register", {"package": to_base64url(package)}), code, field)


def test_an_output_is_no_stream(hand: Hand) -> None:
    content = {"version": 1, "name": "echo", "executor": "builtin", "public": True, "entry": "echo",
               "outputs": [{"name": "a", "stream": True}]}
    answer = hand.ask("function.register", {"package": to_base64url(json.dumps(content).encode())})
    check(hand, answer, "UNKNOWN_FIELD", "outputs.stream")


WRONG_ISOLATION: list[tuple[dict[str, Any], str, str]] = [
    ({member: word}, "BAD_FIELD", f"isolation.{member}")
    for member in ("clock", "zygote", "sizes")
    for word in (None, 1, True, [], {}, "", "Coarse", "coarse ", "x" * 17, {"clock": "padded"}.get(member, "coarse"))
]
WRONG_ISOLATION += [
    ({"cpu": "own"}, "UNKNOWN_FIELD", "isolation.cpu"),
    ({"clock": "coarse", "sizes": "padded", "Zygote": "owner"}, "UNKNOWN_FIELD", "isolation.Zygote"),
]


@pytest.mark.parametrize("isolation, code, field", WRONG_ISOLATION)
def test_isolation_that_is_refused(hand: Hand, isolation: dict[str, Any], code: str, field: str) -> None:
    package = package_of("def main(): pass", public=True, isolation=isolation)
    check(hand, hand.ask("function.register", {"package": to_base64url(package)}), code, field)
    function = hand.client.functions.register(package_of("def main(): pass", public=True))
    check(hand, hand.ask("task.create", {"function": function.id, "isolation": isolation}), code, field)


@pytest.mark.parametrize("limits, code, field", [
    ({"threads": -1}, "BAD_FIELD", "limits.threads"), ({"threads": 9}, "BAD_FIELD", "limits.threads"),
    ({"threads": 0.0}, "BAD_FIELD", "limits.threads"), ({"threads": False}, "BAD_FIELD", "limits.threads"),
    ({"wall_s": 0}, "BAD_FIELD", "limits.wall_s"), ({"wall_s": 1 << 40}, "BAD_FIELD", "limits.wall_s"),
    ({"memory_bytes": 0}, "BAD_FIELD", "limits.memory_bytes"), ({"cpus": 1}, "UNKNOWN_FIELD", "limits.cpus"),
])
def test_limits_that_are_refused(hand: Hand, limits: dict[str, Any], code: str, field: str) -> None:
    function = hand.client.functions.register(package_of("def main(): pass", public=True))
    check(hand, hand.ask("task.create", {"function": function.id, "limits": limits}), code, field)


@pytest.mark.parametrize("name", ["version", "name", "executor", "public", "entry", "source"])
def test_packages_that_miss_something(hand: Hand, name: str) -> None:
    content = json.loads(package_of("def main(): pass", public=True))
    del content[name]
    text = json.dumps(content).encode()
    check(hand, hand.ask("function.register", {"package": to_base64url(text)}), "MISSING_FIELD", f"package.{name}")


def test_a_private_package_in_the_open_and_a_public_one_sealed(hand: Hand) -> None:
    private, public = package_of("def main(): pass"), package_of("def main(): pass", public=True)
    check(hand, hand.ask("function.register", {"package": to_base64url(private)}), "BAD_FIELD", "public")
    sealed = hand.client.seal("package", hand.identity.party.encode(), public)
    check(hand, hand.ask("function.register", {"sealed_package": sealed}), "BAD_FIELD", "public")


def test_a_package_that_was_sealed_by_somebody_else(hand: Hand, live: LiveExecutor) -> None:
    sealed = hand.client.seal("package", live.client().party.encode(), package_of("def main(): pass"))
    check(hand, hand.ask("function.register", {"sealed_package": sealed}), "BAD_TAG", status=403)
    both = {"sealed_package": sealed, "package": to_base64url(package_of("", public=True))}
    check(hand, hand.ask("function.register", both), "UNKNOWN_FIELD", "args.sealed_package")


# ---- answers ----


def test_what_an_executor_says_of_itself(hand: Hand) -> None:
    info = hand.ask("executor.info", {}).json
    assert set(info) == {"version", "executor", "profiles", "layers", "limits", "limits_tier", "measurement"}
    assert info["limits_tier"] in ("cgroup2", "cgroup1", "rlimits")
    assert ("cgroup" in info["layers"]) == (info["limits_tier"] != "rlimits")
    assert [one["name"] for one in info["profiles"]] == ["python", "numpy"]
    assert set(info["limits"]) == set(LIMITS)
    assert info["executor"] == hand.executor


def test_lists_of_big_things_do_not_harm(own: LiveExecutor) -> None:
    """What everybody would have to list is bounded, and comes in pages."""
    hand = Hand(own, own.client())
    front = own.one("front").pid

    def register(size: int) -> str:
        big = [{"name": "a", "default": "x" * size}]
        package = package_of("def main(a): pass", public=True, arguments=big)
        return hand.ask("function.register", {"package": to_base64url(package)}).code

    assert register(900_000) == "TOO_LARGE"
    assert {register(60_000) for _ in range(130)} == {"OK"}
    first = json.loads(hand.ask("function.list", {}).body)
    assert len(first["functions"]) == 100 and first["more"] is True
    second = json.loads(hand.ask("function.list", {"after": first["functions"][-1]["function"]}).body)
    assert len(second["functions"]) == 30 and second["more"] is False
    assert len({item["function"] for item in first["functions"] + second["functions"]}) == 130
    assert len(own.client().functions.list()) == 130
    assert hand.ask("function.list", {"after": "function-" + "0" * 32}).code == "NOT_FOUND"
    assert hand.ask("party.get", {}).code == "OK"
    assert own.one("front").pid == front and "died" not in own.log()
    hand.close()
