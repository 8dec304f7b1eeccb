"""The plan of a run, decided from its seed before it begins: kills, network faults, and their times.

"When" is a count of accepted messages, so that kills and faults are spread over the whole load on any machine.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from schemas.runtime.crash_points import MESSAGE_POINTS

Engine = Literal["embedded", "scaled"]
ROLES: dict[Engine, dict[str, float]] = {
    "embedded": {"dev": 1.0},
    "scaled": {"edge": 0.33, "worker": 0.34, "connectors": 0.29, "redis": 0.025, "kafka": 0.015},
}
SERVERS = ("kafka", "redis")
PLACES: dict[Engine, tuple[str, ...]] = {
    "embedded": (),
    "scaled": tuple(f"{role}-{server}" for role in ("edge", "worker", "connectors") for server in SERVERS),
}
"""Links inside the installation. The link between the people and the edge is there on both engines."""
KINDS = ("latency", "bandwidth", "stall", "reset", "half_open", "blackhole", "refuse", "freeze")
LENGTHS = {
    "latency": (0.3, 4.0),
    "bandwidth": (0.3, 3.0),
    "stall": (0.2, 2.5),
    "reset": (0.0, 0.0),
    "half_open": (0.3, 3.0),
    "blackhole": (0.2, 3.0),
    "refuse": (0.1, 1.5),
    "freeze": (0.2, 2.5),
}
"""Seconds. Freeze stops a process with SIGSTOP."""
# Actions are not part of this load, so two of the points are not passed.
PASSED = [point for point in MESSAGE_POINTS if point not in ("worker.after_intent", "worker.after_action")]
OWNERS = {"edge": "edge", "worker": "worker", "connector": "connectors"}


@dataclass(frozen=True, slots=True)
class Kill:
    """``due``: accepted messages. ``point`` empty: SIGKILL ``delay`` seconds after the process was ready, or, with
    ``newborn``, after it was started. Servers stay down for ``delay``."""

    role: str
    due: int
    delay: float
    point: str = ""
    nth: int = 1
    newborn: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """``amount``: seconds for latency, bytes a second for bandwidth. ``towards`` is for a blackhole."""

    place: str
    kind: str
    due: int
    seconds: float
    amount: float = 0.0
    towards: Literal["client", "server", "both"] = "both"


@dataclass(frozen=True)
class Options:
    """What was asked for. ``seconds`` is the longest the load may take, ``settle`` the longest until all has come to
    rest afterwards; ``points``: those at which processes die, and no others do; empty: all die, also at any
    moment."""

    engine: Engine
    messages: int
    kills: int
    seed: int
    seconds: float
    faults: int
    kinds: tuple[str, ...] = KINDS
    people: int = 60
    mutant: str = ""
    settle: float = 90
    points: tuple[str, ...] = ()


@dataclass
class Plan:
    options: Options
    kills: dict[str, list[Kill]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        every = [kill for kills in self.kills.values() for kill in kills]
        return {
            "kills": dict(Counter(kill.role for kill in every)),
            "at_points": dict(sorted(Counter(kill.point for kill in every if kill.point).items())),
            "while_starting": sum(kill.newborn for kill in every),
            "faults": dict(sorted(Counter(fault.kind for fault in self.faults).items())),
            "places": dict(sorted(Counter(fault.place for fault in self.faults).items())),
        }


def make_plan(options: Options) -> Plan:
    rng = random.Random(f"{options.seed}:plan")
    plan = Plan(options, {role: [] for role in ROLES[options.engine]})
    weights = {role: weight for role, weight in ROLES[options.engine].items() if _dies(role, options.points)}
    roles = _shares(weights, options.kills)
    rng.shuffle(roles)
    for role, due in zip(roles, _moments(rng, options.kills, options.messages), strict=True):
        plan.kills[role].append(_kill(rng, role, due, options.points))
    kinds = [kind for number in range(options.faults) if (kind := options.kinds[number % len(options.kinds)])]
    rng.shuffle(kinds)
    for kind, due in zip(kinds, _moments(rng, options.faults, options.messages), strict=True):
        plan.faults.append(_fault(rng, options.engine, kind, due))
    return plan


def _shares(weights: dict[str, float], total: int) -> list[str]:
    """Every role at least once, the rest by weight."""
    rest = max(0, total - len(weights))
    dealt = [role for role in weights for _ in range(1 + int(rest * weights[role]))]
    busiest = max(weights, key=lambda role: weights[role])
    return [*dealt, *[busiest] * (total - len(dealt))][:total]


def _moments(rng: random.Random, count: int, messages: int) -> list[int]:
    # The first tenth is for a load that has grown up; the last moments for kills that come late.
    return sorted(int(rng.uniform(0.03, 0.95) * messages) for _ in range(count))


def _dies(role: str, points: Sequence[str]) -> bool:
    return not points or bool(_list_points(role, points))


def _list_points(role: str, points: Sequence[str]) -> list[str]:
    """Those of the points that the role's processes pass."""
    return [point for point in points if role in ("dev", OWNERS[point.partition(".")[0]])]


def _kill(rng: random.Random, role: str, due: int, points: Sequence[str]) -> Kill:
    if role in SERVERS:
        return Kill(role, due, rng.uniform(0.0, 1.5))
    own = _list_points(role, points or PASSED)
    if rng.random() < 0.4 or points:
        return Kill(role, due, 0.0, rng.choice(own), rng.randint(1, 12))
    newborn = rng.random() < 0.15
    return Kill(role, due, rng.uniform(0.0, 0.5 if newborn else 0.8), newborn=newborn)


def _fault(rng: random.Random, engine: Engine, kind: str, due: int) -> Fault:
    seconds = rng.uniform(*LENGTHS[kind])
    if kind == "freeze":
        return Fault(rng.choice([role for role in ROLES[engine] if role not in SERVERS]), kind, due, seconds)
    inside = PLACES[engine]
    place = "people" if not inside or rng.random() < 0.35 else rng.choice(inside)
    amount = {"latency": rng.uniform(0.01, 0.3), "bandwidth": rng.uniform(20_000, 200_000)}.get(kind, 0.0)
    return Fault(place, kind, due, seconds, amount, rng.choice(("client", "server", "both")))
