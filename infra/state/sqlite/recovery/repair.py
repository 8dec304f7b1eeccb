"""Mends what is damaged in the file: what can be read is kept, and what is missing is read back from the log.

Meanwhile the database refuses everybody. When rows are missing, the shards are lost afterwards as they are when Redis
has lost them, and the Healer rebuilds them; but nothing is emptied, for what was kept may be older than the log.
"""

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
from infra.database.repair import Damage, Remade, damage_in, remake
from infra.state import rules
from schemas import topics
from schemas.conversation import DeadLetter, Turn
from schemas.errors import SetupError
from schemas.ports import Bus, Clock, State

log = structlog.get_logger(__name__)

CHECKED_BYTES = 64 << 20
"""Files up to this size are checked whole before anything is served; larger ones in the background."""
VACUUMED_BYTES = 256 << 20
_LOG = frozenset({"bus_topics", "bus_partitions", "bus_records", "bus_offsets"})
"""What nothing else can bring back."""
_DERIVED = frozenset({"bus_newest", "bus_garbage"})
_ON_TOPICS = frozenset({"state_dead_letters", "state_turns", "state_knowledge_heads"})
_PASSING = frozenset({"state_leases", "state_lease_notes", "state_counters", "state_used_identities", "state_strikes"})
_INSTRUCTIONS = (
    "restore the newest backup (docs/operations.md), or save what can be read: `parley state salvage FOLDER`, then make"
    " that folder the `data_dir`"
)


class Mender:
    """``run`` serves for as long as the process does; ``start`` and ``close`` belong to whoever opens the file."""

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
        """Stands beside a file whose log is damaged, so that the next process looks before it serves."""
        return self._database.path.with_name(f"{self._database.path.name}.damaged")

    async def start(self, *, whole: bool = False) -> None:
        """Check a small file, one that was found damaged, or, if ``whole``, any, before it is used. Raises
        SetupError."""
        path = self._database.path
        if whole or path.stat().st_size <= CHECKED_BYTES or self._marker.exists():
            damage = await asyncio.to_thread(_damage, path, tables())
            if damage:
                await self._mend(damage)
            self._marker.unlink(missing_ok=True)

    async def run(self) -> None:
        """Look for damage and mend it until cancelled. Raises SetupError when the log is damaged."""
        self._loop = asyncio.get_running_loop()
        inspector = Inspector(self._database.path, self._tell)
        self._database.on_damage(inspector.suspect)
        inspector.start()
        try:
            while True:
                if self._incomplete:
                    await self._read_back()
                await self._mend(await self._found.get())
                while not self._found.empty():  # told of before it was mended
                    self._found.get_nowait()
        finally:
            await asyncio.to_thread(inspector.stop)

    def _tell(self, damage: list[Damage]) -> None:
        assert self._loop is not None  # noqa: S101 (set before the thread begins)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._found.put_nowait, damage)

    async def _mend(self, damage: list[Damage]) -> None:
        for each in damage:
            log.error("database.damaged", table=each.table, detail=each.detail)
        names = [each.table for each in damage]
        if unmendable := [each for each in damage if each.table in ("", "bus_records")]:
            raise self._beyond_repair(unmendable[0])
        with self._database.out_of_order(f"damaged pages are being mended ({', '.join(names)})"):
            try:
                work = partial(_remake, self._database.path, names, self._clock())
                remade = await self._database.maintain(work)
                left = await asyncio.to_thread(_damage, self._database.path, names)
            except (sqlite3.Error, _LogIncomplete) as error:
                raise self._beyond_repair(Damage(names[0], str(error))) from error
            if left:
                raise self._beyond_repair(left[0])
            if self._database.path.stat().st_size <= VACUUMED_BYTES:
                await self._database.maintain(_vacuum)
        for one in remade:
            log.warning("database.mended", table=one.table, rows=one.kept, complete=one.complete)
            self._incomplete = self._incomplete or (one.table in _ON_TOPICS and not one.complete)

    def _beyond_repair(self, damage: Damage) -> SetupError:
        what = f"table {damage.table}" if damage.table else "outside of its tables"
        self._marker.write_text(f"{what}: {damage.detail}\n", encoding="utf-8")
        return SetupError(
            f"{self._database.path} is damaged beyond repair ({what}: {damage.detail})", fix=_INSTRUCTIONS
        )

    async def _read_back(self) -> None:
        """What has topics of its own, and stays when shards are rebuilt."""
        async for record in await self._bus.read(topics.DEADLETTER):
            try:
                await self._state.dead_letters.add(DeadLetter.model_validate_json(record.value or b""))
            except ValidationError:
                continue
        async for record in await self._bus.read(topics.EVENTS):
            if record.headers.get("ce_type") == topics.TURN_COMPLETED:
                await self._state.turns.add(record.key, Turn.model_validate_json(record.value or b""))
        async for record in await self._bus.read(topics.KNOWLEDGE):
            tenant = record.key.partition("/")[0]
            await self._state.heads.raise_to(tenant, record.partition, record.offset)
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


def _remake(path: Path, names: list[str], now: datetime, writer: sqlite3.Connection) -> list[Remade]:
    reader = connect(path, read_only=True)
    try:
        writer.execute("BEGIN IMMEDIATE")
        remade = [remake(writer, reader, name) for name in names]
        missing = {one.table for one in remade if not one.complete}
        if missing & _LOG:
            raise _LogIncomplete(f"rows of {', '.join(sorted(missing & _LOG))} are lost")
        if missing & _DERIVED:
            log_tables.derive(writer)
        if rebuilt := {name for name in missing if is_rebuilt(name)}:
            lose(writer, rebuilt, now)
        writer.execute("COMMIT")
        return remade
    except BaseException:
        if writer.in_transaction:
            writer.rollback()
        raise
    finally:
        reader.close()


def is_rebuilt(table: str) -> bool:
    """Whether a rebuild of the state brings rows of this table back."""
    return table.startswith("state_") and table not in _ON_TOPICS | _PASSING


def lose(connection: sqlite3.Connection, names: Iterable[str], now: datetime) -> None:
    """All shards must be filled from the log where these tables lack rows. Which tokens were given out is not known any
    more: those to come start above any that may have been."""
    connection.executemany("INSERT OR IGNORE INTO state_mended (name) VALUES (?)", [(name,) for name in sorted(names)])
    connection.executemany("INSERT OR IGNORE INTO state_lost (shard) VALUES (?)", [(shard,) for shard in range(SHARDS)])
    connection.execute(
        "INSERT INTO state_token_floor (id, floor) VALUES (1, ?)"
        " ON CONFLICT (id) DO UPDATE SET floor = MAX(floor, excluded.floor)",
        (rules.micros(now),),
    )


def _vacuum(connection: sqlite3.Connection) -> None:
    """Pages of the damaged trees belong to nobody."""
    connection.execute("VACUUM")
