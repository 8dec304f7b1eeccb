"""Appended records are read back whole, in order, in the partition that Kafka would choose."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from dataclasses import replace

import pytest

from infra.bus.partitioner import partition_of
from schemas.envelope import Envelope
from schemas.errors import TooLarge, TopicMismatch
from schemas.ports import Bus, Record
from schemas.topics import DAY_MS, DEADLETTER, DESK_UPDATE, STATE, TopicSpec, outbound
from tests.contracts.bus.engines import PARTITIONS, SLACK, WEB
from tests.contracts.bus.recording_consumer import by_key, message, snapshot


async def read_all(bus: Bus, topic: str = WEB) -> list[Record]:
    return [record async for record in await bus.read(topic)]


async def test_order_holds_for_each_of_many_keys(bus: Bus) -> None:
    """Appends of one key, awaited one after the other while 59 others do the same, are read in that order."""

    async def write(key: str) -> None:
        for number in range(10):
            await bus.append([message(key, number)])

    await asyncio.gather(*(write(f"conversation-{n}") for n in range(60)))
    found = by_key(await read_all(bus))
    assert found == {f"conversation-{n}": list(range(10)) for n in range(60)}


async def test_order_holds_for_appends_that_overlap(bus: Bus) -> None:
    """Appends of one key that were begun in order, without waiting for each other, are read in that order."""
    writes = [asyncio.create_task(bus.append([message("one", number)])) for number in range(200)]
    await asyncio.gather(*writes)
    assert by_key(await read_all(bus)) == {"one": list(range(200))}


async def test_order_holds_when_more_waits_than_is_written_at_once(bus: Bus) -> None:
    """Of 1,200 appends begun together, singles and pairs of a kilobyte, none is lost, doubled or out of its place."""
    sizes = [1 + number % 2 for number in range(1200)]
    pairs = [[message("one", number, data=bytes(1024)) for _ in range(size)] for number, size in enumerate(sizes)]
    positions = await asyncio.gather(*(bus.append(pair) for pair in pairs))
    offsets = [position.offset for some in positions for position in some]
    assert offsets == list(range(offsets[0], offsets[0] + sum(sizes)))
    assert len(await read_all(bus)) == sum(sizes)


async def test_order_holds_inside_one_append(bus: Bus) -> None:
    """A batch keeps its order per key, however its keys are mixed."""
    batch = [message(f"key-{n % 7}", n) for n in range(140)]
    await bus.append(batch)
    assert by_key(await read_all(bus)) == {f"key-{k}": list(range(k, 140, 7)) for k in range(7)}


async def test_positions_tell_where_each_record_is(bus: Bus) -> None:
    """``append`` returns one position an envelope, in their order, and the record is there."""
    batch = [message(f"key-{n}", n) for n in range(30)]
    positions = await bus.append(batch)
    found = {(record.partition, record.offset): record.key for record in await read_all(bus)}
    assert [found[position.partition, position.offset] for position in positions] == [e.conversation for e in batch]
    assert {position.topic for position in positions} == {WEB}


async def test_a_key_goes_to_the_same_partition_on_every_engine(bus: Bus) -> None:
    """The partition is the partitioner's, also for keys that are not ASCII."""
    keys = [f"{random.getrandbits(64):x}" for _ in range(200)] + ["ключ", "鍵", "🌱 plant", "é"]
    positions = await bus.append([message(key, n) for n, key in enumerate(keys)])
    assert [position.partition for position in positions] == [partition_of(key, PARTITIONS) for key in keys]


async def test_offsets_of_a_partition_go_up_one_by_one(bus: Bus) -> None:
    """Nothing else takes up offsets of a topic that is not compacted."""
    await bus.append([message(f"key-{n}", n) for n in range(50)])
    offsets: dict[int, list[int]] = defaultdict(list)
    for record in await read_all(bus):
        offsets[record.partition].append(record.offset)
    assert all(found == list(range(len(found))) for found in offsets.values())


