# SPDX-License-Identifier: Apache-2.0
"""A new attested connection, against a plain TLS 1.3 connection."""

from __future__ import annotations

import cella
from cella.trust import Trust
from measure import Options, Row, Sample, interleave, timed
from programs import Host, TlsEcho, tls_exchange

GOAL = 0.769
"""An attested connection may take 1.3 times as long as a plain one."""


def measure(options: Options) -> list[Row]:
    """All rows of this subject."""
    with Host(options) as host, TlsEcho(options) as server:
        trust = Trust.load(host.trust)
        identity = cella.Identity.generate()

        def attested(fresh: bool) -> float:
            made: list[cella.Executor] = []
            passed = timed(lambda: made.append(cella.Executor(host.address, trust, identity, fresh=fresh)))
            made[0].close()
            return passed

        def plain() -> float:
            made = []
            passed = timed(lambda: made.append(server.connect()))
            made[0].close()
            return passed

        def answered() -> float:
            made = []

            def work() -> None:
                made.append(server.connect())
                tls_exchange(made[0], bytes(32))

            passed = timed(work)
            made[0].close()
            return passed

        cached, fresh, bare, one = (
            Sample.of(values)
            for values in interleave(options.count(400), lambda: attested(False), lambda: attested(True), plain, answered,
                                     pause_s=0.005, patience=options.patience, budget_s=options.budget_s)
        )
    handshake, exchange = "TLS 1.3 connect (Python ssl)", "TLS 1.3 connect and one echo (Python ssl)"
    return [
        Row("connect", "new Executor object, evidence of the start", "ms", cached, handshake, bare, GOAL,
            note="at most 1.3 times as long"),
        Row("connect", "new Executor object, evidence of the start", "ms", cached, exchange, one),
        Row("connect", "new Executor object, fresh evidence", "ms", fresh, exchange, one),
    ]
