"""The space that a store uses, and the rate at which it grows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from infra.database import Database
from infra.state.redis.engine import open_redis_state
from infra.state.redis.probe import read_usage as read_redis_usage
from infra.state.redis.settings import OPEN
from infra.state.registry import EMBEDDED, StateLocation, load_engine
from infra.state.sqlite.engine import open_sqlite_state
from infra.state.usage import UsageReader
from schemas import topics
from schemas.ports import State
from tests.contracts.state.engines import ALL_SHARDS
from tests.contracts.state.recorded_history import build_envelope, open_log
from tests.contracts.state.samples import NOW, conversation_of, line, origin

OLD, YOUNG = 6, 3


async def open_conversations(state: State, now: datetime) -> None:
    for number in range(OLD + YOUNG):
        where = origin()
        age = timedelta(days=2) if number < OLD else timedelta(hours=2)
        await state.conversations.open(conversation_of(where), where, now=now - age)
        await state.transcript.add(conversation_of(where), line(text="x" * 2_000))


async def test_the_file_tells_what_the_last_day_has_added(tmp_path: Path) -> None:
    moment = NOW - timedelta(days=2)
    async with open_log(tmp_path / "parley.db", lambda: moment) as bus:
        for day in (2, 0):
            moment = NOW - timedelta(days=day)
            for number in range(50):
                event = build_envelope(topics.CONVERSATION_SNAPSHOT, None, str(number), str(uuid4()))
                await bus.append([event])
    database = Database.open(tmp_path / "parley.db")
    state = open_sqlite_state(database)
    await open_conversations(state, NOW)
    engine = load_engine(EMBEDDED)
    assert isinstance(engine, UsageReader)
    usage = await engine.read_usage(StateLocation(EMBEDDED, tmp_path), NOW)
    await database.close()
    assert usage is not None
    assert (usage.conversations, usage.began) == (OLD + YOUNG, YOUNG)
    rate = usage.topics[topics.STATE]
    assert rate.records == 50
    assert 50 * 100 < rate.bytes < 50 * 2_000
    assert sum(each.records for each in usage.topics.values()) == 50
    assert usage.state > (OLD + YOUNG) * 2_000
    assert usage.state < usage.used < usage.limit


async def test_without_a_file_nothing_is_used(tmp_path: Path) -> None:
    engine = load_engine(EMBEDDED)
    assert isinstance(engine, UsageReader)
    assert await engine.read_usage(StateLocation(EMBEDDED, tmp_path), NOW) is None


@pytest.mark.scaled
async def test_redis_tells_its_memory_and_a_sample_of_conversations(redis_url: str) -> None:
    prefix, now = f"t{uuid4().hex[:12]}", datetime.now(UTC)
    state = await open_redis_state(redis_url, prefix=prefix)
    await state.rebuild.prepare(ALL_SHARDS)
    await state.rebuild.finish(ALL_SHARDS)
    await open_conversations(state, now)
    usage = await read_redis_usage(redis_url, prefix, now, OPEN)
    await state.close()
    assert (usage.conversations, usage.began) == (OLD + YOUNG, YOUNG)
    assert 0 < usage.state < usage.used
    assert usage.limit > usage.used
    assert not usage.topics
