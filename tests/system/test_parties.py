# SPDX-License-Identifier: Apache-2.0
"""Who may be here, as what: the charter, invitations, organisations, new keys, removal."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cella
import pytest
from cella import _native
from cella.encoding import to_base64url, write_json
from cella.party import invite, read_invitation
from governed import House, Start, at_once, codes
from live import CommandLine, LiveExecutor, package_of, refused, script_task, sleeper, until_running


@pytest.fixture
def house(start: Start, tmp_path: Path) -> House:
    """An executor where parties are invited."""
    return House(start, tmp_path)


# ---- enrolment ----


@pytest.mark.parametrize("enrol", ["invite", "admin"])
def test_nobody_enrols_himself_where_the_charter_forbids_it(start: Start, tmp_path: Path, enrol: str) -> None:
    house = House(start, tmp_path, enrol=enrol)
    assert house.root.party_of()["roles"] == ["administrator"]
    stranger = house.stranger()
    with refused("ENROL_CLOSED"):
        stranger.enrol()
    with refused("UNKNOWN_PARTY"):
        stranger.information()
    added = house.root.parties.add(
        stranger.identity.sign_public, stranger.identity.seal_public, ["data_owner"], name="by hand"
    )
    assert added["party"] == stranger.party and stranger.party_of()["roles"] == ["data_owner"]
    with refused("EXISTS"):
        house.root.parties.add(stranger.identity.sign_public, stranger.identity.seal_public, ["data_owner"])


def test_there_is_no_default_account(start: Start, tmp_path: Path) -> None:
    """Where the charter names nobody, nobody governs, and nobody can be made to."""
    live = start({"profiles": ["python"], "pool": 1})
    me, other = live.client(), live.client()
    assert me.party_of()["roles"] == ["function_owner", "data_owner"]
    for roles in (["administrator"], []):
        with refused("DENIED"):
            me.parties.change(me.party, roles)
    with refused("DENIED"):
        me.parties.remove(other.party)
    with refused("BAD_INVITATION"):
        live.client(enrol=False).enrol(invitation=me.parties.invite(["administrator"]))


def test_the_roles_of_the_charter(start: Start, tmp_path: Path) -> None:
    auditor = cella.Identity.generate()
    house = House(start, tmp_path, enrol="open", roles=["data_owner"], auditors=[auditor.party])
    one = house.live.client()
    assert one.party_of()["roles"] == ["data_owner"]
    with refused("ROLE_MISSING"):
        one.functions.register(package_of("def main(): return 1"))
    assert house.live.client(auditor).party_of()["roles"] == ["data_owner", "auditor"]
    assert house.root.party_of()["roles"] == ["administrator", "data_owner"]


def test_an_invitation_counts_once(house: House) -> None:
    token = house.root.parties.invite(["data_owner"], valid_s=60)
    content = read_invitation(token, [house.root.party])
    assert content["roles"] == ["data_owner"] and content["executor"] == house.root.id
    strangers = [house.stranger() for _ in range(8)]
    results = at_once(8, lambda index: strangers[index].enrol(invitation=token))
    assert codes(results) == ["INVITATION_USED"] * 7 + ["OK"]
    winner = next(index for index, result in enumerate(results) if isinstance(result, str))
    assert strangers[winner].enrol(invitation=token) == strangers[winner].party  # an answer may have been lost
    assert strangers[winner].party_of()["roles"] == ["data_owner"]


def test_an_invitation_expires(house: House) -> None:
    token = house.root.parties.invite(valid_s=1)
    time.sleep(2.1)
    with refused("INVITATION_EXPIRED"):
        house.stranger().enrol(invitation=token)


def test_an_invitation_is_revoked(house: House) -> None:
    token = house.root.parties.invite()
    guest = house.guest()
    with refused("DENIED"):
        guest.parties.revoke(token)
    house.root.parties.revoke(token)
    house.root.parties.revoke(token)
    with refused("INVITATION_USED"):
        house.stranger().enrol(invitation=token)
    with refused("BAD_FIELD"):
        house.root.parties.revoke("x")


def test_an_invitation_for_one_party(house: House) -> None:
    stranger, other = house.stranger(), house.stranger()
    token = house.root.parties.invite(party=stranger.party)
    with refused("BAD_INVITATION"):
        other.enrol(invitation=token)
    stranger.enrol(invitation=token)


def test_invitations_that_do_not_count(house: House) -> None:
    guest, root = house.guest(), house.root
    own = root.organisations.create("clinic")
    other = root.organisations.create("institute")
    manager = house.guest("data_owner", organisation=own, manages=True)
    member = house.guest("data_owner", organisation=own)
    thief = cella.Identity.generate()
    forged = {**read_invitation(root.parties.invite()), "by": root.party}
    wrong = [
        guest.parties.invite(),
        member.parties.invite(organisation=own),
        manager.parties.invite(),
        manager.parties.invite(organisation=other),
        manager.parties.invite(["administrator"], organisation=own),
        manager.parties.invite(["auditor"], organisation=own),
        manager.parties.invite(organisation=own, manages=True),
        root.parties.invite(organisation="organisation-" + "0" * 32),
        root.parties.invite(manages=True),
        invite(root.identity, guest.party),
        thief.sign_invitation(write_json(forged)),
        root.identity.sign_request(write_json(forged)),
        root.identity.sign_invitation(write_json({**forged, "type": "cella rotation"})),
        root.identity.sign_invitation(write_json({**forged, "invitation": "1"})),
        root.identity.sign_invitation(write_json({**forged, "roles": ["emperor"]})),
        root.identity.sign_invitation(write_json({**forged, "colour": "blue"})),
        root.parties.invite()[:-4] + "AAAA",
        "x", "a.b.c", "",
    ]
    stranger = house.stranger()
    for token in wrong:
        with refused("BAD_INVITATION"):
            stranger.enrol(invitation=token)
    with refused("UNKNOWN_PARTY"):
        stranger.party_of()
    good = manager.parties.invite(["data_owner", "function_owner"], organisation=own)
    stranger.enrol(invitation=good)
    assert stranger.party_of()["organisation"] == own
    root.parties.remove(manager.party)
    with refused("BAD_INVITATION"):  # who was removed invites nobody, not even with what he signed before
        house.stranger().enrol(invitation=manager.parties.invite(organisation=own))


def test_an_invitation_is_verified_without_an_executor(house: House) -> None:
    token = house.root.parties.invite()
    charter = house.root.session.rules
    assert read_invitation(token, charter["administrators"])["by"] == house.root.party
    with pytest.raises(cella.IntegrityError):
        read_invitation(token[:-4] + "AAAA")
    with refused("BAD_INVITATION"):
        read_invitation(house.guest().parties.invite(), charter["administrators"])
    with pytest.raises(cella.FormatError):
        read_invitation("nonsense")


# ---- organisations ----


def test_organisations(house: House) -> None:
    root = house.root
    clinic = root.organisations.create("clinic")
    with refused("EXISTS"):
        root.organisations.create("clinic")
    a, b = house.guests(2)
    with refused("DENIED"):
        a.organisations.create("mine")
    with refused("DENIED"):
        a.organisations.add(clinic, a.party)
    root.organisations.add(clinic, a.party, manages=True)
    assert a.organisations.get(clinic)["managers"] == [a.party]
    assert "managers" not in b.organisations.get(clinic)
    b.parties.join(a.parties.invite([], organisation=clinic))
    assert b.party_of()["organisation"] == clinic and b.party_of()["roles"] == ["function_owner", "data_owner"]
    assert {item["party"] for item in a.parties.list()} == {a.party, b.party}
    assert len(root.parties.list()) == 3
    other = root.organisations.create("institute")
    with refused("BAD_STATE"):
        root.organisations.add(other, b.party)
    with refused("BAD_STATE"):
        b.parties.join(root.parties.invite(organisation=other))
    a.organisations.remove(clinic, b.party)
    assert "organisation" not in b.party_of()
    with refused("NOT_FOUND"):
        a.organisations.remove(clinic, b.party)
    root.organisations.delete(clinic)
    assert "organisation" not in a.party_of() and not a.party_of()["manages"]
    with refused("NOT_FOUND"):
        root.organisations.get(clinic)
    assert [item["name"] for item in a.organisations.list()] == ["institute"]


def test_a_manager_has_no_power_over_anybody_else(house: House) -> None:
    """The hole of the predecessor: a manager could overwrite any account. Here the target's standing counts."""
    root = house.root
    own, other = root.organisations.create("own"), root.organisations.create("other")
    manager = house.guest("data_owner", organisation=own, manages=True)
    peer = house.guest("data_owner", organisation=own, manages=True)
    member = house.guest("data_owner", organisation=own)
    audits = house.guest("auditor", organisation=own)
    elsewhere = house.guest("data_owner", organisation=other)
    free = house.guest("data_owner")
    root.organisations.add(own, root.party)
    for target in (root, peer, audits, elsewhere, free, manager):
        with refused("DENIED"):
            manager.parties.change(target.party, ["data_owner"])
    for target in (root, peer, audits, elsewhere, free):
        with refused("DENIED"):
            manager.parties.remove(target.party)
    with refused("DENIED"):
        manager.parties.change(member.party, ["data_owner", "administrator"])
    manager.parties.change(member.party, ["function_owner"])
    assert member.party_of()["roles"] == ["function_owner"]
    with refused("ROLE_MISSING"):
        member.data.add(b"x", "x")
    manager.parties.remove(member.party)
    with refused("PARTY_REMOVED"):
        member.party_of()


