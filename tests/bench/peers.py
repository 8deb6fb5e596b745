# SPDX-License-Identifier: Apache-2.0
"""Start to result of an empty function: a warm cell of each profile beside everything else that runs Python."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import boxes
from cell import EMPTY, PAUSE_S, Pool
from measure import Options, Row, Sample, interleave, timed
from programs import PROFILES, profile_file

GOALS = {
    ("python", "bwrap --unshare-all python3 -I -S -c pass"): 15.0,
    ("science", "python3 -I -c 'import numpy, pandas, sklearn'"): 500.0,
}


def open_pools(options: Options, stack: contextlib.ExitStack) -> tuple[dict[str, Pool], dict[str, str]]:
    """A pool for each profile that this executor has; and why it has not the others."""
    found: dict[str, Pool] = {}
    missing: dict[str, str] = {}
    for profile in PROFILES:
        try:
            profile_file(options, profile)
            found[profile] = stack.enter_context(Pool(options, profile, EMPTY))
        except (OSError, RuntimeError) as problem:
            missing[profile] = f"there is no profile {profile} here ({problem})"
    return found, missing


def peer_run(peer: boxes.Peer) -> Callable[[], float]:
    """Milliseconds of a run; from its first failure on the peer is missing."""

    def run() -> float:
        if peer.missing:
            return 0.0
        try:
            return timed(peer.run)
        except (OSError, RuntimeError) as problem:
            peer.fail(f"failed while it was measured: {problem}")
            return 0.0

    return run


def samples(options: Options, pools: dict[str, Pool], peers: list[boxes.Peer],
            count: int) -> tuple[dict[str, Sample], dict[str, Sample]]:
    """Cells of each profile and peers in turn: by profile, and by the peer's name."""

    def run(pool: Pool) -> Callable[[], float]:
        return lambda: pool.run()[0]

    there = [peer for peer in peers if not peer.missing]
    values = interleave(options.count(count), *map(run, pools.values()), *map(peer_run, there), pause_s=PAUSE_S,
                        patience=options.patience, budget_s=options.budget_s)
    ours = {name: Sample.of(found) for name, found in zip(pools, values)}
    theirs = {peer.name: Sample.of(found) for peer, found in zip(there, values[len(pools):]) if not peer.missing}
    return ours, theirs


def rows_of(profile: str, peers: list[boxes.Peer], ours: dict[str, Sample], theirs: dict[str, Sample],
            missing: str) -> list[Row]:
    """A profile's rows. What is missing has one row, unless a goal hangs on it."""
    rows = []
    for peer in peers:
        goal = GOALS.get((profile, peer.name))
        here = profile in ours and (peer.name in theirs or profile == PROFILES[0])
        if here or goal is not None:
            rows.append(Row("peers", f"{profile} profile, empty function, to the result", "ms", ours.get(profile), peer.label,
                            theirs.get(peer.name), goal, note="; ".join(filter(None, (missing, peer.cost)))))
    return rows


def measure(options: Options) -> list[Row]:
    """All rows of this subject."""
    peers = boxes.everything()
    rows = []
    with contextlib.ExitStack() as stack:
        pools, missing = open_pools(options, stack)
        for slow, count in ((False, 100), (True, 12)):
            group = [peer for peer in peers if peer.slow == slow]
            ours, theirs = samples(options, pools, group, count)
            for profile in PROFILES:
                rows += rows_of(profile, group, ours, theirs, missing.get(profile, ""))
    return sorted(rows, key=lambda row: PROFILES.index(row.what.partition(" ")[0]))
