"""Gauges of a process and of consumer groups (lag, age, load), and the readiness of a process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from agent_worker.knowledge.library import Library
from gateway.documents.startup_import import StartupImport
from gateway.wiring.engines import Engine
from gateway.wiring.process_services import ProcessServices
from infra.bus.lanes import Lanes
from infra.state.recovery import StateRecovery
from schemas import topics
from schemas.errors import ParleyError

INTERVAL = 2.0
LONG_INTERVAL = 5.0
"""Seconds between two reports of readiness, and of groups of other processes."""


class ProgressTimer:
    """Measures for how long a group has had records to consume without committing any."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._since = monotonic()
        self._committed: Mapping[int, int] | None = None

    def age(self, lag: int, committed: Mapping[int, int]) -> float:
        """Seconds since the group stalled. 0 if no record waits, or if something was committed since the last call."""
        if not lag:
            self._committed = None  # the next record starts to wait when it is seen
            return 0.0
        if committed != self._committed:
            self._since, self._committed = self._monotonic(), dict(committed)
            return 0.0
        return self._monotonic() - self._since


class GroupGauges:
    """Gauges of one consumer group on one topic."""

    def __init__(self, services: ProcessServices, topic: str, group: str, channel: str) -> None:
        self._services = services
        self._topic = topic
        self._group = self.name = group
        self._channel = channel
        self._progress = ProgressTimer()

    async def report(self, lanes: Lanes | None = None) -> None:
        """Report the gauges. ``lanes`` is None if this process is not a member of the group.

        Figures from memory are reported even if the bus does not answer. Raises BusUnavailable."""
        metrics = self._services.metrics
        is_worker_group = self._group == topics.worker_group(self._channel)
        if is_worker_group and lanes is not None:
            metrics.gauge("parley_worker_load", lanes.load, channel=self._channel)
            metrics.gauge("parley_oldest_waiting_seconds", lanes.oldest_waiting, channel=self._channel)
        lag = (await self._services.bus.lag(self._group, [self._topic])).get(self._topic, 0)
        metrics.gauge("parley_lag_records", lag, topic=self._topic, group=self._group)
        if is_worker_group:
            stalled = self._progress.age(lag, await self._services.bus.committed_offsets(self._group, self._topic))
            waiting = 0.0 if lanes is None else lanes.oldest_waiting
            # The age of records that nobody has read is unknown, but they have waited at least since the group stalled.
            metrics.gauge("parley_oldest_waiting_seconds", max(waiting, stalled), channel=self._channel)


def gauges_of_groups(services: ProcessServices, channels: list[str]) -> list[GroupGauges]:
    """The gauges of all groups of these channels, for a process that is a member of none of them."""
    readers = topics.list_readers(channels, services.config.desks.values())
    return [GroupGauges(services, reader.topic, reader.group, reader.channel) for reader in readers]


async def report_readiness(services: ProcessServices, role: str) -> None:
    """Report ``parley_ready``: 1 or 0 for each part of this process."""
    problems = await services.check_readiness()
    names = {"bus", "state", *(["knowledge"] if services.knowledge is not None else []), *problems}
    for name in names:
        services.metrics.gauge("parley_ready", 0.0 if name in problems else 1.0, role=role, part=name)


async def report_owners(services: ProcessServices) -> None:
    """Report the number of conversations of each owner."""
    for owner, count in (await services.state.conversations.counts()).items():
        services.metrics.gauge("parley_conversations", count, owner=owner)


REUSE_GOOD_S = 2.0
"""Seconds for which a good result is reused."""
REUSE_BAD_S = 0.5
"""Seconds for which a bad result is reused: short, so that a recovery is seen soon."""
PROBE_TIMEOUT_S = 4.0
"""Seconds after which a part that does not answer counts as not ready."""
Probe = Callable[[], Awaitable[None]]


class Readiness:
    """The readiness of a process. Results are reused for a moment, because each probe writes to the log and the state
    store. ``pending``: documents that are not searchable yet, or an empty text."""

    def __init__(
        self,
        probes: Mapping[str, Probe],
        recovery: StateRecovery,
        *,
        pending: Callable[[], str] = str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probes = dict(probes)
        self._pending = pending
        self._recovery = recovery
        self._monotonic = monotonic
        self._result: asyncio.Task[dict[str, str]] | None = None
        self._started_at = 0.0

    async def __call__(self) -> dict[str, str]:
        """The problem of each part that is not ready. Concurrent callers share the result."""
        if self._result is None or (self._result.done() and self._is_old(self._result.result())):
            self._started_at = self._monotonic()
            self._result = asyncio.get_running_loop().create_task(self._run_probes())
        problems = dict(await asyncio.shield(self._result))
        if not self._recovery.available.is_set():
            problems["state"] = (
                "being rebuilt" if self._recovery.lost.is_set() else problems.get("state", "being checked")
            )
        if documents := self._pending():
            problems.setdefault("knowledge", documents)
        return problems

    def _is_old(self, problems: Mapping[str, str]) -> bool:
        return self._monotonic() - self._started_at >= (REUSE_BAD_S if problems else REUSE_GOOD_S)

    async def _run_probes(self) -> dict[str, str]:
        reasons = await asyncio.gather(*map(self._run_probe, self._probes.values()))
        return {name: reason for name, reason in zip(self._probes, reasons, strict=True) if reason}

    async def _run_probe(self, probe: Probe) -> str:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await probe()
        except TimeoutError:
            return f"no answer within {PROBE_TIMEOUT_S:g} s"
        except ParleyError as error:
            return error.message
        return ""


def build_readiness(
    engine: Engine, library: Library | None, recovery: StateRecovery, documents: StartupImport | None
) -> Readiness:
    """The readiness of a process with these parts."""
    probes = {"bus": engine.bus.check_ready, "state": engine.state.check_ready}
    if library is not None:
        probes["knowledge"] = library.wait_until_ready
    return Readiness(probes, recovery, pending=documents.describe_pending if documents is not None else str)
