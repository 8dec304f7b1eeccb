"""All passages of a tenant in a fixed order, for models that read every document. Documents are split once per version,
not per turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.text.splitting import split
from schemas.conversation import Document
from schemas.ports import Passage

_CHARACTERS_PER_TOKEN = 3
"""Below the true average, so that estimates err on the safe side."""


@dataclass(frozen=True, slots=True)
class _CacheEntry:
    generation: int
    passages: list[tuple[datetime | None, Passage]]


class LongContext:
    """Blocking: callers run it in a thread."""

    def __init__(self) -> None:
        self._cache: dict[str, _CacheEntry] = {}

    def passages(self, tenant: str, index: TenantIndex, now: datetime, tokens: int) -> list[Passage]:
        """All passages that everybody may see now; empty when they exceed ``tokens``."""
        if not index.totals.limited and sum(index.totals.terms) // _CHARACTERS_PER_TOKEN > tokens:
            # Every term has at least one character, so this is too much in any case.
            self._cache.pop(tenant, None)
            return []
        cached = self._cache.get(tenant)
        if cached is None or cached.generation != index.generation:
            generation = index.generation
            documents = (document for document in index.documents() if document.visibility == "public")
            cached = _CacheEntry(generation, [one for document in documents for one in _passages(tenant, document)])
            self._cache[tenant] = cached
        visible = [passage for until, passage in cached.passages if until is None or until > now]
        size = sum(len(one.text) + len(one.title) + len(one.heading) for one in visible)
        return visible if size // _CHARACTERS_PER_TOKEN <= tokens else []


def _passages(tenant: str, document: Document) -> Iterator[tuple[datetime | None, Passage]]:
    for piece in split(document.title, document.body, document.url):
        yield (
            document.expires_at,
            Passage(
                tenant=tenant,
                document=document.id,
                version=document.version,
                title=document.title,
                heading=piece.heading,
                url=piece.url,
                text=piece.text,
                score=0.0,
            ),
        )
