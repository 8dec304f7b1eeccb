"""Videos as documents, through the sync and the index: found at their second, changed, and gone with their source."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent_worker.sources.youtube.source import YouTube
from gateway.documents import sync
from gateway.documents.crawl_state import CrawlStateStore
from gateway.documents.document_sources import DocumentSource
from gateway.documents.document_store import LocalDocumentStore
from gateway.documents.sync import SyncReport, sync_documents
from tests.harness.sizes import size
from tests.platforms.youtube.library import HANDLE, fact, make_track, make_video, name_of, video_id
from tests.platforms.youtube.server import SECRETS, SimulatedYouTube, serve
from tests.unit.gateway.conftest import Instance

LOCATION = f"youtube://channel/{HANDLE}"


@pytest.fixture
async def youtube() -> AsyncIterator[SimulatedYouTube]:
    async with serve() as server:
        server.quota = 10_000_000
        yield server


MANY = size(200, full=1_000)


class ChannelSync:
    """`parley knowledge sync` of a channel, without a process."""

    def __init__(self, instance: Instance, folder: Path, youtube: SimulatedYouTube) -> None:
        self._instance = instance
        self.youtube = youtube
        self.state = folder / "read.json"

    async def __call__(self, location: str = LOCATION, **fields: Any) -> SyncReport:
        source = DocumentSource(location, location, options=self.youtube.options(recheck_days=0), **fields)
        store = LocalDocumentStore(self._instance.services, "shop")
        return await sync_documents(store, [source], remove=True, crawl_states=CrawlStateStore(self.state))

    async def search(self, query: str, tenant: str = "shop") -> list[dict[str, Any]]:
        await self._instance.settled()
        answer = await self._instance.call("POST", f"/v1/admin/{tenant}/knowledge/search", {"query": query, "k": 8})
        return list(answer.body["passages"])

    async def documents(self) -> dict[str, str]:
        """Id → hash of all documents."""
        found: dict[str, str] = {}
        following = ""
        while True:
            page = (await self._instance.admin("GET", f"/knowledge?limit=100&after={following}")).body
            found |= {item["document"]: item["hash"] for item in page["items"]}
            following = page["next"]
            if not following:
                return found


@pytest.fixture
def sync_channel(
    instance: Instance, tmp_path: Path, youtube: SimulatedYouTube, monkeypatch: pytest.MonkeyPatch
) -> ChannelSync:
    monkeypatch.setattr(sync, "source_of", lambda _location: YouTube(youtube.sleep))
    return ChannelSync(instance, tmp_path, youtube)


async def test_a_passage_opens_the_video_at_the_second_and_names_its_chapter(sync_channel: ChannelSync) -> None:
    sync_channel.youtube.add(make_video(3), make_video(4))
    report = await sync_channel()
    assert (len(report.added), report.failed, report.notes) == (2, {}, [])
    (passage, *_) = await sync_channel.search(f"How do I repot {name_of(3)}?")
    assert passage["heading"] == "How do I repot it?"
    assert passage["title"] == f"Care of {name_of(3)}"
    assert passage["url"] == f"https://www.youtube.com/watch?v={video_id(3)}&t=70s"
    assert passage["text"] == f"Now we repot {name_of(3)}. Use peat and sand in equal parts."


@pytest.mark.slow
async def test_no_sentence_that_was_removed_is_found_after_the_next_sync(sync_channel: ChannelSync) -> None:
    """Of many videos: those deleted, made private, robbed of their captions, and edited."""
    youtube = sync_channel.youtube
    youtube.add(*(make_video(number) for number in range(MANY)))
    assert len((await sync_channel()).added) == MANY
    few = MANY // 50
    starts = (MANY // 100, MANY * 3 // 10, MANY * 6 // 10, MANY * 9 // 10)
    counts = (few, few, few // 2, few // 2)
    deleted, hidden, mute, edited = (range(first, first + count) for first, count in zip(starts, counts, strict=True))
    for number in (*deleted, *hidden, *mute, *edited):
        assert fact(number) in (await sync_channel.search(fact(number)))[0]["text"]
    for number in deleted:
        youtube.delete(video_id(number))
    for number in hidden:
        youtube.hide(video_id(number))
    for number in mute:
        youtube.videos[video_id(number)].tracks = []
    for number in edited:
        youtube.videos[video_id(number)].tracks = [make_track(number, edition=1)]
    report = await sync_channel()
    assert (len(report.removed), len(report.changed), len(report.failed)) == (2 * few + few // 2, few // 2, few // 2)
    assert all("it has no captions" in why for why in report.failed.values())
    for number in (*deleted, *hidden, *mute, *edited):
        texts = " ".join(each["text"] + each["title"] for each in await sync_channel.search(fact(number)))
        assert fact(number) not in texts
        assert (name_of(number) in texts) == (number in edited)
    for number in edited:
        assert fact(number, edition=1) in (await sync_channel.search(fact(number)))[0]["text"]


async def test_a_sync_that_is_killed_over_and_over_is_complete_in_the_end(sync_channel: ChannelSync) -> None:
    """At twenty random places; the documents are those of a sync that nobody disturbed. A sync that gets to its end
    before the kill begins anew, without its memory."""
    youtube = sync_channel.youtube
    youtube.add(*(make_video(number) for number in range(60)))
    chance, killed = random.Random(9), 0
    while killed < 20:
        youtube.next_day()
        stop = chance.randrange(1, 120)
        task = asyncio.create_task(sync_channel())

        def kill(_name: str, task: asyncio.Task[SyncReport] = task, stop: int = stop) -> None:
            if len(youtube.requests) == stop:
                task.cancel()

        youtube.on_request = kill
        with contextlib.suppress(asyncio.CancelledError):
            await task
        killed += task.cancelled()
        if not task.cancelled():
            sync_channel.state.unlink()
    youtube.on_request = lambda _name: None
    report = await sync_channel()
    assert (report.failed, report.changed, report.removed) == ({}, [], [])
    documents = await sync_channel.documents()
    assert set(documents) == {f"youtube-{video_id(number)}" for number in range(60)}
    sync_channel.state.unlink()
    again = await sync_channel()
    assert (len(again.unchanged), await sync_channel.documents()) == (60, documents)


async def test_an_edit_is_in_the_next_answer(sync_channel: ChannelSync) -> None:
    sync_channel.youtube.add(make_video(3))
    await sync_channel()
    sync_channel.youtube.videos[video_id(3)].tracks = [make_track(3, edition=1)]
    assert len((await sync_channel()).changed) == 1
    assert (await sync_channel.search(fact(3)))[0]["text"].endswith(fact(3, edition=1))


async def test_internal_videos_are_found_by_no_customer_and_none_by_another_tenant(sync_channel: ChannelSync) -> None:
    sync_channel.youtube.add(make_video(3))
    await sync_channel(visibility="internal")
    assert await sync_channel.search(fact(3)) == []
    await sync_channel()
    assert await sync_channel.search(fact(3)) != []
    assert await sync_channel.search(fact(3), tenant="other") == []


async def test_the_state_between_two_syncs_holds_no_secret(sync_channel: ChannelSync, instance: Instance) -> None:
    sync_channel.youtube.add(make_video(3))
    await sync_channel()
    told = [sync_channel.state.read_text(), json.dumps(await sync_channel.search(fact(3)))]
    assert [secret for secret in SECRETS for text in told if secret in text] == []
    assert video_id(3) in told[0]
