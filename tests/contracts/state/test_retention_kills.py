"""Retention whose process is killed in the middle: what must stay is there, and the next round finishes the work."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.state.sqlite.engine import open_sqlite_state
from schemas import topics
from schemas.conversation import Facts
from schemas.ports import Bus, State
from tests.contracts.state.retention_samples import days_ago, hold_conversation, list_removals
from tests.contracts.state.samples import NOW, origin
from tests.contracts.state.test_retention_cleaner import append_snapshot, newest_snapshots

KILLED_BEFORE = (2, 4, 7, 11, 14)


@asynccontextmanager
async def open_folder(folder: Path) -> AsyncIterator[tuple[State, Bus]]:
    database = Database.open(folder / "parley.db")
    bus = SqliteBus(database, clock=lambda: NOW)
    try:
        await bus.start()
        await bus.create_topics(topics.topic_specs(["web"], partitions=3, small=3))
        yield open_sqlite_state(database), bus
    finally:
        await bus.close()
        await database.close()


async def fill(folder: Path) -> tuple[set[str], set[str]]:
    """Ids of expired conversations, and of those that must stay."""
    waiting = Facts(heard_at=days_ago(40))
    async with open_folder(folder) as (state, bus):
        gone = {await hold_conversation(state, days=[50, 40], where=origin()) for _ in range(5)}
        kept = {await hold_conversation(state, days=[40], facts=waiting) for _ in range(3)}
        kept |= {await hold_conversation(state, days=[3]) for _ in range(3)}
        for conversation in gone | kept:
            await append_snapshot(state, bus, conversation)
    return gone, kept


async def check(folder: Path, gone: set[str], kept: set[str], *, finished: bool) -> None:
    async with open_folder(folder) as (state, bus):
        snapshots = await newest_snapshots(bus)
        noted = {each.id for each in await list_removals(state)}
        for conversation in kept:
            held = await state.conversations.get(conversation)
            assert held is not None
            assert len(await state.transcript.read(conversation)) == 1
            assert snapshots[conversation] is not None
        for conversation in gone:
            is_held = await state.conversations.get(conversation) is not None
            # Whatever is no longer held is noted, or has its tombstone.
            assert is_held or conversation in noted or snapshots.get(conversation) is None
            assert not (is_held and conversation in noted)
            assert not is_held or snapshots[conversation] is not None
            if finished:
                assert not is_held
                assert snapshots.get(conversation) is None
        assert not finished or not noted


async def run_killed(folder: Path, writes: int) -> int:
    command = (sys.executable, "-m", "tests.contracts.state.killed_retention", str(folder), str(writes))
    process = await asyncio.create_subprocess_exec(*command)
    async with asyncio.timeout(60):
        return await process.wait()


@pytest.mark.slow
async def test_a_kill_in_the_middle_loses_nothing_and_the_next_round_finishes(tmp_path: Path) -> None:
    filled = tmp_path / "filled"
    gone, kept = await fill(filled)
    for writes in KILLED_BEFORE:
        folder = tmp_path / str(writes)
        shutil.copytree(filled, folder)
        assert await run_killed(folder, writes) == -signal.SIGKILL
        await check(folder, gone, kept, finished=False)
        assert await run_killed(folder, 0) == 0
        await check(folder, gone, kept, finished=True)
