"""Writing documents: onto the compacted topic, then the tenant's head, so that the next turn waits for them."""

from __future__ import annotations

from datetime import datetime

from agent_worker.knowledge.reading import check_body
from agent_worker.knowledge.splitting import split
from schemas.conversation import Document
from schemas.envelope import Envelope, envelope
from schemas.ids import derived_id
from schemas.ports import Bus, DocumentDraft, Heads
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
