"""A tenant's events from the log, grouped by conversation in a temporary file.

The topics hold all conversations mixed, and are too long for memory."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from pydantic import ValidationError

from agent_worker.learning.conversation_log import RecordedEvent
from schemas import topics
from schemas.envelope import Envelope
from schemas.errors import RecordError
from schemas.ports import Bus, Record
from schemas.turn_recording import PassageRecord

MAX_EVENTS = 5_000
"""Events of one conversation. Older ones are left out."""
_BATCH_SIZE = 500
_TABLE = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8000; PRAGMA temp_store = FILE;
CREATE TABLE facts (
    conversation TEXT, at REAL, n INTEGER, id TEXT, type TEXT, channel TEXT, account TEXT, replay_of TEXT, body BLOB,
    PRIMARY KEY (conversation, type, id)
) WITHOUT ROWID;
CREATE TABLE passages (key TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID;
"""
_INSERT_PASSAGE = "INSERT OR IGNORE INTO passages VALUES (?, ?)"
_INSERT = "INSERT OR IGNORE INTO facts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SELECT = """
SELECT id, type, channel, at, body, account, replay_of FROM (
    SELECT * FROM facts WHERE conversation = ? ORDER BY at DESC, n DESC LIMIT ?
) ORDER BY at, n
"""
Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")
_Row = tuple[str, float, int, str, str, str, str, str, bytes]


@dataclass(frozen=True, slots=True)
class ConversationEvent:
    """One event of a conversation, as it is on the log. ``replay_of``: the event that it repeats."""

    id: str
    type: str
    channel: str
    at: float
    body: bytes
    account: str = ""
    replay_of: str = ""

    def to_recorded(self) -> RecordedEvent:
        at = datetime.fromtimestamp(self.at, UTC)
        return RecordedEvent(self.id, self.type, self.channel, self.account, at, self.body, self.replay_of)


class ConversationGrouping:
    """A tenant's events, grouped by conversation, in the file ``path``. One thread does all access, so that a cancelled
    export does not close the file while it is read."""

    def __init__(self, path: Path, connection: sqlite3.Connection, thread: Executor) -> None:
        self.path = path
        self._connection = connection
        self._thread = thread
        self._count = 0

    async def gather(
        self, bus: Bus, tenant: str, sources: Sequence[str], types: Container[str], *, only: Collection[str] = ()
    ) -> None:
        """Copy the tenant's events of these types from these topics; only of these conversations, if ``only`` names
        any. Raises BusUnavailable."""
        rows: list[_Row] = []
        for topic in sources:
            async for record in await bus.read(topic):
                self._count += 1
                headers = record.headers
                is_wanted = headers.get("ce_tenant") == tenant and headers.get("ce_type") in types
                if is_wanted and headers["ce_type"] == topics.PASSAGE_RETRIEVED:
                    await self.run_in_thread(self._add_passage, headers.get("ce_subject", ""), record.value)
                elif is_wanted and (not only or headers.get("ce_conversation") in only):
                    rows += _to_rows(record, self._count)
                if len(rows) >= _BATCH_SIZE:
                    await self.run_in_thread(self._add, rows)
                    rows = []
        await self.run_in_thread(self._add, rows)

    async def run_in_thread(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Run ``work`` in the thread of the database."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _add(self, rows: Sequence[_Row]) -> None:
        # Close the cursor here: dropping it in another thread would reset a statement that is running in this one.
        self._connection.executemany(_INSERT, rows).close()

    def _add_passage(self, key: str, body: bytes | None) -> None:
        self._connection.execute(_INSERT_PASSAGE, (key, body or b"")).close()

    def find_passages(self, keys: Iterable[str]) -> dict[str, PassageRecord]:
        """The passages with these keys, as far as the log still has them. Any conversation may have found them
        first."""
        found: dict[str, PassageRecord] = {}
        for key in dict.fromkeys(keys):
            row = self._connection.execute("SELECT body FROM passages WHERE key = ?", (key,)).fetchone()
            try:
                found |= {} if row is None else {key: PassageRecord.model_validate_json(row[0])}
            except ValidationError:
                continue
        return found

    def count_conversations(self, since: datetime | None) -> int:
        """The number of conversations that were last answered at this time or later."""
        answered = "SELECT max(at) AS last FROM facts WHERE type = ? GROUP BY conversation"
        least = 0.0 if since is None else since.timestamp()
        (count,) = self._connection.execute(
            f"SELECT count(*) FROM ({answered}) WHERE last >= ?",  # noqa: S608 - the text is fixed
            (topics.TURN_COMPLETED, least),
        ).fetchone()
        return int(count)

    def conversations(
        self, since: datetime | None, until: datetime | None
    ) -> Iterator[tuple[str, list[ConversationEvent]]]:
        """The conversations that were last answered in this period, by id, each with its events in order."""
        answered = "SELECT conversation, max(at) FROM facts WHERE type = ? GROUP BY conversation ORDER BY conversation"
        for conversation, at in self._connection.execute(answered, (topics.TURN_COMPLETED,)):
            if (since and at < since.timestamp()) or (until and at >= until.timestamp()):
                continue
            rows = self._connection.execute(_SELECT, (conversation, MAX_EVENTS))
            yield conversation, [ConversationEvent(*row) for row in rows]

    def has_events(self, since: datetime) -> bool:
        """Return whether anything happened since then."""
        found = self._connection.execute("SELECT 1 FROM facts WHERE at >= ? LIMIT 1", (since.timestamp(),))
        return found.fetchone() is not None

    def active_conversations(self, since: datetime) -> Iterator[tuple[str, list[ConversationEvent]]]:
        """See ``read_active_conversations``."""
        return read_active_conversations(self._connection, since)


def read_active_conversations(
    connection: sqlite3.Connection, since: datetime
) -> Iterator[tuple[str, list[ConversationEvent]]]:
    """The conversations in which anything happened since then, by id, each with all its events in order."""
    active = "SELECT conversation FROM facts GROUP BY conversation HAVING max(at) >= ? ORDER BY conversation"
    for (conversation,) in connection.execute(active, (since.timestamp(),)):
        rows = connection.execute(_SELECT, (conversation, MAX_EVENTS))
        yield conversation, [ConversationEvent(*row) for row in rows]


def _to_rows(record: Record, number: int) -> list[_Row]:
    try:
        event = Envelope.from_wire(record.headers, record.value)
    except RecordError:
        return []
    if event.data is None or not event.conversation:
        return []
    about = (event.id, event.type, event.channel, event.account, event.replay_of)
    return [(event.conversation, event.time.timestamp(), number, *about, event.data)]


@contextmanager
def open_conversation_grouping(folder: Path) -> Iterator[ConversationGrouping]:
    """Create an empty file in this folder, and delete it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="export-") as temporary:
        path = Path(temporary) / "facts"
        connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        with closing(connection), ThreadPoolExecutor(1, "parley-export") as thread:
            connection.executescript(_TABLE)
            yield ConversationGrouping(path, connection, thread)
