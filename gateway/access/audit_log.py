"""The audit trail as people and programs read it: pages, the whole of it, and its verification."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from gateway.wiring.process_services import ProcessServices
from schemas.audit.records import INSTALLATION, AuditRecord, AuditVerification, verify_records
from schemas.audit.trail import head_key, read_records
from schemas.errors import InvalidRequest
from schemas.ports import Bus, KnowledgeHeads

FIRST_WINDOW = 1_000
"""Offsets that are read for a page at first; eight times as many as long as the page is not full."""
EARLY = timedelta(days=1)
"""Records that are missing this long before the end of their retention were removed by somebody."""

_CURSOR = re.compile(r"([0-9]{1,19})\.([0-9]{1,19})\.([0-9a-f-]{1,64})")


@dataclass(frozen=True, slots=True)
class AuditRecordPage:
    """Records, the newest first. ``next`` is the cursor of the following page, empty if there is none."""

    items: list[AuditRecord]
    next: str


class AuditLog:
    """Reads the records of a tenant, and those of the installation, which concern every tenant."""

    def __init__(self, bus: Bus, heads: KnowledgeHeads) -> None:
        self._bus = bus
        self._heads = heads

    @classmethod
    def from_services(cls, services: ProcessServices) -> AuditLog:
        return cls(services.bus, services.state.heads)

    async def read_page(
        self, tenant: str, *, after: str = "", actor: str = "", action: str = "", limit: int = 50
    ) -> AuditRecordPage:
        """Read a page. ``action`` is a whole name (``token.create``) or its first part (``token``). Raises
        InvalidRequest (the cursor is not one of ours)."""
        end = _parse_cursor(after)

        def matches(record: AuditRecord) -> bool:
            return (
                (end is None or _place(record) < end)
                and (not actor or record.actor == actor)
                and (not action or f"{record.action}.".startswith(f"{action}."))
            )

        sources = [await self._read_newest(name, matches, limit + 1) for name in (tenant, INSTALLATION)]
        found = sorted(chain.from_iterable(sources), key=_place, reverse=True)
        items = found[:limit]
        return AuditRecordPage(items, _build_cursor(items[-1]) if len(found) > limit else "")

    async def read_all(self, tenant: str) -> AsyncIterator[AuditRecord]:
        """All records of the tenant, then those of the installation, in the order of the log."""
        for name in (tenant, INSTALLATION):
            async for record in read_records(self._bus, name, {}):
                yield record

    async def verify(self, tenant: str, *, keep: timedelta, now: datetime) -> AuditVerification:
        """Verify the chain of a tenant, and that neither its beginning nor its end was removed. ``keep``: how long
        records are kept."""
        head = await self._heads.of(head_key(tenant))
        result = verify_records([record async for record in read_records(self._bus, tenant, {})])
        if head and not [record async for record in read_records(self._bus, tenant, head)]:
            result.problems.append("the newest records are missing")
        if result.removed_before is not None and result.removed_before > now - keep + EARLY:
            result.problems.append(f"records of {result.removed_before.isoformat()} and before were removed too early")
        return result

    async def _read_newest(self, tenant: str, matches: Callable[[AuditRecord], bool], limit: int) -> deque[AuditRecord]:
        head, window = await self._heads.of(head_key(tenant)), FIRST_WINDOW
        while True:
            since = {partition: max(0, offset - window) for partition, offset in head.items()}
            found: deque[AuditRecord] = deque(maxlen=limit)
            async for record in read_records(self._bus, tenant, since):
                if matches(record):
                    found.append(record)
            if len(found) == limit or not any(since.values()):
                return found
            window *= 8


def _place(record: AuditRecord) -> tuple[int, int, str]:
    """The place of a record in lists: by time, and by number in the chain where times are the same."""
    return int(record.at.timestamp() * 1_000_000), record.number, record.id


def _build_cursor(record: AuditRecord) -> str:
    return ".".join(map(str, _place(record)))


def _parse_cursor(text: str) -> tuple[int, int, str] | None:
    if not text:
        return None
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise InvalidRequest("after: must be the `next` of the previous page")
    return int(match[1]), int(match[2]), match[3]
