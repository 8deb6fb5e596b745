# SPDX-License-Identifier: Apache-2.0
"""Event logs: replayed, shown, and judged together with evidence."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any

import evidence_vectors as vectors
import pytest
from log_maker import NO_ACTION, event, header, log

import cella
from cella.cli.main import run
from cella.endorsements import EVENT_LOG
from cella.event_log import predict, replay

EXPECTED = json.loads(vectors.data("eventlog/expected_pcrs.json")) if vectors.cases("tpm") else {}
needs_vectors = pytest.mark.skipif(not EXPECTED, reason="the shared vectors are not beside this repository")


@needs_vectors
@pytest.mark.parametrize("name", EXPECTED)
def test_real_logs_lead_to_the_known_registers(name: str) -> None:
    content = vectors.data(name)
    if "events" not in EXPECTED[name]:  # the format before "Spec ID Event03"
        with pytest.raises(cella.FormatError):
            replay(content)
        return
    found = replay(content)
    assert len(found.events) == EXPECTED[name]["events"]
    for bank in ("sha256", "sha384"):
        values = {str(number): value.hex() for number, value in found.registers.get(bank, {}).items()}
        assert values == EXPECTED[name].get(bank, {})
    for bank, registers in found.registers.items():
        extended = [(one.register, one.digests[bank]) for one in found.events if one.extends]
        predicted = predict(extended, bank)
        assert {number: value for number, value in predicted.items() if number != 0} == {
            number: value for number, value in registers.items() if number != 0}  # 0 has the locality of the start
    assert any(one.proven for one in found.events)


def test_locality_of_the_start() -> None:
    note = event(0, b"StartupLocality\0\3", NO_ACTION)
    digest = hashlib.sha256(b"firmware").digest()
    found = replay(header() + note + event(0, b"firmware"))
    assert found.registers["sha256"] == {0: hashlib.sha256(bytes(31) + b"\3" + digest).digest()}
    for late in (event(0, b"firmware") + note, note + note + event(0, b"firmware")):
        with pytest.raises(cella.FormatError):
            replay(header() + late)


@pytest.mark.parametrize("filling", [b"", bytes(1000), b"\xff" * 1000])
def test_filling_behind_a_log(filling: bytes) -> None:
    content = log([(4, b"a"), (4, b"b")])
    assert replay(content + filling) == replay(content)
    for end in (b"\0\xff", b"\xff\0", b"\1"):
        with pytest.raises(cella.FormatError):
            replay(content + filling + end)


def test_damaged_logs() -> None:
    content = log([(4, b"a"), (23, b"b")])
    whole = len(replay(content).events)
    for size in range(len(content)):
        try:
            assert len(replay(content[:size]).events) < whole  # cut between two events
        except cella.FormatError:
            pass
    for bad in (
        log([(24, b"a")]),  # there is no such register
        header() + event(4, b"a", banks=("sha256",)),  # a bank is missing
        header(("sha256", "sha256")) + event(4, b"a", banks=("sha256", "sha256")),
        header() + event(4, b"a", banks=("sha256", "sha256")),
        header() + struct.pack("<III", 4, 4, 0xFFFFFFFF),
        content[:-5] + struct.pack("<I", 0xFFFFFFFF) + content[-1:],
        header(()),
    ):
        with pytest.raises(cella.FormatError):
            replay(bad)
    with pytest.raises(cella.RequestError):
        replay(bytes((1 << 20) + 1))


def test_prediction() -> None:
    digest = hashlib.sha384(b"kernel").digest()
    assert predict([(2, digest), (2, digest)], "sha384")[2] == hashlib.sha384(
        hashlib.sha384(bytes(48) + digest).digest() + digest).digest()
    for wrong in ([(2, digest)], "sha256"), ([(2, b"")], "sha384"), ([], "sha1"):
        with pytest.raises(cella.ArgumentError):
            predict(*wrong)


def test_command_for_predictions(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "events"
    first, second = (hashlib.sha256(text).digest() for text in (b"boot loader", b"kernel"))
    path.write_text(f"# as built\n4 sha256:{first.hex()}\n\n 9  sha256:{second.hex()}  # initrd\n4 sha256:{second.hex()}\n")
    values = predict([(4, first), (9, second), (4, second)])
    assert run(["trust", "predict", str(path)]) == 0
    assert capsys.readouterr().out == "".join(f"sha256 register {number}: {values[number].hex()}\n" for number in (4, 9))
    assert run(["trust", "predict", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "event": "registers", "sha256": {str(number): values[number].hex() for number in (4, 9)}}
    good, long = "4 sha256:" + "11" * 32, "4 sha384:" + "11" * 48
    for bad in ("", "# nothing", "4", good + " more", "24 sha256:" + "11" * 32, "4 sha256:" + "11" * 31, good[:-1],
                "4 sha1:" + "11" * 20, f"{good}\n{long}", "-" + good, "x" + good, good.replace("1", "g"), good.upper()):
        path.write_text(bad)
        assert run(["trust", "predict", str(path)]) == 2, bad
        assert "BAD_FORMAT" in capsys.readouterr().err
    path.write_text(long)
    assert run(["trust", "predict", str(path)]) == 0


def test_command(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log"
    path.write_bytes(log([(4, b"Calling EFI Application")]))
    value = hashlib.sha256(bytes(32) + hashlib.sha256(b"Calling EFI Application").digest()).hexdigest()
    assert run(["trust", "replay", str(path)]) == 0
    shown = capsys.readouterr().out
    assert f"sha256 register 4: {value}" in shown and "Calling EFI Application" in shown
    assert run(["trust", "replay", str(path), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["logged", "registers"]
    assert lines[1]["sha256"] == {"4": value} and lines[0]["proven"] is True
    path.write_bytes(b"no log")
    assert run(["trust", "replay", str(path)]) == 2


# ---- with evidence ----


@pytest.fixture(scope="module")
def tdx() -> vectors.Call:
    """A real TD's quote, whose log is among the vectors as well."""
    if not EXPECTED:
        pytest.skip("the shared vectors are not beside this repository")
    return vectors.accepted("tdx", "tdx/go-tdx-guest/cos-113-tdx-quote.dat")


