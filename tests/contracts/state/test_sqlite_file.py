"""The file of the SQLite store outlives its process."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.database import Database
from infra.state.sqlite.engine import open_sqlite_state
from schemas.errors import StateLost, StateUnavailable
from tests.contracts.state.engines import ALL_SHARDS, embedded_state
from tests.contracts.state.samples import NOW, begin_turn, commit_turn, later, line, new_id, outbound, record, reply


async def test_everything_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    conversation, message, sent = new_id(), line(), outbound()
    async with embedded_state(tmp_path / "p.db") as state:
        start = await begin_turn(state, conversation)
        await state.transcript.add(conversation, message)
        await commit_turn(state, conversation, start, handled=["e"], outbox=[reply(conversation)])
        await state.deliveries.begin_send(conversation, sent, deadline=30, now=NOW)
        await state.parking.park("g", conversation, [record(1, conversation)], until=later(60))
        before = await state.conversations.snapshot(conversation)
    async with embedded_state(tmp_path / "p.db") as state:
        assert await state.conversations.snapshot(conversation) == before
        assert (await begin_turn(state, conversation, "e")).token > start.token
        assert await state.transcript.add(conversation, message) == 1
        assert await state.deliveries.begin_send(conversation, sent, deadline=30, now=NOW) == "in_doubt"
        assert await state.parking.read("g", conversation, limit=9) == [record(1, conversation)]


async def test_a_lease_of_the_process_before_is_free_and_its_token_outdated(tmp_path: Path) -> None:
    async with embedded_state(tmp_path / "p.db") as state:
        first = await state.leases.acquire("gateway", "before", ttl=3600, now=NOW)
    async with embedded_state(tmp_path / "p.db") as state:
        second = await state.leases.acquire("gateway", "after", ttl=30, now=later(1))
    assert first is not None
    assert second is not None
    assert second > first


async def test_a_rebuild_that_was_cut_off_is_still_due_after_a_restart(tmp_path: Path) -> None:
    async with embedded_state(tmp_path / "p.db") as state:
        await state.rebuild.prepare(ALL_SHARDS)
    async with embedded_state(tmp_path / "p.db") as state:
        assert await state.rebuild.check() == ALL_SHARDS
        with pytest.raises(StateLost):
            await state.check_ready()


async def test_a_file_that_does_not_answer_is_unavailable_state(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "p.db")
    state = open_sqlite_state(database)
    await database.close()
    with pytest.raises(StateUnavailable):
        await begin_turn(state, new_id())
    with pytest.raises(StateUnavailable):
        await state.conversations.get(new_id())
    with pytest.raises(StateUnavailable):
        await state.check_ready()


async def test_a_refused_transition_leaves_nothing_half_written(tmp_path: Path) -> None:
    """Two outbox entries whose second cannot be stored: the version must not have moved either."""
    conversation = new_id()
    async with embedded_state(tmp_path / "p.db") as state:
        start = await begin_turn(state, conversation)
        broken = reply(conversation)
        object.__setattr__(broken, "data", object())
        with pytest.raises(Exception, match="type"):
            await commit_turn(state, conversation, start, handled=["e"], outbox=[reply(conversation), broken])
        after = await begin_turn(state, conversation, "e")
        assert (after.conversation.version, after.handled, after.outbox) == (0, frozenset(), [])
