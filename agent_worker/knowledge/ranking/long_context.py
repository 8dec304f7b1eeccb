"""All passages of a tenant in a fixed order, for models that are shown everything: split once a version, not a turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.text.splitting import split
from schemas.conversation import Document
from schemas.ports import Passage

_CHARACTERS = 3
"""Characters that count as one token: fewer than the true average, so that an estimate errs on the safe side."""


@dataclass(frozen=True, slots=True)
class _Held:
    versions: Mapping[str, int]
    passages: list[tuple[datetime | None, Passage]]


class WholeTexts:
    """Blocking: callers run it in a thread."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    def of(self, tenant: str, index: TenantIndex, now: datetime, tokens: int) -> list[Passage]:
        """What may be shown to everybody now; nothing when that is more than so many tokens."""
        if not index.census.limited and index.census.terms // _CHARACTERS > tokens:
            # A term has a character at least: far too much is neither read nor kept.
            self._held.pop(tenant, None)
            return []
        held = self._held.get(tenant)
        if held is None or held.versions != index.versions:
            versions = dict(index.versions)
            documents = (document for document in index.documents() if document.visibility == "public")
            held = _Held(versions, [one for document in documents for one in _passages(tenant, document)])
            self._held[tenant] = held
        shown = [passage for until, passage in held.passages if until is None or until > now]
        size = sum(len(one.text) + len(one.title) + len(one.heading) for one in shown)
        return shown if size // _CHARACTERS <= tokens else []


def _passages(tenant: str, document: Document) -> Iterator[tuple[datetime | None, Passage]]:
    for piece in split(document.title, document.body):
        yield (
            document.expires_at,
            Passage(
                tenant=tenant,
                document=document.id,
                version=document.version,
                title=document.title,
                heading=piece.heading,
                url=document.url,
                text=piece.text,
                score=0.0,
            ),
        )