def judged(call: vectors.Call, logs: list[bytes], **terms: Any) -> tuple[str, dict[str, Any], list[str]]:
    """Status, report, and which checks failed, with these logs and these terms."""
    report = call.report(endorsements=[*call.endorsements, *((EVENT_LOG, one) for one in logs)],
                         policy=call.with_terms(**terms))
    return report["status"], report, [check[0] for check in report["checks"] if check[1] == "failed"]


def test_log_of_a_real_td(tdx: vectors.Call) -> None:
    content = vectors.data("tdx/go-tdx-guest/ccel_data.dat")
    status, report, _ = judged(tdx, [content], event_log="required")
    extended = [one for one in replay(content).events if one.extends]
    assert status == "OK" and ("log_events", len(extended)) in report["claims"]
    last = extended[-1]
    place, digest = f"rtmr{last.register - 1}", last.digests["sha384"].hex()
    assert judged(tdx, [content], event=[{"register": place, "digest": "sha384:" + digest}])[0] == "OK"
    other = "rtmr0" if place != "rtmr0" else "rtmr2"
    for wrong in ({"register": other, "digest": digest}, {"register": place, "digest": "11" * 48},
                  {"register": place, "digest": "11" * 32}, {"register": "rtmr3", "digest": digest}):
        assert judged(tdx, [content], event=[wrong])[::2] == ("TERM", ["event_log"])


def test_log_that_is_missing(tdx: vectors.Call) -> None:
    assert judged(tdx, [])[0] == "OK"
    assert judged(tdx, [], event_log="required")[::2] == ("TERM", ["event_log"])
    assert judged(tdx, [], event=[{"register": "rtmr1", "digest": "11" * 48}])[::2] == ("TERM", ["event_log"])


