"""The source for ``zendesk://…``: each article in each language is a document."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from html import escape
from typing import ClassVar

from agent_worker.sources.retries import Sleep
from agent_worker.sources.vendor_http import VendorHttp
from agent_worker.sources.zendesk.help_center import Article, HelpCenter, visibility_of
from agent_worker.sources.zendesk.settings import SCHEME, Place, ZendeskOptions, parse_location
from schemas.conversation import Visibility
from schemas.errors import NotFound, ParleyError
from schemas.ports import IncompleteListing, ReadDocument, SkippedDocument, SyncRequest, UnchangedDocument

_CONVERTED = "1"
"""Part of each digest: raise it when articles are converted differently."""
_LINK = re.compile(r"https://[A-Za-z0-9.-]{1,253}(/[^\s<>\"()\\]{0,1900})?")
_RELATIVE_LINK = re.compile(r"\]\(/(?!/)")
_NO_LOCALE = re.compile(r"[^a-z0-9]+")
_FIX = "check `email` and `token`, and that token access is switched on; a restricted help centre needs both"
_NOT_THERE = NotFound("is not there", fix="check the id of the category or section")

Item = ReadDocument | UnchangedDocument | SkippedDocument | IncompleteListing


class Zendesk:
    """``sleep`` waits between requests."""

    sync_minutes: ClassVar[float] = 30

    def __init__(self, sleep: Sleep = asyncio.sleep) -> None:
        self._sleep = sleep

    def takes(self, location: str) -> bool:
        return location.lower().startswith(SCHEME)

    async def read(self, visit: SyncRequest) -> AsyncIterator[Item]:
        place, options = parse_location(visit.location), ZendeskOptions.parse(visit.options)
        hosts, headers = options.private_hosts, options.headers
        client = VendorHttp(
            "Zendesk", place.api(options), private_hosts=hosts, headers=headers, fix=_FIX, sleep=self._sleep
        )
        async with client as http:
            sync = _ArticleSync(visit, place, options, HelpCenter(http))
            async for each in sync.run():
                yield each


class _ArticleSync:
    """One reading. ``memory`` has a digest of each article, written after its document was handed over, so that a kill
    costs no more than the articles since then."""

    def __init__(self, visit: SyncRequest, place: Place, options: ZendeskOptions, center: HelpCenter) -> None:
        self._visit = visit
        self._place = place
        self._options = options
        self._center = center
        self._visibilities: Mapping[int, Visibility] = {}
        if not isinstance(visit.memory.get("articles"), dict):
            visit.memory["articles"] = {}
        self._digests: dict[str, str] = visit.memory["articles"]
        self._listed: set[str] = set()

    async def run(self) -> AsyncIterator[Item]:
        """Raises NotFound if there is no help centre, and what ``VendorHttp`` raises."""
        locales = self._options.locales or await self._center.locales()
        if self._options.is_agent:
            self._visibilities = await self._center.visibilities()
        missing = 0
        for locale in locales:
            try:
                async for article in self._center.articles(self._place.path, locale):
                    async for each in self._compare(article):
                        yield each
            except NotFound:
                missing += 1
        if missing == len(locales):
            yield SkippedDocument.of(self._visit.location, _NOT_THERE, is_gone=True)
            return
        for id in self._digests.keys() - self._listed:
            del self._digests[id]

    async def _compare(self, article: Article) -> AsyncIterator[Item]:
        """Nothing for a draft, or for an article that was listed already."""
        id = document_id(article)
        if id in self._listed or article.draft or not (article.body or "").strip():
            return
        self._listed.add(id)
        visibility = self._visit.restrict(self._visibility_of(article))
        digest = _digest(article, visibility)
        if id in self._visit.unchanged and self._digests.get(id) == digest:
            yield UnchangedDocument(id)
            return
        self._digests.pop(id, None)
        item = await self._read(id, article, visibility)
        yield item
        if isinstance(item, ReadDocument):
            self._digests[id] = digest

    async def _read(self, id: str, article: Article, visibility: Visibility) -> Item:
        url = self._url_of(article)
        page = f"<main><h1>{escape(article.title)}</h1>{article.body}</main>"
        try:
            (content,) = await self._visit.convert(f"{id}.html", page.encode("utf-8", "replace"), "text/html")
        except ParleyError as error:
            return SkippedDocument.of(url, error, id)
        body = _RELATIVE_LINK.sub(f"](https://{self._place.host}/", content.body)
        content = replace(
            content, title=article.title, body=body, url=url, language=article.locale, visibility=visibility
        )
        return ReadDocument(id, url, content)

    def _visibility_of(self, article: Article) -> Visibility:
        """Without credentials, Zendesk shows only what everybody may see."""
        if not self._options.is_agent:
            return "public"
        return visibility_of(article, self._visibilities) if article.states_audience else "internal"

    def _url_of(self, article: Article) -> str:
        """The address that Zendesk names, which may be on a host of the shop's own."""
        if _LINK.fullmatch(article.html_url):
            return article.html_url
        return f"https://{self._place.host}/hc/{article.locale.lower()}/articles/{article.id}"


def document_id(article: Article) -> str:
    """Stays the same when the title changes, and when the article moves."""
    return f"zendesk-{article.id}-{_NO_LOCALE.sub('-', article.locale.lower())[:20]}"


def _digest(article: Article, visibility: Visibility) -> str:
    parts = (_CONVERTED, article.title, article.body or "", article.html_url, article.locale, visibility)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
