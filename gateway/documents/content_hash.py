"""The hash by which the admin API and `parley knowledge sync` see whether a document has changed."""

from __future__ import annotations

import hashlib
from datetime import datetime

from schemas.conversation import Document
from schemas.ports import DocumentDraft
from schemas.validation.times import convert_to_utc


def content_hash(
    *, title: str, body: str, url: str, language: str, visibility: str, expires_at: datetime | None
) -> str:
    """SHA-256 (hex) of everything that an author decides about a document."""
    ends = convert_to_utc(expires_at).isoformat() if expires_at else ""
    digest = hashlib.sha256()
    for part in (title, body, url, language, visibility, ends):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(f"{len(data)}:".encode() + data)
    return digest.hexdigest()


def hash_document(document: DocumentDraft | Document) -> str:
    return content_hash(
        title=document.title,
        body=document.body,
        url=document.url,
        language=document.language,
        visibility=document.visibility,
        expires_at=document.expires_at,
    )
