# SPDX-License-Identifier: Apache-2.0
"""Three hospitals and a research institute, two auditors, and a cloud that none of them trusts.

The hospitals want to know together what none can see alone, the institute keeps its programs to itself, and auditors
read these programs for those who may not. What must be refused is tried, and the story fails if one attempt is not
refused. All patients are made up by a generator of random numbers.

Run it with `./run hospitals`.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import cella

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "classifier"))

from demo import DIM, GREEN, PLAIN, RED, Attempts, Cloud, head, line, main  # noqa: E402

HOSPITALS = {"hospital North": 1, "hospital East": 2, "hospital South": 3}
"""And the seeds that their patients are made with."""
AUDITORS = ("auditor Ames", "auditor Bell")
INSTITUTE = "the institute"
NORTH, EAST, SOUTH = HOSPITALS
PATIENTS = 120
END_MONTH = 48
SMALLEST_GROUP = 10
REFUSED = 3
"""Exit status of the checker, and of `cella verify`, for a proof that is refused."""


def patients(seed: int) -> bytes:
    """A hospital's table, made up: the treated live longer, and nobody in it was ever alive."""
    dice = random.Random(seed)
    rows = ["patient,age,treated,months,died"]
    for number in range(PATIENTS):
        treated = dice.randrange(2)
        months = int(dice.expovariate(1 / (70 if treated else 35))) + 1
        age = min(95, max(30, round(dice.gauss(64, 11))))
        rows.append(f"{seed}-{number:04},{age},{treated},{min(months, END_MONTH)},{int(months <= END_MONTH)}")
    return "\n".join(rows).encode() + b"\n"


def expected_rows() -> int:
    """How many patients stand in the pooled table, computed here, where all three tables happen to be."""
    groups: dict[tuple[int, str], int] = {}
    for seed in HOSPITALS.values():
        for row in csv.DictReader(io.StringIO(patients(seed).decode())):
            group = int(row["age"]) // 10, row["treated"]
            groups[group] = groups.get(group, 0) + 1
    return sum(count for count in groups.values() if count >= SMALLEST_GROUP)


class Trials(Attempts):
    """Attempts, also those that are judged by another process."""

    def process_refuses(self, who: str, what: str, done: subprocess.CompletedProcess[str]) -> None:
        """It must have ended with the status of a refusal."""
        self.count += 1
        said = (done.stdout + done.stderr).strip().splitlines()[-1:]
        if done.returncode == REFUSED:
            line(f"{GREEN}refused{PLAIN}  {who}: {what}")
            line(f"{DIM}         {''.join(said)}{PLAIN}")
            return
        self.must_be(False, f"{what}: NOT REFUSED, status {done.returncode}: {''.join(said)}")

    def must_be(self, right: bool, what: str) -> None:
        """Something without which the story has failed."""
        if not right:
            self.broken.append(what)
            line(f"{RED}FAILED{PLAIN}   {what}")


class Story:
    """Everybody, and what they have made so far."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        self.trials = Trials()
        self.identities = {who: cella.Identity.generate() for who in (*HOSPITALS, INSTITUTE, *AUDITORS)}
        self.at: dict[str, cella.Executor] = {}
        self.functions: dict[str, cella.Function] = {}
        self.tables: dict[str, cella.Data] = {}
        state = folder / "state"
        state.mkdir(mode=0o700)
        charter = {"version": 1, "enrol": "open", "auditors": [self.party(who) for who in AUDITORS]}
        (state / "charter.json").write_text(json.dumps(charter))
        self.cloud = Cloud(programs, state, "python")

    def party(self, who: str) -> str:
        """Somebody's id."""
        return self.identities[who].party

    def signatures(self) -> dict[str, object]:
        """Both auditors must have signed."""
        return {"parties": [self.party(who) for who in AUDITORS], "threshold": len(AUDITORS)}

    def seen_by(self, who: str, task: cella.Task) -> cella.Task:
        """The same task, as somebody else asks for it."""
        return cella.Task(self.at[who], task.id).refresh()

    def approve(self, task: cella.Task) -> None:
        """Hospitals and institute read the contract, each on its own machine, and approve it."""
        for who in (*HOSPITALS, INSTITUTE):
            seen = self.seen_by(who, task)
            seen.approve(seen.contract().sha256)
        line(f"three hospitals and the institute approve contract {task.contract().sha256[:12]}…")

    def connect(self) -> None:
        """Each looks at the executor before it sends anything."""
        for who, identity in self.identities.items():
            self.at[who] = cella.connect(self.cloud.address, self.cloud.trust, identity)

    def leave(self) -> None:
        """All connections end, and so does the executor."""
        for executor in self.at.values():
            executor.close()
        self.cloud.stop()


