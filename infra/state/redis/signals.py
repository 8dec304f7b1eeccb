"""Ephemeral fan-out over Redis pub/sub: one connection per process, whatever the number of readers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Protocol
from weakref import WeakSet

import structlog
from redis import exceptions as redis_errors
from redis.asyncio.client import PubSub

from infra.bus.partitioner import shard_of
from infra.state.redis.client.call import Call
from infra.state.redis.client.pipelined_client import StateClient
from infra.state.signals import QUEUED, Reader
from schemas.errors import StateUnavailable

PAUSE = 0.2  # seconds before a lost connection is tried again
POLL = 1.0  # seconds a read waits before readers that are gone are looked for
CONFIRMATION = 1.0  # seconds a publisher waits for its own process's new subscription to the topic
_log = structlog.get_logger(__name__)


class _Channel:
    """The readers of one topic in this process, and whether Redis has confirmed the subscription."""

    def __init__(self) -> None:
        self.readers: WeakSet[Reader] = WeakSet()
        self.confirmed = asyncio.Event()

    def live(self) -> list[Reader]:
        return [reader for reader in self.readers if not reader.is_closed]


class _SignalCall(Call):
    """A call whose answer nobody waits for."""

    __slots__ = ()

    def on_reply(self, reply: Any) -> None:
        return

    def on_error(self, error: Exception) -> None:
        _log.debug("signal_lost", error=type(error).__name__)


class SignalListener(Protocol):
    """Makes the connection of the subscriptions, one after the other."""

    async def open(self) -> PubSub:
        """Raises redis.exceptions.RedisError, OSError."""

    async def check(self) -> None:
        """Raises redis.exceptions.ConnectionError when the server of the connection was replaced."""

    async def close(self) -> None: ...


class RedisSignals:
    def __init__(self, client: StateClient, listener: SignalListener, prefix: str) -> None:
        self._client = client
        self._listener = listener
        self._prefix = f"{prefix}:signal:"
        self._channels: dict[str, _Channel] = {}
        self._pubsub: PubSub | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def publish(self, topic: str, payload: bytes) -> None:
        channel = self._channels.get(self._prefix + topic)
        if channel is not None and not channel.confirmed.is_set():
            # A reader in this process expects everything that is published after it has subscribed.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CONFIRMATION):
                    await channel.confirmed.wait()
        await self._client.command("PUBLISH", self._prefix + topic, payload, shard=shard_of(topic))

    def publish_nowait(self, topic: str, payload: bytes) -> None:
        try:
            # Any node of a cluster passes it on to the others; one for each topic shares the work.
            self._client.send(_SignalCall(("PUBLISH", self._prefix + topic, payload), shard=shard_of(topic)))
        except StateUnavailable as error:
            _log.debug("signal_lost", code=error.code)

    def subscribe(self, topic: str) -> Reader:
        name = self._prefix + topic
        reader = Reader(QUEUED)
        known = self._channels.get(name)
        channel = known or self._channels.setdefault(name, _Channel())
        channel.readers.add(reader)
        if not self._tasks:
            self._start(self._listen())
        elif known is None and self._pubsub is not None:
            self._start(self._subscribe(self._pubsub, name))
        return reader

    async def close(self) -> None:
        """End every reader and close the connection."""
        for channel in self._channels.values():
            for reader in channel.live():
                reader.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._listener.close()

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _subscribe(self, pubsub: PubSub, name: str) -> None:
        # The listener meets the same failure of the connection, and a new connection subscribes to all topics.
        with contextlib.suppress(redis_errors.RedisError, OSError):
            await pubsub.subscribe(name)

    async def _listen(self) -> None:
        while True:
            pubsub: PubSub | None = None
            try:
                pubsub = await self._listener.open()
                await self._read(pubsub)
            except (redis_errors.RedisError, OSError) as error:
                _log.warning("signals_disconnected", error=type(error).__name__)
            except Exception:
                _log.exception("signals_failed")
            finally:
                self._pubsub = None
                for channel in self._channels.values():
                    channel.confirmed.clear()
                if pubsub is not None:
                    with contextlib.suppress(redis_errors.RedisError, OSError):
                        await pubsub.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(PAUSE)

    async def _read(self, pubsub: PubSub) -> None:
        await pubsub.connect()  # type: ignore[no-untyped-call]
        # From here on new topics are subscribed one by one, so none is missed between the two.
        self._pubsub = pubsub
        if self._channels:
            await pubsub.subscribe(*self._channels)
        clock = asyncio.get_running_loop().time
        sweep_at = clock() + POLL
        while True:
            message = await pubsub.get_message(timeout=POLL)
            if message is not None:
                self._deliver(message)
            if clock() >= sweep_at:
                sweep_at = clock() + POLL
                await self._forget_unread(pubsub)
                await self._listener.check()

    def _deliver(self, message: dict[str, Any]) -> None:
        channel = self._channels.get(message["channel"].decode())
        if channel is None:
            return
        if message["type"] == "subscribe":
            channel.confirmed.set()
        elif message["type"] == "message":
            for reader in channel.live():
                reader.put(message["data"])

    async def _forget_unread(self, pubsub: PubSub) -> None:
        unread = [name for name, channel in self._channels.items() if not channel.live()]
        for name in unread:
            del self._channels[name]
        if unread:
            await pubsub.unsubscribe(*unread)