# ---- removal ----


def test_the_last_administrator_stays(house: House) -> None:
    root = house.root
    with refused("LAST_ADMINISTRATOR"):
        root.parties.remove(root.party)
    with refused("LAST_ADMINISTRATOR"):
        root.parties.change(root.party, ["data_owner"])
    second = house.guest("administrator")
    root.parties.change(root.party, ["data_owner"])
    with refused("DENIED"):
        root.parties.remove(second.party)
    with refused("LAST_ADMINISTRATOR"):
        second.parties.remove(second.party)


def test_administrators_who_remove_each_other_at_once(house: House) -> None:
    """However they race, one is left."""
    admins = [house.root, *(house.guest("administrator") for _ in range(7))]
    results = at_once(8, lambda index: admins[index].parties.remove(admins[(index + 1) % 8].party))
    assert set(codes(results)) <= {"OK", "PARTY_REMOVED", "LAST_ADMINISTRATOR"}
    left = []
    for admin in admins:
        try:
            left += [party for party in admin.parties.list() if "administrator" in party["roles"]]
            break
        except cella.PermissionDenied:
            continue
    assert len(left) >= 1


def test_all_administrators_who_leave_at_once(house: House) -> None:
    admins = [house.root, *(house.guest("administrator") for _ in range(7))]
    results = at_once(8, lambda index: admins[index].parties.remove(admins[index].party))
    assert codes(results) == ["LAST_ADMINISTRATOR"] + ["OK"] * 7


