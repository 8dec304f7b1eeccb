"""Repair damage in the file: readable rows are kept, and missing ones are read back from the log.

Meanwhile all access to the database is refused. When rows are missing, the shards count as lost, as when Redis has lost
them, and StateRecovery rebuilds them; but nothing is emptied, because the kept rows may be older than the log."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from pathlib import Path

import structlog
from pydantic import ValidationError

from infra.bus.partitioner import SHARDS
from infra.bus.sqlite import tables as log_tables
from infra.database import Database
from infra.database.file import connect
from infra.database.inspector import Inspector
from infra.database.migration import tables
from infra.database.repair import Damage, RepairResult, damage_in, replace_table
from infra.state import rules
from infra.state.replay_events import decode
from schemas import topics
from schemas.conversation import DeadLetter, DeadLetterDiscarded, Turn
from schemas.errors import SetupError
from schemas.ports import Bus, Clock, State

log = structlog.get_logger(__name__)

CHECKED_BYTES = 64 << 20
"""Files up to this size are checked completely before anything is served; larger ones in the background."""
VACUUMED_BYTES = 256 << 20
_LOG = frozenset({"bus_topics", "bus_partitions", "bus_records", "bus_offsets"})
"""Tables that nothing else can restore."""
_DERIVED = frozenset({"bus_newest", "bus_garbage"})
_ON_TOPICS = frozenset({"state_dead_letters", "state_turns", "state_knowledge_heads"})
_EPHEMERAL = frozenset(
    {
        "state_leases",
        "state_lease_notes",
        "state_counters",
        "state_used_identities",
        "state_strikes",
        "state_removals",
        "state_kept_heads",
    }
)
_INSTRUCTIONS = (
    "restore the newest backup (docs/operations.md), or save what can be read: `parley state salvage FOLDER`, then make"
    " that folder the `data_dir`"
)


class FileRepair:
    """``run`` works for as long as the process serves; ``start`` and ``close`` belong to whoever opens the file."""

    def __init__(self, database: Database, bus: Bus, state: State, clock: Clock) -> None:
        self._database = database
        self._bus = bus
        self._state = state
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._incomplete = False
        self._found: asyncio.Queue[list[Damage]] = asyncio.Queue()

    @property
    def _marker(self) -> Path:
        """A marker beside a file whose log is damaged, so that the next process checks it before it serves."""
        return self._database.path.with_name(f"{self._database.path.name}.damaged")

    async def start(self, *, whole: bool = False) -> None:
        """Check a small file, one that was found damaged, or, if ``whole``, any, before it is used. Raises
        SetupError."""
        path = self._database.path
        if whole or path.stat().st_size <= CHECKED_BYTES or self._marker.exists():
            damage = await asyncio.to_thread(_damage, path, tables())
            if damage:
                await self._repair(damage)
            self._marker.unlink(missing_ok=True)

    async def run(self) -> None:
        """Look for damage and repair it until cancelled. Raises SetupError when the log is damaged."""
        self._loop = asyncio.get_running_loop()
        inspector = Inspector(self._database.path, self._report)
        self._database.on_damage(inspector.suspect)
        inspector.start()
        try:
            while True:
                if self._incomplete:
                    await self._read_back()
                await self._repair(await self._found.get())
                while not self._found.empty():  # reported before it was repaired
                    self._found.get_nowait()
        finally:
            await asyncio.to_thread(inspector.stop)

    def _report(self, damage: list[Damage]) -> None:
        assert self._loop is not None  # noqa: S101 (set before the thread begins)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._found.put_nowait, damage)

    async def _repair(self, damage: list[Damage]) -> None:
        for each in damage:
            log.error("database.damaged", table=each.table, detail=each.detail)
        names = [each.table for each in damage]
        if unrepairable := [each for each in damage if each.table in ("", "bus_records")]:
            raise self._beyond_repair(unrepairable[0])
        with self._database.refuse_access(f"damaged pages are being repaired ({', '.join(names)})"):
            try:
                work = partial(_replace_tables, self._database.path, names, self._clock())
                remade = await self._database.maintain(work)
                left = await asyncio.to_thread(_damage, self._database.path, names)
            except (sqlite3.Error, _LogIncomplete) as error:
                raise self._beyond_repair(Damage(names[0], str(error))) from error
            if left:
                raise self._beyond_repair(left[0])
            if self._database.path.stat().st_size <= VACUUMED_BYTES:
                await self._database.maintain(_vacuum)
        for one in remade:
            log.warning("database.mended", table=one.table, rows=one.rows, complete=one.complete)
            self._incomplete = self._incomplete or (one.table in _ON_TOPICS and not one.complete)

    def _beyond_repair(self, damage: Damage) -> SetupError:
        place = f"table {damage.table}" if damage.table else "outside of its tables"
        self._marker.write_text(f"{place}: {damage.detail}\n", encoding="utf-8")
        return SetupError(
            f"{self._database.path} is damaged beyond repair ({place}: {damage.detail})", fix=_INSTRUCTIONS
        )

    async def _read_back(self) -> None:
        """Read back the rows that have topics of their own, and stay when shards are rebuilt."""
        async for record in await self._bus.read(topics.DEADLETTER):
            try:
                letter = decode(record)
            except ValidationError:
                continue
            if isinstance(letter, DeadLetter):
                await self._state.dead_letters.add(letter)
            elif isinstance(letter, DeadLetterDiscarded):
                # It is later on the log than the letter, which has the same key.
                await self._state.dead_letters.remove(record.headers.get("ce_tenant", ""), letter.letter_id)
        async for record in await self._bus.read(topics.EVENTS):
            if record.headers.get("ce_type") == topics.TURN_COMPLETED:
                await self._state.turns.add(record.key, Turn.model_validate_json(record.value or b""))
        async for record in await self._bus.read(topics.KNOWLEDGE):
            tenant = record.key.partition("/")[0]
            await self._state.heads.advance(tenant, record.partition, record.offset)
        self._incomplete = False


class _LogIncomplete(Exception):
    """Rows of the log's own tables are missing."""


