"""Writing documents: onto the compacted topic, then the tenant's head, so that the next turn waits for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime

from agent_worker.knowledge.index.tenant_index import fingerprint
from agent_worker.knowledge.text.documents import check_body
from agent_worker.knowledge.text.splitting import split
from schemas.conversation import Document
from schemas.envelope import Envelope, envelope
from schemas.errors import UndecodableRecord
from schemas.ids import derived_id
from schemas.ports import Bus, DocumentDraft, Heads, Record
from schemas.topics import DOCUMENT_PUBLISHED

SOURCE = "parley/knowledge"


async def publish(bus: Bus, heads: Heads, tenant: str, draft: DocumentDraft, now: datetime) -> tuple[int, int]:
    """``(version, passages)``. Durable when it returns, searchable within moments. Raises DocumentTooLarge,
    Unprocessable."""
    check_body(draft.id, draft.body)
    document = Document(
        id=draft.id,
        title=draft.title,
        body=draft.body,
        url=draft.url,
        language=draft.language,
        visibility=draft.visibility,
        expires_at=draft.expires_at,
        source=draft.source,
        version=0,  # the reader sets it: the version is the record's place in the log
        updated_at=now,
    )
    version = await _append(bus, heads, _wrap(tenant, draft.id, document, now))
    return version, len(split(draft.title, draft.body))


async def delete(bus: Bus, heads: Heads, tenant: str, document: str, now: datetime) -> None:
    """A tombstone; deleting what is not there does no harm."""
    await _append(bus, heads, _wrap(tenant, document, None, now))


def _wrap(tenant: str, document_id: str, document: Document | None, now: datetime) -> Envelope:
    event = derived_id(f"{tenant}/{document_id}", now.isoformat())
    return envelope(DOCUMENT_PUBLISHED, document, id=event, time=now, source=SOURCE, tenant=tenant, subject=document_id)


async def _append(bus: Bus, heads: Heads, event: Envelope) -> int:
    (position,) = await bus.append([event])
    await heads.raise_to(event.tenant, position.partition, position.offset)
    return position.offset + 1


# Records of the knowledge topic as what they change.
Change = tuple[Document, str] | None
"""A document with its fingerprint; None when it was deleted."""


def document_key(record: Record) -> tuple[str, str]:
    """``(tenant, document id)``. Raises RecordError."""
    tenant, _, document_id = record.key.partition("/")
    if not tenant or not document_id:
        raise UndecodableRecord(f"the key {record.key!r} is not tenant/document")
    return tenant, document_id


def read_record(record: Record) -> Change:
    """What a record changes. Raises RecordError."""
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


# How far a tenant's knowledge is written, as the store said lately: turns that wait together need not each ask.
KEPT_S = 0.1
"""For so long one answer does for others too."""


class RecentHeads:
    """What a contact asked before the store was asked may rely on all that was written before it wrote: a write is
    acknowledged only once the store knows of it."""

    def __init__(self, heads: Heads, now: Callable[[], float] = time.monotonic) -> None:
        self._heads = heads
        self._now = now
        self._known: dict[str, tuple[float, Mapping[int, int]]] = {}
        """By tenant: when the store was asked last, and its answer."""

    def known(self, tenant: str, since: float) -> Mapping[int, int] | None:
        """An answer to a question put after ``since`` (``time.monotonic``), if there is a recent one."""
        asked, head = self._known.get(tenant, (0.0, {}))
        return head if asked and asked >= since and self._now() - asked <= KEPT_S else None

    async def of(self, tenant: str) -> Mapping[int, int]:
        asked = self._now()
        head = await self._heads.of(tenant)
        if asked >= self._known.get(tenant, (0.0, {}))[0]:
            self._known[tenant] = asked, head
        return head
