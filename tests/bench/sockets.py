"""Row ``sockets``: thousands of live chat sockets on one edge, a message to each, all of them gone and back at once."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import structlog

from tests.bench.figures import Row, ValueRange
from tests.bench.machine import resident_bytes
from tests.bench.setup import Stage, tenants
from tests.bench.socket_client_processes import SocketClientProcesses, crowds
from tests.harness.processes import Process

log = structlog.get_logger("parley.bench")

PROCESSES = 4
BUDGET_KIB = 40.0
PATIENCE = 240.0


@dataclass(slots=True)
class SocketResults:
    """What happened to the sockets. ``faults``: frames missing, doubled, out of order; sockets that did not come
    back."""

    sockets: int
    before: int
    idle: int
    busy: int
    after_storm: int
    joined_s: float
    storm_s: float
    faults: dict[str, int]

    @property
    def kib_each(self) -> float:
        return (self.idle - self.before) / 1024 / self.sockets


async def course(
    server: Process, sockets: int, *, processes: int = PROCESSES, per_second: float = 400, python: str = sys.executable
) -> SocketResults:
    """``sockets`` visitors join, each says something and is answered, all drop and come back, each speaks again. They
    are in processes of ``python``."""
    async with crowds(server.port, processes, python) as all_of_them:
        shares = [{"count": sockets // processes, "source": f"127.0.0.{2 + n}"} for n in range(processes)]
        await all_of_them.each("sessions", shares)
        log.info("sessions", count=sockets)
        before = resident_bytes(server.pid)
        first = await all_of_them.all("join")
        idle = resident_bytes(server.pid)
        log.info("joined", kib_each=(idle - before) // 1024 // sockets)
        faults = {"not joined": sockets - sum(each["joined"] for each in first)}
        await _said(all_of_them, 1, per_second / processes, faults)
        busy = resident_bytes(server.pid)
        log.info("answered", faults=faults)
        # Once the second message is accepted its answer is owed, also to who is away when it comes: by last_seq.
        await all_of_them.all("say", number=2, per_second=per_second / processes)
        await all_of_them.all("until", lines=3, deadline=PATIENCE)
        await all_of_them.all("leave")
        log.info("all gone, with an answer owed to each")
        storm = await all_of_them.all("join")
        log.info("all back", seconds=max(each["seconds"] for each in storm))
        faults["not back"] = sockets - sum(each["joined"] for each in storm)
        _add(faults, await all_of_them.all("until", lines=4, deadline=PATIENCE))
        after = resident_bytes(server.pid)
    joined, stormed = max(each["seconds"] for each in first), max(each["seconds"] for each in storm)
    return SocketResults(sockets, before, idle, busy, after, joined, stormed, faults)


async def _said(everybody: SocketClientProcesses, number: int, per_second: float, faults: dict[str, int]) -> None:
    await everybody.all("say", number=number, per_second=per_second)
    _add(faults, await everybody.all("until", lines=2 * number, deadline=PATIENCE))


def _add(faults: dict[str, int], answers: list[dict[str, Any]]) -> None:
    for answer in answers:
        for name in ("missing", "doubled", "jumps", "beyond"):
            faults[name] = faults.get(name, 0) + answer[name]


async def measure(stage: Stage) -> list[Row]:
    sockets = stage.times(10_000, 80)
    installation = await stage.installation(scaled=False, tenants=tenants())
    await installation.start(flags=["--log-level", "error"])
    server = installation.roles["dev"]
    python = str((await stage.fork_server()).programs / "python") if stage.quick else sys.executable
    ran = await course(server, sockets, processes=stage.times(PROCESSES, 2), python=python)
    assert not any(ran.faults.values()), ran.faults
    return [
        Row(
            "sockets",
            f"{sockets:,} web sockets on one edge: memory of each",
            "KiB",
            ValueRange.of([ran.kib_each]),
            BUDGET_KIB,
            detail={
                "sockets": sockets,
                "joined_in_s": round(ran.joined_s, 1),
                "storm_in_s": round(ran.storm_s, 1),
                "faults": ran.faults,
                "rss_mib": {
                    "before": ran.before >> 20,
                    "idle": ran.idle >> 20,
                    "after a message each": ran.busy >> 20,
                    "after the storm": ran.after_storm >> 20,
                },
            },
        )
    ]
