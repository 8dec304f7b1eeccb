"""Waiting for something to happen in a conversation: signals when they come, a second look when they do not."""

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

KEPT = 256
"""Signals that wait for a slow reader; older ones are dropped, for the transcript has what matters."""


class Watch:
    """Collects the signals of one conversation while entered. One reader."""

    __slots__ = ("__weakref__", "_conversation", "_ended", "_queue", "_signals", "_something", "_task")

    def __init__(self, signals: Signals, conversation: str) -> None:
        self._signals = signals
        self._conversation = conversation
        self._queue: deque[bytes] = deque(maxlen=KEPT)
        self._something = asyncio.Event()
        self._ended = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Watch:
        # Subscribed before anybody reads the transcript, so that nothing falls in between.
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
        """Wake the reader for the last time: this process stops."""
        self._ended = True
        self._something.set()

    async def next(self, patience: float) -> list[bytes]:
        """What was signalled, as soon as something is; nothing after ``patience`` seconds: look for yourself."""
        if not self._queue and not self._ended:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._something.wait(), patience)
        if not self._ended:
            self._something.clear()
        payloads = list(self._queue)
        self._queue.clear()
        return payloads

    async def _listen(self, signals: AsyncIterator[bytes]) -> None:
        while True:
            try:
                async for payload in signals:
                    self._queue.append(payload)
                    self._something.set()
            except ParleyError as error:
                log.debug("signals_away", code=error.code, conversation_id=self._conversation)
            await asyncio.sleep(1.0)  # nothing to wait on: the store is away, and readers look for themselves
            signals = self._signals.subscribe(conversation_signals.conversation_topic(self._conversation))


class Doors:
    """Everything that a stopping process has to let go at once."""

    def __init__(self) -> None:
        self.stopping = False
        self.watches: WeakSet[Watch] = WeakSet()

    def watch(self, signals: Signals, conversation: str) -> Watch:
        watch = Watch(signals, conversation)
        self.watches.add(watch)
        if self.stopping:
            watch.end()
        return watch

    def close(self) -> None:
        self.stopping = True
        for watch in list(self.watches):
            watch.end()
