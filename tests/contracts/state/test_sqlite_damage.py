"""A damaged page of the embedded file is found, and what it held is there again."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.database.migration import tables
from infra.database.repair import damage_in, damage_of_file
from infra.database.rows import ReadableRows
from infra.state.recovery import StateRecovery
from infra.state.sqlite.engine import open_sqlite_state
from infra.state.sqlite.recovery import repair
from infra.state.sqlite.recovery.repair import FileRepair
from infra.state.sqlite.recovery.salvage import salvage
from schemas import topics
from schemas.conversation import Turn
from schemas.errors import SetupError, Unavailable
from schemas.ports import State
from tests.contracts.state.port_calls import calls_of_all_ports
from tests.contracts.state.recorded_history import CHANNELS, TENANT, RecordedConversation, record_conversation
from tests.contracts.state.samples import NOW, begin_turn, make_intended, outbound
from tests.harness.contract_client import wait_for
from tests.harness.page_damage import damage, leaves

LIVES = 24


@dataclass
class Store:
    database: Database
    bus: SqliteBus
    state: State
    mender: FileRepair


@asynccontextmanager
async def open_store(path: Path, *, started: bool = False) -> AsyncIterator[Store]:
    """The log and the state in one file. ``started``: it was checked whole, as small files are."""
    database = Database.open(path)
    bus, state = SqliteBus(database, clock=lambda: NOW), open_sqlite_state(database)
    mender = FileRepair(database, bus, state, lambda: NOW)
    try:
        if started:
            await mender.start()
        await bus.start()
        await bus.create_topics(topics.topic_specs(CHANNELS, partitions=3, small=3))
        yield Store(database, bus, state, mender)
    finally:
        await state.close()
        await bus.close()
        await database.close()


@asynccontextmanager
async def looked_after(store: Store) -> AsyncIterator[StateRecovery]:
    """As a process does: damage is looked for and mended, and lost shards are rebuilt."""
    healer = StateRecovery(store.state, store.bus, channels=CHANNELS, clock=lambda: NOW, check_every=0.02, grace=0)
    healer.start()
    watching = asyncio.create_task(store.mender.run())
    try:
        yield healer
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await healer.close()


async def read_everything(store: Store) -> dict[str, Any]:
    found = {}
    for page in (await store.state.conversations.list_page(TENANT, limit=200)).items:
        life = RecordedConversation(store.state, store.bus, page.origin.place)
        life.conversation, life.contact = page.id, page.origin.contact_id
        turns = await store.state.turns.list_newest(page.id)
        found[page.id] = await life.picture() | {"turns": {turn.id: turn for turn in turns}}
    return found


async def wait_until_restored(store: Store, before: dict[str, Any]) -> None:
    """Until all is there again: the records of turns come last, after conversations are served."""

    async def is_equal() -> bool:
        return await read_everything(store) == before

    await wait_for(is_equal)


async def write_history(path: Path) -> dict[str, Any]:
    async with open_store(path) as store:
        await asyncio.gather(
            *(record_conversation(store.state, store.bus, f"visitor-{n}", turns=3) for n in range(LIVES))
        )
        async for record in await store.bus.read(topics.EVENTS):
            if record.headers["ce_type"] == topics.TURN_COMPLETED:
                await store.state.turns.add(record.key, Turn.model_validate_json(record.value or b""))
        return await read_everything(store)


def list_damaged_tables(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as file:
        return [name for name in tables() if damage_in(file, name)] + [damage_of_file(file)] * bool(
            damage_of_file(file)
        )


async def wait_until_sound(store: Store) -> None:
    async def is_audio() -> bool:
        try:
            return (
                not await asyncio.to_thread(list_damaged_tables, store.database.path)
                and not await store.state.rebuild.check()
            )
        except Unavailable:
            return False

    await wait_for(is_audio)


@pytest.mark.parametrize(
    "place",
    [
        "state_conversations",
        "state_conversations_recent",
        "state_transcript",
        "sqlite_autoindex_state_transcript_2",
        "state_handled",
        "state_deliveries",
        "state_contacts",
        "state_turns",
        "state_lost",
    ],
)
async def test_a_damaged_page_is_found_in_the_background_and_what_it_held_comes_back(
    tmp_path: Path, place: str
) -> None:
    """Nobody has asked for it: the file is read through from the beginning."""
    path = tmp_path / "parley.db"
    before = await write_history(path)
    pages = leaves(path, place)
    damage(path, pages[len(pages) // 2])
    assert list_damaged_tables(path)
    with capture_logs() as said:
        async with open_store(path) as store, looked_after(store) as healer:
            await wait_until_sound(store)
            await asyncio.wait_for(healer.available.wait(), 30)
            await wait_until_restored(store, before)
    events = {line["event"] for line in said}
    assert {"database.damaged", "database.mended"} <= events
    assert list_damaged_tables(path) == []


async def test_nothing_that_is_written_passes_for_damage(tmp_path: Path) -> None:
    """Every operation of every port, then intents without outcomes and numbers without lines: the file is sound, and
    each of its rows can be read."""
    path = tmp_path / "parley.db"
    async with open_store(path) as store:
        for call in calls_of_all_ports(store.state):
            await call()
        life = await record_conversation(store.state, store.bus, "visitor")
        await store.state.deliveries.begin_send(life.conversation, outbound(), deadline=9, now=NOW)
        start = await begin_turn(store.state, life.conversation)
        claimed = await store.state.journal.claim(
            life.conversation, make_intended("open"), token=start.token, epoch=start.conversation.epoch, now=NOW
        )
        assert claimed.verdict == "go"
        snapshot = await store.state.conversations.snapshot(life.conversation)
        assert snapshot is not None
        await store.state.rebuild.prepare(frozenset(range(256)))
        await store.state.rebuild.restore(snapshot)  # a number is promised to each line, and no line is there
        await store.state.rebuild.finish(frozenset(range(256)))
        await store.state.deliveries.begin_send(life.conversation, outbound(), deadline=9, now=NOW)
    assert list_damaged_tables(path) == []
    with closing(sqlite3.connect(path)) as file:
        for table in tables().values():
            rows = ReadableRows(file, table)
            (count,) = file.execute(f"SELECT count(*) FROM {table.name}").fetchone()
            assert (table.name, len(list(rows)), rows.complete) == (table.name, count, True)


async def test_a_read_of_a_damaged_page_triggers_a_check_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is refused for now, not for ever."""
    path = tmp_path / "parley.db"
    before = await write_history(path)
    async with open_store(path) as store, looked_after(store):
        pages = leaves(path, "state_transcript")
        for page in pages:
            damage(path, page)
        await store.database.maintain(lambda _: None)  # readers open the file anew, and forget the pages as they were
        async with asyncio.timeout(60):
            for conversation in before:
                while True:
                    try:
                        assert len(await store.state.transcript.read(conversation)) == 6
                        break
                    except Unavailable:
                        await asyncio.sleep(0.02)
        await wait_until_sound(store)
        assert await read_everything(store) == before


