"""Entries of a feed through the sync and the index: found, changed, and gone when the feed lists them no longer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.documents.crawl_state import CrawlStateStore
from gateway.documents.document_sources import DocumentSource
from gateway.documents.document_store import LocalDocumentStore
from gateway.documents.sync import SyncReport, sync_documents
from tests.platforms.zendesk.library import fact, name_of
from tests.simulators.website import Site, serve
from tests.unit.gateway.conftest import Instance
from tests.unit.sources.feed.feeds import feed_of


async def test_no_sentence_that_was_removed_is_found_after_the_next_sync(instance: Instance, tmp_path: Path) -> None:
    async def sync(site: Site, **fields: Any) -> SyncReport:
        location = f"feed+{site.url}/feed"
        source = DocumentSource(location, location, options={"private_hosts": [site.host]}, **fields)
        store = LocalDocumentStore(instance.services, "shop")
        return await sync_documents(store, [source], remove=True, crawl_states=CrawlStateStore(tmp_path / "read.json"))

    async def search(query: str, tenant: str = "shop") -> str:
        await instance.settled()
        answer = await instance.call("POST", f"/v1/admin/{tenant}/knowledge/search", {"query": query, "k": 8})
        return " ".join(each["title"] + each["text"] for each in answer.body["passages"])

    async with serve({"/feed": feed_of(range(60))}) as site:
        assert len((await sync(site)).added) == 60
        gone, edited = range(20, 25), range(40, 45)
        for number in (*gone, *edited):
            assert fact(number) in await search(fact(number))
        left = [number for number in range(60) if number not in gone]
        site.pages["/feed"] = feed_of([60, *left], dict.fromkeys(edited, 1))
        report = await sync(site)
        assert (len(report.added), len(report.changed), len(report.removed)) == (1, 5, 5)
        for number in (*gone, *edited):
            found = await search(fact(number))
            assert fact(number) not in found
            assert (name_of(number) in found) == (number in edited)
        assert fact(60) not in await search(fact(60), tenant="other")
        assert len((await sync(site)).unchanged) == 56
        assert site.asked[-1] == "/feed="
        await sync(site, visibility="internal")
        assert fact(60) not in await search(fact(60))
