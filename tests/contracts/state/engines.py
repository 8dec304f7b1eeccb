"""The state stores under test: each passes the same suite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from infra.database import Database
from infra.state.sqlite import open_sqlite_state
from schemas.ports import State

ALL_SHARDS = frozenset(range(256))


@asynccontextmanager
async def sqlite_state(path: Path) -> AsyncIterator[State]:
    database = Database.open(path)
    state = open_sqlite_state(database)
    try:
        yield state
    finally:
        await state.close()
        await database.close()


@asynccontextmanager
async def redis_state(url: str) -> AsyncIterator[State]:
    """A state of its own on a shared server, by a prefix nobody else has."""
    from infra.state.redis.engine import open_redis_state

    state = await open_redis_state(url, prefix=f"t{uuid4().hex[:12]}")
    try:
        await state.rebuild.prepare(ALL_SHARDS)
        await state.rebuild.finish(ALL_SHARDS)
        yield state
    finally:
        await state.close()
