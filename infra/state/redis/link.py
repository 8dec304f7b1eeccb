"""Connections to Redis that are kept and read in one go.

The client makes them: it knows addresses, encryption and credentials. Its pool and its reading are left out, because
they take as long as everything else that happens to a call: a dozen awaits to borrow a connection and give it back,
five for each answer.
"""

from __future__ import annotations

from typing import Any

from hiredis import Reader
from redis import exceptions as said
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import DefaultParser
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from infra.state.redis.access import OPEN, RedisAccess

CONNECT_TIMEOUT = 3.0  # seconds
READ_BYTES = 256 * 1024
_INCOMPLETE = object()

Argument = str | bytes | int | float


def connections(url: str, access: RedisAccess = OPEN) -> ConnectionPool:
    """Makes the connections for calls, without timeouts and repeats of their own: a bunch of calls has one for all."""
    return ConnectionPool.from_url(
        url,
        **access.client(url),
        protocol=2,
        socket_timeout=None,
        socket_connect_timeout=CONNECT_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )


def listener(url: str, access: RedisAccess = OPEN) -> Redis:
    """A client for subscriptions alone: they hold their connection, and a silent one is asked whether it lives."""
    return Redis.from_url(
        url,
        **access.client(url),
        protocol=2,
        socket_timeout=CONNECT_TIMEOUT,
        socket_connect_timeout=CONNECT_TIMEOUT,
        health_check_interval=5,
        max_connections=2,
    )


class Link:
    """One connection that was let in. Broken for good by its first failure, and by whoever stops waiting."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._replies = Reader(
            protocolError=said.InvalidResponse, replyError=DefaultParser.parse_error, notEnoughData=_INCOMPLETE
        )

    async def exchange(self, message: bytes, count: int) -> list[Any]:
        """Send packed commands; their replies, errors among them as values. Raises redis.exceptions.ConnectionError."""
        # The client has no public way to do either without a dozen awaits.
        stream, writer, replies = self._connection._reader, self._connection._writer, self._replies
        writer.write(message)
        await writer.drain()
        found: list[Any] = []
        while True:
            while len(found) < count and (reply := replies.gets()) is not _INCOMPLETE:
                found.append(reply)
            if len(found) == count:
                return found
            received = await stream.read(READ_BYTES)
            if not received:
                raise said.ConnectionError("the server has closed the connection")
            replies.feed(received)

    async def close(self) -> None:
        await self._connection.disconnect(nowait=True)


class Links:
    """As many as exchanges are under way at once."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._idle: list[Link] = []

    async def exchange(self, message: bytes, count: int) -> list[Any]:
        """See ``Link.exchange``; connects when no link is free."""
        link = self._idle.pop() if self._idle else await self._open()
        try:
            replies = await link.exchange(message, count)
        except BaseException:
            # Replies may still be on their way: nobody else may read them. The idle ones have probably died with it.
            dead, self._idle = [link, *self._idle], []
            for one in dead:
                await one.close()
            raise
        self._idle.append(link)
        return replies

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    async def _open(self) -> Link:
        connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return Link(connection)
