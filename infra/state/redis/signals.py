"""Ephemeral fan-out over Redis pub/sub: one connection a process, whatever the number of subscribers."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from typing import Any

import structlog
from redis import exceptions as said
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from infra.state.redis.pipe import Pipe

BACKLOG = 256
"""Payloads kept for one slow reader; beyond, it loses the oldest."""
PAUSE = 0.2  # seconds before a lost connection is tried again
POLL = 1.0  # seconds a read waits before it looks whether the connection still lives
CONFIRMATION = 1.0  # seconds a publisher waits for this process's own new subscription to the topic
_log = structlog.get_logger(__name__)


class _Stream(AsyncIterator[bytes]):
    def __init__(self, signals: RedisSignals, channel: str) -> None:
        self._signals = signals
        self._channel = channel
        self._payloads: deque[bytes] = deque(maxlen=BACKLOG)
        self._arrived = asyncio.Event()
        self._closed = False

    def put(self, payload: bytes) -> None:
        self._payloads.append(payload)
        self._arrived.set()

    async def __anext__(self) -> bytes:
        while not self._payloads:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._payloads.popleft()

    async def aclose(self) -> None:
        if not self._closed:
            self.end()
            await self._signals.forget(self._channel, self)

    def end(self) -> None:
        self._closed = True
        self._payloads.clear()
        self._arrived.set()


class RedisSignals:
    def __init__(self, pipe: Pipe, listener: Redis, prefix: str) -> None:
        self._pipe = pipe
        self._listener = listener
        self._prefix = f"{prefix}:signal:"
        self._streams: defaultdict[str, set[_Stream]] = defaultdict(set)
        self._confirmed: dict[str, asyncio.Event] = {}
        self._pubsub: PubSub | None = None
        self._reader: asyncio.Task[None] | None = None
        self._changes: set[asyncio.Task[None]] = set()

    async def publish(self, topic: str, payload: bytes) -> None:
        confirmed = self._confirmed.get(self._prefix + topic)
        if confirmed is not None and not confirmed.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(confirmed.wait(), CONFIRMATION)
        await self._pipe.command("PUBLISH", self._prefix + topic, payload)

    def subscribe(self, topic: str) -> AsyncIterator[bytes]:
        channel = self._prefix + topic
        stream = _Stream(self, channel)
        self._streams[channel].add(stream)
        if channel not in self._confirmed:
            self._confirmed[channel] = asyncio.Event()
            self._change("subscribe", channel)
        if self._reader is None:
            self._reader = asyncio.get_running_loop().create_task(self._read())
        return stream

    async def forget(self, channel: str, stream: _Stream) -> None:
        """Called by a stream that is closed; the last of a topic ends the subscription."""
        streams = self._streams[channel]
        streams.discard(stream)
        if not streams:
            del self._streams[channel]
            self._confirmed.pop(channel, None)
            self._change("unsubscribe", channel)

    async def close(self) -> None:
        for stream in [stream for streams in self._streams.values() for stream in streams]:
            stream.end()
        tasks = [task for task in (self._reader, *self._changes) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._listener.aclose()
        await self._listener.connection_pool.disconnect()

    def _change(self, command: str, channel: str) -> None:
        """Tell Redis, when connected; a new connection subscribes to everything that is wanted then."""
        if self._pubsub is not None:
            task = asyncio.get_running_loop().create_task(self._tell(self._pubsub, command, channel))
            self._changes.add(task)
            task.add_done_callback(self._changes.discard)

    async def _tell(self, pubsub: PubSub, command: str, channel: str) -> None:
        # A failure here is one of the connection: the reader meets it too and connects anew.
        with contextlib.suppress(said.RedisError, OSError):
            if command == "subscribe" or channel not in self._streams:
                await getattr(pubsub, command)(channel)

    async def _read(self) -> None:
        while True:
            pubsub = self._listener.pubsub()
            try:
                await pubsub.connect()  # type: ignore[no-untyped-call]
                self._pubsub = pubsub
                if self._streams:
                    await pubsub.subscribe(*self._streams)
                while True:
                    message = await pubsub.get_message(timeout=POLL)
                    if message is not None:
                        self._deliver(message)
            except (said.RedisError, OSError) as error:
                _log.warning("signals_disconnected", error=type(error).__name__)
            finally:
                self._pubsub = None
                for confirmed in self._confirmed.values():
                    confirmed.clear()
                with contextlib.suppress(Exception):
                    await pubsub.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(PAUSE)

    def _deliver(self, message: dict[str, Any]) -> None:
        channel = message["channel"].decode()
        if message["type"] == "subscribe" and channel in self._confirmed:
            self._confirmed[channel].set()
        elif message["type"] == "message":
            for stream in self._streams.get(channel, ()):
                stream.put(message["data"])
