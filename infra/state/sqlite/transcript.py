"""Transcripts and turns on SQLite. A row of the transcript without a body reserves a number for a message that is still
to be read back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from infra.state import rules
from infra.state.sqlite.sealed_rows import open_body, seal
from infra.state.sqlite.store import UNSHARDED, Store
from schemas.conversation import Turn
from schemas.errors import IdReused
from schemas.messages import Attachment, MessageState, TranscriptMessage
from schemas.ports import RecordedLine

_HEAD = """
INSERT INTO state_transcript_heads (conversation, head) VALUES (?, ?)
ON CONFLICT (conversation) DO UPDATE SET head = {head} RETURNING head
"""


class SqliteTranscript:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, conversation: str, message: TranscriptMessage) -> int:
        # Clients are told the number: after a power cut it must not go to another message.
        return await self._store.write(
            conversation, lambda connection: _add(connection, conversation, message), durable=True
        )

    async def mark(self, conversation: str, message_ids: Sequence[str], state: MessageState) -> None:
        await self._store.write(conversation, lambda connection: _mark(connection, conversation, message_ids, state))

    async def edit(self, conversation: str, message_id: str, text: str, *, revision: int = 0) -> bool:
        return await self._store.write(
            conversation, lambda connection: _edit(connection, conversation, message_id, text, revision)
        )

    async def attach(
        self, conversation: str, message_id: str, attachments: Sequence[Attachment]
    ) -> TranscriptMessage | None:
        return await self._store.write(
            conversation, lambda connection: _attach(connection, conversation, message_id, attachments)
        )

    async def find(self, conversation: str, message_id: str) -> TranscriptMessage | None:
        found = await self._select(conversation, "id = ?", message_id, "ASC", 1)
        return found[0] if found else None

    async def read(self, conversation: str, *, after: int = 0, limit: int = 200) -> list[TranscriptMessage]:
        return await self._select(conversation, "seq > ?", after, "ASC", limit)

    async def read_recent(self, conversation: str, *, limit: int = 20) -> list[TranscriptMessage]:
        return (await self._select(conversation, "seq > ?", 0, "DESC", limit))[::-1]

    async def head(self, conversation: str) -> int:
        return await self._store.read(conversation, lambda connection: head_of(connection, conversation))

    async def _select(
        self, conversation: str, condition: str, value: int | str, order: str, limit: int
    ) -> list[TranscriptMessage]:
        return await self._store.read(
            conversation, lambda connection: _select(connection, conversation, condition, value, order, limit)
        )


def _select(
    connection: sqlite3.Connection, conversation: str, condition: str, value: int | str, order: str, limit: int
) -> list[TranscriptMessage]:
    query = (
        f"SELECT seq, body, state FROM state_transcript WHERE conversation = ? AND {condition}"  # noqa: S608
        f" AND body IS NOT NULL ORDER BY seq {order} LIMIT ?"
    )
    return parse_lines(connection, connection.execute(query, (conversation, value, limit)))


def parse_lines(
    connection: sqlite3.Connection, rows: Iterable[tuple[int, str, MessageState]]
) -> list[TranscriptMessage]:
    """The lines of ``(seq, body, state)``, without those of somebody who was erased."""
    opened = [(seq, open_body(connection, body), state) for seq, body, state in rows]
    return [_parse_line(seq, body, state) for seq, body, state in opened if body is not None]


def _parse_line(seq: int, body: str | bytes, state: MessageState) -> TranscriptMessage:
    return TranscriptMessage.model_validate_json(body).model_copy(update={"seq": seq, "state": state})


def _row(
    connection: sqlite3.Connection, conversation: str, message: str
) -> tuple[int, str | bytes | None, MessageState, str]:
    """``(seq, body, state, fingerprint)``, seq 0 when the id is unknown."""
    query = "SELECT seq, body, state, fingerprint FROM state_transcript WHERE conversation = ? AND id = ?"
    row = connection.execute(query, (conversation, message)).fetchone()
    if row is None:
        return 0, None, "received", ""
    seq, body, state, fingerprint = row
    return seq, body and open_body(connection, body), state, fingerprint


def _pack_line(connection: sqlite3.Connection, conversation: str, line: TranscriptMessage) -> str:
    # Retention reads the time of each conversation's first line, without a key.
    body = line.model_dump_json(exclude={"seq", "state"})
    return seal(connection, conversation, body, [("created_at", line.created_at)])


def _add(connection: sqlite3.Connection, conversation: str, message: TranscriptMessage) -> int:
    seq, body, _, known = _row(connection, conversation, message.id)
    if body is None:
        return write(connection, conversation, message)
    if known not in (rules.ERASED, rules.fingerprint(message)):
        raise IdReused("the same message id was used with different content")
    return seq


def add_all(connection: sqlite3.Connection, conversation: str, messages: Iterable[TranscriptMessage]) -> frozenset[str]:
    """Add each message; returns the ids that are there with other content."""
    reused = set()
    for message in messages:
        try:
            _add(connection, conversation, message)
        except IdReused:
            reused.add(message.id)
    return frozenset(reused)


def read_last(connection: sqlite3.Connection, conversation: str, limit: int) -> list[TranscriptMessage]:
    """The result of ``read_recent``."""
    return _select(connection, conversation, "seq > ?", 0, "DESC", max(0, limit))[::-1]


def is_written(connection: sqlite3.Connection, conversation: str, message: str) -> bool:
    return _row(connection, conversation, message)[1] is not None


def write(connection: sqlite3.Connection, conversation: str, message: TranscriptMessage) -> int:
    """Write the body of a message under its reserved number, else under the next. Returns the number."""
    seq, _, _, _ = _row(connection, conversation, message.id)
    number = seq or next_number(connection, conversation)
    connection.execute(
        "INSERT OR REPLACE INTO state_transcript (conversation, seq, id, body, state, fingerprint)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            conversation,
            number,
            message.id,
            _pack_line(connection, conversation, message),
            message.state,
            rules.fingerprint(message),
        ),
    )
    return number


def reserve_numbers(
    connection: sqlite3.Connection, conversation: str, head: int, seqs: Iterable[tuple[str, int]]
) -> None:
    """Reserve numbers for messages whose bodies are still to be read back. A taken id or number is left as it is; new
    messages come above ``head`` and all of them."""
    listed = list(seqs)
    raise_head(connection, conversation, max([head, *(seq for _, seq in listed)]))
    connection.executemany(
        "INSERT OR IGNORE INTO state_transcript (conversation, id, seq) VALUES (?, ?, ?)",
        [(conversation, id_, seq) for id_, seq in listed],
    )


def claim_number(connection: sqlite3.Connection, conversation: str, message: TranscriptMessage) -> None:
    """Reserve the number that the message has by the log, if no line is there: what an older snapshot reserved gives
    way. Without a number (0), its reserved one stays."""
    taken = "SELECT 1 FROM state_transcript WHERE conversation = ? AND seq = ? AND body IS NOT NULL"
    if message.seq and connection.execute(taken, (conversation, message.seq)).fetchone() is None:
        connection.execute(
            "DELETE FROM state_transcript WHERE conversation = ? AND body IS NULL AND (id = ? OR seq = ?)",
            (conversation, message.id, message.seq),
        )
        reserve_numbers(connection, conversation, message.seq, [(message.id, message.seq)])


def _mark(connection: sqlite3.Connection, conversation: str, messages: Iterable[str], state: MessageState) -> None:
    for message in messages:
        _, body, old, _ = _row(connection, conversation, message)
        if body is not None and rules.may_become(old, state):
            connection.execute(
                "UPDATE state_transcript SET state = ? WHERE conversation = ? AND id = ?",
                (state, conversation, message),
            )


def show(connection: sqlite3.Connection, conversation: str, line: TranscriptMessage) -> RecordedLine:
    """Give the line its state; add it if it is missing, unless it was dropped."""
    seq, body, old, _ = _row(connection, conversation, line.id)
    if body is None:
        return RecordedLine() if line.state == "dropped" else RecordedLine(write(connection, conversation, line), True)
    if rules.may_become(old, line.state):
        query = "UPDATE state_transcript SET state = ? WHERE conversation = ? AND seq = ?"
        connection.execute(query, (line.state, conversation, seq))
    return RecordedLine(seq)


def _edit(connection: sqlite3.Connection, conversation: str, message: str, text: str, revision: int) -> bool:
    seq, body, _, fingerprint = _row(connection, conversation, message)
    if body is None:
        return False
    line = TranscriptMessage.model_validate_json(body)
    if revision and revision < line.revision:
        return False
    edited = line.model_copy(update={"text": text, "revision": revision or line.revision})
    connection.execute(
        "UPDATE state_transcript SET body = ?, fingerprint = ? WHERE conversation = ? AND seq = ?",
        (
            _pack_line(connection, conversation, edited),
            fingerprint if text else rules.ERASED,
            conversation,
            seq,
        ),
    )
    return True


def _attach(
    connection: sqlite3.Connection, conversation: str, message: str, attachments: Sequence[Attachment]
) -> TranscriptMessage | None:
    seq, body, state, _ = _row(connection, conversation, message)
    if body is None:
        return None
    after = rules.attach_files(_parse_line(seq, body, state), attachments)
    connection.execute(
        "UPDATE state_transcript SET body = ? WHERE conversation = ? AND seq = ?",
        (_pack_line(connection, conversation, after), conversation, seq),
    )
    return after


def redact(connection: sqlite3.Connection, conversation: str, messages: Iterable[str]) -> int:
    """Empty these lines. Returns how many were not empty before."""
    count = 0
    for message in messages:
        seq, body, state, _ = _row(connection, conversation, message)
        if body is None or rules.is_redacted(line := _parse_line(seq, body, state)):
            continue
        connection.execute(
            "UPDATE state_transcript SET body = ?, state = ?, fingerprint = ? WHERE conversation = ? AND seq = ?",
            (
                _pack_line(connection, conversation, rules.redact(line)),
                "deleted",
                rules.ERASED,
                conversation,
                seq,
            ),
        )
        count += 1
    return count


def next_number(connection: sqlite3.Connection, conversation: str) -> int:
    rows: list[tuple[int]] = connection.execute(_HEAD.format(head="head + 1"), (conversation, 1)).fetchall()
    return rows[0][0]


def raise_head(connection: sqlite3.Connection, conversation: str, to: int) -> None:
    connection.execute(_HEAD.format(head="MAX(head, excluded.head)"), (conversation, to)).fetchall()


def head_of(connection: sqlite3.Connection, conversation: str) -> int:
    """The highest number given out."""
    query = "SELECT head FROM state_transcript_heads WHERE conversation = ?"
    row: tuple[int] | None = connection.execute(query, (conversation,)).fetchone()
    return row[0] if row else 0


def last_seqs(connection: sqlite3.Connection, conversation: str, limit: int) -> list[tuple[str, int]]:
    """``(message id, number)`` of the last ``limit``, reserved ones included."""
    query = "SELECT id, seq FROM state_transcript WHERE conversation = ? ORDER BY seq DESC LIMIT ?"
    return connection.execute(query, (conversation, limit)).fetchall()


_TRIM_TURNS = """
DELETE FROM state_turns WHERE conversation = ?1 AND (at, id) <= (
    SELECT at, id FROM state_turns WHERE conversation = ?1 ORDER BY at DESC, id DESC LIMIT 1 OFFSET ?2
)
"""


class SqliteTurns:
    """Turns on SQLite: the newest of each conversation, for people to look up."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, conversation: str, turn: Turn) -> None:
        await self._store.write(UNSHARDED, lambda connection: add_turn(connection, conversation, turn))

    async def list_newest(self, conversation: str, *, limit: int = 200) -> list[Turn]:
        query = "SELECT body FROM state_turns WHERE conversation = ? ORDER BY at DESC, id DESC LIMIT ?"

        def work(connection: sqlite3.Connection) -> list[Turn]:
            rows = connection.execute(query, (conversation, max(1, limit))).fetchall()
            bodies = [open_body(connection, body) for (body,) in reversed(rows)]
            return [Turn.model_validate_json(body) for body in bodies if body is not None]

        return await self._store.read(UNSHARDED, work)


def add_turn(connection: sqlite3.Connection, conversation: str, turn: Turn) -> None:
    """Add a turn inside the transaction of its conversation."""
    known = "SELECT 1 FROM state_turns WHERE conversation = ? AND id = ?"
    if connection.execute(known, (conversation, turn.id)).fetchone() is None:
        body = seal(connection, conversation, turn.model_dump_json())
        row = (conversation, rules.to_micros(turn.at), turn.id, body)
        connection.execute("INSERT INTO state_turns (conversation, at, id, body) VALUES (?, ?, ?, ?)", row)
        connection.execute(_TRIM_TURNS, (conversation, rules.TURNS_KEPT))
