"""Places against a tenant's documents: what is new or changed is published, what is gone may be removed."""

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
from gateway.documents.locations import Place
from gateway.documents.published import Known, Shelf
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
    """``failed`` maps a file or page to what is wrong with it; ``notes`` say where there is more than was read.
    ``spared``: place → documents that are gone there, but so many that they were not removed."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    spared: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """There was nothing to read."""
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
    """Publish what differs. With ``remove``, documents of a place that was read whole and no longer holds them are
    removed; not those of an empty place, nor, unless ``many`` may go, five and more that are over half of a place's:
    a site whose start page has lost its links looks like one that has lost its pages. Raises SetupError for a place
    that is not there."""
    async with Isolation() as isolation:
        syncing = _Syncing(shelf, await shelf.known(), memory, Conversion(isolation), step, adopt=remove)
        whole = [place for place in places if await syncing.read(place)]
        if remove:
            await syncing.remove_gone(whole, many=many)
    memory.save()
    return syncing.report


class _Syncing:
    """``adopt``: a document that came from elsewhere, and is the same here, becomes the place's."""

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
        """Whether the whole of it was read, and held anything."""
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
            return True  # named twice
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
    """With what the place says where the content is silent."""
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
