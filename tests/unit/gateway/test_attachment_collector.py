"""Uploads that no message references are deleted after a day; all others stay, whatever dies in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import MemoryStore

from gateway.config.settings import LimitSettings
from gateway.storage.attachment_collector import COLLECT_EVERY, AttachmentCollector
from gateway.storage.quotas import QuotaBlobs, StorageQuota
from gateway.wiring import compose
from infra.blobs import StoredBlobs
from schemas.errors import NotFound, StorageFull, Unavailable
from schemas.messages import Attachment, Author, TranscriptMessage
from schemas.ports import State
from tests.contracts.state.engines import embedded_state
from tests.contracts.state.samples import NOW
from tests.unit.gateway.conftest import Instance


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def tick(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class CollectorEnvironment:
    state: State
    clock: Clock
    store: MemoryStore
    limits: LimitSettings

    def __post_init__(self) -> None:
        self.inner = StoredBlobs(self.store, self.clock)
        self.quota = StorageQuota(self.state.limiter, lambda _tenant: self.limits, self.clock)
        self.blobs = QuotaBlobs(self.inner, self.quota)

    def collector(self, blobs: Any = None) -> AttachmentCollector:
        """Another process's, each time."""
        return AttachmentCollector(
            blobs or self.blobs,
            self.quota,
            leases=self.state.leases,
            transcript=self.state.transcript,
            tenants=["shop"],
            clock=self.clock,
        )

    async def upload(self, data: bytes = b"some words", *, claimed: bool = False) -> Attachment:
        return await self.blobs.put("shop", "a.txt", "", data, conversation="c1", uploader="ada", claimed=claimed)

    async def say(self, number: int, *attachments: Attachment, conversation: str = "c1") -> None:
        line = TranscriptMessage(
            id=f"m{number}",
            author=Author(kind="contact"),
            text="x",
            attachments=list(attachments),
            created_at=self.clock(),
        )
        await self.state.transcript.add(conversation, line)

    async def has(self, attachment: Attachment) -> bool:
        try:
            await self.blobs.get("shop", attachment.id)
        except NotFound:
            return False
        return True


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[CollectorEnvironment]:
    async with embedded_state(tmp_path / "parley.db") as state:
        yield CollectorEnvironment(state, Clock(), MemoryStore(), LimitSettings(stored_file_bytes=100, address_share=1))


async def test_only_what_no_message_references_is_deleted_after_a_day(world: CollectorEnvironment) -> None:
    loose, named, late = [await world.upload() for _ in range(3)]
    for number in range(250):
        await world.say(number)
    await world.blobs.claim("shop", named.id)
    await world.say(1_000, named)
    world.clock.tick(hours=12)
    young = await world.upload()
    collector = world.collector()
    await collector.sweep()
    assert [await world.has(each) for each in (loose, named, late, young)] == [True] * 4
    world.clock.tick(hours=10, minutes=59)
    await world.blobs.claim("shop", late.id)
    world.clock.tick(hours=2)
    await collector.sweep()
    assert [await world.has(each) for each in (loose, named, late, young)] == [False, True, True, True]
    await world.say(1_001, late)
    await collector.sweep()
    world.clock.tick(days=400)
    await collector.sweep()
    assert [await world.has(each) for each in (named, late, young)] == [True, True, False]
    assert [each async for each in world.blobs.uploads(before=world.clock())] == []


async def test_a_file_whose_message_waits_on_the_log_is_kept_as_long_as_the_log_keeps_the_message(
    world: CollectorEnvironment,
) -> None:
    """The worker may be away for days before the line is in the transcript."""
    waiting, never = [await world.upload(claimed=True) for _ in range(2)]
    collector = world.collector()
    world.clock.tick(days=29)
    await collector.sweep()
    await world.say(1, waiting)
    world.clock.tick(days=2)
    await collector.sweep()
    assert (await world.has(waiting), await world.has(never)) == (True, False)


async def test_one_process_collects_and_the_next_one_goes_on_when_it_is_gone(world: CollectorEnvironment) -> None:
    one, other = world.collector(), world.collector()
    await one.sweep()
    put = await world.upload()
    world.clock.tick(hours=25)
    await one.sweep()
    again = await world.upload()
    world.clock.tick(seconds=COLLECT_EVERY)
    await other.sweep()
    assert not await world.has(put)
    world.clock.tick(hours=25)
    await other.sweep()
    assert not await world.has(again)


async def test_a_collector_that_died_in_the_middle_is_followed_by_another(world: CollectorEnvironment) -> None:
    class FailingBlobs:
        """Deletes the bytes of a file, and no more."""

        def __getattr__(self, name: str) -> Any:
            return getattr(world.blobs, name)

        async def delete(self, tenant: str, attachment: str) -> int:
            await obstore.delete_async(world.store, f"{tenant}/{attachment}")
            raise Unavailable("killed")

    loose, named = await world.upload(), await world.upload()
    await world.blobs.claim("shop", named.id)
    await world.say(1, named)
    world.clock.tick(hours=25)
    with pytest.raises(Unavailable):
        await world.collector(FailingBlobs()).sweep()
    world.clock.tick(hours=1)
    await world.collector().sweep()
    assert (await world.has(loose), await world.has(named)) == (False, True)
    assert [each async for each in world.blobs.uploads(before=world.clock())] == []


async def test_deleted_files_free_the_quota(world: CollectorEnvironment) -> None:
    await world.upload(b"a" * 60)
    with pytest.raises(StorageFull):
        await world.upload(b"b" * 60)
    world.clock.tick(hours=25)
    await world.collector().sweep()
    await world.upload(b"b" * 60)
    assert await world.quota.read_file_bytes("shop") == 60


class Schedule:
    """A supervisor that only notes what is to be done again and again."""

    def __init__(self) -> None:
        self.steps: dict[str, Callable[[], Awaitable[object]]] = {}

    def run_every(self, name: str, _seconds: float, step: Callable[[], Awaitable[object]]) -> None:
        self.steps[name] = step

    def run(self, _name: str, _start: object) -> None:
        return None

    def add_cleanup(self, _step: object) -> None:
        return None


async def test_the_worker_role_runs_the_collector(instance: Instance) -> None:
    schedule: Any = Schedule()
    compose.start_worker(instance.services, schedule, [])
    put = await instance.services.blobs.put("shop", "a.txt", "", b"text", conversation="c", claimed=False)
    instance.clock.tick(25 * 3600)
    await schedule.steps["attachment collector"]()
    with pytest.raises(NotFound):
        await instance.services.blobs.describe("shop", put.id)


@pytest.mark.parametrize("wrong", [-60, 40, 1_000_000])
async def test_the_count_of_stored_bytes_is_put_right_when_it_was_lost_or_left_too_high(
    world: CollectorEnvironment, wrong: int
) -> None:
    """After a kill between counting and storing, a lost state store, or an upgrade with files that nobody counted."""
    await world.upload(b"a" * 60)
    await world.quota.correct_file_bytes("shop", wrong)
    await world.collector().sweep()
    assert await world.quota.read_file_bytes("shop") == 60
