"""Connections to Redis that are kept, and read where the bytes arrive.

The client makes them: it knows addresses, encryption and credentials. Its pool and its reading are left out, because
they take as long as everything else that happens to a call: a dozen awaits to borrow a connection and give it back,
five for each answer.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from hiredis import Reader
from redis import exceptions as said
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import DefaultParser
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from infra.state.redis.client.access import OPEN, RedisAccess

CONNECT_TIMEOUT = 3.0  # seconds
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


class Exchange(Protocol):
    """Packed commands and whoever waits for their replies. One of the two is called, once, in a turn of the loop."""

    message: bytes
    count: int

    def answered(self, replies: list[Any]) -> None:
        """As many as there were commands, errors among them as values."""

    def failed(self, error: Exception) -> None:
        """Whether Redis has run the commands is not known."""


class Link(asyncio.Protocol):
    """One connection that was let in, for one exchange at a time. Broken for good by its first failure."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        # From here on its bytes are ours. The client has no public way to that.
        self._transport: asyncio.Transport = connection._writer.transport
        self._transport.set_protocol(self)
        self._replies = Reader(
            protocolError=said.InvalidResponse, replyError=DefaultParser.parse_error, notEnoughData=_INCOMPLETE
        )
        self._found: list[Any] = []
        self._exchange: Exchange | None = None

    @property
    def is_open(self) -> bool:
        return not self._transport.is_closing()

    def send(self, exchange: Exchange) -> None:
        self._exchange, self._found = exchange, []
        self._transport.write(exchange.message)

    def data_received(self, data: bytes) -> None:
        gets, found = self._replies.gets, self._found
        self._replies.feed(data)
        try:
            while (reply := gets()) is not _INCOMPLETE:
                found.append(reply)
        except said.InvalidResponse as error:
            return self.abandon(error)
        exchange = self._exchange
        if exchange is None or len(found) > exchange.count:
            return self.abandon(said.InvalidResponse("Redis answers what nobody asked"))
        if len(found) == exchange.count:
            self._exchange = None
            exchange.answered(found)

    def connection_lost(self, error: Exception | None) -> None:
        self.abandon(error or said.ConnectionError("the server has closed the connection"))

    def abandon(self, error: Exception) -> None:
        """Close it, for replies may still be on their way: nobody else may read them."""
        self.close()
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.failed(error)

    def close(self) -> None:
        self._transport.abort()
        self._connection._close()


class Links:
    """As many as exchanges are under way at once."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._idle: list[Link] = []

    def take(self) -> Link | None:
        """One that is free; None when one has to be opened."""
        while self._idle:
            if (link := self._idle.pop()).is_open:
                return link
        return None

    def give_back(self, link: Link) -> None:
        self._idle.append(link)

    async def open(self) -> Link:
        """Raises redis.exceptions.RedisError, OSError."""
        connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return Link(connection)

    def close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()