def arrive(story: Story) -> None:
    """Everybody attests and enrols."""
    head("1. A charter names two auditors; everybody looks at the executor and enrols")
    story.connect()
    for who, executor in story.at.items():
        executor.enrol(who)
        roles = ", ".join(executor.parties.get()["roles"])
        line(f"{who:14} is party {executor.party[:10]}…, attested: level {executor.report.level}; {roles}")


def package(text: str, name: str, inputs: list[str], output: str) -> bytes:
    """A private function that declares what is the smallest group that it lets out."""
    script = cella.Script.parse(text, f"{name}.py")
    return script.package(inputs=inputs, outputs=[output], name=name, release={"minimum_group": SMALLEST_GROUP})


def register(story: Story) -> None:
    """The institute's private functions, and one more that nobody has read."""
    head("2. The institute registers private functions; hospitals say what may be done with their tables")
    institute = story.at[INSTITUTE]
    joined = [who.split()[1].lower() for who in HOSPITALS]
    pool = (HERE / "pool.py").read_text()
    changed = pool.replace("SMALLEST_GROUP = 10", "SMALLEST_GROUP = 1")
    story.trials.must_be(changed != pool, "the changed function differs")
    for name, made in (
        ("pool", package(pool, "pool", joined, "pooled")),
        ("survival", package((HERE / "survival.py").read_text(), "survival", ["pooled"], "curves")),
        ("changed", package(changed, "pool", joined, "pooled")),
    ):
        story.functions[name] = function = institute.functions.register(made)
        line(f"{name:9} version {function.version} of {function.name}, sha256 {function.sha256[:12]}…, private")
    audited = {"auditors": story.signatures()}
    exactly = {"functions": [story.functions["pool"].sha256]}
    for who, seed in HOSPITALS.items():
        policy = {**(exactly if who == SOUTH else audited), "uses": 3, "release": {"minimum_group": SMALLEST_GROUP}}
        story.tables[who] = story.at[who].data.add(patients(seed), "patients", policy=policy)
        line(f"{who} uploads {PATIENTS} patients, sealed: they and what is made of them for three runs, of "
             + ("the function pool alone" if who == SOUTH else "functions that both auditors signed for"))


def pool_task(story: Story, function: str) -> cella.Task:
    """North asks for the pooled table, which all three will own."""
    owners = [story.party(who) for who in HOSPITALS]
    return story.at[NORTH].tasks.create(
        story.functions[function],
        inputs={"north": story.tables[NORTH], "east": [story.party(EAST)], "south": [story.party(SOUTH)]},
        outputs={"pooled": owners}, result=[*owners, story.party(INSTITUTE)], fusion=["pooled"], auditors=story.signatures(),
    )


def audit(story: Story) -> None:
    """Two auditors read what nobody else may, and sign for its hash."""
    head("3. Two auditors read the source and sign for its hash")
    institute = story.at[INSTITUTE]
    with story.trials.refused(NORTH, "use a function that no auditor has signed for", "DATA_POLICY", "NOT_AUDITED"):
        pool_task(story, "pool")
    with story.trials.refused(AUDITORS[0], "read the source before the institute shows it", "DENIED", "NOT_FOUND"):
        story.at[AUDITORS[0]].functions.package(story.functions["pool"])
    for who in AUDITORS:
        for name in ("pool", "survival"):
            function = story.functions[name]
            institute.functions.show(function, story.party(who))
            source = json.loads(story.at[who].functions.package(function))["source"]
            story.trials.must_be(f"SMALLEST_GROUP = {SMALLEST_GROUP}" in source, f"{who} sees the source of {name}")
            story.at[who].functions.audit(function, function.sha256, note="keeps minimum_group")
        line(f"{who} reads both functions and signs")
        if who == AUDITORS[0]:
            with story.trials.refused(NORTH, "use it when one of two has signed", "DATA_POLICY", "NOT_AUDITED"):
                pool_task(story, "pool")
    with story.trials.refused(NORTH, "use a changed version that nobody has read", "DATA_POLICY", "NOT_AUDITED"):
        pool_task(story, "changed")
    with story.trials.refused(SOUTH, "give its table to the other function, which both have signed for", "DATA_POLICY"):
        task = institute.tasks.create(story.functions["survival"], inputs={"pooled": [story.party(SOUTH)]}, outputs={"curves": None})
        story.seen_by(SOUTH, task).assign({"pooled": story.tables[SOUTH]})


