"""Combine many small writes of a rebuild to the same shard into one script call: a rebuild makes millions of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.state.redis.client.call import Argument

Run = Callable[..., Awaitable[list[Any]]]
"""``(shard, script, keys, *arguments)``; see includes/restore_each.lua for the script's side."""


@dataclass(slots=True)
class _Batch:
    keys: list[str] = field(default_factory=list)
    arguments: list[Argument] = field(default_factory=list)
    answers: list[asyncio.Future[Any]] = field(default_factory=list)


class WriteBatches:
    """Only one call of one script on one shard is under way; writes that come meanwhile make up the next one."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._open: dict[tuple[int, str], _Batch] = {}
        self._sending: dict[tuple[int, str], asyncio.Task[None]] = {}

    async def add(self, shard: int, script: str, keys: Sequence[str], *arguments: Argument) -> Any:
        """Returns the script's answer for this write."""
        loop, place = asyncio.get_running_loop(), (shard, script)
        bundle = self._open.setdefault(place, _Batch())
        bundle.keys += keys
        bundle.arguments += arguments
        answer = loop.create_future()
        bundle.answers.append(answer)
        if place not in self._sending:
            self._sending[place] = loop.create_task(self._send(place))
        return await answer

    async def _send(self, place: tuple[int, str]) -> None:
        try:
            while place in self._open:
                await self._send_batch(*place, self._open.pop(place))
        finally:
            del self._sending[place]

    async def _send_batch(self, shard: int, script: str, bundle: _Batch) -> None:
        count = len(bundle.answers)
        each = (len(bundle.keys) // count, len(bundle.arguments) // count)
        try:
            replies = await self._run(shard, script, bundle.keys, *each, *bundle.arguments)
        except Exception as error:
            for answer in bundle.answers:
                if not answer.done():
                    answer.set_exception(error)
            return
        for answer, reply in zip(bundle.answers, replies, strict=True):
            if not answer.done():
                answer.set_result(reply)