def _damage(path: Path, names: Iterable[str]) -> list[Damage]:
    connection = connect(path, read_only=True)
    try:
        checked = ((name, damage_in(connection, name)) for name in sorted(names))
        return [Damage(name, detail) for name, detail in checked if detail]
    finally:
        connection.close()


def _replace_tables(path: Path, names: list[str], now: datetime, writer: sqlite3.Connection) -> list[RepairResult]:
    reader = connect(path, read_only=True)
    try:
        writer.execute("BEGIN IMMEDIATE")
        remade = [replace_table(writer, reader, name) for name in names]
        missing = {one.table for one in remade if not one.complete}
        if missing & _LOG:
            raise _LogIncomplete(f"rows of {', '.join(sorted(missing & _LOG))} are lost")
        if missing & _DERIVED:
            log_tables.fill_derived_tables(writer)
        if rebuilt := {name for name in missing if is_rebuilt(name)}:
            mark_lost(writer, rebuilt, now)
        writer.execute("COMMIT")
        return remade
    except BaseException:
        if writer.in_transaction:
            writer.rollback()
        raise
    finally:
        reader.close()


def is_rebuilt(table: str) -> bool:
    """Return whether a rebuild of the state restores rows of this table."""
    return table.startswith("state_") and table not in _ON_TOPICS | _EPHEMERAL


def mark_lost(connection: sqlite3.Connection, names: Iterable[str], now: datetime) -> None:
    """Mark all shards as lost, to be filled from the log where these tables lack rows. The issued tokens are no longer
    known: new ones start above any that may have been issued."""
    connection.executemany("INSERT OR IGNORE INTO state_mended (name) VALUES (?)", [(name,) for name in sorted(names)])
    connection.executemany("INSERT OR IGNORE INTO state_lost (shard) VALUES (?)", [(shard,) for shard in range(SHARDS)])
    connection.execute(
        "INSERT INTO state_token_floor (id, floor) VALUES (1, ?)"
        " ON CONFLICT (id) DO UPDATE SET floor = MAX(floor, excluded.floor)",
        (rules.to_micros(now),),
    )


def _vacuum(connection: sqlite3.Connection) -> None:
    """Pages of the damaged trees belong to nobody."""
    connection.execute("VACUUM")
