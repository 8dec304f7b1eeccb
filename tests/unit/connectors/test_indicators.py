"""That an answer is being written, as a vendor is told it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from connectors.outbound.connections import AccountConnections
from connectors.outbound.typing_indicators import MAX_AGE, TypingIndicators
from schemas.conversation_activity import TypingSignal, typing_topic
from schemas.errors import RetryLater
from tests.unit.connectors.conftest import ACCOUNT, CHANNEL, TENANT, ConnectorEnvironment, ScriptedChannel


class TypingChannel(ScriptedChannel):
    """Also a TypingIndicator, whose vendor may be slow or away."""

    def __init__(self) -> None:
        super().__init__()
        self.seen_at: list[tuple[str, str]] = []
        self.news = asyncio.Event()
        self.away = False

    async def show_typing(self, place: str, external_id: str) -> None:
        self.seen_at.append((place, external_id))
        self.news.set()
        if self.away:
            raise RetryLater("the vendor cannot be reached")

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.seen_at) < count:
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def run_indicators(world: ConnectorEnvironment, *channels: TypingChannel) -> AsyncIterator[None]:
    """One process each."""
    tasks = []
    for channel in channels:
        indicators = TypingIndicators(
            CHANNEL,
            AccountConnections(channel, world.clock),
            signals=world.state.signals,
            limiter=world.state.limiter,
            clock=world.clock,
            account_of=world.account,
        )
        tasks.append(asyncio.create_task(indicators.run()))
    await asyncio.sleep(0)
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def publish_hint(
    world: ConnectorEnvironment, place: str, answers: str = "m1", ago: timedelta = timedelta(0), raw: bytes = b""
) -> None:
    about = TypingSignal(tenant=TENANT, account=ACCOUNT, place=place, answers=answers, at=world.clock() - ago)
    await world.state.signals.publish(typing_topic(CHANNEL), raw or about.model_dump_json().encode())


async def test_the_vendor_is_told_once_however_often_and_in_how_many_processes_it_is_heard(
    world: ConnectorEnvironment,
) -> None:
    one, other = TypingChannel(), TypingChannel()
    async with run_indicators(world, one, other):
        for answers in ("m1", "m1", "m2"):
            await publish_hint(world, "p1", answers)
        await publish_hint(world, "p2", "m3")
        async with asyncio.timeout(30):
            while len(one.seen_at) + len(other.seen_at) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        world.clock.now += timedelta(seconds=6)
        await publish_hint(world, "p1", "m4")
        async with asyncio.timeout(30):
            while len(one.seen_at) + len(other.seen_at) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    assert sorted(one.seen_at + other.seen_at) == [("p1", "m1"), ("p1", "m4"), ("p2", "m3")]


@pytest.mark.parametrize("wrong", ["late", "nonsense"])
async def test_late_or_invalid_typing_signals_are_left_out_and_the_next_is_shown(
    world: ConnectorEnvironment, wrong: str
) -> None:
    channel = TypingChannel()
    async with run_indicators(world, channel):
        await publish_hint(world, "p1", ago=MAX_AGE * 2, raw=b"{" if wrong == "nonsense" else b"")
        await publish_hint(world, "p2")
        await channel.until(1)
    assert channel.seen_at == [("p2", "m1")]


async def test_a_vendor_that_is_away_stops_nothing(world: ConnectorEnvironment) -> None:
    channel = TypingChannel()
    channel.away = True
    async with run_indicators(world, channel):
        await publish_hint(world, "p1")
        await publish_hint(world, "p2")
        await channel.until(2)
