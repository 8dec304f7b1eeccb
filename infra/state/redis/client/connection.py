"""Connections to Redis: a few for calls, which stay open, and a client for subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import exceptions as redis_errors
from redis.asyncio import Connection, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from infra.state.redis.settings import OPEN, RedisSettings

CONNECT_TIMEOUT = 3.0  # seconds

Argument = str | bytes | int | float


def build_pool(url: str, access: RedisSettings = OPEN) -> ConnectionPool:
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


def build_listener(url: str, access: RedisSettings = OPEN) -> Redis:
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


class Connections:
    """As many connections as pipelines are running at once.

    They are kept here, because the pool's own borrowing and returning takes longer than a small pipeline."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._idle: list[Connection] = []

    async def exchange(self, commands: Sequence[bytes]) -> list[Any]:
        """Send packed commands together and return a reply for each; errors are among them as values.

        Raises redis.exceptions.RedisError, OSError when it is unknown whether Redis has run the commands. The
        connection is closed then, as it is when the caller is cancelled: replies may still be on their way, and nobody
        else may read them."""
        connection = self._idle.pop() if self._idle else await self._open()
        try:
            await connection.send_packed_command(b"".join(commands), check_health=False)
            replies = [await _read_reply(connection) for _ in commands]
            if await connection.can_read():
                raise redis_errors.InvalidResponse("Redis sent an unexpected reply")
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._idle.append(connection)
        return replies

    async def _open(self) -> Connection:
        connection: Connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    async def close_idle(self) -> None:
        while self._idle:
            await self._idle.pop().disconnect(nowait=True)


async def _read_reply(connection: Connection) -> Any:
    try:
        return await connection.read_response(disable_decoding=True)
    except redis_errors.ResponseError as error:
        return error
