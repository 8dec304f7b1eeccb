"""Connections to Redis: a few for calls, which stay open, and a client for subscriptions. Where Sentinel names the
primary, they follow it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from hiredis import pack_command
from redis import exceptions as redis_errors
from redis.asyncio import Connection, ConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo

from infra.bus.partitioner import SHARDS
from infra.state.redis.client.scripts import scripts
from infra.state.redis.client.sentinel import PrimaryFinder, parse_sentinel_address
from infra.state.redis.settings import OPEN, RedisSettings

CONNECT_TIMEOUT = 3.0  # seconds
_log = structlog.get_logger(__name__)

Argument = str | bytes | int | float
_DRIVER = DriverInfo()  # without it, the client looks its own version up for each connection
CALL_SETTINGS: dict[str, Any] = {
    "protocol": 2,
    "driver_info": _DRIVER,
    "socket_timeout": None,
    "socket_connect_timeout": CONNECT_TIMEOUT,
    "retry": Retry(NoBackoff(), 0),
}
"""Of connections for calls: see ``build_pool``."""
LISTENER_SETTINGS: dict[str, Any] = {
    "protocol": 2,
    "driver_info": _DRIVER,
    "socket_timeout": CONNECT_TIMEOUT,
    "socket_connect_timeout": CONNECT_TIMEOUT,
    "health_check_interval": 5,
    "max_connections": 2,
}
"""Of connections for subscriptions: see ``build_listener``."""


def build_client(url: str, access: RedisSettings = OPEN, **options: Any) -> Redis:
    """A client of the server at ``url``, or of the primary of the moment. Close it with ``close_client``. Raises
    ConfigInvalid."""
    address = parse_sentinel_address(url)
    if address is not None:
        return PrimaryFinder(address, access, url).build_client(**options)
    return Redis.from_url(url, **access.client_settings(url), **options)


async def close_client(client: Redis) -> None:
    await client.aclose()
    await client.connection_pool.disconnect()
    finder = find_sentinels(client)
    if finder is not None:
        await finder.close()


def find_sentinels(client: Redis) -> PrimaryFinder | None:
    """The Sentinels that the client asks for its server; None without."""
    return _finder_of(client.connection_pool)


def _finder_of(pool: ConnectionPool) -> PrimaryFinder | None:
    finder: PrimaryFinder | None = pool.sentinel_manager if isinstance(pool, SentinelConnectionPool) else None
    return finder


def build_pool(url: str, access: RedisSettings = OPEN) -> ConnectionPool:
    """Makes the connections for calls, without timeouts and retries of their own: a pipeline has one timeout for all
    its calls."""
    if parse_sentinel_address(url) is not None:
        return build_client(url, access, **CALL_SETTINGS).connection_pool
    return ConnectionPool.from_url(url, **access.client_settings(url), **CALL_SETTINGS)


def build_listener(url: str, access: RedisSettings = OPEN) -> Redis:
    """A client for subscriptions alone: they keep their connection, and a silent one is checked for life."""
    return build_client(url, access, **LISTENER_SETTINGS)


class ServerListener:
    """Subscriptions at one server, or at the primary of the moment."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def open(self) -> PubSub:
        return self._client.pubsub()

    async def check(self) -> None:
        """Raises redis.exceptions.ConnectionError when Sentinel names another primary than before, or none: a
        connection to the former one may stay open and silent."""
        pool = self._client.connection_pool
        if isinstance(pool, SentinelConnectionPool):
            before = pool.master_address
            if await pool.get_master_address() != before:  # type: ignore[no-untyped-call]
                raise redis_errors.ConnectionError("another server is the primary now")

    async def close(self) -> None:
        await close_client(self._client)


class PrimaryCheck:
    """The check of a server before its first use: that it is a primary, and the one that was used before. State on
    another one may have rolled back, and counts as lost; see check_primary.lua."""

    def __init__(self, prefix: str) -> None:
        heads = (f"{prefix}:{{s{shard:02x}}}:shard" for shard in range(SHARDS))
        script = scripts()["check_primary"]
        self._command = pack_words("EVAL", script.source, SHARDS + 1, f"{prefix}:primary", *heads)

    async def run(self, connection: Connection) -> None:
        """Raises redis.exceptions.RedisError."""
        await connection.send_packed_command(self._command, check_health=False)
        if await connection.read_response(disable_decoding=True) == b"replaced":
            _log.error("redis_primary_replaced", host=connection.host, port=connection.port)


class Connections:
    """As many connections as pipelines are running at once.

    They are kept here, because the pool's own borrowing and returning takes longer than a small pipeline. ``check``
    runs on each new connection to a primary that Sentinel named."""

    def __init__(self, pool: ConnectionPool, check: PrimaryCheck | None = None) -> None:
        self._pool = pool
        self._finder = _finder_of(pool)
        self._check = check
        self._idle: list[Connection] = []

    async def exchange(self, commands: Sequence[bytes]) -> list[Any]:
        """Send packed commands together and return a reply for each; errors are among them as values.

        Raises redis.exceptions.RedisError, OSError when it is unknown whether Redis has run the commands. The
        connection is closed then, as it is when the caller is cancelled: replies may still be on their way, and nobody
        else may read them."""
        begun = asyncio.get_running_loop().time()
        if self._finder is not None:
            await self._drop_former(self._finder)
        async with self.borrow() as connection:
            replies = await transfer(connection, commands)
            if self._finder is not None:
                await self._finder.confirm((connection.host, connection.port), since=begun)
        return replies

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[Connection]:
        """A connection that nobody else uses meanwhile; closed after an error."""
        connection = self._idle.pop() if self._idle else await self._open()
        try:
            yield connection
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._idle.append(connection)

    async def _drop_former(self, finder: PrimaryFinder) -> None:
        """Close the connections to servers that are not the primary any more."""
        place = await finder.locate()
        former = [each for each in self._idle if (each.host, each.port) != place]
        for connection in former:
            self._idle.remove(connection)
        for connection in former:
            await connection.disconnect(nowait=True)

    async def _open(self) -> Connection:
        connection: Connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            if self._finder is not None and self._check is not None:
                await self._check.run(connection)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    async def close_idle(self) -> None:
        while self._idle:
            await self._idle.pop().disconnect(nowait=True)

    async def close(self) -> None:
        await self.close_idle()
        if self._finder is not None:
            await self._finder.close()


def pack_words(*words: Argument) -> bytes:
    """A command as it is sent."""
    packed: bytes = pack_command(words)  # type: ignore[arg-type]
    return packed


async def transfer(connection: Connection, commands: Sequence[bytes]) -> list[Any]:
    """Send packed commands and read their replies. Raises redis.exceptions.RedisError, OSError."""
    await connection.send_packed_command(b"".join(commands), check_health=False)
    replies = [await _read_reply(connection) for _ in commands]
    if await connection.can_read():
        raise redis_errors.InvalidResponse("Redis sent an unexpected reply")
    return replies


async def _read_reply(connection: Connection) -> Any:
    try:
        return await connection.read_response(disable_decoding=True)
    except redis_errors.ResponseError as error:
        return error
