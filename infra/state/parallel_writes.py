"""Concurrent writes of a rebuild, in order where order matters."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Self

AT_ONCE = 4_000
"""Concurrent writes."""


class ParallelWrites:
    """Concurrent writes, at most one for a key, so that a later write of the same item comes after an earlier one."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)
        self._under_way: dict[object, asyncio.Task[None]] = {}
        self._failure: Exception | None = None

    async def add(self, key: object, write: Awaitable[None]) -> None:
        """Returns when there is room for the next; raises what an earlier write raised."""
        if key in self._under_way:
            await asyncio.wait([self._under_way[key]])
        await self._free.acquire()
        self._under_way[key] = asyncio.get_running_loop().create_task(self._run(key, write))
        if self._failure is not None:
            raise self._failure

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        tasks = list(self._under_way.values())
        if kind is not None:
            await asyncio.sleep(0)  # let each task begin: a coroutine that never ran would cause a warning
            for task in tasks:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if kind is None and self._failure is not None:
            raise self._failure

    async def _run(self, key: object, write: Awaitable[None]) -> None:
        try:
            await write
        except Exception as error:
            self._failure = error
        finally:
            self._under_way.pop(key, None)
            self._free.release()
