"""The service that syncs sources on their schedules, and when an operator asks. Each process with documents runs one;
leases let one of them at a time sync a source."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from gateway.config.settings import Config
from gateway.documents.document_sources import DocumentSource, configured_sources, path_sources
from gateway.documents.schedule import SyncSchedule
from gateway.documents.source_directory import SIGNAL
from gateway.documents.source_lease import SourceLease
from gateway.documents.source_run import SourceRun
from gateway.documents.source_state import SourceState, SourceStates
from gateway.documents.startup_import import StartupImport
from gateway.wiring.process_services import ProcessServices
from schemas.errors import Fenced, TemporaryRefusal
from schemas.ports import Clock, ImportState, Leases

log = structlog.get_logger("parley.knowledge")

TICK_S = 1.0
"""Seconds between two looks at what is due."""
_LOOK_EVERY_S = 30.0
_BUSY_S = 5.0
_MAX_SYNCS = 4


class SyncService:
    """``scheduled``: sync on schedule, too, and not only when asked."""

    def __init__(self, services: ProcessServices, *, scheduled: bool = True) -> None:
        self._services = services
        self._scheduled = scheduled
        self._states = SourceStates(services.state.leases, services.clock)
        self._sources = {
            (tenant, source.id): source
            for tenant in services.config.tenants
            for source in configured_sources(services.config, tenant)
        }
        self._look_at = dict.fromkeys(self._sources, services.clock())
        self._syncs: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(_MAX_SYNCS)
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Sync until cancelled. What is not finished then goes on at the next start."""
        listener = asyncio.create_task(self._listen())
        try:
            while True:
                await self._look_at_sources()
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        await self._wake.wait()
                self._wake.clear()
        finally:
            tasks = [listener, *self._syncs.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> None:
        async for payload in self._services.state.signals.subscribe(SIGNAL):
            tenant, _, id = payload.decode(errors="replace").partition("/")
            if (tenant, id) in self._look_at:
                self._look_at[tenant, id] = self._services.clock()
                self._wake.set()

    async def _look_at_sources(self) -> None:
        now = self._services.clock()
        for key, at in list(self._look_at.items()):
            if at <= now and key not in self._syncs:
                try:
                    await self._look_at_source(*key)
                except TemporaryRefusal as error:
                    self._look_again(key, _BUSY_S)
                    log.info("source_not_looked_at", tenant=key[0], source=key[1], code=error.code)

    async def _look_at_source(self, tenant: str, id: str) -> None:
        key, now = (tenant, id), self._services.clock()
        source, schedule = self._sources[key], SyncSchedule.of(self._sources[key])
        state = await self._states.read(tenant, id)
        if state.since is None:
            state = await self._states.change(tenant, id, lambda state: _set_since(state, now))
        await self._report(tenant, source, schedule, state)
        if self._is_due(state, schedule, now):
            self._syncs[key] = asyncio.create_task(self._sync(tenant, source, schedule))
            self._syncs[key].add_done_callback(lambda _task: self._forget(key))
            return
        times = (state.demand.at if state.demand else None, state.next_run if self._scheduled else None)
        self._look_again(key, _LOOK_EVERY_S, min((at for at in times if at is not None), default=None))

    def _is_due(self, state: SourceState, schedule: SyncSchedule, now: datetime) -> bool:
        """A sync that runs may be one whose process was killed: then its lease is free."""
        is_demanded = state.demand is not None and state.demand.at <= now
        if is_demanded or not self._scheduled:
            return is_demanded
        if state.running is not None:
            return True
        return schedule.interval_s > 0 and (state.next_run is None or state.next_run <= now)

    def _forget(self, key: tuple[str, str]) -> None:
        del self._syncs[key]
        self._wake.set()

    def _look_again(self, key: tuple[str, str], seconds: float, at: datetime | None = None) -> None:
        latest = self._services.clock() + timedelta(seconds=seconds)
        self._look_at[key] = min(at, latest) if at is not None else latest

    # ── one sync ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _sync(self, tenant: str, source: DocumentSource, schedule: SyncSchedule) -> None:
        key = (tenant, source.id)
        lease = SourceLease(self._services.state.leases, tenant, source, self._services.clock)
        async with self._slots:
            try:
                if not await lease.acquire():
                    self._look_again(key, _BUSY_S)
                    return
                try:
                    await self._sync_under(lease, tenant, source, schedule)
                finally:
                    await lease.release()
            except (Fenced, TemporaryRefusal) as error:
                log.info("sync_postponed", tenant=tenant, source=source.id, code=error.code)
                self._look_again(key, _BUSY_S)
            except Exception:
                log.error("sync_failed", tenant=tenant, source=source.id, exc_info=True)
                self._look_again(key, _LOOK_EVERY_S)

    async def _sync_under(
        self, lease: SourceLease, tenant: str, source: DocumentSource, schedule: SyncSchedule
    ) -> None:
        run = SourceRun(self._services, self._states, tenant, source, schedule, uuid4().hex)
        if not await run.begin(lambda state: self._is_due(state, schedule, self._services.clock())):
            self._look_again((tenant, source.id), _LOOK_EVERY_S)
            return
        work, keeper = asyncio.create_task(run.sync(lease)), asyncio.create_task(lease.keep())
        try:
            await asyncio.wait((work, keeper), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise Fenced("another process may sync this source by now")
            work.result()
        finally:
            work.cancel()
            keeper.cancel()
            await asyncio.gather(work, keeper, return_exceptions=True)
        self._look_at[tenant, source.id] = self._services.clock()

    # ── reports ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _report(self, tenant: str, source: DocumentSource, schedule: SyncSchedule, state: SourceState) -> None:
        now, metrics = self._services.clock(), self._services.metrics
        since = state.succeeded_at or state.since
        is_stale = schedule.is_stale(since, now)
        labels = {"tenant": tenant, "source": source.id}
        if since is not None:
            metrics.gauge("parley_knowledge_sync_age_seconds", (now - since).total_seconds(), **labels)
        metrics.gauge("parley_knowledge_sync_stale", float(is_stale), **labels)
        metrics.gauge("parley_knowledge_sync_held", len(state.held.documents) if state.held else 0, **labels)
        if is_stale and not state.is_stale:
            await self._warn_once(tenant, source, since)

    async def _warn_once(self, tenant: str, source: DocumentSource, since: datetime | None) -> None:
        """One process warns, and once until the source was synced again."""
        is_first: list[bool] = []

        def change(state: SourceState) -> None:
            is_first.append(not state.is_stale)
            state.is_stale = True

        await self._states.change(tenant, source.id, change)
        if is_first[0]:
            log.warning("source_stale", tenant=tenant, source=source.id, location=source.label, since=str(since))


class DocumentImports:
    """Tells which documents are being read for the first time: configured files in this process, other sources in any.
    A source that was read once is not looked up again."""

    def __init__(self, config: Config, leases: Leases, clock: Clock, startup: StartupImport | None) -> None:
        self._states = SourceStates(leases, clock)
        self._startup = startup
        self._counts, self._unread = dict[str, int](), dict[str, dict[str, bool]]()
        for tenant in config.tenants:
            sources = configured_sources(config, tenant)
            own = {source.id for source in path_sources(config, tenant)} if startup is not None else set[str]()
            self._counts[tenant] = len(sources)
            self._unread[tenant] = {
                source.id: SyncSchedule.of(source).interval_s > 0 for source in sources if source.id not in own
            }

    async def find(self, tenant: str) -> ImportState:
        """Raises StateUnavailable."""
        if self._startup is not None and self._startup.is_reading(tenant):
            return "first"
        unread = self._unread.get(tenant, {})
        for source, scheduled in list(unread.items()):
            is_first = await self._states.is_first_sync(tenant, source, scheduled=scheduled)
            if is_first:
                return "first" if len(unread) == self._counts[tenant] else "more"
            if is_first is None:
                unread.pop(source, None)
        return ""


def _set_since(state: SourceState, now: datetime) -> None:
    state.since = state.since or now
