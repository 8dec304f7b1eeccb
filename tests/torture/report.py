"""The report of a run and whether it passed: a run whose faults did not fire has shown nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.harness.checker import Findings
from tests.torture.load import Load
from tests.torture.log_audit import Ledger, violations
from tests.torture.network_faults import NetworkFaults
from tests.torture.plan import Plan
from tests.torture.process_kills import KillCounts

Say = Callable[[str], None]
ENOUGH = 40
"""Kills from which every role and the crash points must have had some."""


@dataclass
class Outcome:
    plan: Plan
    load: Load
    tolls: KillCounts
    weather: NetworkFaults
    ledger: Ledger
    found: Findings
    seconds: float
    settled: float
    unrest: list[str]

    @property
    def kills(self) -> int:
        return sum(self.tolls.kills.values())

    @property
    def shortfalls(self) -> list[str]:
        """What was planned and did not happen."""
        options, missing = self.plan.options, []
        if self.load.accepted < options.messages:
            missing.append(f"{self.load.accepted} of {options.messages} messages accepted")
        if self.kills < options.kills:
            missing.append(f"{self.kills} of {options.kills} kills")
        missing += [
            f"{role} was never killed"
            for role, kills in self.plan.kills.items()
            if kills and not self.tolls.kills[role]
        ]
        wanted = {fault.kind for fault in self.plan.faults}
        missing += [f"no {kind} fired" for kind in sorted(wanted - {k for k, n in self.weather.fired.items() if n})]
        if options.kills >= ENOUGH and not self.tolls.points:
            missing.append("no crash point was reached")
        repeated = self.load.stats["resends"] and self.ledger.copies["inbound"]
        # After an append and before its acknowledgement is a short time: a few kills may all miss it.
        if options.kills >= ENOUGH and not repeated:
            missing.append("no repeat reached the log: nothing tried the deduplication")
        return missing + [f"not at rest: {what}" for what in self.unrest[:10]] + self.tolls.crashes[:10]

    @property
    def passed(self) -> bool:
        return not self.found.faults and not self.shortfalls

    def as_json(self) -> dict[str, Any]:
        options, load, tolls = self.plan.options, self.load, self.tolls
        return {
            "verdict": "pass" if self.passed else "fail",
            "engine": options.engine,
            "seed": options.seed,
            "asked": {"messages": options.messages, "kills": options.kills, "faults": options.faults},
            "plan": self.plan.summary(),
            "seconds": round(self.seconds, 1),
            "settled_seconds": round(self.settled, 1),
            "accepted": load.accepted,
            "answered": self.found.messages - len(self.found.unanswered),
            "replies": self.found.replies,
            "conversations": len(load.people),
            "per_second": round(load.accepted / max(self.seconds, 0.001), 1),
            "answer_seconds": spread(load.latencies),
            "kills": {"total": self.kills, **dict(sorted(tolls.kills.items()))},
            "killed_at_points": dict(sorted(tolls.points.items())),
            "points_not_reached": dict(sorted(tolls.unreached.items())),
            "starts": dict(sorted(tolls.starts.items())),
            "gave_up_starting": dict(sorted(tolls.exits.items())),
            "recovery_seconds": {role: spread(times) for role, times in sorted(tolls.recoveries.items())},
            "faults_fired": self.weather.fired,
            "faults_by_place": dict(sorted(self.weather.struck.items())),
            "people": dict(sorted(load.stats.items())),
            "copies_on_the_log": dict(self.ledger.copies),
            "waited_over_two_minutes": load.late[:20],
            "violations": violations(self.found),
            "not_shown": self.shortfalls,
        }


def spread(values: list[float]) -> dict[str, float]:
    """Seconds."""
    if not values:
        return {"n": 0}
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)

    return {"n": len(ordered), "p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": round(ordered[-1], 3)}
