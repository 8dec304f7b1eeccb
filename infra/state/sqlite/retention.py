"""Removal of expired rows on SQLite: each step reads a few hundred rows, and writes in short transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from infra.state import contact_merging, retention_rules, rules
from infra.state.sqlite import contact_rows, contacts, conversation_rows
from infra.state.sqlite.store import ALL_SHARDS, UNSHARDED, Store
from infra.state.sqlite.transcript import parse_lines
from schemas.conversation import Contact, Conversation
from schemas.messages import TranscriptMessage
from schemas.ports import Removal, RemovalStep, RetentionPeriods

SCANNED_AT_ONCE = 200
LINES_AT_ONCE = 200
"""Lines of one conversation that one transaction removes: about two milliseconds."""
LETTERS_AT_ONCE = 200
SPARE_PAGES = 8_192
"""Free pages (16 MiB) that stay in the file, so that it does not shrink and grow all the time."""
VACUUMED_AT_ONCE = 256
VACUUMED_PER_TIDY = 20_000
BY_CONVERSATION = (
    "state_handled",
    "state_outbox",
    "state_claims",
    "state_holders",
    "state_transcript",
    "state_deliveries",
    "state_external_ids",
    "state_actions",
    "state_approvals",
    "state_turns",
)
"""The tables of a conversation beside its own row and its last transcript number."""
_SCAN = """
SELECT id, tenant, created_at, updated_at,
    (SELECT at FROM state_turns WHERE conversation = c.id ORDER BY at LIMIT 1),
    (SELECT iif(json_valid(body), json_extract(body, '$.created_at'), NULL) FROM state_transcript
     WHERE conversation = c.id AND body IS NOT NULL ORDER BY seq LIMIT 1)
FROM state_conversations c WHERE id > ? ORDER BY id LIMIT ?
"""
_IS_WAITING = """
SELECT EXISTS (SELECT 1 FROM state_outbox WHERE conversation = ?1)
    OR EXISTS (SELECT 1 FROM state_approvals WHERE conversation = ?1)
    OR EXISTS (SELECT 1 FROM state_deliveries WHERE conversation = ?1 AND outcome IS NULL)
    OR EXISTS (SELECT 1 FROM state_actions WHERE conversation = ?1 AND due IS NOT NULL)
"""
_IS_REMEMBERED = """
SELECT EXISTS (SELECT 1 FROM state_handled WHERE conversation = ?1 AND at >= ?2)
    OR EXISTS (SELECT 1 FROM state_claims WHERE conversation = ?1 AND at >= ?2)
    OR EXISTS (SELECT 1 FROM state_deliveries WHERE conversation = ?1 AND at >= ?3)
    OR EXISTS (SELECT 1 FROM state_actions WHERE conversation = ?1 AND at >= ?4)
