"""Parking: records set aside come back whole, in order and once."""

from __future__ import annotations

import asyncio

from schemas.ports import State, TopicPartition
from tests.contracts.state.samples import later, new_id, record

GROUP = "parley.worker.web"


async def test_parked_records_come_back_as_they_were_in_the_order_of_the_log(state: State) -> None:
    conversation = new_id()
    three, seven, nine, ten = (record(offset, conversation) for offset in (3, 7, 9, 10))
    await state.parking.park(GROUP, conversation, [seven, nine], until=later(60))
    # A worker that took over reads again from before what the last one had parked.
    await state.parking.park(GROUP, conversation, [three, seven, nine, ten], until=later(60))
    assert await state.parking.read(GROUP, conversation, limit=10) == [three, seven, nine, ten]
    assert await state.parking.read(GROUP, conversation, limit=2) == [three, seven]


async def test_a_tombstone_is_parked_as_one(state: State) -> None:
    conversation = new_id()
    plain = record(1, conversation)
    tombstone = type(plain)(plain.topic, 0, 2, conversation, 0, {}, None)
    empty = type(plain)(plain.topic, 0, 3, conversation, 0, {}, b"")
    await state.parking.park(GROUP, conversation, [plain, tombstone, empty], until=later(60))
    assert await state.parking.read(GROUP, conversation, limit=10) == [plain, tombstone, empty]


async def test_parking_a_record_again_changes_neither_its_place_nor_the_number(state: State) -> None:
    conversation = new_id()
    records = [record(offset, conversation) for offset in range(4)]
    await state.parking.park(GROUP, conversation, records[:3], until=later(60))
    await asyncio.gather(
        *(state.parking.park(GROUP, conversation, records[1:], until=later(60)) for _ in range(10)),
    )
    assert await state.parking.read(GROUP, conversation, limit=10) == records


async def test_the_same_offset_of_another_partition_is_another_record(state: State) -> None:
    conversation = new_id()
    records = [record(1, conversation), record(1, conversation, partition=1), record(1, conversation, topic="t2")]
    await state.parking.park(GROUP, conversation, records, until=later(60))
    parked = await state.parking.read(GROUP, conversation, limit=10)
    assert len(parked) == 3
    assert all(one in parked for one in records)
    assert await state.parking.unpark(GROUP, conversation, records[:1]) == 2
    assert records[0] not in await state.parking.read(GROUP, conversation, limit=10)


async def test_unparking_tells_how_many_are_left(state: State) -> None:
    conversation = new_id()
    records = [record(offset, conversation) for offset in range(5)]
    await state.parking.park(GROUP, conversation, records, until=later(60))
    assert await state.parking.unpark(GROUP, conversation, records[:2]) == 3
    assert await state.parking.unpark(GROUP, conversation, records[:2]) == 3
    more = record(9, conversation)
    await state.parking.park(GROUP, conversation, [more], until=later(60))
    assert await state.parking.read(GROUP, conversation, limit=10) == [*records[2:], more]
    assert await state.parking.unpark(GROUP, conversation, [*records, more]) == 0
    assert await state.parking.read(GROUP, conversation, limit=10) == []


async def test_waiting_names_what_is_parked_of_the_asked_partitions_and_until_when(state: State) -> None:
    ours, theirs, done = new_id(), new_id(), new_id()
    zero, one = TopicPartition("parley.inbound.web", 0), TopicPartition("parley.inbound.web", 1)
    await state.parking.park(GROUP, ours, [record(1, ours), record(2, ours)], until=later(60))
    await state.parking.park(GROUP, ours, [record(3, ours)], until=later(30))
    await state.parking.park(GROUP, theirs, [record(1, theirs, partition=1)], until=later(90))
    await state.parking.park(GROUP, done, [record(5, done)], until=later(60))
    await state.parking.unpark(GROUP, done, [record(5, done)])
    assert await state.parking.list_conversations(GROUP, [zero]) == {ours: (zero, later(30))}
    assert await state.parking.list_conversations(GROUP, [zero, one]) == {
        ours: (zero, later(30)),
        theirs: (one, later(90)),
    }
    assert await state.parking.list_conversations(GROUP, []) == {}


async def test_each_group_parks_for_itself(state: State) -> None:
    conversation = new_id()
    await state.parking.park(GROUP, conversation, [record(1, conversation)], until=later(60))
    other = "parley.sender.web"
    assert await state.parking.read(other, conversation, limit=10) == []
    assert await state.parking.list_conversations(other, [TopicPartition("parley.inbound.web", 0)]) == {}
    assert await state.parking.unpark(other, conversation, [record(1, conversation)]) == 0
    assert len(await state.parking.read(GROUP, conversation, limit=10)) == 1
