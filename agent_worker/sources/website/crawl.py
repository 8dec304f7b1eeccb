"""The pages of one site, from a start or a sitemap: what was read, what stayed, what was left out."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from yarl import URL

from agent_worker.knowledge.text.documents import MOST_RAW
from agent_worker.sources.files import documents_of
from agent_worker.sources.registry import format_of
from agent_worker.sources.website.fetcher import Answer, Elsewhere, Fetcher
from agent_worker.sources.website.limits import MOST_PAGE, Budget, Limits
from agent_worker.sources.website.links import Directions, directions, joined, page_id, place_of
from agent_worker.sources.website.page_cache import Note, Notes, digest_of
from agent_worker.sources.website.robots import Rules
from agent_worker.sources.website.sitemap import is_sitemap, listed
from schemas.errors import Forbidden, NotFound, ParleyError, TooLarge, Unavailable, Unprocessable
from schemas.ports import Incomplete, Kept, LeftOut, ReadDocument, Visit

Yielded = ReadDocument | Kept | LeftOut | Incomplete


@dataclass(frozen=True, slots=True)
class _Stop:
    url: URL
    depth: int


class Crawl:
    def __init__(self, visit: Visit, start: URL, limits: Limits, fetcher: Fetcher) -> None:
        self._visit = visit
        self._start = start
        self._limits = limits
        self._fetcher = fetcher
        self._budget = Budget(limits)
        self._rules = Rules(fetcher)
        self._notes = Notes(visit.memory, visit.unchanged)
        self._host = start.host
        self._queue: deque[_Stop] = deque()
        self._met: set[str] = set()
        self._said: set[str] = set()
        self._visited = 0

    async def run(self) -> AsyncIterator[Yielded]:
        """Raises RequestError and Unavailable when there is nothing to read at the start."""
        async for each in self._begin():
            yield each
        while self._queue:
            if over := self._budget.over(self._visited, self._fetcher.spent):
                yield Incomplete(f"{self._start}: {over}")
                return
            stop = self._queue.popleft()
            self._visited += 1
            for found in await self._look(stop):
                yield found
            await asyncio.sleep(self._rules.delay(stop.url))
        self._notes.forget_others()

    async def _begin(self) -> AsyncIterator[Incomplete]:
        if is_sitemap(self._start):
            async for each in self._list([str(self._start)]):
                yield each
            return
        self._add(self._start, 0)
        if self._limits.depth:
            try:
                async for each in self._list(await self._rules.sitemaps(self._start)):
                    yield each
            except ParleyError as error:
                yield Incomplete(error.message)

    async def _list(self, sitemaps: Sequence[str]) -> AsyncIterator[Incomplete]:
        found = await listed(self._fetcher, self._rules, sitemaps, self._limits.pages)
        for url in found.pages:
            if url.host == self._host:
                self._add(url, 0)
        if found.is_cut:
            yield Incomplete(f"{self._start}: more than {self._limits.pages:,} pages are listed; raise `pages`")

    def _add(self, url: URL, depth: int) -> None:
        # A page of a million links must not be held: what is beyond the limit is never visited.
        if place_of(url) not in self._met and len(self._met) < 20 * self._limits.pages:
            self._met.add(place_of(url))
            self._queue.append(_Stop(url, depth))

    # ── one page ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _look(self, stop: _Stop) -> list[Yielded]:
        is_start = stop.url == self._start
        try:
            if not await self._rules.allow(stop.url):
                raise Elsewhere(f"{stop.url}: robots.txt asks not to read it")
            conditions = self._notes.conditions(stop.url)
            async with self._fetcher.open(stop.url, conditions, lambda to: self._may_follow(is_start, to)) as answer:
                return await self._read(stop, answer)
        except (NotFound, Forbidden, Unavailable, TooLarge, Unprocessable) as error:
            if is_start:
                raise
            return _left(stop.url, error)

    def _may_follow(self, is_start: bool, to: URL) -> bool:
        """The start may lead to another host, as http://example.com does to https://www.example.com."""
        if is_start:
            self._host = to.host
        return to.host == self._host

    async def _read(self, stop: _Stop, answer: Answer) -> list[Yielded]:
        if place_of(answer.url) != place_of(stop.url):
            if place_of(answer.url) in self._met:
                return []
            self._met.add(place_of(answer.url))
            if not await self._rules.allow(answer.url):
                raise Elsewhere(f"{answer.url}: robots.txt asks not to read it")
        note = self._notes.of(stop.url)
        if answer.status == 304 and note is not None:
            self._follow(stop, note.links)
            self._said.add(note.digest)
            self._notes.keep(stop.url)
            return [Kept(id) for id in note.ids]
        if not answer.is_page:
            return await self._file(stop, answer)
        text = answer.decoded(await answer.body(MOST_PAGE))
        way = directions(text, answer.url, answer.headers.get("X-Robots-Tag", ""))
        self._follow(stop, way.links)
        return await self._documents(stop, answer, text.encode(), way) if way.is_indexed else []

    async def _file(self, stop: _Stop, answer: Answer) -> list[Yielded]:
        try:
            format_of(answer.url.name, answer.told_type)
        except Unprocessable as error:
            raise Elsewhere(error.message) from error  # a picture or the like, which nobody takes for a document
        try:
            data = await answer.body(MOST_RAW)
        except TooLarge as error:
            return [LeftOut.of(str(answer.url), error, page_id(answer.url))]
        return await self._documents(stop, answer, data, Directions(()))

    async def _documents(self, stop: _Stop, answer: Answer, data: bytes, way: Directions) -> list[Yielded]:
        id, name = page_id(answer.url), str(answer.url)
        try:
            contents = await self._visit.convert(answer.url.name or "page", data, answer.told_type)
        except ParleyError as error:
            return [LeftOut.of(name, error, id)]
        digest = digest_of(contents)
        if digest in self._said:
            return []  # one page under two addresses is one document
        self._said.add(digest)
        found = documents_of(id, name, contents)
        self._notes.put(stop.url, Note.of(answer.headers, way.links, [each.id for each in found], digest))
        return list(found)

    def _follow(self, stop: _Stop, links: Sequence[str]) -> None:
        if stop.depth < self._limits.depth:
            for link in links:
                url = joined(stop.url, link)
                if url is not None and url.host == self._host:
                    self._add(url, stop.depth + 1)


def _left(url: URL, error: ParleyError) -> list[Yielded]:
    """What is gone, or not to be read, is no failure. What might lead on leaves the crawl without its whole."""
    if isinstance(error, NotFound | Elsewhere):
        return []
    return [LeftOut.of(str(url), error, page_id(url) if isinstance(error, Forbidden) else "")]
