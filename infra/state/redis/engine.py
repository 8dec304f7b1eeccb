"""The state engine on Redis: all state ports, their migration, and the checks of the server."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from schemas.errors import MissingDependency
from schemas.runtime.optional_dependencies import install_command

try:
    import redis.asyncio as _redis  # noqa: F401
except ImportError as missing:
    raise MissingDependency("state on Redis needs the redis client", fix=install_command("redis")) from missing

from infra.database.migration import SchemaState
from infra.deploy.doctor_finding import Finding
from infra.state.redis import probe
from infra.state.redis.client.pipelined_client import StateClient
from infra.state.redis.client.sentinel import parse_sentinel_address
from infra.state.redis.client.shards import Shards
from infra.state.redis.cluster import health
from infra.state.redis.cluster.client import open_client, open_listener
from infra.state.redis.cluster.topology import parse_cluster_address
from infra.state.redis.contacts import RedisContactErasure, RedisContactKeys, RedisContacts, RedisContactSearch
from infra.state.redis.conversations import RedisConversations, RedisTranscript, RedisTurns
from infra.state.redis.coordination import (
    RedisAccessTokens,
    RedisKnowledgeHeads,
    RedisLeases,
    RedisLimiter,
    RedisVisitorTokens,
)
from infra.state.redis.parking import RedisDeadLetters, RedisParking, RedisStrikes
from infra.state.redis.rebuild import migration
from infra.state.redis.rebuild.checkpoints import RedisCheckpoints
from infra.state.redis.rebuild.rebuilder import RedisRebuild
from infra.state.redis.retention import RedisRetention
from infra.state.redis.settings import OPEN, RedisSettings
from infra.state.redis.side_effects import RedisDeliveries, RedisJournal
from infra.state.redis.signals import RedisSignals
from infra.state.registry import StateEngine, StateLocation
from infra.state.usage import StateUsage
from schemas.errors import StateUnavailable
from schemas.ports import State
from schemas.privacy.sealed_bodies import BodySealer


async def open_redis_state(url: str, *, prefix: str = "parley", access: RedisSettings = OPEN) -> State:
    """The state ports over the Redis at ``url``; every key starts with ``prefix``.

    The server is not contacted yet: it may be down, or empty (then ``rebuild.check`` says so), and work begins when it
    is back. Raises ConfigInvalid."""
    client = open_client(url, prefix, access)
    signals = RedisSignals(client, open_listener(url, client, access), prefix)
    has_replicas = client.is_cluster or parse_sentinel_address(url) is not None
    return _assemble(client, signals, prefix, has_replicas=has_replicas)


def _assemble(client: StateClient, signals: RedisSignals, prefix: str, *, has_replicas: bool) -> State:
    shards = Shards(client, prefix)
    rebuild = RedisRebuild(shards)
    search = RedisContactSearch(shards)

    def seal_with(sealer: BodySealer) -> None:
        shards.values.sealer = rebuild.values.sealer = sealer

    async def close() -> None:
        await signals.close()
        await client.close()

    return State(
        conversations=RedisConversations(shards),
        contacts=RedisContacts(shards),
        contact_search=search,
        transcript=RedisTranscript(shards),
        deliveries=RedisDeliveries(shards),
        parking=RedisParking(shards),
        dead_letters=RedisDeadLetters(shards),
        strikes=RedisStrikes(shards),
        turns=RedisTurns(shards),
        limiter=RedisLimiter(shards),
        leases=RedisLeases(shards),
        signals=signals,
        heads=RedisKnowledgeHeads(shards),
        journal=RedisJournal(shards),
        tokens=RedisVisitorTokens(shards),
        access_tokens=RedisAccessTokens(shards),
        contact_erasure=RedisContactErasure(shards),
        contact_keys=RedisContactKeys(shards),
        rebuild=rebuild,
        check_ready=rebuild.check_ready,
        stops_without=rebuild.stops_without,
        close=close,
        checkpoints=RedisCheckpoints(shards, rebuild) if has_replicas else None,
        retention=RedisRetention(shards, search),
        seal_with=seal_with,
        seal_contacts=search.seal_contacts,
    )


class RedisEngine:
    async def open_state(self, location: StateLocation) -> State:
        url, prefix, access = location.address, location.prefix, _access(location)
        with suppress(StateUnavailable):  # wait for a Redis that is down; every script checks the version again
            await migration.require_current(url, prefix, access=access)
        return await open_redis_state(url, prefix=prefix, access=access)

    async def schema_state(self, location: StateLocation) -> SchemaState:
        return await migration.state_of(location.address, location.prefix, access=_access(location))

    async def migrate(self, location: StateLocation) -> None:
        await migration.migrate(location.address, location.prefix, access=_access(location))

    async def read_usage(self, location: StateLocation, now: datetime) -> StateUsage | None:
        address = parse_cluster_address(location.address)
        if address is not None:
            return await health.read_usage(address, _access(location), location.address, location.prefix, now)
        return await probe.read_usage(location.address, location.prefix, now, _access(location))

    async def run_checks(self, location: StateLocation) -> list[Finding]:
        address = parse_cluster_address(location.address)
        if address is not None:
            return await health.run_checks(address, _access(location), location.address)
        return await probe.probe(location.address, access=_access(location))


def _access(location: StateLocation) -> RedisSettings:
    return location.settings or OPEN


ENGINE: StateEngine = RedisEngine()
