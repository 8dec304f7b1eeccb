"""The stored state of each source: its last sync, its next one, and what waits for an operator."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from schemas.errors import Unavailable
from schemas.ports import Clock, Leases

_LEASE_S = 10.0
_ATTEMPTS = 40
_MAX_PAUSE_S = 0.1
Result = Literal["succeeded", "incomplete", "failed"]


class _StoredModel(BaseModel):
    model_config = ConfigDict(extra="ignore")


class RefusedDocument(_StoredModel):
    """A file or page that could not be read. ``document``: its id, where it is known."""

    name: str
    document: str
    code: str
    why: str
    fix: str


class SyncRun(_StoredModel):
    """A finished sync. ``incomplete``: something could not be listed, so nothing was removed. ``code``, ``why`` and
    ``fix`` belong to a failed one. The lists name the first documents, the counts state all."""

    started: datetime
    ended: datetime
    result: Result
    code: str = ""
    why: str = ""
    fix: str = ""
    counts: dict[str, int] = {}
    added: list[str] = []
    changed: list[str] = []
    unchanged: list[str] = []
    removed: list[str] = []
    refused: list[RefusedDocument] = []
    notes: list[str] = []


class SyncProgress(_StoredModel):
    """A sync that has begun. ``id`` tells it from others; ``read`` counts documents."""

    id: str
    started: datetime
    read: int = 0


class SyncTrigger(_StoredModel):
    """A wish to have the source synced at a certain time: of an operator, or of its vendor after a change."""

    at: datetime
    allow_removals: bool = False


class PendingRemoval(_StoredModel):
    """Documents that are gone from the source, and are removed only when an operator approves. ``total`` is how many
    the source had. ``hidden``: those that answer no questions in the meantime → the time at which they would have
    expired, or empty."""

    since: datetime
    documents: list[str]
    total: int
    hidden: dict[str, str] = {}


class SourceState(_StoredModel):
    """``failures``: failed syncs in a row. ``kept``: documents that are gone from the source and that an operator
    decided to keep. ``is_stale``: that it was reported as stale. ``verification_token``: sent by the vendor's webhook,
    to be entered there."""

    since: datetime | None = None
    running: SyncProgress | None = None
    demand: SyncTrigger | None = None
    last: SyncRun | None = None
    succeeded_at: datetime | None = None
    next_run: datetime | None = None
    failures: int = 0
    held: PendingRemoval | None = None
    kept: list[str] = []
    is_stale: bool = False
    verification_token: str = ""


FIRST_SYNC = timedelta(minutes=15)
"""Time after which a source that was not read once is no longer waited for."""


class SourceStates:
    """The states of all sources, in the notes of short leases, so that all processes see and change the same."""

    def __init__(self, leases: Leases, clock: Clock) -> None:
        self._leases = leases
        self._clock = clock

    async def read(self, tenant: str, source: str) -> SourceState:
        note = await self._leases.read_note(_name(tenant, source))
        return SourceState.model_validate_json(note) if note else SourceState()

    async def is_first_sync(self, tenant: str, source: str, *, scheduled: bool) -> bool | None:
        """Return whether the source is being read for the first time, or will be at once; None if it was read before,
        or takes so long that nobody waits for it."""
        state = await self.read(tenant, source)
        if state.last is not None or (state.since is not None and self._clock() - state.since > FIRST_SYNC):
            return None
        return scheduled or state.running is not None or state.demand is not None

    async def change(self, tenant: str, source: str, change: Callable[[SourceState], None]) -> SourceState:
        """Let ``change`` edit the state, which nobody else changes meanwhile. What it raises leaves the state as it
        was. Raises Unavailable."""
        name, holder = _name(tenant, source), uuid4().hex
        token = await self._acquire(name, holder)
        try:
            state = await self.read(tenant, source)
            change(state)
            if not await self._leases.save_note(name, token, state.model_dump_json(exclude_defaults=True)):
                raise Unavailable("another process changes the state of this source")
            return state
        finally:
            await self._leases.release(name, holder)

    async def _acquire(self, name: str, holder: str) -> int:
        for _ in range(_ATTEMPTS):
            token = await self._leases.acquire(name, holder, ttl=_LEASE_S, now=self._clock())
            if token is not None:
                return token
            await asyncio.sleep(random.uniform(0, _MAX_PAUSE_S))
        raise Unavailable("another process changes the state of this source")


def _name(tenant: str, source: str) -> str:
    return f"knowledge-source:{tenant}:{source}"
