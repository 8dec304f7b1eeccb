"""Records that only the state store knew to be waiting wait again after a loss; the same on SQLite and on Redis."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from infra.bus.partitioner import shard_of
from infra.state.rebuild import RebuildReport, rebuild
from schemas import topics
from schemas.conversation import DeadLetter, DeadLetterDiscarded, OwnerRequested
from schemas.conversation_activity import MessageDeleted
from schemas.ports import Bus, Record, State, TopicPartition
from tests.contracts.bus.engines import open_kafka
from tests.contracts.bus.recording_consumer import open_consumer, wait_until
from tests.contracts.state.engines import ALL_SHARDS, server_state
from tests.contracts.state.recorded_history import (
    CHANNELS,
    RecordedConversation,
    build_envelope,
    record_conversation,
)
from tests.contracts.state.samples import NOW, later

INBOUND, OUTBOUND = topics.inbound("web"), topics.outbound("web")
WORKERS, SENDERS = topics.worker_group("web"), topics.sender_group("web")
SOURCES = [TopicPartition(topic, partition) for topic in (INBOUND, OUTBOUND) for partition in range(3)]


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def rebuild_again(
    state: State, bus: Bus, shards: frozenset[int] = ALL_SHARDS, *, now: datetime = NOW, limit: int = 10_000
) -> RebuildReport:
    return await rebuild(bus, state.rebuild, shards, channels=CHANNELS, grace=0, now=now, limit=limit)


async def commit_everything(bus: Bus) -> None:
    """As lanes do once the rest is parked."""
    for group, topic in ((WORKERS, INBOUND), (SENDERS, OUTBOUND)):
        count = len([record async for record in await bus.read(topic)])
        async with open_consumer(bus, group, topics=[topic]) as member:
            await wait_until(lambda member=member, count=count: len(member.records) >= count, "all is read")  # type: ignore[misc]
            await member.commit_what_is_ours()


async def on_log(bus: Bus, topic: str, *ids: str) -> list[Record]:
    found = {record.headers["ce_id"]: record async for record in await bus.read(topic)}
    return [found[id_] for id_ in ids]


async def ask_and_delete(life: RecordedConversation, bus: Bus, message: str) -> list[str]:
    gone = MessageDeleted(message_id=message, deleted_at=NOW, place=life.visitor, contact_id=life.contact)
    asked = OwnerRequested(id="request", to="queue", expected_epoch=0, by="someone", at=NOW)
    kinds = [(topics.MESSAGE_DELETED, gone, "gone"), (topics.OWNER_REQUESTED, asked, "asked")]
    await bus.append([build_envelope(kind, payload, life.conversation, id_) for kind, payload, id_ in kinds])
    return ["gone", "asked"]


async def check_that_unsettled_ones_come_back(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor")
    other = await record_conversation(state, bus, "other")
    waiting = [await life.hear("one"), await life.hear("two")]
    waiting += await ask_and_delete(life, bus, waiting[0])
    reply = await life.answer([await life.hear("three")], "not sent yet")
    await commit_everything(bus)
    await life.hear("the log still has this one to hand out")
    inbound, outbound = await on_log(bus, INBOUND, *waiting), await on_log(bus, OUTBOUND, reply)
    for _ in range(2):
        report = await rebuild_again(state, bus)
        assert report.parked == 5
        assert await state.parking.read(WORKERS, life.conversation, limit=99) == inbound
        assert await state.parking.read(SENDERS, life.conversation, limit=99) == outbound
        assert await state.parking.list_conversations(WORKERS, SOURCES) == {life.conversation: (inbound[0].source, NOW)}
        assert await state.parking.list_conversations(SENDERS, SOURCES) == {
            life.conversation: (outbound[0].source, NOW)
        }
        assert await state.parking.read(WORKERS, other.conversation, limit=99) == []
    assert await state.parking.unpark(WORKERS, life.conversation, inbound) == 0


async def test_unsettled_records_are_parked_again_in_log_order(state: State, bus: Bus) -> None:
    """Messages, deletions, requests and replies below the committed offset; not the handled or sent ones, nor what
    the log itself hands out again. A second rebuild adds nothing."""
    await check_that_unsettled_ones_come_back(state, bus)


@pytest.mark.scaled
async def test_it_holds_on_kafka_and_redis_together(redis_url: str, kafka_bootstrap: str, topic_prefix: str) -> None:
    async with open_kafka(kafka_bootstrap, topic_prefix)() as bus, server_state(redis_url) as state:
        await bus.create_topics(topics.topic_specs(CHANNELS, partitions=3, small=3))
        await check_that_unsettled_ones_come_back(state, bus)


async def test_a_turn_tells_what_was_handled_after_the_last_snapshot(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor")
    reply = await life.answer([await life.hear("late")], "answered", snapshot=False)
    await life.deliver(reply)
    await commit_everything(bus)
    assert (await rebuild_again(state, bus)).parked == 0


async def test_dead_lettered_records_stay_given_up(state: State, bus: Bus) -> None:
    """The record that the letter is about, and no other."""
    life = await record_conversation(state, bus, "visitor")
    bad, good = await life.hear("bad"), await life.hear("good")
    given_up, kept = await on_log(bus, INBOUND, bad, good)
    letter = DeadLetter(
        id="letter", code="handler_gave_up", reason="", attempts=5, topic=INBOUND, partition=given_up.partition,
        offset=given_up.offset, headers=dict(given_up.headers), first_at=NOW, last_at=NOW,
    )  # fmt: skip
    await bus.append([build_envelope(topics.DEADLETTER_RECORDED, letter, life.conversation, "letter")])
    await commit_everything(bus)
    await rebuild_again(state, bus)
    assert await state.parking.read(WORKERS, life.conversation, limit=99) == [kept]


async def test_dead_letters_come_back_except_discarded_and_erased_ones(state: State, bus: Bus) -> None:
    """Even if the store has lost them; and those that it has keep their number of replays."""
    life = await record_conversation(state, bus, "visitor")
    gone = f"{life.conversation}-erased"
    letters = [
        DeadLetter(
            id=id_, code="handler_gave_up", reason="", attempts=5, topic=INBOUND, partition=0, offset=offset,
            tenant="shop", conversation_id=conversation, first_at=NOW, last_at=NOW,
        )
        for offset, (id_, conversation) in enumerate(
            [("lost", life.conversation), ("kept", life.conversation), ("discarded", life.conversation), ("gone", gone)]
        )
    ]  # fmt: skip
    for letter in letters:
        await bus.append([build_envelope(topics.DEADLETTER_RECORDED, letter, letter.conversation_id, letter.id)])
    await state.dead_letters.add(letters[1])
    await state.dead_letters.count_replay("shop", "kept")
    discarded = DeadLetterDiscarded(letter_id="discarded", by="admin", discarded_at=NOW)
    await bus.append([build_envelope(topics.DEADLETTER_DISCARDED, discarded, life.conversation, "discarding")])
    erased = build_envelope(topics.CONVERSATION_SNAPSHOT, None, gone, "erased")
    await bus.append([erased])
    await commit_everything(bus)
    for _ in range(2):
        await rebuild_again(state, bus)
        found, _ = await state.dead_letters.list_page("shop")
        assert sorted((each.id, each.replays) for each in found) == [("kept", 1), ("lost", 0)]


async def test_an_undecodable_record_is_parked_so_that_it_is_dead_lettered(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor")
    wrong = MessageDeleted(message_id="m", deleted_at=NOW, place="", contact_id="")
    await bus.append([build_envelope(topics.MESSAGE_RECEIVED, wrong, life.conversation, "poison")])
    await commit_everything(bus)
    await rebuild_again(state, bus)
    assert await state.parking.read(WORKERS, life.conversation, limit=99) == await on_log(bus, INBOUND, "poison")


async def test_records_that_are_too_old_are_left_alone(state: State, bus: Bus, clock: Clock) -> None:
    """A reply past its expiry, and a message from before the time in which handled ids are remembered."""
    life = await record_conversation(state, bus, "visitor")
    await life.hear("long ago")
    await life.answer([await life.hear("why?")], "expires after a day")
    clock.now += timedelta(days=3)
    recent = await life.hear("recent")
    await commit_everything(bus)
    assert (await rebuild_again(state, bus, now=later(days=9))).parked == 1
    assert await state.parking.read(WORKERS, life.conversation, limit=99) == await on_log(bus, INBOUND, recent)


async def test_surviving_records_keep_waiting_until_their_time(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor")
    records = await on_log(bus, INBOUND, await life.hear("one"), await life.hear("two"))
    await commit_everything(bus)
    await state.parking.park(WORKERS, life.conversation, records[1:], until=later(600))
    await rebuild_again(state, bus)
    assert await state.parking.read(WORKERS, life.conversation, limit=99) == records
    assert await state.parking.list_conversations(WORKERS, SOURCES) == {
        life.conversation: (records[0].source, later(600))
    }


async def test_only_the_lost_shards_are_parked_again_and_in_every_round(state: State, bus: Bus) -> None:
    lives = [await record_conversation(state, bus, f"visitor-{n}") for n in range(6)]
    said = {life.conversation: [await life.hear("one"), await life.hear("two")] for life in lives}
    await commit_everything(bus)
    lost = frozenset({shard_of(lives[0].conversation)})
    assert (await rebuild_again(state, bus, lost)).parked == 2 * sum(shard_of(one) in lost for one in said)
    report = await rebuild_again(state, bus, limit=20)
    assert report.rounds > 1
    assert report.parked == 12
    for conversation, ids in said.items():
        expected = await on_log(bus, INBOUND, *ids)
        assert await state.parking.read(WORKERS, conversation, limit=99) == expected
