# SPDX-License-Identifier: Apache-2.0
"""A snapshot holds every field of the state: one that somebody adds to a structure and not to the image is named here."""

from __future__ import annotations

import re

import pytest
import sources

MONITOR = sources.ROOT / "executor" / "monitor"
HEADERS = (MONITOR / "state.h", MONITOR / "journal.h", MONITOR / "spec.h", sources.ROOT / "executor" / "cell" / "message.h")
IMAGE = "".join((MONITOR / name).read_text() for name in ("image.c", "image_field.c", "image_noun.c", "image_task.c"))

# Structure -> how the image's code names one.
STRUCTURES: dict[str, str] = {
    "cella_state": r"state->", "cella_kept_evidence": r"evidence->", "cella_organisation": r"organisation->",
    "cella_party": r"party->", "cella_function": r"function->", "cella_function_usage": r"function->usage\.",
    "cella_data": r"data->", "cella_logged": r"logged->", "cella_signed_request": r"request->",
    "cella_participant": r"participant->", "cella_task_input": r"inputs\[i\]\.", "cella_task_output": r"output->",
    "cella_task_record": r"task->", "cella_task_limits": r"task->limits\.", "cella_isolation": r"task->isolation\.",
    "cella_usage": r"task->usage\.", "cella_journal_entry": r"(?:entry->|[^\w]\.)",
}
# What is written by other means: tables are walked; the links and numbers of entries come with their tables.
TABLES = {"parties", "organisations", "invitations", "functions", "data", "tasks", "evidence"}
ELSEWHERE = {("cella_state", name): f"offsetof|NOUN({name}" for name in TABLES}
ELSEWHERE |= {(name, "entry"): "" for name in STRUCTURES}
ELSEWHERE[("cella_task_output", "file")] = r"outputs[i].file"


def fields(structure: str) -> list[str]:
    """Names of the fields of a structure that are part of the fold."""
    for header in HEADERS:
        if found := re.search(rf"^struct {structure} \{{\n(.*?)^\}};", header.read_text(), re.M | re.S):
            body = found[1].partition("/* Not part of the fold")[0]
            body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
            return [re.search(r"(\w+)(?:\[\w+(?: \+ 1)?\])*$", one.strip())[1]  # type: ignore[index]
                    for one in body.split(";") if one.strip()]
    raise AssertionError(f"no header has struct {structure}")


def is_written(structure: str, field: str) -> bool:
    """Whether the image's code has the field."""
    if (structure, field) in ELSEWHERE:
        return all(part in IMAGE for part in ELSEWHERE[structure, field].split("|"))
    return re.search(rf"(?<!\w){STRUCTURES[structure]}{field}\b", IMAGE) is not None


@pytest.mark.parametrize("structure", STRUCTURES)
def test_every_field_is_in_the_image(structure: str) -> None:
    missing = [field for field in fields(structure) if not is_written(structure, field)]
    assert not missing, (f"struct {structure}: {missing} would be lost by a start from a snapshot. Add it to "
                         "executor/monitor/image_noun.c or image_task.c, or put it below 'Not part of the fold' in state.h")


def test_every_structure_is_looked_at() -> None:
    """A structure that is new in state.h."""
    there = set(re.findall(r"^struct (\w+) \{", (MONITOR / "state.h").read_text(), re.M))
    assert there <= set(STRUCTURES)
    for structure in STRUCTURES:
        assert f"CELLA_IMAGE_KNOWS(struct {structure}, " in IMAGE, structure


def test_a_missing_field_is_noticed() -> None:
    """The search is one that can fail."""
    assert not is_written("cella_task_record", "progress")
    assert not is_written("cella_data", "forgotten")
    assert "deletion_request" in fields("cella_data")
    assert "waiters" not in fields("cella_task_record")
