"""A thread pool that serves waiting parties in turn, so that one party's flood of work does not delay the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from schemas.runtime.fair_rotation import FairRotation

Result = TypeVar("Result")


class FairThreadPool:
    """The thread pool of one event loop. Work starts when a thread is free; until then it waits in its party's
    queue. All parties have the same length."""

    def __init__(self, threads: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._free = threads
        self._waiting: FairRotation[asyncio.Future[None]] = FairRotation()

    async def run(self, party: Sequence[Hashable], work: Callable[[], Result]) -> Result:
        await self._enter(party)
        try:
            running = asyncio.get_running_loop().run_in_executor(self._pool, work)
        except RuntimeError:  # closed
            self._leave()
            raise
        running.add_done_callback(self._leave)
        return await asyncio.shield(running)  # a thread is not cancelled with the task that waits for it

    def close(self) -> None:
        """Wait for running work. Waiting work gets a RuntimeError."""
        self._pool.shutdown(wait=True)

    async def _enter(self, party: Sequence[Hashable]) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put(party, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()  # it was given a thread at the same moment
            raise

    def _leave(self, _ended: object = None) -> None:
        """Give the free thread to the next waiter, party by party."""
        while self._waiting:
            turn = self._waiting.take(next(iter(self._waiting)))
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