def test_log_of_another_boot(tdx: vectors.Call) -> None:
    """A log that comes along must lead to what was quoted, wanted or not."""
    good = vectors.data("tdx/go-tdx-guest/ccel_data.dat")
    other = vectors.data("eventlog/trustee_CCEL_data_ovmf")
    for logs in ([other], [good, good], [b"no log"], [log([(1, b"a")], ("sha256",))], [header(("sha384",)) + event(1, b"a", banks=("sha384",))]):
        assert judged(tdx, logs)[::2] == ("ENDORSEMENT", ["event_log"])
    nothing = header(("sha384",)) + event(9, b"a", banks=("sha384",))
    assert judged(tdx, [nothing])[::2] == ("TERM", ["event_log"])


def test_log_that_leaves_a_register_out(tdx: vectors.Call) -> None:
    """Who demands a log wants every quoted value explained, not those alone that the log cares to mention."""
    good = vectors.data("tdx/go-tdx-guest/ccel_data.dat")
    events = [one for one in replay(good).events if one.extends and one.register <= 4]
    registers = sorted({one.register for one in events})
    assert len(registers) > 1
    detail = next(check[3] for check in judged(tdx, [good], event_log="required")[1]["checks"] if check[0] == "event_log")
    assert all(f" rtmr{register - 1}" in detail for register in registers)
    for left_out in registers:
        changed, place = bytearray(good), 0
        for one in events:
            place = good.index(one.digests["sha384"], place + 15) - 14
            assert struct.unpack_from("<I", good, place)[0] == one.register
            if one.register == left_out:
                struct.pack_into("<I", changed, place, 9)
        status, report, _ = judged(tdx, [bytes(changed)])
        detail = next(check[3] for check in report["checks"] if check[0] == "event_log")
        assert status == "OK" and f"rtmr{left_out - 1}" not in detail
        assert judged(tdx, [bytes(changed)], event_log="required")[::2] == ("TERM", ["event_log"])


def test_every_digest_of_a_log_counts(tdx: vectors.Call) -> None:
    good = vectors.data("tdx/go-tdx-guest/ccel_data.dat")
    for one in replay(good).events:
        if one.extends and one.register <= 4:
            digest = one.digests["sha384"]
            place = good.index(digest)
            assert judged(tdx, [good[:place] + bytes([digest[0] ^ 1]) + good[place + 1:]])[0] == "ENDORSEMENT"


def test_bad_terms() -> None:
    for terms in ({"event_log": "sometimes"}, {"event_log": True}, {"event": []}, {"event": [{"register": "pcr4"}]},
                  {"event": [{"register": "pcr16", "digest": "11" * 32}]},
                  {"event": [{"register": "pcr4", "digest": "sha256:11"}]},
                  {"event": [{"register": "pcr4", "digest": "11" * 32, "more": 1}]}):
        with pytest.raises(cella.PolicyError) as caught:
            cella.Trust({"version": 1, "accept": ["tpm"],
                         "measurement": [{"name": "a", "type": "tpm", "registers": {"pcr4": "11" * 32}}],
                         "tpm": {"pcrs": [4], "attestation_keys": ["11" * 34], **terms}})
        assert caught.value.field.startswith(f"tpm.{next(iter(terms))}")


def test_explained() -> None:
    trust = cella.Trust({"version": 1, "accept": ["tpm"],
                         "measurement": [{"name": "a", "type": "tpm", "registers": {"pcr4": "11" * 32}}],
                         "tpm": {"pcrs": [4], "attestation_keys": ["11" * 34], "event_log": "required",
                                 "event": [{"register": "pcr4", "digest": "sha256:" + "22" * 32}]}})
    text = trust.explain()
    assert "event_log is required" in text and f"must include sha256:{'22' * 32} in pcr4" in text
