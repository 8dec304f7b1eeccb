"""The documents of a replay as a log in memory, from which an index is built. Nothing can be appended to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable

from schemas.conversation import Document
from schemas.envelope import envelope
from schemas.ports import Follower, Record
from schemas.topics import DOCUMENT_PUBLISHED, KNOWLEDGE


class DocumentLog:
    """One tenant's documents, each under its version. Implements what the index needs of Bus, and KnowledgeHeads."""

    def __init__(self, tenant: str, documents: Iterable[Document]) -> None:
        self._tenant = tenant
        self._records: list[Record] = []
        copies = Counter[int]()
        for document in sorted(documents, key=lambda each: each.version):
            # A version is a position on the log, so documents of the same version come from several partitions.
            self._records.append(_build_record(tenant, document, copies[document.version]))
            copies[document.version] += 1

    async def follow(self, topic: str) -> Follower:
        """See Bus."""
        return _DocumentFollower(self._records if topic == KNOWLEDGE else [])

    async def of(self, tenant: str) -> dict[int, int]:
        """See KnowledgeHeads."""
        return {record.partition: record.offset for record in self._records} if tenant == self._tenant else {}


class _DocumentFollower:
    def __init__(self, records: list[Record]) -> None:
        self.caught_up = asyncio.Event()
        self._records = records
        self._closed = asyncio.Event()

    async def records(self) -> AsyncIterator[Record]:
        for record in self._records:
            yield record
        self.caught_up.set()
        await self._closed.wait()

    async def close(self) -> None:
        self._closed.set()


def _build_record(tenant: str, document: Document, partition: int) -> Record:
    published = envelope(
        DOCUMENT_PUBLISHED,
        document,
        id=f"{document.id}-{document.version}",
        time=document.updated_at,
        source="parley/replay",
        tenant=tenant,
        subject=document.id,
    )
    return Record(
        topic=KNOWLEDGE,
        partition=partition,
        offset=document.version - 1,
        key=f"{tenant}/{document.id}",
        value=published.data,
        headers=dict(published.headers()),
        timestamp_ms=int(document.updated_at.timestamp() * 1000),
    )
