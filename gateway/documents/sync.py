"""Synchronization: read sources, publish new and changed documents, remove those that are gone."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field

from agent_worker.knowledge.text.documents import stem_of
from agent_worker.sources.conversion import Conversion
from agent_worker.sources.isolation import Isolation
from agent_worker.sources.registry import source_of
from gateway.documents.content_hash import hash_document
from gateway.documents.crawl_state import CrawlState, CrawlStates
from gateway.documents.document_sources import DocumentSource
from gateway.documents.document_store import DocumentStore, PublishedDocument
from schemas.errors import BusUnavailable, ParleyError, RequestError, StateLost, StateUnavailable, TemporaryRefusal
from schemas.ports import (
    DocumentDraft,
    IncompleteListing,
    ReadDocument,
    SkippedDocument,
    SyncRequest,
    UnchangedDocument,
)

OWN_OUTAGES = (BusUnavailable, StateUnavailable, StateLost)
"""Errors that are not the source's."""
_SAVE_AFTER_READS = 25
_SAVE_AFTER_S = 10.0
_MAX_SAVING_SHARE = 0.2
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f\s]+")


@dataclass(slots=True)
class SyncReport:
    """The result of a sync: ids of documents, and problems.

    ``failed``: file or page → its problem, and ``refused`` says more of each. ``notes`` name sources that were not read
    completely, and ``incomplete`` are their labels. ``errors``: source → why it could not be read at all. ``held``:
    source → documents that are gone from it, but were not removed because they are so many."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    held: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    refused: list[SkippedDocument] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    errors: dict[str, ParleyError] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to read."""
        published = self.added or self.changed or self.unchanged
        return not (published or self.removed or self.held or self.failed or self.notes)


def needs_consent(gone: int, documents: int) -> bool:
    """Whether an operator is asked before documents of a source are removed: if more than one is gone, and more than a
    fifth of the source."""
    return gone > 1 and 5 * gone > documents


async def sync_documents(
    store: DocumentStore,
    sources: Sequence[DocumentSource],
    *,
    remove: bool,
    crawl_states: CrawlStates,
    step: Callable[[str], None] = lambda _what: None,
    allow_removals: bool = False,
    kept: Collection[str] = frozenset(),
) -> SyncReport:
    """Publish documents that are new or have changed. A sync that is killed goes on about where it was.

    With ``remove``, documents that are gone from a source are removed, if the source was read completely, except those
    that are ``kept``. If they are so many that it ``needs_consent``, they are only removed with ``allow_removals``: a
    website whose start page has lost its links looks as if its pages were gone.

    Raises SetupError for a source that does not exist, and errors of the log and the state store."""
    async with Isolation() as isolation:
        sync = _SyncRun(store, await store.list_published(), crawl_states, Conversion(isolation), step, adopt=remove)
        complete = [source for source in sources if await sync.read(source)]
        if remove:
            await sync.remove_gone(complete, frozenset(kept), allow_removals=allow_removals)
    await crawl_states.save()
    return sync.report


class _Checkpoints:
    """The times at which a sync saves its state: often, but without spending much of its time on that."""

    def __init__(self, save: Callable[[], Awaitable[None]]) -> None:
        self._save = save
        self._reads = 0
        self._saved_at = time.monotonic()
        self._cost = 0.0

    async def reach(self, *, is_read: bool) -> None:
        """A point at which everything that the state says is done."""
        self._reads += is_read
        passed = time.monotonic() - self._saved_at
        is_due = self._reads >= _SAVE_AFTER_READS or passed >= _SAVE_AFTER_S
        if not is_due or passed * _MAX_SAVING_SHARE < self._cost:
            return
        begun = time.monotonic()
        await self._save()
        self._reads, self._saved_at = 0, time.monotonic()
        self._cost = self._saved_at - begun


