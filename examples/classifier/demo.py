# SPDX-License-Identifier: Apache-2.0
"""The founding story, with real programs and real data.

A small business has images, company B has a trained model, company C has the code that applies it, and a cloud has
the machine. None needs to trust another. After the job is done, each of the others tries what it would try, and the
demo fails if one of these attempts is not refused.

Run it with `./run demo`.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy

import cella
from cella.sealing import unseal

HERE = Path(__file__).resolve().parent
TRAINING_IMAGES = 1200
"""The first so many images of the data set were company B's for training; the business owns the rest."""

BOLD, GREEN, RED, DIM, PLAIN = ("\033[1m", "\033[32m", "\033[31m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("",) * 5


def head(text: str) -> None:
    """A new chapter."""
    print(f"\n{BOLD}{text}{PLAIN}", flush=True)


def line(text: str) -> None:
    """One line of the story."""
    print(f"  {text}", flush=True)


class Cloud:
    """The cloud's part: it runs cella-host and owns the state folder with everything in it."""

    def __init__(self, programs: Path, state: Path, profiles: str = "python,numpy") -> None:
        self.state = state
        reader, writer = os.pipe()
        self.log = open(state.parent / f"{state.name}.log", "wb")
        self.process = subprocess.Popen(
            [programs / "cella-host", "run", "--dev", state, "--programs", programs,
             "--profiles", profiles, "--ready-fd", str(writer)],
            pass_fds=(writer,), stderr=self.log,
        )
        os.close(writer)
        with open(reader, "rb") as ready:
            come, _, _ = select.select([ready], [], [], 60)
            self.address = ready.readline().decode().strip() if come else ""
        if not self.address:
            self.stop()
            raise SystemExit(f"cella-host did not start; it said:\n{Path(self.log.name).read_text()}")

    @property
    def trust(self) -> Path:
        """The trust file that cella-host wrote for this development executor."""
        return self.state / "trust.toml"

    def objects(self) -> list[Path]:
        """Every file of the store."""
        return [path for path in (self.state / "store").rglob("*") if path.is_file()]

    def stop(self) -> None:
        """SIGTERM, as an operator would."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
        self.log.close()


class Attempts:
    """What the others try. Each must be refused."""

    def __init__(self) -> None:
        self.count = 0
        self.broken: list[str] = []

    @contextmanager
    def refused(self, who: str, what: str, *codes: str) -> Iterator[None]:
        """An attempt that must end in an error of Cella with one of these codes."""
        self.count += 1
        try:
            yield
        except cella.CellaError as refusal:
            if refusal.code in codes:
                line(f"{GREEN}refused{PLAIN}  {who}: {what}")
                line(f"{DIM}         {refusal}{PLAIN}")
                return
            self.broken.append(f"{what}: refused with {refusal.code} instead of {' or '.join(codes)}: {refusal}")
        else:
            self.broken.append(f"{what}: NOT REFUSED")
        line(f"{RED}FAILED{PLAIN}   {who}: {self.broken[-1]}")

    def finds_nothing(self, who: str, what: str, found: list[str]) -> None:
        """A search that must come back empty."""
        self.count += 1
        if not found:
            line(f"{GREEN}nothing{PLAIN}  {who}: {what}")
            return
        self.broken.append(f"{what}: found {', '.join(found)}")
        line(f"{RED}FAILED{PLAIN}   {who}: {self.broken[-1]}")


def load_images() -> tuple[numpy.ndarray, numpy.ndarray]:
    """The business's images, and what is really on them."""
    with gzip.open(HERE / "data" / "optdigits.csv.gz") as file:
        table = numpy.loadtxt(file, delimiter=",", dtype="uint8")
    return table[TRAINING_IMAGES:, :64], table[TRAINING_IMAGES:, 64]


def attest(cloud: Cloud, who: str, folder: Path) -> cella.Executor:
    """Each party looks for itself before it sends anything."""
    identity = cella.Identity.generate()
    identity.save(folder / f"{who.replace(' ', '_')}.json")
    executor = cella.connect(cloud.address, cloud.trust, identity)
    executor.enrol(who)
    line(f"{who:14} is party {executor.party[:10]}…, attested: level {executor.report.level}, {executor.report.anchor[:44]}…")
    return executor


def run_job(business: cella.Executor, b: cella.Executor, c: cella.Executor, images: numpy.ndarray,
            attempts: Attempts) -> tuple[cella.Task, cella.Data, cella.Function]:
    """The main job, with everybody's approval."""
    head("2. Each brings what it owns, encrypted on its own machine")
    weights = b.data.add(HERE / "data" / "weights.npz", "weights")
    line(f"company B uploads its trained weights     {weights.id[:14]}…  {weights.size} sealed bytes")
    script = cella.Script.read(HERE / "classify.py")
    package = script.package(inputs=["images", "weights"], outputs=["labels"], profile="numpy")
    function = c.functions.register(package)
    line(f"company C registers its private code      {function.id[:18]}…  sha256 {function.sha256[:12]}…")
    pictures = business.data.add(images, "images")
    line(f"the business uploads {len(images)} images          {pictures.id[:14]}…  {pictures.size} sealed bytes")

    head("3. One contract, approved by everybody")
    task = business.tasks.create(
        function.id,
        inputs={"images": pictures, "weights": b.party},
        outputs={"labels": [business.party]},
        arguments={"threshold": 0.5},
    )
    at_b, at_c = cella.Task(b, task.id).refresh(), cella.Task(c, task.id).refresh()
    at_b.assign({"weights": weights})
    contract = task.contract()
    for sentence in contract.explain(business.party).splitlines():
        line(f"{DIM}{sentence}{PLAIN}")
    with attempts.refused("the business", "run it before the others have approved", "NOT_APPROVED"):
        task.refresh().invoke()
    with attempts.refused("company B", "approve another contract than this one", "WRONG_CONTRACT"):
        b.request("task.approve", {"task": task.id, "contract": "00" * 32})
    for who, seen in (("the business", task), ("company B", at_b), ("company C", at_c)):
        seen.approve(contract.sha256)
        line(f"{who} has hashed the contract itself and approves {contract.sha256[:12]}…")

    head("4. It runs where nobody can look")
    begun = time.monotonic()
    task.invoke()
    task.wait()
    line(f"finished in {time.monotonic() - begun:.2f} s; result {task.result()}; used {task.usage['cpu_us'] / 1e6:.2f} s of CPU")
    return task, weights, function


def check_labels(task: cella.Task, truth: numpy.ndarray) -> float:
    """Only the business can do this: fetch, decrypt, compare with what it knows."""
    rows = list(csv.DictReader(io.StringIO(task.outputs["labels"].text())))
    right = sum(row["digit"] == str(digit) for row, digit in zip(rows, truth))
    accuracy = right / len(truth)
    line(f"the business decrypts labels.csv: {len(rows)} lines, {BOLD}{100 * accuracy:.1f} % right{PLAIN}")
    return accuracy


def search_store(cloud: Cloud, images: numpy.ndarray, attempts: Attempts) -> None:
    """The cloud reads every byte that it has."""
    known = {
        "the images": images.tobytes()[:64],
        "the weights": (HERE / "data" / "weights.npz").read_bytes()[200:264],
        "the code": b"def classify(",
        "the labels": b"image,digit,confidence",
    }
    everything = b"".join(path.read_bytes() for path in cloud.state.rglob("*") if path.is_file())
    everything += Path(cloud.log.name).read_bytes()
    found = [name for name, content in known.items() if content in everything]
    attempts.finds_nothing("the cloud", f"search its {len(everything)} bytes of state, store and log for data or code", found)


def try_everything(cloud: Cloud, programs: Path, folder: Path, business: cella.Executor, b: cella.Executor,
                   c: cella.Executor, task: cella.Task, weights: cella.Data, function: cella.Function,
                   images: numpy.ndarray, attempts: Attempts) -> None:
    """What each of the others would try."""
    head("5. What each of the others would try")
    search_store(cloud, images, attempts)
    sealed = max(cloud.objects(), key=lambda path: path.stat().st_size)
    wrong = cella.DataKey.generate()
    with attempts.refused("the cloud", "decrypt a stored object with a key of its own", "BAD_TAG"):
        with open(sealed, "rb") as stolen, open(folder / "stolen", "wb") as opened:
            unseal(wrong, stolen, opened)
    with attempts.refused("company B", "fetch the labels made with its weights", "DENIED"):
        b.download({"task": task.id, "output": "labels"}, io.BytesIO().write)
    with attempts.refused("company C", "fetch the labels made by its code", "DENIED"):
        c.download({"task": task.id, "output": "labels"}, io.BytesIO().write)
    visible = b.functions.get(function.id)
    attempts.finds_nothing("company B", "look for company C's private code in what the executor tells",
                           [name for name, seen in (("source", visible.source), ("source", visible.spec.get("source"))) if seen])
    with attempts.refused("a stranger", "look at the task", "NOT_FOUND"):
        stranger = cella.connect(cloud.address, cloud.trust, cella.Identity.generate())
        cella.Task(stranger, task.id).refresh()
    try_script(business, attempts)
    try_flipped_byte(cloud, business, b, c, weights, function, images, attempts)
    try_changed_executor(cloud, programs, folder, attempts)


def try_script(business: cella.Executor, attempts: Attempts) -> None:
    """Code that wants to send data away."""
    for what, code in (
        ("open a network connection", "import socket\ndef main():\n    socket.create_connection(('127.0.0.1', 80))\n"),
        ("read the machine's files", "def main():\n    return open('/etc/passwd').read()\n"),
        ("start another program", "import os\ndef main():\n    os.execv('/bin/sh', ['sh'])\n"),
    ):
        script = cella.Script.parse(code, "escape.py")
        with attempts.refused("a script", what, "SCRIPT_FAILED", "SANDBOX_VIOLATION"):
            with warnings.catch_warnings(action="ignore"):
                business.run(script).wait()


def try_flipped_byte(cloud: Cloud, business: cella.Executor, b: cella.Executor, c: cella.Executor,
                     weights: cella.Data, function: cella.Function, images: numpy.ndarray, attempts: Attempts) -> None:
    """The cloud changes one bit of an object that it stores; the next task must notice."""
    victim = next(path for path in cloud.objects() if path.stat().st_size == weights.size)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.chmod(0o600)
    victim.write_bytes(content)
    pictures = business.data.add(images[:10], "images")
    task = business.tasks.create(function.id, inputs={"images": pictures, "weights": b.party},
                                 outputs={"labels": [business.party]})
    cella.Task(b, task.id).refresh().assign({"weights": weights})
    for one in (business, b, c):
        seen = cella.Task(one, task.id).refresh()
        seen.approve(seen.contract().sha256)
    with attempts.refused("the cloud", "flip one bit of a stored object", "BAD_DIGEST"):
        task.refresh().invoke().wait()


def try_changed_executor(cloud: Cloud, programs: Path, folder: Path, attempts: Attempts) -> None:
    """The cloud runs other code, with its own root or even with the machine's; and a client that wants hardware."""
    changed = folder / "changed"
    shutil.copytree(programs, changed)
    with open(changed / "cella-zygote", "ab") as program:
        program.write(b"one more line of code")
    state = folder / "changed-state"
    state.mkdir(mode=0o700)
    for name in ("soft_root.key", "charter.json"):
        shutil.copy(cloud.state / name, state / name)
    other = Cloud(changed, state)
    try:
        with attempts.refused("the cloud", "run a changed executor", "MEASUREMENT"):
            cella.connect(other.address, cloud.trust, cella.Identity.generate())
    finally:
        other.stop()
    stranger = Cloud(programs, folder / "another-machine")
    try:
        with attempts.refused("the cloud", "pass another machine off as this one", "ROOT"):
            cella.connect(stranger.address, cloud.trust, cella.Identity.generate())
    finally:
        stranger.stop()
    strict = folder / "strict.toml"
    strict.write_text(cloud.trust.read_text().replace("min_level = 2", "min_level = 5"))
    with attempts.refused("a client", "demand hardware (level 5) from this software executor", "LEVEL"):
        cella.connect(cloud.address, strict, cella.Identity.generate())


def play(programs: Path, folder: Path) -> int:
    """The founding story, with real programs and real data: the exit status."""
    attempts = Attempts()
    images, truth = load_images()
    head("1. The cloud starts an executor; everybody looks at it before sending anything")
    cloud = Cloud(programs, folder / "state")
    try:
        line(f"executor at {cloud.address}, started by cella-host; level 2: software evidence, for tests")
        business, b, c = (attest(cloud, who, folder) for who in ("the business", "company B", "company C"))
        task, weights, function = run_job(business, b, c, images, attempts)
        accuracy = check_labels(task, truth)
        try_everything(cloud, programs, folder, business, b, c, task, weights, function, images, attempts)
    finally:
        cloud.stop()
    head("The end")
    if accuracy < 0.85:
        attempts.broken.append(f"accuracy {accuracy:.3f} is below 0.85")
    for broken in attempts.broken:
        line(f"{RED}{broken}{PLAIN}")
    if attempts.broken:
        return 1
    line(f"{100 * accuracy:.1f} % of {len(truth)} images right; all {attempts.count} attempts of the others came to nothing.")
    return 0


def main(arguments: list[str] | None = None, run: Callable[[Path, Path], int] = play) -> int:
    """Parse the command line and play."""
    parser = argparse.ArgumentParser(description=run.__doc__)
    parser.add_argument("--programs", type=Path, required=True, help="folder of the executor's programs")
    parser.add_argument("--keep", type=Path, help="use this new folder and leave everything in it to look at")
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    if options.keep:
        options.keep.mkdir(mode=0o700)
        status = run(options.programs.resolve(), options.keep.resolve())
    else:
        with tempfile.TemporaryDirectory(prefix="cella-demo-") as folder:
            status = run(options.programs.resolve(), Path(folder))
    line(f"{DIM}{time.monotonic() - begun:.1f} s{PLAIN}")
    return status


if __name__ == "__main__":
    sys.exit(main())
