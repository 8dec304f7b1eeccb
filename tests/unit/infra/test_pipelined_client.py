"""Pipelined calls to Redis: every caller is answered, whichever calls its own are sent with."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest
from redis import exceptions as redis_errors

from infra.state.redis.client.call import Call
from infra.state.redis.client.connection import Connections
from infra.state.redis.client.pipelined_client import ATTEMPTS, PIPELINE_CALLS, PIPELINES, PipelinedClient
from schemas.errors import StateUnavailable

PATIENCE = 30.0


class Exchange:
    """Commands that were sent and have no replies yet."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.replies: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

    def abandon(self, error: Exception) -> None:
        self.replies.set_exception(error)


class FakeConnections:
    """Keeps what is sent until ``answer``."""

    def __init__(self) -> None:
        self.under_way: list[Exchange] = []
        self.bunches: list[int] = []
        self.sent = asyncio.Event()

    async def exchange(self, commands: Sequence[bytes]) -> list[Any]:
        exchange = Exchange(len(commands))
        self.under_way.append(exchange)
        self.bunches.append(exchange.size)
        self.sent.set()
        try:
            return await exchange.replies
        finally:
            if exchange in self.under_way:
                self.under_way.remove(exchange)

    async def close_idle(self) -> None:
        return

    async def close(self) -> None:
        return

    def answer(self, *replies: Any) -> None:
        """``replies`` for each of what is under way; OK to every call without."""
        waiting, self.under_way = self.under_way, []
        for exchange in waiting:
            exchange.replies.set_result(list(replies) or ["OK"] * exchange.size)

    async def sent_one(self) -> Exchange:
        async with asyncio.timeout(PATIENCE):
            while not any(not each.replies.done() for each in self.under_way):
                self.sent.clear()
                await self.sent.wait()
        return self.under_way[-1]


@pytest.fixture
async def connections() -> FakeConnections:
    return FakeConnections()


def client_over(connections: FakeConnections, timeout: float = PATIENCE) -> PipelinedClient:
    return PipelinedClient(cast(Connections, connections), timeout=timeout)


async def settled() -> None:
    """Let everything run that does not wait for Redis."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("trips", range(1, PIPELINES + 1))
async def test_calls_made_on_the_answers_of_all_trips_leave_at_once(connections: FakeConnections, trips: int) -> None:
    client = client_over(connections)

    async def two_calls() -> Any:
        await client.command("GET", "first")
        return await client.command("GET", "second")

    callers = []
    for _ in range(trips):
        callers.append(asyncio.create_task(two_calls()))
        await settled()
    assert len(connections.under_way) == trips
    connections.answer()
    await settled()
    connections.answer()
    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(*callers) == ["OK"] * trips


async def test_calls_of_one_loop_iteration_are_sent_together_in_bounded_batches(connections: FakeConnections) -> None:
    client = client_over(connections)
    calls = [client.command("GET", "key") for _ in range(2 * PIPELINE_CALLS + 1)]
    await settled()
    assert connections.bunches == [PIPELINE_CALLS, PIPELINE_CALLS, 1]
    connections.answer()
    assert await asyncio.gather(*calls) == ["OK"] * len(calls)


async def test_calls_that_find_all_round_trips_in_use_leave_with_the_first_answer(connections: FakeConnections) -> None:
    client = client_over(connections)
    calls = [client.command("GET", "key") for _ in range(PIPELINES * PIPELINE_CALLS + 3)]
    await settled()
    assert connections.bunches == [PIPELINE_CALLS] * PIPELINES
    connections.answer()
    await settled()
    assert connections.bunches[PIPELINES:] == [3]
    connections.answer()
    assert await asyncio.gather(*calls) == ["OK"] * len(calls)


async def test_closing_waits_for_what_was_called(connections: FakeConnections) -> None:
    client = client_over(connections)
    call = client.command("GET", "key")
    closing = asyncio.create_task(client.close())
    await settled()
    assert not closing.done()
    connections.answer()
    assert await call == "OK"
    async with asyncio.timeout(PATIENCE):
        await closing


async def test_a_call_whose_connection_breaks_is_made_on_another_a_few_times(connections: FakeConnections) -> None:
    client = client_over(connections)
    call = client.command("GET", "key")
    for _ in range(ATTEMPTS - 1):
        (await connections.sent_one()).abandon(redis_errors.ConnectionError("gone"))
    await connections.sent_one()
    connections.answer()
    assert await call == "OK"
    lost = client.command("GET", "key")
    for _ in range(ATTEMPTS):
        (await connections.sent_one()).abandon(redis_errors.ConnectionError("gone"))
    with pytest.raises(StateUnavailable):
        await lost


async def test_a_trip_without_an_answer_fails_in_time_with_those_behind_it_and_a_later_one_goes_on(
    connections: FakeConnections,
) -> None:
    client = client_over(connections, timeout=0.2)
    silent = client.command("GET", "silent")
    await connections.sent_one()
    await asyncio.sleep(0.1)
    later = client.command("GET", "later")
    with pytest.raises(StateUnavailable):
        await silent
    assert not later.done()
    connections.answer()
    assert await later == "OK"


class Number(Call):
    """Can read numbers only."""

    def on_reply(self, reply: Any) -> None:
        super().on_reply(int(reply))


async def test_a_reply_that_cannot_be_read_leaves_no_caller_waiting(connections: FakeConnections) -> None:
    client = client_over(connections)
    unreadable, behind = client.send(Number(("GET", "key"))).answer, client.command("GET", "key")
    await connections.sent_one()
    connections.answer()
    for call in (unreadable, behind):
        with pytest.raises(StateUnavailable):
            await call
    other = client.command("GET", "key")
    await connections.sent_one()
    connections.answer()
    assert await other == "OK"
