"""Watch the state store in each process: when shards are lost, work stops, one process rebuilds them, and work
resumes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from uuid import uuid4

import structlog

from infra.state.rebuild import NO_PERIODS, RebuildReport, rebuild
from schemas import topics
from schemas.errors import ParleyError, StateLost
from schemas.ports import Bus, Checkpoints, Clock, LogPositions, RetentionPeriods, State

LEASE = "rebuild"
LEASE_TTL = 15.0  # seconds
CHECKPOINT_LEASE = "checkpoint"
CHECKPOINT_EVERY = 5.0  # seconds
CHECK_EVERY = 1.0  # seconds
CHECKS_WHILE_LOST = 4
"""Checks in the time of one, so that work resumes soon after another process has rebuilt the state."""
GRACE = 2.0
"""Seconds between emptying the store and reading the log: by then each process has met an error or made its own check,
and what it had committed before is on the log."""
_log = structlog.get_logger(__name__)


class StateRecovery:
    """``lost`` is set while work must not go on, ``available`` while it may; both are unset until the first check.
    Where shards are lost with one server of several, work stops only when all are lost: calls on the others succeed,
    and those on lost ones fail as in an outage.

    The edge answers 503 and lanes stop consuming while ``lost`` is set. Nothing needs a restart: an empty store at the
    first start takes the same path, and is quick when the log is empty."""

    def __init__(
        self,
        state: State,
        bus: Bus,
        *,
        channels: Iterable[str],
        clock: Clock,
        check_every: float = CHECK_EVERY,
        grace: float = GRACE,
        lease_ttl: float = LEASE_TTL,
        periods: Mapping[str, RetentionPeriods] = NO_PERIODS,
    ) -> None:
        self.lost = asyncio.Event()
        self.available = asyncio.Event()
        self.reports: list[RebuildReport] = []
        self._state = state
        self._bus = bus
        self._channels = tuple(channels)
        self._clock = clock
        self._holder = uuid4().hex
        self._check_every = check_every
        self._grace = grace
        self._ttl = lease_ttl
        self._checkpoint_due = 0.0
        self._positions: LogPositions = {}
        self._periods = periods
        self._watch: asyncio.Task[None] | None = None
        self._is_reported = False

    def start(self) -> None:
        self._watch = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None

    async def _run(self) -> None:
        while True:
            try:
                await self._check()
            except ParleyError as error:
                # Unreachable is not lost: callers meet that themselves, and nothing can be rebuilt now.
                _log.warning("rebuild_delayed", error=error.message, fix=error.fix)
            except Exception:
                _log.exception("rebuild_failed")
            await asyncio.sleep(self._check_every / CHECKS_WHILE_LOST if self._is_reported else self._check_every)

    async def _check(self) -> None:
        shards = await self._state.rebuild.check()
        if shards:
            self._stop(shards)
            await self._recover_as_holder()
            shards = await self._state.rebuild.check()
        self._is_reported = self._is_reported and bool(shards)
        if not self._state.stops_without(shards):
            self._resume()
        if not shards and self._state.checkpoints is not None:
            await self._save_checkpoint(self._state.checkpoints)

    async def _save_checkpoint(self, checkpoints: Checkpoints) -> None:
        """One process of all saves one. The positions were read after the last one was saved."""
        now = asyncio.get_running_loop().time()
        if now < self._checkpoint_due:
            return
        self._checkpoint_due = now + CHECKPOINT_EVERY
        leases, ttl = self._state.leases, self._ttl + CHECKPOINT_EVERY
        try:
            if await leases.acquire(CHECKPOINT_LEASE, self._holder, ttl=ttl, now=self._clock()) is not None:
                await checkpoints.save(self._positions)
                self._positions = await read_positions(self._bus, self._channels)
        except ParleyError as error:
            _log.warning("checkpoint_delayed", error=error.message, fix=error.fix)

    async def _recover_as_holder(self) -> None:
        leases = self._state.leases
        if await leases.acquire(LEASE, self._holder, ttl=self._ttl, now=self._clock()) is None:
            return
        try:
            # The earlier holder of the lease may have finished between our check and now.
            shards = await self._state.rebuild.check()
            if shards:
                await self._recover(shards)
        finally:
            with contextlib.suppress(ParleyError):
                await leases.release(LEASE, self._holder)

    async def _recover(self, shards: frozenset[int]) -> None:
        _log.warning("rebuild_started", shards=len(shards))
        work = asyncio.ensure_future(
            rebuild(
                self._bus,
                self._state.rebuild,
                shards,
                channels=self._channels,
                grace=self._grace,
                now=self._clock(),
                periods=self._periods,
                checkpoints=self._state.checkpoints,
                progress=lambda counter, count: _log.info("rebuild_progress", what=counter, count=count),
            )
        )
        renewal = asyncio.ensure_future(self._renew())
        try:
            await asyncio.wait({work, renewal}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise StateLost("the lease of the rebuild was lost", shards=shards)
            report = work.result()
        finally:
            for task in (work, renewal):
                task.cancel()
            await asyncio.gather(work, renewal, return_exceptions=True)
        self.reports.append(report)
        counts = {"conversations": report.conversations, "messages": report.messages, "partial": report.is_partial}
        _log.warning("rebuild_finished", shards=report.shards, **counts)

    async def _renew(self) -> None:
        """Return when the lease belongs to somebody else; a failed renewal is tried again while the lease may still be
        ours."""
        while True:
            await asyncio.sleep(self._ttl / 4)
            with contextlib.suppress(ParleyError):
                if await self._state.leases.acquire(LEASE, self._holder, ttl=self._ttl, now=self._clock()) is None:
                    return

    def _stop(self, shards: frozenset[int]) -> None:
        if not self._is_reported:
            _log.error("state_lost", shards=len(shards))
        self._is_reported = True
        if not self._state.stops_without(shards):
            self._resume()
            return
        self.available.clear()
        self.lost.set()

    def _resume(self) -> None:
        if self.lost.is_set():
            _log.warning("state_recovered")
        self.lost.clear()
        self.available.set()


async def read_positions(bus: Bus, channels: Sequence[str]) -> LogPositions:
    """From where the log has to be read for whatever happens to the state from now on: the end of each topic, and the
    records that some group has still to handle."""
    own = [name for channel in channels for name in (topics.inbound(channel), topics.outbound(channel))]
    read = await bus.end_offsets([topics.STATE, topics.KEYS, topics.EVENTS, topics.DEADLETTER, *own])
    for group, topic, channel in topics.list_readers(channels, channels):
        committed = await bus.committed_offsets(group, topic)
        if committed or group != topics.desk_group(channel):  # people do not work in every channel
            read[topic] = {number: min(end, committed.get(number, 0)) for number, end in read[topic].items()}
    return read