"""
_REMOVE_LETTERS = """
DELETE FROM state_dead_letters WHERE tenant = ?1 AND id IN (
    SELECT id FROM state_dead_letters WHERE tenant = ?1 AND last_at < ?2 ORDER BY last_at LIMIT ?3
)
"""


@dataclass(frozen=True, slots=True)
class _ConversationRecency:
    """What the scan reads of a conversation. ``turn``: time of its oldest turn; ``line``: of its first line."""

    id: str
    tenant: str
    created: int
    updated: int
    turn: int | None
    line: str | None

    def may_expire(self, periods: RetentionPeriods, now: datetime) -> bool:
        before = rules.to_micros(now - periods.transcripts)
        if self.updated < before or (self.turn is not None and self.turn < rules.to_micros(now - periods.turns)):
            return True
        return self.line is not None and datetime.fromisoformat(self.line) < now - periods.transcripts


class SqliteRetention:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def limit_time(self, now: datetime) -> datetime:
        """The file's time is that of the log, which hardly follows a clock that jumps ahead: see ``LogTime``."""
        query = "SELECT time_ms FROM bus_clock"
        row = await self._store.read(UNSHARDED, lambda connection: connection.execute(query).fetchone())
        return now if row is None else min(now, rules.from_micros(row[0] * 1000))

    async def sweep_conversations(
        self, periods: Mapping[str, RetentionPeriods], *, groups: Sequence[str], now: datetime, after: str = ""
    ) -> RemovalStep:
        scanned = await self._store.read(ALL_SHARDS, partial(_scan, after=after))
        removed = 0
        for each in scanned:
            kept = periods.get(each.tenant)
            if kept is None or not each.may_expire(kept, now):
                continue
            cleaner = _ConversationCleaner(each.id, kept, groups, now)
            is_finished = False
            while not is_finished:
                count, is_finished = await self._store.write(each.id, cleaner.run)
                removed += count
        return RemovalStep(scanned[-1].id if len(scanned) == SCANNED_AT_ONCE else "", removed)

    async def sweep_tenant(
        self, tenant: str, periods: RetentionPeriods, *, letters_before: datetime, now: datetime, after: str = ""
    ) -> RemovalStep:
        removed = 0 if after else await self._remove_letters(tenant, letters_before)
        key = contact_merging.contacts_key(tenant)
        contacts = await self._store.read(key, partial(_scan_contacts, tenant=tenant, after=after))
        for id_, contact in contacts:
            if contact is not None and retention_rules.is_contact_expired(contact, periods, now):
                remove = partial(_remove_contact, tenant=tenant, id_=id_, periods=periods, now=now)
                removed += await self._store.write(ALL_SHARDS, remove)
        return RemovalStep(contacts[-1][0] if len(contacts) == SCANNED_AT_ONCE else "", removed)

    async def _remove_letters(self, tenant: str, before: datetime) -> int:
        work, total = partial(_execute, _REMOVE_LETTERS, (tenant, rules.to_micros(before), LETTERS_AT_ONCE)), 0
        while count := await self._store.write(UNSHARDED, work):
            total += count
        return total

    async def list_removals(self, *, limit: int) -> list[Removal]:
        query = (
            "SELECT kind, id, tenant, channel, account, conversation FROM state_removals WHERE kind <> 'key' LIMIT ?"
        )
        return await self._store.read(
            ALL_SHARDS, lambda connection: [Removal(*row) for row in connection.execute(query, (limit,))]
        )

    async def forget(self, removal: Removal, *, revived: bool = False) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            if not revived and _exists(connection, removal):
                return False
            connection.execute("DELETE FROM state_removals WHERE kind = ? AND id = ?", (removal.kind, removal.id))
            return True

        return await self._store.write(ALL_SHARDS, work)

    async def list_unused_keys(self, tenant: str, *, after: str = "", limit: int) -> list[str]:
        query = "SELECT id FROM state_removals WHERE kind = 'key' AND id > ? AND tenant = ? ORDER BY id LIMIT ?"
        return await self._store.read(
            ALL_SHARDS, lambda connection: [id_ for (id_,) in connection.execute(query, (after, tenant, limit))]
        )

    async def forget_key(self, tenant: str, contact: str) -> None:
        query = "DELETE FROM state_removals WHERE kind = 'key' AND id = ? AND tenant = ?"
        await self._store.write(ALL_SHARDS, partial(_execute, query, (contact, tenant)))

    async def tidy(self, *, now: datetime) -> None:
        at = rules.to_micros(now)
        while await self._store.write(ALL_SHARDS, partial(_forget_heads, before=at)):
            pass
        for _ in range(VACUUMED_PER_TIDY // VACUUMED_AT_ONCE):
            if not await self._store.write(UNSHARDED, _vacuum):
                return


def _scan(connection: sqlite3.Connection, after: str) -> list[_ConversationRecency]:
    return [_ConversationRecency(*row) for row in connection.execute(_SCAN, (after, SCANNED_AT_ONCE))]


def _scan_contacts(connection: sqlite3.Connection, tenant: str, after: str) -> list[tuple[str, Contact | None]]:
    query = "SELECT id, body FROM state_contacts WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?"
    rows = connection.execute(query, (tenant, after, SCANNED_AT_ONCE)).fetchall()
    return [(id_, contact_rows.open_contact(connection, body)) for id_, body in rows]


def _execute(query: str, values: tuple[object, ...], connection: sqlite3.Connection) -> int:
    return connection.execute(query, values).rowcount


# The removal of what has expired of one conversation. ``run`` is called, each time in a transaction, until it is done.
@dataclass(frozen=True, slots=True)
class _ConversationCleaner:
    id: str
    periods: RetentionPeriods
    groups: Sequence[str]
    now: datetime

    def run(self, connection: sqlite3.Connection) -> tuple[int, bool]:
        """Return how many rows were removed, and whether nothing is left to do."""
        row = conversation_rows.load(connection, self.id)
        if row is None or retention_rules.is_awaited(row.conversation, self.now) or self._is_waiting(connection):
            return 0, True
        turns_before = rules.to_micros(self.now - self.periods.turns)
        query = "DELETE FROM state_turns WHERE conversation = ? AND at < ?"
        removed = _execute(query, (self.id, turns_before), connection)
        lines = _read_first_lines(connection, self.id)
        expired = retention_rules.expired_lines(lines, self.periods, self.now)
        self._remove_lines(connection, row.conversation, expired)
        removed += len(expired)
        if len(expired) == LINES_AT_ONCE:
            return removed, False
        is_empty = len(expired) == len(lines)
        if is_empty and retention_rules.is_inactive(row.conversation, self.periods, self.now):
            removed += self._remove_conversation(connection, row)
        return removed, True

    def _is_waiting(self, connection: sqlite3.Connection) -> bool:
        if connection.execute(_IS_WAITING, (self.id,)).fetchone()[0]:
            return True
        query = "SELECT 1 FROM state_parked_until WHERE consumer_group = ? AND conversation = ?"
        return any(connection.execute(query, (group, self.id)).fetchone() for group in self.groups)

    def _remove_lines(
        self, connection: sqlite3.Connection, conversation: Conversation, lines: Sequence[TranscriptMessage]
    ) -> None:
        """Remove lines, the numbers reserved before them, and the vendors' ids of their messages."""
        if not lines:
            return
        query = "DELETE FROM state_transcript WHERE conversation = ? AND seq <= ?"
        connection.execute(query, (self.id, lines[-1].seq))
        connection.executemany(
            "DELETE FROM state_external_ids WHERE conversation = ? AND message_id = ?",
            [(self.id, line.id) for line in lines],
        )
        origin = conversation.origin
        files = (file.id for line in lines for file in line.attachments)
        _add_removals(
            connection,
            (Removal("file", id_, origin.tenant, origin.channel, origin.account, self.id) for id_ in files),
        )

    def _remove_conversation(self, connection: sqlite3.Connection, row: conversation_rows.Row) -> int:
        conversation, token = row.conversation, row.token
        since = [rules.to_micros(self.now - floor) for floor in retention_rules.floors()]
        if connection.execute(_IS_REMEMBERED, (self.id, *since)).fetchone()[0]:
            return 0
        for table in BY_CONVERSATION:
            connection.execute(f"DELETE FROM {table} WHERE conversation = ?", (self.id,))  # noqa: S608 (a constant)
        connection.execute("DELETE FROM state_conversations WHERE id = ?", (self.id,))
        # If it comes back, a worker of this time must not win.
        connection.execute(
            "INSERT INTO state_token_floor (id, floor) VALUES (1, ?)"
            " ON CONFLICT (id) DO UPDATE SET floor = MAX(floor, excluded.floor)",
            (token,),
        )
        origin = conversation.origin
        if origin.channel == retention_rules.NUMBERED and conversation.head_seq:
            until = rules.to_micros(self.now + retention_rules.NUMBERS_KEPT)
            query = "INSERT OR REPLACE INTO state_kept_heads (conversation, until) VALUES (?, ?)"
            connection.execute(query, (self.id, until))
        else:
            connection.execute("DELETE FROM state_transcript_heads WHERE conversation = ?", (self.id,))
        _add_removals(connection, [Removal("conversation", self.id, origin.tenant, origin.channel, origin.account)])
        return 1


def _read_first_lines(connection: sqlite3.Connection, conversation: str) -> list[TranscriptMessage]:
    query = (
        "SELECT seq, body, state FROM state_transcript WHERE conversation = ? AND body IS NOT NULL ORDER BY seq LIMIT ?"
    )
    return parse_lines(connection, connection.execute(query, (conversation, LINES_AT_ONCE)))


def _add_removals(connection: sqlite3.Connection, removals: Iterable[Removal]) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO state_removals (kind, id, tenant, channel, account, conversation)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [(each.kind, each.id, each.tenant, each.channel, each.account, each.conversation) for each in removals],
    )


