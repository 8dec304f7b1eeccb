"""Several servers that belong together and are started and ended as one."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import Self

from infra.deploy.process import LocalServer


class ServerGroup(ABC):
    """All calls block, as those of ``LocalServer``."""

    def __init__(self, servers: Sequence[LocalServer]) -> None:
        self._stack = ExitStack()
        for server in servers:
            self._stack.callback(server.close)
            # Nothing of it is kept, and a primary that is asked to end waits for its replicas.
            self._stack.callback(server.kill)

    @property
    @abstractmethod
    def url(self) -> str:
        """The address of the state store."""

    @abstractmethod
    def start(self) -> None:
        """Start all servers; return when they can be used."""

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """As ``with``, without blocking the event loop."""
        try:
            await asyncio.to_thread(self.start)
            yield self
        finally:
            await asyncio.to_thread(self.close)
