"""The sources of documents at the console: their syncs, and the removals that wait for a decision."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from gateway.documents import sync_service
from gateway.documents.sync_service import SyncService
from tests.console.conftest import TEXT
from tests.console.form_client import FormClient, ShownPage
from tests.console.test_accessibility import DESK, open_page, signed_in, violations
from tests.unit.gateway.conftest import Instance, run_instance
from tests.widget.chat_page import Window, expect

PATH = "/console/shop/knowledge/sources"
KNOWLEDGE = """    name: Shop
    knowledge:
      sources:
        - {location: docs, sync_minutes: 30}
        - {location: "drive://0AbCdEf"}
"""


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(12):
        (folder / f"pot-{number}.md").write_text(f"# Pot {number}\n\nPot {number} is made of clay.")
    (folder / "binary.md").write_bytes(bytes(range(256)))
    return folder


@pytest.fixture
async def instance(tmp_path: Path, docs: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Instance]:
    monkeypatch.setattr(sync_service, "TICK_S", 0.05)
    async with run_instance(tmp_path, TEXT.replace("    name: Shop\n", KNOWLEDGE)) as started:
        service = asyncio.create_task(SyncService(started.services).run())
        yield started
        service.cancel()
        await asyncio.gather(service, return_exceptions=True)


async def wait_for(operator: FormClient, words: str) -> ShownPage:
    """The page, once it says so."""
    async with asyncio.timeout(10):
        while True:
            seen = await operator.get(PATH)
            if words in seen.words:
                return seen
            await asyncio.sleep(0.05)


async def send(operator: FormClient, instance: Instance, act: str, location: str = "docs") -> ShownPage:
    items = (await instance.admin("GET", "/knowledge/sources")).body["items"]
    (source,) = [item["source"] for item in items if item["location"] == location]
    instance.clock.tick(1)
    return await operator.send(PATH, PATH, {"source": source, "act": act})


async def remove_half(docs: Path, instance: Instance, anna: FormClient) -> None:
    await wait_for(anna, "12 added")
    (docs / "binary.md").unlink()
    for number in range(6):
        (docs / f"pot-{number}.md").unlink()
    await send(anna, instance, "sync")
    await wait_for(anna, "6 of 12 documents are gone from this source")


async def test_the_page_says_how_each_source_is(anna: FormClient) -> None:
    seen = await wait_for(anna, "12 added, 1 refused")
    for there in (
        "Status Succeeded",
        "every 30 minutes, next on 04 May 2026, ",
        "binary.md (unprocessable)",
        "not UTF-8",
    ):
        assert there in seen.words, there
    failing = await wait_for(anna, "Status Failed")
    assert "Drive: no credentials, or those of two kinds." in failing.words
    assert "every 5 minutes" in failing.words
    assert "No sources are configured" in (await anna.get("/console/other/knowledge/sources")).words


@pytest.mark.parametrize(("act", "news", "left"), [("approve", "removed", 6), ("discard", "kept", 12)])
async def test_a_held_removal_is_decided_at_the_page(
    docs: Path, instance: Instance, anna: FormClient, act: str, news: str, left: int
) -> None:
    await remove_half(docs, instance, anna)
    seen = await wait_for(anna, "They still answer questions.")
    assert "pot-3" in seen.words
    done = await send(anna, instance, act)
    assert news in done.news
    await instance.settled()
    assert "are gone from this source" not in (await anna.get(PATH)).words
    assert len((await instance.admin("GET", "/knowledge")).body["items"]) == left
    assert (await send(anna, instance, act)).status == 409


async def test_an_unknown_source_or_action_is_refused(instance: Instance, anna: FormClient) -> None:
    assert (await send(anna, instance, "erase")).status == 400
    assert (await anna.send(PATH, PATH, {"source": "drive-00000000", "act": "sync"})).status == 404


@pytest.mark.slow
async def test_the_page_is_accessible_and_follows_what_happens(
    browser: Browser, docs: Path, instance: Instance, anna: FormClient
) -> None:
    await remove_half(docs, instance, anna)
    window = await Window.open(browser, instance.address, **DESK)
    await signed_in(window, anna)
    page = await open_page(window, PATH)
    assert await violations(page) == []
    (docs / "new.md").write_text("# New\n\nWe have ferns.")
    await send(anna, instance, "sync")
    await expect(page.get_by_text("1 added", exact=False)).to_be_visible()
    await page.get_by_role("button", name="Keep them").click()
    await expect(page.get_by_text("The documents are kept.")).to_be_visible()
    assert window.complaints() == []
