"""The source for ``https://…``: a polite breadth-first crawl, one page after another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar

from yarl import URL

from agent_worker.sources.website.crawl import Crawl
from agent_worker.sources.website.fetcher import Fetcher
from agent_worker.sources.website.limits import limits_of
from schemas.errors import InvalidRequest
from schemas.ports import IncompleteListing, ReadDocument, SkippedDocument, SyncRequest, UnchangedDocument
from schemas.runtime.address_guard import AddressGuard


class Website:
    sync_minutes: ClassVar[float] = 24 * 60
    controls_access: ClassVar[bool] = False

    def takes(self, location: str) -> bool:
        return location.lower().startswith(("http://", "https://"))

    async def read(
        self, visit: SyncRequest
    ) -> AsyncIterator[ReadDocument | UnchangedDocument | SkippedDocument | IncompleteListing]:
        try:
            start = URL(visit.location).with_fragment(None)
        except ValueError as error:
            raise InvalidRequest(f"{visit.location}: not an address", fix="such as https://example.com/help") from error
        limits = limits_of(visit.options)
        guard = AddressGuard(limits.private_hosts)
        guard.check(start)
        async with Fetcher(guard) as fetcher:
            async for each in Crawl(visit, start, limits, fetcher).run():
                yield each
