"""A TCP proxy that breaks the network between two parts on demand, and counts what it broke.

    async with Proxy(target_port) as proxy:      # clients dial proxy.port
        proxy.delay(0.2, jitter=0.1)             # latency, in order
        proxy.throttle(10_000)                   # bandwidth, bytes per second and connection and direction
        proxy.stall()                            # packets are dropped: nothing arrives until healed, then all of it
        proxy.blackhole("client")                # bytes towards one side (or both) vanish; reset when healed
        proxy.half_open()                        # the server's side is gone, the client's side never hears
        proxy.reset()                            # every connection ends with RST, both sides
        proxy.refuse()                           # nobody listens
        proxy.heal()

What lasts holds for connections of now and later, until ``heal()``. ``reset`` and ``half_open`` strike what is open
now. TCP never loses bytes out of the middle of a living connection, so one that lost some is reset when healed.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Literal, Self

from infra.deploy.process import free_port
from tests.harness.proxied_connection import Link, NetworkConditions

Side = Literal["client", "server", "both"]


class Proxy:
    """Listens on ``port`` of loopback, connects to ``target_port``. ``fired`` counts effects by the fault's name:
    connections for reset, half_open, refuse; pieces of data that were held, slowed or swallowed for the others."""

    def __init__(self, target_port: int, *, port: int = 0, seed: int = 0) -> None:
        self.target_port = target_port
        self.port = port or free_port()
        self.fired: Counter[str] = Counter()
        self.weather = NetworkConditions(random.Random(seed), self.fired)
        self.links: set[Link] = set()
        self._listener: asyncio.Server | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        if self._listener is None:
            loop = asyncio.get_running_loop()
            self._listener = await loop.create_server(self._link, "127.0.0.1", self.port, backlog=1024)

    async def close(self) -> None:
        self._deafen()
        for link in list(self.links):
            link.abort()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def delay(self, seconds: float, jitter: float = 0.0) -> None:
        """Each piece of data arrives ``seconds`` (± ``jitter``) later, in both directions; order is kept."""
        self.weather.latency, self.weather.jitter = seconds, jitter

    def throttle(self, bytes_per_s: float) -> None:
        self.weather.rate = bytes_per_s

    def stall(self) -> None:
        """Nothing arrives anywhere until healed; connections can still be opened, as a SYN may get through."""
        self.weather.stall()

    def blackhole(self, towards: Side = "both") -> None:
        """Bytes on their way to that side vanish. With "client": requests take effect, answers are lost."""
        self.weather.swallows = {"client", "server"} if towards == "both" else {towards}

    def half_open(self) -> int:
        """The server's end of each connection is gone and the client's end does not hear of it. How many."""
        count = sum(link.forget_server() for link in list(self.links))
        self.fired["half_open"] += count
        return count

    def reset(self) -> int:
        """RST on both sides of every connection of this moment. How many."""
        open_now = [link for link in self.links if not link.over]
        for link in open_now:
            link.abort()
        self.fired["reset"] += len(open_now)
        return len(open_now)

    def refuse(self) -> None:
        """Nobody listens any more, and what was open is reset: the machine behind it is gone."""
        self._deafen()
        self.fired["refuse"] += 1
        for link in list(self.links):
            link.abort()

    async def heal(self) -> None:
        """The network is well again. Connections that lost bytes, or an end, are reset."""
        self.weather.clear()
        for link in list(self.links):
            if link.damaged:
                link.abort()
        await self.start()

    def _deafen(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _link(self) -> asyncio.Protocol:
        link = Link(self.weather, self.target_port, self.links)
        if self._listener is None:
            link.over = True  # taken from the queue by the time nobody listened any more
        else:
            self.links.add(link)
        return link.client
