"""One sync: compare the list of pages with the records of the last sync, and read what has changed."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime

from agent_worker.knowledge.text.documents import check_body
from agent_worker.sources.notion.client import NotionClient
from agent_worker.sources.notion.listing import Entry, Listing
from agent_worker.sources.notion.objects import Parent, page_address
from agent_worker.sources.notion.page_reader import PageContent, PageReader
from agent_worker.sources.notion.records import PageRecord, PageRecords
from schemas.errors import DocumentTooLarge, NotFound, ParleyError, Unavailable, Unprocessable
from schemas.ports import Content, IncompleteListing, ReadDocument, SkippedDocument, SyncRequest, UnchangedDocument

Yielded = ReadDocument | UnchangedDocument | SkippedDocument | IncompleteListing
_MAX_FAILURES = 5
"""Pages in a row that cannot be read, until Notion counts as out of order."""
_COMPARED_AT_ONCE = 100
_SHARE_FIX = "open it in Notion, press ••• and *Connections*, and add the connection; or correct the location"


def document_id(page: str) -> str:
    return f"notion-{page}"


class PageSync:
    """``root``: a page or database whose subtree is read; empty for everything that is shared. ``recheck``: the share
    of the unchanged pages that are read again."""

    def __init__(
        self, visit: SyncRequest, client: NotionClient, *, root: str, recheck: float, hidden_properties: Sequence[str]
    ) -> None:
        self._visit = visit
        self._client = client
        self._root = root
        self._recheck = recheck
        self._records = PageRecords(visit.memory)
        self._listing = Listing(client, hidden_properties)
        self._reader = PageReader(client, self._listing.titles)
        self._owners: dict[str, str] = {}
        self._nested: defaultdict[str, list[str]] = defaultdict(list)
        self._compared: dict[str, bool] = {}
        self._linked: set[str] = set()
        self._reached: set[str] = set()
        self._current: list[Entry] = []
        self._unread: deque[Entry] = deque()
        self._failures = 0

    async def run(self) -> AsyncIterator[Yielded]:
        """Raises what ``NotionClient`` raises."""
        if gone := await self._load():
            yield SkippedDocument.of(self._visit.location, gone, is_gone=True)
            return
        for each in self._report_listing():
            yield each
        self._reach([self._root] if self._root else [*self._listing.entries])
        rechecked = self._choose_rechecked()
        for each in self._confirm_current():
            yield each
        while self._unread:
            async for each in self._read(self._unread.popleft()):
                yield each
            for each in self._confirm_current():  # found below the page
                yield each
        async for each in self._read_again(rechecked):
            yield each
        self._forget_others()

    # ── the list ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _load(self) -> NotFound | None:
        """Returns an error if nothing is shared, or not the root."""
        known = list(self._records)
        unlisted = [page for id in known if (record := self._records.find(id)) for page in record.unlisted]
        await self._listing.load([*known, *unlisted], self._records.data_sources)
        if self._root and not await self._find_root():
            return NotFound(f"{page_address(self._root)} is not in Notion, or not shared", fix=_SHARE_FIX)
        if not self._listing.entries:
            return NotFound("no page is shared with the connection", fix=_SHARE_FIX)
        self._keep_data_sources()
        for id in self._records:
            record = self._records.find(id)
            self._owners.update(dict.fromkeys(record.originals, id) if record else {})
        await self._compare()
        self._add_links()
        return None

    async def _find_root(self) -> bool:
        if await self._listing.find_page(self._root):
            return True
        self._listing.problems.pop(self._root, None)  # Notion refuses the id of a database as that of a page
        is_database = await self._listing.find_database(self._root) is not None
        return is_database or await self._listing.find_data_source(self._root)

    def _report_listing(self) -> Iterator[Yielded]:
        if self._listing.is_search_cut and not self._root:
            yield IncompleteListing(
                f"{self._visit.location}: Notion lists 10,000 pages at most; read the rest as `notion://<page>`"
            )
        if self._listing.are_rows_cut:
            yield IncompleteListing(f"{self._visit.location}: a database has more rows than Notion lists")
        for id, error in self._listing.problems.items():
            yield SkippedDocument.of(page_address(id), error, document_id(id))
        for id, error in self._listing.unread_tables.items():
            yield SkippedDocument.of(page_address(id), error)

    def _keep_data_sources(self) -> None:
        self._records.keep_data_sources({each.id: each.parent.id for each in self._listing.data_sources.values()})

    # ── the tree ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _add_links(self) -> None:
        for entry in self._listing.entries.values():
            self._add_link(entry.id, entry.parent)
        for found in self._listing.data_sources.values():
            self._add_link(found.id, found.parent)
            self._add_link(found.parent.id, found.database_parent)

    def _add_link(self, id: str, parent: Parent) -> None:
        """A page inside a toggle has the toggle as its parent: it stands on the page where it was last found. If that
        page has changed, it is found when the page is read."""
        above = parent.id
        if parent.type == "block_id":
            above = self._records.page_around(above)
            entry = self._listing.entries.get(above)
            if entry is None or not self._is_current(entry):
                return
        if above and id not in self._linked:
            self._linked.add(id)
            self._nested[above].append(id)

    def _reach(self, ids: Iterable[str]) -> None:
        """Take these pages and databases, and everything below them."""
        waiting = list(ids)[::-1]
        while waiting:
            id = waiting.pop()
            if id in self._reached:
                continue
            self._reached.add(id)
            entry = self._listing.entries.get(id)
            if entry is not None and self._is_current(entry):
                self._current.append(entry)
            elif entry is not None:
                self._unread.append(entry)
            waiting += self._nested[id][::-1]

    async def _compare(self) -> None:
        """With the records, without holding up what else runs here."""
        for number, entry in enumerate(list(self._listing.entries.values())):
            self._is_current(entry)
            if number % _COMPARED_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _is_current(self, entry: Entry) -> bool:
        if entry.id not in self._compared:
            self._compared[entry.id] = self._matches_record(entry)
        return self._compared[entry.id]

    def _matches_record(self, entry: Entry) -> bool:
        """Whether the page, and the synced blocks of other pages on it, are as they were read."""
        record = self._records.find(entry.id)
        if record is None or record.edited != entry.edited or not record.holds(entry.edited):
            return False
        if record.fingerprint != entry.fingerprint(self._listing.titles):
            return False
        if record.has_document and not record.problem and document_id(entry.id) not in self._visit.unchanged:
            return False  # it was edited or removed elsewhere
        owners = (self._listing.entries.get(self._owners.get(block, "")) for block in record.copies)
        return all(owner is None or record.holds(owner.edited) for owner in owners)

    # ── pages ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _choose_rechecked(self) -> list[Entry]:
        """The pages that were read longest ago. They are read again although they look unchanged, because programs can
        edit a page without changing its time."""
        count = math.ceil(self._recheck * len(self._listing.entries))
        chosen = heapq.nsmallest(count, self._current, key=self._read_time)
        ids = {entry.id for entry in chosen}
        self._current = [entry for entry in self._current if entry.id not in ids]
        return chosen

    def _read_time(self, entry: Entry) -> datetime:
        record = self._records.find(entry.id)
        return record.read if record else entry.edited

    async def _read_again(self, chosen: Sequence[Entry]) -> AsyncIterator[Yielded]:
        """With as many requests as there are pages."""
        last_request = self._client.requests + len(chosen)
        for entry in chosen:
            if self._client.requests < last_request:
                async for each in self._read(entry, is_known=True):
                    yield each
            else:
                for each in self._confirm(entry):
                    yield each

    def _confirm_current(self) -> Iterator[Yielded]:
        taken, self._current = self._current, []
        for entry in taken:
            yield from self._confirm(entry)

    def _confirm(self, entry: Entry) -> Iterator[Yielded]:
        record = self._records.find(entry.id)
        if record is not None and record.problem:
            yield SkippedDocument(entry.url, record.problem, self._id_of_skipped(entry))
        elif record is not None and record.has_document:
            yield UnchangedDocument(document_id(entry.id))

    async def _read(self, entry: Entry, *, is_known: bool = False) -> AsyncIterator[Yielded]:
        """``is_known``: it is unchanged as far as is known, and stays so if it cannot be read now."""
        titles = self._listing.titles
        started, fingerprint = self._client.server_time, entry.fingerprint(titles)
        try:
            content = await self._reader.read(entry.id, entry.title or "Untitled", entry.describe(titles))
            if content.body:
                check_body(entry.url, content.body)
        except NotFound:
            self._records.forget(entry.id)
            return
        except (DocumentTooLarge, Unprocessable) as error:
            skipped = self._skip(entry, error)
            yield skipped
            record = PageRecord(edited=entry.edited, read=started, fingerprint=fingerprint, problem=skipped.why)
            self._put_record(entry, record)
            return
        except Unavailable as error:
            self._failures += 1
            if self._failures >= _MAX_FAILURES:
                raise
            for each in self._confirm(entry) if is_known else [self._skip(entry, error)]:
                yield each
            return
        self._failures = 0
        await self._find_nested(entry, content)
        if content.body:
            title = entry.title or "Untitled"
            yield ReadDocument(document_id(entry.id), entry.url, Content(title=title, body=content.body, url=entry.url))
        unlisted = (id for id in content.pages if id in self._listing.entries and id not in self._listing.searched)
        record = PageRecord(
            edited=entry.edited,
            read=started,
            fingerprint=fingerprint,
            has_document=bool(content.body),
            originals=content.originals,
            copies=content.copies,
            unlisted=tuple(unlisted),
        )
        self._put_record(entry, record)

    def _skip(self, entry: Entry, error: ParleyError) -> SkippedDocument:
        return SkippedDocument.of(entry.url, error, self._id_of_skipped(entry))

    def _id_of_skipped(self, entry: Entry) -> str:
        """In a subtree, the pages inside the toggles of an unread page are not found; then none counts as deleted."""
        return "" if self._root else document_id(entry.id)

    def _put_record(self, entry: Entry, record: PageRecord) -> None:
        self._records.put(entry.id, record)
        self._compared[entry.id] = True

    async def _find_nested(self, entry: Entry, content: PageContent) -> None:
        for id in content.pages:
            found = await self._listing.find_page(id)
            if found is not None:
                self._put_place(found.parent, entry)
                self._add_link(found.id, found.parent)
        size = self._listing.size
        for id in content.databases:
            above = await self._listing.find_database(id)
            if above is not None:
                self._put_place(above, entry)
        if self._listing.size != size:
            self._add_links()
            self._keep_data_sources()
        self._reach([*content.pages, *content.databases])

    def _put_place(self, parent: Parent, entry: Entry) -> None:
        if parent.type == "block_id":
            self._records.put_place(parent.id, entry.id)

    def _forget_others(self) -> None:
        for id in self._records:
            if id not in self._reached:
                self._records.forget(id)
        self._records.forget_places()
