"""The sources of a tenant and their states, as operators see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from gateway.documents.document_sources import DocumentSource, configured_sources
from gateway.documents.schedule import SyncSchedule
from gateway.documents.source_state import SourceState, SourceStates, SyncTrigger
from gateway.wiring.process_services import ProcessServices
from schemas.errors import NotFound
from schemas.ports import SourceNotification

SIGNAL = "knowledge-sync"
"""Signalled when a source is to be synced now, because looking at all of them all the time would cost too much."""


NOTIFIED_DELAY = timedelta(seconds=2)
"""Before a sync that a vendor's notification asks for: an edit comes as several notifications."""
NOTIFIED_PAUSE = timedelta(seconds=20)
"""Between such syncs."""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A source with its state. ``next_run`` is None for one that is synced only when asked."""

    source: DocumentSource
    state: SourceState
    schedule: SyncSchedule
    is_stale: bool


class SourceDirectory:
    """The sources of a tenant, as operators see them."""

    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        self._states = SourceStates(services.state.leases, services.clock)

    async def list_sources(self, tenant: str) -> list[SourceStatus]:
        return [await self._status(tenant, source) for source in configured_sources(self._services.config, tenant)]

    async def find(self, tenant: str, id: str) -> SourceStatus:
        """Raises NotFound."""
        for source in configured_sources(self._services.config, tenant):
            if source.id == id:
                return await self._status(tenant, source)
        raise NotFound("no such source")

    async def demand(self, tenant: str, id: str, *, allow_removals: bool = False) -> SourceStatus:
        """Have a source synced as soon as possible. Raises NotFound."""
        await self.find(tenant, id)
        now = self._services.clock()

        def change(state: SourceState) -> None:
            state.demand = SyncTrigger(at=now, allow_removals=allow_removals)

        await self._states.change(tenant, id, change)
        await self._services.state.signals.publish(SIGNAL, f"{tenant}/{id}".encode())
        return await self.find(tenant, id)

    async def notify(self, tenant: str, id: str, notification: SourceNotification) -> None:
        """Have a source synced because its vendor says that it changed, or keep the token that the vendor sent. Changes
        that follow each other are read in one sync. Raises NotFound."""
        await self.find(tenant, id)
        now = self._services.clock()

        def change(state: SourceState) -> None:
            state.verification_token = notification.verification_token
            if notification.verification_token or state.demand is not None:
                return
            earliest = state.last.ended + NOTIFIED_PAUSE if state.last else now
            state.demand = SyncTrigger(at=max(now + NOTIFIED_DELAY, earliest))

        await self._states.change(tenant, id, change)
        await self._services.state.signals.publish(SIGNAL, f"{tenant}/{id}".encode())

    async def _status(self, tenant: str, source: DocumentSource) -> SourceStatus:
        state, schedule = await self._states.read(tenant, source.id), SyncSchedule.of(source)
        is_stale = schedule.is_stale(state.succeeded_at or state.since, self._services.clock())
        return SourceStatus(source, state, schedule, is_stale)
