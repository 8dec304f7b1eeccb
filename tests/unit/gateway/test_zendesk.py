"""Articles of a help centre through the sync and the index: found, changed, and gone with their source."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent_worker.sources.zendesk.source import Zendesk
from gateway.documents import sync
from gateway.documents.crawl_state import CrawlStateStore
from gateway.documents.document_sources import DocumentSource
from gateway.documents.document_store import LocalDocumentStore
from gateway.documents.sync import SyncReport, sync_documents
from tests.platforms.zendesk.library import SIGNED_IN, STAFF, body_of, fact, make_article, name_of
from tests.platforms.zendesk.server import SECRETS, SUBDOMAIN, SimulatedZendesk, serve
from tests.unit.gateway.conftest import Instance

LOCATION = f"zendesk://{SUBDOMAIN}"


@pytest.fixture
async def zendesk() -> AsyncIterator[SimulatedZendesk]:
    async with serve() as server:
        yield server


class HelpCenterSync:
    """`parley knowledge sync` of a help centre, without a process."""

    def __init__(self, instance: Instance, folder: Path, zendesk: SimulatedZendesk) -> None:
        self._instance = instance
        self._zendesk = zendesk
        self.state = folder / "read.json"

    async def __call__(self, **fields: Any) -> SyncReport:
        source = DocumentSource(LOCATION, LOCATION, options=self._zendesk.options(), **fields)
        store = LocalDocumentStore(self._instance.services, "shop")
        return await sync_documents(store, [source], remove=True, crawl_states=CrawlStateStore(self.state))

    async def search(self, query: str, assurance: str = "anonymous", tenant: str = "shop") -> list[dict[str, Any]]:
        await self._instance.settled()
        asked = {"query": query, "k": 8, "assurance": assurance}
        answer = await self._instance.call("POST", f"/v1/admin/{tenant}/knowledge/search", asked)
        return list(answer.body["passages"])


@pytest.fixture
def sync_articles(
    instance: Instance, tmp_path: Path, zendesk: SimulatedZendesk, monkeypatch: pytest.MonkeyPatch
) -> HelpCenterSync:
    monkeypatch.setattr(sync, "source_of", lambda _location: Zendesk(zendesk.sleep))
    return HelpCenterSync(instance, tmp_path, zendesk)


async def test_no_sentence_that_was_removed_is_found_after_the_next_sync(
    sync_articles: HelpCenterSync, zendesk: SimulatedZendesk
) -> None:
    """Archived, made a draft, restricted to staff, and edited."""
    library = zendesk.library
    library.add(*(make_article(number) for number in range(200)))
    assert len((await sync_articles()).added) == 200
    archived, drafts, restricted, edited = range(10, 15), range(40, 45), range(80, 85), range(120, 125)
    for number in (*archived, *drafts, *restricted, *edited):
        assert fact(number) in (await sync_articles.search(fact(number)))[0]["text"]
    for number in archived:
        library.archive(number)
    for number in drafts:
        library.article(number).translations["en-us"].draft = True
    for number in restricted:
        library.article(number).segment = STAFF
    for number in edited:
        library.article(number).translations["en-us"].body = body_of(number, edition=1)
    report = await sync_articles()
    assert (len(report.removed), len(report.changed), len(report.unchanged)) == (10, 10, 180)
    for number in (*archived, *drafts, *restricted, *edited):
        texts = " ".join(each["text"] + each["title"] for each in await sync_articles.search(fact(number)))
        assert fact(number) not in texts
        assert (name_of(number) in texts) == (number in edited)


async def test_who_may_see_an_article_there_may_be_answered_from_it_here(
    sync_articles: HelpCenterSync, zendesk: SimulatedZendesk
) -> None:
    zendesk.library.add(make_article(3, segment=SIGNED_IN))
    await sync_articles()
    assert await sync_articles.search(fact(3)) == []
    assert await sync_articles.search(fact(3), "verified") != []
    assert await sync_articles.search(fact(3), "verified", tenant="other") == []
    await sync_articles(visibility="internal")
    assert await sync_articles.search(fact(3), "verified") == []


async def test_the_state_between_two_syncs_holds_no_secret(
    sync_articles: HelpCenterSync, zendesk: SimulatedZendesk
) -> None:
    zendesk.library.add(make_article(3))
    await sync_articles()
    told = [sync_articles.state.read_text(), json.dumps(await sync_articles.search(fact(3)))]
    assert [secret for secret in SECRETS for text in told if secret in text] == []
    assert str(zendesk.library.article(3).id) in told[0]
