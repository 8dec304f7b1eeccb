"""The state stores under test: each passes the same suite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from infra.database import Database
from infra.state.redis.settings import OPEN
from infra.state.registry import StateLocation, load_engine
from schemas.ports import State

ALL_SHARDS = frozenset(range(256))
OpenState = Callable[[], AbstractAsyncContextManager[State]]


def find_opener(engine: str, request: pytest.FixtureRequest) -> OpenState:
    """How a test opens an empty store of this engine, as often as it likes."""
    folder: Path = request.getfixturevalue("tmp_path")
    if engine == "sqlite":
        return lambda: sqlite_state(folder / uuid4().hex / "parley.db")
    if engine == "redis":
        url: str = request.getfixturevalue("redis_url")
        return lambda: redis_state(url)
    raise LookupError(f"no test opens the state engine {engine}")


@asynccontextmanager
async def sqlite_state(path: Path) -> AsyncIterator[State]:
    database = Database.open(path)
    state = await load_engine("sqlite").open_state(StateLocation("sqlite", path.parent, database=database))
    try:
        yield state
    finally:
        await state.close()
        await database.close()


@asynccontextmanager
async def redis_state(url: str) -> AsyncIterator[State]:
    """A state of its own on a shared server, by a prefix nobody else has."""
    location = StateLocation(url, Path(), f"t{uuid4().hex[:12]}", OPEN)
    state = await load_engine(url).open_state(location)
    try:
        await state.rebuild.prepare(ALL_SHARDS)
        await state.rebuild.finish(ALL_SHARDS)
        yield state
    finally:
        await state.close()
