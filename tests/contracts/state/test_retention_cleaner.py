"""The job that applies retention: tombstones on the log, files deleted, one process at a time, and nothing lost or
forgotten when it dies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore

from agent_worker.turn.outbox import build_snapshot_event
from gateway.storage.retention_cleaner import RetentionCleaner
from infra.blobs import StoredBlobs
from infra.bus.sqlite import tables
from infra.database import Database
from infra.state.sqlite.engine import open_sqlite_state
from schemas import topics
from schemas.errors import BusUnavailable, NotFound
from schemas.messages import Address
from schemas.ports import Bus, RetentionPeriods, State
from schemas.privacy.key_service import RETIRED_FOR, ContactKeyService
from tests.contracts.state.recorded_history import contact_event, open_log
from tests.contracts.state.retention_samples import (
    GROUPS,
    PERIODS,
    TENANT,
    days_ago,
    hold_conversation,
    list_removals,
    retention_of,
)
from tests.contracts.state.samples import NOW, attachment, begin_turn, line, origin


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    async with open_log(tmp_path / "log.db") as bus:
        yield bus


@pytest.fixture
def blobs() -> StoredBlobs:
    return StoredBlobs(MemoryStore(), lambda: NOW)


def build_cleaner(state: State, bus: Any, blobs: StoredBlobs, clock: Clock | None = None) -> RetentionCleaner:
    return RetentionCleaner(
        bus=bus, state=state, blobs=blobs, periods={TENANT: PERIODS}, groups=GROUPS, clock=clock or Clock()
    )


async def append_snapshot(state: State, bus: Bus, conversation: str) -> None:
    snapshot = await state.conversations.snapshot(conversation)
    assert snapshot is not None
    await bus.append([build_snapshot_event(snapshot, NOW)])


async def newest_snapshots(bus: Bus) -> dict[str, bytes | None]:
    return {record.key: record.value async for record in await bus.read(topics.STATE)}


async def test_the_snapshot_of_an_expired_conversation_gets_a_tombstone(
    state: State, bus: Bus, blobs: StoredBlobs
) -> None:
    gone, kept = await hold_conversation(state, days=[40]), await hold_conversation(state, days=[4])
    for conversation in (gone, kept):
        await append_snapshot(state, bus, conversation)
    assert await build_cleaner(state, bus, blobs).sweep() == 2
    snapshots = await newest_snapshots(bus)
    assert snapshots[gone] is None
    assert snapshots[kept] is not None
    assert await list_removals(state) == []


async def test_the_snapshot_of_a_forgotten_contact_gets_a_tombstone(state: State, bus: Bus, blobs: StoredBlobs) -> None:
    addresses = [Address(channel="web", value="v")]
    contact, _ = await state.contacts.resolve(TENANT, "web", "main", "v", addresses, now=days_ago(61))
    await bus.append([contact_event(contact)])
    await build_cleaner(state, bus, blobs).sweep()
    assert await newest_snapshots(bus) == {f"contact:{contact.id}": None}
    assert await list_removals(state) == []


async def test_the_key_of_a_forgotten_contact_is_removed(state: State, bus: Bus, blobs: StoredBlobs) -> None:
    clock = Clock()
    keys = ContactKeyService(bus=bus, keys=state.contact_keys, derive_secrets=lambda: [b"1" * 32], clock=clock)
    people = []
    for name, days in (("gone", 61), ("kept", 59)):
        addresses = [Address(channel="web", value=name)]
        contact, _ = await state.contacts.resolve(TENANT, "web", "main", name, addresses, now=days_ago(days))
        await keys.get_or_create(TENANT, contact.id)
        people.append(contact.id)
    periods = {TENANT: PERIODS}
    cleaner = RetentionCleaner(
        bus=bus, state=state, blobs=blobs, periods=periods, groups=GROUPS, clock=clock, keys=keys
    )
    for _ in range(2):
        assert all([await state.contact_keys.get(TENANT, each) for each in people])
        await cleaner.sweep()
        clock.now += RETIRED_FOR
    assert [await state.contact_keys.get(TENANT, each) is None for each in people] == [True, False]
    assert await retention_of(state).list_unused_keys(TENANT, limit=10) == []


async def test_a_conversation_that_came_back_meanwhile_keeps_a_snapshot(
    state: State, bus: Bus, blobs: StoredBlobs
) -> None:
    where = origin()
    conversation = await hold_conversation(state, days=[40], where=where)

    class DelayedBus:
        """The contact writes while the tombstone is on its way, and the new snapshot is appended before it."""

        is_first = True

        async def append(self, envelopes: Any) -> Any:
            if self.is_first and envelopes:
                self.is_first = False
                await begin_turn(state, conversation, "new", where=where)
                await append_snapshot(state, bus, conversation)
            return await bus.append(envelopes)

    await build_cleaner(state, DelayedBus(), blobs).sweep()
    assert (await newest_snapshots(bus))[conversation] is not None
    assert await state.conversations.get(conversation) is not None
    assert await list_removals(state) == []


async def test_files_of_removed_lines_are_deleted_unless_another_line_shows_them(
    state: State, bus: Bus, blobs: StoredBlobs
) -> None:
    conversation = await hold_conversation(state, days=[50, 2])
    files = [
        await blobs.put(TENANT, f"{name}.txt", "", b"text", conversation=conversation) for name in ("gone", "shown")
    ]
    await state.transcript.attach(conversation, f"{conversation}-0", files)
    await state.transcript.attach(conversation, f"{conversation}-1", files[1:])
    await build_cleaner(state, bus, blobs).sweep()
    with pytest.raises(NotFound):
        await blobs.get(TENANT, files[0].id)
    assert (await blobs.get(TENANT, files[1].id))[1] == b"text"
    assert await list_removals(state) == []


async def test_a_file_of_a_release_that_shared_files_stays(state: State, bus: Bus, blobs: StoredBlobs) -> None:
    conversation = await hold_conversation(state, days=[50])
    shared = await blobs.put(TENANT, "a.txt", "", b"text")
    await state.transcript.attach(conversation, f"{conversation}-0", [shared, attachment()])
    await build_cleaner(state, bus, blobs).sweep()
    assert (await blobs.get(TENANT, shared.id))[1] == b"text"
    assert await list_removals(state) == []


async def test_while_the_log_refuses_nothing_is_forgotten(state: State, bus: Bus, blobs: StoredBlobs) -> None:
    conversation = await hold_conversation(state, days=[40])
    await append_snapshot(state, bus, conversation)

    class SilentBus:
        async def append(self, _envelopes: Any) -> Any:
            raise BusUnavailable("no broker")

    cleaner = build_cleaner(state, SilentBus(), blobs)
    with pytest.raises(BusUnavailable):
        await cleaner.sweep()
    assert [each.id for each in await list_removals(state)] == [conversation]
    later = Clock()
    later.now += timedelta(days=1)
    await build_cleaner(state, bus, blobs, later).sweep()
    assert await newest_snapshots(bus) == {conversation: None}


async def test_one_process_at_a_time_applies_retention(state: State, bus: Bus, blobs: StoredBlobs) -> None:
    clock = Clock()
    one, other = (build_cleaner(state, bus, blobs, clock) for _ in range(2))
    await one.sweep()
    await hold_conversation(state, days=[40])
    assert await other.sweep() == 0
    clock.now += timedelta(seconds=3 * one.every + 1)
    assert await other.sweep() == 2


def test_rounds_come_more_often_when_the_retention_is_short() -> None:
    nothing: Any = None
    for hours, seconds in ((24 * 365, 3600), (1, 360), (1 / 60, 15)):
        periods = {TENANT: RetentionPeriods(*[timedelta(hours=hours)] * 3)}
        cleaner = RetentionCleaner(
            bus=nothing, state=nothing, blobs=nothing, periods=periods, groups=(), clock=lambda: NOW
        )
        assert cleaner.every == pytest.approx(seconds)


async def test_lines_without_files_need_no_removal(state: State, bus: Bus, blobs: StoredBlobs) -> None:
    conversation = await hold_conversation(state, days=[50, 2])
    await state.transcript.add(conversation, line(created_at=days_ago(50)))
    assert await build_cleaner(state, bus, blobs).sweep() == 1
    assert await newest_snapshots(bus) == {}


async def test_a_clock_that_is_ahead_removes_nothing_too_early(tmp_path: Path) -> None:
    """What retention removes does not come back. The file's own time hardly follows a clock that jumps."""
    database = Database.open(tmp_path / "parley.db")
    try:
        retention = retention_of(open_sqlite_state(database))
        assert await retention.limit_time(NOW) == NOW, "a new file has no time of its own"
        await database.write(lambda file: tables.store_time(file, int(NOW.timestamp() * 1000)))
        ahead, behind = NOW + timedelta(days=400), NOW - timedelta(days=400)
        assert abs(await retention.limit_time(ahead) - NOW) < timedelta(seconds=1)
        assert await retention.limit_time(behind) == behind
    finally:
        await database.close()


async def test_nor_does_one_that_is_ahead_of_the_state_store(state: State) -> None:
    retention, now = retention_of(state), datetime.now(UTC)
    ahead = now + timedelta(days=400)
    limited = await retention.limit_time(ahead)
    assert limited == ahead or abs(limited - now) < timedelta(hours=1), "a file of its own has no time"
    assert await retention.limit_time(now - timedelta(days=400)) == now - timedelta(days=400)
