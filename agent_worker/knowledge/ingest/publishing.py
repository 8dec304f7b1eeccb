"""Publishing of documents: append to the compacted topic, then raise the tenant's head, so that the next turn waits for
them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from agent_worker.knowledge.index.tenant_index import fingerprint
from agent_worker.knowledge.ingest.document_history import extend_history
from agent_worker.knowledge.text.documents import check_body
from schemas.conversation import Document
from schemas.envelope import Envelope, envelope
from schemas.errors import UndecodableRecord
from schemas.ids import derived_id
from schemas.ports import Bus, DocumentDraft, KnowledgeHeads, Record
from schemas.topics import DOCUMENT_PUBLISHED

SOURCE = "parley/knowledge"


async def publish(
    bus: Bus,
    heads: KnowledgeHeads,
    tenant: str,
    draft: DocumentDraft,
    now: datetime,
    *,
    previous: Document | None = None,
) -> int:
    """Returns the version. Durable when it returns, searchable shortly after. ``previous``: the document that it
    replaces, which joins its history. Raises DocumentTooLarge and Unprocessable."""
    check_body(draft.id, draft.body)
    document = draft.build_document(0, now)  # readers set the version to the record's position in the log
    if previous is not None:
        history = await asyncio.to_thread(extend_history, previous, document)
        document = document.model_copy(update={"history": history})
    return await _append(bus, heads, _wrap(tenant, draft.id, document, now))


async def delete(bus: Bus, heads: KnowledgeHeads, tenant: str, document: str, now: datetime) -> None:
    """Append a tombstone. Deleting a missing document does no harm."""
    await _append(bus, heads, _wrap(tenant, document, None, now))


def _wrap(tenant: str, document_id: str, document: Document | None, now: datetime) -> Envelope:
    event = derived_id(f"{tenant}/{document_id}", now.isoformat())
    return envelope(DOCUMENT_PUBLISHED, document, id=event, time=now, source=SOURCE, tenant=tenant, subject=document_id)


async def _append(bus: Bus, heads: KnowledgeHeads, event: Envelope) -> int:
    (position,) = await bus.append([event])
    await heads.advance(event.tenant, position.partition, position.offset)
    return position.offset + 1


Change = tuple[Document, str] | None
"""A document with its fingerprint; None when it was deleted."""


def document_key(record: Record) -> tuple[str, str]:
    """``(tenant, document id)``. Raises RecordError."""
    tenant, _, document_id = record.key.partition("/")
    if not tenant or not document_id:
        raise UndecodableRecord(f"the key {record.key!r} is not tenant/document")
    return tenant, document_id


def read_record(record: Record) -> Change:
    """The change that a record makes. Raises RecordError."""
    tenant, document_id = document_key(record)
    if record.value is None:
        return None
    envelope = Envelope.from_wire(record.headers, record.value)
    if envelope.type != DOCUMENT_PUBLISHED or envelope.tenant != tenant:
        raise UndecodableRecord(f"{envelope.type} of {envelope.tenant} under the key of {tenant}")
    document = envelope.payload(Document)
    if document.id != document_id:
        raise UndecodableRecord("the document's id is not the key's")
    return (document.model_copy(update={"version": record.offset + 1}), fingerprint(record.value))


CACHE_S = 0.1
"""Seconds for which an answer is reused."""


class HeadCache:
    """Recent answers of the store about tenants' heads, so that concurrent turns do not each ask.

    An answer requested after a message arrived covers every write acknowledged before that message, because a write is
    acknowledged only after the store knows it.
    """

    def __init__(self, heads: KnowledgeHeads, now: Callable[[], float] = time.monotonic) -> None:
        self._heads = heads
        self._now = now
        self._answers: dict[str, tuple[float, Mapping[int, int]]] = {}
        """By tenant: the time of the last request, and its answer."""

    def find(self, tenant: str, since: float) -> Mapping[int, int] | None:
        """A recent answer that was requested after ``since`` (``time.monotonic``), if there is one."""
        requested, head = self._answers.get(tenant, (0.0, {}))
        return head if requested and requested >= since and self._now() - requested <= CACHE_S else None

    async def load(self, tenant: str) -> Mapping[int, int]:
        requested = self._now()
        head = await self._heads.of(tenant)
        if requested >= self._answers.get(tenant, (0.0, {}))[0]:
            self._answers[tenant] = requested, head
        return head
