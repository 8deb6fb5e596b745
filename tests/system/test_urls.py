# SPDX-License-Identifier: Apache-2.0
"""Data that their owners keep elsewhere: registered with a URL, fetched by the host for each run, judged by their digest."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cella
import pytest
from cella.sealing import Sealed
from live import CommandLine, LiveExecutor, files, host, package_of, refused, running, sealed_bytes, wait_until

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from places import Page, Place

READ = "def main(x):\n    return len(x.read())\n"
PLAIN = b"kept elsewhere" * 1000


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    made = Place()
    yield made
    made.close()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Iterator[LiveExecutor]:
    """An executor whose host fetches from below /data of the place."""
    config = {"fetch_from": f"https://data.example/ {place.url}/data", "fetch_private": True, "fetch_seconds": 5, "profiles": ["python"],
              "fetch_max_bytes": 50_000_000}
    with running(tmp_path_factory.mktemp("urls"), config) as made:
        yield made


class Kept:
    """Something sealed that lies at a place."""

    def __init__(self, place: Place, path: str, plain: bytes = PLAIN) -> None:
        self.key = cella.DataKey.generate()
        self.sealed = sealed_bytes(self.key, plain)
        self.url, self.path, self.place = place.url + path, path, place
        place.pages[path] = Page(self.sealed)

    def data(self, me: cella.Executor, size: int | None = None) -> cella.Data:
        import hashlib

        return me.data.add_url(self.url, self.key, sha256=hashlib.sha256(self.sealed).hexdigest(), size=size or len(self.sealed))


def run(me: cella.Executor, data: cella.Data, stream: bool = False, **options: int) -> cella.Task:
    function = me.functions.register(package_of(READ, inputs=[{"name": "x", "stream": stream}]))
    return me.tasks.create(function, inputs={"x": data}, invoke=True, **options).wait(timeout=60, check=False)


@pytest.mark.parametrize("stream", [False, True])
def test_a_task_over_data_at_a_url(live: LiveExecutor, place: Place, stream: bool) -> None:
    me = live.client()
    before = set(live.objects())
    kept = Kept(place, f"/data/visits-{stream}.sealed?signature=s3cret", PLAIN * 100)
    data = kept.data(me)
    assert (data.name, data.url, data.stored) == (f"visits-{stream}.sealed", kept.url, False)
    assert me.data.get(data.id).url == kept.url
    for _ in range(2):  # fetched for each run
        assert run(me, data, stream).result() == len(PLAIN) * 100
    assert place.asked.count(kept.path) == 2
    assert set(live.objects()) == before and "s3cret" not in live.log()


def test_the_digest_decides(live: LiveExecutor, place: Place) -> None:
    me = live.client()
    for wrong in (sealed_bytes(cella.DataKey.generate(), PLAIN), Kept(place, "/data/w").sealed[:-1], b"x"):
        kept = Kept(place, "/data/wrong")
        place.pages["/data/wrong"] = Page(wrong)
        for stream in (False, True):
            with refused("BAD_DIGEST", text="input x (data-"):
                run(me, kept.data(me), stream).result()


@pytest.mark.parametrize(("path", "page", "code"), [
    ("/data/missing", Page(status=404), "PLACE_NOT_FOUND"),
    ("/data/forbidden", Page(status=403), "PLACE_NOT_FOUND"),
    ("/other/place", Page(PLAIN), "PLACE_NOT_ALLOWED"),
    ("/data/away", Page(status=302, headers={"Location": "/other/place"}), "PLACE_NOT_ALLOWED"),
    ("/data/large", Page(PLAIN * 100), "PLACE_TOO_LARGE"),
    ("/data/endless", Page(PLAIN * 100, declared=-1), "PLACE_TOO_LARGE"),
    ("/data/lies", Page(PLAIN, cut=100), "PLACE_FAILED"),
    ("/data/slow", Page(PLAIN, pause_s=1), "PLACE_TIMEOUT"),
    ("/data/broken", Page(status=500), "PLACE_FAILED"),
])
def test_what_a_place_does_has_a_code_of_its_own(live: LiveExecutor, place: Place, path: str, page: Page, code: str) -> None:
    """And nothing is lost: the same task runs when the place is in order."""
    me = live.client()
    kept = Kept(place, path)
    place.pages[path] = page
    data = kept.data(me)
    task = run(me, data, attempts=2)
    with refused(code, text=f"input x ({data.id})") as caught:
        task.result()
    assert isinstance(caught.value, cella.StorageError if code in (
        "PLACE_NOT_FOUND", "PLACE_NOT_ALLOWED", "PLACE_TOO_LARGE") else cella.TransportError)
    good = Kept(place, "/data/good")
    place.pages["/data/good"] = Page(kept.sealed)
    assert me.data.update(data, good.url).sha256 == data.sha256
    assert task.retry().wait(timeout=60).result() == len(PLAIN)


def test_more_than_the_operator_lets_in(live: LiveExecutor, place: Place) -> None:
    me = live.client()
    with refused("PLACE_TOO_LARGE"):
        run(me, Kept(place, "/data/x").data(me, size=50_000_001)).result()
    assert place.asked.count("/data/x") == 0


def test_nothing_is_fetched_where_the_operator_names_no_place(own: LiveExecutor, place: Place) -> None:
    me = own.client()
    asked = len(place.asked)
    with refused("PLACE_NOT_ALLOWED"):
        run(me, Kept(place, "/data/x").data(me)).result()
    assert len(place.asked) == asked
    own.serves()


def test_addresses_that_are_not_public(tmp_path: Path, place: Place) -> None:
    with running(tmp_path, {"fetch_from": place.url, "profiles": ["python"]}) as live:
        me = live.client()
        with refused("PLACE_NOT_ALLOWED"):
            run(me, Kept(place, "/data/private").data(me)).result()
        assert "/data/private" not in place.asked and "fetch_private" in live.log()


def test_another_location_and_what_was_approved_stays(live: LiveExecutor, place: Place) -> None:
    """URL, another URL, the store and back: the contract is the same, and so is the approval."""
    a, b = live.client(), live.client()
    kept = Kept(place, "/data/first")
    data = kept.data(a)
    function = b.functions.register(package_of(READ, public=True, inputs=files("x")))

    def approved() -> cella.Task:
        task = a.tasks.create(function, inputs={"x": data}, result=[a.party, b.party], attempts=1)
        for one in (a, b):
            one.tasks.get(task.id).approve(task.contract())
        return task.refresh()

    tasks = [approved() for _ in range(3)]
    contracts = [task.contract().content for task in tasks]
    assert not any(b"http" in content for content in contracts)
    assert "url" not in json.dumps(b.request("task.get", {"task": tasks[0].id}))
    place.pages["/data/second"] = Page(kept.sealed)
    del place.pages["/data/first"]
    a.data.update(data, f"{place.url}/data/second")
    assert tasks[0].invoke().wait().result() == len(PLAIN)
    assert a.data.update(data, None).url == ""
    with refused("BAD_STATE"):
        a.tasks.create(function, inputs={"x": data})
    import io

    a.upload(data.id, io.BytesIO(kept.sealed), len(kept.sealed))
    assert tasks[1].invoke().wait().result() == len(PLAIN)
    asked = len(place.asked)
    assert a.data.get(data.id).stored and len(place.asked) == asked
    a.data.update(data, f"{place.url}/data/second")
    assert tasks[2].invoke().wait().result() == len(PLAIN) and len(place.asked) == asked + 1
    assert [task.contract().content for task in tasks] == contracts
    assert [entry["event"] for entry in a.audit(data=data.id)].count("data.moved") == 3
    with refused("NOT_FOUND"):
        b.data.update(data.id, None)
    a.data.delete(data)
    with refused("DELETED"):
        a.data.update(data, kept.url)


def test_a_location_survives_a_restart(tmp_path: Path, place: Place) -> None:
    config = {"fetch_from": place.url, "fetch_private": True, "profiles": ["python"]}
    kept = Kept(place, "/data/kept")
    with running(tmp_path, config) as live:
        me = live.client()
        registered, moved = kept.data(me), kept.data(me)
        place.pages["/data/moved"] = Page(kept.sealed)
        me.data.update(moved, f"{place.url}/data/moved")
        identity = me.identity
    with running(tmp_path, config) as live:
        me = cella.connect(live.address, live.trust, identity)
        asked = len(place.asked)
        for data in (registered, moved):
            assert run(me, data).result() == len(PLAIN)
        assert place.asked[asked:] == ["/data/kept", "/data/moved"]
        me.close()


@pytest.mark.parametrize("url", [
    "file:///etc/passwd", "ftp://data.example/x", "https://", "https:///x", "https://user:word@data.example/x", "https://data.example/x#y",
    "https://data.example/a b", "https://data.example/\u00e4", "data.example/x", "https://:443/x", "",
])
def test_a_url_that_is_refused(live: LiveExecutor, place: Place, url: str) -> None:
    me = live.client()
    kept = Kept(place, "/data/ok")
    data = kept.data(me)
    with refused("BAD_FIELD") as caught:
        me.data.update(data, url)
    assert caught.value.field == "args.url"
    if url:
        with refused("BAD_FIELD") as caught:
            me.data.register("x", Sealed(0, len(kept.sealed), bytes(32)), kept.key, url=url)
        assert caught.value.field == "args.url"
    with refused("BAD_FIELD", "TOO_LARGE"):
        me.data.update(data, "https://data.example/" + "x" * 2048)
    assert me.data.get(data.id).url == kept.url


def test_outputs_have_no_url(live: LiveExecutor, place: Place) -> None:
    me = live.client()
    function = me.functions.register(package_of("def main(z): z.write(b'1')", outputs=files("z")))
    derived = me.data.derive(me.tasks.create(function, outputs={"z": None}, invoke=True).wait(), "z")
    with refused("BAD_STATE"):
        me.data.update(derived, f"{place.url}/data/x")


def test_cancelling_ends_the_program(live: LiveExecutor, place: Place) -> None:
    me = live.client()
    kept = Kept(place, "/data/held")
    place.pages["/data/held"] = Page(kept.sealed, hold=threading.Event())
    function = me.functions.register(package_of(READ, inputs=files("x")))
    task = me.tasks.create(function, inputs={"x": kept.data(me)}, invoke=True)
    wait_until(lambda: "/data/held" in place.asked, 20, "the host asks")
    begun = time.monotonic()
    task.cancel()
    assert task.wait(check=False).state == "cancelled" and time.monotonic() - begun < 5
    live.serves()


def test_many_at_a_time(live: LiveExecutor, place: Place) -> None:
    me = live.client()
    names = [f"x{number}" for number in range(32)]
    kept = [Kept(place, f"/data/{name}?{'k' * 1900}", name.encode()) for name in names]
    script = f"def main({', '.join(names)}):\n    return b''.join(one.read() for one in [{', '.join(names)}]).decode()\n"
    for stream in (False, True):
        function = me.functions.register(package_of(script, inputs=[{"name": name, "stream": stream} for name in names]))
        data = {name: one.data(me) for name, one in zip(names, kept)}
        task = me.tasks.create(function, inputs=data, invoke=True).wait(timeout=120)
        assert task.result() == "".join(names)


def test_the_command_line(live: LiveExecutor, place: Place, tmp_path: Path) -> None:
    alice = CommandLine(tmp_path, {"CELLA_AT": live.address, "CELLA_TRUST": str(live.trust)})
    alice("keygen")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n3,4\n")
    digest = alice("encrypt", "table.csv", "--digest").out.split()[0]
    sealed = (tmp_path / "table.csv.sealed").read_bytes()
    place.pages["/data/table.csv.sealed"] = place.pages["/data/again"] = Page(sealed)
    url = f"{place.url}/data/table.csv.sealed"
    words = ("data", "register", "--key", "table.csv.key", "--url", url)
    by_file = alice(*words, "table.csv.sealed", "--uses", "9").out.strip()
    by_digest = alice(*words, "--sha256", digest, "--size", str(len(sealed)), "--name", "table").out.strip()
    (tmp_path / "rows.py").write_text("def main(table): return len(table.csv())")
    function = alice("function", "register", "rows.py", "--input", "table").out.strip()
    for data in (by_file, by_digest):
        task = alice("task", "create", function, "--input", f"table={data}", "--invoke").out.split()[0]
        assert alice("task", "fetch", task).out == "2\n"
    shown = json.loads(alice("data", "show", by_file).out)
    assert shown["url"] == url and shown["policy"] == {"uses": 9} and shown["name"] == "table.csv.sealed"
    assert json.loads(alice("data", "update", by_file, "--url", f"{place.url}/data/again").out)["url"].endswith("/again")
    assert "at URL" in alice("data", "list").out
    assert "url" not in json.loads(alice("data", "update", by_file, "--stored").out)
    assert "either --url or --stored" in alice("data", "update", by_file, code=2).err
    assert "either FILE" in alice(*words, code=2).err
    assert "either FILE" in alice(*words, "table.csv.sealed", "--sha256", digest, "--size", "5", code=2).err


def test_doctor_says_where_from(tmp_path: Path) -> None:
    def doctor(*words: str, **members: object) -> str:
        config = tmp_path / "config.json"
        config.write_text(json.dumps({"state": str(tmp_path / "state"), "platform": "soft", "profiles": ["python"], **members}))
        done = host("doctor", "--config", config, *words, seconds=90)
        assert done.stdout, done.stderr
        return done.stdout

    assert "URLs       inputs are fetched from nowhere (fetch_from)\n" in doctor()
    somewhere = json.loads(doctor("--json", fetch_from="https://data.example/cella"))
    assert (somewhere["fetch_from"], somewhere["fetch_trouble"]) == ("https://data.example/cella", "")
    broken = doctor(fetch_from="https://data.example/cella", fetch_program="/nonexistent")
    assert "fetched from https://data.example/cella; they can not be: fetch_program is not there" in broken
