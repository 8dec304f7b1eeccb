"""Everything that an installation has written down, as it stands in its stores."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import redis.asyncio
from pydantic import BaseModel, SecretStr

from gateway.config.loader import load
from infra.bus.kafka import KafkaBus
from tests.harness.installation import Installation


async def read_stored_data(parley: Installation) -> AsyncIterator[tuple[str, bytes]]:
    """Where, and what. Its own configuration and the documents as they came are not among them."""
    config = load(parley.config)
    for file in files(config.data_path):
        yield str(file), file.read_bytes()
    for log in parley.folder.glob("*.log"):
        yield log.name, log.read_bytes()
    if parley.scaled:
        async for where, what in _topics(config.bus.removeprefix("kafka://"), config.topic_prefix):
            yield where, what
        async for where, what in read_keys(config.state):
            yield where, what


def files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file())


async def _topics(servers: str, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
    bus = KafkaBus(servers, prefix=prefix)
    await bus.start()
    try:
        for topic in await bus.describe_topics():
            async for record in await bus.read(topic):
                yield f"{topic} {record.offset}", repr(dict(record.headers)).encode() + (record.value or b"")
    finally:
        await bus.close()


async def read_keys(url: str, pattern: str = "*") -> AsyncIterator[tuple[str, bytes]]:
    """By default of the whole server: no key is left out because its name was not thought of."""
    async with redis.asyncio.Redis.from_url(url) as client:
        async for key in client.scan_iter(pattern, count=10_000):
            yield repr(key), key + repr(await _value(client, key)).encode()


async def _value(client: Any, key: bytes) -> Any:
    read = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"list": lambda name: client.lrange(name, 0, -1),
        b"zset": lambda name: client.zrange(name, 0, -1, withscores=True),
        b"stream": client.xrange,
    }.get(await client.type(key))
    return None if read is None else await read(key)


def secrets(value: Any) -> Iterator[str]:
    """Every secret that a configuration holds."""
    if isinstance(value, SecretStr):
        if value.get_secret_value():
            yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for _, each in value:
            yield from secrets(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from secrets(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from secrets(each)
