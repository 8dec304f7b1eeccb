"""Synchronization: read sources, publish new and changed documents, remove those that are gone."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agent_worker.knowledge.text.documents import stem_of
from agent_worker.sources.conversion import Conversion
from agent_worker.sources.isolation import Isolation
from agent_worker.sources.registry import source_of
from gateway.documents.content_hash import hash_document
from gateway.documents.crawl_state import CrawlState, CrawlStateStore
from gateway.documents.document_sources import DocumentSource
from gateway.documents.document_store import DocumentStore, PublishedDocument
from schemas.errors import RequestError, TemporaryRefusal
from schemas.ports import (
    DocumentDraft,
    IncompleteListing,
    ReadDocument,
    SkippedDocument,
    SyncRequest,
    UnchangedDocument,
)

_MIN_SPARED = 5
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f\s]+")


@dataclass(slots=True)
class SyncReport:
    """The result of a sync: ids of documents, and problems.

    ``failed``: file or page → its problem. ``notes`` name sources that were not read completely. ``spared``: source →
    documents that are gone from it, but were not removed because they are so many."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    spared: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to read."""
        return not (self.added or self.changed or self.unchanged or self.failed or self.notes)


async def sync_documents(
    shelf: DocumentStore,
    places: Sequence[DocumentSource],
    *,
    remove: bool,
    memory: CrawlStateStore,
    step: Callable[[str], None] = lambda _what: None,
    many: bool = False,
) -> SyncReport:
    """Publish documents that are new or have changed.

    With ``remove``, documents that are gone from a source are removed, if the source was read completely and is not
    empty. If five or more are gone that are over half of a source's documents, they are only removed with ``many``: a
    website whose start page has lost its links looks as if its pages were gone.

    Raises SetupError for a source that does not exist."""
    async with Isolation() as isolation:
        syncing = _SyncRun(shelf, await shelf.list_published(), memory, Conversion(isolation), step, adopt=remove)
        whole = [place for place in places if await syncing.read(place)]
        if remove:
            await syncing.remove_gone(whole, many=many)
    memory.save()
    return syncing.report


class _SyncRun:
    """One sync. With ``adopt``, a document with the same content and another source is assigned to this source."""

    def __init__(
        self,
        shelf: DocumentStore,
        known: dict[str, PublishedDocument],
        memory: CrawlStateStore,
        conversion: Conversion,
        step: Callable[[str], None],
        *,
        adopt: bool,
    ) -> None:
        self._store = shelf
        self._published = known
        self._crawl_states = memory
        self._conversion = conversion
        self._step = step
        self._adopt = adopt
        self._handled: dict[str, str] = {}
        self.report = SyncReport()

    async def read(self, place: DocumentSource) -> bool:
        """Read a source and publish its documents. Returns whether it was read completely and is not empty."""
        reading = self._crawl_states.state_of(place)
        unchanged = {
            id for id, hash in reading.hashes.items() if id in self._published and self._published[id].hash == hash
        }
        visit = SyncRequest(place.location, place.options, self._conversion, reading.noted, unchanged)
        whole, before = True, len(self._handled)
        try:
            async for found in source_of(place.location).read(visit):
                whole = await self._handle(place, reading, found) and whole
        except (RequestError, TemporaryRefusal) as error:
            self._record_failure(SkippedDocument.of(place.location, error))
            whole = False
        self._crawl_states.set_state(place, reading)
        return whole and len(self._handled) > before

    async def _handle(
        self,
        place: DocumentSource,
        reading: CrawlState,
        found: ReadDocument | UnchangedDocument | SkippedDocument | IncompleteListing,
    ) -> bool:
        if isinstance(found, ReadDocument):
            return await self._handle_document(place, reading, found)
        if isinstance(found, UnchangedDocument):
            self._handled[found.id] = place.location
            self.report.unchanged.append(found.id)
            return True
        if isinstance(found, IncompleteListing):
            self.report.notes.append(found.why)
            return False
        return self._record_failure(found)

    def _record_failure(self, found: SkippedDocument) -> bool:
        self.report.failed[found.name] = found.why
        if found.id:
            self._handled.setdefault(found.id, found.name)
        return bool(found.id)

    async def _handle_document(self, place: DocumentSource, reading: CrawlState, found: ReadDocument) -> bool:
        self._step(found.name)
        draft = build_draft(place, found)
        if self._handled.get(draft.id) == found.name:
            return True  # the same file or page was named twice
        if draft.id in self._handled:
            why = f"has the same document id as {self._handled[draft.id]}: {draft.id}"
            return self._record_failure(SkippedDocument(found.name, why, draft.id))
        self._handled[draft.id] = found.name
        try:
            await self._publish_if_changed(draft)
        except RequestError as error:
            return self._record_failure(SkippedDocument.of(found.name, error, draft.id))
        reading.hashes[draft.id] = hash_document(draft)
        return True

    async def _publish_if_changed(self, draft: DocumentDraft) -> None:
        known = self._published.get(draft.id)
        if known is not None and known.hash == hash_document(draft):
            if self._adopt and known.source != draft.source:
                await self._store.put(draft)
            self.report.unchanged.append(draft.id)
            return
        await self._store.put(draft)
        (self.report.added if known is None else self.report.changed).append(draft.id)

    async def remove_gone(self, places: Sequence[DocumentSource], *, many: bool) -> None:
        gone: set[str] = set()
        for place in places:
            held = {document for document, known in self._published.items() if place.contains(known.source)}
            missing = held - self._handled.keys()
            gone |= missing
            if not many and len(missing) >= _MIN_SPARED and 2 * len(missing) > len(held):
                self.report.spared[place.label] = sorted(missing)
        for document in sorted(gone.difference(*self.report.spared.values())):
            await self._store.remove(document)
            self.report.removed.append(document)


def build_draft(place: DocumentSource, found: ReadDocument) -> DocumentDraft:
    """The document to publish. The source's settings apply where the content sets nothing."""
    content = found.content
    title = _INVISIBLE.sub(" ", content.title or stem_of(found.name.rstrip("/").rpartition("/")[2])).strip()
    return DocumentDraft(
        id=found.id,
        title=title[:300] or found.id,
        body=content.body,
        url=content.url or (found.name if "://" in found.name else ""),
        language=content.language or place.language,
        visibility=content.visibility or place.visibility,
        expires_at=content.expires_at,
        source=place.label,
    )