async def test_while_pages_are_mended_everybody_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "parley.db"
    await write_history(path)
    damage(path, leaves(path, "state_transcript")[0])
    async with open_store(path) as store, looked_after(store) as healer:
        reasons = {
            await reason(ready) for ready in (store.bus.check_ready, store.state.check_ready) if not healer.reports
        }
        async with asyncio.timeout(60):
            while not healer.reports:
                reasons |= {await reason(store.bus.check_ready), await reason(store.state.check_ready)}
                await asyncio.sleep(0)
        # The repair of so small a file may be over before anybody has asked.
        repaired, rebuilt = "damaged pages are being repaired (state_transcript)", "state is being rebuilt"
        assert {rebuilt} <= reasons - {""} <= {repaired, rebuilt}
        await wait_until_sound(store)
        await store.bus.check_ready()
        await store.state.check_ready()


async def reason(ready: Callable[[], Awaitable[None]]) -> str:
    """Why not; "" when it is ready."""
    try:
        await ready()
    except Unavailable as refused:
        return refused.message
    return ""


@pytest.mark.parametrize("place", ["state_conversations_owner", "bus_newest", "sqlite_autoindex_bus_partitions_1"])
async def test_a_small_file_is_mended_before_it_is_served(tmp_path: Path, place: str) -> None:
    path = tmp_path / "parley.db"
    before = await write_history(path)
    damage(path, leaves(path, place)[0])
    async with open_store(path, started=True) as store:
        assert list_damaged_tables(path) == []
        assert await read_everything(store) == before


async def test_a_damaged_log_is_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither when it is found, nor, however large the file, by the process after: until it was restored."""
    monkeypatch.setattr(repair, "CHECKED_BYTES", 0)
    path = tmp_path / "parley.db"
    await write_history(path)
    whole = tmp_path / "whole.db"
    pages = leaves(path, "bus_records")
    whole.write_bytes(path.read_bytes())
    damage(path, pages[1])
    async with open_store(path) as store:
        with pytest.raises(SetupError, match="bus_records") as refused:
            await asyncio.wait_for(store.mender.run(), 60)
    assert "parley state salvage" in refused.value.fix
    with pytest.raises(SetupError, match="bus_records"):
        async with open_store(path, started=True):
            pass
    path.write_bytes(whole.read_bytes())
    async with open_store(path, started=True):
        pass
    async with open_store(path, started=True):
        pass


async def test_the_readable_records_of_a_damaged_log_are_salvaged(tmp_path: Path) -> None:
    """All but the records on the damaged pages; the state is as it was, and the log goes on where it ended."""
    path, saved = tmp_path / "data/parley.db", tmp_path / "saved"
    path.parent.mkdir()
    before = await write_history(path)
    async with open_store(path) as store:
        records = [record async for record in await store.bus.read(topics.EVENTS)]
        ends = {record.partition: record.offset for record in records}
    pages = leaves(path, "bus_records")
    for page in (pages[0], pages[len(pages) // 3], pages[len(pages) // 2]):
        damage(path, page)
    damage(path, leaves(path, "state_transcript")[1])
    found = {one.table: one for one in await asyncio.to_thread(salvage, path.parent, saved)}
    assert not found["bus_records"].complete
    assert found["state_conversations"].complete
    assert list_damaged_tables(saved / "parley.db") == []
    async with open_store(saved / "parley.db", started=True) as store, looked_after(store) as healer:
        await asyncio.wait_for(healer.available.wait(), 30)
        after = [record async for record in await store.bus.read(topics.EVENTS)]
        assert len(records) * 0.5 < len(after)
        assert {record.offset for record in after} <= {record.offset for record in records}
        assert (await read_everything(store)).keys() == before.keys()
        await record_conversation(store.state, store.bus, "late")
        grown = [record async for record in await store.bus.read(topics.EVENTS)]
        new = {(record.partition, record.offset) for record in grown} - {(one.partition, one.offset) for one in after}
        assert all(offset > ends[partition] for partition, offset in new), "no offset is given out twice"
    with pytest.raises(SetupError, match="already exists"):
        await asyncio.to_thread(salvage, path.parent, saved)
