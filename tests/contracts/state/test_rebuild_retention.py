"""A rebuild does not bring back what retention has removed, from snapshots or from the tail of the log."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from obstore.store import MemoryStore

from gateway.storage.retention_cleaner import RetentionCleaner
from infra.blobs import StoredBlobs
from infra.state.rebuild import rebuild
from schemas import topics
from schemas.ports import Bus, State
from tests.contracts.state.engines import ALL_SHARDS
from tests.contracts.state.recorded_history import CHANNELS, TENANT, build_envelope, record_conversation
from tests.contracts.state.retention_samples import GROUPS, PERIODS, sweep
from tests.contracts.state.samples import NOW, begin_turn, commit_turn, later, line, new_id


class Clock:
    """The clock of the log."""

    now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def clean(state: State, bus: Bus, now: datetime) -> None:
    blobs = StoredBlobs(MemoryStore(), lambda: now)
    cleaner = RetentionCleaner(
        bus=bus, state=state, blobs=blobs, periods={TENANT: PERIODS}, groups=GROUPS, clock=lambda: now
    )
    await cleaner.sweep()


async def rebuild_again(state: State, bus: Bus, now: datetime) -> int:
    report = await rebuild(
        bus, state.rebuild, ALL_SHARDS, channels=CHANNELS, grace=0, now=now, periods={TENANT: PERIODS}
    )
    return report.conversations


async def has_tombstones(bus: Bus) -> bool:
    return any([record.value is None async for record in await bus.read(topics.STATE)])


async def test_expired_conversations_and_contacts_do_not_come_back(state: State, bus: Bus, clock: Clock) -> None:
    lives = [await record_conversation(state, bus, f"visitor-{n}") for n in range(3)]
    for life in lives:
        await life.state.transcript.mark(
            life.conversation, [each.id for each in await state.transcript.read(life.conversation)], "read"
        )
    clock.now = later(days=61)
    await clean(state, bus, clock.now)
    assert await has_tombstones(bus), "the snapshots before them are still on the log"
    assert await rebuild_again(state, bus, clock.now) == 0
    for life in lives:
        assert await state.conversations.get(life.conversation) is None
        assert await state.transcript.read(life.conversation) == []
        assert await state.contacts.get(TENANT, life.contact) is None


async def test_a_conversation_that_came_back_after_its_tombstone_is_restored(
    state: State, bus: Bus, clock: Clock
) -> None:
    life = await record_conversation(state, bus, "visitor")
    await state.transcript.mark(
        life.conversation, [each.id for each in await state.transcript.read(life.conversation)], "read"
    )
    clock.now = later(days=31)
    await clean(state, bus, clock.now)
    assert await state.conversations.get(life.conversation) is None
    begun = await begin_turn(state, life.conversation, "new", now=clock.now, where=life.origin())
    await commit_turn(state, life.conversation, begun, handled=["new"], now=clock.now)
    await life.save()
    before = await state.conversations.snapshot(life.conversation)
    assert await rebuild_again(state, bus, clock.now) == 1
    after = await state.conversations.snapshot(life.conversation)
    assert before is not None
    assert after is not None
    assert after.handled == before.handled
    assert after.conversation.version == 1


async def test_old_lines_of_a_conversation_that_goes_on_stay_away(state: State, bus: Bus, clock: Clock) -> None:
    life = await record_conversation(state, bus, "visitor")
    await state.transcript.mark(
        life.conversation, [each.id for each in await state.transcript.read(life.conversation)], "read"
    )
    clock.now = later(days=31)
    begun = await begin_turn(state, life.conversation, "new", now=clock.now, where=life.origin())
    await commit_turn(state, life.conversation, begun, handled=["new"], now=clock.now)
    await sweep(state, now=clock.now)
    await life.save()
    assert await state.transcript.read(life.conversation) == []
    head = await state.transcript.head(life.conversation)
    await rebuild_again(state, bus, clock.now)
    assert await state.transcript.read(life.conversation) == []
    assert await state.transcript.head(life.conversation) == head
    assert await state.transcript.add(life.conversation, line(created_at=clock.now)) == head + 1


async def test_all_lines_of_a_conversation_that_a_person_has_come_back(state: State, bus: Bus, clock: Clock) -> None:
    life = await record_conversation(state, bus, "visitor")
    await state.conversations.own(life.conversation, "person", expected_epoch=0, request_id=new_id(), by="ada", now=NOW)
    await life.save()
    clock.now = later(days=61)
    await clean(state, bus, clock.now)
    before = await state.transcript.read(life.conversation)
    assert len(before) == 4
    await rebuild_again(state, bus, clock.now)
    assert [each.id for each in await state.transcript.read(life.conversation)] == [each.id for each in before]
    assert await state.contacts.get(TENANT, life.contact) is not None


async def test_without_a_retention_everything_comes_back(state: State, bus: Bus, clock: Clock) -> None:
    life = await record_conversation(state, bus, "visitor")
    clock.now = later(days=61)
    await rebuild(bus, state.rebuild, ALL_SHARDS, channels=CHANNELS, grace=0, now=clock.now)
    assert len(await state.transcript.read(life.conversation)) == 4
    await bus.append([build_envelope(topics.CONVERSATION_SNAPSHOT, None, life.conversation, new_id())])
    await rebuild(bus, state.rebuild, ALL_SHARDS, channels=CHANNELS, grace=0, now=clock.now)
    assert await state.conversations.get(life.conversation) is None
