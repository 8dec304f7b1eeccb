"""One outage of a Kafka broker for several tests' worth of clients: to start a broker again takes seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from infra.deploy.local_kafka import LocalKafka


class SharedOutage:
    """It begins when all clients are ready for it, and ends when all have seen it."""

    def __init__(self, kafka: LocalKafka, prefix: str, breaks: Callable[[], None], clients: int) -> None:
        self.bootstrap = kafka.bootstrap
        self.prefix = prefix
        """For topics and groups of any client: append a name that no other client has."""
        self._kafka = kafka
        self._breaks = breaks
        self._clients = asyncio.Barrier(clients)

    async def begin(self) -> None:
        """Wait until the broker is down."""
        await self._together(self._breaks)

    async def end(self) -> None:
        """Wait until the broker is back."""
        await self._together(self._kafka.start)

    async def _together(self, step: Callable[[], None]) -> None:
        if await self._clients.wait() == 0:
            await asyncio.to_thread(step)
        await self._clients.wait()


Client = Callable[[SharedOutage], Awaitable[None]]


async def go_through(kafka: LocalKafka, prefix: str, breaks: Callable[[], None], *clients: Client) -> None:
    """Run all clients side by side. Each begins the outage, and those that see its end all end it."""
    outage = SharedOutage(kafka, prefix, breaks, len(clients))

    async def run(client: Client) -> None:
        await client(outage)

    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(run(client))
