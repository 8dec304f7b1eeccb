"""Synchronization: read sources, publish new and changed documents, remove those that are gone."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agent_worker.knowledge.text.documents import stem_of
from agent_worker.sources.conversion import Conversion
from agent_worker.sources.isolation import Isolation
from agent_worker.sources.registry import source_of
from gateway.documents.content_hash import hash_of
from gateway.documents.crawl_state import Memory, Reading
from gateway.documents.document_sources import Place
from gateway.documents.document_store import Known, Shelf
from schemas.errors import RequestError, TemporaryRefusal
from schemas.ports import (
    DocumentDraft,
    IncompleteListing,
    ReadDocument,
    SkippedDocument,
    SyncRequest,
    UnchangedDocument,
)

_MANY = 5
_UNSEEN = re.compile(r"[\x00-\x1f\x7f\s]+")


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


async def sync(
    shelf: Shelf,
    places: Sequence[Place],
    *,
    remove: bool,
    memory: Memory,
    step: Callable[[str], None] = lambda _what: None,
    many: bool = False,
) -> SyncReport:
    """Publish documents that are new or have changed.

    With ``remove``, documents that are gone from a source are removed, if the source was read completely and is not
    empty. If five or more are gone that are over half of a source's documents, they are only removed with ``many``: a
    website whose start page has lost its links looks as if its pages were gone.

    Raises SetupError for a source that does not exist."""
    async with Isolation() as isolation:
        syncing = _Syncing(shelf, await shelf.known(), memory, Conversion(isolation), step, adopt=remove)
        whole = [place for place in places if await syncing.read(place)]
        if remove:
            await syncing.remove_gone(whole, many=many)
    memory.save()
    return syncing.report


class _Syncing:
    """One sync. With ``adopt``, a document with the same content and another source is assigned to this source."""

    def __init__(
        self,
        shelf: Shelf,
        known: dict[str, Known],
        memory: Memory,
        conversion: Conversion,
        step: Callable[[str], None],
        *,
        adopt: bool,
    ) -> None:
        self._shelf = shelf
        self._known = known
        self._memory = memory
        self._conversion = conversion
        self._step = step
        self._adopt = adopt
        self._names: dict[str, str] = {}
        self.report = SyncReport()

    async def read(self, place: Place) -> bool:
        """Read a source and publish its documents. Returns whether it was read completely and is not empty."""
        reading = self._memory.of(place)
        unchanged = {id for id, hash in reading.hashes.items() if id in self._known and self._known[id].hash == hash}
        visit = SyncRequest(place.location, place.options, self._conversion, reading.noted, unchanged)
        whole, before = True, len(self._names)
        try:
            async for found in source_of(place.location).read(visit):
                whole = await self._take(place, reading, found) and whole
        except (RequestError, TemporaryRefusal) as error:
            self._leave_out(SkippedDocument.of(place.location, error))
            whole = False
        self._memory.keep(place, reading)
        return whole and len(self._names) > before

    async def _take(
        self,
        place: Place,
        reading: Reading,
        found: ReadDocument | UnchangedDocument | SkippedDocument | IncompleteListing,
    ) -> bool:
        if isinstance(found, ReadDocument):
            return await self._document(place, reading, found)
        if isinstance(found, UnchangedDocument):
            self._names[found.id] = place.location
            self.report.unchanged.append(found.id)
            return True
        if isinstance(found, IncompleteListing):
            self.report.notes.append(found.why)
            return False
        return self._leave_out(found)

    def _leave_out(self, found: SkippedDocument) -> bool:
        self.report.failed[found.name] = found.why
        if found.id:
            self._names.setdefault(found.id, found.name)
        return bool(found.id)

    async def _document(self, place: Place, reading: Reading, found: ReadDocument) -> bool:
        self._step(found.name)
        draft = draft_of(place, found)
        if self._names.get(draft.id) == found.name:
            return True  # the same file or page was named twice
        if draft.id in self._names:
            why = f"has the same document id as {self._names[draft.id]}: {draft.id}"
            return self._leave_out(SkippedDocument(found.name, why, draft.id))
        self._names[draft.id] = found.name
        try:
            await self._publish(draft)
        except RequestError as error:
            return self._leave_out(SkippedDocument.of(found.name, error, draft.id))
        reading.hashes[draft.id] = hash_of(draft)
        return True

    async def _publish(self, draft: DocumentDraft) -> None:
        known = self._known.get(draft.id)
        if known is not None and known.hash == hash_of(draft):
            if self._adopt and known.source != draft.source:
                await self._shelf.put(draft)
            self.report.unchanged.append(draft.id)
            return
        await self._shelf.put(draft)
        (self.report.added if known is None else self.report.changed).append(draft.id)

    async def remove_gone(self, places: Sequence[Place], *, many: bool) -> None:
        gone: set[str] = set()
        for place in places:
            held = {document for document, known in self._known.items() if place.holds(known.source)}
            missing = held - self._names.keys()
            gone |= missing
            if not many and len(missing) >= _MANY and 2 * len(missing) > len(held):
                self.report.spared[place.label] = sorted(missing)
        for document in sorted(gone.difference(*self.report.spared.values())):
            await self._shelf.remove(document)
            self.report.removed.append(document)


def draft_of(place: Place, found: ReadDocument) -> DocumentDraft:
    """The document to publish. The source's settings apply where the content sets nothing."""
    content = found.content
    title = _UNSEEN.sub(" ", content.title or stem_of(found.name.rstrip("/").rpartition("/")[2])).strip()
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
