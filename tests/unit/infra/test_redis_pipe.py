"""The pipe to Redis: whoever calls is answered, however its calls meet the trips of others."""

import asyncio
from typing import Any, cast

from infra.state.redis.link import Links
from infra.state.redis.pipe import TRIP_CALLS, TRIPS, Pipe

PATIENCE = 1.0


class FakeLinks:
    """Keeps every bunch until ``answer``."""

    def __init__(self) -> None:
        self.under_way: list[tuple[asyncio.Future[list[Any]], int]] = []
        self.bunches: list[int] = []

    async def exchange(self, message: bytes, count: int) -> list[Any]:
        answer = asyncio.get_running_loop().create_future()
        self.under_way.append((answer, count))
        self.bunches.append(count)
        replies: list[Any] = await answer
        return replies

    def answer(self) -> None:
        waiting, self.under_way = self.under_way, []
        for answer, count in waiting:
            answer.set_result(["OK"] * count)

    async def close(self) -> None:
        return


def pipe_over(links: FakeLinks) -> Pipe:
    return Pipe(cast(Links, links))


async def settled() -> None:
    """Let everything run that does not wait for Redis."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_calls_made_on_the_answers_of_all_trips_leave_at_once() -> None:
    links = FakeLinks()
    pipe = pipe_over(links)

    async def two_calls() -> None:
        await pipe.command("GET", "first")
        await pipe.command("GET", "second")

    callers = []
    for _ in range(TRIPS):
        callers.append(asyncio.create_task(two_calls()))
        await settled()
    assert len(links.under_way) == TRIPS
    links.answer()
    await settled()
    links.answer()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*callers)


async def test_what_is_called_in_one_turn_travels_together_in_bounded_bunches() -> None:
    links = FakeLinks()
    pipe = pipe_over(links)
    calls = [pipe.command("GET", "key") for _ in range(2 * TRIP_CALLS + 1)]
    await settled()
    assert links.bunches == [TRIP_CALLS, TRIP_CALLS, 1]
    links.answer()
    assert await asyncio.gather(*calls) == ["OK"] * len(calls)


async def test_closing_waits_for_what_was_called() -> None:
    links = FakeLinks()
    pipe = pipe_over(links)
    call = pipe.command("GET", "key")
    closing = asyncio.create_task(pipe.close())
    await settled()
    assert not closing.done()
    links.answer()
    assert await call == "OK"
    await closing
