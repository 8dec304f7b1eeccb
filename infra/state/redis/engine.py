"""All state ports on Redis 7 or newer. The only importer of the client library (besides ``infra.deploy``)."""

from __future__ import annotations

from schemas.errors import MissingDependency
from schemas.extras import install_command

try:
    import redis.asyncio as _redis  # noqa: F401
except ImportError as missing:
    raise MissingDependency("state on Redis needs the redis client", fix=install_command("redis")) from missing

from infra.state.redis.client.access import OPEN, RedisAccess
from infra.state.redis.client.connection import Links, connections, listener
from infra.state.redis.client.pipe import Pipe
from infra.state.redis.client.shards import Shards
from infra.state.redis.contacts import RedisContacts
from infra.state.redis.conversations import RedisConversations
from infra.state.redis.dead_letters import RedisDeadLetters
from infra.state.redis.deliveries import RedisDeliveries
from infra.state.redis.journal import RedisJournal
from infra.state.redis.knowledge_heads import RedisHeads
from infra.state.redis.leases import RedisLeases
from infra.state.redis.limiter import RedisLimiter
from infra.state.redis.parking import RedisParking
from infra.state.redis.rebuild.rebuilder import RedisRebuild
from infra.state.redis.signals import RedisSignals
from infra.state.redis.strikes import RedisStrikes
from infra.state.redis.tokens import RedisTokens
from infra.state.redis.transcript import RedisTranscript
from infra.state.redis.turns import RedisTurns
from schemas.ports import State

__all__ = ["RedisAccess", "open_redis_state"]


async def open_redis_state(url: str, *, prefix: str = "parley", access: RedisAccess = OPEN) -> State:
    """The state ports over the Redis at ``url``; every key starts with ``prefix``.

    The server is not contacted yet: it may be down, or empty (then ``rebuild.check`` says so), and work begins when it
    is back. Raises ConfigInvalid."""
    pipe = Pipe(Links(connections(url, access)))
    return _assemble(pipe, RedisSignals(pipe, listener(url, access), prefix), prefix)


def _assemble(pipe: Pipe, signals: RedisSignals, prefix: str) -> State:
    shards = Shards(pipe, prefix)
    rebuild = RedisRebuild(shards)

    async def close() -> None:
        await signals.close()
        await pipe.close()

    return State(
        conversations=RedisConversations(shards),
        contacts=RedisContacts(shards),
        transcript=RedisTranscript(shards),
        deliveries=RedisDeliveries(shards),
        parking=RedisParking(shards),
        dead_letters=RedisDeadLetters(shards),
        strikes=RedisStrikes(shards),
        turns=RedisTurns(shards),
        limiter=RedisLimiter(shards),
        leases=RedisLeases(shards),
        signals=signals,
        heads=RedisHeads(shards),
        journal=RedisJournal(shards),
        tokens=RedisTokens(shards),
        rebuild=rebuild,
        check_ready=rebuild.check_ready,
        close=close,
    )
