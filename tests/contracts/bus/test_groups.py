"""Consumer groups: each record to one member, and partitions that change hands without loss."""

from __future__ import annotations

import asyncio

import pytest

from schemas.errors import Fenced, TopicMismatch
from schemas.ports import Bus, TopicPartition
from schemas.topics import DEADLETTER
from tests.contracts.bus.engines import SLACK, WEB
from tests.contracts.bus.recording_consumer import (
    EVERYTHING,
    Consumer,
    Journal,
    by_key,
    message,
    open_consumer,
    wait_until,
)

KEYS = [f"conversation-{n}" for n in range(30)]


async def append_numbers(bus: Bus, numbers: range) -> None:
    for number in numbers:
        await bus.append([message(key, number) for key in KEYS])


async def test_a_lone_member_gets_everything_in_order(bus: Bus) -> None:
    """What was there before it came, and what comes after."""
    await append_numbers(bus, range(3))
    async with open_consumer(bus, "workers") as a:
        assert a.owned == EVERYTHING
        await append_numbers(bus, range(3, 6))
        await wait_until(lambda: len(a.records) >= 180, "180 records")
        assert by_key(a.records) == {key: list(range(6)) for key in KEYS}


async def test_each_group_gets_everything(bus: Bus) -> None:
    """Two groups do not take records from each other."""
    await append_numbers(bus, range(2))
    async with open_consumer(bus, "workers") as a, open_consumer(bus, "receipts", name="b") as b:
        await wait_until(lambda: len(a.records) >= 60 and len(b.records) >= 60, "60 records each")
        assert by_key(a.records) == by_key(b.records) == {key: [0, 1] for key in KEYS}


async def test_two_members_share_the_partitions(bus: Bus) -> None:
    """Together they own everything, each something, none twice; a record goes to one of them."""
    async with open_consumer(bus, "workers") as a, open_consumer(bus, "workers", name="b") as b:
        await wait_until(lambda: bool(a.owned and b.owned) and a.owned | b.owned == EVERYTHING, "a split")
        assert not a.owned & b.owned
        await append_numbers(bus, range(2))
        await wait_until(lambda: len(a.records) + len(b.records) >= 60, "60 records")
        assert by_key(a.records) | by_key(b.records) == {key: [0, 1] for key in KEYS}
        assert not by_key(a.records).keys() & by_key(b.records).keys()


async def test_the_old_owner_lets_go_before_the_new_one_begins(bus: Bus) -> None:
    """``revoked`` has returned on every old owner before ``assigned`` is called with its partitions on a new one."""
    journal: Journal = []

    async def slowly(_: frozenset[TopicPartition]) -> None:
        journal.append(("a", "draining", frozenset()))
        await asyncio.sleep(0.3)  # a handler that takes its time

    async with (
        open_consumer(bus, "workers", journal=journal, when_revoked=slowly),
        open_consumer(bus, "workers", name="b", journal=journal) as b,
    ):
        await wait_until(lambda: bool(b.owned), "something for b")
        mine = b.owned
        calls = [(name, call) for name, call, partitions in journal if call == "draining" or partitions & mine]
        assert calls[:4] == [("a", "assigned"), ("a", "draining"), ("a", "revoked"), ("b", "assigned")]


async def test_partitions_of_a_leaving_member_go_to_the_others(bus: Bus) -> None:
    """Its ``revoked`` runs, and the one that stays owns everything again."""
    journal: Journal = []
    async with open_consumer(bus, "workers", journal=journal) as a:
        async with open_consumer(bus, "workers", name="b", journal=journal) as b:
            await wait_until(lambda: bool(b.owned), "a split")
        assert b.owned == frozenset()
        assert ("b", "revoked") in [call[:2] for call in journal]
        await wait_until(lambda: a.owned == EVERYTHING, "everything for a")


async def test_a_committed_record_is_not_read_again(bus: Bus) -> None:
    """The next member starts at the committed offset."""
    await append_numbers(bus, range(2))
    async with open_consumer(bus, "workers") as a:
        await wait_until(lambda: len(a.records) >= 60, "60 records")
        await a.commit_what_is_ours()
    await append_numbers(bus, range(2, 3))
    async with open_consumer(bus, "workers", name="b") as b:
        await wait_until(lambda: len(b.records) >= 30, "30 records")
        assert by_key(b.records) == {key: [2] for key in KEYS}


async def test_uncommitted_records_are_read_again(bus: Bus) -> None:
    """A member that leaves without a commit leaves everything to the next."""
    await append_numbers(bus, range(2))
    async with open_consumer(bus, "workers") as a:
        await wait_until(lambda: len(a.records) >= 60, "60 records")
    async with open_consumer(bus, "workers", name="b") as b:
        await wait_until(lambda: len(b.records) >= 60, "60 records")
        assert by_key(b.records) == {key: [0, 1] for key in KEYS}


