"""The index of contacts where an earlier release has stored contacts and conversations without one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from redis.asyncio import Redis

from infra.bus.partitioner import shard_of
from infra.deploy.local_redis import LocalRedis
from infra.state.sqlite.contact_rows import READ_MERGED
from infra.state.sqlite.contacts import READ_CONVERSATIONS, READ_HASHES, READ_TERMS
from schemas.ports import State
from tests.contracts.state.engines import embedded_state
from tests.contracts.state.port_calls import processes, set_up
from tests.contracts.state.test_contact_search import TENANT, add, find
from tests.contracts.state.test_contacts import SCOPED, phone

ADDED = 450
"""Contacts: more than are indexed at once."""


async def fill(state: State) -> None:
    for number in range(ADDED):
        await add(state, f"Ada {number:03}", phone(f"49{number:03}"), at=number)
    await add(state, "Merged Later", SCOPED, at=1000)
    await add(state, "Merged Later", SCOPED, phone("49000"), at=1001)


async def check(state: State) -> None:
    assert await find(state, "merged") == ["Merged Later"]
    assert await find(state, "49449") == ["Ada 449"]
    (merged,) = (await state.contact_search.search(TENANT, "49000")).items
    assert len(await state.contact_search.list_ids(TENANT, merged.id)) == 2
    found = await state.contact_search.list_conversations(TENANT, [merged.id])
    assert len(found[merged.id]) == 2
    page = await state.contact_search.search(TENANT, "", limit=ADDED + 9)
    assert len(page.items) == ADDED


async def test_a_file_of_an_earlier_release_is_indexed_by_the_first_search(tmp_path: Path) -> None:
    path = tmp_path / "parley.db"
    async with embedded_state(path) as state:
        await fill(state)
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        assert file.execute("DELETE FROM state_contact_terms").rowcount > ADDED
    async with embedded_state(path) as state:
        await check(state)
    async with embedded_state(path) as state:
        await check(state)


async def test_no_search_reads_a_whole_table(tmp_path: Path) -> None:
    path = tmp_path / "parley.db"
    async with embedded_state(path) as state:
        await add(state, "Ada", phone("49170"))
    with closing(sqlite3.connect(path)) as file:
        for query, values in ((READ_TERMS, 7), (READ_HASHES, 7), (READ_CONVERSATIONS, 2), (READ_MERGED, 2)):
            plan = [step for *_, step in file.execute(f"EXPLAIN QUERY PLAN {query}", [0] * values)]
            scans = [step for step in plan if step.startswith("SCAN state_")]
            assert scans == [], plan
            assert any("USING" in step for step in plan), plan


@pytest.mark.scaled
async def test_a_server_of_an_earlier_release_is_indexed_by_the_first_search(stoppable_redis: LocalRedis) -> None:
    async with (
        processes(stoppable_redis.url) as open_process,
        Redis.from_url(stoppable_redis.url, protocol=2) as server,
    ):
        await fill(await set_up(await open_process()))
        keys = [key async for key in server.scan_iter("parley:*", count=5_000)]
        index = [key for key in keys if key.split(b":")[2] in (b"ci", b"cc")]
        assert len(index) > ADDED
        await server.unlink(*index)
        await check(await open_process())
        note = f"parley:{{s{shard_of(f'contacts:{TENANT}'):02x}}}:ci:{TENANT}:done"
        assert await server.get(note) == b"for now"
        assert 0 < await server.ttl(note) <= 86_400
        await server.unlink(note, *(key for key in index if b":cc:" in key))
        await check(await open_process())
        assert (await server.get(note), await server.ttl(note)) == (b"for good", -1)
