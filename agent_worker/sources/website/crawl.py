"""The crawl of one site from a start page or a sitemap, yielding documents, unchanged pages and skipped pages."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from yarl import URL

from agent_worker.knowledge.text.documents import MAX_RAW_BYTES
from agent_worker.sources.files import documents_of
from agent_worker.sources.registry import format_of
from agent_worker.sources.web_page import WEB_PAGE
from agent_worker.sources.website.fetcher import CrawlForbidden, Fetcher, PageResponse
from agent_worker.sources.website.limits import MAX_PAGE_BYTES, CrawlBudget, CrawlLimits
from agent_worker.sources.website.links import CrawlInstructions, page_id, page_key, read_instructions, resolve_link
from agent_worker.sources.website.page_cache import PageCache, PageRecord, digest_of
from agent_worker.sources.website.robots import RobotsRules
from agent_worker.sources.website.sitemap import is_sitemap, list_pages
from schemas.errors import Forbidden, NotFound, ParleyError, TooLarge, Unavailable, Unprocessable
from schemas.ports import IncompleteListing, ReadDocument, SkippedDocument, SyncRequest, UnchangedDocument

Yielded = ReadDocument | UnchangedDocument | SkippedDocument | IncompleteListing


@dataclass(frozen=True, slots=True)
class _PageTask:
    url: URL
    depth: int


class Crawl:
    def __init__(self, visit: SyncRequest, start: URL, limits: CrawlLimits, fetcher: Fetcher) -> None:
        self._visit = visit
        self._start = start
        self._limits = limits
        self._fetcher = fetcher
        self._budget = CrawlBudget(limits)
        self._rules = RobotsRules(fetcher)
        self._cache = PageCache(visit.memory, visit.unchanged)
        self._host = start.host
        self._queue: deque[_PageTask] = deque()
        self._seen_pages: set[str] = set()
        self._digests: set[str] = set()
        self._visited = 0

    async def run(self) -> AsyncIterator[Yielded]:
        """Raises RequestError and Unavailable when the start cannot be read."""
        async for each in self._begin():
            yield each
        while self._queue:
            if limit_reached := self._budget.exceeded_limit(self._visited, self._fetcher.spent):
                yield IncompleteListing(f"{self._start}: {limit_reached}")
                return
            page = self._queue.popleft()
            self._visited += 1
            for found in await self._load_page(page):
                yield found
            await asyncio.sleep(self._rules.delay(page.url))
        self._cache.forget_others()

    async def _begin(self) -> AsyncIterator[IncompleteListing]:
        if is_sitemap(self._start):
            async for each in self._queue_listed([str(self._start)]):
                yield each
            return
        self._add(self._start, 0)
        if self._limits.depth:
            try:
                async for each in self._queue_listed(await self._rules.sitemaps(self._start)):
                    yield each
            except ParleyError as error:
                yield IncompleteListing(error.message)

    async def _queue_listed(self, sitemaps: Sequence[str]) -> AsyncIterator[IncompleteListing]:
        found = await list_pages(self._fetcher, self._rules, sitemaps, self._limits.pages)
        for url in found.pages:
            if url.host == self._host:
                self._add(url, 0)
        if found.is_cut:
            yield IncompleteListing(f"{self._start}: more than {self._limits.pages:,} pages are listed; raise `pages`")

    def _add(self, url: URL, depth: int) -> None:
        # Bounded memory for pages with millions of links; links beyond the limit are never visited.
        if page_key(url) not in self._seen_pages and len(self._seen_pages) < 20 * self._limits.pages:
            self._seen_pages.add(page_key(url))
            self._queue.append(_PageTask(url, depth))

    # ── one page ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _load_page(self, page: _PageTask) -> list[Yielded]:
        is_start = page.url == self._start
        try:
            if not await self._rules.allow(page.url):
                raise CrawlForbidden(f"{page.url}: robots.txt disallows reading it")
            conditions = self._cache.conditions(page.url)
            async with self._fetcher.open(page.url, conditions, lambda to: self._may_follow(is_start, to)) as response:
                return await self._read(page, response)
        except (NotFound, Forbidden, Unavailable, TooLarge, Unprocessable) as error:
            if is_start:
                raise
            return _explain_skip(page.url, error)

    def _may_follow(self, is_start: bool, to: URL) -> bool:
        """The start may redirect to another host, as http://example.com does to https://www.example.com."""
        if is_start:
            self._host = to.host
        return to.host == self._host

    async def _read(self, page: _PageTask, response: PageResponse) -> list[Yielded]:
        if page_key(response.url) != page_key(page.url):
            if page_key(response.url) in self._seen_pages:
                return []
            self._seen_pages.add(page_key(response.url))
            if not await self._rules.allow(response.url):
                raise CrawlForbidden(f"{response.url}: robots.txt disallows reading it")
        record = self._cache.find(page.url)
        if response.status == 304 and record is not None:
            self._follow(page, record.links)
            self._digests.add(record.digest)
            self._cache.keep(page.url)
            return [UnchangedDocument(id) for id in record.ids]
        if not response.is_page:
            return await self._file(page, response)
        text = response.decode(await response.body(MAX_PAGE_BYTES))
        instructions = read_instructions(text, response.url, response.headers.get("X-Robots-Tag", ""))
        self._follow(page, instructions.links)
        return await self._documents(page, response, text.encode(), instructions) if instructions.is_indexed else []

    async def _file(self, page: _PageTask, response: PageResponse) -> list[Yielded]:
        try:
            format_of(response.url.name, response.media_type)
        except Unprocessable as error:
            raise CrawlForbidden(error.message) from error  # an image or the like, which is not a document
        try:
            data = await response.body(MAX_RAW_BYTES)
        except TooLarge as error:
            return [SkippedDocument.of(str(response.url), error, page_id(response.url))]
        return await self._documents(page, response, data, CrawlInstructions(()))

    async def _documents(
        self, page: _PageTask, response: PageResponse, data: bytes, instructions: CrawlInstructions
    ) -> list[Yielded]:
        id, name = page_id(response.url), str(response.url)
        type = WEB_PAGE if response.is_page else response.media_type
        try:
            contents = await self._visit.convert(response.url.name or "page", data, type)
        except ParleyError as error:
            return [SkippedDocument.of(name, error, id)]
        digest = digest_of(contents)
        if digest in self._digests:
            return []  # a page with two addresses is one document
        self._digests.add(digest)
        found = documents_of(id, name, contents)
        self._cache.put(
            page.url, PageRecord.of(response.headers, instructions.links, [each.id for each in found], digest)
        )
        return list(found)

    def _follow(self, page: _PageTask, links: Sequence[str]) -> None:
        if page.depth < self._limits.depth:
            for link in links:
                url = resolve_link(page.url, link)
                if url is not None and url.host == self._host:
                    self._add(url, page.depth + 1)


def _explain_skip(url: URL, error: ParleyError) -> list[Yielded]:
    """A page that is gone or not to be read is skipped silently; other failures are reported as left out."""
    if isinstance(error, NotFound | CrawlForbidden):
        return []
    return [SkippedDocument.of(str(url), error, page_id(url) if isinstance(error, Forbidden) else "")]
