"""Signals: everyone who listens hears, nobody who is slow holds up the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from schemas.ports import State
from tests.contracts.state.samples import new_id


async def read_first(reader: AsyncIterator[bytes], *, skip: bytes = b"ready?") -> bytes:
    async with asyncio.timeout(30):
        async for payload in reader:
            if payload != skip:
                return payload
    raise AssertionError("the reader ended")


async def wait_until_subscribed(state: State, topic: str, reader: AsyncIterator[bytes]) -> None:
    """Wait until what is published reaches the reader: a subscription to a server takes a moment."""
    heard = asyncio.ensure_future(anext(reader))
    async with asyncio.timeout(30):
        while not heard.done():
            await state.signals.publish(topic, b"ready?")
            await asyncio.wait([heard], timeout=0.02)
    assert heard.result() == b"ready?"


async def close_reader(reader: Any) -> None:
    await reader.aclose()


async def test_every_reader_of_a_topic_hears_what_is_published_in_order(state: State) -> None:
    topic = new_id()
    readers = [state.signals.subscribe(topic) for _ in range(3)]
    for reader in readers:
        await wait_until_subscribed(state, topic, reader)
    for n in range(5):
        await state.signals.publish(topic, b"%d" % n)
    for reader in readers:
        heard = [await read_first(reader)]
        heard += [await read_first(reader) for _ in range(4)]
        assert heard == [b"0", b"1", b"2", b"3", b"4"]
        await close_reader(reader)


async def test_other_topics_are_not_heard(state: State) -> None:
    topic, other = new_id(), new_id()
    reader = state.signals.subscribe(topic)
    await wait_until_subscribed(state, topic, reader)
    await state.signals.publish(other, b"other")
    await state.signals.publish(topic, b"\x00\xff ours")
    assert await read_first(reader) == b"\x00\xff ours"
    await close_reader(reader)


async def test_what_is_published_without_a_reader_is_lost_to_those_who_come_later(state: State) -> None:
    topic = new_id()
    await state.signals.publish(topic, b"lost")
    reader = state.signals.subscribe(topic)
    await wait_until_subscribed(state, topic, reader)
    await state.signals.publish(topic, b"heard")
    assert await read_first(reader) == b"heard"
    await close_reader(reader)


async def test_a_slow_reader_loses_the_oldest_and_never_blocks_a_publisher(state: State) -> None:
    topic, sent = new_id(), 20_000
    reader = state.signals.subscribe(topic)
    await wait_until_subscribed(state, topic, reader)
    async with asyncio.timeout(60):
        for n in range(sent):
            await state.signals.publish(topic, b"%d" % n)
        heard = [int(await read_first(reader))]
        while heard[-1] != sent - 1:
            heard.append(int(await read_first(reader)))
    assert heard == sorted(set(heard)), "what is left keeps its order"
    assert len(heard) < sent, "the queue is bounded"
    await close_reader(reader)


async def test_a_closed_reader_ends_and_publishing_goes_on(state: State) -> None:
    topic = new_id()
    gone, stays = state.signals.subscribe(topic), state.signals.subscribe(topic)
    await wait_until_subscribed(state, topic, gone)
    await wait_until_subscribed(state, topic, stays)
    await close_reader(gone)
    await state.signals.publish(topic, b"news")
    assert [payload async for payload in gone] == []
    assert await read_first(stays) == b"news"
    await close_reader(stays)


async def test_signals_are_received_in_the_order_of_publication(state: State) -> None:
    topic = new_id()
    reader = state.signals.subscribe(topic)
    await wait_until_subscribed(state, topic, reader)
    for n in range(3):
        state.signals.publish_nowait(topic, b"%d" % n)
    assert [await read_first(reader) for _ in range(3)] == [b"0", b"1", b"2"]
    await close_reader(reader)