def run_pool(story: Story) -> cella.Task:
    """The first task: three tables become one that nobody can open."""
    head("4. First task: three tables become one that belongs to all three and that nobody can open")
    task = pool_task(story, "pool")
    for who, name in ((EAST, "east"), (SOUTH, "south")):
        story.seen_by(who, task).assign({name: story.tables[who]})
    north = story.seen_by(NORTH, task)
    north.approve(north.contract())
    with story.trials.refused(NORTH, "run it before the others have approved", "NOT_APPROVED"):
        north.invoke()
    with story.trials.refused(EAST, "approve another contract than this one", "WRONG_CONTRACT"):
        story.at[EAST].request("task.approve", {"task": task.id, "contract": "00" * 32})
    story.approve(task)
    story.seen_by(NORTH, task).invoke().wait()
    result = story.seen_by(INSTITUTE, task).result()
    line(f"finished; result {result}")
    story.trials.must_be(result["rows"] == expected_rows(), f"{expected_rows()} rows are pooled")
    for who in (NORTH, INSTITUTE, AUDITORS[0]):
        with story.trials.refused(who, "read the pooled table", "DENIED", "NOT_FOUND"):
            story.at[who].download({"task": task.id, "output": "pooled"}, io.BytesIO().write)
    return task


def search(story: Story) -> None:
    """The cloud reads every byte that it has."""
    known = {"a patient": patients(1).splitlines()[1], "the pooled table": b"band,treated,months", "the code": b"def pool("}
    everything = b"".join(path.read_bytes() for path in story.cloud.state.rglob("*") if path.is_file())
    found = [name for name, content in known.items() if content in everything]
    story.trials.finds_nothing("the cloud", f"search its {len(everything)} bytes for patients or code", found)


def restart(story: Story) -> None:
    """The cloud's machine goes down and comes back."""
    head("5. The cloud restarts the executor; everybody comes back and finds what was there")
    story.leave()
    trust = story.cloud.trust.read_bytes()
    story.cloud = Cloud(story.programs, story.cloud.state, "python")
    story.trials.must_be(story.cloud.trust.read_bytes() == trust, "the trust file is what it was")
    story.connect()
    line("the same keys, attested against the same trust file; nobody enrols again")


def survival_task(story: Story, pooled: cella.Data) -> cella.Task:
    """The institute asks, the hospitals give the pooled table."""
    task = story.at[INSTITUTE].tasks.create(
        story.functions["survival"], inputs={"pooled": [story.party(who) for who in HOSPITALS]},
        outputs={"curves": [story.party(INSTITUTE)]}, auditors=story.signatures(),
    )
    story.seen_by(EAST, task).assign({"pooled": pooled})
    return task


def run_survival(story: Story, first: cella.Task) -> tuple[cella.Task, cella.Data]:
    """The second task, over the output of the first."""
    head("6. Second task: survival, computed from the pooled table, for the institute alone")
    pooled = story.at[EAST].data.derive(first, "pooled")
    line(f"the pooled table is data now, of {len(pooled.owners)} owners: {pooled.id[:14]}…")
    with story.trials.refused(NORTH, "fetch these data as one of its owners", "DENIED"):
        story.at[NORTH].download({"data": pooled.id}, io.BytesIO().write)
    with story.trials.refused(EAST, "give it to a function that South has not named for its table", "DATA_POLICY"):
        survival_task(story, pooled)
    south, functions = story.at[SOUTH], [story.functions[name].sha256 for name in ("pool", "survival")]
    south.data.change(story.tables[SOUTH], {"functions": functions, "uses": 3, "release": {"minimum_group": SMALLEST_GROUP}})
    line("hospital South allows survival on its table, and so on what was made of it")
    task = survival_task(story, pooled)
    story.approve(task)
    task.refresh().invoke().wait()
    result = task.result()
    for arm, numbers in result.items():
        line(f"{arm:10} {numbers['patients']} patients; alive after 1, 2, 3 years: "
             + ", ".join(f"{100 * numbers[f'year_{year}']:.0f} %" for year in (1, 2, 3)))
    rows = list(csv.DictReader(io.StringIO(task.outputs["curves"].text())))
    line(f"the institute decrypts curves.csv: {len(rows)} lines, none from fewer than {SMALLEST_GROUP} patients")
    story.trials.must_be(min(int(row["at_risk"]) for row in rows) >= SMALLEST_GROUP, "the release rule is kept")
    story.trials.must_be(sum(arm["patients"] for arm in result.values()) == expected_rows(), "everybody pooled is counted")
    with story.trials.refused(NORTH, "fetch the curves, which the contract gives to the institute", "DENIED"):
        story.at[NORTH].download({"task": task.id, "output": "curves"}, io.BytesIO().write)
    return task, pooled


