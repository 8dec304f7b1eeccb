"""The list of everything that is shared with the connection.

No single list of Notion's is both complete and up to date. The search names every page with the time of its last edit,
a hundred for one request, but new pages appear in it late, and some may be missing
(https://developers.notion.com/reference/search-optimizations-and-limitations). So rows are listed by their
databases, nested pages are also found where they stand, and a page that was known and is no longer listed is asked for
by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent_worker.sources.notion.client import NotionClient, repeat_list
from agent_worker.sources.notion.objects import DataSource, Page, Parent, Reference, Results, parse, vendor_link
from agent_worker.sources.notion.rich_text import Property, property_list, readable_properties, title_of
from schemas.errors import NotFound, ParleyError, Unprocessable


@dataclass(frozen=True, slots=True)
class Entry:
    """A page as it is listed."""

    id: str
    title: str
    url: str
    parent: Parent
    edited: datetime
    properties: tuple[Property, ...]

    def describe(self, titles: Mapping[str, str]) -> str:
        """Its properties as markdown."""
        return property_list(self.properties, titles)

    def fingerprint(self, titles: Mapping[str, str]) -> str:
        """Changes with what can change without an edit of the page, such as a formula's value or another page's
        title."""
        text = f"{self.title}\0{self.url}\0{self.describe(titles)}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Listing:
    """``entries``: page → how it is listed. ``searched``: the pages that the search found. ``data_sources``: tables of
    databases. ``problems``: page → why it cannot be listed; ``unread_tables``: table → why its rows cannot.
    ``is_search_cut`` and ``are_rows_cut``: there is more than Notion lists."""

    def __init__(self, client: NotionClient, hidden_properties: Sequence[str]) -> None:
        self._client = client
        self._hidden = hidden_properties
        self._queried: set[str] = set()
        self._absent: set[str] = set()
        self.entries: dict[str, Entry] = {}
        self.titles: dict[str, str] = {}
        self.data_sources: dict[str, DataSource] = {}
        self.searched: set[str] = set()
        self.problems: dict[str, ParleyError] = {}
        self.unread_tables: dict[str, ParleyError] = {}
        self.is_search_cut = False
        self.are_rows_cut = False

    @property
    def size(self) -> int:
        return len(self.entries) + len(self.data_sources)

    async def load(self, known_pages: Iterable[str], known_data_sources: Iterable[str]) -> None:
        await repeat_list(self._search)
        self.searched = set(self.entries)
        for id in known_data_sources:
            await self.find_data_source(id)
        while waiting := self.data_sources.keys() - self._queried:  # a wiki's rows may be databases
            await self.find_data_source(min(waiting))
        for id in known_pages:
            await self.find_page(id)

    async def find_page(self, id: str) -> Entry | None:
        """A page by its id, None if it is gone. What the lists did not have is asked for."""
        if id not in self.entries and id not in self._absent:
            try:
                self._add_page(await self._client.page(id))
            except NotFound:
                self._absent.add(id)
            except Unprocessable as error:
                self._absent.add(id)
                self.problems[id] = error
        return self.entries.get(id)

    async def find_database(self, id: str) -> Parent | None:
        """List the rows of a database. Returns where the database stands, None if it is gone, or if it is only a view
        of one that is not shared."""
        if not any(each.parent.id == id for each in self.data_sources.values()):
            try:
                database = await self._client.database(id)
            except (NotFound, Unprocessable):
                return None
            place = Parent(type="database_id", database_id=database.id)
            for reference in [] if database.in_trash else database.data_sources:
                found = DataSource(object="data_source", id=reference.id, parent=place, database_parent=database.parent)
                self.data_sources.setdefault(found.id, found)
        tables = [each for each in self.data_sources.values() if each.parent.id == id]
        for table in tables:
            await self._query(table.id)
        return tables[0].database_parent if tables else None

    async def find_data_source(self, id: str) -> bool:
        """List the rows of one table. Returns False if it is gone."""
        if id not in self.data_sources:
            try:
                self._add_data_source(await self._client.data_source(id))
            except (NotFound, Unprocessable):
                return False
        if id in self.data_sources:
            await self._query(id)
        return id in self.data_sources

    # ── search ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _search(self) -> None:
        cursor: str | None = None
        while True:
            results = await self._client.search(cursor)
            self.is_search_cut = self.is_search_cut or results.is_cut
            unfinished = [each for each in results.results if not self._add(each)]
            for each in unfinished:
                await self.find_page(parse(Reference, each).id)
            cursor = results.next_cursor
            if not results.has_more or cursor is None:
                return

    def _add(self, found: Mapping[str, object]) -> bool:
        """Returns False for a page of which only the id is given."""
        if found.get("object") == "data_source" and "parent" in found:
            self._add_data_source(parse(DataSource, found))
        elif found.get("object") == "page":
            if "last_edited_time" not in found:
                return False
            self._add_page(parse(Page, found))
        return True

    def _add_page(self, page: Page) -> None:
        if page.in_trash or page.is_archived:
            self.entries.pop(page.id, None)
            self._absent.add(page.id)
            return
        title = title_of(page.properties)
        self.titles[page.id] = title
        self.entries[page.id] = Entry(
            page.id,
            title,
            vendor_link(page.url, page.id),
            page.parent,
            page.last_edited_time,
            tuple(readable_properties(page.properties, self._hidden)),
        )

    def _add_data_source(self, found: DataSource) -> None:
        if not found.in_trash:
            self.data_sources[found.id] = found

    # ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _query(self, data_source: str) -> None:
        """List the rows. What the search says of them does not count any more."""
        if data_source in self._queried:
            return
        self._queried.add(data_source)
        try:
            rows = await repeat_list(lambda: self._rows(data_source))
        except NotFound:
            rows = {}
            self.data_sources.pop(data_source, None)
        except Unprocessable as error:
            self.unread_tables[data_source] = error
            return
        for id, entry in list(self.entries.items()):
            if entry.parent.data_source_id == data_source and id not in rows:
                del self.entries[id]
        for page in rows.values():
            self._add_page(page)

    async def _rows(self, data_source: str) -> dict[str, Page]:
        """A query ends after 10,000 rows; the next one begins at the time when the last of those was created."""
        rows: dict[str, Page] = {}
        since: datetime | None = None
        while await self._read_rows(data_source, since, rows):
            newest = max(page.created_time for page in rows.values())
            if newest == since:  # more than 10,000 rows of one minute
                self.are_rows_cut = True
                break
            since = newest
        return rows

    async def _read_rows(self, data_source: str, since: datetime | None, rows: dict[str, Page]) -> bool:
        """One query. Returns whether it was cut off."""
        cursor: str | None = None
        is_cut = False
        while True:
            results = await self._client.query(data_source, cursor, since)
            is_cut = is_cut or results.is_cut
            rows.update((page.id, page) for page in self._parse_rows(results))
            cursor = results.next_cursor
            if not results.has_more or cursor is None:
                return is_cut and bool(rows)

    def _parse_rows(self, results: Results) -> list[Page]:
        """The rows of a wiki may be databases, which are listed by themselves."""
        for each in results.results:
            if each.get("object") == "data_source":
                self._add(each)
        return [parse(Page, each) for each in results.results if each.get("object") == "page"]
