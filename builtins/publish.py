# SPDX-License-Identifier: Apache-2.0
"""Write what is made from the builtins' table: the client's copy of it, which profiles have what, and the documentation's page.

usage: publish.py PROGRAMS TABLE_PROGRAM

PROGRAMS is the folder with the executor's programs, TABLE_PROGRAM is cella-builtin-table. Run by ``./run builtins``; a
test compares the files with what this would write.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CLIENT_TABLE = ROOT / "python/cella/builtin_table.json"
RUNTIME_PROFILES = ROOT / "executor/cell/runtime/_profiles_of.py"
PAGE = ROOT / "docs/builtins.md"
PROFILES = ROOT / "executor/cell/profiles"
ORDER = ("python", "native", "numpy", "science")
"""Profiles, the one that costs least first."""
BEGIN = "<!-- From here on: written by ./run builtins from the functions' tables. -->\n"


def read_table(programs: Path, table_program: Path) -> list[dict[str, Any]]:
    """All functions with the profiles that have them, those of every profile first."""
    folder = programs / "builtins"
    names = sorted(path.name for path in folder.glob("*.so"))
    text = subprocess.run([table_program, folder, *names], check=True, capture_output=True, text=True).stdout
    having = {profile: json.loads((PROFILES / f"{profile}.json").read_text("utf-8"))["builtins"]
              for profile in ORDER if (PROFILES / f"{profile}.json").exists()}
    return [{**row, "profiles": [profile for profile in having if not library or library in having[profile]]}
            for library, rows in json.loads(text).items() for row in rows]


def _bounds(parameter: dict[str, Any]) -> str:
    kind, least, most = parameter["kind"], parameter["minimum"], parameter["maximum"]
    if parameter["choices"]:
        return ", ".join(f"`{choice}`" for choice in parameter["choices"])
    if kind in ("integer", "real"):
        return f"{least:.15g} to {most:.15g}"
    if kind == "text":
        return f"{least:.0f} to {most:.0f} bytes"
    if kind in ("inputs", "outputs"):
        return f"`{parameter['name']}0`, `{parameter['name']}1`, ...: {least:.0f} to {most:.0f}"
    return "optional" if parameter["optional"] else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _default(parameter: dict[str, Any]) -> str:
    if parameter["format"]:
        return ""
    if parameter["default"] is None:
        return "required"
    return f"`{parameter['default']}`" if parameter["default"] else "empty"


def section(row: dict[str, Any]) -> str:
    """One function's part of the page."""
    lines = [f"### {row['name']}", ""]
    also = f" In Teaclave: `{row['alias']}`." if row["alias"] else ""
    lines += [f"{row['documentation']}", "", f"Version {row['version']}. Profiles: {', '.join(row['profiles'])}.{also}", ""]
    lines += ["| parameter | kind | range | default | |", "|---|---|---|---|---|"]
    for parameter in row["parameters"]:
        kind = parameter["kind"] + (f", {parameter['format']}" if parameter["format"] else "")
        lines.append(f"| `{parameter['name']}` | {_cell(kind)} | {_cell(_bounds(parameter))} | {_default(parameter)} | "
                     f"{_cell(parameter['documentation'])} |")
    lines += ["", f"Returns {row['returns']}" + (", as JSON." if row["result"] == "json" else "."), ""]
    lines += [f"Determinism: {row['determinism'] or 'the same inputs and arguments give the same bytes everywhere.'}", ""]
    if row.get("privacy"):
        said = row["privacy"]
        inputs = ", ".join(f"`{name}`" for name in said["inputs"])
        lines += [f"Privacy: a run spends `{said['epsilon']}` and `{said['delta']}` of the privacy of {inputs}; "
                  "[budgets of data](protocol.md#13-policies-of-data) are charged with it.", ""]
    if row["limits"]:
        lines += [f"Limits: {row['limits']}", ""]
    if row["example"]:
        lines += ["```python", row["example"].rstrip("\n"), "```", ""]
    return "\n".join(lines)


def page(rows: list[dict[str, Any]], head: str) -> str:
    """The documentation's page: what stands there by hand, then one section per function."""
    head = head[:head.index(BEGIN)] if BEGIN in head else head
    overview = ["## All of them", "", "| function | |", "|---|---|"]
    overview += [f"| [{row['name']}](#{row['name']}) | {_cell(re.split(r'(?<=[.]) ', row['documentation'])[0])} |"
                 for row in rows]
    return head + BEGIN + "\n" + "\n".join(overview) + "\n\n" + "\n".join(section(row) for row in rows)


def table_text(rows: list[dict[str, Any]]) -> str:
    """The client's copy: one function per line, so that a change shows as one."""
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False, sort_keys=True) for row in rows) + "\n]\n"


def profiles_text(rows: list[dict[str, Any]]) -> str:
    """The runtime's copy: profiles of the functions that not every profile has."""
    some = {row["name"]: tuple(row["profiles"]) for row in rows if len(row["profiles"]) < len(rows[0]["profiles"])}
    names = [(name, some[row["name"]]) for row in rows if row["name"] in some
             for name in (row["name"], (row["alias"] or "").replace("-", "_")) if name]
    lines = [f"    {json.dumps(name)}: {json.dumps(profiles).replace('[', '(').replace(']', ')')}," for name, profiles in names]
    return "\n".join([
        "# SPDX-License-Identifier: Apache-2.0",
        '"""Builtin functions that not every profile has, for the message that one is not there. Written by ./run builtins."""',
        "", "PROFILES_OF: dict[str, tuple[str, ...]] = {", *lines, "}", ""])


def main() -> None:
    rows = read_table(Path(sys.argv[1]), Path(sys.argv[2]))
    CLIENT_TABLE.write_text(table_text(rows), "utf-8")
    RUNTIME_PROFILES.write_text(profiles_text(rows), "utf-8")
    PAGE.write_text(page(rows, PAGE.read_text("utf-8")), "utf-8")
    print(f"{len(rows)} functions: " + ", ".join(str(path.relative_to(ROOT)) for path in (CLIENT_TABLE, RUNTIME_PROFILES, PAGE)))


if __name__ == "__main__":
    main()
