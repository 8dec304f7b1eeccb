"""Records of the log as they come, many at a time."""

from __future__ import annotations

import asyncio

from schemas.ports import Follower, Record

_AT_ONCE = 200
MOST_WAITING = 2 * _AT_ONCE
"""Records that are read ahead of those that are applied: a topic of documents does not fit into memory twice."""


async def read_into(queue: asyncio.Queue[Record], follower: Follower) -> None:
    """Until the follower ends."""
    async for record in follower.records():
        await queue.put(record)


def rest_of(queue: asyncio.Queue[Record]) -> list[Record]:
    """What waits, up to a number."""
    out: list[Record] = []
    while len(out) < _AT_ONCE and not queue.empty():
        out.append(queue.get_nowait())
    return out
