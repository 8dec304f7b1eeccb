"""The writer of the audit trail. Every surface records an act through it before the act happens."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

from pydantic import ValidationError

from schemas import topics
from schemas.audit.records import AuditRecord
from schemas.envelope import Envelope, envelope
from schemas.ports import Bus, Clock, KnowledgeHeads, State

SOURCE = "parley/audit"
BEGIN_SECONDS = 10.0
"""Seconds that one process has for writing the first record of a tenant, while others wait for it."""
_NOWHERE = 2**62
"""An offset beyond every partition's end: nothing is read there."""


@dataclass(frozen=True, slots=True)
class _WaitingRecord:
    """An act that waits for its record. Whoever wanted to do it may have gone away meanwhile."""

    fields: dict[str, str]
    recorded: asyncio.Future[None]

    def succeed(self) -> None:
        if not self.recorded.done():
            self.recorded.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self.recorded.done():
            self.recorded.set_exception(error)


class AuditTrail:
    """Appends records to ``parley.audit``, each with the hash of the one before it.

    The position of a tenant's newest record is kept in the state store, where a process that writes for the first time
    finds what to continue, and a verification finds out whether the end was cut off."""

    def __init__(self, *, bus: Bus, state: State, clock: Clock) -> None:
        self._bus = bus
        self._heads = state.heads
        self._leases = state.leases
        self._clock = clock
        self._holder = uuid4().hex
        self._newest: dict[str, AuditRecord | None] = {}
        self._waiting: defaultdict[str, list[_WaitingRecord]] = defaultdict(list)
        self._writers: dict[str, asyncio.Task[None]] = {}

    async def record(self, tenant: str, action: str, *, actor: str, surface: str, subject: str) -> None:
        """Record an act that is about to happen; durable when this returns. Raises BusUnavailable, StateUnavailable,
        StateLost: then the act must not happen."""
        fields = {"action": action, "actor": actor, "surface": surface, "subject": subject}
        act = _WaitingRecord(fields, asyncio.get_running_loop().create_future())
        self._waiting[tenant].append(act)
        if tenant not in self._writers:
            self._writers[tenant] = asyncio.create_task(self._write_waiting(tenant))
        await act.recorded

    async def _write_waiting(self, tenant: str) -> None:
        """Write what waits. What arrives during a write goes together into the next one, so that a chain, which has an
        order, does not limit how many acts there are per second."""
        try:
            while acts := self._waiting.pop(tenant, []):
                await self._write(tenant, acts)
        finally:
            del self._writers[tenant]

    async def _write(self, tenant: str, acts: list[_WaitingRecord]) -> None:
        try:
            if tenant not in self._newest:
                self._newest[tenant] = await self._find_previous(tenant)
            # Where the append fails, nobody knows whether the records are on the log, so the log is asked again.
            previous, events = self._newest.pop(tenant), []
            for act in acts:
                previous = self._build_record(tenant, previous, act.fields)
                events.append(wrap_record(previous))
            newest = (await self._bus.append(events))[-1]
            await self._heads.advance(head_key(tenant), newest.partition, newest.offset)
            self._newest[tenant] = previous
        except Exception as error:
            for act in acts:
                act.fail(error)
        else:
            for act in acts:
                act.succeed()

    def _build_record(self, tenant: str, previous: AuditRecord | None, fields: dict[str, str]) -> AuditRecord:
        return AuditRecord(
            id=str(uuid4()),
            tenant=tenant,
            at=self._clock(),
            number=previous.number + 1 if previous is not None else 1,
            previous=previous.hash if previous is not None else "",
            previous_at=previous.at if previous is not None else None,
            **fields,
        ).seal()

    async def _find_previous(self, tenant: str) -> AuditRecord | None:
        """Find the record to continue; None for the one process that may write a tenant's very first record."""
        while (newest := await find_newest(self._bus, self._heads, tenant)) is None:
            now = self._clock()
            if await self._leases.acquire(head_key(tenant), self._holder, ttl=BEGIN_SECONDS, now=now) is not None:
                return await find_newest(self._bus, self._heads, tenant)
            await asyncio.sleep(0.05)
        return newest


def wrap_record(record: AuditRecord) -> Envelope:
    kind, tenant = topics.AUDIT_RECORDED, record.tenant
    return envelope(kind, record, id=record.id, time=record.at, source=SOURCE, tenant=tenant)


def head_key(tenant: str) -> str:
    """The key of the position of a tenant's newest record. No tenant's name contains a colon."""
    return f"audit:{tenant}"


async def find_newest(bus: Bus, heads: KnowledgeHeads, tenant: str) -> AuditRecord | None:
    """Find the newest record of a tenant; None if there is none."""
    newest = None
    async for record in read_records(bus, tenant, await heads.of(head_key(tenant))):
        newest = record
    return newest


async def read_records(bus: Bus, tenant: str, since: dict[int, int]) -> AsyncIterator[AuditRecord]:
    """Read the records of a tenant from an offset on its partition; without one, all. A record that cannot be read is
    left out, so that the next one lacks its predecessor."""
    if since:
        partitions = (await bus.describe_topics())[topics.AUDIT]
        since = dict.fromkeys(range(partitions), _NOWHERE) | since
    found = await bus.read(topics.AUDIT, since=since, keys=lambda key: key == tenant)
    async for each in found:
        try:
            yield AuditRecord.model_validate_json(each.value or b"")
        except ValidationError:
            continue
