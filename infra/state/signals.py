"""Signals inside one process: a bounded queue per reader, which drops the oldest when its reader is slow."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from weakref import WeakSet

QUEUED = 256


class Reader(AsyncIterator[bytes]):
    """Everything published since ``subscribe`` returned. Ends after ``aclose``; dropping the last reference ends it
    too."""

    def __init__(self, limit: int) -> None:
        self._queue: deque[bytes] = deque(maxlen=limit)
        self._changed = asyncio.Event()
        self.is_closed = False

    def put(self, payload: bytes) -> None:
        self._queue.append(payload)
        self._changed.set()

    async def __anext__(self) -> bytes:
        while not self._queue:
            if self.is_closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._queue.popleft()

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        self.is_closed = True
        self._queue.clear()
        self._changed.set()


class ProcessSignals:
    """Publishers and readers live on one event loop."""

    def __init__(self) -> None:
        self._readers: dict[str, WeakSet[Reader]] = {}

    async def publish(self, topic: str, payload: bytes) -> None:
        self.publish_nowait(topic, payload)

    def publish_nowait(self, topic: str, payload: bytes) -> None:
        for reader in self._live(topic):
            reader.put(payload)

    def subscribe(self, topic: str) -> Reader:
        reader = Reader(QUEUED)
        self._readers.setdefault(topic, WeakSet()).add(reader)
        return reader

    def close(self) -> None:
        """End every reader."""
        for readers in self._readers.values():
            for reader in list(readers):
                reader.close()
        self._readers.clear()

    def _live(self, topic: str) -> list[Reader]:
        readers = [reader for reader in self._readers.get(topic, ()) if not reader.is_closed]
        if not readers:
            self._readers.pop(topic, None)
        return readers