async def test_headers_come_back_as_they_were(bus: Bus) -> None:
    """Every attribute survives, in any script, and so do headers we do not know."""
    sent = replace(
        message("one", 1),
        account="главный",
        correlation_id="相関",
        causation_id="c",
        traceparent="00-aa-bb-01",
        extra={"x-note": "señal 🌿", "x-empty": ""},
    )
    await bus.append([sent])
    [record] = await read_all(bus)
    assert Envelope.from_wire(record.headers, record.value) == sent


async def test_bytes_that_nobody_can_decode_pass_through_whole(bus: Bus) -> None:
    """The log does not look inside: poison arrives as it was sent."""
    poison = [b"\x00\xff\xfe{", b"", b"{" * 10_000, bytes(range(256)) * 40]
    for number, data in enumerate(poison):
        await bus.append([message("one", number, data=data)])
    assert [record.value for record in await read_all(bus)] == poison


async def test_a_large_record_passes_through(bus: Bus) -> None:
    """900 kB fit."""
    data = random.randbytes(900_000)
    await bus.append([message("one", 1, data=data)])
    [record] = await read_all(bus)
    assert record.value == data


async def test_a_record_over_the_limit_is_refused_and_harms_nothing(bus: Bus) -> None:
    """1.1 MB raise TooLarge, and the next append of the same key works."""
    with pytest.raises(TooLarge):
        await bus.append([message("one", 1, data=b"x" * 1_100_000)])
    await bus.append([message("one", 2)])
    assert by_key(await read_all(bus)) == {"one": [2]}


async def test_an_empty_append_does_nothing(bus: Bus) -> None:
    """No envelopes, no positions, no error."""
    assert await bus.append([]) == []
    assert await read_all(bus) == []


async def test_a_topic_can_be_named_against_the_event_type(bus: Bus) -> None:
    """A replay goes to the topic it names; otherwise the event type and channel decide."""
    await bus.append([message("one", 1)], topic=SLACK)
    await bus.append([message("two", 2, channel="slack")])
    assert by_key(await read_all(bus, SLACK)) == {"one": [1], "two": [2]}
    assert await read_all(bus) == []


async def test_one_append_may_span_topics(bus: Bus) -> None:
    """Each envelope goes to its own topic, and the positions say so."""
    positions = await bus.append([message("one", 1), snapshot("one", b"{}"), message("one", 2, channel="slack")])
    assert [position.topic for position in positions] == [WEB, STATE, SLACK]


async def test_a_topic_that_nobody_created_is_a_clear_error(bus: Bus) -> None:
    """Nothing is created by writing to it or reading from it."""
    with pytest.raises(TopicMismatch):
        await bus.append([message("one", 1)], topic=DEADLETTER)
    with pytest.raises(TopicMismatch):
        _ = [record async for record in await bus.read(DEADLETTER)]
    assert DEADLETTER not in await bus.describe_topics()


async def test_a_caller_that_gives_up_harms_nobody(bus: Bus) -> None:
    """Half of the appends are cancelled at once; the other half are all there, in order."""
    tasks = [asyncio.create_task(bus.append([message("one", n)])) for n in range(40)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    kept = [number for number in by_key(await read_all(bus))["one"] if number % 2]
    assert kept == list(range(1, 40, 2))


async def test_a_working_log_is_ready_and_the_check_leaves_nothing_in_it(bus: Bus) -> None:
    await bus.append([message("one", 0)])
    topics = await bus.describe_topics()
    for _ in range(2):
        await bus.check_ready()
    assert await bus.describe_topics() == topics
    (position,) = await bus.append([message("one", 1)])
    found = await read_all(bus)
    assert by_key(found) == {"one": [0, 1]}
    assert [record.offset for record in found] == [position.offset - 1, position.offset]


async def test_events_for_the_desk_go_to_the_topic_of_the_tenants_desk(bus: Bus) -> None:
    """Whatever channel the conversation is on."""
    topics = [outbound("web"), outbound("slack")]
    await bus.create_topics([TopicSpec(topic, PARTITIONS, DAY_MS) for topic in topics])
    touched = [replace(message("c", 1), tenant=tenant, type=DESK_UPDATE) for tenant in ("bakery", "shop")]
    await bus.append(touched)
    tenants = [[record.headers["ce_tenant"] for record in await read_all(bus, topic)] for topic in topics]
    assert tenants == [["bakery"], ["shop"]]
