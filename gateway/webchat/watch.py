"""Watches: readers that wait for the signals of a conversation."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from weakref import WeakSet

import structlog

from connectors import conversation_signals
from schemas.errors import ParleyError
from schemas.ports import Signals

log = structlog.get_logger("parley.gateway")

MAX_QUEUED = 256
"""Signals that wait for a slow reader. Older ones are dropped, since the transcript holds what matters."""


class Watch:
    """Collects the signals of one conversation while it is entered. It has one reader."""

    __slots__ = ("__weakref__", "_conversation", "_ended", "_queue", "_signals", "_task", "_wakeup")

    def __init__(self, signals: Signals, conversation: str) -> None:
        self._signals = signals
        self._conversation = conversation
        self._queue: deque[bytes] = deque(maxlen=MAX_QUEUED)
        self._wakeup = asyncio.Event()
        self._ended = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Watch:
        # The subscription begins before the transcript is read, so that no message is missed in between.
        self._task = asyncio.create_task(
            self._listen(self._signals.subscribe(conversation_signals.conversation_topic(self._conversation)))
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @property
    def ended(self) -> bool:
        return self._ended

    def end(self) -> None:
        """Wake the reader for the last time: the process is stopping."""
        self._ended = True
        self._wakeup.set()

    async def wait(self, timeout: float) -> list[bytes]:
        """Return the signals as soon as there are any; after ``timeout`` seconds, an empty list. The reader should then
        look for news itself."""
        if not self._queue and not self._ended:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._wakeup.wait()
        if not self._ended:
            self._wakeup.clear()
        payloads = list(self._queue)
        self._queue.clear()
        return payloads

    async def _listen(self, signals: AsyncIterator[bytes]) -> None:
        while True:
            try:
                async for payload in signals:
                    self._queue.append(payload)
                    self._wakeup.set()
            except ParleyError as error:
                log.debug("signals_unavailable", code=error.code, conversation_id=self._conversation)
            await asyncio.sleep(1.0)  # the store is down, which nothing signals; readers poll meanwhile
            signals = self._signals.subscribe(conversation_signals.conversation_topic(self._conversation))


class WatchRegistry:
    """All open watches, which a stopping process ends at once."""

    def __init__(self) -> None:
        self.is_stopping = False
        self._watches: WeakSet[Watch] = WeakSet()

    def open(self, signals: Signals, conversation: str) -> Watch:
        watch = Watch(signals, conversation)
        self._watches.add(watch)
        if self.is_stopping:
            watch.end()
        return watch

    def end_all(self) -> None:
        self.is_stopping = True
        for watch in list(self._watches):
            watch.end()
