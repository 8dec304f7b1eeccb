"""The way to Redis: whatever is called travels, whenever it is called."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from infra.state.redis.link import Links
from infra.state.redis.pipe import TRIPS, Pipe


class Together(Links):
    """Answers nothing until ``answer``, and then all that is under way in one turn of the loop."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.left = asyncio.Semaphore(0)

    async def exchange(self, message: bytes, count: int) -> list[Any]:
        self.left.release()
        await self.gate.wait()
        return [b"OK"] * count


@pytest.mark.parametrize("trips", range(1, TRIPS + 1))
async def test_a_call_made_when_all_trips_have_just_ended_travels(trips: int) -> None:
    """When the last trips end in one turn of the loop, a call that an answer brings about is sent at once."""
    links = Together()
    pipe = Pipe(links)

    async def caller() -> bytes:
        await pipe.command("FIRST")
        second: bytes = await pipe.command("SECOND")
        return second

    callers = []
    for _ in range(trips):
        callers.append(asyncio.create_task(caller()))
        await links.left.acquire()
    links.gate.set()
    answers = await asyncio.wait_for(asyncio.gather(*callers), 5)
    assert answers == [b"OK"] * trips
