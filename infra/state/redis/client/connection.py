"""Persistent connections to Redis that read replies where the bytes arrive.

The client library opens them: it knows addresses, encryption and credentials. Its pool and its reader are not used,
because they take as long as everything else that happens to a call: a dozen awaits to borrow a connection and give it
back, five for each answer."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from hiredis import Reader
from redis import exceptions as redis_errors
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import DefaultParser
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from infra.state.redis.settings import OPEN, RedisSettings

CONNECT_TIMEOUT = 3.0  # seconds
_INCOMPLETE = object()

Argument = str | bytes | int | float


def connections(url: str, access: RedisSettings = OPEN) -> ConnectionPool:
    """Makes the connections for calls, without timeouts and retries of their own: a pipeline has one timeout for all
    its calls."""
    return ConnectionPool.from_url(
        url,
        **access.client_settings(url),
        protocol=2,
        socket_timeout=None,
        socket_connect_timeout=CONNECT_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )


def listener(url: str, access: RedisSettings = OPEN) -> Redis:
    """A client for subscriptions alone: they keep their connection, and a silent one is checked for life."""
    return Redis.from_url(
        url,
        **access.client_settings(url),
        protocol=2,
        socket_timeout=CONNECT_TIMEOUT,
        socket_connect_timeout=CONNECT_TIMEOUT,
        health_check_interval=5,
        max_connections=2,
    )


class ReplyHandler(Protocol):
    """Packed commands, and callbacks for their replies. One of the two is called, once, in a turn of the loop."""

    message: bytes
    count: int

    def on_replies(self, replies: list[Any]) -> None:
        """One reply per command; errors are among them as values."""

    def on_failure(self, error: Exception) -> None:
        """It is unknown whether Redis has run the commands."""


class Link(asyncio.Protocol):
    """One authenticated connection, for one pipeline at a time. Unusable after its first failure."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        # From here on this class reads the bytes. The client has no public way to hand over a connection.
        self._transport: asyncio.Transport = connection._writer.transport
        self._transport.set_protocol(self)
        self._replies = Reader(
            protocolError=redis_errors.InvalidResponse, replyError=DefaultParser.parse_error, notEnoughData=_INCOMPLETE
        )
        self._found: list[Any] = []
        self._handler: ReplyHandler | None = None

    @property
    def is_open(self) -> bool:
        return not self._transport.is_closing()

    def send(self, handler: ReplyHandler) -> None:
        self._handler, self._found = handler, []
        self._transport.write(handler.message)

    def data_received(self, data: bytes) -> None:
        gets, replies = self._replies.gets, self._found
        self._replies.feed(data)
        try:
            while (reply := gets()) is not _INCOMPLETE:
                replies.append(reply)
        except redis_errors.InvalidResponse as error:
            return self.abandon(error)
        handler = self._handler
        if handler is None or len(replies) > handler.count:
            return self.abandon(redis_errors.InvalidResponse("Redis answers what nobody asked"))
        if len(replies) == handler.count:
            self._handler = None
            handler.on_replies(replies)

    def connection_lost(self, error: Exception | None) -> None:
        self.abandon(error or redis_errors.ConnectionError("the server has closed the connection"))

    def abandon(self, error: Exception) -> None:
        """Close it, because replies may still be on their way: nobody else may read them."""
        self.close()
        handler, self._handler = self._handler, None
        if handler is not None:
            handler.on_failure(error)

    def close(self) -> None:
        self._transport.abort()
        self._connection._close()


class Links:
    """As many connections as pipelines are running at once."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._idle: list[Link] = []

    def take(self) -> Link | None:
        """A free connection; None when one has to be opened."""
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
