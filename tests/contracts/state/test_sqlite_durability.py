"""Durable writes of the embedded store are on disk when they return; others wait for the next durable one."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.state.sqlite.engine import open_sqlite_state
from schemas import topics
from schemas.conversation import DeadLetter
from schemas.ports import State
from tests.contracts.bus.recording_consumer import message
from tests.contracts.state.engines import ALL_SHARDS
from tests.contracts.state.samples import (
    NOW,
    begin_turn,
    commit_turn,
    line,
    make_delivered,
    new_id,
    origin,
    outbound,
    record,
    reply,
)

FULL, NORMAL = 2, 1
LETTER = DeadLetter(
    id="l", code="c", reason="r", attempts=1, topic="t", partition=0, offset=1, tenant="t", first_at=NOW, last_at=NOW
)


@dataclass
class DurableStore:
    database: Database
    bus: SqliteBus
    state: State


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[DurableStore]:
    database = Database.open(tmp_path / "parley.db")
    bus = SqliteBus(database)
    await bus.start()
    await bus.create_topics(topics.topic_specs(["web"], partitions=1, small=1))
    yield DurableStore(database, bus, open_sqlite_state(database))
    await bus.close()
    await database.close()


async def find_sync_level(world: DurableStore, call: Callable[[], Awaitable[object]]) -> int:
    """The level of ``PRAGMA synchronous`` that the transactions of a call are committed with: the highest."""
    statements: list[str] = []
    # The first write that asks for nothing lowers the level; the writer raises it again where a work is durable.
    await world.database.write(lambda file: file.set_trace_callback(statements.append), durable=False)
    await call()
    await world.database.write(lambda file: file.set_trace_callback(None), durable=False)
    assert any(statement.startswith("BEGIN") for statement in statements)
    return FULL if "PRAGMA synchronous=FULL" in statements else NORMAL


Call = Callable[[DurableStore, str], Awaitable[object]]


async def _commit(world: DurableStore, conversation: str) -> int:
    start = await begin_turn(world.state, conversation, "e")
    return await find_sync_level(
        world,
        lambda: commit_turn(world.state, conversation, start, handled=["e"], outbox=[reply(conversation)]),
    )


async def test_a_commit_is_on_disk_before_its_reply_is_published(world: DurableStore) -> None:
    """After a power cut the next process must not find the message unanswered that was answered already."""
    assert await _commit(world, new_id()) == FULL


DURABLE: dict[str, Call] = {
    "own": lambda w, c: w.state.conversations.own(c, "queue", expected_epoch=0, request_id="r", by="p", now=NOW),
    "begin with messages": lambda w, c: w.state.conversations.begin(c, origin(), [], now=NOW, messages=[line()]),
    "a line of the transcript": lambda w, c: w.state.transcript.add(c, line(id="m1")),
    "parking": lambda w, c: w.state.parking.park("g", c, [record(1, c)], until=NOW),
    "a dead letter": lambda w, c: w.state.dead_letters.add(LETTER),
    "emptying before a rebuild": lambda w, c: w.state.rebuild.prepare(ALL_SHARDS),
    "the end of a rebuild": lambda w, c: w.state.rebuild.finish(ALL_SHARDS),
    "the proof that writes work": lambda w, c: w.bus.check_ready(),
    "new topics": lambda w, c: w.bus.create_topics(topics.topic_specs(["web", "slack"], partitions=1, small=1)),
}
LAZY: dict[str, Call] = {
    "begin": lambda w, c: w.state.conversations.begin(c, origin(), [], now=NOW),
    "published": lambda w, c: w.state.conversations.published(c, ["x"]),
    "a mark": lambda w, c: w.state.transcript.mark(c, ["m1"], "read"),
    "an intent": lambda w, c: w.state.deliveries.begin_send(c, outbound(), deadline=9, now=NOW),
    "an outcome": lambda w, c: w.state.deliveries.record(c, make_delivered("m", "sent")),
}
"""A later durable write carries them; a power cut before it takes nothing that anybody outside was told."""


@pytest.mark.parametrize("name", DURABLE)
async def test_writes_that_are_announced_are_on_disk(world: DurableStore, name: str) -> None:
    conversation = new_id()
    await begin_turn(world.state, conversation)
    assert await find_sync_level(world, lambda: DURABLE[name](world, conversation)) == FULL


@pytest.mark.parametrize("name", LAZY)
async def test_writes_that_nobody_is_told_of_cost_no_sync(world: DurableStore, name: str) -> None:
    conversation = new_id()
    await begin_turn(world.state, conversation)
    assert await find_sync_level(world, lambda: LAZY[name](world, conversation)) == NORMAL


async def test_an_append_is_on_disk_when_it_returns(world: DurableStore) -> None:
    """Each of them: the edge says yes to somebody. It gathers for a moment, so the transaction is its own."""
    seen: list[int] = []

    def watch(file: sqlite3.Connection) -> None:
        file.set_trace_callback(lambda said: seen.append(setting_of(said)) if "synchronous" in said else None)

    def setting_of(said: str) -> int:
        return FULL if "FULL" in said else NORMAL

    await world.database.write(watch, durable=False)
    await world.bus.append([message("one", 1)])
    await world.database.write(lambda file: file.set_trace_callback(None), durable=False)
    assert seen[0] == FULL
