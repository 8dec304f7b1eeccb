"""The earlier versions of a document, which its own record carries.

They are written and lost together with the document: there is no second store that a crash could leave behind. Texts
are kept once by content hash and compressed together, so that a version of a text that was edited in one place takes a
few hundred bytes."""

from __future__ import annotations

import hashlib
import json
import lzma
from base64 import b64decode, b64encode
from collections.abc import Sequence

import structlog
from pydantic import ValidationError

from schemas.conversation import Document, DocumentVersion

log = structlog.get_logger("parley.knowledge")

MAX_VERSIONS = 20
"""Earlier versions that are kept of a document."""
MAX_BYTES = 64 * 1024
"""What the packed versions may take in a document's record; the oldest that exceed it are dropped."""
MAX_RECORD_BYTES = 960 * 1024
"""A document and its versions together: brokers refuse records of more than a mebibyte."""
_MAX_UNPACKED_BYTES = 32 * 1024 * 1024
_PRESET = 1  # higher ones take far longer for texts of this size, and save little
_COMPARED = {"title", "body", "url", "language", "visibility", "expires_at"}


def list_versions(document: Document) -> list[DocumentVersion]:
    """The earlier versions that are still kept, newest first; empty if they cannot be read."""
    if not document.history:
        return []
    try:
        data = lzma.LZMADecompressor().decompress(b64decode(document.history), _MAX_UNPACKED_BYTES)
        packed = json.loads(data)
        return [
            DocumentVersion.model_validate(version | {"body": packed["bodies"][version["body"]]})
            for version in packed["versions"]
        ]
    except (lzma.LZMAError, ValueError, KeyError, TypeError, ValidationError) as error:
        log.warning("document_history_unreadable", document=document.id, reason=type(error).__name__)
        return []


def extend_history(previous: Document, draft: Document) -> str:
    """The history of ``draft``, which replaces ``previous``, packed. A version is added only if its content changed."""
    versions = list_versions(previous)
    if previous.model_dump(include=_COMPARED) != draft.model_dump(include=_COMPARED):
        versions = [DocumentVersion.model_validate(previous.model_dump(exclude={"history"})), *versions]
    else:
        return previous.history
    room = min(MAX_BYTES, MAX_RECORD_BYTES - len(json.dumps(draft.body, ensure_ascii=False).encode()))
    return _pack(versions[:MAX_VERSIONS], room)


def _pack(versions: Sequence[DocumentVersion], room: int) -> str:
    """As many of the versions as fit, the newest first."""
    kept = list(versions)
    while kept:
        packed = _compress(kept)
        if len(packed) <= room:
            return packed
        # Sizes are roughly proportional, so a few steps are enough.
        kept = kept[: min(len(kept) - 1, max(1, len(kept) * room // len(packed)))] if room > 0 else []
    return ""


def _compress(versions: Sequence[DocumentVersion]) -> str:
    bodies = {hash_text(version.body): version.body for version in versions}
    rows = [version.model_dump(mode="json") | {"body": hash_text(version.body)} for version in versions]
    data = json.dumps({"bodies": bodies, "versions": rows}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return b64encode(lzma.compress(data, preset=_PRESET)).decode()


def hash_text(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
