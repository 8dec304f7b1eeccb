"""The Redis checks of ``parley doctor``: whether it may hold state that must survive, and how much memory is used."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal

from redis import exceptions as redis_errors
from redis.asyncio import Redis
from redis.asyncio.sentinel import MasterNotFoundError

from infra.bus.partitioner import SHARDS
from infra.deploy.doctor_finding import Finding, check_clock_skew
from infra.state import rules
from infra.state.redis.client.connection import build_client, close_client, find_sentinels
from infra.state.redis.client.sentinel import PrimaryFinder, SentinelAnswer
from infra.state.redis.settings import OPEN, RedisSettings
from infra.state.usage import StateUsage
from schemas.errors import StateUnavailable

OLDEST = (7, 0)
LEAST_SENTINELS = 3
SAMPLE = 2_000
SCANS = 200
"""Calls for the sample at most, each over some thousand keys."""
_CREDENTIALS = "set `redis.username` and `redis.password`, or those in the address of `state`"
REQUIRED_SETTINGS = {
    "maxmemory-policy": ("noeviction", "state would be discarded when memory runs out"),
    "appendonly": ("yes", "a restart would lose everything since the last snapshot"),
    "appendfsync": ("always", "a power failure would lose up to a second of state, which is then rebuilt from the log"),
}


async def probe(url: str, *, access: RedisSettings = OPEN, timeout: float = 5.0) -> list[Finding]:
    """Run all checks. A failure is a finding. Raises ConfigInvalid for settings that do not fit."""
    client = build_client(url, access, socket_timeout=timeout, socket_connect_timeout=timeout)
    sentinels = find_sentinels(client)
    try:
        if sentinels is not None:
            return [await _check_primary(sentinels), *await check_server(client), *await check_replicas(client)]
        return await check_server(client)
    finally:
        await close_client(client)


async def check_server(client: Redis) -> list[Finding]:
    try:
        sent = time.time()
        await client.ping()
        findings = [Finding("redis", "ok", f"answers in {(time.time() - sent) * 1000:.0f} ms")]
        return [*findings, await _version(client), *await _settings(client), await _clock(client)]
    except (redis_errors.AuthenticationError, redis_errors.NoPermissionError) as error:
        return [Finding("redis", "fail", f"refuses the login: {type(error).__name__}", _CREDENTIALS)]
    except (redis_errors.RedisError, OSError, TimeoutError) as error:
        reason = f"does not answer: {type(error).__name__}"
        return [Finding("redis", "fail", reason, "start it, or correct `state` in the configuration")]


async def _check_primary(sentinels: PrimaryFinder) -> Finding:
    """The primary according to the Sentinels, and whether all of them agree."""
    answers = await sentinels.ask_all()
    count = f"{sum(isinstance(each, SentinelAnswer) and each.is_usable for each in answers)} of {len(answers)}"
    try:
        host, port = await sentinels.discover_master(sentinels.group)
    except MasterNotFoundError as error:
        fix = "start the Sentinels, or correct their addresses and the name of the group in `state`"
        return Finding("redis primary", "fail", f"unknown: {error}", fix)
    found = f"{host}:{port}, found through {count} Sentinels"
    agree = all(isinstance(each, SentinelAnswer) and each.address == (host, port) for each in answers)
    if agree and len(answers) >= LEAST_SENTINELS:
        return Finding("redis primary", "ok", found)
    fix = "check the Sentinels that do not answer or name another primary; there should be three or more"
    return Finding("redis primary", "warn", found, fix)


async def check_replicas(client: Redis) -> list[Finding]:
    """Whether another server can take over, and whether a primary that was cut off stops taking writes."""
    try:
        info: dict[str, Any] = await client.info("replication")
        values: dict[Any, Any] = await client.config_get("min-replicas-to-write")
    except (redis_errors.RedisError, OSError, TimeoutError) as error:
        fix = "allow INFO and CONFIG GET"
        return [Finding("redis replicas", "warn", f"may not be read: {type(error).__name__}", fix)]
    count = int(info.get("connected_slaves", 0))
    if count == 0:
        return [Finding("redis replicas", "fail", "0: nothing can take over", "start a replica")]
    if "0" in map(_text, values.values()):
        consequence = "a primary that is cut off takes writes, which are lost"
        fix = "set `min-replicas-to-write 1` in redis.conf"
        return [Finding("redis replicas", "warn", f"{count}; {consequence}", fix)]
    return [Finding("redis replicas", "ok", str(count))]


async def _version(client: Redis) -> Finding:
    info: dict[str, Any] = await client.info("server")
    text = str(info.get("redis_version", "0"))
    numbers = tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
    if numbers >= OLDEST:
        return Finding("redis version", "ok", text)
    return Finding("redis version", "fail", text, f"Redis {OLDEST[0]}.{OLDEST[1]} or newer is needed")


async def _settings(client: Redis) -> list[Finding]:
    try:
        values: dict[Any, Any] = await client.config_get(*REQUIRED_SETTINGS)
    except redis_errors.ResponseError:
        fix = "check maxmemory-policy noeviction, appendonly yes and appendfsync always with the provider"
        return [Finding("redis settings", "warn", "may not be read (CONFIG is not allowed)", fix)]
    texts = {_text(name): _text(value) for name, value in values.items()}
    return [check_setting(name, texts.get(name, "")) for name in REQUIRED_SETTINGS]


def check_setting(name: str, value: str) -> Finding:
    expected, consequence = REQUIRED_SETTINGS[name]
    if value == expected:
        return Finding(f"redis {name}", "ok", value)
    # Without eviction and with a log on disk, a short fsync window only costs a rebuild.
    status: Literal["warn", "fail"] = "warn" if name == "appendfsync" and value == "everysec" else "fail"
    return Finding(
        f"redis {name}", status, f"{value or 'unknown'}: {consequence}", f"set `{name} {expected}` in redis.conf"
    )


async def _clock(client: Redis) -> Finding:
    before = time.time()
    seconds, micros = await client.time()
    return check_clock_skew("redis clock", seconds + micros / 1e6 - (before + time.time()) / 2)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


async def read_usage(url: str, prefix: str, now: datetime, access: RedisSettings) -> StateUsage:
    """Raises StateUnavailable."""
    client = build_client(url, access, protocol=2, socket_timeout=10, socket_connect_timeout=10)
    try:
        return await measure_server(client, prefix, range(SHARDS), now)
    finally:
        await close_client(client)


async def measure_server(client: Redis, prefix: str, shards: Iterable[int], now: datetime) -> StateUsage:
    """What these shards take on this server. Raises StateUnavailable."""
    try:
        memory: dict[str, Any] = await client.info("memory")
        pipeline = client.pipeline(transaction=False)
        for shard in shards:
            pipeline.hvals(f"{prefix}:{{s{shard:02x}}}:k")
        conversations = sum(max(0, int(count)) for counts in await pipeline.execute() for count in counts)
        sampled, young = await _sample(client, prefix, rules.to_micros(now - timedelta(days=1)))
    except (redis_errors.RedisError, OSError, TimeoutError) as error:
        raise StateUnavailable(f"Redis does not tell its memory: {type(error).__name__}") from error
    used = int(memory.get("used_memory", 0))
    limit = int(memory.get("maxmemory", 0)) or int(memory.get("total_system_memory", 0))
    idle = int(memory.get("used_memory_startup", 0))
    began = round(conversations * young / sampled) if sampled else 0
    return StateUsage(used, limit, max(0, used - idle), conversations, began)


async def _sample(client: Redis, prefix: str, since: int) -> tuple[int, int]:
    """The number of sampled conversations, and of those that began since then."""
    created: list[Any] = []
    cursor = 0
    for _ in range(SCANS):
        cursor, keys = await client.scan(cursor, match=f"{prefix}:{{s*}}:c:*", count=2_000)
        pipeline = client.pipeline(transaction=False)
        for key in keys:
            pipeline.hget(key, "created")
        created += [each for each in await pipeline.execute() if each is not None]
        if cursor == 0 or len(created) >= SAMPLE:
            break
    return len(created), sum(int(each) >= since for each in created)
