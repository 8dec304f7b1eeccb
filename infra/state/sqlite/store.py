"""Access of the state tables to the database: the shard check, durability, and translation of failures."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, TypeVar

from infra.bus.partitioner import shard_of
from infra.database import Database
from infra.database.file import Connection
from infra.state.sqlite.sealed_rows import MissingKey, use_key
from schemas.envelope import Envelope
from schemas.errors import StateLost, StateUnavailable, Unavailable
from schemas.privacy.sealed_bodies import BodySealer

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


PATIENCE_S = 5.0
"""A disk that hangs longer is reported as a failure; what was written after all still becomes visible on the log."""


class SharedLog(Protocol):
    """The log, where it is in the same file."""

    def insert(self, connection: sqlite3.Connection, envelopes: Sequence[Envelope]) -> Callable[[], None]:
        """Append events inside a transaction. Call the result after the commit: it shows them to readers. Raises what
        ``Bus.append`` does."""


ALL_SHARDS = ""
UNSHARDED: None = None
"""Rows that no rebuild empties: leases above all, because a rebuild holds one."""


class Store:
    """All writes and reads of the ports pass here.

    Most transitions are not ``durable``: the log of the file is written in order, so a durable commit carries every
    earlier write, and a power cut only removes the newest writes, which were not confirmed to anybody outside."""

    sealer: BodySealer | None = None
    """Set once the keys of contacts can be read, which are in the same file. Until then, and without one, bodies stay
    plain."""

    def __init__(self, database: Database, log: SharedLog | None = None) -> None:
        self._database = database
        self.log = log

    async def write(self, key: str | None, work: Work[T], *, durable: bool = False) -> T:
        """Run ``work`` in one transaction. ``key`` decides the shard that must not be lost; ALL_SHARDS, UNSHARDED."""
        try:
            sealer = self.sealer
            while True:
                try:
                    return await self._database.write(
                        partial(self._run, key=key, work=work, sealer=sealer), durable=durable
                    )
                except MissingKey as error:
                    sealer = await self._create_key(error)
        except Unavailable as error:
            raise _as_state_failure(error) from error

    async def write_and_append(self, log: SharedLog, key: str | None, work: Work[tuple[T, Sequence[Envelope]]]) -> T:
        """Run ``work`` as a durable ``write``, and append the events that it returns in the same transaction."""

        sealer = self.sealer

        def append(connection: sqlite3.Connection) -> tuple[T, Callable[[], None]]:
            result, envelopes = self._run(connection, key, work, sealer)
            return result, log.insert(connection, envelopes)

        while True:
            try:
                return await self._submit(append)
            except MissingKey as error:
                sealer = await self._create_key(error)

    async def _submit(self, append: Work[tuple[T, Callable[[], None]]]) -> T:
        try:
            # The events must be shown once they are written, even if the caller no longer waits.
            written = self._database.submit(append, durable=True, patient=True)
            written.add_done_callback(_show_appended)
            async with asyncio.timeout(PATIENCE_S):
                return (await asyncio.shield(written))[0]
        except TimeoutError as error:
            raise StateUnavailable(f"the disk has not answered for {PATIENCE_S:g} s", retry_after_ms=1000) from error
        except Unavailable as error:
            raise _as_state_failure(error) from error

    async def read(self, key: str | None, work: Work[T]) -> T:
        """Run ``work`` on what is committed; ``key`` as in ``write``."""
        try:
            return await self._database.read(partial(self._run, key=key, work=work, sealer=self.sealer))
        except Unavailable as error:
            raise _as_state_failure(error) from error

    @staticmethod
    def _run(connection: sqlite3.Connection, key: str | None, work: Work[T], sealer: BodySealer | None) -> T:
        if isinstance(connection, Connection):
            connection.row_sealer = sealer
        lost = lost_shards(connection) if key is not None else frozenset()
        if lost and (not key or shard_of(key) in lost):
            raise StateLost("state is being rebuilt", shards=lost)
        return work(connection)

    async def _create_key(self, error: MissingKey) -> BodySealer | None:
        """Make the key, and return the sealer that goes on. While the keys are rebuilt none can be made: then what
        belongs to a contact without one stays plain."""
        sealer = self.sealer
        if sealer is None:
            return None
        owner, keys = error.owner, sealer.keys
        try:
            if self.log is None:
                await keys.get_or_create(*owner)
            else:
                made = partial(use_key, owner=owner, keys=keys)
                keys.remember(await self.write_and_append(self.log, owner.contact, made))
        except StateLost:
            return replace(sealer, is_sealing=False)
        return sealer

    async def truncate_log(self) -> None:
        """Move the write-ahead log into the file and empty it. Raises StateUnavailable while a reader needs it."""
        busy, _, _ = await self._database.maintain(
            lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        )
        if busy:
            raise StateUnavailable("the write-ahead log is being read", retry_after_ms=1000)


def _show_appended(written: asyncio.Future[tuple[Any, Callable[[], None]]]) -> None:
    if not written.cancelled() and written.exception() is None:
        written.result()[1]()


def lost_shards(connection: sqlite3.Connection) -> frozenset[int]:
    return frozenset(shard for (shard,) in connection.execute("SELECT shard FROM state_lost"))


def _as_state_failure(error: Unavailable) -> Unavailable:
    if isinstance(error, StateLost | StateUnavailable):
        return error
    return StateUnavailable(error.message, fix=error.fix, retry_after_ms=error.retry_after_ms or 1000)
