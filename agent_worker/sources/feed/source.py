"""The source for ``feed+https://…``: each entry that the feed lists now is a document."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from html import escape
from typing import ClassVar

from yarl import URL

from agent_worker.knowledge.text.front_matter import LANGUAGE
from agent_worker.sources.feed.feed_parser import MAX_ENTRIES, FeedEntry, FeedParser
from agent_worker.sources.retries import Retries, Sleep, TemporaryFailure
from agent_worker.sources.source_options import SourceOptions
from agent_worker.sources.website.fetcher import Fetcher
from agent_worker.sources.website.links import resolve_link
from schemas.errors import InvalidRequest, ParleyError, TooLarge, Unavailable
from schemas.ports import IncompleteListing, ReadDocument, SkippedDocument, SyncRequest, UnchangedDocument
from schemas.runtime.address_guard import AddressGuard

_PREFIX = "feed+"
_SCHEMES = ("feed+https://", "feed+http://")
_ATTEMPTS = 4
_MAX_BYTES = 20 * 1024 * 1024
_CONVERTED = "1"
"""Part of each digest: raise it when entries are converted differently."""
_LANGUAGE = re.compile(LANGUAGE)

Item = ReadDocument | UnchangedDocument | SkippedDocument | IncompleteListing


@dataclass(frozen=True, slots=True)
class _Download:
    """``parsed`` is None if nothing has changed since ``tag``."""

    url: URL
    tag: str
    parsed: FeedParser | None


class Feed:
    """``sleep`` waits between attempts."""

    sync_minutes: ClassVar[float] = 30
    controls_access: ClassVar[bool] = False

    def __init__(self, sleep: Sleep = asyncio.sleep) -> None:
        self._retries = Retries("the feed", attempts=_ATTEMPTS, sleep=sleep)

    def takes(self, location: str) -> bool:
        return location.lower().startswith(_SCHEMES)

    async def read(self, visit: SyncRequest) -> AsyncIterator[Item]:
        """Raises what ``Fetcher.open`` raises, TooLarge, and Unprocessable for something that is not a feed."""
        options, address = SourceOptions.parse(visit.options), visit.location[len(_PREFIX) :]
        try:
            url = URL(address)
        except ValueError:
            raise InvalidRequest(
                f"{address[:200]}: not an address", fix="such as feed+https://example.com/news"
            ) from None
        guard = AddressGuard(options.private_hosts)
        guard.check(url)
        sync = _EntrySync(visit)
        async with Fetcher(guard) as fetcher:
            download = await self._retries.run(lambda: _download(fetcher, url, sync.tag))
        if download.parsed is None:
            for id in sync.known_ids:
                yield UnchangedDocument(id)
            return
        if download.parsed.is_cut:
            yield IncompleteListing(f"{visit.location}: the feed lists more than {MAX_ENTRIES:,} entries")
        async for each in sync.compare(download.url, download.parsed):
            yield each
        sync.finish(download.tag)


async def _download(fetcher: Fetcher, url: URL, tag: str) -> _Download:
    try:
        return await _read(fetcher, url, tag)
    except Unavailable as error:
        raise TemporaryFailure(error.message) from None


async def _read(fetcher: Fetcher, url: URL, tag: str) -> _Download:
    async with fetcher.open(url, {"If-None-Match": tag} if tag else {}) as response:
        if response.status == 304:
            return _Download(response.url, tag, None)
        parser, size = FeedParser(str(url)), 0
        async for chunk in response.chunks:
            size += len(chunk)
            if size > _MAX_BYTES:
                raise TooLarge(f"{url}: larger than {_MAX_BYTES // (1024 * 1024)} MB")
            parser.feed(chunk)
        parser.feed(b"", is_last=True)
        return _Download(response.url, response.headers.get("ETag", ""), parser)


class _EntrySync:
    """``memory`` has the feed's ETag and a digest of each entry, written after its document was handed over."""

    def __init__(self, visit: SyncRequest) -> None:
        self._visit = visit
        if not isinstance(visit.memory.get("entries"), dict):
            visit.memory.clear()
            visit.memory["entries"] = {}
        self._digests: dict[str, str] = visit.memory["entries"]
        self._listed: set[str] = set()

    @property
    def known_ids(self) -> list[str]:
        return list(self._digests)

    @property
    def tag(self) -> str:
        """Empty unless all entries of that feed are still stored as they were read."""
        tag = self._visit.memory.get("tag", "")
        return tag if isinstance(tag, str) and all(id in self._visit.unchanged for id in self._digests) else ""

    async def compare(self, url: URL, feed: FeedParser) -> AsyncIterator[Item]:
        self._visit.memory.pop("tag", None)
        language = feed.language if _LANGUAGE.fullmatch(feed.language) else ""
        for entry in feed.entries:
            id = document_id(self._visit.location, entry)
            if id in self._listed or not (entry.id or entry.title) or not entry.body.strip():
                continue
            self._listed.add(id)
            digest = _digest(entry, language)
            if id in self._visit.unchanged and self._digests.get(id) == digest:
                yield UnchangedDocument(id)
                continue
            self._digests.pop(id, None)
            item = await self._read(id, url, entry, language)
            yield item
            if isinstance(item, ReadDocument):
                self._digests[id] = digest

    async def _read(self, id: str, url: URL, entry: FeedEntry, language: str) -> Item:
        link = resolve_link(url, entry.link) or url
        page = f"<main><h1>{escape(entry.title)}</h1>{entry.body}</main>"
        try:
            (content,) = await self._visit.convert(f"{id}.html", page.encode("utf-8", "replace"), "text/html")
        except ParleyError as error:
            return SkippedDocument.of(str(link), error, id)
        content = replace(content, title=entry.title or content.title, url=str(link), language=language)
        return ReadDocument(id, str(link), content)

    def finish(self, tag: str) -> None:
        """The feed was read to its end. What it does not list is forgotten."""
        for id in self._digests.keys() - self._listed:
            del self._digests[id]
        if tag and self._listed <= self._digests.keys():
            self._visit.memory["tag"] = tag


def document_id(location: str, entry: FeedEntry) -> str:
    """Made of what the feed calls the entry, which stays the same when its title changes."""
    parts = (location, entry.id or entry.title)
    return f"feed-{hashlib.sha256(chr(0).join(parts).encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def _digest(entry: FeedEntry, language: str) -> str:
    parts = (_CONVERTED, entry.title, entry.link, entry.body, language)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