def _exists(connection: sqlite3.Connection, removal: Removal) -> bool:
    if removal.kind == "conversation":
        return conversation_rows.load(connection, removal.id) is not None
    query = "SELECT 1 FROM state_contacts WHERE tenant = ? AND id = ?"
    return removal.kind == "contact" and connection.execute(query, (removal.tenant, removal.id)).fetchone() is not None


def _remove_contact(
    connection: sqlite3.Connection, tenant: str, id_: str, periods: RetentionPeriods, now: datetime
) -> int:
    """Remove the contact, and those that were merged into it, unless it has a conversation or was active meanwhile."""
    row = connection.execute("SELECT body FROM state_contacts WHERE tenant = ? AND id = ?", (tenant, id_)).fetchone()
    contact = contact_rows.open_contact(connection, row[0]) if row is not None else None
    if contact is None:
        return 0
    same = contact_rows.list_same(connection, tenant, id_)
    has_conversation = any(connection.execute(contacts.READ_CONVERSATIONS, (tenant, each)).fetchone() for each in same)
    if has_conversation or not retention_rules.is_contact_expired(contact, periods, now):
        return 0
    contact_rows.remove_addresses(connection, tenant, (*contact.addresses, *contact.left), same)
    rows = [(tenant, each) for each in same]
    connection.executemany("DELETE FROM state_contacts WHERE tenant = ? AND id = ?", rows)
    contact_rows.remove_terms(connection, tenant, same)
    _add_removals(connection, [Removal("contact", each, tenant) for each in same])
    query = "INSERT OR IGNORE INTO state_removals VALUES ('key', ?, ?, '', '', '')"
    connection.executemany(query, [(each, tenant) for each in same])
    return len(same)


def _forget_heads(connection: sqlite3.Connection, before: int) -> int:
    query = "SELECT conversation FROM state_kept_heads WHERE until < ? ORDER BY until LIMIT ?"
    due = connection.execute(query, (before, SCANNED_AT_ONCE)).fetchall()
    connection.executemany(
        "DELETE FROM state_transcript_heads WHERE conversation = ?1"
        " AND NOT EXISTS (SELECT 1 FROM state_conversations WHERE id = ?1)"
        " AND NOT EXISTS (SELECT 1 FROM state_transcript WHERE conversation = ?1)",
        due,
    )
    connection.executemany("DELETE FROM state_kept_heads WHERE conversation = ?", due)
    return len(due)


def _vacuum(connection: sqlite3.Connection) -> bool:
    """Give some free pages back to the disk. False when there is nothing to give, or the file is of a release that
    could not."""
    (mode,) = connection.execute("PRAGMA auto_vacuum").fetchone()
    (spare,) = connection.execute("PRAGMA freelist_count").fetchone()
    if mode != 2 or spare < SPARE_PAGES + VACUUMED_AT_ONCE:
        return False
    connection.execute(f"PRAGMA incremental_vacuum({VACUUMED_AT_ONCE})").fetchall()
    return True
