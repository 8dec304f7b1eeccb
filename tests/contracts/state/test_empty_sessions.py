"""A visitor who opens the chat and says nothing leaves nothing behind, on either engine."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest

from connectors.web.settings import WebAccount
from gateway.webchat.sessions import SessionRequest, VisitorSessions
from infra.state.redis.engine import open_redis_state
from schemas.key_ring import KeyRing
from schemas.ports import Account, Bus, State
from tests.contracts.state.engines import ALL_SHARDS, embedded_state
from tests.contracts.state.samples import NOW

VISITORS = 1_000
Held = Callable[[], Awaitable[Counter[str]]]
"""What the store holds, by kind."""


@asynccontextmanager
async def on_sqlite(path: Path) -> AsyncIterator[tuple[State, Held]]:
    async with embedded_state(path) as state:

        async def held() -> Counter[str]:
            # A connection of its own sees what is committed, as another process would.
            with sqlite3.connect(path) as file:
                names = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
                counts = {name: file.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}
            return Counter(counts)

        yield state, held


@asynccontextmanager
async def on_redis(url: str) -> AsyncIterator[tuple[State, Held]]:
    from redis.asyncio import Redis

    prefix = f"t{uuid4().hex[:12]}"
    state = await open_redis_state(url, prefix=prefix)
    async with Redis.from_url(url, protocol=2) as client:

        async def held() -> Counter[str]:
            found: Counter[str] = Counter()
            async for key in client.scan_iter(f"{prefix}:*", count=2_000):
                found[key.decode().split(":")[2]] += 1
            return found

        await state.rebuild.prepare(ALL_SHARDS)
        await state.rebuild.finish(ALL_SHARDS)
        yield state, held
    await state.close()


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.scaled)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[State, Held]]:
    if request.param == "redis":
        opened = on_redis(request.getfixturevalue("redis_url"))
    else:
        opened = on_sqlite(tmp_path / "parley.db")
    async with opened as store:
        yield store


async def test_a_thousand_empty_sessions_leave_no_row_and_no_key(store: tuple[State, Held]) -> None:
    state, held = store
    account = Account("shop", "web", "main", WebAccount())
    nothing: Any = None
    sessions = VisitorSessions(
        secret_key=KeyRing("a-secret-of-the-tests"),
        accounts=lambda *_: account,
        bus=cast(Bus, nothing),
        state=state,
        clock=lambda: NOW,
    )
    before = await held()
    started = [await sessions.start("shop", SessionRequest()) for _ in range(VISITORS)]
    for one in started[:100]:
        visit = await sessions.authenticate(one.visitor_token)
        assert (
            await sessions.start("shop", SessionRequest(visitor_token=one.visitor_token))
        ).visit.place == visit.place
        assert await state.transcript.read(visit.conversation) == []
    assert len({one.visit.conversation for one in started}) == VISITORS
    assert await held() == before