def test_removal_works_at_once(house: House) -> None:
    """What waits and what runs ends, whoever takes part; what is done stays."""
    root, (a, b) = house.root, house.guests(2)
    done = script_task(a, "def main(): return 7").wait()
    running = sleeper(a)
    shared = b.tasks.create(b.functions.register(package_of("def main(): return 1")), result=[a.party, b.party])
    waiting = script_task(a, "def main(): return 1", invoke=False)
    mine = script_task(b, "def main(): return 1", invoke=False)
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(a.request, "task.watch", {"task": running.id, "version": 0, "over": True})
        time.sleep(0.5)
        root.parties.remove(a.party)
        with refused("PARTY_REMOVED"):  # who waits for an answer is not told it any more
            watching.result(timeout=20)
    for act in (a.party_of, running.refresh, a.enrol, lambda: a.parties.join("x")):
        with refused("PARTY_REMOVED"):
            act()
    shared.wait(check=False, timeout=20)
    assert shared.state == "cancelled" and shared.facts["error"]["code"] == "PARTY_REMOVED"
    assert shared.facts["error"]["detail"] == f"party {a.party}"
    ended = {entry["subject"] for entry in root.audit(party=a.party) if entry["event"] == "party.removed"}
    assert ended == {a.party}
    line = house.live.wait_for_log(f"task cancelled {running.id} PARTY_REMOVED")
    assert line and done.id and waiting.id
    assert mine.invoke().wait().result() == 1
    with refused("PARTY_REMOVED"):
        b.tasks.create(b.functions.register(package_of("def main(): return 1")), result=[a.party])
    root.parties.remove(a.party)  # once more changes nothing
    assert root.parties.get(a.party)["removed"]
    with refused("PARTY_REMOVED"):
        root.parties.change(a.party, ["data_owner"])


def test_a_lost_role_stops_what_has_not_started(house: House) -> None:
    a = house.guest()
    task = script_task(a, "def main(): return 1", invoke=False)
    house.root.parties.change(a.party, ["function_owner"])
    with refused("ROLE_MISSING"):
        task.invoke()
    house.root.parties.change(a.party, ["data_owner"])
    assert task.invoke().wait().result() == 1


# ---- new keys ----


def test_new_keys_keep_the_party(house: House, tmp_path: Path) -> None:
    a = house.guest()
    before = a.identity
    path = before.save(tmp_path / "identity.json")
    task = script_task(a, "def main(): return 'old'").wait()
    data = a.data.add(b"mine", "x")
    old = house.live.client(before, enrol=False)
    successor = before.successor()
    assert successor.party == before.party and successor.sign_public != before.sign_public
    answer = a.parties.rotate(successor)
    successor.replace(path)
    assert answer["party"] == before.party and len(answer["rotations"]) == 1
    again = house.live.client(cella.Identity.load(path), enrol=False)
    assert again.tasks.get(task.id).result() == "old"  # sealed to the former key
    assert script_task(again, "def main(): return 'new'").wait().result() == "new"
    assert again.data.get(data.id).owners == (before.party,)
    with refused("BAD_SIGNATURE"):
        old.party_of()
    with refused("BAD_SIGNATURE"):
        house.live.client(before, enrol=False)  # asks for the proof that nothing was taken back
    with refused("BAD_KEY"):
        old.enrol()
    third = successor.successor()
    again.parties.rotate(third)
    history = again.party_of()["rotations"]
    keys = [before.sign_public, successor.sign_public, third.sign_public]
    for statement, key, following in zip(history, keys, keys[1:]):
        header, payload, signature = statement.split(".")
        _native.ed25519_verify(key, f"{header}.{payload}".encode(), cella.encoding.from_base64url(signature))
        content = json.loads(cella.encoding.from_base64url(payload))
        assert content["sign"] == to_base64url(following) and content["party"] == before.party


