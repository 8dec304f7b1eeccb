"""Migrate the keys of an installation to the schema of this program; see ``rebuild/schema.py``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from infra.bus.partitioner import SHARDS
from infra.database.migration import SchemaState
from infra.state.redis.client.scripts import migration
from infra.state.redis.client.shards import Shards
from infra.state.redis.cluster.client import open_client
from infra.state.redis.rebuild.schema import MIGRATIONS, Migration
from infra.state.redis.settings import OPEN, RedisSettings
from schemas.errors import SchemaMismatch

_NONE = -1


async def state_of(url: str, prefix: str, *, access: RedisSettings = OPEN) -> SchemaState:
    """Inspect the keys without changing them. ``found`` is the version of the oldest shard, 0 when none was written
    yet. Raises SchemaMismatch when a shard is newer than this program, StateUnavailable."""
    async with _open_shards(url, prefix, access) as shards:
        return _state(await _versions(shards), MIGRATIONS)


async def migrate(
    url: str, prefix: str, *, access: RedisSettings = OPEN, migrations: Sequence[Migration] = MIGRATIONS
) -> list[str]:
    """Take the missing steps, shard by shard; may be broken off and repeated, also by several processes at once.
    Returns the names of the steps. Raises SchemaMismatch, StateUnavailable."""
    async with _open_shards(url, prefix, access) as shards:
        before = _state(await _versions(shards), migrations)
        if before.found is not None:
            for step in migrations:
                if step.version > before.found:
                    await _take(shards, step)
        return list(before.pending)


async def require_current(url: str, prefix: str, *, access: RedisSettings = OPEN) -> None:
    """Raises SchemaMismatch when this program must not work on these keys. A version that was not written yet counts as
    the first: nothing changed between the two."""
    state = await state_of(url, prefix, access=access)
    if state.found is not None and max(state.found, 1) < state.known:
        raise SchemaMismatch(
            f"the state in Redis has schema version {state.found}, and this program needs version {state.known}",
            fix="run `parley migrate` with this release; until then only the previous release can use it",
        )


@asynccontextmanager
async def _open_shards(url: str, prefix: str, access: RedisSettings) -> AsyncIterator[Shards]:
    client = open_client(url, prefix, access)
    try:
        yield Shards(client, prefix)
    finally:
        await client.close()


async def _versions(shards: Shards) -> list[int]:
    """The version of each shard, in order."""
    answers = await asyncio.gather(
        *(shards.run_unchecked(shard, "read_schema_version", [shards.head(shard)]) for shard in range(SHARDS)),
        return_exceptions=True,
    )
    versions = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        versions.append(_NONE if answer is None else int(answer))
    return versions


def _state(versions: Sequence[int], migrations: Sequence[Migration]) -> SchemaState:
    written = [version for version in versions if version != _NONE]
    known = migrations[-1].version
    if not written:
        return SchemaState(None, known, ())
    if max(written) > known:
        raise SchemaMismatch(
            f"the state in Redis has schema version {max(written)}, and this program knows versions up to {known}",
            fix="run the newer release that migrated it",
        )
    oldest = min(written)
    return SchemaState(oldest, known, tuple(step.name for step in migrations if step.version > oldest))


async def _take(shards: Shards, step: Migration) -> None:
    script, versions = migration(step, guarded=shards.client.is_cluster), (step.version - 1, step.version)
    await asyncio.gather(
        *(
            shards.run_unchecked(shard, script, [shards.head(shard), shards.key(shard, "")], *versions)
            for shard in range(SHARDS)
        )
    )