class _SyncRun:
    """One sync. With ``adopt``, a document with the same content and another source is assigned to this source."""

    def __init__(
        self,
        store: DocumentStore,
        published: dict[str, PublishedDocument],
        crawl_states: CrawlStates,
        conversion: Conversion,
        step: Callable[[str], None],
        *,
        adopt: bool,
    ) -> None:
        self._store = store
        self._published = published
        self._crawl_states = crawl_states
        self._conversion = conversion
        self._step = step
        self._adopt = adopt
        self._handled: dict[str, str] = {}
        self.report = SyncReport()

    async def read(self, source: DocumentSource) -> bool:
        """Read a source and publish its documents. Returns whether it was read completely."""
        state = self._crawl_states.state_of(source)
        unchanged = {
            id for id, hash in state.hashes.items() if id in self._published and self._published[id].hash == hash
        }
        request = SyncRequest(
            source.location, source.options, self._conversion, state.noted, unchanged, source.visibility
        )

        async def save() -> None:
            self._crawl_states.set_state(source, state)
            await self._crawl_states.save()

        is_complete, checkpoints = True, _Checkpoints(save)
        try:
            async for item in source_of(source.location).read(request):
                is_complete = await self._handle(source, state, item) and is_complete
                await checkpoints.reach(is_read=isinstance(item, ReadDocument))
        except OWN_OUTAGES:
            raise
        except (RequestError, TemporaryRefusal) as error:
            self._record_failure(SkippedDocument.of(source.location, error))
            self.report.errors[source.label] = error
            is_complete = False
        self._crawl_states.set_state(source, state)
        if not is_complete:
            self.report.incomplete.append(source.label)
        return is_complete

    async def _handle(
        self,
        source: DocumentSource,
        state: CrawlState,
        item: ReadDocument | UnchangedDocument | SkippedDocument | IncompleteListing,
    ) -> bool:
        if isinstance(item, ReadDocument):
            return await self._handle_document(source, state, item)
        if isinstance(item, UnchangedDocument):
            self._handled[item.id] = source.location
            self.report.unchanged.append(item.id)
            return True
        if isinstance(item, IncompleteListing):
            self.report.notes.append(item.why)
            return False
        return self._record_failure(item)

    def _record_failure(self, document: SkippedDocument) -> bool:
        self.report.failed[document.name] = document.why
        self.report.refused.append(document)
        if document.id and not document.is_gone:
            self._handled.setdefault(document.id, document.name)
        return bool(document.id) or document.is_gone

    async def _handle_document(self, source: DocumentSource, state: CrawlState, document: ReadDocument) -> bool:
        self._step(document.name)
        draft = build_draft(source, document)
        if self._handled.get(draft.id) == document.name:
            return True  # the same file or page was named twice
        if draft.id in self._handled:
            why = f"has the same document id as {self._handled[draft.id]}: {draft.id}"
            return self._record_failure(SkippedDocument(document.name, why, draft.id))
        self._handled[draft.id] = document.name
        try:
            await self._publish_if_changed(draft)
        except RequestError as error:
            return self._record_failure(SkippedDocument.of(document.name, error, draft.id))
        state.hashes[draft.id] = hash_document(draft)
        return True

    async def _publish_if_changed(self, draft: DocumentDraft) -> None:
        published = self._published.get(draft.id)
        if published is not None and published.hash == hash_document(draft):
            if self._adopt and published.source != draft.source:
                await self._store.put(draft)
            self.report.unchanged.append(draft.id)
            return
        await self._store.put(draft)
        (self.report.added if published is None else self.report.changed).append(draft.id)

    async def remove_gone(
        self, sources: Sequence[DocumentSource], kept: frozenset[str], *, allow_removals: bool
    ) -> None:
        gone: set[str] = set()
        # Of a file that holds several documents, the ids of all begin with that of the file.
        unread = tuple(f"{each.id}-" for each in self.report.refused if each.id and not each.is_gone)
        for source in sources:
            documents = {
                document for document, published in self._published.items() if source.contains(published.source)
            } - kept
            missing = {each for each in documents - self._handled.keys() if not each.startswith(unread)}
            gone |= missing
            if not allow_removals and needs_consent(len(missing), len(documents)):
                self.report.held[source.label] = sorted(missing)
        for document in sorted(gone.difference(*self.report.held.values())):
            await self._store.remove(document)
            self.report.removed.append(document)


def build_draft(source: DocumentSource, document: ReadDocument) -> DocumentDraft:
    """The document to publish. The source's settings apply where the content sets nothing."""
    content = document.content
    title = _INVISIBLE.sub(" ", content.title or stem_of(document.name.rstrip("/").rpartition("/")[2])).strip()
    return DocumentDraft(
        id=document.id,
        title=title[:300] or document.id,
        body=content.body,
        url=content.url or (document.name if "://" in document.name else ""),
        language=content.language or source.language,
        visibility=content.visibility or source.visibility,
        expires_at=content.expires_at,
        source=source.label,
    )