async def test_a_commit_inside_revoked_counts(bus: Bus) -> None:
    """The new owner starts behind what the old one committed while it was let go: nothing is read twice."""
    await append_numbers(bus, range(2))
    async with open_consumer(bus, "workers") as a:

        async def commit(partitions: frozenset[TopicPartition]) -> None:
            await a.sub.commit({name: next_ for name, next_ in a.positions().items() if name in partitions})

        a.when_revoked = commit
        await wait_until(lambda: len(a.records) >= 60, "60 records")
        async with open_consumer(bus, "workers", name="b") as b:
            await wait_until(lambda: bool(b.owned) and a.owned | b.owned == EVERYTHING, "a split")
            await append_numbers(bus, range(2, 3))
            await wait_until(lambda: len(a.records) + len(b.records) >= 90, "90 records")
            assert all(numbers == [2] for numbers in by_key(b.records).values())
            assert b.records


async def test_the_last_commit_is_made_on_leaving(bus: Bus) -> None:
    """``close`` runs ``revoked`` first, and commits inside it still count."""
    await append_numbers(bus, range(2))
    a = Consumer("a", [])
    await a.join(bus, "workers", [WEB], "")

    async def commit(partitions: frozenset[TopicPartition]) -> None:
        await a.sub.commit({name: next_ for name, next_ in a.positions().items() if name in partitions})

    a.when_revoked = commit
    await wait_until(lambda: len(a.records) >= 60, "60 records")
    await a.leave()
    assert await bus.lag("workers", [WEB]) == {WEB: 0}


async def test_a_commit_for_a_lost_partition_is_fenced(bus: Bus) -> None:
    """And it changes nothing: the new owner's reading goes by its own commits."""
    await append_numbers(bus, range(1))
    async with open_consumer(bus, "workers") as a:
        await wait_until(lambda: len(a.records) >= 30, "30 records")
        async with open_consumer(bus, "workers", name="b") as b:
            await wait_until(lambda: bool(b.owned) and a.owned | b.owned == EVERYTHING, "a split")
            before = await bus.lag("workers", [WEB])
            with pytest.raises(Fenced):
                await a.sub.commit(dict.fromkeys(b.owned, 1))
            assert await bus.lag("workers", [WEB]) == before


async def test_a_named_member_gets_its_partitions_back(bus: Bus) -> None:
    """After a restart under the same name everybody owns what they owned before."""
    async with open_consumer(bus, "workers", member="one") as a:
        async with open_consumer(bus, "workers", name="b", member="two") as b:
            await wait_until(lambda: bool(b.owned) and a.owned | b.owned == EVERYTHING, "a split")
            shares = a.owned, b.owned
        async with open_consumer(bus, "workers", name="b", member="two") as again:
            await wait_until(lambda: (a.owned, again.owned) == shares, "the shares from before")
            await append_numbers(bus, range(1))
            await wait_until(lambda: len(a.records) + len(again.records) >= 30, "30 records")


async def test_a_member_may_read_several_topics(bus: Bus) -> None:
    """It gets all partitions of all of them, and commits them in one go."""
    async with open_consumer(bus, "workers", topics=[WEB, SLACK]) as a:
        assert len(a.owned) == 6
        await bus.append([message("one", 1), message("one", 2, channel="slack")])
        await wait_until(lambda: len(a.records) >= 2, "both records")
        assert {record.topic for record in a.records} == {WEB, SLACK}
        await a.commit_what_is_ours()
        assert await bus.lag("workers", [WEB, SLACK]) == {WEB: 0, SLACK: 0}


async def test_subscribing_to_a_topic_that_nobody_created_is_a_clear_error(bus: Bus) -> None:
    """TopicMismatch, at once."""
    with pytest.raises(TopicMismatch):
        await bus.subscribe([DEADLETTER], "workers", Consumer("a", []))


async def test_lag_counts_what_is_not_committed(bus: Bus) -> None:
    """All of it for a group that nobody has seen, less with every commit."""
    await append_numbers(bus, range(2))
    assert await bus.lag("workers", [WEB, SLACK]) == {WEB: 60, SLACK: 0}
    async with open_consumer(bus, "workers") as a:
        await wait_until(lambda: len(a.records) >= 60, "60 records")
        assert await bus.lag("workers", [WEB]) == {WEB: 60}
        await a.commit_what_is_ours()
        await append_numbers(bus, range(2, 3))
        assert await bus.lag("workers", [WEB]) == {WEB: 30}


async def test_committed_tells_where_a_group_reads_on(bus: Bus) -> None:
    """By partition, for that topic and group alone; nothing where nothing was committed."""
    await append_numbers(bus, range(2))
    await bus.append([message("one", 1, channel="slack")])
    assert await bus.committed_offsets("workers", WEB) == {}
    async with open_consumer(bus, "workers", topics=[WEB, SLACK]) as a:
        await wait_until(lambda: len(a.records) >= 61, "61 records")
        partition, next_ = next((name.partition, next_) for name, next_ in a.positions().items() if name.topic == WEB)
        await a.sub.commit({TopicPartition(WEB, partition): next_ - 1})
        assert await bus.committed_offsets("workers", WEB) == {partition: next_ - 1}
        assert await bus.committed_offsets("workers", SLACK) == {}
        await a.commit_what_is_ours()
    read = {name.partition: next_ for name, next_ in a.positions().items() if name.topic == WEB}
    assert await bus.committed_offsets("workers", WEB) == read
    assert await bus.committed_offsets("others", WEB) == {}
    with pytest.raises(TopicMismatch):
        await bus.committed_offsets("workers", DEADLETTER)
