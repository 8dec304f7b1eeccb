"""One proxied connection: two ends, two directions, and the weather in which its bytes travel."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections import Counter, deque

HELD = 256 * 1024
"""Bytes on their way in one direction before the sender is no longer read from."""
ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER that makes close() send RST."""


class NetworkConditions:
    """What happens to bytes now. Shared by all links of a proxy."""

    def __init__(self, rng: random.Random, fired: Counter[str]) -> None:
        self.rng = rng
        self.fired = fired
        self.flows = asyncio.Event()
        self.clear()

    def clear(self) -> None:
        self.latency = self.jitter = self.rate = 0.0
        self.swallows: set[str] = set()
        self.flows.set()

    def stall(self) -> None:
        self.flows.clear()

    @property
    def fair(self) -> bool:
        return self.flows.is_set() and not (self.latency or self.rate or self.swallows)

    def lag(self) -> float:
        """Seconds until a piece that starts now arrives."""
        return max(0.0, self.latency + self.rng.uniform(-self.jitter, self.jitter)) if self.latency else 0.0


class End(asyncio.Protocol):
    """One socket of a link. ``side`` is who sits at the other end of it."""

    def __init__(self, link: Link, side: str) -> None:
        self.link, self.side = link, side
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        with contextlib.suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.link.opened(self)

    def data_received(self, data: bytes) -> None:
        self.link.ways[self.side].push(data)

    def eof_received(self) -> bool:
        self.link.ways[self.side].push(b"")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.link.closed(self)

    def pause_writing(self) -> None:
        self.link.other(self).read(False)

    def resume_writing(self) -> None:
        self.link.other(self).read(True)

    def read(self, wanted: bool) -> None:
        if self.transport is not None and not self.transport.is_closing():
            (self.transport.resume_reading if wanted else self.transport.pause_reading)()

    def write(self, data: bytes) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if data:
            self.transport.write(data)
        elif self.transport.can_write_eof():
            self.transport.write_eof()

    def abort(self) -> None:
        if self.transport is not None:
            with contextlib.suppress(OSError):
                self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            self.transport.abort()


class Direction:
    """Bytes from one end to the other, in order. An empty piece means the sender has ended its stream."""

    def __init__(self, link: Link, source: End, target: End) -> None:
        self._link, self._source, self._target = link, source, target
        self._queue: deque[tuple[float, bytes]] = deque()
        self._held = 0
        self.ended = self.cut = False
        self._task: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        return not self._queue and self._task is None

    def push(self, data: bytes) -> None:
        weather = self._link.weather
        if self.idle and weather.fair and self._link.connected:
            self._deliver(data)
            return
        self._queue.append((asyncio.get_running_loop().time() + weather.lag(), data))
        self._held += len(data)
        if self._held > HELD:
            self._source.read(False)
        if self._task is None:
            self._task = asyncio.create_task(self._carry())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _carry(self) -> None:
        await self._link.ready.wait()
        while self._queue:
            due, data = self._queue[0]
            await self._travel(due, data)
            self._queue.popleft()
            self._held -= len(data)
            if self._held <= HELD // 2:
                self._source.read(True)
        self._task = None
        self._link.drained(self)

    async def _travel(self, due: float, data: bytes) -> None:
        weather, now = self._link.weather, asyncio.get_running_loop().time()
        if due > now:
            weather.fired["latency"] += 1
            await asyncio.sleep(due - now)
        if weather.rate:
            weather.fired["bandwidth"] += 1
            await asyncio.sleep(len(data) / weather.rate)
        if not weather.flows.is_set():
            weather.fired["stall"] += 1
            await weather.flows.wait()
        if self._target.side in weather.swallows:
            weather.fired["blackhole"] += 1
            self._link.damaged = True
        elif not self._link.half:
            self._deliver(data)

    def _deliver(self, data: bytes) -> None:
        self._target.write(data)
        if not data:
            self.ended = True
            self._link.settle()


class Link:
    """``damaged``: bytes or an end were lost. ``half``: the server's side is gone unnoticed."""

    def __init__(self, weather: NetworkConditions, target_port: int, home: set[Link]) -> None:
        self.weather, self._target_port, self._home = weather, target_port, home
        self.client, self.server = End(self, "client"), End(self, "server")
        self.ways = {
            "client": Direction(self, self.client, self.server),
            "server": Direction(self, self.server, self.client),
        }
        self.damaged = self.half = self.over = False
        self.ready = asyncio.Event()
        self._dialling: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        return self.ready.is_set() and not self.half

    def other(self, end: End) -> End:
        return self.server if end is self.client else self.client

    def opened(self, end: End) -> None:
        if self.over:
            end.abort()
        elif end is self.client:
            self._dialling = asyncio.create_task(self._dial())

    async def _dial(self) -> None:
        try:
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: self.server, "127.0.0.1", self._target_port)
            self.ready.set()
        except OSError:
            self.abort()

    def forget_server(self) -> bool:
        """Drop the server's end without telling the client. False when there is nothing to drop."""
        if self.over or self.half or not self.ready.is_set():
            return False
        self.half = self.damaged = True
        self.server.abort()
        return True

    def closed(self, end: End) -> None:
        """One end is gone: what it sent before still travels, then the other end goes too."""
        if end is self.server and self.half:
            return
        self.ways[end.side].cut = True
        self.drained(self.ways[end.side])

    def drained(self, way: Direction) -> None:
        if way.cut and way.idle:
            self.abort()

    def settle(self) -> None:
        """Both have said all they had to say."""
        if all(way.ended for way in self.ways.values()):
            self.abort(gently=True)

    def abort(self, gently: bool = False) -> None:
        self.over = True
        self._home.discard(self)
        for way in self.ways.values():
            way.stop()
        if self._dialling is not None and not self._dialling.done():
            self._dialling.cancel()
        for end in (self.client, self.server):
            if gently and end.transport is not None:
                end.transport.close()
            else:
                end.abort()
