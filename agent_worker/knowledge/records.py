"""Records of the knowledge topic as what they change."""

from __future__ import annotations

from agent_worker.knowledge.index import fingerprint
from schemas.conversation import Document
from schemas.envelope import Envelope
from schemas.errors import UndecodableRecord
from schemas.ports import Record
from schemas.topics import DOCUMENT_PUBLISHED

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