def test_new_keys_that_are_refused(house: House) -> None:
    a, b = house.guests(2)
    successor = a.identity.successor()
    content = {
        "version": 1, "type": "cella rotation", "party": a.party, "executor": a.id, "number": 1,
        "sign": to_base64url(successor.sign_public), "seal": to_base64url(successor.seal_public),
    }

    def ask(code: str, old: cella.Identity = a.identity, new: cella.Identity = successor, **change: Any) -> None:
        text = write_json({**content, **change})
        with refused(code):
            a.request("party.rotate", {"statement": old.sign_statement(text), "proof": new.sign_statement(text)})

    ask("BAD_SIGNATURE", old=b.identity)
    ask("BAD_SIGNATURE", new=a.identity)
    ask("BAD_SIGNATURE", new=b.identity)
    ask("BAD_FIELD", party=b.party)
    ask("BAD_FIELD", executor=b.party)
    ask("BAD_FIELD", number=2)
    ask("BAD_FIELD", type="cella invitation")
    ask("UNKNOWN_FIELD", colour="blue")
    ask("EXISTS", new=a.identity, sign=to_base64url(a.identity.sign_public))
    ask("EXISTS", new=b.identity, sign=to_base64url(b.identity.sign_public))
    other = write_json({**content, "number": 1, "seal": to_base64url(b.identity.seal_public)})
    with refused("BAD_SIGNATURE"):
        text = write_json(content)
        a.request("party.rotate", {"statement": a.identity.sign_statement(text), "proof": successor.sign_statement(other)})
    assert "rotations" not in a.party_of()
    a.parties.rotate(successor)
    with refused("EXISTS"):  # a key that is somebody's does not become a party of its own
        one = house.live.client(cella.Identity(successor._sign, successor._seal), enrol=False)
        token = house.root.parties.invite()
        one.request("party.enrol", {"seal": to_base64url(successor.seal_public), "invitation": token})


def test_a_running_task_is_sealed_to_the_new_key(house: House) -> None:
    a = house.guest()
    task = until_running(script_task(a, "import time\ndef main():\n    time.sleep(1.5)\n    return 'sealed'\n"))
    successor = a.identity.successor()
    a.parties.rotate(successor)
    assert task.wait().result() == "sealed"
    fresh = cella.Identity(successor._sign, successor._seal, successor.party)
    assert house.live.client(fresh, enrol=False).tasks.get(task.id).result() == "sealed"


# ---- the command line ----


def test_the_command_line(house: House, tmp_path: Path) -> None:
    def person(name: str) -> CommandLine:
        (tmp_path / name).mkdir()
        return CommandLine(tmp_path / name, {"CELLA_AT": house.live.address, "CELLA_TRUST": str(house.live.trust)})

    root, guest = person("root"), person("guest")
    home = root.home / "identity.json"
    house.root.identity.save(home)
    root.environment["CELLA_IDENTITY"] = str(home)
    guest.environment["CELLA_IDENTITY"] = str(guest.home / "identity.json")
    clinic = root("organisation", "create", "clinic").out.strip()
    token = root("party", "invite", "--role", "data_owner", "--role", "function_owner", "--organisation", clinic).out
    assert guest("party", "show", code=None).code != 0
    guest("party", "enrol", "--name", "guest", "--invitation", "-", given=token.encode())
    me = json.loads(guest("party", "show", "--json").out)
    assert me["organisation"] == clinic and me["roles"] == ["function_owner", "data_owner"]
    assert me["party"] in root("party", "list").out
    assert "clinic" in guest("organisation", "list").out
    guest("party", "rotate")
    assert (guest.home / "identity.json.former").exists()
    assert len(json.loads(guest("party", "show", "--json").out)["rotations"]) == 1
    root("party", "change", me["party"], "--role", "data_owner")
    assert "party.rotated" in root("audit", "--party", me["party"]).out
    root("organisation", "add", clinic, me["party"], "--manager")
    root("organisation", "remove", clinic, me["party"])
    root("organisation", "delete", clinic)
    root("party", "remove", me["party"], "--yes")
    assert "PARTY_REMOVED" in guest("party", "show", code=None).err


def test_an_ordinary_executor_is_open(live: LiveExecutor) -> None:
    assert live.client().party_of()["roles"] == ["function_owner", "data_owner"]
