"""Many small writes of a rebuild to the same shard as one script call: a rebuild makes millions of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.state.redis.pipe import Argument

BUNDLE = 64
Run = Callable[..., Awaitable[list[Any]]]
"""``(shard, script, keys, *arguments)``; see restore_each.lua for the script's side."""


@dataclass(slots=True)
class _Bundle:
    keys: list[str] = field(default_factory=list)
    arguments: list[Argument] = field(default_factory=list)
    answers: list[asyncio.Future[Any]] = field(default_factory=list)


class Bundles:
    def __init__(self, run: Run) -> None:
        self._run = run
        self._open: dict[tuple[int, str], _Bundle] = {}
        self._sending: set[asyncio.Task[None]] = set()

    async def add(self, shard: int, script: str, keys: Sequence[str], *arguments: Argument) -> Any:
        """What the script answers for this one. Everything added in the same turn of the loop goes together."""
        loop = asyncio.get_running_loop()
        if not self._open:
            loop.call_soon(self._send_all)
        bundle = self._open.setdefault((shard, script), _Bundle())
        bundle.keys += keys
        bundle.arguments += arguments
        bundle.answers.append(loop.create_future())
        answer = bundle.answers[-1]
        if len(bundle.answers) >= BUNDLE:
            self._send(shard, script, self._open.pop((shard, script)))
        return await answer

    def _send_all(self) -> None:
        bundles, self._open = self._open, {}
        for (shard, script), bundle in bundles.items():
            self._send(shard, script, bundle)

    def _send(self, shard: int, script: str, bundle: _Bundle) -> None:
        task = asyncio.get_running_loop().create_task(self._travel(shard, script, bundle))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _travel(self, shard: int, script: str, bundle: _Bundle) -> None:
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
