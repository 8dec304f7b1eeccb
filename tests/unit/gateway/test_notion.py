"""Pages of Notion in the answers: edited, removed and unshared there, found or not found here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from agent_worker.sources.notion.source import Notion
from gateway.documents import sync as document_sync
from gateway.documents.crawl_state import CrawlStateStore
from gateway.documents.document_sources import DocumentSource
from gateway.documents.document_store import LocalDocumentStore
from gateway.documents.sync import SyncReport
from schemas.messages import Assurance
from tests.harness.sizes import size
from tests.platforms.notion.sample import blocks, document_id, fill, is_leaf, mark
from tests.platforms.notion.server import NotionServer
from tests.platforms.notion.workspace import Workspace, paragraph
from tests.unit.gateway.conftest import Instance

PAGES = size(150, full=1_000)
KILLS = size(5, full=20)


@pytest.fixture
async def notion(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NotionServer]:
    """Waiting takes no time."""
    server = NotionServer(Workspace())
    clock = server.workspace.clock
    monkeypatch.setattr(document_sync, "source_of", lambda _location: Notion(clock.monotonic, clock.sleep))
    async with server.serving():
        yield server


class KnowledgeSync:
    """`parley knowledge sync` of one tenant, without a process."""

    def __init__(self, instance: Instance, folder: Path, server: NotionServer) -> None:
        self._instance = instance
        self.state = folder / "read.json"
        self.server = server
        self._token = server.token

    async def __call__(self, tenant: str = "shop", **fields: Any) -> SyncReport:
        options = {"token": self._token, "address": self.server.address, "private_hosts": []}
        source = DocumentSource("notion://", "notion://", options=options, **fields)
        store = LocalDocumentStore(self._instance.services, tenant)
        states = CrawlStateStore(self.state)
        return await document_sync.sync_documents(store, [source], remove=True, crawl_states=states)

    async def items(self) -> list[dict[str, Any]]:
        return list((await self._instance.admin("GET", "/knowledge")).body["items"])

    async def ids(self) -> set[str]:
        """All documents: the API lists them page by page."""
        return set(await LocalDocumentStore(self._instance.services, "shop").list_published())

    async def found(self, query: str, assurance: Assurance = "anonymous", tenant: str = "shop") -> dict[str, Any]:
        """The best passage."""
        asked = {"query": query, "k": 1, "assurance": assurance}
        answer = await self._instance.call("POST", f"/v1/admin/{tenant}/knowledge/search", asked)
        return dict(answer.body["passages"][0]) if answer.body["passages"] else {"text": ""}

    async def settled(self) -> None:
        await self._instance.settled()


@pytest.fixture
def sync(instance: Instance, tmp_path: Path, notion: NotionServer) -> KnowledgeSync:
    return KnowledgeSync(instance, tmp_path, notion)


async def test_an_edit_in_notion_is_in_the_next_answer_and_cites_the_page(
    notion: NotionServer, sync: KnowledgeSync
) -> None:
    page = notion.workspace.page("Returns", paragraph("You may return pots within 45 days."), share=True)
    report = await sync()
    assert (len(report.added), report.failed, report.notes) == (1, {}, [])
    await sync.settled()
    passage = await sync.found("How long may I return pots?")
    assert "45 days" in passage["text"]
    assert passage["url"] == f"https://www.notion.so/Returns-{page.id.replace('-', '')}"
    notion.workspace.rewrite(page, paragraph("You may return pots within 60 days."))
    assert (await sync()).changed == report.added
    await sync.settled()
    assert "60 days" in (await sync.found("How long may I return pots?"))["text"]


async def test_visibility_tenants_and_the_token_are_kept_apart(
    notion: NotionServer, sync: KnowledgeSync, capfd: pytest.CaptureFixture[str]
) -> None:
    notion.workspace.page("Margin", paragraph("The margin of moss is 3 euro."), share=True)
    await sync(visibility="internal")
    await sync.settled()
    levels: tuple[Assurance, ...] = ("anonymous", "verified")
    for assurance in levels:
        assert (await sync.found("What is the margin of moss?", assurance))["text"] == ""
    await sync(visibility="public")
    await sync.settled()
    assert "3 euro" in (await sync.found("What is the margin of moss?"))["text"]
    assert (await sync.found("What is the margin of moss?", tenant="other"))["text"] == ""
    told = f"{sync.state.read_text()} {await sync.items()} {capfd.readouterr()}"
    assert notion.token not in told


async def test_a_refused_token_is_reported_and_removes_nothing(notion: NotionServer, sync: KnowledgeSync) -> None:
    notion.workspace.page("Returns", paragraph("45 days."), share=True)
    await sync()
    token, notion.token = notion.token, "another"
    report = await sync()
    assert "does not know the token" in report.failed["notion://"]
    assert token not in str(report)
    assert report.removed == []


@pytest.mark.slow
async def test_many_pages_survive_kills_and_no_removed_sentence_is_found(
    notion: NotionServer, sync: KnowledgeSync
) -> None:
    """A sync that gets to its end before the kill begins anew, without its memory."""
    workspace = notion.workspace
    pages = fill(workspace, PAGES)
    workspace.clock.forward(3600)
    random = Random(2)
    kills = 0
    while kills < KILLS:
        is_killed = await _kill(sync, random.randrange(20, PAGES // 5))
        kills += is_killed
        if not is_killed:
            sync.state.unlink()
    first = await sync()
    assert (first.failed, first.notes, first.removed) == ({}, [], [])
    await sync.settled()
    assert await sync.ids() == {document_id(page) for page in pages}
    workspace.clock.forward(3600)
    notion.asked.clear()
    assert len((await sync()).unchanged) == PAGES
    assert notion.total <= 0.05 * 1.3 * PAGES
    few = PAGES // 50
    chosen = random.sample([number for number, page in enumerate(pages) if is_leaf(page)], 3 * few)
    for number in chosen[:few]:
        workspace.trash(pages[number])
    for number in chosen[few : 2 * few]:
        workspace.restrict(pages[number])
    for number in chosen[2 * few :]:
        workspace.rewrite(pages[number], *blocks(number, 2))
    report = await sync()
    assert sorted(report.removed) == sorted(document_id(pages[number]) for number in chosen[: 2 * few])
    edited = {document_id(pages[number]) for number in chosen[2 * few :]}
    assert edited <= set(report.changed), "beside pages that linked to those in the trash"
    await sync.settled()
    assert [number for number in chosen if mark(number) in (await sync.found(mark(number)))["text"]] == []
    assert all([mark(number, 2) in (await sync.found(mark(number, 2)))["text"] for number in chosen[2 * few :]])


async def _kill(sync: KnowledgeSync, requests: int) -> bool:
    """Returns False if the sync ended before it had made so many requests."""
    task = asyncio.create_task(sync())
    last = sync.server.total + requests

    def kill(_operation: str) -> None:
        if sync.server.total >= last:
            task.cancel()

    sync.server.meanwhile = kill
    with suppress(asyncio.CancelledError):
        await task
    sync.server.meanwhile = lambda _operation: None
    return task.cancelled()
