"""``state``: an empty store, once on SQLite and once on Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from uuid import uuid4

import pytest

from schemas.ports import State
from tests.contracts.state.engines import redis_state, sqlite_state

OpenState = Callable[[], AbstractAsyncContextManager[State]]


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.scaled)])
def open_state(request: pytest.FixtureRequest, tmp_path: Path) -> OpenState:
    """Opens an empty store of the engine under test."""
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        return lambda: redis_state(url)
    return lambda: sqlite_state(tmp_path / uuid4().hex / "parley.db")


@pytest.fixture
async def state(open_state: OpenState) -> AsyncIterator[State]:
    async with open_state() as state:
        yield state