def withdraw(story: Story, pooled: cella.Data) -> cella.Receipt:
    """South has had enough; the proof that its table is gone."""
    head("7. Hospital South withdraws")
    again = survival_task(story, pooled)
    story.approve(again)
    story.seen_by(SOUTH, again).withdraw()
    line("hospital South takes its approval back")
    with story.trials.refused(INSTITUTE, "run the study again", "NOT_APPROVED"):
        again.refresh().invoke()
    south = story.at[SOUTH]
    south.data.change(story.tables[SOUTH], {"uses": 0})
    line("hospital South allows no further use of its table, which binds the pooled table as well")
    with story.trials.refused(EAST, "have the study run again on the pooled table", "USES_USED_UP"):
        survival_task(story, pooled)
    south.data.delete(story.tables[SOUTH])
    line("hospital South deletes its table: the executor forgets its key, and gives a receipt of that")
    with story.trials.refused(SOUTH, "allow more runs of its deleted table", "DELETED", "BAD_STATE"):
        south.data.change(story.tables[SOUTH], {"uses": 2})
    return south.receipt(story.tables[SOUTH].id)


class Elsewhere:
    """A folder that stands for another machine: the package, a trust file, proofs, and a program that judges them."""

    def __init__(self, story: Story, proofs: Mapping[str, cella.Receipt]) -> None:
        self.folder = story.folder / "elsewhere"
        self.folder.mkdir()
        shutil.copytree(Path(cella.__file__).parent, self.folder / "cella", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(HERE / "check.py", self.folder)
        named = ", ".join(f'"sha256:{story.functions[name].sha256}"' for name in ("pool", "survival"))
        plain = story.cloud.trust.read_text()
        (self.folder / "trust.toml").write_text(
            f'{plain}\n[receipt]\nlogs = 1\nfunctions = [{named}]\nrequire = ["evidence", "contract", "approvals"]\n')
        (self.folder / "deletions.toml").write_text(plain)
        for name, proof in proofs.items():
            proof.save(self.folder / name)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A fresh process that has this folder and nothing else of Cella: neither identity nor executor."""
        return subprocess.run([sys.executable, *words], cwd=self.folder, env={"HOME": str(self.folder), "PATH": os.defpath},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


def judge(story: Story, proofs: Mapping[str, cella.Receipt]) -> None:
    """What was done stays proved, without the executor and without any of the parties."""
    head("8. The executor is stopped; the proofs are judged elsewhere, by who was not there")
    elsewhere = Elsewhere(story, proofs)
    for words in (("check.py", "trust.toml", "pool.proof", "survival.proof"),
                  ("-m", "cella", "verify", "deletion.proof", "--trust", "deletions.toml")):
        done = elsewhere.run(*words)
        for said in done.stdout.splitlines():
            line(f"{DIM}{said}{PLAIN}")
        story.trials.must_be(done.returncode == 0, f"{' '.join(words)} ends with {done.returncode}: {done.stderr.strip()}")
    line("both runs are proved, the second from the output of the first; so is that South's table was deleted")
    content = bytearray((elsewhere.folder / "pool.proof").read_bytes())
    content[content.index(bytes.fromhex(story.functions["pool"].sha256))] ^= 1
    (elsewhere.folder / "flipped.proof").write_bytes(content)
    story.trials.process_refuses("somebody", "flip one bit of the function's hash in a proof",
                                 elsewhere.run("check.py", "trust.toml", "flipped.proof", "survival.proof"))
    story.trials.process_refuses("somebody", "show the runs in another order",
                                 elsewhere.run("check.py", "trust.toml", "survival.proof", "pool.proof"))


def play(programs: Path, folder: Path) -> int:
    """Three hospitals, an institute and two auditors: the exit status."""
    os.environ["XDG_STATE_HOME"] = str(folder / "heads")  # what clients remember of ledgers goes away with the story
    story = Story(programs, folder)
    try:
        arrive(story)
        register(story)
        audit(story)
        first = run_pool(story)
        search(story)
        restart(story)
        second, pooled = run_survival(story, first)
        deletion = withdraw(story, pooled)
        proofs = {"pool.proof": story.at[EAST].receipt(first.id), "survival.proof": second.receipt(), "deletion.proof": deletion}
    finally:
        story.leave()
    judge(story, proofs)
    head("The end")
    for broken in story.trials.broken:
        line(f"{RED}{broken}{PLAIN}")
    if story.trials.broken:
        return 1
    line(f"two runs proved and linked; all {story.trials.count} attempts that had to be refused came to nothing.")
    return 0


if __name__ == "__main__":
    sys.exit(main(run=play))
