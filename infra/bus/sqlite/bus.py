"""The Bus on SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from weakref import WeakSet

from infra.bus.partitioner import partition_of
from infra.bus.sqlite import tables
from infra.bus.sqlite.appender import Appender
from infra.bus.sqlite.catalog import Catalog, Topic
from infra.bus.sqlite.cleaner import Cleaner, LogTime
from infra.bus.sqlite.follower import SqliteFollower
from infra.bus.sqlite.group import Group
from infra.bus.sqlite.headers import pack
from infra.bus.sqlite.member import Member
from infra.bus.sqlite.reader import Reader
from infra.bus.sqlite.tables import Row
from infra.database import Database, DatabaseFailed
from schemas.envelope import Envelope
from schemas.errors import BusUnavailable, SetupError, TooLarge, UndecodableRecord
from schemas.ports import Clock, Position, RebalanceListener, Record, TopicPartition
from schemas.topics import NO_DESKS, TopicSpec, key_of, topic_of

DAY_S = 86_400.0
LARGEST_RECORD = 1_000_000
"""Bytes. The same as on Kafka, so that nothing works here that fails there."""
OVERHEAD = 64
"""Bytes of a record beside its value and headers, roughly."""

READY_S = 5.0


class SqliteBus:
    """Topics, groups and offsets in the Database's file; see ``schemas.ports.Bus``. For one event loop.

    ``prefix`` goes before the stored names of topics and groups and is never seen outside. ``drain_budget`` limits a
    listener's calls, ``clean_every`` is the pause between two cleanings, ``tombstone_grace`` is how long the tombstone
    of a deleted key stays for slow readers: all in seconds. ``clock`` stamps the records; ``LogTime``, which also looks
    at ``monotonic``, decides what has expired."""

    atomic = True

    def __init__(
        self,
        database: Database,
        *,
        prefix: str = "",
        desks: Mapping[str, str] = NO_DESKS,
        clock: Clock = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        drain_budget: float = 60.0,
        clean_every: float = 60.0,
        tombstone_grace: float = DAY_S,
    ) -> None:
        self._database = database
        self._prefix = prefix
        self._desks = desks
        self._clock = clock
        self._drain_budget = drain_budget
        self._grace_ms = int(tombstone_grace * 1000)
        self._catalog = Catalog()
        self._reader = Reader(database)
        self._appender = Appender(database, clock)
        time_ = LogTime(clock, monotonic)
        self._cleaner = Cleaner(database, self._catalog, time_, self._reading, prefix=prefix, every=clean_every)
        self._cleaning: asyncio.Task[None] | None = None
        self._groups: dict[str, Group] = {}
        self._followers: WeakSet[SqliteFollower] = WeakSet()

    # ── lifecycle ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Raises SetupError when the file cannot be read."""
        try:
            self._catalog.add(await self._database.read(self._load))
        except DatabaseFailed as error:
            raise _damaged_log(error.message) from error
        self._cleaning = self._cleaning or asyncio.get_running_loop().create_task(
            self._cleaner.run(), name="bus cleaner"
        )

    async def close(self) -> None:
        """Finish the running appends. Open subscriptions and followers end here."""
        if self._cleaning is not None:
            self._cleaning.cancel()
            await asyncio.wait([self._cleaning])
        for group in self._groups.values():
            await group.stop()
        for follower in list(self._followers):
            await follower.close()
        await self._appender.drain()

    async def check_ready(self) -> None:
        try:
            async with asyncio.timeout(READY_S):
                await self._database.write(_touch)
        except DatabaseFailed as error:
            raise BusUnavailable(error.message) from error
        except TimeoutError as error:
            raise BusUnavailable(f"the disk has not answered for {READY_S:.0f} s") from error

    async def clean(self) -> int:
        """Delete expired and superseded records now; otherwise done every ``clean_every`` seconds."""
        return await self._cleaner.clean()

    def _load(self, connection: sqlite3.Connection) -> list[Topic]:
        return tables.load_topics(connection, self._prefix)

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def append(self, envelopes: Sequence[Envelope], *, topic: str | None = None) -> list[Position]:
        """All or none. Raises TopicMismatch, TooLarge, UndecodableRecord (text that is not Unicode), BusUnavailable."""
        if not envelopes:
            return []
        return await self._appender.append([self._row(envelope, topic) for envelope in envelopes])

    def insert(self, connection: sqlite3.Connection, envelopes: Sequence[Envelope]) -> Callable[[], None]:
        """Append as ``append`` inside a transaction of others on the same file. Call the result after the commit: it
        shows the records to readers."""
        rows = [self._row(envelope, None) for envelope in envelopes]
        offsets = tables.insert(connection, rows, int(self._clock().timestamp() * 1000))

        def show() -> None:
            for row, offset in zip(rows, offsets, strict=True):
                row.partition.advance(offset + 1)

        return show

    def _row(self, envelope: Envelope, topic: str | None) -> Row:
        partitions = self._catalog.topic(topic or topic_of(envelope, self._desks)).partitions
        key, value = key_of(envelope), envelope.data
        try:
            partition = partitions[partition_of(key, len(partitions))]
            headers = pack(envelope)
        except (UnicodeEncodeError, TypeError) as error:
            raise UndecodableRecord(f"event {envelope.id!r}: its key or a header is not Unicode text") from error
        size = len(headers) + len(value or b"") + OVERHEAD
        if size > LARGEST_RECORD:
            raise TooLarge("the record is larger than the log allows")
        return Row(partition, key, headers, value, self._grace_ms, size)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def subscribe(
        self, topics: Sequence[str], group: str, listener: RebalanceListener, *, member: str = ""
    ) -> Member:
        """Returns at once; partitions come through ``listener.on_assigned``, before their first record."""
        for topic in topics:
            self._catalog.topic(topic)
        joined = Member(member, topics, listener, self._group(group), self._reader)
        self._group(group).join(joined)
        return joined

    async def follow(self, topic: str) -> SqliteFollower:
        follower = SqliteFollower(self._catalog.topic(topic), self._reader)
        self._followers.add(follower)
        return follower

    async def read(
        self, topic: str, *, since: Mapping[int, int] | None = None, keys: Callable[[str], bool] | None = None
    ) -> AsyncIterator[Record]:
        """One partition after the other."""
        return self._read(self._catalog.topic(topic), since or {}, keys)

    async def _read(
        self, topic: Topic, since: Mapping[int, int], keys: Callable[[str], bool] | None
    ) -> AsyncIterator[Record]:
        ends = [partition.head for partition in topic.partitions]
        for partition, end in zip(topic.partitions, ends, strict=True):
            start = max(since.get(partition.index, 0), partition.start)
            async for record in self._reader.walk(partition, start, end, keys):
                yield record

    # ── inspection ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def lag(self, group: str, topics: Sequence[str]) -> dict[str, int]:
        known = [self._catalog.topic(topic) for topic in topics]
        committed = await self._read_committed(group)
        return {topic.name: _lag_of(topic, committed) for topic in known}

    async def committed_offsets(self, group: str, topic: str) -> dict[int, int]:
        name = self._catalog.topic(topic).name
        return {at.partition: offset for at, offset in (await self._read_committed(group)).items() if at.topic == name}

    async def end_offsets(self, topics: Sequence[str]) -> dict[str, dict[int, int]]:
        return {
            topic: {partition.index: partition.head for partition in self._catalog.topic(topic).partitions}
            for topic in topics
        }

    async def _read_committed(self, group: str) -> dict[TopicPartition, int]:
        try:
            return await self._database.read(self._group(group).read_committed)
        except DatabaseFailed as error:
            raise BusUnavailable(error.message) from error

    async def create_topics(self, specs: Sequence[TopicSpec]) -> list[str]:
        """Names of the topics that were missing. All or none."""
        try:
            created = await self._database.write(partial(_create, self._prefix, specs), patient=True)
            self._catalog.add(await self._database.read(self._load))
        except DatabaseFailed as error:
            raise BusUnavailable(error.message) from error
        return created

    async def describe_topics(self) -> dict[str, int]:
        return {name: len(topic.partitions) for name, topic in self._catalog.topics.items()}

    def _reading(self) -> dict[str, list[str]]:
        return {
            self._prefix + name: [self._prefix + topic for topic in group.topics]
            for name, group in self._groups.items()
            if group.topics
        }

    def _group(self, name: str) -> Group:
        if name not in self._groups:
            self._groups[name] = Group(name, self._prefix, self._catalog, self._database, self._drain_budget)
        return self._groups[name]


def _lag_of(topic: Topic, committed: Mapping[TopicPartition, int]) -> int:
    return sum(
        max(0, partition.head - max(partition.start, committed.get(partition.name, 0)))
        for partition in topic.partitions
    )


def _create(prefix: str, specs: Sequence[TopicSpec], connection: sqlite3.Connection) -> list[str]:
    return [spec.name for spec in specs if tables.create_topic(connection, prefix, spec)]


def _touch(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT OR REPLACE INTO bus_probe (id) VALUES (1)")


def _damaged_log(reason: str) -> SetupError:
    return SetupError(f"the log is damaged: {reason}", fix="restore the database from a backup, or use a new data_dir")
