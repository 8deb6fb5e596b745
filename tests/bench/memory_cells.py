# SPDX-License-Identifier: Apache-2.0
"""What a zygote and its warm cells take, by profile. Part of the subject memory."""

from __future__ import annotations

import time

from cell import EMPTY, WARM, Pool
from measure import Options, Row, Sample
from programs import PROFILES, memory, processes, profile_file

POOL_MIB = 1024.0
"""What the monitor lets all idle cells take unless told otherwise (pool_memory_bytes)."""


def profile_rows(options: Options, profile: str) -> tuple[list[Row], float]:
    """Rows of a profile; MiB that a full pool of it takes beside its zygote."""
    with Pool(options, profile, EMPTY) as pool:
        time.sleep(0.5)  # warming is over
        tree = processes(pool.process.pid, "player")
        found = {role: [memory(one.pid) for one in tree if one.role == role] for role in ("zygote", "cell")}
    if len(found["zygote"]) != 1 or len(found["cell"]) != WARM:
        raise ValueError(f"one zygote and {WARM} cells were expected, not {[one.role for one in tree]}")
    zygote = found["zygote"][0]
    rows = [Row("memory", f"{profile} profile: zygote, RSS", "MiB", Sample.of([zygote["rss"] / 1024]))]
    if not all("own" in one for one in (zygote, *found["cell"])):
        return [*rows, Row("memory", f"{profile} profile: idle warm cell, unique", "MiB", None, note="needs root")], 0.0
    own = [one["own"] / 1024 for one in found["cell"]]
    everything = sum(one["pss"] for one in (zygote, *found["cell"])) / 1024
    rows += [
        Row("memory", f"{profile} profile: idle warm cell, unique", "MiB", Sample.of(own), note="shared with nobody"),
        Row("memory", f"{profile} profile: pool of {WARM} warm cells, without the zygote", "MiB", Sample.of([sum(own)]),
            note=f"PSS of zygote and cells {everything:.1f} MiB"),
    ]
    return rows, sum(own)


def measure(options: Options) -> list[Row]:
    """The rows of all profiles, and what full pools of all of them take."""
    rows: list[Row] = []
    total = 0.0
    there = []
    for profile in PROFILES:
        try:
            profile_file(options, profile)
            found, own = profile_rows(options, profile)
        except (OSError, RuntimeError) as problem:
            rows.append(Row("memory", f"{profile} profile: zygote, RSS", "MiB", None,
                            note=f"there is no profile {profile} here ({problem})"))
            continue
        rows += found
        total += own
        there.append(profile)
    if total:
        rows.append(Row("memory", f"full pools of {', '.join(there)}, without the zygotes", "MiB", Sample.of([total]),
                        limit=POOL_MIB, note="the limit is what the monitor lets idle cells take"))
    return rows
